//! One Python source of a configuration: its instance, its callbacks, its thread.
//!
//! The order of a life is that of the interface: the instance is made, its callbacks are taken, its persist
//! name is asked for, `flags` is set, `init()` is called, `ack_tracker` is read, `parse_options` is set; then
//! `run()` on a thread of its own; `request_exit()`, and `deinit()` when the thread has ended; at last
//! `finalize()`. `run`, `request_exit`, `suspend`, `wakeup` and `generate_persist_name` are taken before
//! `init()`; `init`, `deinit` and `finalize` are looked up when they are called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use super::attachment::{Attachment, Exit, Reporter};
use super::cell::GilCell;
use super::exception;
use super::parse::ParseOptions;
use super::release;
use super::run::Event;
use super::source::LogSource;
use super::wakeup::Wakeups;
use crate::config::{Config, Diagnostic, OptionValue, PythonSourceOptions, Restart};
use crate::engine::{Input, Log, SourceStatus, settings};

/// After this long without an exception the back-off starts again from its first wait.
const HEALTHY: Duration = Duration::from_secs(60);

/// A source between its configuration and its end.
pub struct PythonSource {
    id: String,
    class: String,
    options: Box<PythonSourceOptions>,
    instance: Py<PyAny>,
    run: Py<PyAny>,
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
}

/// Something went wrong with a source before it could run.
pub type Failed = Diagnostic;

impl PythonSource {
    /// Makes the instance and takes its callbacks.
    ///
    /// # Errors
    /// An exception in the constructor, `suspend` without `wakeup`, options that cannot be converted: at the
    /// source's place in the configuration.
    pub fn create(
        py: Python<'_>,
        config: &Config,
        input: &Input,
        options: &PythonSourceOptions,
        class: &Bound<'_, PyType>,
        log: &Log,
    ) -> Result<Self, Failed> {
        let name = class_name(class);
        let span = options.class.span;
        let failed = |what: String, error: Option<PyErr>| {
            let diagnostic = config.error(span, what, None);
            match error {
                Some(error) => diagnostic.with_note(exception::traceback(py, &error)),
                None => diagnostic,
            }
        };
        let parse_options = settings::parse_options(config, options)?;
        let instance = class
            .call0()
            .map_err(|error| failed(format!("the constructor of class `{name}` failed"), Some(error)))?;
        let Ok(source) = instance.cast::<LogSource>() else {
            return Err(failed(format!("`{name}()` did not give a LogSource"), None));
        };
        source.get().reset_auto_close_batches(py);
        let base = py.get_type::<LogSource>();
        let own = |method: &str| {
            let inherited = base.getattr(method).ok();
            let is_inherited =
                inherited.is_some_and(|base| class.getattr(method).is_ok_and(|own| own.is(&base)));
            instance.getattr(method).ok().filter(|_| !is_inherited)
        };
        let run = instance
            .getattr("run")
            .map_err(|error| failed(format!("class `{name}` has no run()"), Some(error)))?;
        let (suspend, wakeup) = (own("suspend"), own("wakeup"));
        if suspend.is_some() && wakeup.is_none() {
            let text = format!("class `{name}` has suspend() and no wakeup(), so it would sleep for ever");
            return Err(failed(text, None));
        }
        let given = options_dict(py, options)
            .map_err(|error| failed("options() cannot be converted".to_owned(), Some(error)))?;
        let status = Arc::clone(&input.status);
        let report = reporter(log.clone(), input.driver.id.clone(), name.clone(), Arc::clone(&status));
        let persist_name = persist_name(options, &name, own("generate_persist_name"), &given, |error| {
            report(py, "generate_persist_name", error);
        });
        source.get().set_persist_name(py, &persist_name);
        let exit = Arc::new(Exit::default());
        let parse_options = Arc::new(parse_options);
        let attachment = Arc::new(Attachment {
            id: input.driver.id.clone(),
            lane: Arc::clone(&input.lane),
            producer: GilCell::new(input.lane.producer(Arc::clone(&input.origin))),
            parse_options: Arc::clone(&parse_options),
            policy: Arc::clone(&input.policy),
            names: Arc::clone(&input.names),
            log: log.clone(),
            pri: settings::forced_pri(options),
            started: AtomicBool::new(false),
            exit,
            suspend: suspend.map(|suspend| GilCell::new(Some(suspend.unbind()))),
            report,
        });
        source.get().attach(py, Arc::clone(&attachment));
        let parse_options = Py::new(py, ParseOptions::new(parse_options))
            .map_err(|error| failed("no memory for parse_options".to_owned(), Some(error)))?;
        Ok(Self {
            id: input.driver.id.clone(),
            class: name,
            options: Box::new(options.clone()),
            run: run.unbind(),
            request_exit: own("request_exit").map(Bound::unbind),
            wakeup: wakeup.map(Bound::unbind),
            wakeups: None,
            instance: instance.unbind(),
            persist_name,
            attachment,
            status,
            ident: Arc::default(),
            log: log.clone(),
            parse_options,
            initialised: false,
        })
    }

