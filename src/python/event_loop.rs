//! The event loop of a source whose `run()` is a coroutine function: [`EventLoop`].
//!
//! The loop is asyncio's own, on the source's thread; the few lines that make it, and `await self.post(…)`,
//! are Python (`inrush.event_loop`). This is the engine's side:
//!
//! * while the main task runs, the engine knows it, so that a request to exit can cancel it;
//! * a coroutine that waits for credit leaves a callback here. Credit comes back on threads of the engine,
//!   which never attach to Python; so a thread of the source's own waits for it, and calls the callbacks,
//!   each of which wakes its loop by `call_soon_threadsafe`. It is started by the first wait.

use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, unbounded};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};

use super::attachment::{Attachment, Wait};
use super::cell::GilCell;
use super::hosted::Hosted;
use super::type_name::type_name;
use crate::flow::{Credit, Producer};

/// A coroutine that always finds credit lets the loop's other tasks run after this many posts.
const POSTS_A_TURN: u32 = 100;

/// The engine's side of a source's event loop.
#[derive(Default)]
pub struct EventLoop {
    /// The loop and its main task, while it runs and was not cancelled.
    main: GilCell<Option<Main>>,
    waker: OnceLock<Waker>,
    /// Posts since a coroutine last let others run.
    posts: GilCell<u32>,
}

struct Main {
    event_loop: Py<PyAny>,
    task: Py<PyAny>,
}

impl EventLoop {
    /// Cancels the main task, if there is one; once.
    ///
    /// # Errors
    /// When the loop refuses.
    pub fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let Some(main) = self.main.with(py, Option::take) else { return Ok(()) };
        let cancel = main.task.getattr(py, "cancel")?;
        main.event_loop.call_method1(py, "call_soon_threadsafe", (cancel,)).map(drop)
    }

    /// Runs `coroutine` on the loop; where there is none, it is closed.
    ///
    /// # Errors
    /// When the loop refuses.
    pub fn run_soon(&self, py: Python<'_>, coroutine: &Bound<'_, PyAny>) -> PyResult<()> {
        let event_loop = self.main.with(py, |main| main.as_ref().map(|main| main.event_loop.clone_ref(py)));
        match event_loop {
            Some(event_loop) => {
                py.import("asyncio")?.call_method1("run_coroutine_threadsafe", (coroutine, event_loop))?;
            }
            None => drop(coroutine.call_method0("close")?),
        }
        Ok(())
    }

    /// Asks the thread of the callbacks to end.
    pub fn end(&self) {
        if let Some(waker) = self.waker.get() {
            // Nobody receives when it has ended.
            let _ = waker.orders.send(Order::End);
        }
    }

    /// Whether that thread has not come to its end.
    pub fn is_alive(&self) -> bool {
        self.waker.get().is_some_and(|waker| !waker.thread.is_finished())
    }
}

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
    let enter = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, pyo3::types::PyDict>>| {
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

/// Whether `value` is what calling a coroutine function gives.
pub(super) fn is_coroutine(py: Python<'_>, value: &Bound<'_, PyAny>) -> bool {
    let ask = || py.import("inspect")?.call_method1("iscoroutine", (value,))?.is_truthy();
    !value.is_none() && ask().unwrap_or(false)
}

/// Whether `error` is asyncio's `CancelledError`.
pub(super) fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    let class = py.import("asyncio").and_then(|asyncio| asyncio.getattr("CancelledError"));
    class.is_ok_and(|class| error.is_instance(py, &class))
}

enum Order {
    Call(Py<PyAny>),
    End,
}

/// The thread that waits for credit in the place of coroutines.
struct Waker {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Waker {
    fn start(attachment: &Attachment) -> std::io::Result<Self> {
        let (orders, receiver) = unbounded();
        let credit = Arc::clone(attachment.lane.credit());
        let name = format!("credit {}", attachment.id);
        let thread = thread::Builder::new().name(name).spawn(move || serve(&receiver, &credit))?;
        Ok(Self { orders, thread })
    }
}

fn serve(orders: &Receiver<Order>, credit: &Credit) {
    while let Ok(Order::Call(first)) = orders.recv() {
        // Ends, too, when nothing will be taken any more: then the posts are to fail.
        credit.wait(None);
        let is_over = Python::attach(|py| {
            call(py, &first);
            drop(first);
            for order in orders.try_iter() {
                match order {
                    Order::Call(next) => call(py, &next),
                    Order::End => return true,
                }
            }
            false
        });
        if is_over {
            return;
        }
    }
}

fn call(py: Python<'_>, wake: &Py<PyAny>) {
    if let Err(error) = wake.call0(py) {
        // A loop that was closed meanwhile is no error (`inrush.event_loop` sees to that); this is one.
        error.write_unraisable(py, Some(wake.bind(py)));
    }
}

/// What came of a step of `await self.post(…)`.
const POSTED: u8 = 0;
const NO_CREDIT: u8 = 1;
const LET_OTHERS_RUN: u8 = 2;

fn running<'a>(source: &'a Bound<'_, PyAny>) -> PyResult<&'a Arc<Attachment>> {
    let Some(hosted) = Hosted::of(source) else {
        let given = type_name(source);
        return Err(pyo3::exceptions::PyTypeError::new_err(format!("post: LogSource expected, got {given}")));
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
    Ok(if attached.post(py, message, Wait::No, "post")? { POSTED } else { NO_CREDIT })
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
        let started = Waker::start(attached).map_err(no_thread)?;
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
