//! The interpreter's part of a thread that the engine has started: [`ThreadState`], [`keep_thread`].

use std::cell::RefCell;
use std::marker::PhantomData;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::template;

/// Keeps the interpreter's state of the calling thread, and with it its `threading.local`, between its visits: each
/// [`Python::attach`] would make one and drop it otherwise. The thread has a name in `threading` meanwhile.
pub(super) struct ThreadState {
    kept: *mut ffi::PyThreadState,
    ensured: ffi::PyGILState_STATE,
    /// It belongs to its thread.
    _thread: PhantomData<*mut ()>,
}

impl ThreadState {
    /// That of the calling thread, which is not attached; it is called `name`.
    pub(super) fn keep(name: &str) -> Self {
        // SAFETY: the thread is not attached, and a thread of the engine's is gone before the interpreter is.
        let ensured = unsafe { ffi::PyGILState_Ensure() };
        // SAFETY: this thread is attached since the line before.
        let py = unsafe { Python::assume_attached() };
        // A thread without its name is none the worse.
        let _ = py.import("inrush.threads").and_then(|threads| threads.call_method1("enter", (name,)));
        // SAFETY: attached, and nobody here goes on using the interpreter.
        let kept = unsafe { ffi::PyEval_SaveThread() };
        Self { kept, ensured, _thread: PhantomData }
    }
}

impl Drop for ThreadState {
    fn drop(&mut self) {
        // SAFETY: the state that `keep` saved on this thread, which is not attached.
        unsafe { ffi::PyEval_RestoreThread(self.kept) };
        // SAFETY: attached since the line before.
        let py = unsafe { Python::assume_attached() };
        let _ = py.import("inrush.threads").and_then(|threads| threads.call_method0("leave"));
        // SAFETY: what `keep` got, on the same thread, attached.
        unsafe { ffi::PyGILState_Release(self.ensured) };
    }
}

/// The interpreter's part of a thread, until the thread says that it ends.
struct Kept(Option<ThreadState>);

impl Drop for Kept {
    fn drop(&mut self) {
        // Too late for it: the interpreter may be gone.
        std::mem::forget(self.0.take());
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept(None)) };
}

/// Keeps the interpreter's part of the calling thread, which is called `name` there, up to [`end_thread`] or to the end
/// of the thread. Nothing is done on a thread that is attached: it is the interpreter's already.
pub(super) fn keep_thread(name: &str) {
    // SAFETY: it can be called on any thread.
    if unsafe { ffi::PyGILState_Check() } == 1 {
        return;
    }
    KEPT.with_borrow_mut(|kept| {
        if kept.0.is_none() {
            kept.0 = Some(ThreadState::keep(name));
            template::at_thread_end(end_thread);
        }
    });
}

/// Lets go of the interpreter's part of the calling thread, which is not attached.
pub(super) fn end_thread() {
    drop(KEPT.with_borrow_mut(|kept| kept.0.take()));
}
