//! The files that a destination may write: [`Claim`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};

use crate::template::Template;

/// The files that a destination may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The path, or what all of its paths begin with.
    path: Vec<u8>,
    has_macros: bool,
}

impl Claim {
    /// The claim of a destination whose path is `path`.
    pub fn new(path: &Template) -> Self {
        let (text, has_macros) = match path.as_literal() {
            Some(text) => (text.to_vec(), false),
            None => (path.bytes().split(|byte| *byte == b'$').next().unwrap_or_default().to_vec(), true),
        };
        let given = PathBuf::from(OsStr::from_bytes(if text.is_empty() { b"." } else { &text }));
        let absolute = std::path::absolute(&given).unwrap_or(given);
        // A link may stand before `..`: what comes behind it can be anywhere.
        let mut climbs = false;
        let known: PathBuf = absolute
            .components()
            .take_while(|component| {
                climbs = *component == Component::ParentDir;
                !climbs
            })
            .collect();
        let path = if climbs { Vec::new() } else { known.into_os_string().into_encoded_bytes() };
        Self { path, has_macros: has_macros || climbs }
    }

    /// True when both may write one file, as far as their names tell.
    pub fn meets(&self, other: &Self) -> bool {
        match (self.has_macros, other.has_macros) {
            (false, false) => self.path == other.path,
            (true, false) => other.path.starts_with(&self.path),
            (false, true) => self.path.starts_with(&other.path),
            (true, true) => self.path.starts_with(&other.path) || other.path.starts_with(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(one: &str, other: &str) -> bool {
        let claim = |path| Claim::new(&Template::compile(path).unwrap());
        let meets = claim(one).meets(&claim(other));
        assert_eq!(meets, claim(other).meets(&claim(one)), "{one} and {other}");
        meets
    }

    /// Breaks without it: two destinations write one file at the same time after a reload.
    #[test]
    fn claims_meet_where_one_file_may_have_both_names() {
        for (one, other, expected) in [
            ("/log/a", "/log/a", true),
            ("/log/a", "/log/b", false),
            ("/log/./a", "/log//a", true),
            ("/log/x/../a", "/log/b", true),
            ("/log/$HOST", "/log/a", true),
            ("/log/$HOST", "/log/sub/$HOST", true),
            ("/log/$HOST", "/other/a", false),
            ("/log/a-$HOST", "/log/b-$HOST", false),
            ("$HOST/a", "/dev/stdout", false),
        ] {
            assert_eq!(meet(one, other), expected, "{one} and {other}");
        }
    }
}
