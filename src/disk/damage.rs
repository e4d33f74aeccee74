//! Damage at every byte of a small buffer: never a wrong message, never a panic, never a silent loss.
//!
//! The buffer has three segments; all bytes of heads and records are hit, of long bodies and of zeros one in
//! a few hundred. Each is flipped, zeroed with the sector behind it, and taken for the end of the file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{PAGE, RECORDS};
use super::model::Model;
use super::*;

type Files = BTreeMap<PathBuf, Vec<u8>>;
/// Entries by their first message: all of their messages, and the bytes.
type Entries = BTreeMap<u64, (Range<u64>, Vec<u8>)>;

fn settings() -> Settings {
    let (dir, name) = (Path::new("/buffer").to_owned(), "d_damage".to_owned());
    Settings { dir, name, capacity: 1 << 20, segment_size: 32 << 10, skip_unreadable: false }
}

fn body(first: u64, length: usize) -> Vec<u8> {
    (0..length).map(|at| (first as usize * 13 + at * 7) as u8).collect()
}

/// A buffer with three segments and its entries by number; messages 2 to 4 are delivered.
fn small() -> (Files, Entries) {
    let model = Model::new(1);
    let (mut store, _, _) = Store::open(Arc::new(model.clone()), settings()).unwrap();
    let mut entries = BTreeMap::new();
    for (rows, length) in
        [(2, 40), (3, 9), (1, 300), (1, 18_000), (4, 30), (1, 0), (2, 17_000), (1, 100), (4, 11), (1, 12_000)]
    {
        let first = store.usage().next;
        let bytes = body(first, length);
        let appended = store.append(&[Entry { rows, time: first, bytes: &[&bytes] }]).unwrap();
        entries.insert(first, (appended.messages, bytes));
        store.commit().unwrap();
        if first == 5 {
            let mut done = Progress::default();
            done.add(2..5);
            store.delivered(&done).unwrap();
            store.note().unwrap();
        }
    }
    drop(store);
    let files = model.files();
    assert_eq!(files.len(), 4, "three segments and a lock");
    (files, entries)
}

/// The end of what is not zeros.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// The places to hit in a file.
fn places(bytes: &[u8]) -> Vec<usize> {
    let used = used(bytes);
    let is_hit = |at: &usize| match *at % PAGE {
        in_page if *at < RECORDS as usize => {
            !(80..=PAGE - 8).contains(&in_page) || in_page.is_multiple_of(509)
        }
        _ if *at >= used => at.is_multiple_of(2039),
        // Long bodies repeat themselves.
        _ => bytes[*at..used.min(*at + 200)].len() < 200 || at.is_multiple_of(37) || *at < 9000,
    };
    (0..bytes.len()).filter(is_hit).collect()
}

/// Opens damaged files and reads all of them; returns the messages that are lost.
fn read(files: &Files, entries: &Entries, what: &str) -> Progress {
    let model = Model::new(2);
    for (path, bytes) in files {
        model.put(path, bytes.clone());
    }
    let opened = Store::open(Arc::new(model.clone()), settings());
    let (mut store, mut reader, recovery) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let (mut from, mut into) = (0, Vec::new());
    let (mut came, mut lost) = (Progress::default(), Progress::default());
    loop {
        match reader.next(from, &mut into).unwrap() {
            Read::Entry { messages, time, .. } => {
                let (right, bytes) = &entries[&messages.start];
                assert!(
                    messages == *right && into == *bytes && time == messages.start,
                    "{what}: {messages:?}"
                );
                assert!(messages.start >= from, "{what}: {messages:?} from {from}");
                from = messages.end;
                came.add(messages);
            }
            Read::Lost(damaged) => {
                assert!(!damaged.messages.is_empty(), "{what}: {damaged}");
                from = damaged.messages.end;
                lost.add(damaged.messages);
            }
            Read::End => break,
        }
    }
    let unknown = recovery.damaged.iter().find(|damaged| damaged.messages.end == u64::MAX);
    for (messages, _) in entries.values() {
        for message in messages.clone() {
            let one = message..message + 1;
            let is_told = lost.covers(&one) || recovery.progress.covers(&one);
            let is_unknown = unknown.is_some_and(|damaged| damaged.messages.start <= message);
            assert!(
                came.covers(&one) || is_told || is_unknown,
                "{what}: message {message} in silence, {recovery:?}"
            );
        }
    }
    // It goes on: what comes now is found, with a number of its own.
    let appended = store.append(&[Entry { rows: 1, time: 0, bytes: &[b"after"] }]).unwrap();
    assert!(unknown.is_some() || appended.messages.start == 20, "{what}: {appended:?}");
    store.commit().unwrap();
    let after = reader.next(appended.messages.start, &mut into).unwrap();
    assert!(matches!(after, Read::Entry { messages, .. } if messages == appended.messages), "{what}");
    // What is damaged is kept when all of it is done, if there is anything in it.
    store.delivered(&Progress::new(appended.messages.end)).unwrap();
    let is_aside = model.files().keys().any(|path| path.extension().is_some_and(|end| end == "damaged"));
    let is_empty = files.iter().any(|(path, bytes)| is_segment(path) && used(bytes) <= RECORDS as usize);
    assert!(lost == Progress::default() || is_aside || is_empty, "{what}: not kept aside");
    lost
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "buffer")
}

