//! The engine's own log: [`Log`].
//!
//! One line a message on stderr, and, where the configuration has an `internal()` source, a message of that
//! source. Any thread may log; none waits for the pipeline, and none for whoever reads stderr (`stderr`). A
//! message that the `internal()` source has no credit for is counted there as refused, and is still on
//! stderr.
//!
//! On stderr a message has at most [`MAX_MESSAGE`] bytes, and nothing in it is obeyed by a terminal or looks
//! like another line of the log ([`printable`]). A message of `internal()` is what was logged.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Zoned;

use crate::config::{Diagnostic, Level};
use crate::destination::stream::MARK;
use crate::flow::{Lane, Producer};
use crate::message::{Need, Stamp};
use crate::printable;
use crate::source::EngineLog;

mod stderr;

use stderr::Stderr;

/// The most bytes of a message that stderr gets; the rest is counted.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024;

/// The time that the last lines of a process may take to be written, where stderr takes them.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A process has one stderr, whoever logs.
static STDERR: OnceLock<Stderr> = OnceLock::new();

fn stderr() -> &'static Stderr {
    STDERR.get_or_init(|| Stderr::over(rustix::stdio::stderr()))
}

/// Waits until stderr has taken what was logged: `within` at most, and no longer than a second where it takes
/// nothing. For the end of the process.
pub(crate) fn flush(within: Duration) {
    // Where nothing was logged, nothing is made.
    if let Some(stderr) = STDERR.get() {
        stderr.flush(within);
    }
}

/// The number of lines of the log that stderr did not take.
pub(crate) fn lost() -> u64 {
    STDERR.get().map_or(0, Stderr::lost)
}

/// The line that stands where `count` lines are missing.
fn lost_line(count: u64) -> String {
    let lines = if count == 1 { "line of the log was" } else { "lines of the log were" };
    written(LogLevel::Warning, &format!("{count} {lines} not written: stderr did not take them"))
}

/// `text` as it is on stderr.
fn written(level: LogLevel, text: &str) -> String {
    let now = Zoned::now();
    let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
    format!("{time} {}: {}\n", level.name(), printable::message(text, MAX_MESSAGE))
}

/// The severity of a message, in syslog's own terms (RFC 5424, section 6.2.1), and `trace` below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Something failed.
    Error = 3,
    /// Something is not as it should be.
    Warning = 4,
    /// Start, stop, reload.
    Notice = 5,
    /// Information.
    Info = 6,
    /// Details that help to find a fault.
    Debug = 7,
    /// Every step.
    Trace = 8,
}

impl LogLevel {
    /// All of them, the gravest first.
    pub const ALL: [Self; 6] =
        [Self::Error, Self::Warning, Self::Notice, Self::Info, Self::Debug, Self::Trace];

    /// The level with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Its word in a line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// syslog's facility `syslog`, which messages of `internal()` have.
const FACILITY_SYSLOG: u16 = 5;

/// The engine's log. Clones write to the same.
#[derive(Debug, Clone)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: AtomicU8,
    to_stderr: AtomicBool,
    internal: Mutex<Internal>,
}

/// The sources that get what is logged.
#[derive(Debug, Default)]
struct Internal {
    producers: Vec<Producer>,
    /// The lines that were logged while they are exchanged.
    held: Option<Vec<(LogLevel, String)>>,
    /// The marks so far.
    #[cfg(test)]
    marks: u64,
}

/// While it lives, messages for `internal()` wait: see [`Log::hold_internal`].
pub(super) struct Held<'l>(&'l Log);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut internal = self.0.internal();
        for (level, text) in internal.held.take().into_iter().flatten() {
            internal.post(level, &text);
        }
    }
}

impl Internal {
    /// Posts to those that are there; one whose lane is closed is there no more.
    fn post(&mut self, level: LogLevel, text: &str) {
        self.producers.retain(|producer| !producer.lane().is_closed());
        for producer in &mut self.producers {
            post(producer, level, text);
        }
    }
}

impl Log {
    /// A log that shows what is at least as grave as `level`.
    pub fn new(level: LogLevel) -> Self {
        // Now, while descriptor 2 is what it was at the start.
        stderr();
        Self::of(level, true)
    }

    fn of(level: LogLevel, to_stderr: bool) -> Self {
        Self(Arc::new(Inner {
            level: AtomicU8::new(level as u8),
            to_stderr: AtomicBool::new(to_stderr),
            internal: Mutex::default(),
        }))
    }

    /// A log that writes nothing to stderr, for tests.
    pub fn silent() -> Self {
        Self::of(LogLevel::Trace, false)
    }

    /// Shows from now on what is at least as grave as `level`.
    pub(crate) fn set_level(&self, level: LogLevel) {
        self.0.level.store(level as u8, Ordering::Relaxed);
    }

    /// The least grave messages that are shown.
    pub fn level(&self) -> LogLevel {
        let level = self.0.level.load(Ordering::Relaxed);
        LogLevel::ALL.into_iter().find(|known| *known as u8 == level).unwrap_or(LogLevel::Trace)
    }

    /// True when messages of `level` are shown.
    pub fn shows(&self, level: LogLevel) -> bool {
        level as u8 <= self.0.level.load(Ordering::Relaxed)
    }

