//! The age of the oldest message in flight of a source: [`Age`].
//!
//! Nothing is kept for each message: now and then somebody looks at the counters, and what was posted by then
//! is remembered with the time. When messages are done in the order in which they were posted, the first
//! moment by which more was posted than is done now is the age of the oldest, at most one look too young.
//! When they are not, it is the age that they would have.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two moments that are remembered.
const BETWEEN: Duration = Duration::from_millis(200);
/// The number of moments that are remembered.
const MOST: usize = 512;

/// The moments of one source.
#[derive(Debug, Default)]
pub struct Age(Mutex<VecDeque<(Instant, u64)>>);

impl Age {
    /// Looks at the counters: `posted` messages, of which `done` are not on their way any more. The age of
    /// the oldest that is.
    pub fn look(&self, posted: u64, done: u64) -> Duration {
        self.look_at(Instant::now(), posted, done)
    }

    fn look_at(&self, now: Instant, posted: u64, done: u64) -> Duration {
        let mut moments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while moments.front().is_some_and(|(_, then)| *then <= done) {
            moments.pop_front();
        }
        let is_new =
            moments.back().is_none_or(|(when, then)| *then < posted && now.duration_since(*when) >= BETWEEN);
        if is_new && posted > done {
            if moments.len() == MOST {
                // Every other one: the oldest stays.
                let mut index = 0;
                moments.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
            }
            moments.push_back((now, posted));
        }
        match moments.front() {
            Some((when, _)) if posted > done => now.duration_since(*when),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: a message that is stuck looks new, or an idle source old.
    #[test]
    fn ages() {
        let (age, start) = (Age::default(), Instant::now());
        let second = |count: u64| start + Duration::from_secs(count);
        assert_eq!(age.look_at(second(0), 0, 0), Duration::ZERO);
        assert_eq!(age.look_at(second(1), 10, 0), Duration::ZERO, "seen for the first time");
        assert_eq!(age.look_at(second(3), 20, 5), Duration::from_secs(2), "one of the first ten");
        assert_eq!(age.look_at(second(4), 20, 10), Duration::from_secs(1), "one of the second ten");
        assert_eq!(age.look_at(second(9), 20, 20), Duration::ZERO);
        for count in 10..5000 {
            let found = age.look_at(second(count), 20 + count, 20);
            assert_eq!(found, Duration::from_secs(count - 10), "the oldest stays");
        }
        assert!(age.0.lock().unwrap().len() <= MOST);
    }
}
