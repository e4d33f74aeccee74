//! Classes of the user's code that `class()` names: whether each is what its driver needs.

use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyType, PyTypeMethods};

use super::destination::{self, LogDestination};
use super::escape::escaped;
use super::kind::Kind;
use super::parser::{self, LogParser};
use super::{callbacks, places};
use crate::config::{Config, Diagnostic, Spanned};
use crate::engine::Log;
use crate::source::{PythonDriver, PythonSourceOptions};

/// The classes that a driver could name.
#[derive(Clone, Copy)]
pub(super) struct Meant {
    /// The word for one of them.
    pub(super) what: &'static str,
    is: fn(&Bound<'_, PyType>) -> bool,
}

/// Sources and fetchers of the user's.
pub(super) const SOURCE: Meant = Meant {
    what: "source",
    is: |class| Kind::of(class).is_some_and(|kind| !class.is(kind.base(class.py()))),
};

/// Destinations of the user's.
pub(super) const DESTINATION: Meant = Meant { what: "destination", is: derives_from::<LogDestination> };

/// Parsers of the user's.
pub(super) const PARSER: Meant = Meant { what: "parser", is: derives_from::<LogParser> };

/// Tells whether `class` derives from `B`, and is not `B` itself.
fn derives_from<B: PyTypeInfo>(class: &Bound<'_, PyType>) -> bool {
    let base = class.py().get_type::<B>();
    !class.is(&base) && class.is_subclass(&base).unwrap_or(false)
}

impl Meant {
    /// The names of those in `module`.
    pub(super) fn names(self, module: &Bound<'_, PyModule>) -> Vec<String> {
        let is_one = |value: &Bound<'_, PyAny>| value.cast::<PyType>().is_ok_and(self.is);
        let names = module.dict();
        names.iter().filter(|(_, value)| is_one(value)).map(|(name, _)| format!("`{name}`")).collect()
    }
}

/// Checks that `class` can be what `options` say.
///
/// # Errors
/// It is no source, or one of its callbacks does nothing when it is called: at the place of `class()`.
pub(super) fn check_source(
    config: &Config,
    options: &PythonSourceOptions,
    class: &Bound<'_, PyType>,
) -> Result<(), Diagnostic> {
    let name = &options.class.name;
    let wrong = |message: String, help: Option<String>| config.error(name.span, message, help);
    let Some(kind) = Kind::of(class) else {
        let base = match options.driver {
            PythonDriver::Source => "LogSource",
            PythonDriver::Fetcher => "LogFetcher",
        };
        let is_taken =
            |other: &Bound<'_, PyAny>| other.getattr("__name__").is_ok_and(|name| name.to_string() == base);
        let taken = class.bases().iter().find(is_taken).and_then(|other| other.cast_into::<PyType>().ok());
        let help = match taken {
            Some(other) => format!(
                "derive it from syslogng.{base}: its base is `{}`, which has taken that name",
                full_name(&other)
            ),
            None => format!("derive it from syslogng.{base}"),
        };
        let message = format!("class `{}` does not derive from {base}", name.value);
        return Err(not_derived(config, name, class, message, help));
    };
    // The other way round is accepted: a fetcher named in python() is run as one.
    if options.driver == PythonDriver::Fetcher && kind == Kind::Source {
        let help = "derive it from syslogng.LogFetcher, or name it in python()".to_owned();
        return Err(wrong(format!("class `{}` is a LogSource, not a LogFetcher", name.value), Some(help)));
    }
    callbacks::check(class.as_any(), kind.callbacks(), &name.value)
        .map_err(|(what, help)| wrong(what, Some(help)))?;
    Ok(())
}

/// Checks that `class`, which `name` names, can be a destination.
///
/// # Errors
/// As [`check_derived`].
pub(super) fn check_destination(
    config: &Config,
    name: &Spanned<String>,
    class: &Bound<'_, PyType>,
    log: &Log,
) -> Result<(), Diagnostic> {
    check_derived::<LogDestination>(config, name, class, ("LogDestination", destination::CALLBACKS), log)
}

/// Checks that `class`, which `name` names, can be a parser.
///
/// # Errors
/// As [`check_derived`].
pub(super) fn check_parser(
    config: &Config,
    name: &Spanned<String>,
    class: &Bound<'_, PyType>,
    log: &Log,
) -> Result<(), Diagnostic> {
    check_derived::<LogParser>(config, name, class, ("LogParser", parser::CALLBACKS), log)
}

/// Checks that `class` derives from `B`, which is called `base`, and that its `callbacks` do their work when they are
/// called. Before `@version: 4.0` it need not derive from the base: then a warning says so.
///
/// # Errors
/// It does not derive from it, or one of its callbacks does nothing when it is called: at the place of `class()`.
fn check_derived<B: PyTypeInfo>(
    config: &Config,
    name: &Spanned<String>,
    class: &Bound<'_, PyType>,
    (base, callbacks): (&str, &[(&str, bool)]),
    log: &Log,
) -> Result<(), Diagnostic> {
    if !class.is_subclass(&class.py().get_type::<B>()).unwrap_or(false) {
        let message = format!("class `{}` does not derive from {base}", name.value);
        let help = format!("derive it from syslogng.{base}");
        if config.values_have_types() {
            return Err(not_derived(config, name, class, message, help));
        }
        log.diagnostic(&config.warning(name.span, message, Some(help)));
    }
    callbacks::check(class.as_any(), callbacks, &name.value)
        .map_err(|(what, help)| config.error(name.span, what, Some(help)))
}

/// Says of `class`, which `class()` found, what and where it is: another one may have taken the name.
fn not_derived(
    config: &Config,
    name: &Spanned<String>,
    class: &Bound<'_, PyType>,
    message: String,
    help: String,
) -> Diagnostic {
    let place = places::of_class(class);
    let in_blocks = place.as_ref().and_then(|place| places::in_blocks(config, place));
    if let Some(at) = in_blocks.or_else(|| places::class_in_blocks(config, class)) {
        return config.error_with(name.span, message, at, "the class", Some(help));
    }
    let found = match place {
        Some((file, line)) => format!("it is `{}` at {file}:{line}", full_name(class)),
        None => format!("it is `{}`", full_name(class)),
    };
    config.error(name.span, message, Some(help)).with_note(found)
}

/// The class with its module.
fn full_name(class: &Bound<'_, PyType>) -> String {
    let name = class.qualname().map_or_else(|_| "?".to_owned(), |name| escaped(&name));
    class.module().map_or_else(|_| name.clone(), |module| format!("{}.{name}", escaped(&module)))
}
