//! A callback that forked, and whose child comes back from it: [`leave`].
//!
//! The child has a copy of the calling thread and of no other: nobody there routes, writes or acknowledges,
//! and whatever it did next would be done with the engine's own files: the end of the pid file, of the
//! control socket, a second file of statistics. So a child ends where the callback returns to the engine,
//! with the code that it asked for.
//!
//! Its last words have a bound. A thread of the parent's may have had the lock of stdout or stderr when it
//! forked, and in the child nobody lets go of that: whoever waits for it waits for ever.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::exception;
use super::exit::flush_stdout;
use crate::engine::exit::exit_now;
use crate::flow::signals;
use crate::printable;

/// The time that the child has to write what it still has.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Ends the process if it is a fork of the engine's; `result` is what the callback came to.
///
/// `exit(code)` is what it says, any other exception is written to stderr and is 1, everything else 0.
pub(crate) fn leave<T>(py: Python<'_>, result: &PyResult<T>) {
    if !signals::is_fork() {
        return;
    }
    let error = result.as_ref().err();
    let code = error.map_or(Some(0), |error| asked_code(py, error));
    let text = error.filter(|_| code.is_none()).map(|error| exception::traceback(py, error));
    let (done, is_done) = channel();
    let write = move || {
        Python::attach(|py| last_words(py, text.as_deref()));
        // The child waits for it, or has ended.
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        py.detach(move || is_done.recv_timeout(LAST_WORDS).ok());
    }
    exit_now(code.unwrap_or(1));
}

/// The code of `exit(code)`, if `error` is that.
fn asked_code(py: Python<'_>, error: &PyErr) -> Option<i32> {
    if !error.is_instance_of::<PySystemExit>(py) {
        return None;
    }
    let code = error.value(py).getattr("code").ok()?;
    if code.is_none() { Some(0) } else { code.extract().ok() }
}

/// Writes what ended the child, and what its streams hold back.
fn last_words(py: Python<'_>, traceback: Option<&str>) {
    if let Some(text) = traceback {
        // One text, with its end: the parent writes to the same place.
        let text = format!("{}\n", printable::message(text, usize::MAX));
        // A stderr that the child closed takes nothing.
        let _ = py.import("sys").and_then(|sys| sys.getattr("stderr")?.call_method1("write", (text,)));
    }
    flush_stdout(py);
}
