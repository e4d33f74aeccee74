//! The pauses of a source that failed before it is started again: [`Pauses`].
//!
//! The first pause is `restart-backoff()`'s first time, each next one twice as long up to its longest, and
//! the first again after a good run. Each is stretched or cut by up to a quarter, by chance, so that sources
//! that failed together, at one server, do not come back together.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use crate::source::Backoff;

/// A run of this length was a good one.
pub(crate) const HEALTHY: Duration = Duration::from_secs(60);
/// The longest pause of all: a century is as good as for ever, and a clock can hold it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
/// The shares of a pause between which chance chooses.
const SHARES: (f64, f64) = (0.75, 1.25);

/// The pauses of one source.
#[derive(Debug)]
pub struct Pauses {
    backoff: Backoff,
    next: Duration,
}

impl Pauses {
    /// The pauses that `restart-backoff()` says.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, next: backoff.initial }
    }

    /// The pause after a run of the length `ran`.
    pub fn after(&mut self, ran: Duration) -> Duration {
        if ran >= HEALTHY {
            self.next = self.backoff.initial;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.backoff.max);
        pause.min(LONGEST).mul_f64(chance())
    }
}

/// A share of [`SHARES`].
fn chance() -> f64 {
    let random = foldhash::quality::RandomState::default().hash_one(Instant::now());
    let (least, most) = SHARES;
    least + (most - least) * ((random % 1024) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn is_about(pause: Duration, seconds: f64) -> bool {
        let share = pause.as_secs_f64() / seconds;
        (SHARES.0..SHARES.1).contains(&share)
    }

    /// Without it: a source that fails at once, for days, asks its server every second, or is not heard of
    /// for hours.
    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut pauses = Pauses::new(Backoff { initial: SECOND, max: 10 * SECOND });
        for seconds in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let pause = pauses.after(SECOND);
            assert!(is_about(pause, seconds), "{pause:?}, expected about {seconds} s");
        }
    }

    /// Without it: one exception a day ends in pauses of a minute.
    #[test]
    fn a_good_run_begins_anew_and_a_shorter_one_does_not() {
        let mut pauses = Pauses::new(Backoff { initial: SECOND, max: 60 * SECOND });
        let runs = [(0, 1.0), (59, 2.0), (59, 4.0), (60, 1.0), (1, 2.0), (86_400, 1.0)];
        for (ran, seconds) in runs {
            let pause = pauses.after(ran * SECOND);
            assert!(is_about(pause, seconds), "{pause:?} after {ran} s, expected about {seconds} s");
        }
    }

    /// Without it: a hundred sources of one server come back in the same moment, each time.
    #[test]
    fn pauses_differ() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..100).map(|_| Pauses::new(Backoff { initial: SECOND, max: SECOND }).after(SECOND)).collect();
        assert!(pauses.len() > 20, "{} different ones of 100", pauses.len());
        let (shortest, longest) = (pauses.first().unwrap(), pauses.last().unwrap());
        assert!(longest.saturating_sub(*shortest) > SECOND / 4, "{shortest:?} to {longest:?}");
    }

    /// Breaks without it: `restart-backoff()` with a large number panics.
    #[test]
    fn the_longest_pause_that_can_be_written_is_none_too_long() {
        let mut pauses = Pauses::new(Backoff { initial: SECOND, max: Duration::MAX });
        for _ in 0..100 {
            // Where a clock cannot hold it, this panics.
            let _ = Instant::now() + pauses.after(SECOND);
        }
        assert!(pauses.after(SECOND) >= LONGEST.mul_f64(SHARES.0));
    }
}
