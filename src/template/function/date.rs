//! Times: `format-date` (in any form, as `strftime` of C writes it), `stardate`.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

use super::Compiled;
use super::options::{self, Given, Known};
use crate::message::{ValueType, typed};
use crate::template::build::{Build, Source};
use crate::template::item::{Call, Items, Scope};
use crate::template::zone::Zone;

/// `$(format-date [--time-zone zone] format [time])`
#[derive(Debug)]
struct FormatDate {
    format: String,
    zone: Option<TimeZone>,
    /// Another time than the message's own.
    time: Option<Items>,
}

/// Compiles `$(format-date)`.
pub(super) fn format_date(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[Known::value("time-zone", 'Z')];
    let usage = "$(format-date [--time-zone zone] format [time])";
    let (mut zone, mut arguments) = (None, Vec::new());
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) => arguments.push(source),
            Given::Option(_, at, value) => {
                let name = value.as_ref().map(Source::text).unwrap_or_default();
                let Some(found) = Zone::parse(&name) else {
                    let at = value.as_ref().unwrap_or(&at);
                    return Err(build.error(at, &format!("no time zone is called `{name}`"), ""));
                };
                zone = Some(found.to_time_zone());
            }
        }
    }
    let (format, time) = match &*arguments {
        [format] => (format, None),
        [format, time] => (format, Some(build.items(time)?)),
        _ => return Err(build.call_error("`format-date` takes a format, and perhaps a time", usage)),
    };
    let text = format.text();
    let epoch = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    if let Err(error) = strtime::format(&text, &epoch) {
        return Err(build.error(format, &format!("this is no format of a time: {error}"), usage));
    }
    Ok(Box::new(FormatDate { format: text, zone, time }))
}

impl Call for FormatDate {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let (micros, offset) = match &self.time {
            None => {
                let stamp = scope.message.stamp();
                (stamp.unix_micros, Some(stamp.offset_seconds))
            }
            // What is no time is the epoch.
            Some(items) => typed::datetime(&items.text(scope))
                .map_or((0, None), |time| (time.micros(), time.offset_seconds)),
        };
        let own = || offset.and_then(|offset| Offset::from_seconds(offset).ok()).map(TimeZone::fixed);
        let zone = self.zone.clone().or_else(own).unwrap_or_else(TimeZone::system);
        // A time that no calendar has is the nearest one.
        let clamped = micros.clamp(Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond());
        let time = Timestamp::from_microsecond(clamped).unwrap_or_default().to_zoned(zone);
        if let Ok(text) = strtime::format(&self.format, &time) {
            out.extend_from_slice(text.as_bytes());
        }
        ValueType::String
    }
}

/// `$(stardate [--digits n] unixtime)`: the year, and the part of it that is gone.
#[derive(Debug)]
struct Stardate {
    digits: usize,
    time: Items,
}

/// Compiles `$(stardate)`.
pub(super) fn stardate(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[Known::value("digits", 'd')];
    let (mut digits, mut time) = (2, None);
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) if time.is_none() => time = Some(build.items(&source)?),
            Given::Argument(source) => return Err(build.error(&source, "`stardate` takes one time", "")),
            Given::Option(_, at, value) => {
                let value = value.and_then(|value| value.text().parse().ok()).filter(|digits| *digits <= 9);
                digits =
                    value.ok_or_else(|| build.error(&at, "`--digits` takes a number from 0 to 9", ""))?;
            }
        }
    }
    let usage = "$(stardate [--digits n] unixtime)";
    let Some(time) = time else { return Err(build.call_error("`stardate` takes a time", usage)) };
    Ok(Box::new(Stardate { digits, time }))
}

impl Call for Stardate {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        if let Some(text) = typed::datetime(&self.time.text(scope)).and_then(|time| self.of(time.seconds)) {
            out.extend_from_slice(text.as_bytes());
        }
        ValueType::String
    }
}

impl Stardate {
    fn of(&self, seconds: i64) -> Option<String> {
        let local = Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::system()).datetime();
        let begin = jiff::civil::date(local.year(), 1, 1).at(0, 0, 0, 0);
        let gone = (local - begin).total(jiff::Unit::Second).ok()?;
        let whole = f64::from(if local.date().in_leap_year() { 366 } else { 365 }) * 86_400.0;
        let scale = 10_u64.pow(self.digits as u32);
        // Cut, not rounded: no time is in a later year than its own.
        let fraction = (gone / whole * scale as f64) as u64;
        Some(match self.digits {
            0 => local.year().to_string(),
            digits => format!("{}.{fraction:0digits$}", local.year()),
        })
    }
}
