//! The running pipeline: lanes, workers and destinations, from one configuration to the next: [`Pipeline`].
//!
//! # Life
//! [`Pipeline::plan`] makes what a configuration needs beside what runs, and touches nothing outside the
//! process; [`Pipeline::switch`] carries the plan out. What is in both configurations goes on: its threads,
//! open files, queues, credit and counters. A switch goes in this order:
//!
//! 1. Whoever hosts the sources has stopped those that go, and closed their lanes; nothing else has changed
//!    yet.
//! 2. The new destinations get their threads. One that may write a file of a destination that goes
//!    waits for the end of that one (`succession`).
//! 3. The workers take up the new routes, after what was posted before went by the old ones (`router`).
//! 4. The destinations that go have all they will ever get. One that was replaced leaves what it cannot write
//!    at once to the one of its name, which goes on counting where it ended (unless another one waits for the
//!    same file in between). One that was removed writes what it has, however long it takes, and ends; all
//!    that were removed together keep one window of messages, and the oldest beyond is given up. Until then
//!    they count, as do the sources that go while something of theirs is on its way.
//!
//! To end it all, the host stops the sources; then [`Pipeline::drain`] lets the workers and after them the
//! destinations finish what is on its way, within a bound. What could not be written by then is counted as
//! dropped, and reported by number.
//!
//! # What is where
//! Here is the order of things. Who is here, comes and goes, and what they counted, is the registry's
//! (`registry`); what a configuration needs is the plan's ([`plan`](super::plan)); threads are started, and
//! end, in [`worker`] and [`output`].

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::log::Log;
use super::output;
use super::plan::hosted::hosted_steps;
use super::plan::{Candidate, Output, PlanContext, ReloadPlan, Running, Source};
use super::registry::{Registry, Switched, Worker};
use super::router::{RouteTable, Router};
use super::stats::Stats;
use super::worker::{self, Ended, Stop};
use crate::config::{Config, Diagnostic};
use crate::destination::Descriptors;
use crate::flow::{Inbox, Parcel, SteadyClock};
use crate::message::{Pool, Release};
use crate::path::Step;
use crate::source::Input;

/// The time that workers may take to take up new routes: they never wait for a destination.
const TAKE_UP: Duration = Duration::from_secs(5);

/// The threads of the engine, and what they work on.
pub struct Pipeline {
    log: Log,
    pool: Arc<Pool>,
    release: Arc<dyn Release>,
    next_lane: AtomicUsize,
    table: Arc<RouteTable>,
    clock: SteadyClock,
    /// Set once, for the workers.
    stop: Arc<Stop>,
    registry: Mutex<Registry>,
    ended: Mutex<Ended>,
    /// Messages of the table's `late` that were reported.
    late_said: AtomicU64,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registry = self.registry();
        f.debug_struct("Pipeline")
            .field("sources", &registry.sources.len())
            .field("outputs", &registry.outputs.len())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// An engine without a source or a destination. `release` takes the foreign memory of sources.
    pub fn new(log: &Log, pool: &Arc<Pool>, release: &Arc<dyn Release>) -> Self {
        Self::with_clock(log, pool, release, &SteadyClock::of_machine())
    }

