//! The store on a disk that refuses: no space, reads and writes that fail, flushes that fail.

use std::path::Path;
use std::sync::Arc;

use super::model::{Faults, Model};
use super::tests::body;
use super::*;

fn settings(capacity: u64) -> Settings {
    let dir = Path::new("/buffer").to_owned();
    Settings { dir, name: "d".to_owned(), capacity, segment_size: 32 << 10, skip_unreadable: false }
}

fn open(model: &Model, capacity: u64) -> (Store<Model>, Reader<Model>, Recovery) {
    Store::open(Arc::new(model.clone()), settings(capacity)).unwrap()
}

fn append(store: &mut Store<Model>, rows: u32) -> Result<Appended, Error> {
    let bytes = body(store.usage().next);
    store.append(&[Entry { rows, time: 7, bytes: &[&bytes] }])
}

/// Breaks without it: a full buffer on a full disk cannot note what was delivered, and stays full for ever.
#[test]
fn a_full_buffer_on_a_full_disk_gets_empty() {
    let model = Model::new(1);
    let (mut store, _, _) = open(&model, 256 << 10);
    while append(&mut store, 1).is_ok() {}
    store.commit().unwrap();
    let (next, segments) = (store.usage().next, store.usage().segments);
    model.set_faults(Faults { space: 1000, ..Faults::default() });
    assert!(matches!(append(&mut store, 1), Err(Error::Full)));
    for below in 0..next {
        store.delivered(&Progress::new(below)).unwrap();
    }
    assert_eq!(store.usage().segments, 1, "{segments} before");
    // Now there is capacity, and still no space; the disk says so each time, until it has some.
    let large = vec![0; 25_000];
    let entry = [Entry { rows: 1, time: 7, bytes: &[&large] }];
    for _ in 0..3 {
        let error = store.append(&entry).unwrap_err();
        assert!(matches!(&error, Error::Io { .. }), "{error}");
    }
    model.set_faults(Faults::default());
    assert_eq!(store.append(&entry).unwrap().messages, next..next + 1);
    store.commit().unwrap();
    // The failed attempts left nothing.
    assert_eq!(model.files().len(), 3, "{:?}", model.files().keys());
}

/// Breaks without it: the caller is not told which messages to append again after a failed flush, or they
/// come twice.
#[test]
fn a_failed_flush_names_what_has_to_be_appended_again() {
    let model = Model::new(2);
    let (mut store, _, _) = open(&model, 1 << 20);
    append(&mut store, 3).unwrap();
    store.commit().unwrap();
    append(&mut store, 4).unwrap();
    append(&mut store, 1).unwrap();
    model.set_faults(Faults { sync: 1000, ..Faults::default() });
    let error = store.commit().unwrap_err();
    assert!(matches!(&error, Error::Forgotten { messages, .. } if *messages == (3..8)), "{error}");
    // The disk goes on failing: nothing is taken, and nothing piles up.
    for _ in 0..5 {
        assert!(append(&mut store, 4).is_err());
    }
    model.set_faults(Faults::default());
    assert_eq!(append(&mut store, 4).unwrap().messages, 3..7);
    store.commit().unwrap();
    assert_eq!(store.usage().segments, 2);
    drop(store);
    model.crash();
    let (_, mut reader, recovery) = open(&model, 1 << 20);
    let mut found = Vec::new();
    let mut from = 0;
    while let Read::Entry { messages, .. } = reader.next(from, &mut Vec::new()).unwrap() {
        from = messages.end;
        found.push(messages);
    }
    assert_eq!((found, recovery.next), (vec![0..3, 3..7], 7));
}

/// Breaks without it: each flush that fails leaves a segment behind, until the disk is full.
#[test]
fn flushes_that_go_on_failing_leave_one_segment() {
    let model = Model::new(8);
    let (mut store, mut reader, _) = open(&model, 1 << 20);
    append(&mut store, 3).unwrap();
    store.commit().unwrap();
    for _ in 0..20 {
        model.set_faults(Faults::default());
        assert_eq!(append(&mut store, 2).unwrap().messages, 3..5);
        model.set_faults(Faults { sync: 1000, ..Faults::default() });
        assert!(matches!(store.commit(), Err(Error::Forgotten { .. })));
        assert!(store.usage().segments <= 2, "{:?}", store.usage());
    }
    model.set_faults(Faults::default());
    append(&mut store, 2).unwrap();
    store.commit().unwrap();
    let buffers =
        model.files().keys().filter(|path| path.extension().is_some_and(|end| end == "buffer")).count();
    assert_eq!(buffers, 2);
    let second = reader.next(3, &mut Vec::new()).unwrap();
    assert!(matches!(&second, Read::Entry { messages, .. } if *messages == (3..5)), "{second:?}");
}

