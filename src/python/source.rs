//! `LogSource`: what a user's class derives from.

mod class;
mod post_message;

use std::sync::Arc;

use pyo3::exceptions::{PyNotImplementedError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use super::attachment::{Attachment, Post, Wait};
use super::buffer;
use super::cell::GilCell;
use super::escape;
use super::hosted::{Hosted, deadline};
use super::split;
use super::type_name::type_name;
use crate::flow::Producer;
pub(super) use class::add_to;

/// The base of server-style sources.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogSource {
    hosted: Hosted,
    auto_close_batches: GilCell<bool>,
}

impl LogSource {
    /// The engine's part of the instance.
    #[inline]
    pub(crate) fn hosted(&self) -> &Hosted {
        &self.hosted
    }

    /// Sets `auto_close_batches` back to its default.
    pub(crate) fn reset_auto_close_batches(&self, py: Python<'_>) {
        self.auto_close_batches.with(py, |kept| *kept = true);
    }

    /// Makes posts of the objects of `class`, a user's, cost less: see `post_message::give_own`.
    ///
    /// # Errors
    /// What setting an attribute of the class raises.
    pub(crate) fn speed_up(class: &Bound<'_, PyType>) -> PyResult<()> {
        post_message::give_own(class)
    }

    #[inline]
    fn attachment(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        self.hosted.attachment(method)
    }

    #[inline]
    fn running(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        self.hosted.running(method)
    }
}

#[pymethods]
#[expect(clippy::unused_self, reason = "what a user's class overrides are methods in Python")]
impl LogSource {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self { hosted: Hosted::default(), auto_close_batches: GilCell::new(true) }
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

    /// Called before `run()` with the configuration's `options()`; a false result refuses the configuration.
    fn init(&self, options: &Bound<'_, PyAny>) -> bool {
        let _ = options;
        true
    }

    /// Called after `run()` has returned.
    fn deinit(&self) {}

    /// The source's own loop, on a thread of its own. Must be overridden.
    fn run(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("a LogSource must define run()"))
    }

    /// Asks `run()` to return. A class that looks at `exit_requested` need not override it.
    fn request_exit(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("a LogSource should define request_exit()"))
    }

    /// Ends the open batch: what was posted is handed over now.
    fn close_batch(&self, py: Python<'_>) -> PyResult<()> {
        let attached = self.running("close_batch")?;
        attached.producer.with(py, |producer| {
            producer.close_batch();
            producer.before_wait();
        });
        Ok(())
    }

    /// Posts the messages of an iterable (`LogMessage`, `str`, `bytes`) in order, and returns how many.
    fn post_messages(&self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<usize> {
        let attached = self.running("post_messages")?;
        let wrong = |index: usize, error: PyErr| {
            if error.is_instance_of::<PyTypeError>(py) {
                return PyTypeError::new_err(format!(
                    "post_messages: element {index}: LogMessage, str or bytes expected: {}",
                    escape::text_of(error.value(py)).unwrap_or_default()
                ));
            }
            error
        };
        let post = |index: usize, message: &Bound<'_, PyAny>| {
            if attached.call_post_fast(py, message) || attached.post_unparsed_fast(py, message) {
                return Ok(true);
            }
            attached
                .post(py, message, Post { method: "post_messages", wait: Wait::Yes })
                .map_err(|error| wrong(index, error))
        };
        if let Ok(list) = messages.cast_exact::<PyList>() {
            // Other threads may change the list while a post waits: look at its length each time.
            let mut index = 0;
            while index < list.len() {
                let posted = attached.post_texts_fast(py, list, index);
                if posted > 0 {
                    index += posted;
                    continue;
                }
                post(index, &list.get_item(index)?)?;
                index += 1;
            }
            attached.producer.with(py, Producer::end_posts);
            return Ok(index);
        }
        let mut count = 0;
        for message in messages.try_iter()? {
            post(count, &message?)?;
            count += 1;
        }
        Ok(count)
    }

    /// Posts `message` if there is credit for it now; never waits, never calls `suspend()`.
    fn try_post_message(&self, py: Python<'_>, msg: &Bound<'_, PyAny>) -> PyResult<bool> {
        let attached = self.running("try_post_message")?;
        attached.post(py, msg, Post { method: "try_post_message", wait: Wait::No })
    }

    /// Splits `buffer` at `delimiter` and posts each piece as a message, without a copy of its own.
    /// Returns the number of bytes consumed.
    #[pyo3(signature = (buffer, delimiter=None, *, length=None, parse=false, keep_empty=false, partial=false, bookmark=None))]
    #[pyo3(
        text_signature = "($self, buffer, delimiter=b'\\n', *, length=None, parse=False, keep_empty=False, partial=False, bookmark=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python method")]
    fn post_buffer(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        delimiter: Option<&Bound<'_, PyAny>>,
        length: Option<usize>,
        parse: bool,
        keep_empty: bool,
        partial: bool,
        bookmark: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let attached = self.running("post_buffer")?;
        let how = split::Split::new(delimiter, parse, keep_empty, partial)?;
        buffer::post(py, attached, buffer, length, &how, bookmark)
    }

    /// A writable buffer of `size` bytes, for `recv_into` and `readinto`, to be posted with `post_buffer`.
    fn acquire_buffer(&self, size: usize) -> PyResult<buffer::Buffer> {
        let attached = self.attachment("acquire_buffer")?;
        buffer::Buffer::new(attached.lane.pool(), size)
    }

    /// True when a post would have to wait for credit.
    fn is_suspended(&self) -> PyResult<bool> {
        Ok(!self.attachment("is_suspended")?.lane.credit().is_available())
    }

    /// Waits until a post would find credit, at most `timeout` seconds; whether it would. A request to
    /// exit ends the wait.
    #[pyo3(signature = (timeout=None))]
    fn wait_until_writable(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let attached = self.attachment("wait_until_writable")?;
        let credit = attached.lane.credit();
        if credit.is_available() {
            return Ok(true);
        }
        let deadline = timeout.map(|seconds| deadline("wait_until_writable", seconds)).transpose()?;
        attached.producer.with(py, Producer::before_wait);
        if timeout.is_some_and(|seconds| seconds <= 0.0) {
            // With the GIL, as `sleep(0)` (`Hosted::sleep`).
            return Ok(credit.is_available());
        }
        Ok(py.detach(|| attached.wait_until_writable(deadline)))
    }

    /// Waits `seconds`, or until exit is requested; whether the whole time passed.
    fn sleep(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        self.hosted.sleep(py, seconds)
    }

    /// Sets TRANSPORT of every later message.
    fn set_transport_name(&self, py: Python<'_>, name: &str) {
        self.hosted.set_transport(py, name);
    }

    /// True when each post ends its batch. Kept for the classes that set it: batches are handed over as
    /// soon as a worker is free, whatever it says.
    #[getter]
    fn auto_close_batches(&self, py: Python<'_>) -> bool {
        self.auto_close_batches.with(py, |kept| *kept)
    }

    #[setter]
    fn set_auto_close_batches(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(value) = value.cast_exact::<pyo3::types::PyBool>() else {
            let given = type_name(value);
            return Err(PyTypeError::new_err(format!("auto_close_batches: expected bool, got {given}")));
        };
        self.auto_close_batches.with(value.py(), |kept| *kept = value.is_true());
        Ok(())
    }

    /// The name under which the source's state is kept; `None` before it is part of an engine.
    #[getter]
    fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.hosted.persist_name(py)
    }
}
