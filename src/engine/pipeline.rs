//! One configuration, running: lanes, workers and destinations.
//!
//! # Life
//! [`Pipeline::build`] makes everything and touches nothing outside the process; [`Pipeline::start`] starts
//! the threads. To end it, whoever hosts the sources stops them and closes their lanes; then
//! [`Pipeline::drain`] lets the workers and after them the destinations finish what is on its way, within
//! a bound. What could not be written by then is counted as dropped, and reported by number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender as Notify, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::graph::Graph;
use super::log::{Log, LogLevel};
use super::output::{self, Orders};
use super::queue::{Queue, Shared};
use super::settings;
use super::source_status::SourceStatus;
use super::stats::{DestinationStats, SourceStats, Stats};
use super::worker::{self, Routes};
use crate::config::{Config, Diagnostic, IdentifiedSource, SourceDriver};
use crate::destination::{Counters, FileDestination, Report, Severity};
use crate::flow::inbox::NAP;
use crate::flow::{Credit, Delivery, DropReason, Inbox, Lane, Parcel, Sender};
use crate::message::{Origin, Pool, Release};
use crate::source::{HostNames, SourcePolicy};

/// How long workers may take to send on what they have: they never wait for a destination.
const RETIRE_WORKERS: Duration = Duration::from_secs(5);

/// A source of the pipeline, for its host.
#[derive(Debug, Clone)]
pub struct Input {
    /// The driver, with its id and options.
    pub driver: IdentifiedSource,
    /// Its way into the engine.
    pub lane: Arc<Lane>,
    /// What its messages have in common.
    pub origin: Arc<Origin>,
    /// What the source layer does to them.
    pub policy: Arc<SourcePolicy>,
    /// How their hosts are named.
    pub names: Arc<HostNames>,
    /// How it is; its host says so.
    pub status: Arc<SourceStatus>,
}

struct Output {
    id: String,
    counters: Arc<Counters>,
    shared: Arc<Shared>,
    orders: Arc<Orders>,
    queue: Queue,
}

/// The threads of one configuration.
pub struct Pipeline {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    workers: Vec<Sender<Parcel>>,
    stopping: Arc<AtomicBool>,
    log: Log,
    pending: Mutex<Option<Pending>>,
    ended: Mutex<Ended>,
}

/// What [`Pipeline::start`] sets going.
struct Pending {
    routes: Arc<Routes>,
    inboxes: Vec<Inbox<Parcel>>,
    drivers: Vec<(FileDestination, Inbox<Delivery>)>,
}

/// The index of a destination that has ended, and how many messages it could not write.
type OutputEnd = (usize, u64);

/// Which threads have ended, and who says so.
struct Ended {
    worker: (Notify<Inbox<Parcel>>, Receiver<Inbox<Parcel>>),
    /// The inboxes of the workers that have ended.
    workers: Vec<Inbox<Parcel>>,
    /// Messages that came into them after that.
    late: u64,
    output: (Notify<OutputEnd>, Receiver<OutputEnd>),
    /// For each destination that has ended, the messages that it could not write.
    outputs: Vec<Option<u64>>,
}

