//! The reload plan: which drivers are kept, which are built: [`ReloadPlan`].
//!
//! A plan takes over every driver that is the same one as before ([`identity`]), with its lane or its
//! thread, and makes the others, without starting a thread or touching anything outside the process.
//! [`Pipeline::switch`](super::Pipeline::switch) carries it out; dropped, it leaves nothing behind.

mod assignment;
pub(super) mod hosted;
mod rejects;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::assignment::WorkerAssignment;
use self::rejects::{RejectRoute, plan_all};
use super::changes::Changes;
use super::hooks::Hooks;
use super::identity;
use super::log::{Log, LogLevel};
use super::queue::{FullQueue, Orders, OutputState, Queue};
use super::succession::{End, Predecessor};
use crate::config::{Config, Diagnostic, Driver, PythonFunction, Span};
use crate::destination::{self, Claim, Counters, Destination, ExchangeSlot, Rejects, Report, Severity, Site};
use crate::flow::{Credit, Delivery, Inbox, Lane, Parcel, Sender};
use crate::message::{Pool, Release};
use crate::path::compile::Entrance;
use crate::path::{self, Compiled, Program};
use crate::source::{self, HostNames, Input, MAX_ERROR, NameOptions, SourcePolicy, ThisSystem};
use crate::template::HostFunctionCounts;

impl Input {
    /// The source `driver` of the statement called `statement`, by itself: its lane leads to `inbox`.
    ///
    /// # Errors
    /// Options that can only be checked here.
    pub fn alone(
        config: &Config,
        statement: &str,
        driver: &Driver,
        inbox: Sender<Parcel>,
        log: &Log,
        release: &Arc<dyn Release>,
    ) -> Result<Self, Diagnostic> {
        let pool = Arc::new(Pool::new());
        make_input(config, statement, driver, 0, inbox, &PlanContext { log, pool: &pool, release })
    }
}

/// A source with its place in the engine.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) input: Input,
    /// Its identity over a reload.
    key: String,
    /// The worker that its lane leads to.
    pub(super) worker: usize,
    /// The program of its messages.
    pub(super) program: Arc<Program>,
}

/// A destination, for those who are not its thread.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) id: String,
    key: String,
    /// Its end of the way, as users name it.
    address: String,
    claim: Option<Claim>,
    pub(super) counters: Arc<Counters>,
    pub(super) shared: Arc<OutputState>,
    pub(super) orders: Orders,
    pub(super) queue: Queue,
    pub(super) end: Arc<End>,
    /// The way of what it is refused for good: `on-reject()`.
    pub(super) rejects: Option<Arc<RejectRoute>>,
    /// The name under which the state of one that the host makes is kept, once it is made.
    hosted_name: Option<OnceLock<String>>,
}

impl Output {
    /// The end that `later` has to wait for, if it may write a file of this one, or if this one `leaves` what
    /// it has to it.
    pub(super) fn before(&self, later: &Self, leaves: bool) -> Option<Predecessor> {
        let meets = may_meet(self.claim.as_ref(), later.claim.as_ref());
        let waits = self.end.lost().is_none() && (leaves || meets);
        if waits && meets {
            self.end.precedes(&later.end);
        }
        waits.then(|| Predecessor { end: Arc::clone(&self.end), shared: Arc::clone(&self.shared), leaves })
    }

    /// Tells whether what it is refused goes to `other`, now or later.
    pub(super) fn rejects_to(&self, other: &Arc<Self>) -> bool {
        self.end.lost().is_none() && self.rejects.as_ref().is_some_and(|route| route.leads_to(other))
    }

    /// The name under which the state of one that the host has made is kept.
    fn hosted_name(&self) -> Option<&str> {
        self.hosted_name.as_ref()?.get().map(String::as_str)
    }

    /// Tells whether both count in one place: one took over what the other had.
    pub(super) fn counts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.counters, &other.counters)
    }
}

/// Tells whether two destinations may write the same file.
fn may_meet(one: Option<&Claim>, other: Option<&Claim>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.meets(other))
}

/// A destination whose thread is not started.
pub(super) struct PlannedOutput {
    pub(super) output: Arc<Output>,
    pub(super) driver: Box<dyn Destination>,
    pub(super) inbox: Inbox<Delivery>,
    /// The destinations whose messages it takes over, the oldest first.
    pub(super) predecessors: Vec<Arc<Output>>,
    /// Its driver and the place for what the host makes of it, where the engine cannot make it alone.
    hosted: Option<(Driver, ExchangeSlot)>,
}

