//! The engine's main thread, from its options to the last message: [`run`].
//!
//! It loads, starts, waits for signals, reloads and stops; the callbacks that belong to it are called here.
//! Requests that come meanwhile wait on its list of events; `watch` sees to it that a stop ends. What an
//! embedding adds, it does as a [`Host`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::control::Reloaded;
use super::generation::{Generation, Outcome, Prepared, Site};
use super::heartbeat::Heartbeat;
use super::host::{Host, unlocked};
use super::live_line::LiveLine;
use super::reading::{Read, Reader};
use super::suspended::Suspended;
use super::watch::{DRAIN, MainThread, Watch, report_totals};
use super::{
    Board, Changes, Control, Event, Log, LogLevel, Metrics, Phase, PidFile, Pipeline, own_files, stats_file,
};
use crate::config::{Config, Diagnostic, Diagnostics, Inspected};
use crate::destination::set_buffer_directory;
use crate::error::Error;
use crate::fault::panic_text;
use crate::flow::signals::Signals;
use crate::message::{Pool, Release};
use crate::path::compile::unreached;
use crate::state::{Severity, State};

/// The time between two rounds of the main thread.
const TICK: Duration = Duration::from_millis(250);
/// The time that callbacks of ack trackers may take after the last message, in a stop.
const LAST_ACKS: Duration = Duration::from_secs(3);
/// The time that the last of the state may take to be on the disk.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// The options of a run.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub file: PathBuf,
    /// The file of the state.
    pub persist_file: Option<PathBuf>,
    /// The socket on which others ask.
    pub control: Option<PathBuf>,
    /// The address of the metrics.
    pub metrics: Option<SocketAddr>,
    /// The file of the process's number while it runs.
    pub pidfile: Option<PathBuf>,
    /// The file of the statistics at the end, as JSON.
    pub stats_file: Option<PathBuf>,
}

/// The end of a run.
pub struct Ended {
    /// The exit code of the process.
    pub code: i32,
    /// Tells whether a thread of a source, or of its callbacks, has not ended.
    pub has_stuck_thread: bool,
    /// Bounds what is still to be done before the process ends.
    pub(crate) watch: Arc<Watch>,
}

/// Runs the engine in `host` until it is told to stop. Once a process.
pub fn run(settings: &Settings, log: &Log, host: &mut dyn Host) -> Ended {
    let board = Arc::new(Board::default());
    let watch = Arc::new(Watch::new(log, &board, host.view()));
    let signals = match Signals::open() {
        Ok(signals) => signals,
        Err(error) => {
            log.error(&format!("cannot listen to signals: {error}"));
            return Ended { code: 1, has_stuck_thread: false, watch };
        }
    };
    log_panics(log);
    let (sender, receiver) = unbounded();
    watch.start(signals, sender.clone());
    let pipeline = Arc::new(pipeline(log, &host.release()));
    board.put(&pipeline);
    let mut app = App {
        log: log.clone(),
        host,
        pipeline,
        events: sender,
        board,
        watch: Arc::clone(&watch),
        current: None,
        state: State::in_memory(),
        metrics: None,
        pidfile: None,
        has_stuck_thread: false,
        reader: Reader::default(),
        suspended: Suspended::default(),
        heartbeat: Heartbeat::default(),
    };
    let code = match app.open(settings) {
        Ok(()) => app.run(settings, &receiver),
        Err(error) => {
            log.error(&error.to_string());
            1
        }
    };
    app.close_state();
    let App { host, metrics, pidfile, has_stuck_thread, .. } = app;
    // With the list go the replies that nobody will send. The log stays, and so do the handlers of signals,
    // and the watch: something may have a word to say while the process ends.
    unlocked(host, || drop((metrics, pidfile, receiver)));
    Ended { code, has_stuck_thread, watch }
}

/// A pipeline without anything in it.
pub(super) fn pipeline(log: &Log, release: &Arc<dyn Release>) -> Pipeline {
    let pool = Arc::new(Pool::new());
    pool.warm_up();
    Pipeline::new(log, &pool, release)
}

