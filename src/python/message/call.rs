//! `LogMessage(...)` without the cost of a type's ordinary call.
//!
//! The interpreter calls a type through `tp_vectorcall` when it is set, which pyo3 does not offer, so [`set`]
//! sets it by hand. Python subclasses do not inherit the slot and take the ordinary way, `tp_new` and then
//! `tp_init`; so do calls with keywords or more than one argument.

use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::{LogMessage, recycle};
use crate::python::clock;

/// Makes calls of the class take the short way.
pub(super) fn set(py: Python<'_>) {
    let class = py.get_type::<LogMessage>();
    // SAFETY: the type is alive, and this thread holds the GIL: nobody calls it meanwhile.
    unsafe { (*class.as_type_ptr()).tp_vectorcall = Some(vectorcall) };
}

/// `LogMessage(...)` when the type itself is called: the way that costs least.
unsafe extern "C" fn vectorcall(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the arguments are those that the interpreter gave.
    if let Some(text) = unsafe { text_alone(py, arguments, count, names) }
        && let Some(object) = recycle::object(py, &text, clock::shared_head)
    {
        return object;
    }
    // SAFETY: the arguments are those that the interpreter gave, unchanged.
    unsafe { call_otherwise(class, arguments, count, names) }
}

/// Every other call. It is no part of the function before, which has no use for its frame.
#[inline(never)]
unsafe extern "C" fn call_otherwise(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: as above.
    if let Some(text) = unsafe { text_alone(py, arguments, count, names) } {
        let own_head = |py: Python<'_>| clock::begin_sharing(py).ok();
        return recycle::object(py, &text, own_head).unwrap_or_else(|| made(py, Some(&text)));
    }
    match count & !ffi::PY_VECTORCALL_ARGUMENTS_OFFSET {
        0 if names.is_null() => made(py, None),
        // SAFETY: the arguments are those that the interpreter gave, unchanged.
        count => unsafe { slow_call(class, arguments, count, names) },
    }
}

/// The argument of a call that has this one alone.
#[inline]
unsafe fn text_alone<'a>(
    py: Python<'_>,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> Option<Borrowed<'a, '_, PyAny>> {
    if count & !ffi::PY_VECTORCALL_ARGUMENTS_OFFSET != 1 || !names.is_null() {
        return None;
    }
    // SAFETY: one argument is there.
    let text = unsafe { *arguments };
    // SAFETY: the interpreter gives no null pointer; without this, it is compared with null.
    unsafe { hint::assert_unchecked(!text.is_null()) };
    // SAFETY: an argument is alive during the call.
    Some(unsafe { Borrowed::from_ptr(py, text) })
}

/// A new message, or null with an exception set.
#[inline(never)]
fn made(py: Python<'_>, message: Option<&Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    let make = || LogMessage::make(py, message).and_then(|message| Py::new(py, message));
    // A panic must not unwind into the interpreter.
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(Ok(object)) => object.into_ptr(),
        Ok(Err(error)) => {
            error.restore(py);
            std::ptr::null_mut()
        }
        Err(_) => {
            PyRuntimeError::new_err("LogMessage: internal error of the engine").restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Calls the type as the interpreter does without the slot.
#[cold]
#[inline(never)]
unsafe fn slow_call(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let call = || -> PyResult<Py<PyAny>> {
        // SAFETY: the interpreter gives a tuple of str, or null.
        let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) };
        let names = names.map(Bound::cast_into::<PyTuple>).transpose()?;
        let total = count + names.as_ref().map_or(0, PyTupleMethods::len);
        let given: &[*mut ffi::PyObject] = if total == 0 {
            &[]
        } else {
            // SAFETY: the positional arguments are there, and after them one value for each name.
            unsafe { std::slice::from_raw_parts(arguments, total) }
        };
        // SAFETY: an argument is alive during the call.
        let given = given.iter().map(|argument| unsafe { Bound::from_borrowed_ptr(py, *argument) });
        let mut given: Vec<_> = given.collect();
        let by_keyword = given.split_off(count);
        let positional = PyTuple::new(py, given)?;
        let keywords = PyDict::new(py);
        for (name, value) in names.iter().flatten().zip(by_keyword) {
            keywords.set_item(name, value)?;
        }
        // SAFETY: `type` is a static type, and reading a slot of it is sound.
        let Some(call) = (unsafe { ffi::PyType_Type.tp_call }) else {
            return Err(PyTypeError::new_err("cannot create LogMessage instances"));
        };
        // SAFETY: the call of a type with a tuple and a dict, as the interpreter does it.
        let made = unsafe { call(class, positional.as_ptr(), keywords.as_ptr()) };
        // SAFETY: a new reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, made) }.map(Bound::unbind)
    };
    match call() {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}
