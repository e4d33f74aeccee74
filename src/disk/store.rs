//! The writing side of a buffer: [`Store`], for the one thread that owns it.
//!
//! ```text
//! append     [rotate]  pwritev(progress, entries)                          in the page cache
//! commit     [pwrite(progress)]  fdatasync  pwrite(mark)                   durable
//! delivered  noted in memory; when a segment is wholly done: progress, commit, unlink
//! rotate     fdatasync(old)  create  fallocate  head  fdatasync(new)  fsync(directory)  pwrite(old, end)
//! ```
//!
//! # When something fails
//! * A write: nothing more goes into the segment. What it already has stands, and the next append rotates.
//! * A flush: the segment ends at the last durable message, and [`Error::Forgotten`] says which to append
//!   again.
//! * A rotation: the old segment stays, with its reserve for notes, so that a full buffer on a full disk can
//!   still get empty.

use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

mod removal;
mod rotation;

use super::error::Error;
use super::format::{self, HEAD, Kind, LARGEST_BODY, LONGEST_NAME, PAGE, RECORDS, Witness};
use super::index::{Segment, Shared, Usage};
use super::progress::Progress;
use super::reader::Reader;
use super::recovery::{self, How, Recovery};
use super::segment::{Current, RESERVE, Record, write_all};
use super::system::Disk;

/// The size of a segment where the capacity allows it.
const SEGMENT: u64 = 128 << 20;
/// The smallest segment, and the room beyond the capacity's last segment that is for notes alone.
const SMALLEST: u64 = 32 << 10;
/// The most ranges in a record of progress, the lowest ones; in tests so few that they are met.
pub(super) const MOST_RANGES: usize = if cfg!(test) { 8 } else { 512 };
/// The most bytes of a record of progress.
const NOTE: u64 = (HEAD + 8 + 16 * MOST_RANGES) as u64;

/// The settings of a buffer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory, which is made if missing.
    pub dir: PathBuf,
    /// The identity of the buffer: the persist name.
    pub name: String,
    /// The most bytes on the disk. Smaller than before, it holds as soon as segments were freed.
    pub capacity: u64,
    /// The bytes of a segment; 0: an eighth of the capacity, at most 128 MiB. At least 32 KiB.
    pub segment_size: u64,
    /// Takes bytes that the disk cannot read for damage already when it is opened, instead of refusing to
    /// open: what may have been in the last segment is lost then.
    pub skip_unreadable: bool,
}

impl Settings {
    fn segment_size(&self) -> u64 {
        let size = if self.segment_size == 0 { self.capacity / 8 } else { self.segment_size };
        let most = if self.segment_size == 0 { SEGMENT } else { u64::MAX / 2 };
        whole_pages(size.clamp(SMALLEST, most))
    }
}

fn whole_pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE as u64)
}

/// Messages that are written and read together.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The number of messages, at least one.
    pub rows: u32,
    /// Their time: microseconds since 1970.
    pub time: u64,
    /// The bytes, in parts.
    pub bytes: &'a [&'a [u8]],
}

impl Entry<'_> {
    fn length(&self) -> u64 {
        self.bytes.iter().map(|part| part.len() as u64).sum()
    }
}

/// The outcome of [`Store::append`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The numbers of the messages that were taken.
    pub messages: Range<u64>,
    /// The number of entries that were taken: the first ones.
    pub entries: usize,
}

/// The writing side of a buffer. Letting go of it leaves the disk as a crash of the process does; call
/// [`Store::note`] before.
pub struct Store<D: Disk> {
    disk: Arc<D>,
    settings: Settings,
    prefix: String,
    lock: D::File,
    shared: Arc<Shared>,
    id: u64,
    next_serial: u64,
    current: Option<Current<D>>,
    /// The number of the next message.
    next: u64,
    /// Every message below is durable.
    durable: u64,
    /// The progress that was told, of durable messages.
    progress: Progress,
    /// The progress that is durable in the segment that is written.
    noted: Option<Progress>,
    /// The progress that was written there since the last flush.
    written: Option<Progress>,
    /// The time of the last messages.
    time: u64,
    /// There is progress to be written.
    is_pending: bool,
    /// A segment may come back after a crash that would hide what the last one gets from now on.
    has_unsynced_unlink: bool,
    /// The sequence of the last witness.
    witness: u64,
    /// Segments that are done and could not be removed yet.
    obsolete: Vec<Segment>,
}

