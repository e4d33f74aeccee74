//! Moments between Python's `datetime` and the engine's [`Stamp`].
//!
//! ```text
//! datetime  ── of ──►  Stamp{unix_micros, offset_seconds}      aware: its utcoffset(); naive: the machine's zone
//! Stamp     ── wall ─► naive datetime, what the sender's wall showed
//! micros    ── local ► naive datetime, what the machine's wall showed
//! ```
//!
//! A naive time that the machine's clocks skipped or showed twice is read as Python reads it (PEP 495):
//! `fold` 0 is the offset before the change, 1 the one after. The offset is the whole of `utcoffset()`, its
//! days as well: a negative offset is a timedelta of minus one day and some seconds.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, tz::Dst};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyTimeAccess, PyTzInfoAccess};

use super::clock;
use super::type_name::type_name;
use crate::message::Stamp;
use crate::syslog::timestamp::{Civil, write_unix};

/// The moment that `value` is. Calls its `tzinfo`, which may be Python code.
///
/// # Errors
/// What `utcoffset()` raises.
pub(crate) fn of(value: &Bound<'_, PyDateTime>) -> PyResult<Stamp> {
    let wall = Civil {
        year: value.get_year(),
        month: value.get_month(),
        day: value.get_day(),
        hour: value.get_hour(),
        minute: value.get_minute(),
        second: value.get_second(),
        micros: value.get_microsecond(),
        weekday: 0,
        yearday: 0,
    };
    if value.get_tzinfo().is_some() {
        let offset = value.call_method0(intern!(value.py(), "utcoffset"))?;
        if !offset.is_none() {
            let offset = offset.cast_into::<PyDelta>().map_err(PyErr::from)?;
            let seconds = offset.get_days() * 86_400 + offset.get_seconds();
            let unix_micros = wall.to_unix(seconds) - i64::from(offset.get_microseconds());
            return Ok(Stamp { unix_micros, offset_seconds: seconds });
        }
    }
    let offset_seconds = offset_at_wall(&wall, value.get_fold(), &TimeZone::system());
    Ok(Stamp { unix_micros: wall.to_unix(offset_seconds), offset_seconds })
}

/// The moment of a value given for a timestamp.
///
/// # Errors
/// `ValueError` for anything but a datetime.
pub(crate) fn of_any(value: &Bound<'_, PyAny>) -> PyResult<Stamp> {
    let Ok(datetime) = value.cast::<PyDateTime>() else {
        let given = type_name(value);
        return Err(PyValueError::new_err(format!("timestamp: expected a datetime, got {given}")));
    };
    of(datetime)
}

/// The offset of `zone` when its walls show `wall`, in seconds east of UTC.
fn offset_at_wall(wall: &Civil, fold: bool, zone: &TimeZone) -> i32 {
    let [month, day, hour, minute, second] =
        [wall.month, wall.day, wall.hour, wall.minute, wall.second].map(|part| part as i8);
    let Ok(wall) = DateTime::new(wall.year as i16, month, day, hour, minute, second, 0) else { return 0 };
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
        AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
            if fold {
                after.seconds()
            } else {
                before.seconds()
            }
        }
    }
}

/// The date and the time in the sender's zone, to the microsecond. `fold` is 1 when the offset is the summer
/// time of the machine's zone, 0 otherwise.
///
/// # Errors
/// `ValueError` outside the years 1 to 9999.
pub(crate) fn wall(py: Python<'_>, stamp: Stamp) -> PyResult<Bound<'_, PyDateTime>> {
    let at = Timestamp::from_microsecond(stamp.unix_micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let zone = TimeZone::system();
    let local = zone.to_offset_info(at);
    let summer = local.dst() == Dst::Yes && local.offset().seconds() == stamp.offset_seconds;
    naive(py, &stamp.civil(), summer)
}

/// The date and the time in the machine's zone at `unix_micros`.
///
/// # Errors
/// `ValueError` outside the years 1 to 9999.
pub(crate) fn local(py: Python<'_>, unix_micros: i64) -> PyResult<Bound<'_, PyDateTime>> {
    naive(py, &Civil::from_unix(unix_micros, clock::local_offset(py, unix_micros)), false)
}

fn naive<'py>(py: Python<'py>, civil: &Civil, fold: bool) -> PyResult<Bound<'py, PyDateTime>> {
    let Civil { year, month, day, hour, minute, second, micros, .. } = *civil;
    PyDateTime::new_with_fold(py, year, month, day, hour, minute, second, micros, None, fold)
}

/// The text of a value of type datetime: seconds since the epoch with three digits of a fraction, cut.
pub(crate) fn text(unix_micros: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    write_unix(unix_micros.div_euclid(1000) * 1000, 3, &mut out);
    out
}

/// The microseconds since the epoch in the text of a value of type datetime; `None` when it is no such text.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let point = memchr::memchr(b'.', digits).unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
    };
    let micros = (0..6).map(|at| fraction.get(at).map_or(0, |digit| i64::from(digit - b'0')));
    let micros = micros.fold(0, |sum, digit| sum * 10 + digit);
    let unix = number(whole)?.checked_mul(1_000_000)?.checked_add(micros)?;
    Some(if negative { -unix } else { unix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Breaks without it: a time loses its fraction or its sign on the way to Python and back.
    #[test]
    fn texts() {
        assert_eq!(text(1_795_341_600_123_999), b"1795341600.123");
        assert_eq!(text(0), b"0.000");
        assert_eq!(text(-1), b"-0.001");
        assert_eq!(parse(b"1795341600"), Some(1_795_341_600_000_000));
        assert_eq!(parse(b"-1.5"), Some(-1_500_000));
        assert_eq!(parse(b"1.0000019"), Some(1_000_001));
        for wrong in ["", "-", ".5", "1.x", "x", "1e3", "99999999999999999999", "9999999999999999"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// A gap and a fold, as PEP 495 has them.
    #[test]
    fn wall_times_of_a_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |month, day, hour, fold| {
            let mut wall = Civil::from_unix(0, 0);
            (wall.year, wall.month, wall.day, wall.hour, wall.minute) = (2026, month, day, hour, 30);
            offset_at_wall(&wall, fold, &zone)
        };
        assert_eq!((at(7, 1, 12, false), at(1, 1, 12, true)), (7200, 3600));
        assert_eq!((at(3, 29, 2, false), at(3, 29, 2, true)), (3600, 7200), "skipped");
        assert_eq!((at(10, 25, 2, false), at(10, 25, 2, true)), (7200, 3600), "shown twice");
    }

    proptest! {
        /// The text keeps the millisecond in which the moment lies, before 1970 too.
        #[test]
        fn text_keeps_milliseconds(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            prop_assert_eq!(parse(&text(micros)), Some(micros.div_euclid(1000) * 1000));
        }

        /// The arithmetic of offsets against jiff's: the moment of a wall time, and back.
        #[test]
        fn offsets_are_exact(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000, offset in -86_399_i32..86_400) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(offset).unwrap());
            let wall = at.to_zoned(zone.clone()).datetime();
            let civil = Stamp { unix_micros: micros, offset_seconds: offset }.civil();
            let shown = (i32::from(wall.year()), wall.month() as u8, wall.day() as u8, wall.hour() as u8);
            prop_assert_eq!((civil.year, civil.month, civil.day, civil.hour), shown);
            prop_assert_eq!(civil.to_unix(offset), micros);
            prop_assert_eq!(offset_at_wall(&civil, false, &zone), offset);
        }
    }
}
