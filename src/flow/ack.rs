//! The outcome of a batch: [`Ack`].
//!
//! Every branch that a batch takes holds an [`Ack`] of it. An ack stands for two things that end at
//! different times on a path without flow control:
//!
//! * the *credit* of the messages, given back when the last ack that holds it lets it go: at delivery under
//!   flow control, when they are queued otherwise. That is the credit of the whole batch where all ways that
//!   wait have the same rows, and a count for each row where they have not ([`Ack::spread`]). Bytes come back
//!   with the last of the batch;
//! * the *outcome* of the messages, counted when the last ack of any kind is gone: a message of which a copy
//!   was dropped counts as dropped, once; one of which a copy was refused, and went to `on-reject()`, as
//!   rejected; one that went to no destination as filtered; every other one as delivered.
//!
//! A message is *acknowledged* when the credit of its batch ends. Where the source has a [`Tracker`], the
//! tracker is told then, and gives the credit back by its own rules; it learns which rows were given up at a
//! stop ([`DropReason::Stopped`]), on any branch and up to that moment: nobody has those. A message dropped
//! for any other reason is done with, as if it was delivered.
//!
//! A step that holds messages back has them [`Kept`]: their credit is back at once, and their acknowledgement
//! waits for that of what they become.

mod lent;
mod receipt;

use std::sync::Arc;

use super::{Credit, Share, SourceCounters, Tracker};
use crate::message::{Rows, Selection};
pub(crate) use lent::{Lent, LentAccount};
use receipt::Receipt;

/// The reason why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// The destination's queue was full (`log-fifo-size()`), on a path without flow control.
    QueueFull,
    /// The engine stopped before the message could be written.
    Stopped,
    /// Something in the engine failed that should not; the log has what.
    Fault,
    /// The message chose a path that cannot be written.
    UnwritablePath,
    /// A reload removed the destination, which could not write, and had nobody take its messages over.
    Removed,
    /// The destination's far end refused the message for good, and there is no `on-reject()`.
    Refused,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::QueueFull, Self::Stopped, Self::Fault, Self::UnwritablePath, Self::Removed, Self::Refused];

    /// The name in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Stopped => "stopped",
            Self::Fault => "fault",
            Self::UnwritablePath => "unwritable_path",
            Self::Removed => "removed",
            Self::Refused => "refused",
        }
    }
}

/// One branch's hold on a batch; see the module.
pub struct Ack {
    receipt: Arc<Receipt>,
    hold: Hold,
}

/// The way in which an ack holds credit.
#[derive(Clone)]
enum Hold {
    None,
    /// That of the batch.
    Whole,
    /// That of some rows, with all clones of the ack together.
    Rows(Arc<HeldRows>),
    /// None, of messages that were copied out: each of theirs stands for the row that has its place here.
    Copied(Arc<Rows>),
}

/// The hold of one way out on the credit of its rows.
struct HeldRows {
    receipt: Arc<Receipt>,
    rows: Rows,
}

impl Drop for HeldRows {
    fn drop(&mut self) {
        self.receipt.let_go_of_rows(&self.rows);
    }
}

impl Ack {
    /// The first ack of a batch of `messages` rows that took `bytes` bytes of credit.
    pub fn new(credit: &Arc<Credit>, counters: &Arc<SourceCounters>, messages: u32, bytes: u64) -> Self {
        Self::with_ticket(credit, counters, messages, bytes, None, None)
    }

    /// The same for a batch that has a ticket of a tracker's, and whose messages `share` counts.
    pub(crate) fn with_ticket(
        credit: &Arc<Credit>,
        counters: &Arc<SourceCounters>,
        messages: u32,
        bytes: u64,
        ticket: Option<(&Arc<Tracker>, u64)>,
        share: Option<Arc<Share>>,
    ) -> Self {
        let mut receipt = Receipt::new(credit, counters, messages, bytes, ticket, Vec::new());
        receipt.share = share;
        Self { receipt: Arc::new(receipt), hold: Hold::Whole }
    }

    /// The first ack of a batch that a step made of what it kept: its credit is taken here, even beyond what
    /// is free, and it is counted as generated.
    pub fn made(
        credit: &Arc<Credit>,
        counters: &Arc<SourceCounters>,
        messages: u32,
        bytes: u64,
        of: Vec<Kept>,
    ) -> Self {
        credit.take(messages, bytes);
        counters.count_generated(u64::from(messages));
        let receipt = Receipt::new(credit, counters, messages, bytes, None, of);
        Self { receipt: Arc::new(receipt), hold: Hold::Whole }
    }

    /// Another ack of the same batch that holds no credit: for a branch without flow control.
    #[must_use]
    pub fn without_credit(&self) -> Self {
        let hold = match &self.hold {
            Hold::Copied(of) => Hold::Copied(Arc::clone(of)),
            _ => Hold::None,
        };
        Self { receipt: Arc::clone(&self.receipt), hold }
    }

    /// An ack, without credit, of a batch of copies of `of`, which are rows of this one.
    pub(crate) fn of_copies(&self, of: Rows) -> Self {
        debug_assert!(!matches!(self.hold, Hold::Copied(_)), "copies are not copied again");
        Self { receipt: Arc::clone(&self.receipt), hold: Hold::Copied(Arc::new(of)) }
    }

