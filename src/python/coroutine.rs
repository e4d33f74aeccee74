//! The work on a source's event loop: its coroutine ([`host`]), and the steps of `await self.post(…)`.

use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::attachment::{Attachment, Post, Wait};
use super::event_loop::{Main, Order, Waker};
use super::kind;
use super::type_name::type_name;
use crate::flow::Producer;

/// A coroutine that always finds credit lets the loop's other tasks run after this many posts.
const POSTS_A_TURN: u32 = 100;

/// Runs the coroutine that `run()` returned to its end, on a new loop. `cancel_on_exit`: a request to exit
/// cancels it.
///
/// # Errors
/// Its exception.
pub(super) fn host(
    py: Python<'_>,
    attachment: &Arc<Attachment>,
    coroutine: &Bound<'_, PyAny>,
    cancel_on_exit: bool,
) -> PyResult<()> {
    let kept = Arc::clone(attachment);
    let enter = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let py = arguments.py();
        let (event_loop, task): (Py<PyAny>, Py<PyAny>) = arguments.extract()?;
        if cancel_on_exit && kept.exit.is_requested() {
            return task.call_method0(py, "cancel").map(drop);
        }
        kept.event_loop.main.with(py, |main| *main = Some(Main { event_loop, task }));
        PyResult::Ok(())
    };
    let enter = PyCFunction::new_closure(py, None, None, enter)?;
    let result = py.import("inrush.event_loop")?.call_method1("host", (coroutine, enter));
    let main = attachment.event_loop.main.with(py, Option::take);
    drop(main);
    result.map(drop)
}

/// The outcome of a step of `await self.post(…)`.
const POSTED: u8 = 0;
const NO_CREDIT: u8 = 1;
const LET_OTHERS_RUN: u8 = 2;

fn running<'a>(source: &'a Bound<'_, PyAny>) -> PyResult<&'a Arc<Attachment>> {
    let Some(hosted) = kind::hosted(source) else {
        let given = type_name(source);
        return Err(PyTypeError::new_err(format!("post: LogSource expected, got {given}")));
    };
    hosted.running("post")
}

/// Posts `message` if there is credit. With `may_pause` it may ask the coroutine to let others run first:
/// after many posts, and when exit is requested, which is told to coroutines by the loop.
#[pyfunction]
fn _post_step(source: &Bound<'_, PyAny>, message: &Bound<'_, PyAny>, may_pause: bool) -> PyResult<u8> {
    let py = source.py();
    let attached = running(source)?;
    if may_pause {
        let posts = attached.event_loop.posts.with(py, |posts| {
            *posts += 1;
            *posts
        });
        if posts > POSTS_A_TURN || attached.exit.is_requested() {
            attached.event_loop.posts.with(py, |posts| *posts = 0);
            return Ok(LET_OTHERS_RUN);
        }
    }
    Ok(if attached.post(py, message, Post { method: "post", wait: Wait::No })? { POSTED } else { NO_CREDIT })
}

/// Calls `wake` on another thread when there is credit, or when nothing will be taken any more.
#[pyfunction]
fn _when_writable(source: &Bound<'_, PyAny>, wake: Py<PyAny>) -> PyResult<()> {
    let attached = running(source)?;
    attached.lane.credit().count_suspension();
    attached.producer.with(source.py(), Producer::before_wait);
    let waker = if let Some(waker) = attached.event_loop.waker.get() {
        waker
    } else {
        let no_thread = |error| PyOSError::new_err(format!("post: no thread to wait for credit: {error}"));
        let started = Waker::start(format!("credit {}", attached.id), Arc::clone(attached.lane.credit()))
            .map_err(no_thread)?;
        attached.event_loop.waker.get_or_init(|| started)
    };
    if waker.orders.send(Order::Call(wake)).is_err() {
        // It has ended because the source has: the next step of the post says so.
        return Err(attached.closed("post", 1));
    }
    Ok(())
}

/// Adds the functions to `module`, without a place in its `__all__`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.as_any().setattr("_post_step", wrap_pyfunction!(_post_step, module)?)?;
    module.as_any().setattr("_when_writable", wrap_pyfunction!(_when_writable, module)?)
}
