//! What a worker does: it takes batches from lanes and sends them down their branches.
//!
//! A source belongs to one worker, so its batches keep their order. A worker never waits for a
//! destination: what holds a source back is its credit, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use super::signpost::Guide;
use crate::flow::{Inbox, Parcel};

/// Takes what comes until `stopping` is set and the inbox is empty, and gives the inbox back: what is
/// sent into it after that is counted as dropped by whoever drops it.
pub fn run(mut inbox: Inbox<Parcel>, mut guide: Guide, stopping: &AtomicBool) -> Inbox<Parcel> {
    loop {
        let last_round = stopping.load(Ordering::Acquire);
        guide.follow(&mut inbox);
        let mut due = inbox.len();
        let has_work = due > 0;
        while (due > 0 || last_round)
            && let Some(parcel) = inbox.try_recv()
        {
            due = due.saturating_sub(1);
            guide.send(parcel);
            guide.follow(&mut inbox);
        }
        if last_round {
            return inbox;
        }
        if has_work {
            inbox.nap();
        } else {
            inbox.wait(None);
        }
    }
}
