//! One row that is being changed: [`RevisedRow`].

use std::fmt;

use super::{Index, Revision};
use crate::message::batch::Text;
use crate::message::{
    Batch, Field, FieldName, Head, MESSAGE_MAX, MessageRef, Record, Span, Stamp, ValueType,
};

/// A bound that a message would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLimit {
    /// It would have more than 65,535 fields.
    Fields,
    /// Its new texts would be longer than a message may be.
    Bytes,
}

impl fmt::Display for RowLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields => write!(f, "a message has at most {} fields", u16::MAX),
            Self::Bytes => write!(f, "a message has at most {} MiB", MESSAGE_MAX >> 20),
        }
    }
}

impl std::error::Error for RowLimit {}

/// A row that is being changed.
///
/// [`RevisedRow::read`] gives the message with all changes so far. The first change opens the row: its fields
/// are copied behind those of all other rows, and are changed there. A row that was not opened stays as it
/// was, at no cost.
pub struct RevisedRow<'a> {
    pub(super) batch: &'a Batch,
    pub(super) revision: &'a mut Revision,
    pub(super) index: &'a mut Index,
    row: u32,
    /// The record as it is now. Its fields are the last ones of the revision, once the row is open.
    pub(super) record: Record,
    /// MESSAGE as it was before: what [`Text::Payload`] counts in.
    payload: Span,
    /// The bytes of texts that the revision had before.
    pub(super) texts_before: usize,
    /// The number of bytes of its texts that nothing uses any more.
    pub(super) unused: usize,
    pub(super) is_open: bool,
    /// Tells whether a field of it is a tombstone.
    pub(super) has_unset: bool,
    limit: Option<RowLimit>,
}

impl Revision {
    /// Calls `change` with the message in `row` of `batch`, as it is read by this revision. When it gives
    /// true, the change is the row's; otherwise, and after a panic, the row is as it was.
    ///
    /// # Errors
    /// A bound would be passed: the row is as it was.
    #[inline]
    pub fn change(
        &mut self,
        batch: &Batch,
        row: u32,
        index: &mut Index,
        change: impl FnOnce(&mut RevisedRow<'_>) -> bool,
    ) -> Result<bool, RowLimit> {
        let (_, record, payload) = batch.revised(row, self).parts();
        let (record, texts_before) = (Record { text: payload, ..*record }, self.texts.len());
        index.begin();
        let mut row = RevisedRow {
            batch,
            revision: self,
            index,
            row,
            record,
            payload,
            texts_before,
            unused: 0,
            is_open: false,
            has_unset: false,
            limit: None,
        };
        if record.head.unparsed != 0 {
            row.open();
        }
        let is_done = change(&mut row);
        if is_done { row.end().map(|()| true) } else { Ok(false) }
    }

    /// Copies the fields of `row`, as they are read now, behind the others.
    #[cold]
    fn take_fields(&mut self, batch: &Batch, row: u32) {
        if let Some(record) = self.own(row) {
            let start = record.fields_start as usize;
            self.fields.extend_from_within(start..start + usize::from(record.head.fields_len));
            return;
        }
        match self.parent.as_ref().and_then(|parent| parent.find(row)) {
            Some((owner, record)) => self.fields.extend_from_slice(owner.fields(record)),
            None => self.fields.extend_from_slice(batch.fields(batch.record(row))),
        }
    }
}

impl Drop for RevisedRow<'_> {
    /// Takes back what was not ended, also in a panic.
    #[inline]
    fn drop(&mut self) {
        if self.is_open {
            self.revision.fields.truncate(self.start());
            self.revision.texts.truncate(self.texts_before);
        }
    }
}

