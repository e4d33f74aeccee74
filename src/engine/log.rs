//! What the engine itself has to say: [`Log`].
//!
//! One line a message on stderr, and, where the configuration has an `internal()` source, a message of
//! that source. Any thread may log; none waits for the pipeline. A message that the `internal()`
//! source has no credit for is counted there as refused, and is still on stderr.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Zoned;

use crate::flow::{Lane, Producer};
use crate::message::{Need, Stamp};

/// How grave a message is, in syslog's own terms (RFC 5424, section 6.2.1), and `trace` below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Something failed.
    Error = 3,
    /// Something is not as it should be.
    Warning = 4,
    /// Start, stop, reload.
    Notice = 5,
    /// What one may want to know.
    Info = 6,
    /// What one needs to find a fault.
    Debug = 7,
    /// Every step.
    Trace = 8,
}

impl LogLevel {
    /// All of them, the gravest first.
    pub const ALL: [Self; 6] =
        [Self::Error, Self::Warning, Self::Notice, Self::Info, Self::Debug, Self::Trace];

    /// The level with this name.
    pub fn from_name(name: &str) -> Option<Self> {
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
    /// The live line at the foot of a terminal, which every other line goes above.
    screen: Mutex<String>,
    internal: Mutex<Vec<Producer>>,
}

impl Log {
    /// A log that shows what is at least as grave as `level`.
    pub fn new(level: LogLevel) -> Self {
        Self(Arc::new(Inner {
            level: AtomicU8::new(level as u8),
            to_stderr: AtomicBool::new(true),
            screen: Mutex::default(),
            internal: Mutex::default(),
        }))
    }

    /// A log that writes nothing to stderr, for tests.
    pub fn silent() -> Self {
        let log = Self::new(LogLevel::Trace);
        log.0.to_stderr.store(false, Ordering::Relaxed);
        log
    }

    /// Shows from now on what is at least as grave as `level`.
    pub fn set_level(&self, level: LogLevel) {
        self.0.level.store(level as u8, Ordering::Relaxed);
    }

    /// The least grave messages that are shown.
    pub fn level(&self) -> LogLevel {
        let level = self.0.level.load(Ordering::Relaxed);
        LogLevel::ALL.into_iter().find(|known| *known as u8 == level).unwrap_or(LogLevel::Trace)
    }

    /// Whether messages of `level` are shown.
    pub fn shows(&self, level: LogLevel) -> bool {
        level as u8 <= self.0.level.load(Ordering::Relaxed)
    }

    /// Sends later messages to the `internal()` sources of `new`, and nothing any more to those whose lanes are `gone`.
    pub fn replace_internal(&self, gone: &[Arc<Lane>], new: impl IntoIterator<Item = Producer>) {
        let is_gone = |producer: &Producer| gone.iter().any(|lane| Arc::ptr_eq(lane, producer.lane()));
        let mut internal = self.internal();
        internal.retain(|producer| !is_gone(producer));
        internal.extend(new);
    }

    fn internal(&self) -> std::sync::MutexGuard<'_, Vec<Producer>> {
        self.0.internal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs `text`; a text of several lines (a traceback) stays one message.
    pub fn log(&self, level: LogLevel, text: &str) {
        if !self.shows(level) {
            return;
        }
        if self.0.to_stderr.load(Ordering::Relaxed) {
            let now = Zoned::now();
            let time = now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
            self.write_line(&format!("{time} {}: {text}\n", level.name()));
        }
        // A producer logs nothing itself, so this lock is not taken twice by one thread.
        for producer in self.internal().iter_mut() {
            post(producer, level, text);
        }
    }

    fn write_line(&self, line: &str) {
        let foot = self.0.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        if !foot.is_empty() {
            out.push_str("\r\x1b[K");
        }
        out.push_str(line);
        out.push_str(&foot);
        // stderr may be closed, by the user's own code for one; there is nobody left to tell.
        let _ = std::io::stderr().lock().write_all(out.as_bytes());
    }

    /// Shows `line` at the foot of the terminal until the next call; an empty one takes it away.
    pub fn set_live_line(&self, line: &str) {
        let mut foot = self.0.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if foot.is_empty() && line.is_empty() {
            return;
        }
        line.clone_into(&mut foot);
        let _ = std::io::stderr().lock().write_all(format!("\r\x1b[K{line}").as_bytes());
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
