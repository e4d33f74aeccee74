//! The time that the parts of a date are: [`place`].
//!
//! | the text has | the rest is |
//! |---|---|
//! | no date | the day of receipt |
//! | month and day | the year of receipt; in January, December is last year's, and the other way round |
//! | something else | the year of receipt, January, the 1st |
//! | no time of day | 0 |
//! | no offset from UTC | that of the zone at the time on its clocks |
//!
//! An hour that a change of the clocks leaves out is read with the offset behind the change, and so is one
//! that is there twice. A day that a month does not have is in the next one.

use super::format::Parts;
use crate::message::Stamp;
use crate::syslog::timestamp::{Civil, Zone, days_from_civil};

/// Seconds in a day.
const DAY: i64 = 86_400;

/// The receipt of a message: what a date leaves out.
#[derive(Debug)]
pub(super) struct Receipt<'z> {
    local: &'z Zone,
    recvd: Stamp,
}

impl<'z> Receipt<'z> {
    /// That of a message which was received at `recvd`, in the zone `local` of this machine.
    pub(super) fn new(recvd: Stamp, local: &'z Zone) -> Self {
        Self { local, recvd }
    }

    /// The date and the time on the clocks here.
    fn civil(&self) -> Civil {
        let offset = self.local.offset_at(self.recvd.unix_micros.div_euclid(1_000_000));
        Civil::from_unix(self.recvd.unix_micros, offset)
    }
}

/// The time that `parts` are, in `zone` where they say none: without one, that of this machine.
pub(super) fn place(parts: &Parts, receipt: &Receipt<'_>, zone: Option<&Zone>) -> Stamp {
    let micros = i64::from(parts.micros);
    if let Some(seconds) = parts.epoch {
        let offset_seconds = parts.offset.unwrap_or_else(|| receipt.local.offset_at(seconds));
        return Stamp { unix_micros: seconds * 1_000_000 + micros, offset_seconds };
    }
    let time = i64::from(parts.hour) * 3600 + i64::from(parts.minute) * 60 + i64::from(parts.second);
    let wall = day(parts, receipt) * DAY + time;
    let zone = zone.unwrap_or(receipt.local);
    let offset_seconds = parts.offset.unwrap_or_else(|| zone.offset_after_wall(wall));
    Stamp { unix_micros: (wall - i64::from(offset_seconds)) * 1_000_000 + micros, offset_seconds }
}

/// The day of `parts`, from 1970 began on.
fn day(parts: &Parts, receipt: &Receipt<'_>) -> i64 {
    match (parts.year, parts.month, parts.day) {
        (Some(year), Some(month), Some(day)) => days_from_civil(year, month, day),
        (Some(year), None, None) if parts.day_of_year.is_some() || parts.week.is_some() => {
            day_of_year(year, parts)
        }
        (None, None, None) => {
            let now = receipt.civil();
            days_from_civil(now.year, now.month, now.day)
        }
        (None, Some(month), Some(day)) => {
            let now = receipt.civil();
            let year = match (now.month, month) {
                (1, 12) => now.year - 1,
                (12, 1) => now.year + 1,
                _ => now.year,
            };
            days_from_civil(year, month, day)
        }
        (year, month, day) => {
            let year = year.unwrap_or_else(|| receipt.civil().year);
            days_from_civil(year, month.unwrap_or(1), day.unwrap_or(1))
        }
    }
}

/// The day of `year` that the day of the year says, or the week of the year.
fn day_of_year(year: i32, parts: &Parts) -> i64 {
    let first = days_from_civil(year, 1, 1);
    if let Some(day) = parts.day_of_year {
        return first + i64::from(day) - 1;
    }
    let (week, starts) = parts.week.unwrap_or_default();
    // 1970 began on a Thursday.
    let weekday_of = |day: i64| (day + 4).rem_euclid(7);
    let to_first_week = (i64::from(starts) - weekday_of(first)).rem_euclid(7);
    let in_week = (i64::from(parts.weekday.unwrap_or(starts)) - i64::from(starts)).rem_euclid(7);
    first + to_first_week + (i64::from(week) - 1) * 7 + in_week
}
