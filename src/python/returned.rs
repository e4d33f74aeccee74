//! The result of a callback: [`take`], [`refuse_unfinished`].
//!
//! Nearly all callbacks return None or a bool, and none of the others may cost a start the import of
//! `inspect`: what a generator or a coroutine is shows in its type.

use pyo3::exceptions::PyTypeError;
use pyo3::types::{PyBool, PyString};
use pyo3::{ffi, intern, prelude::*};

use super::type_name::type_name;
use super::{escape, fork};

/// The result of `method`. A fork that comes back with it ends here.
///
/// # Errors
/// What the callback raised, or `TypeError` if it returned work that nobody will do.
pub(crate) fn take<'py>(
    py: Python<'py>,
    method: &str,
    result: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    fork::leave(py, &result);
    let result = result?;
    refuse_unfinished(&result, method)?;
    Ok(result)
}

/// Refuses what a call of `method` gave if the work is not done: a coroutine, a generator, anything that has
/// to be awaited.
///
/// # Errors
/// `TypeError`, with the place of the function that gave it.
pub(crate) fn refuse_unfinished(result: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
    if result.is_none() || result.is_instance_of::<PyBool>() {
        return Ok(());
    }
    let is = |of_type: unsafe fn(*mut ffi::PyObject) -> std::ffi::c_int| {
        // SAFETY: an object that is alive, whose type is looked at, with the GIL.
        unsafe { of_type(result.as_ptr()) != 0 }
    };
    let (what, code) = if is(ffi::PyGen_CheckExact) {
        ("a generator", "gi_code")
    } else if is(ffi::PyAsyncGen_CheckExact) {
        ("an asynchronous generator", "ag_code")
    } else if is(ffi::PyCoro_CheckExact) {
        ("a coroutine", "cr_code")
    } else if result.get_type().getattr_opt(intern!(result.py(), "__await__"))?.is_some() {
        ("an awaitable object", "")
    } else {
        return Ok(());
    };
    let place = result.getattr(code).ok().and_then(|code| place_of_code(&code));
    let place = place.map_or_else(|| format!(" ({})", type_name(result)), |place| format!(" of {place}"));
    if what != "an awaitable object" {
        // A coroutine that was never awaited would warn of that.
        let _ = result.call_method0("close");
    }
    Err(PyTypeError::new_err(format!(
        "{method}() returned {what}{place}, so nothing of it was done: it must do its work before it returns"
    )))
}

/// The place of the function of a code object: `FILE:LINE`.
pub(crate) fn place_of_code(code: &Bound<'_, PyAny>) -> Option<String> {
    let file = code.getattr("co_filename").ok()?;
    let line: u32 = code.getattr("co_firstlineno").ok()?.extract().ok()?;
    Some(format!("{}:{line}", escape::escaped(file.cast::<PyString>().ok()?)))
}