/// The running drivers, for a plan to take over.
pub(super) struct Running<'r> {
    pub(super) sources: &'r [Source],
    pub(super) outputs: &'r [Arc<Output>],
    /// Destinations that earlier reloads removed, and that have not ended.
    pub(super) leaving: &'r [Arc<Output>],
    pub(super) workers: Vec<Sender<Parcel>>,
    /// The number of the one of them that may wait for the host.
    pub(super) host_worker: Option<usize>,
    /// The number of the next lane.
    pub(super) next_lane: &'r AtomicUsize,
}

/// The parts that all plans of an engine are made with.
pub(super) struct PlanContext<'m> {
    pub(super) log: &'m Log,
    pub(super) pool: &'m Arc<Pool>,
    pub(super) release: &'m Arc<dyn Release>,
}

/// A running driver that is in the next configuration, too.
#[derive(Debug, Clone, Copy)]
pub enum Candidate<'a> {
    /// A source.
    Source(&'a Input),
    /// A destination, as the next configuration has it.
    Destination(&'a Driver),
}

/// The next configuration's drivers.
pub struct ReloadPlan {
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Arc<Output>>,
    pub(super) fresh_outputs: Vec<PlannedOutput>,
    pub(super) fresh_workers: Vec<Inbox<Parcel>>,
    /// The number of the worker that may wait for the host, among all of them.
    pub(super) host_worker: Option<usize>,
    pub(super) naps: Vec<Duration>,
    /// The fate of each driver.
    pub changes: Changes,
    /// The commands of its drivers.
    pub(super) hooks: Hooks,
    uncontrolled: BTreeMap<String, Vec<UncontrolledRoute>>,
    /// The counts of the functions that its templates call.
    pub(super) functions: Vec<Arc<HostFunctionCounts>>,
}

/// A way to a destination on which its source is not held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncontrolledRoute {
    /// The id of the destination.
    pub destination: String,
    /// The log path.
    pub path: Span,
}

impl std::fmt::Debug for ReloadPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadPlan").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl ReloadPlan {
    /// Plans what `config` describes; `keep` has the last word on a driver that is the same as before.
    pub(super) fn new(
        config: &Config,
        running: &Running<'_>,
        context: &PlanContext<'_>,
        keep: &dyn Fn(Candidate<'_>) -> bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let compiled = path::compile(config)?;
        let (outputs, fresh_outputs, mut drivers) =
            plan_outputs(config, &compiled, running, (context, keep))?;
        let kept = |Entrance { statement, driver, program }: &Entrance<'_>| {
            let same = running.sources.iter().find(|source| source.input.driver.id == driver.id)?;
            let is_kept = same.key == identity::source(config, statement, driver)
                && !same.input.lane.is_closed()
                // Its lane leads to another worker.
                && same.program.is_hosted() == program.is_hosted()
                && keep(Candidate::Source(&same.input));
            is_kept.then_some(same)
        };
        let kept: Vec<_> = compiled.sources.iter().map(kept).collect();
        let hosted = compiled.sources.iter().filter(|source| source.program.is_hosted()).count();
        let mut assignment =
            WorkerAssignment::new(running, &kept, (compiled.sources.len() - hosted, hosted > 0));
        let mut errors =
            source::check_socket_files(config, compiled.sources.iter().map(|source| source.driver));
        let mut sources = Vec::new();
        let mut uncontrolled = BTreeMap::new();
        for (index, Entrance { statement, driver, program }) in compiled.sources.into_iter().enumerate() {
            uncontrolled.insert(driver.id.clone(), uncontrolled_routes(&program));
            let key = identity::source(config, statement, driver);
            let source = if let Some(same) = kept[index] {
                let input = Input { driver: driver.clone(), ..same.input.clone() };
                Source { input, key, worker: same.worker, program }
            } else {
                let worker = assignment.worker_for(&driver.id, program.is_hosted());
                let inbox = assignment.workers[worker].clone();
                let number = running.next_lane.fetch_add(1, Ordering::Relaxed);
                match make_input(config, statement, driver, number, inbox, context) {
                    Ok(input) => Source { input, key, worker, program },
                    Err(error) => {
                        errors.push(error);
                        continue;
                    }
                }
            };
            sources.push(source);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        drivers.extend(sources.iter().map(|source| &source.input.driver));
        let hooks = Hooks::of(drivers.into_iter());
        let naps = assignment.naps(&sources);
        let ids = |sources: &[Source]| {
            sources.iter().map(|source| source.input.driver.id.clone()).collect::<Vec<_>>()
        };
        let output_ids =
            |outputs: &[Arc<Output>]| outputs.iter().map(|output| output.id.clone()).collect::<Vec<_>>();
        let fresh: Vec<&str> = fresh_outputs.iter().map(|fresh| fresh.output.id.as_str()).collect();
        let changes = Changes::new(
            (ids(running.sources), ids(&sources), &|index| kept[index].is_some()),
            (output_ids(running.outputs), output_ids(&outputs), &|index| {
                !fresh.contains(&outputs[index].id.as_str())
            }),
        );
        Ok(Self {
            sources,
            outputs,
            fresh_outputs,
            fresh_workers: assignment.fresh,
            host_worker: assignment.host_worker,
            naps,
            changes,
            hooks,
            uncontrolled,
            functions: counted_functions(config),
        })
    }

    /// The sources, for their host.
    pub fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.sources.iter().map(|source| &source.input)
    }

    /// The ways of the source with this id that have no flow control.
    pub(crate) fn uncontrolled_routes(&self, id: &str) -> &[UncontrolledRoute] {
        self.uncontrolled.get(id).map_or(&[], Vec::as_slice)
    }

    /// True when the source with this id goes on as it is.
    pub fn keeps(&self, id: &str) -> bool {
        self.changes.sources.kept.iter().any(|kept| kept == id)
    }
}

