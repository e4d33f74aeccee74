//! One row that is being changed: [`RevisedRow`].

use std::fmt;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::Revision;
use crate::message::batch::Text;
use crate::message::{Batch, Field, FieldName, Head, MessageRef, Record, Span, Stamp, ValueType};

/// A message would have more than 65,535 fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyFields;

impl fmt::Display for TooManyFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message has at most {} fields", u16::MAX)
    }
}

impl std::error::Error for TooManyFields {}

/// The memory of a [`RevisedRow`], used again for each row.
#[derive(Debug, Default)]
pub struct Draft {
    record: Record,
    /// The fields that are new.
    fields: Vec<Field>,
    /// The texts that are new.
    bytes: Vec<u8>,
    /// The text that was copied last, counted from the start of the revision's texts: it is nearly always the
    /// same word again, and then taken for both.
    last: Range<usize>,
    /// Tells whether a new field may have the name of an earlier one.
    doubles: bool,
    too_many: bool,
}

/// A row that is being changed. The message is read as it was until the change is done.
pub struct RevisedRow<'a> {
    revision: &'a Revision,
    draft: &'a mut Draft,
    /// MESSAGE as it was before: what [`Text::Payload`] counts in.
    payload: Span,
}

impl Revision {
    /// Calls `change` with the message in `row` of `batch`, as it is read by this revision, and a change of
    /// it. When it gives true, the change is the row's; otherwise, and after a panic, the row is as it was.
    ///
    /// # Errors
    /// [`TooManyFields`]: the row is as it was.
    #[inline]
    pub fn change(
        &mut self,
        batch: &Batch,
        row: u32,
        draft: &mut Draft,
        change: impl FnOnce(MessageRef<'_>, &mut RevisedRow<'_>) -> bool,
    ) -> Result<bool, TooManyFields> {
        let message = batch.revised(row, self);
        let (owner, record, payload) = message.parts();
        let had = usize::from(record.head.fields_len);
        draft.begin(Record { text: payload, ..*record });
        let is_done = change(message, &mut RevisedRow { revision: self, draft, payload });
        if !is_done || draft.too_many || had + draft.fields.len() > usize::from(u16::MAX) {
            return if is_done { Err(TooManyFields) } else { Ok(false) };
        }
        // Those that it had come first, wherever they are.
        let (record, is_revised) = (*record, owner.is_some());
        let start = self.fields.len();
        if had > 0 {
            self.take_fields(batch, row, &record, is_revised);
        }
        self.fields.extend_from_slice(&draft.fields);
        self.bytes.extend_from_slice(&draft.bytes);
        if draft.doubles {
            self.remove_doubles(batch, start);
        }
        self.put(batch, row, start, draft.record);
        Ok(true)
    }

    /// Copies the fields of `row`, as they are read now, behind the others.
    #[cold]
    fn take_fields(&mut self, batch: &Batch, row: u32, record: &Record, is_revised: bool) {
        if self.has(row) {
            let start = record.fields_start as usize;
            self.fields.extend_from_within(start..start + usize::from(record.head.fields_len));
            return;
        }
        let found = self.parent.as_ref().filter(|_| is_revised).and_then(|parent| parent.find(row));
        match found {
            Some((owner, record)) => self.fields.extend_from_slice(owner.fields(record)),
            None => self.fields.extend_from_slice(batch.fields(record)),
        }
    }

    /// Makes `record`, whose fields begin at `start`, that of `row`.
    #[inline]
    pub(super) fn put(&mut self, batch: &Batch, row: u32, start: usize, mut record: Record) {
        record.fields_start = start as u32;
        record.head.fields_len = (self.fields.len() - start) as u16;
        record.head.unparsed = 0;
        if self.places.is_empty() {
            self.places = vec![0; batch.rows() as usize];
        }
        let place = &mut self.places[row as usize];
        match place.checked_sub(1) {
            None => {
                self.records.push(record);
                *place = self.records.len() as u32;
            }
            Some(number) => {
                let before = std::mem::replace(&mut self.records[number as usize], record);
                self.stale += usize::from(before.head.fields_len);
                self.rewritten = true;
            }
        }
    }

