//! Memory for batches and engine buffers, recycled: [`Pool`].
//!
//! The memory of batches comes in slabs. A slab is a piece of bytes that a writer fills from both ends:
//! records from the top downwards, what they refer to from the bottom upwards. So it is used up whatever the
//! messages look like. One slab serves many batches of a writer, one after the other, and goes back to the
//! pool with the last of them: what is in flight takes what its messages take, in however small batches it
//! is.
//!
//! ```text
//!  0        low                            high                     len
//!  ┌──────────────────┬──────┬─────────────┬──────────┬─────────────┐
//!  │ texts and fields │ more │    free     │  records │ records     │
//!  └──────────────────┴──────┴─────────────┴──────────┴─────────────┘
//!   batch 1            batch 2              of batch 2  of batch 1
//! ```
//!
//! The most recently returned memory is handed out first, because it is still in the cache. The lists
//! are short and behind `try_lock`: a thread that finds one taken goes to the allocator instead, so a
//! thread that holds the GIL never waits here.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex};

use super::batch::BatchShared;
use super::recycled::{Recycle, Recycled};
use super::{Field, Record, Segment, fence};

/// Bytes of an ordinary slab.
pub(crate) const SLAB: usize = 128 * 1024;
/// Segments of a slab whose messages have some.
const SEGMENTS: usize = 1024;
/// Most slabs kept for later: 16 MiB, and less when fewer were ever in use.
const KEEP_SLABS: usize = 128;
/// Slabs that are ready at the start: what a source in a loop uses between two looks of its worker.
const WARM_SLABS: usize = 16;
/// Most places of batches kept for later.
const KEEP_CORES: usize = 128;
/// Most arrays of segments kept for later: less than 3 MiB.
const KEEP_SEGMENTS: usize = 64;
/// Most bytes of engine buffers kept for later.
const KEEP_BUFFER_BYTES: usize = 16 * 1024 * 1024;

/// A slot that one thread fills while others read the slots before it.
pub(super) type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// The memory of a writer's batches.
///
/// It never moves or grows while a batch uses it, so that a reader of published rows is not
/// disturbed by the writer of the next one.
pub(super) struct Slab {
    /// In words, so that records are aligned.
    words: Box<[Slot<u64>]>,
    /// Empty in a slab whose messages have none.
    segments: Box<[Slot<Segment>]>,
    /// The pool that it goes to; `None` in a place that waits there, and in one that goes to none.
    pool: Option<Arc<Pool>>,
}

// SAFETY: batches share its slots under the seal protocol (`batch`): only the writer touches what no
// published row covers, and what one covers no longer changes. What the slots hold (`Record`, `Field`,
// `Segment`, bytes) is Send and Sync.
unsafe impl Sync for Slab {}
// SAFETY: as above.
unsafe impl Send for Slab {}

fn slots<T>(count: usize) -> Box<[Slot<T>]> {
    let slots = Box::<[Slot<T>]>::new_uninit_slice(count);
    // SAFETY: a slot is a cell of `MaybeUninit`: it needs no initial value.
    unsafe { slots.assume_init() }
}

impl Slab {
    /// A slab of `size` bytes, rounded up, with room for `segments`, that goes to no pool.
    pub(super) fn exact(size: usize, segments: usize) -> Self {
        Self { words: slots(size.div_ceil(size_of::<u64>())), segments: slots(segments), pool: None }
    }

    /// Its bytes, a multiple of the alignment of a record.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    #[inline]
    fn at(&self, start: usize, len: usize) -> *mut u64 {
        assert!(start <= self.len() && len <= self.len() - start, "inside the slab");
        self.words.as_ptr().cast_mut().cast::<u64>().wrapping_byte_add(start)
    }

    /// The first of `len` bytes at `start`.
    ///
    /// # Panics
    /// When they do not lie inside.
    #[inline]
    pub(super) fn bytes(&self, start: usize, len: usize) -> *mut u8 {
        self.at(start, len).cast()
    }

    /// The first of `len` fields, `start` alignments of a field behind the slab's start.
    ///
    /// # Panics
    /// When they do not lie inside.
    #[inline]
    pub(super) fn fields(&self, start: usize, len: usize) -> *mut Field {
        self.at(start * align_of::<Field>(), len * size_of::<Field>()).cast()
    }

    /// The record that ends at `end`.
    ///
    /// # Panics
    /// When it does not lie inside, or is not aligned.
    #[inline]
    pub(super) fn record(&self, end: usize) -> *mut Record {
        assert!(end >= size_of::<Record>() && end.is_multiple_of(align_of::<Record>()), "a record's end");
        self.at(end - size_of::<Record>(), size_of::<Record>()).cast()
    }

    /// The byte at `low` and the record that begins at `high`; whoever uses them has to know that they are
    /// inside.
    #[inline]
    pub(super) fn places(&self, low: u32, high: u32) -> (*mut u8, *mut Record) {
        let first = self.words.as_ptr().cast_mut();
        (first.wrapping_byte_add(low as usize).cast(), first.wrapping_byte_add(high as usize).cast())
    }

    /// Its slots for segments.
    #[inline]
    pub(super) fn segments(&self) -> &[Slot<Segment>] {
        &self.segments
    }
}

impl Slab {
    /// Gives what is in it back to the pool, which is given, if that was not done before.
    fn give_back(&mut self) -> Option<Arc<Pool>> {
        let pool = self.pool.take()?;
        pool.put(std::mem::take(&mut self.words), std::mem::take(&mut self.segments));
        Some(pool)
    }

