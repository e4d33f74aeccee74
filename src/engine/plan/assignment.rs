//! The assignment of workers to sources: [`WorkerAssignment`].

use std::thread;
use std::time::Duration;

use super::{Running, Source};
use crate::flow::inbox::NAP;
use crate::flow::{Inbox, Parcel, Sender};

/// The assignment of workers to sources.
pub(super) struct WorkerAssignment<'r> {
    running: &'r [Source],
    /// The inboxes of all workers, those to come included.
    pub(super) workers: Vec<Sender<Parcel>>,
    /// Those of the workers to come.
    pub(super) fresh: Vec<Inbox<Parcel>>,
    /// The number of sources of each.
    load: Vec<usize>,
}

impl<'r> WorkerAssignment<'r> {
    /// As many workers as there were, or as `sources` need: one for each, and one a core at most.
    pub(super) fn new(running: &Running<'r>, kept: &[Option<&Source>], sources: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut workers = running.workers.clone();
        let fresh: Vec<_> = (workers.len()..sources.min(cores)).map(|_| Inbox::new()).collect();
        workers.extend(fresh.iter().map(Inbox::sender));
        let mut load = vec![0; workers.len()];
        for source in kept.iter().flatten() {
            load[source.worker] += 1;
        }
        Self { running: running.sources, workers, fresh, load }
    }

    /// The worker of a new source: that of the one before it with its id, whose batches go first; else
    /// the one with the least to do.
    pub(super) fn worker_for(&mut self, id: &str) -> usize {
        let before = self.running.iter().find(|source| source.input.driver.id == id);
        let least = || (0..self.load.len()).min_by_key(|worker| self.load[*worker]).unwrap_or_default();
        let worker = before.map_or_else(least, |source| source.worker);
        self.load[worker] += 1;
        worker
    }

    /// The nap of each worker: the shortest that one of its sources asks for.
    pub(super) fn naps(&self, sources: &[Source]) -> Vec<Duration> {
        let nap = |worker| {
            let own = sources.iter().filter(|source| source.worker == worker);
            own.map(|source| source.input.planned.nap).min().unwrap_or(NAP)
        };
        (0..self.workers.len()).map(nap).collect()
    }
}
