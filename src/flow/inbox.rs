//! A queue with many senders and one receiver, and how the receiver waits: [`Inbox`].
//!
//! # The queue
//! crossbeam's `SegQueue`: lock-free, unbounded by itself. What is in it is bounded by credit, taken
//! before anything is sent, so a send never finds it full and never waits.
//!
//! # Waiting
//! A receiver of batches that are still being filled naps after each look that brought some ([`Inbox::nap`]),
//! whatever has come meanwhile: otherwise it would take the next batch nearly empty, and so on, for as long
//! as messages come.
//!
//! A receiver whose sender will soon stand still without it does not nap ([`Inbox::spin_or_nap`]): if it
//! called that a moment ago as well, it spins for up to `SPIN_WAIT`, so that a call of [`Sender::wake`] costs
//! the sender no system call and takes effect at once. Between looks it lets other threads have its
//! processor.
//!
//! The receiver that finds the queue empty waits in two steps.
//!
//! 1. It *naps*: it parks for at most [`NAP`], and nobody wakes it for a message. While messages keep
//!    coming this is the only wait: a sender pays for no system call, and what arrives in the
//!    meantime piles up into one batch.
//! 2. After `NAPS` naps that brought nothing, or at once when it has slept long before it got what it had, it
//!    *sleeps*: it says so in `sleeping`, looks at the queue once more, and parks. A sender that finds
//!    `sleeping` set wakes it.
//!
//! A nap is longer where a look brought much (a *flood*), and longest where that was little for a flood.
//!
//! ```text
//!  receiver                          sender
//!  sleeping = true                   push(item)
//!  fence                             fence
//!  queue empty? ── yes ─► park       sleeping? ── yes ─► sleeping = false; unpark
//! ```
//! With a fence between its own write and its read on both sides, at least one of the two sees the
//! other's write: an item is never left with a sleeping receiver. A token of `unpark` is kept by the
//! parker, so a wake-up that comes before the park is not lost.

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::sync::{AtomicBool, Ordering, Parker, Queue, Unparker, fence};

/// The time that a receiver which just had work looks away before it looks again.
pub(crate) const NAP: Duration = Duration::from_micros(50);
/// The same in a flood: batches fill whole meanwhile, and one that its writer has ended costs less to take.
const FLOOD_NAP: Duration = Duration::from_micros(400);
/// The same when it is a light one, as of lists that come now and then: each look costs as much as hundreds
/// of messages.
const LIGHT_NAP: Duration = Duration::from_micros(900);
/// A look that brought so much was one of a flood.
const FLOOD: usize = 100;
/// And one that brought less than this of a light one: more would not be in the caches any more after a
/// longer nap.
const HEAVY: usize = 400;
/// The longest spin, and how long ago the last one may be.
const SPIN_WAIT: Duration = Duration::from_micros(100);
/// The number of looks without letting other threads have the processor.
const LOOKS: u32 = 32;
/// A receiver that slept longer than this, which is what a nap takes, expects that nothing follows soon: one
/// message a millisecond costs one wake-up, and no naps.
const REST: Duration = Duration::from_micros(100);
/// The number of short sleeps in a row that end that.
const RESTS: u32 = 2;
/// The number of naps without work before it sleeps.
const NAPS: u32 = 2;

struct Channel<T> {
    queue: Queue<T>,
    sleeping: CachePadded<AtomicBool>,
    /// True when the receiver was called since it began its last look.
    called: CachePadded<AtomicBool>,
    /// True when the receiver naps in a light flood.
    light: CachePadded<AtomicBool>,
    unparker: Unparker,
}

/// The receiving end; one thread has it.
pub struct Inbox<T> {
    shared: Arc<Channel<T>>,
    parker: Parker,
    nap: Duration,
    naps: u32,
    /// Items that were left for the next look: before all others.
    left_behind: VecDeque<T>,
    /// The time of the last [`Inbox::spin_or_nap`].
    last_spin: Option<Instant>,
    /// True when the last wait was a sleep.
    slept: bool,
    /// The number of times it may still sleep at once, when it has sent on what woke it.
    rests: u32,
}

