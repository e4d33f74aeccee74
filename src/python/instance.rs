//! One Python source of a configuration: its instance, its callbacks, its thread.
//!
//! The order of a life is that of the interface: the instance is made, its callbacks are taken, its persist
//! name is asked for, `flags` is set, `init()` is called, `ack_tracker` is read, `parse_options` is set; then
//! `run()` on a thread of its own; `request_exit()`, and `deinit()` when the thread has ended; at last
//! `finalize()`. `run`, `request_exit`, `suspend`, `wakeup` and `generate_persist_name` are taken before
//! `init()`; `init`, `deinit` and `finalize` are looked up when they are called. A fetcher has `fetch`,
//! `open` and `close` in the place of `run`, `suspend` and `wakeup`, taken at the same time.

mod callbacks;
mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use self::callbacks::{Callbacks, Made};
use super::ack_caller::{self, Caller};
use super::acks::{NewsReceiver, Tracking};
use super::attachment::{Attachment, Reporter};
use super::escape;
use super::event_loop::is_coroutine;
use super::exception;
use super::fork;
use super::init;
use super::kind::{Kind, hosted};
use super::options::{PersistName, class_name, options_dict};
use super::parse_options::ParseOptions;
use super::refusal::Refusal;
use super::returned;
use super::source::LogSource;
use super::supervise::{Body, Runner};
use super::threads;
use super::wakeup::Wakeups;
use crate::config::{Config, Diagnostic};
use crate::engine::Log;
use crate::source::{Input, PythonSourceOptions, Source, SourceStatus, Start};

/// A source between its configuration and its end.
pub(crate) struct PythonSource {
    id: String,
    class: String,
    options: Box<PythonSourceOptions>,
    instance: Py<PyAny>,
    kind: Kind,
    body: Body,
    request_exit: Option<Py<PyAny>>,
    wakeup: Option<Py<PyAny>>,
    wakeups: Option<Wakeups>,
    persist_name: String,
    attachment: Arc<Attachment>,
    status: Arc<SourceStatus>,
    ident: Arc<AtomicU64>,
    log: Log,
    parse_options: Py<ParseOptions>,
    initialised: bool,
    /// The news that the thread of its ack tracker will read, until that is made.
    heard: Option<NewsReceiver>,
    /// That thread's body, until it is started.
    caller: Option<Py<Caller>>,
}

impl PythonSource {
    /// Makes the instance and takes its callbacks.
    ///
    /// # Errors
    /// An exception in the constructor, `suspend` without `wakeup`, options that cannot be converted: at the
    /// source's place in the configuration.
    pub(crate) fn create(
        py: Python<'_>,
        config: &Config,
        input: &Input,
        options: &PythonSourceOptions,
        class: &Bound<'_, PyType>,
        log: &Log,
    ) -> Result<Self, Diagnostic> {
        let (name, refusal) = (class_name(class), Refusal { py, config, span: options.class.name.span });
        let parse_options = Arc::new(options.parsing.parse_options(config)?);
        // The instance and its callbacks, before anything of it is called.
        let instance = construct(class, &name, &refusal)?;
        let (Some(hosted), Some(kind)) = (hosted(&instance), Kind::of(class)) else {
            return Err(refusal.of(format!("`{name}()` is no source")));
        };
        let made = Made { instance: &instance, class, kind, name: &name };
        let callbacks = Callbacks::take(&made, config, options, &refusal)?;
        // Its name, which it may be asked for.
        let given = options_dict(py, &options.class)
            .map_err(|error| refusal.for_exception("options() cannot be converted".to_owned(), &error))?;
        let report = reporter(log.clone(), input.driver.id.clone(), name.clone(), Arc::clone(&input.status));
        let chosen = options.persist_name.as_ref();
        let naming = PersistName { chosen, prefix: kind.persist_prefix(), class: &name };
        let generated = naming.generated(callbacks.generate_persist_name.as_ref(), &given);
        let generated = generated.unwrap_or_else(|error| {
            report(py, "generate_persist_name", error);
            None
        });
        if let Some(name) = &generated {
            input.status.set_instance(name);
        }
        let persist_name = generated.map_or_else(|| naming.chosen(), |name| naming.of(&name));
        hosted.set_persist_name(py, &persist_name);
        // Its way into the engine.
        let (pri, suspend) = (options.parsing.forced_pri(), callbacks.suspend.map(Bound::unbind));
        let attachment =
            Arc::new(Attachment::new(input, Arc::clone(&parse_options), pri, log, suspend, report));
        hosted.attach(py, Arc::clone(&attachment));
        let parse_options = Py::new(py, ParseOptions::new(parse_options))
            .map_err(|error| refusal.for_exception("no memory for parse_options".to_owned(), &error))?;
        Ok(Self {
            id: input.driver.id.clone(),
            class: name,
            options: Box::new(options.clone()),
            kind,
            body: callbacks.body,
            request_exit: callbacks.request_exit.map(Bound::unbind),
            wakeup: callbacks.wakeup.map(Bound::unbind),
            wakeups: None,
            instance: instance.unbind(),
            persist_name,
            attachment,
            status: Arc::clone(&input.status),
            ident: Arc::default(),
            log: log.clone(),
            parse_options,
            initialised: false,
            heard: None,
            caller: None,
        })
    }

