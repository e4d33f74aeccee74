//! The call of an object's `init()`, which may refuse its configuration: [`call`].

use pyo3::prelude::*;

use super::options::options_dict;
use super::refusal::Refusal;
use super::truth::FalseResult;
use super::{fork, places, returned};
use crate::config::{Diagnostic, PythonClass};

/// Calls `init()` of `instance`, of a class called `name`, with the options of `class`. `prepare` comes before it.
///
/// # Errors
/// A false result or an exception, at the place of `class()`, in the options of a `driver`.
pub(super) fn call(
    instance: &Bound<'_, PyAny>,
    (class, name): (&PythonClass, &str),
    driver: &str,
    refusal: &Refusal<'_, '_>,
    prepare: impl FnOnce() -> PyResult<()>,
) -> Result<(), Diagnostic> {
    let py = instance.py();
    let called = || -> PyResult<Option<FalseResult>> {
        prepare()?;
        let Ok(init) = instance.getattr("init") else { return Ok(None) };
        let result = returned::take(py, "init", init.call1((options_dict(py, class)?,)))?;
        FalseResult::of(&init, &result)
    };
    let accepted = called();
    fork::leave(py, &accepted);
    match accepted {
        Ok(None) => Ok(()),
        Ok(Some(result)) => {
            let what = match result.described() {
                Some(described) => format!("init() of class `{name}` {described}"),
                None => format!("init() of class `{name}` returned false: it refuses these options"),
            };
            let (config, span) = (refusal.config, refusal.span);
            Err(places::error_of_method(config, (span, driver), result.place, what, None))
        }
        Err(error) => Err(refusal.for_exception(format!("init() of class `{name}` failed"), &error)),
    }
}
