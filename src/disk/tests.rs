//! The store on a real disk: order, restarts, capacity, other engines, other people's files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::format::{PAGE, file_name, prefix};
use super::*;

pub(super) fn settings(dir: &Path, capacity: u64, segment_size: u64) -> Settings {
    let name = "d_remote#0".to_owned();
    Settings { dir: dir.to_owned(), name, capacity, segment_size, skip_unreadable: false }
}

pub(super) fn open(dir: &Path, capacity: u64) -> (Store<SystemDisk>, Reader<SystemDisk>, Recovery) {
    Store::open(Arc::new(SystemDisk), settings(dir, capacity, 32 << 10)).unwrap()
}

/// The body of the entry that begins with message `first`: of a length of its own.
pub(super) fn body(first: u64) -> Vec<u8> {
    let length = (first.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % 700;
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend((0..length).map(|at| (first as usize + at * 7) as u8));
    bytes
}

/// Appends an entry of `rows` messages, in two parts.
pub(super) fn append(store: &mut Store<SystemDisk>, rows: u32) -> Result<Appended, Error> {
    let first = store.usage().next;
    let bytes = body(first);
    let (head, tail) = bytes.split_at(bytes.len() / 3);
    store.append(&[Entry { rows, time: 1_000_000 * first, bytes: &[head, tail] }])
}

/// Everything that the reader gives from `from` on: numbers of messages and losses.
pub(super) fn read_all<D: Disk>(reader: &mut Reader<D>, mut from: u64) -> (Vec<Range<u64>>, Vec<Damaged>) {
    let (mut entries, mut lost) = (Vec::new(), Vec::new());
    let mut into = Vec::new();
    loop {
        match reader.next(from, &mut into).unwrap() {
            Read::Entry { messages, time, .. } => {
                assert_eq!(into, body(messages.start), "the bytes of {messages:?}");
                assert_eq!(time, 1_000_000 * messages.start);
                from = messages.end;
                entries.push(messages);
            }
            Read::Lost(damaged) => {
                from = damaged.messages.end;
                lost.push(damaged);
            }
            Read::End => return (entries, lost),
        }
    }
}

/// The segments of a directory.
pub(super) fn segments(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".buffer")).collect();
    names.sort();
    names
}

fn ranges(count: u64, rows: u64) -> Vec<Range<u64>> {
    (0..count).map(|at| at * rows..(at + 1) * rows).collect()
}