impl Ended {
    /// Takes down which destinations have ended, waiting for the others until `deadline`.
    fn collect(&mut self, deadline: Instant) {
        while self.outputs.iter().any(Option::is_none) {
            let Ok((index, unwritten)) = self.output.1.recv_timeout(left(deadline)) else { break };
            self.outputs[index] = Some(unwritten);
        }
        // A post that raced with the closing of its lane may have come after the worker's last look.
        for inbox in &mut self.workers {
            while let Some(parcel) = inbox.try_recv() {
                let (view, ack) = parcel.open();
                ack.drop_rows(view.rows(), DropReason::Stopped);
                self.late += view.len() as u64;
            }
        }
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("inputs", &self.inputs.len())
            .field("outputs", &self.outputs.len())
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Builds what `config` describes. `release` takes the foreign memory of sources.
    ///
    /// # Errors
    /// Options that can only be checked here: unknown time zones, users and groups.
    pub fn build(
        config: &Config,
        log: &Log,
        pool: &Arc<Pool>,
        release: &Arc<dyn Release>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let graph = Graph::new(config);
        let mut errors = Vec::new();
        let mut outputs = Vec::new();
        let mut drivers = Vec::new();
        for to in &graph.destinations {
            let settings = match settings::destination(config, to) {
                Ok(settings) => settings,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let (inbox, counters, shared) =
                (Inbox::new(), Arc::<Counters>::default(), Arc::<Shared>::default());
            let fifo_size = settings::fifo_size(config, to);
            let queue = Queue::new(inbox.sender(), Arc::clone(&counters), Arc::clone(&shared), fifo_size);
            let driver = FileDestination::new(settings, Arc::clone(&counters), reporter(log, &to.id));
            outputs.push(Output { id: to.id.clone(), counters, shared, orders: Arc::default(), queue });
            drivers.push((driver, inbox));
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = graph.sources.len().min(cores);
        let naps = (0..workers).map(|worker| {
            let own = graph.sources.iter().skip(worker).step_by(workers);
            own.map(|(_, driver)| settings::nap(driver)).min().unwrap_or(NAP)
        });
        let inboxes: Vec<_> = naps.map(Inbox::with_nap).collect();
        let mut inputs = Vec::new();
        for (index, (statement, driver)) in graph.sources.iter().enumerate() {
            let names = settings::names(config, driver);
            if let Some(complaint) = names.take_complaint() {
                log.warning(&format!("source {}: {complaint}", driver.id));
            }
            let policy = settings::policy(config, statement, driver, names.local());
            let mut origin = policy.origin(settings::local_offset(), Arc::clone(release));
            origin.ids = config.options.use_uniqid.then(settings::unique_ids);
            let (window, bytes) = settings::credit(driver);
            let inbox = inboxes[index % inboxes.len()].sender();
            let credit = Arc::new(Credit::new(window, bytes));
            let batch_size = settings::batch_size(driver);
            let lane = Lane::new(index, inbox, credit, Arc::default(), Arc::clone(pool), batch_size);
            let (policy, names) = (Arc::new(policy), Arc::new(names));
            let (driver, origin) = ((*driver).clone(), Arc::new(origin));
            inputs.push(Input { driver, lane, origin, policy, names, status: Arc::default() });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let queues = outputs.iter().map(|output| output.queue.clone()).collect();
        let routes = Arc::new(Routes { queues, branches: graph.branches });
        let ended = Ended {
            worker: channel(),
            workers: Vec::new(),
            late: 0,
            output: channel(),
            outputs: vec![None; outputs.len()],
        };
        Ok(Self {
            inputs,
            outputs,
            workers: inboxes.iter().map(Inbox::sender).collect(),
            stopping: Arc::default(),
            log: log.clone(),
            pending: Mutex::new(Some(Pending { routes, inboxes, drivers })),
            ended: Mutex::new(ended),
        })
    }

    /// The sources, for their host.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The sources that have no host but the engine: `internal()`.
    fn own_inputs(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| matches!(input.driver.driver, SourceDriver::Internal(_)))
    }

    /// Starts the threads, and lets the `internal()` sources have the log.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(&self) -> std::io::Result<()> {
        let Some(pending) = lock(&self.pending).take() else { return Ok(()) };
        let ended = lock(&self.ended);
        for (index, (driver, inbox)) in pending.drivers.into_iter().enumerate() {
            let output = &self.outputs[index];
            let (shared, orders) = (Arc::clone(&output.shared), Arc::clone(&output.orders));
            let done = ended.output.0.clone();
            let name = format!("to:{}", output.id);
            thread::Builder::new().name(name).spawn(move || {
                let lost = output::run(driver, inbox, &shared, &orders);
                // The receiver is gone only when nobody waits any more.
                let _ = done.send((index, lost));
            })?;
        }
        for (index, inbox) in pending.inboxes.into_iter().enumerate() {
            let (routes, stopping) = (Arc::clone(&pending.routes), Arc::clone(&self.stopping));
            let done = ended.worker.0.clone();
            thread::Builder::new().name(format!("worker:{index}")).spawn(move || {
                let inbox = worker::run(inbox, &routes, &stopping);
                let _ = done.send(inbox);
            })?;
        }
        drop(ended);
        let own = self.own_inputs().inspect(|input| input.status.start());
        self.log.add_internal(own.map(|input| input.lane.producer(Arc::clone(&input.origin))));
        Ok(())
    }

    /// Opens the files of all destinations anew.
    pub fn reopen(&self) {
        for output in &self.outputs {
            output.orders.reopen.store(true, Ordering::Release);
            output.queue.wake();
        }
    }

    /// Lets everything that is on its way arrive, in the background and without a bound in time; then the
    /// threads end ([`Pipeline::is_finished`]). Every source must have been stopped by its host.
    pub fn retire(&self) {
        if self.end_workers(Instant::now() + RETIRE_WORKERS) {
            for output in &self.outputs {
                output.orders.retire.store(true, Ordering::Release);
                output.queue.wake();
            }
        }
    }

    /// Whether its threads have ended.
    pub fn is_finished(&self) -> bool {
        let mut ended = lock(&self.ended);
        ended.collect(Instant::now());
        ended.outputs.iter().all(Option::is_some)
    }

    /// Lets everything that is on its way arrive, and ends the threads; at most `within`, after which
    /// what is left is given up. Every source must have been stopped by its host. Returns how many
    /// messages could not be written.
    pub fn drain(&self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        if !self.end_workers(deadline) {
            return 0;
        }
        for output in &self.outputs {
            let milliseconds = left(deadline).as_millis() as u64;
            output.orders.stop_within_ms.store(milliseconds, Ordering::Relaxed);
            output.orders.stop.store(true, Ordering::Release);
            output.queue.wake();
        }
        let mut ended = lock(&self.ended);
        // A destination keeps to the deadline by itself, unless a system call holds it.
        ended.collect(deadline + Duration::from_secs(1));
        let mut lost = ended.late;
        if lost > 0 {
            self.log.error(&format!("{lost} messages were posted while the engine stopped, and are dropped"));
        }
        for (output, unwritten) in self.outputs.iter().zip(&ended.outputs) {
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

    /// Ends the workers when they have sent on what they had; false when they were never started.
    fn end_workers(&self, deadline: Instant) -> bool {
        self.log
            .forget_internal(&self.inputs.iter().map(|input| Arc::clone(&input.lane)).collect::<Vec<_>>());
        for input in &self.inputs {
            input.status.ask_to_stop();
            input.lane.close();
        }
        for input in self.own_inputs() {
            input.status.end();
        }
        if lock(&self.pending).take().is_some() {
            return false;
        }
        self.stopping.store(true, Ordering::Release);
        for worker in &self.workers {
            worker.wake();
        }
        let mut ended = lock(&self.ended);
        while ended.workers.len() < self.workers.len() {
            let Ok(inbox) = ended.worker.1.recv_timeout(left(deadline)) else {
                self.log.error("a worker did not end in time");
                break;
            };
            ended.workers.push(inbox);
        }
        true
    }

    /// What was counted up to now.
    pub fn stats(&self) -> Stats {
        let source = |input: &Input| {
            let (credit, status) = (input.lane.credit(), &input.status);
            let is_waiting = credit.is_waited_for();
            SourceStats {
                id: input.driver.id.clone(),
                totals: input.lane.counters().totals(),
                window: credit.window(),
                free: credit.free_messages(),
                free_bytes: credit.free_bytes(),
                suspensions: credit.suspensions(),
                is_waiting,
                state: status.state(is_waiting),
                exceptions: status.exceptions(),
                restarts: status.restarts(),
                last_error: status.last_error(),
            }
        };
        let destination = |output: &Output| {
            let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Acquire);
            let counters = &output.counters;
            let (delivered, lost, in_flight) =
                (read(&counters.delivered), read(&counters.dropped), read(&counters.queued));
            let dropped = lost + read(&output.shared.dropped);
            DestinationStats {
                id: output.id.clone(),
                posted: delivered + dropped + in_flight,
                delivered,
                dropped,
                in_flight,
                bytes: read(&counters.bytes),
                errors: read(&counters.errors),
                suspended: output.shared.suspended.load(Ordering::Relaxed),
            }
        };
        Stats {
            sources: self.inputs.iter().map(source).collect(),
            destinations: self.outputs.iter().map(destination).collect(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a destination reports goes to the log under its name.
fn reporter(log: &Log, id: &str) -> Arc<dyn Fn(Report) + Send + Sync> {
    let (log, id) = (log.clone(), id.to_owned());
    Arc::new(move |report: Report| {
        let level = match report.severity {
            Severity::Error => LogLevel::Error,
            Severity::Warning => LogLevel::Warning,
            Severity::Notice => LogLevel::Notice,
        };
        log.log(level, &format!("destination {id}: {report}"));
    })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
