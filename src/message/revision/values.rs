//! Values by their names, as a configuration has them: [`RevisedRow::set_value`].

use super::RevisedRow;
use super::slots::COMMON;
use crate::message::batch::Text;
use crate::message::value_name::{NameRef, SDATA, match_number};
use crate::message::{Field, FieldName, Span, ValueName, ValueType};

/// The parameter that a Cisco device's sequence number is read by, too.
const SEQUENCE: &[u8] = b".SDATA.meta.sequenceId";

impl RevisedRow<'_> {
    /// Sets the value called `name`.
    ///
    /// With PROGRAM and PID goes the header that the message was received with, which has the old ones. A
    /// parameter of structured data that is repeated is there once afterwards; a new one goes to the end of
    /// its element, or into a new element before the others.
    pub fn set_value(&mut self, name: &ValueName, value_type: ValueType, value: Text<'_>) {
        if let ValueName::Text(name) = name
            && self.add_as_before(name, value_type, value)
        {
            return;
        }
        self.set_ref(name.borrowed(), value_type, value);
    }

    /// The same for a name that a message has brought: what a [`ValueName`] of it stands for.
    #[inline]
    pub fn set_named(&mut self, name: &[u8], value_type: ValueType, value: Text<'_>) {
        if !self.add_as_before(name, value_type, value) {
            self.set_ref(NameRef::new(name), value_type, value);
        }
    }

    #[inline]
    fn set_ref(&mut self, name: NameRef<'_>, value_type: ValueType, value: Text<'_>) {
        match name {
            NameRef::Text(name) => self.set(FieldName::Text, name, value_type, value),
            NameRef::Message => self.typed_message(value_type, value),
            NameRef::Known(FieldName::CiscoSequence)
                if !self.read().has_field(FieldName::CiscoSequence, b"") =>
            {
                self.set_structured(SEQUENCE, value_type, value);
            }
            NameRef::Known(id) => {
                self.set(id, b"", value_type, value);
                self.forget_header(id);
            }
            NameRef::Structured(whole) => self.set_structured(whole, value_type, value),
        }
    }

    /// Unsets the value called `name`. An element of structured data without its last parameter goes, too.
    pub fn unset_value(&mut self, name: &ValueName) {
        if self.read().value(name).is_none() {
            return;
        }
        match name {
            ValueName::Message => self.typed_message(ValueType::Null, Text::Copy(b"")),
            ValueName::Known(FieldName::CiscoSequence) => {
                self.unset(FieldName::CiscoSequence, b"");
                self.unset_structured(SEQUENCE);
            }
            ValueName::Known(id) => {
                self.unset(*id, b"");
                self.forget_header(*id);
            }
            ValueName::Structured(whole) => self.unset_structured(whole),
            ValueName::Text(name) => self.unset(FieldName::Text, name),
        }
    }

    /// Unsets the matches of patterns from the number `first` on.
    pub fn unset_matches(&mut self, first: u8) {
        let is_match = |row: &Self, field: &Field| {
            let bytes = |span| row.revision.bytes(row.batch, span);
            let is_number = field.id == FieldName::Text && matches!(field.name.len, 1..=3);
            is_number && match_number(bytes(field.name)).is_some_and(|number| number >= first)
        };
        if self.read().has_matches(first) {
            self.open();
            self.unset_all(is_match);
        }
    }

    /// Unsets all structured data.
    pub(crate) fn unset_structured_data(&mut self) {
        self.open();
        self.unset_all(|_, field| matches!(field.id, FieldName::SdId | FieldName::SdParam));
    }

    /// Unsets all values but MESSAGE, and all tags, also those that all messages of the batch have in common.
    pub(crate) fn clear(&mut self) {
        self.open();
        self.unset_all(|_, _| true);
        let origin = self.batch.origin();
        for id in COMMON {
            self.unset(id, b"");
        }
        for (name, _) in &*origin.values {
            self.unset(FieldName::Text, name.as_bytes());
        }
        for tag in &*origin.tags {
            self.clear_tag(tag.as_bytes());
        }
    }

    /// Unsets the header that the message was received with, when what it says has changed.
    pub(super) fn forget_header(&mut self, changed: FieldName) {
        if matches!(changed, FieldName::Program | FieldName::Pid) {
            self.unset(FieldName::LegacyMsgHdr, b"");
        }
    }

    fn set_structured(&mut self, whole: &[u8], value_type: ValueType, value: Text<'_>) {
        self.open();
        let found = self.parameters(whole);
        let Some((last, repeated)) = found.split_last() else {
            return match self.find(FieldName::Text, whole) {
                Some(at) => self.replace(at, FieldName::Text, value_type, value),
                None => self.add_structured(whole, value_type, value),
            };
        };
        for at in repeated {
            self.unset_at(*at);
        }
        self.replace(*last, FieldName::SdParam, value_type, value);
    }

    /// Adds a parameter of structured data that is not there; one whose name has no id is a value like
    /// others.
    fn add_structured(&mut self, whole: &[u8], value_type: ValueType, value: Text<'_>) {
        let rest = whole.strip_prefix(SDATA).unwrap_or_default();
        let Some(dot) = rest.iter().rposition(|byte| *byte == b'.') else {
            return self.field(FieldName::Text, Text::Copy(whole), value_type, value);
        };
        let (id, name) = (&rest[..dot], &rest[dot + 1..]);
        let (name, value) = (self.place(Text::Copy(name)), self.place(value));
        let parameter = Field { name, value, id: FieldName::SdParam, value_type };
        if let Some(end) = self.end_of_element(id) {
            return self.insert(end, parameter);
        }
        let value = self.place(Text::Copy(id));
        let element =
            Field { name: Span::default(), value, id: FieldName::SdId, value_type: ValueType::String };
        self.insert(self.start(), parameter);
        self.insert(self.start(), element);
    }

    /// The place behind the last parameter of the SD-ELEMENT `id`, if there is one. The row is open.
    fn end_of_element(&self, id: &[u8]) -> Option<usize> {
        let (mut is_inside, mut end) = (false, None);
        for at in self.start()..self.revision.fields.len() {
            let field = &self.revision.fields[at];
            match field.id {
                FieldName::SdId if !field.is_unset() => {
                    is_inside = self.revision.bytes(self.batch, field.value) == id;
                }
                FieldName::SdParam => {}
                _ => continue,
            }
            if is_inside {
                end = Some(at + 1);
            }
        }
        end
    }

    fn unset_structured(&mut self, whole: &[u8]) {
        if self.read().has_structured(whole) {
            self.open();
            for at in self.parameters(whole) {
                self.unset_at(at);
                self.unset_empty_element(at);
            }
        }
        self.unset(FieldName::Text, whole);
    }

    /// Unsets the SD-ELEMENT of the parameter at `at`, which was unset, when no other one is left in it.
    pub(super) fn unset_empty_element(&mut self, at: usize) {
        let (fields, start) = (&self.revision.fields, self.start());
        let is_element = |field: &Field| field.id == FieldName::SdId;
        let end = fields[at..].iter().position(is_element).map_or(fields.len(), |next| at + next);
        let Some(element) = fields[start..at].iter().rposition(is_element).map(|at| start + at) else {
            return;
        };
        let is_left = |field: &Field| field.id == FieldName::SdParam && !field.is_unset();
        if !fields[element..end].iter().any(is_left) {
            self.unset_at(element);
        }
    }

    /// The fields of the parameter of structured data that is called `whole`. The row is open.
    fn parameters(&self, whole: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        let Some(rest) = whole.strip_prefix(SDATA) else { return found };
        let bytes = |span| self.revision.bytes(self.batch, span);
        let mut id: &[u8] = b"";
        for at in self.start()..self.revision.fields.len() {
            let field = &self.revision.fields[at];
            match field.id {
                FieldName::SdId if !field.is_unset() => id = bytes(field.value),
                FieldName::SdParam if !field.is_unset() => {
                    let name = rest.strip_prefix(id).and_then(|rest| rest.strip_prefix(b"."));
                    if name == Some(bytes(field.name)) {
                        found.push(at);
                    }
                }
                _ => {}
            }
        }
        found
    }
}
