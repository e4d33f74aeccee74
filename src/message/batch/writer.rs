//! The writing end of a batch: [`Writer`], and the [`Row`]s that it fills.
//!
//! Space for a row is asked for first ([`Need`]), so that writing it cannot fail; published, it belongs to
//! the batch, and dropped unpublished it leaves no trace.

mod row;

use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::seal::Counts;
use super::space::{SlabSpace, SlabTail};
use super::{Batch, BatchShared, Half, Pending, ROW_CHARGE, slot};
use crate::message::fence::Light;
use crate::message::recycled::Recycled;
use crate::message::revision::REVISED_ROW;
use crate::message::{Field, Head, MESSAGE_MAX, Origin, Pool, Record, Segment, Span};

pub use row::{Row, SharedSegment, Text};

/// The fields that a parsed message is charged for before it is parsed: host, program, PID, message id or
/// header, and MSGFORMAT, with some for structured data.
const USUAL_FIELDS: usize = 7;
/// The charge of a message that is still to be parsed, beside its text: what its revision will usually
/// take.
pub const USUAL_CHARGE: u64 = (USUAL_FIELDS * size_of::<Field>() + REVISED_ROW) as u64;

/// The room that a row needs: known before it is written, so that writing cannot fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Need {
    /// Bytes to be copied into the slab.
    pub bytes: usize,
    /// Name-value pairs, structured data headers included.
    pub fields: usize,
    /// Segments to be adopted.
    pub segments: usize,
    /// Bytes to be viewed, in adopted or shared segments.
    pub viewed: usize,
}

impl Need {
    /// All its bytes, copied and viewed.
    #[inline]
    pub fn size(&self) -> usize {
        self.bytes.saturating_add(self.viewed)
    }

    /// The bytes that it takes of a slab, with the newline after a text.
    #[inline]
    pub(super) fn room(&self) -> usize {
        let fields =
            if self.fields == 0 { 0 } else { self.fields * size_of::<Field>() + align_of::<Field>() };
        self.bytes + 1 + fields + size_of::<Record>()
    }

    /// The message's charge to the byte half of the credit.
    #[inline]
    pub fn charge(&self) -> u64 {
        (self.size() + ROW_CHARGE + self.fields * size_of::<Field>()) as u64
    }
}

/// The charge of a message of so many bytes that is still to be parsed: as much as with the
/// fields that an ordinary one has. What it has beside those is charged when they are known.
#[inline]
pub fn unparsed_charge(len: usize) -> u64 {
    Need { bytes: len, ..Need::default() }.charge() + USUAL_CHARGE
}

/// The producer's end of an open batch.
pub struct Writer {
    pub(super) core: Recycled<BatchShared>,
    pub(super) room: SlabSpace,
    origin: Arc<Origin>,
    /// The published counts.
    counts: Counts,
    light: Light,
    shared: bool,
}

/// The answer to publishing a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The row is in the batch.
    Yes,
    /// The batch was sealed before; the row is in no batch, and must be written to another.
    Sealed,
}

impl Writer {
    /// An empty batch with room for a message that needs `need`, and for many ordinary ones.
    pub fn open(origin: &Arc<Origin>, pool: &Arc<Pool>, need: Need) -> Self {
        Self::open_after(&mut SlabTail::default(), origin, pool, need)
    }

    /// An empty batch with room for one message that needs `need`, and for nothing else.
    pub(crate) fn open_exact(origin: &Arc<Origin>, need: Need) -> Self {
        let room = SlabSpace::exact(need);
        Self {
            core: Recycled::new(Arc::new(BatchShared::new(&room))),
            room,
            origin: Arc::clone(origin),
            counts: Counts::default(),
            light: Light::new(),
            shared: false,
        }
    }

    /// An empty batch as [`Writer::open`] makes it, in what is left after the batches before it, if that is enough for `need`.
    pub(crate) fn open_after(
        rest: &mut SlabTail,
        origin: &Arc<Origin>,
        pool: &Arc<Pool>,
        need: Need,
    ) -> Self {
        let room = rest.take(pool, need);
        let core = pool.place(BatchShared::new(&room));
        Self {
            core,
            room,
            origin: Arc::clone(origin),
            counts: Counts::default(),
            light: Light::new(),
            shared: false,
        }
    }

