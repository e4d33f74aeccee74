//! The name-value methods of `LogMessage`.
//!
//! The draft is behind a [`GilCell`](crate::python::cell::GilCell), and Python code must not run while it is
//! open. So each method reads its arguments first, opens the draft for plain data only, and makes or drops
//! objects that Python code may watch after it is closed.

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};

use super::names::{Name, SETTABLE, key_bytes, macros};
use super::{Draft, LazyDraft, Lent, Payload, macro_value};
use crate::message::ValueType;
use crate::python::type_name::type_name;
use crate::python::values::{self, Read};

/// The value of `key`, or [`None`].
fn read(message: &LazyDraft, py: Python<'_>, key: &[u8]) -> Option<Read> {
    let name = Name::of(key);
    let lent = |draft: &mut Draft| draft.lent_for(name).map(|lent| read_lent(lent, py, name, key));
    if let Some(found) = message.with_unparsed(py, lent) {
        return found;
    }
    message.with(py, |draft| {
        if let Name::Macro(name) = name {
            return macro_value(py, draft, name).map(|(value_type, text)| Read::of(py, value_type, &text));
        }
        if name == Name::Message
            && let Some(whole) = whole_bytes(py, draft)
        {
            return Some(Read::Bytes(whole));
        }
        draft.value(name).map(|(value_type, text)| Read::of(py, value_type, text))
    })
}

/// The value of `key` of a message of the engine's.
fn read_lent(lent: &Lent, py: Python<'_>, name: Name<'_>, key: &[u8]) -> Option<Read> {
    if lent.is_typed() {
        return lent.with_value(py, name, key, |value_type, text| Read::of(py, value_type, text));
    }
    let as_bytes = |text: &[u8]| Read::Bytes(PyBytes::new(py, text).unbind());
    lent.with_value(py, name, key, |_, text| as_bytes(text)).or_else(|| Some(as_bytes(b"")))
}

/// MESSAGE when it is all of a `bytes` object: that object, without a copy.
fn whole_bytes(py: Python<'_>, draft: &Draft) -> Option<Py<PyBytes>> {
    let Payload::Object { object, start, len } = &draft.payload else { return None };
    let bytes = object.bind(py).cast_exact::<PyBytes>().ok()?;
    let whole = bytes.as_bytes().as_ptr() == start.as_ptr() && bytes.as_bytes().len() == *len;
    let replaced = draft.extra.as_ref().is_some_and(|extra| extra.message.is_some());
    (whole && !replaced).then(|| bytes.clone().unbind())
}

fn missing(key: &Bound<'_, PyAny>) -> PyErr {
    PyKeyError::new_err(key.clone().unbind())
}

pub(super) fn get_item<'py>(message: &LazyDraft, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match read(message, key.py(), key_bytes(key)?) {
        Some(value) => value.into_object(key.py()),
        None => Err(missing(key)),
    }
}

pub(super) fn get<'py>(
    message: &LazyDraft,
    key: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match read(message, key.py(), key_bytes(key)?) {
        Some(value) => value.into_object(key.py()),
        None => Ok(default.unwrap_or_else(|| key.py().None().into_bound(key.py()))),
    }
}

pub(super) fn contains(message: &LazyDraft, key: &Bound<'_, PyAny>) -> PyResult<bool> {
    let (py, bytes) = (key.py(), key_bytes(key)?);
    let name = Name::of(bytes);
    let lent =
        |draft: &mut Draft| Some(draft.lent_for(name)?.with_value(py, name, bytes, |_, _| ()).is_some());
    let is_set = |draft: &mut Draft| draft.value(name).is_some();
    Ok(matches!(name, Name::Macro(_))
        || message.with_unparsed(py, lent).unwrap_or_else(|| message.with(py, is_set)))
}

