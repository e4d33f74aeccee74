//! The end of a run: what was sent is pushed, once a destination, and the credit of what was not is given
//! back.
//!
//! A destination gets the messages by their rows, and the copies of one in the order of the program: whatever
//! the bounds of batches are, it sees what an engine of one message at a time would give it. Where sends with
//! and without flow control, or messages that a step made, stand among each other, that takes several pushes.

use std::sync::Arc;

use super::part::{Part, in_order};
use super::run::{Member, Run, Sent};
use crate::flow::Ack;
use crate::message::{Rows, Selection};

/// The ends of a program's sends.
pub trait Outputs {
    /// Tells whether messages for the destination with this number hold their credit until they are written.
    fn holds(&self, destination: usize, flow_control: bool) -> bool;

    /// Sends messages to it; `ack` holds credit if [`Outputs::holds`] said so.
    fn push(&self, destination: usize, selection: Selection, ack: Ack, flow_control: bool);
}

/// One push to come.
struct Push {
    destination: usize,
    selection: Selection,
    batch: usize,
    flow_control: bool,
    held: bool,
}

impl Run<'_> {
    /// Pushes what was sent, and settles the credit of the rest.
    pub(super) fn deliver(mut self, outputs: &impl Outputs) {
        let mut pushes = Vec::new();
        for (destination, sends) in std::mem::take(&mut self.sends).into_iter().enumerate() {
            let holds = |flow_control| outputs.holds(destination, flow_control);
            self.plan(destination, sends, &holds, &mut pushes);
        }
        let mut acks: Vec<Option<Ack>> = pushes.iter().map(|_| None).collect();
        for (batch, member) in self.members.iter().enumerate() {
            settle(batch, member, &pushes, &mut acks);
        }
        for (push, ack) in pushes.into_iter().zip(acks) {
            if let Some(ack) = ack {
                outputs.push(push.destination, push.selection, ack, push.flow_control);
            }
        }
    }

    /// Puts what goes to one destination into as few pushes as its order allows.
    fn plan(
        &mut self,
        destination: usize,
        sends: Vec<Sent>,
        holds: &dyn Fn(bool) -> bool,
        pushes: &mut Vec<Push>,
    ) {
        let push = |part: Part, flow_control: bool| Push {
            destination,
            batch: part.batch,
            selection: part.selection,
            flow_control,
            held: holds(flow_control),
        };
        let (mut parts, mut flags) = (Vec::<Part>::new(), Vec::new());
        let is_simple = has_no_copies(&sends);
        for Sent { part, flow_control } in sends {
            let mut left = Some(part);
            // Where no message comes twice, it does not matter which way each has come.
            if let Some(same) = parts.last_mut().filter(|_| is_simple)
                && let Some(Part { selection, batch, before, order }) = left.take()
            {
                match same.selection.unite(selection) {
                    Ok(more) => self.members[batch].ack.charge(more),
                    Err(selection) => left = Some(Part { selection, batch, before, order }),
                }
            }
            if let Some(part) = left {
                parts.push(part);
                flags.push(flow_control);
            }
        }
        if parts.len() < 2 {
            pushes.extend(parts.pop().map(|part| push(part, flags[0])));
            return;
        }
        // The order tells the parts apart: it ends with the number of the send.
        let flag_of: Vec<_> = parts.iter().map(|part| (part.batch, part.order.clone())).zip(flags).collect();
        let mut runs: Vec<(Part, bool, Vec<u32>)> = Vec::new();
        // The order of each ends with the number of its way.
        for part in in_order(parts, 0) {
            let key = (part.batch, part.order.clone());
            let flow_control = flag_of.iter().find(|(known, _)| *known == key).is_some_and(|(_, flag)| *flag);
            let continued = runs.last_mut().filter(|(last, flag, rows)| {
                *flag == flow_control
                    && is_read_alike(last, &part)
                    && rows.last() < part.rows().iter().next().as_ref()
            });
            if let Some((_, _, rows)) = continued {
                rows.extend(part.rows().iter());
            } else {
                let rows = part.rows().iter().collect();
                runs.push((part, flow_control, rows));
            }
        }
        pushes.extend(runs.into_iter().map(|(mut part, flag, rows)| {
            part.selection.set_rows(Rows::from(rows));
            push(part, flag)
        }));
    }
}

/// Tells whether `sends` are messages of one batch, each once, with one flow control.
fn has_no_copies(sends: &[Sent]) -> bool {
    let Some((first, more)) = sends.split_first() else { return true };
    let mut rows = first.part.rows().clone();
    more.iter().all(|Sent { part, flow_control }| {
        let is_new = part.batch == first.part.batch && rows.and(part.rows()).is_empty();
        rows = rows.or(part.rows());
        is_new && *flow_control == first.flow_control
    })
}

/// Tells whether rows of both can be one selection.
fn is_read_alike(one: &Part, two: &Part) -> bool {
    let revision = |part: &Part| part.selection.revision().map(Arc::as_ptr);
    one.batch == two.batch && revision(one) == revision(two)
}

/// Gives each push of a batch its ack: credit comes back row by row with the last push that waits for its
/// row, and now for rows that wait for nothing. Rows that go nowhere are counted as filtered.
fn settle(batch: usize, member: &Member, pushes: &[Push], acks: &mut [Option<Ack>]) {
    let mut sent = Rows::NONE;
    let mut held = Vec::new();
    for (index, push) in pushes.iter().enumerate().filter(|(_, push)| push.batch == batch) {
        let rows = push.selection.rows();
        if sent.len() < member.rows.len() {
            sent = sent.or(rows);
        }
        if push.held {
            held.push((index, rows));
        } else {
            acks[index] = Some(member.ack.without_credit());
        }
    }
    let filtered = member.rows.without(&sent).without(&member.ended).len();
    if filtered > 0 {
        member.ack.count_filtered(filtered as u32);
    }
    let rows: Vec<&Rows> = held.iter().map(|(_, rows)| *rows).collect();
    for ((index, _), ack) in held.iter().zip(member.ack.spread(&rows)) {
        acks[*index] = Some(ack);
    }
}
