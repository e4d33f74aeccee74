//! The thread of a source, and what becomes of it when `run()` comes to its end: `Runner`.
//!
//! A `run()` that returns a coroutine is hosted on an event loop ([`event_loop`]); a fetcher's thread has its
//! own way with exceptions ([`fetch`](super::fetch)). For all others:
//!
//! An exception in `run()` is logged, and `run()` is called again after a while ([`Pauses`]).
//! A normal return is the end of the source, unless `restart(always)`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::prelude::*;

use super::attachment::Attachment;
use super::event_loop;
use super::fetch::{Fetch, FetchContext};
use super::{coroutine, escape, exception, fork, release, returned, threads};
use crate::engine::{Log, Pauses};
use crate::source::{Backoff, Restart, SourceStatus, Start};

/// The work of a source's thread.
pub(super) enum Body {
    /// Calls `run()`.
    Run {
        run: Py<PyAny>,
        /// True when a request to exit cancels a coroutine: when the class has no `request_exit()` of its
        /// own.
        cancel_on_exit: bool,
    },
    /// Fetches.
    Fetch(Fetch),
}

impl Body {
    /// A copy for another life of the thread.
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Run { run, cancel_on_exit } => {
                Self::Run { run: run.clone_ref(py), cancel_on_exit: *cancel_on_exit }
            }
            Self::Fetch(fetch) => Self::Fetch(fetch.clone_ref(py)),
        }
    }
}

/// The thread of a source: supervision.
#[pyclass(frozen)]
pub(super) struct Runner {
    pub(super) body: Body,
    pub(super) attachment: Arc<Attachment>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) ident: Arc<AtomicU64>,
    pub(super) restart: Restart,
    pub(super) backoff: Backoff,
    /// `source ID (class NAME)`
    pub(super) who: String,
    pub(super) log: Log,
    pub(super) start: Start,
}

#[pymethods]
impl Runner {
    fn __call__(&self, py: Python<'_>) {
        py.detach(|| self.start.gate.wait());
        self.ident.store(threads::ident(), Ordering::Relaxed);
        match &self.body {
            Body::Run { run, cancel_on_exit } => self.supervise(py, run, *cancel_on_exit),
            Body::Fetch(fetch) => {
                let (attachment, status, log) = (&self.attachment, &*self.status, &self.log);
                fetch.run(py, &FetchContext { attachment, status, log, who: &self.who });
                self.log.info(&format!("{}: fetching has ended", self.who));
            }
        }
        release::drain_all(py);
        self.status.end();
        (self.start.ended)();
    }
}

impl Runner {
    /// Calls `run()`; a coroutine that it returns is run to its end.
    fn call(&self, py: Python<'_>, run: &Py<PyAny>, cancel_on_exit: bool) -> PyResult<()> {
        let event_loop = &self.attachment.event_loop;
        event_loop.set_called(py, true);
        let result = run.bind(py).call0();
        event_loop.set_called(py, false);
        let result = result?;
        if event_loop::is_coroutine(&result) {
            return coroutine::host(py, &self.attachment, &result, cancel_on_exit);
        }
        returned::refuse_unfinished(&result, "run")
    }

    fn supervise(&self, py: Python<'_>, run: &Py<PyAny>, cancel_on_exit: bool) {
        let called = format!("{}: run()", self.who);
        let mut pauses = Pauses::new(self.backoff);
        loop {
            let begun = Instant::now();
            let mut result = self.call(py, run, cancel_on_exit);
            fork::leave(py, &result);
            let exit = self.attachment.exit.is_requested();
            if exit && result.as_ref().is_err_and(|error| event_loop::is_cancelled(py, error)) {
                result = Ok(());
            }
            match result {
                Ok(()) if exit || self.restart != Restart::Always => {
                    self.log.info(&format!("{called} has returned"));
                    return;
                }
                Ok(()) => self.log.info(&format!("{called} has returned")),
                Err(error) => {
                    self.status.count_exception(&format!("run(): {}", escape::summary(py, &error)));
                    let text = exception::traceback(py, &error);
                    drop(error);
                    // Without the GIL: whoever reads stderr may be slow.
                    py.detach(|| self.log.error(&format!("{called} raised an exception\n{text}")));
                    if self.restart == Restart::Never || exit {
                        return;
                    }
                }
            }
            let pause = pauses.after(begun.elapsed());
            self.log.warning(&format!("{} is called again in {:.1} s", called, pause.as_secs_f64()));
            self.status.set_restarting(true);
            if !py.detach(|| self.attachment.exit.wait(Instant::now() + pause)) {
                return;
            }
            self.status.set_restarting(false);
            self.status.count_restart();
        }
    }
}
