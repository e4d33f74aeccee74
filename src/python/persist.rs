//! `Persist`: a mapping of the user's whose values outlive the process. Which state it belongs to is in
//! `engine`.
//!
//! A key is a text: `bytes` are read as UTF-8, and what is none of that as lone surrogates, as Python does
//! with the names of files. Texts are kept with `surrogatepass`, so that all of them come back.

use pyo3::exceptions::{PyKeyError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

use super::cell::GilCell;
use super::type_name::type_name;
use crate::state::{Error, Store, Value};

mod engine;

pub(crate) use engine::{Reading, has_saved, set_engine, set_test, settle, take_saved, unset_engine};
use engine::{note_saved, state};

fn failed(error: &Error) -> PyErr {
    match error.errno() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// The bytes of a text.
fn bytes_of(text: &Bound<'_, PyString>) -> PyResult<Box<[u8]>> {
    if let Ok(text) = text.to_str() {
        return Ok(text.as_bytes().into());
    }
    let encoded = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
    Ok(encoded.cast::<PyBytes>()?.as_bytes().into())
}

/// The text of what [`bytes_of`] gave.
fn text_of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text).into_any()),
        Err(_) => PyBytes::new(py, bytes).call_method1("decode", ("utf-8", "surrogatepass")),
    }
}

/// The bytes of a key; `None` when it is of another type than keys are.
fn key_bytes(key: &Bound<'_, PyAny>) -> PyResult<Option<Box<[u8]>>> {
    if let Ok(text) = key.cast::<PyString>() {
        return bytes_of(text).map(Some);
    }
    let Ok(bytes) = key.cast::<PyBytes>() else { return Ok(None) };
    if std::str::from_utf8(bytes.as_bytes()).is_ok() {
        return Ok(Some(bytes.as_bytes().into()));
    }
    let text = bytes.call_method1("decode", ("utf-8", "surrogateescape"))?;
    bytes_of(text.cast::<PyString>()?).map(Some)
}

fn key_of(key: &Bound<'_, PyAny>) -> PyResult<Box<[u8]>> {
    key_bytes(key)?.ok_or_else(|| {
        PyTypeError::new_err(format!("Persist: a key must be str or bytes, got {}", type_name(key)))
    })
}

fn value_of(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::Text(bytes_of(text)?));
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if let Ok(number) = value.cast::<PyInt>() {
        if let Ok(number) = number.extract::<i64>() {
            return Ok(Value::from(number));
        }
        let bits: usize = number.call_method0("bit_length")?.extract()?;
        let keywords = PyDict::new(value.py());
        keywords.set_item("signed", true)?;
        let bytes = number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&keywords))?;
        return Ok(Value::Integer(bytes.cast::<PyBytes>()?.as_bytes().into()));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().into()));
    }
    let given = type_name(value);
    Err(PyTypeError::new_err(format!("Value must be either string, integer or bytes, got {given}")))
}

fn object_of<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Text(text) => text_of(py, text),
        Value::Bytes(bytes) => Ok(PyBytes::new(py, bytes).into_any()),
        Value::Bool(flag) => Ok(PyBool::new(py, *flag).to_owned().into_any()),
        Value::Integer(bytes) => {
            if let Some(number) = value.as_i64() {
                return Ok(number.into_pyobject(py)?.into_any());
            }
            let keywords = PyDict::new(py);
            keywords.set_item("signed", true)?;
            let class = py.get_type::<PyInt>();
            class.call_method("from_bytes", (PyBytes::new(py, bytes), "little"), Some(&keywords))
        }
    }
}

/// Values by name that outlive the process: a mapping from `str` to `str`, `int`, `bytes` and `bool`, shared
/// by all that have the same name.
///
/// `defaults` are set for the keys that are not there yet.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct Persist {
    store: GilCell<Option<(String, Store)>>,
}

impl Persist {
    fn store(&self, py: Python<'_>) -> PyResult<Store> {
        let store = self.store.with(py, |kept| kept.as_ref().map(|(_, store)| store.clone()));
        store.ok_or_else(|| PyRuntimeError::new_err("Persist: __init__() was not called"))
    }

