//! A batch by itself: write a row, publish it, seal, read.
//!
//! Run with `cargo bench --no-default-features --bench batch`. `shared` is the life of every posted message;
//! `private` has no consumer yet, so it publishes without an atomic operation. What comes out is added
//! up and compared with what went in.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::batch::Text;
use inrush::message::{
    Batch, EngineBuffer, FieldName, Need, Origin, Pool, Published, Stamp, ValueType, Writer,
};

const ROWS: u32 = 500;

/// The kinds of rows.
#[derive(Clone, Copy)]
enum Row {
    /// A text of so many bytes, copied.
    Copied(usize),
    /// The same with three name-value pairs.
    Fields(usize),
    /// A text of so many bytes of somebody else's.
    Adopted(usize),
}

/// Fills `writer`; true when all rows are in the batch. `buffer` is what adopted texts are in.
fn fill(writer: &mut Writer, kind: Row, buffer: &Arc<EngineBuffer>) -> bool {
    let text = [b'x'; 4096];
    (0..ROWS).all(|number| {
        let need = match kind {
            Row::Copied(size) => Need { bytes: size, ..Need::default() },
            Row::Fields(size) => Need { bytes: size + 9, fields: 3, ..Need::default() },
            Row::Adopted(size) => Need { segments: 1, viewed: size, ..Need::default() },
        };
        let Some(mut row) = writer.row(need) else { return false };
        match kind {
            Row::Copied(size) | Row::Fields(size) => row.payload_copy(&text[..size]),
            Row::Adopted(size) => {
                // SAFETY: nobody writes to the buffer any more.
                row.payload_adopt(unsafe { buffer.segment(size as u32) });
            }
        }
        row.stamps(Stamp { unix_micros: i64::from(number), offset_seconds: 0 }, 0);
        if matches!(kind, Row::Fields(_)) {
            for id in [FieldName::Host, FieldName::Program, FieldName::Pid] {
                row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(b"abc"));
            }
        }
        row.publish() == Published::Yes
    })
}

/// The bytes of all texts, and the sum of all stamps.
fn read(batch: &Batch) -> (usize, i64) {
    (0..batch.rows()).map(|row| batch.message(row)).fold((0, 0), |(bytes, stamps), message| {
        (bytes + black_box(message.text()).len(), stamps + message.stamp().unix_micros)
    })
}

fn batch(c: &mut Criterion) {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    let buffer = Arc::new(EngineBuffer::new(&pool, 4096));
    let kinds = [
        ("copied_24", Row::Copied(24), 24),
        ("fields_24", Row::Fields(24), 24),
        ("adopted_4096", Row::Adopted(4096), 4096),
    ];
    for (name, kind, size) in kinds {
        let right = (size * ROWS as usize, i64::from(ROWS * (ROWS - 1) / 2));
        let mut group = c.benchmark_group(format!("batch_{name}"));
        group.throughput(Throughput::Elements(u64::from(ROWS)));
        group.bench_function("write_private", |b| {
            b.iter(|| {
                let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
                assert!(fill(&mut writer, kind, &buffer));
                assert_eq!(writer.finish().rows(), ROWS);
            });
        });
        group.bench_function("write_shared", |b| {
            b.iter(|| {
                let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
                let pending = writer.share();
                assert!(fill(&mut writer, kind, &buffer));
                assert_eq!(pending.seal().rows(), ROWS);
            });
        });
        let made = || {
            let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
            assert!(fill(&mut writer, kind, &buffer));
            writer.finish()
        };
        group.bench_function("read", |b| {
            let batch = made();
            b.iter(|| assert_eq!(read(&batch), right));
        });
        group.bench_function("drop", |b| b.iter_batched(made, drop, BatchSize::PerIteration));
        group.finish();
    }
}

criterion_group!(benches, batch);
criterion_main!(benches);
