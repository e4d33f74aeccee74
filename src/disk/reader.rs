//! The reader: entries in their order, with what is missing of them, from file handles of its own.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::Error;
use super::format::{Kind, RECORDS, Seed};
use super::index::Shared;
use super::scan::{Cursor, Damage, Damaged, Step, View};
use super::system::Disk;

/// The bytes between two places that are remembered, for going back.
const BETWEEN_PLACES: u64 = 1 << 20;
/// The attempts to read a place before it is passed over.
pub(super) const ATTEMPTS: u32 = 3;

/// The next thing in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// An entry, as it was appended.
    Entry {
        /// Its messages. The first one may be before the one that was asked for.
        messages: Range<u64>,
        /// Its time, as it was given.
        time: u64,
        /// Those of them that are done already: in order, never all.
        done: Vec<Range<u64>>,
    },
    /// These messages are lost, and `messages` is never empty. Going on behind them is safe; they become part
    /// of what is told to [`super::Store::delivered`], so that the segment ends.
    Lost(Damaged),
    /// Nothing is durable beyond.
    End,
}

/// The reading side of a buffer, for one thread. It reads only what is durable.
pub struct Reader<D: Disk> {
    disk: Arc<D>,
    shared: Arc<Shared>,
    /// The directory, for what is in no segment.
    dir: PathBuf,
    open: Option<Open<D>>,
    /// The message at which reading failed, and how often.
    failed: (u64, u32),
}

/// The segment that is read.
struct Open<D: Disk> {
    serial: u64,
    file: D::File,
    /// Its length, which does not change.
    len: u64,
    path: PathBuf,
    seed: Seed,
    track: Track,
}

/// The way through a segment.
struct Track {
    cursor: Cursor,
    /// Places in order, some of them.
    places: Vec<Cursor>,
}

/// The answer to where a message is.
enum Place {
    Segment { serial: u64, path: PathBuf, first: u64, end: u64 },
    Nowhere { until: u64, path: PathBuf },
    End,
}

impl<D: Disk> Reader<D> {
    pub(super) fn new(disk: Arc<D>, shared: Arc<Shared>, dir: PathBuf) -> Self {
        Self { disk, shared, dir, open: None, failed: (0, 0) }
    }

    /// Reads the entry of the first message from `from` on that is not done; its bytes replace what is in
    /// `into`. In order it is fast; any other place is found as well.
    ///
    /// # Errors
    /// The disk cannot read. The same call can be tried again, after a pause; the third failure at one place
    /// is [`Read::Lost`].
    pub fn next(&mut self, from: u64, into: &mut Vec<u8>) -> Result<Read, Error> {
        loop {
            let message = self.shared.index().progress.next_open(from);
            let (serial, path, first, end) = match self.place(message) {
                Place::Segment { serial, path, first, end } => (serial, path, first, end),
                Place::Nowhere { until, path } => {
                    return Ok(self.lost(message..until, path, 0, Damage::Missing));
                }
                Place::End => return Ok(Read::End),
            };
            if let Err(error) = self.open(serial, &path, first) {
                if error.kind() != io::ErrorKind::NotFound {
                    return Err(Error::io(&path, "cannot open")(error));
                }
                // Freed just now, because it is done; or somebody removed it.
                if self.shared.index().segment(serial).is_none() {
                    continue;
                }
                return Ok(self.lost(message..end, path, 0, Damage::Missing));
            }
            let is_forgiving = self.failed == (message, ATTEMPTS - 1);
            match self.read(message, end, is_forgiving, into) {
                Ok(read) => return Ok(read),
                Err(error) => {
                    let again = if self.failed.0 == message { self.failed.1 + 1 } else { 1 };
                    self.failed = (message, again.min(ATTEMPTS - 1));
                    return Err(Error::io(&path, "cannot read")(error));
                }
            }
        }
    }

