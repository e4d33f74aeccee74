//! A batch by itself: write a row, publish it, seal, read.
//!
//! Run with `cargo bench --no-default-features --bench batch`. `shared` is the life of every posted message;
//! `private` has no consumer yet, so it publishes without an atomic operation. Before anything is timed, each
//! row of both is compared with what went in; in each round, what is cheap to look at.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::batch::Text;
use inrush::message::{
    Batch, EngineBuffer, FieldName, Need, Origin, Pool, Published, Stamp, ValueType, Writer,
};

const ROWS: u32 = 500;
/// Bytes that differ at every place of a text; the text of a row begins at the row's number.
static TEXT: [u8; 2 * 4096] = {
    let mut text = [0; 2 * 4096];
    let mut place = 0;
    while place < text.len() {
        text[place] = (place * 31 % 251) as u8;
        place += 1;
    }
    text
};

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
    (0..ROWS).all(|number| {
        let need = match kind {
            Row::Copied(size) => Need { bytes: size, ..Need::default() },
            Row::Fields(size) => Need { bytes: size + 9, fields: 3, ..Need::default() },
            Row::Adopted(size) => Need { segments: 1, viewed: size, ..Need::default() },
        };
        let Some(mut row) = writer.row(need) else { return false };
        match kind {
            Row::Copied(size) | Row::Fields(size) => row.payload_copy(&TEXT[number as usize..][..size]),
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

/// Checks that each row of `batch` is as [`fill`] made it.
fn check(batch: &Batch, kind: Row, buffer: &Arc<EngineBuffer>) {
    assert_eq!(batch.rows(), ROWS);
    for number in 0..ROWS {
        let message = batch.message(number);
        let (start, size) = match kind {
            Row::Copied(size) | Row::Fields(size) => (number as usize, size),
            Row::Adopted(size) => {
                assert_eq!(
                    message.text().as_ptr(),
                    buffer.start().as_ptr().cast_const(),
                    "viewed in its place"
                );
                (0, size)
            }
        };
        assert_eq!(message.text(), &TEXT[start..start + size], "row {number}");
        assert_eq!(message.stamp().unix_micros, i64::from(number));
        if matches!(kind, Row::Fields(_)) {
            for id in [FieldName::Host, FieldName::Program, FieldName::Pid] {
                assert_eq!(message.known(id), Some(&b"abc"[..]), "row {number}");
            }
        }
    }
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
    // SAFETY: both have 4096 bytes, they do not overlap, and nobody reads the buffer yet.
    unsafe { buffer.start().copy_from_nonoverlapping(NonNull::from(&TEXT).cast::<u8>(), 4096) };
    let kinds = [
        ("copied_24", Row::Copied(24), 24),
        ("fields_24", Row::Fields(24), 24),
        ("adopted_4096", Row::Adopted(4096), 4096),
    ];
    for (name, kind, size) in kinds {
        let right = (size * ROWS as usize, i64::from(ROWS * (ROWS - 1) / 2));
        let mut group = c.benchmark_group(format!("batch_{name}"));
        group.throughput(Throughput::ElementsAndBytes { elements: u64::from(ROWS), bytes: right.0 as u64 });
        let private = || {
            let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
            assert!(fill(&mut writer, kind, &buffer));
            writer.finish()
        };
        let shared = || {
            let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
            let pending = writer.share();
            assert!(fill(&mut writer, kind, &buffer));
            pending.seal()
        };
        check(&private(), kind, &buffer);
        check(&shared(), kind, &buffer);
        assert_eq!(read(&private()), right);
        group.bench_function("write_private", |b| b.iter(|| assert_eq!(private().rows(), ROWS)));
        group.bench_function("write_shared", |b| b.iter(|| assert_eq!(shared().rows(), ROWS)));
        group.bench_function("read", |b| {
            let batch = private();
            b.iter(|| assert_eq!(read(&batch), right));
        });
        group.bench_function("drop", |b| b.iter_batched(private, drop, BatchSize::PerIteration));
        group.finish();
    }
}

criterion_group!(benches, batch);
criterion_main!(benches);