    /// The id of its driver.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that its state is kept under.
    pub fn persist_name(&self) -> &str {
        &self.persist_name
    }

    /// How long it may take to stop.
    pub fn stop_timeout(&self) -> Duration {
        self.options.stop_timeout
    }

    /// Whether a `wakeup()` has not come to its end.
    pub fn is_in_wakeup(&self) -> bool {
        self.wakeups.as_ref().is_some_and(Wakeups::is_alive)
    }

    /// Whether `run()` has not come to its end.
    pub fn is_alive(&self) -> bool {
        self.status.is_alive()
    }

    fn called(&self, method: &str) -> String {
        format!("source {} (class {}): {method}()", self.id, self.class)
    }

    /// Calls `init()`.
    ///
    /// # Errors
    /// A false result or an exception, at the source's place in the configuration.
    pub fn init(&mut self, py: Python<'_>, config: &Config) -> Result<(), Failed> {
        let span = self.options.class.span;
        let failed = |what: String, error: Option<PyErr>| {
            let diagnostic = config.error(span, what, None);
            match error {
                Some(error) => diagnostic.with_note(exception::traceback(py, &error)),
                None => diagnostic,
            }
        };
        let instance = self.instance.bind(py);
        let call = || -> PyResult<bool> {
            let flags = PyDict::new(py);
            for (name, value) in self.options.flags.python_items() {
                flags.set_item(name, value)?;
            }
            instance.setattr("flags", flags)?;
            let Ok(init) = instance.getattr("init") else { return Ok(true) };
            init.call1((options_dict(py, &self.options)?,))?.is_truthy()
        };
        let class = &self.class;
        match call() {
            Ok(true) => {}
            Ok(false) => {
                return Err(failed(
                    format!("init() of class `{class}` returned false: it refuses these options"),
                    None,
                ));
            }
            Err(error) => return Err(failed(format!("init() of class `{class}` failed"), Some(error))),
        }
        self.initialised = true;
        let tracker = instance.getattr("ack_tracker").ok().filter(|tracker| !tracker.is_none());
        if tracker.is_some() {
            return Err(failed(format!("ack_tracker of class `{class}` needs to be an AckTracker"), None));
        }
        instance
            .setattr("parse_options", self.parse_options.clone_ref(py))
            .map_err(|error| failed(format!("parse_options of class `{class}` cannot be set"), Some(error)))
    }

