//! One buffer into many messages: what `post_buffer` does between memchr and the lane.
//!
//! Run with `cargo bench --no-default-features --bench split`. `search` is memchr alone, the floor; `batches` makes a view
//! of each line in sealed batches. Both add up the bytes of all lines, and have to come to the same sum.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::ptr::NonNull;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::{EngineBuffer, Lines, Origin, Pool, Segment, Stamp};

const LINES: usize = 16 * 1024;
/// Bytes of a batch, as `post_buffer` has it.
const SEND_AT: u64 = 1 << 20;

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

/// Splits `buffer` into batches of lines; the sum of the lengths of all lines.
fn split(origin: &Arc<Origin>, buffer: &Arc<EngineBuffer>, len: u32) -> usize {
    let new = || Lines::new(origin, segment(buffer, len), Stamp::default(), 13, Some(b'\n'));
    let (mut open, mut start, mut total) = (new(), 0, 0);
    let mut finish = |lines: Lines| {
        let batch = lines.finish();
        total += (0..batch.rows()).map(|row| batch.message(row).text().len()).sum::<usize>();
    };
    for end in memchr::memchr_iter(b'\n', segment(buffer, len).bytes()) {
        open.push(start, end as u32 - start);
        start = end as u32 + 1;
        if open.charge() >= SEND_AT {
            finish(std::mem::replace(&mut open, new()));
        }
    }
    finish(open);
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
            b.iter(|| assert_eq!(split(&origin, &buffer, len), right));
        });
        group.finish();
    }
}

criterion_group!(benches, lines);
criterion_main!(benches);
