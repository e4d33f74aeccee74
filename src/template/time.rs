//! Time as text: the last formatted second of each clock.
//!
//! Messages of one batch carry the same second again and again, so each clock (see [`Clock`]) keeps
//! its last second decomposed and written out. A hit costs a comparison of `(second, offset)` and a
//! copy of at most 25 bytes.

use super::civil::{Civil, MONTHS};
use super::number::{push_decimal, push_padded};
use crate::message::{Stamp, ValueType};

/// One of a message's times, as the prefixes `S_`, `R_`, `C_` and `P_` of macros name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The time at which the message says it happened; also without a prefix.
    Stamp,
    /// The time of its receipt.
    Received,
    /// The time at which it is formatted.
    Current,
}

/// The part of a time that a macro writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Date,
    FullDate,
    IsoDate,
    Stamp,
    UnixTime,
    Year,
    YearDay,
    Month,
    MonthWeek,
    MonthAbbrev,
    MonthName,
    Day,
    Hour,
    Hour12,
    Min,
    Sec,
    Msec,
    Usec,
    AmPm,
    WeekDay,
    WeekDayAbbrev,
    WeekDayName,
    Week,
    IsoWeek,
    TzOffset,
}

/// The time parts by the name that a template uses for them, in ASCII order.
pub(super) const PARTS: &[(&str, Part)] = &[
    ("AMPM", Part::AmPm),
    ("DATE", Part::Date),
    ("DAY", Part::Day),
    ("FULLDATE", Part::FullDate),
    ("HOUR", Part::Hour),
    ("HOUR12", Part::Hour12),
    ("ISODATE", Part::IsoDate),
    ("ISOWEEK", Part::IsoWeek),
    ("MIN", Part::Min),
    ("MONTH", Part::Month),
    ("MONTH_ABBREV", Part::MonthAbbrev),
    ("MONTH_NAME", Part::MonthName),
    ("MONTH_WEEK", Part::MonthWeek),
    ("MSEC", Part::Msec),
    ("SEC", Part::Sec),
    ("STAMP", Part::Stamp),
    ("TZ", Part::TzOffset),
    ("TZOFFSET", Part::TzOffset),
    ("UNIXTIME", Part::UnixTime),
    ("USEC", Part::Usec),
    ("WEEK", Part::Week),
    ("WEEKDAY", Part::WeekDayAbbrev),
    ("WEEK_DAY", Part::WeekDay),
    ("WEEK_DAY_ABBREV", Part::WeekDayAbbrev),
    ("WEEK_DAY_NAME", Part::WeekDayName),
    ("YEAR", Part::Year),
    ("YEAR_DAY", Part::YearDay),
];

impl Part {
    /// The type of its text.
    pub(super) fn value_type(self) -> ValueType {
        if self == Part::UnixTime { ValueType::Datetime } else { ValueType::String }
    }

    /// The type that Python reads it as.
    pub(super) fn read_type(self) -> ValueType {
        match self {
            Part::Year
            | Part::YearDay
            | Part::Month
            | Part::MonthWeek
            | Part::Day
            | Part::Hour
            | Part::Hour12
            | Part::Min
            | Part::Sec
            | Part::Msec
            | Part::Usec
            | Part::WeekDay
            | Part::Week
            | Part::IsoWeek => ValueType::Integer,
            Part::UnixTime => ValueType::Datetime,
            Part::AmPm
            | Part::Date
            | Part::FullDate
            | Part::IsoDate
            | Part::MonthAbbrev
            | Part::MonthName
            | Part::Stamp
            | Part::TzOffset
            | Part::WeekDayAbbrev
            | Part::WeekDayName => ValueType::String,
        }
    }
}

/// The form of times of the STAMP macro and of the default line format: the option `ts-format()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TsFormat {
    /// `Oct 11 22:14:15` (RFC 3164, section 4.1.2); `rfc3164` or `bsd`.
    #[default]
    Rfc3164,
    /// `2003-10-11T22:14:15+02:00` (RFC 3339); `rfc3339` or `iso`.
    Iso,
    /// `2003 Oct 11 22:14:15`.
    Full,
    /// Seconds since 1970-01-01T00:00:00Z.
    Unix,
}

impl TsFormat {
    /// The words of `ts-format()`.
    pub(crate) const WORDS: &[(&str, Self)] = &[
        ("rfc3164", Self::Rfc3164),
        ("bsd", Self::Rfc3164),
        ("rfc3339", Self::Iso),
        ("iso", Self::Iso),
        ("full", Self::Full),
        ("unix", Self::Unix),
        ("utc", Self::Unix),
    ];

    fn part(self) -> Part {
        match self {
            Self::Rfc3164 => Part::Date,
            Self::Iso => Part::IsoDate,
            Self::Full => Part::FullDate,
            Self::Unix => Part::UnixTime,
        }
    }
}

/// A short text of its own.
#[derive(Debug, Clone, Copy)]
struct Short {
    bytes: [u8; 40],
    len: u8,
}

