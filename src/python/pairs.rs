//! Name-value pairs of a draft: finding, setting and unsetting them, and the methods of `LogMessage` that do it.
//!
//! The draft is behind a [`GilCell`](super::cell::GilCell), and Python code must not run while it is open. So each
//! method reads its arguments first, opens the draft for plain data only, and makes or drops objects that Python code
//! may watch after it is closed.

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};

use super::message::names::{Name, key_bytes, macros, split_sdata};
use super::message::{Draft, DraftField, LogMessage, Payload, Place, macro_value, type_name};
use super::values::{self, Read, key_text};
use crate::message::{FieldName, MESSAGE_MAX, ValueType};

/// The most fields that the record of a message can count.
const FIELDS_MAX: usize = u16::MAX as usize;

/// Why a value does not fit into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All texts together would be longer than [`MESSAGE_MAX`].
    Bytes,
    /// There are as many names as a record can count.
    Fields,
}

impl Full {
    /// The exception for setting `key`.
    pub(super) fn into_error(self, key: &[u8]) -> PyErr {
        let key = key_text(key);
        PyValueError::new_err(match self {
            Self::Bytes => format!("{key}: the message would be longer than {MESSAGE_MAX} bytes"),
            Self::Fields => format!("{key}: the message would have more than {FIELDS_MAX} values"),
        })
    }
}

impl DraftField {
    /// Whether Python sees it as a name: not the header of an SD-ELEMENT, not what only macros show, no binary value.
    fn is_pair(&self) -> bool {
        !matches!(self.id, FieldName::SdId | FieldName::SourceIp | FieldName::SourcePort)
            && !self.value_type.is_binary()
    }
}

impl Draft {
    /// The type and the text of what `name` names, unless it is a macro.
    pub fn value(&self, name: Name<'_>) -> Option<(ValueType, &[u8])> {
        if name == Name::Message {
            return self.message().map(|text| (self.message_type(), text));
        }
        let field = &self.fields()[self.position(name)?];
        (!field.value_type.is_binary()).then(|| (field.value_type, self.bytes(&field.value)))
    }

    /// Which of the fields `name` names.
    fn position(&self, name: Name<'_>) -> Option<usize> {
        let fields = self.fields();
        match name {
            Name::Known(id) => fields.iter().position(|field| field.id == id),
            Name::Text(text) => {
                fields.iter().position(|field| field.id == FieldName::Text && self.bytes(&field.name) == text)
            }
            Name::Sdata(rest) => self.sdata_positions(rest).next().or_else(|| {
                let sequence = rest == b"meta.sequenceId";
                sequence.then(|| self.position(Name::Known(FieldName::CiscoSequence)))?
            }),
            Name::Message | Name::Macro(_) => None,
        }
    }