    /// The consumer's end: from now on rows are published, and the consumer may seal at any time.
    ///
    /// # Panics
    /// When called twice: a batch has one consumer.
    pub fn share(&mut self) -> Pending {
        assert!(!self.shared, "a batch has one consumer");
        self.shared = true;
        let (core, origin) = (self.core.clone(), Arc::clone(&self.origin));
        Pending { batch: Some(Half::Open { core, origin }) }
    }

    /// Ends a batch that was never shared.
    ///
    /// # Panics
    /// When it was shared: then its [`Pending`] has it.
    pub fn finish(mut self) -> Batch {
        self.core.seal.end(self.counts);
        self.share().seal()
    }

    /// Ends a batch that was never shared; what it leaves of its slab goes to `rest`.
    ///
    /// # Panics
    /// When it was shared: then its [`Pending`] has it.
    pub(crate) fn finish_before(self, rest: &mut SlabTail) -> Batch {
        rest.keep(self.room.handed_on());
        self.finish()
    }

    /// Ends a shared batch: its consumer gets exactly the rows published so far.
    ///
    /// Takes the writer away: the consumer reads the counts after this, and would take a row that came later
    /// for one of the batch. What it leaves of its slab goes to `rest`.
    pub fn seal(self, rest: &mut SlabTail) {
        self.core.seal.end(self.counts);
        rest.keep(self.room.handed_on());
    }

    /// True when the consumer took the batch; a hint, as it may do so at any moment.
    #[inline]
    pub fn is_sealed(&self) -> bool {
        self.core.seal.is_sealed()
    }

    /// The number of rows written.
    #[inline]
    pub fn rows(&self) -> u32 {
        self.counts.rows()
    }

    /// The charge of its rows to the byte half of the credit.
    pub fn charge(&self) -> u64 {
        self.counts.bytes()
    }

    /// Takes a segment that several rows will share, and gives its number for [`Row::payload_share`]. The
    /// batch has room for those that the [`Need`] counted with which it was opened.
    ///
    /// # Errors
    /// The segment, when the batch has no room for it.
    ///
    /// # Panics
    /// When the batch is shared: a segment is published with the row that brings it.
    pub fn adopt_shared(&mut self, segment: Segment) -> Result<SharedSegment, Segment> {
        assert!(!self.shared, "only before the batch is shared");
        if self.room.segments() as usize == self.room.slab().segments().len() {
            return Err(segment);
        }
        let len = segment.bytes().len() as u32;
        let number = self.store_segment(self.room.segments(), || segment);
        self.room.take_segment();
        self.counts = self.counts + Counts::new(0, 1, 0);
        Ok(SharedSegment { number, len })
    }

    /// Puts the segment into its slot, and gives its number. It is made there: what is made elsewhere, in
    /// small pieces, and moved in large ones makes each move wait until the pieces are written.
    #[inline]
    fn store_segment(&self, index: u32, segment: impl FnOnce() -> Segment) -> u32 {
        let at = slot(self.room.slab().segments(), index as usize);
        // SAFETY: the slot is above the published count, so only this writer touches it.
        unsafe { at.write(segment()) };
        // SAFETY: just written, and as above.
        if unsafe { &*at }.is_foreign() {
            self.core.foreign.store(true, Ordering::Relaxed);
        }
        index - self.core.segments + 1
    }

    /// Tells whether it has room for a row of `need`.
    pub fn fits(&self, need: Need) -> bool {
        self.room.fits(need) && !self.counts.is_full()
    }

