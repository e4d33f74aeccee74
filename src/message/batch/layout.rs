//! The rows of a batch in their slab: beside each other, up to the last byte.
//!
//! Each test fills a slab but for a few bytes and asks for a row that just fits, or just does not. What was
//! accepted is read back whole, and no two of its parts share a byte: texts with the newlines after them,
//! fields, records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use super::*;
use crate::message::pool::SLAB;
use crate::message::{FieldName, Head, Pool, Segment, ValueType};

const RECORD: usize = size_of::<Record>();

fn need(bytes: usize, fields: usize) -> Need {
    Need { bytes, fields, ..Need::default() }
}

/// A batch with one row, after which `free` bytes of its slab are left.
fn nearly_full(free: usize) -> (Writer, &'static [u8]) {
    static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..SLAB).map(|at| at as u8).collect());
    let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
    let room = Need { segments: 1, ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, room);
    let text = &TEXT[..SLAB - RECORD - 1 - free];
    assert_eq!(writer.publish_text(&Head::EMPTY, |_| (), text), Some(Published::Yes));
    (writer, text)
}

/// The parts of the rows in the slab, each with a name.
fn parts(batch: &Batch) -> Vec<(Range<usize>, String)> {
    let Body::Slab { high, joined, .. } = &batch.body else { unreachable!("it is not of lines") };
    let mut parts = Vec::new();
    for row in 0..batch.rows() {
        let record = batch.record(row);
        let end = *high as usize - row as usize * RECORD;
        parts.push((end - RECORD..end, format!("record {row}")));
        let fields = batch.fields(record);
        let start = record.fields_start as usize * align_of::<Field>();
        parts.push((start..start + size_of_val(fields), format!("fields of {row}")));
        let spans = fields.iter().flat_map(|field| [field.name, field.value]).chain([record.text]);
        for span in spans.filter(|span| span.segment == 0 && span.len > 0) {
            let start = span.offset as usize;
            parts.push((start..start + span.len as usize, format!("text of {row}")));
        }
        if *joined {
            let end = (record.text.offset + record.text.len) as usize;
            parts.push((end..end + 1, format!("newline of {row}")));
        }
    }
    parts.retain(|(range, _)| !range.is_empty());
    parts.sort_by_key(|(range, _)| range.start);
    parts
}

fn check(batch: &Batch, texts: &[&[u8]]) {
    let parts = parts(batch);
    for pair in parts.windows(2) {
        assert!(pair[0].0.end <= pair[1].0.start, "{pair:?}");
    }
    assert!(parts.last().is_none_or(|(range, _)| range.end <= SLAB));
    assert_eq!(batch.rows() as usize, texts.len());
    for (row, text) in (0..).zip(texts) {
        assert!(batch.message(row).text() == *text, "row {row}");
    }
    if let Some(lines) = batch.joined(0..batch.rows(), b'\n') {
        let expected = [texts.join(&b'\n'), b"\n".to_vec()].concat();
        assert!(lines == expected, "the lines of the batch");
    }
}

/// Breaks without it: a text or its newline is written into its own record or the one before, or a row that
/// fits is refused.
#[test]
fn copied_texts_end_before_their_records() {
    for free in 0..120_usize {
        for len in free.saturating_sub(RECORD + 3)..free.saturating_sub(RECORD) + 3 {
            let text = vec![b'x'; len];
            let fits = len + 1 + RECORD <= free;
            let published = fits.then_some(Published::Yes);
            let ended = |writer: Writer, first: &[u8]| {
                check(&writer.finish(), &[first, &text][..=usize::from(fits)]);
            };
            let (mut writer, first) = nearly_full(free);
            assert_eq!(writer.publish_text(&Head::EMPTY, |_| (), &text), published, "{len} of {free}");
            ended(writer, first);
            let (mut writer, first) = nearly_full(free);
            let both = [&text[..], &text[..]];
            let (count, _) = writer.publish_texts(&Head::EMPTY, 1, u64::MAX, both.into_iter());
            assert_eq!(count, u32::from(fits), "{len} of {free}");
            ended(writer, first);
            let (mut writer, first) = nearly_full(free);
            assert_eq!(writer.publish_unparsed(&Head::EMPTY, &text), published, "{len} of {free}");
            ended(writer, first);
            let (mut writer, first) = nearly_full(free);
            let row = writer.row(need(len, 0)).map(|mut row| {
                row.payload_copy(&text);
                row.publish()
            });
            assert_eq!(row, published, "{len} of {free}");
            ended(writer, first);
        }
    }
}

