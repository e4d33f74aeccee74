use super::*;
use crate::message::{FieldName, Foreign, Head, Owner, Pool, Release, Segment, Selection, Stamp, ValueType};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

fn pool() -> Arc<Pool> {
    Arc::new(Pool::new())
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin::named("s_test"))
}

fn need(bytes: usize) -> Need {
    Need { bytes, ..Need::default() }
}

fn post(writer: &mut Writer, text: &[u8]) -> Option<Published> {
    let mut row = writer.row(need(text.len()))?;
    row.payload_copy(text);
    Some(row.publish())
}

fn texts(batch: &Batch) -> Vec<Vec<u8>> {
    (0..batch.rows()).map(|row| batch.message(row).text().to_vec()).collect()
}

/// Breaks without it: a field reads back another text than was written.
#[test]
fn a_private_batch_keeps_what_was_written() {
    let (pool, origin) = (pool(), origin());
    let mut writer = Writer::open(&origin, &pool, Need::default());
    let mut row = writer.row(Need { bytes: 64, fields: 4, ..Need::default() }).unwrap();
    row.payload_copy(b"<13>host prog: hello");
    row.message(Text::Payload(15, 5));
    row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Payload(4, 4));
    row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, Text::Copy(b"ex@1"));
    row.field(FieldName::SdParam, Text::Copy(b"iut"), ValueType::String, Text::Copy(b"3"));
    row.field(FieldName::Text, Text::Copy(b".n"), ValueType::Integer, Text::Copy(b"42"));
    row.stamps(Stamp { unix_micros: 5, offset_seconds: -3600 }, 6);
    row.pri(165);
    assert_eq!(row.publish(), Published::Yes);
    let batch = writer.finish();
    let message = batch.message(0);
    assert_eq!(message.text(), b"hello");
    assert_eq!(message.known(FieldName::Host), Some(&b"host"[..]));
    assert_eq!(message.known(FieldName::HostFrom), Some(&b"localhost"[..]));
    assert_eq!(message.named(b".SDATA.ex@1.iut"), Some((ValueType::String, &b"3"[..])));
    assert_eq!(message.named(b".SDATA.ex@1.iu"), None);
    assert_eq!(message.named(b".n"), Some((ValueType::Integer, &b"42"[..])));
    assert_eq!(message.stamp(), Stamp { unix_micros: 5, offset_seconds: -3600 });
    assert_eq!((message.recvd().unix_micros, message.pri()), (6, 165));
}

/// Breaks without it: a row at the moment of the seal is lost or doubled.
#[test]
fn the_consumer_gets_the_rows_before_the_seal_and_the_writer_keeps_the_others() {
    let (pool, origin) = (pool(), origin());
    let mut writer = Writer::open(&origin, &pool, Need::default());
    let pending = writer.share();
    assert_eq!(post(&mut writer, b"one"), Some(Published::Yes));
    assert_eq!(post(&mut writer, b"two"), Some(Published::Yes));
    let batch = pending.seal();
    assert!(writer.is_sealed());
    assert_eq!(post(&mut writer, b"three"), Some(Published::Sealed));
    assert_eq!(texts(&batch), [b"one", b"two"]);
    assert_eq!(batch.charge(), 2 * (3 + ROW_CHARGE as u64));
}

