//! The routes of each source's batches, and how they change while batches come: [`RouteTable`].
//!
//! A worker holds the [`Routes`] that it goes by, and looks at one number for each batch to see whether
//! there are newer ones. What was in its inbox when they came still goes by the old ones; then it takes
//! the new ones up and says so:
//!
//! ```text
//!  main thread                        worker
//!  routes = new; version += 1         version changed?
//!  wake the worker                    send as many batches as the inbox has, by the old routes
//!  seen == version? ◄──────────────── routes = new; seen = version
//! ```
//! From then on nothing goes by the old routes any more: a destination that is in none of the new ones
//! has all that it will ever get, and a source that was stopped before has all of its batches sent on.
//!
//! # Steps with a state
//! The last worker that leaves old routes hands the states of their steps on: to the step with the same key
//! in the new ones, and where there is none, what the step can still make goes by the old routes. The last
//! worker that ends does the same without new ones.
//!
//! # Steps of the host
//! One worker alone calls steps that the host of the engine has made, and what such steps stand behind: it
//! does what is due of all programs that have one, and is the last to end. It retires a step of the host's
//! when it goes by routes without it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::log::Log;
use super::queue::Queue;
use crate::fault::panic_text;
use crate::flow::{Ack, DropReason, Inbox, Lane, Parcel, SteadyClock};
use crate::message::{Rows, Selection};
use crate::path::{self, Outputs, Program, Step, Surrounding, Timed};

/// One way out for the batches of a source.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The queue of the destination.
    pub queue: Queue,
    /// Tells whether the source waits for it.
    pub flow_control: bool,
}

impl Route {
    fn push(&self, selection: Selection, ack: &Ack) {
        let holds = self.queue.holds(self.flow_control);
        let ack = if holds { ack.clone() } else { ack.without_credit() };
        self.queue.push(selection, ack, self.flow_control);
    }
}

/// The route of one source's messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceRoutes {
    program: Arc<Program>,
    /// The queues of the program's destinations; `None` where a reload has removed it.
    queues: Vec<Option<Queue>>,
    /// The sends that every batch takes as it is.
    plain: Option<Vec<Route>>,
}

impl SourceRoutes {
    /// Those of `program`, whose destinations have `queues`.
    pub(crate) fn new(program: Arc<Program>, queues: Vec<Option<Queue>>) -> Self {
        let plain = program.sends().map(|sends| {
            let route = |way: &crate::path::SendTo| {
                let queue = queues[way.destination].clone()?;
                Some(Route { queue, flow_control: way.flow_control })
            };
            sends.iter().filter_map(route).collect()
        });
        Self { program, queues, plain }
    }
}

impl Outputs for SourceRoutes {
    fn holds(&self, destination: usize, flow_control: bool) -> bool {
        self.queues[destination].as_ref().is_some_and(|queue| queue.holds(flow_control))
    }

    fn push(&self, destination: usize, selection: Selection, ack: Ack, flow_control: bool) {
        match &self.queues[destination] {
            Some(queue) => queue.push(selection, ack, flow_control),
            None => ack.drop_rows(selection.rows(), DropReason::Removed),
        }
    }
}

/// The routes of each source's messages.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// By the number of the source's lane.
    pub sources: HashMap<usize, SourceRoutes, RandomState>,
    /// The nap of each worker while batches come.
    pub naps: Vec<Duration>,
    /// The steps with a state, each once.
    steps: Vec<Arc<dyn Step>>,
    /// Those of them that are in a program that calls the host.
    steps_of_host: Vec<Arc<dyn Step>>,
    /// The steps that the host has made, each once.
    hosted: Vec<Arc<dyn Step>>,
}

