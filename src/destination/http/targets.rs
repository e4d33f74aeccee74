//! Which of several urls a request goes to: [`Targets`].

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The urls of a destination by their numbers, and which of them have failed.
///
/// Workers are spread over those that work. One that failed is left out; every `time-reopen()` one of them is
/// asked with a real request. Where all have failed it is the one that failed longest ago.
#[derive(Debug)]
pub(super) struct Targets {
    /// For each when it failed.
    failed: Mutex<Vec<Option<Instant>>>,
    time_reopen: Duration,
}

impl Targets {
    pub(super) fn new(count: usize, time_reopen: Duration) -> Self {
        Self { failed: Mutex::new(vec![None; count]), time_reopen }
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Vec<Option<Instant>>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target for the next request of `worker`, which has `tried` some for it.
    pub(super) fn choose(&self, worker: usize, tried: &[usize], now: Instant) -> Option<usize> {
        let mut failed = self.failed();
        let free: Vec<usize> = (0..failed.len()).filter(|target| !tried.contains(target)).collect();
        let oldest = free.iter().copied().filter(|target| failed[*target].is_some());
        let oldest = oldest.min_by_key(|target| failed[*target]);
        let is_due = oldest.and_then(|target| failed[target]).is_some_and(|at| now >= at + self.time_reopen);
        if tried.is_empty() && is_due {
            // No other worker asks it at the same time.
            let target = oldest?;
            failed[target] = Some(now);
            return Some(target);
        }
        let working: Vec<usize> = free.into_iter().filter(|target| failed[*target].is_none()).collect();
        if working.is_empty() { oldest } else { Some(working[worker % working.len()]) }
    }

    /// Notes that `target` has answered as it should, or not.
    pub(super) fn note(&self, target: usize, works: bool, now: Instant) {
        self.failed()[target] = if works { None } else { Some(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a dead server gets requests again and again, or is never asked again.
    #[test]
    fn workers_are_spread_over_what_works() {
        let (targets, start) = (Targets::new(3, Duration::from_secs(60)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let chosen =
            |time| (0..6).map(|worker| targets.choose(worker, &[], at(time)).unwrap()).collect::<Vec<_>>();
        assert_eq!(chosen(0), [0, 1, 2, 0, 1, 2]);
        targets.note(1, false, at(1));
        assert_eq!(chosen(2), [0, 2, 0, 2, 0, 2]);
        // One request tries it again, others do not.
        assert_eq!(chosen(61), [1, 2, 0, 2, 0, 2]);
        targets.note(1, true, at(62));
        assert_eq!(chosen(63), [0, 1, 2, 0, 1, 2]);
        // Within one request each is asked once.
        assert_eq!(targets.choose(0, &[0], at(63)), Some(1));
        assert_eq!(targets.choose(0, &[0, 1], at(63)), Some(2));
        assert_eq!(targets.choose(0, &[0, 1, 2], at(63)), None);
        for (target, time) in [(2, 70), (0, 71), (1, 72)] {
            targets.note(target, false, at(time));
        }
        assert_eq!(chosen(73), [2; 6], "the one that failed longest ago");
        assert_eq!(targets.choose(0, &[2], at(73)), Some(0));
    }
}
