//! The reasons why a store cannot do what it was asked for.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The reason why a store cannot do what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The capacity is used up. Nothing was written; it works again when segments were freed.
    Full,
    /// An entry that would not fit into the empty buffer.
    TooLarge {
        /// The bytes of the entry.
        bytes: u64,
        /// The most that an entry may have.
        most: u64,
    },
    /// Another process writes this buffer.
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process, if it can be seen from here.
        by: Option<i32>,
    },
    /// A segment of a later version of the format. It is left alone.
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The name is too long to stand in a segment.
    Name {
        /// Its bytes.
        bytes: usize,
        /// The most that a name may have.
        most: usize,
    },
    /// The system says no. Nothing of what was asked for has happened, and what was appended before stands:
    /// the same call can be tried again.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The step that failed.
        doing: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// These messages were appended and could not be made durable. **They are no longer in the buffer**,
    /// their numbers are free again, and the caller must append them anew: after a failed flush nothing is
    /// known of what is on the disk, and the next flush may succeed without having written it.
    Forgotten {
        /// The messages to be appended again. Those before are durable.
        messages: Range<u64>,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, doing, source }
    }

    /// The system's error, if it was one.
    pub fn system(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } | Self::Forgotten { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => out.write_str("the disk buffer is full"),
            Self::TooLarge { bytes, most } => {
                write!(out, "an entry of {bytes} bytes does not fit into the disk buffer, which takes {most}")
            }
            Self::InUse { path, by } => {
                write!(out, "the disk buffer of {} is in use by ", path.display())?;
                match by {
                    Some(process) => write!(out, "process {process}"),
                    None => out.write_str("another process"),
                }
            }
            Self::Version { path, version } => write!(
                out,
                "the segment {} has version {version} of the format, and this is {}; it is left alone",
                path.display(),
                super::format::VERSION
            ),
            Self::Name { bytes, most } => {
                write!(out, "the name of a disk buffer has {bytes} bytes; {most} are the most")
            }
            Self::Io { path, doing, source } => write!(out, "{}: {doing}: {source}", path.display()),
            Self::Forgotten { messages, path, source } => write!(
                out,
                "{}: cannot be made durable: {source}; messages {} to {} have to be written again",
                path.display(),
                messages.start,
                messages.end.saturating_sub(1)
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.system().map(|error| error as _)
    }
}
