//! Credit: how much a source may have in flight: [`Credit`].
//!
//! Credit has two halves, messages (`log-iw-size()`) and bytes (`max-inflight-bytes()`). A post takes
//! one message and the message's bytes; the acknowledgement of its batch gives both back.
//!
//! * A post is admitted while a message is free *and* at least one byte is free. So the byte half may
//!   be overdrawn by the one message that was admitted last, and by its batch; a message larger than the
//!   whole bound passes, alone.
//! * A producer may take messages and bytes ahead in a lease, so that most posts touch no shared line; it
//!   gives the rest back before it waits.
//! * Bytes stand for memory: each batch takes [`BATCH_CHARGE`] more when it is sent, and a buffer that is not
//!   full takes the rest of its size ([`Hold`]) for as long as somebody views it. So many small batches are
//!   bounded too.
//! * Whoever finds no credit waits until more than [`Credit::resume_above`] messages are free, so that a
//!   source is not woken for each message that trickles through.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::stopwatch::Stopwatch;
use super::sync::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Event, Listener, Ordering, fence};

/// The charge of a batch beside its messages: itself, its receipt, and its places in queues.
pub const BATCH_CHARGE: u64 = 448;

/// The credit of one source.
pub struct Credit {
    messages: CachePadded<AtomicI64>,
    bytes: CachePadded<AtomicI64>,
    /// Bytes of those that are taken which steps took, beyond what their batches came with.
    grown: AtomicU64,
    window: u32,
    max_bytes: u64,
    resume_above: i64,
    waiting: AtomicUsize,
    cancelled: AtomicBool,
    returned: Event,
    /// Set while the source has been told to suspend and not yet to wake up.
    suspended: AtomicBool,
    on_resume: OnceLock<Box<dyn Fn() + Send + Sync>>,
    suspensions: AtomicU64,
    blocked: Stopwatch,
}

/// The end of a wait for credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// There is credit.
    Credit,
    /// The deadline passed.
    Timeout,
    /// [`Credit::cancel_waits`] was called.
    Cancelled,
    /// The waiter has given up ([`Credit::wait_unless`]).
    GivenUp,
}

impl Credit {
    /// Credit for `window` messages and `max_bytes` bytes.
    ///
    /// # Panics
    /// When either is 0.
    pub fn new(window: u32, max_bytes: u64) -> Self {
        assert!(window > 0 && max_bytes > 0, "credit for nothing stops a source for good");
        Self {
            messages: CachePadded::new(AtomicI64::new(i64::from(window))),
            bytes: CachePadded::new(AtomicI64::new(max_bytes.min(i64::MAX as u64) as i64)),
            grown: AtomicU64::new(0),
            window,
            max_bytes,
            resume_above: i64::from((window / 4).min(100)),
            waiting: AtomicUsize::new(0),
            cancelled: AtomicBool::new(false),
            returned: Event::new(),
            suspended: AtomicBool::new(false),
            on_resume: OnceLock::new(),
            suspensions: AtomicU64::new(0),
            blocked: Stopwatch::default(),
        }
    }

    /// The window, in messages.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Half of the window, as the free messages are counted.
    pub(crate) fn half_window(&self) -> i64 {
        i64::from(self.window / 2)
    }

    /// The bound in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// A waiting source resumes when more messages than this are free: a quarter of the window, at
    /// most 100.
    #[cfg(test)]
    pub(crate) fn resume_above(&self) -> u32 {
        self.resume_above as u32
    }

    /// Messages that are free now.
    pub fn free_messages(&self) -> i64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Bytes that are free now; negative when the last message overdrew them.
    pub fn free_bytes(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The number of posts that found no credit.
    pub(crate) fn suspensions(&self) -> u64 {
        self.suspensions.load(Ordering::Relaxed)
    }

    /// For how long somebody waited for credit, or had suspended itself, so far.
    pub(crate) fn blocked(&self) -> Duration {
        self.blocked.total()
    }

    /// True when somebody waits for credit, or has suspended itself, at this moment.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.suspended.load(Ordering::Relaxed)
    }

    /// True when a post would find credit now.
    pub(crate) fn is_available(&self) -> bool {
        self.free_messages() > 0 && self.free_bytes() > 0
    }

    /// Takes up to `most` messages, and `bytes` bytes if it took any; returns how many messages.
    #[inline]
    pub fn try_take(&self, most: u32, bytes: u64) -> u32 {
        if self.free_bytes() <= 0 {
            return 0;
        }
        let mut free = self.free_messages();
        loop {
            let take = free.min(i64::from(most));
            if take <= 0 {
                return 0;
            }
            match self.messages.compare_exchange_weak(free, free - take, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => {
                    self.take_bytes(bytes);
                    return take as u32;
                }
                Err(now) => free = now,
            }
        }
    }

