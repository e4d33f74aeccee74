//! Rows that are parsed after the seal: [`Batch::parse_late`].
//!
//! A post that knows only how its text is to be parsed publishes the text alone
//! ([`Writer::publish_unparsed`](super::Writer::publish_unparsed)), and the worker that takes the batch parses it, before
//! anyone else sees the batch. The one who posts holds the GIL, the worker does not: so the two cores share the work.
//!
//! ```text
//! posted    record ─► text in the slab          charged for the usual number of fields
//! parsed    record ─► the same text              fields: late_fields, numbered on from those of the body
//!                                                what no part of the text can stand for: one heap segment more
//! ```
//!
//! The slots of the body are not used: a writer that has not noticed the seal yet may be writing to the free ones. The
//! records of published rows are nobody's but the batch's owner's, until it is shared.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Batch, Body, Text, unparsed_charge};
use crate::fault::panic_text;
use crate::message::{Field, FieldName, Need, Record, Segment, Span, Stamp, ValueType};

/// What became of the rows that were parsed late.
#[derive(Debug, Default)]
pub struct LateParsed {
    /// What they cost more of the byte half of the credit than they were charged for.
    pub more: u64,
    /// The rows that the parser panicked at.
    pub faults: Vec<LateFault>,
}

/// A row that the parser panicked at: it is its text, with the time of its receipt, and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct LateFault {
    /// Its number in the batch.
    pub row: u32,
    /// What the panic said.
    pub reason: String,
}

