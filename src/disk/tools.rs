//! Buffers for a command line: list, verify and dump, which only read and may do so beside a
//! running engine; repair and move, which need the lock.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::Error;
use super::format::{self, Kind, RECORDS, RecordHead, Seed, SegmentHead, read_file_name};
use super::index::{Shared, Usage};
use super::progress::Progress;
use super::reader::{ATTEMPTS, Read, Reader};
use super::recovery::{self, How, Recovery};
use super::scan::{Cursor, Damage, Damaged, Step, View};
use super::segment::write_all;
use super::store::{Settings, Store};
use super::system::Disk;

#[cfg(test)]
mod tests;

const READ_ONLY: How = How { is_forgiving: true, is_read_only: true };
/// The ending of a file that is not yet in its place.
const NEW: &str = ".new";
/// The bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// A buffer in a directory.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Its extent; the capacity is 0: it is a setting of the engine.
    pub usage: Usage,
    /// The first message that its segments have.
    pub first: u64,
    /// The process that writes it, if there is one that can be seen.
    pub locked_by: Option<i32>,
    /// The state of its segments.
    pub recovery: Recovery,
}

/// The outcome of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries that are right, delivered ones too, as long as their segment is there.
    pub entries: u64,
    /// The messages in them.
    pub messages: u64,
    /// Everything that is wrong.
    pub damaged: Vec<Damaged>,
}

/// An entry of [`dump`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// Its messages.
    pub messages: Range<u64>,
    /// Its time: microseconds since 1970.
    pub time: u64,
    /// Those of its messages that are delivered.
    pub done: Vec<Range<u64>>,
}

/// The outcome of [`repair`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Segments that were written anew; each old one is kept aside.
    pub segments: Vec<PathBuf>,
    /// Messages that are lost for good. They count as delivered from now on.
    pub lost: Vec<Range<u64>>,
}

/// A buffer as it is, for reading.
struct Opened<D: Disk> {
    reader: Reader<D>,
    shared: Arc<Shared>,
    recovery: Recovery,
    locked_by: Option<i32>,
}

fn open<D: Disk>(disk: &Arc<D>, dir: &Path, name: &str) -> Result<Opened<D>, Error> {
    let lock = disk.open(&recovery::lock_path(dir, &format::prefix(name)), false).ok();
    let locked_by = lock.as_ref().and_then(|lock| disk.holder(lock));
    let found = recovery::recover(&**disk, dir, name, lock.as_ref(), READ_ONLY)?;
    let shared = Arc::new(Shared::default());
    shared.id.store(found.recovery.id, Ordering::Relaxed);
    {
        let mut index = shared.index();
        index.segments = found.segments;
        index.committed = found.recovery.next;
        index.progress = found.recovery.progress.clone();
    }
    let reader = Reader::new(Arc::clone(disk), Arc::clone(&shared), dir.to_owned());
    Ok(Opened { reader, shared, recovery: found.recovery, locked_by })
}

/// All buffers of a directory, by name.
///
/// # Errors
/// The directory or a segment cannot be read, or a segment is of a later version.
pub fn list<D: Disk>(disk: &Arc<D>, dir: &Path) -> Result<Vec<Summary>, Error> {
    let mut names = BTreeSet::new();
    for file in disk.list(dir).map_err(Error::io(dir, "cannot list"))? {
        if file.to_str().and_then(read_file_name).is_some()
            && let Some(head) = recovery::head(&**disk, &dir.join(file))?
        {
            names.insert(head.name);
        }
    }
    let summary = |name: String| {
        let opened = open(disk, dir, &name)?;
        let index = opened.shared.index();
        let first = index.segments.front().map_or(opened.recovery.next, |segment| segment.first);
        let (usage, locked_by) = (Usage::of(&index), opened.locked_by);
        Ok(Summary { name, usage, first, locked_by, recovery: opened.recovery.clone() })
    };
    names.into_iter().map(summary).collect()
}

/// Reads all of a buffer.
///
/// # Errors
/// As for [`list`].
pub fn verify<D: Disk>(disk: &Arc<D>, dir: &Path, name: &str) -> Result<Verified, Error> {
    let opened = open(disk, dir, name)?;
    let is_running = opened.locked_by.is_some();
    verify_opened(opened, is_running)
}

