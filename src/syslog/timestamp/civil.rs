//! Days, dates and times of day in integers.
//!
//! The proleptic Gregorian calendar, without tables and without loops. A year is taken to begin in March, so
//! that the leap day is its last day and the months before it have lengths that a linear formula gives; 400
//! of those years (an era, 146 097 days) repeat for ever.
//!
//! The method is that of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", with the multiplications
//! of C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms"
//! (2022), on the way to days. The oracle in the tests is jiff.

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

/// Days in 400 years.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// The days from 1970-01-01 to a date, negative before it.
///
/// `month` is 1 to 12 and `day` 1 to 31; a day after the month's last runs on into the next.
///
/// ```
/// use inrush::syslog::timestamp::days_from_civil;
/// assert_eq!(days_from_civil(1970, 1, 1), 0);
/// assert_eq!(days_from_civil(2000, 2, 29), 11_016);
/// ```
#[inline]
pub const fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    // Whole eras before year 0, so that the divisions are of unsigned numbers: they cost half of signed ones.
    const ERAS: i64 = 5_500_000;
    let before_march = month <= 2;
    let year = (year as i64 - before_march as i64 + ERAS * 400) as u64;
    let month = if before_march { month as u32 + 12 } else { month as u32 };
    let century = year / 100;
    // 979/32 is near enough to the 30.6 days of a month from March to February.
    let day_of_year = (979 * month - 2919) / 32 + day as u32 - 1;
    let days = year * 1461 / 4 - century + century / 4 + day_of_year as u64;
    days as i64 - (ERAS * ERA + EPOCH)
}

/// The year, month and day that is `days` after 1970-01-01: the inverse of [`days_from_civil`].
#[inline]
pub const fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let days = days + EPOCH;
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year as i32, month as u8, day as u8)
}

/// True when February of `year` has 29 days.
#[inline]
pub const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The last day of a month; 0 for a month that is none.
#[inline]
pub const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 => 28 + is_leap(year) as u8,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// A moment as a calendar and a clock on the wall show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Civil {
    /// The year; year 0 is 1 BC.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59, and 60 in a leap second that was read and not yet turned into Unix time.
    pub second: u8,
    /// 0 to 999 999.
    pub micros: u32,
    /// 0 for Sunday to 6 for Saturday.
    pub weekday: u8,
    /// 1 for 1 January to 366.
    pub yearday: u16,
}

impl Civil {
    /// The date and the time of day `unix_micros` microseconds after 1970 began in UTC, `offset_seconds` east
    /// of it.
    #[inline]
    pub const fn from_unix(unix_micros: i64, offset_seconds: i32) -> Self {
        let seconds = unix_micros.div_euclid(1_000_000) + offset_seconds as i64;
        let micros = unix_micros.rem_euclid(1_000_000) as u32;
        let days = seconds.div_euclid(DAY);
        let of_day = seconds.rem_euclid(DAY) as u32;
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            micros,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4).rem_euclid(7) as u8,
            yearday: (days - days_from_civil(year, 1, 1)) as u16 + 1,
        }
    }

    /// The microseconds since 1970 began in UTC: the inverse of [`Civil::from_unix`].
    ///
    /// Only date, time and `micros` count; `weekday` and `yearday` are not looked at.
    #[inline]
    pub const fn to_unix(&self, offset_seconds: i32) -> i64 {
        let days = days_from_civil(self.year, self.month, self.day);
        let of_day = self.hour as i64 * 3600 + self.minute as i64 * 60 + self.second as i64;
        (days * DAY + of_day - offset_seconds as i64) * 1_000_000 + self.micros as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Day by day through 800 years, against the obvious way of counting.
    #[test]
    fn days_count_up() {
        let (mut year, mut month, mut day) = (1600, 1, 1);
        let first = days_from_civil(year, month, day);
        for days in first..first + 2 * ERA {
            assert_eq!(civil_from_days(days), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            day += 1;
            if day > days_in_month(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    /// The moment before the epoch is in 1969, on a Wednesday: truncating division would lose it.
    #[test]
    fn before_the_epoch() {
        let civil = Civil::from_unix(-1, 0);
        assert_eq!((civil.year, civil.month, civil.day, civil.hour), (1969, 12, 31, 23));
        assert_eq!((civil.second, civil.micros, civil.weekday, civil.yearday), (59, 999_999, 3, 365));
        assert_eq!(civil.to_unix(0), -1);
    }
}