    /// Has messages wait while one `internal()` source takes the place of another, so that each goes to one
    /// of them.
    pub(super) fn hold_internal(&self) -> Held<'_> {
        self.internal().held.get_or_insert_default();
        Held(self)
    }

    fn internal(&self) -> MutexGuard<'_, Internal> {
        self.0.internal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs `text`; a text of several lines (a traceback) stays one message.
    pub fn log(&self, level: LogLevel, text: &str) {
        if !self.shows(level) {
            return;
        }
        self.say(level, text);
        if STDERR.get().is_some_and(Stderr::is_fork) {
            // Nobody reads a source there, and its lock may be held for ever.
            return;
        }
        // A producer logs nothing itself, so this lock is not taken twice by one thread.
        let mut internal = self.internal();
        match &mut internal.held {
            Some(held) => held.push((level, text.to_owned())),
            None => internal.post(level, text),
        }
    }

    /// Has the `internal()` sources tell that all is quiet; stderr has no word of it.
    pub(super) fn mark(&self) {
        let mut internal = self.internal();
        #[cfg(test)]
        {
            internal.marks += 1;
        }
        match &mut internal.held {
            Some(held) => held.push((LogLevel::Info, MARK.to_owned())),
            None => internal.post(LogLevel::Info, MARK),
        }
    }

    /// The number of marks so far.
    #[cfg(test)]
    pub(super) fn marks(&self) -> u64 {
        self.internal().marks
    }

    /// Writes `text` to stderr alone, whatever is shown; also in the middle of [`Log::log`].
    pub fn say(&self, level: LogLevel, text: &str) {
        if self.0.to_stderr.load(Ordering::Relaxed) {
            stderr().push(written(level, text));
        }
    }

    /// Logs an error that the process ends with, and waits until it is written, within a bound.
    pub(crate) fn last_error(&self, text: &str) {
        self.log(LogLevel::Error, text);
        flush(LAST_WORDS);
    }

    /// Shows `line` at the foot of the terminal until the next call; an empty one takes it away.
    pub(crate) fn set_live_line(line: &str) {
        stderr().set_foot(line);
    }

    /// Logs a warning or an error about the configuration, at its own level; the word for that is said once.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic) {
        let level = match diagnostic.level() {
            Level::Error => LogLevel::Error,
            Level::Warning => LogLevel::Warning,
        };
        let text = diagnostic.to_string();
        let word = format!("{}: ", level.name());
        self.log(level, text.strip_prefix(&word).unwrap_or(&text));
    }

    /// Logs an error.
    pub fn error(&self, text: &str) {
        self.log(LogLevel::Error, text);
    }

    /// Logs a warning.
    pub fn warning(&self, text: &str) {
        self.log(LogLevel::Warning, text);
    }

    /// Logs a notice.
    pub fn notice(&self, text: &str) {
        self.log(LogLevel::Notice, text);
    }

    /// Logs what one may want to know.
    pub fn info(&self, text: &str) {
        self.log(LogLevel::Info, text);
    }

    /// Logs what helps to find a fault.
    pub fn debug(&self, text: &str) {
        self.log(LogLevel::Debug, text);
    }
}

impl EngineLog for Log {
    fn error(&self, text: &str) {
        self.log(LogLevel::Error, text);
    }

    fn warning(&self, text: &str) {
        self.log(LogLevel::Warning, text);
    }

    fn info(&self, text: &str) {
        self.log(LogLevel::Info, text);
    }

    fn add_reader(&self, producer: Producer) {
        self.internal().producers.push(producer);
    }

    fn remove_reader(&self, lane: &Arc<Lane>) {
        self.internal().producers.retain(|producer| !Arc::ptr_eq(lane, producer.lane()));
    }
}

fn post(producer: &mut Producer, level: LogLevel, text: &str) {
    let now = Zoned::now();
    let unix_micros = now.timestamp().as_microsecond();
    let stamp = Stamp { unix_micros, offset_seconds: now.offset().seconds() };
    let need = Need { bytes: text.len(), ..Need::default() };
    let posted = producer.try_post(need, |row| {
        row.payload_copy(text.as_bytes());
        row.stamps(stamp, unix_micros);
        row.pri(FACILITY_SYSLOG * 8 + (level as u16).min(7));
    });
    if posted.is_err() {
        producer.lane().counters().count_refused(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Credit, Inbox, Parcel};
    use crate::message::{Origin, Pool};

    /// A lane, and its inbox, which nobody empties.
    fn lane() -> (Arc<Lane>, Inbox<Parcel>) {
        let inbox = Inbox::new();
        let credit = Arc::new(Credit::new(100, 10_000));
        let lane = Lane::new(0, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None);
        (lane, inbox)
    }

    fn counted(lane: &Lane) -> (u64, u64) {
        let totals = lane.counters().totals();
        (totals.posted, totals.refused)
    }

    /// Breaks without it: what is logged while one `internal()` takes the place of another is lost, or goes
    /// to both.
    #[test]
    fn messages_wait_while_readers_are_exchanged() {
        let (log, (old, _old), (new, _new)) = (Log::silent(), lane(), lane());
        let producer = |lane: &Arc<Lane>| lane.producer(Arc::new(Origin::named("internal")));
        log.add_reader(producer(&old));
        log.notice("before");
        let held = log.hold_internal();
        log.notice("meanwhile");
        log.remove_reader(&old);
        log.notice("meanwhile");
        log.add_reader(producer(&new));
        assert_eq!((counted(&old), counted(&new)), ((1, 0), (0, 0)));
        drop(held);
        log.notice("after");
        assert_eq!((counted(&old), counted(&new)), ((1, 0), (3, 0)));
    }

    /// Breaks without it: whatever is logged after the end of an `internal()` counts as a message that it
    /// refused.
    #[test]
    fn a_reader_ends_with_its_lane() {
        let (log, (lane, _inbox)) = (Log::silent(), lane());
        log.add_reader(lane.producer(Arc::new(Origin::named("internal"))));
        log.notice("before");
        lane.close();
        log.notice("after");
        assert_eq!(counted(&lane), (1, 0));
    }
}
