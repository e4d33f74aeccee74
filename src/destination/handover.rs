//! The messages that a destination leaves to the one that takes its place: [`Handover`].
//!
//! A reload that changes a destination puts another one in its place, and what waits goes to that one, in
//! order. A driver leaves what it has in a form of its own ([`Leftover`]): a driver of the same kind may take
//! that as it is, every other one gets the messages.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Counters;
use crate::flow::{Delivery, DropReason};

/// The numbers that a message has in a destination; the one after it has the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Counts all messages: the order in which they came.
    pub order: u64,
    /// Counts the messages of this host: SEQNUM.
    pub sequence: u64,
}

impl Numbers {
    /// Those of the very first message.
    pub(crate) const FIRST: Self = Self { order: 1, sequence: 1 };

    /// Those of the message `count` messages later in the same batch.
    #[must_use]
    pub fn later(self, count: usize) -> Self {
        Self { order: self.order + count as u64, sequence: self.sequence + count as u64 }
    }
}

/// Messages that a driver has begun with and not written, with what it knows of them.
pub trait Leftover: Any + fmt::Debug + Send {
    /// The number of its messages.
    fn messages(&self) -> u64;

    /// About how many bytes they have.
    fn bytes(&self) -> u64;

    /// Calls `each` with every delivery.
    fn for_each(&mut self, each: &mut dyn FnMut(&mut Delivery));

    /// The messages alone, in the order in which they came, with the numbers of the first message of each
    /// delivery. Calls `report` with what could not be taken back of those that were begun.
    fn into_deliveries(self: Box<Self>, report: &dyn Fn(String)) -> Vec<(Delivery, Numbers)>;
}

/// Messages that wait, for the destination that takes the place of the one that had them.
#[derive(Debug)]
pub struct Handover {
    /// Those that were begun with.
    pub leftover: Option<Box<dyn Leftover>>,
    /// Those that came after them.
    pub deliveries: Vec<Delivery>,
    /// The numbers of the next message.
    pub next: Numbers,
    counters: Arc<Counters>,
}

impl Handover {
    /// The rest of a driver that has begun to write; `next` are the numbers of the message that it would have
    /// got next.
    pub fn new(leftover: Box<dyn Leftover>, next: Numbers, counters: &Arc<Counters>) -> Self {
        Self { leftover: Some(leftover), deliveries: Vec::new(), next, counters: Arc::clone(counters) }
    }

    /// The deliveries of a destination that had not begun to write.
    pub(crate) fn unsorted(deliveries: Vec<Delivery>, counters: &Arc<Counters>) -> Self {
        Self { leftover: None, deliveries, next: Numbers::FIRST, counters: Arc::clone(counters) }
    }

    /// The number of its messages.
    pub fn messages(&self) -> u64 {
        let begun = self.leftover.as_ref().map_or(0, |leftover| leftover.messages());
        begun + self.deliveries.iter().map(|delivery| delivery.view.len() as u64).sum::<u64>()
    }

    /// About how many bytes they have.
    pub fn bytes(&self) -> u64 {
        let begun = self.leftover.as_ref().map_or(0, |leftover| leftover.bytes());
        let others = self.deliveries.iter().map(|delivery| &delivery.view);
        begun + others.map(|view| view.len() as u64 * view.bytes_each()).sum::<u64>()
    }

    /// Lets go of the credit of all of them, but of those that nobody takes for acknowledged before they are
    /// written.
    pub fn let_go_of_credit(&mut self) {
        let mut let_go = |delivery: &mut Delivery| {
            if !delivery.flow_control || !delivery.ack.is_tracked() {
                delivery.ack.let_go_of_credit();
            }
        };
        if let Some(leftover) = &mut self.leftover {
            leftover.for_each(&mut let_go);
        }
        self.deliveries.iter_mut().for_each(let_go);
    }

    /// Drops them, as there is nobody to take them; returns how many.
    pub(crate) fn give_up(self) -> u64 {
        let lost = self.messages();
        // What cannot be taken back is told by nobody: the next to open the file ends the line.
        let begun = self.leftover.map(|leftover| leftover.into_deliveries(&|_| ())).unwrap_or_default();
        for delivery in begun.into_iter().map(|(delivery, _)| delivery).chain(self.deliveries) {
            delivery.ack.drop_rows(delivery.view.rows(), DropReason::Stopped);
        }
        self.counters.count_dropped(lost);
        lost
    }
}
