//! One batch on its way through a program: [`Run`].
//!
//! The messages that are at one place of the program are [`Part`]s. A step is done to each of them, a column
//! at a time where it can be; a fork hands them to its branches one after the other. What is sent is
//! collected, and pushed when the whole batch is through (`deliver`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Surrounding;
use super::part::{Order, Outline, Part, in_order, join, take_away};
use super::program::{Branch, Fork, Node, Program, SendTo};
use super::step::{Made, Out, Step, Trigger};
use crate::fault::panic_text;
use crate::flow::{Ack, DropReason, Lane};
use crate::message::{Fault, Rows, Selection};

/// A batch that takes part in a run: the one that it is about, or one that a step made.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) rows: Rows,
    pub(super) ack: Ack,
    /// Rows that a step has kept or failed at: their copies ended there.
    pub(super) ended: Rows,
}

/// A copy of messages that goes to a destination.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) part: Part,
    pub(super) flow_control: bool,
}

/// The messages that go through a program together.
pub(super) struct Run<'r> {
    lane: &'r Arc<Lane>,
    now: Instant,
    around: Surrounding<'r>,
    pub(super) members: Vec<Member>,
    /// The messages that go to each destination.
    pub(super) sends: Vec<Vec<Sent>>,
    /// Messages whose copy ended in a step, since the last look.
    ended: Vec<Outline>,
}

impl<'r> Run<'r> {
    pub(super) fn new(lane: &'r Arc<Lane>, program: &Program, around: Surrounding<'r>) -> Self {
        let sends = program.destinations().iter().map(|_| Vec::new()).collect();
        Self { lane, now: around.clock.now(), around, members: Vec::new(), sends, ended: Vec::new() }
    }

    /// Takes a batch in; its messages as a part. Those of `before` stand before the rows that it names.
    pub(super) fn join(
        &mut self,
        selection: Selection,
        ack: Ack,
        before: Option<Vec<u32>>,
        order: Order,
    ) -> Part {
        let rows = selection.rows().clone();
        let batch = self.members.len();
        self.members.push(Member { rows, ack, ended: Rows::NONE });
        Part { selection, batch, before: before.map(Arc::from), order }
    }

    /// Takes what a step made in: its messages as a part.
    pub(super) fn join_made(&mut self, made: Made, order: Order) -> Part {
        let lane = Arc::clone(&made.trigger.lane);
        let (batch, before, of) = made.finish();
        let ack = Ack::made(lane.credit(), lane.counters(), batch.rows(), batch.charge(), of);
        self.join(Selection::all(Arc::new(batch)), ack, Some(before), order)
    }

    /// Does `nodes` to `parts`; what comes out at the end.
    pub(super) fn nodes(&mut self, nodes: &[Node], parts: Vec<Part>) -> Vec<Part> {
        let mut parts = parts;
        for node in nodes {
            parts.retain(|part| !part.rows().is_empty());
            if parts.is_empty() {
                break;
            }
            match node {
                Node::Step { number, step } => parts = self.step(*number, &**step, parts),
                Node::Send { number, way } => self.send(*number, *way, &parts),
                Node::Fork(fork) => parts = self.fork(fork, parts),
                Node::Tee(tee) => {
                    // What becomes of the copies says nothing of the messages.
                    let outer = std::mem::take(&mut self.ended);
                    self.fork(tee, parts.clone());
                    self.ended = outer;
                }
            }
        }
        parts
    }

    fn send(&mut self, number: u32, way: SendTo, parts: &[Part]) {
        let SendTo { destination, flow_control, .. } = way;
        let sent = parts.iter().map(|part| Sent { part: part.clone().through(number), flow_control });
        self.sends[destination].extend(sent);
    }

    /// Does `step` to each of `parts`. What it makes stands among them.
    fn step(&mut self, number: u32, step: &dyn Step, parts: Vec<Part>) -> Vec<Part> {
        let has_order = step.is_ordered() && parts.len() > 1;
        let parts = if has_order { in_order(parts, number) } else { parts };
        let mut passed = Vec::with_capacity(parts.len());
        for mut part in parts {
            let made = self.apply(step, &mut part);
            let before = part.before.clone();
            for made in made {
                let order = part.order.clone();
                let mut made = self.join_made(made, order).through(number);
                // What stands before a made message stands before what that stands before.
                if let (Some(rows), Some(before)) = (&made.before, &before) {
                    made.before = Some(rows.iter().map(|row| before[*row as usize]).collect());
                }
                passed.push(made);
            }
            passed.push(part);
        }
        if has_order { self.join_parts(passed) } else { passed }
    }

