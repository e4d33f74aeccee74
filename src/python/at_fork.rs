//! A fork of the process (`os.fork`, `multiprocessing` with "fork"), right after it was made: [`install`].
//!
//! The child has a copy of the thread that forked and of no other: nobody there takes what is posted, or
//! answers on the engine's sockets. So in the child
//!
//! * every lane is closed, and whoever posts is told so ([`refused`]); a post at once looks at its lane
//!   anyway;
//! * the engine's own descriptors ([`unshared`]) lead nowhere: a copy of a listening socket would keep its
//!   address taken when the engine is killed. They are replaced and not closed, so that whoever closes them
//!   later closes nothing else.
//!
//! What the child does with the state is in [`persist`](super::persist), and what ends it in
//! [`fork`](super::fork).

use std::ffi::c_int;
use std::sync::{Arc, Weak};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::cell::GilCell;
use crate::flow::Lane;
use crate::flow::unshared;

/// The lanes that a fork closes; `None` before the handler is installed.
static LANES: GilCell<Option<Vec<Weak<Lane>>>> = GilCell::new(None);

/// Has every later fork of this process see that it is one.
///
/// # Errors
/// The interpreter has no `os.register_at_fork`.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let is_installed = LANES.with(py, |lanes| {
        let is_installed = lanes.is_some();
        lanes.get_or_insert_default();
        is_installed
    });
    if is_installed {
        return Ok(());
    }
    let forked = |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| after_fork(arguments.py());
    let forked = PyCFunction::new_closure(py, None, None, forked)?;
    let keywords = PyDict::new(py);
    keywords.set_item("after_in_child", forked)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

/// Has every later fork close `lane`.
pub(crate) fn close_in_forks(py: Python<'_>, lane: &Arc<Lane>) {
    // Without it a fork has no end of its posts; everything else is as it was.
    let _ = install(py);
    LANES.with(py, |lanes| {
        if let Some(lanes) = lanes {
            lanes.retain(|other| other.strong_count() > 0);
            lanes.push(Arc::downgrade(lane));
        }
    });
}

/// The exception for a post in a fork.
pub(crate) fn refused(method: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{method}: this process is a fork of the engine's, and nobody here delivers; give the message to the process of the engine \
         (a pipe, a multiprocessing.Queue), and post it there"
    ))
}

fn after_fork(py: Python<'_>) {
    LANES.with(py, |lanes| {
        for lane in lanes.iter().flatten().filter_map(Weak::upgrade) {
            lane.close_in_fork();
        }
    });
    // SAFETY: the path is a C string.
    let nowhere: c_int = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if nowhere < 0 {
        return;
    }
    for descriptor in unshared::all() {
        // SAFETY: the descriptor is the engine's, whose threads are not here.
        unsafe { libc::dup3(nowhere, descriptor, libc::O_CLOEXEC) };
    }
    // SAFETY: it was opened above.
    unsafe { libc::close(nowhere) };
}
