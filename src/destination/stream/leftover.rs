//! The files of a destination with what waits for them, for the destination that comes after it: [`Targets`].
//!
//! * Under the same address each file goes over as it is, with a line of which a part is out, which is then
//!   written on to its end. Other files are opened anew, with the options of now.
//! * Otherwise the messages are sorted to files again. A part of a line is taken off the end of its file
//!   first.

use std::any::Any;
use std::sync::Arc;

use super::stage::Chunk;
use super::target::Target;
use crate::destination::{Leftover, Numbers};
use crate::flow::Delivery;
use crate::message::Rows;

/// Files for which something waits.
#[derive(Debug)]
pub(super) struct Targets {
    /// The kind of the driver, and its path as a template.
    pub(super) address: (&'static str, String),
    pub(super) all: Vec<Target>,
}

/// Tells the files of a stream from what other drivers leave.
pub(super) fn as_targets(leftover: Box<dyn Leftover>) -> Result<Box<Targets>, Box<dyn Leftover>> {
    if (&*leftover as &dyn Any).is::<Targets>() {
        let leftover: Box<dyn Any> = leftover;
        return leftover.downcast().map_err(|_| unreachable!("it is one, as was asked"));
    }
    Err(leftover)
}

impl Leftover for Targets {
    fn messages(&self) -> u64 {
        self.all.iter().map(Target::waiting).sum()
    }

    fn bytes(&self) -> u64 {
        self.all.iter().map(Target::waiting_bytes).sum()
    }

    fn for_each(&mut self, each: &mut dyn FnMut(&mut Delivery)) {
        self.all.iter_mut().flat_map(Target::deliveries).for_each(each);
    }

    fn into_deliveries(self: Box<Self>, report: &dyn Fn(String)) -> Vec<(Delivery, Numbers)> {
        let mut chunks = Vec::new();
        for mut target in self.all {
            target.take_back_torn(report);
            chunks.extend(target.into_chunks());
        }
        in_order(chunks)
    }
}

impl Chunk {
    /// The part of it that is not written, with the numbers of the first message.
    pub(super) fn into_rest(self) -> (Delivery, Numbers) {
        let Delivery { view, ack, flow_control } = self.delivery;
        let view = if self.next == 0 { view } else { view.with_rows(view.rows().after(self.next)) };
        (Delivery { view, ack, flow_control }, self.first.later(self.next))
    }
}

/// Puts what was sorted to files together again, with the numbers of the first message of each: rows of one
/// batch on one path are one delivery, in their order.
fn in_order(chunks: Vec<Chunk>) -> Vec<(Delivery, Numbers)> {
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

/// The number of deliveries among which that of a batch is looked for: the rows of one batch have numbers in
/// a row.
const LATELY: usize = 64;