impl<'a> RevisedRow<'a> {
    /// The message as it is now.
    #[inline]
    pub fn read(&self) -> MessageRef<'_> {
        if self.is_open {
            MessageRef::of_revision(self.batch, self.revision, &self.record, self.row)
        } else {
            self.batch.revised(self.row, self.revision)
        }
    }

    /// The text of MESSAGE as it was before, if the batch has it: it stays there whatever is changed.
    #[inline]
    pub fn payload(&self) -> Option<&'a [u8]> {
        (self.payload.segment as usize <= self.batch.segments_len()).then(|| self.batch.bytes(self.payload))
    }

    /// Its number in the batch.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// Its head, as it is now.
    pub fn head(&self) -> &Head {
        &self.record.head
    }

    /// Makes `text` MESSAGE.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn message(&mut self, text: Text<'_>) {
        self.typed_message(ValueType::String, text);
    }

    /// Makes `text` MESSAGE, a value of this type.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn typed_message(&mut self, value_type: ValueType, text: Text<'_>) {
        self.open();
        let text = self.place(text);
        let before = std::mem::replace(&mut self.record.text, text);
        self.record.head.text_type = value_type;
        self.leave(before);
    }

    /// Adds a name-value pair of a name that the message does not have yet; `name` is read only when `id` has
    /// its name as text.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as with the texts that it places")]
    pub fn field(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        self.open();
        if id == FieldName::Text {
            self.index.given.add_any();
        } else {
            self.index.given.add_other();
        }
        self.add(id, name, value_type, value);
    }

    /// Adds a name-value pair of type string, of a name that the message does not have yet: both are parts of the
    /// payload, each an offset and a length.
    ///
    /// # Panics
    /// When one of them does not lie inside.
    #[inline]
    pub fn part(&mut self, id: FieldName, name: (u32, u32), value: (u32, u32)) {
        self.field(id, Text::Payload(name.0, name.1), ValueType::String, Text::Payload(value.0, value.1));
    }

    /// The same for a row that is open, and a name that was looked for.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as with the texts that it places")]
    fn add(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        let name = if id.has_text() { self.place(name) } else { Span::default() };
        let value = self.place(value);
        self.push(Field { name, value, id, value_type });
    }

    /// Sets a name-value pair, in the place of an earlier one of this name. Structured data has no names
    /// here: see [`RevisedRow::set_value`].
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    pub fn set(&mut self, id: FieldName, name: &[u8], value_type: ValueType, value: Text<'_>) {
        self.open();
        if let Some(at) = self.find(id, name) {
            return self.replace(at, id, value_type, value);
        }
        self.index.given.add_other();
        self.add(id, Text::Copy(name), value_type, value);
    }

    /// Gives the field at `at` another value.
    pub(super) fn replace(&mut self, at: usize, id: FieldName, value_type: ValueType, value: Text<'_>) {
        let value = self.place(value);
        let field = &mut self.revision.fields[at];
        let before = std::mem::replace(&mut field.value, value);
        (field.id, field.value_type) = (id, value_type);
        self.leave(before);
    }

    /// Unsets a name-value pair, also one that all messages of the batch have in common.
    pub fn unset(&mut self, id: FieldName, name: &[u8]) {
        let is_common = self.batch.origin().has(id, name);
        if !is_common && !self.is_open && !self.read().has_field(id, name) {
            return;
        }
        self.open();
        if !self.unset_all(|row, field| row.is_named(field, id, name)) && is_common {
            self.field(id, Text::Copy(name), ValueType::Null, Text::Copy(b""));
            if let Some(field) = self.revision.fields.last_mut() {
                field.value = Span::UNSET;
            }
            self.has_unset = true;
        }
    }

    /// Makes a tombstone of each field that `is_meant` gives true for; whether there was one. The row is
    /// open.
    pub(super) fn unset_all(&mut self, is_meant: impl Fn(&Self, &Field) -> bool) -> bool {
        let mut is_found = false;
        for at in self.start()..self.revision.fields.len() {
            let field = self.revision.fields[at];
            if is_meant(self, &field) {
                is_found = true;
                self.unset_at(at);
            }
        }
        is_found
    }

    /// Makes a tombstone of the field at `at`.
    pub(super) fn unset_at(&mut self, at: usize) {
        let field = &mut self.revision.fields[at];
        let before = std::mem::replace(&mut field.value, Span::UNSET);
        field.value_type = ValueType::Null;
        self.has_unset = true;
        self.leave(before);
    }

    /// Sets a tag.
    pub fn tag(&mut self, tag: &[u8]) {
        if !self.is_open && self.read().has_tag(tag) {
            return;
        }
        self.open();
        match self.find(FieldName::Tag, tag) {
            Some(at) if self.revision.fields[at].is_unset() => {
                self.replace(at, FieldName::Tag, ValueType::String, Text::Copy(b""));
            }
            None if !self.batch.origin().has(FieldName::Tag, tag) => {
                self.field(FieldName::Tag, Text::Copy(tag), ValueType::String, Text::Copy(b""));
            }
            _ => {}
        }
    }

    /// Clears a tag, also one that all messages of the batch have.
    pub fn clear_tag(&mut self, tag: &[u8]) {
        self.unset(FieldName::Tag, tag);
    }

    /// Sets when the message happened, and when it was received.
    #[inline]
    pub fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.open();
        self.record.head.set_stamp(stamp);
        self.record.head.recvd_micros = recvd_micros;
    }

    /// Sets when the message happened.
    pub(crate) fn stamp(&mut self, stamp: Stamp) {
        self.open();
        self.record.head.set_stamp(stamp);
    }

    /// Sets when the message was received, and the offset of the clock that says so.
    pub fn recvd(&mut self, recvd: Stamp) {
        self.open();
        self.record.head.recvd_micros = recvd.unix_micros;
        let shift = (recvd.offset_seconds - self.batch.origin().recvd_offset) / 60;
        self.record.head.recvd_shift = i16::try_from(shift).unwrap_or_default();
    }

    /// Sets facility times 8 plus severity.
    #[inline]
    pub fn pri(&mut self, pri: u16) {
        self.open();
        self.record.head.pri = pri;
    }

    /// Sets the size that the message had on its way in.
    #[cfg(feature = "python")]
    pub(crate) fn raw_size(&mut self, raw_size: u32) {
        self.open();
        self.record.head.raw_size = raw_size;
    }

    /// The number of its first field, once it is open.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.record.fields_start as usize
    }

    /// Has its fields behind those of all other rows.
    #[inline]
    pub(super) fn open(&mut self) {
        if !self.is_open {
            self.is_open = true;
            let start = self.revision.fields.len();
            if self.record.head.fields_len > 0 {
                self.revision.take_fields(self.batch, self.row);
            }
            self.record.fields_start = start as u32;
            let fields = &self.revision.fields;
            // Of its own rows it knows; those of others may have been made in any way.
            let may_repeat = self.revision.may_repeat || !self.revision.has(self.row);
            self.index.given.begin(&fields[start..], fields.len(), may_repeat);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, field: Field) {
        if self.has_room() {
            self.revision.fields.push(field);
            if self.index.is_built() {
                self.index_last();
            }
        }
    }

    /// Puts a field before the one at `at`.
    pub(super) fn insert(&mut self, at: usize, field: Field) {
        if self.has_room() {
            self.revision.fields.insert(at, field);
            self.index.begin();
            self.index.given.add_any();
        }
    }

    /// Counts one more field; false where that would be too many.
    #[inline]
    fn has_room(&mut self) -> bool {
        if self.record.head.fields_len == u16::MAX {
            self.limit = Some(RowLimit::Fields);
            return false;
        }
        self.record.head.fields_len += 1;
        true
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what kind of text it is, is known where it is made")]
    pub(super) fn place(&mut self, text: Text<'_>) -> Span {
        match text {
            Text::Copy(bytes) => self.copy(bytes),
            Text::Payload(offset, len) => self.payload.part_inside(offset, len),
        }
    }

    /// Puts `bytes` behind the texts of the revision, and says where they are.
    fn copy(&mut self, bytes: &[u8]) -> Span {
        let len = self.revision.texts.len() + bytes.len();
        if bytes.is_empty() {
            return Span::default();
        }
        if len > u32::MAX as usize || len - self.texts_before > MESSAGE_MAX {
            self.limit = Some(RowLimit::Bytes);
            return Span::default();
        }
        let offset = self.revision.texts.add(bytes);
        Span { segment: self.revision.segment, offset, len: bytes.len() as u32 }
    }

    /// Makes it the row of its revision.
    fn end(mut self) -> Result<(), RowLimit> {
        if let Some(limit) = self.limit {
            return Err(limit);
        }
        if !self.is_open {
            return Ok(());
        }
        if self.has_unset {
            // What is behind a tombstone moves to another place.
            self.remove_tombstones();
        } else {
            self.index.given.end(self.revision.fields.len());
        }
        if self.unused > 0 {
            self.tidy();
        }
        self.is_open = false;
        self.revision.may_repeat |= self.index.given.may_repeat();
        let start = self.start();
        self.revision.put(self.batch, self.row, start, self.record);
        Ok(())
    }
}

impl fmt::Debug for RevisedRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.record.head.fields_len;
        f.debug_struct("RevisedRow").field("row", &self.row).field("fields", &fields).finish_non_exhaustive()
    }
}
