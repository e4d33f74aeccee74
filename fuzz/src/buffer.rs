//! The store of the disk buffer: whatever stands in its files, what is read was once appended, in order, and it
//! goes on.
//!
//! The input is taken for a program (`arbitrary`): entries, commits and deliveries, then changes of bytes of the
//! files, cuts, and files of arbitrary bytes. Then the buffer is opened and read, and once more.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arbitrary::{Result, Unstructured};
use inrush::disk::{Entry, Error, Progress, Read, Reader, Settings, Store, SystemDisk, tools};

const NAME: &str = "d_fuzz";

/// Entries by their first message.
type Appended = BTreeMap<u64, (Range<u64>, Vec<u8>)>;

/// A directory of its own, which goes with it.
struct Room(PathBuf);

impl Room {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // A wait for a disk is most of the time; this is in memory, where there is one.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("inrush-fuzz-buffer-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The files of the buffer.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(room: &Room) -> std::result::Result<(Store<SystemDisk>, Reader<SystemDisk>), Error> {
    let (dir, name) = (room.0.clone(), NAME.to_owned());
    let settings = Settings { dir, name, capacity: 1 << 20, segment_size: 32 << 10, skip_unreadable: false };
    Store::open(Arc::new(SystemDisk), settings).map(|(store, reader, _)| (store, reader))
}

/// Runs the program that `data` describes.
pub fn run(data: &[u8]) {
    let room = Room::new();
    let mut input = Unstructured::new(data);
    let mut appended = Appended::new();
    {
        let (mut store, mut reader) = open(&room).unwrap();
        for _ in 0..input.int_in_range(0..=16).unwrap_or(0) {
            if step(&mut store, &mut appended, &mut input).is_err() {
                break;
            }
        }
        store.note().unwrap();
        let found = read(&mut reader, &appended);
        let is_open = |(_, messages): &(&u64, &(Range<u64>, Vec<u8>))| found.contains(&messages.0);
        let open: u64 =
            appended.iter().filter(is_open).map(|(_, (messages, _))| messages.end - messages.start).sum();
        assert!(open >= store.usage().messages, "{found:?} {:?}", store.usage());
    }
    let _ = damage(&room, &mut input);
    let _ = tools::list(&Arc::new(SystemDisk), &room.0);
    let _ = tools::verify(&Arc::new(SystemDisk), &room.0, NAME);
    // A head that says so, with the right check, may be of a later version. Nothing else is refused.
    let Ok((mut store, mut reader)) = open(&room) else { return };
    let found = read(&mut reader, &appended);
    // It goes on from there, and what was found is found again.
    let after = store.append(&[Entry { rows: 1, time: 0, bytes: &[b"after"] }]).unwrap().messages;
    store.commit().unwrap();
    drop((store, reader));
    let (_, mut reader) = open(&room).unwrap();
    appended.retain(|first, _| *first < after.start);
    appended.insert(after.start, (after.clone(), b"after".to_vec()));
    let again = read(&mut reader, &appended);
    assert!(again.starts_with(&found) && again.last() == Some(&after), "{found:?} and then {again:?}");
}

/// Everything that is not done: each entry as it was appended, in order.
fn read(reader: &mut Reader<SystemDisk>, appended: &Appended) -> Vec<Range<u64>> {
    let (mut from, mut into, mut found) = (0, Vec::new(), Vec::new());
    loop {
        match reader.next(from, &mut into).unwrap() {
            Read::Entry { messages, .. } => {
                assert!(messages.end > from, "{messages:?} from {from}");
                assert_eq!(appended.get(&messages.start), Some(&(messages.clone(), into.clone())));
                from = messages.end;
                found.push(messages);
            }
            Read::Lost(damaged) => {
                assert!(damaged.messages.start >= from && !damaged.messages.is_empty(), "{damaged}");
                from = damaged.messages.end;
            }
            Read::End => return found,
        }
    }
}

fn step(store: &mut Store<SystemDisk>, appended: &mut Appended, input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=7)? {
        0 => store.commit().unwrap(),
        1 => {
            let mut done = Progress::new(input.int_in_range(0..=40)?);
            let start = input.int_in_range(0..=60)?;
            done.add(start..start + input.int_in_range(0..=9)?);
            store.delivered(&done).unwrap();
        }
        kind => {
            let rows = input.int_in_range(1..=5)?;
            let bytes = if kind > 4 {
                vec![7; input.int_in_range(0..=20_000)?]
            } else {
                input.arbitrary::<Vec<u8>>()?
            };
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            match store.append(&[Entry { rows, time: 5, bytes: &[head, tail] }]) {
                Ok(taken) => drop(appended.insert(taken.messages.start, (taken.messages, bytes))),
                Err(Error::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    Ok(())
}

/// Changes bytes of the files, cuts them off, removes them, or puts others in their places.
fn damage(room: &Room, input: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..input.int_in_range(0..=4)? {
        let files = room.files();
        let path = input.choose(&files)?;
        let mut bytes = fs::read(path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let at = input.int_in_range(0..=end)?.min(bytes.len().saturating_sub(1));
        match input.int_in_range(0..=7)? {
            0 => bytes.truncate(at),
            1 => bytes = input.arbitrary()?,
            2 => {
                let end = bytes.len().min(at + input.int_in_range(1..=9000)?);
                bytes[at..end].fill(0);
            }
            3 => {
                // The same bytes at another place.
                let to = input.int_in_range(0..=end)? / 8 * 8;
                let count = input.int_in_range(0..=600)?.min(bytes.len() - at.max(to));
                bytes.copy_within(at..at + count, to);
            }
            4 => {
                fs::remove_file(path).unwrap();
                continue;
            }
            _ if bytes.is_empty() => {}
            _ => bytes[at] ^= 1 << input.int_in_range(0..=7)?,
        }
        fs::write(path, bytes).unwrap();
    }
    Ok(())
}
