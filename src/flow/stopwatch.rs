//! [`Stopwatch`]: for how long at least one of many was at something.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Adds up the time in which at least one thread is between its `begin` and its `end`. Never on a hot path:
/// who begins is about to wait.
#[derive(Debug, Default)]
pub struct Stopwatch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    done: Duration,
    /// The number that is at it, and since when the first one is.
    running: usize,
    since: Option<Instant>,
}

impl Stopwatch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more is at it.
    pub fn begin(&self) {
        let mut state = self.state();
        state.running += 1;
        state.since.get_or_insert_with(Instant::now);
    }

    /// One of those that have begun has ended.
    pub fn end(&self) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        if state.running == 0
            && let Some(since) = state.since.take()
        {
            state.done += since.elapsed();
        }
    }

    /// The time so far, with what goes on.
    pub fn total(&self) -> Duration {
        let state = self.state();
        state.done + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: two threads that wait at the same time count twice, or one that waits for ever not at all.
    #[test]
    fn counts_while_one_is_at_it() {
        let (watch, begun) = (Stopwatch::default(), Instant::now());
        assert_eq!(watch.total(), Duration::ZERO);
        watch.begin();
        watch.begin();
        std::thread::sleep(Duration::from_millis(2));
        watch.end();
        assert!(watch.total() >= Duration::from_millis(2), "it goes on");
        watch.end();
        let total = watch.total();
        assert!(total <= begun.elapsed());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(watch.total(), total);
    }
}