    /// Starts the thread of `run()`.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(&mut self, py: Python<'_>, events: Sender<Event>) -> PyResult<()> {
        self.attachment.started.store(true, Ordering::Relaxed);
        self.status.start();
        self.start_wakeups(py);
        let runner = Runner {
            run: self.run.clone_ref(py),
            attachment: Arc::clone(&self.attachment),
            status: Arc::clone(&self.status),
            ident: Arc::clone(&self.ident),
            restart: self.options.restart,
            initial: self.options.restart_backoff.initial,
            max: self.options.restart_backoff.max,
            called: self.called("run"),
            log: self.log.clone(),
            events,
        };
        let keywords = PyDict::new(py);
        keywords.set_item("target", Py::new(py, runner)?)?;
        keywords.set_item("name", format!("source {}", self.id))?;
        // A thread that does not end must not keep the process from its own end.
        keywords.set_item("daemon", true)?;
        let thread = py.import("threading")?.call_method("Thread", (), Some(&keywords))?;
        let started = thread.call_method0("start");
        if started.is_err() {
            self.status.end();
        }
        started.map(drop)
    }

    fn start_wakeups(&mut self, py: Python<'_>) {
        let Some(wakeup) = &self.wakeup else { return };
        if self.attachment.suspend.is_none() {
            return;
        }
        match Wakeups::start(wakeup.clone_ref(py), &self.attachment) {
            Ok(wakeups) => self.wakeups = Some(wakeups),
            Err(error) => self.log.error(&format!("{}: no thread for it: {error}", self.called("wakeup"))),
        }
    }

    /// Asks `run()` to return.
    pub fn request_exit(&self, py: Python<'_>) {
        self.status.ask_to_stop();
        self.attachment.exit.request();
        if !self.is_alive() {
            return;
        }
        match &self.request_exit {
            Some(request_exit) => {
                if let Err(error) = request_exit.call0(py) {
                    (self.attachment.report)(py, "request_exit", error);
                }
            }
            None => self.log.debug(&format!(
                "{} is not defined; run() should look at exit_requested",
                self.called("request_exit")
            )),
        }
        if self.attachment.suspend.is_some()
            && let Some(wakeup) = &self.wakeup
            && let Err(error) = wakeup.call0(py)
        {
            (self.attachment.report)(py, "wakeup", error);
        }
    }

    /// Logs where the thread of `run()` stands.
    pub fn report_stuck(&self, py: Python<'_>) {
        let stack = exception::stack(py, self.ident.load(Ordering::Relaxed));
        let stack = stack.unwrap_or_else(|| "(its stack is not known)".to_owned());
        let seconds = self.stop_timeout().as_secs_f64();
        self.log.error(&format!(
            "{} has not returned {seconds} s after request_exit(); going on without it. It stands here:\n{stack}",
            self.called("run")
        ));
    }

    /// Refuses every further post.
    pub fn close(&self, py: Python<'_>) {
        self.attachment.lane.close();
        self.attachment.producer.with(py, crate::flow::Producer::close_batch);
        if let Some(wakeups) = &self.wakeups {
            wakeups.end();
        }
    }

    /// Calls `deinit()`, if `init()` was called and the thread has ended.
    pub fn deinit(&mut self, py: Python<'_>) {
        if std::mem::take(&mut self.initialised) && !self.is_alive() {
            self.call_if_there(py, "deinit");
        }
    }

    /// Calls `finalize()`, where there is one.
    pub fn finalize(&self, py: Python<'_>) {
        if !self.is_alive() {
            self.call_if_there(py, "finalize");
            self.attachment.let_go(py);
        }
    }

    fn call_if_there(&self, py: Python<'_>, method: &str) {
        let Ok(callback) = self.instance.bind(py).getattr(method) else { return };
        if let Err(error) = callback.call0() {
            (self.attachment.report)(py, method, error);
        }
    }
}

/// The body of the thread of `run()`: supervision.
#[pyclass(frozen)]
struct Runner {
    run: Py<PyAny>,
    attachment: Arc<Attachment>,
    status: Arc<SourceStatus>,
    ident: Arc<AtomicU64>,
    restart: Restart,
    initial: Duration,
    max: Duration,
    called: String,
    log: Log,
    events: Sender<Event>,
}

#[pymethods]
impl Runner {
    fn __call__(&self, py: Python<'_>) {
        let ident = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
        let ident = ident.and_then(|ident| ident.extract()).unwrap_or(0);
        self.ident.store(ident, Ordering::Relaxed);
        self.supervise(py);
        release::drain_all(py);
        self.status.end();
        // The receiver is gone when nobody waits any more.
        let _ = self.events.send(Event::Ended);
    }
}

