//! `inrush run`: from the command line to the last message.
//!
//! The main thread loads, starts, waits for signals, reloads and stops; the callbacks that belong to it are
//! called here. What is asked of it meanwhile waits on its list of events; `watch` sees to it that a stop ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
use pyo3::prelude::*;

use super::end;
use super::generation::{self, Engine, Generation, Outcome, Prepared};
use super::hosting::Hosting;
use super::modules::UserModules;
use super::process;
use super::watch::{DRAIN, Requests, Watch, report_totals};
use super::{acks, at_fork, exception, logger, persist, release};
use crate::cli::RunOptions;
use crate::config::{Diagnostic, Diagnostics};
use crate::engine::Event;
use crate::engine::control::Reloaded;
use crate::engine::live_line::LiveLine;
use crate::engine::reading::{Read, Reader};
use crate::engine::stats::{DestinationStats, Stats};
use crate::engine::{Board, Changes, Control, Log, LogLevel, Metrics, Phase, PidFile, own_files, stats_file};
use crate::fault::panic_text;
use crate::flow::signals::Signals;
use crate::state::State;

/// How often the main thread looks after things.
const TICK: Duration = Duration::from_millis(250);
/// How long callbacks of ack trackers may take after the last message, in a stop.
const LAST_ACKS: Duration = Duration::from_secs(3);
/// How long the last of the state may take to be on the disk.
const LAST_COMMIT: Duration = Duration::from_secs(10);
/// A source that waits for credit this long is said to wait, once.
const SUSPENDED_FOR: Duration = Duration::from_secs(5);

/// What the command line says.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub file: PathBuf,
    /// Where state is kept across restarts.
    pub persist_file: Option<PathBuf>,
    /// The socket on which others ask.
    pub control: Option<PathBuf>,
    /// Where metrics are asked for.
    pub metrics: Option<SocketAddr>,
    /// Where the process's number is written while it runs.
    pub pidfile: Option<PathBuf>,
    /// Where the statistics are written at the end, as JSON.
    pub stats_file: Option<PathBuf>,
    /// What is logged.
    pub level: LogLevel,
}

impl From<RunOptions> for Settings {
    fn from(options: RunOptions) -> Self {
        Self {
            file: options.file,
            persist_file: options.persist_file,
            control: options.control,
            metrics: options.metrics,
            pidfile: options.pidfile,
            stats_file: options.stats_file,
            level: options.verbosity.level(),
        }
    }
}

/// Runs the engine until it is told to stop; the exit code of the process.
pub fn run(py: Python<'_>, settings: &Settings) -> i32 {
    let _hosting = Hosting::begin();
    let log = Log::new(settings.level);
    let signals = match Signals::open() {
        Ok(signals) => signals,
        Err(error) => {
            log.error(&format!("cannot listen to signals: {error}"));
            return 1;
        }
    };
    tell_of_panics(&log);
    logger::set_log(Some(log.clone()));
    let (sender, receiver) = unbounded();
    let board = Arc::new(Board::default());
    let watch = Arc::new(Watch::new(&log, &board));
    watch.start(signals, sender.clone());
    let pipeline = Arc::new(generation::pipeline(&log));
    board.put(&pipeline);
    let mut app = App {
        log: log.clone(),
        engine: Engine { log: log.clone(), pipeline, modules: UserModules::new(py, &log), events: sender },
        board,
        current: None,
        state: State::in_memory(),
        metrics: None,
        pidfile: None,
        has_stuck_thread: false,
        reader: Reader::default(),
        waiting: BTreeMap::new(),
    };
    let code = match app.open(py, settings, &watch) {
        Ok(()) => app.run(py, settings, &receiver, &watch),
        Err(error) => {
            log.error(&error);
            1
        }
    };
    app.close_state(py);
    let (metrics, pidfile) = (app.metrics.take(), app.pidfile.take());
    py.detach(|| drop((metrics, pidfile)));
    persist::unset_engine(py);
    // The replies that nobody will send.
    py.detach(|| drop(receiver));
    // The log stays: something may have a word to say while the interpreter ends. So do the handlers of signals, and the watch.
    end::end(py, &log, &watch, app.has_stuck_thread, code)
}