    /// Space for a row, or `None` when this batch is too full for it.
    #[inline]
    pub fn row(&mut self, need: Need) -> Option<Row<'_>> {
        debug_assert!(need.size() <= MESSAGE_MAX, "larger messages are refused before");
        if !self.room.fits(need) || self.counts.is_full() {
            return None;
        }
        let (low, segments) = (self.room.low(), self.room.segments());
        let fields = if need.fields == 0 { 0 } else { low.next_multiple_of(align_of::<Field>() as u32) };
        let record = Record { fields_start: fields / align_of::<Field>() as u32, ..Record::default() };
        let low = if need.fields == 0 { low } else { fields + (need.fields * size_of::<Field>()) as u32 };
        let (fields_most, charge) = (need.fields, need.charge());
        Some(Row { writer: self, record, payload: Span::default(), low, segments, fields_most, charge })
    }

    /// Writes and publishes a row that is a copied text with `head`, as `adjust` leaves it, and nothing else,
    /// or gives `None` when this batch is too full for it.
    ///
    /// It does what [`Writer::row`] to [`Row::publish`] do, for the plain messages that a loop of posts is
    /// made of, in a quarter of the instructions, and it cannot panic: it is called where nothing may unwind.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs a plain message a tenth")]
    pub fn publish_text(
        &mut self,
        head: &Head,
        adjust: impl FnOnce(&mut Head),
        text: &[u8],
    ) -> Option<Published> {
        if self.counts.is_full() || !self.write_text(head, adjust, text) {
            return None;
        }
        Some(self.publish_written(1, text_charge(text)))
    }

    /// Writes and publishes a row that views all of a segment, of `len` bytes, with `head` as `adjust` leaves
    /// it, and nothing else, or gives `None` when this batch is too full for it; then `segment` was not
    /// called.
    #[inline]
    pub(crate) fn publish_view(
        &mut self,
        head: &Head,
        adjust: impl FnOnce(&mut Head),
        len: u32,
        segment: impl FnOnce() -> Segment,
    ) -> Option<Published> {
        let index = self.room.segments();
        if self.counts.is_full() || index as usize >= self.room.slab().segments().len() {
            return None;
        }
        let place = self.room.take_row(0)?;
        let number = self.store_segment(index, segment);
        let mut head = *head;
        adjust(&mut head);
        let written = Record { head, text: Span { segment: number, offset: 0, len }, fields_start: 0 };
        // SAFETY: the record lies above the free bytes and is not published, so only this writer touches it.
        unsafe { place.record.write(written) };
        self.core.scatter();
        let counts = self.counts + Counts::new(1, 1, view_charge(len));
        if !self.core.seal.publish(counts, self.light) {
            let at = slot(self.room.slab().segments(), index as usize);
            // SAFETY: written above, and not published: nobody else has it.
            unsafe { ptr::drop_in_place(at) };
            return Some(Published::Sealed);
        }
        self.counts = counts;
        self.room.take_segment();
        Some(Published::Yes)
    }

    /// As [`Writer::publish_text`], with a text that
    /// [`Selection::parse_late`](crate::message::Selection::parse_late) will parse, and that is charged for
    /// what it is likely to become.
    #[inline]
    pub fn publish_unparsed(&mut self, head: &Head, text: &[u8]) -> Option<Published> {
        let head = Head { unparsed: 1, ..*head };
        if self.counts.is_full() || !self.write_text(&head, |_| (), text) {
            return None;
        }
        self.core.scatter();
        Some(self.publish_written(1, unparsed_charge(text.len())))
    }

    /// Writes and publishes rows that are copied texts with one `head`, as [`Writer::publish_text`] does,
    /// with one operation for all of them: at most `messages`, with at most `bytes` of charge, until `texts`
    /// ends or this batch is full. Gives how many there were and their charge; nothing is in the batch when
    /// it was sealed before.
    #[inline]
    pub(crate) fn publish_texts<'a>(
        &mut self,
        head: &Head,
        messages: u32,
        bytes: u64,
        texts: impl Iterator<Item = &'a [u8]>,
    ) -> (u32, u64) {
        let (mut rows, mut charge) = (0, 0);
        if !self.counts.is_full() {
            for text in texts.take(messages as usize) {
                let more = text_charge(text);
                if charge + more > bytes || !self.write_text(head, |_| (), text) {
                    break;
                }
                rows += 1;
                charge += more;
            }
        }
        if rows == 0 || self.publish_written(rows, charge) == Published::Sealed {
            return (0, 0);
        }
        (rows, charge)
    }

    /// Writes a record and its text; false when there is no room. In a batch that turns out to be sealed they
    /// are in nobody's way: its writer's next batch begins behind them.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn write_text(&mut self, head: &Head, adjust: impl FnOnce(&mut Head), text: &[u8]) -> bool {
        let Some(place) = self.room.take_row(text.len()) else { return false };
        // SAFETY: free bytes of the slab, which only this writer has.
        let room = unsafe { slice::from_raw_parts_mut(place.text.cast::<MaybeUninit<u8>>(), text.len()) };
        copy_short(text, room);
        let newline = place.text.wrapping_add(text.len());
        // SAFETY: as above: the byte after the text is part of the place.
        unsafe { newline.write(b'\n') };
        let span = Span { segment: 0, offset: place.offset, len: text.len() as u32 };
        let written = Record { head: *head, text: span, fields_start: 0 };
        // SAFETY: the record lies above the free bytes and is not published, so only this writer touches it.
        unsafe { place.record.write(written) };
        // SAFETY: it was just written, and is still this writer's alone.
        let record = unsafe { &mut *place.record };
        adjust(&mut record.head);
        true
    }

    /// Publishes `rows` that were written.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn publish_written(&mut self, rows: u32, charge: u64) -> Published {
        let counts = self.counts + Counts::new(rows, 0, charge);
        if !self.core.seal.publish(counts, self.light) {
            return Published::Sealed;
        }
        self.counts = counts;
        Published::Yes
    }
}

