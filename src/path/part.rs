//! Messages at one place of a program: [`Part`].

use std::sync::Arc;

use smallvec::SmallVec;

use crate::message::{Rows, Selection};

/// The place of a message among the copies of it, and the messages made before it: the numbers of the exits
/// of forks, and of the steps, that it came through. Where branches copy a message, the copies differ in it;
/// the lesser was first in the engine that runs one message at a time through the program.
pub(super) type Order = SmallVec<[u32; 2]>;

/// Messages of one batch that are at one place of a program, in one [`Order`] and read by one revision.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) selection: Selection,
    /// The number of its batch in the run.
    pub(super) batch: usize,
    /// For messages that a step made the rows that they stand before; others stand where they are.
    pub(super) before: Option<Arc<[u32]>>,
    pub(super) order: Order,
}

/// The messages that a [`Part`] had.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    pub(super) batch: usize,
    pub(super) order: Order,
    pub(super) rows: Rows,
}

impl Part {
    pub(super) fn rows(&self) -> &Rows {
        self.selection.rows()
    }

    /// The place of `row` among all messages of the run.
    pub(super) fn position(&self, row: u32) -> u32 {
        self.before.as_ref().map_or(row, |before| before[row as usize])
    }

    pub(super) fn outline(&self) -> Outline {
        Outline { batch: self.batch, order: self.order.clone(), rows: self.rows().clone() }
    }

    /// Takes the messages of `outlines` away, which may have gone through forks since.
    pub(super) fn take_away(&mut self, outlines: &[Outline]) {
        for other in outlines {
            if other.batch == self.batch && other.order.starts_with(&self.order) {
                let rows = self.rows().without(&other.rows);
                self.selection.set_rows(rows);
            }
        }
    }

    /// The same messages with `number` behind their order.
    pub(super) fn through(mut self, number: u32) -> Self {
        self.order.push(number);
        self
    }
}

/// Takes the messages of `outlines` away from `parts`.
pub(super) fn take_away(parts: &mut Vec<Part>, outlines: &[Outline]) {
    for part in parts.iter_mut() {
        part.take_away(outlines);
    }
    parts.retain(|part| !part.rows().is_empty());
}

/// Puts parts of one order together again, each row as it is read in its own, where that can be. `charge`
/// gets the number of a batch and how much memory that took.
pub(super) fn join(parts: Vec<Part>, mut charge: impl FnMut(usize, u64)) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len().min(4));
    for Part { selection, batch, before, order } in parts {
        let mut left = Some(selection);
        for known in joined.iter_mut().filter(|known| known.batch == batch && known.order == order) {
            let Some(selection) = left.take() else { break };
            match known.selection.unite(selection) {
                Ok(more) => charge(batch, more),
                Err(selection) => left = Some(selection),
            }
        }
        joined.extend(left.map(|selection| Part { selection, batch, before, order }));
    }
    joined
}

/// The messages of `parts` in the order in which the engine of one message at a time would have them at the
/// node with this `number`: runs of one part each.
pub(super) fn in_order(parts: Vec<Part>, number: u32) -> Vec<Part> {
    if parts.len() < 2 {
        return parts;
    }
    let mut entries: Vec<(u32, usize, u32)> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        entries.extend(part.rows().iter().map(|row| (part.position(row), index, row)));
    }
    entries.sort_by(|one, two| {
        // A message is behind those that a step before this node made before it.
        let order = |entry: &(u32, usize, u32)| parts[entry.1].order.iter().copied().chain([number]);
        let orders = || order(one).cmp(order(two));
        one.0.cmp(&two.0).then_with(orders).then_with(|| one.2.cmp(&two.2))
    });
    let runs = entries.chunk_by(|one, two| one.1 == two.1);
    let run = |run: &[(u32, usize, u32)]| {
        let rows = Rows::from(run.iter().map(|(_, _, row)| *row).collect::<Vec<_>>());
        let part = &parts[run[0].1];
        Part { selection: part.selection.with_rows(rows), ..part.clone() }
    };
    runs.map(run).collect()
}
