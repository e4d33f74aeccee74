//! One file and what waits for it: [`Target`].
//!
//! # States
//!
//! ```text
//!            push                 all written
//!  idle ───────────► waiting ─────────────────────► idle ──── time-reap ───► closed
//!                     │   ▲
//!           EAGAIN    │   │ after 10 ms, doubling to 200 ms
//!                     ├───┴─► blocked    a pipe is full: its reader will come; or until a connection has room
//!           an error  │   ▲
//!                     └───┴─► in trouble reported once, tried again every time-reopen()
//! ```
//!
//! A connection that is being made is neither: it is looked at whenever the far end wakes the destination.
//!
//! # A line is written once, and whole
//!
//! A line of which a part is out is kept as it is, with the number of bytes that are out. It is
//! written on there if the file that the path names is the same one, as long as it was then.
//! Otherwise (the file was replaced, emptied, or somebody else has written behind the part; a FIFO has
//! another reader) the line starts again in what is there now. The part in the old file stays as it is.
//!
//! A file that is opened and ends inside a line that is not ours to go on with, because a process was killed
//! while it wrote it, gets a newline first: what was torn stays for itself, and spoils no line of now.
//!
//! # A file that is removed
//!
//! Lines that were written to a file that had lost its name by then are gone with it. So after each write,
//! and before anything counts as delivered, the file is asked for its number of names; without one the same
//! lines are
//! written to the file that the path names now. What is written to a file that was renamed is in that file.
//!
//! When it is given up at a stop, the part is taken off the file's end again, if it still is the end: a file
//! has whole lines alone, and those that were reported as not written are not there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

mod arrival;
mod trouble;
mod writing;

use arrival::Unconfirmed;
use trouble::BLOCKED_MAX;

use super::StreamContext;
use super::repeats::Last;
use super::sink::Sink;
use super::stage::{Chunk, Torn};
use crate::destination::{Numbers, Wake};
use crate::flow::{Delivery, DropReason};

/// A failure that lasts.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    retry_at: Instant,
    /// Tells whether the path cannot be opened and its messages chose it: then they hold a share of the
    /// window at most.
    is_own: bool,
    /// Tells whether the log was told.
    is_told: bool,
}

/// A full pipe.
#[derive(Debug)]
struct Blocked {
    until: Instant,
    wait: Duration,
}

/// The number of messages that may still wait without credit.
#[derive(Debug)]
pub(super) struct Uncontrolled {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// The messages that found no place any more: the source of the first, and how many messages.
    pub(super) lost: Option<(Arc<str>, u64)>,
}

impl Uncontrolled {
    /// Takes as many of `messages`, each of so many bytes, as may wait.
    fn take(&mut self, messages: u64, bytes_each: u64) -> u64 {
        let taken = messages.min(self.messages).min(self.bytes / bytes_each);
        self.messages -= taken;
        self.bytes -= taken * bytes_each;
        taken
    }
}

/// The outcome of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// It did what it could.
    Done,
    /// The process has no file descriptor left; with one less open it would go on.
    NoDescriptor(Errno),
}

/// One file, FIFO, device or connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Target {
    /// The path; bytes, as the system takes them.
    pub(super) path: Box<[u8]>,
    /// The time of the last write.
    pub(super) used: Instant,
    /// Rows of the delivery that is just being sorted to files.
    pub(super) rows: Vec<u32>,
    /// The number of its last use, for closing the one that was not used longest.
    pub(super) turn: u64,
    /// The last message, where repeated ones are counted.
    pub(super) last: Option<Box<Last>>,
    /// True when the path is the process's own standard output or error.
    standard: bool,
    /// Tells that it is open without messages, too.
    is_eager: bool,
    pending: VecDeque<Chunk>,
    /// Lines that are written, and that may not have arrived.
    unconfirmed: Unconfirmed,
    /// The messages of both.
    waiting: u64,
    sink: Option<Sink>,
    /// True while a connection is being made.
    is_connecting: bool,
    looked: Option<Instant>,
    torn: Option<Torn>,
    trouble: Option<Trouble>,
    blocked: Option<Blocked>,
    /// The time until which `throttle()` lets nothing out.
    throttled: Option<Instant>,
    warned: bool,
    /// Tells that the log was told of lines that were cut.
    cut_is_told: bool,
}