impl Short {
    const EMPTY: Self = Self { bytes: [0; 40], len: 0 };

    /// Writes at most 40 bytes through `write`; the longest text made here is a date of the largest
    /// year, 27 bytes.
    fn write(scratch: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        scratch.clear();
        write(scratch);
        let mut text = Self::EMPTY;
        text.bytes[..scratch.len()].copy_from_slice(scratch);
        text.len = scratch.len() as u8;
        text
    }

    #[inline]
    fn get(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}

/// One second on a clock with an offset, decomposed and written out.
#[derive(Debug, Clone)]
struct Second {
    unix: i64,
    offset: i32,
    civil: Civil,
    /// `Oct 11 22:14:15`
    bsd: Short,
    /// `2003-10-11T22:14:15`
    iso: Short,
    /// `+02:00`
    zone: Short,
}

impl Second {
    fn new(unix: i64, offset: i32, scratch: &mut Vec<u8>) -> Self {
        let civil = Civil::from_clock(unix.saturating_add(i64::from(offset)));
        let clock = |out: &mut Vec<u8>| {
            push_padded(out, u64::from(civil.hour), 2);
            out.push(b':');
            push_padded(out, u64::from(civil.minute), 2);
            out.push(b':');
            push_padded(out, u64::from(civil.second), 2);
        };
        let bsd = Short::write(scratch, |out| {
            out.extend_from_slice(&MONTHS[civil.month as usize - 1].as_bytes()[..3]);
            out.push(b' ');
            out.push(if civil.day < 10 { b' ' } else { b'0' + civil.day / 10 });
            out.push(b'0' + civil.day % 10);
            out.push(b' ');
            clock(out);
        });
        let iso = Short::write(scratch, |out| {
            push_year(out, civil.year);
            out.push(b'-');
            push_padded(out, u64::from(civil.month), 2);
            out.push(b'-');
            push_padded(out, u64::from(civil.day), 2);
            out.push(b'T');
            clock(out);
        });
        let zone = Short::write(scratch, |out| {
            out.push(if offset < 0 { b'-' } else { b'+' });
            push_padded(out, u64::from(offset.unsigned_abs() / 3600), 2);
            out.push(b':');
            push_padded(out, u64::from(offset.unsigned_abs() / 60 % 60), 2);
        });
        Self { unix, offset, civil, bsd, iso, zone }
    }
}

/// The last second of each clock, and the scratch memory to write the next one.
#[derive(Debug, Clone)]
pub(super) struct Seconds {
    last: [Second; 3],
    scratch: Vec<u8>,
}

impl Default for Seconds {
    fn default() -> Self {
        let mut scratch = Vec::with_capacity(40);
        let epoch = Second::new(0, 0, &mut scratch);
        Self { last: [epoch.clone(), epoch.clone(), epoch], scratch }
    }
}

/// The form of times beyond the part asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: TsFormat,
    /// Digits of the fraction of a second, 0 to 6.
    pub(super) frac_digits: u8,
}

impl Seconds {
    /// Appends `part` of `stamp`, which is a time of `clock`.
    #[inline]
    pub(super) fn append(&mut self, clock: Clock, part: Part, stamp: Stamp, style: Style, out: &mut Vec<u8>) {
        let unix = stamp.unix_micros.div_euclid(1_000_000);
        let micros = stamp.unix_micros.rem_euclid(1_000_000) as u32;
        let last = &mut self.last[clock as usize];
        if last.unix != unix || last.offset != stamp.offset_seconds {
            *last = Second::new(unix, stamp.offset_seconds, &mut self.scratch);
        }
        let part = if part == Part::Stamp { style.format.part() } else { part };
        match part {
            Part::Date | Part::Stamp => {
                out.extend_from_slice(last.bsd.get());
                push_fraction(out, micros, style.frac_digits);
            }
            Part::IsoDate => {
                out.extend_from_slice(last.iso.get());
                push_fraction(out, micros, style.frac_digits);
                out.extend_from_slice(last.zone.get());
            }
            Part::FullDate => {
                push_year(out, last.civil.year);
                out.push(b' ');
                out.extend_from_slice(last.bsd.get());
                push_fraction(out, micros, style.frac_digits);
            }
            Part::UnixTime => push_unix(out, stamp.unix_micros, style.frac_digits),
            Part::Msec => push_padded(out, u64::from(micros / 1000), 3),
            Part::Usec => push_padded(out, u64::from(micros), 6),
            Part::TzOffset => out.extend_from_slice(last.zone.get()),
            part => append_calendar(&last.civil, part, out),
        }
    }
}

