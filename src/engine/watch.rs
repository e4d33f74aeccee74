//! The bound of a stop: [`Watch`].
//!
//! The main thread does what is asked of the engine, and may hang in a callback while it is asked. So the
//! requests come in on other threads, that of the signals and those of the control socket: they put an event
//! on the main thread's list, and after a stop they watch it. When it takes longer than it may, they say
//! where the main thread stands, write what is left to the destinations in its place, and end the process.
//!
//! The same bound holds for what the host does when the engine has stopped, as Python with functions of
//! `atexit` and threads that it waits for. So the watch ends with the process, and a start that failed, for
//! which nobody asked for a stop, has it from its end on.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;

use super::control::{Reply, Requests};
use super::exit::exit_now;
use super::host::HostView;
use super::stats::Stats;
use super::{Board, Control, Event, Log, Phase};
use crate::cli::ctl::tables;
use crate::flow::signals::Signals;

/// The time that the destinations may take to write what is left, when the engine stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// The time that a stop may take beyond the time that its sources and destinations are given.
const GRACE: Duration = Duration::from_secs(5);

/// Sees to it that a stop ends.
pub(crate) struct Watch {
    log: Log,
    board: Arc<Board>,
    /// Closed before the process ends, however it does.
    control: OnceLock<Control>,
    host: Arc<dyn HostView>,
    /// The milliseconds that the stop may take, once one was asked for.
    bound_ms: AtomicU64,
    /// Somebody looks at the clock.
    is_watched: AtomicBool,
    /// The engine has stopped, and what is left is the end of the process.
    has_ended: AtomicBool,
    /// The main thread is past all callbacks, and writes what is left.
    is_draining: AtomicBool,
    /// A thread waits for the host to say where its threads stand.
    looks_at_threads: AtomicBool,
}

impl Watch {
    /// A watch over the main thread of `host`.
    pub(crate) fn new(log: &Log, board: &Arc<Board>, host: Arc<dyn HostView>) -> Self {
        let bound_ms = AtomicU64::new((DRAIN + GRACE).as_millis() as u64);
        Self {
            log: log.clone(),
            board: Arc::clone(board),
            control: OnceLock::new(),
            host,
            bound_ms,
            is_watched: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            looks_at_threads: AtomicBool::new(false),
        }
    }

    /// A watch over the end of `inrush check`, for which nothing runs that would need longer.
    pub(crate) fn of_check(log: &Log, host: Arc<dyn HostView>) -> Self {
        let bound_ms = AtomicU64::new(GRACE.as_millis() as u64);
        Self { bound_ms, ..Self::new(log, &Arc::default(), host) }
    }

    /// Sets how long the sources of the configuration may take to stop.
    pub(crate) fn set_bound(&self, sources: Duration) {
        self.bound_ms.store((sources + DRAIN + GRACE).as_millis() as u64, Ordering::Relaxed);
    }

    /// Closes `control` when the process ends.
    pub(crate) fn set_control(&self, control: Control) {
        // There is one a process.
        let _ = self.control.set(control);
    }

    /// The main thread is done with the sources: from here on it hangs in nobody's code.
    pub(crate) fn note_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// The engine has stopped: what the host does at the end has the time that is left.
    pub(crate) fn begin_end(self: &Arc<Self>) {
        self.note_draining();
        self.has_ended.store(true, Ordering::Release);
        self.close_control();
        self.begin();
    }

    fn close_control(&self) {
        if let Some(control) = self.control.get() {
            control.close();
        }
    }