impl Target {
    /// A file that is not open yet; `standard` allows the path to mean standard output or error.
    pub(super) fn new(path: &[u8], standard: bool, now: Instant) -> Self {
        Self {
            path: path.into(),
            used: now,
            rows: Vec::new(),
            turn: 0,
            last: None,
            standard: standard && matches!(path, b"/dev/stdout" | b"/dev/stderr"),
            is_eager: false,
            pending: VecDeque::new(),
            unconfirmed: Unconfirmed::default(),
            waiting: 0,
            sink: None,
            is_connecting: false,
            looked: None,
            torn: None,
            trouble: None,
            blocked: None,
            throttled: None,
            warned: false,
            cut_is_told: false,
        }
    }

    /// The same far end, which is to be open from now on.
    pub(super) fn eager(self) -> Self {
        Self { is_eager: true, ..self }
    }

    /// Takes what waits without credit off what may.
    pub(super) fn count_unheld(&self, left: &mut Uncontrolled) {
        for chunk in self.pending.iter().filter(|chunk| !chunk.delivery.ack.holds_credit()) {
            left.take(chunk.count(), chunk.bytes_each());
        }
    }

    /// Lets go of the credit of what waits, on paths without flow control or on `all`; on those with it only
    /// where nobody takes that for an acknowledgement. Of those without it the newest beyond `left` are
    /// dropped.
    pub(super) fn let_go_of_credit(&mut self, all: bool, left: &mut Uncontrolled) {
        for chunk in self.unconfirmed.chunks_mut().filter(|chunk| all && !chunk.delivery.ack.is_tracked()) {
            chunk.delivery.ack.let_go_of_credit();
        }
        let mut torn = usize::from(self.torn.is_some());
        self.pending.retain_mut(|chunk| {
            // A line of which a part is out is not given up.
            let least = std::mem::take(&mut torn);
            if chunk.delivery.flow_control {
                if all && !chunk.delivery.ack.is_tracked() {
                    chunk.delivery.ack.let_go_of_credit();
                }
                return true;
            }
            if !chunk.delivery.ack.holds_credit() {
                return true;
            }
            let kept = left.take(chunk.count(), chunk.bytes_each()).max(least as u64);
            let lost = chunk.count() - kept;
            if lost > 0 {
                let view = &chunk.delivery.view;
                let (rows, source) = (view.rows(), Arc::clone(&view.batch().origin().source));
                let kept = chunk.next + kept as usize;
                chunk.delivery.ack.drop_rows(&rows.after(kept), DropReason::QueueFull);
                chunk.delivery.view = view.with_rows(rows.first(kept));
                self.waiting -= lost;
                left.lost.get_or_insert((source, 0)).1 += lost;
            }
            chunk.delivery.ack.let_go_of_credit();
            chunk.count() > 0
        });
    }

    /// The number of messages that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// About how much memory they take.
    pub(super) fn waiting_bytes(&self) -> u64 {
        let all = self.unconfirmed.chunks().chain(&self.pending);
        all.map(|chunk| chunk.count() * chunk.bytes_each()).sum()
    }

    /// The messages that wait.
    pub(super) fn deliveries(&mut self) -> impl Iterator<Item = &mut Delivery> {
        let all = self.unconfirmed.chunks_mut().chain(&mut self.pending);
        all.map(|chunk| &mut chunk.delivery)
    }

    /// Takes what waits, for another file or none.
    pub(super) fn into_chunks(mut self) -> VecDeque<Chunk> {
        self.take_back_unconfirmed();
        self.pending
    }

