//! Syslog against its documents: tables of messages, a second parser, and properties.
//!
//! The tables are in `tests/data/syslog/*.txt`. A case is a paragraph: a title after `#`, settings (`flags`,
//! `now`, `time-zone`, `default-pri`), the `input`, and then exactly the lines that the parsed message is to
//! be written as. `\xHH` is a byte. Without settings it is 2026-11-22 12:00 UTC in Berlin, and the flags are
//! a Python source's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use inrush::syslog::framing::{Frame, Framing, Splitter};
use inrush::syslog::timestamp::{
    Civil, civil_from_days, days_from_civil, parse_rfc3339, write_bsd, write_full, write_rfc3339,
};
use inrush::syslog::{
    BadHostname, Clock, Flags, Marks, ParseOptions, Parsed, Protocol, Span, Utf8, Zone, error_note, parse,
    sanitize_utf8, single_line, unescape_param_value,
};
use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;
use std::fmt::Write as _;

const NOW: &str = "2026-11-22T12:00:00Z";
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn zone(posix: &str) -> Zone {
    Zone::new(TimeZone::posix(posix).unwrap())
}

fn clock(now: &str) -> Clock {
    Clock::new(now.parse::<Timestamp>().unwrap().as_microsecond(), zone(BERLIN))
}

fn parsed(input: &[u8], options: &ParseOptions) -> Parsed {
    let mut out = Parsed::default();
    parse(input, options, &clock(NOW), &mut out);
    out
}

