//! `program()`: lines to the standard input of a program that the engine starts.
//!
//! ```text
//!  start ──► /bin/sh -c COMMAND, a process group of its own ──► its end ──► a pause ──► start
//!              stdin: a pipe; stdout, stderr: /dev/null        the rest of its group gets SIGTERM
//!  stop, or a reload: stdin closed ─ stop-timeout() ─► SIGTERM to the group ─ half a second ─► SIGKILL
//! ```
//!
//! The program runs from the start of the engine on. When it ends it is started again: at once after a run of
//! `HEALTHY`, else after a pause that doubles from `FIRST_PAUSE` to `time-reopen()`. A message counts as
//! delivered when the pipe has it: what a program had not read when it died is lost, 64 KiB at most. A line
//! of which a part was taken goes whole to the next one.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::stream::{Connect, Peer, Sink, StreamSettings, WriterOptions};
use super::{DestinationOptions, DriverOptions, Planned, Wake};
use crate::child::{LAST_CHANCE, Run, shell};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, Text, apply, names};
use crate::config::{Config, Diagnostic, MarkMode, Spanned};
use crate::template::Template;

/// A run of this length was a good one.
const HEALTHY: Duration = Duration::from_secs(10);
/// The pause after the first run that was not.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// `program("command" …)`
#[derive(Debug, Clone)]
pub struct ProgramOptions {
    /// The command, for `/bin/sh -c`. It has no macros.
    pub command: Spanned<String>,
    /// `keep-alive()`: whether the program goes on over a reload.
    pub keep_alive: bool,
    /// `inherit-environment()`: whether it has the variables of the engine.
    pub inherit_environment: bool,
    /// `stop-timeout()`: how long it may take to read the rest and end, once its input is closed.
    pub stop_timeout: Duration,
    /// The options of every destination that writes text.
    pub writer: WriterOptions,
}

const PROGRAM: Table<ProgramOptions> = &[
    ("keep-alive", Kind::YesNo(|to, yes| to.keep_alive = yes)),
    ("inherit-environment", Kind::YesNo(|to, yes| to.inherit_environment = yes)),
    ("stop-timeout", Kind::Seconds(|to, time| to.stop_timeout = time)),
];

impl DestinationOptions for ProgramOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let Text { value, span, .. } = parser
            .text("the command of the program")
            .and_then(|text| parser.utf8(text))
            .inspect_err(|_| {
                parser.close_parenthesis(head.open);
            })?;
        if value.trim().is_empty() {
            parser.report.error(span, "the command of the program is empty", None);
        } else if value.contains('\0') {
            parser.report.error(span, "the command has a NUL byte, which no command can have", None);
        }
        let mut options = Self {
            command: Spanned::new(value, span),
            keep_alive: false,
            inherit_environment: true,
            stop_timeout: Duration::from_secs(3),
            writer: WriterOptions::default(),
        };
        let known = || names(PROGRAM).chain(WriterOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(PROGRAM, &mut options, parser, key).or_else(|| options.writer.apply(parser, key))
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let command = Template::literal(&self.command.value);
        let mut settings = self.writer.settings(config, command, config.options.file_template.as_ref())?;
        settings.marks = self.writer.marks(config, MarkMode::Global);
        settings.opening = Arc::new(Program {
            keep_alive: self.keep_alive,
            inherit_environment: self.inherit_environment,
            stop_timeout: self.stop_timeout,
            runs: Mutex::default(),
            end_by: Arc::default(),
        });
        Ok(Planned { claim: None, ..StreamSettings::planned(settings) })
    }
}

/// Starts the program.
struct Program {
    keep_alive: bool,
    inherit_environment: bool,
    stop_timeout: Duration,
    runs: Mutex<Runs>,
    /// The time by which the last run is to have ended, once the destination stops.
    end_by: Arc<Mutex<Option<Instant>>>,
}

/// The runs of a program so far.
#[derive(Default)]
struct Runs {
    last: Option<Arc<Run>>,
    /// The next pause, after the second bad run in a row.
    pause: Option<Duration>,
}

/// The runs are no part of what makes a destination the same after a reload.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("keep_alive", &self.keep_alive)
            .field("inherit_environment", &self.inherit_environment)
            .field("stop_timeout", &self.stop_timeout)
            .finish_non_exhaustive()
    }
}

impl Connect for Program {
    fn kind(&self) -> &'static str {
        "program"
    }

    fn connect(&self, command: &[u8], wake: &Wake) -> Result<Sink, Errno> {
        lock(&self.runs).last = None;
        let mut shell = shell(&String::from_utf8_lossy(command), self.inherit_environment);
        shell.stdin(Stdio::piped());
        let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
        let mut child = shell.spawn().map_err(errno)?;
        let Some(input) = child.stdin.take() else { unreachable!("it was asked for") };
        let wake = Arc::clone(wake);
        let run = Run::watch(child, move || wake()).map_err(errno)?;
        lock(&self.runs).last = Some(Arc::clone(&run));
        Sink::to_peer(
            input.into(),
            Box::new(Running { run, stop_timeout: self.stop_timeout, end_by: Arc::clone(&self.end_by) }),
        )
    }

    fn in_words(&self, error: Errno) -> String {
        let ended = lock(&self.runs).last.as_ref().and_then(|run| run.ended());
        match (error, ended) {
            (Errno::PIPE, Some(how)) => format!("the program has ended: {how}"),
            (Errno::PIPE, None) => "the program has closed its standard input".to_owned(),
            _ => format!("the program cannot be started: {error}"),
        }
    }

    fn retry_after(&self, _: Errno, time_reopen: Duration) -> Duration {
        let mut runs = lock(&self.runs);
        let is_healthy = runs.last.as_ref().is_some_and(|run| run.age() >= HEALTHY);
        if is_healthy {
            runs.pause = None;
            return Duration::ZERO;
        }
        let pause = runs.pause.unwrap_or(FIRST_PAUSE).min(time_reopen).max(LEAST_PAUSE);
        runs.pause = Some(pause * 2);
        pause
    }

    fn may_stall(&self) -> bool {
        true
    }

    /// Half of the time that is left at most: the rest is for messages.
    fn stops_by(&self, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        let wanted = self.stop_timeout + 2 * LAST_CHANCE;
        *lock(&self.end_by) = Some(deadline);
        wanted.min(left / 2)
    }

    fn is_eager(&self) -> bool {
        true
    }

    fn ends_at_reload(&self) -> bool {
        !self.keep_alive
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that runs, and that is ended when it is let go of.
struct Running {
    run: Arc<Run>,
    stop_timeout: Duration,
    end_by: Arc<Mutex<Option<Instant>>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("pid", &self.run.pid()).finish_non_exhaustive()
    }
}

impl Peer for Running {
    fn gone(&self, _: BorrowedFd<'_>) -> Option<Errno> {
        self.run.ended().map(|_| Errno::PIPE)
    }

    fn has_news(&self) -> bool {
        self.run.ended().is_some()
    }
}

impl Drop for Running {
    /// Its input is closed by now. It reads the rest, and ends by itself or is made to.
    fn drop(&mut self) {
        let end_by = *lock(&self.end_by);
        let left = end_by.map_or(Duration::MAX, |end_by| end_by.saturating_duration_since(Instant::now()));
        if self.run.wait(self.stop_timeout.min(left.saturating_sub(2 * LAST_CHANCE))) {
            return;
        }
        self.run.end(LAST_CHANCE);
    }
}
