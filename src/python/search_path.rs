//! The directories of a configuration's modules in `sys.path`: the Rust side of `inrush.search_path` and
//! `inrush.not_found`.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use super::exception;
use crate::config::{Config, Diagnostic};

/// The directories of `config`, as `inrush.search_path` takes them.
pub(super) fn directories(config: &Config) -> Vec<(String, &'static str)> {
    let shown = |(path, why): (std::path::PathBuf, _)| (path.to_string_lossy().into_owned(), why);
    config.python_directories().into_iter().map(shown).collect()
}

/// Puts the directories of `config` in front of `sys.path`, in the place of those that were put there before.
///
/// # Errors
/// What user code made of `sys.path` is no list of directories.
pub(super) fn set(py: Python<'_>, config: &Config) -> PyResult<()> {
    py.import("inrush.search_path")?.call_method1("set_directories", (directories(config),)).map(drop)
}

/// Puts the directories of `config` in front of `sys.path`; those that were put there before stay.
///
/// # Errors
/// As for [`set`].
pub(super) fn add(py: Python<'_>, config: &Config) -> PyResult<()> {
    py.import("inrush.search_path")?.call_method1("add_directories", (directories(config),)).map(drop)
}

/// `diagnostic` with what is to be said of `error`, the end of an import of `module`: its traceback, unless
/// it says only that there is no such module, and where the missing one was looked for.
pub(super) fn explain(py: Python<'_>, diagnostic: Diagnostic, module: &str, error: &PyErr) -> Diagnostic {
    let missing = missing(py, error);
    let is_itself = missing.as_deref().is_some_and(|missing| {
        module.strip_prefix(missing).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let diagnostic =
        if is_itself { diagnostic } else { diagnostic.with_note(exception::traceback(py, error)) };
    notes(py, error).into_iter().fold(diagnostic, Diagnostic::with_note)
}

/// The name of the module that an import did not find.
fn missing(py: Python<'_>, error: &PyErr) -> Option<String> {
    let value = error.value(py);
    if !value.is_instance_of::<PyImportError>() || value.get_type().name().ok()? != "ModuleNotFoundError" {
        return None;
    }
    value.getattr("name").ok()?.extract().ok()
}

/// The directories in which a missing module was looked for, and what lies near; nothing for errors that are
/// not about one.
pub(super) fn notes(py: Python<'_>, error: &PyErr) -> Vec<String> {
    let call = || py.import("inrush.not_found")?.call_method1("not_found", (error.value(py),))?.extract();
    // A hint that fails is none.
    call().unwrap_or_default()
}

/// The user's file that `module`, which was imported before, stands in the way of.
pub(super) fn shadowed(module: &Bound<'_, PyModule>) -> Vec<String> {
    let call = || -> PyResult<Vec<String>> {
        let (name, file) = (module.name()?, module.filename().ok());
        module.py().import("inrush.not_found")?.call_method1("shadowed", (name, file))?.extract()
    };
    call().unwrap_or_default()
}