impl<D: Disk> Store<D> {
    /// Opens the buffer of this name, or begins one. The segments say by themselves whose they are; their
    /// heads and the last one are checked now, the rest when it is read.
    ///
    /// # Errors
    /// Another process has it, a segment is of a later version, or the system says no. No message is touched
    /// then.
    pub fn open(disk: Arc<D>, settings: Settings) -> Result<(Self, Reader<D>, Recovery), Error> {
        if settings.name.len() > LONGEST_NAME {
            return Err(Error::Name { bytes: settings.name.len(), most: LONGEST_NAME });
        }
        let prefix = format::prefix(&settings.name);
        disk.create_dir_all(&settings.dir).map_err(Error::io(&settings.dir, "cannot create"))?;
        let lock = recovery::lock(&*disk, &settings.dir, &prefix)?;
        let how = How { is_forgiving: settings.skip_unreadable, is_read_only: false };
        let found = recovery::recover(&*disk, &settings.dir, &settings.name, Some(&lock), how)?;
        let next = found.recovery.next;
        let shared = Arc::new(Shared::default());
        shared.id.store(found.recovery.id, Ordering::Relaxed);
        let progress = found.recovery.progress.clone();
        {
            let mut index = shared.index();
            index.segments = found.segments;
            index.committed = next;
            index.progress = progress.clone();
        }
        let reader = Reader::new(Arc::clone(&disk), Arc::clone(&shared), settings.dir.clone());
        let mut this = Self {
            disk,
            prefix,
            settings,
            lock,
            shared,
            id: found.recovery.id,
            next_serial: found.next_serial,
            current: found.current,
            next,
            durable: next,
            progress,
            noted: None,
            written: None,
            time: 0,
            is_pending: found.recovery.next > 0,
            has_unsynced_unlink: false,
            witness: found.witness,
            obsolete: Vec::new(),
        };
        // Segments whose removal a crash undid. A failure costs space, and the next removal tries again.
        if this.has_done_segments() {
            let _ = this.note();
        }
        Ok((this, reader, found.recovery))
    }

