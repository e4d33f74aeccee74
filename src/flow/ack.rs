//! What became of a batch: [`Ack`].
//!
//! Every branch that a batch takes holds an [`Ack`] of it. An ack stands for two things that end at
//! different times on a path without flow control:
//!
//! * the *credit* of the batch, given back when the last ack that holds credit lets it go: at delivery
//!   under flow control, when it is queued otherwise;
//! * the *outcome* of its messages, counted when the last ack of any kind is gone: a message of which
//!   a copy was dropped counts as dropped, once; every other one as delivered.
//!
//! A message is *acknowledged* when the credit of its batch ends. Where the source has a [`Tracker`], the tracker is
//! told then, and gives the credit back by its own rules; it learns which rows were given up at a stop
//! ([`DropReason::Stopped`]), on any branch and up to that moment: nobody has those. A message dropped for any other reason is done
//! with, as if it was delivered.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Credit, SourceCounters, Tracker};
use crate::message::{Rows, Selection};

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The destination's queue was full (`log-fifo-size()`), on a path without flow control.
    QueueFull,
    /// The engine stopped before the message could be written.
    Stopped,
    /// Something in the engine failed that should not; the log has what.
    Fault,
    /// The message chose a path that cannot be written.
    UnwritablePath,
    /// A reload removed the destination, which could not write, and had nobody take its messages over.
    Removed,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::QueueFull, Self::Stopped, Self::Fault, Self::UnwritablePath, Self::Removed];

    /// The name in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Stopped => "stopped",
            Self::Fault => "fault",
            Self::UnwritablePath => "unwritable_path",
            Self::Removed => "removed",
        }
    }
}

struct Receipt {
    credit: Arc<Credit>,
    counters: Arc<SourceCounters>,
    messages: u32,
    bytes: AtomicU64,
    holders: AtomicU32,
    /// The reason for each row of which a copy was dropped; empty while there is none.
    dropped: Mutex<Vec<Option<DropReason>>>,
    tracked: Option<Tracked>,
}

/// Where the ticket of a batch is handed in.
struct Tracked {
    tracker: Arc<Tracker>,
    ticket: u64,
    /// Rows that were given up at a stop, as far as they are known when the credit ends.
    aborted: Mutex<Vec<u32>>,
}

impl Receipt {
    fn end_credit(&self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let Some(tracked) = &self.tracked else {
            return self.credit.give_back(self.messages, bytes);
        };
        let aborted = std::mem::take(&mut *lock(&tracked.aborted));
        tracked.tracker.acked(tracked.ticket, self.messages, bytes, aborted);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let dropped = self.dropped.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut lost = 0;
        for reason in DropReason::ALL {
            let count = dropped.iter().filter(|row| **row == Some(reason)).count() as u64;
            if count > 0 {
                self.counters.count_dropped(reason, count);
            }
            lost += count;
        }
        self.counters.count_delivered(u64::from(self.messages) - lost);
    }
}

/// One branch's hold on a batch; see the module.
pub struct Ack {
    receipt: Arc<Receipt>,
    holds_credit: bool,
}

impl Ack {
    /// The first ack of a batch of `messages` rows that took `bytes` bytes of credit.
    pub fn new(credit: &Arc<Credit>, counters: &Arc<SourceCounters>, messages: u32, bytes: u64) -> Self {
        Self::with_ticket(credit, counters, messages, bytes, None)
    }

    /// The same for a batch that has a ticket of a tracker's.
    pub fn with_ticket(
        credit: &Arc<Credit>,
        counters: &Arc<SourceCounters>,
        messages: u32,
        bytes: u64,
        ticket: Option<(&Arc<Tracker>, u64)>,
    ) -> Self {
        let tracked = ticket.map(|(tracker, ticket)| {
            let aborted = Mutex::new(Vec::new());
            Tracked { tracker: Arc::clone(tracker), ticket, aborted }
        });
        let receipt = Receipt {
            credit: Arc::clone(credit),
            counters: Arc::clone(counters),
            messages,
            bytes: AtomicU64::new(bytes),
            holders: AtomicU32::new(1),
            dropped: Mutex::new(Vec::new()),
            tracked,
        };
        Self { receipt: Arc::new(receipt), holds_credit: true }
    }

    /// Another ack of the same batch that holds no credit: for a branch without flow control.
    #[must_use]
    pub fn without_credit(&self) -> Self {
        Self { receipt: Arc::clone(&self.receipt), holds_credit: false }
    }