    fn place(&self, message: u64) -> Place {
        let index = self.shared.index();
        if message >= index.committed {
            return Place::End;
        }
        let after = index.segments.partition_point(|segment| segment.first <= message);
        let before = after.checked_sub(1);
        if let Some(at) = before
            && message < index.messages(at).end
        {
            let segment = &index.segments[at];
            let Range { start: first, end } = index.messages(at);
            return Place::Segment { serial: segment.serial, path: segment.path.clone(), first, end };
        }
        let next = index.segments.get(after);
        let path = before.map_or(next, |at| index.segments.get(at)).map(|segment| segment.path.clone());
        let until = next.map_or(index.committed, |segment| segment.first.min(index.committed));
        Place::Nowhere { until, path: path.unwrap_or_else(|| self.dir.clone()) }
    }

    /// Opens the segment, unless it is open.
    fn open(&mut self, serial: u64, path: &std::path::Path, first: u64) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.serial == serial) {
            return Ok(());
        }
        let file = self.disk.open(path, false)?;
        let len = self.disk.len(&file)?;
        let seed = Seed::new(self.shared.id.load(Ordering::Relaxed), serial);
        let cursor = Cursor { at: RECORDS, next: first };
        let path = path.to_owned();
        let track = Track { cursor, places: vec![cursor] };
        self.open = Some(Open { serial, file, len, path, seed, track });
        Ok(())
    }

    /// Reads the entry of `message` in the open segment, whose messages end at `end`.
    fn read(&mut self, message: u64, end: u64, forgiving: bool, into: &mut Vec<u8>) -> io::Result<Read> {
        let Some(Open { serial, file, len, path, seed, track }) = &mut self.open else {
            return Ok(Read::End);
        };
        let view = View { disk: &*self.disk, file, seed: *seed, len: *len, is_forgiving: forgiving };
        let bad = if forgiving { Damage::Unreadable } else { Damage::Checksum };
        let mut cursor = track.start(message);
        let mut is_whole = false;
        let mut is_skipped = false;
        let (lost, at, why) = loop {
            let start = cursor;
            match view.step(&mut cursor)? {
                Step::Skipped(_) => (is_skipped, is_whole) = (true, false),
                // Without anything in between they were lost before, and the segment is a repaired one.
                Step::Gap(missing) if missing.end > message => {
                    break (missing, start.at, if is_skipped { bad } else { Damage::Missing });
                }
                Step::Gap(_) => {}
                Step::End { .. } => {
                    let why = if is_whole { Damage::Missing } else { Damage::Cut };
                    break (message..end, start.at, if forgiving { bad } else { why });
                }
                Step::Record { at, head } => {
                    (is_skipped, is_whole) = (false, head.kind == Kind::End);
                    let messages = head.messages();
                    // All of it counts, or nothing: the successor begins between two entries.
                    if head.kind != Kind::Entry || messages.end <= message {
                        track.go_on(cursor);
                        continue;
                    }
                    if messages.start >= end {
                        break (message..end, at, Damage::Cut);
                    }
                    if !view.body(at, &head, into)? {
                        break (messages, at, bad);
                    }
                    track.go_on(cursor);
                    let mut index = self.shared.index();
                    if let Some(segment) = index.segment(*serial) {
                        segment.note_time(head.first, head.time);
                    }
                    let done = index.progress.within(&messages);
                    return Ok(Read::Entry { messages, time: head.time, done });
                }
            }
        };
        let path = path.clone();
        Ok(self.lost(message..lost.end.min(end), path, at, why))
    }

    /// The loss of messages, up to the next one that is done already.
    fn lost(&mut self, messages: Range<u64>, file: PathBuf, at: u64, why: Damage) -> Read {
        let mut index = self.shared.index();
        if let Some(open) = &self.open
            && open.path == file
            && let Some(segment) = index.segment(open.serial)
        {
            segment.is_damaged = true;
        }
        let done = index.progress.within(&messages);
        let end = done.first().map_or(messages.end, |range| range.start);
        self.failed = (0, 0);
        Read::Lost(Damaged { file, at, messages: messages.start..end, why })
    }
}

impl Track {
    /// The place to begin at for `message`: an earlier one, when it is not ahead.
    fn start(&mut self, message: u64) -> Cursor {
        if self.cursor.next > message {
            let after = self.places.partition_point(|place| place.next <= message);
            self.cursor = self.places[after.saturating_sub(1)];
        }
        self.cursor
    }

    fn go_on(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        if self.places.last().is_none_or(|last| cursor.at >= last.at + BETWEEN_PLACES) {
            self.places.push(cursor);
        }
    }
}