    /// Takes `bytes` bytes, even beyond what is free: for messages of a lease.
    #[inline]
    pub(crate) fn take_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
    }

    /// Takes `bytes` bytes, even beyond what is free: memory that a step takes for a batch that is out.
    pub(super) fn grow(&self, bytes: u64) {
        self.grown.fetch_add(bytes, Ordering::Relaxed);
        self.take_bytes(bytes);
    }

    /// Notes that `bytes` bytes of those that steps took are in no batch any more; they are given back with
    /// the others of the batch.
    pub(super) fn shrink(&self, bytes: u64) {
        if bytes > 0 {
            self.grown.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// True when no byte is free, and batches that steps have made larger are out: none that follows is to be
    /// begun.
    #[inline]
    pub(crate) fn is_outgrown(&self) -> bool {
        self.grown.load(Ordering::Relaxed) > 0 && self.free_bytes() <= 0
    }

    /// Takes `messages` messages and `bytes` bytes, even beyond what is free: for what a step makes.
    pub fn take(&self, messages: u32, bytes: u64) {
        self.messages.fetch_sub(i64::from(messages), Ordering::Relaxed);
        self.take_bytes(bytes);
    }

    /// Takes `bytes` bytes if so many are free; returns how many: all or none.
    pub(crate) fn try_take_bytes(&self, bytes: u64) -> u64 {
        let mut free = self.free_bytes();
        while bytes > 0 && free >= bytes as i64 {
            let left = free - bytes as i64;
            match self.bytes.compare_exchange_weak(free, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return bytes,
                Err(now) => free = now,
            }
        }
        0
    }

    /// Gives back `messages` and `bytes`, and wakes who waits for them.
    pub(crate) fn give_back(&self, messages: u32, bytes: u64) {
        self.bytes.fetch_add(bytes as i64, Ordering::Relaxed);
        let free = self.messages.fetch_add(i64::from(messages), Ordering::Relaxed) + i64::from(messages);
        debug_assert!(free <= i64::from(self.window), "more credit came back than was taken");
        // Pairs with the fences in `wait` and `suspend`: either the waiter sees this credit, or this
        // thread sees the waiter.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 && self.may_resume() {
            self.returned.notify(usize::MAX);
        }
        if self.suspended.load(Ordering::Relaxed) {
            self.resume_if_possible();
        }
    }

    fn may_resume(&self) -> bool {
        self.free_messages() > self.resume_above && self.free_bytes() > 0
    }

    /// Waits until there is credit again (see [`Credit::resume_above`]), or until `deadline`.
    pub fn wait(&self, deadline: Option<Instant>) -> Waited {
        self.wait_unless(deadline, || false)
    }

    /// Waits like [`Credit::wait`], and ends when `gives_up` is true without credit. Whoever makes it true
    /// calls [`Credit::wake_waiters`] afterwards.
    pub(crate) fn wait_unless(&self, deadline: Option<Instant>, gives_up: impl Fn() -> bool) -> Waited {
        self.blocked.begin();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let ended = loop {
            let listener = self.returned.listen();
            fence(Ordering::SeqCst);
            if self.cancelled.load(Ordering::Relaxed) {
                break Waited::Cancelled;
            }
            if self.may_resume() {
                break Waited::Credit;
            }
            if gives_up() {
                break Waited::GivenUp;
            }
            match deadline {
                None => listener.wait(),
                Some(deadline) => {
                    if listener.wait_deadline(deadline).is_none() {
                        break if self.is_available() { Waited::Credit } else { Waited::Timeout };
                    }
                }
            }
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.blocked.end();
        ended
    }

    /// Lets all who wait look again whether they give up.
    pub(crate) fn wake_waiters(&self) {
        // Pairs with the fence in `wait_unless`: the waiter sees what was written before, or is notified.
        fence(Ordering::SeqCst);
        self.returned.notify(usize::MAX);
    }

    /// Counts a post that found no credit.
    pub(crate) fn count_suspension(&self) {
        self.suspensions.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends all waits, now and later, and a suspension, which is not answered any more: the source is
    /// stopping for good.
    pub(crate) fn cancel_waits(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // Pairs with the fences in `wait_unless` and `suspend`: they see the end, or this sees them.
        fence(Ordering::SeqCst);
        self.returned.notify(usize::MAX);
        self.end_suspension();
    }

    /// Ends all waits that begin later, without a word to those that have begun: in a fork there are none.
    pub(crate) fn cancel_later_waits(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Ends a suspension of a source that nobody is to wake up; whether there was one.
    fn end_suspension(&self) -> bool {
        let was_suspended = self.suspended.swap(false, Ordering::Relaxed);
        if was_suspended {
            self.blocked.end();
        }
        was_suspended
    }

    /// Sets what [`Credit::suspend`] is answered with. Called on the thread that gave credit back: it
    /// must only pass the news on.
    pub(crate) fn set_on_resume(&self, call: Box<dyn Fn() + Send + Sync>) {
        // A second call would be a second `init` of the same source, which the engine does not do.
        let _ = self.on_resume.set(call);
    }

    /// Says that the source has suspended itself: `on_resume` is called once, when it may go on.
    pub(crate) fn suspend(&self) {
        self.blocked.begin();
        if self.suspended.swap(true, Ordering::Relaxed) {
            self.blocked.end();
        }
        fence(Ordering::SeqCst);
        if self.cancelled.load(Ordering::Relaxed) {
            self.end_suspension();
        }
        self.resume_if_possible();
    }

    fn resume_if_possible(&self) {
        if self.may_resume()
            && self.end_suspension()
            && let Some(call) = self.on_resume.get()
        {
            call();
        }
    }
}

/// Bytes of credit that come back when this is dropped.
#[derive(Debug)]
pub struct Hold {
    credit: Arc<Credit>,
    bytes: u64,
}

impl Hold {
    /// Takes `bytes`, even beyond what is free.
    pub fn new(credit: &Arc<Credit>, bytes: u64) -> Self {
        credit.take_bytes(bytes);
        Self { credit: Arc::clone(credit), bytes }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.credit.give_back(0, self.bytes);
    }
}

impl std::fmt::Debug for Credit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credit")
            .field("messages", &self.free_messages())
            .field("bytes", &self.free_bytes())
            .field("window", &self.window)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(test)]
mod tests;
