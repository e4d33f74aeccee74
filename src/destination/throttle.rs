//! `throttle()`: [`Throttle`].

use std::time::{Duration, Instant};

/// A bucket of tokens, one for each message. It holds those of a second, and begins full: so twice the rate
/// may pass in the first second.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Tokens a second.
    rate: u32,
    /// Nanoseconds until it is full, as of `at`.
    missing: u64,
    at: Option<Instant>,
}

const SECOND: u64 = 1_000_000_000;

impl Throttle {
    /// A full bucket for `rate` messages a second, which is 1 at least.
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: rate.max(1), missing: 0, at: None }
    }

    /// The time that one token takes, in nanoseconds.
    fn cost(&self) -> u64 {
        (SECOND / u64::from(self.rate)).max(1)
    }

    /// The number of messages that may pass at `now`.
    pub(crate) fn allowed(&mut self, now: Instant) -> usize {
        let passed = self.at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        self.missing = self.missing.saturating_sub(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX));
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        ((SECOND.max(self.cost()) - self.missing) / self.cost()) as usize
    }

    /// Takes the tokens of `messages` that have passed.
    pub(crate) fn take(&mut self, messages: usize) {
        self.missing += self.cost() * messages as u64;
    }

    /// The time at which the next message may pass, where none may now.
    pub(crate) fn next(&self) -> Option<Instant> {
        let most = SECOND.max(self.cost()) - self.cost();
        Some(self.at? + Duration::from_nanos(self.missing.saturating_sub(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: more messages pass than `throttle()` allows, or fewer, or the thread wakes up
    /// before there is a token.
    #[test]
    fn a_second_passes_its_tokens_and_the_first_one_twice_as_many() {
        let start = Instant::now();
        for rate in [1, 3, 7, 1000, 1_000_000_000, u32::MAX] {
            let mut throttle = Throttle::new(rate);
            let whole = throttle.allowed(start);
            assert!(whole.abs_diff(rate as usize) <= rate as usize / 1000 + 1 || rate > SECOND as u32);
            throttle.take(whole);
            assert_eq!(throttle.allowed(start), 0);
            let next = throttle.next().unwrap();
            assert_eq!(throttle.allowed(next.checked_sub(Duration::from_nanos(1)).unwrap()), 0, "{rate}");
            assert_eq!(throttle.allowed(next), 1, "{rate}");
            throttle.take(1);
            assert!(throttle.allowed(start + Duration::from_secs(3600)) == whole, "a second is kept");
        }
        let (mut throttle, mut passed) = (Throttle::new(3), Vec::new());
        for tenth in 0..40 {
            let allowed = throttle.allowed(start + tenth * Duration::from_millis(100));
            throttle.take(allowed);
            passed.push(allowed);
        }
        let in_second = |n: usize| passed[10 * n..10 * n + 10].iter().sum::<usize>();
        assert!(in_second(0) <= 6 && [1, 2, 3].iter().all(|n| in_second(*n) == 3), "{passed:?}");
    }
}
