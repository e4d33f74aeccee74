//! Changes of some rows of a batch: [`Revision`].
//!
//! A sealed batch never changes. A step that changes messages writes what is new beside it:
//!
//! ```text
//!  batch       r0  r1  r2  r3        immutable
//!  revision 1      r1'     r3'       parent: the batch     records and fields of the rows that it changed,
//!  revision 2              r3''      parent: revision 1    and texts only where they are new
//! ```
//!
//! A row of a revision is a whole record with all of its fields; their texts may be the batch's, a parent's
//! or its own. The new texts of a revision are one more segment: it has the number after those of its batch
//! and its parents, so that a [`Span`] means the same everywhere. A row that a revision does not have is its
//! parent's.
//!
//! A row that is being changed ([`RevisedRow`]) stands behind all others: its fields are copied there by its
//! first change, and changed in place by the further ones, however many steps make them. Its end puts it in
//! the place of what it was before.
//!
//! # Invariants
//! * A revision is changed only by its one holder (`Arc::get_mut`); one that is shared is read only, and gets
//!   a child ([`Selection::revise`](super::Selection::revise)).
//! * A row is changed whole or not at all ([`Revision::change`]): a panic in the middle costs that row's
//!   change.
//! * Fields of a row follow each other. What a later change of the row leaves behind is cleared away when it
//!   is more than what is used.

mod given;
mod index;
mod row;
mod slots;
mod texts;
mod tidy;
mod values;

use std::sync::Arc;

use super::{Batch, Field, MessageRef, Record, Span};
use texts::Texts;

pub(super) use index::Index;
pub use row::RevisedRow;

/// Memory that a changed row takes beside its fields and texts.
pub(crate) const REVISED_ROW: usize = size_of::<Record>() + size_of::<u32>();

/// Texts below this are not worth looking through for unused ones.
const TIDY_AT: usize = 16 * 1024;

/// New records, fields and texts of some rows of a batch; see the module.
#[derive(Debug, Default)]
pub struct Revision {
    /// The revision whose rows these were before; without one they were the batch's.
    parent: Option<Arc<Revision>>,
    /// The number of its segment.
    segment: u32,
    /// For each row of the batch the number of its record, counted from 1; 0 for a row that it does not have.
    places: Vec<u32>,
    records: Vec<Record>,
    fields: Vec<Field>,
    /// The number of `fields` that belong to no row any more.
    stale: usize,
    texts: Texts,
    /// Tells whether a row of it was changed again, so that memory may be unused.
    rewritten: bool,
    /// The bytes of texts that make it worth while to look for those that nobody uses any more.
    tidy_at: usize,
    /// For how much of its memory credit was taken.
    charged: u64,
    /// Tells whether a row may have two fields of one name that is a text.
    may_repeat: bool,
    /// The number of rows that a step has still to come to, for the memory of all of them.
    to_come: usize,
}

/// The most memory that is taken ahead for the rows that a step has still to come to, in bytes.
const AHEAD: usize = 256 * 1024;

impl Revision {
    /// A revision of rows of `batch`, as `parent` has them, in which nothing is changed yet.
    pub fn new(batch: &Batch, parent: Option<Arc<Self>>) -> Self {
        let before = parent.as_ref().map_or(batch.segments_len() as u32, |parent| parent.segment);
        Self { parent, segment: before + 1, tidy_at: TIDY_AT, ..Self::default() }
    }

    /// The memory that it takes, of which credit is taken: not that of its parents.
    pub fn charge(&self) -> u64 {
        let fixed = self.records.len() * REVISED_ROW + self.fields.len() * size_of::<Field>();
        (fixed + self.texts.len()) as u64
    }

    /// The revision that it was made of.
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// Prepares it for a step that comes to so many rows.
    pub(super) fn expect(&mut self, rows: usize) {
        self.to_come = rows;
    }

    /// Tells whether it has changed no row.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes the revision that it was made of.
    pub(super) fn into_parent(self) -> Option<Arc<Self>> {
        self.parent
    }

    /// Tells whether it has changed `row` itself.
    #[inline]
    pub fn has(&self, row: u32) -> bool {
        self.places.get(row as usize).is_some_and(|place| *place != 0)
    }

    /// Its own record of `row`.
    #[inline]
    fn own(&self, row: u32) -> Option<&Record> {
        match self.places.get(row as usize) {
            None | Some(0) => None,
            Some(place) => Some(&self.records[*place as usize - 1]),
        }
    }

    /// The record of `row` with the revision that has it; `None` where it is the batch's.
    #[inline]
    pub(super) fn find(&self, row: u32) -> Option<(&Self, &Record)> {
        match self.own(row) {
            Some(record) => Some((self, record)),
            None => self.parent.as_ref()?.find(row),
        }
    }

