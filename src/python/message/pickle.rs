//! Messages in pickles: what `__getstate__` gives and `__setstate__` takes.
//!
//! ```text
//! ( (1, message, fields, stamp_micros, stamp_offset, recvd_micros, raw_size, pri, bookmark),   the draft
//!   what a subclass's objects have beside it: a dict, or a dict and one for slots, or None )
//! message   None, or (type, text)
//! fields    [(kind, name, type, text), …]   kind 0: a name; 1: an SD-ID; 2: a parameter of the SD-ID before it
//! type      the index in `TYPES`
//! ```
//!
//! The first number is the version of the form. A pickle is read by the same or a later version.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use super::{Draft, DraftField, LazyDraft, Payload, Place};
use crate::message::{FieldName, MESSAGE_MAX, Stamp, ValueType};

const VERSION: u8 = 1;

/// The types by their number in a pickle: only ever added to, at the end.
const TYPES: [ValueType; 10] = [
    ValueType::String,
    ValueType::Json,
    ValueType::Boolean,
    ValueType::Integer,
    ValueType::Double,
    ValueType::Datetime,
    ValueType::List,
    ValueType::Null,
    ValueType::Bytes,
    ValueType::Protobuf,
];

type Field<'py> = (u8, Bound<'py, PyBytes>, u8, Bound<'py, PyBytes>);
type Message<'py> = Option<(u8, Bound<'py, PyBytes>)>;
type State<'py> = (u8, Message<'py>, Vec<Field<'py>>, i64, i32, i64, u32, u16, Option<Bound<'py, PyAny>>);

fn number_of(value_type: ValueType) -> u8 {
    TYPES.iter().position(|known| *known == value_type).unwrap_or_default() as u8
}

fn type_of(number: u8) -> PyResult<ValueType> {
    TYPES.get(usize::from(number)).copied().ok_or_else(|| wrong(&format!("unknown type {number}")))
}

fn wrong(what: &str) -> PyErr {
    PyValueError::new_err(format!("not the pickle of a LogMessage: {what}"))
}

/// The state of `message`, the draft of `object`, and of what a subclass adds to it.
pub(super) fn state<'py>(object: &Bound<'py, PyAny>, message: &LazyDraft) -> PyResult<Bound<'py, PyTuple>> {
    let py = object.py();
    let state: State<'_> = message.with(py, |draft| {
        let text = draft.message().map(|text| (number_of(draft.message_type()), PyBytes::new(py, text)));
        let fields = draft.fields().iter().map(|field| {
            let kind = match field.id {
                FieldName::SdId => 1,
                FieldName::SdParam => 2,
                _ => 0,
            };
            let name = field.id.text().map_or_else(|| draft.bytes(&field.name), str::as_bytes);
            let (name, value) = (PyBytes::new(py, name), PyBytes::new(py, draft.bytes(&field.value)));
            (kind, name, number_of(field.value_type), value)
        });
        let (fields, stamp) = (fields.collect(), draft.head.stamp());
        let bookmark = draft.extra.as_ref().and_then(|extra| extra.bookmark.as_ref());
        let bookmark = bookmark.map(|bookmark| bookmark.bind(py).clone());
        let recvd = draft.head.recvd_micros;
        let (micros, offset) = (stamp.unix_micros, stamp.offset_seconds);
        (VERSION, text, fields, micros, offset, recvd, draft.head.raw_size, draft.head.pri, bookmark)
    });
    let (version, text, fields, micros, offset, recvd, raw_size, pri, bookmark) = state;
    let fields = PyList::new(py, fields)?;
    let draft = (version, text, fields, micros, offset, recvd, raw_size, pri, bookmark);
    (draft, attributes(object)?).into_pyobject(py)
}