    /// Appends entries, with one `pwritev`: as many of the first ones as fit into the segment, at least one.
    /// They are durable after the next [`Store::commit`].
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::TooLarge`]: nothing was written. [`Error::Forgotten`]: messages that were
    /// appended *before* have to be appended again, and these as well. [`Error::Io`]: these were not taken.
    pub fn append(&mut self, entries: &[Entry<'_>]) -> Result<Appended, Error> {
        let Some(first) = entries.first() else {
            return Ok(Appended { messages: self.next..self.next, entries: 0 });
        };
        debug_assert!(entries.iter().all(|entry| entry.rows > 0), "an entry without a message has no number");
        self.time = first.time;
        self.make_room(first.length())?;
        let note = self.is_pending.then(|| self.progress.first_ranges(MOST_RANGES));
        let mut body = Vec::new();
        if let Some(note) = &note {
            note.write(&mut body);
        }
        let body = [body.as_slice()];
        let Some(current) = &mut self.current else { return Err(Error::Full) };
        let mut records = Vec::with_capacity(1 + entries.len());
        let mut bytes = 0;
        let mut next = self.next;
        if note.is_some() {
            bytes += format::total(body[0].len() as u64);
            let (kind, durable) = (Kind::Progress, self.durable);
            records.push(Record { kind, first: next, durable, time: first.time, rows: 0, body: &body });
        }
        for entry in entries {
            bytes += format::total(entry.length());
            // The first one fits, with the note: there was made room for it.
            if next > self.next && (!current.has_room(bytes, false) || entry.length() > LARGEST_BODY) {
                break;
            }
            let (time, rows, durable) = (entry.time, entry.rows, self.durable);
            records.push(Record { kind: Kind::Entry, first: next, durable, time, rows, body: entry.bytes });
            next += u64::from(rows);
        }
        let taken = records.len() - usize::from(note.is_some());
        current.write(&self.disk, &records).map_err(Error::io(&current.path, "cannot write"))?;
        current.is_dirty = true;
        if note.is_some() {
            self.written = note;
            self.is_pending = false;
        }
        let messages = self.next..next;
        self.next = next;
        self.note_times(&entries[..taken], messages.start);
        Ok(Appended { messages, entries: taken })
    }

    /// Returns when all that was appended is on the disk.
    ///
    /// # Errors
    /// [`Error::Forgotten`]: these messages have to be appended again. [`Error::Io`]: the same without
    /// messages.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|current| current.is_dirty) && self.is_pending {
            // It rides along; if it cannot, it waits for the next one.
            let _ = self.write_note(false);
        }
        self.flush()?;
        self.remove_done();
        Ok(())
    }

    /// Remembers what the destination has taken. It is written along with the next append or commit, and at
    /// once when that frees a segment. What is not durable yet is left out: tell it again, as part of the
    /// whole.
    ///
    /// # Errors
    /// As for [`Store::note`]; it is remembered all the same.
    pub fn delivered(&mut self, done: &Progress) -> Result<(), Error> {
        if !self.progress.merge(done, self.durable) {
            return Ok(());
        }
        self.shared.index().progress.merge(&self.progress, self.durable);
        self.is_pending = true;
        if self.has_done_segments() { self.note() } else { Ok(()) }
    }

    /// Makes durable what was told to [`Store::delivered`], and all that was appended; frees what is done.
    ///
    /// # Errors
    /// As for [`Store::commit`]; the same call can be tried again.
    pub fn note(&mut self) -> Result<(), Error> {
        if self.is_pending && self.next > 0 {
            self.write_note(true)?;
        }
        self.flush()?;
        self.remove_done();
        Ok(())
    }

    /// The extent of the buffer.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::of(&self.shared.index());
        usage.bytes += self.obsolete.iter().map(|segment| segment.size).sum::<u64>();
        usage.segments += self.obsolete.len() as u64;
        Usage { capacity: self.settings.capacity, next: self.next, ..usage }
    }

    /// Changes the capacity. A smaller one holds as soon as enough segments were freed.
    pub fn set_capacity(&mut self, capacity: u64) {
        self.settings.capacity = capacity;
    }

    /// The most bytes of one entry, in the empty buffer.
    pub fn largest_entry(&self) -> u64 {
        let fixed = 2 * SMALLEST + RECORDS + NOTE + 2 * HEAD as u64 + RESERVE + PAGE as u64;
        self.settings.capacity.saturating_sub(fixed).min(LARGEST_BODY)
    }

    /// The file whose lock keeps others out. Whoever has a copy of its descriptor keeps them out, too.
    pub fn lock_file(&self) -> &D::File {
        &self.lock
    }

    /// The bytes that the file system of the buffer still has.
    ///
    /// # Errors
    /// The system says no.
    pub fn free_space(&self) -> Result<u64, Error> {
        let dir = &self.settings.dir;
        self.disk.free_space(dir).map_err(Error::io(dir, "cannot be looked at"))
    }

    fn note_times(&self, entries: &[Entry<'_>], mut first: u64) {
        let mut index = self.shared.index();
        let Some(segment) = index.segments.back_mut() else { return };
        for entry in entries {
            segment.note_time(first, entry.time);
            first += u64::from(entry.rows);
        }
    }

    /// Writes progress into the segment; with `must`, into a new one if it has no room.
    fn write_note(&mut self, must: bool) -> Result<(), Error> {
        let note = self.progress.first_ranges(MOST_RANGES);
        let mut body = Vec::new();
        note.write(&mut body);
        let bytes = format::total(body.len() as u64);
        if !self.current.as_ref().is_some_and(|current| current.has_room(bytes, must)) {
            if !must {
                return Ok(());
            }
            self.rotate(SMALLEST)?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let (first, durable, time) = (self.next, self.durable, self.time);
        let record = Record { kind: Kind::Progress, first, durable, time, rows: 0, body: &[body.as_slice()] };
        current.write(&self.disk, &[record]).map_err(Error::io(&current.path, "cannot write"))?;
        current.is_dirty = true;
        self.written = Some(note);
        self.is_pending = false;
        Ok(())
    }

    /// Makes durable what is in the segment, and marks it.
    fn flush(&mut self) -> Result<(), Error> {
        let Some(current) = self.current.as_mut().filter(|current| current.is_dirty) else { return Ok(()) };
        let synced = self.disk.sync_data(&current.file).and_then(|()| {
            if self.disk.is_linked(&current.file)? {
                return Ok(());
            }
            Err(io::Error::new(ErrorKind::NotFound, "somebody removed the file"))
        });
        if let Err(source) = synced {
            let path = current.path.clone();
            let messages = self.durable..self.next;
            self.abandon();
            return Err(if messages.is_empty() {
                Error::Io { path, doing: "cannot be made durable", source }
            } else {
                Error::Forgotten { messages, path, source }
            });
        }
        current.is_dirty = false;
        current.has_durable = true;
        self.durable = self.next;
        self.shared.index().committed = self.next;
        if let Some(written) = self.written.take() {
            self.noted = Some(written);
        }
        // Without a wait: it tells a torn end from a damaged one, and a crash may lose it.
        let (first, durable, time) = (self.next, self.durable, self.time);
        let mark = Record { kind: Kind::Mark, first, durable, time, rows: 0, body: &[] };
        if current.has_room(HEAD as u64 + RESERVE / 2, true) {
            let _ = current.write(&self.disk, &[mark]);
        }
        self.witness += 1;
        let below = self.progress.below();
        let (at, bytes) = Witness { sequence: self.witness, id: self.id, durable, below }.write();
        let _ = write_all(&*self.disk, &self.lock, &mut [IoSlice::new(&bytes)], at);
        Ok(())
    }

    /// Ends the segment at the last durable message.
    fn abandon(&mut self) {
        let is_void = self.current.take().is_some_and(|current| !current.has_durable);
        self.next = self.durable;
        self.noted = None;
        self.written = None;
        self.is_pending = true;
        if let Some(segment) = self.shared.index().segments.back_mut() {
            segment.end = Some(self.durable);
            segment.is_void = is_void;
        }
    }
}
