//! Drops, as they are told: [`Drops`].
//!
//! The first drop is told at once, then how many there were once a minute while they go on, and the total at
//! the end. So a log of a day with drops has one line a minute of them, whatever their number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines about drops that go on.
const EVERY: Duration = Duration::from_secs(60);

/// Drops of one kind.
#[derive(Debug, Default)]
pub struct Drops {
    /// Tells whether there is a run, for those who look often.
    on: AtomicBool,
    run: Mutex<Option<Run>>,
}

/// From the first drop to the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    since: Instant,
    told: Instant,
    untold: u64,
    total: u64,
}

/// A line for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// These are the first.
    Began,
    /// They go on.
    GoesOn {
        /// The number since the last line.
        lately: u64,
        /// The number in all.
        total: u64,
    },
}

impl Drops {
    fn run(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts messages that were dropped at `now`; what is to be told of it, if anything.
    pub fn note(&self, messages: u64, now: Instant) -> Option<News> {
        let mut run = self.run();
        let Some(run) = &mut *run else {
            *run = Some(Run { since: now, told: now, untold: messages, total: messages });
            self.on.store(true, Ordering::Relaxed);
            return Some(News::Began);
        };
        run.untold += messages;
        run.total += messages;
        if now.saturating_duration_since(run.told) < EVERY {
            return None;
        }
        run.told = now;
        Some(News::GoesOn { lately: std::mem::take(&mut run.untold), total: run.total })
    }

    /// Ends the run, if there is one: how many messages were dropped in it, and for how long.
    pub fn end(&self, now: Instant) -> Option<(u64, Duration)> {
        if !self.on.load(Ordering::Relaxed) || !self.on.swap(false, Ordering::Relaxed) {
            return None;
        }
        let run = self.run().take()?;
        Some((run.total, now.saturating_duration_since(run.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: drops are told for each batch, or not at all, or with a number that does not add
    /// up.
    #[test]
    fn drops_are_told_at_their_beginning_each_minute_and_at_their_end() {
        let (drops, start) = (Drops::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(drops.end(at(0)), None);
        let told: Vec<_> = [(0, 5), (1, 7), (59, 1), (60, 2), (61, 3), (200, 4)]
            .map(|(time, count)| drops.note(count, at(time)))
            .into();
        let goes_on = |lately, total| Some(News::GoesOn { lately, total });
        assert_eq!(told, [Some(News::Began), None, None, goes_on(15, 15), None, goes_on(7, 22)]);
        assert_eq!(drops.end(at(210)), Some((22, Duration::from_secs(210))));
        assert_eq!(drops.end(at(211)), None);
        assert_eq!(
            (drops.note(9, at(300)), drops.end(at(301))),
            (Some(News::Began), Some((9, Duration::from_secs(1))))
        );
    }
}
