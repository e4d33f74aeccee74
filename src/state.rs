//! The state that outlives the process: [`State`], values by name in one crash-safe file.
//!
//! A [`Store`] is the part of the state that belongs to one name. An assignment is seen at once by every
//! reader of this process, and is on its way to the disk:
//!
//! ```text
//!  put ──► content, in memory ──► changed keys ══ one thread ══► one record, one fsync ──► durable
//!            every reader                     takes all that changed since
//!                                             the last commit began
//! ```
//!
//! * **Natural batching.** A commit begins as soon as the one before it is done, with everything that was put
//!   meanwhile. A source that puts for each message does not wait for the disk, and what it put is durable
//!   after at most two commits.
//! * **A prefix.** A commit holds all changes up to one moment; what a restart finds is the state of such a
//!   moment.
//! * **When the disk refuses**, the commit is tried again with growing pauses, and meanwhile [`Store::put`]
//!   and [`State::flush`] fail with the reason. Nothing that was accepted is forgotten.
//!
//! The rooms: `format` is the file's format, `file` its life on a file system, `committer` the thread,
//! `store` a name's part of the state, [`value`] what is kept.
//!
//! # Why a format of our own
//! redb 4.6 was tried first: with its check at open, of all bytes that were flipped in the file of a process
//! that was killed, 222 gave the values of the commit before the last one, without a word; a small state took
//! 44 KiB and two waits for the disk a commit where that must not happen. See
//! `docs/decisions/state-has-a-format-of-its-own.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

mod committer;
mod file;
mod format;
mod store;
#[cfg(test)]
mod tests;
pub mod value;

use format::Content;
pub use format::Key;
pub use store::Store;
pub use value::Value;

/// The most bytes of a value.
pub(crate) const LARGEST_VALUE: usize = 64 << 20;
/// The most bytes of a key and of the name of a store.
pub(crate) const LARGEST_KEY: usize = 1 << 20;
/// The time that a state which is let go of has to write what is left.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// The severity of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warning,
    /// Worth knowing.
    Notice,
}

/// The receiver of reports on what happens to the file; called from the state's own thread as well.
pub type Report = Box<dyn Fn(Severity, &str) + Send + Sync>;

/// The reason why the state cannot be opened or written.
#[derive(Debug, Clone)]
pub struct Error {
    message: Arc<str>,
    errno: Option<i32>,
}

impl Error {
    fn new(message: String) -> Self {
        Self { message: message.into(), errno: None }
    }

    fn io(path: &Path, what: &str, error: &io::Error) -> Self {
        let message = format!("the state file {}: {what}: {error}", path.display());
        Self { message: message.into(), errno: error.raw_os_error() }
    }

    /// The number of the system's error, if it was one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The counters of a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commits that are on the disk.
    pub commits: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Keys whose last change is not on the disk.
    pub pending: u64,
}

/// All that is kept, by name of store and key.
#[derive(Debug)]
pub struct State {
    shared: Arc<StateCore>,
    path: Option<PathBuf>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct StateCore {
    inner: Mutex<Inner>,
    /// There is something to commit, or the end.
    work: Condvar,
    /// An attempt is over.
    done: Condvar,
    /// The descriptor that holds the lock, or -1.
    descriptor: AtomicI32,
    /// This process is a copy of the one that has the file.
    is_copy: AtomicBool,
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an event of its own, and any of them can come first"
)]
struct Inner {
    content: Content,
    /// The keys whose last change is not in the file, by store.
    changed: BTreeMap<Key, BTreeSet<Key>>,
    /// The number of changes.
    assigned: u64,
    /// The number of changes that are on the disk.
    durable: u64,
    /// The number of attempts to commit that have begun.
    begun: u64,
    /// The last attempt that failed: its number, and the reason.
    failure: Option<(u64, Error)>,
    /// Somebody waits: no pause before the next attempt.
    is_urgent: bool,
    /// Nothing comes any more.
    is_closing: bool,
    /// Nothing is accepted any more.
    is_closed: bool,
    /// The thread is done with the file.
    has_ended: bool,
    commits: u64,
    failures: u64,
}

impl StateCore {
    /// # Errors
    /// This process is a copy: the lock may be held for ever by a thread that is not there.
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        if self.is_copy.load(Ordering::Relaxed) {
            let text = "the state belongs to the process of the engine; this one is a fork of it";
            return Err(Error::new(text.to_owned()));
        }
        Ok(self.inner())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens the state file at `path`, or creates it. A damaged one is kept under another name and reported.
    ///
    /// # Errors
    /// Another engine has it, it is not a state file of this version, or the system says no.
    pub fn open(path: &Path, report: Report) -> Result<Arc<Self>, Error> {
        let (file, content) = file::StateFile::open(path, &report)?;
        let path = file.path().to_owned();
        let inner = Mutex::new(Inner { content, ..Inner::default() });
        let descriptor = AtomicI32::new(file.descriptor());
        let shared = Arc::new(StateCore { inner, descriptor, ..StateCore::default() });
        let thread = committer::start(Arc::clone(&shared), file, report)
            .map_err(|error| Error::io(&path, "cannot start its thread", &error))?;
        Ok(Arc::new(Self { shared, path: Some(path), thread: Mutex::new(Some(thread)) }))
    }

