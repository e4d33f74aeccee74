//! The time, and the local offset from UTC, as a message is stamped with them.
//!
//! # Between two looks at the system's clock
//! Every message is stamped when it is made, and a look at the clock costs 26 ns where the counter of the processor costs 13
//! (`docs/decisions.md`). So where the kernel itself keeps time by that counter, this module looks at the clock about once
//! a millisecond (`SPAN` ticks), and adds the ticks since then. What a tick is worth is measured from look to look, and
//! believed only when two measurements in a row agree to a thousandth. So a stamp is within about a microsecond of the
//! clock, a clock that is set is noticed within about a millisecond, and where anything is in doubt (a look that was
//! interrupted, a clock that was set, a counter that went back) the clock itself is read each time. Stamps do not go back
//! unless the clock is set back.
//!
//! The offset from UTC holds for the same span; near a change of it the clock is read each time.
//!
//! # Messages of one moment
//! In a loop of posts the counter was a third of what a message costs beside the interpreter. So up to `SHARED` messages in a
//! row have one stamp ([`now_of_message`]), under conditions that bound how old it is:
//!
//! * those before came at less than a microsecond each, so that all of them together take a few microseconds;
//! * the last one was posted into an open batch ([`posted`]), and no batch was taken by a worker since the counter was read. A worker
//!   takes an open batch at its next look, 50 µs later, in a flood 400 µs, where it has a core; so a loop that pauses in the middle of
//!   them finds its batch taken, and reads the counter.
//!
//! Whoever makes messages without posting them, or posts slower, or waits, gets a stamp of its own for each.

use std::any::Any;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pyo3::prelude::*;

use super::cell::GilCell;
use crate::message::{Stamp, batch};

/// The system's zone, with the offset that holds now and the moment up to which it holds.
struct Zone {
    system: Option<TimeZone>,
    offset_seconds: i32,
    from_micros: i64,
    until_micros: i64,
}

/// Ticks after which the clock is read again, and the fewest that a measurement takes: about a millisecond at 2 GHz.
const SPAN: u64 = 1 << 21;
/// The most nanoseconds that [`SPAN`] may take: a slower counter is not used.
const SPAN_NANOS: u64 = 10_000_000;
/// A look that took more ticks than this was interrupted.
const READING: u64 = 1 << 10;
/// How far a look may be behind the stamps before it and still be inexact, rather than at a clock that was set.
const JITTER_NANOS: i64 = 20_000;

/// Most messages that have one stamp.
const SHARED: u32 = 16;

/// What a panic was raised with.
pub type Panic = Box<dyn Any + Send>;

/// The stamp that messages share.
struct Shared {
    /// The last one that was given out.
    stamp: Stamp,
    /// How many batches had been taken before it was read.
    taken: u32,
    /// How many more messages may have it.
    left: u32,
    /// How many were allowed to, after the first one.
    allowed: u32,
    /// How many may once its first message is posted.
    granted: u32,
}

/// The last look at the clock that was good to measure from, and how time goes on from there.
#[derive(Default)]
struct Counter {
    /// Whether the kernel trusts the counter; `None` before it was asked.
    trusted: Option<bool>,
    /// The counter at the look.
    ticks: u64,
    /// For how many ticks time goes on by the counter; 0: not at all.
    span: u64,
    /// The clock at the look, in nanoseconds since the epoch.
    nanos: i64,
    /// What a tick is worth, in nanoseconds times 2^32; 0: not measured.
    tick_value: u64,
    /// The latest time that was given out by looks.
    latest: i64,
    /// The offset that holds over the span.
    offset_seconds: i32,
}

static ZONE: GilCell<Zone> =
    GilCell::new(Zone { system: None, offset_seconds: 0, from_micros: 0, until_micros: 0 });
static COUNTER: GilCell<Counter> = GilCell::new(Counter {
    trusted: None,
    ticks: 0,
    span: 0,
    nanos: 0,
    tick_value: 0,
    latest: 0,
    offset_seconds: 0,
});
static SHARING: GilCell<Shared> = GilCell::new(Shared {
    stamp: Stamp { unix_micros: 0, offset_seconds: 0 },
    taken: 0,
    left: 0,
    allowed: 0,
    granted: 0,
});

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

/// Whether the kernel keeps time by the counter: then it is constant, never stops, and is the same on every core.
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

/// Microseconds since the epoch.
#[inline]
pub fn now_micros() -> i64 {
    clock_nanos() / 1000
}

/// The processor time of this thread so far.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time, and a clock that every system has.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time of this thread since `begun`, without what the two looks at it cost, which is more than most posts.
pub fn thread_time_since(begun: Duration) -> Duration {
    static LOOK: LazyLock<Duration> = LazyLock::new(|| {
        let looks = (0..64).map(|_| {
            let begun = thread_time();
            thread_time().saturating_sub(begun)
        });
        looks.min().unwrap_or_default()
    });
    thread_time().saturating_sub(begun).saturating_sub(*LOOK)
}

/// The local offset at `micros`, in seconds east of UTC.
#[inline]
pub fn local_offset(py: Python<'_>, micros: i64) -> i32 {
    ZONE.with(py, |zone| zone.offset(micros))
}

/// Now, on the local clock.
pub fn now(py: Python<'_>) -> Stamp {
    let stamp = read(py);
    // A shared stamp after this one would be before it.
    SHARING.with(py, |shared| shared.restart(stamp));
    stamp
}

/// Now, for a message that is being made: what [`now`] gives, or the stamp of the message before it.
#[inline]
pub fn now_of_message(py: Python<'_>) -> Stamp {
    try_now_of_message(py).unwrap_or_else(|panic| resume_unwind(panic))
}

