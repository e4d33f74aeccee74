//! The memory of `LogMessage` objects, used again.
//!
//! A source that makes a message and posts it lets go of it at once, a million times a second. The ordinary
//! way costs an allocation with a header for the cyclic collector, an entry in the collector's list, and the
//! same back. Here the memory of a dropped message is kept for the next one: at most [`KEEP`], in a stack that the GIL
//! guards. Messages made this way are not tracked by the collector (one that is part of a cycle through its own
//! bookmark is never freed).
//!
//! Only objects of exactly this class take part; those of Python subclasses go the ordinary way. What pyo3 puts into an
//! object beside the Rust value is nothing, for this class: [`set`] checks that by its size, and changes nothing
//! when it is not so.

use std::mem;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::LogMessage;
use crate::python::cell::GilCell;

/// Most objects kept: what a loop with a few messages at hand uses, and no more.
const KEEP: usize = 32;

struct Recycled {
    /// The class, once [`set`] has found that its objects can be used again.
    class: *mut ffi::PyTypeObject,
    /// What pyo3 would do with an object that is dropped.
    ordinary: Option<ffi::destructor>,
    /// Where in an object the value is.
    offset: usize,
    free: [*mut ffi::PyObject; KEEP],
    count: usize,
}

// SAFETY: the pointers are to a type that lives as long as the process and to memory that nobody else has; the cell that
// holds them is touched under the GIL alone.
unsafe impl Send for Recycled {}

static RECYCLED: GilCell<Recycled> = GilCell::new(Recycled {
    class: ptr::null_mut(),
    ordinary: None,
    offset: 0,
    free: [ptr::null_mut(); KEEP],
    count: 0,
});

/// Makes dropped objects of the class available to [`object`].
pub(super) fn set(py: Python<'_>) -> PyResult<()> {
    let sample = Py::new(py, LogMessage::make(py, None)?)?;
    let offset = ptr::from_ref(sample.get()) as usize - sample.as_ptr() as usize;
    let class = py.get_type::<LogMessage>().as_type_ptr();
    // SAFETY: the type is alive, and this thread holds the GIL.
    let size = unsafe { (*class).tp_basicsize };
    drop(sample);
    if size as usize != offset + size_of::<LogMessage>() {
        return Ok(());
    }
    // SAFETY: as above.
    let ordinary = unsafe { (*class).tp_dealloc };
    RECYCLED.with(py, |recycled| {
        (recycled.class, recycled.ordinary, recycled.offset) = (class, ordinary, offset);
    });
    // SAFETY: as above; no object of the class is being dropped at this moment.
    unsafe { (*class).tp_dealloc = Some(dealloc) };
    Ok(())
}

/// An object with `message` in it.
#[inline]
pub(super) fn object(py: Python<'_>, message: LogMessage) -> PyResult<*mut ffi::PyObject> {
    let found = RECYCLED.with(py, |recycled| {
        recycled.count = recycled.count.checked_sub(1)?;
        Some((recycled.free[recycled.count], recycled.class, recycled.offset))
    });
    let Some((object, class, offset)) = found else {
        let object = Py::new(py, message)?.into_ptr();
        // SAFETY: a new object of a class that the collector knows; untracking one is always allowed.
        unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
        return Ok(object);
    };
    // SAFETY: memory of an object of this class, which nobody else has.
    let object = unsafe { ffi::PyObject_Init(object, class) };
    // SAFETY: the value's place in it, which `dealloc` left empty.
    unsafe { object.wrapping_byte_add(offset).cast::<LogMessage>().write(message) };
    Ok(object)
}

/// What becomes of an object when its last reference goes.
unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let (class, ordinary, offset) =
        RECYCLED.with(py, |recycled| (recycled.class, recycled.ordinary, recycled.offset));
    // SAFETY: the object is still whole.
    if unsafe { ffi::Py_TYPE(object) } != class {
        if let Some(ordinary) = ordinary {
            // SAFETY: an object of a subclass, as pyo3 would have got it.
            unsafe { ordinary(object) };
        }
        return;
    }
    // SAFETY: untracking is always allowed, and must come before its parts go.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: the value is there, and nobody can reach it any more. Its parts are dropped outside of the cell, because
    // that may run code of the user's.
    drop(unsafe { object.wrapping_byte_add(offset).cast::<LogMessage>().read() });
    // SAFETY: the reference that every object of a heap type has.
    unsafe { ffi::Py_DECREF(class.cast()) };
    let kept = RECYCLED.with(py, |recycled| {
        let place = recycled.free.get_mut(recycled.count)?;
        *place = object;
        recycled.count += 1;
        Some(())
    });
    if kept.is_none() {
        // SAFETY: allocated by the class's `tp_alloc`, which belongs to the collector's allocator.
        unsafe { ffi::PyObject_GC_Del(object.cast()) };
    }
}

const _: () = assert!(mem::align_of::<LogMessage>() <= mem::align_of::<ffi::PyObject>());
