//! The user's own modules over reloads (`python-reload-modules()`): the Rust side of `inrush.modules`.

use pyo3::prelude::*;

use super::{exception, search_path};
use crate::config::Config;
use crate::engine::Log;

/// The user's own modules.
pub(crate) struct UserModules {
    /// An `inrush.modules.Modules`; none when it could not be made, which was said.
    modules: Option<Py<PyAny>>,
    log: Log,
}

/// Stale modules that a reload took out of `sys.modules`.
pub(crate) struct Taken {
    /// An `inrush.modules.Taken`.
    object: Option<Py<PyAny>>,
    names: Vec<String>,
    concerns_blocks: bool,
}

impl UserModules {
    /// Nothing is known yet; the start of the process is remembered.
    pub(crate) fn new(py: Python<'_>, log: &Log) -> Self {
        let made = py.import("inrush.modules").and_then(|module| module.call_method0("Modules"));
        let made = made.inspect_err(|error| said(py, log, error)).ok();
        Self { modules: made.map(Bound::unbind), log: log.clone() }
    }

    /// Remembers the modules that a configuration imported, which was accepted.
    pub(crate) fn note(&self, py: Python<'_>) {
        let Some(modules) = &self.modules else { return };
        if let Err(error) = modules.call_method0(py, "note") {
            said(py, &self.log, &error);
        }
    }

    /// Before the blocks of `config` run: searches its directories from now on, and takes out what they are
    /// to import anew, if it wants that.
    pub(crate) fn take_out(&self, py: Python<'_>, config: &Config) -> Taken {
        let nothing = Taken { object: None, names: Vec::new(), concerns_blocks: false };
        let Some(modules) = &self.modules else { return nothing };
        let code: Vec<&str> = config.python_blocks.iter().map(|block| block.code.as_str()).collect();
        let directories = search_path::directories(config);
        let take = || -> PyResult<Taken> {
            let keywords = pyo3::types::PyDict::new(py);
            keywords.set_item("stale", config.options.python_reload_modules)?;
            let taken = modules.bind(py).call_method("take_out", (code, directories), Some(&keywords))?;
            let names = taken.getattr("names")?.extract()?;
            let concerns_blocks = taken.getattr("concerns_blocks")?.extract()?;
            Ok(Taken { object: Some(taken.unbind()), names, concerns_blocks })
        };
        let taken = take().inspect_err(|error| said(py, &self.log, error)).unwrap_or(nothing);
        if !taken.names.is_empty() {
            self.log.notice(&format!("modules that are imported anew: {}", taken.names.join(", ")));
        }
        taken
    }

    /// The configuration is not accepted: every module is what it was.
    pub(crate) fn put_back(&self, py: Python<'_>, taken: &Taken) {
        let Some(taken) = &taken.object else { return };
        if let Err(error) = taken.call_method0(py, "put_back") {
            said(py, &self.log, &error);
        }
    }
}

impl Taken {
    /// True when the class called `class` comes from one of the modules, or from a python block that imports
    /// one.
    pub(crate) fn concerns(&self, class: &str) -> bool {
        match module_of(class) {
            Some(module) => self.names.iter().any(|name| name == module),
            None => self.concerns_blocks,
        }
    }
}

/// The module that `class()` names; none for a class of the python blocks.
pub(crate) fn module_of(class: &str) -> Option<&str> {
    class.rsplit_once('.').map(|(module, _)| module).filter(|module| *module != "_syslogng_main")
}

fn said(py: Python<'_>, log: &Log, error: &PyErr) {
    log.error(&format!("the user's modules cannot be looked at\n{}", exception::traceback(py, error)));
}
