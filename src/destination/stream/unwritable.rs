//! Paths that messages chose and that cannot be written: [`Unwritable`].
//!
//! A path with macros is chosen by whoever sends the messages. A sender can name a directory, a name that is
//! too long or a FIFO that nobody reads, and such a path is the trouble of its messages alone: it must not
//! hold the credit of their source.
//!
//! * A path that can never be a file ([`is_never_a_file`]) has its messages dropped at once.
//! * One that cannot be opened now (no permission, no directory, no reader) has its messages wait, but no
//!   more than [`ONE`] of a window for one path, and [`ALL`] for all of them: the newest beyond are dropped.
//!   The log is told so when they begin to wait, and not again when some are dropped.
//! * Where the directory that the template fixes cannot be used, or the disk is full, it is no message's
//!   fault: all wait.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rustix::fs::{self, Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

use crate::destination::drops::{Drops, News};
use crate::template::Template;

/// A whole window, in the parts that shares are counted in.
pub(super) const WINDOW: u64 = 1_000_000;
/// The share of a window that one path may hold.
pub(super) const ONE: u64 = WINDOW / 8;
/// The share of a window that all such paths of a destination may hold.
pub(super) const ALL: u64 = WINDOW / 2;
/// Most paths that are remembered as told. With all of them told, new ones are told again after [`FORGET`].
const TOLD: usize = 256;
const FORGET: Duration = Duration::from_secs(3600);

/// The unwritable paths of one destination.
#[derive(Debug)]
pub(super) struct Unwritable {
    /// The directory that the template fixes, with `/.` behind it: so a file there is an error.
    fixed: Option<Vec<u8>>,
    told: HashMap<Box<[u8]>, Told, RandomState>,
    /// The time at which the first of them was told.
    since: Option<Instant>,
    drops: Drops,
}

/// The state of a path as the log was told it; the later one says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// That its messages wait, and are dropped when they are too many.
    Waits,
    /// That its messages are dropped.
    Dropped,
}

/// The meaning of an error of `open` for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is no file and never will be.
    Never,
    /// It is this path's own trouble, which may end.
    Own,
    /// It has nothing to do with the path.
    Common,
}

impl Unwritable {
    /// Those of the paths that `template` makes: none where it has no macros.
    pub(super) fn new(template: &Template) -> Self {
        let fixed = template.as_literal().is_none().then(|| {
            let text = template.text().split('$').next().unwrap_or_default();
            let directory = text.rfind('/').map_or("./", |slash| &text[..=slash]);
            [directory.as_bytes(), b"."].concat()
        });
        Self { fixed, told: HashMap::default(), since: None, drops: Drops::default() }
    }

    /// The meaning of `error`, which opening `path` gave.
    pub(super) fn judge(&self, path: &[u8], error: Errno) -> Verdict {
        let Some(fixed) = &self.fixed else { return Verdict::Common };
        let allows = |access| fs::accessat(CWD, &**fixed, access, AtFlags::EACCESS).is_ok();
        if is_never_a_file(path, error) && allows(Access::EXEC_OK) {
            return Verdict::Never;
        }
        let is_own =
            matches!(error, Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::NXIO | Errno::TXTBSY);
        if is_own && allows(Access::EXEC_OK | Access::WRITE_OK) { Verdict::Own } else { Verdict::Common }
    }

    /// Counts messages that were dropped; what the log is to be told of their number: how many lately, and in
    /// all.
    pub(super) fn count(&self, messages: u64, now: Instant) -> Option<(u64, u64)> {
        match self.drops.note(messages, now)? {
            News::GoesOn { lately, total } => Some((lately, total)),
            News::Began => None,
        }
    }

    /// Notes that the log is to be told `what` of `path`; false where it was already, or of too many others.
    pub(super) fn is_news(&mut self, path: &[u8], what: Told, now: Instant) -> bool {
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= FORGET) {
            self.told.clear();
            self.since = None;
        }
        let is_new = match self.told.get(path) {
            Some(told) => *told < what,
            None => self.told.len() < TOLD,
        };
        if is_new {
            self.told.insert(path.into(), what);
            self.since.get_or_insert(now);
        }
        is_new
    }

    /// Forgets what was told of `path`, which can be written again.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.told.remove(path);
    }

    /// The number of messages that were dropped from the first one on.
    pub(super) fn total(&self, now: Instant) -> Option<u64> {
        self.drops.end(now).map(|(total, _)| total)
    }
}

/// Tells whether `error` says that `path` cannot be a file, whoever asks and whenever.
fn is_never_a_file(path: &[u8], error: Errno) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    match error {
        Errno::ISDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::NOTDIR | Errno::INVAL | Errno::NODEV => true,
        // A FIFO may get a reader; a socket gets no writer.
        Errno::NXIO => {
            !fs::stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
        }
        _ => false,
    }
}

/// An error of `open` in words, where the system's own say little.
pub(super) fn in_words(error: Errno, create_dirs: bool) -> String {
    let more = match error {
        Errno::NXIO => "it is a FIFO that nobody reads, or a socket",
        Errno::ISDIR => "the path must name a file",
        Errno::NOTDIR => "what stands before a `/` in the path must be a directory",
        Errno::NOENT if !create_dirs => "create-dirs(yes) makes missing directories",
        Errno::LOOP => "its symbolic links lead nowhere",
        _ => return error.to_string(),
    };
    format!("{error}; {more}")
}