pub(super) fn get_as_str<'py>(
    message: &LazyDraft,
    key: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
    encoding: &str,
    errors: &str,
) -> PyResult<Option<Bound<'py, PyString>>> {
    let py = key.py();
    let key = key_bytes(key)?;
    let name = Name::of(key);
    let lent = message.with_unparsed(py, |draft| {
        Some(draft.lent_for(name)?.with_value(py, name, key, |_, text| PyBytes::new(py, text)))
    });
    let of_draft = |draft: &mut Draft| match name {
        Name::Macro(name) => macro_value(py, draft, name).map(|(_, text)| PyBytes::new(py, &text)),
        name => draft.value(name).map(|(_, text)| PyBytes::new(py, text)),
    };
    let text = lent.unwrap_or_else(|| message.with(py, of_draft));
    let Some(text) = text else { return default_text(default) };
    if encoding == "utf-8"
        && let Ok(valid) = std::str::from_utf8(text.as_bytes())
    {
        return Ok(Some(PyString::new(py, valid)));
    }
    let [encoding, errors] = [encoding, errors].map(std::ffi::CString::new);
    let (encoding, errors) = (encoding?, errors?);
    PyString::from_encoded_object(text.as_any(), Some(&encoding), Some(&errors)).map(Some)
}

/// A default for text: `str` or `None`.
fn default_text(default: Option<Bound<'_, PyAny>>) -> PyResult<Option<Bound<'_, PyString>>> {
    let Some(default) = default.filter(|default| !default.is_none()) else { return Ok(None) };
    default.cast_into::<PyString>().map(Some).map_err(|error| {
        let given = type_name(&error.into_inner());
        PyTypeError::new_err(format!("default: expected str or None, got {given}"))
    })
}

pub(super) fn set_item(
    message: &LazyDraft,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = key.py();
    let key = key_bytes(key)?;
    if key.is_empty() {
        return Err(PyValueError::new_err("key: expected a name, got an empty one"));
    }
    let name = Name::of(key);
    // Written also for a macro, so that a value of a wrong type is an error whatever the name.
    let (value_type, written) = values::write(key, value)?;
    let is_text = value.is_exact_instance_of::<PyString>() || value.is_exact_instance_of::<PyBytes>();
    if !is_text && message.with_unparsed(py, |draft| draft.lent().is_some_and(|lent| !lent.is_typed())) {
        let (key, given) = (values::key_text(key), type_name(value));
        let what = "before @version: 4.0 values are str or bytes";
        return Err(PyValueError::new_err(format!("{key}: {what}, got {given}")));
    }
    let outcome = if name == Name::Message && value_type == ValueType::String {
        let payload = Payload::of(value)?;
        message.with_head(py, |draft| draft.set_message(payload))
    } else {
        message.with_head(py, |draft| draft.set(name, value_type, written.bytes()))
    };
    outcome.map(drop).map_err(|full| full.into_error(key))
}

pub(super) fn delete_item(message: &LazyDraft, key: &Bound<'_, PyAny>) -> PyResult<()> {
    let name_bytes = key_bytes(key)?;
    let name = Name::of(name_bytes);
    let removed = message.with_head(key.py(), |draft| draft.unset(name));
    let removed = removed.map_err(|full| full.into_error(name_bytes))?;
    removed.map(drop).ok_or_else(|| missing(key))
}

pub(super) fn keys<'py>(message: &LazyDraft, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
    static MACROS: PyOnceLock<Vec<Py<PyBytes>>> = PyOnceLock::new();
    let macros =
        MACROS.get_or_init(py, || macros().map(|name| PyBytes::new(py, name.as_bytes()).unbind()).collect());
    let mut names = Vec::new();
    let set = message.with(py, |draft| {
        if draft.message().is_some() {
            names.push(PyBytes::new(py, b"MESSAGE"));
        }
        draft.each_pair(|name, _| names.push(PyBytes::new(py, name)));
        SETTABLE.map(|name| draft.value(Name::Text(name.as_bytes())).is_some())
    });
    // A macro that is set stands among the values already.
    let is_set = |name: &[u8]| SETTABLE.iter().zip(set).any(|(macro_, set)| set && macro_.as_bytes() == name);
    names.extend(macros.iter().map(|name| name.bind(py).clone()).filter(|name| !is_set(name.as_bytes())));
    PyList::new(py, names)
}

pub(super) fn items<'py>(message: &LazyDraft, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
    let mut pairs = Vec::new();
    message.with(py, |draft| {
        if let Some(text) = draft.message() {
            pairs.push((PyBytes::new(py, b"MESSAGE"), Read::of(py, draft.message_type(), text)));
        }
        draft.each_pair(|name, field| {
            let value = Read::of(py, field.value_type, draft.bytes(&field.value));
            pairs.push((PyBytes::new(py, name), value));
        });
    });
    let items = PyList::empty(py);
    for (name, value) in pairs {
        items.append((name, value.into_object(py)?))?;
    }
    Ok(items)
}
