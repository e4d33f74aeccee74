//! `LogMessage.parse`, in CPython's fast calling convention.
//!
//! It is called for every message that a syslog server of one's own takes in, so its two positional arguments
//! are taken as the interpreter has them. And it is a plain built-in function in the class's dictionary,
//! where pyo3 would put a `staticmethod` around one: a built-in has no `__get__`, so both behave alike,
//! called through the class, a subclass or an instance; but the interpreter finds the plain one by its
//! specialised instruction.

use std::ffi::CStr;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::{Draft, LazyDraft, LogMessage, Payload, recycle};
use crate::python::hosting::is_offline;
use crate::python::parse_options::ParseOptions;
use crate::python::type_name::type_name;

/// `parse(raw_msg, parse_options)`.
unsafe extern "C" fn entry(
    _module: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    if count == 2 && names.is_null() {
        // SAFETY: two arguments are there.
        let raw = unsafe { *arguments };
        // SAFETY: as above.
        let options = unsafe { arguments.add(1) };
        // SAFETY: as above.
        let options = unsafe { *options };
        // SAFETY: an argument is alive during the call.
        let raw = unsafe { Borrowed::from_ptr(py, raw) };
        // SAFETY: as above.
        let options = unsafe { Borrowed::from_ptr(py, options) };
        if let Ok(options) = options.cast_exact::<ParseOptions>()
            && let Some(object) = recycle::unparsed(py, &raw, &options)
        {
            return object;
        }
    }
    // SAFETY: the arguments are those that the interpreter gave, unchanged.
    let call = || unsafe { parsed(py, arguments, count as usize, names) };
    // A panic must not unwind into the interpreter.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(Ok(object)) => object,
        Ok(Err(error)) => {
            error.restore(py);
            std::ptr::null_mut()
        }
        Err(_) => {
            PyRuntimeError::new_err("parse: internal error of the engine").restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Makes what cannot be made the short way.
#[inline(never)]
unsafe fn parsed(
    py: Python<'_>,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    const NAMES: [&str; 2] = ["raw_msg", "parse_options"];
    // SAFETY: the interpreter gives a tuple of str, or null.
    let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) };
    let value = |index: usize| {
        // SAFETY: there are `count` values, then one for each name: the caller's promise.
        let place = unsafe { arguments.add(index) };
        // SAFETY: as above.
        let value = unsafe { *place };
        // SAFETY: an argument is alive during the call.
        unsafe { Borrowed::from_ptr(py, value) }.to_owned()
    };
    if count > NAMES.len() {
        let text = format!("LogMessage.parse() takes 2 positional arguments but {count} were given");
        return Err(PyTypeError::new_err(text));
    }
    let mut given = [(count > 0).then(|| value(0)), (count > 1).then(|| value(1))];
    for (index, name) in names.iter().flat_map(PyAnyMethods::try_iter).flatten().enumerate() {
        let name: String = name?.extract()?;
        let Some(place) = NAMES.iter().position(|known| *known == name) else {
            let text = format!("LogMessage.parse() got an unexpected keyword argument '{name}'");
            return Err(PyTypeError::new_err(text));
        };
        if given[place].replace(value(count + index)).is_some() {
            let text = format!("LogMessage.parse() got multiple values for argument '{name}'");
            return Err(PyTypeError::new_err(text));
        }
    }
    let [raw, options] = given;
    let missing = |name: &str| {
        PyTypeError::new_err(format!("LogMessage.parse() missing 1 required positional argument: '{name}'"))
    };
    let raw = raw.ok_or_else(|| missing(NAMES[0]))?;
    let options = options.ok_or_else(|| missing(NAMES[1]))?;
    recycle::object_of(py, unparsed(&raw, &options)?)
}

/// A message made of the syslog message in `raw`, which it keeps: its values are parts of it. It is parsed
/// when somebody looks, or by its post (see [`LazyDraft`]).
///
/// # Errors
/// `TypeError` when `raw` is neither `str` nor `bytes`, or `options` is no [`ParseOptions`]; `ValueError`
/// when it is too long. What does not parse is no error: it becomes a message that says so.
fn unparsed(raw: &Bound<'_, PyAny>, options: &Bound<'_, PyAny>) -> PyResult<LogMessage> {
    let py = raw.py();
    let defaults;
    let options = match options.cast::<ParseOptions>() {
        Ok(options) => options,
        // A source that was made by hand has the class's own None.
        Err(_) if options.is_none() && is_offline() => {
            defaults = Bound::new(py, ParseOptions::new(Arc::default()))?;
            &defaults
        }
        Err(_) => {
            let given = type_name(options);
            return Err(PyTypeError::new_err(format!(
                "parse_options: expected the parse_options of a source, got {given}"
            )));
        }
    };
    if !raw.is_instance_of::<PyString>() && !raw.is_instance_of::<PyBytes>() {
        let given = type_name(raw);
        return Err(PyTypeError::new_err(format!("raw_msg: expected str or bytes, got {given}")));
    }
    let mut draft = Draft::new(py);
    draft.payload = Payload::of(raw)?;
    draft.unparsed = Some(options.clone().unbind());
    Ok(LogMessage { draft: LazyDraft::new(draft) })
}

const DOC: &CStr = c"parse(raw_msg, parse_options)\n--\n\n\
Parses a syslog message (RFC 5424 or RFC 3164) as the source's flags(), format() and time-zone() say.\n\n\
`raw_msg` is str or bytes, `parse_options` the source's own `self.parse_options`; TypeError for anything else.\n\
What cannot be parsed becomes the text of a message that says so; it raises nothing.";

/// Puts the function into the class.
pub(super) fn set(py: Python<'_>) -> PyResult<()> {
    let function = ffi::PyMethodDef {
        ml_name: c"parse".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: entry },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    };
    // The function keeps a pointer to the definition: it lives as long as the process.
    let function = Box::leak(Box::new(function));
    // SAFETY: the definition is never freed.
    let function = unsafe { ffi::PyCFunction_NewEx(function, std::ptr::null_mut(), std::ptr::null_mut()) };
    // SAFETY: a new reference, or null with an exception set.
    let function = unsafe { Bound::from_owned_ptr_or_err(py, function) }?;
    let class = py.get_type::<LogMessage>();
    // The type is immutable for everyone else, so that setting an attribute is refused.
    // SAFETY: the type is alive, and this thread holds the GIL.
    let dict = unsafe { (*class.as_type_ptr()).tp_dict };
    // SAFETY: the dictionary, the name and the function are alive.
    let result = unsafe { ffi::PyDict_SetItemString(dict, c"parse".as_ptr(), function.as_ptr()) };
    if result < 0 {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: the type is alive; what was remembered of its attributes is forgotten.
    unsafe { ffi::PyType_Modified(class.as_type_ptr()) };
    Ok(())
}