/// The same where nothing may unwind.
///
/// # Errors
/// The panic that it would have been.
#[inline]
pub fn try_now_of_message(py: Python<'_>) -> Result<Stamp, Panic> {
    shared_stamp(py).map_or_else(|| begin_sharing(py), Ok)
}

/// The stamp of the message before the one that is being made, if it may have the same; otherwise [`begin_sharing`] gives
/// it its own.
#[inline]
pub fn shared_stamp(py: Python<'_>) -> Option<Stamp> {
    // SAFETY: gone when it has compared numbers.
    unsafe { SHARING.leaf(py) }?.share(batch::taken())
}

/// Says that the message that was made last is in an open batch, which a worker will take.
#[inline]
pub fn posted(py: Python<'_>) {
    // SAFETY: gone when it has moved a number.
    if let Some(shared) = unsafe { SHARING.leaf(py) } {
        shared.allow();
    }
}

/// Reads the time, for a message that is being made and, perhaps, for those after it. `tools/guard` knows it by its name.
///
/// # Errors
/// A panic, where nothing may unwind.
#[inline(never)]
pub fn begin_sharing(py: Python<'_>) -> Result<Stamp, Panic> {
    catch_unwind(|| {
        let taken = batch::taken();
        let stamp = read(py);
        SHARING.with(py, |shared| shared.begin(stamp, taken));
        stamp
    })
}

impl Shared {
    /// Takes `stamp` as the last one, which nothing shares.
    fn restart(&mut self, stamp: Stamp) {
        *self = Self { stamp, taken: 0, left: 0, allowed: 0, granted: 0 };
    }

    /// The stamp for another message, when `taken` batches have been taken.
    #[inline]
    fn share(&mut self, taken: u32) -> Option<Stamp> {
        self.left = self.left.checked_sub(1)?;
        (self.taken == taken).then_some(self.stamp)
    }

    /// Allows what was granted.
    #[inline]
    fn allow(&mut self) {
        if self.granted > 0 {
            (self.left, self.allowed, self.granted) = (self.granted, self.granted, 0);
        }
    }

    /// Takes `stamp`, read when `taken` batches had been taken, and grants it to later messages if those before came
    /// quickly.
    fn begin(&mut self, stamp: Stamp, taken: u32) {
        let messages = 1 + self.allowed - self.left;
        let micros = stamp.unix_micros.wrapping_sub(self.stamp.unix_micros);
        let quickly = (0..=i64::from(messages)).contains(&micros);
        let granted = if quickly { SHARED - 1 } else { 0 };
        *self = Self { stamp, taken, left: 0, allowed: 0, granted };
    }
}

#[inline]
fn read(py: Python<'_>) -> Stamp {
    COUNTER.with(py, |counter| {
        let passed = ticks().wrapping_sub(counter.ticks);
        if passed < counter.span {
            let unix_micros = counter.after(passed) / 1000;
            return Stamp { unix_micros, offset_seconds: counter.offset_seconds };
        }
        counter.look(py)
    })
}

impl Counter {
    /// Nanoseconds since the epoch, `passed` ticks after the look.
    #[inline]
    fn after(&self, passed: u64) -> i64 {
        self.nanos.wrapping_add(((passed.wrapping_mul(self.tick_value)) >> 32) as i64)
    }

    /// Reads the clock, and goes on from there.
    #[cold]
    fn look(&mut self, py: Python<'_>) -> Stamp {
        let trusted = *self.trusted.get_or_insert_with(is_trusted);
        let before = ticks();
        let mut nanos = clock_nanos();
        if trusted {
            let interrupted = ticks().wrapping_sub(before) > READING;
            nanos = self.go_on(before, nanos, interrupted);
        }
        let unix_micros = nanos / 1000;
        ZONE.with(py, |zone| {
            self.offset_seconds = zone.offset(unix_micros);
            if zone.until_micros.saturating_sub(unix_micros) < SPAN_NANOS as i64 / 1000 {
                self.span = 0;
            }
        });
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
        let mut counter = Counter::default();
        for back in (0..looks).rev() {
            let at = START - back * 2 * MS as i64;
            assert_eq!(counter.go_on(ticks_at(at), at, false), at);
        }
        counter
    }

    fn ticks_at(nanos: i64) -> u64 {
        2 * (nanos - START + 1_000_000_000) as u64
    }

    /// Breaks without it: stamps between two looks are wrong, or the counter is believed after one measurement, which
    /// an interruption can have spoilt.
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

    /// Breaks without it: messages share a stamp though they come slowly, are not posted, or after a worker took the batch
    /// of the one before, so that nothing bounds how old it is.
    #[test]
    fn a_stamp_is_shared_by_quick_posts_into_one_batch() {
        let stamp = |micros| Stamp { unix_micros: micros, offset_seconds: 0 };
        let mut shared = Shared { stamp: stamp(0), taken: 0, left: 0, allowed: 0, granted: 0 };
        shared.begin(stamp(1000), 7);
        shared.allow();
        assert_eq!(shared.share(7), None, "the one before was a millisecond earlier");
        shared.begin(stamp(1001), 7);
        assert_eq!(shared.share(7), None, "not posted");
        shared.allow();
        for _ in 1..SHARED {
            assert_eq!(shared.share(7), Some(stamp(1001)));
        }
        assert_eq!(shared.share(7), None, "enough");
        shared.begin(stamp(1001 + i64::from(SHARED)), 7);
        shared.allow();
        assert_eq!(shared.share(7), Some(stamp(1017)));
        assert_eq!(shared.share(8), None, "the batch was taken");
        shared.begin(stamp(1021), 8);
        shared.allow();
        assert_eq!(shared.share(8), None, "two messages in four microseconds");
        shared.begin(stamp(1020), 8);
        shared.allow();
        assert_eq!(shared.share(8), None, "the clock was set back");
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
