//! `program()`: the lines that a program writes, which the engine starts.
//!
//! ```text
//!  start ──► /bin/sh -c COMMAND, a process group of its own ──► its end ──► a pause ──► start
//!              stdin: /dev/null    stdout: messages
//!              stderr: the log of the engine
//!  stop, or a reload: SIGTERM to the group ─ half a second ─► SIGKILL
//! ```
//!
//! When it ends, or closes its output, it is started again after a pause that doubles, as `restart-backoff()`
//! says, from the beginning after a run of `HEALTHY`. A line without an end is a message when it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::file::trouble::Trouble;
use super::stream::{self, End, StreamOptions, StreamReader, WakeFd};
use super::{Backoff, EngineLog, Input, LogSourceOptions, Made, Planned, Restart, SourceOptions};
use crate::child::{LAST_CHANCE, Run, shell};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, Spanned};
use crate::flow::Exit;
use crate::printable::line;

/// A run of this length was a good one.
const HEALTHY: Duration = Duration::from_secs(60);
/// The longest line of its standard error that is logged whole.
const MAX_LINE: u64 = 8192;
/// The words for a run that ended well.
const SUCCESS: &str = "exit status: 0";

/// `program("command" …)`
#[derive(Debug, Clone)]
pub(super) struct ProgramOptions {
    /// The command, for `/bin/sh -c`.
    command: Spanned<String>,
    /// `inherit-environment()`: whether it has the variables of the engine.
    inherit_environment: bool,
    /// `restart()`
    restart: Restart,
    /// `restart-backoff()`
    restart_backoff: Backoff,
    /// `stop-timeout()`: how long it may take to end when it is asked to.
    stop_timeout: Duration,
    /// The options of all that read lines.
    stream: StreamOptions,
}

const PROGRAM: Table<ProgramOptions> = &[
    ("inherit-environment", Kind::YesNo(|to, yes| to.inherit_environment = yes)),
    ("restart", Kind::Other(|parser, to| super::python::restart(parser).map(|restart| to.restart = restart))),
    (
        "restart-backoff",
        Kind::Other(|parser, to| super::python::backoff(parser).map(|backoff| to.restart_backoff = backoff)),
    ),
    ("stop-timeout", Kind::Seconds(|to, time| to.stop_timeout = time)),
];

impl SourceOptions for ProgramOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let command = super::file::read_path(parser, head.open, "the command of a program")?;
        let mut options = Self {
            command,
            inherit_environment: true,
            restart: Restart::Always,
            restart_backoff: Backoff::default(),
            stop_timeout: Duration::from_secs(3),
            stream: StreamOptions::default(),
        };
        let known = || names(PROGRAM).chain(StreamOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(PROGRAM, &mut options, parser, key).or_else(|| options.stream.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.stream.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        self.stream.plan(config, self.command.span)
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let settings = self.stream.resolve(config, input)?;
        let name = format!("source {}", input.driver.id);
        let trouble = Trouble::new(log, format!("{name}: the output of the program"));
        let program =
            Program { options: self.clone(), name, input: input.clone(), log: Arc::clone(log), trouble };
        // Beside the program itself, time for the thread.
        let stop_timeout = self.stop_timeout + 2 * LAST_CHANCE;
        stream::source(input, config, log, self.command.span, stop_timeout, move |_, exit, wake| {
            let reader = settings.reader(exit, wake);
            program.run(reader, exit, wake);
        })
    }
}

/// A program that is run again and again.
struct Program {
    options: ProgramOptions,
    name: String,
    input: Input,
    log: Arc<dyn EngineLog>,
    trouble: Trouble,
}

impl Program {
    fn run(mut self, mut reader: StreamReader, exit: &Arc<Exit>, wake: &WakeFd) {
        let Backoff { initial, max } = self.options.restart_backoff;
        let mut pause = initial;
        loop {
            let started = Instant::now();
            let (ended, has_failed) = match self.run_once(&mut reader, exit) {
                Ok(None) => return,
                Ok(Some(how)) => {
                    let has_failed = how != SUCCESS;
                    (format!("has ended: {how}"), has_failed)
                }
                Err(error) => (format!("cannot be started: {error}"), true),
            };
            let goes_on = match self.options.restart {
                Restart::Always => true,
                Restart::OnFailure => has_failed,
                Restart::Never => false,
            };
            if !goes_on {
                return self
                    .log
                    .warning(&format!("{}: the program {ended}; it is not started again", self.name));
            }
            if started.elapsed() >= HEALTHY {
                pause = initial;
            }
            let seconds = pause.as_secs_f64();
            self.log.warning(&format!(
                "{}: the program {ended}; it is started again in {seconds:.1} s",
                self.name
            ));
            self.input.status.set_restarting(true);
            let has_passed = wake.sleep(pause);
            self.input.status.set_restarting(false);
            if !has_passed {
                return;
            }
            self.input.status.count_restart();
            pause = (pause * 2).min(max);
        }
    }

    /// Runs it to its end; how it has ended, or `None` when the source ends.
    fn run_once(&mut self, reader: &mut StreamReader, exit: &Arc<Exit>) -> std::io::Result<Option<String>> {
        let mut command = shell(&self.options.command.value, self.options.inherit_environment);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            unreachable!("they were asked for")
        };
        let run = Run::watch(child, || {})?;
        self.log_errors(errors);
        let end = reader.read_all(&output);
        let (cut, invalid) = reader.take_damage();
        self.trouble.note_damage(cut, invalid);
        if exit.is_requested() {
            run.ask_to_end();
            reader.read_rest(&output, Instant::now() + self.options.stop_timeout);
            run.end(LAST_CHANCE);
            return Ok(None);
        }
        if let End::Failed(error) = end {
            self.log.error(&format!("{}: the output of the program cannot be read: {error}", self.name));
        }
        // One that has closed its output, and goes on.
        drop(output);
        if !run.wait(LAST_CHANCE) {
            run.end(self.options.stop_timeout);
        }
        Ok(Some(run.ended().unwrap_or_else(|| "it does not end".to_owned())))
    }

    /// Has a thread log the lines of its standard error.
    fn log_errors(&self, errors: ChildStderr) {
        let (log, name) = (Arc::clone(&self.log), self.name.clone());
        let tell = move || {
            let mut errors = BufReader::new(errors);
            let mut bytes = Vec::new();
            while let Ok(1..) = errors.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes) {
                let text = String::from_utf8_lossy(&bytes);
                log.warning(&format!("{name}: the program says: {}", line(text.trim_end())));
                bytes.clear();
            }
        };
        if let Err(error) = thread::Builder::new().name("program's errors".to_owned()).spawn(tell) {
            self.log.error(&format!("{}: no thread for the errors of the program: {error}", self.name));
        }
    }
}
