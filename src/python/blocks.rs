//! The `python { }` blocks of a configuration, and the classes in them.
//!
//! All blocks run in one module, `_syslogng_main`, which is made anew for each configuration. A block is
//! compiled under the name of its file, with its own lines, so that a traceback shows what the user sees.

use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString, PyType};

use super::class::{self, Meant};
use super::escape::escaped;
use super::persist::Reading;
use super::type_name::type_name;
use super::{exception, fork, generators, places, process, search_path};
use crate::config::{
    BodyItem, Config, DestinationStatement, Diagnostic, PythonBlock, PythonClass, SourceStatement, Spanned,
};
use crate::destination::PythonDestinationOptions;
use crate::engine::Log;
use crate::parser::PythonParserOptions;
use crate::source::PythonSourceOptions;

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

    /// The class of a source that `options` name.
    ///
    /// # Errors
    /// No such class, not a `LogSource`, a callback that does nothing when it is called: at the place of
    /// `class()`.
    pub(crate) fn source<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        options: &PythonSourceOptions,
        log: &Log,
    ) -> Result<Bound<'py, PyType>, Diagnostic> {
        let class = self.class(py, config, &options.class, log, class::SOURCE)?;
        class::check_source(config, options, &class)?;
        Ok(class)
    }

    /// The class of a destination that `options` name.
    ///
    /// # Errors
    /// No such class, not a `LogDestination`, a callback that does nothing when it is called: at the place of
    /// `class()`.
    pub(crate) fn destination<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        options: &PythonDestinationOptions,
        log: &Log,
    ) -> Result<Bound<'py, PyType>, Diagnostic> {
        let class = self.class(py, config, &options.class, log, class::DESTINATION)?;
        class::check_destination(config, &options.class.name, &class, log)?;
        Ok(class)
    }

    /// The class of a parser that `options` name.
    ///
    /// # Errors
    /// No such class, not a `LogParser`, a callback that does nothing when it is called: at the place of
    /// `class()`.
    pub(crate) fn parser<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        options: &PythonParserOptions,
        log: &Log,
    ) -> Result<Bound<'py, PyType>, Diagnostic> {
        let class = self.class(py, config, &options.class, log, class::PARSER)?;
        class::check_parser(config, &options.class.name, &class, log)?;
        Ok(class)
    }

    /// The class that `named` names: a name of the blocks, or one with dots, which is imported. Errors list those
    /// that could be `meant`.
    fn class<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        named: &PythonClass,
        log: &Log,
        meant: Meant,
    ) -> Result<Bound<'py, PyType>, Diagnostic> {
        let _reading = Reading::begin();
        for loader in &named.loaders {
            let imported = py.import(loader.value.as_str());
            fork::leave(py, &imported);
            if let Err(error) = imported {
                let what = format!("loaders(): cannot import `{}`", loader.value);
                let warning =
                    search_path::explain(py, config.warning(loader.span, what, None), &loader.value, &error);
                log.error(&format!("a module is missing\n{warning}"));
            }
        }
        let name = &named.name;
        let found = self.find(py, config, name, meant)?;
        found
            .cast_into::<PyType>()
            .map_err(|_| config.error(name.span, format!("`{}` is not a class", name.value), None))
    }

    /// The errors in the classes of all Python sources, destinations and parsers of `config`, and with how they parse.
    pub(super) fn look_up(&self, py: Python<'_>, config: &Config, log: &Log) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for driver in config.source_statements().into_iter().flat_map(SourceStatement::drivers) {
            let Some(options) = driver.options::<PythonSourceOptions>() else { continue };
            errors.extend(self.source(py, config, options, log).err());
            errors.extend(options.parsing.parse_options(config).err());
        }
        for driver in config.destination_statements().into_iter().flat_map(DestinationStatement::drivers) {
            let Some(options) = driver.options::<PythonDestinationOptions>() else { continue };
            errors.extend(self.destination(py, config, options, log).err());
        }
        let parsers = config.parser_statements().into_iter().flat_map(|statement| &statement.items);
        for driver in parsers.filter_map(BodyItem::driver) {
            let Some(options) = driver.options::<PythonParserOptions>() else { continue };
            errors.extend(self.parser(py, config, options, log).err());
        }
        errors
    }

    /// The function that `name` names: one of the blocks, or one with dots, whose module is imported.
    ///
    /// # Errors
    /// A warning: there is none.
    pub(super) fn function<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        name: &Spanned<String>,
    ) -> Result<Bound<'py, PyAny>, Diagnostic> {
        const TEXT: &str = "the text of each call is `<error>`";
        let _reading = Reading::begin();
        let module = match name.value.rsplit_once('.') {
            None => self.module.bind(py).clone(),
            Some((module, _)) => {
                let imported = py.import(PyString::new(py, module));
                fork::leave(py, &imported);
                imported.map_err(|error| {
                    let what = format!("cannot import `{module}`, which has the function: {TEXT}");
                    search_path::explain(py, config.warning(name.span, what, None), module, &error)
                })?
            }
        };
        let own = name.value.rsplit('.').next().unwrap_or_default();
        let found = module.getattr(own).map_err(|_| {
            let is_function =
                |value: &Bound<'_, PyAny>| value.is_callable() && !value.is_instance_of::<PyType>();
            let dict = module.dict();
            let names: Vec<_> = dict
                .iter()
                .filter(|(_, value)| is_function(value))
                .map(|(name, _)| format!("`{name}`"))
                .take(20)
                .collect();
            let place = if name.value == own { "the python blocks" } else { "its module" };
            let help = (!names.is_empty()).then(|| format!("{place} define {}", names.join(", ")));
            config.warning(name.span, format!("there is no function `{}`: {TEXT}", name.value), help)
        })?;
        if found.is_callable() {
            return Ok(found);
        }
        let what = format!("`{}` is no function, but {}: {TEXT}", name.value, type_name(&found));
        Err(config.warning(name.span, what, None))
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        config: &Config,
        name: &Spanned<String>,
        meant: Meant,
    ) -> Result<Bound<'py, PyAny>, Diagnostic> {
        let Some((module, class)) = name.value.rsplit_once('.') else {
            return self.module.bind(py).getattr(name.value.as_str()).map_err(|_| {
                let names = meant.names(self.module.bind(py));
                let help = if names.is_empty() {
                    format!("no python block of this configuration defines a {}", meant.what)
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
            let names = meant.names(&imported);
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

fn run_block(py: Python<'_>, module: &Bound<'_, PyModule>, block: &PythonBlock) -> PyResult<()> {
    let code = "\n".repeat(block.line.saturating_sub(1) as usize) + &block.code;
    let builtins = py.import("builtins")?;
    let file = block.file.to_string_lossy();
    let compiled = builtins.call_method1("compile", (code, file.as_ref(), "exec"))?;
    let result = builtins.call_method1("exec", (compiled, module.dict()));
    process::reserve_standard();
    result.map(drop)
}
