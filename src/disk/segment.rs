//! The segment that is written: its file, the place of the next record, and one `pwritev` for many of them.

use std::io::{self, ErrorKind, IoSlice};
use std::path::PathBuf;

use super::format::{HEAD, Kind, RecordHead, Seed};
use super::system::Disk;

/// The most slices of one call of the system.
const MOST_SLICES: usize = 1024;
/// The room at the end of a segment that is for notes alone: a full buffer on a full disk needs them to get
/// empty.
pub(super) const RESERVE: u64 = 4096;

/// The segment that is written.
pub(super) struct Current<D: Disk> {
    pub file: D::File,
    pub path: PathBuf,
    pub size: u64,
    pub seed: Seed,
    /// The place of the next record.
    pub at: u64,
    /// Something was written that is not known to be durable; marks do not count.
    pub is_dirty: bool,
    /// Something in it may be durable, be it a note.
    pub has_durable: bool,
    /// A write failed: nothing more goes into it.
    pub is_broken: bool,
}

/// A record to be written: its head but for the check of the body, and its body.
pub(super) struct Record<'a> {
    pub kind: Kind,
    pub first: u64,
    pub durable: u64,
    pub time: u64,
    pub rows: u32,
    pub body: &'a [&'a [u8]],
}

impl Record<'_> {
    fn length(&self) -> usize {
        self.body.iter().map(|part| part.len()).sum()
    }
}

impl<D: Disk> Current<D> {
    /// Tells whether `bytes` more fit, and an end behind them; into the reserve only for notes.
    pub(super) fn has_room(&self, bytes: u64, is_note: bool) -> bool {
        let most = if is_note { self.size } else { self.size.saturating_sub(RESERVE) };
        !self.is_broken && self.at + bytes + HEAD as u64 <= most
    }

    /// Writes records, one behind the other.
    pub(super) fn write(&mut self, disk: &D, records: &[Record<'_>]) -> io::Result<()> {
        const PADDING: [u8; 8] = [0; 8];
        let mut at = self.at;
        let mut heads = Vec::with_capacity(records.len());
        for record in records {
            let check = record.body.iter().fold(0, |check, part| crc32c::crc32c_append(check, part));
            let &Record { kind, first, durable, time, rows, .. } = record;
            let head = RecordHead { kind, first, durable, time, rows, length: record.length() as u32, check };
            heads.push(head.write(self.seed, at));
            at += head.total();
        }
        let mut slices = Vec::with_capacity(records.len() * 3);
        for (record, head) in records.iter().zip(&heads) {
            slices.push(IoSlice::new(head));
            slices.extend(record.body.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)));
            let length = record.length();
            slices.push(IoSlice::new(&PADDING[..length.next_multiple_of(8) - length]));
        }
        if let Err(error) = write_all(disk, &self.file, &mut slices, self.at) {
            self.is_broken = true;
            return Err(error);
        }
        self.at = at;
        Ok(())
    }
}

/// Writes all of the slices at an offset.
pub(super) fn write_all<D: Disk>(
    disk: &D,
    file: &D::File,
    mut slices: &mut [IoSlice<'_>],
    mut at: u64,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let most = slices.len().min(MOST_SLICES);
        let count = disk.write_vectored_at(file, &slices[..most], at)?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        at += count as u64;
        IoSlice::advance_slices(&mut slices, count);
    }
    Ok(())
}
