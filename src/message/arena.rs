//! Engine buffers that are filled piece by piece: [`Arena`].
//!
//! A source that reads from many connections reads into one buffer, one read behind the other, and posts
//! views of each as soon as it is there. So what is in flight takes the memory of its bytes, however small
//! the reads are, and an idle connection has none.
//!
//! ```text
//!  0                                       used                   len
//!  ┌───────────┬─────────────┬─────────────┬──────────────────────┐
//!  │ a read    │ another's   │ a third     │ spare: the next read │
//!  └───────────┴─────────────┴─────────────┴──────────────────────┘
//!    viewed      viewed        viewed        this thread's alone
//! ```
//!
//! What was committed no longer changes: segments view nothing else.

use std::ops::Range;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use super::{EngineBuffer, Owner, Pool, Segment};

/// A buffer that one thread fills, and many read.
#[derive(Debug)]
pub(crate) struct Arena {
    buffer: Arc<EngineBuffer>,
    used: usize,
}

impl Arena {
    /// An empty one of `size` bytes from `pool`, of at most 4 GiB.
    pub(crate) fn new(pool: &Arc<Pool>, size: usize) -> Self {
        Self { buffer: Arc::new(EngineBuffer::new(pool, size.min(u32::MAX as usize))), used: 0 }
    }

    /// The buffer.
    pub(crate) fn buffer(&self) -> &Arc<EngineBuffer> {
        &self.buffer
    }

    /// The number of bytes that were committed.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// The bytes that are still free, for writing.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        let start = self.buffer.start().as_ptr().wrapping_add(self.used);
        // SAFETY: inside the buffer, whose bytes have a value from the start (`Pool::take_buffer`). Nobody else
        // has them: segments are made of committed bytes alone, and the arena is the only maker of any.
        unsafe { slice::from_raw_parts_mut(start, self.buffer.len() - self.used) }
    }

    /// Commits the first `len` spare bytes: they no longer change.
    ///
    /// # Panics
    /// When there are not so many.
    pub(crate) fn commit(&mut self, len: usize) -> Committed {
        assert!(len <= self.buffer.len() - self.used, "spare bytes");
        let range = self.used..self.used + len;
        self.used += len;
        Committed { buffer: Arc::clone(&self.buffer), range }
    }
}

/// Bytes of an [`Arena`] that no longer change.
#[derive(Debug)]
pub(crate) struct Committed {
    buffer: Arc<EngineBuffer>,
    range: Range<usize>,
}

impl Committed {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        let start = self.buffer.start().as_ptr().wrapping_add(self.range.start);
        // SAFETY: inside the buffer, which this keeps, and committed: they do not change any more.
        unsafe { slice::from_raw_parts(start, self.range.len()) }
    }

    /// A segment over the bytes from `offset` on.
    ///
    /// # Panics
    /// When there are not so many.
    pub(crate) fn segment(&self, offset: usize) -> Segment {
        let rest = &self.bytes()[offset..];
        let owner = Owner::Buffer(Arc::clone(&self.buffer));
        // SAFETY: committed bytes do not change, and their owner keeps them.
        unsafe { Segment::new(NonNull::from(rest).cast(), rest.len() as u32, owner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a read overwrites what a message views, or a buffer never comes back.
    #[test]
    fn reads_lie_behind_each_other_and_keep_their_buffer() {
        let pool = Arc::new(Pool::new());
        let mut arena = Arena::new(&pool, 16);
        let start = arena.buffer().start();
        arena.spare()[..3].copy_from_slice(b"one");
        let one = arena.commit(3);
        let segment = one.segment(1);
        assert_eq!((arena.used(), arena.spare().len()), (3, 13));
        arena.spare()[..5].copy_from_slice(b"three");
        let three = arena.commit(5);
        assert_eq!((one.bytes(), segment.bytes(), three.bytes()), (&b"one"[..], &b"ne"[..], &b"three"[..]));
        drop((one, three, arena));
        assert_ne!(EngineBuffer::new(&pool, 16).start(), start, "still viewed");
        drop(segment);
        assert_eq!(EngineBuffer::new(&pool, 16).start(), start, "recycled");
    }

    /// Breaks without it: bytes that a later read changes are handed out.
    #[test]
    #[should_panic(expected = "spare bytes")]
    fn no_more_is_committed_than_there_is() {
        Arena::new(&Arc::new(Pool::new()), 4).commit(5);
    }
}
