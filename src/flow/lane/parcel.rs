//! The receiving side of a lane: [`Parcel`].

use std::sync::Arc;

use super::Lane;
use crate::flow::credit::BATCH_CHARGE;
use crate::flow::{Ack, DropReason};
use crate::message::{Batch, LateFault, LateParsed, Pending, Rows, View};

/// A batch on its way to the worker, perhaps still being filled.
#[derive(Debug)]
pub struct Parcel {
    lane: Arc<Lane>,
    pending: Option<Pending>,
    ticket: u64,
}

impl Parcel {
    /// A batch of `lane`, whose `ticket` means nothing where there is no tracker.
    #[inline]
    pub(super) fn new(lane: Arc<Lane>, pending: Pending, ticket: u64) -> Self {
        Self { lane, pending: Some(pending), ticket }
    }

    /// The lane that it comes from.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The number of the source it comes from.
    pub fn source(&self) -> usize {
        self.lane.index
    }

    /// Whether its source stands still, or soon will, until credit comes back.
    pub fn is_urgent(&self) -> bool {
        self.lane.is_half_used()
    }

    /// Whether its source still writes to it; a hint.
    pub fn is_open(&self) -> bool {
        self.pending.as_ref().is_some_and(Pending::is_open)
    }

    /// Ends the batch and takes what is in it; `report` gets what is to be said of messages that the lane's
    /// [`LateParser`](super::LateParser) has failed at.
    pub fn open(mut self, report: impl Fn(&str)) -> (View, Ack) {
        let Some(pending) = self.pending.take() else { unreachable!("taken only here and by drop") };
        let mut batch = pending.seal();
        if let Some(parser) = self.lane.late_parser.get() {
            let LateParsed { more, faults } = parser.parse(&mut batch);
            if more > 0 {
                self.lane.credit.take_bytes(more);
            }
            if !faults.is_empty() {
                report_faults(&batch, &faults, &report);
            }
        }
        Self::receive(&self.lane, batch, self.ticket)
    }

    fn receive(lane: &Lane, batch: Batch, ticket: u64) -> (View, Ack) {
        let (messages, bytes) = (batch.rows(), batch.charge() + BATCH_CHARGE);
        let ticket = lane.tracker.get().map(|tracker| (tracker, ticket));
        let ack = Ack::with_ticket(&lane.credit, &lane.counters, messages, bytes, ticket);
        (View::all(Arc::new(batch)), ack)
    }
}

/// Says which messages the parser has failed at: the first ones each, as there may be many.
#[cold]
fn report_faults(batch: &Batch, faults: &[LateFault], report: &impl Fn(&str)) {
    const EACH: usize = 10;
    const SHOWN: usize = 100;
    let source = &batch.origin().source;
    let after = "it goes on as it came, unparsed";
    for LateFault { row, reason } in faults.iter().take(EACH) {
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

impl Drop for Parcel {
    /// A parcel that nobody opens was sent into an engine that has stopped: its messages are counted.
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            let (view, ack) = Self::receive(&self.lane, pending.seal(), self.ticket);
            ack.drop_rows(&Rows::Range(0..view.batch().rows()), DropReason::Stopped);
        }
    }
}
