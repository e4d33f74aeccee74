//! The end of the process: without Python's own ([`exit_now`]), and what is to be done before ([`flush_stdout`]); what is done at
//! any orderly end ([`at_exit`]).

use std::ffi::c_int;
use std::time::Duration;

use pyo3::prelude::*;

use crate::engine::log;
use crate::flow::signals;

/// How long the last lines of the log may take, where stderr takes them, in an orderly end.
const LAST_LINES: Duration = Duration::from_secs(3);
/// The same in an end that is overdue.
const LAST_LINES_NOW: Duration = Duration::from_secs(1);

/// Writes what Python's own streams hold back.
pub fn flush_stdout(py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        let stream = py.import("sys").and_then(|sys| sys.getattr(name));
        // A stream that the user's code closed has nothing to flush.
        let _ = stream.and_then(|stream| stream.call_method0("flush"));
    }
}

/// Ends the process at once, without Python's own end: a thread that does not end would block it.
pub fn exit_now(code: c_int) -> ! {
    // A fork of the engine's has a log without a writer, which holds nothing back.
    if !signals::is_fork() {
        log::flush(LAST_LINES_NOW);
    }
    // SAFETY: the engine has written what it had, and runs nothing after this.
    unsafe { libc::_exit(code) }
}

/// Waits until the log is written, within a bound.
pub fn flush_log() {
    log::flush(LAST_LINES);
}

/// Lets the last lines of the log out whenever the process ends with `exit`, also after the interpreter.
pub fn at_exit() {
    extern "C" fn flush() {
        flush_log();
    }
    // SAFETY: `flush` is a function for good, as this library is never unloaded, and cannot unwind out of C.
    // Without memory for one more function there is little left to say.
    let _ = unsafe { libc::atexit(flush) };
}