/// Breaks without it: a row that is a view and nothing else has its record where there is no place for it.
#[test]
fn views_have_a_record_and_no_text() {
    for free in 0..RECORD + 4 {
        let (mut writer, first) = nearly_full(free);
        let view = || Segment::heap(Box::from(&b"view"[..]));
        let published = writer.publish_view(&Head::EMPTY, |_| (), 4, view);
        let fits = RECORD < free;
        assert_eq!(published, fits.then_some(Published::Yes), "{free}");
        let texts: &[&[u8]] = if fits { &[first, b"view"] } else { &[first] };
        check(&writer.finish(), texts);
    }
}

/// Breaks without it: fields lie in the text before them, in each other, or in the record.
#[test]
fn fields_lie_between_texts_and_records() {
    for free in RECORD..RECORD + 140 {
        for (fields, len) in [(1, 0), (1, 7), (2, 13), (3, 0)] {
            let (mut writer, first) = nearly_full(free);
            let wanted = need(len + fields, fields);
            let fits = wanted.room() <= free;
            let text = vec![b't'; len];
            let Some(mut row) = writer.row(wanted) else {
                assert!(!fits, "{fields} fields and {len} bytes of {free}");
                continue;
            };
            assert!(fits, "{fields} fields and {len} bytes of {free}");
            row.payload_copy(&text);
            for number in 0..fields {
                let value = [b'0' + number as u8];
                row.field(FieldName::Pid, Text::Copy(b""), ValueType::String, Text::Copy(&value));
            }
            assert_eq!(row.publish(), Published::Yes);
            let batch = writer.finish();
            check(&batch, &[first, &text]);
            let values: Vec<_> = batch.message(1).pairs().map(|pair| pair.value.to_vec()).collect();
            assert_eq!(values, (0..fields).map(|number| vec![b'0' + number as u8]).collect::<Vec<_>>());
        }
    }
}

/// Breaks without it: a row that copies more than it asked for writes over its record instead of being
/// refused.
#[test]
fn a_row_that_copies_more_than_it_asked_for() {
    for free in RECORD + 1..RECORD + 40 {
        let asked = free - RECORD - 1;
        for more in 0..4 {
            let (mut writer, first) = nearly_full(free);
            let text = vec![b'x'; asked + more];
            let published = catch_unwind(AssertUnwindSafe(|| {
                let mut row = writer.row(need(asked, 0)).unwrap();
                row.payload_copy(&text);
                row.publish()
            }));
            // The byte for the newline can be had.
            assert_eq!(published.ok(), (more <= 1).then_some(Published::Yes), "{more} more of {free}");
            let texts: &[&[u8]] = if more <= 1 { &[first, &text] } else { &[first] };
            check(&writer.finish(), texts);
        }
    }
}

/// Breaks without it: rows of all kinds, one after the other until a slab is full, share bytes where they
/// meet.
#[test]
fn rows_of_all_kinds_fill_a_slab() {
    for step in 1..40_usize {
        let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
        let mut writer = Writer::open(&origin, &pool, Need { segments: 1, ..Need::default() });
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for number in 0.. {
            let text = vec![number as u8; number * step % 977];
            let wanted = need(text.len(), number % 3);
            let published = match number % 4 {
                0 => writer.publish_text(&Head::EMPTY, |_| (), &text),
                1 => writer.publish_unparsed(&Head::EMPTY, &text),
                _ => writer.row(wanted).map(|mut row| {
                    row.payload_copy(&text);
                    for _ in 0..number % 3 {
                        row.field(FieldName::Pid, Text::Copy(b""), ValueType::String, Text::Payload(0, 0));
                    }
                    row.publish()
                }),
            };
            if published.is_none() {
                break;
            }
            texts.push(text);
        }
        assert!(texts.len() > 200);
        check(&writer.finish(), &texts.iter().map(|text| &**text).collect::<Vec<_>>());
    }
}

/// Breaks without it: the bytes of a batch are counted in more bits than there are, and its credit comes out
/// wrong.
#[test]
fn a_batch_with_all_the_bytes_that_it_can_count_takes_no_more() {
    let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
    let full = || {
        let mut writer = Writer::open(&origin, &pool, Need { segments: 8, ..Need::default() });
        let view = || Segment::heap(Box::from(&b"view"[..]));
        let len = (crate::message::MESSAGE_MAX - 1024) as u32;
        while writer.publish_view(&Head::EMPTY, |_| (), len, view) == Some(Published::Yes) {}
        assert!((2..8).contains(&writer.rows()), "{} views", writer.rows());
        writer
    };
    assert_eq!(full().publish_text(&Head::EMPTY, |_| (), b"text"), None);
    assert_eq!(full().publish_unparsed(&Head::EMPTY, b"text"), None);
    assert_eq!(full().publish_texts(&Head::EMPTY, 9, u64::MAX, [&b"text"[..]].into_iter()), (0, 0));
    assert!(full().row(need(4, 0)).is_none());
}
