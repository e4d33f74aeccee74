//! The far end of a stream: how it is opened, and what is said of it: [`Connect`].

use std::fmt;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::sink::Sink;
use super::{Opening, unwritable};
use crate::destination::{Report, Wake};

/// Opens the far end of a stream.
///
/// The debug text is part of what makes a destination the same after a reload.
pub trait Connect: fmt::Debug + Send + Sync {
    /// The kind of far end, as `file`.
    fn kind(&self) -> &'static str;

    /// Opens what `path` names. `wake` brings the destination to look after it.
    ///
    /// What takes its time is begun, and asked for again after a wake: until then the error is `INPROGRESS`.
    ///
    /// # Errors
    /// Those of the system; [`in_words`](Self::in_words) knows what they mean here.
    fn connect(&self, path: &[u8], wake: &Wake) -> Result<Sink, Errno>;

    /// Told that what `path` names stays open over a reload: a warning, where there is one.
    fn goes_on(&self, path: &[u8]) -> Option<String> {
        let _ = path;
        None
    }

    /// Puts `error`, which connecting or writing gave, in words.
    fn in_words(&self, error: Errno) -> String;

    /// The time after which the failure `error` is tried again, where `time-reopen()` is `time_reopen`.
    fn retry_after(&self, error: Errno, time_reopen: Duration) -> Duration {
        let _ = error;
        time_reopen
    }

    /// Tells that what was written and not read is gone when the far end is closed: so it stays open, over a
    /// reload and when descriptors are short.
    fn holds_data(&self) -> bool {
        false
    }

    /// Tells that it stays open over a reload that does not change where it leads to.
    fn survives_reload(&self) -> bool {
        self.holds_data()
    }

    /// The line for the log about what was just opened, where there is one.
    fn opened_in_words(&self) -> Option<String> {
        None
    }

    /// Reads again what it has read of files, at a reload that keeps the destination: what there is to say.
    fn read_again(&self) -> Vec<Report> {
        Vec::new()
    }

    /// Tells that a far end that takes nothing for a while counts as one that cannot be written: it may never
    /// take anything again, and paths without flow control do not wait for it.
    fn may_stall(&self) -> bool {
        false
    }

    /// The time that it needs to end before `deadline`, at the stop of the destination.
    fn stops_by(&self, deadline: Instant) -> Duration {
        let _ = deadline;
        Duration::ZERO
    }

    /// Tells that it is closed at a reload that keeps the destination, and opened again.
    fn ends_at_reload(&self) -> bool {
        false
    }

    /// Tells that it is open from the start on, and again when it has gone, whether there are messages or
    /// not.
    fn is_eager(&self) -> bool {
        false
    }
}

impl Connect for Opening {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn connect(&self, path: &[u8], _: &Wake) -> Result<Sink, Errno> {
        Sink::open(path, self)
    }

    fn in_words(&self, error: Errno) -> String {
        unwritable::in_words(error, self.create_dirs)
    }
}