fn with(files: &Files, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    change(files.get_mut(path).unwrap());
    files
}

fn hit(kind: &str, change: impl Fn(&mut Vec<u8>, usize), check: impl Fn(&Progress, &str)) {
    hit_files(small(), kind, change, check);
}

fn hit_files(
    (files, entries): (Files, Entries),
    kind: &str,
    change: impl Fn(&mut Vec<u8>, usize),
    check: impl Fn(&Progress, &str),
) {
    let whole = read(&files, &entries, "whole");
    assert_eq!(whole, Progress::default());
    for (path, bytes) in &files {
        for at in places(bytes) {
            let what = format!("{kind} at {at} of {}", path.display());
            let lost = read(&with(&files, path, |bytes| change(bytes, at)), &entries, &what);
            check(&lost, &what);
        }
    }
}

fn costs_one_entry(lost: &Progress, what: &str) {
    assert!(lost.beyond().len() + usize::from(lost.below() > 0) <= 1, "{what}: {lost:?}");
    assert!(lost.count() <= 5, "{what}: {lost:?}");
}

/// Breaks without it: a flipped bit costs more than its entry, or gives a wrong message.
#[test]
fn a_flipped_byte_costs_one_entry_at_most() {
    hit("a flip", |bytes, at| bytes[at] ^= 0x11, costs_one_entry);
}

/// Breaks without it: the same where nobody brought the lock file along; the marks have to do.
#[test]
fn a_flipped_byte_is_told_without_a_witness() {
    let (mut files, entries) = small();
    files.retain(|path, _| is_segment(path));
    hit_files((files, entries), "a flip", |bytes, at| bytes[at] ^= 0x11, costs_one_entry);
}

/// Breaks without it: a sector of zeros is taken for the end of the buffer.
#[test]
fn a_sector_of_zeros_is_no_end() {
    let zero = |bytes: &mut Vec<u8>, at: usize| {
        let end = bytes.len().min(at + 512);
        bytes[at..end].fill(0);
    };
    hit("zeros", zero, |_, _| {});
}

/// Breaks without it: what a file system cut off is lost without a word.
#[test]
fn a_cut_is_told() {
    hit("a cut", Vec::truncate, |_, _| {});
}

/// Breaks without it: a segment that is gone is lost without a word, and its numbers are given again.
#[test]
fn a_missing_file_is_told() {
    let (files, entries) = small();
    let all: Vec<_> = files.keys().filter(|path| is_segment(path)).collect();
    for pattern in 1..8u32 {
        let mut rest = files.clone();
        rest.retain(|path, _| {
            all.iter().position(|one| *one == path).is_none_or(|at| pattern >> at & 1 == 0)
        });
        let model = Model::new(3);
        for (path, bytes) in &rest {
            model.put(path, bytes.clone());
        }
        let (store, mut reader, recovery) = Store::open(Arc::new(model), settings()).unwrap();
        assert_eq!(store.usage().next, 20, "{pattern:b}: {recovery:?}");
        let (mut from, mut known) = (0, recovery.progress.clone());
        loop {
            match reader.next(from, &mut Vec::new()).unwrap() {
                Read::Entry { messages, .. } => {
                    assert!(entries.contains_key(&messages.start));
                    from = messages.end;
                    known.add(messages);
                }
                Read::Lost(damaged) => {
                    from = damaged.messages.end;
                    known.add(damaged.messages);
                }
                Read::End => break,
            }
        }
        assert_eq!(known, Progress::new(20), "{pattern:b}");
    }
}
