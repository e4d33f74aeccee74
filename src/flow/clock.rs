//! The time, and the local offset from UTC, as a message is stamped with them: [`WallClock`].
//!
//! # Between two looks at the system's clock
//! Every message is stamped when it is made (those that come quickly share a stamp: [`StampCache`]), and a
//! look at the clock costs twice what the counter of the processor does (`docs/decisions/time-stamps.md`). So
//! where the kernel itself keeps time by that counter, a clock looks at the system's about once a millisecond
//! (`SPAN` ticks), and adds the ticks since then. What a tick is worth is measured from look to look, and
//! believed only when two measurements in a row agree to a thousandth. So a stamp is within about a
//! microsecond of the clock, a clock that is set is noticed within about a millisecond, and where anything is
//! in doubt (a look that was interrupted, a clock that was set, a counter that went back) the clock itself is
//! read each time. Stamps do not go back unless the clock is set back.
//!
//! The offset from UTC holds for the same span; near a change of it the clock is read each time.
//!
//! A clock is its owner's alone: a source that posts from one thread has one, and those that post under a
//! lock share that of the lock.

mod stamp_cache;

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::message::Stamp;
pub use stamp_cache::StampCache;

/// The system's zone, with the offset that holds now and the moment up to which it holds.
struct Zone {
    system: Option<TimeZone>,
    offset_seconds: i32,
    from_micros: i64,
    until_micros: i64,
}

/// Ticks after which the clock is read again, and the fewest that a measurement takes: about a millisecond at
/// 2 GHz.
const SPAN: u64 = 1 << 21;
/// The most nanoseconds that [`SPAN`] may take: a slower counter is not used.
const SPAN_NANOS: u64 = 10_000_000;
/// A look that took more ticks than this was interrupted.
const READING: u64 = 1 << 10;
/// The most that a look may be behind the stamps before it and still be inexact, rather than at a clock that
/// was set.
const JITTER_NANOS: i64 = 20_000;

/// The last look at the clock that was good to measure from, and how time goes on from there.
struct Counter {
    /// True when the kernel trusts the counter; `None` before it was asked.
    trusted: Option<bool>,
    /// The counter at the look.
    ticks: u64,
    /// For how many ticks time goes on by the counter; 0: not at all.
    span: u64,
    /// The clock at the look, in nanoseconds since the epoch.
    nanos: i64,
    /// The value of a tick, in nanoseconds times 2^32; 0: not measured.
    tick_value: u64,
    /// The latest time that was given out by looks.
    latest: i64,
    /// The offset that holds over the span.
    offset_seconds: i32,
}

/// The time as its owner reads it, message after message.
pub struct WallClock {
    zone: Zone,
    counter: Counter,
}

/// The processor's time-stamp counter; always 0 where there is none that this module knows.
#[inline]
fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has the instruction.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    0
}

/// True when the kernel keeps time by the counter: then it is constant, never stops, and is the same on every
/// core.
fn is_trusted() -> bool {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    cfg!(target_arch = "x86_64") && std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc")
}

/// The system's clock, in nanoseconds since the epoch.
#[inline]
fn clock_nanos() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time, and a clock that every system has. The call goes to the vDSO; the
    // standard library's detour through `Duration` costs as much again.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The processor time of this thread so far.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time, and a clock that every system has.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time of this thread since `begun`, without what the two looks at it cost, which is more than
/// most posts.
pub(crate) fn thread_time_since(begun: Duration) -> Duration {
    static LOOK: LazyLock<Duration> = LazyLock::new(|| {
        let looks = (0..64).map(|_| {
            let begun = thread_time();
            thread_time().saturating_sub(begun)
        });
        looks.min().unwrap_or_default()
    });
    thread_time().saturating_sub(begun).saturating_sub(*LOOK)
}

impl WallClock {
    /// A clock that has not looked yet.
    pub const fn new() -> Self {
        Self { zone: Zone::UNKNOWN, counter: Counter::UNKNOWN }
    }

    /// Now, on the local clock.
    #[inline]
    pub fn now(&mut self) -> Stamp {
        let passed = ticks().wrapping_sub(self.counter.ticks);
        if passed < self.counter.span {
            let unix_micros = self.counter.after(passed) / 1000;
            return Stamp { unix_micros, offset_seconds: self.counter.offset_seconds };
        }
        self.counter.look(&mut self.zone)
    }

