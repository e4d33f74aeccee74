//! Memory for batches and engine buffers, recycled: [`Pool`].
//!
//! The most recently returned memory is handed out first, because it is still in the cache. The lists
//! are short and behind `try_lock`: a thread that finds one taken goes to the allocator instead, so a
//! thread that holds the GIL never waits here.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Mutex;

use super::{Field, Record, Segment};

/// Rows of an ordinary batch.
pub const ROWS: usize = 1024;
/// Fields of an ordinary batch.
pub const FIELDS: usize = 4096;
/// Bytes of an ordinary batch's block.
pub const BLOCK: usize = 64 * 1024;
/// Most batches' memory kept for later: about 15 MiB, and less when fewer were ever in use.
const KEEP_BATCHES: usize = 64;
/// Most bytes of engine buffers kept for later.
const KEEP_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// A slot that one thread fills while others read the slots before it.
pub(super) type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// The arrays of one batch.
///
/// They never move or grow while a batch uses them, so that a reader of published rows is not
/// disturbed by the writer of the next one.
pub(super) struct Memory {
    pub(super) records: Box<[Slot<Record>]>,
    pub(super) fields: Box<[Slot<Field>]>,
    pub(super) block: Box<[Slot<u8>]>,
    pub(super) segments: Box<[Slot<Segment>]>,
}

fn slots<T>(count: usize) -> Box<[Slot<T>]> {
    let slots = Box::<[Slot<T>]>::new_uninit_slice(count);
    // SAFETY: a slot is a cell of `MaybeUninit`: it needs no initial value.
    unsafe { slots.assume_init() }
}

impl Memory {
    fn new(rows: usize, fields: usize, block: usize) -> Self {
        Self { records: slots(rows), fields: slots(fields), block: slots(block), segments: slots(rows) }
    }

    fn is_ordinary(&self) -> bool {
        self.records.len() == ROWS && self.fields.len() == FIELDS && self.block.len() == BLOCK
    }
}

/// Recycled memory, shared by the sources of an engine.
#[derive(Default)]
pub struct Pool {
    batches: Mutex<Vec<Memory>>,
    buffers: Mutex<Vec<Box<[u8]>>>,
}

// SAFETY: the slots in the lists belong to no batch; a `Memory` moves to one owner at a time, and
// what its slots hold (`Record`, `Field`, `Segment`, bytes) is Send.
unsafe impl Sync for Pool {}
// SAFETY: as above.
unsafe impl Send for Pool {}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory for a batch whose first message needs `fields` and `block` bytes at least.
    pub(super) fn take(&self, fields: usize, block: usize) -> Memory {
        if fields > FIELDS || block > BLOCK {
            return Memory::new(ROWS, fields.max(FIELDS), block.max(BLOCK));
        }
        let recycled = self.batches.try_lock().ok().and_then(|mut list| list.pop());
        recycled.unwrap_or_else(|| Memory::new(ROWS, FIELDS, BLOCK))
    }

    /// Takes back the memory of a batch; its slots hold nothing that needs dropping.
    pub(super) fn put(&self, memory: Memory) {
        if !memory.is_ordinary() {
            return;
        }
        if let Ok(mut list) = self.batches.try_lock()
            && list.len() < KEEP_BATCHES
        {
            list.push(memory);
        }
    }

    /// A zeroed or recycled buffer of exactly `size` bytes.
    pub(super) fn take_buffer(&self, size: usize) -> Box<[u8]> {
        let recycled = self.buffers.try_lock().ok().and_then(|mut list| {
            let fits = list.iter().rposition(|buffer| buffer.len() == size)?;
            Some(list.swap_remove(fits))
        });
        recycled.unwrap_or_else(|| vec![0; size].into_boxed_slice())
    }

    /// Takes a buffer back.
    pub(super) fn put_buffer(&self, buffer: Box<[u8]>) {
        if let Ok(mut list) = self.buffers.try_lock() {
            let kept: usize = list.iter().map(|buffer| buffer.len()).sum();
            if kept + buffer.len() <= KEEP_BUFFER_BYTES {
                list.push(buffer);
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |kept: Option<usize>| kept.map_or_else(|| "taken".to_owned(), |n| n.to_string());
        f.debug_struct("Pool")
            .field("batches", &count(self.batches.try_lock().ok().map(|list| list.len())))
            .field("buffers", &count(self.buffers.try_lock().ok().map(|list| list.len())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_odd_sizes_do_not() {
        let pool = Pool::new();
        let memory = pool.take(1, 1);
        let first = memory.block.as_ptr() as usize;
        pool.put(memory);
        let again = pool.take(FIELDS, BLOCK);
        assert_eq!(again.block.as_ptr() as usize, first);
        let large = pool.take(1, BLOCK + 1);
        assert_eq!(large.block.len(), BLOCK + 1);
        pool.put(large);
        assert_eq!(pool.batches.lock().unwrap().len(), 0);
    }

    #[test]
    fn buffers_are_recycled_by_size() {
        let pool = Pool::new();
        let (small, large) = (pool.take_buffer(100), pool.take_buffer(200));
        let at = small.as_ptr() as usize;
        pool.put_buffer(small);
        pool.put_buffer(large);
        let again = pool.take_buffer(100);
        assert_eq!(again.as_ptr() as usize, at);
        assert_eq!(pool.take_buffer(200).len(), 200);
        pool.put_buffer(vec![0; KEEP_BUFFER_BYTES + 1].into_boxed_slice());
        assert!(pool.buffers.lock().unwrap().is_empty(), "more than the bound is not kept");
    }
}