impl Routes {
    /// The routes of `sources`, by the numbers of their lanes, for workers that look away for `naps`.
    pub(crate) fn new(sources: HashMap<usize, SourceRoutes, RandomState>, naps: Vec<Duration>) -> Self {
        let mut routes = Self { sources, naps, ..Self::default() };
        let has_state = |step: &dyn Step| step.key().is_some();
        routes.hosted = routes.steps_that(|step| step.hosted().is_some());
        let all = routes.steps_that(has_state);
        let is_of_host = |step: &Arc<dyn Step>| {
            routes.sources.values().any(|source| source.program.is_hosted() && source.program.has(step))
        };
        (routes.steps_of_host, routes.steps) = all.into_iter().partition(is_of_host);
        routes
    }

    /// The steps that count, each once, in the order of the sources' lanes.
    pub(super) fn counting_steps(&self) -> Vec<Arc<dyn Step>> {
        self.steps_that(|step| step.statistics().is_some())
    }

    /// The steps that `is_meant` gives true for, each once.
    fn steps_that(&self, is_meant: impl Fn(&dyn Step) -> bool) -> Vec<Arc<dyn Step>> {
        let mut lanes: Vec<_> = self.sources.keys().collect();
        lanes.sort_unstable();
        let mut steps: Vec<Arc<dyn Step>> = Vec::new();
        for step in lanes.into_iter().flat_map(|lane| self.sources[lane].program.steps()) {
            if is_meant(&**step) && !steps.iter().any(|known| Arc::ptr_eq(known, step)) {
                steps.push(Arc::clone(step));
            }
        }
        steps
    }

    /// Sends one batch on; `None` when its source has no entry. What it leaves in `sent` is for the caller to
    /// let go of.
    ///
    /// An urgent batch wakes its destinations from their naps: its source waits for nothing but them, or soon
    /// will.
    fn send(
        &self,
        lane: &Arc<Lane>,
        sent: &mut Option<(Selection, Ack)>,
        urgent: bool,
        around: Surrounding<'_>,
    ) -> Option<()> {
        let source = self.sources.get(&lane.index())?;
        let Some(routes) = &source.plain else {
            if let Some(sent) = sent.take() {
                source.program.run(sent, lane, source, around);
            }
            if urgent {
                source.queues.iter().flatten().for_each(Queue::wake);
            }
            return Some(());
        };
        let (selection, ack) = sent.as_ref()?;
        if routes.is_empty() {
            ack.count_filtered(selection.len() as u32);
        }
        for route in routes {
            route.push(selection.clone(), ack);
            if urgent {
                route.queue.wake();
            }
        }
        Some(())
    }

    /// The steps with a state that a worker looks after, which is the host's or not.
    fn steps_for(&self, is_of_host: bool) -> impl Iterator<Item = &Arc<dyn Step>> {
        self.steps.iter().chain(self.steps_of_host.iter().filter(move |_| is_of_host))
    }

    /// The time at which the first of those steps is due.
    fn deadline(&self, is_of_host: bool) -> Option<Instant> {
        self.steps_for(is_of_host).filter_map(|step| step.deadline()).min()
    }

    /// Has the steps that are due make what they have.
    fn expire(&self, is_of_host: bool, around: Surrounding<'_>) {
        let now = around.clock.now();
        for step in self.steps_for(is_of_host) {
            if step.deadline().is_some_and(|deadline| deadline <= now) {
                let mut timed = Timed::default();
                step.expire(now, &mut timed);
                self.send_made(step, timed, around);
            }
        }
    }

    /// Sends on what `step` has made.
    fn send_made(&self, step: &Arc<dyn Step>, timed: Timed, around: Surrounding<'_>) {
        for made in timed.into_made() {
            match self.sources.get(&made.lane().index()) {
                Some(source) if source.program.has(step) => source.program.resume(step, made, source, around),
                _ => made.give_up(),
            }
        }
    }

