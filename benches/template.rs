//! What formatting a message costs, for the templates that are used most.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::batch::Text;
use inrush::message::{Batch, FieldName, Need, Origin, Pool, Stamp, ValueType, Writer};
use inrush::template::{Context, FILE_LINE, Template, append_rfc5424_header};

const ROWS: u32 = 500;

fn batch() -> Batch {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    let mut writer = Writer::open(&origin, &pool, Need::default());
    for n in 0..ROWS {
        let mut row = writer.row(Need { bytes: 100, fields: 3, segments: 0, viewed: 0 }).unwrap();
        row.payload_copy(b"a message of forty bytes, more or less..");
        for (id, value) in
            [(FieldName::Host, "web1"), (FieldName::Program, "nginx"), (FieldName::Pid, "4711")]
        {
            row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        }
        let unix_micros = 1_065_903_255_000_000 + i64::from(n) * 1000;
        row.stamps(Stamp { unix_micros, offset_seconds: 7200 }, unix_micros);
        row.pri(13);
        row.publish();
    }
    writer.finish()
}

fn format(c: &mut Criterion) {
    let batch = batch();
    let mut group = c.benchmark_group("template_format");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    let mut out = Vec::with_capacity(1 << 20);
    for (name, text) in [
        ("message", "$MSG\n"),
        ("file_line", FILE_LINE),
        ("iso", "$ISODATE $HOST $PROGRAM $MSG\n"),
        ("path", "/var/log/$HOST/$YEAR-$MONTH-$DAY.log"),
        ("function", "$(uppercase $HOST) $MSG\n"),
    ] {
        let template = Template::compile(text).unwrap();
        let context = Context::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                for row in 0..ROWS {
                    template.format(batch.message(row), &context, &mut out);
                }
                assert!(black_box(&out).len() > 500);
            });
        });
    }
    group.bench_function("rfc5424_header", |b| {
        let context = Context::default();
        b.iter(|| {
            out.clear();
            for row in 0..ROWS {
                append_rfc5424_header(batch.message(row), &context, &mut out);
            }
            assert!(black_box(&out).starts_with(b"<13>1 2003-10-11T22:14:15+02:00 web1 nginx 4711 - - "));
        });
    });
    group.bench_function("memcpy_alone", |b| {
        b.iter(|| {
            out.clear();
            for row in 0..ROWS {
                out.extend_from_slice(batch.message(row).text());
                out.push(b'\n');
            }
            assert!(black_box(&out).len() > 500);
        });
    });
    group.finish();
}

criterion_group!(benches, format);
criterion_main!(benches);
