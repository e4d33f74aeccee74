//! The fields of a draft: found, set and unset by what a key names.
//!
//! No Python code runs in here: what is replaced is given back, for the caller to drop when the draft is
//! closed.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::names::{Name, split_sdata};
use super::{Draft, DraftField, Payload, Place};
use crate::message::{FieldName, MESSAGE_MAX, ValueType};
use crate::python::values::key_text;

/// The most fields that the record of a message can count.
const FIELDS_MAX: usize = u16::MAX as usize;

/// The reason why a message does not take a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All texts together would be longer than [`MESSAGE_MAX`].
    Bytes,
    /// There are as many names as a record can count.
    Fields,
    /// It is a message of the engine's, for reading.
    ReadOnly,
}

impl Full {
    /// The exception for setting `key`.
    pub(in crate::python) fn into_error(self, key: &[u8]) -> PyErr {
        let key = key_text(key);
        PyValueError::new_err(match self {
            Self::Bytes => format!("{key}: the message would be longer than {MESSAGE_MAX} bytes"),
            Self::Fields => format!("{key}: the message would have more than {FIELDS_MAX} values"),
            Self::ReadOnly => {
                return PyTypeError::new_err(format!("Log message is read only, cannot set {key}"));
            }
        })
    }
}

/// Checks that a message with `taken` bytes has room for more.
fn room(taken: usize, added: usize) -> Result<(), Full> {
    if taken.saturating_add(added) > MESSAGE_MAX { Err(Full::Bytes) } else { Ok(()) }
}

impl DraftField {
    /// True when Python sees it as a name: not the header of an SD-ELEMENT, not what only macros show, no
    /// binary value.
    fn is_pair(&self) -> bool {
        !matches!(self.id, FieldName::SdId | FieldName::SourceIp | FieldName::SourcePort)
            && !self.value_type.is_binary()
    }
}

impl Draft {
    /// The type and the text of what `name` names, unless it is a macro.
    pub(crate) fn value(&self, name: Name<'_>) -> Option<(ValueType, &[u8])> {
        if name == Name::Message {
            return self.message().map(|text| (self.message_type(), text));
        }
        let name = name.stored();
        let field = &self.fields()[self.position(name)?];
        (!field.value_type.is_binary()).then(|| (field.value_type, self.bytes(&field.value)))
    }

    /// The position of the field that `name` names.
    fn position(&self, name: Name<'_>) -> Option<usize> {
        let fields = self.fields();
        match name {
            Name::Known(id) => fields.iter().position(|field| field.id == id),
            Name::Text(text) => {
                fields.iter().position(|field| field.id == FieldName::Text && self.bytes(&field.name) == text)
            }
            Name::Sdata(rest) => self.sdata_positions(rest).last().or_else(|| {
                let sequence = rest == b"meta.sequenceId";
                sequence.then(|| self.position(Name::Known(FieldName::CiscoSequence)))?
            }),
            Name::Message | Name::Macro(_) => None,
        }
    }

    /// The parameters of structured data whose SD-ID and PARAM-NAME are `rest` with a point between them.
    /// There can be several: RFC 5424 §6.3.3 allows a parameter to be repeated, and a sender's names may have
    /// points in them. The last counts.
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
    pub(crate) fn set(
        &mut self,
        name: Name<'_>,
        value_type: ValueType,
        value: &[u8],
    ) -> Result<Option<Payload>, Full> {
        if let Some(lent) = self.lent_mut() {
            return lent.set(name, value_type, value).map(|()| None);
        }
        let name = name.stored();
        let added = match name {
            Name::Macro(_) => return Ok(None),
            Name::Message => {
                room(self.field_bytes(), value.len())?;
                let old = self.replace_payload(Payload::None);
                self.extra().message = Some((value_type, Place::Own(value.into())));
                return Ok(Some(old));
            }
            Name::Sdata(name) | Name::Text(name) => value.len().saturating_add(name.len()),
            Name::Known(_) => value.len(),
        };
        let place = Place::Own(value.into());
        if let Some(index) = self.position(name) {
            let replaced = if let Place::Own(old) = &self.fields()[index].value { old.len() } else { 0 };
            room(self.need().size() - replaced, value.len())?;
            let field = &mut self.extra().fields[index];
            (field.value_type, field.value) = (value_type, place);
            if let Name::Sdata(rest) = name {
                self.remove_repeats(rest);
            }
        } else {
            // A parameter may bring the header of its element.
            if self.fields().len() + 2 > FIELDS_MAX {
                return Err(Full::Fields);
            }
            room(self.need().size(), added)?;
            self.add(name, value_type, place);
        }
        self.forget_header(name);
        Ok(None)
    }

    /// Makes `payload` MESSAGE; gives back what is to be dropped when the draft is closed.
    ///
    /// # Errors
    /// When the message has no room for it; then it is as it was.
    pub(crate) fn set_message(&mut self, payload: Payload) -> Result<Option<Payload>, Full> {
        if let Some(lent) = self.lent_mut() {
            lent.set(Name::Message, ValueType::String, payload.bytes())?;
            return Ok(Some(payload));
        }
        room(self.field_bytes(), payload.bytes().len())?;
        Ok(Some(self.replace_payload(payload)))
    }

    /// The bytes of all fields, wherever they are.
    fn field_bytes(&self) -> usize {
        let fields = self.fields().iter();
        fields.map(|field| self.bytes(&field.name).len() + self.bytes(&field.value).len()).sum()
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

    /// The place of the next parameter of the SD-ELEMENT `id`; makes the element when there is none.
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

    /// Removes all parameters of this name but the last.
    fn remove_repeats(&mut self, rest: &[u8]) {
        let positions: Vec<usize> = self.sdata_positions(rest).collect();
        if let Some((_, repeats)) = positions.split_last() {
            for index in repeats.iter().rev() {
                self.extra().fields.remove(*index);
            }
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

    /// Unsets what `name` names. `None` when it is not set; otherwise what is to be dropped when the draft is
    /// closed.
    ///
    /// # Errors
    /// It cannot be changed.
    pub(crate) fn unset(&mut self, name: Name<'_>) -> Result<Option<Payload>, Full> {
        if let Some(lent) = self.lent_mut() {
            return Ok(lent.unset(name)?.then_some(Payload::None));
        }
        Ok(self.remove(name))
    }

    fn remove(&mut self, name: Name<'_>) -> Option<Payload> {
        if name == Name::Message {
            self.message()?;
            return Some(self.replace_payload(Payload::None));
        }
        let name = name.stored();
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

    /// Makes `payload` MESSAGE and gives back the old one. Fields that are parts of the old one become
    /// copies.
    pub(crate) fn replace_payload(&mut self, payload: Payload) -> Payload {
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

    /// Calls `see` with the name and the field of each pair that Python sees, in order; MESSAGE is not among
    /// them.
    pub(crate) fn each_pair(&self, mut see: impl FnMut(&[u8], &DraftField)) {
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

    /// The number of values that are set, MESSAGE among them.
    pub(crate) fn value_count(&self) -> usize {
        usize::from(self.message().is_some()) + self.fields().iter().filter(|field| field.is_pair()).count()
    }
}