impl Runner {
    fn supervise(&self, py: Python<'_>) {
        let mut wait = self.initial;
        loop {
            let begun = Instant::now();
            let result = self.run.call0(py);
            let exit = self.attachment.exit.is_requested();
            match result {
                Ok(_) if exit || self.restart != Restart::Always => {
                    self.log.info(&format!("{} has returned", self.called));
                    return;
                }
                Ok(_) => self.log.info(&format!("{} has returned", self.called)),
                Err(error) => {
                    self.status.count_exception(&format!("run(): {error}"));
                    let text = exception::traceback(py, &error);
                    drop(error);
                    // Without the GIL: whoever reads stderr may be slow.
                    py.detach(|| self.log.error(&format!("{} raised an exception\n{text}", self.called)));
                    if self.restart == Restart::Never || exit {
                        return;
                    }
                }
            }
            if begun.elapsed() >= HEALTHY {
                wait = self.initial;
            }
            let jittered = wait.mul_f64(jitter());
            self.log.warning(&format!("{} is called again in {:.1} s", self.called, jittered.as_secs_f64()));
            self.status.set_restarting(true);
            if !py.detach(|| self.attachment.exit.wait(Instant::now() + jittered)) {
                return;
            }
            self.status.set_restarting(false);
            self.status.count_restart();
            wait = (wait * 2).min(self.max);
        }
    }
}

/// A factor from 0.75 to 1.25, so that sources that failed together do not come back together.
fn jitter() -> f64 {
    use std::hash::BuildHasher;
    let random = foldhash::quality::RandomState::default().hash_one(Instant::now());
    0.75 + (random % 1024) as f64 / 2048.0
}

/// What takes the exceptions of callbacks.
fn reporter(log: Log, id: String, class: String, status: Arc<SourceStatus>) -> Reporter {
    Box::new(move |py, method, error| {
        let text = exception::traceback(py, &error);
        status.count_exception(&format!("{method}(): {error}"));
        let text = format!("source {id} (class {class}): {method}() raised an exception\n{text}");
        // Without the GIL: whoever reads stderr may be slow.
        py.detach(|| log.error(&text));
    })
}

/// The class as the configuration names it: with its module, unless it is the configuration's own.
fn class_name(class: &Bound<'_, PyType>) -> String {
    let name = class.qualname().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    match class.module() {
        Ok(module) if module != "_syslogng_main" && module != "builtins" => format!("{module}.{name}"),
        _ => name,
    }
}

fn persist_name(
    options: &PythonSourceOptions,
    class: &str,
    generate: Option<Bound<'_, PyAny>>,
    given: &Bound<'_, PyDict>,
    report: impl Fn(PyErr),
) -> String {
    if let Some(name) = &options.persist_name {
        return format!("python-source.{}", name.value);
    }
    let generated =
        generate.and_then(|generate| match generate.call1((given,)).and_then(|name| text(&name)) {
            Ok(name) => Some(name),
            Err(error) => {
                report(error);
                None
            }
        });
    match generated {
        Some(name) => format!("python-source.{name}"),
        None => format!("python-source({class})"),
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
    let given = super::message::type_name(value);
    Err(PyTypeError::new_err(format!("generate_persist_name(): expected str or bytes, got {given}")))
}

/// The options as the Python side gets them: a new dict each time.
fn options_dict<'py>(py: Python<'py>, options: &PythonSourceOptions) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in &options.options {
        match value {
            OptionValue::Str(text) => dict.set_item(name, text)?,
            OptionValue::Int(number) => dict.set_item(name, number)?,
            OptionValue::Float(number) => dict.set_item(name, number)?,
            OptionValue::Bool(flag) => dict.set_item(name, flag)?,
            OptionValue::List(items) => dict.set_item(name, items)?,
            OptionValue::Template(template) => {
                let class = py.import("inrush")?.getattr("LogTemplate")?;
                dict.set_item(name, class.call1((template.value.as_str(),))?)?;
            }
        }
    }
    Ok(dict)
}
