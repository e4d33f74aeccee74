//! The state that a `Persist` belongs to.
//!
//! It depends on when it is made:
//!
//! | made | the state |
//! |---|---|
//! | while an engine runs | the engine's: the one of `--persist-file`, or in memory, which is said |
//! | while a configuration is read: in its blocks, in modules that they import | `RuntimeError` |
//! | without an engine | one in memory, for the whole process |
//!
//! A fork of the engine's process (`os.fork`, `multiprocessing`) has a copy of the file's descriptor, which
//! would keep the file locked for as long as it lives, and no thread that writes: there the state is refused
//! and the descriptor let go.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::engine::Log;
use crate::python::cell::GilCell;
use crate::state::State;

/// The engine of this process, if there is one.
enum Engine {
    None,
    Runs { state: Arc<State>, log: Log, has_warned: bool },
}

static ENGINE: GilCell<Engine> = GilCell::new(Engine::None);
/// The state of a process without an engine.
static OFFLINE: OnceLock<Arc<State>> = OnceLock::new();

thread_local! {
    /// The number of configurations that this thread is about to read.
    static READING: Cell<u32> = const { Cell::new(0) };
    /// Tells whether this thread has saved something since it was last asked.
    static HAS_SAVED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread reads a configuration, and has no state.
pub(crate) struct Reading(());

impl Reading {
    /// Begins.
    pub(crate) fn begin() -> Self {
        READING.set(READING.get() + 1);
        Self(())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READING.set(READING.get() - 1);
    }
}

/// The calling thread has saved something.
pub(super) fn note_saved() {
    HAS_SAVED.set(true);
}

/// Tells whether the calling thread has saved something since [`take_saved`].
pub(crate) fn has_saved() -> bool {
    HAS_SAVED.get()
}

/// The same, and forgets it.
pub(crate) fn take_saved() -> bool {
    HAS_SAVED.take()
}

/// Waits, without the GIL, until what was saved is on the disk, or the disk refuses; without a file not at
/// all.
pub(crate) fn settle(py: Python<'_>) {
    let state = ENGINE.with(py, |engine| match engine {
        Engine::Runs { state, .. } => Some(Arc::clone(state)),
        Engine::None => None,
    });
    if let Some(state) = state {
        py.detach(|| state.settle());
    }
}

/// Makes `state` the one of every `Persist` from now on.
///
/// # Errors
/// The interpreter has no `os.register_at_fork`.
pub(crate) fn set_engine(py: Python<'_>, state: &Arc<State>, log: &Log) -> PyResult<()> {
    let engine = Engine::Runs { state: Arc::clone(state), log: log.clone(), has_warned: false };
    drop(ENGINE.with(py, |kept| std::mem::replace(kept, engine)));
    let forked = PyCFunction::new_closure(
        py,
        None,
        None,
        |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            after_fork(arguments.py());
        },
    )?;
    let keywords = PyDict::new(py);
    keywords.set_item("after_in_child", forked)?;
    py.import("os")?.call_method("register_at_fork", (), Some(&keywords)).map(drop)
}

/// Makes `state` the one of every `Persist` from now on, for a test.
pub(crate) fn set_test(py: Python<'_>, state: &Arc<State>, log: &Log) {
    let engine = Engine::Runs { state: Arc::clone(state), log: log.clone(), has_warned: true };
    drop(ENGINE.with(py, |kept| std::mem::replace(kept, engine)));
}

/// A `Persist` that is made from now on belongs to no engine.
pub(crate) fn unset_engine(py: Python<'_>) {
    drop(ENGINE.with(py, |kept| std::mem::replace(kept, Engine::None)));
}

fn after_fork(py: Python<'_>) {
    let descriptor = ENGINE.with(py, |engine| match engine {
        Engine::Runs { state, .. } => state.forked(),
        Engine::None => None,
    });
    let Some(descriptor) = descriptor else { return };
    // SAFETY: the path is a C string.
    let nowhere: c_int = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if nowhere >= 0 {
        // SAFETY: the descriptor is the state's, which this process does not use any more, and is replaced,
        // so that whoever closes it closes nothing else.
        unsafe { libc::dup2(nowhere, descriptor) };
        // SAFETY: it was opened above.
        unsafe { libc::close(nowhere) };
    }
}

/// The state that a new `Persist` belongs to.
pub(super) fn state(py: Python<'_>, name: &str) -> PyResult<Arc<State>> {
    if READING.get() > 0 {
        return Err(PyRuntimeError::new_err(
            "persist_state is not yet available: make a Persist in init() or later, not while the configuration is read",
        ));
    }
    let running = ENGINE.with(py, |engine| match engine {
        Engine::None => None,
        Engine::Runs { state, log, has_warned } => {
            let warns = state.path().is_none() && !std::mem::replace(has_warned, true);
            Some((Arc::clone(state), warns.then(|| log.clone())))
        }
    });
    let Some((state, warn)) = running else {
        return Ok(Arc::clone(OFFLINE.get_or_init(State::in_memory)));
    };
    if let Some(log) = warn {
        let text = format!(
            "Persist(\"{name}\"): the engine runs without --persist-file, so nothing of it is kept when the engine ends"
        );
        py.detach(|| log.warning(&text));
    }
    Ok(state)
}
