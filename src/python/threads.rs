//! The engine's Python threads, those of sources and of their acknowledgements: [`start`].
//!
//! They are threads of `threading`, so that they have a name there. Where somebody has patched `threading`,
//! as gevent's and eventlet's `monkey_patch` do, such a thread is a greenlet of the thread that started it,
//! and only runs while that one waits in the library's own loop, which the engine's main thread never does.
//! There the thread is the system's, and `threading` knows it as one that it did not start.

use std::cell::Cell;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

use super::escape;

/// The names that `threading` takes from `_thread`, to start threads and to wait for them: as far as the
/// interpreter has them.
const TAKEN: [&str; 4] = ["_start_new_thread", "_start_joinable_thread", "_allocate_lock", "get_ident"];

/// The number of the calling thread, as `sys._current_frames()` has it; `threading.get_ident()` may give that
/// of a greenlet.
pub(crate) fn ident() -> u64 {
    // SAFETY: it cannot fail.
    unsafe { libc::pthread_self() }
}

thread_local! {
    /// True while the thread is not to wait for credit.
    static NEVER_WAITS: Cell<bool> = const { Cell::new(false) };
}

/// Has posts of the calling thread taken or refused at once, until what this gives is dropped: it is one that
/// brings messages on their way, and would wait for itself.
pub(super) fn never_waits() -> NeverWaits {
    NeverWaits(NEVER_WAITS.replace(true))
}

/// Tells whether a post of the calling thread may wait for credit.
pub(super) fn may_wait() -> bool {
    !NEVER_WAITS.get()
}

/// The guard of [`never_waits`].
pub(super) struct NeverWaits(bool);

impl Drop for NeverWaits {
    fn drop(&mut self) {
        NEVER_WAITS.set(self.0);
    }
}

/// Starts a thread called `name`, which calls `target`. It does not keep the process from its end.
///
/// # Errors
/// The system has no thread to give.
pub(crate) fn start(py: Python<'_>, name: &str, target: Py<PyAny>) -> PyResult<()> {
    let threading = py.import("threading")?;
    if is_patched(&threading) {
        py.import("inrush.threads")?.call_method0("prepare")?;
        return start_native(name.to_owned(), target);
    }
    let keywords = PyDict::new(py);
    keywords.set_item("target", target)?;
    keywords.set_item("name", name)?;
    keywords.set_item("daemon", true)?;
    threading.call_method("Thread", (), Some(&keywords))?.call_method0("start").map(drop)
}

/// Tells whether somebody has put functions of his own in the place of those that start threads, or make
/// locks.
fn is_patched(threading: &Bound<'_, PyModule>) -> bool {
    let is_own = |function: &Bound<'_, PyAny>| {
        let module = function.getattr("__module__").and_then(|module| escape::text_of(&module));
        function.is_instance_of::<PyCFunction>() && module.is_ok_and(|module| module == "_thread")
    };
    TAKEN.iter().any(|name| threading.getattr(*name).is_ok_and(|function| !is_own(&function)))
}

fn start_native(name: String, target: Py<PyAny>) -> PyResult<()> {
    let called = name.clone();
    let body = move || {
        Python::attach(|py| {
            // A thread without its name is none the worse.
            let _ = py.import("inrush.threads").and_then(|threads| threads.call_method1("enter", (name,)));
            if let Err(error) = target.call0(py) {
                error.write_unraisable(py, Some(target.bind(py)));
            }
            drop(target);
            let _ = py.import("inrush.threads").and_then(|threads| threads.call_method0("leave"));
        });
    };
    // A thread's name is a C string.
    let called = called.replace('\0', " ");
    std::thread::Builder::new().name(called).spawn(body)?;
    Ok(())
}
