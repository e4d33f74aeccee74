//! The request that a source ends: [`Exit`].

use std::time::Instant;

use super::sync::{AtomicBool, Event, Listener, Ordering, fence};

/// The request to end.
pub struct Exit {
    requested: AtomicBool,
    event: Event,
}

impl Default for Exit {
    fn default() -> Self {
        Self { requested: AtomicBool::new(false), event: Event::new() }
    }
}

impl Exit {
    /// True when the source is asked to end.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Asks it.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Waits until the request or `deadline`; whether the time passed without one.
    pub fn wait(&self, deadline: Instant) -> bool {
        loop {
            let listener = self.event.listen();
            fence(Ordering::SeqCst);
            if self.is_requested() {
                return false;
            }
            if listener.wait_deadline(deadline).is_none() {
                return true;
            }
        }
    }
}
