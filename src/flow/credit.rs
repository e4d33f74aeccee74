//! How much a source may have in flight: [`Credit`].
//!
//! Credit has two halves, messages (`log-iw-size()`) and bytes (`max-inflight-bytes()`). A post takes
//! one message and the message's bytes; the acknowledgement of its batch gives both back.
//!
//! * A post is admitted while a message is free *and* at least one byte is free. So the byte half may
//!   be overdrawn by the one message that was admitted last, and by its batch; a message larger than the
//!   whole bound passes, alone.
//! * A producer may take messages and bytes ahead in a lease, so that most posts touch no shared line; it
//!   gives the rest back before it waits.
//! * Bytes stand for memory: each batch takes [`BATCH_CHARGE`] more when it is sent, and a buffer that is not full takes the
//!   rest of its size ([`Hold`]) for as long as somebody views it. So many small batches are bounded too.
//! * Whoever finds no credit waits until more than [`Credit::resume_above`] messages are free, so that a
//!   source is not woken for each message that trickles through.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::stopwatch::Stopwatch;
use super::sync::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Event, Listener, Ordering, fence};

/// What a batch takes beside its messages: itself, its receipt, and its places in queues.
pub const BATCH_CHARGE: u64 = 448;

/// The credit of one source.
pub struct Credit {
    messages: CachePadded<AtomicI64>,
    bytes: CachePadded<AtomicI64>,
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

/// Why a wait for credit ended.
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

    /// The bound in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// A waiting source resumes when more messages than this are free: a quarter of the window, at
    /// most 100.
    pub fn resume_above(&self) -> u32 {
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

    /// How often a post found no credit.
    pub fn suspensions(&self) -> u64 {
        self.suspensions.load(Ordering::Relaxed)
    }

    /// For how long somebody waited for credit, or had suspended itself, so far.
    pub fn blocked(&self) -> Duration {
        self.blocked.total()
    }

    /// Whether somebody waits for credit, or has suspended itself, at this moment.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.suspended.load(Ordering::Relaxed)
    }

