//! `post_message`, the hot method, in CPython's fast calling convention.
//!
//! pyo3 has no way to say that a method takes one positional argument nearly always: its own methods
//! unpack names first. So the method's descriptor is made by hand.

use std::ffi::CStr;
use std::hint;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use super::LogSource;
use crate::python::attachment::{Attachment, Post, Wait};

/// `post_message(msg, bookmark=None)`.
unsafe extern "C" fn post_message(
    instance: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the arguments are those that the interpreter gave.
    if let Some((attached, message)) = unsafe { message_alone(py, instance, arguments, count, names) }
        && attached.post_fast(py, &message)
    {
        return py.None().into_ptr();
    }
    // SAFETY: as the interpreter gave it.
    unsafe { post_otherwise(instance, arguments, count, names) }
}

/// Posts what cannot be posted at once, and reports every mistake. It is no part of the function before,
/// which has no use for its frame.
#[inline(never)]
unsafe extern "C" fn post_otherwise(
    instance: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: as above.
    let alone = unsafe { message_alone(py, instance, arguments, count, names) };
    if let Some((attached, message)) = &alone
        && (attached.post_bare_fast(py, message) || attached.post_unparsed_fast(py, message))
    {
        return py.None().into_ptr();
    }
    let call = || {
        if let Some((attached, message)) = &alone
            && (attached.post_view_fast(py, message)
                || attached.renew_fast_posts(py)
                    && (attached.call_post_fast(py, message) || attached.post_view_fast(py, message)))
        {
            return py.None().into_ptr();
        }
        // SAFETY: the descriptor of the method gives an instance that is alive during the call.
        let source = unsafe { Borrowed::from_ptr(py, instance) };
        // SAFETY: the descriptor checks that the instance is a `LogSource` before it calls.
        let source = unsafe { source.cast_unchecked::<LogSource>() };
        // SAFETY: the arguments are those that the interpreter gave, unchanged.
        match unsafe { post(py, source.get(), arguments, count as usize, names) } {
            Ok(()) => py.None().into_ptr(),
            Err(error) => {
                error.restore(py);
                std::ptr::null_mut()
            }
        }
    };
    // A panic must not unwind into the interpreter.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| internal_error(py))
}

#[cold]
#[inline(never)]
fn internal_error(py: Python<'_>) -> *mut ffi::PyObject {
    PyRuntimeError::new_err("post_message: internal error of the engine").restore(py);
    std::ptr::null_mut()
}

/// The source's way into the engine and the message, where a message is all that was given and there is a
/// way.
///
/// What is called with them before `catch_unwind`, which costs a tenth of a post, may not panic: it takes
/// cells with `borrow_unmarked`, and asks for bounds with functions that give `None`. Then nothing is done there, and
/// the ordinary way, under `catch_unwind`, says what is wrong.
#[inline]
unsafe fn message_alone<'a>(
    py: Python<'_>,
    instance: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> Option<(&'a Attachment, Borrowed<'a, '_, PyAny>)> {
    if count != 1 || !names.is_null() {
        return None;
    }
    // SAFETY: the interpreter gives no null pointer; without this, each is compared with null.
    unsafe { hint::assert_unchecked(!instance.is_null()) };
    // SAFETY: the descriptor gives an instance, which is alive during the call.
    let source = unsafe { Borrowed::<PyAny>::from_ptr(py, instance) };
    // SAFETY: the descriptor checks that it is a `LogSource`.
    let source = unsafe { source.cast_unchecked::<LogSource>() };
    // SAFETY: one argument is there.
    let message = unsafe { *arguments };
    // SAFETY: as above.
    unsafe { hint::assert_unchecked(!message.is_null()) };
    // SAFETY: an argument is alive during the call.
    let message = unsafe { Borrowed::from_ptr(py, message) };
    Some((source.get().hosted.get()?, message))
}

