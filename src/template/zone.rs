//! Time zones: an offset from UTC for each second.
//!
//! A named zone keeps its offset with the interval between two transitions in which that offset holds, so
//! jiff is asked twice a year.

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

use crate::message::Stamp;

/// A time zone: an offset from UTC, or the rules of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// Seconds east of UTC, always.
    Fixed(i32),
    /// An entry of the zone database, or a rule as in the variable TZ.
    Rules(TimeZone),
}

impl Zone {
    /// The zone that a configuration calls `text`: `+02:00`, `-0330`, `Europe/Budapest`, `EST5EDT`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(['+', '-']) {
            return fixed_offset(text).map(Self::Fixed);
        }
        if matches!(text, "Z" | "UTC" | "GMT") {
            return Some(Self::Fixed(0));
        }
        TimeZone::get(text).or_else(|_| TimeZone::posix(text)).ok().map(Self::Rules)
    }

    /// The zone as jiff has it.
    pub(crate) fn to_time_zone(&self) -> TimeZone {
        match self {
            // What `parse` gives is less than a day, and so within jiff's bounds.
            Self::Fixed(seconds) => TimeZone::fixed(Offset::from_seconds(*seconds).unwrap_or(Offset::UTC)),
            Self::Rules(zone) => zone.clone(),
        }
    }

    /// The machine's own zone.
    pub fn local() -> Self {
        Self::Rules(TimeZone::system())
    }
}

fn fixed_offset(text: &str) -> Option<i32> {
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (digits[..2].parse::<i32>().ok()?, digits[2..].parse::<i32>().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// A [`Zone`] with the offset that it had last, and the seconds for which that offset holds.
#[derive(Debug, Clone)]
pub struct ZoneClock {
    zone: Zone,
    from: i64,
    until: i64,
    offset: i32,
}

impl ZoneClock {
    /// A clock that knows no interval yet.
    pub fn new(zone: Zone) -> Self {
        Self { zone, from: 0, until: 0, offset: 0 }
    }

    /// Seconds east of UTC that the zone has at `unix_seconds`.
    #[inline]
    pub fn offset_at(&mut self, unix_seconds: i64) -> i32 {
        match &self.zone {
            Zone::Fixed(offset) => *offset,
            Zone::Rules(_) if (self.from..self.until).contains(&unix_seconds) => self.offset,
            Zone::Rules(rules) => {
                let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second() - 1;
                let clamped = unix_seconds.clamp(*range.start(), *range.end());
                let (Ok(at), Ok(after)) =
                    (Timestamp::from_second(clamped), Timestamp::from_second(clamped + 1))
                else {
                    return 0;
                };
                self.offset = rules.to_offset(at).seconds();
                let began = rules.preceding(after).next().map(|change| change.timestamp().as_second());
                let ends = rules.following(at).next().map(|change| change.timestamp().as_second());
                self.from = began.unwrap_or(i64::MIN);
                self.until = ends.unwrap_or(i64::MAX);
                self.offset
            }
        }
    }

    /// The time now, as this zone's clocks show it.
    pub fn now(&mut self) -> Stamp {
        let now = Timestamp::now();
        Stamp { unix_micros: now.as_microsecond(), offset_seconds: self.offset_at(now.as_second()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Breaks without it: `time-zone()` refuses what syslog-ng takes, or takes a typing error for UTC.
    #[test]
    fn zones_are_read_in_all_their_spellings() {
        assert_eq!(Zone::parse("+02:00"), Some(Zone::Fixed(7200)));
        assert_eq!(Zone::parse("-0330"), Some(Zone::Fixed(-12_600)));
        assert_eq!(Zone::parse("UTC"), Some(Zone::Fixed(0)));
        assert!(matches!(Zone::parse("Europe/Budapest"), Some(Zone::Rules(_))));
        assert!(matches!(Zone::parse("EST5EDT,M3.2.0,M11.1.0"), Some(Zone::Rules(_))));
        for bad in ["", "+", "+2", "+24:00", "+02:60", "Middle/Earth", "+aa:bb", "+é00"] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
        let offset = |text: &str| {
            Zone::parse(text).map(|zone| zone.to_time_zone().to_offset(Timestamp::UNIX_EPOCH).seconds())
        };
        assert_eq!(offset("Z"), Some(0));
        assert_eq!(offset("-0330"), Some(-12_600));
        assert_eq!(offset("+23:59"), Some(86_340));
        assert_eq!(offset("EST5EDT,M3.2.0,M11.1.0"), Some(-18_000));
    }

    proptest! {
        /// Breaks without it: the offset that is kept is used beyond its change to summer time.
        #[test]
        fn a_zone_has_the_offset_that_jiff_says(seconds in prop::collection::vec(-2_000_000_000_i64..4_000_000_000, 1..20)) {
            let rules = TimeZone::get("Europe/Budapest").unwrap();
            let mut clock = ZoneClock::new(Zone::Rules(rules.clone()));
            for second in seconds {
                let expected = rules.to_offset(Timestamp::from_second(second).unwrap()).seconds();
                prop_assert_eq!(clock.offset_at(second), expected);
            }
        }
    }
}
