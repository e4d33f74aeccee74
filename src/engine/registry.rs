//! The drivers and workers that run, those that come, and those that go: [`Registry`].
//!
//! # Counts
//! Nobody who adds up at any moment misses a message or counts it twice: a driver goes from one list to the
//! next under one lock (the pipeline's), which is held for no wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::plan::{Output, Source};
use super::router::{RouteTable, Routes, SourceRoutes};
use super::stats::{FunctionStats, Stats};
use crate::flow::{Parcel, Sender};
use crate::path::{Step, is_same};
use crate::source::Input;
use crate::template::HostFunctionCounts;

/// The time for which a source that has gone, with nothing on its way, is still counted by itself although
/// somebody keeps it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The lists.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Arc<Output>>,
    pub(super) workers: Vec<Worker>,
    /// The sources of a plan that is being carried out.
    pub(super) coming: Vec<Input>,
    leaving_sources: Vec<LeavingSource>,
    leaving_outputs: Vec<LeavingOutput>,
    /// The steps that count, each once.
    steps: Vec<Arc<dyn Step>>,
    /// Those before them, with the version of the routes from which on they get nothing more.
    leaving_steps: Vec<(Arc<dyn Step>, u64)>,
    /// The counts of the functions that templates have called since the start: there are no more than names.
    functions: Vec<Arc<HostFunctionCounts>>,
    /// The counts of those that are gone.
    past: Stats,
}

/// A worker, for those who are not its thread.
pub(super) struct Worker {
    pub(super) inbox: Sender<Parcel>,
    /// The version of the routes that it goes by.
    pub(super) seen: Arc<AtomicU64>,
    /// Tells whether it may wait for the host of the engine.
    pub(super) is_of_host: bool,
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

/// The outcome of a [`Registry::put`].
pub(super) struct Switched {
    /// The version of the routes that lead to what is new.
    pub(super) version: u64,
    /// The sources that have gone.
    pub(super) gone: Vec<Input>,
}

impl Registry {
    /// The destinations that have not ended and are not in `outputs`.
    pub(super) fn going(&self, outputs: &[Arc<Output>]) -> Vec<Arc<Output>> {
        let stays = |output: &Arc<Output>| outputs.iter().any(|other| Arc::ptr_eq(output, other));
        let current = self.outputs.iter().filter(|output| !stays(output));
        self.leaving_outputs().chain(current).cloned().collect()
    }

    pub(super) fn leaving_outputs(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.leaving_outputs.iter().map(|leaving| &leaving.output)
    }

    /// All destinations that have not ended, those that leave first.
    pub(super) fn all_outputs(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.leaving_outputs().chain(&self.outputs)
    }

    /// Puts what is new in the place of what goes, and sets the routes to it. Destinations that were here
    /// before open their files anew.
    pub(super) fn put(
        &mut self,
        sources: Vec<Source>,
        outputs: Vec<Arc<Output>>,
        naps: Vec<Duration>,
        going: Vec<Arc<Output>>,
        table: &RouteTable,
    ) -> Switched {
        self.coming.clear();
        let before = std::mem::replace(&mut self.sources, sources);
        let is_in = |sources: &[Source], source: &Source| {
            sources.iter().any(|other| Arc::ptr_eq(&other.input.lane, &source.input.lane))
        };
        let gone: Vec<_> = before.into_iter().filter(|source| !is_in(&self.sources, source)).collect();
        let inputs = gone.iter().map(|source| source.input.clone()).collect();
        let since = Instant::now();
        self.leaving_sources.extend(gone.into_iter().map(|source| LeavingSource { source, since }));
        let were_here = std::mem::replace(&mut self.outputs, outputs);
        let routes = self.routes(naps);
        let counting = std::mem::replace(&mut self.steps, routes.counting_steps());
        let version = table.set(routes);
        let is_left = |step: &Arc<dyn Step>| !self.steps.iter().any(|other| is_same(other, step));
        self.leaving_steps.extend(counting.into_iter().filter(is_left).map(|step| (step, version)));
        let is_leaving =
            |output: &Arc<Output>| self.leaving_outputs().any(|leaving| Arc::ptr_eq(leaving, output));
        let leaves: Vec<_> = going.into_iter().filter(|output| !is_leaving(output)).collect();
        self.leaving_outputs.extend(leaves.into_iter().map(|output| LeavingOutput { output, version }));
        for worker in &self.workers {
            worker.inbox.wake();
        }
        for route in self.all_outputs().filter_map(|output| output.rejects.as_ref()) {
            route.lead_to(&self.outputs);
        }
        for output in were_here.iter().chain(self.leaving_outputs()) {
            output.reopen();
        }
        Switched { version, gone: inputs }
    }

    /// Has `functions` in the counts from now on.
    pub(super) fn count_functions(&mut self, functions: Vec<Arc<HostFunctionCounts>>) {
        for function in functions {
            if !self.functions.iter().any(|known| Arc::ptr_eq(known, &function)) {
                self.functions.push(function);
            }
        }
    }

    /// The version of the routes that all workers go by, or newer ones.
    pub(super) fn taken_up(&self) -> u64 {
        self.workers.iter().map(|worker| worker.seen.load(Ordering::Acquire)).min().unwrap_or(u64::MAX)
    }

