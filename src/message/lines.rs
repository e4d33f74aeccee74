//! A batch over lines of one segment: [`Lines`].
//!
//! What `post_buffer` makes of a buffer is the simplest of all batches: every message is a piece of the same
//! segment, without a field, with the same times and priority. A line is then 8 bytes, an offset and a
//! length, and what the lines have in common is one record. Beside the ordinary batch that makes the split of
//! a buffer twice as fast, and a stalled one holds a sixth of the memory.
//!
//! ```text
//!  common record   time, priority
//!  places          (0, 5)  (6, 3)  (10, 4)
//!                     │       │       └──────┐
//!  segment          first\n    two\n      last\n
//! ```
//!
//! Most often the lines follow each other with their ends between them, as above. The batch then knows that
//! it is *joined*, and a destination that would write just that writes the segment's own bytes
//! ([`Batch::joined`]).

mod table;

use std::sync::Arc;

use super::batch::{Body, ROW_CHARGE, USUAL_CHARGE};
use super::{Batch, Head, Origin, Record, Segment, Stamp};
use table::Place;
pub(super) use table::Table;

/// A batch is made with room for so many lines, and holds what fewer need.
const FEW: usize = 64;

/// A batch of lines being made; nobody else has it before it is finished.
#[derive(Debug)]
pub struct Lines {
    origin: Arc<Origin>,
    segment: Segment,
    table: Table,
    /// The place where the next line has to begin for the batch to stay joined.
    next: u32,
    charge: u64,
    /// The charge of each line beside its bytes.
    charge_each: u64,
}

impl Lines {
    /// An empty batch over `segment`, whose messages happened and came at `stamp` and have the priority
    /// `pri`. `delimiter` is the byte that ends each line, if it is one byte.
    pub fn new(
        origin: &Arc<Origin>,
        segment: Segment,
        stamp: Stamp,
        pri: u16,
        delimiter: Option<u8>,
    ) -> Self {
        let common = Record { head: Head::at(stamp, pri), ..Record::default() };
        let table = Table { common, places: Vec::with_capacity(FEW), joined_by: delimiter };
        Self {
            origin: Arc::clone(origin),
            segment,
            table,
            next: 0,
            charge: 0,
            charge_each: ROW_CHARGE as u64,
        }
    }

    /// Has the lines parsed later ([`Selection::parse_late`](super::Selection::parse_late)); to be called before
    /// the first. They are charged for what they are likely to become.
    #[must_use]
    pub fn unparsed(mut self) -> Self {
        self.table.common.head.unparsed = 1;
        self.charge_each += USUAL_CHARGE;
        self
    }

    /// Adds the line of `len` bytes at `offset` of the segment; its delimiter must follow it there.
    #[inline]
    pub fn push(&mut self, offset: u32, len: u32) {
        if offset != self.next {
            self.table.joined_by = None;
        }
        self.next = offset.wrapping_add(len).wrapping_add(1);
        self.charge += u64::from(len) + self.charge_each;
        self.table.places.push(Place { offset, len });
    }

    /// Adds the last line, which no delimiter follows.
    pub fn push_last(&mut self, offset: u32, len: u32) {
        self.push(offset, len);
        self.table.joined_by = None;
    }

    /// The bytes of their texts.
    pub fn bytes(&self) -> u64 {
        self.charge - u64::from(self.rows()) * self.charge_each
    }

    /// The number of its lines.
    pub fn rows(&self) -> u32 {
        self.table.places.len() as u32
    }

    /// Their charge to the byte half of the credit.
    pub fn charge(&self) -> u64 {
        self.charge
    }

    /// The batch.
    ///
    /// # Panics
    /// When a line does not lie inside the segment.
    pub fn finish(mut self) -> Batch {
        if self.table.places.len() < FEW {
            self.table.places.shrink_to_fit();
        }
        let size = self.segment.bytes().len() as u64;
        let inside = |place: &Place| u64::from(place.offset) + u64::from(place.len) <= size;
        assert!(self.table.places.iter().all(inside), "a line lies inside its segment");
        let rows = self.rows();
        Batch::sealed(Body::Lines(self.table), self.segment.into(), self.origin, rows, self.charge as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Lines {
        let segment = Segment::heap(text.as_bytes().into());
        let stamp = Stamp { unix_micros: 5, offset_seconds: 3600 };
        Lines::new(&Arc::new(Origin::named("s")), segment, stamp, 13, Some(b'\n'))
    }

    /// Breaks without it: lines are cut at the wrong places, or lose their time and priority.
    #[test]
    fn each_line_is_a_message() {
        let mut lines = lines("one\ntwo\n\nfour");
        lines.push(0, 3);
        lines.push(4, 3);
        lines.push_last(9, 4);
        assert_eq!((lines.rows(), lines.charge()), (3, 3 * 64 + 10));
        let batch = lines.finish();
        assert_eq!((batch.rows(), batch.charge()), (3, 3 * 64 + 10));
        let texts: Vec<_> = (0..3).map(|row| batch.message(row).text()).collect();
        assert_eq!(texts, [&b"one"[..], b"two", b"four"]);
        let message = batch.message(1);
        assert_eq!((message.stamp().unix_micros, message.recvd().unix_micros, message.pri()), (5, 5, 13));
        assert_eq!((message.stamp().offset_seconds, message.pairs().count()), (3600, 0));
    }

    /// Breaks without it: a destination writes bytes between the lines that belong to no line.
    #[test]
    fn only_lines_without_gaps_are_joined() {
        let mut whole = lines("one\ntwo\nsix\n");
        (0..3).for_each(|row| whole.push(row * 4, 3));
        let whole = whole.finish();
        assert_eq!(whole.joined(0..3, b'\n'), Some(&b"one\ntwo\nsix\n"[..]));
        assert_eq!(whole.joined(1..2, b'\n'), Some(&b"two\n"[..]));
        assert_eq!((whole.joined(0..3, b';'), whole.joined(1..1, b'\n')), (None, None));
        let mut gap = lines("one\n\ntwo\n");
        gap.push(0, 3);
        gap.push(5, 3);
        assert_eq!(gap.finish().joined(0..2, b'\n'), None);
        let mut open = lines("one\ntwo");
        open.push(0, 3);
        open.push_last(4, 3);
        assert_eq!(open.finish().joined(0..2, b'\n'), None);
    }

    /// Breaks without it: a place outside its segment is found by the reader, far from who made it.
    #[test]
    #[should_panic(expected = "inside its segment")]
    fn a_line_outside_its_segment_is_refused() {
        let mut lines = lines("one\n");
        lines.push(0, 5);
        lines.finish();
    }
}
