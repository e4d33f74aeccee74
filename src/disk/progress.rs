//! The messages that a destination has taken: [`Progress`], a number and ranges beyond it.
//!
//! ```text
//!   0        below             beyond[0]        beyond[1]
//!   ├─────────┤······a······├──────┤······b······├────┤·······     taken: ─   open: ·
//! ```
//!
//! The ranges are in order, none is empty, and between any two there is a message that is open: so a set of
//! messages has one form.

use std::ops::Range;

#[cfg(test)]
mod tests;

/// The messages that are done, by number: everything below a number, and ranges beyond it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    below: u64,
    beyond: Vec<Range<u64>>,
}

impl Progress {
    /// Everything below `below`.
    pub fn new(below: u64) -> Self {
        Self { below, beyond: Vec::new() }
    }

    /// The first message that is open.
    pub fn below(&self) -> u64 {
        self.below
    }

    /// The ranges beyond it, in order, with a gap before each.
    pub fn beyond(&self) -> &[Range<u64>] {
        &self.beyond
    }

    /// Adds messages.
    pub fn add(&mut self, messages: Range<u64>) {
        if messages.is_empty() || messages.end <= self.below {
            return;
        }
        // The ranges that it touches become one with it.
        let from = self.beyond.partition_point(|range| range.end < messages.start);
        let to = self.beyond.partition_point(|range| range.start <= messages.end);
        let mut whole = messages;
        if from < to {
            whole.start = whole.start.min(self.beyond[from].start);
            whole.end = whole.end.max(self.beyond[to - 1].end);
        }
        if whole.start <= self.below {
            self.below = whole.end;
            self.beyond.drain(..to);
        } else {
            self.beyond.splice(from..to, [whole]);
        }
    }

    /// Adds what `other` has, up to `limit`; tells whether that was news.
    pub(super) fn merge(&mut self, other: &Self, limit: u64) -> bool {
        let before = (self.below, self.beyond.len(), self.count());
        self.add(0..other.below.min(limit));
        for range in &other.beyond {
            self.add(range.start..range.end.min(limit));
        }
        before != (self.below, self.beyond.len(), self.count())
    }

    /// Tells whether all of `messages` are done.
    pub fn covers(&self, messages: &Range<u64>) -> bool {
        self.next_open(messages.start) >= messages.end
    }

    /// The first open message from `from` on.
    pub fn next_open(&self, from: u64) -> u64 {
        let from = from.max(self.below);
        let at = self.beyond.partition_point(|range| range.end <= from);
        match self.beyond.get(at) {
            Some(range) if range.start <= from => range.end,
            _ => from,
        }
    }

    /// The done ranges within `messages`, in order.
    pub fn within(&self, messages: &Range<u64>) -> Vec<Range<u64>> {
        let cut = |range: &Range<u64>| range.start.max(messages.start)..range.end.min(messages.end);
        let below = 0..self.below;
        let from = self.beyond.partition_point(|range| range.end <= messages.start);
        let beyond = self.beyond[from..].iter().take_while(|range| range.start < messages.end);
        std::iter::once(&below).chain(beyond).map(cut).filter(|range| !range.is_empty()).collect()
    }

    /// The number of messages that are done.
    pub fn count(&self) -> u64 {
        self.below + self.beyond.iter().map(|range| range.end - range.start).sum::<u64>()
    }

    /// The end of the last message that is done.
    pub(super) fn end(&self) -> u64 {
        self.beyond.last().map_or(self.below, |range| range.end)
    }

    /// This without the ranges after the first `most`: what they cover is delivered once more after a
    /// restart.
    pub(super) fn first_ranges(&self, most: usize) -> Self {
        Self { below: self.below, beyond: self.beyond[..self.beyond.len().min(most)].to_vec() }
    }

    /// Its bytes as the body of a record: the number, then pairs.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.below.to_le_bytes());
        for range in &self.beyond {
            out.extend(range.start.to_le_bytes());
            out.extend(range.end.to_le_bytes());
        }
    }

    /// Reads what [`Progress::write`] wrote; `None` when it is none, or speaks of `limit` and beyond.
    pub(super) fn read(bytes: &[u8], limit: u64) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut this = Self::new(words.next()?);
        let mut end = this.below;
        while let Some(start) = words.next() {
            let range = start..words.next()?;
            if range.start <= end || range.is_empty() {
                return None;
            }
            end = range.end;
            this.beyond.push(range);
        }
        (rest.is_empty() && end <= limit).then_some(this)
    }
}
