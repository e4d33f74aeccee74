//! A source without an engine around it: what `inrush.testing` is made of ([`Rig`]), and where the posts of a
//! source go that was made by hand ([`mod@offline`]).
//!
//! Both are the real way of a message, from the post through the lane with its credit; at the end of the lane
//! stands a [`collector`] in the place of workers and destinations. What both give a source, and how they
//! read messages, is in `input`.

pub(crate) mod collector;
mod input;
pub(crate) mod offline;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyIndexError, PyOSError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyType};

use self::collector::{Arrived, Collector, Outcome};
use self::input::{make_input, python_options, refused, to_python};
use super::attachment::Attachment;
use super::blocks::Blocks;
use super::cell::GilCell;
use super::class;
use super::hosted::{deadline, set_offline};
use super::hosting::Hosting;
use super::instance::PythonSource;
use super::kind::hosted;
use super::message::LogMessage;
use super::type_name::type_name;
use super::{exception, generators, logger, persist, release, search_path};
use crate::config::{self, Config, Environment, OptionValue};
use crate::drivers::VOCABULARY;
use crate::engine::supervised;
use crate::engine::{Log, LogLevel};
use crate::flow::{Credit, Inbox, Lane, Parcel};
use crate::message::{Origin, Pool};
use crate::source::{EngineLog, Gate, Source, Start};
use crate::state::State;

/// The number of messages of the log that are kept.
const LOG_WINDOW: u32 = 1_000_000;
const LOG_BYTES: u64 = 256 << 20;

/// `options()` of a Python dict, as a configuration would give them.
fn option_value(key: &str, value: &Bound<'_, PyAny>) -> PyResult<OptionValue> {
    Ok(if let Ok(flag) = value.cast_exact::<PyBool>() {
        OptionValue::Bool(flag.is_true())
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        OptionValue::Str(text.to_str()?.to_owned())
    } else if value.is_exact_instance_of::<PyInt>() {
        OptionValue::Int(value.extract()?)
    } else if value.is_exact_instance_of::<PyFloat>() {
        OptionValue::Float(value.extract()?)
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        OptionValue::List(list.extract()?)
    } else {
        let given = type_name(value);
        return Err(PyTypeError::new_err(format!(
            "options: {key}: expected what a configuration can say (str, int, float, bool, list of str), got {given}"
        )));
    })
}

/// The engine's side of a test.
#[pyclass(module = "inrush._native", name = "_Rig", frozen)]
pub struct Rig {
    config: Config,
    collector: Collector,
    attachment: Arc<Attachment>,
    instance: Py<PyAny>,
    /// Taken out while it is called.
    source: GilCell<Option<PythonSource>>,
    log: Log,
    log_inbox: Mutex<Inbox<Parcel>>,
    state: Arc<State>,
    hosting: GilCell<Option<Hosting>>,
    /// Credit that the test has taken away.
    taken: GilCell<u32>,
}

impl Rig {
    /// Calls `work` with the source, which may run Python code.
    fn with_source<R>(&self, py: Python<'_>, work: impl FnOnce(&mut PythonSource) -> R) -> PyResult<R> {
        let Some(mut source) = self.source.with(py, Option::take) else {
            return Err(PyRuntimeError::new_err("the source is being started or stopped, or was closed"));
        };
        let result = work(&mut source);
        self.source.with(py, |kept| *kept = Some(source));
        Ok(result)
    }

    fn arrived(&self, number: usize) -> PyResult<(Arrived, Outcome)> {
        self.collector.get(number).ok_or_else(|| {
            PyIndexError::new_err(format!("message {number}: only {} have arrived", self.collector.count()))
        })
    }

    /// True when everything that was posted has arrived, and no more will be.
    fn is_over(&self, is_alive: impl Fn() -> bool) -> bool {
        let ended = !is_alive();
        ended && self.attachment.lane.counters().totals().posted <= self.collector.count() as u64
    }
}