/// The sending end.
pub struct Sender<T>(Arc<Channel<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Puts `item` into the queue, and wakes the receiver if it sleeps; whether it did.
    pub fn send(&self, item: T) -> bool {
        self.0.queue.push(item);
        fence(Ordering::SeqCst);
        let sleeps = self.0.sleeping.load(Ordering::Relaxed);
        if sleeps {
            self.wake();
        }
        sleeps
    }

    /// Wakes the receiver from a nap or from sleep.
    pub fn wake(&self) {
        self.0.called.store(true, Ordering::Release);
        self.0.sleeping.store(false, Ordering::Relaxed);
        self.0.unparker.unpark();
    }

    /// True when the receiver naps and what it gets is little: an item that is handed over whole, with
    /// nothing to follow soon, saves it more than it costs. A hint.
    pub(crate) fn naps_lightly(&self) -> bool {
        self.0.light.load(Ordering::Relaxed)
    }

    /// True when the queue is empty at this moment.
    pub fn is_empty(&self) -> bool {
        self.0.queue.is_empty()
    }

    /// True when the receiver sleeps at this moment.
    #[cfg(test)]
    pub(in crate::flow) fn is_slept_on(&self) -> bool {
        self.0.sleeping.load(Ordering::Relaxed)
    }
}

impl<T> std::fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("queued", &self.0.queue.len()).finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("queued", &self.shared.queue.len()).finish_non_exhaustive()
    }
}

// Not in the models: it comes after everything that they are about.
#[cfg(not(loom))]
impl<T> Drop for Inbox<T> {
    /// Drops what nobody will receive: an item may hold a sender, and the queue would keep itself for ever.
    fn drop(&mut self) {
        while self.shared.queue.pop().is_some() {}
    }
}

