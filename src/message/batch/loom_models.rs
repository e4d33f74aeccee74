//! The seal protocol in every order in which the threads can go (`make loom`).
//!
//! The first models run the real [`Writer`] and [`Pending`]. Their slots are plain memory that loom does not
//! watch, so the last one runs the [`Seal`] alone, over slots that it does.

use loom::cell::UnsafeCell;
use loom::thread;

use super::seal::Counts;
use super::*;
use crate::message::fence::Light;
use crate::message::{Pool, Segment};

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

fn texts(batch: &Batch) -> Vec<u8> {
    (0..batch.rows()).flat_map(|row| batch.message(row).text().to_vec()).collect()
}

fn post(writer: &mut Writer, number: u8) -> Published {
    let need = Need { segments: 1, viewed: 1, ..Need::default() };
    let Some(mut row) = writer.row(need) else { unreachable!("three rows fit into a batch") };
    row.payload_adopt(Segment::heap(Box::new([number])));
    row.publish()
}

/// Posts three rows as a producer does; what went into batches that it opened itself, afterwards.
fn produce(mut writer: Writer, origin: &Arc<Origin>, pool: &Arc<Pool>) -> Vec<u8> {
    let (mut later, mut rest) = (Vec::new(), SlabTail::default());
    let mut own = None;
    for number in 0..3 {
        while writer.is_sealed() || post(&mut writer, number) == Published::Sealed {
            writer.seal(&mut rest);
            writer = Writer::open_after(&mut rest, origin, pool, Need::default());
            if let Some(before) = own.replace(writer.share()) {
                later.extend(texts(&Pending::seal(before)));
            }
        }
    }
    writer.seal(&mut rest);
    later.extend(own.map(|own| texts(&own.seal())).unwrap_or_default());
    later
}

/// Breaks without it: a row that is written while its batch is taken is lost, or is in two batches.
#[test]
fn every_row_is_in_exactly_one_batch() {
    let (pool, origin) = (Arc::new(Pool::new()), Arc::new(Origin::named("s")));
    model(move || {
        let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
        let pending = writer.share();
        let (own_origin, own_pool) = (Arc::clone(&origin), Arc::clone(&pool));
        let producer = thread::spawn(move || produce(writer, &own_origin, &own_pool));
        let batch = pending.seal();
        let mut all = texts(&batch);
        all.extend(producer.join().unwrap());
        assert_eq!(all, [0, 1, 2]);
    });
}

/// Breaks without it: when writer and consumer end a batch at the same time, one of them misses rows.
#[test]
fn both_ends_may_seal() {
    let (pool, origin) = (Arc::new(Pool::new()), Arc::new(Origin::named("s")));
    model(move || {
        let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
        let pending = writer.share();
        let writing = thread::spawn(move || {
            let published = post(&mut writer, 0);
            writer.seal(&mut SlabTail::default());
            published
        });
        let batch = pending.seal();
        let expected: &[u8] = if writing.join().unwrap() == Published::Yes { &[0] } else { &[] };
        assert_eq!(texts(&batch), expected);
    });
}

/// Breaks without it: a reader sees a slot before what was written to it, or while a late writer writes
/// beside it.
#[test]
fn published_slots_are_whole_and_others_are_left_alone() {
    struct Slots {
        seal: Seal,
        slots: [UnsafeCell<u32>; 3],
    }
    // SAFETY: what the model is about: loom reports an access that is not ordered.
    unsafe impl Sync for Slots {}
    // SAFETY: as above.
    unsafe impl Send for Slots {}
    model(|| {
        let slots = [(); 3].map(|()| UnsafeCell::new(0));
        let shared = Arc::new(Slots { seal: Seal::new(), slots });
        let writing = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            for slot in 0..3 {
                // SAFETY: above the published count, so only the writer touches it.
                writing.slots[slot].with_mut(|at| unsafe { *at = 7 });
                if !writing.seal.publish(Counts::new(slot as u32 + 1, 0, 0), Light::new()) {
                    return slot;
                }
            }
            3
        });
        let rows = shared.seal.take().rows() as usize;
        for slot in &shared.slots[..rows] {
            // SAFETY: published before the seal.
            assert_eq!(slot.with(|at| unsafe { *at }), 7);
        }
        assert_eq!(writer.join().unwrap(), rows, "both ends agree on what is in it");
    });
}
