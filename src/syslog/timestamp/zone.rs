//! The receiver's side of a stamp: what time it is, and what offset a wall clock had at a given time.
//!
//! A [`Zone`] asks the time zone database once, when it is made, for every change of offset from 1970 to
//! 2100, and keeps them in a table ordered in time. A question then is a binary search over fewer than 300
//! rows; only stamps outside those years go to the database again.
//!
//! A wall time can be missing (clocks go forward) or happen twice (clocks go back). As RFC 5545 and jiff's
//! "compatible" rule have it, the offset from before the change answers for both. So the new offset begins,
//! on the wall, at `change + max(old offset, new offset)`: one number a row, and no case to tell apart.
//!
//! RFC 3164 stamps have no year (§4.1.2). The year taken is the latest that does not put the stamp more than
//! 31 days ahead of now: a message of 31 December that comes in January is last year's, one of 1 January that
//! comes in December (a clock that is fast) is next year's, and a file of last November that is read in March
//! is not in the future. The nearest year instead would put last March, read in November, into next year.
use super::civil::{Civil, DAY, days_from_civil, is_leap};
use super::{Reading, Stamp};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, civil::DateTime};

/// 1970-01-01 and 2100-01-01 in UTC, in seconds.
const TABLE: std::ops::Range<i64> = 0..4_102_444_800;

const DAY_MICROS: i64 = DAY * 1_000_000;

/// The most seconds that a stamp without a year may be ahead of now.
const AHEAD: i64 = 31 * DAY;

/// The most seconds between a stamp and a whole quarter of an hour around now for its offset to be guessed
/// from it.
const GUESS_SLACK: i64 = 30;

/// A change of offset.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// Its time in Unix seconds.
    unix: i64,
    /// From which wall time the new offset answers, in seconds as if the wall were UTC: the later of the two
    /// at which it could.
    wall: i64,
    /// The earlier one.
    early_wall: i64,
    /// The new offset.
    offset: i32,
}

/// A time zone with its offsets at hand.
///
/// ```
/// use inrush::syslog::timestamp::Zone;
/// use jiff::tz::TimeZone;
/// let zone = Zone::new(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
/// assert_eq!(zone.offset_at(1_795_338_000), 3600);
/// ```
#[derive(Debug, Clone)]
pub struct Zone {
    source: TimeZone,
    before: i32,
    changes: Box<[Change]>,
    names: Box<[(Box<[u8]>, i32)]>,
}

impl Zone {
    /// The table of `time_zone`. Takes some tens of microseconds: make it once for a configuration.
    pub fn new(time_zone: TimeZone) -> Self {
        let first = Timestamp::UNIX_EPOCH;
        let info = time_zone.to_offset_info(first);
        let before = info.offset().seconds();
        let mut names = vec![(Box::from(info.abbreviation().as_bytes()), before)];
        let mut changes: Vec<Change> = Vec::new();
        let mut old = before;
        for change in
            time_zone.following(first).take_while(|change| change.timestamp().as_second() < TABLE.end)
        {
            let (unix, offset) = (change.timestamp().as_second(), change.offset().seconds());
            let name = change.abbreviation().as_bytes();
            // The latest meaning of a name wins: zones have reused theirs.
            match names.iter_mut().find(|(known, _)| &**known == name) {
                Some(known) => known.1 = offset,
                None => names.push((Box::from(name), offset)),
            }
            if offset != old {
                let (wall, early_wall) =
                    (unix + i64::from(old.max(offset)), unix + i64::from(old.min(offset)));
                changes.push(Change { unix, wall, early_wall, offset });
                old = offset;
            }
        }
        Self { source: time_zone, before, changes: changes.into(), names: names.into() }
    }

    /// The zone of this machine.
    pub fn system() -> Self {
        Self::new(TimeZone::system())
    }

    /// UTC.
    pub fn utc() -> Self {
        Self::new(TimeZone::UTC)
    }

    /// The zone that the table was made from.
    pub fn time_zone(&self) -> &TimeZone {
        &self.source
    }

    /// The offset at a moment, in seconds east of UTC.
    #[inline]
    pub fn offset_at(&self, unix_seconds: i64) -> i32 {
        if !TABLE.contains(&unix_seconds) {
            return self.offset_outside(unix_seconds);
        }
        let at = self.changes.partition_point(|change| change.unix <= unix_seconds);
        self.offset_after(at)
    }

    /// The offset at a wall time, given in seconds as if the wall were UTC.
    #[inline]
    pub(crate) fn offset_at_wall(&self, wall_seconds: i64) -> i32 {
        // A day at both ends, so that no offset can lead out of the table.
        if !(TABLE.start + DAY..TABLE.end - DAY).contains(&wall_seconds) {
            return self.offset_at_wall_outside(wall_seconds, true);
        }
        let at = self.changes.partition_point(|change| change.wall <= wall_seconds);
        self.offset_after(at)
    }

