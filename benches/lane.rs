//! A lane from end to end: a producer posts short messages, a thread like a worker takes their batches.
//!
//! Run with `cargo bench --no-default-features --bench lane`. Credit is taken and comes back, as it does behind a
//! destination that keeps up. The consumer counts messages and bytes, and the sums are compared.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros, and a benchmark may fail loudly")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inrush::flow::{Credit, Inbox, Lane, Parcel, Producer, Refused};
use inrush::message::{Need, Origin, Pool};

const MESSAGE: [u8; 24] = *b"a message of 24 bytes...";

/// What the consumer has seen.
#[derive(Debug, Default)]
struct Seen {
    messages: AtomicU64,
    bytes: AtomicU64,
    stopping: AtomicBool,
}

/// Takes batches, reads every text, and lets go of them.
fn consume(mut inbox: Inbox<Parcel>, seen: &Seen) {
    while !seen.stopping.load(Ordering::Acquire) {
        while let Some(parcel) = inbox.try_recv() {
            let (view, ack) = parcel.open();
            let bytes: usize = view.messages().map(|message| black_box(message.text()).len()).sum();
            seen.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            seen.messages.fetch_add(view.len() as u64, Ordering::Release);
            drop((view, ack));
        }
        inbox.wait(None);
    }
}

fn post(producer: &mut Producer, count: u64) {
    let need = Need { bytes: MESSAGE.len(), ..Need::default() };
    for _ in 0..count {
        while let Err(refused) = producer.try_post(need, |row| row.payload_copy(black_box(&MESSAGE))) {
            assert_eq!(refused, Refused::NoCredit);
            producer.before_wait();
            producer.lane().credit().wait(None);
        }
    }
}

/// Posts `count` messages from each of `threads` producers, and waits until they are consumed.
fn round(lane: &Arc<Lane>, seen: &Seen, threads: u64, count: u64) -> Duration {
    let (messages, bytes) = (seen.messages.load(Ordering::Acquire), seen.bytes.load(Ordering::Acquire));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            let mut producer = lane.producer(Arc::new(Origin::named("s_bench")));
            scope.spawn(move || post(&mut producer, count));
        }
    });
    let posted = threads * count;
    while seen.messages.load(Ordering::Acquire) < messages + posted {
        thread::yield_now();
    }
    let taken = begun.elapsed();
    assert_eq!(seen.messages.load(Ordering::Acquire), messages + posted);
    assert_eq!(seen.bytes.load(Ordering::Acquire), bytes + posted * MESSAGE.len() as u64);
    taken
}

fn lane(c: &mut Criterion) {
    let mut group = c.benchmark_group("lane_post_24");
    group.sample_size(20);
    group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: MESSAGE.len() as u64 });
    for (name, threads, window) in
        [("one_producer", 1, 100_000), ("small_window", 1, 100), ("two_producers", 2, 100_000)]
    {
        let inbox = Inbox::new();
        let sender = inbox.sender();
        let credit = Arc::new(Credit::new(window, 64 << 20));
        let lane = Lane::new(0, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None);
        let seen = Arc::new(Seen::default());
        let consumer = {
            let seen = Arc::clone(&seen);
            thread::spawn(move || consume(inbox, &seen))
        };
        group.bench_function(name, |b| {
            b.iter_custom(|count| round(&lane, &seen, threads, count.div_ceil(threads)));
        });
        seen.stopping.store(true, Ordering::Release);
        sender.wake();
        consumer.join().unwrap();
        let totals = lane.counters().totals();
        assert_eq!((totals.posted, totals.in_flight), (totals.delivered, 0));
    }
    group.finish();
}

criterion_group!(benches, lane);
criterion_main!(benches);
