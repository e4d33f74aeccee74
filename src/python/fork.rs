//! A callback that forked, and whose child comes back from it: [`leave`].
//!
//! The child has a copy of the calling thread and of no other: nobody there routes, writes or acknowledges,
//! and whatever it did next would be done with the engine's own files: the end of the pid file, of the
//! control socket, a second file of statistics. So a child ends where the callback returns to the engine,
//! with the code that it asked for.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::exception;
use super::exit::flush_stdout;
use crate::engine::exit::exit_now;
use crate::flow::signals;
use crate::printable;

/// Ends the process if it is a fork of the engine's; `result` is what the callback came to.
///
/// `exit(code)` is what it says, any other exception is written to stderr and is 1, everything else 0.
pub(crate) fn leave<T>(py: Python<'_>, result: &PyResult<T>) {
    if !signals::is_fork() {
        return;
    }
    let code = match result {
        Ok(_) => 0,
        Err(error) => exit_code(py, error),
    };
    flush_stdout(py);
    exit_now(code);
}

fn exit_code(py: Python<'_>, error: &PyErr) -> i32 {
    if error.is_instance_of::<PySystemExit>(py)
        && let Ok(code) = error.value(py).getattr("code")
    {
        if code.is_none() {
            return 0;
        }
        if let Ok(code) = code.extract() {
            return code;
        }
    }
    // One text, with its end: the parent writes to the same place.
    let text = format!("{}\n", printable::message(&exception::traceback(py, error), usize::MAX));
    // A stderr that the child closed takes nothing.
    let _ = py.import("sys").and_then(|sys| sys.getattr("stderr")?.call_method1("write", (text,)));
    1
}
