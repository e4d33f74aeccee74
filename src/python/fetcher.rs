//! `LogFetcher`: what a class derives from that the engine asks for messages.

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::hosted::Hosted;

/// The base of fetchers.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogFetcher {
    hosted: Hosted,
}

impl LogFetcher {
    /// The engine's part of the instance.
    pub(crate) fn hosted(&self) -> &Hosted {
        &self.hosted
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "what a user's class overrides are methods in Python")]
impl LogFetcher {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self { hosted: Hosted::default() }
    }

    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __init__(&self, _arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) {}

    /// The flags of the configuration's `flags()`, as a dict of bool; set before `init()`.
    #[classattr]
    fn flags(py: Python<'_>) -> Py<PyDict> {
        PyDict::new(py).unbind()
    }

    /// The handle for `LogMessage.parse`; set after `init()`.
    #[classattr]
    fn parse_options() -> Option<Py<PyAny>> {
        None
    }

    /// Called once with the configuration's `options()`; a false result refuses the configuration.
    fn init(&self, options: &Bound<'_, PyAny>) -> bool {
        let _ = options;
        true
    }

    /// Called when the fetcher has ended.
    fn deinit(&self) {}

    /// Called before the first `fetch()`, and after an error; a false result means: try again later.
    fn open(&self) -> bool {
        true
    }

    /// Called after an error, and at the end.
    fn close(&self) {}

    /// One message, or the reason why there is none. Must be overridden.
    fn fetch(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("a LogFetcher must define fetch()"))
    }

    /// Asks a `fetch()` that waits to return.
    fn request_exit(&self) {}

    /// Waits `seconds`, or until exit is requested; whether the whole time passed.
    fn sleep(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        self.hosted.sleep(py, seconds)
    }

    /// Sets TRANSPORT of every later message.
    fn set_transport_name(&self, py: Python<'_>, name: &str) {
        self.hosted.set_transport(py, name);
    }

    /// The name under which the fetcher's state is kept; `None` before it is part of an engine.
    #[getter]
    fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.hosted.persist_name(py)
    }
}

/// Adds the class to `module`, with the results of `fetch()` as constants.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<LogFetcher>()?;
    let class = py.get_type::<LogFetcher>();
    let results = py.import("inrush.results")?.getattr("LogFetcherResult")?.getattr("__members__")?;
    for item in results.call_method0("items")?.try_iter()? {
        let (name, result): (String, Bound<'_, PyAny>) = item?.extract()?;
        class.setattr(name, result)?;
    }
    Ok(())
}