    /// The local offset at `micros`, in seconds east of UTC.
    #[inline]
    pub(crate) fn local_offset(&mut self, micros: i64) -> i32 {
        self.zone.offset(micros)
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// Before the first look.
    const UNKNOWN: Self =
        Self { trusted: None, ticks: 0, span: 0, nanos: 0, tick_value: 0, latest: 0, offset_seconds: 0 };

    /// Nanoseconds since the epoch, `passed` ticks after the look.
    #[inline]
    fn after(&self, passed: u64) -> i64 {
        self.nanos.wrapping_add(((passed.wrapping_mul(self.tick_value)) >> 32) as i64)
    }

    /// Reads the clock, and goes on from there.
    #[cold]
    fn look(&mut self, zone: &mut Zone) -> Stamp {
        let trusted = *self.trusted.get_or_insert_with(is_trusted);
        let before = ticks();
        let mut nanos = clock_nanos();
        if trusted {
            let interrupted = ticks().wrapping_sub(before) > READING;
            nanos = self.go_on(before, nanos, interrupted);
        }
        let unix_micros = nanos / 1000;
        self.offset_seconds = zone.offset(unix_micros);
        if zone.until_micros.saturating_sub(unix_micros) < SPAN_NANOS as i64 / 1000 {
            self.span = 0;
        }
        Stamp { unix_micros, offset_seconds: self.offset_seconds }
    }

    /// Takes a look that saw `clock` at the counter's `ticks`, and gives the time that it is.
    fn go_on(&mut self, ticks: u64, clock: i64, interrupted: bool) -> i64 {
        let passed = ticks.wrapping_sub(self.ticks);
        if self.span > 0 {
            self.latest = self.after(passed.min(self.span));
        }
        self.span = 0;
        let behind = self.latest.saturating_sub(clock);
        let now = if (0..=JITTER_NANOS).contains(&behind) { self.latest } else { clock };
        self.latest = now;
        if interrupted || passed < SPAN {
            return now;
        }
        let measured = u64::try_from(clock.wrapping_sub(self.nanos)).ok().filter(|nanos| *nanos < 1 << 31);
        let tick_value = measured.map_or(0, |nanos| (nanos << 32) / passed);
        let agrees = tick_value.abs_diff(self.tick_value) <= self.tick_value >> 10;
        if tick_value > 0 && tick_value < (SPAN_NANOS << 32) / SPAN && agrees {
            self.span = SPAN;
        }
        (self.ticks, self.nanos, self.tick_value) = (ticks, now, tick_value);
        now
    }
}

impl Zone {
    /// Before the first look.
    const UNKNOWN: Self = Self { system: None, offset_seconds: 0, from_micros: 0, until_micros: 0 };

    #[inline]
    fn offset(&mut self, micros: i64) -> i32 {
        if micros < self.from_micros || micros >= self.until_micros {
            self.look_up(micros);
        }
        self.offset_seconds
    }

    #[cold]
    fn look_up(&mut self, micros: i64) {
        let zone = self.system.get_or_insert_with(TimeZone::system);
        let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        self.offset_seconds = zone.to_offset(at).seconds();
        let micros_of = |timestamp: Timestamp| timestamp.as_microsecond();
        self.from_micros =
            zone.preceding(at).next().map_or(i64::MIN, |t| micros_of(t.timestamp())).min(micros);
        self.until_micros = zone.following(at).next().map_or(i64::MAX, |t| micros_of(t.timestamp()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_348_800_000_000_000;
    const MS: u64 = 1_000_000;

    /// A counter of two ticks a nanosecond, looked at `looks` times, every two milliseconds up to [`START`].
    fn looked_at(looks: i64) -> Counter {
        let mut counter = Counter::UNKNOWN;
        for back in (0..looks).rev() {
            let at = START - back * 2 * MS as i64;
            assert_eq!(counter.go_on(ticks_at(at), at, false), at);
        }
        counter
    }

    fn ticks_at(nanos: i64) -> u64 {
        2 * (nanos - START + 1_000_000_000) as u64
    }

    /// Breaks without it: stamps between two looks are wrong, or the counter is believed after one
    /// measurement, which an interruption can have spoilt.
    #[test]
    fn two_measurements_that_agree_are_believed() {
        for looks in 1..3 {
            assert_eq!(looked_at(looks).span, 0, "{looks} looks");
        }
        let counter = looked_at(3);
        assert_eq!(counter.span, SPAN);
        for passed in [0, 1000, MS / 2, MS] {
            let nanos = counter.after(2 * passed) - START;
            assert!((nanos - passed as i64).abs() <= 1, "{nanos} after {passed}");
        }
    }

    /// Breaks without it: a clock that was set, or a look that was interrupted, spoils the stamps after it.
    #[test]
    fn what_is_in_doubt_is_not_used() {
        for set_by in [-3_600_000_000_000, 3_000_000, 3_600_000_000_000] {
            let mut counter = looked_at(3);
            let at = START + 2 * MS as i64;
            assert_eq!(counter.go_on(ticks_at(at), at + set_by, false), at + set_by, "the new time at once");
            assert_eq!(counter.span, 0);
            for later in 2..4 {
                let at = START + later * 2 * MS as i64;
                counter.go_on(ticks_at(at), at + set_by, false);
            }
            assert_eq!(counter.span, SPAN, "two measurements after it agree");
        }
        let mut counter = looked_at(3);
        let late = START + 9 * MS as i64;
        assert_eq!(counter.go_on(ticks_at(START + 2 * MS as i64), late, true), late);
        assert_eq!((counter.span, counter.nanos), (0, START), "measured again from the look before");
    }

    /// Breaks without it: two messages made one after the other have stamps in the wrong order.
    #[test]
    fn stamps_do_not_go_back() {
        let mut counter = looked_at(3);
        let mut latest = counter.after(SPAN);
        for (later, interrupted) in [(0, false), (10, true), (20, true)] {
            let ticks = ticks_at(START) + SPAN + later;
            let now = counter.go_on(ticks, latest - 100 + later as i64, interrupted);
            assert!((latest..latest + 1000).contains(&now), "{} after the latest", now - latest);
            latest = now;
        }
    }
}
