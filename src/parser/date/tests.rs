//! Dates as they are read.

use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::parser::tests::{NOON, compiled, formatted, messages, parsed, said};
use crate::path::alone;

/// A parser with these formats in Budapest.
fn date(formats: &[&str], zone: Option<&str>) -> Date {
    Date {
        formats: formats.iter().map(|format| Format::compile(format)).collect(),
        local: Zone::new(TimeZone::get("Europe/Budapest").unwrap()),
        zone: zone.map(|zone| Zone::new(zone_called(zone.as_bytes()).unwrap().to_time_zone())),
        which: Which::Stamp,
        value: None,
        guesses: false,
    }
}

/// The seconds since the epoch, or the date, with the offset.
fn shown(stamp: Option<Stamp>) -> String {
    let Some(stamp) = stamp else { return "DROP".to_owned() };
    let civil = Civil::from_unix(stamp.unix_micros, stamp.offset_seconds);
    let Civil { year, month, day, hour, minute, second, micros, .. } = civil;
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let (sign, offset) = (if stamp.offset_seconds < 0 { '-' } else { '+' }, stamp.offset_seconds.abs() / 60);
    let (hours, minutes) = (offset / 60, offset % 60);
    format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{sign}{hours:02}:{minutes:02}"
    )
}

use crate::syslog::timestamp::Civil;

/// The time of receipt of a message: noon in Budapest on 28 November 2026.
const RECVD: &str = "2026-11-28T12:00:00+01:00";

fn stamp_of(text: &str) -> Stamp {
    Stamp { unix_micros: text.parse::<Timestamp>().unwrap().as_microsecond(), offset_seconds: 3600 }
}

#[track_caller]
fn check(format: &str, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let read = date(&[format], None).read(text.as_bytes(), stamp_of(RECVD));
        assert_eq!(shown(read), *expected, "{format} {text:?}");
    }
}

/// Breaks without it: the time of a text is another one than it says.
#[test]
fn whole_dates() {
    check(
        DEFAULT,
        &[
            ("2015-01-26T16:14:49+0300", "2015-01-26T16:14:49+03:00"),
            ("2015-01-26T16:14:49+03:00", "2015-01-26T16:14:49+03:00"),
            ("2015-01-26T16:14:49+03", "2015-01-26T16:14:49+03:00"),
            ("2015-01-26T16:14:49Z", "2015-01-26T16:14:49+00:00"),
            ("2015-01-26T16:14:49 +0300", "2015-01-26T16:14:49+03:00"),
            ("2015-01-26T16:14:49", "DROP"),
            ("2015-01-26T16:14:49.123+0300", "DROP"),
            ("2015-01-26T16:14:49+0300 ", "DROP"),
            (" 2015-01-26T16:14:49+0300", "DROP"),
            ("", "DROP"),
        ],
    );
    assert_eq!(
        date(&[DEFAULT], None).read(b"2015-01-26T16:14:49+0300", NOON).unwrap().unix_micros,
        1_422_278_089_000_000
    );
    check("%D", &[("7/4/69", "1969-07-04T00:00:00+01:00"), ("7/4/15", "2015-07-04T00:00:00+02:00")]);
    check(
        "%c",
        &[
            ("Mon Jan 26 16:14:49 2015", "2015-01-26T16:14:49+01:00"),
            ("Sun Jan 26 16:14:49 2015", "2015-01-26T16:14:49+01:00"),
        ],
    );
    check("%A, %d %B %Y %r", &[("monday, 26 JANUARY 2015 04:14:49 pm", "2015-01-26T16:14:49+01:00")]);
    check("%x %X", &[("01/26/15 16:14:49", "2015-01-26T16:14:49+01:00")]);
    check(
        "100%% %Y%n%t%R",
        &[("100% 2015\n 16:14", "2015-01-01T16:14:00+01:00"), ("100%201516:14", "2015-01-01T16:14:00+01:00")],
    );
    check("%C%y", &[("2015", "2015-01-01T00:00:00+01:00")]);
    check("%y/%C", &[("15/18", "1815-01-01T00:00:00+01:16")]);
    check(
        "%G-%V-%g %Y",
        &[("1999-22-33 2015", "2015-01-01T00:00:00+01:00"), ("--1 2015", "DROP"), ("1-54-3 2015", "DROP")],
    );
}