    /// The same, with `clock` for the steps of its paths.
    pub(crate) fn with_clock(
        log: &Log,
        pool: &Arc<Pool>,
        release: &Arc<dyn Release>,
        clock: &SteadyClock,
    ) -> Self {
        let descriptors = Descriptors::of_process();
        let (limit, most) = (descriptors.limit(), descriptors.most());
        log.debug(&format!("{limit} file descriptors, {most} of them for files of paths with macros"));
        Self {
            log: log.clone(),
            pool: Arc::clone(pool),
            release: Arc::clone(release),
            next_lane: AtomicUsize::new(0),
            table: Arc::new(RouteTable::new(clock.clone())),
            clock: clock.clone(),
            stop: Arc::default(),
            registry: Mutex::default(),
            ended: Mutex::default(),
            late_said: AtomicU64::new(0),
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what `config` needs beside what runs. A driver that is the same as before goes on if `keep`
    /// has nothing against it, and the lane of a source is open.
    ///
    /// # Errors
    /// Options that can only be checked here: unknown time zones, users and groups.
    pub fn plan(
        &self,
        config: &Config,
        keep: &dyn Fn(Candidate<'_>) -> bool,
    ) -> Result<ReloadPlan, Vec<Diagnostic>> {
        let (sources, outputs, leaving, workers, host_worker) = {
            let registry = self.registry();
            let workers = registry.workers.iter().map(|worker| worker.inbox.clone()).collect();
            let host_worker = registry.workers.iter().position(|worker| worker.is_of_host);
            let leaving: Vec<_> = registry.leaving_outputs().cloned().collect();
            (registry.sources.clone(), registry.outputs.clone(), leaving, workers, host_worker)
        };
        let next_lane = &self.next_lane;
        let running = Running {
            sources: &sources,
            outputs: &outputs,
            leaving: &leaving,
            workers,
            host_worker,
            next_lane,
        };
        let context = PlanContext { log: &self.log, pool: &self.pool, release: &self.release };
        ReloadPlan::new(config, &running, &context, keep)
    }

    /// Shows the new sources of `next` in the statistics while their host initialises them.
    pub fn announce(&self, next: &ReloadPlan) {
        let new = next.inputs().filter(|input| !next.keeps(&input.driver.id));
        self.registry().coming = new.cloned().collect();
    }

    /// Forgets what was announced: it does not come.
    pub(crate) fn withdraw(&self) {
        self.registry().coming.clear();
    }

    /// Carries `next` out, as the module says; `hand_over` is called when the new routes hold, before the
    /// lanes of the sources that go are closed. Where it started a thread for nothing, that ends.
    ///
    /// # Errors
    /// When the system has no thread to give: everything is as before, and `hand_over` was not called.
    pub fn switch(&self, next: ReloadPlan, hand_over: &mut dyn FnMut()) -> io::Result<Changes> {
        let ReloadPlan {
            sources,
            outputs,
            fresh_outputs,
            fresh_workers,
            host_worker,
            naps,
            changes,
            functions,
            ..
        } = next;
        self.start_workers(fresh_workers, host_worker)?;
        let going = self.registry().going(&outputs);
        let replaced: Vec<_> = fresh_outputs.iter().flat_map(|fresh| fresh.predecessors.clone()).collect();
        output::start_all(fresh_outputs, &going, &self.log)?;
        for output in replaced {
            output.end.expect_heir();
            output.queue.wake();
        }
        self.registry().count_functions(functions);
        let gone = self.put(sources, outputs, naps, going);
        hand_over();
        for input in &gone {
            input.status.ask_to_stop();
            input.lane.close();
        }
        self.tidy();
        Ok(changes)
    }

    fn start_workers(&self, inboxes: Vec<Inbox<Parcel>>, host_worker: Option<usize>) -> io::Result<()> {
        for inbox in inboxes {
            let ended = self.ended().notify();
            let (seen, sender) = (Arc::<AtomicU64>::default(), inbox.sender());
            let wake = sender.clone();
            self.clock.on_turn(move || wake.wake());
            let mut registry = self.registry();
            let number = registry.workers.len();
            let is_of_host = host_worker == Some(number);
            let mut guide = Router::new(&self.table, number, Arc::clone(&seen), &self.log);
            if is_of_host {
                guide = guide.of_host();
            }
            worker::start(format!("worker:{number}"), inbox, guide, &self.stop, ended, &self.log)?;
            registry.workers.push(Worker { inbox: sender, seen, is_of_host });
        }
        Ok(())
    }

    /// Puts what is new in the place of what goes, and waits until the workers go by it. Returns the
    /// sources that have gone.
    fn put(
        &self,
        sources: Vec<Source>,
        outputs: Vec<Arc<Output>>,
        naps: Vec<Duration>,
        going: Vec<Arc<Output>>,
    ) -> Vec<Input> {
        let Switched { version, gone } = self.registry().put(sources, outputs, naps, going, &self.table);
        let deadline = Instant::now() + TAKE_UP;
        while self.registry().taken_up() < version {
            if Instant::now() >= deadline {
                self.log.warning("a worker has not taken up the new routes yet");
                break;
            }
            thread::sleep(Duration::from_micros(50));
        }
        gone
    }

    /// Lets go of what has come to its end. Called now and then.
    pub fn tidy(&self) {
        let mut registry = self.registry();
        let version = registry.taken_up();
        registry.tidy(version);
        drop(registry);
        let late = self.table.late();
        let said = self.late_said.swap(late, Ordering::Relaxed);
        if late > said {
            let text = format!("{} messages were posted after their source was stopped", late - said);
            self.log.error(&format!("{text}, and have no destination any more; they are dropped"));
        }
    }

    /// The number of destinations of old configurations that still write.
    pub fn leaving(&self) -> usize {
        self.registry().leaving()
    }

    /// The sources, for their host.
    pub fn inputs(&self) -> Vec<Input> {
        self.registry().sources.iter().map(|source| source.input.clone()).collect()
    }

    /// The places of the steps that the host has made, of the configuration that runs, each once.
    pub(super) fn hosted_steps(&self) -> Vec<Arc<dyn Step>> {
        hosted_steps(&self.registry().sources)
    }

    /// The ids of the destinations that messages of the source `id` go to.
    pub(crate) fn destinations_of(&self, id: &str) -> Vec<String> {
        let registry = self.registry();
        let source = registry.sources.iter().find(|source| source.input.driver.id == id);
        source.map_or_else(Vec::new, |source| source.program.destinations().to_vec())
    }

    /// Opens the files of all destinations anew.
    pub fn reopen(&self) {
        for output in self.registry().all_outputs() {
            output.reopen();
        }
    }

    /// Lets everything that is on its way arrive, and ends the threads; at most `within`, after which
    /// what is left is given up. Every source must have been stopped by its host. Returns how many
    /// messages could not be written.
    pub fn drain(&self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        self.end_workers(deadline);
        let outputs: Vec<_> = self.registry().all_outputs().cloned().collect();
        stop_outputs(&outputs, deadline);
        // A destination keeps to the deadline by itself, unless a system call holds it.
        let deadline = deadline + Duration::from_secs(1);
        let ends: Vec<_> = outputs.iter().map(|output| output.end.wait(deadline)).collect();
        let mut lost = self.ended().collect_late(&self.log);
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

    /// Ends the workers when they have sent on what they had. Shortly before `deadline` they leave what waits
    /// for credit: destinations write meanwhile, and have the rest of the time for what they were sent.
    fn end_workers(&self, deadline: Instant) {
        for input in self.inputs() {
            input.status.ask_to_stop();
            input.lane.close();
        }
        self.stop.asked.store(true, Ordering::Release);
        let workers = self.wake_workers();
        let due = Instant::now() + left(deadline) * 9 / 10;
        let mut ended = self.ended();
        if ended.wait(workers, due) {
            return;
        }
        self.stop.due.store(true, Ordering::Release);
        self.wake_workers();
        if !ended.wait(workers, deadline) {
            self.log.error("a worker did not end in time");
        }
    }

    /// Wakes all workers; how many there are.
    fn wake_workers(&self) -> usize {
        let registry = self.registry();
        registry.workers.iter().for_each(|worker| worker.inbox.wake());
        registry.workers.len()
    }

    /// The counts up to now, since the start of the engine.
    pub fn stats(&self) -> Stats {
        self.registry().stats()
    }
}

/// Asks `outputs` to stop by `deadline`: each before those that get what it is refused, for which half of the
/// time is left.
fn stop_outputs(outputs: &[Arc<Output>], deadline: Instant) {
    let mut left_over: Vec<&Arc<Output>> = outputs.iter().collect();
    while !left_over.is_empty() {
        let gets_more = |output: &&Arc<Output>| left_over.iter().any(|other| other.rejects_to(output));
        let (later, now): (Vec<_>, Vec<_>) = left_over.iter().copied().partition(gets_more);
        // Where the configuration is right there is no circle; if there was one, all stop at once.
        let (now, later) = if now.is_empty() { (later, now) } else { (now, later) };
        let within = if later.is_empty() { left(deadline) } else { left(deadline) / 2 };
        for output in &now {
            output.orders.stop_within_ms.store(within.as_millis() as u64, Ordering::Relaxed);
            output.orders.stop.store(true, Ordering::Release);
            output.queue.wake();
        }
        if !later.is_empty() {
            let end = Instant::now() + within;
            for output in &now {
                output.end.wait(end);
            }
        }
        left_over = later;
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
