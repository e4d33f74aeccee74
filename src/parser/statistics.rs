//! The counts of a parser: [`Statistics`].

use std::sync::{Mutex, PoisonError};

use super::Refused;
use crate::path::StepStatistics;

/// The texts that a parser was given, by what became of them. Reasons are few: as many as a parser has.
#[derive(Debug, Default)]
pub(crate) struct Statistics(Mutex<Tally>);

/// The same for the messages of one batch, by who parses them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The number of texts that were taken apart.
    parsed: u64,
    /// The number of texts that were refused, by reason.
    refused: Vec<(&'static str, u64)>,
}

impl Tally {
    /// Counts a text that was taken apart.
    #[inline]
    pub(crate) fn parsed(&mut self) {
        self.parsed += 1;
    }

    /// Counts a text that was refused.
    pub(crate) fn refuse(&mut self, Refused(reason): Refused) {
        self.add(reason, 1);
    }

    fn add(&mut self, reason: &'static str, more: u64) {
        match self.refused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += more,
            None => self.refused.push((reason, more)),
        }
    }
}

impl Statistics {
    /// Adds `tally`, and empties it.
    pub(crate) fn add(&self, tally: &mut Tally) {
        let mut whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        whole.parsed += std::mem::take(&mut tally.parsed);
        for (reason, count) in tally.refused.drain(..) {
            whole.add(reason, count);
        }
    }

    /// The counts, of the parser `word` that is `id`.
    pub(crate) fn of(&self, id: &str, word: &'static str) -> StepStatistics {
        let whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused: u64 = whole.refused.iter().map(|(_, count)| count).sum();
        StepStatistics {
            id: id.to_owned(),
            word,
            processed: whole.parsed + refused,
            discarded: refused,
            reasons: whole.refused.clone(),
            correlation: None,
            probed: None,
        }
    }
}