/// Lets the naps of the calling thread end when they are due, to a microsecond. By default the kernel may end
/// a thread's timers 50 µs late (`PR_SET_TIMERSLACK`, prctl(2)), as long again as a [`NAP`].
pub fn nap_precisely() {
    // Where the kernel refuses, naps are longer, and nothing else is different.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Inbox<T> {
    /// An empty inbox whose receiver naps for [`NAP`].
    pub fn new() -> Self {
        Self::with_nap(NAP)
    }

    /// An empty inbox whose receiver, while items keep coming, naps for `nap`.
    pub(crate) fn with_nap(nap: Duration) -> Self {
        let parker = Parker::new();
        let shared = Channel {
            queue: Queue::new(),
            sleeping: CachePadded::new(AtomicBool::new(false)),
            called: CachePadded::new(AtomicBool::new(false)),
            light: CachePadded::new(AtomicBool::new(false)),
            unparker: parker.unparker().clone(),
        };
        let (left_behind, last_spin) = (VecDeque::new(), None);
        Self {
            shared: Arc::new(shared),
            parker,
            nap,
            naps: NAPS,
            left_behind,
            last_spin,
            slept: false,
            rests: 0,
        }
    }

    /// Another sending end.
    pub fn sender(&self) -> Sender<T> {
        Sender(Arc::clone(&self.shared))
    }

    /// True when there is no item now.
    pub fn is_empty(&self) -> bool {
        self.left_behind.is_empty() && self.shared.queue.is_empty()
    }

    /// The number of items now; all that were sent before the call are among them.
    pub fn len(&self) -> usize {
        self.left_behind.len() + self.shared.queue.len()
    }

    /// Changes for how long the receiver naps while items keep coming.
    pub(crate) fn set_nap(&mut self, nap: Duration) {
        self.nap = nap;
    }

    /// For how long it naps.
    #[cfg(test)]
    pub(crate) fn nap_time(&self) -> Duration {
        self.nap
    }

    /// The next item, if there is one now.
    pub fn try_recv(&mut self) -> Option<T> {
        let item = self.left_behind.pop_front().or_else(|| self.shared.queue.pop());
        if item.is_some() {
            self.naps = 0;
        }
        item
    }

    /// Leaves items, which [`Inbox::try_recv`] gave in this order, for the next look: it gives them again,
    /// before all others.
    pub(crate) fn leave_behind(&mut self, items: Vec<T>) {
        for item in items.into_iter().rev() {
            self.left_behind.push_front(item);
        }
    }

    /// Begins a look, which answers the calls of [`Sender::wake`] before it: how many items there are, and
    /// how many of them were left behind by the look before.
    pub(crate) fn begin_look(&self) -> (usize, usize) {
        self.shared.called.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        (self.len(), self.left_behind.len())
    }

    /// Waits for a call of [`Sender::wake`] without going to sleep, if it did so a moment ago, too; otherwise naps.
    pub(crate) fn spin_or_nap(&mut self, due: impl FnOnce() -> Option<Instant>) {
        let now = Instant::now();
        let again = self.last_spin.is_some_and(|before| now.saturating_duration_since(before) < SPIN_WAIT);
        self.last_spin = Some(now);
        if again && self.spin_wait(now + SPIN_WAIT) {
            self.slept = false;
        } else {
            self.nap(0, due);
        }
    }

    /// Looks for a call until `end`; whether one came.
    fn spin_wait(&self, end: Instant) -> bool {
        loop {
            for _ in 0..LOOKS {
                if self.shared.called.load(Ordering::Acquire) {
                    // The call's token would end the next nap.
                    self.parker.park_timeout(Duration::ZERO);
                    return true;
                }
                spin_loop();
            }
            if Instant::now() >= end {
                return false;
            }
            yield_now();
        }
    }

    /// Waits for a nap whatever is in the queue, so that items which are still being filled are worth taking;
    /// a longer one in a flood, which is told by what the look before `brought`. A call of [`Sender::wake`]
    /// ends it, and so does the time that is `due`, where it is longer than a nap.
    pub(crate) fn nap(&mut self, brought: usize, due: impl FnOnce() -> Option<Instant>) {
        let flood = brought >= FLOOD;
        if std::mem::take(&mut self.slept) && self.rests > 0 && self.is_empty() && !flood {
            return self.sleep(due());
        }
        self.rests = 0;
        // After a long one that brings nothing, the flood is over.
        self.naps = if flood { NAPS } else { self.naps + 1 };
        let light = flood && brought < HEAVY;
        let nap = match (flood, light) {
            (false, _) => self.nap,
            (true, true) => self.nap.max(LIGHT_NAP),
            (true, false) => self.nap.max(FLOOD_NAP),
        };
        self.shared.light.store(light, Ordering::Relaxed);
        self.parker.park_timeout(nap);
        if light {
            self.shared.light.store(false, Ordering::Relaxed);
        }
    }

    /// Waits until there may be something to do: an item, a call of [`Sender::wake`], or `deadline`.
    pub fn wait(&mut self, deadline: Option<Instant>) {
        let rested = std::mem::take(&mut self.slept) && self.rests > 0;
        if !self.is_empty() {
            self.rests = 0;
            return;
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return;
        }
        if self.naps < NAPS && !rested {
            self.naps += 1;
            let nap = deadline.map_or(self.nap, |deadline| {
                self.nap.min(deadline.saturating_duration_since(Instant::now()))
            });
            self.parker.park_timeout(nap);
            return;
        }
        self.sleep(deadline);
    }

    /// Waits until it is woken or `deadline` comes, unless there is something in the queue.
    pub(super) fn sleep(&mut self, deadline: Option<Instant>) {
        let begun = Instant::now();
        self.shared.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.shared.queue.is_empty() {
            match deadline {
                Some(deadline) => {
                    self.parker.park_deadline(deadline);
                }
                None => self.parker.park(),
            }
        }
        self.shared.sleeping.store(false, Ordering::Relaxed);
        self.slept = true;
        // The models know no time: they go through all of the naps, and every sleep comes after them.
        self.rests = if !cfg!(loom) && begun.elapsed() > REST { RESTS } else { self.rests.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests;

/// Every order in which the threads can go, as far as three switches against a thread's will take it.
#[cfg(all(test, loom))]
mod loom_models;