/// Breaks without it: texts written together differ from those written one by one, or are counted though the
/// consumer does not get them.
#[test]
fn texts_published_together_are_all_in_the_batch_or_none_is() {
    let (pool, origin) = (pool(), origin());
    let stamp = Stamp { unix_micros: 5, offset_seconds: 60 };
    let head = Head { raw_size: 7, ..Head::new(stamp, 6, 8) };
    let given = ["", "1", "eight by", "seventeen letters", "a text of more than thirty-two letters"]
        .map(str::as_bytes);
    let mut writer = Writer::open(&origin, &pool, Need::default());
    let pending = writer.share();
    let charge = |texts: &[&[u8]]| texts.iter().map(|text| (text.len() + ROW_CHARGE) as u64).sum::<u64>();
    assert_eq!(
        writer.publish_texts(&head, 2, u64::MAX, given.into_iter()),
        (2, charge(&given[..2])),
        "messages"
    );
    let two = charge(&given[2..4]);
    assert_eq!(writer.publish_texts(&head, 9, two, given[2..].iter().copied()), (2, two), "bytes");
    assert_eq!(writer.publish_text(&head, |_| (), given[4]), Some(Published::Yes));
    assert_eq!(writer.publish_texts(&head, 9, u64::MAX, std::iter::empty()), (0, 0));
    let before = super::taken();
    let batch = pending.seal();
    assert_ne!(super::taken(), before, "a batch that is taken is counted");
    assert_eq!(writer.publish_texts(&head, 9, u64::MAX, given.into_iter()), (0, 0), "sealed");
    assert_eq!((texts(&batch), batch.charge()), (given.map(<[u8]>::to_vec).to_vec(), charge(&given)));
    let last = batch.message(4);
    assert_eq!((last.stamp(), last.recvd().unix_micros, last.pri()), (stamp, 6, 8));

    let mut writer = Writer::open(&origin, &pool, Need::default());
    let _pending = writer.share();
    let rows = super::super::pool::SLAB / (1 + 1 + size_of::<Record>());
    let many = std::iter::repeat_n(&b"x"[..], 2 * rows);
    let (posted, _) = writer.publish_texts(&head, u32::MAX, u64::MAX, many);
    assert_eq!(posted as usize, rows, "no more than it has room for");
}

/// Breaks without it: a source whose messages are taken one by one holds a whole slab for each, or a batch
/// reads the rows of the one after it.
#[test]
fn batches_of_one_writer_share_a_slab_and_nothing_in_it() {
    let (pool, origin, mut rest) = (pool(), origin(), SlabTail::default());
    let view = |text: &'static [u8]| Segment::heap(text.into());
    let mut batches = Vec::new();
    for number in 0..1000_u32 {
        let mut writer = Writer::open_after(&mut rest, &origin, &pool, Need { segments: 1, ..need(200) });
        let pending = writer.share();
        let own = number.to_le_bytes();
        let mut row = writer.row(Need { bytes: 7, fields: 1, ..Need::default() }).unwrap();
        row.payload_copy(&own[..3]);
        row.field(FieldName::Pid, Text::Copy(b""), ValueType::Integer, Text::Copy(&own));
        assert_eq!(row.publish(), Published::Yes);
        let mut row = writer.row(Need { segments: 1, viewed: 4, ..Need::default() }).unwrap();
        row.payload_adopt(view(b"view"));
        assert_eq!(row.publish(), Published::Yes);
        batches.push(pending.seal());
        // Too late for this batch, and so in none.
        assert_eq!(post(&mut writer, b"late"), Some(Published::Sealed));
        writer.seal(&mut rest);
    }
    let mut slabs = Vec::new();
    for (number, batch) in (0..1000_u32).zip(&batches) {
        assert_eq!((batch.rows(), batch.segments.len()), (2, 1));
        let own = number.to_le_bytes();
        assert_eq!(batch.message(0).text(), &own[..3]);
        assert_eq!(batch.message(0).known(FieldName::Pid), Some(&own[..]));
        assert_eq!(batch.message(1).text(), b"view");
        let Body::Slab { slab, .. } = &batch.body else { unreachable!("it is not of lines") };
        slabs.push(std::ptr::from_ref(&**slab));
    }
    slabs.dedup();
    // Two records, a field and seven bytes, and up to three to align the field: 134,000 bytes at most.
    assert_eq!(slabs.len(), 2);
}

