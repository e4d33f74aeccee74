//! The time, and the local offset from UTC, as a message is stamped with them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pyo3::prelude::*;

use super::cell::GilCell;
use crate::message::Stamp;

/// The system's zone, with the offset that holds now and the moment up to which it holds.
struct Zone {
    system: Option<TimeZone>,
    offset_seconds: i32,
    from_micros: i64,
    until_micros: i64,
}

static ZONE: GilCell<Zone> =
    GilCell::new(Zone { system: None, offset_seconds: 0, from_micros: 0, until_micros: 0 });

/// Microseconds since the epoch.
#[inline]
pub fn now_micros() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time, and a clock that every system has. The call goes to the vDSO; the
    // standard library's detour through `Duration` costs as much again.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// The processor time of this thread so far.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time, and a clock that every system has.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The local offset at `micros`, in seconds east of UTC.
#[inline]
pub fn local_offset(py: Python<'_>, micros: i64) -> i32 {
    ZONE.with(py, |zone| {
        if micros < zone.from_micros || micros >= zone.until_micros {
            zone.look_up(micros);
        }
        zone.offset_seconds
    })
}

/// Now, on the local clock.
#[inline]
pub fn now(py: Python<'_>) -> Stamp {
    let unix_micros = now_micros();
    Stamp { unix_micros, offset_seconds: local_offset(py, unix_micros) }
}

impl Zone {
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
