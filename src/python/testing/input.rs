//! The input of a test's lane, and what comes out: the configuration of one source, and messages as Python
//! sees them.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::collector::{Arrived, Collector};
use crate::config::{self, Config, Environment};
use crate::drivers::VOCABULARY;
use crate::engine::Log;
use crate::message::Release;
use crate::python::message::{LazyDraft, LogMessage, copy_of};
use crate::python::release::UnderGil;
use crate::source::Input;
use crate::source::PythonSourceOptions;

pub(super) fn refused(error: &impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// The configuration of one source, and its input into `collector`.
pub(super) fn make_input(
    text: &str,
    collector: &Collector,
    log: &Log,
    change: impl FnOnce(&mut PythonSourceOptions) -> PyResult<()>,
) -> PyResult<(Config, Input)> {
    let mut config =
        config::parse_str("test", text, &Environment::new(&VOCABULARY)).map_err(|e| refused(&e))?;
    for warning in &config.warnings {
        log.diagnostic(warning);
    }
    let Some((name, statement)) = config.sources.iter_mut().next() else {
        return Err(PyRuntimeError::new_err("the options of the source end its statement"));
    };
    let name = name.clone();
    let Some(driver) = statement.drivers_mut().next() else {
        return Err(PyRuntimeError::new_err("the options of the source end its driver"));
    };
    if let Some(options) = driver.options::<PythonSourceOptions>() {
        let mut changed = options.clone();
        change(&mut changed)?;
        driver.options = Arc::new(changed);
    }
    let driver = driver.clone();
    let release: Arc<dyn Release> = Arc::new(UnderGil);
    let input =
        Input::alone(&config, &name, &driver, collector.inbox(), log, &release).map_err(|e| refused(&e))?;
    Ok((config, input))
}

pub(super) fn python_options(input: &Input) -> PyResult<&PythonSourceOptions> {
    input.driver.options().ok_or_else(|| PyRuntimeError::new_err("not a Python source"))
}

/// A message that has arrived, as Python sees messages.
pub(super) fn to_python(py: Python<'_>, arrived: &Arrived) -> LogMessage {
    let draft = copy_of(py, arrived.message());
    LogMessage { draft: LazyDraft::new(draft) }
}
