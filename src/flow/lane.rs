//! A source's way into the engine: [`Lane`], and the [`Producer`]s that fill its batches.
//!
//! A producer has one open batch. The batch is in the worker's inbox from its first row on, and the worker
//! seals it when it gets there; so rows pile up while the worker is busy or naps, a worker that sleeps gets
//! the first one at once, and no row waits for another. Rows of one producer stay in order: its next batch is
//! sent after the one before it was sealed, and the inbox is first in, first out.

mod parcel;
mod producer;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::tracker::Group;
use super::{Ack, Credit, Sender, SourceCounters, Tracker};
use crate::message::{Fault, LateParsed, Origin, Pool, Selection};
pub use parcel::Parcel;
pub use producer::Producer;

/// The producers of a lane take credit ahead, together about this share of the window at a time.
const LEASE_SHARE: u32 = 16;
/// Of a smaller window nothing is taken ahead: it would be missing, and what a post costs there is the
/// waiting.
const LEASE_WINDOW: u32 = 128;
/// At most this share of the bytes is taken ahead.
const LEASE_BYTES_SHARE: u64 = 64;
/// The most messages that one of them takes ahead.
const LEASE_MESSAGES: u32 = 128;
/// The most bytes that it takes ahead.
const LEASE_BYTES: u64 = 64 * 1024;

/// The part that a source's producers have in common.
#[derive(Debug)]
pub struct Lane {
    index: usize,
    inbox: Sender<Parcel>,
    credit: Arc<Credit>,
    counters: Arc<SourceCounters>,
    pool: Arc<Pool>,
    batch_size: u32,
    producers: AtomicU32,
    closed: AtomicBool,
    /// This process is a fork of the one that made it.
    forked: AtomicBool,
    tracker: OnceLock<Arc<Tracker>>,
    late_parser: OnceLock<Arc<dyn LateParser>>,
}

/// The parser of the messages that were posted unparsed, on the worker's thread.
pub trait LateParser: std::fmt::Debug + Send + Sync {
    /// Parses the messages of `selection` that are not parsed, with [`Selection::parse_late`], and gives what
    /// that gives.
    fn parse(&self, selection: &mut Selection) -> LateParsed;
}

/// The reason why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no credit now.
    NoCredit,
    /// The lane is closed: nothing will be taken any more.
    Closed,
    /// The message has more than [`MESSAGE_MAX`](crate::message::MESSAGE_MAX) bytes, or more than 65,535
    /// fields.
    TooLarge,
}

impl Lane {
    /// A lane into `inbox`; `index` is the source's number for whoever receives its parcels, and
    /// `batch_size` the most messages of a batch, where it is less than a batch holds anyway.
    pub fn new(
        index: usize,
        inbox: Sender<Parcel>,
        credit: Arc<Credit>,
        counters: Arc<SourceCounters>,
        pool: Arc<Pool>,
        batch_size: Option<u32>,
    ) -> Arc<Self> {
        Arc::new(Self {
            index,
            inbox,
            credit,
            counters,
            pool,
            batch_size: batch_size.unwrap_or(u32::MAX).max(1),
            producers: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            forked: AtomicBool::new(false),
            tracker: OnceLock::new(),
            late_parser: OnceLock::new(),
        })
    }

    /// The number of its source.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The credit of its source.
    pub fn credit(&self) -> &Arc<Credit> {
        &self.credit
    }

    /// The counters of its source.
    pub fn counters(&self) -> &Arc<SourceCounters> {
        &self.counters
    }

    /// The pool that its batches come from.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Has every batch followed by `tracker`. To be called once, before the first post.
    pub fn track(&self, tracker: Arc<Tracker>) {
        // A second tracker would be a second `init` of the same source, which the engine does not do.
        let _ = self.tracker.set(tracker);
    }

    /// The tracker of its batches.
    pub fn tracker(&self) -> Option<&Arc<Tracker>> {
        self.tracker.get()
    }

    /// Has `parser` parse what is posted with [`Producer::post_unparsed_fast`]. The lane keeps the first
    /// that it is given: whether it is this one.
    pub fn parse_late(&self, parser: &Arc<dyn LateParser>) -> bool {
        Arc::ptr_eq(self.late_parser.get_or_init(|| Arc::clone(parser)), parser)
    }

    /// Parses what was posted unparsed: the first step of every batch of this lane. `ack` is charged for what
    /// that takes beyond what was charged at the post; `report` gets what is to be said of messages that the
    /// parser has failed at.
    pub fn parse(&self, selection: &mut Selection, ack: &Ack, report: impl Fn(&str)) {
        if let Some(parser) = self.late_parser.get() {
            let LateParsed { more, faults } = parser.parse(selection);
            ack.charge(more);
            if !faults.is_empty() {
                report_faults(selection, &faults, &report);
            }
        }
    }

    /// Refuses every post from now on. What was posted before is in the inbox.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.credit.cancel_waits();
    }

    /// Refuses every post from now on, in a fork of the process that made the lane: nobody is there who would
    /// take them. No lock is taken, as its owner may be a thread that the fork does not have.
    pub(crate) fn close_in_fork(&self) {
        self.forked.store(true, Ordering::Relaxed);
        self.closed.store(true, Ordering::SeqCst);
        self.credit.cancel_later_waits();
    }

    /// Tells whether this process is a fork of the one that made it.
    pub(crate) fn is_forked(&self) -> bool {
        self.forked.load(Ordering::Relaxed)
    }

    /// True when half of the window or all of the bytes are used up: its source stands still, or soon will,
    /// until credit comes back.
    pub(crate) fn is_half_used(&self) -> bool {
        self.credit.free_messages() <= self.credit.half_window() || self.credit.free_bytes() <= 0
    }

    /// True when it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// A producer whose messages have `origin` in common.
    pub fn producer(self: &Arc<Self>, origin: Arc<Origin>) -> Producer {
        Producer::new(Arc::clone(self), origin)
    }

    /// The number of messages that a producer takes ahead now.
    fn lease_size(&self) -> u32 {
        match self.credit.window() {
            ..LEASE_WINDOW => 1,
            window => {
                let share = window / LEASE_SHARE / self.producers.load(Ordering::Relaxed).max(1);
                share.clamp(1, LEASE_MESSAGES)
            }
        }
    }

    /// The ticket of the next batch; without a tracker it means nothing.
    fn issue(&self, group: Option<Group>) -> u64 {
        self.tracker.get().map_or(0, |tracker| tracker.issue(group))
    }
}

/// Says which messages the parser has failed at: the first ones each, as there may be many.
#[cold]
fn report_faults(selection: &Selection, faults: &[Fault], report: &impl Fn(&str)) {
    const EACH: usize = 10;
    const SHOWN: usize = 100;
    let batch = selection.batch();
    let source = &batch.origin().source;
    let after = "it goes on as it came, unparsed";
    for Fault { row, reason } in faults.iter().take(EACH) {
        let text = batch.message(*row).text();
        let (number, rows, shown) = (row + 1, batch.rows(), text[..text.len().min(SHOWN)].escape_ascii());
        report(&format!(
            "source {source}: fault in the engine: the parser failed at message {number} of {rows} in a batch, \
             which begins with \"{shown}\": {reason}; {after}"
        ));
    }
    if let Some(more @ 1..) = faults.len().checked_sub(EACH) {
        report(&format!(
            "source {source}: fault in the engine: the parser failed at {more} more messages of this batch"
        ));
    }
}

#[cfg(test)]
mod tests;
