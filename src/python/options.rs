//! The Python side of a driver's configuration: the `options()` as a dict, and names.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use super::escape::escaped;
use super::returned::take;
use super::type_name::type_name;
use crate::config::{OptionValue, PythonClass, Spanned};

const METHOD: &str = "generate_persist_name";

/// The class as the configuration names it: with its module, unless it is the configuration's own.
pub(super) fn class_name(class: &Bound<'_, PyType>) -> String {
    let name = class.qualname().map_or_else(|_| "?".to_owned(), |name| escaped(&name));
    match class.module() {
        Ok(module) if module != "_syslogng_main" && module != "builtins" => {
            format!("{}.{name}", escaped(&module))
        }
        _ => name,
    }
}

/// The name under which the state of a driver is kept.
pub(super) struct PersistName<'a> {
    /// That of the configuration.
    pub(super) chosen: Option<&'a Spanned<String>>,
    /// The beginning of every name.
    pub(super) prefix: &'a str,
    /// The class of the driver.
    pub(super) class: &'a str,
}

impl PersistName<'_> {
    /// The answer of `generate`, a `generate_persist_name()` that is asked with the options `given`; `None`
    /// where there is none, or the configuration has a name.
    ///
    /// # Errors
    /// An exception, or an answer that is no text.
    pub(super) fn generated(
        &self,
        generate: Option<&Bound<'_, PyAny>>,
        given: &Bound<'_, PyDict>,
    ) -> PyResult<Option<String>> {
        let generate = generate.filter(|_| self.chosen.is_none());
        let Some(generate) = generate else { return Ok(None) };
        take(given.py(), METHOD, generate.call1((given,))).and_then(|name| text(&name)).map(Some)
    }

    /// The name of a driver that calls itself `name`.
    pub(super) fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// The name of the configuration, else one made of the class.
    pub(super) fn chosen(&self) -> String {
        match self.chosen {
            Some(name) => self.of(&name.value),
            None => format!("{}({})", self.prefix, self.class),
        }
    }
}

/// A `str` or `bytes` as text.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.to_owned());
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(String::from_utf8_lossy(bytes.as_bytes()).into_owned());
    }
    let given = type_name(value);
    Err(PyTypeError::new_err(format!("{METHOD}(): expected str or bytes, got {given}")))
}

/// The options as the Python side gets them: a new dict each time.
pub(super) fn options_dict<'py>(py: Python<'py>, class: &PythonClass) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in &class.options {
        match value {
            OptionValue::Str(text) => dict.set_item(name, text)?,
            OptionValue::Int(number) => dict.set_item(name, number)?,
            OptionValue::Float(number) => dict.set_item(name, number)?,
            OptionValue::Bool(flag) => dict.set_item(name, flag)?,
            OptionValue::List(items) => dict.set_item(name, items)?,
            OptionValue::Template(template) => {
                let inrush = py.import("inrush")?;
                let defaults = inrush.getattr("LogTemplateOptions")?.call0()?;
                let made = inrush.getattr("LogTemplate")?.call1((template.value.as_str(), defaults))?;
                dict.set_item(name, made)?;
            }
        }
    }
    Ok(dict)
}
