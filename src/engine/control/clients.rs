//! The clients that are being served: a thread each, and no more than [`MAX_CLIENTS`].
//!
//! When all places are taken, the one that has kept the engine waiting longest, if for longer than
//! [`PATIENCE`], is sent away. So clients that say nothing, or do not read, cost others a moment at most.

use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{Shutdown, shutdown};

use crate::flow::unshared::Unshared;

/// The number of clients that are served at a time.
pub(in crate::engine) const MAX_CLIENTS: usize = 16;
/// The time that a client may keep the engine waiting while others wait for its place.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between looks for one that had its time.
const LOOK: Duration = Duration::from_millis(25);

/// The places.
#[derive(Debug)]
pub(in crate::engine) struct Clients<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<S> {
    served: Vec<Served<S>>,
    next: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Served<S> {
    number: u64,
    /// Let go of before the last of those who have the stream closes it.
    #[expect(dead_code, reason = "it is kept, and not looked at")]
    unshared: Unshared,
    stream: Arc<S>,
    /// Since when the engine waits for it: for its request, or for it to take the answer.
    waits_since: Option<Instant>,
}

/// A client's place; free again when dropped.
#[derive(Debug)]
pub(in crate::engine) struct Place<S: AsFd> {
    clients: Arc<Clients<S>>,
    number: u64,
    stream: Arc<S>,
}

impl<S> Default for Clients<S> {
    fn default() -> Self {
        let state = State { served: Vec::new(), next: 0, is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<S: AsFd> Clients<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for `stream`, as soon as one is free; none when it is all over.
    pub(in crate::engine) fn enter(self: &Arc<Self>, stream: S) -> Option<Place<S>> {
        let mut state = self.state();
        while state.served.len() >= MAX_CLIENTS && !state.is_closed {
            state.send_slowest_away();
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.is_closed {
            return None;
        }
        let unshared = Unshared::new(&stream);
        let (number, stream) = (state.next, Arc::new(stream));
        state.next += 1;
        let waits_since = Some(Instant::now());
        state.served.push(Served { number, unshared, stream: Arc::clone(&stream), waits_since });
        Some(Place { clients: Arc::clone(self), number, stream })
    }

    /// Sends all away, and waits up to `within` until they are gone.
    pub(in crate::engine) fn close(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        state.is_closed = true;
        self.changed.notify_all();
        // One whose answer is being made may still get it.
        for waiting in state.served.iter().filter(|served| served.waits_since.is_some()) {
            let _ = shutdown(&*waiting.stream, Shutdown::Read);
        }
        while !state.served.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<S: AsFd> State<S> {
    fn send_slowest_away(&mut self) {
        let waits = self.served.iter_mut().filter(|served| served.waits_since.is_some());
        let Some(slowest) = waits.min_by_key(|served| served.waits_since) else { return };
        if slowest.waits_since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            // Its thread finds the connection closed. It may be gone by itself just now.
            let _ = shutdown(&*slowest.stream, Shutdown::Both);
        }
    }
}

impl<S: AsFd> Place<S> {
    /// The client.
    pub(in crate::engine) fn stream(&self) -> &S {
        &self.stream
    }

    /// Says whether the engine waits for the client from now on, or the client for the engine.
    pub(in crate::engine) fn set_waits(&self, waits: bool) {
        let mut state = self.clients.state();
        if let Some(served) = state.served.iter_mut().find(|served| served.number == self.number) {
            served.waits_since = waits.then(Instant::now);
        }
    }
}

impl<S: AsFd> Drop for Place<S> {
    fn drop(&mut self) {
        // For the client also when a process that the user's code forked has the descriptor as well.
        let _ = shutdown(&*self.stream, Shutdown::Both);
        self.clients.state().served.retain(|served| served.number != self.number);
        self.clients.changed.notify_all();
    }
}
