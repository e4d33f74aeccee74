//! The steps of a program: [`Step`].

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Hosted;
use crate::flow::{Ack, DropReason, Kept, Lane};
use crate::message::copied::need;
use crate::message::{
    Batch, Fault, MessageRef, Need, Origin, RevisedRow, Row, Rows, Selection, Stored, Writer,
};

/// One step of a program: a filter narrows, a parser or a rewrite changes messages and may narrow, a
/// correlating step holds messages back and makes others.
///
/// A step has one state for each reference to it, shared by all sources that pass it, behind a lock of its
/// own; it is called by several threads, and waits for none of them.
pub trait Step: fmt::Debug + Send + Sync {
    /// Does to `selection` what it is for, through `out`: messages are narrowed, changed, held back and made
    /// there, so that a panic costs the message it was at.
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>);

    /// Its name in the log.
    fn name(&self) -> &str;

    /// Tells whether it has to see messages in the order in which they came, also where branches before it
    /// have parted them: everything with a state.
    fn is_ordered(&self) -> bool {
        false
    }

    /// The identity of the step over a reload, if it has a state: its place in the configuration, and its
    /// options.
    fn key(&self) -> Option<&str> {
        None
    }

    /// The time at which [`Step::expire`] is to be called next.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Makes what is due at `now`.
    fn expire(&self, _now: Instant, _out: &mut Timed) {}

    /// Takes over the state of `old`, the step with the same key in the configuration before, which is called
    /// no more. What it has came before what this one may have taken meanwhile.
    fn take_over(&self, _old: &dyn Step) {}

    /// Makes of what it holds back what can be made: it is called no more, and no other step takes over from
    /// it.
    fn finish(&self, _out: &mut Timed) {}

    /// Its counts, if it counts.
    fn statistics(&self) -> Option<StepStatistics> {
        None
    }

    /// Itself, where it is the place of a step that the host of the engine makes.
    fn hosted(&self) -> Option<&Hosted> {
        None
    }

    /// Tells whether it calls the host of the engine. Then every program that has it runs on the one worker
    /// that may wait for the host.
    fn is_hosted(&self) -> bool {
        self.hosted().is_some()
    }

    /// Ends a step of the host's, on the worker that has called it: it is called no more. `is_last` says that
    /// no other one of the host's is called there either.
    fn retire(&self, _is_last: bool) {}

    /// Itself, for [`Step::take_over`] to find its own kind.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// The messages that a step was given, by what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStatistics {
    /// `<statement>#<index>`
    pub id: String,
    /// The word of the language that it is called by.
    pub word: &'static str,
    /// The number of messages that it was given.
    pub processed: u64,
    /// The number of those that did not go on.
    pub discarded: u64,
    /// The reasons why they did not.
    pub reasons: Vec<(&'static str, u64)>,
    /// The counts of a step that correlates messages.
    pub correlation: Option<Correlation>,
    /// The counters of the user's own.
    pub probed: Option<Probed>,
}

/// Counters that a configuration has asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// By their names.
    pub counts: BTreeMap<ProbedName, u64>,
    /// The messages for which there would have been one more.
    pub left_out: u64,
}

/// The name of a counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbedName {
    /// The name of the metric.
    pub key: String,
    /// The values of its labels, by their names.
    pub labels: BTreeMap<String, String>,
}

impl Probed {
    /// The most counters that are kept of steps that are gone.
    const MOST: usize = 20_000;

    /// Adds what `other` has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.left_out += other.left_out;
        for (name, count) in &other.counts {
            if let Some(sum) = self.counts.get_mut(name) {
                *sum = sum.saturating_add(*count);
            } else if self.counts.len() < Self::MOST {
                self.counts.insert(name.clone(), *count);
            } else {
                self.left_out = self.left_out.saturating_add(*count);
            }
        }
    }
}

/// The messages that a step puts together, by what becomes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Correlation {
    /// The number of contexts that are open now.
    pub contexts: u64,
    /// The memory that they take, in bytes.
    pub bytes: u64,
    /// The time at which the oldest of them began.
    pub oldest: Option<Instant>,
    /// The number of messages that were made.
    pub made: u64,
    /// The number of contexts that a message closed: one that they waited for, or that begins the next.
    pub closed_by_message: u64,
    /// The number of those for which no more came in their time.
    pub closed_by_timeout: u64,
    /// The number of contexts that were closed before their time, as there was no room for them.
    pub closed_early: u64,
    /// The number of those that were closed as the parser has gone: at a stop, or by a reload.
    pub closed_at_end: u64,
}