    /// Takes `bytes` bytes of credit more for its batch, even beyond what is free: memory that a step took.
    /// They come back with the others.
    pub fn charge(&self, bytes: u64) {
        debug_assert!(self.holds_credit, "of a batch whose credit is out");
        if bytes > 0 {
            self.receipt.credit.take_bytes(bytes);
            // Whoever ends the credit has seen all that held it go.
            self.receipt.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Whether it still holds the credit of its batch.
    pub fn holds_credit(&self) -> bool {
        self.holds_credit
    }

    /// Whether a tracker takes the end of its credit for the arrival of its messages.
    pub fn is_tracked(&self) -> bool {
        self.receipt.tracked.is_some()
    }

    /// How much of its source's window its batch takes, of messages or of bytes, in parts of `whole`: all of it for as long as
    /// one of its messages waits. Nothing without credit.
    pub fn window_share(&self, whole: u64) -> u64 {
        let Receipt { credit, messages, bytes, .. } = &*self.receipt;
        let share = |part: u64, of: u64| part.saturating_mul(whole) / of.max(1);
        let taken = share(u64::from(*messages), u64::from(credit.window()))
            .max(share(bytes.load(Ordering::Relaxed), credit.max_bytes()));
        if self.holds_credit { taken } else { 0 }
    }

    /// Lets go of the credit, and keeps the outcome open.
    pub fn let_go_of_credit(&mut self) {
        if std::mem::take(&mut self.holds_credit) && self.receipt.holders.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.receipt.end_credit();
        }
    }

    /// Counts `rows` of the batch as dropped.
    pub fn drop_rows(&self, rows: &Rows, reason: DropReason) {
        if let (DropReason::Stopped, Some(tracked)) = (reason, &self.receipt.tracked) {
            lock(&tracked.aborted).extend((0..rows.len()).map(|index| rows.at(index)));
        }
        let mut dropped = lock(&self.receipt.dropped);
        dropped.resize(self.receipt.messages as usize, None);
        for index in 0..rows.len() {
            dropped[rows.at(index) as usize].get_or_insert(reason);
        }
    }
}

impl Clone for Ack {
    fn clone(&self) -> Self {
        if self.holds_credit {
            self.receipt.holders.fetch_add(1, Ordering::Relaxed);
        }
        Self { receipt: Arc::clone(&self.receipt), holds_credit: self.holds_credit }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.let_go_of_credit();
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ack")
            .field("messages", &self.receipt.messages)
            .field("holds_credit", &self.holds_credit)
            .finish_non_exhaustive()
    }
}

/// Messages on their way to a destination.
///
/// The view goes before the ack, so that the memory of a batch is free by the time that its credit is.
#[derive(Debug)]
pub struct Delivery {
    /// The messages.
    pub view: Selection,
    /// The hold on their batch.
    pub ack: Ack,
    /// Whether their path has flow control: then they keep their credit whatever happens. Otherwise the
    /// destination lets go of it when it cannot write.
    pub flow_control: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Arc<Credit>, Arc<SourceCounters>) {
        let credit = Arc::new(Credit::new(100, 1000));
        assert_eq!(credit.try_take(10, 50), 10);
        let counters = Arc::new(SourceCounters::default());
        counters.producer().add(10, 50);
        (credit, counters)
    }

    #[test]
    fn credit_returns_with_the_last_ack_that_holds_it_and_outcome_with_the_last_of_all() {
        let (credit, counters) = parts();
        let ack = Ack::new(&credit, &counters, 10, 50);
        let (held, queued) = (ack.clone(), ack.without_credit());
        drop(ack);
        assert_eq!(credit.free_messages(), 90);
        drop(held);
        assert_eq!((credit.free_messages(), credit.free_bytes()), (100, 1000));
        assert_eq!((counters.totals().delivered, counters.totals().in_flight), (0, 10));
        drop(queued);
        assert_eq!((counters.totals().delivered, counters.totals().in_flight), (10, 0));
    }

    /// Breaks without it: a few large messages, or a batch that is nearly written, pass for a small share of the window.
    #[test]
    fn a_batch_takes_its_share_of_messages_or_of_bytes() {
        let (credit, counters) = parts();
        let few = Ack::new(&credit, &counters, 10, 50);
        assert_eq!((few.window_share(1000), few.without_credit().window_share(1000)), (100, 0));
        assert_eq!(credit.try_take(10, 250), 10);
        assert_eq!(Ack::new(&credit, &counters, 10, 250).window_share(1000), 250);
    }

    #[test]
    fn a_message_dropped_on_two_branches_is_dropped_once() {
        let (credit, counters) = parts();
        let ack = Ack::new(&credit, &counters, 10, 50);
        let other = ack.without_credit();
        ack.drop_rows(&Rows::Range(7..10), DropReason::QueueFull);
        other.drop_rows(&Rows::List(Arc::from([0, 9])), DropReason::Stopped);
        drop((ack, other));
        let totals = counters.totals();
        assert_eq!((totals.delivered, totals.dropped), (6, [3, 1, 0, 0, 0]));
        assert_eq!(totals.posted, totals.delivered + totals.dropped_total() + totals.in_flight);
    }
}