/// Breaks without it: a large message between small ones costs the slab that they are in.
#[test]
fn a_large_message_has_its_own_slab_and_the_small_ones_go_on_in_theirs() {
    let (pool, origin, mut rest) = (pool(), origin(), SlabTail::default());
    let large = vec![b'x'; 200_000];
    let mut batches = Vec::new();
    for text in [&b"one"[..], &large, b"two", &large, b"three"] {
        let mut writer = Writer::open_after(&mut rest, &origin, &pool, need(text.len()));
        let pending = writer.share();
        assert_eq!(post(&mut writer, text), Some(Published::Yes));
        writer.seal(&mut rest);
        batches.push(pending.seal());
    }
    let slab = |batch: &Batch| match &batch.body {
        Body::Slab { slab, .. } => std::ptr::from_ref(&**slab),
        Body::Lines(_) => unreachable!("it is not of lines"),
    };
    assert!(slab(&batches[0]) == slab(&batches[2]) && slab(&batches[2]) == slab(&batches[4]));
    assert!(batches.iter().map(texts).eq([
        vec![b"one".to_vec()],
        vec![large.clone()],
        vec![b"two".to_vec()],
        vec![large],
        vec![b"three".to_vec()]
    ]));
}

/// Breaks without it: a large message is refused, or written beyond the slab.
#[test]
fn a_full_batch_refuses_and_a_message_larger_than_a_block_gets_its_own() {
    let (pool, origin) = (pool(), origin());
    let mut writer = Writer::open(&origin, &pool, Need::default());
    let mut rows = 0;
    while post(&mut writer, &[b'x'; 100]).is_some() {
        rows += 1;
    }
    assert_eq!(rows, super::super::pool::SLAB / (100 + 1 + size_of::<Record>()));
    assert_eq!(writer.finish().rows() as usize, rows);

    let huge = vec![b'y'; super::super::pool::SLAB * 3];
    let mut writer = Writer::open(&origin, &pool, need(huge.len()));
    assert_eq!(post(&mut writer, &huge), Some(Published::Yes));
    assert_eq!(texts(&writer.finish()), [huge]);
}

#[derive(Debug, Default)]
struct Held(Mutex<Vec<Segments>>);

impl Release for Held {
    fn release(&self, segments: Segments) {
        self.0.lock().unwrap().push(segments);
    }
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

fn counted(text: &'static [u8]) -> Segment {
    unsafe fn release(_: NonNull<()>) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
    // SAFETY: `release` does not touch the object.
    let owner = Owner::Foreign(unsafe { Foreign::new(NonNull::dangling(), release) });
    // SAFETY: the text is static.
    unsafe { Segment::new(NonNull::from(text).cast(), text.len() as u32, owner) }
}

/// Breaks without it: a viewed text is copied, or its owner is let go of on the wrong thread.
#[test]
fn foreign_memory_is_viewed_in_place_and_released_where_its_origin_says() {
    let held = Arc::new(Held::default());
    let origin = Arc::new(Origin { release: Arc::<Held>::clone(&held), ..Origin::named("s") });
    let pool = pool();
    let text: &'static [u8] = b"a long text of another owner";
    let with_segment = Need { segments: 1, viewed: 28, ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, with_segment);
    let pending = writer.share();
    let mut row = writer.row(with_segment).unwrap();
    row.payload_adopt(counted(text));
    assert_eq!(row.publish(), Published::Yes);
    let batch = Arc::new(pending.seal());
    assert_eq!(batch.message(0).text().as_ptr(), text.as_ptr(), "not a copy");

    let mut row = writer.row(with_segment).unwrap();
    row.payload_adopt(counted(b"late"));
    assert_eq!(row.publish(), Published::Sealed);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1, "a row that missed the batch takes its owner back");
    let short = |writer: &mut Writer| writer.publish_view(&Head::default(), |_| (), 4, || counted(b"late"));
    assert_eq!(short(&mut writer), Some(Published::Sealed));
    assert_eq!(DROPPED.swap(1, Ordering::SeqCst), 2, "by the short way, too");
    let mut without = Writer::open(&origin, &pool, Need::default());
    assert_eq!(short(&mut without), None, "there is no place for segments");
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1, "none was made");

    let view = Selection::all(Arc::clone(&batch));
    drop(batch);
    assert!(held.0.lock().unwrap().is_empty(), "still viewed");
    drop(view);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1, "not dropped by the last reader");
    held.0.lock().unwrap().clear();
    assert_eq!(DROPPED.load(Ordering::SeqCst), 2);
}