impl Correlation {
    /// The age of the oldest context that is open.
    pub fn oldest_age(&self) -> Duration {
        self.oldest.map_or(Duration::ZERO, |begun| Instant::now().saturating_duration_since(begun))
    }

    fn add(&mut self, more: &Self) {
        self.contexts += more.contexts;
        self.bytes += more.bytes;
        self.oldest = self.oldest.into_iter().chain(more.oldest).min();
        self.made += more.made;
        self.closed_by_message += more.closed_by_message;
        self.closed_by_timeout += more.closed_by_timeout;
        self.closed_early += more.closed_early;
        self.closed_at_end += more.closed_at_end;
    }
}

impl StepStatistics {
    /// Adds what `other`, which is the same by its name, has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.processed += other.processed;
        self.discarded += other.discarded;
        if let Some(more) = other.correlation {
            self.correlation.get_or_insert_default().add(&more);
        }
        if let Some(more) = &other.probed {
            self.probed.get_or_insert_default().add(more);
        }
        for (reason, count) in &other.reasons {
            match self.reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, known)) => *known += count,
                None => self.reasons.push((reason, *count)),
            }
        }
    }
}

/// The origin of a message that a step makes another of: the made one belongs to the same lane.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its lane.
    pub lane: Arc<Lane>,
    /// The part that it has in common with the other messages of its source.
    pub origin: Arc<Origin>,
}

/// The results of a step beside the selection that it was called with.
#[derive(Debug)]
pub struct Out<'a> {
    trigger: Trigger,
    ack: &'a Ack,
    /// The time of the engine's clock.
    now: Instant,
    pub(super) faults: Vec<Fault>,
    /// Rows that are held back.
    pub(super) kept: Vec<u32>,
    pub(super) made: Vec<Made>,
    /// Texts for the log.
    pub(super) said: Vec<String>,
}

/// Messages that a step has made, all of one lane.
#[derive(Debug)]
pub(crate) struct Made {
    pub(super) trigger: Trigger,
    writer: Writer,
    /// For each of them the row that it stands before.
    pub(super) before: Vec<u32>,
    of: Vec<Kept>,
}

impl Made {
    /// With room for a message that needs `need`; for many, where others of the same origin are likely.
    fn new(trigger: &Trigger, need: Need, is_one_of_many: bool) -> Self {
        let writer = if is_one_of_many {
            Writer::open(&trigger.origin, trigger.lane.pool(), need)
        } else {
            Writer::open_exact(&trigger.origin, need)
        };
        Self { trigger: trigger.clone(), writer, before: Vec::new(), of: Vec::new() }
    }

    /// Writes a message behind the others; false where there is no room for it.
    fn write(&mut self, row: u32, need: Need, fill: impl FnOnce(&mut Row<'_>)) -> bool {
        if self.before.last().is_some_and(|last| *last > row) {
            return false;
        }
        let Some(mut written) = self.writer.row(need) else { return false };
        fill(&mut written);
        // Nobody else has the batch.
        written.publish();
        self.before.push(row);
        true
    }

    /// The lane that they belong to.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.trigger.lane
    }

    /// Counts them as dropped: there is no way for them any more.
    pub(crate) fn give_up(self) {
        let lane = Arc::clone(&self.trigger.lane);
        let (batch, _, of) = self.finish();
        let ack = Ack::made(lane.credit(), lane.counters(), batch.rows(), batch.charge(), of);
        ack.drop_rows(&Rows::Range(0..batch.rows()), DropReason::Stopped);
    }

    /// The batch of them, the rows that they stand before, and what they were made of.
    pub(super) fn finish(self) -> (Batch, Vec<u32>, Vec<Kept>) {
        (self.writer.finish(), self.before, self.of)
    }
}