    /// Does `step` to one part, and gives what it made.
    fn apply(&mut self, step: &dyn Step, part: &mut Part) -> Vec<Made> {
        let all = part.rows().clone();
        let origin = Arc::clone(part.selection.batch().shared_origin());
        let trigger = Trigger { lane: Arc::clone(self.lane), origin };
        let mut out = Out::new(trigger, &self.members[part.batch].ack, self.now);
        let done = catch_unwind(AssertUnwindSafe(|| step.apply(&mut part.selection, &mut out)));
        let Out { mut faults, kept, made, said, .. } = out;
        for text in &said {
            (self.around.report)(text);
        }
        let kept = sorted(kept);
        if let Err(panic) = done {
            // The step itself failed, and not at one message: nobody knows what became of the others.
            let (reason, lost) = (panic_text(&*panic), all.without(&kept));
            faults.retain(|fault| !lost.contains(fault.row));
            faults.extend(lost.iter().map(|row| Fault { row, reason: reason.clone() }));
            part.selection.set_rows(Rows::NONE);
        }
        let failed = sorted(faults.iter().map(|fault| fault.row).collect());
        if !failed.is_empty() {
            self.members[part.batch].ack.drop_rows(&failed, DropReason::Fault);
            self.report_faults(step, part, &faults);
        }
        let ended = kept.or(&failed);
        if !ended.is_empty() {
            part.selection.set_rows(part.rows().without(&ended));
            let member = &mut self.members[part.batch];
            member.ended = member.ended.or(&ended);
            self.ended.push(Outline { rows: ended, ..part.outline() });
        }
        made
    }

    #[cold]
    fn report_faults(&self, step: &dyn Step, part: &Part, faults: &[Fault]) {
        const EACH: usize = 10;
        let source = &part.selection.batch().origin().source;
        let (rows, step) = (part.selection.batch().rows(), step.name());
        for Fault { row, reason } in faults.iter().take(EACH) {
            let number = row + 1;
            (self.around.report)(&format!(
                "source {source}: fault in the engine: {step} failed at message {number} of {rows} in a batch: {reason}; \
                 it is dropped"
            ));
        }
        if let Some(more @ 1..) = faults.len().checked_sub(EACH) {
            (self.around.report)(&format!(
                "source {source}: fault in the engine: {step} failed at {more} more messages of this batch"
            ));
        }
    }

    /// Hands `parts` to the branches of `fork`; what comes out of them.
    fn fork(&mut self, fork: &Fork, parts: Vec<Part>) -> Vec<Part> {
        let (mut passed, mut open) = (Vec::new(), parts);
        let has_fallback = fork.branches.iter().any(|branch| branch.is_fallback);
        // What no branch has matched, for the fallbacks.
        let mut unmatched = if has_fallback { open.clone() } else { Vec::new() };
        for is_fallback in [false, true] {
            let mut branches =
                fork.branches.iter().filter(|branch| branch.is_fallback == is_fallback).peekable();
            while let Some(branch) = branches.next() {
                if open.is_empty() {
                    break;
                }
                // A revision that the last branch alone reads is changed in place.
                let is_last = branches.peek().is_none() && (is_fallback || !has_fallback);
                let input = if is_last { std::mem::take(&mut open) } else { open.clone() };
                let (matched, out) = self.branch(branch, input);
                take_away(&mut unmatched, &matched);
                if branch.is_final {
                    take_away(&mut open, &matched);
                }
                passed.extend(
                    out.into_iter().map(
                        |part| {
                            if fork.is_exclusive { part } else { part.through(branch.exit) }
                        },
                    ),
                );
            }
            open = std::mem::take(&mut unmatched);
        }
        self.join_parts(passed)
    }

    /// Does what `branch` has to `parts`: which of them match, and what comes out.
    fn branch(&mut self, branch: &Branch, parts: Vec<Part>) -> (Vec<Outline>, Vec<Part>) {
        let outer = std::mem::take(&mut self.ended);
        let mut parts = parts;
        let mut matched = Vec::new();
        if let Some(condition) = &branch.condition {
            for part in &mut parts {
                self.apply(&**condition, part);
            }
            matched.extend(parts.iter().map(Part::outline));
        }
        let out = self.nodes(&branch.nodes, parts);
        if branch.condition.is_none() {
            matched.extend(out.iter().map(Part::outline));
        }
        matched.extend(self.ended.iter().cloned());
        self.ended.splice(0..0, outer);
        (matched, out)
    }

    fn join_parts(&mut self, parts: Vec<Part>) -> Vec<Part> {
        if parts.len() < 2 {
            return parts;
        }
        join(parts, |batch, more| self.members[batch].ack.charge(more))
    }

    /// Goes on with `parts` behind the step `step`, wherever in `nodes` that is; false when it is not there.
    pub(super) fn resume(&mut self, nodes: &[Node], step: &Arc<dyn Step>, parts: &mut Vec<Part>) -> bool {
        for (index, node) in nodes.iter().enumerate() {
            let is_found = match node {
                Node::Step { number, step: other } if Arc::ptr_eq(step, other) => {
                    pass(parts, *number);
                    true
                }
                Node::Step { .. } | Node::Send { .. } => false,
                Node::Tee(tee) => {
                    let is_inside = tee.branches.iter().any(|branch| self.resume(&branch.nodes, step, parts));
                    if is_inside {
                        parts.clear();
                    }
                    is_inside
                }
                Node::Fork(fork) => fork.branches.iter().any(|branch| {
                    let is_inside = self.resume(&branch.nodes, step, parts);
                    if is_inside && !fork.is_exclusive {
                        pass(parts, branch.exit);
                    }
                    is_inside
                }),
            };
            if is_found {
                *parts = self.nodes(&nodes[index + 1..], std::mem::take(parts));
                return true;
            }
        }
        false
    }
}

/// Puts `number` behind the order of each of `parts`.
fn pass(parts: &mut [Part], number: u32) {
    for part in parts {
        part.order.push(number);
    }
}

fn sorted(mut rows: Vec<u32>) -> Rows {
    rows.sort_unstable();
    rows.dedup();
    Rows::from(rows)
}
