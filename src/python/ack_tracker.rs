//! `InstantAckTracker`, `ConsecutiveAckTracker`, `BatchedAckTracker`, `PersistedBookmark`: what a source sets
//! as its `ack_tracker`.
//!
//! The objects say what is wanted and hold nothing of a running source, so one may serve several sources, be
//! made outside an engine, and live through a reload. What follows the messages is [`super::acks`].

use std::sync::OnceLock;
use std::time::Duration;

use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::persist::Persist;
use super::type_name::type_name;
use crate::flow::tracker::Order;

/// The plan of acknowledgements that a source wants.
pub enum Plan {
    /// Each bookmark, as messages are done.
    Instant(Py<PyAny>),
    /// The last bookmark of what was delivered without a gap.
    Consecutive(Py<PyAny>),
    /// The same, written into `store` under `key`.
    Persisted(Stored),
    /// Lists of bookmarks.
    Batched(Batched),
}

/// The store of a bookmark.
pub struct Stored {
    store: Py<PyAny>,
    key: Py<PyAny>,
    default: Py<PyAny>,
}

/// The rule for lists of bookmarks.
pub struct Batched {
    /// Takes the list.
    pub callback: Py<PyAny>,
    /// The time after the list before.
    pub timeout: Option<Duration>,
    /// The number of bookmarks that make a list at once.
    pub size: usize,
}

impl Plan {
    /// The order that it wants.
    pub fn order(&self) -> Order {
        match self {
            Self::Instant(_) | Self::Batched(_) => Order::Completion,
            Self::Consecutive(_) | Self::Persisted(_) => Order::Posting,
        }
    }

    /// The name of its callback in the log.
    pub(crate) fn callback_name(&self) -> &'static str {
        match self {
            Self::Instant(_) | Self::Consecutive(_) => "Bookmark.ack_callback",
            Self::Persisted(_) => "PersistedBookmark.store",
            Self::Batched(_) => "BatchedAckTracker.batched_ack_callback",
        }
    }

    /// Tells one bookmark.
    ///
    /// # Errors
    /// What the callback, or the store, raises.
    pub fn tell<'py>(&self, py: Python<'py>, bookmark: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Instant(callback) | Self::Consecutive(callback) => callback.bind(py).call1((bookmark,)),
            Self::Batched(Batched { callback, .. }) => callback.bind(py).call1(([bookmark],)),
            Self::Persisted(stored) => {
                match stored.store.bind(py).cast_exact::<Persist>() {
                    // Told once: it has to be kept also while the disk refuses.
                    Ok(persist) => persist.get().set_later(py, stored.key.bind(py), &bookmark)?,
                    Err(_) => stored.store.bind(py).set_item(&stored.key, bookmark)?,
                }
                Ok(py.None().into_bound(py))
            }
        }
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Instant(callback) | Self::Consecutive(callback) => visit.call(callback),
            Self::Batched(batched) => visit.call(&batched.callback),
            Self::Persisted(stored) => {
                visit.call(&stored.store)?;
                visit.call(&stored.key)?;
                visit.call(&stored.default)
            }
        }
    }
}

/// Refuses a bookmark that a store could not take later.
///
/// # Errors
/// `TypeError`, with the name of `method`.
pub(crate) fn check_persisted(bookmark: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
    let kept = bookmark.is_exact_instance_of::<PyString>()
        || bookmark.is_exact_instance_of::<PyInt>()
        || bookmark.is_exact_instance_of::<PyBytes>()
        || bookmark.is_exact_instance_of::<PyBool>();
    if kept {
        return Ok(());
    }
    let given = type_name(bookmark);
    Err(PyTypeError::new_err(format!(
        "{method}: bookmark: a PersistedBookmark keeps str, int, bytes and bool, got {given}"
    )))
}

/// The base of what a source can have as its `ack_tracker`.
#[pyclass(module = "inrush", subclass, frozen)]
pub struct AckTracker {
    plan: OnceLock<Plan>,
}

impl AckTracker {
    /// Its plan; `None` when its `__init__` was not called.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.get()
    }

    fn set(&self, class: &str, plan: Plan) -> PyResult<()> {
        let set = self.plan.set(plan);
        set.map_err(|_| PyRuntimeError::new_err(format!("{class}: __init__() was called before")))
    }

    fn new() -> PyClassInitializer<Self> {
        PyClassInitializer::from(Self { plan: OnceLock::new() })
    }
}

#[pymethods]
impl AckTracker {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.plan.get().map_or(Ok(()), |plan| plan.visit(&visit))
    }
}

fn callable(class: &str, name: &str, callback: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if callback.is_callable() {
        return Ok(callback.clone().unbind());
    }
    let given = type_name(callback);
    Err(PyTypeError::new_err(format!("{class}: {name}: expected a callable, got {given}")))
}

