//! Posts for which nothing has to be waited for or looked up: nearly all of a busy source.
//!
//! A message that is a short text and nothing else is written into the open batch as long as the producer
//! allows it ([`allow_fast_posts`](crate::flow::Producer::allow_fast_posts)). It allows none before the
//! start, nor to a source that `suspend()`s or has `keep-timestamp(no)`, each of whose messages needs more. One post of [`MEASURED`] is
//! measured, and the permission ends before it: so a post counts one number down, which stands for credit,
//! for the batch's size and for the measuring.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::Attachment;
use crate::flow::clock::{thread_time, thread_time_since};
use crate::message::Head;
use crate::python::clock;
use crate::python::message::{VIEW_FROM, exact_text, recycle, view_of};
use crate::python::release;
use crate::syslog::names::DEFAULT_PRI;

/// Of how many posts one is measured.
pub(super) const MEASURED: u32 = 4096;
/// Most texts of a list that are posted together, with one time stamp.
const TOGETHER: usize = 128;

/// The number of posts before the first that is measured: any number below [`MEASURED`], so that each post is
/// measured with the same chance. The first ones of a source are dear, and would count for all of a source
/// that posts little.
pub(super) fn first_measured() -> u32 {
    (RandomState::new().build_hasher().finish() % u64::from(MEASURED)) as u32
}

