//! One step without a program around it: for tests, benchmarks and fuzz targets.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::step::{Out, Step, Trigger};
use crate::flow::{Ack, Credit, Inbox, Lane, SourceCounters};
use crate::message::{Batch, Pool, Selection};

/// The surroundings of a step that is done to messages of one batch and nothing else.
pub struct Alone {
    trigger: Trigger,
    ack: Ack,
}

impl Alone {
    /// For messages of `batch`.
    ///
    /// # Panics
    /// Never: the credit is as much as the batch takes.
    pub fn new(batch: &Batch) -> Self {
        let (rows, charge) = (batch.rows(), batch.charge());
        let credit = Arc::new(Credit::new(rows.max(1), charge.max(1)));
        let counters = Arc::new(SourceCounters::default());
        assert_eq!(credit.try_take(rows, charge), rows, "all of it");
        let ack = Ack::new(&credit, &counters, rows, charge);
        let lane = Lane::new(0, Inbox::new().sender(), credit, counters, Arc::new(Pool::new()), None);
        Self { trigger: Trigger { lane, origin: Arc::clone(batch.shared_origin()) }, ack }
    }

    /// Does `step` to `selection` at `now`, and gives what it says.
    ///
    /// # Panics
    /// When the step panicked at a message.
    pub fn apply(&self, step: &dyn Step, selection: &mut Selection, now: Instant) -> Vec<String> {
        let mut out = Out::new(self.trigger.clone(), &self.ack, now);
        step.apply(selection, &mut out);
        assert!(out.faults.is_empty(), "{:?}", out.faults);
        out.said
    }
}

/// Does `step` to `selection` at `now`: what goes on, and what the step says.
///
/// # Panics
/// When the step panicked at a message.
pub fn alone(step: &dyn Step, mut selection: Selection, now: Instant) -> (Selection, Vec<String>) {
    let said = Alone::new(&Arc::clone(selection.batch())).apply(step, &mut selection, now);
    (selection, said)
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alone").finish_non_exhaustive()
    }
}
