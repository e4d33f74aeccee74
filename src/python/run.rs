//! `inrush run`: from the command line to the last message.
//!
//! The main thread loads, starts, waits for signals, reloads and stops; the callbacks that belong to it are
//! called here. A second thread reads the signals, so that one that comes while a callback blocks the main
//! thread is not lost: when the stop then takes longer than it may, that thread says where the main
//! thread stands and ends the process.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::generation::{Generation, load};
use super::signals::{self, Signals};
use super::{exception, logger, release};
use crate::cli::RunOptions;
use crate::config::Config;
use crate::engine::stats::Stats;
use crate::engine::{Log, LogLevel, Pipeline};
use crate::message::Pool;

/// How often the main thread looks after things.
const TICK: Duration = Duration::from_millis(250);
/// How long the destinations may take to write what is left, when the engine stops.
const DRAIN: Duration = Duration::from_secs(10);
/// What a stop may take beyond the time that its sources and destinations are given.
const GRACE: Duration = Duration::from_secs(5);
/// How long threads that the user's code started may take to end after the engine.
const LAST_THREADS: Duration = Duration::from_millis(500);
/// A source that waits for credit this long is said to wait, once.
const SUSPENDED_FOR: Duration = Duration::from_secs(5);

/// What wakes the main thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
    /// The thread of a source has ended.
    Ended,
}

/// What the command line says.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub file: PathBuf,
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
            pidfile: options.pidfile,
            stats_file: options.stats_file,
            level: options.verbosity.level(),
        }
    }
}

/// Runs the engine until it is told to stop; the exit code of the process.
pub fn run(py: Python<'_>, settings: &Settings) -> i32 {
    let log = Log::new(settings.level);
    let signals = match Signals::open() {
        Ok(signals) => signals,
        Err(error) => {
            log.error(&format!("cannot listen to signals: {error}"));
            return 1;
        }
    };
    logger::set_log(Some(log.clone()));
    let (sender, receiver) = unbounded();
    let watch = Arc::new(Watch::new(&log, py));
    watch.start(signals, sender.clone());
    let mut app = App {
        log: log.clone(),
        pool: Arc::new(Pool::new()),
        events: sender,
        current: None,
        retired: Vec::new(),
        past: Stats::default(),
        has_stuck_thread: false,
        waiting: BTreeMap::new(),
    };
    let code = app.run(py, settings, &receiver, &watch);
    logger::set_log(None);
    watch.done.store(true, Ordering::Release);
    if app.has_stuck_thread || has_other_threads(py, &log) {
        // The interpreter's own end would wait for them, or end them in the middle of a call.
        let _ = py.import("atexit").and_then(|atexit| atexit.call_method0("_run_exitfuncs"));
        flush_stdout(py);
        signals::exit_now(code);
    }
    signals::uninstall();
    code
}

/// Whether threads of the user's are still there, after a while in which they may end.
fn has_other_threads(py: Python<'_>, log: &Log) -> bool {
    let others = || -> PyResult<Vec<String>> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?;
        let threads = threading.call_method0("enumerate")?.cast_into::<PyList>()?;
        let others = threads.iter().filter(|thread| !thread.is(&main));
        others.map(|thread| thread.getattr("name")?.extract()).collect()
    };
    let deadline = Instant::now() + LAST_THREADS;
    loop {
        let names = others().unwrap_or_default();
        if names.is_empty() {
            return false;
        }
        if Instant::now() >= deadline {
            log.info(&format!("threads that have not ended: {}", names.join(", ")));
            return true;
        }
        py.detach(|| std::thread::sleep(Duration::from_millis(5)));
    }
}

fn flush_stdout(py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        let stream = py.import("sys").and_then(|sys| sys.getattr(name));
        // A stream that the user's code closed has nothing to flush.
        let _ = stream.and_then(|stream| stream.call_method0("flush"));
    }
}

/// Sees to it that a stop ends.
struct Watch {
    log: Log,
    main: u64,
    /// How long the stop may take, in milliseconds, once one was asked for.
    bound_ms: AtomicU64,
    done: AtomicBool,
}

impl Watch {
    fn new(log: &Log, py: Python<'_>) -> Self {
        let ident = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
        let main = ident.and_then(|ident| ident.extract()).unwrap_or(0);
        let bound_ms = AtomicU64::new((DRAIN + GRACE).as_millis() as u64);
        Self { log: log.clone(), main, bound_ms, done: AtomicBool::new(false) }
    }

    /// Sets how long the sources of the configuration may take to stop.
    fn set_bound(&self, sources: Duration) {
        self.bound_ms.store((sources + DRAIN + GRACE).as_millis() as u64, Ordering::Relaxed);
    }

