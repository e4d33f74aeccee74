//! A destination of a configuration: its object, from the constructor to `deinit()`: [`PythonTarget`].
//!
//! The object is made, its methods are taken, its persist name is asked for; `init()` is called before a
//! configuration runs. Then its thread calls it ([`worker`](super::worker)); when that has ended, and its
//! destination with it, `deinit()` is called on the main thread. Who still has it, is told by its count of owners.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::methods::{CALLBACKS, Methods, Sending};
use super::worker::PythonWorker;
use super::{Counts, LogDestination};
use crate::config::{Config, Diagnostic, Driver};
use crate::destination::exchange::{Exchange, Worker};
use crate::destination::{PythonDestinationOptions, Report, ReportFn, Severity, Site};
use crate::engine::Log;
use crate::python::calls::{Calls, News};
use crate::python::options::{PersistName, class_name, options_dict};
use crate::python::refusal::Refusal;
use crate::python::{callbacks, exception, fork, init, process, returned};
use crate::template::{Options, ValuePairs};

/// The methods that a thread may stand in, for the log.
pub(super) const CALLED: [&str; 6] = ["send", "send_batch", "flush", "open", "is_opened", "close"];

/// A destination's object, and what the engine keeps beside it.
pub(crate) struct PythonTarget {
    id: String,
    class: String,
    options: PythonDestinationOptions,
    pub(super) instance: Py<PyAny>,
    pub(super) methods: Methods,
    persist_name: String,
    /// The numbers that it shares with its object, where that derives from `LogDestination`.
    pub(super) counts: Arc<Counts>,
    pub(super) value_pairs: Option<Arc<ValuePairs>>,
    pub(super) template_options: Options,
    /// True when values have their types.
    pub(super) is_typed: bool,
    pub(super) log: Log,
    is_initialised: AtomicBool,
    pub(super) calls: Calls,
    /// Takes what is to be said of it.
    report: OnceLock<ReportFn>,
}

impl PythonTarget {
    /// Makes the object of `class` for `driver` and takes its methods.
    ///
    /// # Errors
    /// An exception in the constructor, a method that is missing or does nothing when it is called, options that
    /// cannot be converted: at the driver's place in the configuration.
    pub(crate) fn create(
        py: Python<'_>,
        config: &Config,
        driver: &Driver,
        options: &PythonDestinationOptions,
        class: &Bound<'_, PyType>,
        log: &Log,
    ) -> Result<Self, Diagnostic> {
        let (name, refusal) = (class_name(class), Refusal { py, config, span: options.class.name.span });
        let made = class.call0();
        fork::leave(py, &made);
        let instance = made.map_err(|error| {
            refusal.for_exception(format!("the constructor of class `{name}` failed"), &error)
        })?;
        if !instance.is_instance(class).unwrap_or(false) {
            return Err(refusal.of(format!("`{name}()` did not give an object of that class")));
        }
        let methods = Methods::take(&instance, &name)
            .and_then(|methods| callbacks::check(&instance, CALLBACKS, &name).map(|()| methods))
            .map_err(|(what, help)| refusal.with_help(what, help))?;
        let given = options_dict(py, &options.class)
            .map_err(|error| refusal.for_exception("options() cannot be converted".to_owned(), &error))?;
        let chosen = options.exchange.driver.persist_name.as_ref();
        let naming = PersistName { chosen, prefix: "python", class: &name };
        let generate = methods.generate_persist_name.as_ref().map(|generate| generate.bind(py));
        let generated = naming.generated(generate, &given).unwrap_or_else(|error| {
            raised(py, log, &driver.id, &name, "generate_persist_name", &error);
            None
        });
        let persist_name = generated.map_or_else(|| naming.chosen(), |name| naming.of(&name));
        let template_options = options.exchange.template_options.resolve(config, None)?;
        let mut counts = Arc::default();
        if let Ok(own) = instance.cast::<LogDestination>() {
            own.get().set_persist_name(py, &persist_name);
            let set = own.get().set_template_options(py, &template_options);
            set.map_err(|error| refusal.for_exception("no memory".to_owned(), &error))?;
            counts = Arc::clone(&own.get().counts);
        }
        Ok(Self {
            id: driver.id.clone(),
            class: name,
            value_pairs: options.value_pairs.as_ref().map(|pairs| Arc::new(pairs.compile(config))),
            template_options,
            options: options.clone(),
            instance: instance.unbind(),
            methods,
            persist_name,
            counts,
            is_typed: config.values_have_types(),
            log: log.clone(),
            is_initialised: AtomicBool::new(false),
            calls: Calls::of(&CALLED),
            report: OnceLock::new(),
        })
    }

