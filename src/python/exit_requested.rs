//! `exit_requested` of `LogSource` and `LogFetcher`.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::fetcher::LogFetcher;
use super::kind::hosted;
use super::source::LogSource;
use super::type_name::type_name;

/// `exit_requested`, as a descriptor without `__set__`: a user's attribute of that name wins.
#[pyclass(frozen)]
struct ExitRequested;

#[pymethods]
impl ExitRequested {
    fn __get__(
        slf: Bound<'_, Self>,
        instance: Option<&Bound<'_, PyAny>>,
        _owner: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Some(instance) = instance else { return Ok(slf.into_any().unbind()) };
        let Some(hosted) = hosted(instance) else {
            return Err(PyTypeError::new_err(format!(
                "exit_requested: {} is no source",
                type_name(instance)
            )));
        };
        let requested = hosted.get().is_some_and(|attached| attached.exit.is_requested());
        Ok(PyBool::new(py, requested).to_owned().into_any().unbind())
    }
}

/// Adds it to both classes.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    for class in [py.get_type::<LogSource>(), py.get_type::<LogFetcher>()] {
        class.setattr("exit_requested", Py::new(py, ExitRequested)?)?;
    }
    Ok(())
}
