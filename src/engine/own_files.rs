//! The files that the command line names, each for one thing: [`check`].

use std::collections::VecDeque;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Most links that lead from one to the next, as the system has it.
const MOST_LINKS: usize = 40;

/// Checks that no two of `files`, each with its option, are one file: one would overwrite the other.
///
/// # Errors
/// A sentence that names the two options.
pub(crate) fn check(files: &[(&str, Option<&Path>)]) -> Result<(), String> {
    let mut left: VecDeque<_> = files.iter().filter_map(|(option, path)| Some((*option, (*path)?))).collect();
    while let Some((option, path)) = left.pop_front() {
        if let Some((other, _)) = left.iter().find(|(_, other)| is_same(path, other)) {
            return Err(format!(
                "{option} and {other} name one file, {}: each needs one of its own",
                path.display()
            ));
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        // A terminal may be read and written.
        (Ok(one), Ok(other)) => {
            (one.dev(), one.ino()) == (other.dev(), other.ino()) && !one.file_type().is_char_device()
        }
        (Err(_), Err(_)) => resolved(one) == resolved(other),
        _ => false,
    }
}

/// The path of a file that is not there yet, without links and relative parts.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(to) = std::fs::read_link(&path) else { break };
        path = directory(&path).join(to);
    }
    match (directory(&path).canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Without it: the statistics are written over the configuration, or the number of the process over the
    /// state.
    #[test]
    fn one_file_has_one_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        std::fs::write(path("there"), "").unwrap();
        std::fs::hard_link(path("there"), path("hard")).unwrap();
        symlink("there", path("link")).unwrap();
        symlink("later", path("early")).unwrap();
        symlink("early", path("earlier")).unwrap();
        symlink("loop", path("loop")).unwrap();
        let checked = |one: &str, other: &str| {
            let (one, other) = (path(one), path(other));
            check(&[("--a", Some(&one)), ("--b", None), ("--c", Some(&other))])
        };
        for (one, other) in [
            ("there", "there"),
            ("there", "hard"),
            ("link", "there"),
            ("later", "later"),
            ("sub/../later", "later"),
            ("earlier", "later"),
        ] {
            let error = checked(one, other).unwrap_err();
            let expected = format!("--a and --c name one file, {}", path(one).display());
            assert!(error.starts_with(&expected), "{error}");
        }
        let device = Path::new("/dev/null");
        assert_eq!(check(&[("--a", Some(device)), ("--b", Some(device))]), Ok(()));
        for (one, other) in
            [("there", "later"), ("later", "sub/later"), ("loop", "later"), ("gone/x", "gone/y")]
        {
            assert_eq!(checked(one, other), Ok(()), "{one} {other}");
        }
    }

    /// Without it: a name without a directory is another file than the same one with `./`.
    #[test]
    fn names_are_those_of_the_working_directory() {
        let (one, other) = (Path::new("no-such-file"), Path::new("./no-such-file"));
        assert!(check(&[("--a", Some(one)), ("--b", Some(other))]).is_err());
    }
}