/// `\xHH` to the byte.
fn read_bytes(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

/// The byte to `\xHH` where a line of a table could not show it; so also for a space at the end.
fn write_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let last_space = *byte == b' ' && at + 1 == bytes.len();
        match byte {
            b'\\' | 0..=31 | 127.. => write!(text, "\\x{byte:02x}").unwrap(),
            b' ' if last_space => text.push_str("\\x20"),
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// A parsed message in the form of the tables.
fn render(input: &[u8], out: &Parsed) -> String {
    let given = if out.marks.has(Marks::PRI_GIVEN) { "" } else { " (not given)" };
    let mut text = format!("protocol: {:?}\npri: {}{given}\n", out.protocol, out.pri);
    if let Some(stamp) = out.stamp {
        let mut written = Vec::new();
        write_rfc3339(&stamp.civil(), stamp.offset_seconds, 6, &mut written);
        writeln!(text, "stamp: {}", write_bytes(&written)).unwrap();
    }
    let fields = [
        ("sequence", out.sequence),
        ("host", out.host),
        ("program", out.program),
        ("pid", out.pid),
        ("msgid", out.msgid),
        ("msghdr", out.msghdr),
        ("message", out.message),
        ("raw", out.raw),
    ];
    for (name, span) in fields {
        if let Some(span) = span {
            writeln!(text, "{}", format!("{name}: {}", write_bytes(span.of(input))).trim_end()).unwrap();
        }
    }
    for param in &out.sdata {
        let mut value = Vec::new();
        if param.escaped {
            unescape_param_value(param.value.of(input), &mut value);
        } else {
            value.extend_from_slice(param.value.of(input));
        }
        let [id, name] = [param.id, param.name].map(|span| write_bytes(span.of(input)));
        let mark = if param.escaped { " (escaped)" } else { "" };
        writeln!(text, "sdata: {id}.{name}={}{mark}", write_bytes(&value)).unwrap();
    }
    if out.utf8 != Utf8::Unknown {
        writeln!(text, "utf8: {:?}", out.utf8).unwrap();
    }
    let marks = [
        (Marks::NEEDS_SINGLE_LINE, "needs single line"),
        (Marks::NEEDS_SANITIZE, "needs sanitize"),
        (Marks::KERNEL, "kernel"),
        (Marks::FORWARDED, "forwarded"),
        (Marks::REPEATED, "repeated"),
        (Marks::UNSYNCHRONIZED, "unsynchronized"),
        (Marks::SYNCHRONIZED, "synchronized"),
    ];
    for (_, name) in marks.into_iter().filter(|(mark, _)| out.marks.has(*mark)) {
        writeln!(text, "mark: {name}").unwrap();
    }
    if let Some(error) = out.error {
        writeln!(text, "error: {error}").unwrap();
    }
    text
}

/// Every case of every table: what is not as written there would reach a destination wrong.
#[test]
fn tables() {
    let mut failures = String::new();
    let mut cases = 0;
    for file in std::fs::read_dir("tests/data/syslog").unwrap() {
        let path = file.unwrap().path();
        let table = std::fs::read_to_string(&path).unwrap();
        for case in table.split("\n\n").skip(1) {
            let (mut options, mut now, mut title) = (ParseOptions::default(), NOW.to_owned(), "");
            let (mut input, mut expected) = (None, String::new());
            for line in case.lines() {
                match line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")) {
                    _ if line.starts_with("# ") => title = &line[2..],
                    ("flags", words) => {
                        words.split(' ').for_each(|word| options.flags.apply(word).unwrap());
                    }
                    ("now", stamp) => stamp.clone_into(&mut now),
                    ("time-zone", posix) => options.time_zone = Some(zone(posix)),
                    ("default-pri", pri) => options.default_pri = pri.parse().unwrap(),
                    ("input", text) => input = Some(read_bytes(text)),
                    _ => writeln!(expected, "{line}").unwrap(),
                }
            }
            let input = input.unwrap_or_else(|| panic!("{}: {title}: no input", path.display()));
            let mut out = Parsed::default();
            parse(&input, &options, &clock(&now), &mut out);
            let got = render(&input, &out);
            cases += 1;
            if got != expected {
                writeln!(failures, "{}: {title}\n{got}--- expected\n{expected}", path.display()).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(cases > 100);
}

/// The copies that parsing asks for, on what the tables ask them for.
#[test]
fn copies() {
    let mut out = Vec::new();
    sanitize_utf8(b"\xff\xc3\xa9\xe2\x82 \x00", &mut out);
    assert_eq!(out, "\\xffé\\xe2\\x82 \0".as_bytes());
    out.clear();
    single_line(b"\none\0two\r\n", &mut out);
    assert_eq!(out, b" one two  ");
}

/// A note is one line that has the reason, the place and every byte of the input.
#[test]
fn notes() {
    let input = b"<14>1 2026-11-22T10:00:00Z h a 1 m [x\ny";
    let error = parsed(input, &ParseOptions::default()).error.unwrap();
    let note = String::from_utf8(error_note(input, &error)).unwrap();
    let text = "<14>1 2026-11-22T10:00:00Z h a 1 m [x\\x0ay";
    assert_eq!(note, format!("Malformed syslog message, bad structured data at byte 37: {text}"));
}

/// `bad-hostname()` is asked with `check-hostname` only, and with the word alone.
#[test]
fn bad_hostname() {
    let bad = BadHostname::new(|word| word == b"unknown");
    let mut options = ParseOptions { bad_hostname: Some(bad), ..ParseOptions::default() };
    let input = b"<13>Nov 22 10:00:00 unknown prog: text";
    assert!(parsed(input, &options).host.is_some());
    options.flags.apply("check-hostname").unwrap();
    assert!(parsed(input, &options).host.is_none());
    assert!(parsed(b"<13>Nov 22 10:00:00 known prog: text", &options).host.is_some());
}

/// Bytes that get far: pieces of real messages in any order, with any bytes between them.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "<34>1 ",
            "<13>",
            "<",
            ">",
            "2026-11-22T10:00:00",
            ".123456",
            "Z",
            "+01:00",
            " ",
            "- ",
            "-",
            "host",
            "Nov 22 10:00:00",
            "2026 ",
            "*",
            ".",
            ":",
            ": ",
            "1234: ",
            "[id a=\"b\"]",
            "[id ",
            "a=\"",
            "\\",
            "\"",
            "]",
            "[",
            "prog",
            "[42]",
            "\u{feff}",
            "\n",
            "\0",
            "CET",
            "Message forwarded from ",
            "::1",
            "é",
            "last message repeated ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn options() -> impl Strategy<Value = ParseOptions> {
    let words: Vec<String> = Flags::words().collect();
    prop::sample::subsequence(words, 0..6).prop_map(|words| {
        let mut options = ParseOptions::default();
        for word in words {
            options.flags.apply(&word).unwrap();
        }
        options
    })
}

/// All spans that a message has.
fn spans(out: &Parsed) -> Vec<Span> {
    let fields = [out.host, out.program, out.pid, out.msgid, out.msghdr, out.message, out.raw, out.sequence];
    let params = out.sdata.iter().flat_map(|param| [param.id, param.name, param.value]);
    fields.into_iter().flatten().chain(params).collect()
}

fn trimmed(input: &[u8]) -> &[u8] {
    let end = input.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |at| at + 1);
    &input[..end]
}

/// A word that both parsers take for the same thing everywhere.
const WORD: &str = "[a-zA-Z][a-zA-Z0-9_.]{0,15}";

/// A value between quotes, escaped as RFC 5424 §6.3.3 says, and what it stands for.
fn escape(value: &str) -> String {
    value.chars().flat_map(|c| matches!(c, '"' | '\\' | ']').then_some('\\').into_iter().chain([c])).collect()
}

/// A stamp, microseconds and offset, from 1970 to 2099.
fn stamps() -> impl Strategy<Value = (i64, i32)> {
    (0..4_102_444_800_000_000_i64, -1439..1440_i32).prop_map(|(micros, minutes)| (micros, minutes * 60))
}

/// The same message through `syslog_loose`, rendered from its fields and from ours. Known differences, which
/// the generators below stay clear of, each with its reason:
///
/// | syslog_loose | here | why |
/// |---|---|---|
/// | RFC 3164 needs a priority, a stamp | neither is needed | senders leave them out |
/// | PRI is at most 255, facilities at most 23 | at most 999 | the number is kept for who knows it |
/// | structured data, or `-` for none, in RFC 3164 messages | text | no RFC has it there |
/// | spaces around the message are cut off | kept, but for one after the tag | the message is the sender's |
/// | without a tag the first words are host and tag, and `-` is none | a word before a colon is a tag | RFC 3164 §5.4 |
/// | `\n` in a parameter is a line feed | a backslash and an n | RFC 5424 §6.3.3 |
/// | an element without parameters has none | one, empty | it would be lost from a flat list |
/// | a process is a number where it can be (`007` is 7) | the text | `PID` is text |
/// | second 60 is kept as one | the next second | Unix time |
/// | fractions of RFC 3164 stamps, zones, routers' counters | read | they are met |
/// | a bad RFC 5424 message is tried as RFC 3164, then is text | an error note | the documented behaviour |
fn assert_agrees(input: &str) -> Result<(), TestCaseError> {
    let mut ours = Parsed::default();
    let clock = Clock::new(NOW.parse::<Timestamp>().unwrap().as_microsecond(), Zone::system());
    parse(input.as_bytes(), &ParseOptions::default(), &clock, &mut ours);
    let theirs = syslog_loose::parse_message_with_year(input, |_| 2026, syslog_loose::Variant::Either);
    let text = |span: Option<Span>| span.map(|span| &input[span.range()]);
    prop_assert_eq!(ours.error, None);
    let version = matches!(theirs.protocol, syslog_loose::Protocol::RFC5424(_));
    prop_assert_eq!(ours.protocol == Protocol::Rfc5424, version);
    let pri = theirs.facility.zip(theirs.severity).map(|(f, s)| f as u16 * 8 + s as u16);
    prop_assert_eq!(Some(ours.pri), pri);
    prop_assert_eq!(ours.stamp.map(|s| s.unix_micros), theirs.timestamp.map(|s| s.timestamp_micros()));
    let offset = theirs.timestamp.map(|s| s.offset().local_minus_utc());
    prop_assert_eq!(ours.stamp.map(|s| s.offset_seconds), offset);
    prop_assert_eq!(text(ours.host), theirs.hostname);
    prop_assert_eq!(text(ours.program), theirs.appname);
    prop_assert_eq!(text(ours.pid).map(str::to_owned), theirs.procid.map(|pid| pid.to_string()));
    prop_assert_eq!(text(ours.msgid), theirs.msgid);
    prop_assert_eq!(text(ours.message).unwrap_or_default(), theirs.msg);
    let ours_flat: Vec<_> = ours
        .sdata
        .iter()
        .map(|param| {
            let mut value = Vec::new();
            unescape_param_value(param.value.of(input.as_bytes()), &mut value);
            (&input[param.id.range()], &input[param.name.range()], String::from_utf8(value).unwrap())
        })
        .collect();
    let theirs_flat: Vec<_> = theirs
        .structured_data
        .iter()
        .flat_map(|element| element.params().map(|(name, value)| (element.id, *name, value)))
        .collect();
    prop_assert_eq!(ours_flat, theirs_flat);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No bytes with any flags lead to a panic, or to a span outside the input; and a message that does not
    /// parse is there as a whole.
    #[test]
    fn any_bytes(input in pieces(), options in options()) {
        let out = parsed(&input, &options);
        for span in spans(&out) {
            prop_assert!(span.range().end <= trimmed(&input).len());
        }
        if out.error.is_some() {
            prop_assert_eq!(out.message.unwrap().of(&input), trimmed(&input));
            prop_assert!(out.sdata.is_empty());
        }
        // What is last in the input is the message, in every grammar.
        prop_assert!(out.message.is_none_or(|span| span.range().end == trimmed(&input).len()));
    }

    /// A message parses the same into a used `Parsed` as into a new one.
    #[test]
    fn reuse(first in pieces(), second in pieces(), options in options()) {
        let mut used = parsed(&first, &options);
        parse(&second, &options, &clock(NOW), &mut used);
        prop_assert_eq!(format!("{used:?}"), format!("{:?}", parsed(&second, &options)));
    }

    /// The splitter moves on whatever a stream has, and its messages lie inside what it consumes.
    #[test]
    fn any_stream(stream in pieces(), max_len in 1..40_usize, trims in any::<bool>(), framing in prop::sample::select(vec![
        Framing::Auto, Framing::Text, Framing::TextWithNuls, Framing::NulTerminated, Framing::OctetCounted,
    ])) {
        let (mut splitter, mut start) = (Splitter::new(framing, max_len).trimming(trims), 0);
        while start < stream.len() {
            match splitter.next_frame(&stream[start..]) {
                Frame::Complete { span, consumed, .. } => {
                    prop_assert!(consumed > 0 && span.range().end <= consumed && start + consumed <= stream.len());
                    prop_assert!(span.range().len() <= max_len);
                    start += consumed;
                }
                Frame::Skipped { consumed } => {
                    prop_assert!(consumed > 0 && start + consumed <= stream.len());
                    start += consumed;
                }
                Frame::Incomplete { needed } => {
                    prop_assert!(needed > 0);
                    break;
                }
                Frame::Bad(_) => break,
            }
        }
        splitter.rest(stream.get(start..).unwrap_or_default());
    }

    /// Calendar arithmetic is jiff's.
    #[test]
    fn civil_is_that_of_jiff((micros, offset) in stamps()) {
        let civil = Civil::from_unix(micros, offset);
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(offset).unwrap());
        let jiff = Timestamp::from_microsecond(micros).unwrap().to_zoned(zone);
        prop_assert_eq!((civil.year, civil.month, civil.day), (i32::from(jiff.year()), jiff.month() as u8, jiff.day() as u8));
        let of_day = (civil.hour, civil.minute, civil.second);
        prop_assert_eq!(of_day, (jiff.hour() as u8, jiff.minute() as u8, jiff.second() as u8));
        prop_assert_eq!(i16::from(civil.weekday as i8), i16::from(jiff.weekday().to_sunday_zero_offset()));
        prop_assert_eq!(civil.yearday, jiff.day_of_year() as u16);
        prop_assert_eq!(civil.to_unix(offset), micros);
        let days = days_from_civil(civil.year, civil.month, civil.day);
        prop_assert_eq!(civil_from_days(days), (civil.year, civil.month, civil.day));
    }

    /// A time that was written is read back, and jiff reads it as the same moment.
    #[test]
    fn written_stamps_are_read((micros, offset) in stamps(), digits in 0..=6_u8) {
        let unit = 10_i64.pow(6 - u32::from(digits));
        let micros = micros / unit * unit;
        let mut text = Vec::new();
        write_rfc3339(&Civil::from_unix(micros, offset), offset, digits, &mut text);
        let stamp = parse_rfc3339(&text).unwrap();
        prop_assert_eq!((stamp.unix_micros, stamp.offset_seconds), (micros, offset));
        let jiff: Timestamp = std::str::from_utf8(&text).unwrap().parse().unwrap();
        prop_assert_eq!(jiff.as_microsecond(), micros);
    }

    /// A BSD stamp of the last eleven months comes back as the moment it was; with the year, any does.
    #[test]
    fn bsd_stamps_are_read(ago in 0..28_800_000_i64, full in any::<bool>(), digits in 0..=6_u8) {
        let now = NOW.parse::<Timestamp>().unwrap().as_second();
        let seconds = if full { now - ago * 50 } else { now - ago };
        let offset = zone(BERLIN).offset_at(seconds);
        let civil = Civil::from_unix(seconds * 1_000_000, offset);
        let mut input = b"<13>".to_vec();
        if full { write_full(&civil, digits, &mut input) } else { write_bsd(&civil, digits, &mut input) }
        input.extend_from_slice(b" host prog: text");
        let stamp = parsed(&input, &ParseOptions::default()).stamp.unwrap();
        // Only the hour that comes twice has two answers.
        prop_assert_eq!(stamp.unix_micros + i64::from(stamp.offset_seconds) * 1_000_000, civil.to_unix(0));
    }

    /// Both parsers agree on RFC 5424.
    #[test]
    fn rfc5424_as_syslog_loose(
        pri in 0..192_u16,
        (micros, offset) in stamps(),
        digits in 0..=6_u8,
        words in prop::array::uniform3(prop::option::of(WORD)),
        pid in prop::option::of(1..100_000_u32),
        sdata in prop::collection::vec((WORD, prop::collection::vec((WORD, "[ -\\[\\]-~é]{0,12}"), 1..4)), 0..4),
        message in "([!-~é]([ -~é]{0,40}[!-~é])?)?",
    ) {
        let mut stamp = Vec::new();
        write_rfc3339(&Civil::from_unix(micros, offset), offset, digits, &mut stamp);
        let [host, program, msgid] = words.map(|word| word.unwrap_or_else(|| "-".into()));
        let pid = pid.map_or_else(|| "-".into(), |pid| pid.to_string());
        let element = |(id, params): &(String, Vec<(String, String)>)| {
            let params = params.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value)));
            format!("[{id} {}]", params.collect::<Vec<_>>().join(" "))
        };
        let sdata = if sdata.is_empty() { "-".into() } else { sdata.iter().map(element).collect::<String>() };
        let stamp = String::from_utf8(stamp).unwrap();
        assert_agrees(&format!("<{pri}>1 {stamp} {host} {program} {pid} {msgid} {sdata} {message}"))?;
    }

    /// Both parsers agree on RFC 3164, as far as they can.
    #[test]
    fn rfc3164_as_syslog_loose(
        pri in 0..192_u16,
        micros in 1_767_225_600_000_000..1_795_348_800_000_000_i64,
        iso in any::<bool>(),
        host in "[a-z][a-z0-9.]{0,15}",
        program in WORD,
        pid in prop::option::of(1..100_000_u32),
        message in "[!-,.-Z^-~é]([ -~é]{0,40}[!-~é])?",
    ) {
        let mut stamp = Vec::new();
        let civil = Civil::from_unix(micros, 3600);
        if iso { write_rfc3339(&civil, 3600, 3, &mut stamp) } else { write_bsd(&civil, 0, &mut stamp) }
        let stamp = String::from_utf8(stamp).unwrap();
        let pid = pid.map_or_else(String::new, |pid| format!("[{pid}]"));
        assert_agrees(&format!("<{pri}>{stamp} {host} {program}{pid}: {message}"))?;
    }
}