/// The counts of the functions that the templates of `config` call, as far as the host has found them.
fn counted_functions(config: &Config) -> Vec<Arc<HostFunctionCounts>> {
    let found = config.python_functions.iter().filter_map(PythonFunction::get);
    found.map(|function| Arc::clone(function.counts())).collect()
}

/// The ways of `program` on which its source is not held back.
fn uncontrolled_routes(program: &Program) -> Vec<UncontrolledRoute> {
    let sends = program.all_sends().into_iter().filter(|way| !way.flow_control);
    let named = sends.filter_map(|way| {
        let destination = program.destinations()[way.destination].clone();
        way.path.map(|path| UncontrolledRoute { destination, path })
    });
    named.collect()
}

/// The destinations, those of them that are new, and their drivers.
type Outputs<'c> = (Vec<Arc<Output>>, Vec<PlannedOutput>, Vec<&'c Driver>);

fn plan_outputs<'c>(
    config: &'c Config,
    compiled: &Compiled<'c>,
    running: &Running<'_>,
    (context, keep): (&PlanContext<'_>, &dyn Fn(Candidate<'_>) -> bool),
) -> Result<Outputs<'c>, Vec<Diagnostic>> {
    let planned = plan_all(config, &compiled.destinations)?;
    let addresses: Vec<_> =
        planned.iter().map(|(driver, plan)| (driver.id.as_str(), plan.address.clone())).collect();
    let drivers = planned.iter().map(|(driver, _)| *driver).collect();
    let (mut outputs, mut fresh) = (Vec::<Arc<Output>>::new(), Vec::<PlannedOutput>::new());
    for (driver, plan) in planned {
        let id = driver.id.as_str();
        let destination::Planned {
            identity,
            address,
            claim,
            fifo_size,
            is_soft,
            on_reject,
            hosted,
            make,
            ..
        } = plan;
        let key = format!("{:?}", (id, identity));
        let is_same = |output: &&Arc<Output>| output.key == key && keep(Candidate::Destination(driver));
        if let Some(same) = running.outputs.iter().find(is_same) {
            outputs.push(Arc::clone(same));
            continue;
        }
        let (of_name, predecessors) = predecessors((id, &address, claim.as_ref()), &addresses, running);
        let counters = of_name.last().map_or_else(Arc::default, |before| Arc::clone(&before.counters));
        let (inbox, shared) = (Inbox::new(), Arc::<OutputState>::default());
        let full = Arc::new(FullQueue::new(fifo_size, reporter(context.log, id, &shared)));
        let (own, state) = (Arc::clone(&counters), Arc::clone(&shared));
        let queue = Queue::new(inbox.sender(), own, state, full, is_soft, context.pool);
        let sender = inbox.sender();
        let (report, wake) = (reporter(context.log, id, &shared), Arc::new(move || sender.wake()));
        let rejects = on_reject.map(|name| RejectRoute::new(&name.value));
        let to = rejects.as_ref().map_or_else(Rejects::default, |route| route.rejects(id));
        let destination = make(Site { counters: Arc::clone(&counters), report, rejects: to, wake });
        let (id, orders, end, hosted_name) =
            (id.to_owned(), Orders::default(), Arc::default(), hosted.as_ref().map(|_| OnceLock::new()));
        let output =
            Output { id, key, address, claim, counters, shared, orders, queue, end, rejects, hosted_name };
        let output = Arc::new(output);
        outputs.push(Arc::clone(&output));
        let hosted = hosted.map(|slot| (driver.clone(), slot));
        fresh.push(PlannedOutput { output, driver: destination, inbox, predecessors, hosted });
    }
    for route in fresh.iter().filter_map(|fresh| fresh.output.rejects.as_ref()) {
        route.lead_to(&outputs);
    }
    Ok((outputs, fresh, drivers))
}