/// Adds a message to what was made, for `trigger`.
fn make(
    made: &mut Vec<Made>,
    trigger: &Trigger,
    (row, need, of): (u32, Need, Vec<Kept>),
    fill: impl FnOnce(&mut Row<'_>),
) {
    let is_same = |made: &Made| {
        Arc::ptr_eq(&made.trigger.lane, &trigger.lane) && Arc::ptr_eq(&made.trigger.origin, &trigger.origin)
    };
    let fits = |made: &Made| {
        is_same(made) && made.before.last().is_none_or(|last| *last <= row) && made.writer.fits(need)
    };
    if !made.last().is_some_and(fits) {
        // Those of many origins, in turns, do not take a slab each.
        let is_one_of_many = made.last().is_none_or(is_same);
        made.push(Made::new(trigger, need, is_one_of_many));
    }
    if let Some(last) = made.last_mut() {
        let written = last.write(row, need, fill);
        debug_assert!(written, "there is room");
        last.of.extend(of);
    }
}

impl<'a> Out<'a> {
    pub(super) fn new(trigger: Trigger, ack: &'a Ack, now: Instant) -> Self {
        Self { trigger, ack, now, faults: Vec::new(), kept: Vec::new(), made: Vec::new(), said: Vec::new() }
    }

    /// The origin of the messages.
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// The time of the engine's clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Narrows `selection` to the messages that `keeps` gives true for.
    pub fn retain(&mut self, selection: &mut Selection, keeps: impl FnMut(MessageRef<'_>) -> bool) {
        selection.retain(&mut self.faults, keeps);
    }

    /// Changes the messages of `selection` as `change` does, and narrows it to those that it gives true for.
    /// The memory is charged to their source.
    pub fn revise(&mut self, selection: &mut Selection, change: impl FnMut(&mut RevisedRow<'_>) -> bool) {
        self.ack.charge(selection.revise(&mut self.faults, change));
    }

    /// Narrows `selection` to the rows that `all` finds, a column at a time. Where that panics, `one` is
    /// asked of each message.
    pub fn narrow(
        &mut self,
        selection: &mut Selection,
        all: impl FnOnce(&Selection) -> Rows,
        one: impl FnMut(MessageRef<'_>) -> bool,
    ) {
        match catch_unwind(AssertUnwindSafe(|| all(selection))) {
            Ok(rows) => selection.set_rows(rows),
            Err(_) => self.retain(selection, one),
        }
    }

    /// Holds `row` of the selection back, which the step has copied, and has left out of the selection: it is
    /// in flight until what it gives is dropped.
    pub fn keep(&mut self, row: u32) -> Kept {
        self.kept.push(row);
        self.ack.keep(Rows::Range(row..row + 1))
    }

    /// Says `text` in the log.
    pub fn say(&mut self, text: String) {
        self.said.push(text);
    }

    /// Makes a copy of `message` of those that are kept in `of`. It stands before `row`, and goes on behind
    /// this step.
    pub fn make_copy(&mut self, row: u32, message: &Stored, of: Vec<Kept>) {
        let trigger = Trigger { lane: Arc::clone(&self.trigger.lane), origin: Arc::clone(message.origin()) };
        let message = message.message();
        make(&mut self.made, &trigger, (row, need(message), of), |row| row.copy_of(message));
    }

    /// Makes a message of those that are kept in `of`. It stands before `row`, and goes on behind this step.
    pub fn make(&mut self, row: u32, need: Need, of: Vec<Kept>, fill: impl FnOnce(&mut Row<'_>)) {
        make(&mut self.made, &self.trigger, (row, need, of), fill);
    }
}

/// The messages that a step makes when its time has come, or at its end: messages that stand before no other.
#[derive(Debug, Default)]
pub struct Timed {
    pub(super) made: Vec<Made>,
}

impl Timed {
    /// Makes a message of those that are kept in `of`, the last of which `trigger` is of.
    pub fn make(&mut self, trigger: &Trigger, need: Need, of: Vec<Kept>, fill: impl FnOnce(&mut Row<'_>)) {
        make(&mut self.made, trigger, (0, need, of), fill);
    }

    /// Makes a copy of `message` of those that are kept in `of`, which belongs to `lane`.
    pub fn make_copy(&mut self, lane: &Arc<Lane>, message: &Stored, of: Vec<Kept>) {
        let trigger = Trigger { lane: Arc::clone(lane), origin: Arc::clone(message.origin()) };
        let message = message.message();
        make(&mut self.made, &trigger, (0, need(message), of), |row| row.copy_of(message));
    }

    /// The number of messages that were made.
    pub fn len(&self) -> usize {
        self.made.iter().map(|made| made.before.len()).sum()
    }

    /// Tells whether none was made.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// The messages that were made.
    pub(crate) fn into_made(self) -> Vec<Made> {
        self.made
    }
}
