//! The memory of `LogMessage` objects, used again.
//!
//! A source that makes a message and posts it lets go of it at once, a million times a second. The ordinary
//! way costs an allocation with a header for the cyclic collector, an entry in the collector's list, and the
//! same back. Here the memory of a dropped message is kept for the next one: at most [`KEEP`], in a stack
//! that the GIL guards. A kept object keeps its type, and the reference to it that every object of a heap
//! type has, so that taking it out again is one count from 0 to 1.
//!
//! Messages are not tracked by the collector, whichever way they were made: [`alloc`] is the class's
//! `tp_alloc` (one that is part of a cycle through its own bookmark is never freed).
//!
//! Only objects of exactly this class take part; those of Python subclasses go the ordinary way. What pyo3
//! puts into an object beside the Rust value is nothing, for this class: [`set`] checks that by the value's
//! place and the object's size, and changes nothing when it is not so.

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::{Draft, LazyDraft, LogMessage, Payload, exact_text};
use crate::message::Head;
use crate::python::cell::GilCell;
use crate::python::clock;
use crate::python::parse_options::ParseOptions;

/// Most objects kept: those of a batch that a parser gets at once, and no more.
const KEEP: usize = 1024;
/// The offset of the value in an object.
const VALUE: usize = size_of::<ffi::PyObject>();

/// The class.
static CLASS: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(ptr::null_mut());

struct Recycled {
    /// The function by which pyo3 drops an object.
    ordinary: Option<ffi::destructor>,
    free: [*mut ffi::PyObject; KEEP],
    count: usize,
}

// SAFETY: the pointers are to memory that nobody else has; the cell that holds them is touched under the GIL
// alone.
unsafe impl Send for Recycled {}

static RECYCLED: GilCell<Recycled> =
    GilCell::new(Recycled { ordinary: None, free: [ptr::null_mut(); KEEP], count: 0 });

/// Makes dropped objects of the class available to [`object`].
pub(super) fn set(py: Python<'_>) -> PyResult<()> {
    let sample = Py::new(py, LogMessage::make(py, None)?)?;
    let offset = ptr::from_ref(sample.get()) as usize - sample.as_ptr() as usize;
    let class = py.get_type::<LogMessage>().as_type_ptr();
    CLASS.store(class, Ordering::Relaxed);
    // SAFETY: the type is alive, and this thread holds the GIL.
    let size = unsafe { (*class).tp_basicsize };
    drop(sample);
    if offset != VALUE || size as usize != VALUE + size_of::<LogMessage>() {
        return Ok(());
    }
    // SAFETY: as above.
    let ordinary = unsafe { (*class).tp_dealloc };
    RECYCLED.with(py, |recycled| recycled.ordinary = ordinary);
    // SAFETY: as above; no object of the class is being made or dropped at this moment.
    unsafe { (*class).tp_dealloc = Some(dealloc) };
    // SAFETY: as above.
    unsafe { (*class).tp_alloc = Some(alloc) };
    Ok(())
}

/// `message` as a [`LogMessage`], when it is exactly that.
#[inline]
pub(in crate::python) fn exact<'a>(message: &'a Bound<'_, PyAny>) -> Option<&'a LogMessage> {
    if message.get_type_ptr() != CLASS.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: it is of the class.
    Some(unsafe { message.cast_unchecked::<LogMessage>() }.get())
}