fn append_calendar(civil: &Civil, part: Part, out: &mut Vec<u8>) {
    let month = MONTHS[civil.month as usize - 1].as_bytes();
    let day = super::civil::DAYS[civil.weekday as usize].as_bytes();
    let (number, width) = match part {
        Part::Year => return push_year(out, civil.year),
        Part::MonthAbbrev => return out.extend_from_slice(&month[..3]),
        Part::MonthName => return out.extend_from_slice(month),
        Part::WeekDayAbbrev => return out.extend_from_slice(&day[..3]),
        Part::WeekDayName => return out.extend_from_slice(day),
        Part::AmPm => return out.extend_from_slice(if civil.hour < 12 { b"AM" } else { b"PM" }),
        Part::YearDay => (civil.year_day, 3),
        Part::Month => (u16::from(civil.month), 2),
        Part::MonthWeek => (u16::from(civil.month_week()), 1),
        Part::Day => (u16::from(civil.day), 2),
        Part::Hour => (u16::from(civil.hour), 2),
        Part::Hour12 => (u16::from(civil.hour12()), 2),
        Part::Min => (u16::from(civil.minute), 2),
        Part::Sec => (u16::from(civil.second), 2),
        Part::WeekDay => (u16::from(civil.weekday) + 1, 1),
        Part::Week => (u16::from(civil.week()), 2),
        Part::IsoWeek => (u16::from(civil.iso_week()), 2),
        // `Seconds::append` writes the others before it comes here.
        _ => return,
    };
    push_padded(out, u64::from(number), width);
}

fn push_year(out: &mut Vec<u8>, year: i64) {
    if year < 0 {
        out.push(b'-');
    }
    push_padded(out, year.unsigned_abs(), 4);
}

#[inline]
fn push_fraction(out: &mut Vec<u8>, micros: u32, digits: u8) {
    if digits == 0 {
        return;
    }
    let digits = digits.min(6);
    out.push(b'.');
    push_padded(out, u64::from(micros) / 10_u64.pow(6 - u32::from(digits)), digits as usize);
}

/// Seconds with a fraction that is cut, not rounded, towards zero.
fn push_unix(out: &mut Vec<u8>, unix_micros: i64, digits: u8) {
    if unix_micros < 0 {
        out.push(b'-');
    }
    let magnitude = unix_micros.unsigned_abs();
    push_decimal(out, magnitude / 1_000_000);
    push_fraction(out, (magnitude % 1_000_000) as u32, digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn text(part: Part, stamp: Stamp, frac_digits: u8) -> String {
        let mut out = Vec::new();
        let style = Style { format: TsFormat::Full, frac_digits };
        Seconds::default().append(Clock::Stamp, part, stamp, style, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Breaks without it: a stamp that a sender chose panics, or is written with a sign in its middle.
    #[test]
    fn times_before_the_epoch_and_of_the_far_future_have_a_text() {
        let stamp = |unix_micros| Stamp { unix_micros, offset_seconds: 0 };
        assert_eq!(text(Part::UnixTime, stamp(-500_000), 3), "-0.500");
        assert_eq!(text(Part::IsoDate, stamp(-500_000), 1), "1969-12-31T23:59:59.5+00:00");
        assert_eq!(text(Part::Stamp, stamp(0), 0), "1970 Jan  1 00:00:00");
        assert_eq!(text(Part::IsoDate, stamp(i64::MAX), 0), "294247-01-10T04:00:54+00:00");
        assert_eq!(text(Part::Year, stamp(i64::MIN), 0), "-290308");
    }

    proptest! {
        /// Breaks without it: a part of a time differs from what every other program writes for it.
        #[test]
        fn every_part_is_what_strftime_says(
            micros in -62_135_596_800_000_000_i64..253_402_200_000_000_000,
            offset in -14 * 60..14 * 60_i32,
        ) {
            let zone = jiff::tz::Offset::from_seconds(offset * 60).unwrap().to_time_zone();
            let twin = Timestamp::from_microsecond(micros).unwrap().to_zoned(zone);
            let stamp = Stamp { unix_micros: micros, offset_seconds: offset * 60 };
            for (part, format) in [
                (Part::Date, "%b %e %H:%M:%S.%6f"), (Part::FullDate, "%Y %b %e %H:%M:%S.%6f"),
                (Part::IsoDate, "%Y-%m-%dT%H:%M:%S.%6f%:z"), (Part::Year, "%Y"), (Part::YearDay, "%j"),
                (Part::Month, "%m"), (Part::MonthAbbrev, "%b"), (Part::MonthName, "%B"), (Part::Day, "%d"),
                (Part::Hour, "%H"), (Part::Hour12, "%I"), (Part::Min, "%M"), (Part::Sec, "%S"),
                (Part::Msec, "%3f"), (Part::Usec, "%6f"), (Part::AmPm, "%p"), (Part::WeekDayAbbrev, "%a"),
                (Part::WeekDayName, "%A"), (Part::Week, "%W"), (Part::IsoWeek, "%V"), (Part::TzOffset, "%:z"),
            ] {
                prop_assert_eq!(text(part, stamp, 6), twin.strftime(format).to_string(), "{:?}", part);
            }
            let weekday = i32::from(twin.weekday().to_sunday_one_offset());
            prop_assert_eq!(text(Part::WeekDay, stamp, 6), weekday.to_string());
        }
    }
}
