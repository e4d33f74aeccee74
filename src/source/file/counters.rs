//! The counts of a source's files: [`FileCounters`].

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of the files of one source, which its thread writes.
#[derive(Debug, Default)]
pub(crate) struct FileCounters {
    bytes: AtomicU64,
    lag: AtomicU64,
    open: AtomicU64,
    waiting: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileTotals {
    /// Bytes that were read.
    pub bytes: u64,
    /// Bytes that are in the files and were not read yet, as of the last look.
    pub lag: u64,
    /// Files that are open.
    pub open: u64,
    /// Files that wait: they are missing, or there are more than `max-files()`.
    pub waiting: u64,
}

impl FileCounters {
    /// The counts are these now.
    pub(super) fn set(&self, totals: FileTotals) {
        let FileTotals { bytes, lag, open, waiting } = totals;
        self.bytes.store(bytes, Ordering::Relaxed);
        self.lag.store(lag, Ordering::Relaxed);
        self.open.store(open, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// The counts.
    pub(crate) fn totals(&self) -> FileTotals {
        FileTotals {
            bytes: self.bytes.load(Ordering::Relaxed),
            lag: self.lag.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

impl FileTotals {
    /// Adds what an earlier life of the same source has read.
    pub(crate) fn add(&mut self, earlier: &Self) {
        self.bytes += earlier.bytes;
    }
}
