//! The cost of formatting a message, for the templates that are used most.
//!
//! Run with `cargo bench --no-default-features --bench template`. Before a template is timed, what it makes
//! of all messages is compared with the same text made by `format!`.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::batch::Text;
use inrush::message::{Batch, FieldName, MessageRef, Need, Origin, Pool, Stamp, ValueType, Writer};
use inrush::template::{Context, FILE_LINE, Template, append_rfc5424_header};

const ROWS: u32 = 500;
/// 2003-10-11T20:14:15Z; the messages are a millisecond apart, so all of them are in this second.
const SECOND: i64 = 1_065_903_255;

fn text(number: u32) -> String {
    format!("{number:06} is one of forty bytes, or nearly..")
}

fn batch() -> Batch {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    let mut writer = Writer::open(&origin, &pool, Need::default());
    for number in 0..ROWS {
        let mut row = writer.row(Need { bytes: 100, fields: 3, segments: 0, viewed: 0 }).unwrap();
        row.payload_copy(text(number).as_bytes());
        for (id, value) in
            [(FieldName::Host, "web1"), (FieldName::Program, "nginx"), (FieldName::Pid, "4711")]
        {
            row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        }
        let unix_micros = SECOND * 1_000_000 + i64::from(number) * 1000;
        row.stamps(Stamp { unix_micros, offset_seconds: 7200 }, unix_micros);
        row.pri(13);
        row.publish();
    }
    writer.finish()
}

/// Measures `format`, which appends one message to the text, after it made what `right` makes.
fn case(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    batch: &Batch,
    right: impl Fn(&str) -> String,
    format: impl Fn(MessageRef<'_>, &mut Vec<u8>),
) {
    let right: String = (0..ROWS).map(|number| right(&text(number))).collect();
    let mut out = Vec::with_capacity(1 << 20);
    let all = |out: &mut Vec<u8>| {
        out.clear();
        for row in 0..ROWS {
            format(batch.message(row), out);
        }
    };
    all(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), right, "{name}");
    group.throughput(Throughput::ElementsAndBytes { elements: u64::from(ROWS), bytes: right.len() as u64 });
    group.bench_function(name, |b| {
        b.iter(|| {
            all(&mut out);
            assert_eq!(black_box(&out).len(), right.len());
        });
    });
}

fn templates(c: &mut Criterion) {
    let (batch, context) = (batch(), Context::default());
    let mut group = c.benchmark_group("template_format");
    let template = |text| {
        let (template, context) = (Template::compile(text).unwrap(), &context);
        move |message: MessageRef<'_>, out: &mut Vec<u8>| template.format(message, context, out)
    };
    case(&mut group, "message", &batch, |text| format!("{text}\n"), template("$MSG\n"));
    let line = |text: &str| format!("Oct 11 22:14:15 web1 nginx[4711]: {text}\n");
    case(&mut group, "file_line", &batch, line, template(FILE_LINE));
    let iso = |text: &str| format!("2003-10-11T22:14:15+02:00 web1 nginx {text}\n");
    case(&mut group, "iso", &batch, iso, template("$ISODATE $HOST $PROGRAM $MSG\n"));
    let path = |_: &str| "/var/log/web1/2003-10-11.log".to_owned();
    case(&mut group, "path", &batch, path, template("/var/log/$HOST/$YEAR-$MONTH-$DAY.log"));
    let function = |text: &str| format!("WEB1 {text}\n");
    case(&mut group, "function", &batch, function, template("$(uppercase $HOST) $MSG\n"));
    let header = |_: &str| "<13>1 2003-10-11T22:14:15+02:00 web1 nginx 4711 - - ".to_owned();
    case(&mut group, "rfc5424_header", &batch, header, |message, out| {
        append_rfc5424_header(message, &context, out);
    });
    case(
        &mut group,
        "memcpy_alone",
        &batch,
        |text| format!("{text}\n"),
        |message, out| {
            out.extend_from_slice(message.text());
            out.push(b'\n');
        },
    );
    group.finish();
}

criterion_group!(benches, templates);
criterion_main!(benches);