    /// `self[key] = value`, also while the disk refuses: it is written when it does not any more.
    ///
    /// # Errors
    /// Those of an assignment, but for the disk's.
    pub(crate) fn set_later(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (key, value) = (key_of(key)?, value_of(value)?);
        self.store(py)?.put_later(&key, value).map_err(|error| failed(&error))?;
        note_saved();
        Ok(())
    }

    fn set(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (key, value) = (key_of(key)?, value_of(value)?);
        self.store(py)?.put(&key, value).map_err(|error| failed(&error))?;
        note_saved();
        Ok(())
    }

    fn find<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let key = key_of(key)?;
        let value = self.store(py)?.get(&key).map_err(|error| failed(&error))?;
        value.map(|value| object_of(py, &value)).transpose()
    }
}

#[pymethods]
impl Persist {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self { store: GilCell::new(None) }
    }

    #[pyo3(signature = (persist_name, defaults=None))]
    fn __init__(
        &self,
        py: Python<'_>,
        persist_name: &Bound<'_, PyAny>,
        defaults: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let Ok(name) = persist_name.cast::<PyString>() else {
            let given = type_name(persist_name);
            return Err(PyTypeError::new_err(format!("Persist: persist_name must be str, got {given}")));
        };
        let name = name.to_str()?.to_owned();
        if name.contains("##") {
            return Err(PyValueError::new_err(format!(
                "Persist: persist_name must not contain ##, and \"{name}\" does"
            )));
        }
        let store = state(py, &name)?.store(&name);
        let old = self.store.with(py, |kept| kept.replace((name, store.clone())));
        drop(old);
        let Some(defaults) = defaults else { return Ok(()) };
        let Ok(items) = defaults.call_method0("items") else {
            let given = type_name(defaults);
            return Err(PyTypeError::new_err(format!("Persist: defaults must be a dict, got {given}")));
        };
        for item in items.try_iter()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
            let has = store.get(&key_of(&key)?).map_err(|error| failed(&error))?.is_some();
            if !has {
                self.set(py, &key, &value)?;
            }
        }
        Ok(())
    }

    /// The name under which the values are kept.
    #[getter]
    fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.store.with(py, |kept| kept.as_ref().map(|(name, _)| name.clone()))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(py, key)?.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __setitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(py, key, value)
    }

    fn __delitem__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = key_of(key)?;
        match self.store(py)?.delete(&bytes) {
            Ok(true) => {
                note_saved();
                Ok(())
            }
            Ok(false) => Err(PyKeyError::new_err(key.clone().unbind())),
            Err(error) => Err(failed(&error)),
        }
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(key) = key_bytes(key)? else { return Ok(false) };
        let value = self.store(py)?.get(&key).map_err(|error| failed(&error))?;
        Ok(value.is_some())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.store(py)?.len().map_err(|error| failed(&error))
    }

    /// Always true: `if self.persist:` asks whether there is one, not whether it is empty.
    #[expect(clippy::unused_self, reason = "it is a method in Python")]
    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys(py)?.try_iter()?.into_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        let class = type_name(slf.as_any());
        match slf.get().persist_name(slf.py()) {
            Some(name) => format!("<{class} {name:?}>"),
            None => format!("<{class}>"),
        }
    }

    /// The value of `key`, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(py, key)?.or(default))
    }

    /// A list of the keys.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let keys = self.store(py)?.keys().map_err(|error| failed(&error))?;
        let keys: Vec<_> = keys.iter().map(|key| text_of(py, key)).collect::<PyResult<_>>()?;
        PyList::new(py, keys)
    }

    /// A list of pairs of key and value, as they were at one moment.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let items = self.store(py)?.items().map_err(|error| failed(&error))?;
        let pair = |(key, value): &(Box<[u8]>, Value)| Ok((text_of(py, key)?, object_of(py, value)?));
        let pairs: Vec<_> = items.iter().map(pair).collect::<PyResult<_>>()?;
        PyList::new(py, pairs)
    }

    /// Waits until everything assigned before is on the disk. Assignments get there by themselves, within
    /// moments.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.store(py)?;
        py.detach(|| store.state().flush()).map_err(|error| failed(&error))
    }
}
