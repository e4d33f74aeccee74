//! `LogMessage(...)` without the cost of a type's ordinary call.
//!
//! CPython calls a type through `tp_vectorcall` when it is set, which pyo3 does not offer, so [`set`] sets it by hand.
//! Python subclasses do not inherit the slot and take the ordinary way, `tp_new` and then `tp_init`; so do calls with
//! keywords or more than one argument.

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::LogMessage;

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
    let count = count & !(ffi::PY_VECTORCALL_ARGUMENTS_OFFSET);
    if count > 1 || !names.is_null() {
        // SAFETY: the arguments are those that the interpreter gave, unchanged.
        return unsafe { slow_call(class, arguments, count, names) };
    }
    let made = if count == 1 {
        // SAFETY: one argument is there, and it is alive during the call.
        let message = unsafe { Borrowed::from_ptr(py, *arguments) };
        LogMessage::make(py, Some(&message))
    } else {
        LogMessage::make(py, None)
    };
    match made.and_then(|made| Py::new(py, made)) {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Calls the type as the interpreter does without the slot.
unsafe fn slow_call(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let call = || -> PyResult<Py<PyAny>> {
        // SAFETY: `count` positional arguments are there, alive during the call.
        let given =
            (0..count).map(|index| unsafe { Borrowed::from_ptr(py, *arguments.add(index)) }.to_owned());
        let positional = PyTuple::new(py, given.collect::<Vec<_>>())?;
        let keywords = PyDict::new(py);
        if !names.is_null() {
            // SAFETY: the interpreter gives a tuple of str, or null.
            let names = unsafe { Borrowed::from_ptr(py, names) };
            for (index, name) in names.try_iter()?.enumerate() {
                // SAFETY: one value follows the positional arguments for each name.
                let value = unsafe { Borrowed::from_ptr(py, *arguments.add(count + index)) };
                keywords.set_item(name?, &*value)?;
            }
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
