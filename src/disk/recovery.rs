//! The way back from a directory to a buffer: its segments, the next number, what was delivered.
//!
//! ```text
//! all names ─► ours by prefix ─► heads ─► in order of serials ─► the last one, by records ─► next number
//! ```
//!
//! Only the last segment can have an end that a crash tore (see [`crate::disk`]). In it the highest `durable`
//! of any head divides: a gap that begins and ends below is damage and passed over; the first one that
//! reaches beyond was never committed, and the segment ends before it. What is behind stays where it is: the
//! successor's first number says that it does not count.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

mod last;

use super::error::Error;
use super::format::{
    NoHead, PAGE, RECORDS, Seed, SegmentHead, WITNESS, WITNESS_APART, Witness, prefix, read_file_name,
};
use super::index::Segment;
use super::progress::Progress;
use super::scan::{Cursor, Damage, Damaged, Step, View};
use super::segment::Current;
use super::system::Disk;

/// The ending of a damaged segment that is kept aside.
pub(super) const ASIDE: &str = ".damaged";
/// The ending of the file that is locked.
const LOCK: &str = ".lock";
/// The looks at a lock file that somebody replaces meanwhile.
const TRIES: usize = 20;

/// The findings of the opening of a buffer.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// The random number of the buffer; 0 for a new one.
    pub id: u64,
    /// The number that the next message gets.
    pub next: u64,
    /// The messages that are done.
    pub progress: Progress,
    /// The number of segments.
    pub segments: usize,
    /// The bytes behind the last commit that a crash left there: they do not count.
    pub torn: Option<Torn>,
    /// Damage that was found; [`super::Read::Lost`] has the messages once more, and is the place to count
    /// them. Segments in the middle are looked at when they are read.
    pub damaged: Vec<Damaged>,
    /// Segments that a crash left half created, which are removed.
    pub removed: Vec<PathBuf>,
    /// Damaged segments that were kept aside, now or before.
    pub aside: Vec<PathBuf>,
    /// Files in the directory that are no part of a buffer; they are left alone.
    pub foreign: Vec<OsString>,
}

/// The end of a commit that never returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub file: PathBuf,
    /// The offset from which on it does not count.
    pub at: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: what follows byte {} was never committed, and is left out",
            self.file.display(),
            self.at
        )
    }
}

/// The parts of a store.
pub(super) struct Found<D: Disk> {
    pub recovery: Recovery,
    pub segments: VecDeque<Segment>,
    pub current: Option<Current<D>>,
    pub next_serial: u64,
    /// The sequence of the last witness.
    pub witness: u64,
}

/// A segment with a head that is right.
struct Headed {
    path: PathBuf,
    head: SegmentHead,
    len: u64,
}

/// The name of a damaged segment.
pub(super) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    PathBuf::from(name)
}

fn is_lock(name: &str) -> bool {
    name.strip_suffix(LOCK).is_some_and(|prefix| prefix.len() == 23 && prefix.starts_with("inrush-"))
}

/// The lock file of a buffer.
pub(super) fn lock_path(dir: &Path, prefix: &str) -> PathBuf {
    dir.join(format!("{prefix}{LOCK}"))
}

/// The head of a segment, if it has one.
pub(super) fn head<D: Disk>(disk: &D, path: &Path) -> Result<Option<SegmentHead>, Error> {
    match look(disk, path, true) {
        Ok(Look::Headed(found)) => Ok(Some(found.head)),
        Ok(_) => Ok(None),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the lock of a buffer.
pub(super) fn lock<D: Disk>(disk: &D, dir: &Path, prefix: &str) -> Result<D::File, Error> {
    let path = lock_path(dir, prefix);
    for _ in 0..TRIES {
        let file = match disk.open(&path, true) {
            Err(error) if error.kind() == ErrorKind::NotFound => match disk.create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                created => created.map_err(Error::io(&path, "cannot create"))?,
            },
            opened => opened.map_err(Error::io(&path, "cannot open"))?,
        };
        match disk.lock(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(Error::InUse { by: disk.holder(&file), path });
            }
            Err(error) => return Err(Error::io(&path, "cannot lock")(error)),
        }
        // Somebody may have removed it before the lock was taken.
        if disk.is_linked(&file).map_err(Error::io(&path, "cannot be looked at"))? {
            return Ok(file);
        }
    }
    Err(Error::InUse { path, by: None })
}