    /// The user's object.
    pub(crate) fn instance(&self) -> &Py<PyAny> {
        &self.instance
    }

    /// Its way into the engine.
    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    /// Its state.
    pub(crate) fn status(&self) -> &Arc<SourceStatus> {
        &self.status
    }

    /// True when it waits as long as the global `time-reopen()` says when there is no data.
    fn has_global_delay(&self) -> bool {
        self.kind == Kind::Fetcher && self.options.fetch_no_data_delay.is_none()
    }

    fn who(&self) -> String {
        format!("source {} (class {})", self.id, self.class)
    }

    fn called(&self, method: &str) -> String {
        format!("{}: {method}()", self.who())
    }

    /// Calls `init()`.
    ///
    /// # Errors
    /// A false result or an exception, at the source's place in the configuration.
    pub(crate) fn initialise(&mut self, py: Python<'_>, config: &Config) -> Result<(), Diagnostic> {
        let refusal = Refusal { py, config, span: self.options.class.name.span };
        let (instance, class) = (self.instance.bind(py), &self.class);
        init::call(instance, (&self.options.class, class), "the source", &refusal, || {
            let flags = PyDict::new(py);
            for (name, value) in self.options.parsing.flags.iter() {
                flags.set_item(name, value)?;
            }
            instance.setattr("flags", flags)
        })?;
        self.initialised = true;
        let tracker = instance.getattr_opt("ack_tracker").map_err(|error| {
            refusal.for_exception(format!("ack_tracker of class `{class}` cannot be read"), &error)
        })?;
        if let Some(tracker) = tracker.filter(|tracker| !tracker.is_none()) {
            let called = format!("source {} (class {class})", self.id);
            let (tracking, heard) = Tracking::new(&tracker, &self.attachment.lane, &called)
                .map_err(|what| refusal.of(format!("ack_tracker of class `{class}` {what}")))?;
            self.heard = Some(heard);
            // Each instance is initialised once.
            let _ = self.attachment.tracking.set(tracking);
        }
        instance.setattr("parse_options", self.parse_options.clone_ref(py)).map_err(|error| {
            refusal.for_exception(format!("parse_options of class `{class}` cannot be set"), &error)
        })
    }

