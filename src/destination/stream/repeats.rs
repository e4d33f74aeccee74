//! `suppress()`: of lines that are repeated, the first is written, and then their number.
//!
//! ```text
//!  a  b  b  b  b  c      ─►   a │ b │ Last message 'b' repeated 3 times, … │ c
//! ```
//!
//! A message repeats the last one that was written to its file if MESSAGE, HOST, PROGRAM and PID are the same
//! and it comes within `suppress()` of it. It counts as delivered as soon as it is counted here. The line with
//! the number comes when the time is over, before the next message that is another one, and before the
//! destination ends or leaves its files to another.

use std::time::{Duration, Instant};

use crate::message::{FieldName, MessageRef, Selection};

/// The most bytes of a message that are quoted: those of the original.
const QUOTED: usize = 20;

/// The last message that was written, and how often it was repeated since.
#[derive(Debug)]
pub(super) struct Last {
    text: Vec<u8>,
    host: Vec<u8>,
    program: Vec<u8>,
    pid: Vec<u8>,
    pri: u16,
    at: Instant,
    repeated: u64,
}

/// A message that was repeated.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) text: Vec<u8>,
    pub(super) host: Vec<u8>,
    pub(super) program: Vec<u8>,
    pub(super) pri: u16,
}

/// A part of what comes for a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Rows that are written: the index of the first in the selection, and their numbers in the batch.
    Rows(usize, Vec<u32>),
    /// The line with a number, before what follows.
    Number(Repeated),
}

fn known(message: MessageRef<'_>, name: FieldName) -> &[u8] {
    message.known(name).unwrap_or_default()
}

impl Last {
    fn new(message: MessageRef<'_>, at: Instant) -> Self {
        let mut last = Self {
            text: Vec::new(),
            host: Vec::new(),
            program: Vec::new(),
            pid: Vec::new(),
            pri: 0,
            at,
            repeated: 0,
        };
        last.set(message, at);
        last
    }

    fn set(&mut self, message: MessageRef<'_>, at: Instant) {
        for (to, from) in [
            (&mut self.text, message.text()),
            (&mut self.host, message.host().0),
            (&mut self.program, known(message, FieldName::Program)),
            (&mut self.pid, known(message, FieldName::Pid)),
        ] {
            to.clear();
            to.extend_from_slice(from);
        }
        (self.pri, self.at, self.repeated) = (message.pri(), at, 0);
    }

    fn is_same(&self, message: MessageRef<'_>) -> bool {
        self.text == message.text()
            && self.pid == known(message, FieldName::Pid)
            && self.program == known(message, FieldName::Program)
            && self.host == message.host().0
    }

    /// The time at which the number of its repetitions is written.
    pub(super) fn until(&self, within: Duration) -> Option<Instant> {
        (self.repeated > 0).then(|| self.at + within)
    }

    /// Takes the number of its repetitions, where there are any, for the line that `on_host` writes.
    pub(super) fn take(&mut self, on_host: &str) -> Option<Repeated> {
        let times = std::mem::take(&mut self.repeated);
        if times == 0 {
            return None;
        }
        let mut end = self.text.len().min(QUOTED);
        // Half a character would be none of UTF-8.
        while end > 0 && end < self.text.len() && self.text[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        let after = format!("' repeated {times} times, suppressed by syslog-ng on {on_host}");
        let text = [b"Last message '", &self.text[..end], after.as_bytes()].concat();
        Some(Repeated { text, host: self.host.clone(), program: self.program.clone(), pri: self.pri })
    }
}

/// Divides `view`, which comes at `now` for a file whose last message was `last`, into what is written and
/// what is repeated; nothing where all of it is written.
pub(super) fn divide(
    last: &mut Option<Box<Last>>,
    view: &Selection,
    within: Duration,
    (now, on_host): (Instant, &str),
) -> Option<(Vec<Part>, u64)> {
    let (mut parts, mut rows, mut first, mut held) = (Vec::new(), Vec::new(), 0, 0);
    for (index, message) in view.messages().enumerate() {
        match last {
            Some(last) if now.saturating_duration_since(last.at) < within && last.is_same(message) => {
                last.repeated += 1;
                held += 1;
                continue;
            }
            Some(last) => {
                if let Some(repeated) = last.take(on_host) {
                    if !rows.is_empty() {
                        parts.push(Part::Rows(first, std::mem::take(&mut rows)));
                    }
                    parts.push(Part::Number(repeated));
                }
                last.set(message, now);
            }
            None => *last = Some(Box::new(Last::new(message, now))),
        }
        if rows.is_empty() {
            first = index;
        }
        rows.push(view.rows().at(index));
    }
    if parts.is_empty() && held == 0 {
        return None;
    }
    if !rows.is_empty() {
        parts.push(Part::Rows(first, rows));
    }
    Some((parts, held))
}
