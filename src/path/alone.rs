//! One step without a program around it, for its tests.

use std::sync::Arc;
use std::time::Instant;

use super::step::{Out, Step, Trigger};
use crate::flow::{Ack, Credit, Inbox, Lane, SourceCounters};
use crate::message::{Pool, Selection};

/// Does `step` to `selection` at `now`: what goes on, and what the step says.
pub(crate) fn alone(step: &dyn Step, mut selection: Selection, now: Instant) -> (Selection, Vec<String>) {
    let (rows, charge) = (selection.batch().rows(), selection.batch().charge());
    let (credit, counters) =
        (Arc::new(Credit::new(rows.max(1), 1 << 40)), Arc::new(SourceCounters::default()));
    assert_eq!(credit.try_take(rows, charge), rows);
    let ack = Ack::new(&credit, &counters, rows, charge);
    let inbox = Inbox::new();
    let lane = Lane::new(0, inbox.sender(), credit, Arc::clone(&counters), Arc::new(Pool::new()), None);
    let origin = Arc::clone(selection.batch().shared_origin());
    let mut out = Out::new(Trigger { lane, origin }, &ack, now);
    step.apply(&mut selection, &mut out);
    assert!(out.faults.is_empty(), "{:?}", out.faults);
    (selection, out.said)
}
