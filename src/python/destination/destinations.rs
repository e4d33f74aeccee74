//! The destinations that the host of an engine has made: [`Destinations`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::target::PythonTarget;
use crate::config::{Config, Diagnostic};
use crate::destination::HostedDestination;

/// The time between looks whether threads have ended.
const LOOK: Duration = Duration::from_millis(2);

/// The objects, for the main thread: it is the last to let go of each.
#[derive(Default)]
pub(crate) struct Destinations {
    /// Those of configurations that ran, or run.
    accepted: Vec<Arc<PythonTarget>>,
    /// Those of the configuration that is prepared.
    prepared: Vec<Arc<PythonTarget>>,
}

impl Destinations {
    /// Adds one that was made for the configuration that is prepared.
    pub(crate) fn add(&mut self, target: PythonTarget) -> HostedDestination {
        let (persist_name, target) = (target.persist_name().to_owned(), Arc::new(target));
        self.prepared.push(Arc::clone(&target));
        HostedDestination { exchange: target, persist_name }
    }

    /// Calls `init()` of those that were made for `config`.
    ///
    /// # Errors
    /// One refuses it.
    pub(crate) fn initialise(&self, py: Python<'_>, config: &Config) -> Result<(), Diagnostic> {
        self.prepared.iter().try_for_each(|target| target.initialise(py, config))
    }

    /// Lets go of those that were made for a configuration that does not run.
    pub(crate) fn put_back(&mut self, py: Python<'_>) {
        for target in std::mem::take(&mut self.prepared) {
            target.deinitialise(py);
        }
    }

    /// Tells that those that were made run.
    pub(crate) fn accept(&mut self) {
        self.accepted.append(&mut self.prepared);
    }

    /// Lets go of those that have ended, and says which of the others hang.
    pub(crate) fn look(&mut self, py: Python<'_>) {
        let (ended, live): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.accepted).into_iter().partition(|target| Arc::strong_count(target) == 1);
        self.accepted = live;
        for target in ended {
            target.deinitialise(py);
        }
        self.accepted.iter().for_each(|target| target.watch(py));
    }

    /// Lets go of all of them, within a bound; whether all have ended.
    pub(crate) fn finish(&mut self, py: Python<'_>, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            self.look(py);
            if self.accepted.is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                break;
            }
            py.detach(|| std::thread::sleep(LOOK));
        }
        self.accepted.iter().for_each(|target| target.give_up(py));
        false
    }
}
