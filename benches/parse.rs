//! The cost of parsing a message, beside `syslog_loose`, which is the nearest crate to compare with.
//!
//! Run with `cargo bench --no-default-features --bench parse`. Before anything is timed, both parsers have to
//! give the same fields for every line, and ours the ones that are written here: a fast wrong answer is no
//! result.
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use inrush::syslog::timestamp::{Civil, parse_rfc3339, write_bsd, write_rfc3339};
use inrush::syslog::{Clock, ParseOptions, Parsed, Span, Zone, parse};
use std::hint::black_box;
use syslog_loose::Variant;

/// 2026-11-22T12:00:00Z.
const NOW: i64 = 1_795_348_800_000_000;

/// The lines: a name and the text; an empty one is made by [`lines`].
const LINES: [(&str, &str); 6] = [
    (
        "rfc5424",
        "<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog 1234 ID47 - An application event log entry",
    ),
    (
        "rfc5424_sdata",
        "<165>1 2026-10-11T22:14:15.003456+02:00 mymachine.example.com evntslog 1234 ID47 \
         [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"] \
         An application event log entry",
    ),
    ("rfc3164", "<34>Oct 11 22:14:15 mymachine su[4321]: 'su root' failed for lonvick on /dev/pts/8"),
    (
        "rfc3164_nopid",
        "<13>Nov  2 06:25:01 host7 cron: (root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.daily)",
    ),
    (
        "rfc3164_isodate",
        "<38>2026-10-11T22:14:15.003+02:00 mymachine sshd[981]: Accepted publickey for root from 192.0.2.7",
    ),
    ("rfc3164_long", ""),
];

fn lines() -> Vec<(&'static str, String)> {
    let long = format!(
        "<30>Nov 22 10:00:00 app-1 java[77]: {}",
        "lorem ipsum dolor sit amet ".repeat(40).trim_end()
    );
    LINES
        .iter()
        .map(|(name, line)| (*name, if line.is_empty() { long.clone() } else { (*line).to_owned() }))
        .collect()
}

/// Both parsers' fields of one line, side by side.
fn assert_same(line: &str, options: &ParseOptions, clock: &Clock) {
    let mut ours = Parsed::default();
    parse(line.as_bytes(), options, clock, &mut ours);
    let theirs = syslog_loose::parse_message_with_year(line, |_| 2026, Variant::Either);
    let text = |span: Option<Span>| span.map(|span| &line[span.range()]);
    assert_eq!(ours.error, None);
    let pri =
        theirs.facility.map(|f| f as u16 * 8).zip(theirs.severity.map(|s| s as u16)).map(|(f, s)| f + s);
    assert_eq!(Some(ours.pri), pri);
    assert_eq!(
        ours.stamp.map(|stamp| stamp.unix_micros),
        theirs.timestamp.map(|stamp| stamp.timestamp_micros())
    );
    assert_eq!(text(ours.host), theirs.hostname);
    assert_eq!(text(ours.program), theirs.appname);
    assert_eq!(text(ours.pid).map(str::to_owned), theirs.procid.map(|pid| pid.to_string()));
    assert_eq!(text(ours.msgid), theirs.msgid);
    assert_eq!(text(ours.message), Some(theirs.msg));
    assert_eq!(
        ours.sdata.len(),
        theirs.structured_data.iter().map(|element| element.params().count()).sum::<usize>()
    );
}

