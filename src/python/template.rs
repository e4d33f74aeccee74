//! `LogTemplate`: a template that Python compiles once and formats with messages.
//!
//! It writes what a destination with the same text would write. A message of Python's own is posted into a batch of
//! its own for that, as for its macros; one of the engine's is read where it is.

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::clock;
use super::message::LogMessage;
use super::type_name::type_name;
use crate::template::this_process;
use crate::template::{Context, Options, Template, TimeZoneUse};

create_exception!(syslogng, LogTemplateException, PyException, "A template's text is wrong.");

/// `LTZ_LOCAL`: times in the zone of `local-time-zone()`.
const LOCAL: u32 = 0;
/// `LTZ_SEND`: times in the zone of `send-time-zone()`.
const SEND: u32 = 1;

/// The options of templates: those of a destination (`self.template_options`), or the defaults.
#[pyclass(module = "syslogng", frozen)]
pub struct LogTemplateOptions {
    options: Options,
}

impl LogTemplateOptions {
    /// Those of a driver.
    pub(super) fn of(options: &Options) -> Self {
        Self { options: options.clone() }
    }
}

#[pymethods]
impl LogTemplateOptions {
    #[new]
    #[pyo3(signature = (template_options=None, /))]
    fn new(template_options: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let given = template_options.map(options_of).transpose()?.flatten();
        Ok(given.map_or_else(|| Self { options: Options::default() }, |given| Self::of(&given.get().options)))
    }
}

/// The options that `value` is; [`None`] is none.
fn options_of<'a, 'py>(value: &'a Bound<'py, PyAny>) -> PyResult<Option<&'a Bound<'py, LogTemplateOptions>>> {
    if value.is_none() {
        return Ok(None);
    }
    value.cast::<LogTemplateOptions>().map(Some).map_err(|_| {
        PyTypeError::new_err(format!(
            "options: expected LogTemplateOptions or None, got {}",
            type_name(value)
        ))
    })
}

/// A template, compiled once.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogTemplate {
    text: String,
    template: Template,
    options: Option<Py<LogTemplateOptions>>,
}

#[pymethods]
impl LogTemplate {
    #[new]
    #[pyo3(signature = (template, options=None, /))]
    fn new(template: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Ok(text) = template.cast::<PyString>() else {
            let given = type_name(template);
            return Err(PyTypeError::new_err(format!("template: expected str, got {given}")));
        };
        let text = text.to_str()?.to_owned();
        let template = Template::compile(&text)
            .map_err(|error| LogTemplateException::new_err(format!("template {text:?}: {error}")))?;
        let options = options.map(options_of).transpose()?.flatten().map(|options| options.clone().unbind());
        Ok(Self { text, template, options })
    }

    /// Formats `msg`: what a destination with this template would write.
    ///
    /// `options` come before those that the template was made with. `RuntimeError`: there are neither. `tz` is `LTZ_SEND`
    /// or `LTZ_LOCAL`, `seqnum` what $SEQNUM gives, which messages of this host alone have.
    #[pyo3(signature = (msg, options=None, tz=None, seqnum=None))]
    #[pyo3(text_signature = "($self, msg, options=None, tz=1, seqnum=0)")]
    fn format<'py>(
        &self,
        msg: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyAny>>,
        tz: Option<u32>,
        seqnum: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = msg.py();
        let Ok(message) = msg.cast::<LogMessage>() else {
            return Err(PyTypeError::new_err(format!("msg: expected LogMessage, got {}", type_name(msg))));
        };
        let given = options.map(options_of).transpose()?.flatten().map(Bound::get);
        let Some(options) = given.or_else(|| Some(self.options.as_ref()?.get())) else {
            let what = "no options: give LogTemplateOptions() to LogTemplate() or to format()";
            return Err(PyRuntimeError::new_err(what));
        };
        let use_of = match tz.unwrap_or(SEND) {
            LOCAL => TimeZoneUse::Local,
            SEND => TimeZoneUse::Send,
            other => {
                return Err(PyValueError::new_err(format!("tz: {other}, expected LTZ_LOCAL or LTZ_SEND")));
            }
        };
        let mut context = Context::new(&options.options, this_process(), use_of);
        (context.now, context.sequence) = (clock::now(py), seqnum.unwrap_or(0));
        let mut out = Vec::new();
        message.get().with_message(py, |message| self.template.format(message, &context, &mut out));
        Ok(PyBytes::new(py, &out))
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("LogTemplate({:?})", self.text)
    }
}

/// Adds the classes and numbers to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogTemplate>()?;
    module.add_class::<LogTemplateOptions>()?;
    module.add("LogTemplateException", module.py().get_type::<LogTemplateException>())?;
    module.add("LTZ_LOCAL", LOCAL)?;
    module.add("LTZ_SEND", SEND)
}
