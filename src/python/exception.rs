//! Python exceptions and stacks as text for the log.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The traceback of `error`, as the interpreter prints it. Code of `python { }` blocks is compiled under
/// the configuration's own name and lines, so that is what it shows.
pub fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let lines = py.import("traceback")?.call_method1("format_exception", (error.value(py),))?;
        let lines: Vec<String> = lines.extract()?;
        Ok(lines.concat().trim_end().to_owned())
    };
    // A class whose own `__str__` raises still has a name.
    format().unwrap_or_else(|_| format!("exception of type {}", error.get_type(py)))
}

/// Where the Python thread `ident` stands, innermost call last; `None` when it has ended.
pub fn stack(py: Python<'_>, ident: u64) -> Option<String> {
    let find = || -> PyResult<Option<String>> {
        let frames = py.import("sys")?.call_method0("_current_frames")?.cast_into::<PyDict>()?;
        let Some(frame) = frames.get_item(ident)? else { return Ok(None) };
        let lines: Vec<String> = py.import("traceback")?.call_method1("format_stack", (frame,))?.extract()?;
        Ok(Some(lines.concat().trim_end().to_owned()))
    };
    find().ok().flatten()
}
