//! State that the GIL guards: [`GilCell`], and [`GilGuarded`] for values made of `Cell`s.

use std::cell::{Cell, UnsafeCell};

use pyo3::ffi;
use pyo3::prelude::*;

// The head of an object is a count and a type; that of a free-threaded build is twice as long.
const _: () = assert!(
    size_of::<ffi::PyObject>() == 2 * size_of::<usize>(),
    "Inrush needs a CPython with a GIL: free-threaded builds (3.14t, 3.15t) are not supported"
);

/// A value that is touched only by the thread that is attached to the interpreter.
///
/// Free-threaded builds of CPython have no such thread, and `-X gil=0` overrules a module that declares to
/// need one, so the crate does not compile for them.
#[derive(Debug, Default)]
pub(crate) struct GilCell<T> {
    value: UnsafeCell<T>,
    borrowed: Cell<bool>,
}

// SAFETY: both fields are touched only in `with`, which is given proof that this thread holds the GIL.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    /// A cell with `value` in it.
    pub(crate) const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), borrowed: Cell::new(false) }
    }

    /// Calls `work` with the value. `work` must not run Python code that could come back here: letting
    /// go of objects of unknown type, comparing, formatting.
    ///
    /// # Panics
    /// When `work` comes back here all the same. pyo3 makes an exception of it.
    #[inline]
    pub(crate) fn with<R>(&self, _py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.borrowed.replace(true), "used while it is being used");
        let _reset = Reset(&self.borrowed);
        // SAFETY: the GIL is held, and `borrowed` says that no other reference is out on this thread.
        work(unsafe { &mut *self.value.get() })
    }

    /// The value for a few instructions, without marking the cell as in use. `None`: it is in use.
    ///
    /// # Safety
    /// The reference is gone before anything else uses the cell: meanwhile no code of Python's runs, and none
    /// that comes back to the cell.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller promises that there is one reference at a time")]
    pub(crate) unsafe fn borrow_unmarked(&self, _py: Python<'_>) -> Option<&mut T> {
        if self.borrowed.get() {
            return None;
        }
        // SAFETY: the GIL is held, no other reference is out, and none is made while this one is.
        Some(unsafe { &mut *self.value.get() })
    }

    /// The value, when nobody else has the cell.
    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

struct Reset<'a>(&'a Cell<bool>);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A value made of `Cell`s, for the thread that holds the GIL: read and written piece by piece, so that
/// nobody borrows it.
#[derive(Debug)]
pub(crate) struct GilGuarded<T>(T);

// SAFETY: the value is reached through `get` alone, with proof that the thread holds the GIL. A reference
// cannot outlive that proof, nor be taken along where the GIL is given up: it is not `Send` where `T` is not
// `Sync`, and where it is, it may.
unsafe impl<T: Send> Sync for GilGuarded<T> {}

impl<T> GilGuarded<T> {
    /// `value`, guarded.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    #[inline]
    pub(crate) fn get<'a>(&'a self, _py: Python<'a>) -> &'a T {
        &self.0
    }
}
