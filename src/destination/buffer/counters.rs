//! The counts of a buffer, for statistics: [`BufferCounters`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::disk::Usage;

/// The counts of one buffer; all are 0 where there is none.
#[derive(Debug, Default)]
pub(crate) struct BufferCounters {
    bytes: AtomicU64,
    capacity: AtomicU64,
    segments: AtomicU64,
    messages: AtomicU64,
    /// Microseconds since 1970.
    oldest: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) commit_micros: AtomicU64,
    pub(super) lost: AtomicU64,
    /// 1 while nothing can be written.
    pub(super) stalled: AtomicU64,
    /// 1 while the destination takes nothing.
    pub(super) away: AtomicU64,
}

/// The counts of a buffer at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BufferTotals {
    /// Bytes of its segments on the disk, as they are allocated.
    pub(crate) bytes: u64,
    /// The most bytes that they may have.
    pub(crate) capacity: u64,
    /// Its segments.
    pub(crate) segments: u64,
    /// Messages that are on the disk and not delivered.
    pub(crate) messages: u64,
    /// The time since the oldest of them came; it may be some seconds too long.
    pub(crate) oldest: Duration,
    /// Waits for the disk.
    pub(crate) commits: u64,
    /// The time of all of them.
    pub(crate) commit_time: Duration,
    /// Messages that were on the disk, and are damaged.
    pub(crate) lost: u64,
    /// True while nothing can be written: it is full, or the disk fails.
    pub(crate) is_stalled: bool,
    /// True while its destination takes nothing.
    pub(crate) is_away: bool,
}

impl BufferCounters {
    /// Takes the extent of the buffer.
    pub(super) fn take(&self, usage: &Usage) {
        let counts = [
            (&self.bytes, usage.bytes),
            (&self.capacity, usage.capacity),
            (&self.segments, usage.segments),
            (&self.messages, usage.messages),
            (&self.oldest, usage.oldest.unwrap_or(0)),
        ];
        for (counter, value) in counts {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// Says that there is no buffer any more; how many messages were on the disk and not delivered.
    pub(super) fn close(&self) -> u64 {
        let messages = self.messages.load(Ordering::Relaxed);
        self.take(&Usage::default());
        self.stalled.store(0, Ordering::Relaxed);
        messages
    }

    /// The counts at this moment, if there is a buffer.
    pub(crate) fn totals(&self) -> Option<BufferTotals> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let capacity = read(&self.capacity);
        if capacity == 0 {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest = match read(&self.oldest) {
            0 => Duration::ZERO,
            at => now.saturating_sub(Duration::from_micros(at)),
        };
        Some(BufferTotals {
            bytes: read(&self.bytes),
            capacity,
            segments: read(&self.segments),
            messages: read(&self.messages),
            oldest,
            commits: read(&self.commits),
            commit_time: Duration::from_micros(read(&self.commit_micros)),
            lost: read(&self.lost),
            is_stalled: read(&self.stalled) != 0,
            is_away: read(&self.away) != 0,
        })
    }
}