/// Breaks without it: segments that wait to be let go are written over by the next writer of their slab, or
/// are let go twice, or by a thread that may not.
#[test]
fn segments_that_wait_keep_their_slab() {
    static LET_GO: AtomicUsize = AtomicUsize::new(0);
    unsafe fn let_go(_: NonNull<()>) {
        LET_GO.fetch_add(1, Ordering::SeqCst);
    }
    let segment = || {
        // SAFETY: `let_go` does not touch the object.
        let owner = Owner::Foreign(unsafe { Foreign::new(NonNull::dangling(), let_go) });
        // SAFETY: the text is static.
        unsafe { Segment::new(NonNull::from(b"view").cast(), 4, owner) }
    };
    let held = Arc::new(Held::default());
    let origin = Arc::new(Origin { release: Arc::<Held>::clone(&held), ..Origin::named("s") });
    let (pool, mut rest) = (pool(), SlabTail::default());
    let view = Need { segments: 1, viewed: 4, ..Need::default() };
    let slab = |writer: &Writer| std::ptr::from_ref(&**writer.room.slab());
    let mut first = None;
    for rows in [3_u32, 2] {
        let mut writer = Writer::open_after(&mut rest, &origin, &pool, view);
        let pending = writer.share();
        assert_eq!(*first.get_or_insert(slab(&writer)), slab(&writer), "one slab for both");
        for _ in 0..rows {
            assert_eq!(writer.publish_view(&Head::default(), |_| (), 4, segment), Some(Published::Yes));
        }
        assert_eq!(writer.publish_unparsed(&Head::default(), b"late"), Some(Published::Yes));
        writer.seal(&mut rest);
        let mut selection = Selection::all(Arc::new(pending.seal()));
        selection.parse_late(|_, _, row| row.message(Text::Copy(b"parsed")));
        assert_eq!(selection.batch().segments.len(), rows as usize);
        assert_eq!(selection.row(rows).text(), b"parsed");
        assert_eq!(selection.row(0).text(), b"view");
    }
    drop(rest);
    let lens: Vec<_> = held.0.lock().unwrap().iter().map(Segments::len).collect();
    assert_eq!((lens, LET_GO.load(Ordering::SeqCst)), (vec![3, 2], 0), "handed over, and not let go");
    let other = Writer::open(&origin, &pool, view);
    assert_ne!(slab(&other).cast::<()>(), first.unwrap().cast(), "the slab is still theirs");
    drop(held.0.lock().unwrap().remove(0));
    assert_eq!(LET_GO.load(Ordering::SeqCst), 3);
    let another = Writer::open(&origin, &pool, view);
    assert_ne!(slab(&another).cast::<()>(), first.unwrap().cast(), "of the second batch, too");
    held.0.lock().unwrap().clear();
    assert_eq!(LET_GO.load(Ordering::SeqCst), 5);
    assert_eq!(slab(&Writer::open(&origin, &pool, view)), first.unwrap(), "it is used again");
}

/// Breaks without it: the seal protocol loses or doubles a row where both sides end a batch at once.
#[test]
fn a_race_between_writer_and_sealer_loses_and_doubles_nothing() {
    const TOTAL: u32 = 20_000;
    let (pool, origin) = (pool(), origin());
    let queue = crossbeam::queue::SegQueue::<Pending>::new();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = SlabTail::default();
            let mut writer = Writer::open_after(&mut rest, &origin, &pool, Need::default());
            queue.push(writer.share());
            for number in 0..TOTAL {
                while post(&mut writer, &number.to_le_bytes()) != Some(Published::Yes) {
                    writer.seal(&mut rest);
                    writer = Writer::open_after(&mut rest, &origin, &pool, Need::default());
                    queue.push(writer.share());
                }
            }
        });
        while seen.len() < TOTAL as usize {
            if let Some(pending) = queue.pop() {
                let batch = pending.seal();
                for row in 0..batch.rows() {
                    let text = batch.message(row).text();
                    seen.push(u32::from_le_bytes(text.try_into().unwrap()));
                }
            }
        }
    });
    assert_eq!(seen, (0..TOTAL).collect::<Vec<_>>());
}