/// An object with a new message in it, the text of which is `text` and the rest `head`, when that is a short
/// way: there is a head and a kept object, and the text is one that [`exact_text`] gives. Nothing in it
/// unwinds.
#[inline]
pub(super) fn object(
    py: Python<'_>,
    text: &Bound<'_, PyAny>,
    head: impl FnOnce(Python<'_>) -> Option<Head>,
) -> Option<*mut ffi::PyObject> {
    let bytes = exact_text(text)?;
    let head = head(py)?;
    let object = take(py)?;
    let payload = Payload::of_text(text, bytes);
    let message = LogMessage { draft: LazyDraft::new(Draft::with(head, payload)) };
    // SAFETY: the value's place in it, which nothing is in.
    unsafe { object.wrapping_byte_add(VALUE).cast::<LogMessage>().write(message) };
    Some(object)
}

/// An object with a message in it that is made of the text `raw`, to be parsed as `options` say, when that is
/// a short way. Nothing in it unwinds.
#[inline]
pub(super) fn unparsed(
    py: Python<'_>,
    raw: &Bound<'_, PyAny>,
    options: &Bound<'_, ParseOptions>,
) -> Option<*mut ffi::PyObject> {
    let bytes = exact_text(raw)?;
    let head = clock::try_head_of_message(py).ok()?;
    let object = take(py)?;
    let mut draft = Draft::with(head, Payload::of_text(raw, bytes));
    draft.unparsed = Some(options.clone().unbind());
    // SAFETY: the value's place in it, which nothing is in.
    unsafe {
        object
            .wrapping_byte_add(VALUE)
            .cast::<LogMessage>()
            .write(LogMessage { draft: LazyDraft::new(draft) });
    }
    Some(object)
}

/// An object with `message` in it.
#[inline]
pub(super) fn object_of(py: Python<'_>, message: LogMessage) -> PyResult<*mut ffi::PyObject> {
    let Some(object) = take(py) else { return Ok(Py::new(py, message)?.into_ptr()) };
    // SAFETY: the value's place in it, which nothing is in.
    unsafe { object.wrapping_byte_add(VALUE).cast::<LogMessage>().write(message) };
    Ok(object)
}

/// A kept object with one reference, and no value in it yet.
#[inline]
fn take(py: Python<'_>) -> Option<*mut ffi::PyObject> {
    // SAFETY: gone at the end of this function, which moves a pointer and numbers.
    let recycled = unsafe { RECYCLED.borrow_unmarked(py) }?;
    let count = recycled.count.checked_sub(1)?;
    let object = *recycled.free.get(count)?;
    recycled.count = count;
    // SAFETY: memory of an object of the class, which nobody else has; its count is 0 since it was dropped.
    unsafe { ffi::Py_INCREF(object) };
    Some(object)
}

/// The class's `tp_alloc`: an object of zeroes, which the collector does not track.
unsafe extern "C" fn alloc(class: *mut ffi::PyTypeObject, items: ffi::Py_ssize_t) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let own = CLASS.load(Ordering::Relaxed) == class;
    if own && let Some(object) = take(py) {
        // SAFETY: the value's place in it, which nothing is in.
        unsafe { object.wrapping_byte_add(VALUE).cast::<LogMessage>().write_bytes(0, 1) };
        return object;
    }
    // SAFETY: what the interpreter would have called.
    let object = unsafe { ffi::PyType_GenericAlloc(class, items) };
    if own && !object.is_null() {
        // SAFETY: a new object of a class that the collector knows; untracking one is always allowed.
        unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    }
    object
}

/// Frees an object whose last reference goes.
unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the object is still whole.
    if unsafe { ffi::Py_TYPE(object) } == CLASS.load(Ordering::Relaxed) {
        // SAFETY: the value is there.
        let message = unsafe { &*object.wrapping_byte_add(VALUE).cast::<LogMessage>() };
        // SAFETY: gone when the pointer is out of it.
        let text = unsafe { message.draft.borrow_unmarked(py) }.and_then(Draft::only_object);
        if let Some(text) = text
            && keep(py, object)
        {
            // SAFETY: the reference that the value had, which nobody will look at any more. Last, as it may
            // run code of the user's.
            return unsafe { ffi::Py_DECREF(text) };
        }
    }
    // SAFETY: the object is as the interpreter gave it.
    unsafe { dealloc_otherwise(py, object) }
}

/// Keeps the memory of an object, if there is a place for it; then nobody may look at what is in it.
#[inline]
fn keep(py: Python<'_>, object: *mut ffi::PyObject) -> bool {
    // SAFETY: gone at the end of this function, which moves a pointer and a number.
    let recycled = unsafe { RECYCLED.borrow_unmarked(py) };
    let kept = recycled.and_then(|recycled| {
        let place = recycled.free.get_mut(recycled.count)?;
        *place = object;
        recycled.count += 1;
        Some(())
    });
    kept.is_some()
}

/// Frees an object that has more than a text, or no place among those that are kept.
#[inline(never)]
unsafe fn dealloc_otherwise(py: Python<'_>, object: *mut ffi::PyObject) {
    // SAFETY: the object is still whole.
    if unsafe { ffi::Py_TYPE(object) } != CLASS.load(Ordering::Relaxed) {
        // SAFETY: an object of a subclass, as the interpreter gave it.
        return unsafe { dealloc_other(py, object) };
    }
    // SAFETY: the value is there, and nobody can reach it any more. Its parts are let go outside of the cell,
    // because that may run code of the user's.
    let message = unsafe { object.wrapping_byte_add(VALUE).cast::<LogMessage>().read() };
    message.draft.into_inner().let_go(py);
    if !keep(py, object) {
        // SAFETY: nobody has the object, and its value is gone.
        unsafe { free(object) };
    }
}

/// Frees an object of a subclass.
#[cold]
#[inline(never)]
unsafe fn dealloc_other(py: Python<'_>, object: *mut ffi::PyObject) {
    // SAFETY: gone at once.
    let recycled = unsafe { RECYCLED.borrow_unmarked(py) };
    if let Some(ordinary) = recycled.and_then(|recycled| recycled.ordinary) {
        // SAFETY: the caller's promise; pyo3 would have got it so.
        unsafe { ordinary(object) };
    }
}

/// Frees an object of the class, without a value in it, that is not kept.
#[cold]
#[inline(never)]
unsafe fn free(object: *mut ffi::PyObject) {
    // SAFETY: the caller's promise.
    let class = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: allocated by `alloc`, which takes memory of the collector's allocator.
    unsafe { ffi::PyObject_GC_Del(object.cast()) };
    // SAFETY: the reference that every object of a heap type has.
    unsafe { ffi::Py_DECREF(class.cast()) };
}

const _: () = assert!(mem::align_of::<LogMessage>() <= mem::align_of::<ffi::PyObject>());
