//! What runs: lanes, workers and destinations, from one configuration to the next: [`Pipeline`].
//!
//! # Life
//! [`Pipeline::plan`] makes what a configuration needs beside what runs, and touches nothing outside the
//! process; [`Pipeline::switch`] carries the plan out. What is in both configurations goes on: its threads, open
//! files, queues, credit and counters. A switch goes in this order:
//!
//! 1. Whoever hosts the sources has stopped those that go, and closed their lanes; nothing else has changed yet.
//! 2. The new destinations get their threads. One that may write a file of a destination that goes
//!    waits for the end of that one (`succession`).
//! 3. The workers take up the new routes, after what was posted before went by the old ones (`signpost`).
//! 4. The destinations that go have all they will ever get: they write it, however long it takes, and
//!    end. Until then they count, as do the sources that go while something of theirs is on its way.
//!
//! To end it all, the host stops the sources; then [`Pipeline::drain`] lets the workers and after them the
//! destinations finish what is on its way, within a bound. What could not be written by then is counted as
//! dropped, and reported by number.
//!
//! # Counts
//! Nobody who adds up at any moment misses a message or counts it twice: a driver goes from one list to the
//! next under one lock, which is held for no wait.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender as Notify, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::log::Log;
use super::output;
use super::plan::{Fresh, Input, Means, Next, Output, Running, Source};
use super::signpost::{Guide, Routes, Signpost, Way};
use super::stats::{DestinationStats, SourceStats, Stats};
use super::succession::{Predecessor, Turn, await_turn};
use super::worker;
use crate::config::{Config, Diagnostic, SourceDriver};
use crate::fault;
use crate::flow::{DropReason, Inbox, Parcel, Sender};
use crate::message::{Pool, Release};

/// How long workers may take to take up new routes: they never wait for a destination.
const TAKE_UP: Duration = Duration::from_secs(5);
/// How long a source that has gone, with nothing on its way, is still counted by itself although somebody keeps it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The threads of the engine, and what they work on.
pub struct Pipeline {
    log: Log,
    pool: Arc<Pool>,
    release: Arc<dyn Release>,
    next_lane: AtomicUsize,
    signpost: Arc<Signpost>,
    /// Set once, for the workers.
    stopping: Arc<AtomicBool>,
    state: Mutex<State>,
    ended: Mutex<Ended>,
    /// Messages of the signpost's `late` that were reported.
    late_said: AtomicU64,
}

#[derive(Default)]
struct State {
    sources: Vec<Source>,
    outputs: Vec<Arc<Output>>,
    workers: Vec<Worker>,
    /// The sources of a plan that is being carried out.
    coming: Vec<Input>,
    leaving_sources: Vec<LeavingSource>,
    leaving_outputs: Vec<LeavingOutput>,
    /// What those counted that are gone.
    past: Stats,
}

struct Worker {
    inbox: Sender<Parcel>,
    /// The version of the routes that it goes by.
    seen: Arc<AtomicU64>,
}

struct LeavingSource {
    source: Source,
    since: Instant,
}

struct LeavingOutput {
    output: Arc<Output>,
    /// The version of the routes from which on it gets nothing more.
    version: u64,
}

