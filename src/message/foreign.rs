//! Memory that a batch views and does not own by itself.
//!
//! A [`Segment`] is an address, a length, and the [`Owner`] that keeps both valid. The owner may be
//! an object of another memory manager, a [`Foreign`], which may be let go only where that manager
//! allows it: a Python object under the GIL, for one. So no thread of the engine drops one; a batch
//! that is done hands all its segments at once to the [`Release`] of its origin.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{EngineBuffer, Segments};

/// An object of another memory manager, kept alive until this is dropped.
///
/// The maker says in [`Foreign::new`] where it may be dropped; [`Release`] takes it there.
pub struct Foreign {
    object: NonNull<()>,
    release: unsafe fn(NonNull<()>),
}

// SAFETY: a `Foreign` is moved between threads and only ever dropped; `Foreign::new` asks its caller
// that dropping is sound wherever the origin's `Release` drops it.
unsafe impl Send for Foreign {}
// SAFETY: it has no method that takes `&self`.
unsafe impl Sync for Foreign {}

impl Foreign {
    /// Keeps `object`, which `release` will let go.
    ///
    /// # Safety
    /// `object` must be one reference that the caller gives away, and `release(object)` must be
    /// sound, once, on any thread on which the [`Release`] of the batch it goes into drops it.
    pub unsafe fn new(object: NonNull<()>, release: unsafe fn(NonNull<()>)) -> Self {
        Self { object, release }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: `new`'s caller promised that this call is sound, and a value drops once.
        unsafe { (self.release)(self.object) }
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Foreign").field(&self.object).finish()
    }
}

/// The owner of a segment's memory.
#[derive(Debug)]
pub enum Owner {
    /// The segment alone: a copy too long for a block.
    Heap(Box<[u8]>),
    /// A buffer that the engine lent to be filled, shared by the batches that view it.
    Buffer(Arc<EngineBuffer>),
    /// One foreign object.
    Foreign(Foreign),
    /// A foreign object that several batches view.
    Shared(Arc<Foreign>),
}

/// Memory outside a batch's block, with what keeps it valid.
#[derive(Debug)]
pub struct Segment {
    start: NonNull<u8>,
    len: u32,
    owner: Owner,
}

// SAFETY: the memory is immutable while the segment lives (`Segment::new`), and every owner is Send.
unsafe impl Send for Segment {}
// SAFETY: as above; shared reads of immutable memory.
unsafe impl Sync for Segment {}

impl Segment {
    /// A segment over `bytes`, which the segment owns.
    pub fn heap(bytes: Box<[u8]>) -> Self {
        let owner = Owner::Heap(bytes);
        let Owner::Heap(kept) = &owner else { unreachable!("just made") };
        let (start, len) = (NonNull::from(&**kept).cast::<u8>(), kept.len() as u32);
        Self { start, len, owner }
    }

    /// A segment over `len` bytes at `start`, kept valid by `owner`.
    ///
    /// # Safety
    /// The bytes must be readable and must not change until `owner` is dropped.
    pub unsafe fn new(start: NonNull<u8>, len: u32, owner: Owner) -> Self {
        Self { start, len, owner }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: readable and unchanging while `owner` lives, which is while `self` lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }

    /// True when dropping it must wait for [`Release`].
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.owner, Owner::Foreign(_) | Owner::Shared(_))
    }
}

/// The receiver of the segments of finished batches.
pub trait Release: Send + Sync + fmt::Debug {
    /// Takes the segments of one batch, of which some may be foreign, and drops them where that is
    /// allowed. Called by threads of the engine: it must not block.
    fn release(&self, segments: Segments);
}

/// Drops segments on the spot: for owners that any thread may drop.
#[derive(Debug, Default)]
pub struct ReleaseNow;

impl Release for ReleaseNow {
    fn release(&self, segments: Segments) {
        drop(segments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static RELEASED: AtomicUsize = AtomicUsize::new(0);

    unsafe fn count(_: NonNull<()>) {
        RELEASED.fetch_add(1, Ordering::SeqCst);
    }

    /// Breaks without it: a Python object is let go of twice, or kept for ever.
    #[test]
    fn a_shared_owner_is_released_once_with_its_last_segment() {
        let bytes: &'static [u8] = b"text";
        let start = NonNull::from(bytes).cast::<u8>();
        // SAFETY: `count` does not touch the object.
        let owner = Arc::new(unsafe { Foreign::new(NonNull::dangling(), count) });
        // SAFETY: the bytes are static.
        let one = unsafe { Segment::new(start, 4, Owner::Shared(Arc::clone(&owner))) };
        // SAFETY: the bytes are static.
        let two = unsafe { Segment::new(start, 2, Owner::Shared(owner)) };
        assert_eq!((one.bytes(), two.bytes()), (&b"text"[..], &b"te"[..]));
        assert!(one.is_foreign());
        ReleaseNow.release(one.into());
        assert_eq!(RELEASED.load(Ordering::SeqCst), 0);
        ReleaseNow.release(two.into());
        assert_eq!(RELEASED.load(Ordering::SeqCst), 1);
    }
}