    /// The same, with the offset from behind the change for a wall time that is missing or happens twice.
    #[inline]
    pub(crate) fn offset_after_wall(&self, wall_seconds: i64) -> i32 {
        if !(TABLE.start + DAY..TABLE.end - DAY).contains(&wall_seconds) {
            return self.offset_at_wall_outside(wall_seconds, false);
        }
        let at = self.changes.partition_point(|change| change.early_wall <= wall_seconds);
        self.offset_after(at)
    }

    /// The offset that goes by `name` in this zone, `CET` or `CEST` in Berlin.
    #[inline]
    pub(crate) fn offset_of_name(&self, name: &[u8]) -> Option<i32> {
        self.names.iter().find(|(known, _)| &**known == name).map(|(_, offset)| *offset)
    }

    #[inline]
    fn offset_after(&self, changes: usize) -> i32 {
        changes.checked_sub(1).and_then(|at| self.changes.get(at)).map_or(self.before, |change| change.offset)
    }

    #[cold]
    fn offset_outside(&self, unix_seconds: i64) -> i32 {
        let nearest = unix_seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let moment = Timestamp::from_second(nearest).unwrap_or(Timestamp::UNIX_EPOCH);
        self.source.to_offset(moment).seconds()
    }

    /// The offset at a wall time outside the table: of a change, that before it, or that behind.
    #[cold]
    fn offset_at_wall_outside(&self, wall_seconds: i64, is_before: bool) -> i32 {
        let civil = Civil::from_unix(wall_seconds.saturating_mul(1_000_000), 0);
        let [month, day, hour, minute, second] =
            [civil.month, civil.day, civil.hour, civil.minute, civil.second].map(|n| n as i8);
        i16::try_from(civil.year)
            .ok()
            .and_then(|year| DateTime::new(year, month, day, hour, minute, second, 0).ok())
            .map_or_else(
                || self.offset_outside(wall_seconds),
                |wall| match self.source.to_ambiguous_timestamp(wall).offset() {
                    AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
                    AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
                        if is_before {
                            before.seconds()
                        } else {
                            after.seconds()
                        }
                    }
                },
            )
    }
}

impl From<TimeZone> for Zone {
    fn from(time_zone: TimeZone) -> Self {
        Self::new(time_zone)
    }
}

/// The present, given from outside: parsing the same bytes with the same clock gives the same answer.
///
/// A worker has one, and sets it once for each batch: `set_now` is a few integer operations.
#[derive(Debug, Clone)]
pub struct Clock {
    now_micros: i64,
    year: i32,
    zone: Zone,
}

impl Clock {
    /// A clock that shows `now_micros` microseconds since 1970 began in UTC, in `zone`.
    pub fn new(now_micros: i64, zone: Zone) -> Self {
        Self { now_micros, year: Civil::from_unix(now_micros, 0).year, zone }
    }

    /// The machine's time and zone.
    pub fn system() -> Self {
        Self::new(Timestamp::now().as_microsecond(), Zone::system())
    }

    /// Sets the present.
    #[inline]
    pub fn set_now(&mut self, now_micros: i64) {
        // The year changes with the day only, and most calls are on the same day as the one before.
        if now_micros.div_euclid(DAY_MICROS) != self.now_micros.div_euclid(DAY_MICROS) {
            self.year = Civil::from_unix(now_micros, 0).year;
        }
        self.now_micros = now_micros;
    }

    /// The present, in microseconds since 1970 began in UTC.
    pub fn now_micros(&self) -> i64 {
        self.now_micros
    }

    /// The machine's zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Puts a reading on the time line: finds its year and its offset where it has none.
    ///
    /// `zone` is the receiver's; with `guess` an offset is taken from the distance to now when that is close
    /// to whole quarters of an hour. `None` for a 29 February without a year when no leap year was in the
    /// last eight.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of its own costs a message a fifth")]
    pub(crate) fn place(&self, reading: &Reading, zone: &Zone, guess: bool) -> Option<Stamp> {
        let time = i64::from(reading.second_of_day);
        let days = match reading.year {
            Some(year) => days_from_civil(year, reading.month, reading.day),
            None => self.latest_day(reading, time)?,
        };
        let wall = days * DAY + time;
        let offset_seconds = match reading.offset {
            Some(offset) => offset,
            None if guess => self.guess_offset(wall).unwrap_or_else(|| zone.offset_at_wall(wall)),
            None => zone.offset_at_wall(wall),
        };
        let unix_micros = (wall - i64::from(offset_seconds)) * 1_000_000 + i64::from(reading.micros);
        Some(Stamp { unix_micros, offset_seconds })
    }