/// Has the log tell of a panic, wherever it happens and whoever catches it.
fn log_panics(log: &Log) {
    let log = log.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let place = panic.location().map_or_else(|| "?".to_owned(), ToString::to_string);
        let text = panic_text(panic.payload());
        let thread = thread.name().unwrap_or("without a name");
        // To stderr alone: it may have happened while a message of `internal()` was made.
        log.say(
            LogLevel::Error,
            &format!("fault in the engine: panic in thread {thread} at {place}: {text}"),
        );
    }));
}

/// Writes the warnings about a configuration that was read to `log`.
fn report_warnings(config: &Config, log: &Log) {
    for warning in config.warnings.iter().chain(&unreached(config)) {
        log.diagnostic(warning);
    }
}

/// The way of the state's own messages into the engine's log.
fn state_report(log: &Log) -> crate::state::Report {
    let log = log.clone();
    Box::new(move |severity, text| match severity {
        Severity::Error => log.log(LogLevel::Error, text),
        Severity::Warning => log.log(LogLevel::Warning, text),
        Severity::Notice => log.log(LogLevel::Notice, text),
    })
}

struct App<'h> {
    log: Log,
    host: &'h mut dyn Host,
    /// Lanes, workers, destinations.
    pipeline: Arc<Pipeline>,
    /// The list of this thread.
    events: Sender<Event>,
    /// The board that others may look at while this thread is busy.
    board: Arc<Board>,
    watch: Arc<Watch>,
    current: Option<Generation>,
    /// The state that outlives the process.
    state: Arc<State>,
    /// The server of the metrics.
    metrics: Option<Metrics>,
    /// The number of the process, for others.
    pidfile: Option<PidFile>,
    has_stuck_thread: bool,
    reader: Reader,
    suspended: Suspended,
    heartbeat: Heartbeat,
}