/// The charge of a viewed text of `len` bytes to the byte half of the credit.
#[inline]
pub fn view_charge(len: u32) -> u64 {
    Need { viewed: len as usize, segments: 1, ..Need::default() }.charge()
}

/// The charge of a plain text to the byte half of the credit.
#[inline]
fn text_charge(text: &[u8]) -> u64 {
    Need { bytes: text.len(), ..Need::default() }.charge()
}

/// Copies `text` into `room`, which is as long: by moves of a fixed size, the last two of which may overlap.
/// A call of `memcpy` costs a short text more than those, and every text the registers that a call may
/// change.
#[inline(always)]
fn copy_short(text: &[u8], room: &mut [MaybeUninit<u8>]) {
    const STEP: usize = 16;
    #[inline]
    fn first<const N: usize>(from: &[MaybeUninit<u8>], to: &mut [MaybeUninit<u8>]) {
        if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
            *to = *from;
        }
    }
    #[inline]
    fn both_ends<const N: usize>(from: &[MaybeUninit<u8>], to: &mut [MaybeUninit<u8>]) {
        first::<N>(from, to);
        if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
            *to = *from;
        }
    }
    // SAFETY: of the same layout, and bytes that have a value are among those that may have none.
    let mut from = unsafe { slice::from_raw_parts(text.as_ptr().cast::<MaybeUninit<u8>>(), text.len()) };
    let mut to = room;
    while from.len() > 2 * STEP {
        // Two steps at a time: of a loop over one, the compiler makes the call of `memcpy`.
        let (Some((some, more)), Some((place, rest))) =
            (from.split_at_checked(2 * STEP), to.split_at_mut_checked(2 * STEP))
        else {
            return;
        };
        both_ends::<STEP>(some, place);
        (from, to) = (more, rest);
    }
    match from.len() {
        17.. => both_ends::<STEP>(from, to),
        8.. => both_ends::<8>(from, to),
        4.. => both_ends::<4>(from, to),
        2.. => both_ends::<2>(from, to),
        _ => first::<1>(from, to),
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.shared {
            // Nobody else will ever see the batch: end it here, so that its segments are released.
            self.core.seal.end(self.counts);
            drop(self.share().seal());
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("counts", &self.counts).finish_non_exhaustive()
    }
}
