//! Python text as text of the engine's: [`escaped`].
//!
//! A `str` may hold lone surrogates, as the name of a file does that is not UTF-8 (`os.fsdecode`), or what
//! JSON with `"\ud83d"` gives. No text of Rust's can, so they are written as Python writes them in a `repr`:
//! `\udce9`. Whatever goes from Python into the log, a diagnostic or a status comes through here, so that an
//! odd character costs none of the others.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The text of `text`, with lone surrogates escaped.
pub(crate) fn escaped(text: &Bound<'_, PyString>) -> String {
    if let Ok(text) = text.to_str() {
        return text.to_owned();
    }
    let encode = || -> PyResult<String> {
        let bytes = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
        Ok(String::from_utf8_lossy(bytes.cast::<PyBytes>()?.as_bytes()).into_owned())
    };
    encode().unwrap_or_else(|_| text.to_string_lossy().into_owned())
}

/// `str(value)`, escaped.
///
/// # Errors
/// What its `__str__` raises.
pub(crate) fn text_of(value: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(escaped(&value.str()?))
}

/// Type and text of `error`, in one line: `ValueError: no such log`.
pub(crate) fn summary(py: Python<'_>, error: &PyErr) -> String {
    let class = error.get_type(py);
    let class = class.qualname().map_or_else(|_| "an exception".to_owned(), |name| escaped(&name));
    match text_of(error.value(py).as_any()) {
        Ok(text) if text.is_empty() => class,
        Ok(text) => format!("{class}: {text}"),
        // A class whose own `__str__` raises still has a name.
        Err(_) => format!("{class}: (its text cannot be had: __str__() raises)"),
    }
}