    fn start(self: &Arc<Self>, mut signals: Signals, events: Sender<Event>) {
        let watch = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut asked = 0;
            while let Some(signal) = signals.wait() {
                let event = if signal == libc::SIGHUP { Event::Reload } else { Event::Stop };
                // The main thread is at its end when it no longer receives.
                let _ = events.send(event);
                if event == Event::Stop {
                    asked += 1;
                    watch.stop_asked(asked);
                }
            }
        });
        if let Err(error) = spawned {
            self.log.error(&format!("no thread for signals: {error}"));
        }
    }

    fn stop_asked(self: &Arc<Self>, times: u32) {
        match times {
            1 => {}
            2 => {
                let seconds = self.bound_ms.load(Ordering::Relaxed) / 1000;
                self.log
                    .notice(&format!("still stopping, {seconds} s at most; a third signal ends it at once"));
                return;
            }
            _ => self.end("ended by a third signal, before everything was delivered"),
        }
        let watch = Arc::clone(self);
        let bound = Duration::from_millis(self.bound_ms.load(Ordering::Relaxed));
        // Without a thread nobody watches; the stop itself is bounded all the same.
        let _ = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let deadline = Instant::now() + bound;
            while Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(50));
                if watch.done.load(Ordering::Acquire) {
                    return;
                }
            }
            watch.end("the stop takes too long and is given up");
        });
    }

    /// Ends the process; says where the main thread stands, if the interpreter lets it.
    fn end(&self, why: &str) {
        if self.done.load(Ordering::Acquire) {
            return;
        }
        self.log.error(why);
        let (log, main) = (self.log.clone(), self.main);
        let looked = std::thread::spawn(move || {
            Python::attach(|py| {
                if let Some(stack) = exception::stack(py, main) {
                    log.error(&format!("the main thread stands here:\n{stack}"));
                }
                flush_stdout(py);
            });
        });
        let deadline = Instant::now() + Duration::from_secs(1);
        while !looked.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        signals::exit_now(2);
    }
}

struct App {
    log: Log,
    pool: Arc<Pool>,
    events: Sender<Event>,
    current: Option<Generation>,
    has_stuck_thread: bool,
    /// Pipelines of old configurations that still have something to deliver.
    retired: Vec<Arc<Pipeline>>,
    /// What the pipelines that are gone had counted.
    past: Stats,
    /// Since when each suspended source waits, and whether that was said.
    waiting: BTreeMap<String, (Instant, bool)>,
}

impl App {
    fn run(&mut self, py: Python<'_>, settings: &Settings, events: &Receiver<Event>, watch: &Watch) -> i32 {
        if let Err(text) = self.first_start(py, &settings.file) {
            self.log
                .error(&format!("{}: the configuration is not accepted\n{text}", settings.file.display()));
            return 1;
        }
        self.bound(watch);
        let pidfile = settings.pidfile.as_deref();
        if let Some(path) = pidfile
            && let Err(error) = write_private(path, &format!("{}\n", std::process::id()))
        {
            self.log.error(&format!("cannot write the pid file {}: {error}", path.display()));
            self.stop(py);
            return 1;
        }
        self.log.notice(&format!(
            "inrush: started; version {}, configuration {}",
            env!("CARGO_PKG_VERSION"),
            settings.file.display()
        ));
        self.main_loop(py, settings, events, watch);
        self.log.notice("inrush: stopping");
        self.stop(py);
        self.report(settings);
        if let Some(path) = pidfile {
            // Somebody may have removed it; that is what was wanted.
            let _ = std::fs::remove_file(path);
        }
        0
    }

    fn first_start(&mut self, py: Python<'_>, file: &Path) -> Result<(), String> {
        let config = load(file, &self.log).map_err(|errors| errors.to_string())?;
        let created = Generation::create(py, Arc::new(config), &self.log, &self.pool);
        let mut generation = created.map_err(|errors| errors.to_string())?;
        generation.start(py, &self.events).map_err(|errors| errors.to_string())?;
        self.current = Some(generation);
        Ok(())
    }

    fn bound(&self, watch: &Watch) {
        let sources = self.current.iter().flat_map(|generation| &generation.sources);
        watch.set_bound(sources.map(super::instance::PythonSource::stop_timeout).max().unwrap_or_default());
    }