    /// The day of a stamp without a year: that of the latest year that is not too far ahead of now.
    #[inline]
    fn latest_day(&self, reading: &Reading, time: i64) -> Option<i64> {
        let latest = self.now_micros.div_euclid(1_000_000) + AHEAD - time;
        let in_year = |year| days_from_civil(year, reading.month, reading.day);
        if (reading.month, reading.day) == (2, 29) {
            let leap = |year: &i32| is_leap(*year) && in_year(*year) * DAY <= latest;
            return (self.year - 8..=self.year + 1).rev().find(leap).map(in_year);
        }
        // Only a stamp of January, read in December, can be next year's.
        let first = if reading.month == 1 { self.year + 1 } else { self.year };
        let days = in_year(first);
        if days * DAY <= latest {
            return Some(days);
        }
        let days = in_year(first - 1);
        Some(if days * DAY <= latest { days } else { in_year(first - 2) })
    }

    /// The offset that makes a wall time the present, when one does.
    fn guess_offset(&self, wall: i64) -> Option<i32> {
        let ahead = wall - self.now_micros.div_euclid(1_000_000);
        let quarters = (ahead + 450).div_euclid(900);
        let close = (ahead - quarters * 900).abs() <= GUESS_SLACK;
        // The offsets in use go from -12:00 to +14:00.
        (close && (-48..=56).contains(&quarters)).then(|| quarters as i32 * 900)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn zone(posix: &str) -> Zone {
        Zone::new(TimeZone::posix(posix).unwrap())
    }

    fn micros(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    /// Around every change and far outside the table the answers are jiff's, gaps and folds included.
    #[test]
    fn offsets_are_those_of_the_database() {
        for posix in [BERLIN, "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "UTC0"] {
            let zone = zone(posix);
            // Six hours in a row, then a leap of days, for 160 years; changes last an hour or half of one.
            for step in (0..160 * 365 * 24).filter(|step| step % 97 < 6) {
                let seconds = days_from_civil(1960, 1, 1) * DAY + i64::from(step) * 3600;
                let wall = date(1960, 1, 1).at(0, 0, 0, 0).saturating_add(jiff::Span::new().hours(step));
                let moment = seconds - i64::from(zone.offset_at_wall(seconds));
                assert_eq!(
                    zone.time_zone().to_timestamp(wall).unwrap().as_second(),
                    moment,
                    "{posix} {wall}"
                );
                let ambiguous = zone.time_zone().to_ambiguous_timestamp(wall).offset();
                let after = match ambiguous {
                    AmbiguousOffset::Unambiguous { offset } => offset,
                    AmbiguousOffset::Gap { after, .. } | AmbiguousOffset::Fold { after, .. } => after,
                };
                assert_eq!(zone.offset_after_wall(seconds), after.seconds(), "{posix} {wall}");
                let at = Timestamp::from_second(seconds).unwrap();
                assert_eq!(zone.offset_at(seconds), zone.time_zone().to_offset(at).seconds());
            }
        }
    }

    /// New year both ways, old files, and the leap day: a wrong year is wrong by a whole year.
    #[test]
    fn the_year_is_the_latest_that_can_be() {
        let cases = [
            ("2027-01-01T00:00:10Z", 12, 31, 2026),
            ("2026-12-31T23:59:50Z", 1, 1, 2027),
            ("2026-03-01T00:00:00Z", 11, 22, 2025),
            ("2026-11-22T00:00:00Z", 11, 22, 2026),
            ("2026-11-22T00:00:00Z", 12, 20, 2026),
            ("2026-11-22T00:00:00Z", 12, 30, 2025),
            ("2026-11-22T00:00:00Z", 1, 1, 2026),
            ("2026-11-22T00:00:00Z", 3, 29, 2026),
            ("2026-01-10T00:00:00Z", 1, 20, 2026),
            ("2026-11-22T00:00:00Z", 2, 29, 2024),
            ("2028-02-01T00:00:00Z", 2, 29, 2028),
            ("1904-02-01T00:00:00Z", 2, 29, 1904),
            ("1903-02-01T00:00:00Z", 2, 29, 1896),
        ];
        for (now, month, day, year) in cases {
            let clock = Clock::new(micros(now), Zone::utc());
            let reading = Reading { month, day, ..Reading::default() };
            let stamp = clock.place(&reading, clock.zone(), false).unwrap();
            assert_eq!(
                (stamp.civil().year, stamp.civil().month, stamp.civil().day),
                (year, month, day),
                "{now}"
            );
        }
    }

    /// A guess needs a stamp near now; otherwise the configured zone answers.
    #[test]
    fn an_offset_is_guessed_only_near_now() {
        let clock = Clock::new(micros("2026-11-22T10:00:05Z"), zone(BERLIN));
        let placed = |hour: u32, minute: u32| {
            let second_of_day = hour * 3600 + minute * 60;
            let reading = Reading { month: 11, day: 22, second_of_day, ..Reading::default() };
            clock.place(&reading, clock.zone(), true).unwrap().offset_seconds
        };
        assert_eq!(placed(15, 30), 19_800);
        assert_eq!(placed(5, 0), -18_000);
        assert_eq!(placed(15, 37), 3600);
    }
}