/// Has the log tell of a panic, wherever it happens and whoever catches it.
fn tell_of_panics(log: &Log) {
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

struct App {
    log: Log,
    engine: Engine,
    /// What others may look at while this thread is busy.
    board: Arc<Board>,
    current: Option<Generation>,
    /// What outlives the process.
    state: Arc<State>,
    /// Who answers Prometheus.
    metrics: Option<Metrics>,
    /// The number of the process, for others.
    pidfile: Option<PidFile>,
    has_stuck_thread: bool,
    reader: Reader,
    /// Since when each suspended source waits, and whether that was said.
    waiting: BTreeMap<String, Waiting>,
}

/// A source that waits for credit.
struct Waiting {
    since: Instant,
    /// How many of its messages were done then.
    done: u64,
    /// Whether it was said that it waits.
    said: bool,
}

/// What a source waits for whose messages go to `destinations`.
fn waited_for(stats: &Stats, destinations: &[String]) -> String {
    let waits = |to: &&DestinationStats| destinations.contains(&to.id) && (to.suspended || to.in_flight > 0);
    let named = stats.destinations.iter().filter(waits).map(|to| {
        let cannot_write = if to.suspended { ", cannot write" } else { "" };
        format!("{} ({} messages{cannot_write})", to.id, to.in_flight)
    });
    let named = named.collect::<Vec<_>>();
    if named.is_empty() { "what was posted before the last reload".to_owned() } else { named.join(", ") }
}

impl Waiting {
    fn new(done: u64) -> Self {
        Self { since: Instant::now(), done, said: false }
    }
}

impl App {
    /// Opens what the command line names.
    fn open(&mut self, py: Python<'_>, settings: &Settings, watch: &Arc<Watch>) -> Result<(), String> {
        self.open_files(settings)?;
        self.open_control(py, settings, watch)?;
        self.open_state(py, settings)?;
        self.open_metrics(py, settings)
    }

    /// Takes the pid file, and looks whether the statistics can be written at the end; nothing if two files are one.
    fn open_files(&mut self, settings: &Settings) -> Result<(), String> {
        own_files::check(&[
            ("--pidfile", settings.pidfile.as_deref()),
            ("--persist-file", settings.persist_file.as_deref()),
            ("--control", settings.control.as_deref()),
            ("--stats-file", settings.stats_file.as_deref()),
            ("--file", Some(&settings.file)),
        ])?;
        self.pidfile = settings.pidfile.as_deref().map(PidFile::open).transpose()?;
        settings.stats_file.as_deref().map_or(Ok(()), stats_file::check)
    }

    fn open_control(&self, py: Python<'_>, settings: &Settings, watch: &Arc<Watch>) -> Result<(), String> {
        let Some(path) = &settings.control else { return Ok(()) };
        let requests = Requests { events: self.engine.events.clone(), watch: Arc::clone(watch) };
        let board = Arc::clone(&self.board);
        watch.set_control(py.detach(|| Control::open(path, board, &self.log, Box::new(requests)))?);
        Ok(())
    }

    fn open_state(&mut self, py: Python<'_>, settings: &Settings) -> Result<(), String> {
        if let Some(path) = &settings.persist_file {
            let opened = py.detach(|| State::open(path, persist::report(&self.log)));
            self.state = opened.map_err(|error| error.to_string())?;
        }
        let watched = at_fork::install(py).and_then(|()| persist::set_engine(py, &self.state, &self.log));
        watched.map_err(|error| format!("cannot see forks: {error}"))
    }

    fn open_metrics(&mut self, py: Python<'_>, settings: &Settings) -> Result<(), String> {
        let Some(address) = settings.metrics else { return Ok(()) };
        let metrics = py.detach(|| Metrics::open(address, Arc::clone(&self.board)))?;
        self.log.notice(&format!("inrush: metrics at http://{}/metrics", metrics.address()));
        self.metrics = Some(metrics);
        Ok(())
    }

    /// Saves what is left of the state.
    fn close_state(&self, py: Python<'_>) {
        if let Err(error) = py.detach(|| self.state.close(LAST_COMMIT)) {
            self.log.error(&error.to_string());
        }
    }

    fn run(&mut self, py: Python<'_>, settings: &Settings, events: &Receiver<Event>, watch: &Watch) -> i32 {
        match self.first_start(py, &settings.file) {
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
        self.bound(watch);
        self.log.notice(&format!(
            "inrush: started; version {}, configuration {}",
            env!("CARGO_PKG_VERSION"),
            settings.file.display()
        ));
        self.board.set_phase(Phase::Running);
        self.main_loop(py, settings, events, watch);
        self.board.set_phase(Phase::Stopping);
        self.log.notice("inrush: stopping");
        self.stop(py, watch);
        self.report(settings);
        0
    }

    /// Starts the first configuration; false if the engine was told to stop before it was read.
    fn first_start(&mut self, py: Python<'_>, file: &Path) -> Result<bool, String> {
        let board = Arc::clone(&self.board);
        let reader = &mut self.reader;
        let read = py.detach(|| reader.read(file, &|| board.phase() == Phase::Stopping));
        let Read::Done(config) = read else { return Ok(false) };
        let config = config.map_err(|errors| errors.to_string())?;
        generation::report_warnings(&config, &self.log);
        let prepared = Prepared::new(py, config, None, &self.engine);
        let prepared = prepared.map_err(|errors| errors.to_string())?;
        self.carry_out(py, prepared).0.map(|_| true).map_err(|errors| errors.to_string())
    }

    /// Goes over to what was prepared; also returns what is to be said besides.
    fn carry_out(
        &mut self,
        py: Python<'_>,
        prepared: Prepared,
    ) -> (Result<Changes, Diagnostics>, Vec<Diagnostic>) {
        let before = self.current.take();
        let Outcome { generation, result, complaints, all_ended } =
            prepared.carry_out(py, before, &self.engine);
        self.current = generation;
        self.has_stuck_thread |= !all_ended;
        for complaint in &complaints {
            self.log.error(&format!("a source does not start\n{complaint}"));
        }
        (result, complaints)
    }

    fn bound(&self, watch: &Watch) {
        let sources = self.current.iter().flat_map(|generation| &generation.sources);
        watch.set_bound(sources.map(super::instance::PythonSource::stop_timeout).max().unwrap_or_default());
    }

    fn main_loop(&mut self, py: Python<'_>, settings: &Settings, events: &Receiver<Event>, watch: &Watch) {
        let mut live = LiveLine::of_stderr();
        loop {
            match py.detach(|| events.recv_timeout(TICK)) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Reload(reply)) => {
                    let reloaded = self.reload(py, &settings.file);
                    self.bound(watch);
                    if let Some(reply) = reply {
                        reply.send(reloaded);
                    }
                }
                Ok(Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
            }
            self.call_handlers(py);
            process::restore();
            release::drain_all(py);
            for complaint in
                self.current.iter_mut().flat_map(|current| current.retry_starts(py, &self.engine))
            {
                self.log.error(&complaint);
            }
            self.look_after_suspended();
            self.engine.pipeline.tidy();
            if live.is_shown {
                self.log.set_live_line(&live.text(&self.board.stats()));
            }
        }
        self.log.set_live_line("");
    }

    /// Has Python call the handlers of signals that the engine leaves to the user's code.
    fn call_handlers(&self, py: Python<'_>) {
        if let Err(error) = py.check_signals() {
            let text = exception::traceback(py, &error);
            py.detach(|| self.log.error(&format!("the handler of a signal raised an exception\n{text}")));
        }
    }

    /// Says of a source that it waits for credit, when it has for a while; once, until it goes on.
    fn look_after_suspended(&mut self) {
        let stats = self.engine.pipeline.stats();
        for source in &stats.sources {
            if !source.is_waiting {
                self.waiting.remove(&source.id);
                continue;
            }
            let done = source.totals.posted - source.totals.in_flight;
            let waiting = self.waiting.entry(source.id.clone()).or_insert_with(|| Waiting::new(done));
            if waiting.done != done {
                // Slow, and not stuck.
                *waiting = Waiting { said: waiting.said, ..Waiting::new(done) };
            }
            if !waiting.said && waiting.since.elapsed() >= SUSPENDED_FOR {
                waiting.said = true;
                self.log.warning(&format!(
                    "source {} is suspended: {} messages of it are in flight, as many as {} allows; it waits for {}",
                    source.id,
                    source.totals.in_flight,
                    if source.free_bytes <= 0 { "max-inflight-bytes()" } else { "log-iw-size()" },
                    waited_for(&stats, &self.engine.pipeline.destinations_of(&source.id))
                ));
            }
        }
    }

    fn reload(&mut self, py: Python<'_>, file: &Path) -> Reloaded {
        self.log.notice("inrush: reloading");
        let drawn = |all: &[Diagnostic]| all.iter().map(ToString::to_string).collect();
        let refused = |errors: &Diagnostics| Reloaded {
            accepted: false,
            diagnostics: drawn(errors.iter().as_slice()),
            changes: None,
        };
        // Without the GIL: the sources that stay go on meanwhile.
        let (board, reader) = (Arc::clone(&self.board), &mut self.reader);
        let config = match py.detach(|| reader.read_again(file, &|| board.phase() == Phase::Stopping)) {
            Read::Done(config) => config,
            Read::Stopped => {
                Err(Diagnostic::without_place("the engine stops, so nothing is reloaded").into())
            }
        };
        let prepared = config.and_then(|config| {
            generation::report_warnings(&config, &self.log);
            Prepared::new(py, config, self.current.as_ref(), &self.engine)
        });
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(errors) => {
                self.log
                    .error(&format!("the new configuration is not accepted; the old one goes on\n{errors}"));
                self.engine.pipeline.reopen();
                return refused(&errors);
            }
        };
        let (result, complaints) = self.carry_out(py, prepared);
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
    fn stop(&mut self, py: Python<'_>, watch: &Watch) {
        if let Some(mut current) = self.current.take() {
            self.has_stuck_thread |= !current.stop_sources(py);
        }
        watch.note_draining();
        py.detach(|| self.engine.pipeline.drain(DRAIN));
        self.has_stuck_thread |= !acks::finish_all(py, &self.log, LAST_ACKS);
        release::drain_all(py);
        self.close_state(py);
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
