//! The one receipt of a batch, which all of its acks share: [`Receipt`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{DropReason, Kept, Lent};
use crate::flow::{Credit, Share, SourceCounters, Tracker};
use crate::message::Rows;

/// The credit that a batch took, and the outcome of its messages.
pub(super) struct Receipt {
    pub(super) credit: Arc<Credit>,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) messages: u32,
    /// The messages of credit that have not come back.
    left: AtomicU32,
    bytes: AtomicU64,
    /// The part of `bytes` that steps took.
    grown: AtomicU64,
    /// The number of holders of the credit.
    holders: AtomicU32,
    /// For each row how many hold its credit, where that differs from row to row.
    row_holders: OnceLock<Box<[AtomicU32]>>,
    /// The number of rows that went to no destination.
    filtered: AtomicU32,
    /// The outcome of each row of which a copy was dropped or rejected; empty while there is none.
    lost: Mutex<Vec<Option<Loss>>>,
    tracked: Option<Tracked>,
    /// The share that counts its messages, where its source has several connections.
    pub(super) share: Option<Arc<Share>>,
    /// The messages that these were made of, where a step made them.
    made_of: Mutex<Vec<Kept>>,
    /// The delivery of a buffer's that these rows are.
    pub(super) lent: Option<Arc<Lent>>,
}

/// The outcome of a row that is not simply delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Rejected,
    Dropped(DropReason),
}

