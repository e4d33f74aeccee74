//! Changes that Python makes to a message of the engine's: [`Changes`].
//!
//! A batch never changes, and the revision of its messages is made by the step that changes them, when all of
//! Python's calls for the batch are over. So a change is noted by the name of its value, the last one counts, and
//! all of them are done to the message's row in the end.

use indexmap::IndexMap;

use super::Full;
use crate::message::batch::Text;
use crate::message::{FieldName, Head, MESSAGE_MAX, RevisedRow, ValueName, ValueType};

/// The most fields that the record of a message can count.
const FIELDS_MAX: usize = u16::MAX as usize;

/// A value that was set; `None` where it was unset.
type Change = Option<(ValueType, Box<[u8]>)>;

/// The changes of one message.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    values: IndexMap<Box<[u8]>, Change>,
    /// The bytes of their names and texts.
    bytes: usize,
    /// The most fields that they may add.
    fields: usize,
    /// Those that [`Changes::apply_new`] has not done, by their places.
    new: Vec<usize>,
    /// The head as it is now, once the changes are taken.
    head: Option<Head>,
}

impl Changes {
    /// Notes that the value called `name` is what `change` says. The message has so many `fields` without them.
    ///
    /// # Errors
    /// The message has no room for it; then nothing is noted.
    pub(super) fn note(&mut self, name: &[u8], change: Change, fields: usize) -> Result<(), Full> {
        fn text(change: &Change) -> usize {
            change.as_ref().map_or(0, |(_, text)| text.len())
        }
        let size = text(&change);
        let known = self.values.get_full(name).map(|(place, _, before)| (place, text(before)));
        let added = known.map_or(name.len().saturating_add(size), |_| size);
        let bytes = (self.bytes - known.map_or(0, |(_, before)| before)).saturating_add(added);
        if bytes > MESSAGE_MAX {
            return Err(Full::Bytes);
        }
        // A parameter of structured data may bring the header of its element.
        let more = if name.starts_with(b".SDATA.") { 2 } else { 1 };
        if known.is_none() {
            if fields + self.fields + more > FIELDS_MAX {
                return Err(Full::Fields);
            }
            self.fields += more;
        }
        self.bytes = bytes;
        let (place, _) = self.values.insert_full(name.into(), change);
        // A value that is set again and again is new once.
        if self.new.last() != Some(&place) {
            if self.new.len() > 2 * self.values.len() {
                self.new = (0..self.values.len()).collect();
            } else {
                self.new.push(place);
            }
        }
        Ok(())
    }

    /// The change of the value called `name`.
    pub(super) fn of(&self, name: &[u8]) -> Option<&Change> {
        self.values.get(name)
    }

    /// Does those that are new to `row`, and makes its head `head`.
    pub(super) fn apply_new(&mut self, row: &mut RevisedRow<'_>, head: &Head) {
        for place in self.new.drain(..) {
            if let Some((name, change)) = self.values.get_index(place) {
                apply(row, name, change);
            }
        }
        apply_head(row, head);
    }

    /// The same changes with the message's head at the end.
    pub(super) fn with_head(self, head: Head) -> Self {
        Self { head: Some(head), ..self }
    }

    /// Does all of them to `row`.
    pub(crate) fn apply(&self, row: &mut RevisedRow<'_>) {
        for (name, change) in &self.values {
            apply(row, name, change);
        }
        if let Some(head) = &self.head {
            apply_head(row, head);
        }
    }
}

fn apply(row: &mut RevisedRow<'_>, name: &[u8], change: &Change) {
    match change {
        Some((value_type, text)) => row.set_named(name, *value_type, Text::Copy(text)),
        None => match std::str::from_utf8(name) {
            Ok(name) => row.unset_value(&ValueName::new(name)),
            Err(_) => row.unset(FieldName::Text, name),
        },
    }
}

fn apply_head(row: &mut RevisedRow<'_>, head: &Head) {
    let now = *row.head();
    if now.pri != head.pri {
        row.pri(head.pri);
    }
    if now.stamp() != head.stamp() {
        row.stamp(head.stamp());
    }
    if now.raw_size != head.raw_size {
        row.raw_size(head.raw_size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &[u8]) -> (ValueType, Box<[u8]>) {
        (ValueType::String, text.into())
    }

    /// Breaks without it: a value that is set again and again takes memory for each time, or is done for each.
    #[test]
    fn the_last_change_of_a_name_counts() {
        let mut changes = Changes::default();
        for number in 0..1000 {
            changes.note(b"a", Some(set(number.to_string().as_bytes())), 0).unwrap();
            changes.note(b"b", (number % 2 == 0).then_some((ValueType::Integer, (*b"1").into())), 0).unwrap();
        }
        assert_eq!(changes.of(b"a"), Some(&Some(set(b"999"))));
        assert_eq!(changes.of(b"b"), Some(&None));
        assert_eq!(changes.of(b"c"), None);
        assert_eq!((changes.values.len(), changes.bytes), (2, 1 + 3 + 1));
        assert!(changes.new.len() <= 6, "{:?}", changes.new);
    }

    /// Breaks without it: a message gets more than its record can count, and is lost by a fault.
    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_noted() {
        let mut changes = Changes::default();
        let large = vec![b'x'; MESSAGE_MAX / 2];
        changes.note(b"a", Some(set(&large)), 0).unwrap();
        assert_eq!(changes.note(b"b", Some(set(&large)), 0), Err(Full::Bytes));
        assert_eq!(changes.of(b"b"), None);
        // In its own place there is room for it.
        changes.note(b"a", Some(set(&large[1..])), 0).unwrap();
        assert_eq!(changes.note(b"b", Some(set(b"")), FIELDS_MAX - 3), Ok(()));
        assert_eq!(changes.note(b"c", Some(set(b"")), FIELDS_MAX - 2), Err(Full::Fields));
        assert_eq!(changes.note(b".SDATA.c.d", None, FIELDS_MAX - 3), Err(Full::Fields));
        changes.note(b"a", None, FIELDS_MAX).unwrap();
        assert_eq!(changes.bytes, 2);
    }
}
