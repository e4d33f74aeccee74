//! The counters of each source, so that anyone can add up:
//! **posted + generated = delivered + dropped (by reason) + filtered + rejected + in flight**.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::utils::CachePadded;

use super::DropReason;

/// The counters of one source.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// One counter for each producer that ever was: written by it alone, without a locked instruction.
    posted: Mutex<Vec<Arc<ProducerCounters>>>,
    delivered: CachePadded<AtomicU64>,
    filtered: AtomicU64,
    rejected: AtomicU64,
    generated: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    refused: AtomicU64,
}

/// The counts of what one producer posted.
#[derive(Debug, Default)]
pub(super) struct ProducerCounters {
    messages: CachePadded<AtomicU64>,
    bytes: AtomicU64,
}

impl ProducerCounters {
    /// Adds to a counter that only the calling producer writes.
    #[inline]
    pub(super) fn add(&self, messages: u64, bytes: u64) {
        let add = |counter: &AtomicU64, more| {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        add(&self.messages, messages);
        add(&self.bytes, bytes);
    }
}

/// The counters of a source at one moment; they always add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceTotals {
    /// Messages accepted by a post.
    pub posted: u64,
    /// The bytes of their texts and values, as they were posted.
    pub bytes: u64,
    /// Messages that steps made of others.
    pub generated: u64,
    /// Messages of which a copy was delivered, and none was dropped; or that became part of one that a step
    /// made.
    pub delivered: u64,
    /// Messages that went to no destination: filters let them go nowhere, or their paths have none.
    pub filtered: u64,
    /// Messages of which a copy was refused by a destination for good, and went to `on-reject()`; none was
    /// dropped.
    pub rejected: u64,
    /// Messages of which a copy was dropped, by reason (the order of [`DropReason::ALL`]).
    pub dropped: [u64; DropReason::ALL.len()],
    /// Messages that are on their way: the rest.
    pub in_flight: u64,
    /// Posts that were refused with an error, and so were never posted.
    pub refused: u64,
}

impl SourceTotals {
    /// Adds what another source, or an earlier life of the same, counted.
    pub fn add(&mut self, other: &Self) {
        self.posted += other.posted;
        self.bytes += other.bytes;
        self.generated += other.generated;
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        for (mine, theirs) in self.dropped.iter_mut().zip(other.dropped) {
            *mine += theirs;
        }
        self.in_flight += other.in_flight;
        self.refused += other.refused;
    }

    /// Dropped messages, all reasons together.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

impl SourceCounters {
    pub(super) fn producer(&self) -> Arc<ProducerCounters> {
        let mut producers = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        if producers.len() > 64 {
            fold(&mut producers);
        }
        let counters = Arc::new(ProducerCounters::default());
        producers.push(Arc::clone(&counters));
        counters
    }

    pub(super) fn count_delivered(&self, messages: u64) {
        self.delivered.fetch_add(messages, Ordering::Release);
    }

    /// Counts messages that a test posts without a producer.
    #[cfg(test)]
    pub(crate) fn count_posted(&self, messages: u64) {
        self.producer().add(messages, 0);
    }

    pub(super) fn count_filtered(&self, messages: u64) {
        self.filtered.fetch_add(messages, Ordering::Release);
    }

    pub(super) fn count_rejected(&self, messages: u64) {
        self.rejected.fetch_add(messages, Ordering::Release);
    }

    pub(super) fn count_generated(&self, messages: u64) {
        self.generated.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, reason: DropReason, messages: u64) {
        self.dropped[reason as usize].fetch_add(messages, Ordering::Release);
    }

    /// Counts posts that were refused with an error.
    pub fn count_refused(&self, messages: u64) {
        self.refused.fetch_add(messages, Ordering::Relaxed);
    }

    /// The counters now. What is done is read before what was posted, so in flight is never negative.
    pub fn totals(&self) -> SourceTotals {
        let delivered = self.delivered.load(Ordering::Acquire);
        let dropped = DropReason::ALL.map(|reason| self.dropped[reason as usize].load(Ordering::Acquire));
        let filtered = self.filtered.load(Ordering::Acquire);
        let rejected = self.rejected.load(Ordering::Acquire);
        let done = delivered + filtered + rejected + dropped.iter().sum::<u64>();
        let generated = self.generated.load(Ordering::Relaxed);
        let producers = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |read: fn(&ProducerCounters) -> u64| producers.iter().map(|each| read(each)).sum();
        let posted: u64 = sum(|each| each.messages.load(Ordering::Relaxed));
        let bytes = sum(|each| each.bytes.load(Ordering::Relaxed));
        // A producer counts after it publishes: a batch may come back before its last row is counted.
        let posted = posted.max(done.saturating_sub(generated));
        let in_flight = posted + generated - done;
        SourceTotals {
            posted,
            bytes,
            generated,
            delivered,
            filtered,
            rejected,
            dropped,
            in_flight,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// Makes one counter of all those whose producer is gone.
fn fold(producers: &mut Vec<Arc<ProducerCounters>>) {
    let gone = ProducerCounters::default();
    producers.retain(|each| {
        let alive = Arc::strong_count(each) > 1;
        if !alive {
            gone.add(each.messages.load(Ordering::Relaxed), each.bytes.load(Ordering::Relaxed));
        }
        alive
    });
    producers.push(Arc::new(gone));
}
