//! `mark-mode()`: `-- MARK --` in a quiet log, so that whoever reads it knows that it is alive.
//!
//! Marks go to each far end that is open and takes lines. While one does not, none wait for it.

use std::time::{Duration, Instant};

/// The text of a mark.
pub(crate) const MARK: &str = "-- MARK --";
/// Its facility and severity: syslog.info.
pub(super) const MARK_PRI: u16 = 5 * 8 + 6;

/// The messages that put a mark off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// `periodical`: nothing.
    Never,
    /// `dst-idle`: a message for the destination.
    Destination,
    /// `host-idle`: one of them that comes from this host.
    Host,
}

/// The marks of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// `mark-mode()`
    pub quiet: Quiet,
    /// `mark-freq()`: not zero.
    pub every: Duration,
}

/// The time of the next mark.
#[derive(Debug)]
pub(super) struct NextMark {
    marks: Marks,
    pub(super) at: Instant,
}

impl NextMark {
    pub(super) fn new(marks: Marks, now: Instant) -> Self {
        Self { marks, at: now + marks.every }
    }

    /// Notes that messages have come; `is_local` where they are those of this host.
    #[inline]
    pub(super) fn note(&mut self, is_local: bool) {
        match self.marks.quiet {
            Quiet::Never => {}
            Quiet::Host if !is_local => {}
            Quiet::Destination | Quiet::Host => self.at = Instant::now() + self.marks.every,
        }
    }

    /// Tells whether a mark is due; then the next one is later.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now < self.at {
            return false;
        }
        self.at += self.marks.every;
        // After a long pause, one mark is enough.
        if self.at <= now {
            self.at = now + self.marks.every;
        }
        true
    }
}