fn verify_opened<D: Disk>(mut opened: Opened<D>, is_running: bool) -> Result<Verified, Error> {
    let progress = opened.recovery.progress.clone();
    // What is damaged is found below once more, but for what no message hangs on.
    let is_note = |damaged: &&Damaged| damaged.messages.is_empty() || damaged.messages.end == u64::MAX;
    let notes = opened.recovery.damaged.iter().filter(is_note).cloned().collect();
    let mut verified = Verified { damaged: notes, ..Verified::default() };
    let first = opened.shared.index().segments.front().map_or(opened.recovery.next, |one| one.first);
    let mut from = first.min(progress.below());
    // Delivered ones too.
    opened.shared.index().progress = Progress::new(from);
    let mut into = Vec::new();
    loop {
        match next(&mut opened.reader, from, &mut into)? {
            Read::Entry { messages, .. } => {
                verified.entries += 1;
                verified.messages += messages.end - messages.start;
                from = messages.end;
            }
            Read::Lost(damaged) => {
                from = damaged.messages.end;
                // A running engine frees segments, and what was given up is not in a repaired one.
                let is_gone = damaged.why == Damage::Missing;
                if !is_gone || !is_running && !progress.covers(&damaged.messages) {
                    verified.damaged.push(damaged);
                }
            }
            Read::End => return Ok(verified),
        }
    }
}

/// Reads as often as it takes until it is there, or lost.
fn next<D: Disk>(reader: &mut Reader<D>, from: u64, into: &mut Vec<u8>) -> Result<Read, Error> {
    let read = (0..ATTEMPTS).find_map(|_| reader.next(from, into).ok());
    read.map_or_else(|| reader.next(from, into), Ok)
}