/// The tracker that takes the ticket of a batch.
struct Tracked {
    tracker: Arc<Tracker>,
    ticket: u64,
    /// The number of those that keep the ticket: those that hold the credit, together one, and each [`Kept`].
    keepers: AtomicU32,
    /// Rows that were given up at a stop, as far as they are known when the ticket is handed in.
    aborted: Mutex<Vec<u32>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receipt {
    /// Of a batch of `messages` rows that took `bytes` bytes of credit; one holds it.
    pub(super) fn new(
        credit: &Arc<Credit>,
        counters: &Arc<SourceCounters>,
        messages: u32,
        bytes: u64,
        ticket: Option<(&Arc<Tracker>, u64)>,
        made_of: Vec<Kept>,
    ) -> Self {
        let tracked = ticket.map(|(tracker, ticket)| {
            let (keepers, aborted) = (AtomicU32::new(1), Mutex::new(Vec::new()));
            Tracked { tracker: Arc::clone(tracker), ticket, keepers, aborted }
        });
        Self {
            credit: Arc::clone(credit),
            counters: Arc::clone(counters),
            messages,
            left: AtomicU32::new(messages),
            bytes: AtomicU64::new(bytes),
            grown: AtomicU64::new(0),
            holders: AtomicU32::new(1),
            row_holders: OnceLock::new(),
            filtered: AtomicU32::new(0),
            lost: Mutex::new(Vec::new()),
            tracked,
            share: None,
            made_of: Mutex::new(made_of),
            lent: None,
        }
    }

    pub(super) fn is_tracked(&self) -> bool {
        self.tracked.is_some()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` bytes of credit more; the caller holds the credit.
    pub(super) fn charge(&self, bytes: u64) {
        self.credit.grow(bytes);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.grown.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more holds the credit.
    #[inline]
    pub(super) fn hold(&self) {
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// One less holds the credit.
    #[inline]
    pub(super) fn let_go(&self) {
        if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end_credit();
        }
    }

    /// Gives `messages` of credit back before the others. Where there is a tracker it says when credit comes
    /// back.
    fn give_back(&self, messages: u32) {
        if messages > 0 && self.tracked.is_none() {
            self.left.fetch_sub(messages, Ordering::Relaxed);
            self.credit.give_back(messages, 0);
            self.give_back_share(messages);
        }
    }

    fn give_back_share(&self, messages: u32) {
        if let Some(share) = &self.share {
            share.give_back(messages);
        }
    }

    fn end_credit(&self) {
        let (left, bytes) = (self.left.load(Ordering::Relaxed), self.bytes());
        self.credit.shrink(self.grown.load(Ordering::Relaxed));
        match &self.tracked {
            None => self.credit.give_back(left, bytes),
            Some(tracked) => self.end_tracked(tracked, left, bytes),
        }
        self.give_back_share(left);
        // What a made message stands for is acknowledged with it.
        drop(std::mem::take(&mut *lock(&self.made_of)));
        if let Some(lent) = &self.lent {
            lent.end();
        }
    }

    fn end_tracked(&self, tracked: &Tracked, left: u32, bytes: u64) {
        // Nobody begins to keep a ticket any more: that takes the credit.
        if tracked.keepers.load(Ordering::Acquire) == 1 {
            let aborted = std::mem::take(&mut *lock(&tracked.aborted));
            return tracked.tracker.acked(tracked.ticket, self.messages, (left, bytes), aborted);
        }
        // A step keeps some of the messages: their credit is back before they are acknowledged.
        self.left.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.credit.give_back(left, bytes);
        self.let_go_of_ticket();
    }

    /// One more keeps the ticket.
    pub(super) fn keep_ticket(&self) {
        if let Some(tracked) = &self.tracked {
            tracked.keepers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One less keeps the ticket.
    pub(super) fn let_go_of_ticket(&self) {
        if let Some(tracked) = &self.tracked
            && tracked.keepers.fetch_sub(1, Ordering::AcqRel) == 1
        {
            let credit = (self.left.load(Ordering::Relaxed), self.bytes());
            let aborted = std::mem::take(&mut *lock(&tracked.aborted));
            tracked.tracker.acked(tracked.ticket, self.messages, credit, aborted);
        }
    }

    /// Says that the credit of each row is held by those of `held` that have it, and by nobody else in a
    /// moment.
    pub(super) fn spread(&self, held: &[&Rows]) -> bool {
        let Some(first) = held.first() else { return false };
        if held.iter().all(|rows| rows == first) {
            self.give_back(self.messages - first.len() as u32);
            return false;
        }
        if self.tracked.is_some() {
            return false;
        }
        let counts: Box<[AtomicU32]> = (0..self.messages).map(|_| AtomicU32::new(0)).collect();
        for row in held.iter().flat_map(|rows| rows.iter()) {
            counts[row as usize].fetch_add(1, Ordering::Relaxed);
        }
        let free = counts.iter().filter(|count| count.load(Ordering::Relaxed) == 0).count();
        self.give_back(free as u32);
        self.row_holders.set(counts).is_ok()
    }

    /// One less holds the credit of each of `rows`.
    pub(super) fn let_go_of_rows(&self, rows: &Rows) {
        if let Some(holders) = self.row_holders.get() {
            let is_free = |row: &u32| holders[*row as usize].fetch_sub(1, Ordering::AcqRel) == 1;
            self.give_back(rows.iter().filter(is_free).count() as u32);
        }
        self.let_go();
    }

    pub(super) fn count_filtered(&self, messages: u32) {
        self.filtered.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn drop_rows(&self, rows: &Rows, reason: DropReason) {
        if let Some(lent) = &self.lent {
            lent.drop_rows(rows, reason);
        }
        if reason == DropReason::Stopped {
            self.abort(rows);
            for kept in &*lock(&self.made_of) {
                kept.abort();
            }
        }
        let mut outcomes = lock(&self.lost);
        outcomes.resize(self.messages as usize, None);
        for row in rows.iter() {
            let outcome = &mut outcomes[row as usize];
            if !matches!(outcome, Some(Loss::Dropped(_))) {
                *outcome = Some(Loss::Dropped(reason));
            }
        }
    }

    pub(super) fn reject_rows(&self, rows: &Rows) {
        if let Some(lent) = &self.lent {
            lent.reject_rows(rows);
        }
        let mut outcomes = lock(&self.lost);
        outcomes.resize(self.messages as usize, None);
        for row in rows.iter() {
            outcomes[row as usize].get_or_insert(Loss::Rejected);
        }
    }

    /// Notes that nobody has `rows`, for the tracker.
    pub(super) fn abort(&self, rows: &Rows) {
        if let Some(tracked) = &self.tracked {
            lock(&tracked.aborted).extend(rows.iter());
        }
    }
}

impl Drop for Receipt {
    /// Counts what became of the messages: each has one outcome, dropped before rejected before delivered
    /// before filtered.
    fn drop(&mut self) {
        let rows = self.lost.get_mut().unwrap_or_else(PoisonError::into_inner);
        let count = |loss| rows.iter().filter(|row| **row == Some(loss)).count() as u64;
        let mut lost = 0;
        if !rows.is_empty() {
            for reason in DropReason::ALL {
                let dropped = count(Loss::Dropped(reason));
                if dropped > 0 {
                    self.counters.count_dropped(reason, dropped);
                }
                lost += dropped;
            }
            let rejected = count(Loss::Rejected);
            if rejected > 0 {
                self.counters.count_rejected(rejected);
            }
            lost += rejected;
        }
        let filtered = u64::from(*self.filtered.get_mut());
        if filtered > 0 {
            self.counters.count_filtered(filtered);
        }
        self.counters.count_delivered(u64::from(self.messages) - lost - filtered);
    }
}