    /// The name under which its state is kept.
    pub(crate) fn persist_name(&self) -> &str {
        &self.persist_name
    }

    /// Its driver's.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Its class, as the log names it.
    pub(super) fn class(&self) -> &str {
        &self.class
    }

    /// The most messages of one batch, of those that come together.
    pub(super) fn batch_lines(&self) -> usize {
        let all = if matches!(self.methods.send, Sending::Batch(_)) { usize::MAX } else { 1 };
        self.options.batch_lines().unwrap_or(all)
    }

    /// Calls `init()`.
    ///
    /// # Errors
    /// A false result or an exception, at the place of `class()`.
    pub(crate) fn initialise(&self, py: Python<'_>, config: &Config) -> Result<(), Diagnostic> {
        let refusal = Refusal { py, config, span: self.options.class.name.span };
        let named = (&self.options.class, self.class.as_str());
        init::call(self.instance.bind(py), named, "the destination", &refusal, || Ok(()))?;
        self.is_initialised.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Calls `deinit()`, if `init()` was called.
    pub(crate) fn deinitialise(&self, py: Python<'_>) {
        if !self.is_initialised.swap(false, Ordering::Relaxed) {
            return;
        }
        let Ok(deinit) = self.instance.bind(py).getattr("deinit") else { return };
        if let Err(error) = returned::take(py, "deinit", deinit.call0()) {
            self.raised(py, "deinit", &error);
        }
        process::restore();
    }

    /// Logs what `method` raised.
    pub(super) fn raised(&self, py: Python<'_>, method: &str, error: &PyErr) {
        raised(py, &self.log, &self.id, &self.class, method, error);
    }

    /// Says once of a call that it hangs, and that it has come back. For the main thread.
    pub(crate) fn watch(&self, py: Python<'_>) {
        match self.calls.watch(py, |method| format!("{method}() of class `{}`", self.class)) {
            Some(News::Hangs(text)) => self.tell(py, Severity::Error, text),
            Some(News::Returned) => {
                self.tell(py, Severity::Notice, format!("a call of class `{}` has returned", self.class));
            }
            None => {}
        }
    }

    /// Says of a thread that did not end where it stands.
    pub(crate) fn give_up(&self, py: Python<'_>) {
        let (method, stack) = (self.calls.method(), self.calls.stack(py));
        let text = format!(
            "destination {} (class {}): {method}() has not returned; going on without it. It stands here:\n{stack}",
            self.id, self.class
        );
        py.detach(|| self.log.error(&text));
    }

    /// Says something that is done in another way than meant. Without the GIL.
    pub(super) fn warn(&self, text: String) {
        if let Some(report) = self.report.get() {
            report(Report { severity: Severity::Warning, text });
        }
    }

    fn tell(&self, py: Python<'_>, severity: Severity, text: String) {
        if let Some(report) = self.report.get() {
            // Without the GIL: whoever reads stderr may be slow.
            py.detach(|| report(Report { severity, text }));
        }
    }
}

/// Logs what `method` of the object of destination `id` raised.
fn raised(py: Python<'_>, log: &Log, id: &str, class: &str, method: &str, error: &PyErr) {
    let text = exception::traceback(py, error);
    let text = format!("destination {id} (class {class}): {method}() raised an exception\n{text}");
    py.detach(|| log.error(&text));
}

impl fmt::Debug for PythonTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonTarget")
            .field("id", &self.id)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl Exchange for PythonTarget {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn worker(self: Arc<Self>, _: usize, site: &Site) -> Box<dyn Worker> {
        // A worker after a panic has the same.
        let _ = self.report.set(Arc::clone(&site.report));
        Box::new(PythonWorker::new(self))
    }
}