/// Breaks without it: a row that is parsed after the seal takes slots that a late writer may still write to,
/// disturbs the rows around it, or costs something else than what its batch is charged for.
#[test]
fn rows_are_parsed_after_the_seal() {
    for rows in [3_u32, 300] {
        let (pool, origin) = (pool(), origin());
        let mut writer = Writer::open(&origin, &pool, Need::default());
        let pending = writer.share();
        let head = Head::at(Stamp { unix_micros: 5, offset_seconds: 60 }, 0);
        for row in 0..rows {
            if row % 3 == 1 {
                let mut plain = writer.row(Need { bytes: 4, fields: 1, ..Need::default() }).unwrap();
                plain.payload_copy(b"ab");
                plain.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(b"h"));
                assert_eq!(plain.publish(), Published::Yes);
                continue;
            }
            let text = format!("program{row:03}: {}", "t".repeat(200));
            assert_eq!(writer.publish_unparsed(&head, text.as_bytes()), Some(Published::Yes));
        }
        let mut selection = Selection::all(Arc::new(pending.seal()));
        // A writer that has not noticed the seal writes one row more.
        let mut late = writer.row(Need { bytes: 9, fields: 3, ..Need::default() }).unwrap();
        late.payload_copy(b"too late!");
        for _ in 0..3 {
            late.field(FieldName::Pid, Text::Copy(b""), ValueType::String, Text::Payload(0, 9));
        }
        let parsed = selection.parse_late(|text, recvd, row| {
            assert_eq!(recvd, head.stamp());
            row.stamps(Stamp { unix_micros: 7, offset_seconds: -60 }, recvd.unix_micros);
            row.pri(165);
            row.message(Text::Payload(12, text.len() as u32 - 12));
            row.field(FieldName::Program, Text::Copy(b""), ValueType::String, Text::Payload(0, 10));
            row.field(FieldName::MsgFormat, Text::Copy(b""), ValueType::String, Text::Copy(b"test"));
            row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(b""));
            let many = if text.starts_with(b"program002") { 20 } else { 0 };
            for number in 0..many {
                let value = format!("value {number}");
                let value = Text::Copy(value.as_bytes());
                row.field(FieldName::MsgId, Text::Copy(b""), ValueType::Integer, value);
            }
        });
        let more = parsed.more;
        drop(late);
        // Row 2 has 16 fields and some bytes more than it was charged for, the others 4 less, so that many
        // rows have enough.
        let copied: usize = (0..20).map(|number| format!("value {number}").len()).sum();
        let made = (16 * size_of::<Field>() + copied + "test".len()) as u64;
        let parsed_rows = u64::from(rows) * 2 / 3;
        assert_eq!(more, made.saturating_sub((parsed_rows - 1) * 4 * size_of::<Field>() as u64));
        assert_eq!(
            selection.batch().message(0).text(),
            format!("program000: {}", "t".repeat(200)).as_bytes()
        );
        for row in 0..rows {
            let message = selection.row(row);
            if row % 3 == 1 {
                assert_eq!((message.text(), message.known(FieldName::Host)), (&b"ab"[..], Some(&b"h"[..])));
                continue;
            }
            assert_eq!(message.text(), "t".repeat(200).as_bytes());
            assert_eq!(message.known(FieldName::Program), Some(format!("program{row:03}").as_bytes()));
            assert_eq!(message.known(FieldName::MsgFormat), Some(&b"test"[..]));
            assert_eq!(message.known(FieldName::Host), Some(&b""[..]));
            assert_eq!(
                (message.pri(), message.stamp().unix_micros, message.recvd().unix_micros),
                (165, 7, 5)
            );
            let last = (row == 2).then_some((ValueType::Integer, &b"value 19"[..]));
            assert_eq!(message.known_typed(FieldName::MsgId), last);
        }
    }
}