/// The object's attributes beside the message: as `object.__getstate__` gives it.
fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if let Some(get) = py.get_type::<PyAny>().getattr_opt(intern!(py, "__getstate__"))? {
        return get.call1((object,));
    }
    // CPython 3.10 has no such method.
    let dict = object.getattr_opt(intern!(py, "__dict__"))?;
    let names = py.import("copyreg")?.getattr("_slotnames")?.call1((object.get_type(),))?;
    let slots = PyDict::new(py);
    for name in names.try_iter()? {
        let name = name?.cast_into()?;
        if let Some(value) = object.getattr_opt(&name)? {
            slots.set_item(name, value)?;
        }
    }
    Ok(if slots.is_empty() {
        dict.unwrap_or_else(|| py.None().into_bound(py))
    } else {
        (dict, slots).into_pyobject(py)?.into_any()
    })
}

/// Makes `object`, whose draft is `message`, what [`state`] was given.
///
/// # Errors
/// `ValueError` for what no version of this module made, and for a message larger than one can be.
pub(super) fn restore(
    object: &Bound<'_, PyAny>,
    message: &LazyDraft,
    state: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = object.py();
    let (draft, attributes): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        state.extract().map_err(|_| wrong("expected a tuple of two"))?;
    let version: u8 = draft.get_item(0).and_then(|first| first.extract()).map_err(|_| wrong("no version"))?;
    if version != VERSION {
        return Err(wrong(&format!("version {version}, expected {VERSION}")));
    }
    let state: State<'_> = draft.extract().map_err(|_| wrong("the parts are of other types"))?;
    let draft = draft_of(py, state)?;
    // The old one is dropped after the draft is closed: its objects may run Python code.
    drop(message.with(py, |old| std::mem::replace(old, draft)));
    set_attributes(object, &attributes)
}

fn draft_of(py: Python<'_>, state: State<'_>) -> PyResult<Draft> {
    let (_, message, fields, unix_micros, offset_seconds, recvd_micros, raw_size, pri, bookmark) = state;
    let mut draft = Draft::new(py);
    draft.head.set_stamp(Stamp { unix_micros, offset_seconds });
    (draft.head.recvd_micros, draft.head.raw_size, draft.head.pri) = (recvd_micros, raw_size, pri);
    match message {
        Some((0, text)) => draft.payload = Payload::of(text.as_any())?,
        Some((number, text)) => {
            draft.extra().message = Some((type_of(number)?, Place::Own(text.as_bytes().into())));
        }
        None => {}
    }
    let mut in_element = false;
    for (kind, name, number, value) in fields {
        let known = std::str::from_utf8(name.as_bytes()).ok().and_then(FieldName::known);
        let (id, name) = match (kind, known) {
            (0, Some(id)) => (id, Place::EMPTY),
            (0, None) => (FieldName::Text, Place::Own(name.as_bytes().into())),
            (1, _) => (FieldName::SdId, Place::EMPTY),
            (2, _) if in_element => (FieldName::SdParam, Place::Own(name.as_bytes().into())),
            _ => return Err(wrong("a parameter without its element")),
        };
        in_element |= kind == 1;
        let field =
            DraftField { id, name, value_type: type_of(number)?, value: Place::Own(value.as_bytes().into()) };
        draft.extra().fields.push(field);
    }
    if draft.fields().len() > usize::from(u16::MAX) || draft.need().size() > MESSAGE_MAX {
        return Err(wrong("too large"));
    }
    if let Some(bookmark) = bookmark {
        draft.extra().bookmark = Some(bookmark.unbind());
    }
    Ok(draft)
}

fn set_attributes(object: &Bound<'_, PyAny>, attributes: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = object.py();
    if attributes.is_none() {
        return Ok(());
    }
    let (dict, slots) = match attributes.cast::<PyTuple>() {
        Ok(both) => (both.get_item(0)?, Some(both.get_item(1)?)),
        Err(_) => (attributes.clone(), None),
    };
    if !dict.is_none() {
        object.getattr(intern!(py, "__dict__"))?.call_method1(intern!(py, "update"), (dict,))?;
    }
    if let Some(slots) = slots {
        for (name, value) in slots.cast::<PyDict>()?.iter() {
            object.setattr(name.cast_into()?, value)?;
        }
    }
    Ok(())
}
