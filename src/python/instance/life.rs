//! The life of a Python source, as the engine leads it. The engine's main thread is attached to the
//! interpreter already.

use std::time::Duration;

use pyo3::prelude::*;

use super::PythonSource;
use crate::config::{Config, Diagnostic, GlobalOptions};
use crate::python::wakeup::Wakeups;
use crate::python::{escape, exception, process};
use crate::source::{Backoff, NotStarted, Restart, Source, Start};

impl Source for PythonSource {
    fn name(&self) -> String {
        self.who()
    }

    fn persist_name(&self) -> Option<&str> {
        Some(&self.persist_name)
    }

    fn awaits_acknowledgements(&self) -> Option<&'static str> {
        self.attachment.tracking.get().map(|_| "an ack tracker")
    }

    fn goes_on_under(&self, before: &GlobalOptions, after: &GlobalOptions) -> bool {
        before.time_reopen == after.time_reopen || !self.has_global_delay()
    }

    fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let initialised = Python::attach(|py| self.initialise(py, config));
        process::restore();
        initialised
    }

    fn start(&mut self, with: &Start) -> Result<(), NotStarted> {
        Python::attach(|py| {
            self.start_running(py, with).map_err(|error| NotStarted {
                summary: escape::summary(py, &error),
                text: exception::traceback(py, &error),
            })
        })
    }

    fn restart(&self) -> Option<Backoff> {
        (self.options.restart != Restart::Never).then_some(self.options.restart_backoff)
    }

    fn ask_to_stop(&mut self) {
        Python::attach(|py| self.request_exit(py));
        process::restore();
    }

    fn is_alive(&self) -> bool {
        self.status.is_alive()
    }

    /// A `wakeup()`, or the waking of an event loop.
    fn has_calls(&self) -> bool {
        self.wakeups.as_ref().is_some_and(Wakeups::is_alive) || self.attachment.event_loop.is_alive()
    }

    fn stop_timeout(&self) -> Duration {
        self.options.stop_timeout
    }

    fn where_it_stands(&self) -> String {
        Python::attach(|py| self.stack(py))
    }

    fn close(&mut self) {
        Python::attach(|py| self.refuse_posts(py));
    }

    fn deinit(&mut self) {
        Python::attach(|py| self.deinitialise(py));
        process::restore();
    }

    fn finalize(&mut self) {
        Python::attach(|py| self.let_go(py));
    }
}
