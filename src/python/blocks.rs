//! The `python { }` blocks of a configuration, and the classes in them.
//!
//! All blocks run in one module, `_syslogng_main`, which is made anew for each configuration. A block is
//! compiled under the name of its file, with its own lines, so that a traceback shows what the user sees.

use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyType, PyTypeMethods};

use super::escape::escaped;
use super::kind::Kind;
use super::persist::Reading;
use super::{callbacks, exception, fork, generators, places, process, search_path};
use crate::config::{Config, Diagnostic, PythonBlock, SourceStatement, Spanned};
use crate::engine::Log;
use crate::source::{PythonDriver, PythonSourceOptions};

/// The module of the configuration's own code.
pub(crate) struct Blocks {
    module: Py<PyModule>,
}

impl Blocks {
    /// Runs the blocks of `config`, in order.
    ///
    /// # Errors
    /// The block that does not compile or raises, with its traceback.
    pub(crate) fn run(py: Python<'_>, config: &Config) -> Result<Self, Diagnostic> {
        let _reading = Reading::begin();
        generators::forget_those_of_blocks(py);
        let made = || -> PyResult<Bound<'_, PyModule>> {
            let module = PyModule::new(py, "_syslogng_main")?;
            module.setattr("__builtins__", py.import("builtins")?)?;
            py.import("sys")?.getattr("modules")?.set_item("_syslogng_main", &module)?;
            Ok(module)
        };
        let module = made().map_err(|error| Diagnostic::without_place(exception::traceback(py, &error)))?;
        for block in &config.python_blocks {
            if let Some(at) = config.nul_in(block) {
                // Python does not say where it is, and each version says something else.
                let help = "in a text it is written as \\0".to_owned();
                return Err(config.error(at, "Python code cannot have a NUL in it", Some(help)));
            }
            let ran = run_block(py, &module, block);
            fork::leave(py, &ran);
            ran.map_err(|error| places::error_of_block(py, config, block, &error))?;
        }
        Ok(Self { module: module.unbind() })
    }

    /// The module.
    pub(super) fn module(&self, py: Python<'_>) -> Py<PyAny> {
        self.module.clone_ref(py).into_any()
    }

    /// Makes the module importable as `_syslogng_main`.
    pub(crate) fn install(&self, py: Python<'_>) {
        let modules = py.import("sys").and_then(|sys| sys.getattr("modules"));
        // Without `sys.modules` nothing can be imported at all, and nothing is missed.
        let _ = modules.and_then(|modules| modules.set_item("_syslogng_main", &self.module));
    }

    /// The class that `options` name: a name of the blocks, or one with dots, which is imported.
    ///
    /// # Errors
    /// No such class, not a `LogSource`, a callback that does nothing when it is called: at the place of
    /// `class()`.
    pub(crate) fn class<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        options: &PythonSourceOptions,
        log: &Log,
    ) -> Result<Bound<'py, PyType>, Diagnostic> {
        let _reading = Reading::begin();
        for loader in &options.loaders {
            let imported = py.import(loader.value.as_str());
            fork::leave(py, &imported);
            if let Err(error) = imported {
                let what = format!("loaders(): cannot import `{}`", loader.value);
                let warning =
                    search_path::explain(py, config.warning(loader.span, what, None), &loader.value, &error);
                log.error(&format!("a module is missing\n{warning}"));
            }
        }
        let name = &options.class;
        let found = self.find(py, config, name)?;
        let wrong = |message: String, help: Option<String>| config.error(name.span, message, help);
        let Ok(class) = found.cast_into::<PyType>() else {
            return Err(wrong(format!("`{}` is not a class", name.value), None));
        };
        check_class(config, options, &class)?;
        Ok(class)
    }

    /// The errors in the classes of all Python sources of `config`, and with how they parse.
    pub(super) fn look_up(&self, py: Python<'_>, config: &Config, log: &Log) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for driver in config.source_statements().into_iter().flat_map(SourceStatement::drivers) {
            let Some(options) = driver.options::<PythonSourceOptions>() else { continue };
            errors.extend(self.class(py, config, options, log).err());
            errors.extend(options.parsing.parse_options(config).err());
        }
        errors
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        name: &Spanned<String>,
    ) -> Result<Bound<'py, PyAny>, Diagnostic> {
        let Some((module, class)) = name.value.rsplit_once('.') else {
            return self.module.bind(py).getattr(name.value.as_str()).map_err(|_| {
                let names = sources_of(self.module.bind(py));
                let help = if names.is_empty() {
                    "no python block of this configuration defines a source".to_owned()
                } else {
                    format!("the python blocks define {}", names.join(", "))
                };
                config.error(name.span, format!("no class `{}` in the python blocks", name.value), Some(help))
            });
        };
        let imported = py.import(PyString::new(py, module));
        fork::leave(py, &imported);
        let imported = imported.map_err(|error| {
            let message = format!("cannot import `{module}`, where class `{class}` should be");
            search_path::explain(py, config.error(name.span, message, None), module, &error)
        })?;
        imported.getattr(class).map_err(|_| {
            let names = sources_of(&imported);
            let help = (!names.is_empty()).then(|| format!("it defines {}", names.join(", ")));
            let message = format!("module `{module}` has no class `{class}`");
            let mut diagnostic = config.error(name.span, message, help);
            if let Ok(file) = imported.filename() {
                diagnostic = diagnostic.with_note(format!("the module is {}", escaped(&file)));
            }
            search_path::shadowed(&imported).into_iter().fold(diagnostic, Diagnostic::with_note)
        })
    }
}

/// The names of the sources in a module.
fn sources_of(module: &Bound<'_, PyModule>) -> Vec<String> {
    let is_source = |value: &Bound<'_, PyAny>| {
        value
            .cast::<PyType>()
            .is_ok_and(|class| Kind::of(class).is_some_and(|kind| !class.is(kind.base(module.py()))))
    };
    let names = module.dict();
    names.iter().filter(|(_, value)| is_source(value)).map(|(name, _)| format!("`{name}`")).collect()
}

/// Checks that `class` can be what `options` say.
///
/// # Errors
/// It is no source, or one of its callbacks does nothing when it is called: at the place of `class()`.
pub(super) fn check_class(
    config: &Config,
    options: &PythonSourceOptions,
    class: &Bound<'_, PyType>,
) -> Result<(), Diagnostic> {
    let name = &options.class;
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
    callbacks::check(class.as_any(), kind, &name.value).map_err(|(what, help)| wrong(what, Some(help)))?;
    Ok(())
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

fn run_block(py: Python<'_>, module: &Bound<'_, PyModule>, block: &PythonBlock) -> PyResult<()> {
    let code = "\n".repeat(block.line.saturating_sub(1) as usize) + &block.code;
    let builtins = py.import("builtins")?;
    let file = block.file.to_string_lossy();
    let compiled = builtins.call_method1("compile", (code, file.as_ref(), "exec"))?;
    let result = builtins.call_method1("exec", (compiled, module.dict()));
    process::reserve_standard();
    result.map(drop)
}
