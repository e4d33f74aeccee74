//! The segments of a batch, where its writer put them: [`Segments`].

use std::fmt;

use super::Segment;
use super::pool::Slab;
use super::recycled::Recycled;

/// The segments of a batch, numbered from 0; dropped, they let go of what they keep.
///
/// Those that a writer adopted stay in its slab. The thread that let objects of Python's go is the one that
/// posted them more often than not, and finds them in its own cache, where a copy of them would be in the
/// cache of the worker that made it.
#[derive(Default)]
pub struct Segments {
    /// The memory of the first ones; `None` when there are none of that kind.
    adopted: Option<Adopted>,
    /// Those that no writer adopted.
    own: Vec<Segment>,
}

/// Published segments of a slab, from `first` on.
struct Adopted {
    slab: Recycled<Slab>,
    first: u32,
    len: u32,
    /// True when one of them may be foreign.
    foreign: bool,
}

impl Adopted {
    /// One of them, if there is one of this index.
    #[inline]
    fn get(&self, index: usize) -> Option<&Segment> {
        if index >= self.len as usize {
            return None;
        }
        let slot = self.slab.segments()[self.first as usize + index].get();
        // SAFETY: published, hence initialised; it does not change before `drop`.
        Some(unsafe { &*slot.cast::<Segment>() })
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        for slot in &self.slab.segments()[self.first as usize..][..self.len as usize] {
            // SAFETY: initialised, and nobody else's (`Segments::adopted`), so it is dropped once.
            unsafe { slot.get().cast::<Segment>().drop_in_place() }
        }
    }
}

impl Segments {
    /// `len` segments of `slab` from `first` on, of which one is foreign only if `foreign` says so.
    ///
    /// # Safety
    /// They must be published, with the publication seen by this thread, and given away to nobody else, now
    /// or later.
    pub(super) unsafe fn adopted(slab: &Recycled<Slab>, first: u32, len: u32, foreign: bool) -> Self {
        let adopted = (len > 0).then(|| Adopted { slab: slab.clone(), first, len, foreign });
        Self { adopted, own: Vec::new() }
    }

    /// The number of them.
    #[inline]
    pub fn len(&self) -> usize {
        self.adopted.as_ref().map_or(0, |adopted| adopted.len as usize) + self.own.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none of this index.
    #[inline]
    pub(super) fn get(&self, index: usize) -> &Segment {
        let Some(adopted) = &self.adopted else { return &self.own[index] };
        adopted.get(index).unwrap_or_else(|| &self.own[index - adopted.len as usize])
    }

    /// True when dropping them must wait for [`Release`](super::Release).
    pub(super) fn are_foreign(&self) -> bool {
        self.adopted.as_ref().is_some_and(|adopted| adopted.foreign)
            || self.own.iter().any(Segment::is_foreign)
    }
}

impl From<Segment> for Segments {
    fn from(segment: Segment) -> Self {
        Self { adopted: None, own: vec![segment] }
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments")
            .field("len", &self.len())
            .field("are_foreign", &self.are_foreign())
            .finish()
    }
}
