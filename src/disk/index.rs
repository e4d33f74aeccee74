//! The index of the segments: shared by the writer and the reader, in memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::progress::Progress;

/// The most samples of times in a segment.
const MOST_SAMPLES: usize = 256;

/// A segment that is there.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub serial: u64,
    pub path: PathBuf,
    /// Its first message.
    pub first: u64,
    /// The end of its messages; none yet for the one that is written.
    pub end: Option<u64>,
    /// The bytes that it has on the disk.
    pub size: u64,
    /// Something in it is wrong: it is kept aside when it is done.
    pub is_damaged: bool,
    /// Nothing in it was ever durable, and it ended.
    pub is_void: bool,
    /// Numbers of messages with their times, some of them, in order.
    times: Vec<(u64, u64)>,
    /// The time between two samples, in microseconds.
    apart: u64,
}

impl Segment {
    pub(super) fn new(serial: u64, path: PathBuf, first: u64, size: u64, time: u64) -> Self {
        let times = vec![(first, time)];
        Self {
            serial,
            path,
            first,
            end: None,
            size,
            is_damaged: false,
            is_void: false,
            times,
            apart: 1_000_000,
        }
    }

    /// Notes the time of a message.
    pub(super) fn note_time(&mut self, first: u64, time: u64) {
        let Some(last) = self.times.last_mut() else { return };
        // The first messages say more than the creation of the file.
        if last.0 == first {
            last.1 = time;
        } else if first > last.0 && time >= last.1.saturating_add(self.apart) {
            self.times.push((first, time));
        }
        if self.times.len() > MOST_SAMPLES {
            let mut count = 0;
            self.times.retain(|_| {
                count += 1;
                count % 2 == 1
            });
            self.apart *= 2;
        }
    }

    /// The time of a message, or of one a little before it.
    fn time(&self, message: u64) -> Option<u64> {
        let after = self.times.partition_point(|sample| sample.0 <= message);
        self.times.get(after.checked_sub(1)?).map(|sample| sample.1)
    }
}

/// The state that writer and reader share.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// In order of their numbers.
    pub segments: VecDeque<Segment>,
    /// Every message below is durable, and can be read.
    pub committed: u64,
    /// The messages that are done.
    pub progress: Progress,
}

impl Index {
    /// The messages of the segment at a place.
    pub(super) fn messages(&self, at: usize) -> Range<u64> {
        let segment = &self.segments[at];
        segment.first..segment.end.unwrap_or(self.committed)
    }

    /// The segment with a serial.
    pub(super) fn segment(&mut self, serial: u64) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|segment| segment.serial == serial)
    }
}

/// The index behind its lock, which is never held while the disk is waited for.
#[derive(Debug, Default)]
pub(super) struct Shared {
    index: Mutex<Index>,
    /// The random number of the buffer; 0 before its first segment.
    pub id: std::sync::atomic::AtomicU64,
}

impl Shared {
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The extent of a buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The bytes of its segments on the disk, as they are allocated.
    pub bytes: u64,
    /// The most bytes that they may have.
    pub capacity: u64,
    /// The number of segments.
    pub segments: u64,
    /// The number of messages in it that are durable and not delivered, with those that are lost and not yet
    /// passed over.
    pub messages: u64,
    /// The number that the next message gets.
    pub next: u64,
    /// The time of the oldest of them: microseconds since 1970. It may be that of a message some seconds
    /// older.
    pub oldest: Option<u64>,
}

impl Usage {
    pub(super) fn of(index: &Index) -> Self {
        let open = index.progress.next_open(0);
        let at = index.segments.partition_point(|segment| segment.first <= open).saturating_sub(1);
        let oldest = (open < index.committed).then(|| index.segments.get(at)?.time(open)).flatten();
        Self {
            bytes: index.segments.iter().map(|segment| segment.size).sum(),
            capacity: 0,
            segments: index.segments.len() as u64,
            messages: index.committed.saturating_sub(index.progress.count()),
            next: index.committed,
            oldest,
        }
    }
}
