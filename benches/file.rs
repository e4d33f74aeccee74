//! Batches into a file: `/dev/null` for the driver's own cost, a file in memory for the whole.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::destination::{Counters, FileDestination, FileSettings, LineFormat};
use inrush::flow::{Ack, Credit, Delivery, SourceCounters};
use inrush::message::{Batch, Need, Origin, Pool, Segment, View, Writer};
use inrush::template::Template;

const ROWS: u32 = 1000;

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
    for _ in 0..ROWS {
        let mut row = writer.row(need(foreign)).unwrap();
        if foreign {
            row.payload_adopt(Segment::heap(vec![b'x'; size].into_boxed_slice()));
        } else {
            row.payload_copy(&vec![b'x'; size]);
        }
        row.publish();
    }
    Arc::new(writer.finish())
}

fn write(c: &mut Criterion) {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = dir.path().join("out");
    let source = Arc::new(SourceCounters::default());
    for (place, path) in [("null", "/dev/null"), ("memory", file.to_str().unwrap())] {
        let mut group = c.benchmark_group(format!("file_write_{place}"));
        group.sample_size(20);
        for (name, template) in [("message", "$MSG\n"), ("file_line", "$STAMP $HOST $MSGHDR$MSG\n")] {
            for size in [24, 2048, 4096, 8192, 16384, 65536] {
                let batch = batch(size);
                let counters = Arc::new(Counters::default());
                let template = Template::compile(template).unwrap();
                let settings = FileSettings {
                    line: LineFormat::Template(template),
                    ..FileSettings::new(Template::compile(path).unwrap())
                };
                let log = |report| panic!("{report}");
                let mut destination = FileDestination::new(settings, Arc::clone(&counters), Arc::new(log));
                group.throughput(Throughput::Bytes(u64::from(ROWS) * size as u64));
                let mut given = 0;
                group.bench_function(format!("{name}/{size}"), |b| {
                    b.iter(|| {
                        let credit = Arc::new(Credit::new(ROWS, 1 << 40));
                        assert_eq!(credit.try_take(ROWS, batch.charge()), ROWS);
                        let ack = Ack::new(&credit, &source, ROWS, batch.charge());
                        counters.queued.fetch_add(u64::from(ROWS), Ordering::Relaxed);
                        given += u64::from(ROWS);
                        destination.push(Delivery {
                            view: View::all(Arc::clone(&batch)),
                            ack,
                            flow_control: true,
                        });
                        destination.flush(Instant::now());
                        if place == "memory" {
                            // The same pages again and again: growing would measure the allocator of pages.
                            std::fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
                        }
                    });
                });
                assert_eq!(counters.delivered.load(Ordering::Relaxed), given, "all of it is written");
            }
        }
        group.finish();
    }
}

criterion_group!(benches, write);
criterion_main!(benches);
