//! A parser of a configuration: its object, from the constructor to `deinit()`: [`PythonParser`].
//!
//! There is one for each reference to the parser. The object is made, its methods are taken; `init()` is called
//! before a configuration runs, on the main thread. Then the worker of the host calls it ([`step`](super::step)),
//! and calls `deinit()` when no path of its leads there any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyType;

use super::step::Said;
use super::{CALLBACKS, LogParser};
use crate::config::{Config, Diagnostic, PythonClass};
use crate::engine::{Log, LogLevel};
use crate::message::Pool;
use crate::parser::{PythonParserOptions, Statistics};
use crate::path::{Hosted, Step};
use crate::python::calls::{Calls, News};
use crate::python::options::class_name;
use crate::python::own_method::own_callable;
use crate::python::refusal::Refusal;
use crate::python::{callbacks, exception, fork, init, process, returned};

/// The methods that a thread may stand in, for the log.
pub(super) const CALLED: [&str; 3] = ["parse", "parse_batch", "deinit"];
/// Indices of [`CALLED`].
pub(super) const PARSE: usize = 0;
pub(super) const PARSE_BATCH: usize = 1;
const DEINIT: usize = 2;

/// The way of messages to the object.
pub(super) enum Parsing {
    /// `parse()`: one by one.
    Each(Py<PyAny>),
    /// `parse_batch()`: a list of them.
    Batch(Py<PyAny>),
}

/// A parser's object, and what the engine keeps beside it.
pub(crate) struct PythonParser {
    /// `<statement>#<index>`
    pub(super) id: String,
    /// Its statement and its word.
    pub(super) name: String,
    /// Its class, as the log names it.
    pub(super) class: String,
    named: PythonClass,
    instance: Py<PyAny>,
    pub(super) parsing: Parsing,
    /// True when values have their types.
    pub(super) is_typed: bool,
    log: Log,
    /// True from `init()` up to `deinit()`.
    is_initialised: AtomicBool,
    /// True when it is called no more.
    has_ended: AtomicBool,
    pub(super) calls: Calls,
    pub(super) statistics: Statistics,
    pub(super) said: Mutex<Said>,
    /// Memory for messages that somebody keeps.
    pub(super) pool: Arc<Pool>,
}

impl PythonParser {
    /// Makes the object of `class` for `place` and takes its methods.
    ///
    /// # Errors
    /// An exception in the constructor, a method that is missing or does nothing when it is called: at the place of
    /// `class()` in the configuration.
    pub(crate) fn create(
        py: Python<'_>,
        config: &Config,
        place: &Hosted,
        options: &PythonParserOptions,
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
        let parsing = parsing(&instance, &name)
            .and_then(|parsing| callbacks::check(&instance, CALLBACKS, &name).map(|()| parsing))
            .map_err(|(what, help)| refusal.with_help(what, help))?;
        Ok(Self {
            id: place.driver().id.clone(),
            name: place.name().to_owned(),
            class: name,
            named: options.class.clone(),
            instance: instance.unbind(),
            parsing,
            is_typed: config.values_have_types(),
            log: log.clone(),
            is_initialised: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            calls: Calls::of(&CALLED),
            statistics: Statistics::default(),
            said: Mutex::default(),
            pool: Arc::new(Pool::new()),
        })
    }

    /// Calls `init()`.
    ///
    /// # Errors
    /// A false result or an exception, at the place of `class()`.
    pub(super) fn initialise(&self, py: Python<'_>, config: &Config) -> Result<(), Diagnostic> {
        let refusal = Refusal { py, config, span: self.named.name.span };
        let named = (&self.named, self.class.as_str());
        init::call(self.instance.bind(py), named, "the parser", &refusal, || Ok(()))?;
        self.is_initialised.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends it: calls `deinit()`, if `init()` was called.
    pub(super) fn deinitialise(&self, py: Python<'_>) {
        self.has_ended.store(true, Ordering::Release);
        if !self.is_initialised.swap(false, Ordering::AcqRel) {
            return;
        }
        let Ok(deinit) = self.instance.bind(py).getattr("deinit") else { return };
        self.calls.on_this_thread();
        self.calls.begin(DEINIT);
        let result = returned::take(py, CALLED[DEINIT], deinit.call0());
        self.calls.end();
        if let Err(error) = result {
            let text = self.raised(py, CALLED[DEINIT], &error);
            py.detach(|| self.log.error(&text));
        }
        process::restore();
    }

    /// Tells whether it is called no more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Tells whether a call of it is under way.
    pub(super) fn is_called(&self) -> bool {
        self.calls.is_under_way()
    }

    /// The text for the log: `method` raised `error`.
    pub(super) fn raised(&self, py: Python<'_>, method: &str, error: &PyErr) -> String {
        let text = exception::traceback(py, error);
        format!("{} (class {}): {method}() raised an exception\n{text}", self.name, self.class)
    }

    /// Says once of a call that it hangs, and that it has come back. For the main thread.
    pub(super) fn watch(&self, py: Python<'_>) {
        let Some(news) = self.calls.watch(py, |method| format!("{method}() of class `{}`", self.class))
        else {
            return;
        };
        let (level, text) = match news {
            News::Hangs(text) => (LogLevel::Error, text),
            News::Returned => (LogLevel::Notice, format!("a call of class `{}` has returned", self.class)),
        };
        // Without the GIL: whoever reads stderr may be slow.
        py.detach(|| self.log.log(level, &format!("{}: {text}", self.name)));
    }

    /// Says of a call that did not end where it stands.
    pub(super) fn give_up(&self, py: Python<'_>) {
        let (method, stack) = (self.calls.method(), self.calls.stack(py));
        let what = format!("{method}() has not returned; going on without it. It stands here:\n{stack}");
        py.detach(|| self.log.error(&format!("{} (class {}): {what}", self.name, self.class)));
    }
}

/// The way of messages to `instance`, of a class called `name`.
fn parsing(instance: &Bound<'_, PyAny>, name: &str) -> Result<Parsing, (String, String)> {
    let own = |method: &str| own_callable::<LogParser>(instance, method, name);
    match (own(CALLED[PARSE_BATCH])?, own(CALLED[PARSE])?) {
        (Some(batch), _) => Ok(Parsing::Batch(batch)),
        (None, Some(each)) => Ok(Parsing::Each(each)),
        (None, None) => Err((
            format!("class `{name}` has no method parse()"),
            "define parse(self, msg), which returns True for messages that go on".to_owned(),
        )),
    }
}

impl fmt::Debug for PythonParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonParser")
            .field("id", &self.id)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}