    /// The parameters of structured data whose SD-ID and PARAM-NAME are `rest` with a point between them. There can be
    /// several: RFC 5424 §6.3.3 allows a parameter to be repeated, and a sender's names may have points in them.
    fn sdata_positions<'a>(&'a self, rest: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mut id: &[u8] = b"";
        self.fields().iter().enumerate().filter_map(move |(index, field)| {
            if field.id == FieldName::SdId {
                id = self.bytes(&field.value);
            }
            let param = (field.id == FieldName::SdParam).then(|| self.bytes(&field.name))?;
            let named = rest.strip_prefix(id).and_then(|rest| rest.strip_prefix(b".")) == Some(param);
            named.then_some(index)
        })
    }

    /// Sets what `name` names to a value that is not a payload. Nothing happens for a macro.
    ///
    /// # Errors
    /// When the message has no room for it; then it is as it was.
    pub fn set(
        &mut self,
        name: Name<'_>,
        value_type: ValueType,
        value: &[u8],
    ) -> Result<Option<Payload>, Full> {
        let added = match name {
            Name::Macro(_) => return Ok(None),
            Name::Sdata(name) | Name::Text(name) => value.len() + name.len(),
            Name::Message | Name::Known(_) => value.len(),
        };
        if added > MESSAGE_MAX || self.need().size() + added > MESSAGE_MAX {
            return Err(Full::Bytes);
        }
        if name == Name::Message {
            let old = self.replace_payload(Payload::None);
            self.extra().message = Some((value_type, Place::Own(value.into())));
            return Ok(Some(old));
        }
        let place = Place::Own(value.into());
        if let Some(index) = self.position(name) {
            let field = &mut self.extra().fields[index];
            (field.value_type, field.value) = (value_type, place);
            if let Name::Sdata(rest) = name {
                self.remove_repeats(rest);
            }
        } else if self.fields().len() + 2 > FIELDS_MAX {
            return Err(Full::Fields);
        } else {
            self.add(name, value_type, place);
        }
        self.forget_header(name);
        Ok(None)
    }

    fn add(&mut self, name: Name<'_>, value_type: ValueType, value: Place) {
        let field = |id, name| DraftField { id, name, value_type, value };
        match name {
            Name::Known(id) => self.extra().fields.push(field(id, Place::EMPTY)),
            Name::Text(text) => self.extra().fields.push(field(FieldName::Text, Place::Own(text.into()))),
            Name::Sdata(rest) => {
                let Some((id, param)) = split_sdata(rest) else { return };
                let index = self.end_of_element(id);
                let field = field(FieldName::SdParam, Place::Own(param.into()));
                self.extra().fields.insert(index, field);
            }
            Name::Message | Name::Macro(_) => {}
        }
    }

    /// Where the next parameter of the SD-ELEMENT `id` goes; makes the element when there is none.
    fn end_of_element(&mut self, id: &[u8]) -> usize {
        let fields = self.fields();
        let header =
            fields.iter().position(|field| field.id == FieldName::SdId && self.bytes(&field.value) == id);
        if let Some(header) = header {
            let is_param = |field: &&DraftField| field.id == FieldName::SdParam;
            return header + 1 + fields[header + 1..].iter().take_while(is_param).count();
        }
        let value = Place::Own(id.into());
        let header =
            DraftField { id: FieldName::SdId, name: Place::EMPTY, value_type: ValueType::String, value };
        self.extra().fields.push(header);
        self.fields().len()
    }

    /// Removes all parameters of this name but the first.
    fn remove_repeats(&mut self, rest: &[u8]) {
        let repeats: Vec<usize> = self.sdata_positions(rest).skip(1).collect();
        for index in repeats.into_iter().rev() {
            self.extra().fields.remove(index);
        }
    }

    /// A received header says nothing any more when its host, program or process changes.
    fn forget_header(&mut self, name: Name<'_>) {
        if matches!(name, Name::Known(FieldName::Host | FieldName::Program | FieldName::Pid))
            && let Some(index) = self.position(Name::Known(FieldName::LegacyMsgHdr))
        {
            self.extra().fields.remove(index);
        }
    }

    /// Unsets what `name` names. `None` when it is not set; otherwise what is to be dropped when the draft is closed.
    pub fn unset(&mut self, name: Name<'_>) -> Option<Payload> {
        if name == Name::Message {
            self.message()?;
            return Some(self.replace_payload(Payload::None));
        }
        self.value(name)?;
        if let Name::Sdata(rest) = name {
            self.remove_repeats(rest);
        }
        let index = self.position(name)?;
        let fields = &mut self.extra().fields;
        fields.remove(index);
        // An element goes with its last parameter.
        let is = |index: usize, id| fields.get(index).is_some_and(|field| field.id == id);
        if matches!(name, Name::Sdata(_))
            && index > 0
            && is(index - 1, FieldName::SdId)
            && !is(index, FieldName::SdParam)
        {
            fields.remove(index - 1);
        }
        self.forget_header(name);
        Some(Payload::None)
    }

    /// Makes `payload` MESSAGE and gives back the old one. Fields that are parts of the old one become copies.
    pub fn replace_payload(&mut self, payload: Payload) -> Payload {
        let old = std::mem::replace(&mut self.payload, payload);
        if let Some(extra) = &mut self.extra {
            extra.message = None;
            for field in &mut extra.fields {
                for place in [&mut field.name, &mut field.value] {
                    if let Place::Payload(offset, len) = *place
                        && len > 0
                    {
                        *place = Place::Own(old.bytes()[offset as usize..][..len as usize].into());
                    } else if let Place::Payload(..) = *place {
                        *place = Place::EMPTY;
                    }
                }
            }
        }
        old
    }

    /// Calls `see` with the name and the field of each pair that Python sees, in order; MESSAGE is not among them.
    pub fn each_pair(&self, mut see: impl FnMut(&[u8], &DraftField)) {
        let mut id: &[u8] = b"";
        for field in self.fields() {
            if field.id == FieldName::SdId {
                id = self.bytes(&field.value);
            }
            if !field.is_pair() {
                continue;
            }
            match (field.id, field.id.text()) {
                (_, Some(name)) => see(name.as_bytes(), field),
                (FieldName::SdParam, None) => {
                    see(&[b".SDATA.", id, b".", self.bytes(&field.name)].concat(), field);
                }
                _ => see(self.bytes(&field.name), field),
            }
        }
    }

    /// How many values are set, MESSAGE among them.
    pub fn value_count(&self) -> usize {
        usize::from(self.message().is_some()) + self.fields().iter().filter(|field| field.is_pair()).count()
    }
}

