//! Buffers that the engine lends to be filled, and then views: [`EngineBuffer`].

use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::{Owner, Pool, Segment};

/// The least size of a buffer that is filled at once.
const LEAST: usize = 4096;

/// Memory that a source fills (`recv_into`, `readinto`) and posts without a copy.
///
/// It goes back to its pool when the last holder drops it: unposted, or after its messages were
/// delivered.
pub struct EngineBuffer {
    memory: NonNull<[u8]>,
    pool: Arc<Pool>,
    kept: OnceLock<Box<dyn Send + Sync>>,
}

// SAFETY: the bytes are written only by whoever lent the buffer out, and that ends
// before `segment` shares it (its contract); afterwards they are only read.
unsafe impl Send for EngineBuffer {}
// SAFETY: as above.
unsafe impl Sync for EngineBuffer {}

impl EngineBuffer {
    /// A buffer of `size` bytes from `pool`.
    pub fn new(pool: &Arc<Pool>, size: usize) -> Self {
        let memory = NonNull::from(Box::leak(pool.take_buffer(size)));
        Self { memory, pool: Arc::clone(pool), kept: OnceLock::new() }
    }

    /// A buffer from `pool` with a copy of `bytes`, that nobody writes to any more.
    pub(crate) fn filled(pool: &Arc<Pool>, bytes: &[u8]) -> Filled {
        // Of few sizes, so that the pool finds one that fits.
        let buffer = Self::new(pool, bytes.len().next_power_of_two().max(LEAST));
        // SAFETY: as long as `bytes` at least, just taken, and nobody else has it.
        unsafe { buffer.start().as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Filled { buffer: Arc::new(buffer), len: bytes.len() as u32 }
    }

    /// Its first byte, for writing until it is made a segment.
    pub fn start(&self) -> NonNull<u8> {
        self.memory.cast()
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// True when it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `guard` for as long as the buffer is held by anybody; one for each buffer, others are dropped at
    /// once.
    pub fn keep(&self, guard: Box<dyn Send + Sync>) {
        // A buffer is posted once.
        let _ = self.kept.set(guard);
    }

    /// A segment over its first `len` bytes.
    ///
    /// # Safety
    /// From now on, nobody writes to the buffer.
    ///
    /// # Panics
    /// When `len` is more than its size.
    pub unsafe fn segment(self: &Arc<Self>, len: u32) -> Segment {
        assert!(len as usize <= self.len(), "a segment lies inside its buffer");
        // SAFETY: the bytes are initialised, unchanging by this function's contract, and alive while
        // the owner is.
        unsafe { Segment::new(self.start(), len, Owner::Buffer(Arc::clone(self))) }
    }
}

/// A buffer that is filled: nobody writes to it any more.
#[derive(Debug)]
pub(crate) struct Filled {
    buffer: Arc<EngineBuffer>,
    len: u32,
}

impl Filled {
    /// A segment over its bytes.
    pub(crate) fn segment(&self) -> Segment {
        // SAFETY: `filled` has written it, and nobody writes to it from then on.
        unsafe { self.buffer.segment(self.len) }
    }
}

impl Drop for EngineBuffer {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and nobody else frees it.
        self.pool.put_buffer(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

impl fmt::Debug for EngineBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuffer").field("memory", &self.memory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: memory is used again while a message still views it, or never.
    #[test]
    fn a_buffer_returns_to_its_pool_after_its_last_view() {
        let pool = Arc::new(Pool::new());
        let buffer = Arc::new(EngineBuffer::new(&pool, 4096));
        let start = buffer.start();
        // SAFETY: in bounds, and nobody reads yet.
        unsafe { start.as_ptr().write(7) };
        // SAFETY: nobody writes from here on.
        let segment = unsafe { buffer.segment(1) };
        drop(buffer);
        assert_eq!(segment.bytes(), [7]);
        let other = EngineBuffer::new(&pool, 4096);
        assert_ne!(other.start(), start, "still viewed");
        drop(segment);
        assert_eq!(EngineBuffer::new(&pool, 4096).start(), start, "recycled");
    }
}