impl Attachment {
    /// Posts `message` if it is a plain one with a short text, and nothing has to be waited for or looked up.
    /// False when nothing was done, and [`Attachment::post`] must do it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs it a tenth")]
    pub(in crate::python) fn post_fast(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> bool {
        let Some(message) = recycle::exact(message) else { return false };
        // SAFETY: gone when the message is written, which calls nothing of Python's.
        let Some(draft) = (unsafe { message.draft.borrow_unmarked(py) }) else { return false };
        let Some(text) = draft.short_text() else { return false };
        self.post_text_fast(py, &draft.head, text)
    }

    /// The same as a call, for those who have other work between posts; also for `str` and `bytes`.
    #[inline(never)]
    pub(in crate::python) fn call_post_fast(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> bool {
        self.post_fast(py, message) || self.post_bare_fast(py, message)
    }

    /// The same for a `str` or `bytes` that is no message yet.
    #[inline]
    pub(in crate::python) fn post_bare_fast(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> bool {
        let Some(text) = exact_text(text).filter(|text| text.len() < VIEW_FROM) else { return false };
        let Ok(head) = clock::try_head_of_message(py) else { return false };
        self.post_text_fast(py, &head, text)
    }

    /// Posts `message` if it is a plain one with a long text, which the batch will view, as
    /// [`Attachment::post_fast`] does with a short one.
    #[inline(never)]
    pub(in crate::python) fn post_view_fast(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> bool {
        let Some(message) = recycle::exact(message) else { return false };
        // SAFETY: gone when the message is written, which calls nothing of Python's.
        let Some(draft) = (unsafe { message.draft.borrow_unmarked(py) }) else { return false };
        let Some((object, start, len)) = draft.long_text() else { return false };
        // SAFETY: as above.
        let Some(producer) = (unsafe { self.producer.borrow_unmarked(py) }) else { return false };
        // SAFETY: the bytes belong to the object, which is immutable.
        let segment = || unsafe { view_of(object.bind(py), start, len) };
        if !producer.post_view_fast(&draft.head, |head| self.adjust(head), len, segment) {
            return false;
        }
        clock::posted(py);
        release::drain_some(py);
        true
    }

    /// Changes the head of a message by the source's options.
    #[inline]
    fn adjust(&self, head: &mut Head) {
        if let Some(pri) = self.pri {
            head.pri = pri;
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs it a tenth")]
    fn post_text_fast(&self, py: Python<'_>, head: &Head, text: &[u8]) -> bool {
        // SAFETY: gone when the message is written, which calls nothing of Python's.
        let Some(producer) = (unsafe { self.producer.borrow_unmarked(py) }) else { return false };
        if !producer.post_text_fast(head, |head| self.adjust(head), text) {
            return false;
        }
        clock::posted(py);
        true
    }

    /// Posts the next elements of `list`, from `index` on, that are exactly `bytes` or `str` of ASCII, and
    /// short, if nothing has to be waited for; how many there were.
    pub(in crate::python) fn post_texts_fast(
        &self,
        py: Python<'_>,
        list: &Bound<'_, PyList>,
        index: usize,
    ) -> usize {
        let end = list.len().min(index + TOGETHER);
        // The GIL is held until the last of them is posted, so nobody changes the list.
        // SAFETY: below the length; the texts are gone when they are posted.
        let mut texts = (index..end).map_while(|index| unsafe { short_text(list, index) }).peekable();
        // SAFETY: gone when they are posted, which calls nothing of Python's.
        let Some(producer) = (unsafe { self.producer.borrow_unmarked(py) }) else { return 0 };
        if !self.takes_fast() || texts.peek().is_none() {
            return 0;
        }
        let left = self.unmeasured.load(Ordering::Relaxed) + producer.forbid_fast_posts();
        let begun = (left == 0).then(thread_time);
        let head = Head::at(clock::now(py), self.pri.unwrap_or(DEFAULT_PRI));
        let posted = producer.post_texts_fast(&head, texts);
        if let Some(begun) = begun
            && posted > 0
        {
            let time = thread_time_since(begun);
            self.status.add_post_time(time * (MEASURED / posted));
            self.unmeasured.store(MEASURED, Ordering::Relaxed);
        } else {
            self.unmeasured.store(left.saturating_sub(posted), Ordering::Relaxed);
        }
        release::drain_some(py);
        posted as usize
    }

    /// Posts the text of `message` if nobody has looked at it since `LogMessage.parse`, as
    /// [`Attachment::post_fast`] posts a plain one: the worker will parse it. The first such message goes
    /// the ordinary way, which makes what parses there.
    #[inline]
    pub(in crate::python) fn post_unparsed_fast(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> bool {
        let (Some(message), Some(Some(late))) = (recycle::exact(message), self.late.get()) else {
            return false;
        };
        // SAFETY: gone when the message is written, which calls nothing of Python's.
        let Some(draft) = (unsafe { message.draft.borrow_unmarked(py) }) else { return false };
        let Some((text, options)) = draft.short_unparsed() else { return false };
        // SAFETY: as above.
        let Some(producer) = (unsafe { self.producer.borrow_unmarked(py) }) else { return false };
        if !late.is_for(options.get().options()) || !producer.post_unparsed_fast(&draft.head, text) {
            return false;
        }
        release::drain_some(py);
        true
    }

    /// True when a plain message with a short text needs nothing but to be written into the open batch.
    fn takes_fast(&self) -> bool {
        self.started.load(Ordering::Relaxed) && self.suspend.is_none() && self.policy.keeps_timestamp()
    }

    /// Counts a post that is not one of those at once; whether it is to be measured.
    pub(super) fn begin_post(&self, py: Python<'_>) -> bool {
        let unused = self.producer.with(py, crate::flow::Producer::forbid_fast_posts);
        let left = self.unmeasured.load(Ordering::Relaxed) + unused;
        self.unmeasured.store(left.checked_sub(1).unwrap_or(MEASURED), Ordering::Relaxed);
        left == 0
    }

    /// Allows posts at once, up to the next one that is measured.
    pub(super) fn allow_fast_posts(&self, py: Python<'_>) {
        if self.takes_fast() {
            self.producer.with(py, |producer| {
                let left = self.unmeasured.load(Ordering::Relaxed) + producer.forbid_fast_posts();
                self.unmeasured.store(left - producer.allow_fast_posts(left), Ordering::Relaxed);
            });
        }
    }

    /// Allows more posts at once when those that were allowed are used up, where that takes no more than
    /// credit: a small window gives little of it ahead. Whether it does.
    #[inline]
    pub(in crate::python) fn renew_fast_posts(&self, py: Python<'_>) -> bool {
        // SAFETY: gone when it has given its permission, which calls nothing of Python's.
        let Some(producer) = (unsafe { self.producer.borrow_unmarked(py) }) else { return false };
        let left = self.unmeasured.load(Ordering::Relaxed);
        if producer.allows_fast_posts() || left == 0 || !self.takes_fast() {
            return false;
        }
        let allowed = producer.renew_fast_posts(left);
        self.unmeasured.store(left - allowed, Ordering::Relaxed);
        allowed > 0
    }

    /// Allows one, if any: it is counted already.
    pub(super) fn allow_one_fast_post(&self, py: Python<'_>) {
        if self.takes_fast() {
            self.producer.with(py, |producer| producer.allow_fast_posts(1));
        }
    }
}

/// The text of an element of `list` that is exactly `bytes` or a `str` of ASCII, and to be copied.
///
/// # Safety
/// `index` is below the length of the list. The text is gone before anybody can change the list.
#[inline]
unsafe fn short_text<'a>(list: &'a Bound<'_, PyList>, index: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    let element = unsafe { ffi::PyList_GET_ITEM(list.as_ptr(), index as ffi::Py_ssize_t) };
    // SAFETY: the list keeps its elements.
    let element = unsafe { Borrowed::from_ptr(list.py(), element) };
    let text = exact_text(&element).filter(|text| text.len() < VIEW_FROM)?;
    // SAFETY: the bytes belong to the element, which does not change; the caller's promise that the list
    // keeps it.
    Some(unsafe { std::slice::from_raw_parts(text.as_ptr(), text.len()) })
}
