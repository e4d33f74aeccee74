//! The part of a source's window that one of its connections has: [`Share`].
//!
//! A source with many senders has one credit, which the first that floods could take whole. So each connection
//! counts what it has in flight, and whoever reads them stops reading one that has its share. A share is no
//! credit: what is in flight has taken credit, too.

use super::sync::{AtomicBool, AtomicI64, Ordering, fence};

/// The messages that one connection has in flight, and who waits until they are fewer.
pub(crate) struct Share {
    in_flight: AtomicI64,
    /// Set while its owner waits.
    waiting: AtomicBool,
    /// Its owner waits until no more than this are in flight.
    resume_at: AtomicI64,
    resume: Box<dyn Fn() + Send + Sync>,
}

impl Share {
    /// A share with nothing in flight. `resume` answers [`Share::wait`]; it is called on the thread that gave
    /// credit back, and must only pass the news on.
    pub(crate) fn new(resume: Box<dyn Fn() + Send + Sync>) -> Self {
        let (in_flight, resume_at) = (AtomicI64::new(0), AtomicI64::new(0));
        Self { in_flight, waiting: AtomicBool::new(false), resume_at, resume }
    }

    /// Messages in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Counts `messages` more; to be called before they are posted.
    pub(crate) fn take(&self, messages: u32) {
        self.in_flight.fetch_add(i64::from(messages), Ordering::Relaxed);
    }

    /// Counts `messages` less, and tells who waits for that.
    pub(crate) fn give_back(&self, messages: u32) {
        self.in_flight.fetch_sub(i64::from(messages), Ordering::Relaxed);
        // Pairs with the fence in `wait`: either the waiter sees this, or this thread sees the waiter.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) {
            self.resume_if_possible();
        }
    }

    /// Waits until no more than `resume_at` messages are in flight: then `resume` is called, once, perhaps at
    /// once.
    pub(crate) fn wait(&self, resume_at: u32) {
        self.resume_at.store(i64::from(resume_at), Ordering::Relaxed);
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.resume_if_possible();
    }

    fn resume_if_possible(&self) {
        let is_possible = self.in_flight.load(Ordering::Relaxed) <= self.resume_at.load(Ordering::Relaxed);
        if is_possible && self.waiting.swap(false, Ordering::Relaxed) {
            (self.resume)();
        }
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Breaks without it: a connection that had its share is never read again, or is read although it has it.
    #[test]
    fn who_waits_is_told_once() {
        let told = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&told);
        let share = Share::new(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let told = || told.load(Ordering::Relaxed);
        share.take(10);
        share.give_back(4);
        assert_eq!((share.in_flight(), told()), (6, 0), "nobody waits");
        share.wait(3);
        share.give_back(2);
        assert_eq!(told(), 0, "still too many");
        share.give_back(1);
        share.give_back(1);
        assert_eq!((share.in_flight(), told()), (2, 1));
        share.wait(3);
        assert_eq!(told(), 2, "at once");
    }
}
