//! The request that a source ends: [`Exit`].

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Instant;

use event_listener::{Event, Listener};

/// The request to end.
#[derive(Debug, Default)]
pub struct Exit {
    requested: AtomicBool,
    event: Event,
}

impl Exit {
    /// Whether the source is asked to end.
    pub fn is_requested(&self) -> bool {
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
