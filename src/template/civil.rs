//! Calendar arithmetic on integers: seconds since the epoch to year, month, day, week.
//!
//! A day number becomes a date by counting in eras of 400 years (146 097 days) that begin on 1 March,
//! so that the leap day is the last day of a year; see Howard Hinnant, "chrono-Compatible Low-Level
//! Date Algorithms". Every `i64` of microseconds has a date here; the twin of the tests, jiff, covers
//! the years -9999 to 9999.

/// English names of the months; the first three letters are the abbreviation.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English names of the days of a week, from Sunday.
pub(crate) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A date and a time of day, on some clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    /// The year of the Gregorian calendar; 0 is the year before 1.
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u8,
    /// 1 to 31.
    pub(super) day: u8,
    /// 0 to 23.
    pub(super) hour: u8,
    /// 0 to 59.
    pub(super) minute: u8,
    /// 0 to 59.
    pub(super) second: u8,
    /// 0 is Sunday.
    pub(super) weekday: u8,
    /// 1 to 366.
    pub(super) year_day: u16,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

impl Civil {
    /// The time on a clock `seconds` after it showed 1970-01-01 00:00:00.
    pub(super) fn from_clock(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        let in_day = seconds.rem_euclid(86_400);
        let from_march = days + 719_468;
        let era = from_march.div_euclid(146_097);
        let day_of_era = from_march.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let year_day =
            if month <= 2 { day_of_year - 305 } else { day_of_year + 60 + i64::from(is_leap(year)) };
        Self {
            year,
            month: month as u8,
            day: day as u8,
            hour: (in_day / 3600) as u8,
            minute: (in_day / 60 % 60) as u8,
            second: (in_day % 60) as u8,
            weekday: (days + 4).rem_euclid(7) as u8,
            year_day: year_day as u16,
        }
    }

    /// Days since Monday.
    fn days_since_monday(&self) -> i32 {
        (i32::from(self.weekday) + 6) % 7
    }

    /// The week of the year; the first Monday starts week 1, the days before are week 0.
    pub(super) fn week(&self) -> u8 {
        ((i32::from(self.year_day) - self.days_since_monday() + 6) / 7) as u8
    }

    /// The week of the month, counted in the same way.
    pub(super) fn month_week(&self) -> u8 {
        ((i32::from(self.day) - self.days_since_monday() + 6) / 7) as u8
    }

    /// The week of ISO 8601, 1 to 53: week 1 is the one with the year's first Thursday.
    pub(super) fn iso_week(&self) -> u8 {
        // The Thursday of this week decides which year the week belongs to.
        let thursday = i32::from(self.year_day) - self.days_since_monday() + 3;
        let length = |year| if is_leap(year) { 366 } else { 365 };
        let thursday = if thursday < 1 {
            thursday + length(self.year - 1)
        } else if thursday > length(self.year) {
            thursday - length(self.year)
        } else {
            thursday
        };
        ((thursday - 1) / 7 + 1) as u8
    }

    /// The hour on a twelve-hour clock, 1 to 12.
    pub(super) fn hour12(&self) -> u8 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(seconds: i64) {
        let civil = Civil::from_clock(seconds);
        let timestamp = jiff::Timestamp::from_second(seconds).unwrap();
        let twin = timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        assert_eq!((civil.year, civil.month), (i64::from(twin.year()), twin.month() as u8));
        let time = (twin.day() as u8, twin.hour() as u8, twin.minute() as u8, twin.second() as u8);
        assert_eq!((civil.day, civil.hour, civil.minute, civil.second), time);
        assert_eq!(civil.weekday, twin.weekday().to_sunday_zero_offset() as u8);
        assert_eq!(civil.year_day, twin.day_of_year() as u16);
        assert_eq!(civil.iso_week(), twin.date().iso_week_date().week() as u8);
        assert_eq!(format!("{:02}", civil.week()), twin.strftime("%W").to_string());
        assert_eq!(format!("{:2}", civil.hour12()), twin.strftime("%l").to_string());
    }

    /// Breaks without it: one day in four centuries has a wrong date or week.
    #[test]
    fn every_day_of_four_centuries_is_what_jiff_says() {
        for day in -150_000..150_000 {
            check(day * 86_400 + 86_399);
        }
    }

    /// Breaks without it: the week of a month is off by one where a month begins on a Sunday.
    #[test]
    fn weeks_of_a_month_begin_with_its_first_monday() {
        // October 2023 began on a Sunday: its 1st is week 0, its 2nd week 1, its 30th week 5.
        let first = 1_696_118_400;
        let week = |day: i64| Civil::from_clock(first + (day - 1) * 86_400).month_week();
        assert_eq!([week(1), week(2), week(8), week(9), week(30)], [0, 1, 1, 2, 5]);
    }

    proptest! {
        /// Breaks without it: a second far from today has a wrong date.
        #[test]
        fn any_second_is_what_jiff_says(seconds in -377_705_000_000_i64..253_402_207_000) {
            check(seconds);
        }

        /// Breaks without it: a stamp that a sender chose panics in a template.
        #[test]
        fn no_time_is_out_of_range(micros in any::<i64>(), offset in any::<i32>()) {
            let civil = Civil::from_clock(micros.div_euclid(1_000_000) + i64::from(offset));
            prop_assert!((1..=12).contains(&civil.month) && (1..=53).contains(&civil.iso_week()));
        }
    }
}
