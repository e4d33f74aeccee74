//! The status of a source: [`SourceStatus`].
//!
//! The host of a source writes it, anybody reads it, and neither waits for the other: the reader of a
//! status needs nothing that a user's callback could hold. Each fact is a flag of its own, because the
//! thread of the source and the one that stops it write at the same time; the state follows from all of
//! them ([`SourceStatus::state`]).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::age::Age;
use super::file::{FileCounters, FileTotals};
use super::sockets::{SocketCounters, SocketTotals};

/// An error's text is kept up to this many characters: it is shown in tables. The log has all of it.
pub const MAX_ERROR: usize = 500;

/// The state of a source at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceState {
    /// It has not been told to run.
    #[default]
    Starting,
    /// It runs.
    Running,
    /// It runs, and a post of it waits for credit.
    Waiting,
    /// It failed, and is started again after a while.
    Restarting,
    /// It was asked to end, and has not.
    Stopping,
    /// It has ended, or was never started.
    Ended,
}

impl SourceState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Starting, Self::Running, Self::Waiting, Self::Restarting, Self::Stopping, Self::Ended];

    /// Its name for people and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting for credit",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
        }
    }
}

/// The status that the host of a source shows to others.
#[derive(Debug, Default)]
pub struct SourceStatus {
    /// Set once, before the thread of the source can be seen.
    was_started: AtomicBool,
    /// Set with `was_started`; cleared by the thread of the source, as the last thing it does.
    is_alive: AtomicBool,
    /// Set once, by whoever stops the source.
    is_stopping: AtomicBool,
    /// Written by the thread of the source, and before there is one by who starts it.
    is_restarting: AtomicBool,
    exceptions: AtomicU32,
    restarts: AtomicU32,
    /// Locked for a copy of the pointer only.
    last_error: Mutex<Option<Arc<str>>>,
    /// Set once, before it is started.
    instance: OnceLock<Arc<str>>,
    /// Set once, before it is started.
    sockets: OnceLock<Arc<SocketCounters>>,
    age: Age,
    /// Processor time of the posts that were measured, times as many as there were for each.
    post_nanos: AtomicU64,
    /// Set once, before it is started.
    files: OnceLock<Arc<FileCounters>>,
}

impl SourceStatus {
    /// Says which of the sources of its class it is.
    pub(crate) fn set_instance(&self, name: &str) {
        // A source is asked for its name once.
        let _ = self.instance.set(name.into());
    }

    /// Its name among the sources of its class, where it has said so.
    pub(crate) fn instance(&self) -> Option<Arc<str>> {
        self.instance.get().cloned()
    }

    /// Has the counts of the source's sockets shown with it.
    pub(crate) fn set_sockets(&self, counters: &Arc<SocketCounters>) {
        // A source is made once.
        let _ = self.sockets.set(Arc::clone(counters));
    }

    /// The counts of its sockets, where it has some.
    pub(crate) fn sockets(&self) -> Option<SocketTotals> {
        self.sockets.get().map(|counters| counters.totals())
    }

    /// The source is told to run.
    pub fn start(&self) {
        self.is_alive.store(true, Ordering::Release);
        self.was_started.store(true, Ordering::Release);
    }

    /// The source has ended.
    pub fn end(&self) {
        self.is_alive.store(false, Ordering::Release);
    }

    /// The source is asked to end.
    pub(crate) fn ask_to_stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// Says whether the source waits before it is started again; the end of a wait that was not cut short is
    /// counted by [`SourceStatus::count_restart`].
    pub(crate) fn set_restarting(&self, is_restarting: bool) {
        self.is_restarting.store(is_restarting, Ordering::Relaxed);
    }

    /// True when it was started and has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    /// A callback of the source raised; `error` is one line for a table.
    pub(crate) fn count_exception(&self, error: &str) {
        self.exceptions.fetch_add(1, Ordering::Relaxed);
        let text: String = match error.char_indices().nth(MAX_ERROR) {
            Some((end, _)) => format!("{}…", &error[..end]),
            None => error.to_owned(),
        };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    /// The source is started again.
    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of exceptions of callbacks.
    pub(crate) fn exceptions(&self) -> u32 {
        self.exceptions.load(Ordering::Relaxed)
    }

    /// The number of times it was started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// The last exception's text, cut to a line's length.
    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The age of the oldest message in flight, when `done` of `posted` are not on their way any more.
    pub fn oldest(&self, posted: u64, done: u64) -> Duration {
        self.age.look(posted, done)
    }

    /// Adds to the time that posts took.
    pub(crate) fn add_post_time(&self, time: Duration) {
        self.post_nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The processor time that posts took with the GIL, as far as it was measured.
    pub(crate) fn post_time(&self) -> Duration {
        Duration::from_nanos(self.post_nanos.load(Ordering::Relaxed))
    }

    /// Has the counts of the source's files shown with it.
    pub(crate) fn set_files(&self, counters: &Arc<FileCounters>) {
        // A source is made once.
        let _ = self.files.set(Arc::clone(counters));
    }

    /// The counts of its files, where it has some.
    pub(crate) fn files(&self) -> Option<FileTotals> {
        self.files.get().map(|counters| counters.totals())
    }

    /// Its state; `is_waiting` when a post of it waits for credit.
    pub fn state(&self, is_waiting: bool) -> SourceState {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        match (is_set(&self.was_started), self.is_alive(), is_set(&self.is_stopping)) {
            (true, true, true) => SourceState::Stopping,
            // Without a thread when that could not be started, and will be tried again.
            (true, _, false) if is_set(&self.is_restarting) => SourceState::Restarting,
            (true, true, false) if is_waiting => SourceState::Waiting,
            (true, true, false) => SourceState::Running,
            (false, _, false) => SourceState::Starting,
            (true, false, _) | (false, _, true) => SourceState::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a source that failed or waits is shown as running.
    #[test]
    fn a_life() {
        let status = SourceStatus::default();
        assert_eq!(status.state(false), SourceState::Starting);
        status.start();
        assert_eq!((status.state(false), status.state(true)), (SourceState::Running, SourceState::Waiting));
        status.count_exception("ValueError: no");
        status.set_restarting(true);
        assert_eq!(status.state(true), SourceState::Restarting);
        status.set_restarting(false);
        status.count_restart();
        assert_eq!(status.state(false), SourceState::Running);
        status.ask_to_stop();
        assert_eq!(status.state(true), SourceState::Stopping);
        status.end();
        assert_eq!((status.state(true), status.is_alive()), (SourceState::Ended, false));
        assert_eq!((status.exceptions(), status.restarts()), (1, 1));
        assert_eq!(status.last_error().as_deref(), Some("ValueError: no"));
    }

    /// Breaks without it: a stop waits for a source that never ran.
    #[test]
    fn a_source_that_was_never_started_ends_when_it_is_stopped() {
        let status = SourceStatus::default();
        status.ask_to_stop();
        assert_eq!(status.state(false), SourceState::Ended);
    }

    /// Breaks without it: a long exception panics the status, or is taken for the whole.
    #[test]
    fn a_long_error_is_cut_between_characters_and_says_so() {
        let status = SourceStatus::default();
        status.count_exception(&"é".repeat(MAX_ERROR + 1));
        let error = status.last_error().unwrap();
        assert_eq!((error.chars().count(), error.ends_with("é…")), (MAX_ERROR + 1, true));
    }
}
