//! The event loop of a source whose `run()` is a coroutine function: [`EventLoop`].
//!
//! The loop is asyncio's own, on the source's thread; the few lines that make it, and `await self.post(…)`,
//! are Python (`inrush.event_loop`). This is the engine's side (what they call is in `coroutine`):
//!
//! * while the main task runs, the engine knows it, so that a request to exit can cancel it;
//! * a coroutine that waits for credit leaves a callback here. Credit comes back on threads of the engine,
//!   which never attach to Python; so a thread of the source's own waits for it, and calls the callbacks,
//!   each of which wakes its loop by `call_soon_threadsafe`. It is started by the first wait.

use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, unbounded};
use pyo3::prelude::*;

use super::cell::GilCell;
use crate::flow::Credit;

/// The engine's side of a source's event loop.
#[derive(Default)]
pub(crate) struct EventLoop {
    /// The loop and its main task, while it runs and was not cancelled.
    pub(super) main: GilCell<Option<Main>>,
    pub(super) waker: OnceLock<Waker>,
    /// Posts since a coroutine last let others run.
    pub(super) posts: GilCell<u32>,
    /// `run()` has been called, and has not come back: it does its work itself, without a loop.
    is_called: GilCell<bool>,
}

pub(super) struct Main {
    pub(super) event_loop: Py<PyAny>,
    pub(super) task: Py<PyAny>,
}

impl EventLoop {
    /// Cancels the main task, if there is one; once.
    ///
    /// # Errors
    /// When the loop refuses.
    pub(crate) fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let Some(main) = self.main.with(py, Option::take) else { return Ok(()) };
        let cancel = main.task.getattr(py, "cancel")?;
        main.event_loop.call_method1(py, "call_soon_threadsafe", (cancel,)).map(drop)
    }

    /// Sets whether `run()` is being called.
    pub(crate) fn set_called(&self, py: Python<'_>, is_called: bool) {
        self.is_called.with(py, |kept| *kept = is_called);
    }

    /// Tells whether `run()` is in the middle of its call, so that it is no coroutine.
    pub(crate) fn is_called(&self, py: Python<'_>) -> bool {
        self.is_called.with(py, |kept| *kept)
    }

    /// Runs `coroutine` on the loop; where there is none, it is closed.
    ///
    /// # Errors
    /// When the loop refuses.
    pub(crate) fn run_soon(&self, py: Python<'_>, coroutine: &Bound<'_, PyAny>) -> PyResult<()> {
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
    pub(crate) fn end(&self) {
        if let Some(waker) = self.waker.get() {
            // Nobody receives when it has ended.
            let _ = waker.orders.send(Order::End);
        }
    }

    /// True until that thread has come to its end.
    pub(crate) fn is_alive(&self) -> bool {
        self.waker.get().is_some_and(|waker| !waker.thread.is_finished())
    }
}

/// True when `value` is what calling a coroutine function gives.
pub(super) fn is_coroutine(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: an object that is alive.
    unsafe { pyo3::ffi::PyCoro_CheckExact(value.as_ptr()) != 0 }
}

/// True when `error` is asyncio's `CancelledError`.
pub(super) fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    let class = py.import("asyncio").and_then(|asyncio| asyncio.getattr("CancelledError"));
    class.is_ok_and(|class| error.is_instance(py, &class))
}

pub(super) enum Order {
    Call(Py<PyAny>),
    End,
}

/// The thread that waits for credit in the place of coroutines.
pub(super) struct Waker {
    pub(super) orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Waker {
    /// Starts the thread called `name`, which waits for `credit`.
    pub(super) fn start(name: String, credit: Arc<Credit>) -> std::io::Result<Self> {
        let (orders, receiver) = unbounded();
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
