//! The way from one segment to the next, within the capacity.

use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{NOTE, SMALLEST, Store, whole_pages};
use crate::disk::error::Error;
use crate::disk::format::{self, HEAD, Kind, PAGE, RECORDS, Seed, SegmentHead, file_name};
use crate::disk::index::Segment;
use crate::disk::recovery;
use crate::disk::segment::{Current, RESERVE, Record, write_all};
use crate::disk::system::Disk;

impl<D: Disk> Store<D> {
    /// Rotates if an entry of `length` bytes does not fit.
    pub(super) fn make_room(&mut self, length: u64) -> Result<(), Error> {
        let most = self.largest_entry();
        if length > most {
            return Err(Error::TooLarge { bytes: length, most });
        }
        if self.has_unsynced_unlink {
            let dir = &self.settings.dir;
            self.disk.sync_dir(dir).map_err(Error::io(dir, "cannot be made durable"))?;
            self.has_unsynced_unlink = false;
        }
        let note = if self.is_pending { NOTE } else { 0 };
        let bytes = format::total(length) + note;
        if self.current.as_ref().is_some_and(|current| current.has_room(bytes, false)) {
            return Ok(());
        }
        let needed = whole_pages(RECORDS + format::total(length) + NOTE + HEAD as u64 + RESERVE);
        if self.free_capacity() < needed && self.progress.covers(&(0..self.next)) {
            // Only the last segment is left, and nothing in it is open: a small one takes its place.
            self.rotate(SMALLEST)?;
            self.note()?;
        }
        let free = self.free_capacity();
        if free < needed {
            return Err(Error::Full);
        }
        self.rotate(self.settings.segment_size().min(free).max(needed))
    }

    /// The bytes, in whole pages, that a new segment may have.
    pub(super) fn free_capacity(&self) -> u64 {
        let free = self.settings.capacity.saturating_sub(SMALLEST).saturating_sub(self.allocated());
        free / PAGE as u64 * PAGE as u64
    }

    /// The bytes of all segments but those that hold nothing.
    pub(super) fn allocated(&self) -> u64 {
        let index = self.shared.index();
        let all = index.segments.iter().filter(|segment| segment.end != Some(segment.first));
        all.chain(&self.obsolete).map(|segment| segment.size).sum()
    }

    /// Goes on in a new segment, once all of the old one is durable.
    pub(super) fn rotate(&mut self, size: u64) -> Result<(), Error> {
        self.flush()?;
        self.keep_directory()?;
        if self.id == 0 {
            self.id = self.disk.random().map_err(Error::io(&self.settings.dir, "no random number"))?.max(1);
            self.shared.id.store(self.id, Ordering::Relaxed);
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let path = self.settings.dir.join(file_name(&self.prefix, serial, self.next));
        let file = self.create(&path, serial, size)?;
        let seed = Seed::new(self.id, serial);
        let new = Current {
            file,
            path,
            size,
            seed,
            at: RECORDS,
            is_dirty: false,
            has_durable: false,
            is_broken: false,
        };
        let (first, durable, time) = (self.next, self.durable, self.time);
        {
            let mut index = self.shared.index();
            if let Some(old) = index.segments.back_mut() {
                old.end = Some(first);
                old.is_void |= self.current.as_ref().is_some_and(|current| !current.has_durable);
            }
            // The new one says the same, and is durable. A disk that fails again and again must not be
            // filled.
            if index.segments.back().is_some_and(|old| old.is_void) {
                self.obsolete.extend(index.segments.pop_back());
            }
            index.segments.push_back(Segment::new(serial, new.path.clone(), first, size, self.time));
        }
        if let Some(mut old) = self.current.replace(new)
            && old.has_room(0, true)
        {
            let end = Record { kind: Kind::End, first, durable, time, rows: 0, body: &[] };
            let _ = old.write(&self.disk, &[end]);
        }
        // The segments before it go only when this one says what was delivered.
        self.noted = None;
        self.written = None;
        self.is_pending = first > 0;
        self.remove_obsolete();
        Ok(())
    }

    /// Makes the directory anew, and takes the lock again, if somebody removed them.
    pub(super) fn keep_directory(&mut self) -> Result<(), Error> {
        let dir = &self.settings.dir;
        if self.disk.is_linked(&self.lock).is_ok_and(|is_linked| is_linked) {
            return Ok(());
        }
        self.disk.create_dir_all(dir).map_err(Error::io(dir, "cannot create"))?;
        self.lock = recovery::lock(&*self.disk, dir, &self.prefix)?;
        Ok(())
    }

    /// A new segment, durable with its name and its head. If it fails, there is none.
    pub(super) fn create(&mut self, path: &Path, serial: u64, size: u64) -> Result<D::File, Error> {
        let dir = &self.settings.dir;
        let file = self.disk.create(path).map_err(Error::io(path, "cannot create"))?;
        let (name, id, first) = (self.settings.name.clone(), self.id, self.next);
        let head = SegmentHead { name, id, serial, first, size, time: self.time }.write();
        let make = || -> io::Result<()> {
            match self.disk.allocate(&file, size) {
                Err(error) if error.kind() == ErrorKind::Unsupported => self.disk.set_len(&file, size)?,
                done => done?,
            }
            write_all(&*self.disk, &file, &mut [IoSlice::new(&head)], 0)?;
            self.disk.sync_data(&file)?;
            self.disk.sync_dir(dir)
        };
        if let Err(error) = make() {
            drop(file);
            let is_gone = self.disk.unlink(path).and_then(|()| self.disk.sync_dir(dir));
            self.has_unsynced_unlink |= is_gone.is_err();
            return Err(Error::io(path, "cannot create")(error));
        }
        Ok(file)
    }
}
