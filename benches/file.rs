//! Batches into a file: `/dev/null` for the driver's own cost, a file in memory for the whole.
//!
//! Run with `cargo bench --no-default-features --bench file`. Before a size is timed, it is written to a
//! file, whose every byte is compared with what `format!` makes.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::destination::{
    Counters, Destination, LineFormat, Rejects, Site, StreamDestination, StreamSettings,
};
use inrush::flow::{Ack, Credit, Delivery, SourceCounters};
use inrush::message::{Batch, Need, Origin, Pool, Segment, Selection, Stamp, Writer};
use inrush::template::Template;

const ROWS: u32 = 1000;
/// 2003-10-11T20:14:15Z.
const STAMP: Stamp = Stamp { unix_micros: 1_065_903_255_000_000, offset_seconds: 7200 };

/// A numbered text of `size` bytes.
fn text(number: u32, size: usize) -> String {
    format!("{number:06}{:x>1$}", "", size - 6)
}

/// A batch of texts of `size` bytes: copied into its block where there is room, otherwise viewed.
fn batch(size: usize) -> Arc<Batch> {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    let need = |foreign: bool| Need {
        bytes: if foreign { 0 } else { size },
        fields: 0,
        segments: usize::from(foreign),
        viewed: if foreign { size } else { 0 },
    };
    let foreign = size * ROWS as usize > 60_000;
    let mut writer = Writer::open(&origin, &pool, need(foreign));
    for number in 0..ROWS {
        let mut row = writer.row(need(foreign)).unwrap();
        let text = text(number, size).into_bytes();
        if foreign {
            row.payload_adopt(Segment::heap(text.into_boxed_slice()));
        } else {
            row.payload_copy(&text);
        }
        row.stamps(STAMP, STAMP.unix_micros);
        row.publish();
    }
    Arc::new(writer.finish())
}

/// A destination that writes one batch again and again, and counts.
struct Bench {
    destination: StreamDestination,
    batch: Arc<Batch>,
    source: Arc<SourceCounters>,
    counters: Arc<Counters>,
    given: u64,
}

impl Bench {
    fn new(path: &str, template: &str, batch: &Arc<Batch>) -> Self {
        let counters = Arc::new(Counters::default());
        let settings = StreamSettings {
            line: LineFormat::Template(Template::compile(template).unwrap()),
            ..StreamSettings::new(Template::compile(path).unwrap())
        };
        let log = Arc::new(|report| panic!("{report}"));
        Self {
            destination: StreamDestination::new(
                settings,
                Site {
                    counters: Arc::clone(&counters),
                    report: log,
                    rejects: Rejects::default(),
                    wake: Arc::new(|| ()),
                },
            ),
            batch: Arc::clone(batch),
            source: Arc::default(),
            counters,
            given: 0,
        }
    }

    fn write(&mut self) {
        let charge = self.batch.charge();
        let credit = Arc::new(Credit::new(ROWS, 1 << 40));
        assert_eq!(credit.try_take(ROWS, charge), ROWS);
        let ack = Ack::new(&credit, &self.source, ROWS, charge);
        self.counters.queued.fetch_add(u64::from(ROWS), Ordering::Relaxed);
        self.given += u64::from(ROWS);
        let view = Selection::all(Arc::clone(&self.batch));
        self.destination.push(Delivery { view, ack, flow_control: true });
        self.destination.flush(Instant::now());
    }

    fn finish(self) {
        let delivered = self.counters.delivered.load(Ordering::Relaxed);
        assert_eq!(delivered, self.given, "all of it is written");
    }
}

/// The line that a template makes of a text.
type Line = fn(&str) -> String;

const LINES: [(&str, &str, Line); 2] = [
    ("message", "$MSG\n", |text| format!("{text}\n")),
    ("file_line", "$STAMP $HOST $MSGHDR$MSG\n", |text| format!("Oct 11 22:14:15 localhost {text}\n")),
];

fn write(c: &mut Criterion) {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let (file, checked) = (dir.path().join("out"), dir.path().join("checked"));
    for (place, path) in [("null", "/dev/null"), ("memory", file.to_str().unwrap())] {
        let mut group = c.benchmark_group(format!("file_write_{place}"));
        group.sample_size(20);
        for (name, template, line) in LINES {
            for size in [24, 2048, 4096, 8192, 16384, 65536] {
                let batch = batch(size);
                let right: String = (0..ROWS).map(|number| line(&text(number, size))).collect();
                let mut bench = Bench::new(checked.to_str().unwrap(), template, &batch);
                bench.write();
                bench.write();
                bench.finish();
                let written = std::fs::read(&checked).unwrap();
                std::fs::remove_file(&checked).unwrap();
                assert_eq!(written.len(), 2 * right.len(), "{name}/{size}");
                assert!(written.chunks(right.len()).all(|half| half == right.as_bytes()), "{name}/{size}");

                let bytes = right.len() as u64;
                group.throughput(Throughput::ElementsAndBytes { elements: u64::from(ROWS), bytes });
                let mut bench = Bench::new(path, template, &batch);
                group.bench_function(format!("{name}/{size}"), |b| {
                    b.iter(|| {
                        bench.write();
                        if place == "memory" {
                            // The same pages again and again: growing would measure the allocator of pages.
                            std::fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
                        }
                    });
                });
                bench.finish();
            }
        }
        group.finish();
    }
}

criterion_group!(benches, write);
criterion_main!(benches);