/// Gives the entries of a buffer in order, with their bytes; delivered ones are left out.
///
/// # Errors
/// As for [`list`], or that of `take`, which ends it.
pub fn dump<D: Disk, E: From<Error>>(
    disk: &Arc<D>,
    dir: &Path,
    name: &str,
    mut take: impl FnMut(Result<Dumped, Damaged>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut opened = open(disk, dir, name)?;
    let mut from = 0;
    let mut into = Vec::new();
    loop {
        match next(&mut opened.reader, from, &mut into)? {
            Read::Entry { messages, time, done } => {
                from = messages.end;
                take(Ok(Dumped { messages, time, done }), &into)?;
            }
            Read::Lost(damaged) => {
                from = damaged.messages.end;
                take(Err(damaged), &[])?;
            }
            Read::End => return Ok(()),
        }
    }
}

/// Writes the good records of damaged segments to new ones, and counts the rest as delivered, so that it is
/// reported no more. The damaged ones are kept aside.
///
/// # Errors
/// A process writes the buffer, or the system says no. Then it can be called again.
pub fn repair<D: Disk>(disk: &Arc<D>, settings: &Settings) -> Result<Repaired, Error> {
    let (dir, name) = (&settings.dir, &settings.name);
    let settings = Settings { skip_unreadable: true, ..settings.clone() };
    let (mut store, _, recovery) = Store::open(Arc::clone(disk), settings.clone())?;
    let verified = verify_opened(open(disk, dir, name)?, false)?;
    let mut done = recovery.progress.clone();
    let mut repaired = Repaired::default();
    let mut files = BTreeSet::new();
    for damaged in verified.damaged {
        let messages = damaged.messages.start..damaged.messages.end.min(recovery.next);
        if !messages.is_empty() && !done.covers(&messages) {
            done.add(messages.clone());
            repaired.lost.push(messages);
        }
        files.insert(damaged.file);
    }
    // The lost ones are done, also for the engine that comes next.
    store.delivered(&done)?;
    store.note()?;
    for path in files {
        // A segment that is gone, or has no head, cannot be written anew.
        let Ok(Some(head)) = recovery::head(&**disk, &path) else { continue };
        rewrite(&**disk, dir, &path, &head).map_err(Error::io(&path, "cannot be written anew"))?;
        repaired.segments.push(path);
    }
    Ok(repaired)
}

/// Writes the good records of a segment to a new file, which takes its place; the old one is kept aside.
fn rewrite<D: Disk>(disk: &D, dir: &Path, path: &Path, head: &SegmentHead) -> io::Result<()> {
    let old = disk.open(path, false)?;
    let len = disk.len(&old)?;
    let seed = Seed::new(head.id, head.serial);
    let view = View { disk, file: &old, seed, len, is_forgiving: true };
    let new_path = with_ending(path, NEW);
    let new = create_anew(disk, &new_path)?;
    disk.set_len(&new, head.size.max(len))?;
    write_all(disk, &new, &mut [IoSlice::new(&head.write())], 0)?;
    let (mut at, mut body) = (RECORDS, Vec::new());
    let mut cursor = Cursor { at: RECORDS, next: head.first };
    loop {
        match view.step(&mut cursor)? {
            Step::End { .. } => break,
            Step::Record { at: from, head } if view.body(from, &head, &mut body)? => {
                // The place is part of the check.
                let bytes = RecordHead { ..head }.write(seed, at);
                write_all(disk, &new, &mut [IoSlice::new(&bytes), IoSlice::new(&body)], at)?;
                at += head.total();
            }
            _ => {}
        }
    }
    // Whatever cannot be told by numbers any more: this segment has ended.
    let end =
        RecordHead { kind: Kind::End, first: cursor.next, durable: 0, time: 0, rows: 0, length: 0, check: 0 };
    if at + format::HEAD as u64 <= head.size.max(len) {
        write_all(disk, &new, &mut [IoSlice::new(&end.write(seed, at))], at)?;
    }
    disk.sync_data(&new)?;
    // A copy first: at no time is there neither the old one nor the new one.
    copy(disk, path, &recovery::aside(path))?;
    disk.rename(&new_path, path)?;
    disk.sync_dir(dir)
}

/// Moves a buffer to another directory. Stopped in the middle, it can be called again; a crash at its very
/// end may leave the buffer in both.
///
/// # Errors
/// A process writes it, the other directory has a buffer of that name already, or the system says no.
pub fn relocate<D: Disk>(disk: &Arc<D>, from: &Path, to: &Path, name: &str) -> Result<u64, Error> {
    let prefix = format::prefix(name);
    disk.create_dir_all(to).map_err(Error::io(to, "cannot create"))?;
    let lock = recovery::lock(&**disk, from, &prefix)?;
    let _other_lock = recovery::lock(&**disk, to, &prefix)?;
    let segments = |dir: &Path| -> Result<Vec<PathBuf>, Error> {
        let names = disk.list(dir).map_err(Error::io(dir, "cannot list"))?;
        let mine = |file: &&str| {
            let name = file.strip_suffix(recovery::ASIDE).unwrap_or(file);
            read_file_name(name).is_some_and(|(of, ..)| of == prefix)
        };
        Ok(names.iter().filter_map(|file| file.to_str()).filter(mine).map(PathBuf::from).collect())
    };
    if !segments(to)?.is_empty() {
        let there = io::Error::new(ErrorKind::AlreadyExists, "it has a buffer of this name");
        return Err(Error::io(to, "cannot be moved to")(there));
    }
    let names = segments(from)?;
    for name in &names {
        let path = from.join(name);
        copy(&**disk, &path, &with_ending(&to.join(name), NEW)).map_err(Error::io(&path, "cannot copy"))?;
    }
    for name in &names {
        let path = to.join(name);
        disk.rename(&with_ending(&path, NEW), &path).map_err(Error::io(&path, "cannot create"))?;
    }
    disk.sync_dir(to).map_err(Error::io(to, "cannot be made durable"))?;
    for name in &names {
        let path = from.join(name);
        disk.unlink(&path).map_err(Error::io(&path, "cannot remove"))?;
    }
    // The witness would miss them.
    let path = recovery::lock_path(from, &prefix);
    disk.unlink(&path).map_err(Error::io(&path, "cannot remove"))?;
    drop(lock);
    disk.sync_dir(from).map_err(Error::io(from, "cannot be made durable"))?;
    Ok(names.len() as u64)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Creates a file, in the place of one that was not finished.
fn create_anew<D: Disk>(disk: &D, path: &Path) -> io::Result<D::File> {
    match disk.unlink(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.create(path)
}

/// Copies a file, durably but for its name.
fn copy<D: Disk>(disk: &D, from: &Path, to: &Path) -> io::Result<()> {
    let (old, new) = (disk.open(from, false)?, create_anew(disk, to)?);
    let len = disk.len(&old)?;
    disk.set_len(&new, len)?;
    let seed = Seed::new(0, 0);
    let view = View { disk, file: &old, seed, len, is_forgiving: true };
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < len {
        let count = view.read(&mut piece, at)?;
        if count == 0 {
            break;
        }
        // Zeros are there already, as a hole.
        if piece[..count].iter().any(|byte| *byte != 0) {
            write_all(disk, &new, &mut [IoSlice::new(&piece[..count])], at)?;
        }
        at += count as u64;
    }
    disk.sync_data(&new)
}