#[pymethods]
impl Rig {
    /// Makes the instance, as far as its callbacks are taken. `statement` is the driver with its options.
    #[new]
    fn new(
        py: Python<'_>,
        class: &Bound<'_, PyType>,
        statement: &str,
        options: HashMap<String, Bound<'_, PyAny>>,
        holds: bool,
        errors: Bound<'_, PyList>,
        before: Option<PyRef<'_, Self>>,
    ) -> PyResult<Self> {
        let hosting = Hosting::alone().ok_or_else(|| {
            PyRuntimeError::new_err("another source is under test in this process, or an engine runs in it")
        })?;
        let log = Log::silent();
        let collector = Collector::start(usize::MAX, holds, &log)
            .map_err(|error| PyOSError::new_err(format!("no thread to collect messages: {error}")))?;
        let log_inbox = Inbox::new();
        let credit = Arc::new(Credit::new(LOG_WINDOW, LOG_BYTES));
        let pool = Arc::new(Pool::new());
        let lane = Lane::new(0, log_inbox.sender(), credit, Arc::default(), pool, None);
        log.add_reader(lane.producer(Arc::new(Origin::named("internal"))));
        let text =
            format!("@version: current\nsource s_test {{ {statement} }}; log {{ source(s_test); }};\n");
        let (config, input) = make_input(&text, &collector, &log, |to| {
            for (key, value) in options {
                let value = option_value(&key, &value)?;
                to.class.options.insert(key.replace('-', "_"), value);
            }
            // So that each message can be acknowledged by itself.
            to.batch_size = Some(1);
            Ok(())
        })?;
        let state = before.map_or_else(State::in_memory, |before| Arc::clone(&before.state));
        let options = python_options(&input)?;
        exception::observe(py, Some(errors.unbind()));
        persist::set_test(py, &state, &log);
        logger::set_log(Some(log.clone()));
        let made = class::check_source(&config, options, class)
            .and_then(|()| PythonSource::create(py, &config, &input, options, class, &log));
        let source = match made {
            Ok(source) => source,
            Err(error) => {
                logger::set_log(None);
                persist::unset_engine(py);
                exception::observe(py, None);
                collector.end();
                return Err(refused(&error.in_words()));
            }
        };
        Ok(Self {
            config,
            collector,
            attachment: Arc::clone(source.attachment()),
            instance: source.instance().clone_ref(py),
            source: GilCell::new(Some(source)),
            log,
            log_inbox: Mutex::new(log_inbox),
            state,
            hosting: GilCell::new(Some(hosting)),
            taken: GilCell::new(0),
        })
    }

    /// The object of the user's class.
    #[getter]
    fn instance(&self, py: Python<'_>) -> Py<PyAny> {
        self.instance.clone_ref(py)
    }

    /// Calls `init()`.
    fn init(&self, py: Python<'_>) -> PyResult<()> {
        self.with_source(py, |source| source.initialise(py, &self.config))?
            .map_err(|error| refused(&error.in_words()))
    }

