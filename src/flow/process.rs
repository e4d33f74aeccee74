//! The end of the process, as the system has it: [`exit_now`], [`at_exit`].

use std::ffi::c_int;

/// Ends the process at once: no destructor runs, no function of [`at_exit`], and no thread is waited for.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: it may be called at any time, and does not come back.
    unsafe { libc::_exit(code) }
}

/// Has `last` called when the process ends with `exit`.
pub(crate) fn at_exit(last: extern "C" fn()) {
    // SAFETY: it is a function for good, as this library is never unloaded, and cannot unwind out of C.
    // Without memory for one more function there is little left to say.
    let _ = unsafe { libc::atexit(last) };
}
