//! The thread that calls a source's `wakeup()`.
//!
//! Credit comes back on threads of the engine, which never attach to Python: they only pass the news on
//! to this thread. It is the source's own, so that a `wakeup()` that blocks holds up nobody else.
//!
//! It ends when it is told to ([`Wakeups::end`]), before the interpreter does: a thread that asks for the
//! GIL of an interpreter that is ending is ended by it, in the middle of what it does.

use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, unbounded};
use pyo3::prelude::*;

use super::attachment::Attachment;
use super::returned;

enum Order {
    Call,
    End,
}

/// The thread, for its source.
pub(crate) struct Wakeups {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Wakeups {
    /// Starts the thread, and calls `wakeup` whenever the source that has suspended itself may go on.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(wakeup: Py<PyAny>, attachment: &Arc<Attachment>) -> std::io::Result<Self> {
        let (orders, receiver) = unbounded();
        let name = format!("wakeup {}", attachment.id);
        let weak = Arc::downgrade(attachment);
        let thread = thread::Builder::new().name(name).spawn(move || serve(wakeup, &weak, &receiver))?;
        let order = orders.clone();
        attachment.lane.credit().set_on_resume(Box::new(move || {
            // Nobody receives when the source has ended: then nobody is to be woken up.
            let _ = order.send(Order::Call);
        }));
        Ok(Self { orders, thread })
    }

    /// Asks the thread to end after the call in which it is.
    pub(crate) fn end(&self) {
        // Nobody receives when it has ended.
        let _ = self.orders.send(Order::End);
    }

    /// True until it has come to its end.
    pub(crate) fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }
}

fn serve(wakeup: Py<PyAny>, attachment: &Weak<Attachment>, orders: &Receiver<Order>) {
    while let Ok(Order::Call) = orders.recv() {
        let Some(attachment) = attachment.upgrade() else { break };
        Python::attach(|py| {
            let woken = wakeup.bind(py).call0();
            if let Err(error) = returned::take(py, "wakeup", woken) {
                (attachment.report)(py, "wakeup", error);
            }
            drop(attachment);
        });
    }
    Python::attach(|_| drop(wakeup));
}
