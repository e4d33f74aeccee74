//! `LogParser`: what a parser written in Python derives from; and how the engine runs one.
//!
//! * [`parsers`]: all that there are; [`instance`]: the object of a class, from the configuration to its end; `step`:
//!   its part of a path, once in Python for all messages of a batch.

mod instance;
mod parsers;
mod step;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

pub(super) use instance::PythonParser;
pub(super) use parsers::Parsers;

/// The callbacks of a parser, and whether each may be a coroutine function.
pub(super) const CALLBACKS: &[(&str, bool)] =
    &[("parse", false), ("parse_batch", false), ("init", false), ("deinit", false)];

/// The base of parsers.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogParser;

#[pymethods]
#[expect(clippy::unused_self, reason = "what a user's class overrides are methods in Python")]
impl LogParser {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self
    }

    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __init__(&self, _arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) {}

    /// Called once with the configuration's `options()`; a false result refuses the configuration.
    fn init(&self, options: &Bound<'_, PyAny>) -> bool {
        let _ = options;
        true
    }

    /// Called when the parser has seen its last message.
    fn deinit(&self) {}

    /// Parses one message. Must be overridden, or `parse_batch`.
    fn parse(&self, msg: &Bound<'_, PyAny>) -> PyResult<bool> {
        let _ = msg;
        Err(PyNotImplementedError::new_err("a LogParser must define parse() or parse_batch()"))
    }
}

/// Adds the class to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogParser>()
}