/// Breaks without it: a disk that cannot read for a moment costs messages; or one that never can again holds
/// up everything behind the place.
#[test]
fn a_read_that_fails_is_tried_again_and_passed_over_the_third_time() {
    let model = Model::new(3);
    let (mut store, mut reader, _) = open(&model, 1 << 20);
    append(&mut store, 2).unwrap();
    append(&mut store, 2).unwrap();
    store.commit().unwrap();
    let mut into = Vec::new();
    reader.next(0, &mut into).unwrap();
    model.set_faults(Faults { read: 1000, ..Faults::default() });
    for _ in 0..2 {
        let error = reader.next(2, &mut into).unwrap_err();
        assert!(error.to_string().contains("cannot read: the disk cannot read"), "{error}");
    }
    model.set_faults(Faults::default());
    assert!(matches!(reader.next(2, &mut into).unwrap(), Read::Entry { .. }), "a moment later");
    assert_eq!(into, body(2));
    model.set_faults(Faults { read: 1000, ..Faults::default() });
    assert!(reader.next(0, &mut into).is_err());
    assert!(reader.next(0, &mut into).is_err());
    let Read::Lost(damaged) = reader.next(0, &mut into).unwrap() else { panic!("not lost") };
    assert_eq!((damaged.messages.clone(), damaged.why), (0..4, Damage::Unreadable));
    // Without a word from the disk the buffer is not opened, unless that is wanted.
    drop((store, reader));
    let error = Store::open(Arc::new(model.clone()), settings(1 << 20)).err().unwrap();
    assert!(matches!(&error, Error::Io { doing: "cannot read", .. }), "{error}");
    model.set_faults(Faults::default());
    assert_eq!(open(&model, 1 << 20).2.next, 4);
}

/// Breaks without it: a file system without `fallocate` has no disk buffer.
#[test]
fn a_file_system_that_cannot_allocate_will_do() {
    let model = Model::new(4);
    model.set_faults(Faults { cannot_allocate: true, ..Faults::default() });
    let (mut store, _, _) = open(&model, 1 << 20);
    append(&mut store, 2).unwrap();
    store.commit().unwrap();
    assert_eq!(store.usage().bytes, 32 << 10);
}

/// Breaks without it: a capacity that was changed is not heeded, or messages go because it was made smaller.
#[test]
fn a_smaller_capacity_waits_until_it_is_drained() {
    let model = Model::new(5);
    let (mut store, _, _) = open(&model, 512 << 10);
    while append(&mut store, 1).is_ok() {}
    store.commit().unwrap();
    let next = store.usage().next;
    drop(store);
    let (mut store, _, recovery) = open(&model, 128 << 10);
    assert_eq!(recovery.next, next);
    assert_eq!(store.usage().messages, next, "all of it is there");
    while append(&mut store, 1).is_ok() {}
    let end = store.usage().next;
    assert!(end < next + 100, "only the rest of the last segment");
    store.delivered(&Progress::new(next / 2)).unwrap();
    assert!(matches!(append(&mut store, 1), Err(Error::Full)));
    store.commit().unwrap();
    store.delivered(&Progress::new(end)).unwrap();
    assert!(append(&mut store, 1).is_ok());
    assert!(store.usage().bytes <= 128 << 10);
    store.set_capacity(1 << 20);
    let before = store.usage().next;
    while append(&mut store, 1).is_ok() {}
    assert!(store.usage().next > before + next, "a larger one holds at once");
}

/// Breaks without it: a disk that cannot write takes messages.
#[test]
fn a_write_that_fails_takes_nothing_and_costs_nothing_before() {
    let model = Model::new(6);
    let (mut store, mut reader, _) = open(&model, 1 << 20);
    append(&mut store, 2).unwrap();
    model.set_faults(Faults { write: 1000, ..Faults::default() });
    assert!(matches!(append(&mut store, 2), Err(Error::Io { doing: "cannot write", .. })));
    assert!(append(&mut store, 2).is_err());
    model.set_faults(Faults::default());
    assert_eq!(append(&mut store, 3).unwrap().messages, 2..5);
    store.commit().unwrap();
    let first = reader.next(0, &mut Vec::new()).unwrap();
    let second = reader.next(2, &mut Vec::new()).unwrap();
    let is = |read: &Read, expected| matches!(read, Read::Entry { messages, .. } if *messages == expected);
    assert!(is(&first, 0..2) && is(&second, 2..5), "{first:?} {second:?}");
}