    /// Starts the thread of `run()`, or of `fetch()`, which are called once the gate of `with` is open.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start_running(&mut self, py: Python<'_>, with: &Start) -> PyResult<()> {
        if self.kind == Kind::Source {
            // After the user's modules and init(), which may have put something in the method's place. A
            // class that cannot be changed does without.
            let _ = LogSource::speed_up(&self.instance.bind(py).get_type());
        }
        self.attachment.started.store(true, Ordering::Relaxed);
        self.start_threads(py, with)
    }

    /// Starts the threads that are not there yet: after a failure it can be called again.
    fn start_threads(&mut self, py: Python<'_>, with: &Start) -> PyResult<()> {
        self.start_wakeups(py)?;
        self.start_acks(py)?;
        let runner = Runner {
            body: self.body.clone_ref(py),
            attachment: Arc::clone(&self.attachment),
            status: Arc::clone(&self.status),
            ident: Arc::clone(&self.ident),
            restart: self.options.restart,
            backoff: self.options.restart_backoff,
            who: self.who(),
            log: self.log.clone(),
            start: with.clone(),
        };
        threads::start(py, &format!("source {}", self.id), Py::new(py, runner)?.into_any())
    }

    fn start_acks(&mut self, py: Python<'_>) -> PyResult<()> {
        if let (Some(tracking), Some(heard)) = (self.attachment.tracking.get(), self.heard.take()) {
            let instance = self.instance.clone_ref(py);
            self.caller = Some(ack_caller::caller(py, tracking, heard, instance, &self.attachment)?);
        }
        if let Some(caller) = &self.caller {
            ack_caller::start(py, caller)?;
            self.caller = None;
        }
        Ok(())
    }

    fn start_wakeups(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(wakeup) = &self.wakeup else { return Ok(()) };
        if self.attachment.suspend.is_some() && self.wakeups.is_none() {
            self.wakeups = Some(Wakeups::start(wakeup.clone_ref(py), &self.attachment)?);
        }
        Ok(())
    }

    /// Asks `run()` to return.
    fn request_exit(&self, py: Python<'_>) {
        self.status.ask_to_stop();
        self.attachment.request_exit();
        if !self.is_alive() {
            return;
        }
        let event_loop = &self.attachment.event_loop;
        let asked = match (&self.request_exit, &self.body) {
            (Some(request_exit), body) => match request_exit.bind(py).call0() {
                Ok(result)
                    if matches!(body, Body::Run { .. })
                        && !event_loop.is_called(py)
                        && is_coroutine(&result) =>
                {
                    event_loop.run_soon(py, &result)
                }
                result => returned::take(py, "request_exit", result).map(drop),
            },
            (None, Body::Fetch(_)) => Ok(()),
            (None, Body::Run { .. }) => {
                self.log.debug(&format!(
                    "{} is not defined; run() should look at exit_requested",
                    self.called("request_exit")
                ));
                event_loop.cancel(py)
            }
        };
        fork::leave(py, &asked);
        if let Err(error) = asked {
            (self.attachment.report)(py, "request_exit", error);
        }
        if self.attachment.suspend.is_some()
            && let Some(wakeup) = &self.wakeup
        {
            let woken = wakeup.bind(py).call0();
            if let Err(error) = returned::take(py, "wakeup", woken) {
                (self.attachment.report)(py, "wakeup", error);
            }
        }
    }

    /// The end of a sentence about a `run()` that does not end: where its thread stands.
    fn stack(&self, py: Python<'_>) -> String {
        let stack = exception::stack(py, self.ident.load(Ordering::Relaxed));
        let stack = stack.unwrap_or_else(|| "(its stack is not known)".to_owned());
        let seconds = self.options.stop_timeout.as_secs_f64();
        format!(
            "{}() has not returned {seconds} s after request_exit(); going on without it. It stands here:\n{stack}",
            self.kind.main_method()
        )
    }

    /// Refuses every further post.
    fn refuse_posts(&self, py: Python<'_>) {
        self.attachment.lane.close();
        self.attachment.producer.with(py, crate::flow::Producer::close_batch);
        if let Some(wakeups) = &self.wakeups {
            wakeups.end();
        }
        if let Some(tracking) = self.attachment.tracking.get() {
            tracking.close();
        }
        self.attachment.event_loop.end();
    }

    /// Calls `deinit()`, if `init()` was called.
    fn deinitialise(&mut self, py: Python<'_>) {
        if std::mem::take(&mut self.initialised) {
            self.call_if_there(py, "deinit");
        }
    }

    /// Calls `finalize()`, where there is one.
    fn let_go(&self, py: Python<'_>) {
        self.call_if_there(py, "finalize");
        self.attachment.let_go(py);
    }

    fn call_if_there(&self, py: Python<'_>, method: &str) {
        let Ok(callback) = self.instance.bind(py).getattr(method) else { return };
        if let Err(error) = returned::take(py, method, callback.call0()) {
            (self.attachment.report)(py, method, error);
        }
    }
}

/// Calls the constructor of `class`, which the log calls `name`.
fn construct<'py>(
    class: &Bound<'py, PyType>,
    name: &str,
    refusal: &Refusal<'_, 'py>,
) -> Result<Bound<'py, PyAny>, Diagnostic> {
    let made = class.call0();
    fork::leave(class.py(), &made);
    let instance = made.map_err(|error| {
        refusal.for_exception(format!("the constructor of class `{name}` failed"), &error)
    })?;
    if hosted(&instance).is_none() || !instance.is_instance(class).unwrap_or(false) {
        return Err(refusal.of(format!("`{name}()` did not give an object of that class")));
    }
    if let Ok(source) = instance.cast::<LogSource>() {
        source.get().reset_auto_close_batches(class.py());
    }
    Ok(instance)
}

/// The reporter of the exceptions of callbacks.
fn reporter(log: Log, id: String, class: String, status: Arc<SourceStatus>) -> Reporter {
    Box::new(move |py, method, error| {
        let text = exception::traceback(py, &error);
        status.count_exception(&format!("{method}(): {}", escape::summary(py, &error)));
        let text = format!("source {id} (class {class}): {method}() raised an exception\n{text}");
        // Without the GIL: whoever reads stderr may be slow.
        py.detach(|| log.error(&text));
    })
}
