//! The troubles with an input: [`Trouble`]. Each is told once, until it is another one or over, and an input
//! that cannot be read is tried again after a pause that doubles.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::source::EngineLog;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Says what is wrong with an input.
pub(crate) struct Trouble {
    log: Arc<dyn EngineLog>,
    /// The source and the input, as the log calls them.
    name: String,
    /// The one that was told and is not over.
    told: Option<String>,
    pause: Duration,
    until: Option<Instant>,
    has_told_cuts: bool,
    has_told_encoding: bool,
}

impl Trouble {
    /// None so far, of `name`.
    pub(crate) fn new(log: &Arc<dyn EngineLog>, name: String) -> Self {
        Self {
            log: Arc::clone(log),
            name,
            told: None,
            pause: FIRST_PAUSE,
            until: None,
            has_told_cuts: false,
            has_told_encoding: false,
        }
    }

    /// Tells whether the pause after the last failure is not over.
    pub(crate) fn waits(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// It could not be read; the pause until it is tried again.
    pub(crate) fn failed(&mut self, error: &io::Error, now: Instant) -> Duration {
        let text = error.to_string();
        if self.told.as_ref() != Some(&text) {
            self.log.error(&format!("{} cannot be read, and is tried again: {text}", self.name));
            self.told = Some(text);
        }
        let pause = self.pause;
        self.until = Some(now + pause);
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// It is read.
    pub(crate) fn is_over(&mut self) {
        if self.told.take().is_some() {
            self.log.info(&format!("{} is read again", self.name));
        }
        (self.until, self.pause) = (None, FIRST_PAUSE);
    }

    /// Something that one may want to know.
    pub(crate) fn note(&mut self, what: &str) {
        self.log.warning(&format!("{} {what}", self.name));
    }

    /// So many messages were cut, and so many places were not of the encoding: told the first time.
    pub(crate) fn note_damage(&mut self, cut: u64, invalid: u64) {
        if cut > 0 && !std::mem::replace(&mut self.has_told_cuts, true) {
            self.note("has a message that is longer than log-msg-size(): it comes in parts, as others will");
        }
        if invalid > 0 && !std::mem::replace(&mut self.has_told_encoding, true) {
            self.note("has bytes that are no text of its encoding(): they are left out, as others will be");
        }
    }
}
