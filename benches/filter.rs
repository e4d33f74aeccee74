//! The cost of a filter for a message, in a batch of messages of 256 bytes.
//!
//! Run with `cargo bench --no-default-features --bench filter`. Before a filter is timed, the messages that
//! it lets pass are counted.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::filter::Filter;
use inrush::message::batch::Text;
use inrush::message::{FieldName, Head, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};
use inrush::path::{Alone, Step};

const ROWS: u32 = 200;

/// Filters by name, with how many of a batch they let pass.
const CASES: [(&str, &str, u32); 11] = [
    ("facility", "facility(mail)", ROWS / 4),
    ("level", "level(err..emerg)", ROWS / 4),
    ("program_string", "program(\"nginx\" type(string))", ROWS / 2),
    ("message_literal_absent", "message(\"segfault at\")", 0),
    ("message_group_found_late", "message('status=(\\d+) bytes')", ROWS),
    ("message_group_stored", "message('status=(\\d+) bytes' flags(store-matches))", ROWS),
    ("message_looks_behind", "message('(?<!x)status=\\d+ bytes')", ROWS),
    ("message_alternatives", "message('(error|warn|crit)[a-z]*:')", 0),
    ("netmask", "netmask(\"10.0.0.0/8\")", ROWS / 2),
    ("tags", "tags(\"no.such.tag\")", 0),
    ("comparison", "\"$PID\" > 4000", ROWS),
];

fn batch() -> Selection {
    let mut writer =
        Writer::open(&Arc::new(Origin::named("s_bench")), &Arc::new(Pool::new()), Need::default());
    for number in 0..ROWS {
        let mut row = writer.row(Need { bytes: 300, fields: 3, segments: 0, viewed: 0 }).unwrap();
        let start = format!("{number:06} GET /one/of/many/paths?with=some&more=things ");
        let end = format!(" status={} bytes={}", 200 + number % 300, 1000 + number);
        let text = format!("{start}{}{end}", "x y z ".repeat(50).split_at(256 - start.len() - end.len()).0);
        assert_eq!(text.len(), 256);
        row.payload_copy(text.as_bytes());
        // A sender has a run of messages.
        let sender = if number / 20 % 2 == 0 { "10.1.2.3" } else { "192.168.100.200" };
        let program = if number % 2 == 0 { "nginx" } else { "postgres" };
        for (id, value) in
            [(FieldName::Program, program), (FieldName::Pid, "4711"), (FieldName::SourceIp, sender)]
        {
            row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        }
        let pri = [19, 30, 134, 13][number as usize % 4];
        row.head(&Head::at(Stamp::default(), pri));
        row.publish();
    }
    Selection::all(Arc::new(writer.finish()))
}

fn filter(expression: &str) -> Filter {
    let text = format!("filter f {{ {expression} }};\nlog {{ }};");
    let config = parse_str("bench.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    Filter::compile(&config, "f", &config.filters["f"].condition).unwrap()
}

fn filters(criterion: &mut Criterion) {
    let all = batch();
    let alone = Alone::new(all.batch());
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS.into()));
    for (name, expression, passed) in CASES {
        let filter = filter(expression);
        let run = |step: &dyn Step| {
            let mut selection = black_box(&all).clone();
            alone.apply(step, &mut selection, Instant::now());
            selection.len()
        };
        assert_eq!(run(&filter), passed as usize, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| run(&filter)));
    }
    group.finish();
}

criterion_group!(benches, filters);
criterion_main!(benches);
