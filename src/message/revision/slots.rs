//! All values of a row, one after the other: [`Slot`].

use super::RevisedRow;
use crate::message::batch::Text;
use crate::message::value_name::SDATA;
use crate::message::{FieldName, MessageRef, ValueName, ValueType};

/// A value of a row: where it stands, so that it is found again at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// MESSAGE, or what all messages of the batch have in common.
    Name(ValueName),
    /// The number of its field, counted from the row's first one.
    Field(usize),
}

/// The values that all messages of a batch may have in common.
pub(super) const COMMON: [FieldName; 4] =
    [FieldName::Host, FieldName::HostFrom, FieldName::Program, FieldName::Pid];

impl RevisedRow<'_> {
    /// The values whose names `is_meant` gives true for: MESSAGE first, then those that all messages have in
    /// common, then the others in their order. Tags have none. They are right until a value is added.
    pub fn slots(&self, mut is_meant: impl FnMut(&[u8]) -> bool) -> Vec<Slot> {
        let message = self.read();
        let mut slots = Vec::new();
        if message.text_type() != ValueType::Null && is_meant(b"MESSAGE") {
            slots.push(Slot::Name(ValueName::Message));
        }
        for id in COMMON {
            let is_common = message.known_typed(id).is_some() && !message.has_field(id, b"");
            if is_common && id.text().is_some_and(|name| is_meant(name.as_bytes())) {
                slots.push(Slot::Name(ValueName::Known(id)));
            }
        }
        let (mut element, mut whole): (&[u8], Vec<u8>) = (b"", Vec::new());
        for (number, field) in message.fields().iter().enumerate() {
            if field.is_unset() {
                continue;
            }
            let name = message.bytes(field.name);
            let is_it = match field.id {
                FieldName::Tag => false,
                FieldName::SdId => {
                    element = message.bytes(field.value);
                    false
                }
                FieldName::SdParam => {
                    whole.clear();
                    whole.extend([SDATA, element, b".", name].into_iter().flatten());
                    is_meant(&whole)
                }
                FieldName::Text => is_meant(name),
                known => known.text().is_some_and(|name| is_meant(name.as_bytes())),
            };
            if is_it {
                slots.push(Slot::Field(number));
            }
        }
        slots
    }

    /// The type and the text of a value.
    pub fn slot(&self, slot: &Slot) -> Option<(ValueType, &[u8])> {
        let message: MessageRef<'_> = self.read();
        match slot {
            Slot::Name(name) => message.value(name),
            Slot::Field(number) => {
                let field = message.fields()[*number];
                (!field.is_unset()).then(|| (field.value_type, message.bytes(field.value)))
            }
        }
    }

    /// Sets a value.
    pub fn set_slot(&mut self, slot: &Slot, value_type: ValueType, value: Text<'_>) {
        match slot {
            Slot::Name(name) => self.set_value(name, value_type, value),
            Slot::Field(number) => {
                self.open();
                let at = self.start() + number;
                let id = self.revision.fields[at].id;
                self.replace(at, id, value_type, value);
                self.forget_header(id);
            }
        }
    }

    /// Unsets a value.
    pub fn unset_slot(&mut self, slot: &Slot) {
        match slot {
            Slot::Name(name) => self.unset_value(name),
            Slot::Field(number) => {
                self.open();
                let at = self.start() + number;
                let id = self.revision.fields[at].id;
                self.unset_at(at);
                match id {
                    FieldName::SdParam => self.unset_empty_element(at),
                    id => self.forget_header(id),
                }
            }
        }
    }
}
