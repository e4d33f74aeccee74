//! The caller of the store: what it gave, and what it was promised.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::disk::progress::Progress;
use crate::disk::store::MOST_RANGES;

/// An entry as the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) messages: Range<u64>,
    pub(super) token: u64,
}

/// The part of `progress` below a number.
pub(super) fn below(progress: &Progress, end: u64) -> Progress {
    let mut part = Progress::default();
    progress.within(&(0..end)).into_iter().for_each(|range| part.add(range));
    part
}

/// The knowledge of the caller: what it was promised.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Entries that are durable, by their first message.
    pub(super) committed: BTreeMap<u64, Given>,
    /// The end of them.
    pub(super) end: u64,
    /// Entries that were appended since, in order.
    pub(super) open: Vec<Given>,
    /// Further messages that may have been appended since: attempts that failed.
    pub(super) attempts: Vec<Vec<Given>>,
    /// What the store was told, what of that it has recorded, and what of that is durable for sure.
    pub(super) told: Progress,
    pub(super) recorded: Progress,
    pub(super) noted: Progress,
    pub(super) tokens: u64,
}

impl Oracle {
    /// Takes what was appended below `end` for durable.
    pub(super) fn commit(&mut self, end: u64) {
        let count = self.open.partition_point(|given| given.messages.end <= end);
        for given in self.open.drain(..count) {
            self.committed.insert(given.messages.start, given);
        }
        self.end = self.end.max(end);
        for attempt in &mut self.attempts {
            attempt.retain(|given| given.messages.start >= end);
        }
        self.attempts.retain(|attempt| !attempt.is_empty());
    }

    /// Where there are more ranges than a note has, any but the first number may be forgotten.
    pub(super) fn cut_ranges(&mut self) {
        if self.recorded.beyond().len() > MOST_RANGES {
            self.noted = Progress::new(self.noted.below());
        }
    }

    pub(super) fn forget(&mut self, messages: &Range<u64>) -> Result<(), String> {
        if messages.start < self.end {
            return Err(format!("{messages:?} forgotten, and {} were committed", self.end));
        }
        self.commit(messages.start);
        self.attempts.push(std::mem::take(&mut self.open));
        self.told = below(&self.told, messages.start);
        Ok(())
    }

    /// Tells whether `tail`, up to `next`, is the beginning of what may have been appended; what is done did
    /// not come.
    pub(super) fn can_end_with(&self, tail: &[Given], next: u64, progress: &Progress) -> bool {
        self.attempts.iter().chain([&self.open]).any(|attempt| {
            let count = attempt.partition_point(|given| given.messages.end <= next);
            let came = |given: &&Given| !progress.covers(&given.messages);
            let end = attempt[..count].last().map_or(self.end, |given| given.messages.end);
            end == next && attempt[..count].iter().filter(came).eq(tail)
        })
    }
}
