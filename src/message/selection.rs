//! Rows of a batch, as one branch of the way has them: [`Selection`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::batch::USUAL_CHARGE;
use super::revision::Index;
use super::{Batch, MessageRef, RevisedRow, Revision, Rows, Stamp};
use crate::fault::panic_text;

/// Rows of a shared batch with the revision that they are read by: what flows between threads.
///
/// Rows keep their number for ever, so acknowledgements, drops and statistics never care what happened to a
/// message on its way.
#[derive(Debug, Clone)]
pub struct Selection {
    batch: Arc<Batch>,
    rows: Rows,
    revision: Option<Arc<Revision>>,
}

/// A row at which a step panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its number in the batch.
    pub row: u32,
    /// The panic's text.
    pub reason: String,
}

/// The outcome of the rows that were parsed late.
#[derive(Debug, Default)]
pub struct LateParsed {
    /// The rest of their charge to the byte half of the credit than they were charged for.
    pub more: u64,
    /// The rows that the parser panicked at: they are their texts, with the time of their receipt, and
    /// nothing else.
    pub faults: Vec<Fault>,
}

impl Selection {
    /// All rows of `batch`.
    pub fn all(batch: Arc<Batch>) -> Self {
        let rows = Rows::Range(0..batch.rows());
        Self { batch, rows, revision: None }
    }

    /// The same batch with other rows.
    #[must_use]
    pub fn with_rows(&self, rows: Rows) -> Self {
        Self { batch: Arc::clone(&self.batch), rows, revision: self.revision.clone() }
    }

    /// Its rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Narrows it to `rows`, which are some of its own.
    pub fn set_rows(&mut self, rows: Rows) {
        self.rows = rows;
    }

    /// The revision that its rows are read by.
    pub fn revision(&self) -> Option<&Arc<Revision>> {
        self.revision.as_ref()
    }

    /// The bytes of its messages from `first` on with `delimiter` after each, when they stand in memory like
    /// that.
    pub fn joined(&self, first: usize, delimiter: u8) -> Option<&[u8]> {
        match &self.rows {
            Rows::Range(rows) if self.revision.is_none() => {
                self.batch.joined(rows.start + first as u32..rows.end, delimiter)
            }
            _ => None,
        }
    }

    /// The number of its messages.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The batch that its messages are in.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The memory that a message of its batch takes, on average: 1 byte at least.
    pub fn bytes_each(&self) -> u64 {
        let revised = self.revision.as_ref().map_or(0, |revision| revision.charge());
        ((self.batch.charge() + revised) / u64::from(self.batch.rows().max(1))).max(1)
    }

