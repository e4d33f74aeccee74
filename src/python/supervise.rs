//! The thread of a source, and what becomes of it when `run()` comes to its end: [`Runner`].
//!
//! An exception in `run()` is logged, and `run()` is called again after a while: the wait doubles from
//! `restart-backoff()`'s first to its longest, and starts again from the first after a minute without one.
//! A normal return is the end of the source, unless `restart(always)`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use pyo3::prelude::*;

use super::attachment::Attachment;
use super::run::Event;
use super::{exception, release};
use crate::config::Restart;
use crate::engine::{Log, SourceStatus};

/// After this long without an exception the back-off starts again from its first wait.
const HEALTHY: Duration = Duration::from_secs(60);

/// The body of the thread of `run()`: supervision.
#[pyclass(frozen)]
pub(super) struct Runner {
    pub(super) run: Py<PyAny>,
    pub(super) attachment: Arc<Attachment>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) ident: Arc<AtomicU64>,
    pub(super) restart: Restart,
    pub(super) initial: Duration,
    pub(super) max: Duration,
    pub(super) called: String,
    pub(super) log: Log,
    pub(super) events: Sender<Event>,
}

#[pymethods]
impl Runner {
    fn __call__(&self, py: Python<'_>) {
        let ident = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
        let ident = ident.and_then(|ident| ident.extract()).unwrap_or(0);
        self.ident.store(ident, Ordering::Relaxed);
        self.supervise(py);
        release::drain_all(py);
        self.status.end();
        // The receiver is gone when nobody waits any more.
        let _ = self.events.send(Event::Ended);
    }
}

impl Runner {
    fn supervise(&self, py: Python<'_>) {
        let mut wait = self.initial;
        loop {
            let begun = Instant::now();
            let result = self.run.call0(py);
            let exit = self.attachment.exit.is_requested();
            match result {
                Ok(_) if exit || self.restart != Restart::Always => {
                    self.log.info(&format!("{} has returned", self.called));
                    return;
                }
                Ok(_) => self.log.info(&format!("{} has returned", self.called)),
                Err(error) => {
                    self.status.count_exception(&format!("run(): {error}"));
                    let text = exception::traceback(py, &error);
                    drop(error);
                    // Without the GIL: whoever reads stderr may be slow.
                    py.detach(|| self.log.error(&format!("{} raised an exception\n{text}", self.called)));
                    if self.restart == Restart::Never || exit {
                        return;
                    }
                }
            }
            if begun.elapsed() >= HEALTHY {
                wait = self.initial;
            }
            let jittered = wait.mul_f64(jitter());
            self.log.warning(&format!("{} is called again in {:.1} s", self.called, jittered.as_secs_f64()));
            self.status.set_restarting(true);
            if !py.detach(|| self.attachment.exit.wait(Instant::now() + jittered)) {
                return;
            }
            self.status.set_restarting(false);
            self.status.count_restart();
            wait = (wait * 2).min(self.max);
        }
    }
}

/// A factor from 0.75 to 1.25, so that sources that failed together do not come back together.
fn jitter() -> f64 {
    use std::hash::BuildHasher;
    let random = foldhash::quality::RandomState::default().hash_one(Instant::now());
    0.75 + (random % 1024) as f64 / 2048.0
}