    /// Starts the thread.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let (ended, stop, state) = (Arc::new(|| {}), Arc::new(|| {}), Arc::clone(&self.state));
        let alone = Start { gate: Gate::open(), ended, stop, state };
        self.with_source(py, |source| {
            source.status().start();
            source.start_running(py, &alone).inspect_err(|_| source.status().end())
        })?
    }

    /// Stops the source as the engine does; whether its thread has ended.
    fn stop(&self, py: Python<'_>) -> PyResult<bool> {
        let sleep = |pause| py.detach(|| std::thread::sleep(pause));
        let ended = self.with_source(py, |source| supervised::stop(&mut [source], &self.log, &sleep))?;
        py.detach(|| self.collector.end());
        release::drain_all(py);
        Ok(ended)
    }

    /// True when the thread of the source has not ended.
    fn is_alive(&self, py: Python<'_>) -> bool {
        self.source.with(py, |source| source.as_ref().is_some_and(Source::is_alive))
    }

    /// Waits for `count` messages; ends early when the source has ended and no more will come.
    fn wait(&self, py: Python<'_>, count: usize, seconds: f64) -> PyResult<bool> {
        let deadline = deadline("wait", seconds)?;
        let status = self.with_source(py, |source| Arc::clone(source.status()))?;
        let arrived =
            py.detach(|| self.collector.wait(count, deadline, || self.is_over(|| status.is_alive())));
        release::drain_all(py);
        Ok(arrived)
    }

    fn __len__(&self) -> usize {
        self.collector.count()
    }

    /// The message with this number.
    fn message(&self, py: Python<'_>, number: usize) -> PyResult<LogMessage> {
        Ok(to_python(py, &self.arrived(number)?.0))
    }

    /// Its outcome: "held", "acked" or "aborted".
    fn outcome(&self, number: usize) -> PyResult<&'static str> {
        Ok(self.arrived(number)?.1.name())
    }

    /// Acknowledges a message, or aborts it; whether it was held.
    fn decide(&self, py: Python<'_>, number: usize, aborts: bool) -> PyResult<bool> {
        let outcome = if aborts { Outcome::Aborted } else { Outcome::Acked };
        let decided = py.detach(|| self.collector.decide(number, outcome));
        decided.ok_or_else(|| {
            PyIndexError::new_err(format!("message {number}: only {} have arrived", self.collector.count()))
        })
    }

    /// The `Persist` of this name in the source's store.
    fn persist<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
        defaults: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let is_open = self.hosting.with(py, |hosting| hosting.is_some());
        if is_open {
            return py.get_type::<persist::Persist>().call1((name, defaults));
        }
        // The test is over, and its store is not that of the process any more.
        let Some(hosting) = Hosting::alone() else {
            return Err(PyRuntimeError::new_err(
                "persist: another source is under test; ask before it begins",
            ));
        };
        persist::set_test(py, &self.state, &self.log);
        let made = py.get_type::<persist::Persist>().call1((name, defaults));
        persist::unset_engine(py);
        drop(hosting);
        made
    }

    /// Says whether messages are held from now on.
    fn set_holds(&self, holds: bool) {
        self.collector.set_holds(holds);
    }

    /// Takes the source's credit away, but for one message.
    fn suspend(&self, py: Python<'_>) {
        self.collector.set_withholds(true);
        self.attachment.producer.with(py, crate::flow::Producer::before_wait);
        let credit = self.attachment.lane.credit();
        let most = u32::try_from(credit.free_messages() - 1).unwrap_or(0);
        let taken = if most == 0 { 0 } else { credit.try_take(most, 0) };
        self.taken.with(py, |all| *all += taken);
    }

    /// Gives it back.
    fn wake_up(&self, py: Python<'_>) {
        let taken = self.taken.with(py, std::mem::take);
        if taken > 0 {
            self.attachment.lane.credit().give_back(taken, 0);
        }
        py.detach(|| self.collector.set_withholds(false));
    }

    /// True when a post would find no credit.
    fn is_suspended(&self) -> bool {
        !self.attachment.lane.credit().is_available()
    }

    /// The lines that were logged since the last call: pairs of the level's name and the text.
    fn take_log(&self) -> Vec<(&'static str, String)> {
        let mut inbox = self.log_inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        while let Some(parcel) = inbox.try_recv() {
            let (view, _ack) = parcel.open();
            for message in view.messages() {
                let severity = u8::try_from(message.pri() % 8).unwrap_or(7);
                let level = LogLevel::ALL.into_iter().rfind(|level| (*level as u8) <= severity);
                let text = String::from_utf8_lossy(message.text()).into_owned();
                lines.push((level.unwrap_or(LogLevel::Error).name(), text));
            }
        }
        lines
    }

    /// The counts: posted, delivered, dropped, in flight, refused.
    fn totals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let totals = self.attachment.lane.counters().totals();
        let dict = PyDict::new(py);
        dict.set_item("posted", totals.posted)?;
        dict.set_item("delivered", totals.delivered)?;
        dict.set_item("dropped", totals.dropped_total())?;
        dict.set_item("in_flight", totals.in_flight)?;
        dict.set_item("refused", totals.refused)?;
        Ok(dict)
    }

    /// Lets go of everything; the messages that arrived stay readable.
    fn close(&self, py: Python<'_>) {
        if let Some(mut source) = self.source.with(py, Option::take) {
            source.close();
            if !source.is_alive() {
                source.deinit();
            }
            drop(source);
        }
        self.wake_up(py);
        py.detach(|| self.collector.end());
        if let Some(hosting) = self.hosting.with(py, Option::take) {
            logger::set_log(None);
            persist::unset_engine(py);
            exception::observe(py, None);
            drop(hosting);
        }
        release::drain_all(py);
    }
}

/// The messages that a source made by hand has posted, and how many there were before the first of them.
#[pyfunction]
fn _posted(py: Python<'_>, source: &Bound<'_, PyAny>, clear: bool) -> PyResult<(usize, Vec<LogMessage>)> {
    let Some(hosted) = hosted(source) else {
        return Err(PyTypeError::new_err(format!("posted: LogSource expected, got {}", type_name(source))));
    };
    let Some(attachment) = hosted.get() else { return Ok((0, Vec::new())) };
    offline::posted(py, attachment, clear)
}

/// Runs the python blocks of a configuration, and gives the module of their names.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes a PathBuf from the argument")]
fn _blocks(py: Python<'_>, path: PathBuf) -> PyResult<Py<PyAny>> {
    let environment = Environment::of_process(&path, &VOCABULARY);
    let run = |config: &Config| {
        search_path::add(py, config)?;
        Blocks::run(py, config).map_err(|error| refused(&error))
    };
    let inspected = py.detach(|| config::inspect(&path, &environment));
    if let Some(partial) = inspected.needs_generators() {
        let blocks = run(partial)?;
        let environment = Environment { generators: generators::registered(py), ..environment };
        let read = py.detach(|| config::inspect_again(partial, &environment));
        read.whole().map_err(|errors| refused(&errors))?;
        return Ok(blocks.module(py));
    }
    Ok(run(&inspected.whole().map_err(|errors| refused(&errors))?)?.module(py))
}

/// Adds the class and the functions to `module`, without a place in its `__all__`, and gives sources made by
/// hand their lanes.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    set_offline(offline::attachment);
    let any = module.as_any();
    any.setattr("_Rig", module.py().get_type::<Rig>())?;
    any.setattr("_posted", wrap_pyfunction!(_posted, module)?)?;
    any.setattr("_blocks", wrap_pyfunction!(_blocks, module)?)
}
