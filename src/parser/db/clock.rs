//! The time that the contexts of rules go by: [`RuleClock`].
//!
//! Time goes by the stamps of messages, and never beyond the clock: what a file of yesterday has, read in a
//! minute, closes its contexts as it did yesterday. While no message comes, it goes on with the clock. It never
//! goes back.

use std::time::{Duration, Instant};

/// The time that contexts go by.
#[derive(Debug)]
pub(super) struct RuleClock {
    /// A moment of the engine's clock.
    pub(super) real: Instant,
    /// The time at that moment.
    time: Instant,
    /// The same, in microseconds since the epoch, once a message has told it.
    pub(super) micros: Option<i64>,
}

impl RuleClock {
    pub(super) fn new(real: Instant) -> Self {
        Self { real, time: real, micros: None }
    }

    /// The time at the moment `real`.
    pub(super) fn at(&self, real: Instant) -> Instant {
        self.time + real.saturating_duration_since(self.real)
    }

    /// The moment at which it is `time`.
    pub(super) fn moment_of(&self, time: Instant) -> Instant {
        self.real + time.saturating_duration_since(self.time)
    }

    /// Goes on to `stamp`, but not beyond `wall`, the time of day at the moment `real`.
    pub(super) fn see(&mut self, stamp: i64, wall: i64, real: Instant) {
        let stamp = stamp.min(wall);
        let passed = real.saturating_duration_since(self.real);
        let micros = self.micros.map(|micros| micros.saturating_add(passed.as_micros() as i64));
        let more = micros.map_or(0, |micros| stamp.saturating_sub(micros).max(0));
        self.time = self.at(real) + Duration::from_micros(more.unsigned_abs());
        self.real = real;
        self.micros = Some(micros.map_or(stamp, |micros| micros + more));
    }
}