/// A line's name, and what is in it: priority, host, program, PID and the first words of the message.
type Fields = (&'static str, u16, &'static str, &'static str, Option<&'static str>, &'static str);

const FIELDS: [Fields; 6] = [
    ("rfc5424", 165, "mymachine.example.com", "evntslog", Some("1234"), "An application"),
    ("rfc5424_sdata", 165, "mymachine.example.com", "evntslog", Some("1234"), "An application"),
    ("rfc3164", 34, "mymachine", "su", Some("4321"), "'su root' failed"),
    ("rfc3164_nopid", 13, "host7", "cron", None, "(root) CMD"),
    ("rfc3164_isodate", 38, "mymachine", "sshd", Some("981"), "Accepted publickey"),
    ("rfc3164_long", 30, "app-1", "java", Some("77"), "lorem ipsum"),
];

/// Our fields of the line called `name`, as they are written down.
fn assert_fields(name: &str, line: &str, ours: &Parsed) {
    let (_, pri, host, program, pid, message) =
        FIELDS.into_iter().find(|row| row.0 == name).expect("a row for each");
    let text = |span: Option<Span>| span.map(|span| &line[span.range()]);
    assert_eq!((ours.pri, text(ours.host), text(ours.program)), (pri, Some(host), Some(program)), "{name}");
    assert_eq!((text(ours.pid), ours.error), (pid, None), "{name}");
    assert!(text(ours.message).is_some_and(|text| text.starts_with(message)), "{name}");
    assert_eq!(ours.sdata.len(), if name.ends_with("sdata") { 4 } else { 0 }, "{name}");
}

fn parse_line(criterion: &mut Criterion) {
    let options = ParseOptions::default();
    let clock = Clock::new(NOW, Zone::system());
    let mut group = criterion.benchmark_group("parse");
    for (name, line) in lines() {
        assert_same(&line, &options, &clock);
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: line.len() as u64 });
        group.bench_with_input(BenchmarkId::new("inrush", name), &line, |bencher, line| {
            let mut parsed = Parsed::default();
            parse(line.as_bytes(), &options, &clock, &mut parsed);
            assert_fields(name, line, &parsed);
            bencher.iter(|| {
                parse(black_box(line.as_bytes()), &options, &clock, &mut parsed);
                black_box(&parsed);
            });
            assert_fields(name, line, &parsed);
        });
        group.bench_with_input(BenchmarkId::new("syslog_loose", name), &line, |bencher, line| {
            bencher
                .iter(|| syslog_loose::parse_message_with_year(black_box(line), |_| 2026, Variant::Either));
        });
    }
    group.finish();
}

fn stamps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timestamp");
    let text = b"2026-10-11T22:14:15.003456+02:00";
    let per_stamp = |bytes: usize| Throughput::ElementsAndBytes { elements: 1, bytes: bytes as u64 };
    let stamp = parse_rfc3339(text).expect("the stamp above is one");
    let mut out = Vec::with_capacity(64);
    write_rfc3339(&stamp.civil(), stamp.offset_seconds, 6, &mut out);
    assert_eq!(out, text);
    assert_eq!((stamp.unix_micros, stamp.offset_seconds), (1_791_749_655_003_456, 7200));
    group.throughput(per_stamp(text.len()));
    group.bench_function("read_rfc3339", |bencher| bencher.iter(|| parse_rfc3339(black_box(text))));
    group.bench_function("write_rfc3339", |bencher| {
        bencher.iter(|| {
            out.clear();
            let civil = Civil::from_unix(black_box(stamp.unix_micros), stamp.offset_seconds);
            write_rfc3339(&civil, stamp.offset_seconds, 6, &mut out);
            black_box(&out);
        });
    });
    assert_eq!(out, text);
    let bsd = b"Oct 11 22:14:15";
    out.clear();
    write_bsd(&stamp.civil(), 0, &mut out);
    assert_eq!(out, bsd);
    group.throughput(per_stamp(bsd.len()));
    group.bench_function("write_bsd", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_bsd(&Civil::from_unix(black_box(stamp.unix_micros), stamp.offset_seconds), 0, &mut out);
            black_box(&out);
        });
    });
    assert_eq!(out, bsd);
    group.finish();
}

criterion_group! {
    name = benches;
    // Short: the numbers are far apart, and the machine may be shared.
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30);
    targets = parse_line, stamps
}
criterion_main!(benches);