    /// The message at `index`, counted among its rows.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn message(&self, index: usize) -> MessageRef<'_> {
        self.row(self.rows.at(index))
    }

    /// The message in `row`, which is read as the others are.
    ///
    /// # Panics
    /// When the batch has no such row.
    #[inline]
    pub fn row(&self, row: u32) -> MessageRef<'_> {
        match &self.revision {
            None => self.batch.message(row),
            Some(revision) => self.batch.revised(row, revision),
        }
    }

    /// Its messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = MessageRef<'_>> {
        (0..self.len()).map(|index| self.message(index))
    }

    /// Calls `change` with each message, to be read and changed. What it gives true for stays; the change is
    /// the message's then. A message with which it gives false, that would pass a bound, or that it panics
    /// at, leaves the selection.
    ///
    /// A revision that nobody else holds is changed in place; another one gets a child. Returns how much
    /// memory was taken; the rows that passed a bound or panicked go to `faults`.
    pub fn revise(
        &mut self,
        faults: &mut Vec<Fault>,
        mut change: impl FnMut(&mut RevisedRow<'_>) -> bool,
    ) -> u64 {
        let mut revision = self.take_revision();
        revision.expect(self.rows.len());
        let mut names = Index::default();
        let (mut kept, mut index) = (Narrowed::new(&self.rows), 0);
        while index < self.rows.len() {
            // A row that panics takes back what it has half done.
            let all = catch_unwind(AssertUnwindSafe(|| {
                while index < self.rows.len() {
                    let row = self.rows.at(index);
                    match revision.change(&self.batch, row, &mut names, &mut change) {
                        Ok(true) => {}
                        Ok(false) => kept.leave_out(index),
                        Err(limit) => {
                            faults.push(Fault { row, reason: limit.to_string() });
                            kept.leave_out(index);
                        }
                    }
                    index += 1;
                }
            }));
            if let Err(panic) = all {
                faults.push(Fault { row: self.rows.at(index), reason: panic_text(&*panic) });
                kept.leave_out(index);
                (index, names) = (index + 1, Index::default());
            }
        }
        if let Some(rows) = kept.into_rows() {
            self.rows = rows;
        }
        let more = revision.end_changes();
        self.revision = if revision.is_empty() { revision.into_parent() } else { Some(Arc::new(revision)) };
        more
    }

    /// Keeps the messages that `keeps` gives true for. Those that it panics at leave, and go to `faults`.
    pub fn retain(&mut self, faults: &mut Vec<Fault>, mut keeps: impl FnMut(MessageRef<'_>) -> bool) {
        let (mut kept, mut index) = (Narrowed::new(&self.rows), 0);
        while index < self.rows.len() {
            let all = catch_unwind(AssertUnwindSafe(|| {
                while index < self.rows.len() {
                    if !keeps(self.message(index)) {
                        kept.leave_out(index);
                    }
                    index += 1;
                }
            }));
            if let Err(panic) = all {
                faults.push(Fault { row: self.rows.at(index), reason: panic_text(&*panic) });
                kept.leave_out(index);
                index += 1;
            }
        }
        if let Some(rows) = kept.into_rows() {
            self.rows = rows;
        }
    }

    /// Its revision, when nobody else holds it; otherwise a new one that is the child of it.
    fn take_revision(&mut self) -> Revision {
        match self.revision.take().map(Arc::try_unwrap) {
            None => Revision::new(&self.batch, None),
            Some(Ok(revision)) => revision,
            Some(Err(shared)) => Revision::new(&self.batch, Some(shared)),
        }
    }

    /// Calls `parse` with the text, the time of receipt and the [`RevisedRow`] of every message that was
    /// posted unparsed, in order. A message that it panics at, or that would pass a bound, goes on as it
    /// came, and `parse` has to take care itself of what it was in the middle of.
    pub fn parse_late(&mut self, mut parse: impl FnMut(&[u8], Stamp, &mut RevisedRow<'_>)) -> LateParsed {
        let Some(first) = self.rows.iter().find(|row| self.batch.is_unparsed(*row)) else {
            return LateParsed::default();
        };
        let (all, mut parsed) = (self.rows.clone(), LateParsed::default());
        let (batch, mut unparsed) = (Arc::clone(&self.batch), 0);
        self.rows = self.rows.without(&Rows::Range(0..first));
        let taken = self.revise(&mut parsed.faults, |row| {
            // What is not parsed is the batch's still.
            let message = batch.message(row.row());
            if !row.read().is_unparsed() {
                return false;
            }
            unparsed += 1;
            parse(message.text(), message.stamp(), row);
            true
        });
        self.rows = all;
        parsed.more = taken.saturating_sub(unparsed * USUAL_CHARGE);
        parsed
    }

    /// Puts `other`, which has other rows of the same batch, into this one, each row as it is read there.
    /// Gives `other` back where that cannot be: when both were changed, and somebody else reads this one's
    /// changes. Otherwise it gives how much memory was taken.
    ///
    /// # Errors
    /// `other`: nothing was done.
    pub fn unite(&mut self, other: Self) -> Result<u64, Self> {
        let is_same = |one: Option<&Arc<Revision>>, two: Option<&Arc<Revision>>| {
            one.map(Arc::as_ptr) == two.map(Arc::as_ptr)
        };
        if !Arc::ptr_eq(&self.batch, &other.batch) {
            return Err(other);
        }
        if is_same(self.revision(), other.revision()) {
            self.rows = self.rows.or(&other.rows);
            return Ok(0);
        }
        // A child that leaves the rows of the other alone reads them as its parent does.
        let reads = |child: &Self, parent: &Self| {
            child.revision().is_some_and(|revision| {
                is_same(revision.parent(), parent.revision())
                    && !parent.rows.iter().any(|row| revision.has(row))
            })
        };
        if reads(self, &other) {
            self.rows = self.rows.or(&other.rows);
            return Ok(0);
        }
        if reads(&other, self) {
            let rows = self.rows.or(&other.rows);
            *self = Self { rows, ..other };
            return Ok(0);
        }
        match self.revision.as_mut().and_then(Arc::get_mut) {
            None => Err(other),
            Some(revision) => {
                for row in other.rows.iter() {
                    revision.adopt(other.row(row));
                }
                self.rows = self.rows.or(&other.rows);
                Ok(revision.end_changes())
            }
        }
    }
}

/// The rows that stay, made anew only when one leaves.
struct Narrowed<'r> {
    rows: &'r Rows,
    /// The rows that stay up to `next`; without it all have stayed so far.
    kept: Option<Vec<u32>>,
    /// The first index that was not looked at.
    next: usize,
}

impl<'r> Narrowed<'r> {
    fn new(rows: &'r Rows) -> Self {
        Self { rows, kept: None, next: 0 }
    }

    /// Leaves the row at `index` out, which comes after all that were left out before.
    fn leave_out(&mut self, index: usize) {
        let kept = self.kept.get_or_insert_with(Vec::new);
        kept.extend((self.next..index).map(|index| self.rows.at(index)));
        self.next = index + 1;
    }

    /// The rows that stay; `None` when all do.
    fn into_rows(self) -> Option<Rows> {
        let mut kept = self.kept?;
        kept.extend((self.next..self.rows.len()).map(|index| self.rows.at(index)));
        Some(Rows::from(kept))
    }
}