    /// Retires the steps of the host that are not in `next`.
    fn retire(&self, next: Option<&Self>) {
        let goes = |step: &&Arc<dyn Step>| {
            next.is_none_or(|next| !next.hosted.iter().any(|other| path::is_same(other, step)))
        };
        let is_without = next.is_none_or(|next| next.hosted.is_empty());
        let mut going = self.hosted.iter().filter(goes).peekable();
        while let Some(step) = going.next() {
            step.retire(is_without && going.peek().is_none());
        }
    }

    /// Hands the states of its steps to `next`, or has them make what they can.
    fn hand_over(&self, next: Option<&Self>, around: Surrounding<'_>) {
        for step in self.steps_for(true) {
            let is_same = |other: &&Arc<dyn Step>| other.key() == step.key();
            match next.and_then(|next| next.steps_for(true).find(is_same)) {
                Some(successor) if Arc::ptr_eq(successor, step) => {}
                Some(successor) => successor.take_over(&**step),
                None => {
                    let mut timed = Timed::default();
                    step.finish(&mut timed);
                    self.send_made(step, timed, around);
                }
            }
        }
    }
}

/// The routes, for all workers.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    /// Raised after `routes` was set.
    version: AtomicU64,
    routes: Mutex<Arc<Routes>>,
    /// Messages of sources that had no way any more.
    late: AtomicU64,
    /// The number of routers that have not ended.
    routers: AtomicUsize,
    clock: SteadyClock,
}

impl RouteTable {
    /// An empty one, whose steps look at `clock`.
    pub(crate) fn new(clock: SteadyClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Sends every later batch by `routes`; returns the number that workers show when they do.
    pub(crate) fn set(&self, routes: Routes) -> u64 {
        let mut current = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(routes);
        self.version.fetch_add(1, Ordering::Release) + 1
    }

    /// Messages that came too late, when their source had no way any more. They are counted as dropped.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }
}

/// The outcome of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// The number of its messages.
    pub messages: usize,
    /// Tells whether its source was about to stand still, and is not any more: it waits for nothing but its
    /// worker.
    pub frees: bool,
}

/// One worker's look at a [`RouteTable`].
#[derive(Debug)]
pub(crate) struct Router {
    table: Arc<RouteTable>,
    worker: usize,
    version: u64,
    routes: Arc<Routes>,
    seen: Arc<AtomicU64>,
    log: Log,
    /// Tells whether its worker may wait for the host.
    is_of_host: bool,
}

impl Router {
    /// The router of the worker with this number, which shows in `seen` which version it goes by.
    pub(crate) fn new(table: &Arc<RouteTable>, worker: usize, seen: Arc<AtomicU64>, log: &Log) -> Self {
        table.routers.fetch_add(1, Ordering::AcqRel);
        let (table, log) = (Arc::clone(table), log.clone());
        Self { table, worker, version: 0, routes: Arc::default(), seen, log, is_of_host: false }
    }

    /// The same for the worker that may wait for the host.
    pub(crate) fn of_host(self) -> Self {
        Self { is_of_host: true, ..self }
    }

    /// Takes up newer routes, if there are some, after what is in `inbox` now was sent by the old ones.
    #[inline]
    pub(crate) fn follow(&mut self, inbox: &mut Inbox<Parcel>) {
        if self.is_behind() {
            self.take_up(inbox);
        }
    }

    /// Tells whether there are newer routes than those that it goes by.
    pub(crate) fn is_behind(&self) -> bool {
        self.table.version.load(Ordering::Acquire) != self.version
    }

    #[cold]
    fn take_up(&mut self, inbox: &mut Inbox<Parcel>) {
        for _ in 0..inbox.len() {
            let Some(parcel) = inbox.try_recv() else { break };
            self.send(parcel);
        }
        let next = {
            let routes = self.table.routes.lock().unwrap_or_else(PoisonError::into_inner);
            self.version = self.table.version.load(Ordering::Acquire);
            Arc::clone(&routes)
        };
        let before = std::mem::replace(&mut self.routes, next);
        if self.is_of_host {
            self.guarded("end steps of the host", |_| before.retire(Some(&self.routes)));
        }
        if let Some(last) = Arc::into_inner(before) {
            self.guarded("hand the states of steps on", |around| last.hand_over(Some(&self.routes), around));
        }
        if let Some(nap) = self.routes.naps.get(self.worker) {
            inbox.set_nap(*nap);
        }
        self.seen.store(self.version, Ordering::Release);
    }

