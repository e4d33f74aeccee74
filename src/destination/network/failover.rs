//! The choice of a server (`failover()`), and the search for the first one: [`Probe`].
//!
//! ```text
//!  primary ──fails──► failover 1 ──fails──► failover 2 ──fails──► the primary again; with failback()
//!     ▲                    │                     │                the first failover
//!     └──── failback: so many TCP connects in a row have succeeded ───┘
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::destination::Wake;

/// `failback( … )`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failback {
    /// `tcp-probe-interval()`
    pub(super) interval: Duration,
    /// `successful-probes-required()`
    pub(super) required: u32,
}

impl Default for Failback {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), required: 3 }
    }
}

/// The number of the server that comes after `server` of `servers`, which has failed.
pub(super) fn next_server(server: usize, servers: usize, failback: Option<Failback>) -> usize {
    if server + 1 < servers {
        return server + 1;
    }
    usize::from(failback.is_some() && servers > 1)
}

/// The search for a server that answers again: it ends when it has succeeded, or when this is dropped.
pub(super) struct Probe(Arc<State>);

struct State {
    has_succeeded: AtomicBool,
    is_over: Mutex<bool>,
    over: Condvar,
    wake: Mutex<Wake>,
}

impl Probe {
    /// Tries `connect` every interval, until it has succeeded often enough in a row; then calls `wake`.
    pub(super) fn start(
        failback: Failback,
        connect: impl Fn() -> bool + Send + 'static,
        wake: &Wake,
    ) -> std::io::Result<Self> {
        let state = Arc::new(State {
            has_succeeded: AtomicBool::new(false),
            is_over: Mutex::new(false),
            over: Condvar::new(),
            wake: Mutex::new(Arc::clone(wake)),
        });
        let of_thread = Arc::clone(&state);
        let run = move || {
            let mut successes = 0;
            while !of_thread.waits_until_over(failback.interval) {
                successes = if connect() { successes + 1 } else { 0 };
                if successes >= failback.required {
                    of_thread.has_succeeded.store(true, Ordering::Release);
                    let wake = Arc::clone(&*of_thread.wake());
                    return wake();
                }
            }
        };
        thread::Builder::new().name("failback".to_owned()).spawn(run)?;
        Ok(Self(state))
    }

    /// Has `wake` called in the end.
    pub(super) fn call(&self, wake: &Wake) {
        *self.0.wake() = Arc::clone(wake);
    }

    /// Tells that the server answers again.
    pub(super) fn has_succeeded(&self) -> bool {
        self.0.has_succeeded.load(Ordering::Acquire)
    }
}

impl State {
    fn wake(&self) -> MutexGuard<'_, Wake> {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits_until_over(&self, interval: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_timeout_while(is_over, interval, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.over.notify_all();
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").field("has_succeeded", &self.has_succeeded()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a server is left out, or the primary is tried by messages although probes look for
    /// it.
    #[test]
    fn servers_take_turns() {
        let turns = |servers, failback| {
            let mut server = 0;
            let mut next = || {
                server = next_server(server, servers, failback);
                server
            };
            [next(), next(), next(), next()]
        };
        assert_eq!(turns(1, None), [0, 0, 0, 0]);
        assert_eq!(turns(3, None), [1, 2, 0, 1]);
        assert_eq!(turns(3, Some(Failback::default())), [1, 2, 1, 2]);
        assert_eq!(turns(1, Some(Failback::default())), [0, 0, 0, 0]);
    }

    /// Breaks without it: one answer of a server that comes and goes is enough, or a search goes on after its
    /// connection has gone.
    #[test]
    fn a_probe_succeeds_after_enough_answers_in_a_row() {
        let answers = Mutex::new(vec![true, true, false, true, true, true]);
        let (told, heard) = std::sync::mpsc::channel();
        let connect = move || {
            let answer = answers.lock().unwrap().remove(0);
            told.send(answer).unwrap();
            answer
        };
        let woken = Arc::new(AtomicBool::new(false));
        let note = Arc::clone(&woken);
        let wake: Wake = Arc::new(move || note.store(true, Ordering::Release));
        let failback = Failback { interval: Duration::from_millis(1), required: 3 };
        let probe = Probe::start(failback, connect, &wake).unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), [true, true, false, true, true, true]);
        assert!(probe.has_succeeded());
        while !woken.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
}
