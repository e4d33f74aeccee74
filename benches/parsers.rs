//! The cost of a parser for a message, in batches; JSON beside `serde_json` and `simd-json`, which read the same texts,
//! in MB/s.
//!
//! Run with `cargo bench --no-default-features --bench parsers`. Before a parser is timed, a value of each message
//! that it has parsed is looked for; the others have to read as many members.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use inrush::config::{Environment, parse_str};
use inrush::drivers::VOCABULARY;
use inrush::message::{Need, Origin, Pool, Selection, Writer};
use inrush::parser::{Reference, compile};
use inrush::path::{Alone, Step};
use serde_json::Value;
use simd_json::prelude::ValueAsObject;

const ROWS: usize = 200;

/// A parser with the texts that it gets, and a value that it finds: its name, and what stands in the text.
struct Case {
    name: &'static str,
    parser: &'static str,
    texts: Vec<String>,
    value: &'static str,
}

/// Documents of ten members and 300 bytes.
fn documents() -> Vec<String> {
    let document = |number: usize| {
        let text = format!(
            r#"{{"timestamp":"2026-11-29T10:{:02}:07.123Z","level":"info","host":"web-{:02}.example.com","service":"checkout","message":"request finished without an error","user":"user-{number}","status":{},"duration":{}.{:03},"cached":{},"request":"","#,
            number % 60,
            number % 16,
            200 + number % 5,
            number % 900,
            number % 1000,
            number.is_multiple_of(2)
        );
        let fill = 299 - text.len() - r#""""#.len();
        let text = text.strip_suffix("\"\",").unwrap();
        format!("{text}\"{}\"}}", "0f".repeat(100).split_at(fill + 2).0)
    };
    (0..ROWS).map(document).collect()
}

fn cases() -> Vec<Case> {
    let nested = |number: usize| {
        format!(
            r#"{{"event": {{"id": {number}, "kind": "login", "tags": ["a", "b c"]}}, "actor": {{"name": "J\u00f6rg \"J\" K.", "ip": "192.0.2.{}"}}, "numbers": [1, 2.5, -3]}}"#,
            number % 256
        )
    };
    vec![
        Case {
            name: "json_10_keys_300_bytes",
            parser: "json-parser();",
            texts: documents(),
            value: "service",
        },
        Case {
            name: "json_prefix",
            parser: "json-parser(prefix(\".json.\"));",
            texts: documents(),
            value: ".json.service",
        },
        Case {
            name: "json_nested",
            parser: "json-parser();",
            texts: (0..ROWS).map(nested).collect(),
            value: "event.kind",
        },
    ]
}

fn batch(texts: &[String]) -> Selection {
    let mut writer =
        Writer::open(&Arc::new(Origin::named("s_bench")), &Arc::new(Pool::new()), Need::default());
    for text in texts {
        let mut row = writer.row(Need { bytes: text.len(), fields: 0, segments: 0, viewed: 0 }).unwrap();
        row.payload_copy(text.as_bytes());
        row.publish();
    }
    Selection::all(Arc::new(writer.finish()))
}

fn parser(body: &str) -> Arc<dyn Step> {
    let text = format!("@version: current\nparser p {{ {body} }};\nlog {{ }};");
    let config = parse_str("bench.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    compile(&config, Reference::FIRST, config.parsers["p"].items[0].driver().unwrap()).unwrap()
}

fn parsers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parsers");
    for Case { name, parser: body, texts, value } in cases() {
        let all = batch(&texts);
        let (alone, parser) = (Alone::new(all.batch()), parser(body));
        let bytes: usize = texts.iter().map(String::len).sum();
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        let run = || {
            let mut selection = black_box(&all).clone();
            alone.apply(&*parser, &mut selection, Instant::now());
            selection
        };
        let parsed = run();
        assert_eq!(parsed.len(), ROWS, "{name}");
        assert!(parsed.messages().all(|message| message.named(value.as_bytes()).is_some()), "{name}");
        group.bench_function(BenchmarkId::new("inrush", name), |bencher| bencher.iter(run));
        if !name.starts_with("json") {
            continue;
        }
        let members = |text: &String| {
            let tree: Value = serde_json::from_str(text).unwrap();
            let mut copy = text.clone().into_bytes();
            let other = simd_json::to_borrowed_value(&mut copy).unwrap();
            (tree.as_object().unwrap().len(), other.as_object().unwrap().len())
        };
        assert!(texts.iter().map(members).all(|(one, other)| one == other && one > 0), "{name}");
        // A tree, with a copy of each text.
        group.bench_function(BenchmarkId::new("serde_json_tree", name), |bencher| {
            bencher.iter(|| {
                for text in &texts {
                    let tree: Value = serde_json::from_str(black_box(text)).unwrap();
                    black_box(tree);
                }
            });
        });
        // The same, of a copy that it writes into.
        let (mut copy, mut buffers) = (Vec::new(), simd_json::Buffers::default());
        group.bench_function(BenchmarkId::new("simd_json_tree", name), |bencher| {
            bencher.iter(|| {
                for text in &texts {
                    copy.clear();
                    copy.extend_from_slice(black_box(text).as_bytes());
                    let tree = simd_json::to_borrowed_value_with_buffers(&mut copy, &mut buffers).unwrap();
                    black_box(tree);
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Short: the numbers are far apart, and the machine may be shared.
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30);
    targets = parsers
}
criterion_main!(benches);