    /// Reads signals on a thread of its own, and passes them on to `events`.
    pub(crate) fn start(self: &Arc<Self>, signals: Signals, events: Sender<Event>) {
        let watch = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut asked = 0;
            loop {
                // The main thread is at its end when it no longer receives.
                match signals.wait() {
                    libc::SIGHUP => {
                        let _ = events.send(Event::Reload(None));
                    }
                    libc::SIGUSR1 => watch.reopen(),
                    libc::SIGUSR2 => watch.say_what_goes_on(),
                    _ => {
                        let _ = events.send(Event::Stop);
                        asked += 1;
                        match asked {
                            1 => watch.stop_asked(),
                            2 => watch.ask_for_patience(),
                            _ => watch.give_up(
                                "ended by a third signal, before everything was delivered",
                                watch.host.end_is_cut_short(),
                            ),
                        }
                    }
                }
            }
        });
        if let Err(error) = spawned {
            self.log.error(&format!("no thread for signals: {error}"));
        }
    }

    /// Has the files of all destinations opened anew, whatever the main thread does.
    fn reopen(&self) {
        self.log.notice("inrush: reopening the files");
        if let Some(pipeline) = self.board.pipeline() {
            pipeline.reopen();
        }
    }

    /// Writes the statistics to the log and, as soon as the host lets it, where each of its threads stands.
    fn say_what_goes_on(self: &Arc<Self>) {
        self.log
            .notice(&format!("inrush: the statistics\n{}", tables::stats(&self.board.to_json()).trim_end()));
        if self.looks_at_threads.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Arc::clone(self);
        let looks = move || {
            let text = watch.host.threads();
            watch.looks_at_threads.store(false, Ordering::Release);
            if let Some(text) = text {
                watch.log.notice(&format!("inrush: {text}"));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("stacks".to_owned()).spawn(looks) {
            self.looks_at_threads.store(false, Ordering::Release);
            self.log.error(&format!("no thread to look at the other threads: {error}"));
        }
    }

    /// The engine was told to stop, and has a bounded time for it from now on.
    fn stop_asked(self: &Arc<Self>) {
        if !self.has_ended.load(Ordering::Acquire) {
            self.board.set_phase(Phase::Stopping);
        }
        self.begin();
    }

    /// Begins to look at the clock, once.
    fn begin(self: &Arc<Self>) {
        if self.is_watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Arc::clone(self);
        let bound = Duration::from_millis(self.bound_ms.load(Ordering::Relaxed));
        // Without a thread nobody watches; the stop itself is bounded all the same.
        let _ = std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch.look(bound));
    }

    /// Ends the process when `bound` is over. A callback that hangs is given up before, so that what is left
    /// can be written.
    fn look(&self, bound: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < bound {
            std::thread::sleep(Duration::from_millis(50));
            if begun.elapsed() + DRAIN >= bound && !self.is_draining.load(Ordering::Acquire) {
                self.say_where_it_hangs("the stop hangs in a callback, which is given up");
                self.drain();
                if !self.has_ended.load(Ordering::Acquire) {
                    break;
                }
            }
        }
        self.give_up("the stop takes too long and is given up", self.host.end_hangs());
    }

    fn ask_for_patience(&self) {
        let seconds = self.bound_ms.load(Ordering::Relaxed) / 1000;
        self.log.notice(&format!("still stopping, {seconds} s at most; a third signal ends it at once"));
    }

    /// Writes what was posted to the destinations, and says what became of it.
    fn drain(&self) {
        if let Some(pipeline) = self.board.pipeline() {
            pipeline.drain(DRAIN);
        }
        report_totals(&self.log, &self.board);
    }

    /// Ends the process; `at_end` is the reason where the engine has stopped already.
    fn give_up(&self, why: &str, at_end: &str) {
        self.say_where_it_hangs(if self.has_ended.load(Ordering::Acquire) { at_end } else { why });
        self.close_control();
        exit_now(2)
    }

    /// Says where the main thread stands, if the host lets it.
    fn say_where_it_hangs(&self, why: &str) {
        self.log.error(why);
        let (log, host) = (self.log.clone(), Arc::clone(&self.host));
        let looked = std::thread::spawn(move || {
            if let Some(text) = host.main_thread() {
                log.error(&text);
            }
            host.flush_output();
        });
        let deadline = Instant::now() + Duration::from_secs(1);
        while !looked.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Says what became of every message.
pub(crate) fn report_totals(log: &Log, board: &Board) -> Stats {
    let stats = board.stats();
    for source in &stats.sources {
        log.notice(&format!("source {}: {}", source.id, source.line()));
    }
    for destination in &stats.destinations {
        log.notice(&format!("destination {}: {}", destination.id, destination.line()));
    }
    log.notice(&format!("inrush: stopped; {}", stats.sum()));
    stats
}

/// The main thread, for those who ask it through the control socket.
pub(crate) struct MainThread {
    /// Its list.
    pub events: Sender<Event>,
    /// Bounds a stop of it.
    pub watch: Arc<Watch>,
}

impl Requests for MainThread {
    fn reload(&self, reply: Reply) {
        // Where nobody receives any more, the reply is dropped, and says so.
        let _ = self.events.send(Event::Reload(Some(reply)));
    }

    fn stop(&self) {
        let _ = self.events.send(Event::Stop);
        self.watch.stop_asked();
    }
}