impl App<'_> {
    /// Opens what the command line names.
    fn open(&mut self, settings: &Settings) -> Result<(), Error> {
        self.open_files(settings)?;
        self.open_control(settings)?;
        self.open_state(settings)?;
        self.open_metrics(settings)
    }

    /// Takes the pid file, and looks whether the statistics can be written at the end; nothing if two files
    /// are one.
    fn open_files(&mut self, settings: &Settings) -> Result<(), Error> {
        own_files::check(&[
            ("--pidfile", settings.pidfile.as_deref()),
            ("--persist-file", settings.persist_file.as_deref()),
            ("--control", settings.control.as_deref()),
            ("--stats-file", settings.stats_file.as_deref()),
            ("--file", Some(&settings.file)),
        ])?;
        self.pidfile = settings.pidfile.as_deref().map(PidFile::open).transpose()?;
        Ok(settings.stats_file.as_deref().map_or(Ok(()), stats_file::check)?)
    }

    fn open_control(&self, settings: &Settings) -> Result<(), Error> {
        let Some(path) = &settings.control else { return Ok(()) };
        let requests = Box::new(MainThread { events: self.events.clone(), watch: Arc::clone(&self.watch) });
        let (board, log) = (Arc::clone(&self.board), &self.log);
        self.watch.set_control(unlocked(self.host, || Control::open(path, board, log, requests))?);
        Ok(())
    }

    fn open_state(&mut self, settings: &Settings) -> Result<(), Error> {
        set_buffer_directory(settings.persist_file.as_deref());
        if let Some(path) = &settings.persist_file {
            let report = state_report(&self.log);
            let opened = unlocked(self.host, || State::open(path, report));
            self.state = opened?;
        }
        self.host.open(&self.state)
    }

    fn open_metrics(&mut self, settings: &Settings) -> Result<(), Error> {
        let Some(address) = settings.metrics else { return Ok(()) };
        let board = Arc::clone(&self.board);
        let metrics = unlocked(self.host, || Metrics::open(address, board))?;
        self.log.notice(&format!("inrush: metrics at http://{}/metrics", metrics.address()));
        self.metrics = Some(metrics);
        Ok(())
    }

    /// Saves what is left of the state.
    fn close_state(&self) {
        let state = &self.state;
        if let Err(error) = unlocked(self.host, || state.close(LAST_COMMIT)) {
            self.log.error(&error.to_string());
        }
    }

    fn run(&mut self, settings: &Settings, events: &Receiver<Event>) -> i32 {
        match self.first_start(&settings.file) {
            Ok(true) => {}
            Ok(false) => {
                self.log.notice("inrush: stopped before the configuration was read");
                return 0;
            }
            Err(text) => {
                let file = settings.file.display();
                self.log.error(&format!("{file}: the configuration is not accepted\n{text}"));
                return 1;
            }
        }
        self.bound();
        self.log.notice(&format!(
            "inrush: started; version {}, configuration {}",
            env!("CARGO_PKG_VERSION"),
            settings.file.display()
        ));
        self.board.set_phase(Phase::Running);
        self.main_loop(settings, events);
        self.board.set_phase(Phase::Stopping);
        self.log.notice("inrush: stopping");
        self.stop();
        self.report(settings);
        0
    }

    /// Starts the first configuration; false if the engine was told to stop before it was read.
    fn first_start(&mut self, file: &Path) -> Result<bool, Error> {
        let read = self.read(|reader, is_stopping| reader.read(file, is_stopping));
        let Some(config) = self.completed(read) else { return Ok(false) };
        let config = config?;
        report_warnings(&config, &self.log);
        let prepared = Prepared::new(config, None, &mut self.site())?;
        self.carry_out(prepared).0?;
        Ok(true)
    }

    /// Reads a configuration, without the lock of the host: sources that run go on meanwhile.
    fn read(&mut self, read: impl FnOnce(&mut Reader, &dyn Fn() -> bool) -> Read + Send) -> Read {
        let (board, reader) = (&self.board, &mut self.reader);
        unlocked(self.host, || read(reader, &|| board.phase() == Phase::Stopping))
    }

    /// The configuration that was read, once more with the generators of the host if it takes them; `None` when
    /// the engine was told to stop.
    fn completed(&mut self, read: Read) -> Option<Result<Arc<Config>, Diagnostics>> {
        let partial = match read {
            Read::Done(config) => return Some(config),
            Read::Stopped => return None,
            Read::Partial(partial) => *partial,
        };
        let Inspected { config: Some(config), mut found, .. } = partial else { return None };
        match self.host.generators(&config) {
            Ok(Some(generators)) => {
                match self.read(|reader, is_stopping| reader.read_with(config, generators, is_stopping)) {
                    Read::Done(Ok(config)) => Some(Ok(config)),
                    read => {
                        self.host.put_back();
                        if let Read::Done(config) = read { Some(config) } else { None }
                    }
                }
            }
            Ok(None) => Some(Err(found.into())),
            Err(error) => {
                found.push(error);
                Some(Err(found.into()))
            }
        }
    }

    fn site(&mut self) -> Site<'_> {
        Site {
            log: &self.log,
            pipeline: &self.pipeline,
            events: &self.events,
            state: &self.state,
            host: self.host,
        }
    }

    /// Goes over to what was prepared; also returns what is to be said besides.
    fn carry_out(&mut self, prepared: Prepared) -> (Result<Changes, Diagnostics>, Vec<Diagnostic>) {
        let before = self.current.take();
        let Outcome { generation, result, complaints, all_ended } =
            prepared.carry_out(before, &mut self.site());
        self.current = generation;
        self.has_stuck_thread |= !all_ended;
        for complaint in &complaints {
            self.log.error(&format!("a source does not start\n{complaint}"));
        }
        (result, complaints)
    }

    /// Bounds the next stop by what the sources are allowed.
    fn bound(&self) {
        self.watch.set_bound(self.current.as_ref().map(Generation::stop_timeout).unwrap_or_default());
    }

    fn main_loop(&mut self, settings: &Settings, events: &Receiver<Event>) {
        let mut live = LiveLine::of_stderr();
        loop {
            match unlocked(self.host, || events.recv_timeout(TICK)) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Reload(reply)) => {
                    let reloaded = self.reload(&settings.file);
                    self.bound();
                    if let Some(reply) = reply {
                        reply.send(reloaded);
                    }
                }
                Ok(Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
            }
            self.host.tick();
            let (events, state) = (&self.events, &self.state);
            for complaint in self.current.iter_mut().flat_map(|current| current.retry_starts(events, state)) {
                self.log.error(&complaint);
            }
            self.suspended.look(&self.pipeline, &self.log);
            if let Some(current) = &self.current {
                let counts = || self.pipeline.stats();
                self.heartbeat.look(current.options(), Instant::now(), counts, &self.log);
            }
            self.pipeline.tidy();
            if live.is_shown {
                Log::set_live_line(&live.text(&self.board.stats()));
            }
        }
        Log::set_live_line("");
    }

    fn reload(&mut self, file: &Path) -> Reloaded {
        self.log.notice("inrush: reloading");
        let drawn = |all: &[Diagnostic]| all.iter().map(ToString::to_string).collect();
        let refused = |errors: &Diagnostics| Reloaded {
            accepted: false,
            diagnostics: drawn(errors.iter().as_slice()),
            changes: None,
        };
        // First half: everything that can be wrong with it, while the old one goes on.
        let read = self.read(|reader, is_stopping| reader.read_again(file, is_stopping));
        let stops = || Err(Diagnostic::without_place("the engine stops, so nothing is reloaded").into());
        let config = self.completed(read).unwrap_or_else(stops);
        let before = self.current.take();
        let prepared = config.and_then(|config| {
            report_warnings(&config, &self.log);
            Prepared::new(config, before.as_ref(), &mut self.site())
        });
        self.current = before;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(errors) => {
                self.log
                    .error(&format!("the new configuration is not accepted; the old one goes on\n{errors}"));
                self.pipeline.reopen();
                return refused(&errors);
            }
        };
        // Second half: over to it.
        let (result, complaints) = self.carry_out(prepared);
        let mut reloaded = match result {
            Ok(changes) => {
                let warnings = self.current.as_ref().map_or(&[][..], Generation::warnings);
                let shown = changes.to_string().replace('\n', "; ");
                self.log.notice(&format!("inrush: reloaded; {shown}"));
                Reloaded { accepted: true, diagnostics: drawn(warnings), changes: Some(changes) }
            }
            Err(errors) => {
                let text = "the new configuration does not start; back to the old one";
                self.log.error(&format!("{text}\n{errors}"));
                refused(&errors)
            }
        };
        let said = |complaint: &Diagnostic| format!("a source does not start\n{complaint}");
        reloaded.diagnostics.extend(complaints.iter().map(said));
        reloaded
    }

    /// Stops everything, within the bounds that each part has.
    fn stop(&mut self) {
        let hooks = self.current.as_ref().map(|current| current.hooks().clone()).unwrap_or_default();
        if let Some(mut current) = self.current.take() {
            self.has_stuck_thread |= !current.stop(&mut self.site());
        }
        self.watch.note_draining();
        let pipeline = &self.pipeline;
        let log = &self.log;
        unlocked(self.host, || {
            pipeline.drain(DRAIN);
            hooks.end(true, log);
        });
        self.has_stuck_thread |= !self.host.finish(LAST_ACKS);
        self.close_state();
    }

    /// The last words: what became of every message.
    fn report(&self, settings: &Settings) {
        let stats = report_totals(&self.log, &self.board);
        if let Some(path) = &settings.stats_file
            && let Err(error) = stats_file::write(path, &format!("{}\n", stats.to_json()))
        {
            self.log.error(&error);
        }
    }
}
