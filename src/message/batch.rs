//! A batch: filled by one [`Writer`], sealed once, then immutable and shared.
//!
//! # The seal protocol
//!
//! The consumer may want a batch while it is still being filled: a worker that has nothing to do takes
//! what is there. So a shared batch has one atomic word,
//!
//! ```text
//!  63      62            32 31          16 15           0
//! ┌──────┬─────────────────┬──────────────┬──────────────┐
//! │SEALED│ bytes charged   │ segments     │ rows         │
//! └──────┴─────────────────┴──────────────┴──────────────┘
//! ```
//!
//! and two operations on it:
//!
//! * the writer *publishes* a row: it writes the row's parts into slots that no published row covers,
//!   then adds the row's counts with one `fetch_add`. When the word it gets back has SEALED set, the
//!   row is not part of this batch: the writer opens another one and writes the row there;
//! * whoever ends the batch *seals* it with one `fetch_or(SEALED)`. The word that this returns has the
//!   final counts: nothing after it belongs to the batch.
//!
//! Either a row is published before the seal, and the consumer has it, or it is not, and the writer
//! knows. The price is one atomic operation on a line that is in the writer's cache, for each row.
//!
//! A reader reads slots below the final counts; a late writer may write to slots above them. So slots
//! never move, and the memory goes back to the pool only when writer and readers have both let go.
//!
//! # Compaction
//!
//! A batch that is sealed almost empty copies its few rows into memory of the right size. Otherwise a
//! source that posts one message at a time into a stalled destination would hold a whole batch's memory
//! for each.

mod writer;

use std::mem::ManuallyDrop;
use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam::utils::CachePadded;

#[cfg(loom)]
use loom::sync::atomic::AtomicU64;

use super::lines::Table;
use super::pool::{Memory, Slot};
use super::{Field, MESSAGE_MAX, Origin, Pool, Record, Segment, Span};

pub use writer::{Head, Need, Published, Row, SharedSegment, Text, Writer};

const ROW: u64 = 1;
const SEGMENT_SHIFT: u32 = 16;
const BYTES_SHIFT: u32 = 32;
const COUNT_MASK: u64 = 0xffff;
const SEALED: u64 = 1 << 63;
/// A batch with more bytes than this takes no further message, so that 30 bits hold its count.
const BYTES_FULL: u64 = (1 << 30) - 1 - 2 * MESSAGE_MAX as u64;

/// What a message costs beside its texts, charged to the byte half of the credit.
pub const ROW_CHARGE: usize = 64;
/// A batch with at most this many rows is compacted when it is sealed.
const COMPACT_ROWS: u32 = 64;

/// How many batches were taken by their consumers, in the whole process.
static TAKEN: CachePadded<AtomicU32> = CachePadded::new(AtomicU32::new(0));

/// How many batches were taken by their consumers so far, in the whole process; it wraps around.
///
/// As long as it stays what it was before a row was published into an open batch, that batch was not taken.
#[inline]
pub fn taken() -> u32 {
    TAKEN.load(Ordering::Relaxed)
}

/// The arrays of a batch with the word of the seal protocol, held by its writer and its reader.
pub(super) struct Core {
    state: AtomicU64,
    memory: ManuallyDrop<Memory>,
    pool: Arc<Pool>,
}

// SAFETY: the slots are shared under the seal protocol: the one writer touches only slots that no
// published row covers, readers only slots that one covers, and publication is a release that sealing
// acquires. What the slots hold is Send and Sync.
unsafe impl Sync for Core {}
// SAFETY: as above.
unsafe impl Send for Core {}

impl Core {
    #[inline]
    fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // SAFETY: taken only here, and nobody uses the core after it is dropped.
        let memory = unsafe { ManuallyDrop::take(&mut self.memory) };
        self.pool.put(memory);
    }
}

fn slot<T>(slots: &[Slot<T>], index: usize) -> *mut T {
    slots[index].get().cast()
}

/// The consumer's end of a batch that may still be open.
pub struct Pending {
    /// `None` only while `seal` or `drop` takes it.
    batch: Option<Half>,
}

enum Half {
    Open { core: Arc<Core>, origin: Arc<Origin> },
    Sealed(Box<Batch>),
}

impl Half {
    fn seal(self) -> Batch {
        match self {
            Self::Open { core, origin } => Batch::new(core, origin),
            Self::Sealed(batch) => *batch,
        }
    }
}

impl Pending {
    /// Ends the batch and takes what was published.
    pub fn seal(mut self) -> Batch {
        let Some(batch) = self.batch.take() else { unreachable!("taken only here and by drop") };
        batch.seal()
    }
}

impl From<Batch> for Pending {
    /// A batch that was ended by whoever made it.
    fn from(batch: Batch) -> Self {
        Self { batch: Some(Half::Sealed(Box::new(batch))) }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        drop(self.batch.take().map(Half::seal));
    }
}

/// What keeps the arrays that a batch reads.
pub(super) enum Body {
    Pooled(Arc<Core>),
    Compact {
        records: Box<[Record]>,
        fields: Box<[Field]>,
        block: Box<[u8]>,
    },
    /// Lines of the one segment.
    Lines(Table),
}

/// A sealed batch: immutable.
///
/// When the last holder drops it, its segments go to its origin's [`Release`](super::Release) and its
/// memory to the pool.
pub struct Batch {
    body: Body,
    segments: Vec<Segment>,
    origin: Arc<Origin>,
    rows: u32,
    bytes: u32,
    /// The number of its first message; 0 when messages are not numbered.
    first_id: u64,
}

