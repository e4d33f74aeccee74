//! `LogDestination`: what a destination written in Python derives from; and how the engine runs one.
//!
//! * [`destinations`]: all that there are; [`target`]: the object of a class, from the configuration to its end; `methods`: what it is called for;
//! * `worker`: the thread that calls it, once in Python for all messages of a flush; `verdict`: what its results
//!   say of them; `pairs`: messages as dicts.

mod destinations;
mod methods;
mod pairs;
mod target;
mod verdict;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::cell::GilCell;
use super::template::LogTemplateOptions;
use crate::template::Options;
pub(super) use destinations::Destinations;
pub(crate) use methods::CALLBACKS;
pub(super) use target::PythonTarget;

/// The base of destinations.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogDestination {
    persist_name: GilCell<Option<String>>,
    template_options: GilCell<Option<Py<LogTemplateOptions>>>,
    counts: Arc<Counts>,
}

/// The numbers that an object and the engine have in common.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// SEQNUM of the message that is sent.
    sequence: AtomicU64,
    /// Bytes that the object says it has written, and that the engine has not taken into account.
    written: AtomicU64,
}

impl Counts {
    fn set_sequence(&self, sequence: u64) {
        self.sequence.store(sequence, Ordering::Relaxed);
    }

    /// The bytes that were written since the last call.
    fn take_written(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }
}

impl LogDestination {
    fn set_template_options(&self, py: Python<'_>, options: &Options) -> PyResult<()> {
        let made = Py::new(py, LogTemplateOptions::of(options))?;
        self.template_options.with(py, |kept| *kept = Some(made));
        Ok(())
    }

    fn set_persist_name(&self, py: Python<'_>, name: &str) {
        self.persist_name.with(py, |kept| *kept = Some(name.to_owned()));
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "what a user's class overrides are methods in Python")]
impl LogDestination {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        let (persist_name, template_options) = (GilCell::new(None), GilCell::new(None));
        Self { persist_name, template_options, counts: Arc::default() }
    }

    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __init__(&self, _arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) {}

    /// Called once with the configuration's `options()`; a false result refuses the configuration.
    fn init(&self, options: &Bound<'_, PyAny>) -> bool {
        let _ = options;
        true
    }

    /// Called when the destination has ended.
    fn deinit(&self) {}

    /// Called at the start, and after what failed; a false result means: try again later.
    fn open(&self) -> bool {
        true
    }

    /// Called after what failed, and at the end.
    fn close(&self) {}

    /// Tells whether messages can be sent.
    fn is_opened(&self) -> bool {
        true
    }

    /// Sends one message. Must be overridden, or `send_batch`.
    fn send(&self, msg: &Bound<'_, PyAny>) -> PyResult<()> {
        let _ = msg;
        Err(PyNotImplementedError::new_err("a LogDestination must define send() or send_batch()"))
    }

    /// Sends what was queued.
    fn flush(&self) -> bool {
        true
    }

    /// Counts bytes as written, for the statistics.
    fn stats_written_bytes_add(&self, count: u64) {
        self.counts.written.fetch_add(count, Ordering::Relaxed);
    }

    /// The number of the message that is sent, among those of this host: SEQNUM.
    #[getter]
    fn seqnum(&self) -> SequenceNumber {
        SequenceNumber { counts: Arc::clone(&self.counts) }
    }

    /// The options of its templates, for `LogTemplate`; `None` before it is part of an engine.
    #[getter]
    fn template_options(&self, py: Python<'_>) -> Option<Py<LogTemplateOptions>> {
        self.template_options.with(py, |kept| kept.as_ref().map(|kept| kept.clone_ref(py)))
    }

    /// The name under which the destination's state is kept; `None` before it is part of an engine.
    #[getter]
    fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.persist_name.with(py, |kept| kept.clone())
    }
}

/// A number that counts on: `int()`, `str()` and an index give it as it is then.
#[pyclass(module = "inrush._native", frozen)]
pub struct SequenceNumber {
    counts: Arc<Counts>,
}

#[pymethods]
impl SequenceNumber {
    fn __int__(&self) -> u64 {
        self.counts.sequence.load(Ordering::Relaxed)
    }

    fn __index__(&self) -> u64 {
        self.__int__()
    }

    fn __str__(&self) -> String {
        self.__int__().to_string()
    }

    fn __repr__(&self) -> String {
        self.__str__()
    }
}

/// Adds the classes to `module`, with the results of `send()` as constants.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<LogDestination>()?;
    module.add_class::<SequenceNumber>()?;
    let class = py.get_type::<LogDestination>();
    let results = py.import("inrush.results")?.getattr("LogDestinationResult")?.getattr("__members__")?;
    for item in results.call_method0("items")?.try_iter()? {
        let (name, result): (String, Bound<'_, PyAny>) = item?.extract()?;
        class.setattr(name, result)?;
    }
    class.setattr("RETRY", verdict::RETRY)?;
    class.setattr("MAX", verdict::RETRY + 1)
}