    /// Forgets what went wrong: another destination has it now, with other options and another thread to
    /// wake.
    pub(super) fn begin_again(&mut self, wake: &Wake) {
        if let Some(sink) = &self.sink {
            sink.call(wake);
        }
        (self.looked, self.trouble, self.blocked, self.throttled) = (None, None, None, None);
        (self.warned, self.is_connecting) = (false, false);
    }

    /// Puts messages behind those that wait.
    pub(super) fn push(&mut self, delivery: Delivery, first: Numbers) {
        self.waiting += delivery.view.len() as u64;
        self.pending.push_back(Chunk { delivery, next: 0, first });
    }

    /// Tells that everything is written, and has arrived as far as that can be told.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.unconfirmed.is_empty()
    }

    /// Tells that there are messages to be written or that have to arrive, or that it is to be opened.
    pub(super) fn has_work(&self) -> bool {
        !self.is_idle() || (self.is_eager && self.sink.as_ref().is_none_or(Sink::has_news))
    }

    pub(super) fn is_open(&self) -> bool {
        self.sink.is_some()
    }

    /// Tells that it is open, and that nothing waits for it because it does not take more.
    pub(super) fn takes_lines(&self) -> bool {
        self.is_open() && !self.is_in_trouble() && self.blocked.is_none()
    }

    /// Tells that the number of repetitions of its last message is still to be written.
    pub(super) fn has_number(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.until(Duration::ZERO).is_some())
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Tells that a stop waits for it: it has something to write and can, or will soon.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.is_idle() && (self.is_connecting || !self.is_in_trouble())
    }

    /// Tells that it cannot be written: it is in trouble, or `may_stall` and has not taken anything for a
    /// while.
    pub(super) fn is_stuck(&self, may_stall: bool) -> bool {
        let has_stalled = self.blocked.as_ref().is_some_and(|blocked| blocked.wait >= BLOCKED_MAX);
        self.is_in_trouble() || (may_stall && has_stalled)
    }

    /// Lets go of a far end that nobody writes to any more; a line of which it has a part begins again
    /// elsewhere.
    pub(super) fn part_from(&mut self, context: &mut StreamContext) {
        self.take_back_torn(&context.error());
        self.confirm(Instant::now(), context);
        self.take_back_unconfirmed();
        self.close(context);
    }

    /// True when a line is out in part: then the file must stay open, or nobody knows later which it was.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// The time at which there is something to do about it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.has_work() || self.is_connecting {
            return None;
        }
        Some(self.waits_until().unwrap_or(self.used))
    }

    /// True when there is something to do about it by now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let is_called = || self.is_connecting || self.sink.as_ref().is_some_and(Sink::has_news);
        self.has_work() && (is_called() || self.waits_until().is_none_or(|at| at <= now))
    }

    fn waits_until(&self) -> Option<Instant> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.retry_at);
        }
        if self.pending.is_empty() {
            return self.unconfirmed.look_at();
        }
        let blocked = self.blocked.as_ref().map(|blocked| blocked.until);
        let writes = blocked.or(self.throttled)?;
        Some(self.unconfirmed.look_at().map_or(writes, |look| look.min(writes)))
    }

    /// Looks at the path before the next line, and tries again now if it is in trouble.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.looked = None;
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = now;
        }
        self.unconfirmed.look_now(now);
    }

    /// Closes the file.
    pub(super) fn close(&mut self, context: &mut StreamContext) {
        self.set_sink(None, context);
    }

    fn set_sink(&mut self, sink: Option<Sink>, context: &mut StreamContext) {
        context.count_open(self.sink.is_some(), sink.is_some());
        self.sink = sink;
        self.is_connecting = false;
    }

    pub(super) fn shown(&self) -> String {
        format!("`{}`", String::from_utf8_lossy(&self.path).escape_debug())
    }
}
