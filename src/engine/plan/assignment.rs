//! The assignment of workers to sources: [`WorkerAssignment`].
//!
//! ```text
//!  sources whose programs call the host ──► one worker more, if there are any: it alone may wait for the host
//!  all others                           ──► one worker for each, and one a core at most
//! ```

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
    /// The number of the worker for sources whose programs call the host of the engine.
    pub(super) host_worker: Option<usize>,
    /// The number of sources of each.
    load: Vec<usize>,
}

impl<'r> WorkerAssignment<'r> {
    /// As many workers as there were, or as are needed for so many sources that do without the host, and for
    /// those that do not, if there are any.
    pub(super) fn new(
        running: &Running<'r>,
        kept: &[Option<&Source>],
        (sources, needs_host): (usize, bool),
    ) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut workers = running.workers.clone();
        let plain = workers.len() - usize::from(running.host_worker.is_some());
        let mut fresh: Vec<_> = (plain..sources.min(cores)).map(|_| Inbox::new()).collect();
        let mut host_worker = running.host_worker;
        if needs_host && host_worker.is_none() {
            host_worker = Some(workers.len() + fresh.len());
            fresh.push(Inbox::new());
        }
        workers.extend(fresh.iter().map(Inbox::sender));
        let mut load = vec![0; workers.len()];
        for source in kept.iter().flatten() {
            load[source.worker] += 1;
        }
        Self { running: running.sources, workers, fresh, host_worker, load }
    }

    /// The worker of a new source. One that `needs_host` has the host's; another one that of the one before it
    /// with its id, whose batches go first, else the one with the least to do.
    pub(super) fn worker_for(&mut self, id: &str, needs_host: bool) -> usize {
        let before = self.running.iter().find(|source| source.input.driver.id == id);
        let before = before.map(|source| source.worker).filter(|worker| Some(*worker) != self.host_worker);
        let plain = || (0..self.load.len()).filter(|worker| Some(*worker) != self.host_worker);
        let least = || plain().min_by_key(|worker| self.load[*worker]);
        let of_host = self.host_worker.filter(|_| needs_host);
        let worker = of_host.or(before).or_else(least).unwrap_or_default();
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