/// Posts what cannot be posted at once.
#[inline(never)]
unsafe fn post(
    py: Python<'_>,
    source: &LogSource,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> PyResult<()> {
    // SAFETY: the caller's promise.
    let (message, bookmark) = unsafe { named_arguments(py, arguments, count, names)? };
    let attached = source.running("post_message")?;
    if let Some(bookmark) = bookmark.filter(|bookmark| !bookmark.is_none()) {
        return attached.post_with_bookmark(py, &message, &bookmark, "post_message").map(drop);
    }
    attached.post(py, &message, Post { method: "post_message", wait: Wait::Yes }).map(drop)
}

type Arguments<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// The arguments of `post_message`.
unsafe fn named_arguments(
    py: Python<'_>,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> PyResult<Arguments<'_>> {
    let value = |index: usize| {
        // SAFETY: the caller's promise: `count` values, then one for each name.
        let place = unsafe { arguments.add(index) };
        // SAFETY: as above.
        let value = unsafe { *place };
        // SAFETY: an argument is alive during the call.
        unsafe { Borrowed::from_ptr(py, value) }.to_owned()
    };
    let mut given = [(count > 0).then(|| value(0)), (count > 1).then(|| value(1))];
    if count > 2 {
        let text = format!("post_message() takes at most 2 arguments ({count} given)");
        return Err(PyTypeError::new_err(text));
    }
    if !names.is_null() {
        // SAFETY: the interpreter gives a tuple of str.
        let names = unsafe { Borrowed::from_ptr(py, names) };
        if count == 1
            && let Ok(names) = names.cast_exact::<PyTuple>()
            && let [name] = names.as_slice()
            && name.is(intern!(py, "bookmark"))
        {
            // Names in code are interned: nearly every call with a bookmark ends here.
            return Ok((value(0), Some(value(1))));
        }
        for (index, name) in names.try_iter()?.enumerate() {
            let name = name?;
            let place = match name.extract::<String>()?.as_str() {
                "msg" => 0,
                "bookmark" => 1,
                other => {
                    let text = format!("post_message() got an unexpected keyword argument '{other}'");
                    return Err(PyTypeError::new_err(text));
                }
            };
            if given[place].replace(value(count + index)).is_some() {
                let text = format!("post_message() got multiple values for argument '{name}'");
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    let [message, bookmark] = given;
    let missing = || PyTypeError::new_err("post_message() missing 1 required argument: 'msg'");
    Ok((message.ok_or_else(missing)?, bookmark))
}

const POST_MESSAGE_DOC: &CStr = c"post_message($self, msg, bookmark=None)\n--\n\n\
Posts a message (LogMessage, str or bytes). Waits for credit without the GIL.\n\n\
Raises TypeError for anything else, RuntimeError before the start and after the stop.";

struct Definition(ffi::PyMethodDef);

// SAFETY: pointers to texts and code, which nobody writes.
unsafe impl Sync for Definition {}

/// The definition of the method for its descriptors.
static DEFINITION: Definition = Definition(ffi::PyMethodDef {
    ml_name: c"post_message".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: post_message },
    ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
    ml_doc: POST_MESSAGE_DOC.as_ptr(),
});

/// The descriptor of the method, for `class`, which is `LogSource` or derives from it.
pub(super) fn method<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let definition = (&raw const DEFINITION.0).cast_mut();
    // SAFETY: the type is alive, and the definition is never freed; the interpreter keeps a pointer to it,
    // and does not write there.
    let descriptor = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(class.py(), descriptor) }
}

/// Gives `class`, which inherits the method, a descriptor of its own for it.
///
/// From CPython 3.11 on the interpreter calls a method in C without a detour where the object is of exactly
/// the class that the descriptor was made for. For an object of a subclass it finds at each call that it is
/// not, and takes the general way. A class with a `post_message` of its own, or of a base that is not
/// `LogSource`, keeps that.
///
/// # Errors
/// What setting an attribute of the class raises.
pub(super) fn give_own(class: &Bound<'_, PyType>) -> PyResult<()> {
    let (py, name) = (class.py(), intern!(class.py(), "post_message"));
    let inherited = py.get_type::<LogSource>().getattr(name)?;
    if class.getattr(name)?.is(&inherited) {
        // Not by the class's own type, which may have code of the user's for it.
        py.get_type::<PyType>().call_method1(intern!(py, "__setattr__"), (class, name, method(class)?))?;
    }
    Ok(())
}
