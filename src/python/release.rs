//! The release of Python objects that the engine viewed.
//!
//! Threads of the engine never attach to Python, so a batch that is done puts its segments on a list.
//! They are dropped under the GIL, in groups: by the next post that the batch views or that opens a batch
//! ([`drain_some`]), or, when nobody posts so, by the main thread, at each of its rounds ([`drain_all`]).

use std::ptr::NonNull;

use crossbeam::queue::SegQueue;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::message::{Foreign, Release, Segments};

/// The number of batches whose segments one post drops.
const GROUPS_PER_POST: usize = 4;

static LIST: SegQueue<Segments> = SegQueue::new();

/// The [`Release`] of batches with Python objects: puts them on the list.
#[derive(Debug, Default)]
pub(crate) struct UnderGil;

impl Release for UnderGil {
    fn release(&self, segments: Segments) {
        LIST.push(segments);
    }
}

/// Keeps `object` as the owner of memory that the engine views. Its batch must have [`UnderGil`].
#[inline]
pub(crate) fn keep(object: &Bound<'_, PyAny>) -> Foreign {
    let owned = object.clone().into_ptr();
    // SAFETY: `into_ptr` never gives a null pointer.
    let owned = unsafe { NonNull::new_unchecked(owned.cast::<()>()) };
    // SAFETY: the reference is given away, and batches with `UnderGil` drop it with the GIL held.
    unsafe { Foreign::new(owned, let_go) }
}

unsafe fn let_go(object: NonNull<()>) {
    // SAFETY: one reference, made by `keep`; the GIL is held (see `keep`).
    unsafe { ffi::Py_DECREF(object.as_ptr().cast()) }
}

/// Drops a few groups, if there are any.
#[inline]
pub(crate) fn drain_some(py: Python<'_>) {
    if !LIST.is_empty() {
        drain(py, GROUPS_PER_POST);
    }
}

/// Drops everything that is on the list now.
pub(crate) fn drain_all(py: Python<'_>) {
    drain(py, LIST.len());
}

/// Not inlined, so that [`drain_some`] is, which every post of a viewed text looks at.
#[inline(never)]
fn drain(_py: Python<'_>, groups: usize) {
    for _ in 0..groups {
        match LIST.pop() {
            Some(segments) => drop(segments),
            None => break,
        }
    }
}
