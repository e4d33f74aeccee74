//! What a destination leaves to the one that comes after it: [`Handover`].
//!
//! A reload that changes a destination puts another one in its place, and what waits goes to that one, in order:
//!
//! * under the same path each file goes over as it is, with a line of which a part is out, which is then written on to its end.
//!   Other files are opened anew, with the options of now;
//! * under another path the messages are sorted to files again. A part of a line is taken off the end of its file first.

use std::sync::Arc;

use super::stage::{Chunk, Numbers};
use super::target::Target;
use crate::destination::Counters;
use crate::flow::{Delivery, DropReason};
use crate::message::Rows;

/// Messages that wait, with their files.
#[derive(Debug)]
pub struct Handover {
    /// The template of their paths.
    pub(super) path: String,
    pub(super) targets: Vec<Target>,
    /// Deliveries that were not sorted to files yet; they come after those that were.
    pub(super) deliveries: Vec<Delivery>,
    /// The numbers of the next message.
    pub(super) next: Numbers,
    counters: Arc<Counters>,
}

impl Handover {
    pub(super) fn new(path: String, targets: Vec<Target>, next: Numbers, counters: &Arc<Counters>) -> Self {
        Self { path, targets, deliveries: Vec::new(), next, counters: Arc::clone(counters) }
    }

    /// What came for a destination that had not begun to write.
    pub fn unsorted(deliveries: Vec<Delivery>, counters: &Arc<Counters>) -> Self {
        let counters = Arc::clone(counters);
        Self { path: String::new(), targets: Vec::new(), deliveries, next: Numbers::FIRST, counters }
    }

    /// How many messages it has.
    pub fn messages(&self) -> u64 {
        let sorted = self.targets.iter().map(Target::waiting);
        sorted.chain(self.deliveries.iter().map(|delivery| delivery.view.len() as u64)).sum()
    }

    /// About how many bytes they have.
    pub fn bytes(&self) -> u64 {
        let sorted = self.targets.iter().map(Target::waiting_bytes);
        let unsorted = self.deliveries.iter().map(|delivery| &delivery.view);
        sorted.chain(unsorted.map(|view| view.len() as u64 * view.bytes_each())).sum()
    }

    /// Lets go of the credit of all of them, but of those that nobody takes for acknowledged before they are written.
    pub fn let_go_of_credit(&mut self) {
        let sorted = self.targets.iter_mut().flat_map(Target::deliveries);
        for delivery in sorted.chain(&mut self.deliveries) {
            if !delivery.flow_control || !delivery.ack.is_tracked() {
                delivery.ack.let_go_of_credit();
            }
        }
    }

    /// Drops them, as there is nobody to take them; returns how many.
    pub fn give_up(self) -> u64 {
        let lost = self.messages();
        let sorted = self.targets.into_iter().flat_map(|mut target| {
            // Where that fails, the next to open the file ends the line.
            let _ = target.take_back();
            target.into_chunks()
        });
        for delivery in sorted.map(|chunk| chunk.into_rest().0).chain(self.deliveries) {
            delivery.ack.drop_rows(delivery.view.rows(), DropReason::Stopped);
        }
        self.counters.count_dropped(lost);
        lost
    }
}

impl Chunk {
    /// What is not written of it, with the numbers of the first message.
    pub(super) fn into_rest(self) -> (Delivery, Numbers) {
        let Delivery { view, ack, flow_control } = self.delivery;
        let view = if self.next == 0 { view } else { view.with_rows(view.rows().after(self.next)) };
        (Delivery { view, ack, flow_control }, self.first.later(self.next))
    }
}

/// Puts what was sorted to files together again, with the numbers of the first message of each: rows of one batch on one path
/// are one delivery, in their order.
pub(super) fn in_order(chunks: Vec<Chunk>) -> Vec<(Delivery, Numbers)> {
    let mut chunks = chunks;
    chunks.sort_by_key(|chunk| chunk.first.order);
    let mut all: Vec<(Delivery, Numbers)> = Vec::new();
    for chunk in chunks {
        let (delivery, first) = chunk.into_rest();
        let same = all.iter_mut().rev().take(LATELY).map(|(known, _)| known).find(|known| {
            Arc::ptr_eq(known.view.batch(), delivery.view.batch())
                && known.flow_control == delivery.flow_control
        });
        let Some(known) = same else {
            all.push((delivery, first));
            continue;
        };
        let (mine, others) = (known.view.rows(), delivery.view.rows());
        let mut rows: Vec<u32> = (0..mine.len()).map(|index| mine.at(index)).collect();
        rows.extend((0..others.len()).map(|index| others.at(index)));
        rows.sort_unstable();
        known.view = known.view.with_rows(Rows::List(rows.into()));
        if delivery.ack.holds_credit() && !known.ack.holds_credit() {
            known.ack = delivery.ack;
        }
    }
    all
}

/// How far back the delivery of a batch is looked for: the rows of one batch have numbers in a row.
const LATELY: usize = 64;