/// The destinations of the name of the new one with this id, address and claim, the oldest first; and of them
/// those whose messages it takes over.
///
/// A name that was only counted out (a destination without one, or the second of a statement) may be
/// another's now: where `addresses` has the address of the one before under another id, that one is not
/// replaced but moved, and nobody takes over from it. Nor is what waits for a file taken over past another
/// destination that waits for the same one.
fn predecessors(
    (id, address, claim): (&str, &str, Option<&Claim>),
    addresses: &[(&str, String)],
    running: &Running<'_>,
) -> (Vec<Arc<Output>>, Vec<Arc<Output>>) {
    let is_named = !id.starts_with('#');
    let all = || running.leaving.iter().chain(running.outputs);
    let is_current = |one: &Arc<Output>| running.outputs.iter().any(|output| Arc::ptr_eq(output, one));
    let is_one = |before: &Arc<Output>| {
        let has_moved = addresses.iter().any(|(other, address)| *other != id && *address == before.address);
        let is_here = is_current(before) || (before.end.lost().is_none() && !before.end.has_heir());
        before.id == id && is_here && ((is_named && !has_moved) || before.address == address)
    };
    let mut of_name: Vec<_> = all().filter(|output| is_one(output)).cloned().collect();
    if let Some(newest) = of_name.last().cloned() {
        of_name.retain(|output| output.counts_with(&newest));
    }
    let mut taken_over = of_name.clone();
    loop {
        let is_taken = |one: &Arc<Output>| taken_over.iter().any(|taken| Arc::ptr_eq(taken, one));
        let is_between = |before: &Output, other: &Arc<Output>| {
            let waits = other.end.lost().is_none() && before.end.is_before(&other.end);
            waits && !is_taken(other) && may_meet(other.claim.as_ref(), claim)
        };
        let leaves = |before: &&Arc<Output>| !all().any(|other| is_between(before, other));
        let fewer: Vec<_> = taken_over.iter().filter(leaves).cloned().collect();
        if fewer.len() == taken_over.len() {
            return (of_name, taken_over);
        }
        taken_over = fewer;
    }
}

fn make_input(
    config: &Config,
    statement: &str,
    driver: &Driver,
    number: usize,
    inbox: Sender<Parcel>,
    context: &PlanContext<'_>,
) -> Result<Input, Diagnostic> {
    let planned = source::plan(config, statement, driver)?;
    let own = source::common_options(driver);
    // May ask the system's resolver for the local host's name.
    let names = HostNames::new(NameOptions::new(&config.options, own), Arc::new(ThisSystem::new()));
    if let Some(complaint) = names.take_complaint() {
        context.log.warning(&format!("source {}: {complaint}", driver.id));
    }
    let policy = SourcePolicy::new(statement, names.local(), &config.options, own);
    let policy = if planned.is_local { policy.for_local_messages() } else { policy };
    let mut origin = policy.origin(local_offset(), Arc::clone(context.release));
    origin.ids = config.options.use_uniqid.then(unique_ids);
    let credit = Arc::new(Credit::new(planned.window, planned.max_bytes));
    let lane = Lane::new(number, inbox, credit, Arc::default(), Arc::clone(context.pool), planned.batch_size);
    let (policy, names, origin) = (Arc::new(policy), Arc::new(names), Arc::new(origin));
    Ok(Input { driver: driver.clone(), lane, origin, policy, names, status: Arc::default(), planned })
}

/// The local clock's offset from UTC at this moment, in seconds east.
fn local_offset() -> i32 {
    jiff::Zoned::now().offset().seconds()
}

/// The numbers of messages, for RCPTID and UNIQID (`use-uniqid()`): they rise, across restarts too, as
/// long as fewer than a million messages a second come and the clock does not go back.
fn unique_ids() -> Arc<AtomicU64> {
    static IDS: LazyLock<Arc<AtomicU64>> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(AtomicU64::new(now.as_micros() as u64))
    });
    Arc::clone(&IDS)
}

/// Sends what a destination reports to the log under its name; the last error is kept.
fn reporter(log: &Log, id: &str, shared: &Arc<OutputState>) -> Arc<dyn Fn(Report) + Send + Sync> {
    let (log, id, shared) = (log.clone(), id.to_owned(), Arc::clone(shared));
    Arc::new(move |report: Report| {
        let level = match report.severity {
            Severity::Error => LogLevel::Error,
            Severity::Warning => LogLevel::Warning,
            Severity::Notice => LogLevel::Notice,
        };
        if level == LogLevel::Error {
            let kept = report.text.chars().take(MAX_ERROR).collect::<String>();
            *shared.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.into());
        }
        log.log(level, &format!("destination {id}: {report}"));
    })
}

#[cfg(test)]
mod tests;
