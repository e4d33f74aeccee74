//! A lane from end to end: a producer posts short messages, a thread like a worker takes their batches.
//!
//! Run with `cargo bench --no-default-features --bench lane`. Credit is taken and comes back, as it does
//! behind a destination that keeps up. Before a lane is timed, numbered messages go through it, and each
//! producer's have to arrive in their order; in each round the consumer counts messages and bytes, and the
//! sums are compared.
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
/// Messages of each producer whose content is looked at.
const CHECKED: u64 = 5_000;

/// The messages that the consumer has seen.
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

fn post(producer: &mut Producer, text: &[u8]) {
    let need = Need { bytes: text.len(), ..Need::default() };
    while let Err(refused) = producer.try_post(need, |row| row.payload_copy(black_box(text))) {
        assert_eq!(refused, Refused::NoCredit);
        producer.before_wait();
        producer.lane().credit().wait(None);
    }
}

fn new_lane(inbox: &Inbox<Parcel>, window: u32) -> Arc<Lane> {
    let credit = Arc::new(Credit::new(window, 64 << 20));
    Lane::new(0, inbox.sender(), credit, Arc::default(), Arc::new(Pool::new()), None)
}

/// Numbered messages from each of `threads` producers: all arrive, each producer's in its order.
fn check(threads: u64, window: u32) {
    let mut inbox = Inbox::new();
    let lane = new_lane(&inbox, window);
    let mut next = vec![0; threads as usize];
    thread::scope(|scope| {
        for who in 0..threads {
            let mut producer = lane.producer(Arc::new(Origin::named("s_bench")));
            scope.spawn(move || {
                for number in 0..CHECKED {
                    post(&mut producer, format!("{who:04} {number:019}").as_bytes());
                }
            });
        }
        while next.iter().any(|number| *number < CHECKED) {
            inbox.wait(None);
            while let Some(parcel) = inbox.try_recv() {
                let (view, _ack) = parcel.open();
                for message in view.messages() {
                    let text = std::str::from_utf8(message.text()).unwrap();
                    let who: usize = text[..4].parse().unwrap();
                    assert_eq!(text, format!("{who:04} {:019}", next[who]));
                    next[who] += 1;
                }
            }
        }
    });
    let totals = lane.counters().totals();
    assert_eq!((totals.posted, totals.delivered), (threads * CHECKED, threads * CHECKED));
}

/// Posts `count` messages from each of `threads` producers, and waits until they are consumed.
fn round(lane: &Arc<Lane>, seen: &Seen, threads: u64, count: u64) -> Duration {
    let (messages, bytes) = (seen.messages.load(Ordering::Acquire), seen.bytes.load(Ordering::Acquire));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            let mut producer = lane.producer(Arc::new(Origin::named("s_bench")));
            scope.spawn(move || (0..count).for_each(|_| post(&mut producer, &MESSAGE)));
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
        check(threads, window);
        let inbox = Inbox::new();
        let (sender, lane) = (inbox.sender(), new_lane(&inbox, window));
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