impl Batch {
    fn new(core: Arc<Core>, origin: Arc<Origin>) -> Self {
        let state = core.state.fetch_or(SEALED, Ordering::AcqRel);
        // After the seal: a writer whose row is in the batch read the number before this adds to it.
        TAKEN.fetch_add(1, Ordering::Relaxed);
        let rows = (state & COUNT_MASK) as u32;
        let taken = ((state >> SEGMENT_SHIFT) & COUNT_MASK) as usize;
        let bytes = ((state & !SEALED) >> BYTES_SHIFT) as u32;
        let memory = core.memory();
        let segments = memory.segments[..taken]
            .iter()
            // SAFETY: published, hence initialised; moved out once, because a batch is made once.
            .map(|slot| unsafe { slot.get().cast::<Segment>().read() })
            .collect();
        let mut batch = Self::sealed(Body::Pooled(core), segments, origin, rows, bytes);
        if rows <= COMPACT_ROWS {
            batch.compact();
        }
        batch
    }

    pub(super) fn sealed(
        body: Body,
        segments: Vec<Segment>,
        origin: Arc<Origin>,
        rows: u32,
        bytes: u32,
    ) -> Self {
        let first_id = origin.ids.as_ref().map_or(0, |ids| ids.fetch_add(u64::from(rows), Ordering::Relaxed));
        Self { body, segments, origin, rows, bytes, first_id }
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// Copies the rows into memory of the right size, unless their texts fill much of the block.
    fn compact(&mut self) {
        let copied = |span: &Span| if span.segment == 0 { span.len as usize } else { 0 };
        let fields = (0..self.rows).flat_map(|row| self.fields(self.record(row)));
        let texts: usize = (0..self.rows).map(|row| copied(&self.record(row).text)).sum();
        let texts = texts + fields.map(|field| copied(&field.name) + copied(&field.value)).sum::<usize>();
        if texts > super::pool::BLOCK / 8 {
            return;
        }
        let mut block = Vec::with_capacity(texts);
        let mut fields = Vec::new();
        let mut keep = |span: Span| {
            if span.segment != 0 {
                return span;
            }
            let offset = block.len() as u32;
            block.extend_from_slice(self.bytes(span));
            Span { segment: 0, offset, len: span.len }
        };
        let mut records = Vec::with_capacity(self.rows as usize);
        for row in 0..self.rows {
            let record = self.record(row);
            let fields_start = fields.len() as u32;
            for field in self.fields(record) {
                fields.push(Field { name: keep(field.name), value: keep(field.value), ..*field });
            }
            records.push(Record { text: keep(record.text), fields_start, ..*record });
        }
        self.body = Body::Compact {
            records: records.into_boxed_slice(),
            fields: fields.into_boxed_slice(),
            block: block.into_boxed_slice(),
        };
    }

    /// The number of messages.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// What its messages cost of the byte half of the credit.
    pub fn charge(&self) -> u64 {
        u64::from(self.bytes)
    }

    /// The number of its first message; 0 when messages are not numbered.
    pub(super) fn first_id(&self) -> u64 {
        self.first_id
    }

    /// What is common to its messages.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The record of `row`; where its text is, [`Batch::text`] says.
    ///
    /// # Panics
    /// When the batch has no such row.
    #[inline]
    pub(super) fn record(&self, row: u32) -> &Record {
        assert!(row < self.rows, "a row of the batch");
        match &self.body {
            // SAFETY: published before the seal, so it is written and no longer changes.
            Body::Pooled(core) => unsafe { &*slot(&core.memory().records, row as usize) },
            Body::Compact { records, .. } => &records[row as usize],
            Body::Lines(table) => &table.common,
        }
    }

    /// Where the text of `row`, which has this `record`, is.
    #[inline]
    pub(super) fn text(&self, row: u32, record: &Record) -> Span {
        match &self.body {
            Body::Lines(table) => table.text(row),
            _ => record.text,
        }
    }

    /// The fields of a record of this batch.
    #[inline]
    pub(super) fn fields(&self, record: &Record) -> &[Field] {
        let (start, len) = (record.fields_start as usize, record.fields_len as usize);
        match &self.body {
            Body::Pooled(core) => {
                let slots = &core.memory().fields[start..start + len];
                // SAFETY: fields of a published record are written and no longer change.
                unsafe { std::slice::from_raw_parts(slots.as_ptr().cast::<Field>(), len) }
            }
            Body::Compact { fields, .. } => &fields[start..start + len],
            Body::Lines(_) => &[],
        }
    }

    /// The bytes of a span of this batch.
    #[inline]
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        let (start, len) = (span.offset as usize, span.len as usize);
        if span.segment != 0 {
            return &self.segments[span.segment as usize - 1].bytes()[start..start + len];
        }
        match &self.body {
            Body::Pooled(core) => {
                let slots = &core.memory().block[start..start + len];
                // SAFETY: spans are made by `Row` alone, over bytes that it copied before it published.
                unsafe { std::slice::from_raw_parts(slots.as_ptr().cast::<u8>(), len) }
            }
            Body::Compact { block, .. } => &block[start..start + len],
            // Without a block there is no text in it but the empty one.
            Body::Lines(_) => &[],
        }
    }

    /// Whether its rows were copied out of the writer's memory.
    #[cfg(test)]
    fn is_compact(&self) -> bool {
        matches!(self.body, Body::Compact { .. })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.segments.iter().any(Segment::is_foreign) {
            self.origin.release.release(std::mem::take(&mut self.segments));
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("source", &self.origin.source)
            .field("rows", &self.rows)
            .field("bytes", &self.bytes)
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(test)]
mod tests;