    /// The fields of one of its own records.
    #[inline]
    pub(super) fn fields(&self, record: &Record) -> &[Field] {
        &self.fields[record.fields_start as usize..][..usize::from(record.head.fields_len)]
    }

    /// Tells whether a row may have two fields of one name that is a text.
    #[inline]
    pub(super) fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// The bytes of a span of one of its own records.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as with those of the batch")]
    pub(super) fn bytes<'a>(&'a self, batch: &'a Batch, span: Span) -> &'a [u8] {
        if span.segment >= self.segment {
            return self.texts.get(span.offset, span.len);
        }
        match &self.parent {
            None => batch.bytes(span),
            Some(parent) => parent.inherited(batch, span),
        }
    }

    /// The same for a span that a child has.
    #[cold]
    fn inherited<'a>(&'a self, batch: &'a Batch, span: Span) -> &'a [u8] {
        self.bytes(batch, span)
    }

    /// Makes `message`, which is one of the same batch under another revision, its own row.
    pub(super) fn adopt(&mut self, message: MessageRef<'_>) {
        let (batch, row) = (message.batch(), message.row());
        let (owner, record, text) = message.parts();
        if owner.is_none() && self.parent.is_none() {
            return self.forget(row);
        }
        self.may_repeat = true;
        let start = self.fields.len();
        let fields = owner.map_or_else(|| batch.fields(record), |owner| owner.fields(record));
        for field in fields {
            let (name, value) = (self.adopt_text(message, field.name), self.adopt_text(message, field.value));
            self.fields.push(Field { name, value, ..*field });
        }
        let text = self.adopt_text(message, text);
        self.put(batch, row, start, Record { text, ..*record });
    }

    /// A span of `message`, which is read by another revision, as one of this.
    fn adopt_text(&mut self, message: MessageRef<'_>, span: Span) -> Span {
        if span.is_unset() || span.segment as usize <= message.batch().segments_len() {
            return span;
        }
        let offset = self.texts.add(message.bytes(span));
        Span { segment: self.segment, offset, len: span.len }
    }

    /// Makes `record`, whose fields are those from `start` on, that of `row`.
    #[inline]
    fn put(&mut self, batch: &Batch, row: u32, start: usize, mut record: Record) {
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
                if self.records.len() == 1 {
                    self.take_memory_ahead();
                }
            }
            Some(number) => {
                let before = std::mem::replace(&mut self.records[number as usize], record);
                self.stale += usize::from(before.head.fields_len);
                self.rewritten = true;
            }
        }
    }

    /// Takes memory for the rows to come, which are mostly like the first one: it grows once, then.
    #[cold]
    fn take_memory_ahead(&mut self) {
        let room = |bytes: usize| bytes.saturating_mul(self.to_come).min(AHEAD);
        let (fields, texts) = (room(self.fields.len() * size_of::<Field>()), room(self.texts.len()));
        self.records.reserve(room(size_of::<Record>()) / size_of::<Record>());
        self.fields.reserve(fields / size_of::<Field>());
        self.texts.reserve(texts);
    }

    /// Takes its own change of `row` back: the row is its parent's again.
    pub(super) fn forget(&mut self, row: u32) {
        if let Some(place) = self.places.get_mut(row as usize)
            && let Some(number) = place.checked_sub(1)
        {
            *place = 0;
            self.rewritten = true;
            self.stale += usize::from(self.records[number as usize].head.fields_len);
        }
    }

    /// Ends a step's changes: gives back memory that no row uses any more, when it is more than what is used,
    /// and says for how much more credit is to be taken.
    pub(super) fn end_changes(&mut self) -> u64 {
        let is_stale = self.stale > 64 && self.stale > self.fields.len() / 2;
        if self.rewritten && (is_stale || self.texts.len() > self.tidy_at) {
            self.clear_away();
        }
        let more = self.charge().saturating_sub(self.charged);
        self.charged += more;
        more
    }

    /// Moves fields and texts that are used to the front, row by row.
    #[cold]
    fn clear_away(&mut self) {
        let (fields, texts) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.texts));
        let own = self.segment;
        let mut kept = Texts::default();
        let mut moved = |span: Span| {
            if span.segment != own {
                return span;
            }
            Span { offset: kept.add(texts.get(span.offset, span.len)), ..span }
        };
        for place in self.places.iter().filter(|place| **place != 0) {
            let record = &mut self.records[*place as usize - 1];
            let used = &fields[record.fields_start as usize..][..usize::from(record.head.fields_len)];
            record.fields_start = self.fields.len() as u32;
            record.text = moved(record.text);
            let moved = used.iter().map(|field| Field {
                name: moved(field.name),
                value: moved(field.value),
                ..*field
            });
            self.fields.extend(moved);
        }
        self.texts = kept;
        (self.stale, self.tidy_at) = (0, TIDY_AT.max(2 * self.texts.len()));
    }
}

#[cfg(test)]
mod tests;
