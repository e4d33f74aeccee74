//! What a worker does: it takes batches from lanes and sends them down their branches.
//!
//! A source belongs to one worker, so its batches keep their order. A worker never waits for a
//! destination: what holds a source back is its credit, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::graph::Branch;
use super::queue::Queue;
use crate::flow::{Ack, Inbox, Parcel};
use crate::message::View;

/// Where the messages of each source go.
#[derive(Debug)]
pub struct Routes {
    /// The queues of all destinations.
    pub queues: Vec<Queue>,
    /// The branches of each source.
    pub branches: Vec<Vec<Branch>>,
}

impl Routes {
    /// Sends one batch on. Without a branch it is counted as delivered: it has nowhere to go.
    ///
    /// An urgent batch wakes its destinations from their naps: its source waits for nothing but them.
    fn send(&self, source: usize, view: &View, ack: &Ack, urgent: bool) {
        for branch in &self.branches[source] {
            let queue = &self.queues[branch.destination];
            queue.push(view.clone(), ack, branch.flow_control);
            if urgent {
                queue.wake();
            }
        }
    }
}

/// Takes what comes until `stopping` is set and the inbox is empty, and gives the inbox back: what is
/// sent into it after that is counted as dropped by whoever drops it.
pub fn run(mut inbox: Inbox<Parcel>, routes: &Arc<Routes>, stopping: &AtomicBool) -> Inbox<Parcel> {
    loop {
        let last_round = stopping.load(Ordering::Acquire);
        while let Some(parcel) = inbox.try_recv() {
            let (source, urgent) = (parcel.source(), parcel.is_urgent());
            let (view, ack) = parcel.open();
            routes.send(source, &view, &ack, urgent);
        }
        if last_round {
            return inbox;
        }
        inbox.wait(None);
    }
}