/// Breaks without it: a destination that writes a batch's own bytes writes what is no message, or misses one.
#[test]
fn only_texts_that_follow_each_other_are_joined() {
    type Fill = fn(&mut Writer);
    let (pool, origin, mut rest) = (pool(), origin(), SlabTail::default());
    let plain = |writer: &mut Writer, rest: &mut SlabTail, fill: Fill| {
        let pending = writer.share();
        assert_eq!(post(writer, b"one"), Some(Published::Yes));
        assert_eq!(writer.publish_text(&Head::default(), |_| (), b""), Some(Published::Yes));
        fill(writer);
        assert_eq!(writer.publish_text(&Head::default(), |_| (), b"two"), Some(Published::Yes));
        let batch = pending.seal();
        assert_eq!(writer.publish_text(&Head::default(), |_| (), b"late"), Some(Published::Sealed));
        let next = Writer::open_after(rest, &origin, &pool, Need { segments: 1, ..Need::default() });
        std::mem::replace(writer, next).seal(rest);
        batch
    };
    let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
    let joined = plain(&mut writer, &mut rest, |writer| {
        assert_eq!(writer.publish_texts(&Head::default(), 2, u64::MAX, [&b"a"[..], b"b"].into_iter()).0, 2);
        let mut row = writer.row(need(4)).unwrap();
        row.payload_copy(b"gone");
        drop(row);
    });
    assert_eq!(joined.joined(0..5, b'\n'), Some(&b"one\n\na\nb\ntwo\n"[..]));
    assert_eq!(joined.joined(1..3, b'\n'), Some(&b"\na\n"[..]));
    assert_eq!((joined.joined(0..5, b';'), joined.joined(2..2, b'\n')), (None, None));
    let others: [Fill; 5] = [
        |writer| {
            let mut row = writer.row(Need { segments: 1, viewed: 4, ..Need::default() }).unwrap();
            row.payload_adopt(Segment::heap(b"view"[..].into()));
            row.publish();
        },
        |writer| {
            let mut row = writer.row(Need { bytes: 4, fields: 1, ..Need::default() }).unwrap();
            row.payload_copy(b"text");
            row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Payload(0, 4));
            row.publish();
        },
        |writer| {
            let mut row = writer.row(need(4)).unwrap();
            row.payload_copy(b"text");
            row.message(Text::Payload(1, 3));
            row.publish();
        },
        |writer| {
            let mut row = writer.row(need(8)).unwrap();
            row.payload_copy(b"text");
            row.message(Text::Copy(b"more"));
            row.publish();
        },
        |writer| {
            writer.publish_unparsed(&Head::default(), b"text").unwrap();
        },
    ];
    for (number, fill) in others.into_iter().enumerate() {
        let batch = plain(&mut writer, &mut rest, fill);
        assert_eq!((batch.rows(), batch.joined(0..2, b'\n')), (4, None), "row {number}");
    }
    let joined = plain(&mut writer, &mut rest, |_| {});
    assert_eq!(joined.joined(0..3, b'\n'), Some(&b"one\n\ntwo\n"[..]), "the batches before are others");
}

/// Breaks without it: each batch that a thread opens is allocated by it, for which a thread that lives for
/// one request makes a heap.
#[test]
fn what_a_batch_needs_is_used_again() {
    let (pool, origin, mut rest) = (pool(), origin(), SlabTail::default());
    let places = |writer: &Writer| {
        (std::ptr::from_ref::<BatchShared>(&writer.core), std::ptr::from_ref(&**writer.room.slab()))
    };
    let mut seen = Vec::new();
    for round in 0..2 * super::super::pool::SLAB / 1000 {
        let mut writer = Writer::open_after(&mut rest, &origin, &pool, need(1000));
        seen.push(places(&writer));
        let pending = writer.share();
        assert_eq!(post(&mut writer, &[b'x'; 1000]), Some(Published::Yes));
        if round % 2 == 0 {
            writer.seal(&mut rest);
            drop(pending.seal());
        } else {
            // The other way round: the reader is done first.
            drop(pending.seal());
            writer.seal(&mut rest);
        }
    }
    let (mut cores, mut slabs): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    cores.sort_unstable();
    cores.dedup();
    slabs.sort_unstable();
    slabs.dedup();
    assert_eq!(cores.len(), 1);
    assert!(slabs.len() <= 2, "{} slabs, one of which is in use while the other ends", slabs.len());
}
