//! One buffer into many messages: what `post_buffer` does between memchr and the lane.
//!
//! Run with `cargo bench --no-default-features --bench split`. `search` is memchr alone, the floor; `batches` makes a view
//! of each line in sealed batches. Both add up the bytes of all lines, and have to come to the same sum.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::ptr::NonNull;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::{EngineBuffer, Need, Origin, Pool, Published, Segment, Stamp, Writer};

const LINES: usize = 16 * 1024;

/// A buffer of the engine with lines of `size` bytes, their ends included.
fn buffer(pool: &Arc<Pool>, size: usize) -> (Arc<EngineBuffer>, u32) {
    let line = [vec![b'x'; size - 1], b"\n".to_vec()].concat();
    let text = line.repeat(LINES);
    let buffer = Arc::new(EngineBuffer::new(pool, text.len()));
    let (from, to) = (NonNull::from(&*text).cast::<u8>(), buffer.start());
    // SAFETY: both have `text.len()` bytes, they do not overlap, and nobody reads the buffer yet.
    unsafe { to.copy_from_nonoverlapping(from, text.len()) };
    (buffer, text.len() as u32)
}

fn segment(buffer: &Arc<EngineBuffer>, len: u32) -> Segment {
    // SAFETY: nobody writes to the buffer after it was filled.
    unsafe { buffer.segment(len) }
}

/// Splits `buffer` into batches of views; the sum of the lengths of all lines.
fn split(origin: &Arc<Origin>, pool: &Arc<Pool>, buffer: &Arc<EngineBuffer>, len: u32) -> usize {
    let all = segment(buffer, len);
    let bytes = all.bytes();
    let (mut start, mut total) = (0, 0);
    let mut ends = memchr::memchr_iter(b'\n', bytes).peekable();
    while ends.peek().is_some() {
        let mut writer = Writer::open_views(origin, pool);
        let shared = writer.adopt_shared(segment(buffer, len)).unwrap();
        while let Some(end) = ends.peek() {
            let viewed = end - start;
            let Some(mut row) = writer.row(Need { viewed, ..Need::default() }) else { break };
            row.payload_share(shared, start as u32, viewed as u32);
            row.stamps(Stamp::default(), 0);
            row.pri(13);
            assert_eq!(row.publish(), Published::Yes);
            start = end + 1;
            ends.next();
        }
        let batch = writer.finish();
        total += (0..batch.rows()).map(|row| batch.message(row).text().len()).sum::<usize>();
    }
    total
}

fn lines(c: &mut Criterion) {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    for size in [24, 256] {
        let (buffer, len) = buffer(&pool, size);
        let right = LINES * (size - 1);
        let mut group = c.benchmark_group(format!("split_{size}"));
        group.throughput(Throughput::ElementsAndBytes { elements: LINES as u64, bytes: u64::from(len) });
        group.bench_function("search", |b| {
            let all = segment(&buffer, len);
            b.iter(|| {
                let ends = memchr::memchr_iter(b'\n', all.bytes());
                let (_, total) = ends.fold((0, 0), |(start, total), end| (end + 1, total + end - start));
                assert_eq!(total, right);
            });
        });
        group.bench_function("batches", |b| {
            b.iter(|| assert_eq!(split(&origin, &pool, &buffer, len), right));
        });
        group.finish();
    }
}

criterion_group!(benches, lines);
criterion_main!(benches);