/// Breaks without it: what was appended comes before its commit, in another order, or not after a restart.
#[test]
fn committed_entries_are_read_in_order_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let (mut store, mut reader, recovery) = open(dir.path(), 4 << 20);
    assert_eq!((recovery.next, recovery.segments), (0, 0));
    for at in 0..500u64 {
        assert_eq!(append(&mut store, 3).unwrap(), Appended { messages: at * 3..at * 3 + 3, entries: 1 });
        if at % 7 == 6 {
            store.commit().unwrap();
        } else if at > 0 {
            assert_eq!(reader.next(at * 3, &mut Vec::new()).unwrap(), Read::End, "not committed yet");
        }
    }
    store.commit().unwrap();
    assert_eq!(read_all(&mut reader, 0), (ranges(500, 3), Vec::new()));
    assert!(segments(dir.path()).len() > 3);
    let before = store.usage();
    drop((store, reader));

    let (mut store, mut reader, recovery) = open(dir.path(), 4 << 20);
    assert_eq!((recovery.next, &recovery.torn), (1500, &None));
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    assert_eq!(read_all(&mut reader, 0), (ranges(500, 3), Vec::new()));
    assert_eq!(store.usage().messages, 1500);
    assert_eq!(store.usage().bytes, before.bytes, "it goes on in the last segment");
    append(&mut store, 1).unwrap();
    store.commit().unwrap();
    assert_eq!(read_all(&mut reader, 1498).0, [1497..1500, 1500..1501]);
    // Back again, anywhere.
    assert_eq!(read_all(&mut reader, 100).0[0], 99..102);
    let mode = fs::metadata(dir.path().join(&segments(dir.path())[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Breaks without it: what was delivered comes again after a restart, or its segments stay for ever.
#[test]
fn delivered_messages_are_forgotten_and_their_segments_freed() {
    let dir = TempDir::new().unwrap();
    let (mut store, mut reader, _) = open(dir.path(), 4 << 20);
    for _ in 0..500 {
        append(&mut store, 2).unwrap();
        store.commit().unwrap();
    }
    let all = segments(dir.path()).len();
    let mut done = Progress::new(700);
    done.add(710..720);
    done.add(721..723);
    store.delivered(&done).unwrap();
    store.note().unwrap();
    assert!(segments(dir.path()).len() < all);
    assert_eq!(store.usage().messages, 1000 - 712);
    let oldest = store.usage().oldest.unwrap() / 1_000_000;
    assert!((650..=700).contains(&oldest), "about message 700: {oldest}");
    let (entries, lost) = read_all(&mut reader, 0);
    assert!(lost.is_empty());
    assert_eq!(entries[..6], [700..702, 702..704, 704..706, 706..708, 708..710, 720..722]);
    drop((store, reader));

    let (mut store, mut reader, recovery) = open(dir.path(), 4 << 20);
    assert_eq!(recovery.progress, done);
    assert_eq!(read_all(&mut reader, 0), (entries, lost));
    let found = reader.next(720, &mut Vec::new()).unwrap();
    let split = std::iter::once(721..722).collect();
    assert_eq!(found, Read::Entry { messages: 720..722, time: 720_000_000, done: split });
    // All of it: one segment stays, which has the numbers.
    store.delivered(&Progress::new(1000)).unwrap();
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(store.usage().messages, 0);
    drop((store, reader));
    let (mut store, ..) = open(dir.path(), 4 << 20);
    assert_eq!(append(&mut store, 1).unwrap().messages, 1000..1001, "numbers go on");
}

/// Breaks without it: a full buffer takes more than its capacity, loses something, or never gets empty.
#[test]
fn a_full_buffer_says_so_and_goes_on_when_it_was_drained() {
    let dir = TempDir::new().unwrap();
    let (mut store, mut reader, _) = open(dir.path(), 256 << 10);
    let mut next = 0;
    for round in 0..5 {
        let start = next;
        loop {
            match append(&mut store, 1) {
                Ok(appended) => next = appended.messages.end,
                Err(Error::Full) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(matches!(append(&mut store, 1), Err(Error::Full)));
        store.commit().unwrap();
        assert!(store.usage().bytes <= 256 << 10, "{:?}", store.usage());
        assert!(next > start + 100, "round {round}: {start} to {next}");
        let (entries, lost) = read_all(&mut reader, start);
        assert_eq!((entries.len() as u64, lost), (next - start, Vec::new()));
        // A full buffer takes a note for each message.
        for below in start..=next {
            store.delivered(&Progress::new(below)).unwrap();
            store.note().unwrap();
            assert!(store.usage().bytes <= 256 << 10, "{:?}", store.usage());
        }
    }
    let most = store.largest_entry();
    let large = vec![1; most as usize + 1];
    let mut entry = |bytes: &[u8]| store.append(&[Entry { rows: 1, time: 0, bytes: &[bytes] }]);
    assert!(matches!(entry(&large), Err(Error::TooLarge { .. })));
    assert_eq!(entry(&large[1..]).unwrap().entries, 1, "the largest fits when all else is gone");
}

/// Breaks without it: several entries are not taken in one go, or more than fits is taken in silence.
#[test]
fn an_append_takes_as_many_entries_as_fit() {
    let dir = TempDir::new().unwrap();
    let (mut store, mut reader, _) = open(dir.path(), 4 << 20);
    let bodies: Vec<_> = (0..200u64).map(|at| body(at * 2)).collect();
    let parts: Vec<_> = bodies.iter().map(|body| [body.as_slice()]).collect();
    let entry = |(at, bytes)| Entry { rows: 2, time: 2_000_000 * at as u64, bytes };
    let entries: Vec<_> = parts.iter().map(<[_; 1]>::as_slice).enumerate().map(entry).collect();
    let mut rest = entries.as_slice();
    let mut calls = 0;
    while !rest.is_empty() {
        let taken = store.append(rest).unwrap();
        rest = &rest[taken.entries..];
        calls += 1;
    }
    assert!((3..10).contains(&calls), "{calls}");
    store.commit().unwrap();
    assert_eq!(read_all(&mut reader, 0), (ranges(200, 2), Vec::new()));
}

/// Breaks without it: two engines write one buffer.
#[test]
fn a_second_engine_is_refused_and_told_of_the_first() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path(), 4 << 20);
    let error = Store::open(Arc::new(SystemDisk), settings(dir.path(), 4 << 20, 0)).err().unwrap();
    let Error::InUse { by, .. } = &error else { panic!("{error}") };
    assert_eq!(*by, Some(std::process::id() as i32));
    assert!(error.to_string().ends_with(&format!("is in use by process {}", std::process::id())), "{error}");
    // Another name in the same directory is another buffer.
    let other = Settings { name: "other".to_owned(), ..settings(dir.path(), 4 << 20, 0) };
    let (_, _, recovery) = Store::open(Arc::new(SystemDisk), other).unwrap();
    assert!(recovery.foreign.is_empty(), "{:?}", recovery.foreign);
    drop(first);
    open(dir.path(), 4 << 20);
}

/// Breaks without it: other people's files are touched, or a segment of a later version is.
#[test]
fn foreign_files_and_later_versions_are_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    let (mut store, _, recovery) = open(dir.path(), 4 << 20);
    assert_eq!(recovery.foreign, ["notes.txt", "sub"]);
    append(&mut store, 1).unwrap();
    store.commit().unwrap();
    drop(store);
    // The same segment as a later version would have it.
    let path = dir.path().join(&segments(dir.path())[0]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] = 2;
    let check = crc32c::crc32c(&bytes[..PAGE - 4]).to_le_bytes();
    bytes[PAGE - 4..PAGE].copy_from_slice(&check);
    bytes.copy_within(..PAGE, PAGE);
    let later = dir.path().join(file_name(&prefix("d_remote#0"), 7, 1));
    fs::write(&later, &bytes).unwrap();
    let error = Store::open(Arc::new(SystemDisk), settings(dir.path(), 4 << 20, 0)).err().unwrap();
    assert!(matches!(error, Error::Version { version: 2, .. }), "{error}");
    assert!(error.to_string().contains(later.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&later).unwrap(), bytes);
    assert_eq!(fs::read(dir.path().join("notes.txt")).unwrap(), b"mine");
}

/// Breaks without it: a buffer whose directory was removed acknowledges what nobody will find again.
#[test]
fn a_removed_directory_is_noticed_and_made_anew() {
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("buffer");
    let (mut store, mut reader, _) = open(&dir, 4 << 20);
    append(&mut store, 5).unwrap();
    store.commit().unwrap();
    append(&mut store, 5).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    let error = store.commit().unwrap_err();
    let Error::Forgotten { messages, .. } = &error else { panic!("{error}") };
    assert_eq!(*messages, 5..10);
    assert!(error.to_string().contains("somebody removed the file; messages 5 to 9 have"), "{error}");
    append(&mut store, 5).unwrap();
    store.commit().unwrap();
    let (entries, lost) = read_all(&mut reader, 0);
    assert_eq!((entries.len(), &entries[0]), (1, &(5..10)));
    assert_eq!((lost[0].messages.clone(), lost[0].why), (0..5, Damage::Missing));
    let second = Store::open(Arc::new(SystemDisk), settings(&dir, 4 << 20, 0));
    assert!(matches!(second.err().unwrap(), Error::InUse { .. }), "the lock was taken anew");
}

/// Breaks without it: a start takes as long as there is much on the disk.
#[test]
fn a_start_reads_heads_and_the_last_segment_alone() {
    let dir = TempDir::new().unwrap();
    let size = 128 << 20;
    let of = |name: &str| Settings { name: name.to_owned(), ..settings(dir.path(), 200 << 30, size) };
    // 100 GB in segments that are holes but for their heads and an entry each.
    let (mut store, _, _) = Store::open(Arc::new(SystemDisk), of("large")).unwrap();
    append(&mut store, 1).unwrap();
    store.commit().unwrap();
    drop(store);
    let bytes = fs::read(dir.path().join(&segments(dir.path())[0])).unwrap();
    let head = format::SegmentHead::read(&bytes).unwrap();
    for serial in 2..=800u64 {
        let head = format::SegmentHead { serial, first: serial - 1, ..head.clone() };
        let path = dir.path().join(file_name(&prefix("large"), serial, serial - 1));
        // Each segment begins with what was delivered.
        let (seed, mut bytes) = (format::Seed::new(head.id, serial), head.write());
        let (check, first) = (crc32c::crc32c(&[0; 8]), head.first);
        let kind = format::Kind::Progress;
        let note = format::RecordHead { kind, first, durable: first, time: 0, rows: 0, length: 8, check };
        bytes.extend(note.write(seed, format::RECORDS));
        fs::write(&path, &bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    }
    let counting = Arc::new(Counting::default());
    let (_, mut reader, recovery) = Store::open(Arc::clone(&counting), of("large")).unwrap();
    assert_eq!((recovery.segments, recovery.next), (800, 799));
    let read = counting.0.load(Ordering::Relaxed);
    assert!(read < 800 * 16384 + 3 * size, "{read} bytes read");
    let mut into = Vec::new();
    assert!(matches!(reader.next(0, &mut into).unwrap(), Read::Entry { .. }));
}

/// The system, with a count of the bytes that are read.
#[derive(Default)]
struct Counting(AtomicU64);

impl Disk for Counting {
    type File = File;

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        SystemDisk.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        SystemDisk.create(path)
    }
    fn open(&self, path: &Path, write: bool) -> io::Result<File> {
        SystemDisk.open(path, write)
    }
    fn write_vectored_at(&self, file: &File, bytes: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        SystemDisk.write_vectored_at(file, bytes, at)
    }
    fn read_at(&self, file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
        let count = SystemDisk.read_at(file, into, at)?;
        self.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
    fn sync_data(&self, file: &File) -> io::Result<()> {
        SystemDisk.sync_data(file)
    }
    fn len(&self, file: &File) -> io::Result<u64> {
        SystemDisk.len(file)
    }
    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        SystemDisk.set_len(file, len)
    }
    fn allocate(&self, _: &File, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn is_linked(&self, file: &File) -> io::Result<bool> {
        SystemDisk.is_linked(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        SystemDisk.unlink(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(dir)
    }
    fn lock(&self, file: &File) -> io::Result<()> {
        SystemDisk.lock(file)
    }
    fn holder(&self, file: &File) -> Option<i32> {
        SystemDisk.holder(file)
    }
    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        SystemDisk.free_space(dir)
    }
    fn random(&self) -> io::Result<u64> {
        SystemDisk.random()
    }
}