    /// A state that ends with the process.
    pub(crate) fn in_memory() -> Arc<Self> {
        let shared = Arc::new(StateCore { descriptor: AtomicI32::new(-1), ..StateCore::default() });
        Arc::new(Self { shared, path: None, thread: Mutex::default() })
    }

    /// The path of its file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The part of it that belongs to `name`.
    pub fn store(self: &Arc<Self>, name: &str) -> Store {
        Store { state: Arc::clone(self), space: name.as_bytes().into() }
    }

    /// Waits until everything that was put before is on the disk.
    ///
    /// # Errors
    /// The disk refuses, or the state is closed.
    pub fn flush(&self) -> Result<(), Error> {
        if self.path.is_none() {
            return Ok(());
        }
        let mut inner = self.shared.lock()?;
        let (wanted, begun) = (inner.assigned, inner.begun);
        while inner.durable < wanted {
            if let Some((attempt, error)) = &inner.failure
                && *attempt > begun
            {
                return Err(error.clone());
            }
            if inner.is_closed {
                return Err(self.closed());
            }
            inner.is_urgent = true;
            self.shared.work.notify_one();
            inner = self.shared.done.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Waits until everything that was put before is on the disk, and not for a disk that refuses; whether it
    /// is.
    pub fn settle(&self) -> bool {
        if self.path.is_none() {
            return true;
        }
        let Ok(mut inner) = self.shared.lock() else { return false };
        let wanted = inner.assigned;
        while inner.durable < wanted {
            if inner.failure.is_some() || inner.is_closed {
                return false;
            }
            inner = self.shared.done.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Commits what is left and lets the file go, within `bound`. Later changes are refused.
    ///
    /// # Errors
    /// What is left is not on the disk, and why.
    pub fn close(&self, bound: Duration) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        let deadline = Instant::now() + bound;
        let mut inner = self.shared.lock()?;
        inner.is_closing = true;
        self.shared.work.notify_one();
        while !inner.has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("the state file {}: the disk does not answer", path.display());
                return Err(Error::new(text));
            }
            inner = self.shared.done.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let lost = inner.changed.values().map(BTreeSet::len).sum::<usize>();
        let why = inner.failure.take();
        drop(inner);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It does nothing any more after it said that it is closed.
            let _ = thread.join();
        }
        match why {
            Some((_, why)) if lost > 0 => {
                let message = format!("{why}; {lost} values are not saved").into();
                Err(Error { message, errno: why.errno })
            }
            _ => Ok(()),
        }
    }

    /// Its counters.
    pub fn counters(&self) -> Counters {
        let inner = self.shared.inner();
        let pending = inner.changed.values().map(|keys| keys.len() as u64).sum();
        Counters { commits: inner.commits, failures: inner.failures, pending }
    }

    /// Says that this process is a fork of the engine's: from now on everything is refused here. Returns the
    /// descriptor that would hold the lock for as long as this process lives, for the caller to close.
    pub(crate) fn forked(&self) -> Option<RawFd> {
        self.shared.is_copy.store(true, Ordering::Relaxed);
        let descriptor = self.shared.descriptor.load(Ordering::Relaxed);
        (descriptor >= 0).then_some(descriptor)
    }

    fn closed(&self) -> Error {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        Error::new(format!("the state file {} is closed: the engine has stopped", path.display()))
    }

    /// Changes something; `may_fail`: not while the disk refuses.
    fn change(&self, may_fail: bool, change: impl FnOnce(&mut Inner) -> bool) -> Result<bool, Error> {
        let mut inner = self.shared.lock()?;
        if inner.is_closed {
            return Err(self.closed());
        }
        if may_fail && let Some((_, error)) = &inner.failure {
            return Err(error.clone());
        }
        let has_changed = change(&mut inner);
        if has_changed && self.path.is_some() {
            inner.assigned += 1;
            if !inner.is_closing {
                self.shared.work.notify_one();
            }
        }
        Ok(has_changed)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Whoever wanted to know has closed it.
        let _ = self.close(LAST_COMMIT);
    }
}

/// Everything in the state file at `path`, by name of store and key, without opening it for writing.
///
/// # Errors
/// An engine has it, it is damaged, it is not a state file, or the system says no.
pub(crate) fn look_into(path: &Path) -> Result<BTreeMap<Key, BTreeMap<Key, Value>>, Error> {
    file::look_into(path).map(|loaded| loaded.content)
}
