//! Changes that Python makes to a message of the engine's: [`Changes`].
//!
//! A batch never changes, and the revision of its messages is made by the step that changes them, when all of
//! Python's calls for the batch are over. So a change is noted by the name of its value, the last one counts, and
//! all of them are done to the message's row in the end.
//!
//! Names and texts stand one behind the other in one piece of memory. Most messages get a few values: their names
//! are looked at one by one, and those of more are put into a table.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::Full;
use crate::eight::is_same;
use crate::message::batch::Text;
use crate::message::{FieldName, Head, MESSAGE_MAX, RevisedRow, ValueName, ValueType};

/// The most fields that the record of a message can count.
const FIELDS_MAX: usize = u16::MAX as usize;

/// The changes that are looked at one by one.
const FEW: usize = 16;

/// The memory that is taken for names and texts at first, and the most of it that may be unused.
const TEXTS: usize = 128;
const UNUSED_MAX: usize = 4096;

/// A place in the texts.
type Part = (u32, u32);

/// A value that was set; without one it was unset.
type Change<T> = Option<(ValueType, T)>;

/// The changes of one message.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    values: SmallVec<[(Part, Change<Part>); 4]>,
    /// The places of `values` by name, once there are more than a few.
    table: Option<Box<(HashTable<u32>, RandomState)>>,
    texts: Vec<u8>,
    /// The bytes of their names and texts.
    bytes: usize,
    /// The most fields that they may add.
    fields: usize,
    /// Those that [`Changes::apply_new`] has not done, by their places.
    new: SmallVec<[u32; 4]>,
    /// The head as it is now, once the changes are taken.
    head: Option<Head>,
    /// True when the message that shows them is a copy, to which they are done.
    pub(super) is_copied: bool,
    /// True when the message that shows them has none of the latest.
    pub(super) is_stale: bool,
}

fn part(texts: &[u8], (start, len): Part) -> &[u8] {
    &texts[start as usize..][..len as usize]
}

impl Changes {
    /// Notes that the value called `name` is what `change` says. The message has so many `fields` without them.
    ///
    /// # Errors
    /// The message has no room for it; then nothing is noted.
    pub(super) fn note(&mut self, name: &[u8], change: Change<&[u8]>, fields: usize) -> Result<(), Full> {
        let size = change.map_or(0, |(_, text)| text.len());
        let known = self.find(name);
        let before = known.map_or(0, |place| self.values[place].1.map_or(0, |(_, (_, len))| len as usize));
        let added = if known.is_some() { size } else { name.len().saturating_add(size) };
        let bytes = (self.bytes - before).saturating_add(added);
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
        let place = known.unwrap_or_else(|| self.add(name));
        self.put(place, change);
        // A value that is set again and again is new once.
        let place = place as u32;
        if self.new.last() != Some(&place) {
            if self.new.len() > 2 * self.values.len() {
                self.new = (0..self.values.len() as u32).collect();
            } else {
                self.new.push(place);
            }
        }
        Ok(())
    }

    /// The place of the value called `name`.
    fn find(&self, name: &[u8]) -> Option<usize> {
        let is_it = |place: usize| is_same(part(&self.texts, self.values[place].0), name);
        match &self.table {
            None => (0..self.values.len()).find(|place| is_it(*place)),
            Some(table) => {
                let (table, state) = &**table;
                table.find(state.hash_one(name), |place| is_it(*place as usize)).map(|place| *place as usize)
            }
        }
    }

    /// Adds a value called `name`, which there is none of, and gives its place.
    fn add(&mut self, name: &[u8]) -> usize {
        let (place, name) = (self.values.len(), self.keep(name));
        self.values.push((name, None));
        if place < FEW {
            return place;
        }
        let Self { values, table, texts, .. } = self;
        let first = if table.is_none() { 0 } else { place };
        let (table, state) = &mut **table.get_or_insert_default();
        let hash = |place: u32| state.hash_one(part(texts, values[place as usize].0));
        for place in first as u32..values.len() as u32 {
            table.insert_unique(hash(place), place, |place| hash(*place));
        }
        place
    }

    /// Makes `change` what the value at `place` is. A text that is not longer than the one before takes its place.
    fn put(&mut self, place: usize, change: Change<&[u8]>) {
        let before = self.values[place].1.map(|(_, part)| part);
        self.values[place].1 = change.map(|(value_type, text)| {
            let part = match before {
                Some((start, len)) if text.len() <= len as usize => {
                    self.texts[start as usize..][..text.len()].copy_from_slice(text);
                    (start, text.len() as u32)
                }
                _ => self.keep(text),
            };
            (value_type, part)
        });
        if self.texts.len() > UNUSED_MAX + 2 * self.bytes {
            self.tidy();
        }
    }

