//! The hot paths without Python, for `tools/guard` to count their instructions under valgrind.
//!
//! `guard cases` names the cases, `guard CASE elements` says how many elements a round of one has, and
//! `guard CASE ROUNDS` runs it. Everything goes in one thread, so that a count is the same each time; each
//! case asserts its answer. Without arguments, or with those of a test run, every case runs once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the checks, not of the crate"
)]

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use inrush::destination::{
    Counters, Destination, LineFormat, Rejects, Site, StreamDestination, StreamSettings,
};
use inrush::flow::{Ack, Credit, Delivery, Inbox, Lane, SourceCounters};
use inrush::message::{
    Batch, EngineBuffer, FieldName, Head, Lines, Need, Origin, Pool, Published, Selection, Stamp, Writer,
};
use inrush::syslog::fill::Filler;
use inrush::syslog::{Clock, ParseOptions, Parsed, Zone, parse};
use inrush::template::{Context, FILE_LINE, Template};

const ROWS: u32 = 1000;
const TEXT: &[u8; 23] = b"this is a log message!!";
/// 2026-11-22T12:00:00Z.
const NOW: i64 = 1_795_348_800_000_000;
const RFC5424: &[u8] =
    b"<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog 1234 ID47 - An application event log entry";
const RFC3164: &[u8] = b"<34>Oct 11 22:14:15 mymachine su[4321]: 'su root' failed for lonvick on /dev/pts/8";

/// A case: prepared once, then run for so many rounds of [`ROWS`] elements.
type Case = (&'static str, fn(u32));

const CASES: [Case; 11] = [
    ("lane_post_text", lane_post_text),
    ("lane_post_row", lane_post_row),
    ("batch_write_seal", batch_write_seal),
    ("split_256", split_256),
    ("parse_rfc5424", |rounds| parse_line(RFC5424, rounds)),
    ("parse_rfc3164", |rounds| parse_line(RFC3164, rounds)),
    ("late_rfc5424", |rounds| parse_late(RFC5424, rounds)),
    ("late_rfc3164", |rounds| parse_late(RFC3164, rounds)),
    ("template_file_line", template_file_line),
    ("file_message", |rounds| file("$MSG\n", rounds)),
    ("file_default", |rounds| file(FILE_LINE, rounds)),
];

fn stamp() -> Stamp {
    Stamp { unix_micros: NOW, offset_seconds: 3600 }
}

fn head() -> Head {
    Head::at(stamp(), 13)
}

fn need() -> Need {
    Need { bytes: TEXT.len(), ..Need::default() }
}

/// Posts into a lane whose batches are taken after each round.
fn lane(rounds: u32, post: impl Fn(&mut inrush::flow::Producer)) {
    let mut inbox = Inbox::new();
    let credit = Arc::new(Credit::new(100_000, 64 << 20));
    let lane = Lane::new(0, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None);
    let mut producer = lane.producer(Arc::new(Origin::named("s_guard")));
    for _ in 0..rounds {
        for _ in 0..ROWS {
            post(&mut producer);
        }
        while let Some(parcel) = inbox.try_recv() {
            drop(parcel.open());
        }
    }
    let totals = lane.counters().totals();
    assert_eq!((totals.posted, totals.delivered), (u64::from(rounds * ROWS), u64::from(rounds * ROWS)));
}

fn post_row(producer: &mut inrush::flow::Producer) {
    let posted = producer.try_post(need(), |row| {
        row.payload_copy(black_box(TEXT));
        row.head(&head());
    });
    assert_eq!(posted, Ok(()));
}

fn lane_post_text(rounds: u32) {
    lane(rounds, |producer| {
        if !producer.post_text_fast(&head(), |_| (), black_box(TEXT)) {
            post_row(producer);
            producer.allow_fast_posts(u32::MAX);
        }
    });
}

fn lane_post_row(rounds: u32) {
    lane(rounds, post_row);
}

fn batch(origin: &Arc<Origin>, pool: &Arc<Pool>) -> Batch {
    let mut writer = Writer::open(origin, pool, need());
    let pending = writer.share();
    for _ in 0..ROWS {
        assert_eq!(writer.publish_text(&head(), |_| (), black_box(TEXT)), Some(Published::Yes));
    }
    pending.seal()
}

fn batch_write_seal(rounds: u32) {
    let (origin, pool) = (Arc::new(Origin::named("s_guard")), Arc::new(Pool::new()));
    for _ in 0..rounds {
        assert_eq!(batch(&origin, &pool).rows(), ROWS);
    }
}

/// Lines of 256 bytes, their ends included, into batches of lines.
fn split_256(rounds: u32) {
    let (origin, pool) = (Arc::new(Origin::named("s_guard")), Arc::new(Pool::new()));
    let text = [vec![b'x'; 255], b"\n".to_vec()].concat().repeat(ROWS as usize);
    let buffer = Arc::new(EngineBuffer::new(&pool, text.len()));
    // SAFETY: both have `text.len()` bytes, they do not overlap, and nobody reads the buffer yet.
    unsafe { buffer.start().copy_from_nonoverlapping(NonNull::from(&*text).cast::<u8>(), text.len()) };
    // SAFETY: nobody writes to the buffer after it was filled.
    let segment = || unsafe { buffer.segment(text.len() as u32) };
    let all = segment();
    for _ in 0..rounds {
        let mut lines = Lines::new(&origin, segment(), stamp(), head().pri, Some(b'\n'));
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', all.bytes()) {
            lines.push(start, end as u32 - start);
            start = end as u32 + 1;
        }
        assert_eq!(lines.finish().rows(), ROWS);
    }
}

