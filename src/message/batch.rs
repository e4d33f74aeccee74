//! A batch: filled by one [`Writer`], sealed once, then immutable and shared.
//!
//! The consumer may want a batch while it is still being filled: a worker that has nothing to do takes what
//! is there. Either a row is published before that, and the consumer has it, or it is not, and the writer
//! knows, and writes it to another batch: the protocol is in `seal`.
//!
//! A reader reads what is below the final counts; a late writer may write beyond them. So slots never move,
//! and a slab goes back to the pool only when its writer and the readers of all its batches have let go.
//!
//! # Small batches
//! A batch that was taken almost empty costs nothing but what is in it: the writer's next batch goes on where
//! it ends, in the same slab ([`SlabTail`]). Otherwise a source that posts a few messages at a time into a
//! stalled destination would hold a whole slab for each.

mod seal;
mod space;
mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam::utils::CachePadded;

use self::seal::Seal;
use self::space::SlabSpace;
use super::lines::Table;
use super::pool::{Slab, Slot};
use super::recycled::{Recycle, Recycled};
use super::{Field, Origin, Record, Segments, Span};

pub use space::SlabTail;
pub use writer::{
    Need, Published, Row, SharedSegment, Text, USUAL_CHARGE, Writer, unparsed_charge, view_charge,
};

/// The charge of a message beside its texts, charged to the byte half of the credit.
pub(crate) const ROW_CHARGE: usize = 64;

/// The number of batches that were taken by their consumers, in the whole process.
static TAKEN: CachePadded<AtomicU32> = CachePadded::new(AtomicU32::new(0));

/// The number of batches that were taken by their consumers so far, in the whole process; it wraps around.
///
/// As long as it stays what it was before a row was published into an open batch, that batch was not taken.
#[inline]
pub fn taken() -> u32 {
    TAKEN.load(Ordering::Relaxed)
}

/// The place of a batch in its slab, and how far it is written and sealed; held by its writer and its reader.
pub(super) struct BatchShared {
    seal: Seal,
    /// `None` in a place that waits in the pool.
    slab: Option<Recycled<Slab>>,
    /// The end of its first record.
    high: u32,
    /// The first of its segments.
    segments: u32,
    /// True when a row is something else than a text that follows the one before it: set before that row is
    /// published, and read after the seal.
    scattered: AtomicBool,
    /// True when one of its segments is foreign: as above.
    foreign: AtomicBool,
}

impl BatchShared {
    /// Of an empty batch that begins in `room`.
    fn new(room: &SlabSpace) -> Self {
        let (slab, high, segments) = (Some(room.slab().clone()), room.high(), room.segments());
        let (scattered, foreign) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { seal: Seal::new(), slab, high, segments, scattered, foreign }
    }

    /// Notes that the texts do not follow each other.
    #[inline]
    fn scatter(&self) {
        self.scattered.store(true, Ordering::Relaxed);
    }
}

impl Recycle for BatchShared {
    fn recycle(mut place: Arc<Self>) {
        let slab = Arc::get_mut(&mut place).and_then(|core| core.slab.take());
        if let Some(pool) = slab.as_ref().and_then(|slab| slab.pool()) {
            pool.keep_place(place);
        }
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
    Open { core: Recycled<BatchShared>, origin: Arc<Origin> },
    Sealed(Box<Batch>),
}

impl Half {
    fn seal(self) -> Batch {
        match self {
            Self::Open { core, origin } => Batch::new(&core, origin),
            Self::Sealed(batch) => *batch,
        }
    }
}

impl Pending {
    /// True when its writer still writes to it: to end it would disturb the writer. A hint, as that may
    /// change at any moment.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&self.batch, Some(Half::Open { core, .. }) if !core.seal.is_sealed())
    }

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

/// The owner of the rows that a batch reads.
pub(super) enum Body {
    Slab {
        slab: Recycled<Slab>,
        /// The end of the first record.
        high: u32,
        /// True when the texts follow each other, with a newline after each.
        joined: bool,
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
    segments: Segments,
    origin: Arc<Origin>,
    rows: u32,
    bytes: u32,
    /// The number of its first message; 0 when messages are not numbered.
    first_id: u64,
}

impl Batch {
    fn new(core: &BatchShared, origin: Arc<Origin>) -> Self {
        let counts = core.seal.take();
        // After the seal: a writer whose row is in the batch read the number before this adds to it.
        TAKEN.fetch_add(1, Ordering::Relaxed);
        let Some(slab) = core.slab.clone() else { unreachable!("taken only when nobody has it any more") };
        let foreign = core.foreign.load(Ordering::Relaxed);
        // SAFETY: published and seen by `take`; a batch is made once, and its writer's next one begins behind
        // them.
        let segments = unsafe { Segments::adopted(&slab, core.segments, counts.segments(), foreign) };
        let joined = !core.scattered.load(Ordering::Relaxed);
        let body = Body::Slab { slab, high: core.high, joined };
        Self::sealed(body, segments, origin, counts.rows(), counts.bytes() as u32)
    }