    /// Whether a post would find credit now.
    pub fn is_available(&self) -> bool {
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
    pub fn take_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes as i64, Ordering::Relaxed);
    }

    /// Takes `bytes` bytes if so many are free; returns how many: all or none.
    pub fn try_take_bytes(&self, bytes: u64) -> u64 {
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
    pub fn give_back(&self, messages: u32, bytes: u64) {
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
    pub fn wait_unless(&self, deadline: Option<Instant>, gives_up: impl Fn() -> bool) -> Waited {
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
    pub fn wake_waiters(&self) {
        // Pairs with the fence in `wait_unless`: the waiter sees what was written before, or is notified.
        fence(Ordering::SeqCst);
        self.returned.notify(usize::MAX);
    }

    /// Counts a post that found no credit.
    pub fn count_suspension(&self) {
        self.suspensions.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends all waits, now and later, and a suspension, which is not answered any more: the source is stopping
    /// for good.
    pub fn cancel_waits(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // Pairs with the fences in `wait_unless` and `suspend`: they see the end, or this sees them.
        fence(Ordering::SeqCst);
        self.returned.notify(usize::MAX);
        self.end_suspension();
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
    pub fn set_on_resume(&self, call: Box<dyn Fn() + Send + Sync>) {
        // A second call would be a second `init` of the same source, which the engine does not do.
        let _ = self.on_resume.set(call);
    }

    /// Says that the source has suspended itself: `on_resume` is called once, when it may go on.
    pub fn suspend(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn credit_is_bounded_in_messages_and_bytes() {
        let credit = Credit::new(3, 100);
        assert_eq!(credit.try_take(2, 10), 2);
        assert_eq!(credit.try_take(2, 10), 1, "only what is left");
        assert_eq!(credit.try_take(1, 10), 0);
        credit.give_back(3, 20);
        assert_eq!(credit.try_take(1, 1000), 1, "a message larger than the bound passes alone");
        assert_eq!(credit.try_take(1, 1), 0, "and nothing passes beside it");
        credit.give_back(1, 1000);
        assert!(credit.is_available());
        assert_eq!((credit.free_messages(), credit.free_bytes()), (3, 100));
    }

    /// Breaks without it: buffers with a few bytes in each fill the memory behind a destination that stands still.
    #[test]
    fn what_is_held_is_taken_until_it_is_let_go() {
        let credit = Arc::new(Credit::new(3, 100));
        let hold = Hold::new(&credit, 1000);
        assert_eq!((credit.try_take(1, 1), credit.free_bytes()), (0, -900));
        drop(hold);
        assert_eq!((credit.try_take(1, 0), credit.free_bytes()), (1, 100));
    }

    #[test]
    fn a_waiter_resumes_above_the_mark_and_not_before() {
        let credit = Arc::new(Credit::new(1000, 1 << 20));
        assert_eq!(credit.resume_above(), 100);
        assert_eq!(credit.try_take(1000, 0), 1000);
        let soon = || Some(Instant::now() + Duration::from_millis(20));
        credit.give_back(100, 0);
        assert_eq!(credit.try_take(100, 0), 100);
        assert_eq!(credit.wait(soon()), Waited::Timeout);
        let other = Arc::clone(&credit);
        let waiter = std::thread::spawn(move || other.wait(None));
        credit.give_back(101, 0);
        assert_eq!(waiter.join().unwrap(), Waited::Credit);
        assert_eq!(credit.try_take(1000, 0), 101);
        let exit = Arc::new(AtomicBool::new(false));
        let (other, asked) = (Arc::clone(&credit), Arc::clone(&exit));
        let waiter = std::thread::spawn(move || other.wait_unless(None, || asked.load(Ordering::Relaxed)));
        exit.store(true, Ordering::Relaxed);
        credit.wake_waiters();
        assert_eq!(waiter.join().unwrap(), Waited::GivenUp);
        credit.cancel_waits();
        assert_eq!(credit.wait(None), Waited::Cancelled);
    }

    #[test]
    fn a_suspended_source_is_told_once() {
        let credit = Credit::new(4, 100);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        credit.set_on_resume(Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        assert_eq!(credit.try_take(4, 4), 4);
        credit.suspend();
        credit.give_back(1, 1);
        assert_eq!(calls.load(Ordering::SeqCst), 0, "not above a quarter of the window yet");
        credit.give_back(1, 1);
        credit.give_back(2, 2);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        credit.suspend();
        assert_eq!(calls.load(Ordering::SeqCst), 2, "there is credit already");
    }

    /// Without it: a source that was suspended when it stopped is blocked for as long as the engine runs.
    #[test]
    fn a_source_that_is_stopped_is_not_blocked_any_more() {
        let credit = Credit::new(1, 100);
        assert_eq!(credit.try_take(1, 1), 1);
        credit.suspend();
        std::thread::sleep(Duration::from_millis(2));
        credit.cancel_waits();
        let blocked = credit.blocked();
        assert!(blocked >= Duration::from_millis(2));
        // A post that was on its way when the source was stopped.
        credit.suspend();
        let later = credit.blocked();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!((credit.blocked(), credit.is_waited_for()), (later, false));
        assert_eq!(credit.wait(None), Waited::Cancelled);
    }
}

/// Every order in which the threads can go, as far as three switches against a thread's will take it.
#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    fn model(run: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(run);
    }

    /// Credit for `window` messages, all of it taken.
    fn taken(window: u32) -> Arc<Credit> {
        let credit = Credit::new(window, 100);
        assert_eq!(credit.try_take(window, 100), window);
        Arc::new(credit)
    }

    /// Breaks without it: the last of the credit comes back while a source goes to sleep, and nobody wakes it.
    #[test]
    fn a_waiter_gets_credit_that_comes_back_in_parts() {
        model(|| {
            let credit = taken(4);
            let givers = [(1, 99), (1, 1)].map(|(messages, bytes)| {
                let credit = Arc::clone(&credit);
                thread::spawn(move || credit.give_back(messages, bytes))
            });
            // More than one message has to be free, so one giver alone is not enough.
            assert_eq!(credit.wait(None), Waited::Credit);
            assert_eq!(credit.try_take(2, 0), 2);
            for giver in givers {
                giver.join().unwrap();
            }
        });
    }

    /// Breaks without it: a source that begins to wait while it is stopped waits for ever.
    #[test]
    fn a_cancelled_wait_ends() {
        model(|| {
            let credit = taken(1);
            let other = Arc::clone(&credit);
            let boss = thread::spawn(move || other.cancel_waits());
            assert_eq!(credit.wait(None), Waited::Cancelled);
            boss.join().unwrap();
        });
    }

    /// Breaks without it: a source that begins to wait while it is asked to end learns of it when credit comes.
    #[test]
    fn a_waiter_that_gives_up_is_woken() {
        model(|| {
            let credit = taken(1);
            let exit = Arc::new(super::AtomicBool::new(false));
            let (other, asked) = (Arc::clone(&credit), Arc::clone(&exit));
            let boss = thread::spawn(move || {
                asked.store(true, Ordering::Relaxed);
                other.wake_waiters();
            });
            assert_eq!(credit.wait_unless(None, || exit.load(Ordering::Relaxed)), Waited::GivenUp);
            boss.join().unwrap();
        });
    }

    /// Breaks without it: a source that suspends itself while its credit comes back is never woken, or twice.
    #[test]
    fn a_suspended_source_is_woken_once() {
        model(|| {
            let credit = taken(2);
            // Not one of loom's: it is looked at when all is over.
            let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
            let counted = Arc::clone(&calls);
            credit.set_on_resume(Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }));
            let givers = [(1, 50), (1, 50)].map(|(messages, bytes)| {
                let credit = Arc::clone(&credit);
                thread::spawn(move || credit.give_back(messages, bytes))
            });
            credit.suspend();
            for giver in givers {
                giver.join().unwrap();
            }
            assert_eq!(calls.load(Ordering::Relaxed), 1);
            assert!(!credit.is_waited_for());
        });
    }

    /// Breaks without it: a source that suspends itself while it is stopped counts as blocked for good.
    #[test]
    fn a_suspension_ends_with_its_source() {
        model(|| {
            let credit = taken(1);
            let other = Arc::clone(&credit);
            let boss = thread::spawn(move || other.cancel_waits());
            credit.suspend();
            boss.join().unwrap();
            assert!(!credit.is_waited_for());
        });
    }

    /// Breaks without it: the last buffer that holds bytes is let go of while a source goes to sleep, and nobody wakes it.
    #[test]
    fn a_waiter_gets_credit_that_was_held() {
        model(|| {
            let credit = Arc::new(Credit::new(1, 100));
            let holds = [60, 60].map(|bytes| Hold::new(&credit, bytes));
            assert_eq!(credit.try_take(1, 1), 0);
            let holders = holds.map(|hold| thread::spawn(move || drop(hold)));
            assert_eq!(credit.wait(None), Waited::Credit);
            assert_eq!(credit.try_take(1, 0), 1, "one that is left does not use up the credit");
            for holder in holders {
                holder.join().unwrap();
            }
            assert_eq!(credit.free_bytes(), 100);
        });
    }

    /// Breaks without it: a source that suspends itself while a buffer is held, and let go of elsewhere, is never woken, or twice.
    #[test]
    fn a_suspended_source_is_woken_by_what_was_held() {
        model(|| {
            let credit = Arc::new(Credit::new(1, 100));
            let calls = Arc::new(std::sync::atomic::AtomicU32::new(0));
            let counted = Arc::clone(&calls);
            credit.set_on_resume(Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }));
            let hold = Hold::new(&credit, 100);
            let holder = thread::spawn(move || drop(hold));
            credit.suspend();
            holder.join().unwrap();
            assert_eq!(calls.load(Ordering::Relaxed), 1);
            assert!(!credit.is_waited_for());
        });
    }

    /// Breaks without it: two sources' threads take the same message of credit.
    #[test]
    fn credit_is_taken_once() {
        model(|| {
            let credit = Arc::new(Credit::new(3, 100));
            let other = Arc::clone(&credit);
            let taker = thread::spawn(move || other.try_take(2, 0));
            let mine = credit.try_take(2, 0);
            let theirs = taker.join().unwrap();
            assert_eq!(mine + theirs, 3);
            assert_eq!(credit.free_messages(), 0);
        });
    }
}
