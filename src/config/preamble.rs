//! The `@` lines of a configuration: [`Version`], and the rest of them.
use super::span::Spanned;

/// The version of the configuration language, as in `@version: 4.27`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The part before the point.
    pub major: u16,
    /// The part after the point.
    pub minor: u16,
}

impl Version {
    /// The version that Inrush implements, and that a file without `@version` is taken for.
    pub const CURRENT: Version = Version { major: 4, minor: 27 };
    /// Older files are refused.
    pub(super) const OLDEST: Version = Version { major: 3, minor: 0 };
    /// Older files may have two things of one kind with the same name.
    pub(super) const NAMES_ARE_UNIQUE: Version = Version { major: 3, minor: 3 };
    /// In older files the fields of the journal have no prefix.
    pub(crate) const JOURNAL_HAS_A_PREFIX: Version = Version { major: 3, minor: 8 };
    /// Older files may have `include "file";`.
    pub(super) const NO_INCLUDE_STATEMENT: Version = Version { major: 3, minor: 20 };
    /// In older files values are texts, but where a type is written. From here on nothing changed its meaning.
    pub(super) const VALUES_HAVE_TYPES: Version = Version { major: 4, minor: 0 };

    /// `4.27`, or `current`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "current" {
            return Some(Self::CURRENT);
        }
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The values of the `@` lines.
#[derive(Debug, Default)]
pub(super) struct Pragmas {
    pub(super) version: Option<Spanned<Version>>,
    pub(super) config_id: Option<String>,
    /// `@module mod-python use-virtualenv(…)`
    pub(super) use_virtualenv: Option<bool>,
    /// The text could not be read to its end, so what was read of it says little.
    pub(super) unreadable: bool,
    /// Files, or ends of python blocks, could not be found: code that others refer to may be missing.
    pub(super) incomplete: bool,
}
