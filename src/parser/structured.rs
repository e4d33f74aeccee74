//! Structured data on its way into a message: [`Structured`].
//!
//! Most messages have none before, and what is found is added behind their fields, in its order, without a look
//! at what is there. Where there is some already, both are put together: a parameter that is found again has
//! its later value, in its place; a new one goes to the end of its element.

use indexmap::IndexMap;

use crate::message::batch::Text;
use crate::message::{FieldName, RevisedRow, ValueType};

/// The parameters of an element, by their names.
type Parameters = IndexMap<Vec<u8>, (ValueType, Vec<u8>)>;

/// The structured data that a parser finds, element by element.
#[derive(Debug)]
pub(super) struct Structured {
    /// All of it, where the message had some before: elements by their SD-ID.
    merged: Option<IndexMap<Vec<u8>, Parameters>>,
    /// The element that parameters belong to.
    element: Vec<u8>,
}

impl Structured {
    /// None yet, beside what `row` has.
    pub(super) fn of(row: &RevisedRow<'_>) -> Self {
        let mut merged: Option<IndexMap<Vec<u8>, Parameters>> = None;
        for pair in row.read().pairs() {
            if !matches!(pair.id, FieldName::SdId | FieldName::SdParam) {
                continue;
            }
            let element = merged.get_or_insert_default().entry(pair.sd_id.to_vec()).or_default();
            if pair.id == FieldName::SdParam {
                element.insert(pair.name.to_vec(), (pair.value_type, pair.value.to_vec()));
            }
        }
        Self { merged, element: Vec::new() }
    }

    /// Begins the element called `id`.
    pub(super) fn element(&mut self, row: &mut RevisedRow<'_>, id: &[u8], text: Text<'_>) {
        match &mut self.merged {
            None => row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, text),
            Some(merged) => {
                merged.entry(id.to_vec()).or_default();
                self.element = id.to_vec();
            }
        }
    }

    /// Adds a parameter to the element that was begun; `texts` are its name and its value.
    pub(super) fn parameter(
        &mut self,
        row: &mut RevisedRow<'_>,
        name: &[u8],
        value: &[u8],
        texts: (Text<'_>, Text<'_>),
    ) {
        match &mut self.merged {
            None => row.field(FieldName::SdParam, texts.0, ValueType::String, texts.1),
            Some(merged) => {
                let element = merged.entry(self.element.clone()).or_default();
                element.insert(name.to_vec(), (ValueType::String, value.to_vec()));
            }
        }
    }

    /// Ends it.
    pub(super) fn end(self, row: &mut RevisedRow<'_>) {
        let Some(merged) = self.merged else { return };
        row.unset_structured_data();
        for (id, parameters) in &merged {
            row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, Text::Copy(id));
            for (name, (value_type, value)) in parameters {
                row.field(FieldName::SdParam, Text::Copy(name), *value_type, Text::Copy(value));
            }
        }
    }
}
