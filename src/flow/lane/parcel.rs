//! The receiving side of a lane: [`Parcel`].

use std::sync::Arc;

use super::Lane;
use crate::flow::credit::BATCH_CHARGE;
use crate::flow::{Ack, DropReason, Share};
use crate::message::{Batch, Pending, Rows, Selection};

/// A batch on its way to the worker, perhaps still being filled.
#[derive(Debug)]
pub struct Parcel {
    lane: Arc<Lane>,
    pending: Option<Pending>,
    ticket: u64,
    share: Option<Arc<Share>>,
}

impl Parcel {
    /// A batch of `lane`, whose `ticket` means nothing where there is no tracker. Its messages are counted in
    /// `share`.
    #[inline]
    pub(super) fn new(lane: Arc<Lane>, pending: Pending, ticket: u64, share: Option<Arc<Share>>) -> Self {
        Self { lane, pending: Some(pending), ticket, share }
    }

    /// The lane that it comes from.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The number of the source it comes from.
    pub fn source(&self) -> usize {
        self.lane.index
    }

    /// True when its source stands still, or soon will, until credit comes back.
    pub fn is_urgent(&self) -> bool {
        self.lane.is_half_used()
    }

    /// True when its source still writes to it; a hint.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.as_ref().is_some_and(Pending::is_open)
    }

    /// Ends the batch and takes what is in it. What was posted unparsed is so still: see [`Lane::parse`].
    pub fn open(mut self) -> (Selection, Ack) {
        let Some(pending) = self.pending.take() else { unreachable!("taken only here and by drop") };
        Self::receive(&self.lane, pending.seal(), self.ticket, self.share.take())
    }

    fn receive(lane: &Lane, batch: Batch, ticket: u64, share: Option<Arc<Share>>) -> (Selection, Ack) {
        let (messages, bytes) = (batch.rows(), batch.charge() + BATCH_CHARGE);
        let ticket = lane.tracker.get().map(|tracker| (tracker, ticket));
        let ack = Ack::with_ticket(&lane.credit, &lane.counters, messages, bytes, ticket, share);
        (Selection::all(Arc::new(batch)), ack)
    }
}

impl Drop for Parcel {
    /// A parcel that nobody opens was sent into an engine that has stopped: its messages are counted.
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take() {
            let (view, ack) = Self::receive(&self.lane, pending.seal(), self.ticket, self.share.take());
            ack.drop_rows(&Rows::Range(0..view.batch().rows()), DropReason::Stopped);
        }
    }
}