    fn main_loop(&mut self, py: Python<'_>, settings: &Settings, events: &Receiver<Event>, watch: &Watch) {
        let mut live = LiveLine::new();
        loop {
            match py.detach(|| events.recv_timeout(TICK)) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Event::Reload) => {
                    self.reload(py, &settings.file);
                    self.bound(watch);
                }
                Ok(Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
            }
            signals::install();
            release::drain_all(py);
            self.look_after_suspended();
            self.let_go_of_finished();
            if live.is_shown {
                let stats = self.stats();
                self.log.set_live_line(&live.text(&stats));
            }
        }
        self.log.set_live_line("");
    }

    /// Everything counted so far, of all configurations.
    fn stats(&self) -> Stats {
        let mut stats = self.current.as_ref().map_or_else(Stats::default, |current| current.pipeline.stats());
        for pipeline in &self.retired {
            stats.add(&pipeline.stats());
        }
        stats.add(&self.past);
        stats
    }

    fn let_go_of_finished(&mut self) {
        let (done, left) =
            std::mem::take(&mut self.retired).into_iter().partition(|pipeline| pipeline.is_finished());
        self.retired = left;
        let done: Vec<Arc<Pipeline>> = done;
        for pipeline in done {
            self.past.add(&pipeline.stats());
        }
    }

    /// Says of a source that it waits for credit, when it has for a while; once, until it goes on.
    fn look_after_suspended(&mut self) {
        let Some(current) = &self.current else { return };
        let stats = current.pipeline.stats();
        let stuck = || {
            let to = stats.destinations.iter().filter(|to| to.suspended || to.in_flight > 0);
            to.map(|to| {
                format!(
                    "{} ({} messages{})",
                    to.id,
                    to.in_flight,
                    if to.suspended { ", cannot write" } else { "" }
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
        };
        for source in &stats.sources {
            if !source.is_waiting {
                self.waiting.remove(&source.id);
                continue;
            }
            let (since, said) = self.waiting.entry(source.id.clone()).or_insert((Instant::now(), false));
            if !*said && since.elapsed() >= SUSPENDED_FOR {
                *said = true;
                self.log.warning(&format!(
                    "source {} is suspended: its window of {} messages is in flight; it waits for {}",
                    source.id,
                    source.window,
                    stuck()
                ));
            }
        }
    }

    fn reload(&mut self, py: Python<'_>, file: &Path) {
        self.log.notice("inrush: reloading");
        let made = load(file, &self.log)
            .and_then(|config| Generation::create(py, Arc::new(config), &self.log, &self.pool))
            .map_err(|errors| errors.to_string());
        let mut next = match made {
            Ok(next) => next,
            Err(text) => {
                self.log
                    .error(&format!("the new configuration is not accepted; the old one goes on\n{text}"));
                if let Some(current) = &self.current {
                    current.install_blocks(py);
                    current.pipeline.reopen();
                }
                return;
            }
        };
        let old = self.current.take().map(|mut old| {
            self.has_stuck_thread |= !old.stop_sources(py);
            let config = Arc::clone(&old.config);
            self.retired.push(old.retire());
            config
        });
        match next.start(py, &self.events) {
            Ok(()) => {
                self.current = Some(next);
                self.log.notice("inrush: reloaded");
            }
            Err(errors) => {
                let text = "the new configuration does not start; back to the old one";
                self.log.error(&format!("{text}\n{errors}"));
                if let Some(config) = old {
                    self.go_back(py, config);
                }
            }
        }
    }

    fn go_back(&mut self, py: Python<'_>, config: Arc<Config>) {
        let started = Generation::create(py, config, &self.log, &self.pool)
            .and_then(|mut old| old.start(py, &self.events).map(|()| old));
        match started {
            Ok(old) => self.current = Some(old),
            Err(errors) => {
                self.log.error(&format!("the old configuration does not start any more\n{errors}"));
            }
        }
    }

    /// Stops everything, within the bounds that each part has.
    fn stop(&mut self, py: Python<'_>) {
        let deadline_of_drain = |begun: Instant| DRAIN.saturating_sub(begun.elapsed());
        if let Some(mut current) = self.current.take() {
            self.has_stuck_thread |= !current.stop_sources(py);
            let pipeline = Arc::clone(&current.pipeline);
            py.detach(|| pipeline.drain(DRAIN));
            self.past.add(&pipeline.stats());
        }
        let begun = Instant::now();
        for pipeline in std::mem::take(&mut self.retired) {
            py.detach(|| pipeline.drain(deadline_of_drain(begun)));
            self.past.add(&pipeline.stats());
        }
        release::drain_all(py);
    }

    /// The last words: what became of every message.
    fn report(&self, settings: &Settings) {
        for source in &self.past.sources {
            self.log.notice(&format!("source {}: {}", source.id, source.line()));
        }
        for destination in &self.past.destinations {
            self.log.notice(&format!("destination {}: {}", destination.id, destination.line()));
        }
        let stats = &self.past;
        self.log.notice(&format!(
            "inrush: stopped; {} posted = {} delivered + {} dropped + {} in flight",
            stats.posted(),
            stats.delivered(),
            stats.dropped(),
            stats.in_flight()
        ));
        if let Some(path) = &settings.stats_file
            && let Err(error) = std::fs::write(path, format!("{}\n", stats.to_json()))
        {
            self.log.error(&format!("cannot write the statistics to {}: {error}", path.display()));
        }
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The line at the foot of a terminal: rate, totals, messages in flight.
struct LiveLine {
    is_shown: bool,
    posted: u64,
    at: Instant,
}

impl LiveLine {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), posted: 0, at: Instant::now() }
    }

    fn text(&mut self, stats: &Stats) -> String {
        let now = Instant::now();
        let posted = stats.posted();
        let seconds = now.duration_since(self.at).as_secs_f64().max(1e-3);
        let rate = (posted.saturating_sub(self.posted)) as f64 / seconds;
        (self.posted, self.at) = (posted, now);
        format!(
            "{} msg/s | posted {} | delivered {} | dropped {} | in flight {}",
            grouped(rate.round() as u64),
            grouped(posted),
            grouped(stats.delivered()),
            grouped(stats.dropped()),
            grouped(stats.in_flight())
        )
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let grouped = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