fn unsigned(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    if !value.is_instance_of::<PyInt>() {
        let given = type_name(value);
        return Err(PyTypeError::new_err(format!("BatchedAckTracker: {name}: expected an int, got {given}")));
    }
    value.extract::<u32>().map_err(|_| {
        let most = u32::MAX;
        PyValueError::new_err(format!("BatchedAckTracker: {name}: {value}, expected 0 to {most}"))
    })
}

/// Calls back with each message's bookmark as the message is done, given up ones included.
#[pyclass(module = "inrush", extends = AckTracker, subclass, frozen)]
pub struct InstantAckTracker;

#[pymethods]
impl InstantAckTracker {
    /// A subclass may take what it likes: its own `__init__` calls this one.
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        AckTracker::new().add_subclass(Self)
    }

    fn __init__(slf: &Bound<'_, Self>, ack_callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let callback = callable("InstantAckTracker", "ack_callback", ack_callback)?;
        slf.as_super().get().set("InstantAckTracker", Plan::Instant(callback))
    }
}

/// Calls back with the last bookmark of what was delivered without a gap.
#[pyclass(module = "inrush", extends = AckTracker, subclass, frozen)]
pub struct ConsecutiveAckTracker;

#[pymethods]
impl ConsecutiveAckTracker {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        AckTracker::new().add_subclass(Self)
    }

    fn __init__(slf: &Bound<'_, Self>, ack_callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let callback = callable("ConsecutiveAckTracker", "ack_callback", ack_callback)?;
        slf.as_super().get().set("ConsecutiveAckTracker", Plan::Consecutive(callback))
    }
}

/// Calls back with lists of bookmarks of delivered messages.
#[pyclass(module = "inrush", extends = AckTracker, subclass, frozen)]
pub struct BatchedAckTracker;

#[pymethods]
impl BatchedAckTracker {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        AckTracker::new().add_subclass(Self)
    }

    fn __init__(
        slf: &Bound<'_, Self>,
        timeout: &Bound<'_, PyAny>,
        batch_size: &Bound<'_, PyAny>,
        batched_ack_callback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let callback = callable("BatchedAckTracker", "batched_ack_callback", batched_ack_callback)?;
        let milliseconds = unsigned("timeout", timeout)?;
        let size = unsigned("batch_size", batch_size)? as usize;
        if size == 0 {
            return Err(PyValueError::new_err("BatchedAckTracker: batch_size: 0, expected at least 1"));
        }
        let timeout = (milliseconds > 0).then(|| Duration::from_millis(milliseconds.into()));
        slf.as_super().get().set("BatchedAckTracker", Plan::Batched(Batched { callback, timeout, size }))
    }
}

/// A `ConsecutiveAckTracker` that writes the bookmark into a `Persist`.
#[pyclass(module = "inrush", extends = ConsecutiveAckTracker, subclass, frozen)]
pub struct PersistedBookmark;

impl PersistedBookmark {
    fn stored<'a>(slf: &'a Bound<'_, Self>) -> PyResult<&'a Stored> {
        match slf.as_super().as_super().get().plan() {
            Some(Plan::Persisted(stored)) => Ok(stored),
            _ => Err(PyRuntimeError::new_err("PersistedBookmark: __init__() was not called")),
        }
    }
}

#[pymethods]
impl PersistedBookmark {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        AckTracker::new().add_subclass(ConsecutiveAckTracker).add_subclass(Self)
    }

    #[pyo3(signature = (store, key="bookmark", default=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        key: &str,
        default: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let store = if store.is_instance_of::<PyString>() {
            py.import("inrush")?.getattr("Persist")?.call1((store,))?
        } else {
            for method in ["__getitem__", "__setitem__"] {
                if !store.get_type().hasattr(method)? {
                    let given = type_name(store);
                    return Err(PyTypeError::new_err(format!(
                        "PersistedBookmark: store: expected a Persist, the name of one, or a mapping, got {given}"
                    )));
                }
            }
            store.clone()
        };
        let stored = Stored {
            store: store.unbind(),
            key: PyString::new(py, key).into_any().unbind(),
            default: default.unwrap_or_else(|| py.None()),
        };
        slf.as_super().as_super().get().set("PersistedBookmark", Plan::Persisted(stored))
    }

    /// The bookmark that was written last, by this process or by one before it.
    #[getter]
    fn value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let stored = Self::stored(slf)?;
        match stored.store.bind(py).get_item(&stored.key) {
            Err(error) if error.is_instance_of::<PyKeyError>(py) => Ok(stored.default.bind(py).clone()),
            got => got,
        }
    }
}

/// Adds the classes to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AckTracker>()?;
    module.add_class::<InstantAckTracker>()?;
    module.add_class::<ConsecutiveAckTracker>()?;
    module.add_class::<BatchedAckTracker>()?;
    module.add_class::<PersistedBookmark>()
}
