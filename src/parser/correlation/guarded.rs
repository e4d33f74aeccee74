//! The state of a step behind its lock, with counts that can be read while the lock is held: [`Guarded`].
//!
//! A step holds its lock for a whole batch, and a template that it formats may call Python, for as long as that takes.
//! Nobody who asks for the counts waits for it: they are copied when the lock is let go of.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::parser::step::Naming;
use crate::path::{Correlation, StepStatistics};

/// The counts of a step that correlates messages.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::parser) struct StepCounts {
    /// The messages that it was given.
    pub(in crate::parser) processed: u64,
    /// Those of them that did not go on.
    pub(in crate::parser) discarded: u64,
    /// `None` where it correlates none.
    pub(in crate::parser) correlation: Option<Correlation>,
}

impl StepCounts {
    /// The same as the engine has them, of the step that is called so; `reason` is that of what did not go on.
    pub(in crate::parser) fn statistics(self, naming: &Naming, reason: &'static str) -> StepStatistics {
        let Self { processed, discarded, correlation } = self;
        let reasons = if discarded > 0 { vec![(reason, discarded)] } else { Vec::new() };
        let (id, word) = (naming.id.clone(), naming.word);
        StepStatistics { id, word, processed, discarded, reasons, correlation, probed: None }
    }
}

/// A state that counts.
pub(in crate::parser) trait Counting {
    /// The counts at this moment.
    fn counts(&self) -> StepCounts;
}

/// A state behind a lock.
#[derive(Debug)]
pub(in crate::parser) struct Guarded<S: Counting> {
    state: Mutex<S>,
    counts: Mutex<StepCounts>,
}

impl<S: Counting> Guarded<S> {
    /// Puts `state` behind a lock.
    pub(in crate::parser) fn new(state: S) -> Self {
        let counts = Mutex::new(state.counts());
        Self { state: Mutex::new(state), counts }
    }

    /// The state; a panic of somebody who had it does not matter.
    pub(in crate::parser) fn lock(&self) -> Held<'_, S> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Held { state, counts: &self.counts }
    }

    /// The counts when the lock was last let go of.
    pub(in crate::parser) fn counts(&self) -> StepCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state, until it is dropped.
pub(in crate::parser) struct Held<'g, S: Counting> {
    state: MutexGuard<'g, S>,
    counts: &'g Mutex<StepCounts>,
}

impl<S: Counting> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S: Counting> DerefMut for Held<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.state
    }
}

impl<S: Counting> Drop for Held<'_, S> {
    fn drop(&mut self) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.state.counts();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Counting for u64 {
        fn counts(&self) -> StepCounts {
            StepCounts { processed: *self, ..StepCounts::default() }
        }
    }

    /// Breaks without it: whoever asks for the statistics waits for a parser that waits for Python.
    #[test]
    fn counts_are_read_while_the_state_is_held() {
        let guarded = Guarded::new(3_u64);
        let mut held = guarded.lock();
        *held += 1;
        assert_eq!(guarded.counts().processed, 3);
        drop(held);
        assert_eq!(guarded.counts().processed, 4);
    }
}