impl Batch {
    /// Calls `parse` with the text, the time of receipt and the [`LateRow`] of every row that was posted unparsed, in
    /// order. What the rows cost more of the byte half of the credit is part of [`Batch::charge`] from now on.
    ///
    /// A panic of `parse` costs one row what it would have been parsed to, and nothing else: `parse` is called again for the
    /// next one, and has to take care itself of what it was in the middle of.
    pub fn parse_late(&mut self, mut parse: impl FnMut(&[u8], Stamp, &mut LateRow<'_>)) -> LateParsed {
        let before = match &self.body {
            Body::Slab { slab, .. } => slab.fields_end(),
            Body::Lines(_) => return LateParsed::default(),
        };
        let copies = Copies { bytes: Vec::new(), last: 0..0, segment: self.segments.len() as u32 + 1 };
        let fields = std::mem::take(&mut self.late_fields);
        let mut made = Made { before, fields, copies, more: 0, whole: (0, 0) };
        let (mut row, rows, mut faults) = (0, self.rows, Vec::new());
        while row < rows {
            // What a panic leaves half done is taken back below.
            let all = catch_unwind(AssertUnwindSafe(|| {
                while row < rows {
                    self.parse_row(row, &mut parse, &mut made);
                    row += 1;
                }
            }));
            if let Err(panic) = all {
                made.take_back();
                let mut record = *self.record(row);
                record.head.unparsed = 0;
                self.set_record(row, record);
                faults.push(LateFault { row, reason: panic_text(&*panic) });
                row += 1;
            }
        }
        let Made { fields, copies, more, .. } = made;
        self.late_fields = fields;
        if !copies.bytes.is_empty() {
            self.segments.push(Segment::heap(copies.bytes.into_boxed_slice()));
        }
        self.bytes = self.bytes.saturating_add(more as u32);
        LateParsed { more, faults }
    }

    #[inline]
    fn parse_row(
        &mut self,
        row: u32,
        parse: &mut impl FnMut(&[u8], Stamp, &mut LateRow<'_>),
        made: &mut Made,
    ) {
        let mut record = *self.record(row);
        if record.head.unparsed == 0 {
            return;
        }
        let text = self.bytes(record.text);
        let Made { before, fields, copies, more, whole } = made;
        if fields.is_empty() {
            fields.reserve((self.rows - row) as usize * 6);
        }
        *whole = (fields.len(), copies.bytes.len());
        record.head.unparsed = 0;
        record.fields_start = (*before + fields.len()) as u32;
        let stamp = record.head.stamp();
        let payload = record.text;
        parse(text, stamp, &mut LateRow { record: &mut record, payload, fields, copies });
        let bytes = text.len() + copies.bytes.len() - whole.1;
        let need = Need { bytes, fields: usize::from(record.head.fields_len), ..Need::default() };
        *more += need.charge().saturating_sub(unparsed_charge(text.len()));
        self.set_record(row, record);
    }

    /// Replaces the record of `row`.
    fn set_record(&mut self, row: u32, record: Record) {
        match &mut self.body {
            Body::Slab { slab, high, .. } => {
                let at = slab.record(*high as usize - row as usize * size_of::<Record>());
                // SAFETY: published before the seal, so the writer does not touch it again; and nobody reads it
                // meanwhile, as this batch is borrowed alone.
                unsafe { at.write(record) };
            }
            Body::Lines(_) => {}
        }
    }

    /// Fields that are not in the body: those of rows that were parsed after the seal.
    #[inline]
    pub(super) fn late_fields(&self, start: usize, len: usize) -> &[Field] {
        let before = match &self.body {
            Body::Slab { slab, .. } => slab.fields_end(),
            Body::Lines(_) => 0,
        };
        &self.late_fields[start - before..][..len]
    }
}

/// What was made of the late rows of a batch up to now.
struct Made {
    /// The number of the first field.
    before: usize,
    fields: Vec<Field>,
    copies: Copies,
    more: u64,
    /// How many fields and bytes the rows that are finished have.
    whole: (usize, usize),
}

impl Made {
    /// Forgets what belongs to a row that was not finished.
    fn take_back(&mut self) {
        self.fields.truncate(self.whole.0);
        self.copies.bytes.truncate(self.whole.1);
        self.copies.last = 0..0;
    }
}

/// The bytes of what was copied for late rows, all of a batch together.
struct Copies {
    bytes: Vec<u8>,
    /// The one before: it is nearly always the same word again, and then taken for both.
    last: std::ops::Range<usize>,
    segment: u32,
}

/// A row that is being parsed after the seal; its payload is the text that was posted.
pub struct LateRow<'a> {
    record: &'a mut Record,
    payload: Span,
    fields: &'a mut Vec<Field>,
    copies: &'a mut Copies,
}

impl LateRow<'_> {
    /// Makes `text` MESSAGE.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn message(&mut self, text: Text<'_>) {
        self.record.text = self.place(text);
    }

    /// Adds a name-value pair; `name` is read only when `id` has its name as text.
    ///
    /// # Panics
    /// When there are 65,536 of them, or a part of the payload does not lie inside it.
    #[inline]
    pub fn field(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        assert!(self.record.head.fields_len < u16::MAX, "a message has no more fields");
        let named = matches!(id, FieldName::Text | FieldName::SdParam);
        let name = if named { self.place(name) } else { Span::default() };
        let value = self.place(value);
        self.fields.push(Field { name, value, id, value_type });
        self.record.head.fields_len += 1;
    }

    /// Sets when the message happened, and when it was received.
    #[inline]
    pub fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.record.head.set_stamp(stamp);
        self.record.head.recvd_micros = recvd_micros;
    }

    /// Sets facility times 8 plus severity.
    #[inline]
    pub fn pri(&mut self, pri: u16) {
        self.record.head.pri = pri;
    }

    #[inline]
    fn place(&mut self, text: Text<'_>) -> Span {
        match text {
            Text::Copy(bytes) => self.copies.place(bytes),
            Text::Payload(offset, len) => {
                let inside = u64::from(offset) + u64::from(len) <= u64::from(self.payload.len);
                assert!(inside, "a part lies inside the payload");
                self.payload.part(offset, len)
            }
        }
    }
}

impl Copies {
    #[inline]
    fn place(&mut self, bytes: &[u8]) -> Span {
        if bytes.is_empty() {
            return Span::default();
        }
        if self.bytes[self.last.clone()] != *bytes {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            self.last = start..self.bytes.len();
        }
        Span { segment: self.segment, offset: self.last.start as u32, len: bytes.len() as u32 }
    }
}