fn parse_line(line: &[u8], rounds: u32) {
    let (options, clock) = (ParseOptions::default(), Clock::new(NOW, Zone::system()));
    let mut parsed = Parsed::default();
    for _ in 0..rounds * ROWS {
        parse(black_box(line), &options, &clock, &mut parsed);
        assert!(parsed.error.is_none() && parsed.host.is_some());
    }
}

/// Posted as a text, and parsed by the worker that takes the batch: the way of `LogMessage.parse` and a post.
fn parse_late(line: &[u8], rounds: u32) {
    let (origin, pool) = (Arc::new(Origin::named("s_guard")), Arc::new(Pool::new()));
    let (options, mut clock) = (ParseOptions::default(), Clock::new(NOW, Zone::system()));
    let mut filler = Filler::default();
    for _ in 0..rounds * ROWS / 500 {
        let mut writer = Writer::open(&origin, &pool, need());
        let pending = writer.share();
        for _ in 0..500 {
            assert_eq!(writer.publish_unparsed(&head(), black_box(line)), Some(Published::Yes));
        }
        let mut batch = Selection::all(Arc::new(pending.seal()));
        let _ = batch.parse_late(|text, recvd, row| {
            clock.set_now(recvd.unix_micros);
            filler.parse(text, &options, &clock);
            filler.fill(recvd, row);
        });
        assert!(batch.message(499).known(FieldName::Program).is_some());
    }
}

fn template_file_line(rounds: u32) {
    let batch = batch(&Arc::new(Origin::named("s_guard")), &Arc::new(Pool::new()));
    let (template, context) = (Template::compile(FILE_LINE).unwrap(), Context::default());
    let mut out = Vec::with_capacity(1 << 20);
    for _ in 0..rounds {
        out.clear();
        for row in 0..ROWS {
            template.format(batch.message(row), &context, &mut out);
        }
        assert_eq!(out.len(), "Nov 22 13:00:00 localhost this is a log message!!\n".len() * ROWS as usize);
    }
}

/// `$MSG\n` into `/dev/null`.
fn file(template: &str, rounds: u32) {
    let batch = Arc::new(batch(&Arc::new(Origin::named("s_guard")), &Arc::new(Pool::new())));
    let (source, counters) = (Arc::new(SourceCounters::default()), Arc::new(Counters::default()));
    let settings = StreamSettings {
        line: LineFormat::Template(Template::compile(template).unwrap()),
        ..StreamSettings::new(Template::compile("/dev/null").unwrap())
    };
    let site = Site {
        counters: Arc::clone(&counters),
        report: Arc::new(|report| panic!("{report}")),
        rejects: Rejects::default(),
        wake: Arc::new(|| ()),
    };
    let mut destination = StreamDestination::new(settings, site);
    for _ in 0..rounds {
        let credit = Arc::new(Credit::new(ROWS, 1 << 40));
        assert_eq!(credit.try_take(ROWS, batch.charge()), ROWS);
        let ack = Ack::new(&credit, &source, ROWS, batch.charge());
        counters.queued.fetch_add(u64::from(ROWS), Ordering::Relaxed);
        destination.push(Delivery { view: Selection::all(Arc::clone(&batch)), ack, flow_control: true });
        destination.flush(Instant::now());
    }
    assert_eq!(counters.delivered.load(Ordering::Relaxed), u64::from(rounds * ROWS), "all of it is written");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["cases"] = asked[..] {
        for (name, _) in CASES {
            println!("{name}");
        }
        return;
    }
    if let [name, rounds] = asked[..]
        && let Some((_, run)) = CASES.iter().find(|(case, _)| *case == name)
    {
        match rounds.parse() {
            Ok(rounds) => run(rounds),
            Err(_) => println!("{ROWS}"),
        }
        return;
    }
    for (_, run) in CASES {
        run(1);
    }
}
