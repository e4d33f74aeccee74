//! The free part of a slab: [`SlabSpace`], and the part that a writer's batch leaves to its next one:
//! [`SlabTail`].
//!
//! Each text that is copied into a slab has a newline after it, which belongs to no message: the texts of a
//! batch of plain messages then stand in memory as most destinations write them
//! ([`Batch::joined`](super::Batch::joined)).

use std::sync::Arc;

use super::Need;
use crate::message::pool::{SLAB, Slab};
use crate::message::recycled::Recycled;
use crate::message::{Pool, Record};

/// A row larger than this gets a slab of its own rather than the end of one that is in use.
const LARGE: usize = SLAB / 8;
/// The size of a record in the slab.
const RECORD: u32 = size_of::<Record>() as u32;

/// The free part of a slab. The owner of this value is the only writer there.
///
/// Always `low <= high <= slab.len()`, and a record may end at `high`: its address is aligned.
pub(super) struct SlabSpace {
    slab: Recycled<Slab>,
    /// The beginning of the free bytes.
    low: u32,
    /// Their end: the end of the next record.
    high: u32,
    /// The first free segment.
    segments: u32,
}

/// A place for a text and its record.
pub(super) struct Place {
    /// The beginning of the text: for its bytes and one more.
    pub(super) text: *mut u8,
    /// The same, counted from the start of the slab.
    pub(super) offset: u32,
    /// The place for the record.
    pub(super) record: *mut Record,
}

impl SlabSpace {
    /// A slab with room for `need` at least, and for segments of more messages if `segments` is more than 0.
    fn new(pool: &Arc<Pool>, need: Need, segments: u32) -> Self {
        let slab = pool.take(need.room(), need.segments.max(segments.min(1) as usize));
        let high = slab.len() as u32;
        assert!(high.is_multiple_of(align_of::<Record>() as u32), "a slab ends where a record can");
        Self { slab, low: 0, high, segments: 0 }
    }

    /// A slab with room for `need` and nothing else, which goes back to no pool.
    pub(super) fn exact(need: Need) -> Self {
        let slab = Slab::exact(need.room(), need.segments);
        let high = slab.len() as u32;
        Self { slab: Recycled::new(Arc::new(slab)), low: 0, high, segments: 0 }
    }

    pub(super) fn slab(&self) -> &Recycled<Slab> {
        &self.slab
    }

    pub(super) fn low(&self) -> u32 {
        self.low
    }

    pub(super) fn high(&self) -> u32 {
        self.high
    }

    pub(super) fn segments(&self) -> u32 {
        self.segments
    }

    fn free(&self) -> usize {
        (self.high - self.low) as usize
    }

    pub(super) fn fits(&self, need: Need) -> bool {
        need.room() <= self.free() && self.segments as usize + need.segments <= self.slab.segments().len()
    }

    /// Takes the place of a text of `len` bytes with a byte after it, and of its record; `None` when there is
    /// not so much. It cannot panic, for callers that nothing may unwind through.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs a plain message a tenth")]
    pub(super) fn take_row(&mut self, len: usize) -> Option<Place> {
        let (offset, high) = (self.low, self.high);
        if len.saturating_add(1 + RECORD as usize) > (high - offset) as usize {
            return None;
        }
        let (text, record) = self.slab.places(offset, high - RECORD);
        self.low = offset + len as u32 + 1;
        self.high = high - RECORD;
        Some(Place { text, offset, record })
    }

    /// Takes what a row has that ends at `low`, with segments up to `segments`, and its record.
    ///
    /// # Panics
    /// When that is more than there is.
    pub(super) fn take(&mut self, low: u32, segments: u32) {
        let high = self.high.checked_sub(RECORD).filter(|high| (self.low..=*high).contains(&low));
        let Some(high) = high else { unreachable!("counted in Need") };
        (self.low, self.high, self.segments) = (low, high, segments);
    }

    /// Takes one segment.
    pub(super) fn take_segment(&mut self) {
        self.segments += 1;
    }

    /// The same room, for whoever writes there next.
    pub(super) fn handed_on(&self) -> Self {
        let Self { slab, low, high, segments } = self;
        Self { slab: slab.clone(), low: *low, high: *high, segments: *segments }
    }
}

/// The rest that a writer's batches left of their slab, for its next one.
#[derive(Default)]
pub struct SlabTail(Option<SlabSpace>);

impl SlabTail {
    /// Keeps what the batch of a writer has left, or what was kept before, whichever is more.
    pub(super) fn keep(&mut self, room: SlabSpace) {
        if self.0.as_ref().is_none_or(|kept| kept.free() < room.free()) {
            self.0 = Some(room);
        }
    }

    /// Space for `need`.
    pub(super) fn take(&mut self, pool: &Arc<Pool>, need: Need) -> SlabSpace {
        if let Some(room) = self.0.take_if(|room| room.fits(need)) {
            return room;
        }
        // A source that posted views will post more.
        let segments = self.0.as_ref().map_or(0, |room| room.segments);
        if need.room() <= LARGE {
            self.0 = None;
        }
        SlabSpace::new(pool, need, segments)
    }
}

impl std::fmt::Debug for SlabTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SlabTail").field(&self.0.as_ref().map(SlabSpace::free)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_same(one: &SlabSpace, other: &SlabSpace) -> bool {
        std::ptr::eq(&raw const *one.slab, &raw const *other.slab)
    }

    fn room() -> SlabSpace {
        SlabSpace::new(&Arc::new(Pool::new()), Need::default(), 0)
    }

    /// Breaks without it: a row is written outside of its slab or over another one, or a post that finds no
    /// room for one panics where nothing may unwind, which ends the process.
    #[test]
    fn a_row_lies_in_what_is_free_or_there_is_none() {
        let (mut room, record) = (room(), size_of::<Record>());
        let bytes = room.slab.bytes(0, SLAB);
        for len in [usize::MAX, usize::MAX - record, SLAB, SLAB - record] {
            assert!(room.take_row(len).is_none(), "{len} bytes and a newline");
        }
        let first = room.take_row(5).unwrap();
        assert_eq!((first.text, first.offset), (bytes, 0));
        assert_eq!(first.record.cast::<u8>(), bytes.wrapping_add(SLAB - record));
        let second = room.take_row(0).unwrap();
        assert_eq!((second.text, second.offset), (bytes.wrapping_add(6), 6));
        assert_eq!(second.record, first.record.wrapping_sub(1));
        let all = room.free() - record - 1;
        assert!(room.take_row(all + 1).is_none(), "one byte too many");
        let last = room.take_row(all).unwrap();
        assert_eq!(last.text.wrapping_add(all + 1), last.record.cast(), "the record follows the newline");
        assert!(room.free() == 0 && room.take_row(0).is_none());
    }

    /// Breaks without it: a batch goes on in the smaller of two rests, or in one that is too small for its
    /// first message.
    #[test]
    fn the_larger_rest_is_kept_and_taken_when_it_suffices() {
        let (pool, mut rest) = (Arc::new(Pool::new()), SlabTail::default());
        let (mut small, large) = (room(), room());
        small.take_row(1000).unwrap();
        rest.keep(large.handed_on());
        rest.keep(small);
        let need = |bytes| Need { bytes, ..Need::default() };
        let again = rest.take(&pool, need(10));
        assert!(is_same(&again, &large));
        rest.keep(again);
        let other = rest.take(&pool, need(SLAB));
        assert!(!is_same(&other, &large) && other.slab.len() > SLAB);
        assert!(is_same(&rest.take(&pool, need(10)), &large), "one large row costs no rest");
    }
}