/// Breaks without it: a part that a text leaves out is that of another day or year.
#[test]
fn what_is_missing_is_that_of_the_receipt() {
    check(
        "%b %d %H:%M:%S",
        &[("jan  6 6:4:9", "2026-01-06T06:04:09+01:00"), ("Dec 31 23:59:59", "2026-12-31T23:59:59+01:00")],
    );
    check("%H:%M", &[("16:14", "2026-11-28T16:14:00+01:00")]);
    check("%Y", &[("2015", "2015-01-01T00:00:00+01:00")]);
    check("%d", &[("20", "2026-01-20T00:00:00+01:00")]);
    check("%m", &[("7", "2026-07-01T00:00:00+02:00")]);
    check("%m-%d", &[("07-20", "2026-07-20T00:00:00+02:00")]);
    let at = |recvd: &str, text: &str| shown(date(&["%b %d"], None).read(text.as_bytes(), stamp_of(recvd)));
    assert_eq!(at("2026-01-02T00:00:00Z", "Dec 31"), "2025-12-31T00:00:00+01:00");
    assert_eq!(at("2026-01-02T00:00:00Z", "Nov 30"), "2026-11-30T00:00:00+01:00");
    assert_eq!(at("2026-12-31T00:00:00Z", "Jan 1"), "2027-01-01T00:00:00+01:00");
    // In Budapest it is the next year.
    assert_eq!(at("2026-12-31T23:30:00Z", "Dec 31"), "2026-12-31T00:00:00+01:00");
    // Each format begins anew.
    let both = date(&["%m-%d", "%d %H:%M"], None);
    assert_eq!(shown(both.read(b"20 16:14", stamp_of(RECVD))), "2026-01-20T16:14:00+01:00");
}

/// Breaks without it: a time is that of another zone.
#[test]
fn zones() {
    let in_zone = |zone: &str, format: &str, text: &str| {
        shown(date(&[format], Some(zone)).read(text.as_bytes(), stamp_of(RECVD)))
    };
    let new_york = "America/New_York";
    assert_eq!(in_zone(new_york, "%F %T", "2015-01-20 12:00:00"), "2015-01-20T12:00:00-05:00");
    assert_eq!(in_zone(new_york, "%F %T", "2015-07-20 12:00:00"), "2015-07-20T12:00:00-04:00");
    assert_eq!(in_zone(new_york, "%F %T %z", "2015-07-20 12:00:00 +0000"), "2015-07-20T12:00:00+00:00");
    assert_eq!(in_zone("+05:30", "%F %T", "2015-07-20 12:00:00"), "2015-07-20T12:00:00+05:30");
    assert_eq!(in_zone(new_york, "%s", "1437386400"), "2015-07-20T12:00:00+02:00");
    check(
        "%F %T",
        &[
            ("2015-03-29 02:30:00", "2015-03-29T02:30:00+02:00"),
            ("2015-10-25 02:30:00", "2015-10-25T02:30:00+01:00"),
            ("2150-03-29 02:30:00", "2150-03-29T02:30:00+02:00"),
            ("0000-01-01 00:00:00", "0-01-01T00:00:00+01:16"),
            ("9999-12-31 23:59:60", "10000-01-01T00:00:00+01:00"),
        ],
    );
    let day = |zone: &str| format!("2026-11-28T12:00:00{zone}");
    for (text, zone) in [
        ("GMT", "+00:00"),
        ("EST", "-05:00"),
        ("PDT", "-07:00"),
        ("CEST", "+02:00"),
        ("A", "-01:00"),
        ("est", "-05:00"),
        ("cet", "+01:00"),
        ("+12:", "+12:00"),
        ("", "+01:00"),
        ("M", "-12:00"),
        ("N", "+01:00"),
        ("Y", "+12:00"),
        ("Z", "+00:00"),
    ] {
        check("%H:%M %Z", &[(&*format!("12:00 {text}"), &*day(zone))]);
    }
    check(
        "%H:%M %Z",
        &[
            ("12:00 XYZ", "DROP"),
            ("12:00 J", "DROP"),
            ("12:00 utc", "DROP"),
            ("12:00 ESTX", "DROP"),
            ("12:00 AB", "DROP"),
        ],
    );
    check(
        "%H:%M %z",
        &[
            ("12:00 -0330", &*day("-03:30")),
            ("12:00 +1:30", &*day("+01:30")),
            ("12:00 +0199", "DROP"),
            ("12:00 +9", "DROP"),
            ("12:00 +123", "DROP"),
            ("12:00 ", "DROP"),
            ("12:00 +", "DROP"),
            ("12:00 +01:3", "DROP"),
        ],
    );
}