/// The witness in a lock file, if one of the two is right.
pub(super) fn witness<D: Disk>(disk: &D, lock: &D::File) -> Option<Witness> {
    let view = View { disk, file: lock, seed: Seed::new(0, 0), len: u64::MAX, is_forgiving: true };
    let read = |at| {
        let mut bytes = [0; WITNESS];
        let count = view.read(&mut bytes, at).ok()?;
        Witness::read(&bytes[..count])
    };
    [0, WITNESS_APART].into_iter().filter_map(read).max_by_key(|witness| witness.sequence)
}

/// The way in which a buffer is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// What cannot be read is damage.
    pub is_forgiving: bool,
    /// Nothing is changed, and a process may be writing meanwhile; else the lock is held.
    pub is_read_only: bool,
}

/// The serial of a segment of the buffer, also of one that is kept aside. What is of no buffer is foreign.
fn serial(file: &OsStr, prefix: &str, foreign: &mut Vec<OsString>) -> Option<u64> {
    let text = file.to_str().unwrap_or_default();
    let Some((of, serial, _)) = read_file_name(text.strip_suffix(ASIDE).unwrap_or(text)) else {
        if !is_lock(text) {
            foreign.push(file.to_owned());
        }
        return None;
    };
    (of == prefix).then_some(serial)
}

