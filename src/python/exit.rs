//! The end of the process without Python's own: [`exit_now`], and what is to be done before ([`flush_stdout`]).

use std::ffi::c_int;

use pyo3::prelude::*;

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
    // SAFETY: the engine has written what it had, and runs nothing after this.
    unsafe { libc::_exit(code) }
}
