//! One stamp for messages of one moment: [`StampCache`].
//!
//! In a loop of posts the counter was a third of what a message costs beside the interpreter. So up to
//! `SHARED` messages in a row have one stamp ([`StampCache::share`]), under conditions that bound how old it
//! is:
//!
//! * those before came at less than a microsecond each, so that all of them together take 64 µs at most, and
//!   in a tight loop two;
//! * the last one was posted into an open batch ([`StampCache::posted`]), and no batch was taken by a worker
//!   since the counter was read. A worker takes an open batch at its next look or the one after it, 50 µs
//!   later, in a flood 400 or 900 µs, where it has a core; so a loop that pauses in the middle of them finds
//!   its batch taken, and reads the counter.
//!
//! Whoever makes messages without posting them, or posts slower, or waits, gets a stamp of its own for each.

use std::cell::Cell;

use crate::message::{Head, Stamp};
use crate::syslog::names::DEFAULT_PRI;

/// Most messages that have one stamp.
const SHARED: u32 = 64;

/// The stamp that messages share. It is made of cells, so that nobody borrows it.
pub struct StampCache {
    /// The head of a message that gets the stamp given out last.
    head: Cell<Head>,
    /// The number of batches that had been taken before it was read.
    taken: Cell<u32>,
    /// The number of messages that may still have it.
    left: Cell<u32>,
    /// The number that was allowed to, after the first one.
    allowed: Cell<u32>,
    /// The number that may once its first message is posted.
    granted: Cell<u32>,
}

impl StampCache {
    /// Before the first message.
    pub const fn new() -> Self {
        Self {
            head: Cell::new(Head::EMPTY),
            taken: Cell::new(0),
            left: Cell::new(0),
            allowed: Cell::new(0),
            granted: Cell::new(0),
        }
    }

    /// Takes `stamp` as the last one, which nothing shares: a shared one after it would be before it.
    pub fn restart(&self, stamp: Stamp) {
        self.give(stamp, 0, 0);
    }

    fn give(&self, stamp: Stamp, taken: u32, granted: u32) -> Head {
        let head = Head::at(stamp, DEFAULT_PRI);
        self.head.set(head);
        self.taken.set(taken);
        self.left.set(0);
        self.allowed.set(0);
        self.granted.set(granted);
        head
    }

    /// The stamp for another message, when `taken` batches have been taken, if it may have that of the
    /// message before it. Otherwise [`StampCache::begin`] gives it its own.
    #[inline]
    pub fn share(&self, taken: u32) -> Option<Head> {
        self.left.set(self.left.get().checked_sub(1)?);
        (self.taken.get() == taken).then(|| self.head.get())
    }

    /// Says that the message that was made last is in an open batch, which a worker will take: others may
    /// have its stamp.
    #[inline]
    pub fn posted(&self) {
        let granted = self.granted.get();
        if granted > 0 {
            self.left.set(granted);
            self.allowed.set(granted);
            self.granted.set(0);
        }
    }

    /// Takes `stamp`, read when `taken` batches had been taken, and grants it to later messages if those
    /// before came quickly.
    pub fn begin(&self, stamp: Stamp, taken: u32) -> Head {
        let messages = 1 + self.allowed.get() - self.left.get();
        let micros = stamp.unix_micros.wrapping_sub(self.head.get().stamp_micros);
        let quickly = (0..=i64::from(messages)).contains(&micros);
        self.give(stamp, taken, if quickly { SHARED - 1 } else { 0 })
    }
}

impl Default for StampCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: messages share a stamp though they come slowly, are not posted, or after a worker
    /// took the batch of the one before, so that nothing bounds how old it is.
    #[test]
    fn a_stamp_is_shared_by_quick_posts_into_one_batch() {
        let stamp = |micros| Stamp { unix_micros: micros, offset_seconds: 0 };
        let shared = StampCache::new();
        let share = |taken| shared.share(taken).map(|head| head.stamp());
        shared.begin(stamp(1000), 7);
        shared.posted();
        assert_eq!(share(7), None, "the one before was a millisecond earlier");
        shared.begin(stamp(1001), 7);
        assert_eq!(share(7), None, "not posted");
        shared.posted();
        for _ in 1..SHARED {
            assert_eq!(share(7), Some(stamp(1001)));
        }
        assert_eq!(share(7), None, "enough");
        let later = 1001 + i64::from(SHARED);
        shared.begin(stamp(later), 7);
        shared.posted();
        assert_eq!(share(7), Some(stamp(later)));
        assert_eq!(share(8), None, "the batch was taken");
        shared.begin(stamp(later + 4), 8);
        shared.posted();
        assert_eq!(share(8), None, "two messages in four microseconds");
        shared.begin(stamp(later + 3), 8);
        shared.posted();
        assert_eq!(share(8), None, "the clock was set back");
    }
}
