//! One buffer into many messages: what `post_buffer` does between memchr and the lane.
//!
//! Run with `cargo bench --no-default-features --bench split`. `search` is memchr alone, the floor; `batches`
//! makes a view of each line in sealed batches. Before anything is timed, the lines of all batches are
//! compared with those that the buffer was made of; in each round both add up the bytes of all lines, and
//! have to come to the same sum.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::ptr::NonNull;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::message::{Batch, EngineBuffer, Lines, Origin, Pool, Segment, Stamp};

const LINES: usize = 16 * 1024;
/// Bytes of a batch, as `post_buffer` has it.
const SEND_AT: u64 = 1 << 20;

/// The lines, numbered, of `size` bytes with their ends.
fn lines(size: usize) -> Vec<String> {
    (0..LINES).map(|number| format!("{number:<width$}\n", width = size - 1)).collect()
}

/// A buffer of the engine with `text` in it, and its length.
fn buffer(pool: &Arc<Pool>, text: &str) -> (Arc<EngineBuffer>, u32) {
    let buffer = Arc::new(EngineBuffer::new(pool, text.len()));
    let (from, to) = (NonNull::from(text.as_bytes()).cast::<u8>(), buffer.start());
    // SAFETY: both have `text.len()` bytes, they do not overlap, and nobody reads the buffer yet.
    unsafe { to.copy_from_nonoverlapping(from, text.len()) };
    (buffer, text.len() as u32)
}

fn segment(buffer: &Arc<EngineBuffer>, len: u32) -> Segment {
    // SAFETY: nobody writes to the buffer after it was filled.
    unsafe { buffer.segment(len) }
}

/// Splits `buffer` into batches of lines, and shows each of them to `take`.
fn split(origin: &Arc<Origin>, buffer: &Arc<EngineBuffer>, len: u32, mut take: impl FnMut(Batch)) {
    let new = || Lines::new(origin, segment(buffer, len), Stamp::default(), 13, Some(b'\n'));
    let (mut open, mut start) = (new(), 0);
    for end in memchr::memchr_iter(b'\n', segment(buffer, len).bytes()) {
        open.push(start, end as u32 - start);
        start = end as u32 + 1;
        if open.charge() >= SEND_AT {
            take(std::mem::replace(&mut open, new()).finish());
        }
    }
    take(open.finish());
}

fn measure(c: &mut Criterion) {
    let (origin, pool) = (Arc::new(Origin::named("s_bench")), Arc::new(Pool::new()));
    for size in [24, 256] {
        let lines = lines(size);
        let (buffer, len) = buffer(&pool, &lines.concat());
        let mut found = Vec::with_capacity(LINES);
        split(&origin, &buffer, len, |batch| {
            found.extend((0..batch.rows()).map(|row| batch.message(row).text().to_vec()));
        });
        assert!(found.iter().eq(lines.iter().map(|line| line.trim_end_matches('\n').as_bytes())));

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
            b.iter(|| {
                let mut total = 0;
                split(&origin, &buffer, len, |batch| {
                    total += (0..batch.rows()).map(|row| batch.message(row).text().len()).sum::<usize>();
                });
                assert_eq!(total, right);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