/// Breaks without it: a number is cut off, or takes the digit of its neighbour.
#[test]
fn numbers() {
    check(
        "%Y-%m-%d",
        &[
            ("2015-02-30", "2015-03-02T00:00:00+01:00"),
            ("2015-13-01", "DROP"),
            ("2015-00-01", "DROP"),
            ("2015-01-00", "DROP"),
        ],
    );
    check("%Y%m%d", &[("20150126", "2015-01-26T00:00:00+01:00"), ("2015126", "2015-12-06T00:00:00+01:00")]);
    check(
        "%H",
        &[("24", "DROP"), ("7", "2026-11-28T07:00:00+01:00"), ("-7", "DROP"), ("+7", "DROP"), (" 7", "DROP")],
    );
    check("%Y-%j", &[("2015-201", "2015-07-20T00:00:00+02:00"), ("2015-0", "DROP"), ("2015-367", "DROP")]);
    check("%T", &[("23:59:60", "2026-11-29T00:00:00+01:00"), ("23:59:62", "DROP"), ("00:60:00", "DROP")]);
    check(
        "%I:%M:%S %p",
        &[
            ("12:30:00 am", "2026-11-28T00:30:00+01:00"),
            ("12:30:00 PM", "2026-11-28T12:30:00+01:00"),
            ("1:30:00 pm", "2026-11-28T13:30:00+01:00"),
            ("0:30:00 pm", "DROP"),
            ("13:30:00 pm", "DROP"),
        ],
    );
    check("%H %p", &[("13 PM", "DROP")]);
    check("%p %I:%M", &[("PM 3:30", "2026-11-28T15:30:00+01:00"), ("am 12:30", "2026-11-28T00:30:00+01:00")]);
    check("%EY-%Om", &[("2015-03", "2015-03-01T00:00:00+01:00")]);
    check(
        "%Y %U %w",
        &[
            ("2026 00 4", "2026-01-01T00:00:00+01:00"),
            ("2026 01 0", "2026-01-04T00:00:00+01:00"),
            ("2026 54 0", "DROP"),
        ],
    );
    check(
        "%Y %W %u",
        &[
            ("2026 00 4", "2026-01-01T00:00:00+01:00"),
            ("2026 01 7", "2026-01-11T00:00:00+01:00"),
            ("2026 1 8", "DROP"),
        ],
    );
    check("%Y %W", &[("2026 01", "2026-01-05T00:00:00+01:00")]);
    check(
        "%s",
        &[
            ("1437386400", "2015-07-20T12:00:00+02:00"),
            ("0", "1970-01-01T01:00:00+01:00"),
            ("-1", "DROP"),
            ("12345678901234567890", "DROP"),
            ("253402300800", "DROP"),
        ],
    );
    check("%s %z", &[("1437386400 +0530", "2015-07-20T15:30:00+05:30")]);
    check("%s.%f", &[("1437386400.250", "2015-07-20T12:00:00.250000+02:00")]);
    check("%Y.%f", &[("2015.123456789", "2015-01-01T00:00:00.123456+01:00")]);
    check(
        "%F %T%f",
        &[
            ("2015-01-01 00:00:00", "2015-01-01T00:00:00+01:00"),
            ("2015-01-01 00:00:00.000123", "2015-01-01T00:00:00.000123+01:00"),
        ],
    );
    check("%Q", &[("%Q", "DROP")]);
    check("%", &[("%", "DROP")]);
}