/// The workers that have ended.
struct Ended {
    /// How they say so, with their inboxes.
    workers: (Notify<Inbox<Parcel>>, Receiver<Inbox<Parcel>>),
    inboxes: Vec<Inbox<Parcel>>,
    /// Messages that came into them after that.
    late: u64,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Pipeline")
            .field("sources", &state.sources.len())
            .field("outputs", &state.outputs.len())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// An engine without a source or a destination. `release` takes the foreign memory of sources.
    pub fn new(log: &Log, pool: &Arc<Pool>, release: &Arc<dyn Release>) -> Self {
        Self {
            log: log.clone(),
            pool: Arc::clone(pool),
            release: Arc::clone(release),
            next_lane: AtomicUsize::new(0),
            signpost: Arc::default(),
            stopping: Arc::default(),
            state: Mutex::default(),
            ended: Mutex::new(Ended { workers: channel(), inboxes: Vec::new(), late: 0 }),
            late_said: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what `config` needs beside what runs. A source that is the same as before goes on if `keep`
    /// has nothing against it, and its lane is open.
    ///
    /// # Errors
    /// Options that can only be checked here: unknown time zones, users and groups.
    pub fn plan(&self, config: &Config, keep: &dyn Fn(&Input) -> bool) -> Result<Next, Vec<Diagnostic>> {
        let (sources, outputs, workers) = {
            let state = self.state();
            let workers = state.workers.iter().map(|worker| worker.inbox.clone()).collect();
            (state.sources.clone(), state.outputs.clone(), workers)
        };
        let next_lane = &self.next_lane;
        let running = Running { sources: &sources, outputs: &outputs, workers, next_lane };
        let means = Means { log: &self.log, pool: &self.pool, release: &self.release };
        Next::new(config, &running, &means, keep)
    }

    /// Shows the new sources of `next` in the statistics while their host initialises them.
    pub fn announce(&self, next: &Next) {
        let new = next.inputs().filter(|input| !next.keeps(&input.driver.id));
        self.state().coming = new.cloned().collect();
    }

    /// Forgets what was announced: it does not come.
    pub fn withdraw(&self) {
        self.state().coming.clear();
    }

    /// Carries `next` out, as the module says. Where it started a thread for nothing, that ends.
    ///
    /// # Errors
    /// When the system has no thread to give: everything is as before.
    pub fn switch(&self, next: Next) -> io::Result<Changes> {
        let Next { sources, outputs, fresh_outputs, fresh_workers, naps, changes, .. } = next;
        self.start_workers(fresh_workers)?;
        let going = self.going(&outputs);
        Self::start_outputs(fresh_outputs, &going, &self.log)?;
        let (gone, new) = self.put(sources, outputs, naps, going);
        let own = new.iter().filter(|input| input.is_own()).inspect(|input| input.status.start());
        let own: Vec<_> = own.map(|input| input.lane.producer(Arc::clone(&input.origin))).collect();
        let lanes: Vec<_> = gone.iter().map(|input| Arc::clone(&input.lane)).collect();
        self.log.replace_internal(&lanes, own);
        for input in &gone {
            input.status.ask_to_stop();
            input.lane.close();
            if input.is_own() {
                input.status.end();
            }
        }
        self.tidy();
        Ok(changes)
    }

    /// The destinations that have not ended and are not in `outputs`.
    fn going(&self, outputs: &[Arc<Output>]) -> Vec<Arc<Output>> {
        let state = self.state();
        let stays = |output: &Arc<Output>| outputs.iter().any(|other| Arc::ptr_eq(output, other));
        let current = state.outputs.iter().filter(|output| !stays(output));
        let leaving = state.leaving_outputs.iter().map(|leaving| &leaving.output);
        leaving.chain(current).cloned().collect()
    }

    fn start_workers(&self, inboxes: Vec<Inbox<Parcel>>) -> io::Result<()> {
        for inbox in inboxes {
            let seen = Arc::<AtomicU64>::default();
            let (stopping, done) = (Arc::clone(&self.stopping), lock(&self.ended).workers.0.clone());
            let sender = inbox.sender();
            let mut state = self.state();
            let guide = Guide::new(&self.signpost, state.workers.len(), Arc::clone(&seen), &self.log);
            let (log, name) = (self.log.clone(), format!("worker:{}", state.workers.len()));
            thread::Builder::new().name(name.clone()).spawn(move || {
                let run = AssertUnwindSafe(|| worker::run(inbox, guide, &stopping));
                let inbox = catch_unwind(run)
                    .unwrap_or_else(|panic| fault::fatal(&name, &*panic, |text| log.error(text)));
                // The receiver is gone only when nobody waits any more.
                let _ = done.send(inbox);
            })?;
            state.workers.push(Worker { inbox: sender, seen });
        }
        Ok(())
    }

    fn start_outputs(fresh: Vec<Fresh>, going: &[Arc<Output>], log: &Log) -> io::Result<()> {
        let mut started: Vec<Arc<Output>> = Vec::new();
        for Fresh { output, driver, inbox } in fresh {
            let before = going.iter().filter_map(|one| one.before(&output)).collect();
            let result = start_output(Arc::clone(&output), driver, inbox, before, log.clone());
            started.push(output);
            if let Err(error) = result {
                for output in started {
                    output.orders.retire.store(true, Ordering::Release);
                    output.queue.wake();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Puts what is new in the place of what goes, and waits until the workers go by it. Returns the
    /// sources that have gone, and those that are new.
    fn put(
        &self,
        sources: Vec<Source>,
        outputs: Vec<Arc<Output>>,
        naps: Vec<Duration>,
        going: Vec<Arc<Output>>,
    ) -> (Vec<Input>, Vec<Input>) {
        let (version, gone, new) = {
            let mut state = self.state();
            let state = &mut *state;
            state.coming.clear();
            let before = std::mem::replace(&mut state.sources, sources);
            let is_in = |sources: &[Source], source: &Source| {
                sources.iter().any(|other| Arc::ptr_eq(&other.input.lane, &source.input.lane))
            };
            let new = state.sources.iter().filter(|source| !is_in(&before, source));
            let new: Vec<_> = new.map(|source| source.input.clone()).collect();
            let gone: Vec<_> = before.into_iter().filter(|source| !is_in(&state.sources, source)).collect();
            let inputs = gone.iter().map(|source| source.input.clone()).collect();
            let since = Instant::now();
            state.leaving_sources.extend(gone.into_iter().map(|source| LeavingSource { source, since }));
            let kept = std::mem::replace(&mut state.outputs, outputs);
            let version = self.signpost.set(state.routes(naps));
            let is_leaving = |output: &Arc<Output>| {
                state.leaving_outputs.iter().any(|leaving| Arc::ptr_eq(&leaving.output, output))
            };
            let leaves: Vec<_> = going.into_iter().filter(|output| !is_leaving(output)).collect();
            state.leaving_outputs.extend(leaves.into_iter().map(|output| LeavingOutput { output, version }));
            for worker in &state.workers {
                worker.inbox.wake();
            }
            for output in kept.iter().chain(state.leaving_outputs.iter().map(|leaving| &leaving.output)) {
                output.reopen();
            }
            (version, inputs, new)
        };
        let deadline = Instant::now() + TAKE_UP;
        while self.taken_up() < version {
            if Instant::now() >= deadline {
                self.log.warning("a worker has not taken up the new routes yet");
                break;
            }
            thread::sleep(Duration::from_micros(50));
        }
        (gone, new)
    }

    /// The version of the routes that all workers go by, or newer ones.
    fn taken_up(&self) -> u64 {
        let state = self.state();
        state.workers.iter().map(|worker| worker.seen.load(Ordering::Acquire)).min().unwrap_or(u64::MAX)
    }

    /// Lets go of what has come to its end. Called now and then.
    pub fn tidy(&self) {
        let version = self.taken_up();
        let mut state = self.state();
        let State { leaving_sources, leaving_outputs, past, .. } = &mut *state;
        leaving_outputs.retain(|LeavingOutput { output, version: last }| {
            if *last <= version && !output.orders.retire.swap(true, Ordering::AcqRel) {
                output.queue.wake();
            }
            let has_ended = output.end.lost().is_some();
            if has_ended {
                past.add(&Stats { destinations: vec![output.stats()], ..Stats::default() });
            }
            !has_ended
        });
        leaving_sources.retain(|LeavingSource { source, since }| {
            let input = &source.input;
            // Who has the lane may post, or be in the middle of it.
            let is_kept = Arc::strong_count(&input.lane) > 1 && since.elapsed() < REMEMBERED;
            let has_ended = !is_kept && input.lane.counters().totals().in_flight == 0;
            if has_ended {
                past.add(&Stats { sources: vec![input.stats()], ..Stats::default() });
            }
            !has_ended
        });
        drop(state);
        let late = self.signpost.late();
        let said = self.late_said.swap(late, Ordering::Relaxed);
        if late > said {
            let text = format!("{} messages were posted after their source was stopped", late - said);
            self.log.error(&format!("{text}, and have no destination any more; they are dropped"));
        }
    }

    /// How many destinations of old configurations still write.
    pub fn leaving(&self) -> usize {
        let state = self.state();
        state.leaving_outputs.iter().filter(|leaving| leaving.output.end.lost().is_none()).count()
    }

    /// The sources, for their host.
    pub fn inputs(&self) -> Vec<Input> {
        self.state().sources.iter().map(|source| source.input.clone()).collect()
    }

    /// Opens the files of all destinations anew.
    pub fn reopen(&self) {
        let state = self.state();
        let leaving = state.leaving_outputs.iter().map(|leaving| &leaving.output);
        for output in state.outputs.iter().chain(leaving) {
            output.reopen();
        }
    }

    /// Lets everything that is on its way arrive, and ends the threads; at most `within`, after which
    /// what is left is given up. Every source must have been stopped by its host. Returns how many
    /// messages could not be written.
    pub fn drain(&self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        self.end_workers(deadline);
        let outputs: Vec<_> = {
            let state = self.state();
            let leaving = state.leaving_outputs.iter().map(|leaving| &leaving.output);
            leaving.chain(&state.outputs).cloned().collect()
        };
        for output in &outputs {
            let milliseconds = left(deadline).as_millis() as u64;
            output.orders.stop_within_ms.store(milliseconds, Ordering::Relaxed);
            output.orders.stop.store(true, Ordering::Release);
            output.queue.wake();
        }
        // A destination keeps to the deadline by itself, unless a system call holds it.
        let deadline = deadline + Duration::from_secs(1);
        let ends: Vec<_> = outputs.iter().map(|output| output.end.wait(deadline)).collect();
        let mut lost = self.collect_late();
        for (output, unwritten) in outputs.iter().zip(ends) {
            if let Some(unwritten) = unwritten {
                // The destination said itself which they were.
                lost += unwritten;
            } else {
                let queued = output.counters.queued.load(Ordering::Relaxed);
                lost += queued;
                let text = format!("it is stuck in a write; {queued} messages are given up");
                self.log.error(&format!("destination {}: {text}", output.id));
            }
        }
        lost
    }

    /// Ends the workers when they have sent on what they had.
    fn end_workers(&self, deadline: Instant) {
        let inputs = self.inputs();
        self.log
            .replace_internal(&inputs.iter().map(|input| Arc::clone(&input.lane)).collect::<Vec<_>>(), []);
        for input in &inputs {
            input.status.ask_to_stop();
            input.lane.close();
            if input.is_own() {
                input.status.end();
            }
        }
        self.stopping.store(true, Ordering::Release);
        let workers = {
            let state = self.state();
            state.workers.iter().for_each(|worker| worker.inbox.wake());
            state.workers.len()
        };
        let mut ended = lock(&self.ended);
        while ended.inboxes.len() < workers {
            let Ok(inbox) = ended.workers.1.recv_timeout(left(deadline)) else {
                self.log.error("a worker did not end in time");
                break;
            };
            ended.inboxes.push(inbox);
        }
    }

    /// Counts what came after the workers' last look, from posts that raced with the closing of their
    /// lane, as dropped; how many messages that were.
    fn collect_late(&self) -> u64 {
        let log = &self.log;
        let mut ended = lock(&self.ended);
        let Ended { inboxes, late, .. } = &mut *ended;
        for inbox in inboxes {
            while let Some(parcel) = inbox.try_recv() {
                let (view, ack) = parcel.open(|fault: &str| log.error(fault));
                ack.drop_rows(view.rows(), DropReason::Stopped);
                *late += view.len() as u64;
            }
        }
        if *late > 0 {
            self.log.error(&format!("{late} messages were posted while the engine stopped, and are dropped"));
        }
        *late
    }

    /// What was counted up to now, since the start of the engine.
    pub fn stats(&self) -> Stats {
        let state = self.state();
        let mut all = Stats { sources: state.coming.iter().map(Input::stats).collect(), ..Stats::default() };
        all.add(&Stats {
            sources: state.sources.iter().map(|source| source.input.stats()).collect(),
            destinations: state.outputs.iter().map(|output| output.stats()).collect(),
        });
        for LeavingSource { source, .. } in &state.leaving_sources {
            all.add(&Stats { sources: vec![source.input.stats()], ..Stats::default() });
        }
        for LeavingOutput { output, .. } in &state.leaving_outputs {
            all.add(&Stats { destinations: vec![output.stats()], ..Stats::default() });
        }
        all.add(&state.past);
        all
    }
}

impl State {
    /// The routes of the sources that are here, and of those that have gone: should something of theirs
    /// come late, it goes where the destinations of their names are now.
    fn routes(&self, naps: Vec<Duration>) -> Routes {
        let way = |(id, flow_control): &(String, bool)| {
            let output = self.outputs.iter().find(|output| output.id == *id)?;
            Some(Way { queue: output.queue.clone(), flow_control: *flow_control })
        };
        let ways = |source: &Source| source.branches.iter().filter_map(way).collect::<Vec<_>>();
        let mut routes = Routes { naps, ..Routes::default() };
        for source in &self.sources {
            routes.ways.insert(source.input.lane.index(), ways(source));
        }
        for LeavingSource { source, .. } in &self.leaving_sources {
            let ways = ways(source);
            if !ways.is_empty() || source.branches.is_empty() {
                routes.ways.insert(source.input.lane.index(), ways);
            }
        }
        routes
    }
}

fn start_output(
    output: Arc<Output>,
    driver: crate::destination::FileDestination,
    mut inbox: Inbox<crate::flow::Delivery>,
    before: Vec<Predecessor>,
    log: Log,
) -> io::Result<()> {
    let name = format!("to:{}", output.id);
    let thread_name = name.clone();
    let run = move || {
        let mut driver = driver;
        let Output { counters, shared, orders, end, .. } = &*output;
        let lost = match await_turn(before, &mut inbox, counters, shared, orders) {
            Turn::Come(held) => {
                for delivery in held {
                    driver.push(delivery);
                }
                output::run(driver, inbox, shared, orders)
            }
            Turn::Never(lost) => lost,
        };
        end.set(lost);
    };
    let run = move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            fault::fatal(&thread_name, &*panic, |text| log.error(text));
        }
    };
    thread::Builder::new().name(name).spawn(run).map(drop)
}

impl Output {
    fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.queue.wake();
    }

    fn stats(&self) -> DestinationStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let counters = &self.counters;
        let (delivered, lost, in_flight) =
            (read(&counters.delivered), read(&counters.dropped), read(&counters.queued));
        let dropped = lost + read(&self.shared.dropped);
        DestinationStats {
            id: self.id.clone(),
            posted: delivered + dropped + in_flight,
            delivered,
            dropped,
            in_flight,
            bytes: read(&counters.bytes),
            retries: read(&counters.retries),
            errors: read(&counters.errors),
            suspended: self.shared.suspended.load(Ordering::Relaxed),
        }
    }
}

impl Input {
    fn stats(&self) -> SourceStats {
        let (credit, status) = (self.lane.credit(), &self.status);
        let is_waiting = credit.is_waited_for();
        let totals = self.lane.counters().totals();
        let oldest = status.oldest(totals.posted, totals.posted - totals.in_flight);
        let (driver, class) = match &self.driver.driver {
            SourceDriver::Python(options) => (options.driver.word(), Some(options.class.value.clone())),
            SourceDriver::Internal(_) => ("internal", None),
        };
        SourceStats {
            id: self.driver.id.clone(),
            driver,
            class,
            instance: status.instance(),
            totals,
            window: credit.window(),
            free: credit.free_messages(),
            free_bytes: credit.free_bytes(),
            suspensions: credit.suspensions(),
            blocked: credit.blocked(),
            oldest,
            post_time: status.post_time(),
            is_waiting,
            state: status.state(is_waiting),
            exceptions: status.exceptions(),
            restarts: status.restarts(),
            last_error: status.last_error(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
