//! The draft of a `LogMessage`, parsed when somebody looks: [`LazyDraft`].
//!
//! `LogMessage.parse` only notes how its text is to be parsed. Most parsed messages are posted next and never
//! looked at: a post publishes their text, and the worker parses it on another core
//! ([`Late`](crate::source::Late)), or, where it is long or made with another source's options, the post
//! parses straight into its row; a draft with fields of its own is made for those that Python reads or
//! changes first. Nobody can tell the difference: parsing raises nothing, and what it gives depends on the
//! bytes, the options and the time of receipt alone, all of which are kept.

use pyo3::prelude::*;

use super::{Draft, Lent, lent, unparsed};
use crate::python::cell::GilCell;

/// A draft that is parsed before anyone but a post sees it.
#[derive(Debug)]
pub(crate) struct LazyDraft(GilCell<Draft>);

impl LazyDraft {
    /// A cell with `draft` in it.
    #[inline]
    pub(crate) const fn new(draft: Draft) -> Self {
        Self(GilCell::new(draft))
    }

    /// Calls `work` with the draft, as [`GilCell::with`] does, after parsing what was not parsed yet.
    #[inline]
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Draft) -> R) -> R {
        self.0.with(py, |draft| {
            if draft.unparsed.is_some() {
                unparsed::parse_now(py, draft);
            } else if draft.lent().is_some_and(Lent::is_undrafted) {
                lent::draft_now(py, draft);
            }
            work(draft)
        })
    }

    /// The same where only the head is looked at, or a value is set: no draft is made of a message of the engine's.
    #[inline]
    pub(crate) fn with_head<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Draft) -> R) -> R {
        self.0.with(py, |draft| {
            if draft.unparsed.is_some() {
                unparsed::parse_now(py, draft);
            }
            work(draft)
        })
    }

    /// The draft as it is.
    #[inline]
    pub(crate) fn into_inner(self) -> Draft {
        self.0.into_inner()
    }

    /// The draft as it is; see [`GilCell::borrow_unmarked`].
    ///
    /// # Safety
    /// As there.
    #[inline]
    pub(crate) unsafe fn borrow_unmarked(&self, py: Python<'_>) -> Option<&Draft> {
        // SAFETY: the caller's promise.
        unsafe { self.0.borrow_unmarked(py) }.map(|draft| &*draft)
    }

    /// Calls `work` with the draft as it is.
    #[inline]
    pub(crate) fn with_unparsed<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Draft) -> R) -> R {
        self.0.with(py, work)
    }
}