    /// An ack for each of the ways out that wait, which have `held` of the batch: a row's credit comes back
    /// when the last of them that has it is done, and at once where none has it. To be called once, by the
    /// only holder of the credit.
    pub(crate) fn spread(&self, held: &[&Rows]) -> Vec<Self> {
        debug_assert!(matches!(self.hold, Hold::Whole), "the first ack is spread");
        if !self.receipt.spread(held) {
            return held.iter().map(|_| self.clone()).collect();
        }
        let held = held.iter().map(|rows| {
            self.receipt.hold();
            let rows = HeldRows { receipt: Arc::clone(&self.receipt), rows: (*rows).clone() };
            Self { receipt: Arc::clone(&self.receipt), hold: Hold::Rows(Arc::new(rows)) }
        });
        held.collect()
    }

    /// Keeps `rows` of the batch in flight, and their acknowledgement open, without their credit: for a step
    /// that holds them back.
    pub fn keep(&self, rows: Rows) -> Kept {
        debug_assert!(self.holds_credit(), "a step has what holds credit");
        self.receipt.keep_ticket();
        Kept { receipt: Arc::clone(&self.receipt), rows }
    }

    /// Takes `bytes` bytes of credit more for its batch, even beyond what is free: memory that a step took.
    /// They come back with the others.
    pub fn charge(&self, bytes: u64) {
        debug_assert!(self.holds_credit(), "of a batch whose credit is out");
        if bytes > 0 {
            self.receipt.charge(bytes);
        }
    }

    /// Tells whether it still holds credit of its batch.
    pub fn holds_credit(&self) -> bool {
        matches!(self.hold, Hold::Whole | Hold::Rows(_))
    }

    /// Tells whether somebody takes the end of its credit for the arrival of its messages: a tracker, or a
    /// buffer.
    pub(crate) fn is_tracked(&self) -> bool {
        self.receipt.is_tracked() || self.receipt.lent.is_some()
    }

    /// The part of its source's window that it holds, of messages or of bytes, in parts of `whole`: all of it
    /// for as long as one of its messages waits. Nothing without credit.
    pub(crate) fn window_share(&self, whole: u64) -> u64 {
        let Receipt { credit, messages, .. } = &*self.receipt;
        let messages = match &self.hold {
            Hold::None | Hold::Copied(_) => return 0,
            Hold::Whole => u64::from(*messages),
            Hold::Rows(held) => held.rows.len() as u64,
        };
        let share = |part: u64, of: u64| part.saturating_mul(whole) / of.max(1);
        share(messages, u64::from(credit.window())).max(share(self.receipt.bytes(), credit.max_bytes()))
    }

    /// Lets go of the credit, and keeps the outcome open.
    pub fn let_go_of_credit(&mut self) {
        if self.holds_credit()
            && let Hold::Whole = std::mem::replace(&mut self.hold, Hold::None)
        {
            self.receipt.let_go();
        }
    }

    /// Counts `messages` of the batch as filtered: they went to no destination, and were not dropped.
    pub(crate) fn count_filtered(&self, messages: u32) {
        self.receipt.count_filtered(messages);
    }

    /// Counts `rows` of the batch as dropped.
    pub fn drop_rows(&self, rows: &Rows, reason: DropReason) {
        match self.originals(rows) {
            Some(rows) => self.receipt.drop_rows(&rows, reason),
            None => self.receipt.drop_rows(rows, reason),
        }
    }

    /// Counts `rows` of the batch as rejected: a destination refused them for good, and another one has them.
    pub(crate) fn reject_rows(&self, rows: &Rows) {
        match self.originals(rows) {
            Some(rows) => self.receipt.reject_rows(&rows),
            None => self.receipt.reject_rows(rows),
        }
    }

    /// The rows that `rows`, where they are copies, stand for.
    fn originals(&self, rows: &Rows) -> Option<Rows> {
        let Hold::Copied(of) = &self.hold else { return None };
        Some(Rows::from(rows.iter().map(|row| of.at(row as usize)).collect::<Vec<_>>()))
    }
}

impl Clone for Ack {
    fn clone(&self) -> Self {
        if let Hold::Whole = self.hold {
            self.receipt.hold();
        }
        Self { receipt: Arc::clone(&self.receipt), hold: self.hold.clone() }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.let_go_of_credit();
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ack")
            .field("messages", &self.receipt.messages)
            .field("holds_credit", &self.holds_credit())
            .finish_non_exhaustive()
    }
}

/// Messages that a step holds back: in flight, and not acknowledged, until this is dropped or what they
/// became is acknowledged ([`Ack::made`]).
pub struct Kept {
    receipt: Arc<Receipt>,
    rows: Rows,
}

impl Kept {
    /// Counts them as dropped.
    pub fn drop_rows(&self, reason: DropReason) {
        self.receipt.drop_rows(&self.rows, reason);
    }

    /// Notes that nobody has them.
    fn abort(&self) {
        self.receipt.abort(&self.rows);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.receipt.let_go_of_ticket();
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Messages on their way to a destination.
///
/// The view goes before the ack, so that the memory of a batch is free by the time that its credit is.
#[derive(Debug)]
pub struct Delivery {
    /// The messages.
    pub view: Selection,
    /// The hold on their batch.
    pub ack: Ack,
    /// True when their path has flow control: then they keep their credit whatever happens. Otherwise the
    /// destination lets go of it when it cannot write.
    pub flow_control: bool,
}

#[cfg(test)]
mod tests;
