//! Batches that wait for earlier ones of their lane: [`Postponed`].
//!
//! A step may take more memory than its lane has credit for: it never waits. What bounds that is that no
//! further batch of the lane is begun while one that steps have made larger is still out, and the lane has no
//! byte free ([`Credit::is_outgrown`]). So a lane takes its window, and the growth of one batch. Other lanes
//! go on meanwhile.
//!
//! Nobody calls the worker when credit comes back: it looks every [`LOOK`] while something waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Stop;
#[cfg(doc)]
use crate::flow::Credit;
use crate::flow::Parcel;

/// The time between two looks whether credit has come back.
const LOOK: Duration = Duration::from_millis(1);

/// Batches that wait, of each lane in their order.
#[derive(Debug, Default)]
pub(super) struct Postponed {
    /// None of them is empty.
    lanes: Vec<VecDeque<Parcel>>,
}

impl Postponed {
    /// Tells whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The time at which they are to be looked at again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        (!self.is_empty()).then(|| Instant::now() + LOOK)
    }

    /// Takes `parcel` where it has to wait; gives it back where it may be sent.
    #[inline]
    pub(super) fn admit(&mut self, parcel: Parcel) -> Option<Parcel> {
        if self.lanes.is_empty() && !parcel.lane().credit().is_outgrown() {
            return Some(parcel);
        }
        self.admit_later(parcel)
    }

    #[cold]
    fn admit_later(&mut self, parcel: Parcel) -> Option<Parcel> {
        let source = parcel.source();
        let is_same =
            |waiting: &&mut VecDeque<Parcel>| waiting.front().is_some_and(|first| first.source() == source);
        match self.lanes.iter_mut().find(is_same) {
            Some(waiting) => waiting.push_back(parcel),
            None if parcel.lane().credit().is_outgrown() => self.lanes.push(VecDeque::from([parcel])),
            None => return Some(parcel),
        }
        None
    }

    /// All that wait, each lane's in their order.
    pub(super) fn into_parcels(self) -> Vec<Parcel> {
        self.lanes.into_iter().flatten().collect()
    }

    /// Sends those that wait no longer; with `all` every one. Ends when `stop` is due.
    pub(super) fn release(&mut self, all: bool, stop: &Stop, mut send: impl FnMut(Parcel)) {
        self.lanes.retain_mut(|waiting| {
            while let Some(first) = waiting.pop_front() {
                if stop.is_due() || (!all && first.lane().credit().is_outgrown()) {
                    waiting.push_front(first);
                    return true;
                }
                send(first);
            }
            false
        });
    }
}