/// Breaks without it: an option changes nothing, or changes the other time.
#[test]
fn a_time_or_a_value_is_set() {
    let text = "2015-01-26T16:14:49.5+0300";
    let format = "format('%FT%T.%f%z')";
    let both = "${S_ISODATE} ${R_ISODATE} ${x}";
    let set = |options: &str| formatted(&format!("date-parser({format} {options});"), text, both);
    let noon = formatted("date-parser(format('none', '%FT%T.%f%z') value(y));", text, "$R_ISODATE");
    let new = "2015-01-26T16:14:49+03:00";
    assert_eq!(set(""), format!("{new} {noon} "));
    assert_eq!(set("time-stamp(stamp)"), format!("{new} {noon} "));
    assert!(set("time-stamp(recvd)").starts_with("2026-06-01T12:00:00+02:00 2015-01-26T"));
    assert_eq!(set("value(x)"), format!("2026-06-01T12:00:00+02:00 {noon} 1422278089.500000"));
    assert_eq!(parsed("date-parser(value(x));", "2015-01-26T16:14:49+0300"), "x=dt\"1422278089.000000\"");
    assert_eq!(
        parsed("date-parser(value(x) format('%FT%T.%f%z'));", "1969-12-31T23:59:58.5Z"),
        "x=dt\"-1.500000\""
    );
    assert_eq!(parsed("date-parser();", "2015"), "DROP");
    assert_eq!(parsed("date-parser(value(x) format('%Y%z'));", "2015Z\0junk"), "x=dt\"1420070400.000000\"");
    let parser = compiled("date-parser();");
    let _ = alone(&*parser, messages(&[b"2015", b"2015-01-26T16:14:49Z"]), Instant::now());
    let statistics = parser.statistics().unwrap();
    assert_eq!((statistics.processed, statistics.discarded), (2, 1));
}

/// Breaks without it: the clock of a sender in another zone is wrong by hours, or one that is right is moved.
#[test]
fn a_zone_is_guessed() {
    let guessing = |text: &str| {
        shown(
            Date { guesses: true, ..date(&["%F %T", "%F %T %z"], None) }
                .read(text.as_bytes(), stamp_of(RECVD)),
        )
    };
    assert_eq!(guessing("2026-11-28 16:30:10"), "2026-11-28T16:30:10+05:30");
    assert_eq!(guessing("2026-11-28 06:00:00 +0000"), "2026-11-28T06:00:00-05:00");
    assert_eq!(guessing("2026-11-28 12:00:05"), "2026-11-28T12:00:05+01:00");
    assert_eq!(guessing("2020-11-28 16:30:00"), "2020-11-28T16:30:00+01:00");
}

/// Breaks without it: a mistake in the options is found by nobody, or not at its place.
#[test]
fn options_are_checked() {
    for (options, expected) in [
        ("format('%Y %Q')", "`%Q` is no conversion: no text has this format"),
        ("format('%Y%')", "`%` is no conversion"),
        ("format('%é')", "`%é` is no conversion"),
        ("time-zone('Middle/Earth')", "unknown time zone `Middle/Earth`: the local one is used"),
        ("time-stamp(now)", "`now` is not possible here"),
        ("flags(guess-zone)", "did you mean `guess-timezone`?"),
        ("value(DATE)", "`DATE` is computed from the message"),
        ("formats('%Y')", "did you mean `format`?"),
    ] {
        let found = said(&format!("date-parser({options});"));
        assert!(found.contains(expected), "{options}: {found}");
    }
    assert_eq!(said("date-parser(format('%Y', '%m%%') time-zone('+05:30') flags(guess-timezone));"), "");
    assert_eq!(
        parsed("date-parser(format('%Q', '%Y%z') time-zone('Middle/Earth') value(x));", "1970Z"),
        "x=dt\"0.000000\""
    );
}

proptest! {
    /// Breaks without it: a text that somebody chose ends a worker.
    #[test]
    fn any_text_is_read_or_refused(
        format in "(%[YyCmdejwuUWHIkMSabpfsgzZcDFRrTxX%n]|[ :./-]){0,12}",
        text in "([0-9]{1,20}|[ :./+-]|Jan|monday|PM|UTC|[A-Z]|\\PC){0,12}",
        recvd in -10_000_000_000_000_000_i64..10_000_000_000_000_000,
    ) {
        let recvd = Stamp { unix_micros: recvd, offset_seconds: 0 };
        let _ = date(&[&format], None).read(text.as_bytes(), recvd);
    }

    /// Breaks without it: a date is read as another one, in a year that no vector has.
    #[test]
    fn dates_are_read_as_they_are_written(
            seconds in -62_000_000_000_i64..253_000_000_000,
            quarters in -48_i32..56,
        ) {
        let stamp = Stamp { unix_micros: seconds * 1_000_000, offset_seconds: quarters * 900 };
        let text = shown(Some(stamp));
        let read = date(&[DEFAULT], None).read(text.as_bytes(), stamp_of(RECVD));
        prop_assert_eq!(read, Some(stamp), "{}", text);
    }
}