    /// Lets go of what has come to its end. `version` is what all workers go by.
    pub(super) fn tidy(&mut self, version: u64) {
        let counted: Vec<_> = self.all_outputs().cloned().collect();
        let Self { leaving_outputs, past, .. } = self;
        leaving_outputs.retain(|LeavingOutput { output, version: last }| {
            // What others are refused may still come.
            let may_get = *last > version || counted.iter().any(|other| other.rejects_to(output));
            if !may_get && !output.orders.retire.swap(true, Ordering::AcqRel) {
                output.queue.wake();
            }
            let has_ended = output.end.lost().is_some();
            // What has been taken over is counted by whoever took it over.
            let later = counted.iter().skip_while(|other| !Arc::ptr_eq(other, output)).skip(1);
            if has_ended && !later.into_iter().any(|other| other.counts_with(output)) {
                past.add(&Stats { destinations: vec![output.stats()], ..Stats::default() });
            }
            !has_ended
        });
        self.bound_removed();
        let Self { leaving_sources, leaving_steps, past, .. } = self;
        leaving_steps.retain(|(step, last)| {
            let may_count = *last > version;
            if !may_count {
                past.add(&Stats { parsers: step.statistics().into_iter().collect(), ..Stats::default() });
            }
            may_count
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
    }

    /// Has those that a reload removed, and that cannot write, keep a window together: that of all sources.
    /// The newest goes first; the oldest beyond give up what they have.
    fn bound_removed(&self) {
        let credits = self.sources.iter().map(|source| source.input.lane.credit());
        let (mut messages, mut bytes) = credits.fold((0, 0_u64), |(messages, bytes), credit| {
            (messages + u64::from(credit.window()), bytes.saturating_add(credit.max_bytes()))
        });
        let mut is_newest = true;
        for output in self.leaving_outputs.iter().rev().map(|leaving| &leaving.output) {
            let Output { shared, orders, end, queue, .. } = &**output;
            // One whose name has come back has not been removed.
            let is_back = self.outputs.iter().any(|current| current.counts_with(output));
            let is_stuck = orders.retire.load(Ordering::Acquire) && shared.suspended.load(Ordering::Relaxed);
            if !is_stuck || is_back || end.has_heir() || end.lost().is_some() {
                continue;
            }
            let waiting =
                (shared.waiting.load(Ordering::Relaxed), shared.waiting_bytes.load(Ordering::Relaxed));
            let fits = waiting.0 <= messages && waiting.1 <= bytes;
            if fits || std::mem::take(&mut is_newest) {
                is_newest = false;
                (messages, bytes) = (messages.saturating_sub(waiting.0), bytes.saturating_sub(waiting.1));
            } else if !orders.give_up.swap(true, Ordering::AcqRel) {
                queue.wake();
            }
        }
    }

    /// The number of destinations of old configurations that still write.
    pub(super) fn leaving(&self) -> usize {
        self.leaving_outputs().filter(|output| output.end.lost().is_none()).count()
    }

    /// The counts of all of them, and of those before them.
    pub(super) fn stats(&self) -> Stats {
        let mut all = Stats { sources: self.coming.iter().map(Input::stats).collect(), ..Stats::default() };
        all.add(&Stats {
            sources: self.sources.iter().map(|source| source.input.stats()).collect(),
            destinations: self.outputs.iter().map(|output| output.stats()).collect(),
            functions: self.functions.iter().map(|function| FunctionStats::of(function)).collect(),
            ..Stats::default()
        });
        let steps = self.steps.iter().chain(self.leaving_steps.iter().map(|(step, _)| step));
        // One parser is several steps where several paths refer to it.
        for statistics in steps.filter_map(|step| step.statistics()) {
            all.add(&Stats { parsers: vec![statistics], ..Stats::default() });
        }
        for LeavingSource { source, .. } in &self.leaving_sources {
            all.add(&Stats { sources: vec![source.input.stats()], ..Stats::default() });
        }
        for (index, LeavingOutput { output, .. }) in self.leaving_outputs.iter().enumerate() {
            let later = self.leaving_outputs[index + 1..].iter().map(|leaving| &leaving.output);
            if later.chain(&self.outputs).any(|other| other.counts_with(output)) {
                continue;
            }
            all.add(&Stats { destinations: vec![output.stats()], ..Stats::default() });
        }
        all.add(&self.past);
        all
    }

    /// The routes of the sources that are here, and of those that have gone: should something of theirs
    /// come late, it goes where the destinations of their names are now.
    fn routes(&self, naps: Vec<Duration>) -> Routes {
        let queue = |id: &String| {
            let output = self.outputs.iter().find(|output| output.id == *id);
            output.map(|output| output.queue.clone())
        };
        let mut sources = HashMap::default();
        let leaving = self.leaving_sources.iter().map(|leaving| (&leaving.source, true));
        for (source, is_leaving) in self.sources.iter().map(|source| (source, false)).chain(leaving) {
            let queues: Vec<_> = source.program.destinations().iter().map(queue).collect();
            if !is_leaving || queues.is_empty() || queues.iter().any(Option::is_some) {
                let routes = SourceRoutes::new(Arc::clone(&source.program), queues);
                sources.insert(source.input.lane.index(), routes);
            }
        }
        Routes::new(sources, naps)
    }
}