    /// Keeps `text`, and says where it is.
    fn keep(&mut self, text: &[u8]) -> Part {
        if self.texts.capacity() == 0 {
            self.texts.reserve(TEXTS);
        }
        let start = self.texts.len() as u32;
        self.texts.extend_from_slice(text);
        (start, text.len() as u32)
    }

    /// Moves the texts that are used together.
    #[cold]
    fn tidy(&mut self) {
        let old = std::mem::take(&mut self.texts);
        for place in 0..self.values.len() {
            let (name, change) = self.values[place];
            let name = self.keep(part(&old, name));
            let change = change.map(|(value_type, text)| (value_type, self.keep(part(&old, text))));
            self.values[place] = (name, change);
        }
    }

    /// The change of the value called `name`.
    pub(super) fn of(&self, name: &[u8]) -> Option<Change<&[u8]>> {
        self.find(name).map(|place| self.at(place).1)
    }

    /// The name and the change at `place`.
    fn at(&self, place: usize) -> (&[u8], Change<&[u8]>) {
        let (name, change) = self.values[place];
        (part(&self.texts, name), change.map(|(value_type, text)| (value_type, part(&self.texts, text))))
    }

    /// Does those that are new to `row`, and makes its head `head`.
    pub(super) fn apply_new(&mut self, row: &mut RevisedRow<'_>, head: &Head) {
        for place in std::mem::take(&mut self.new) {
            let (name, change) = self.at(place as usize);
            apply(row, name, change);
        }
        apply_head(row, head);
    }

    /// Notes the message's head at the end.
    pub(super) fn end(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// Does all of them to `row`.
    pub(crate) fn apply(&self, row: &mut RevisedRow<'_>) {
        for place in 0..self.values.len() {
            let (name, change) = self.at(place);
            apply(row, name, change);
        }
        if let Some(head) = &self.head {
            apply_head(row, head);
        }
    }
}

fn apply(row: &mut RevisedRow<'_>, name: &[u8], change: Change<&[u8]>) {
    match change {
        Some((value_type, text)) => row.set_named(name, value_type, Text::Copy(text)),
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

    fn set(text: &[u8]) -> (ValueType, &[u8]) {
        (ValueType::String, text)
    }

    /// Breaks without it: a value that is set again and again takes memory for each time, or is done for each.
    #[test]
    fn the_last_change_of_a_name_counts() {
        let mut changes = Changes::default();
        for number in 0..1000 {
            changes.note(b"a", Some(set(number.to_string().as_bytes())), 0).unwrap();
            changes.note(b"b", (number % 2 == 0).then_some((ValueType::Integer, &b"1"[..])), 0).unwrap();
        }
        assert_eq!(changes.of(b"a"), Some(Some(set(b"999"))));
        assert_eq!(changes.of(b"b"), Some(None));
        assert_eq!(changes.of(b"c"), None);
        assert_eq!((changes.values.len(), changes.bytes), (2, 1 + 3 + 1));
        assert!(changes.new.len() <= 6, "{:?}", changes.new);
    }

    /// Breaks without it: of many values one is found under the name of another, or has a text of before; or texts
    /// that were replaced stay for ever.
    #[test]
    fn many_values_are_what_a_map_has() {
        for names in [3, FEW, FEW + 1, 300] {
            let (mut changes, mut map) = (Changes::default(), std::collections::HashMap::new());
            for number in 0..5000_usize {
                let name = format!("name {}", number * 7 % names);
                let text = "x".repeat(number * 13 % 50) + &number.to_string();
                let change = (number % 11 != 0).then_some(text);
                let noted = change.as_deref().map(|text| set(text.as_bytes()));
                changes.note(name.as_bytes(), noted, 0).unwrap();
                map.insert(name, change);
            }
            assert_eq!((changes.values.len(), map.len()), (names, names));
            for (name, change) in &map {
                let expected = change.as_deref().map(|text| set(text.as_bytes()));
                assert_eq!(changes.of(name.as_bytes()), Some(expected), "{name} of {names}");
            }
            let text = |change: &Option<String>| change.as_ref().map_or(0, String::len);
            let bytes: usize = map.iter().map(|(name, change)| name.len() + text(change)).sum();
            assert_eq!((changes.bytes, changes.of(b"other")), (bytes, None));
            assert!(
                changes.texts.len() <= UNUSED_MAX + 2 * bytes + 60,
                "{} for {bytes}",
                changes.texts.len()
            );
        }
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
