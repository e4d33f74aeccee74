//! Destinations: where messages go, and how a driver keeps what it cannot write.
//!
//! A driver lives on a thread of its own. The engine takes what is in the driver's inbox, gives it
//! each [`Delivery`](crate::flow::Delivery) with `push`, and then calls `flush` once: so a driver that
//! falls behind sees larger groups and makes fewer system calls. Between two rounds the thread sleeps
//! until something comes in, or until the driver's `next_deadline`.
//!
//! A delivery holds the credit of its batch, and a driver drops it when the last of its messages is
//! written, not before. A driver that cannot write keeps its deliveries, and their source is held
//! back by that alone.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub mod descriptors;
pub mod drops;
pub mod file;

pub use descriptors::Descriptors;
pub use file::{FileDestination, FileSettings, LineFormat};

/// Most bytes that wait for one destination without the credit of a source: what the byte half of the
/// credit is for the others.
pub const UNHELD_BYTES: u64 = 64 * 1024 * 1024;

/// How important a [`Report`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something is not done.
    Error,
    /// Something is done in another way than asked for.
    Warning,
    /// Something that was reported as an error is well again.
    Notice,
}

/// What a driver has to say to whoever runs the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How important it is.
    pub severity: Severity,
    /// What happened, with the thing's name and what happens next.
    pub text: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where a driver's reports go; called on the driver's thread.
pub type ReportFn = Arc<dyn Fn(Report) + Send + Sync>;

/// What is counted of one destination. `queued + delivered + dropped` is what came for it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that it was given and has not written: raised before a push, lowered by the driver.
    pub queued: AtomicU64,
    /// Messages written.
    pub delivered: AtomicU64,
    /// Messages that it was given, or was to be given, and that will not be written.
    pub dropped: AtomicU64,
    /// Bytes written, those of lines that are not complete yet included.
    pub bytes: AtomicU64,
    /// Attempts to write again after a failure.
    pub retries: AtomicU64,
    /// Failures to open or to write.
    pub errors: AtomicU64,
    /// Files that are open.
    pub open_files: AtomicU64,
}

impl Counters {
    fn count_delivered(&self, messages: u64) {
        self.delivered.fetch_add(messages, Ordering::Relaxed);
        self.queued.fetch_sub(messages, Ordering::Relaxed);
    }

    /// Counts messages for which its queue has no place, and that it is not given.
    pub(crate) fn count_refused(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
        self.queued.fetch_sub(messages, Ordering::Relaxed);
    }
}