    /// The time at which something is to be done without a batch.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.routes.deadline(self.is_of_host)
    }

    /// The same, as the end of a wait.
    pub(crate) fn wait_until(&self) -> Option<Instant> {
        self.table.clock.wait_until(self.deadline())
    }

    /// Does what is due.
    #[inline]
    pub(crate) fn expire(&self) {
        if self.routes.steps_for(self.is_of_host).next().is_some() {
            self.guarded("do what is due", |around| self.routes.expire(self.is_of_host, around));
        }
    }

    /// Tells whether it has to wait for the others before it ends: what their steps leave may be for the host.
    pub(crate) fn is_last_to_end(&self) -> bool {
        self.is_of_host && self.table.routers.load(Ordering::Acquire) > 1
    }

    /// Ends it; the last one has all steps make what they can.
    pub(crate) fn end(self) {
        if self.table.routers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.guarded("end the steps", |around| self.routes.hand_over(None, around));
        }
        if self.is_of_host {
            self.guarded("end steps of the host", |_| self.routes.retire(None));
        }
    }

    /// Does `work` beside the batches; a panic costs what it was at.
    fn guarded(&self, what: &str, work: impl FnOnce(Surrounding<'_>)) {
        let report = |text: &str| self.log.error(text);
        let around = Surrounding { clock: &self.table.clock, report: &report };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(around))) {
            let reason = panic_text(&*panic);
            self.log.error(&format!("fault in the engine: could not {what}: {reason}"));
        }
    }

    /// Sends one batch on.
    #[inline]
    pub(crate) fn send(&self, parcel: Parcel) -> Sent {
        let urgent = parcel.is_urgent();
        let lane = Arc::clone(parcel.lane());
        let report = |text: &str| self.log.error(text);
        let (mut selection, ack) = parcel.open();
        lane.parse(&mut selection, &ack, report);
        let (messages, outcome) = (selection.batch().rows(), ack.without_credit());
        let source = Arc::clone(&selection.batch().origin().source);
        let around = Surrounding { clock: &self.table.clock, report: &report };
        let mut sent = Some((selection, ack));
        match catch_unwind(AssertUnwindSafe(|| self.routes.send(&lane, &mut sent, urgent, around))) {
            Ok(Some(())) => {}
            Ok(None) => {
                outcome.drop_rows(&Rows::Range(0..messages), DropReason::Stopped);
                self.table.late.fetch_add(u64::from(messages), Ordering::Relaxed);
            }
            Err(panic) => self.give_up(messages, &source, &outcome, &*panic),
        }
        drop(outcome);
        // The memory is let go of before the credit for it: what is held is never more than was given. Where
        // it has no way, this is the end of the batch: its memory goes to whoever releases it.
        if let Some((selection, ack)) = sent {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(selection))) {
                let reason = panic_text(&*panic);
                self.log.error(&format!(
                    "fault in the engine: the memory of a batch could not be released: {reason}"
                ));
            }
            drop(ack);
        }
        Sent { messages: messages as usize, frees: urgent && !lane.is_half_used() }
    }

    /// Drops a batch that the routes panicked at. Some of its sends may have it.
    #[cold]
    fn give_up(&self, messages: u32, source: &str, ack: &Ack, panic: &(dyn Any + Send)) {
        ack.drop_rows(&Rows::Range(0..messages), DropReason::Fault);
        let reason = panic_text(panic);
        let what = "fault in the engine: a batch could not be sent on";
        self.log.error(&format!("source {source}: {what}: {reason}; its {messages} messages are dropped"));
    }
}
