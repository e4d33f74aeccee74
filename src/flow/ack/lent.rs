//! Messages that a buffer lends to the destination behind it: [`Lent`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::receipt::{Receipt, lock};
use super::{Ack, Credit, DropReason, Hold, SourceCounters};
use crate::message::Rows;

/// One delivery that a buffer keeps, while the destination behind it has an ack of its own for the same rows
/// ([`Ack::of_lent`]).
///
/// The buffer has the delivery's own ack in here, until the rows are done or on the disk. Rows that the
/// destination drops or that are refused count as such at their source, if it still waits for them; those
/// that it gives back as it stops ([`DropReason::Stopped`]) are the buffer's.
pub(crate) struct Lent {
    original: Mutex<Option<Ack>>,
    is_done: AtomicBool,
    /// Rows that the destination has given back.
    returned: Mutex<Vec<u32>>,
    /// Called when it is done.
    on_done: Arc<dyn Fn() + Send + Sync>,
}

/// The account that the acks of one buffer are charged to: without a bound, as the buffer has bounds of its
/// own.
#[derive(Debug, Clone)]
pub(crate) struct LentAccount {
    credit: Arc<Credit>,
    counters: Arc<SourceCounters>,
}

impl Default for LentAccount {
    fn default() -> Self {
        Self { credit: Arc::new(Credit::new(u32::MAX, u64::MAX)), counters: Arc::default() }
    }
}

impl Lent {
    /// A delivery with this ack, or one that comes from the disk.
    pub(crate) fn new(original: Option<Ack>, on_done: &Arc<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Self {
            original: Mutex::new(original),
            is_done: AtomicBool::new(false),
            returned: Mutex::default(),
            on_done: Arc::clone(on_done),
        })
    }

    /// Tells whether the destination is done with all rows, or has given them back.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// Tells whether nobody needs its messages any more: the destination is done with all rows, and has given
    /// none back.
    pub(crate) fn is_over(&self) -> bool {
        self.is_done() && lock(&self.returned).is_empty()
    }

    /// Takes the ack that the delivery came with: dropped, its rows are acknowledged.
    pub(crate) fn take_original(&self) -> Option<Ack> {
        lock(&self.original).take()
    }

    /// Calls `look` with the ack that the delivery came with, if it is still here.
    pub(crate) fn with_original<T>(&self, look: impl FnOnce(&mut Ack) -> T) -> Option<T> {
        lock(&self.original).as_mut().map(look)
    }

    /// The rows that were given back, in order.
    pub(crate) fn returned(&self) -> Vec<u32> {
        let mut rows = lock(&self.returned).clone();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    pub(super) fn end(&self) {
        self.is_done.store(true, Ordering::Release);
        (self.on_done)();
    }

    pub(super) fn drop_rows(&self, rows: &Rows, reason: DropReason) {
        if reason == DropReason::Stopped {
            lock(&self.returned).extend(rows.iter());
        } else if let Some(original) = &*lock(&self.original) {
            original.drop_rows(rows, reason);
        }
    }

    pub(super) fn reject_rows(&self, rows: &Rows) {
        if let Some(original) = &*lock(&self.original) {
            original.reject_rows(rows);
        }
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lent").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

impl Ack {
    /// The ack of a destination that has the rows of `lent`, which are rows of a batch of `messages`.
    pub(crate) fn of_lent(lent: &Arc<Lent>, messages: u32, account: &LentAccount) -> Self {
        account.credit.take(messages, 0);
        let mut receipt = Receipt::new(&account.credit, &account.counters, messages, 0, None, Vec::new());
        receipt.lent = Some(Arc::clone(lent));
        Self { receipt: Arc::new(receipt), hold: Hold::Whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Rows;

    fn lent(messages: u32) -> (Arc<Credit>, Arc<SourceCounters>, Arc<Lent>, Ack) {
        let (credit, counters) = (Arc::new(Credit::new(10, 1000)), Arc::<SourceCounters>::default());
        assert_eq!(credit.try_take(messages, 0), messages);
        let original = Ack::new(&credit, &counters, messages, 0);
        let on_done: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
        let lent = Lent::new(Some(original), &on_done);
        let ack = Ack::of_lent(&lent, messages, &LentAccount::default());
        (credit, counters, lent, ack)
    }

    /// Breaks without it: a message that waits in a buffer is acknowledged before anybody has it, or never.
    #[test]
    fn the_original_waits_for_whoever_lent_it() {
        let (credit, counters, lent, ack) = lent(3);
        let part = ack.clone();
        drop(ack);
        assert!(!lent.is_done());
        drop(part);
        assert!(lent.is_done() && lent.returned().is_empty());
        assert_eq!(credit.free_messages(), 7, "until the buffer lets go");
        drop(lent.take_original());
        assert_eq!((credit.free_messages(), counters.totals().delivered), (10, 3));
        assert!(lent.take_original().is_none());
    }

    /// Breaks without it: a message that a destination dropped behind a buffer counts as delivered at its
    /// source, or one that it gives back as dropped.
    #[test]
    fn outcomes_are_those_of_the_original() {
        let (_, counters, lent, ack) = lent(4);
        ack.drop_rows(&Rows::Range(1..2), DropReason::Refused);
        ack.reject_rows(&Rows::Range(2..3));
        ack.drop_rows(&Rows::Range(3..4), DropReason::Stopped);
        drop(ack);
        assert!(lent.is_done() && !lent.is_over());
        assert_eq!(lent.returned(), [3]);
        drop(lent.take_original());
        let totals = counters.totals();
        assert_eq!((totals.delivered, totals.rejected, totals.dropped.iter().sum::<u64>()), (2, 1, 1));
    }
}
