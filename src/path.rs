//! Log paths at work: programs of steps, sends and forks.
//!
//! ```text
//!  log paths ──compile──► Program, one for each source
//!                            │
//!  batch ─► parse ─► step ─► fork ─┬─ step ─► send ─┐
//!                                  ├─ step ─► send ─┤ collected, and pushed once a destination, by row
//!                                  └─ … fallback ───┘
//! ```
//!
//! * [`Step`]: what is done to messages on their way; [`Out`] and [`Timed`]: what a step gives;
//! * [`Program`]: steps, sends and forks in their order, made of [`Item`]s; [`compile`](mod@compile): those of
//!   a configuration;
//! * [`Hosted`]: the place of a step that the host of the engine makes; `calling`: steps whose templates call it;
//! * `run`: one batch on its way through a program; `part`: messages at one place of it; `deliver`: its end.
//!
//! A program without steps comes down to a list of [`SendTo`]s, which every batch takes as it is.
//!
//! # Invariants
//! * A destination gets the messages of one source in the order of posting, and the copies of one in the
//!   order of the program, whatever the bounds of the batches are.
//! * Each message has one outcome: it is sent, kept by a step, dropped by a fault, or filtered.
//! * A branch sees the changes of the steps before it and its own, and no other's.
#![forbid(unsafe_code)]

mod alone;
mod calling;
pub mod compile;
mod deliver;
mod hosted;
mod part;
mod program;
mod run;
mod step;

use std::sync::Arc;

pub use alone::{Alone, alone};
pub use compile::{Compiled, compile};
pub use deliver::Outputs;
pub use hosted::Hosted;
pub(crate) use hosted::is_same;
pub use program::{Choice, Item, Program, SendTo, Unreached};
pub use step::{Correlation, Out, Probed, ProbedName, Step, StepStatistics, Timed, Trigger};

use crate::flow::{Ack, Lane, SteadyClock};
use crate::message::Selection;
use run::Run;

/// The surroundings of a program that runs.
#[derive(Clone, Copy)]
pub struct Surrounding<'s> {
    /// The engine's clock.
    pub clock: &'s SteadyClock,
    /// Takes what is to be said of messages that a step failed at.
    pub report: &'s dyn Fn(&str),
}

impl Program {
    /// Sends the messages of one batch of `lane` through the program, to `outputs`.
    pub fn run(
        &self,
        (selection, ack): (Selection, Ack),
        lane: &Arc<Lane>,
        outputs: &impl Outputs,
        around: Surrounding<'_>,
    ) {
        let mut run = Run::new(lane, self, around);
        let part = run.join(selection, ack, None, part::Order::new());
        run.nodes(&self.nodes, vec![part]);
        run.deliver(outputs);
    }

    /// Tells whether it has `step` itself.
    pub(crate) fn has(&self, step: &Arc<dyn Step>) -> bool {
        self.steps().into_iter().any(|own| Arc::ptr_eq(own, step))
    }

    /// Sends what `step`, which it has, made through the program from behind that step on.
    pub(crate) fn resume(
        &self,
        step: &Arc<dyn Step>,
        made: step::Made,
        outputs: &impl Outputs,
        around: Surrounding<'_>,
    ) {
        let lane = Arc::clone(&made.trigger.lane);
        let mut run = Run::new(&lane, self, around);
        let mut parts = vec![run.join_made(made, part::Order::new())];
        run.resume(&self.nodes, step, &mut parts);
        drop(parts);
        run.deliver(outputs);
    }
}

#[cfg(test)]
mod tests;