    pub(super) fn sealed(body: Body, segments: Segments, origin: Arc<Origin>, rows: u32, bytes: u32) -> Self {
        let first_id = origin.ids.as_ref().map_or(0, |ids| ids.fetch_add(u64::from(rows), Ordering::Relaxed));
        Self { body, segments, origin, rows, bytes, first_id }
    }

    /// The bytes of its slab.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        match &self.body {
            Body::Slab { slab, .. } => slab.len(),
            Body::Lines(_) => 0,
        }
    }

    /// The number of messages.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The charge of its messages to the byte half of the credit.
    pub fn charge(&self) -> u64 {
        u64::from(self.bytes)
    }

    /// The number of its first message; 0 when messages are not numbered.
    pub(super) fn first_id(&self) -> u64 {
        self.first_id
    }

    /// The number of segments beside its own block.
    #[inline]
    pub(super) fn segments_len(&self) -> usize {
        self.segments.len()
    }

    /// Tells whether `row` was posted to be parsed later.
    #[inline]
    pub(super) fn is_unparsed(&self, row: u32) -> bool {
        self.record(row).head.unparsed != 0
    }

    /// The part that is common to its messages.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same, for messages that are made of these.
    pub(crate) fn shared_origin(&self) -> &Arc<Origin> {
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
            Body::Slab { slab, high, .. } => {
                let record = slab.record(*high as usize - row as usize * size_of::<Record>());
                // SAFETY: published before the seal, so it is written and no longer changes.
                unsafe { &*record }
            }
            Body::Lines(table) => &table.common,
        }
    }

    /// The place of the text of `row`, which has this `record`.
    #[inline]
    pub(super) fn text(&self, row: u32, record: &Record) -> Span {
        match &self.body {
            Body::Lines(table) => table.text(row),
            Body::Slab { .. } => record.text,
        }
    }

    /// The fields of a record of this batch.
    #[inline]
    pub(super) fn fields(&self, record: &Record) -> &[Field] {
        let (start, len) = (record.fields_start as usize, usize::from(record.head.fields_len));
        match &self.body {
            Body::Slab { slab, .. } => {
                let fields = slab.fields(start, len);
                // SAFETY: fields of a published record are written and no longer change.
                unsafe { std::slice::from_raw_parts(fields, len) }
            }
            Body::Lines(_) => &[],
        }
    }

    /// The bytes of a span of this batch.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call of its own has the span in memory, and every message with it"
    )]
    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        let (start, len) = (span.offset as usize, span.len as usize);
        if span.segment != 0 {
            return &self.segments.get(span.segment as usize - 1).bytes()[start..start + len];
        }
        match &self.body {
            Body::Slab { slab, .. } => {
                let bytes = slab.bytes(start, len);
                // SAFETY: spans are made by `Writer` and `Row` alone, over bytes that they copied before they
                // published.
                unsafe { std::slice::from_raw_parts(bytes, len) }
            }
            // Without a slab there is no text in it but the empty one.
            Body::Lines(_) => &[],
        }
    }
}

impl Batch {
    /// The bytes of `rows` with `delimiter` after each, when they stand in memory like that.
    pub fn joined(&self, rows: Range<u32>, delimiter: u8) -> Option<&[u8]> {
        let by = match &self.body {
            Body::Lines(table) => table.joined_by(),
            Body::Slab { joined, .. } => joined.then_some(b'\n'),
        };
        if by != Some(delimiter) || rows.is_empty() {
            return None;
        }
        let text = |row| self.text(row, self.record(row));
        let (first, last) = (text(rows.start), text(rows.end - 1));
        let len = last.offset + last.len + 1 - first.offset;
        Some(self.bytes(Span { len, ..first }))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.segments.are_foreign() {
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

#[cfg(all(test, not(loom)))]
mod layout;
#[cfg(all(test, loom))]
mod loom_models;
#[cfg(test)]
mod tests;