    /// Removes all fields from `start` on but the last of each name, and what is unset where nothing else
    /// would show.
    #[cold]
    fn remove_doubles(&mut self, batch: &Batch, start: usize) {
        let mut known: HashSet<(FieldName, &[u8]), RandomState> = HashSet::default();
        let mut kept: Vec<Field> = Vec::with_capacity(self.fields.len() - start);
        for field in self.fields[start..].iter().rev() {
            let id = if field.id == FieldName::ChainedHost { FieldName::Host } else { field.id };
            let is_structured = matches!(id, FieldName::SdId | FieldName::SdParam);
            let name = if id.has_text() { self.bytes(batch, field.name) } else { b"" };
            let is_last = is_structured || known.insert((id, name));
            if is_last && (!field.is_unset() || batch.origin().has(id)) {
                kept.push(*field);
            }
        }
        drop(known);
        self.fields.truncate(start);
        self.fields.extend(kept.into_iter().rev());
    }
}

impl Draft {
    #[inline]
    fn begin(&mut self, record: Record) {
        self.record = record;
        self.fields.clear();
        self.bytes.clear();
        (self.doubles, self.too_many) = (false, false);
    }
}

impl RevisedRow<'_> {
    /// Makes `text` MESSAGE.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn message(&mut self, text: Text<'_>) {
        self.draft.record.text = self.place(text);
    }

    /// Adds a name-value pair of a name that the message does not have yet; `name` is read only when `id` has
    /// its name as text.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn field(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        if self.draft.fields.len() == usize::from(u16::MAX) {
            self.draft.too_many = true;
            return;
        }
        let name = if id.has_text() { self.place(name) } else { Span::default() };
        let value = self.place(value);
        self.draft.fields.push(Field { name, value, id, value_type });
    }

    /// Sets a name-value pair, in the place of an earlier one of this name.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    pub fn set(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        self.draft.doubles = true;
        self.field(id, name, value_type, value);
    }

    /// Unsets a name-value pair, also one that all messages of the batch have in common.
    pub fn unset(&mut self, id: FieldName, name: Text<'_>) {
        self.set(id, name, ValueType::Null, Text::Copy(b""));
        if let Some(field) = self.draft.fields.last_mut().filter(|_| !self.draft.too_many) {
            field.value = Span::UNSET;
        }
    }

    /// Sets a tag.
    pub fn tag(&mut self, tag: &[u8]) {
        self.set(FieldName::Tag, Text::Copy(tag), ValueType::String, Text::Copy(b""));
    }

    /// Clears a tag, also one that all messages of the batch have.
    pub fn clear_tag(&mut self, tag: &[u8]) {
        self.unset(FieldName::Tag, Text::Copy(tag));
    }

    /// Its head, as it is now.
    pub fn head(&self) -> &Head {
        &self.draft.record.head
    }

    /// Sets when the message happened, and when it was received.
    #[inline]
    pub fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.draft.record.head.set_stamp(stamp);
        self.draft.record.head.recvd_micros = recvd_micros;
    }

    /// Sets facility times 8 plus severity.
    #[inline]
    pub fn pri(&mut self, pri: u16) {
        self.draft.record.head.pri = pri;
    }

    #[inline]
    fn place(&mut self, text: Text<'_>) -> Span {
        match text {
            Text::Copy(bytes) => self.copy(bytes),
            Text::Payload(offset, len) => {
                let inside = u64::from(offset) + u64::from(len) <= u64::from(self.payload.len);
                assert!(inside, "a part lies inside the payload");
                self.payload.part(offset, len)
            }
        }
    }

    /// Puts `bytes` behind the texts of the revision, and says where they will be.
    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Span {
        if bytes.is_empty() {
            return Span::default();
        }
        let Self { revision, draft, .. } = self;
        let before = revision.bytes.len();
        // Either of the revision or of the draft: a text is in one of them.
        let last = match draft.last.start.checked_sub(before) {
            None => revision.bytes.get(draft.last.clone()),
            Some(start) => draft.bytes.get(start..start + draft.last.len()),
        };
        if last != Some(bytes) {
            let start = before + draft.bytes.len();
            draft.bytes.extend_from_slice(bytes);
            draft.last = start..start + bytes.len();
        }
        Span { segment: revision.segment, offset: draft.last.start as u32, len: bytes.len() as u32 }
    }
}

impl fmt::Debug for RevisedRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevisedRow").field("fields", &self.draft.fields.len()).finish_non_exhaustive()
    }
}
