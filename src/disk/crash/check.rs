//! The comparison of what a start finds with what was promised.

use super::oracle::Given;
use super::{Run, body};
use crate::disk::model::Model;
use crate::disk::{Progress, Read, Reader, Recovery};

fn is_subset(part: &Progress, whole: &Progress) -> bool {
    whole.covers(&(0..part.below())) && part.beyond().iter().all(|range| whole.covers(range))
}

impl Run {
    /// Checks everything that a start finds against what was promised.
    pub(super) fn check(&mut self, recovery: &Recovery, reader: &mut Reader<Model>) -> Result<(), String> {
        let progress = &recovery.progress;
        let (mut from, mut into, mut tail) = (0, Vec::new(), Vec::new());
        let mut came = Progress::default();
        loop {
            match reader.next(from, &mut into).map_err(|error| format!("reading: {error}"))? {
                Read::Entry { messages, .. } => {
                    let token = into.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                    let given = Given { messages: messages.clone(), token };
                    let is_known = self.ever.get(&messages.start).is_some_and(|all| all.contains(&given));
                    if !is_known || into != body(token, self.is_even) {
                        return Err(format!("{messages:?} with token {token} was never appended"));
                    }
                    if messages.end <= from {
                        return Err(format!("{messages:?} was read from {from}"));
                    }
                    from = messages.end;
                    came.add(messages.clone());
                    match self.oracle.committed.get(&messages.start) {
                        Some(expected) if *expected == given => {}
                        _ if messages.start >= self.oracle.end => tail.push(given),
                        _ if self.is_lying => {}
                        other => return Err(format!("{given:?} came, and {other:?} was committed")),
                    }
                }
                Read::Lost(damaged) if self.is_lying => from = damaged.messages.end,
                Read::Lost(damaged) => return Err(format!("lost: {damaged}")),
                Read::End => break,
            }
        }
        if self.is_lying {
            self.settle(recovery, tail);
            return Ok(());
        }
        if !recovery.damaged.is_empty() || !recovery.aside.is_empty() {
            return Err(format!("taken for damage: {:?} {:?}", recovery.damaged, recovery.aside));
        }
        if !is_subset(progress, &self.oracle.told) {
            return Err(format!("found {progress:?}, told {:?}", self.oracle.told));
        }
        if !is_subset(&self.oracle.noted, progress) {
            return Err(format!("found {progress:?}, noted {:?}", self.oracle.noted));
        }
        if !self.oracle.can_end_with(&tail, recovery.next, progress) {
            let (end, next) = (self.oracle.end, recovery.next);
            return Err(format!("committed {end}, found {next}, with {tail:?}; {:?}", self.oracle.attempts));
        }
        for given in self.oracle.committed.values() {
            let missing = given
                .messages
                .clone()
                .find(|at| !came.covers(&(*at..at + 1)) && !progress.covers(&(*at..at + 1)));
            if let Some(missing) = missing {
                return Err(format!("message {missing} was committed and not delivered, and is missing"));
            }
        }
        self.settle(recovery, tail);
        Ok(())
    }

    /// Goes on from what was found.
    fn settle(&mut self, recovery: &Recovery, tail: Vec<Given>) {
        for given in tail {
            self.oracle.committed.insert(given.messages.start, given);
        }
        let oracle = &mut self.oracle;
        oracle.end = recovery.next;
        oracle.open.clear();
        oracle.attempts.clear();
        oracle.told = recovery.progress.clone();
        oracle.recorded = recovery.progress.clone();
        // What was found need not be durable, if only the process went; what was noted is, and stays.
        let noted = oracle.noted.below();
        oracle.committed.retain(|_, given| given.messages.end > noted);
        self.at = recovery.progress.below();
        self.later.clear();
    }
}
