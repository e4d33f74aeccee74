//! The clock that deadlines are read from: [`SteadyClock`].
//!
//! Steps of a path look at it, and the workers wait by it. A test has one that goes on when the test says so,
//! and waits for no time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A clock that never goes back.
#[derive(Clone, Default)]
pub struct SteadyClock(Option<Arc<Turned>>);

struct Turned {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passed: Duration,
    wakes: Vec<Box<dyn Fn() + Send>>,
}

impl SteadyClock {
    /// The machine's.
    pub fn of_machine() -> Self {
        Self(None)
    }

    /// One that goes on by [`SteadyClock::turn`] alone.
    pub fn by_hand() -> Self {
        Self(Some(Arc::new(Turned { start: Instant::now(), state: Mutex::default() })))
    }

    /// The time.
    #[inline]
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(turned) => turned.start + turned.lock().passed,
        }
    }

    /// The end of a wait for `deadline`, for whoever also waits for something else. By hand there is none:
    /// the turn wakes.
    pub fn wait_until(&self, deadline: Option<Instant>) -> Option<Instant> {
        if self.0.is_none() { deadline } else { None }
    }

    /// Calls `wake` at each turn.
    pub fn on_turn(&self, wake: impl Fn() + Send + 'static) {
        if let Some(turned) = &self.0 {
            turned.lock().wakes.push(Box::new(wake));
        }
    }

    /// Goes on by `time`; the machine's clock does so by itself.
    pub fn turn(&self, time: Duration) {
        if let Some(turned) = &self.0 {
            let mut state = turned.lock();
            state.passed += time;
            state.wakes.iter().for_each(|wake| wake());
        }
    }
}

impl Turned {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "SteadyClock by hand" } else { "SteadyClock" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a test that turns the clock waits for the machine's, or nobody hears of the turn.
    #[test]
    fn a_clock_by_hand_goes_on_when_it_is_turned() {
        let clock = SteadyClock::by_hand();
        let (tell, woken) = std::sync::mpsc::channel();
        clock.on_turn(move || tell.send(()).unwrap());
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.clone().turn(Duration::from_secs(3));
        assert_eq!(clock.now(), before + Duration::from_secs(3));
        assert!(woken.try_recv().is_ok() && clock.wait_until(Some(before)).is_none());
        let machine = SteadyClock::of_machine();
        assert_eq!(machine.wait_until(Some(before)), Some(before));
    }
}
