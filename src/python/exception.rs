//! Python exceptions and stacks as text for the log.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::cell::GilCell;
use super::escape::{escaped, summary, text_of};

/// The observer of every exception that is told of: a test.
static OBSERVER: GilCell<Option<Py<PyList>>> = GilCell::new(None);

/// Appends every exception that is told of from now on to `list`, too.
pub(super) fn observe(py: Python<'_>, list: Option<Py<PyList>>) {
    drop(OBSERVER.with(py, |kept| std::mem::replace(kept, list)));
}

/// Appends `error` to the list of [`observe`], if there is one.
pub(super) fn tell(py: Python<'_>, error: &PyErr) {
    if let Some(list) = OBSERVER.with(py, |list| list.as_ref().map(|list| list.clone_ref(py))) {
        // Without memory for it nobody could be told either.
        let _ = list.bind(py).append(error.value(py));
    }
}

/// The traceback of `error`, as the interpreter prints it. Code of `python { }` blocks is compiled under
/// the configuration's own name and lines, so that is what it shows.
pub(crate) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    tell(py, error);
    let format = || -> PyResult<String> {
        let parts = (error.get_type(py), error.value(py), error.traceback(py));
        let lines = py.import("traceback")?.call_method1("format_exception", parts)?;
        text_of_lines(&lines)
    };
    format().unwrap_or_else(|_| summary(py, error))
}

/// The text of a list of lines.
fn text_of_lines(lines: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut text = String::new();
    for line in lines.try_iter()? {
        text.push_str(&escaped(line?.cast::<PyString>()?));
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// The stacks of all Python threads, each under its name.
pub(crate) fn stacks(py: Python<'_>) -> String {
    let find = || -> PyResult<Vec<String>> {
        let threads = py.import("threading")?.call_method0("enumerate")?.cast_into::<PyList>()?;
        let mut all = Vec::new();
        for thread in threads.iter() {
            let name = text_of(&thread.getattr("name")?)?;
            // It is None where the thread has not begun.
            let stack = thread.getattr("ident")?.extract().ok().and_then(|ident| stack(py, ident));
            all.push(format!("thread {name}:\n{}", stack.unwrap_or_else(|| "  it does not run".to_owned())));
        }
        Ok(all)
    };
    find().unwrap_or_else(|error| vec![format!("the threads cannot be listed: {error}")]).join("\n")
}

/// The stack of the Python thread `ident`, innermost call last; `None` when it has ended.
pub(crate) fn stack(py: Python<'_>, ident: u64) -> Option<String> {
    let find = || -> PyResult<Option<String>> {
        let frames = py.import("sys")?.call_method0("_current_frames")?.cast_into::<PyDict>()?;
        let Some(frame) = frames.get_item(ident)? else { return Ok(None) };
        let lines = py.import("traceback")?.call_method1("format_stack", (frame,))?;
        text_of_lines(&lines).map(Some)
    };
    find().ok().flatten()
}