    /// The pool that it goes to.
    pub(super) fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Recycle for Slab {
    fn recycle(mut place: Arc<Self>) {
        let pool = Arc::get_mut(&mut place).and_then(Self::give_back);
        if let Some(pool) = pool {
            keep(&pool.slab_places, place, KEEP_SLABS);
        }
    }
}

/// Recycled memory, shared by the sources of an engine.
#[derive(Default)]
pub struct Pool {
    slabs: Mutex<Vec<Box<[Slot<u64>]>>>,
    segments: Mutex<Vec<Box<[Slot<Segment>]>>>,
    /// Places of slabs, with nothing in them.
    slab_places: Mutex<Vec<Arc<Slab>>>,
    /// The same of what a batch's writer and reader share.
    core_places: Mutex<Vec<Arc<BatchShared>>>,
    buffers: Mutex<Vec<Box<[u8]>>>,
}

// SAFETY: the slots in the lists belong to no batch, and hold nothing; they move to one owner at a time.
unsafe impl Sync for Pool {}
// SAFETY: as above.
unsafe impl Send for Pool {}

/// Takes the last of a list, if there is one and nobody else has the list.
fn recycled<T>(list: &Mutex<Vec<T>>) -> Option<T> {
    list.try_lock().ok().and_then(|mut list| list.pop())
}

/// `value` in a place from a list, or in a new one.
fn placed<T>(places: &Mutex<Vec<Arc<T>>>, value: T) -> Arc<T> {
    match recycled(places) {
        Some(mut place) => match Arc::get_mut(&mut place) {
            Some(before) => {
                *before = value;
                place
            }
            None => Arc::new(value),
        },
        None => Arc::new(value),
    }
}

/// Puts `item` on a list, unless somebody else has the list or it is full.
fn keep<T>(list: &Mutex<Vec<T>>, item: T, most: usize) {
    if let Ok(mut list) = list.try_lock()
        && list.len() < most
    {
        list.push(item);
    }
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Self {
        // Now, and not in the first post.
        fence::register();
        Self::default()
    }

    /// Gets slabs ready for a start: the first use of memory costs more than all that is written there.
    pub(crate) fn warm_up(self: &Arc<Self>) {
        const PAGE: usize = 4096;
        let slabs: Vec<_> = (0..WARM_SLABS).map(|_| self.take(SLAB, 0)).collect();
        for slab in &slabs {
            for at in (0..SLAB).step_by(PAGE) {
                let byte = slab.bytes(at, 1);
                // SAFETY: inside of a slab that nobody else has.
                unsafe { byte.write(0) };
            }
        }
    }

    /// A slab of `size` bytes at least, with room for `segments` at least; where there are some, for many.
    pub(super) fn take(self: &Arc<Self>, size: usize, segments: usize) -> Recycled<Slab> {
        let words = size.max(SLAB).div_ceil(size_of::<u64>());
        let words = if size <= SLAB { recycled(&self.slabs) } else { None }.unwrap_or_else(|| slots(words));
        let segments = match segments {
            0 => slots(0),
            1..=SEGMENTS => recycled(&self.segments).unwrap_or_else(|| slots(SEGMENTS)),
            more => slots(more),
        };
        let slab = Slab { words, segments, pool: Some(Arc::clone(self)) };
        Recycled::new(placed(&self.slab_places, slab))
    }

    /// A place for `core`.
    pub(super) fn place(&self, core: BatchShared) -> Recycled<BatchShared> {
        Recycled::new(placed(&self.core_places, core))
    }

    /// Takes back the place of one that has nothing in it.
    pub(super) fn keep_place(&self, core: Arc<BatchShared>) {
        keep(&self.core_places, core, KEEP_CORES);
    }

    /// Takes back what a slab was made of; its slots hold nothing that needs dropping.
    fn put(&self, words: Box<[Slot<u64>]>, segments: Box<[Slot<Segment>]>) {
        if words.len() * size_of::<u64>() == SLAB {
            keep(&self.slabs, words, KEEP_SLABS);
        }
        if segments.len() == SEGMENTS {
            keep(&self.segments, segments, KEEP_SEGMENTS);
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
            .field("slabs", &count(self.slabs.try_lock().ok().map(|list| list.len())))
            .field("segments", &count(self.segments.try_lock().ok().map(|list| list.len())))
            .field("buffers", &count(self.buffers.try_lock().ok().map(|list| list.len())))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: each batch costs an allocation, or the pool fills with memory of odd sizes.
    #[test]
    fn memory_comes_back_and_odd_sizes_do_not() {
        let pool = Arc::new(Pool::new());
        let slab = pool.take(1, 0);
        let first = slab.bytes(0, SLAB) as usize;
        assert!(slab.segments().is_empty());
        drop(slab);
        let again = pool.take(SLAB, 1);
        assert_eq!(again.bytes(0, SLAB) as usize, first);
        assert_eq!(again.segments().len(), SEGMENTS);
        let large = pool.take(SLAB + 1, SEGMENTS + 1);
        assert_eq!((large.len(), large.segments().len()), (SLAB + 8, SEGMENTS + 1));
        drop(large);
        assert!(pool.slabs.lock().unwrap().is_empty() && pool.segments.lock().unwrap().is_empty());
    }

    /// Breaks without it: a span that is wrong reads memory of somebody else.
    #[test]
    #[should_panic(expected = "inside the slab")]
    fn bytes_outside_of_a_slab_are_refused() {
        Arc::new(Pool::new()).take(1, 0).bytes(SLAB - 1, 2);
    }

    /// Breaks without it: a buffer is smaller than was asked for.
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
