//! `Logger`: what a source has to say, as messages of the engine's log.

use std::sync::{PoisonError, RwLock};

use pyo3::prelude::*;

use super::escape;

use crate::engine::{Log, LogLevel};

/// The log of the engine that runs in this process, if one does.
static LOG: RwLock<Option<Log>> = RwLock::new(None);

/// Makes `log` the one that [`Logger`] writes to.
pub(super) fn set_log(log: Option<Log>) {
    *LOG.write().unwrap_or_else(PoisonError::into_inner) = log;
}

fn log() -> Option<Log> {
    LOG.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Tells whether there is an engine's log, or a test's, to write to: also after the engine's end, while the
/// interpreter ends.
#[pyfunction]
fn _has_log() -> bool {
    log().is_some()
}

/// Adds the class to `module`, and the function without a place in its `__all__`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Logger>()?;
    module.as_any().setattr("_has_log", wrap_pyfunction!(_has_log, module)?)
}

/// The engine's log: each message is a line on stderr and a message of `internal()`.
///
/// Outside an engine the messages go to the root logger of `logging`. A message may be any object; its
/// `str()` is logged.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct Logger;

impl Logger {
    fn write(message: &Bound<'_, PyAny>, level: LogLevel) -> PyResult<()> {
        let Some(log) = log() else { return Self::write_offline(message, level) };
        if !log.shows(level) {
            return Ok(());
        }
        let text = escape::text_of(message)?;
        message.py().detach(|| log.log(level, &text));
        Ok(())
    }

    fn write_offline(message: &Bound<'_, PyAny>, level: LogLevel) -> PyResult<()> {
        let number = match level {
            LogLevel::Error => 40,
            LogLevel::Warning => 30,
            LogLevel::Notice | LogLevel::Info => 20,
            LogLevel::Debug => 10,
            LogLevel::Trace => 5,
        };
        let root = message.py().import("logging")?.call_method0("getLogger")?;
        root.call_method1("log", (number, "%s", message.str()?))?;
        Ok(())
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "they are methods in Python, whose instances hold nothing")]
impl Logger {
    #[new]
    fn new() -> Self {
        Self
    }

    /// Logs that something failed.
    #[pyo3(signature = (message, /))]
    fn error(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(message, LogLevel::Error)
    }

    /// Logs that something is not as it should be.
    #[pyo3(signature = (message, /))]
    fn warning(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(message, LogLevel::Warning)
    }

    /// Logs what one may want to know.
    #[pyo3(signature = (message, /))]
    fn info(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(message, LogLevel::Info)
    }

    /// Logs what helps to find a fault; shown with `-d`.
    #[pyo3(signature = (message, /))]
    fn debug(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(message, LogLevel::Debug)
    }

    /// Logs every step; shown with `-t`.
    #[pyo3(signature = (message, /))]
    fn trace(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(message, LogLevel::Trace)
    }
}