/// What `key` has, or [`None`].
fn read(message: &LogMessage, py: Python<'_>, key: &[u8]) -> Option<Read> {
    let name = Name::of(key);
    message.draft.with(py, |draft| {
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

pub(super) fn get_item<'py>(message: &LogMessage, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match read(message, key.py(), key_bytes(key)?) {
        Some(value) => value.into_object(key.py()),
        None => Err(missing(key)),
    }
}

pub(super) fn get<'py>(
    message: &LogMessage,
    key: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match read(message, key.py(), key_bytes(key)?) {
        Some(value) => value.into_object(key.py()),
        None => Ok(default.unwrap_or_else(|| key.py().None().into_bound(key.py()))),
    }
}

pub(super) fn contains(message: &LogMessage, key: &Bound<'_, PyAny>) -> PyResult<bool> {
    let name = Name::of(key_bytes(key)?);
    let is_set = |draft: &mut Draft| draft.value(name).is_some();
    Ok(matches!(name, Name::Macro(_)) || message.draft.with(key.py(), is_set))
}

pub(super) fn get_as_str<'py>(
    message: &LogMessage,
    key: &Bound<'py, PyAny>,
    default: Option<Bound<'py, PyAny>>,
    encoding: &str,
    errors: &str,
) -> PyResult<Option<Bound<'py, PyString>>> {
    let py = key.py();
    let key = key_bytes(key)?;
    let text = message.draft.with(py, |draft| match Name::of(key) {
        Name::Macro(name) => macro_value(py, draft, name).map(|(_, text)| PyBytes::new(py, &text)),
        name => draft.value(name).map(|(_, text)| PyBytes::new(py, text)),
    });
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
    message: &LogMessage,
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
    let outcome = if name == Name::Message && value_type == ValueType::String {
        let payload = Payload::of(value)?;
        message.draft.with(py, |draft| draft.set_message(payload))
    } else {
        message.draft.with(py, |draft| draft.set(name, value_type, written.bytes()))
    };
    outcome.map(drop).map_err(|full| full.into_error(key))
}

impl Draft {
    /// Makes `payload` MESSAGE; gives back what is to be dropped when the draft is closed.
    ///
    /// # Errors
    /// When the message has no room for it; then it is as it was.
    pub fn set_message(&mut self, payload: Payload) -> Result<Option<Payload>, Full> {
        // The old payload counts too: fields may be parts of it.
        if self.extra.is_some() && self.need().size() + payload.bytes().len() > MESSAGE_MAX {
            return Err(Full::Bytes);
        }
        Ok(Some(self.replace_payload(payload)))
    }
}

pub(super) fn delete_item(message: &LogMessage, key: &Bound<'_, PyAny>) -> PyResult<()> {
    let name = Name::of(key_bytes(key)?);
    let removed = message.draft.with(key.py(), |draft| draft.unset(name));
    removed.map(drop).ok_or_else(|| missing(key))
}

pub(super) fn keys<'py>(message: &LogMessage, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
    static MACROS: PyOnceLock<Vec<Py<PyBytes>>> = PyOnceLock::new();
    let macros =
        MACROS.get_or_init(py, || macros().map(|name| PyBytes::new(py, name.as_bytes()).unbind()).collect());
    let mut names = Vec::new();
    message.draft.with(py, |draft| {
        if draft.message().is_some() {
            names.push(PyBytes::new(py, b"MESSAGE"));
        }
        draft.each_pair(|name, _| names.push(PyBytes::new(py, name)));
    });
    names.extend(macros.iter().map(|name| name.bind(py).clone()));
    PyList::new(py, names)
}

pub(super) fn items<'py>(message: &LogMessage, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
    let mut pairs = Vec::new();
    message.draft.with(py, |draft| {
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