/// Finds the buffer `name` in a directory.
pub(super) fn recover<D: Disk>(
    disk: &D,
    dir: &Path,
    name: &str,
    lock: Option<&D::File>,
    how: How,
) -> Result<Found<D>, Error> {
    let mut recovery = Recovery::default();
    let mut next_serial = 1;
    let mut headed = Vec::new();
    let mut headless = Vec::new();
    let prefix = prefix(name);
    let mut names = disk.list(dir).map_err(Error::io(dir, "cannot list"))?;
    names.sort();
    for file in names {
        let Some(serial) = serial(&file, &prefix, &mut recovery.foreign) else { continue };
        next_serial = next_serial.max(serial.saturating_add(1));
        let text = file.to_str().unwrap_or_default();
        let path = dir.join(text);
        if text.ends_with(ASIDE) {
            recovery.aside.push(path);
            continue;
        }
        match look(disk, &path, how.is_forgiving) {
            Ok(Look::Headed(found)) if found.head.name == name => headed.push(found),
            // Another name with the same hash.
            Ok(Look::Headed(_)) => {}
            Ok(Look::Headless) => headless.push(path),
            Ok(Look::Unfinished) => {
                if !how.is_read_only {
                    disk.unlink(&path).map_err(Error::io(&path, "cannot remove"))?;
                }
                recovery.removed.push(path);
            }
            // The engine that has it freed it just now.
            Err(Error::Io { source, .. }) if how.is_read_only && source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let headed = in_order(headed, &mut recovery, &mut next_serial);
    set_aside(disk, headless, &headed, &mut recovery, how)?;
    if !how.is_read_only {
        // What was unlinked before stays so, and the last one's name is there to stay.
        disk.sync_dir(dir).map_err(Error::io(dir, "cannot be made durable"))?;
    }
    let witness = lock.and_then(|lock| witness(disk, lock));
    let (segments, current) = if headed.is_empty() {
        gone(witness, dir, &mut recovery);
        (VecDeque::new(), None)
    } else {
        last::last(disk, headed, witness, &mut recovery, how)?
    };
    recovery.segments = segments.len();
    let witness = witness.map_or(0, |witness| witness.sequence);
    Ok(Found { recovery, segments, current, next_serial, witness })
}

/// The kinds of files that have a segment's name.
enum Look {
    Headed(Headed),
    /// Something is in it, but no head.
    Headless,
    /// Nothing is in it but perhaps a part of the head: it was never written to.
    Unfinished,
}

fn look<D: Disk>(disk: &D, path: &Path, is_forgiving: bool) -> Result<Look, Error> {
    let file = disk.open(path, false).map_err(Error::io(path, "cannot open"))?;
    let len = disk.len(&file).map_err(Error::io(path, "cannot be looked at"))?;
    let seed = Seed::new(0, 0);
    let view = View { disk, file: &file, seed, len, is_forgiving };
    // Page by page: one of them may be unreadable.
    let mut bytes = Vec::new();
    let mut unreadable = None;
    for at in [0, PAGE] {
        let mut page = [0; PAGE];
        let count = view.read(&mut page, at as u64).unwrap_or_else(|error| {
            unreadable = Some(error);
            PAGE
        });
        bytes.extend(&page[..count]);
    }
    match SegmentHead::read(&bytes) {
        Ok(head) => Ok(Look::Headed(Headed { path: path.to_owned(), head, len })),
        Err(NoHead::Version(version)) => Err(Error::Version { path: path.to_owned(), version }),
        Err(NoHead::Damaged) => {
            if let Some(error) = unreadable {
                return Err(Error::io(path, "cannot read")(error));
            }
            let mut cursor = Cursor { at: RECORDS, next: 0 };
            // Strictly: a disk that cannot be read is no reason to remove a file.
            let view = View { is_forgiving: false, ..view };
            match view.step(&mut cursor) {
                Ok(Step::End { is_clean: true }) => Ok(Look::Unfinished),
                Err(error) if !is_forgiving => Err(Error::io(path, "cannot read")(error)),
                _ => Ok(Look::Headless),
            }
        }
    }
}

/// The segments of one buffer in the order of their serials. Those of another id, or whose numbers go back,
/// are foreign.
fn in_order(mut headed: Vec<Headed>, recovery: &mut Recovery, next_serial: &mut u64) -> Vec<Headed> {
    headed.sort_by_key(|one| one.head.serial);
    let Some(last) = headed.last() else { return headed };
    recovery.id = last.head.id;
    *next_serial = last.head.serial.saturating_add(1).max(*next_serial);
    let mut first = last.head.first;
    let mut serial = u64::MAX;
    let mut kept = Vec::new();
    for one in headed.into_iter().rev() {
        if one.head.id == recovery.id && one.head.first <= first && one.head.serial != serial {
            first = one.head.first;
            serial = one.head.serial;
            kept.push(one);
        } else {
            recovery.foreign.extend(one.path.file_name().map(OsString::from));
        }
    }
    kept.reverse();
    kept
}

/// Keeps the segments aside whose heads are damaged: between their neighbours' numbers, all is lost.
fn set_aside<D: Disk>(
    disk: &D,
    headless: Vec<PathBuf>,
    headed: &[Headed],
    recovery: &mut Recovery,
    how: How,
) -> Result<(), Error> {
    for path in headless {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((_, serial, first)) = name.and_then(read_file_name) else { continue };
        let after = headed.iter().find(|one| one.head.serial > serial);
        let end = after.map_or(u64::MAX, |one| one.head.first);
        let mut to = path.clone();
        if !how.is_read_only {
            to = aside(&path);
            disk.rename(&path, &to).map_err(Error::io(&path, "cannot be kept aside"))?;
            recovery.aside.push(to.clone());
        }
        recovery.damaged.push(Damaged { file: to, at: 0, messages: first.min(end)..end, why: Damage::Head });
        // Numbers are not given twice, as far as it is known which ones were.
        recovery.next = recovery.next.max(first);
    }
    Ok(())
}

/// Takes the witness's word where no segment is left.
fn gone(witness: Option<Witness>, dir: &Path, recovery: &mut Recovery) {
    let durable = witness.map_or(0, |witness| witness.durable);
    recovery.next = recovery.next.max(durable);
    let below = witness.map_or(recovery.next, |witness| witness.below);
    recovery.progress = Progress::new(below);
    if below < durable && recovery.damaged.is_empty() {
        let (file, messages) = (dir.to_owned(), below..durable);
        recovery.damaged.push(Damaged { file, at: 0, messages, why: Damage::Missing });
    }
}
