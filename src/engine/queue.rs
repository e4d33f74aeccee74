//! The way to a destination: [`Queue`].
//!
//! Here the rules of flow control are applied, batch by batch:
//!
//! * on a path with flow control a delivery keeps its credit until it is written, and is never dropped;
//! * on a path without, it keeps none. At most `log-fifo-size()` such messages wait, and no more than
//!   about [`UNHELD_BYTES`] of them: the newest beyond are dropped, and counted;
//! * file destinations are softly flow controlled: while they write, every path to them is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::destination::Counters;
use crate::flow::{Ack, Delivery, DropReason, Sender};
use crate::message::View;

/// Most bytes that wait for one destination without the credit of a source: what the byte half of the
/// credit is for the others.
pub const UNHELD_BYTES: u64 = 64 * 1024 * 1024;

/// The sending side of a destination.
#[derive(Debug, Clone)]
pub struct Queue {
    inbox: Sender<Delivery>,
    counters: Arc<Counters>,
    shared: Arc<Shared>,
    fifo_size: u64,
}

/// What both sides of a destination's queue look at.
#[derive(Debug, Default)]
pub struct Shared {
    /// Whether the destination cannot write at present.
    pub suspended: AtomicBool,
    /// Messages dropped here.
    pub dropped: AtomicU64,
}

/// What the thread of a destination is asked by others; whoever sets one wakes it ([`Queue::wake`]).
#[derive(Debug, Default)]
pub struct Orders {
    /// Open the files anew.
    pub reopen: AtomicBool,
    /// Write what is there, however long it takes, then end.
    pub retire: AtomicBool,
    /// Write what is there as far as time allows, then end.
    pub stop: AtomicBool,
    /// How many milliseconds the end may take.
    pub stop_within_ms: AtomicU64,
}

impl Queue {
    /// A queue into `inbox`, of at most `fifo_size` messages without credit.
    pub fn new(
        inbox: Sender<Delivery>,
        counters: Arc<Counters>,
        shared: Arc<Shared>,
        fifo_size: u64,
    ) -> Self {
        Self { inbox, counters, shared, fifo_size }
    }

    /// Sends `view` on, as its path's flow control has it.
    pub fn push(&self, view: View, ack: &Ack, flow_control: bool) {
        let held = flow_control || !self.shared.suspended.load(Ordering::Relaxed);
        if held {
            let (messages, ack) = (view.len() as u64, ack.clone());
            self.counters.queued.fetch_add(messages, Ordering::Relaxed);
            self.inbox.send(Delivery { view, ack, flow_control });
            return;
        }
        let ack = ack.without_credit();
        // What waits already is taken to be as large as what comes.
        let per_message = (view.batch().charge() / u64::from(view.batch().rows().max(1))).max(1);
        let most = self.fifo_size.min(UNHELD_BYTES / per_message);
        let room = most.saturating_sub(self.counters.queued.load(Ordering::Relaxed)) as usize;
        let view = if view.len() > room { self.drop_newest(&view, room, &ack) } else { view };
        if !view.is_empty() {
            self.counters.queued.fetch_add(view.len() as u64, Ordering::Relaxed);
            self.inbox.send(Delivery { view, ack, flow_control });
        }
    }

    fn drop_newest(&self, view: &View, room: usize, ack: &Ack) -> View {
        let kept = view.rows().first(room);
        let lost = view.rows().after(room);
        ack.drop_rows(&lost, DropReason::QueueFull);
        self.shared.dropped.fetch_add(lost.len() as u64, Ordering::Relaxed);
        view.with_rows(kept)
    }

    /// Brings the destination's thread to look at what it is asked.
    pub fn wake(&self) {
        self.inbox.wake();
    }
}
