//! A worker as its destination sees it: [`Slot`].

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;

use super::group::Held;
use super::worker::Job;

/// The state of a worker's messages.
#[derive(Debug)]
pub(super) enum State {
    /// It has none.
    Idle,
    /// They are on their way.
    Busy {
        /// What was given to it.
        held: Held,
        /// The number of the job.
        ticket: u64,
    },
    /// They are sent again, or go on, at the time.
    Waits {
        held: Held,
        until: Instant,
        /// True after a failure.
        is_failed: bool,
    },
}

/// A worker, and what it has.
#[derive(Debug)]
pub(super) struct Slot {
    /// The way to its thread, once there is one.
    pub(super) jobs: Option<(Sender<Job>, JoinHandle<()>)>,
    pub(super) state: State,
    /// True from a failure on until something of it was taken, or is given up.
    pub(super) is_failing: bool,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self { jobs: None, state: State::Idle, is_failing: false }
    }

    /// Its messages.
    pub(super) fn held(&self) -> Option<&Held> {
        match &self.state {
            State::Idle => None,
            State::Busy { held, .. } | State::Waits { held, .. } => Some(held),
        }
    }

    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        match &mut self.state {
            State::Idle => None,
            State::Busy { held, .. } | State::Waits { held, .. } => Some(held),
        }
    }

    /// Takes its messages, whatever its thread does with them.
    pub(super) fn take_held(&mut self) -> Option<Held> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => None,
            State::Busy { held, .. } | State::Waits { held, .. } => Some(held),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy { .. })
    }

    /// True when its messages failed and wait for the next attempt.
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.state, State::Waits { is_failed: true, .. })
    }

    /// The time at which there is something to do about its messages.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waits { until, .. } => Some(until),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
