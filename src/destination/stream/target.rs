//! One file and what waits for it: [`Target`].
//!
//! # States
//!
//! ```text
//!            push                 all written
//!  idle ───────────► waiting ─────────────────────► idle ──── time-reap ───► closed
//!                     │   ▲
//!           EAGAIN    │   │ after 10 ms, doubling to 200 ms
//!                     ├───┴─► blocked    a pipe is full: its reader will come
//!           an error  │   ▲
//!                     └───┴─► in trouble reported once, tried again every time-reopen()
//! ```
//!
//! # A line is written once, and whole
//!
//! A line of which a part is out is kept as it is, with the number of bytes that are out. It is
//! written on there if the file that the path names is the same one, as long as it was then.
//! Otherwise (the file was replaced, emptied, or somebody else has written behind the part; a FIFO has
//! another reader) the line starts again in what is there now. The part in the old file stays as it is.
//!
//! A file that is opened and ends inside a line that is not ours to go on with, because a process was killed while it wrote
//! it, gets a newline first: what was torn stays for itself, and spoils no line of now.
//!
//! # A file that is removed
//!
//! What was written to a file that had lost its name by then is gone with it. So after each write, and before anything counts
//! as delivered, the file is asked for its number of names; without one the same lines are written to the file that the path
//! names now. What is written to a file that was renamed is in that file.
//!
//! When it is given up at a stop, the part is taken off the file's end again, if it still is the end: a file has
//! whole lines alone, and those that were reported as not written are not there.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Room;
use super::sink::Sink;
use super::stage::{Chunk, Torn};
use super::unwritable::{self, Told, Verdict};
use crate::destination::{Numbers, Severity};
use crate::flow::{Delivery, DropReason};
use crate::message::Rows;

/// A renamed file is noticed this long after the last look at most, while lines are written.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A full pipe is tried again after this long at first, and after [`BLOCKED_MAX`] in the end.
const BLOCKED_MIN: Duration = Duration::from_millis(10);
const BLOCKED_MAX: Duration = Duration::from_millis(200);

/// How long after it found no descriptor a file is tried again at most.
const DESCRIPTOR_RETRY: Duration = Duration::from_secs(1);

/// A failure that lasts.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    retry_at: Instant,
    /// Tells whether the path cannot be opened and its messages chose it: then they hold a share of the window at most.
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

/// How much may still wait without credit.
#[derive(Debug)]
pub(super) struct Unheld {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// What found no place any more: the source of the first, and how many messages.
    pub(super) lost: Option<(Arc<str>, u64)>,
}

impl Unheld {
    /// Takes as many of `messages`, each of so many bytes, as may wait.
    fn take(&mut self, messages: u64, bytes_each: u64) -> u64 {
        let taken = messages.min(self.messages).min(self.bytes / bytes_each);
        self.messages -= taken;
        self.bytes -= taken * bytes_each;
        taken
    }
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// It did what it could.
    Done,
    /// The process has no file descriptor left; with one less open it would go on.
    NoDescriptor(Errno),
}

/// One file, FIFO or device.
#[derive(Debug)]
pub(super) struct Target {
    /// The path; bytes, as the system takes them.
    pub(super) path: Box<[u8]>,
    /// When it was written to last.
    pub(super) used: Instant,
    /// Rows of the delivery that is just being sorted to files.
    pub(super) rows: Vec<u32>,
    /// The number of its last use, for closing the one that was not used longest.
    pub(super) turn: u64,
    /// Whether the path is the process's own standard output or error.
    standard: bool,
    /// Tells that it is open without messages, too.
    is_eager: bool,
    pending: VecDeque<Chunk>,
    waiting: u64,
    sink: Option<Sink>,
    looked: Option<Instant>,
    torn: Option<Torn>,
    trouble: Option<Trouble>,
    blocked: Option<Blocked>,
    warned: bool,
}

impl Target {
    /// A file that is not open yet; `standard` allows the path to mean standard output or error.
    pub(super) fn new(path: &[u8], standard: bool, now: Instant) -> Self {
        Self {
            path: path.into(),
            used: now,
            rows: Vec::new(),
            turn: 0,
            standard: standard && matches!(path, b"/dev/stdout" | b"/dev/stderr"),
            is_eager: false,
            pending: VecDeque::new(),
            waiting: 0,
            sink: None,
            looked: None,
            torn: None,
            trouble: None,
            blocked: None,
            warned: false,
        }
    }

    /// The same far end, which is to be open from now on.
    pub(super) fn eager(self) -> Self {
        Self { is_eager: true, ..self }
    }

    /// Takes what waits without credit off what may.
    pub(super) fn count_unheld(&self, left: &mut Unheld) {
        for chunk in self.pending.iter().filter(|chunk| !chunk.delivery.ack.holds_credit()) {
            left.take(chunk.count(), chunk.bytes_each());
        }
    }

    /// Lets go of the credit of what waits, on paths without flow control or on `all`; on those with it
    /// only where nobody takes that for an acknowledgement. Of those without it the newest beyond `left` are dropped.
    pub(super) fn let_go_of_credit(&mut self, all: bool, left: &mut Unheld) {
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

    /// How many messages wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// About how much memory they take.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.pending.iter().map(|chunk| chunk.count() * chunk.bytes_each()).sum()
    }

    /// What waits.
    pub(super) fn deliveries(&mut self) -> impl Iterator<Item = &mut Delivery> {
        self.pending.iter_mut().map(|chunk| &mut chunk.delivery)
    }

    /// What waits, for another file or none.
    pub(super) fn into_chunks(self) -> VecDeque<Chunk> {
        self.pending
    }

    /// Forgets what went wrong: another destination has it now, with other options.
    pub(super) fn begin_again(&mut self) {
        (self.looked, self.trouble, self.blocked) = (None, None, None);
        self.warned = false;
    }

    /// Puts messages behind those that wait.
    pub(super) fn push(&mut self, delivery: Delivery, first: Numbers) {
        self.waiting += delivery.view.len() as u64;
        self.pending.push_back(Chunk { delivery, next: 0, first });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Tells that there are messages to be written, or that it is to be opened.
    pub(super) fn has_work(&self) -> bool {
        !self.is_idle() || (self.is_eager && self.sink.as_ref().is_none_or(Sink::is_deserted))
    }

    pub(super) fn is_open(&self) -> bool {
        self.sink.is_some()
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether a line is out in part: then the file must stay open, or nobody knows later which it was.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// When there is something to do about it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.has_work() {
            return None;
        }
        Some(self.waits_until().unwrap_or(self.used))
    }

    /// Whether there is something to do about it by now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.has_work() && self.waits_until().is_none_or(|at| at <= now)
    }

    fn waits_until(&self) -> Option<Instant> {
        let trouble = self.trouble.as_ref().map(|trouble| trouble.retry_at);
        trouble.or(self.blocked.as_ref().map(|blocked| blocked.until))
    }

    /// Looks at the path before the next line, and tries again now if it is in trouble.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.looked = None;
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = now;
        }
    }

    /// Closes the file.
    pub(super) fn close(&mut self, room: &mut Room) {
        self.set_sink(None, room);
    }

    fn set_sink(&mut self, sink: Option<Sink>, room: &mut Room) {
        room.count_open(self.sink.is_some(), sink.is_some());
        self.sink = sink;
    }

    /// Writes all it can; until `deadline`, if there is one.
    pub(super) fn flush(&mut self, now: Instant, deadline: Option<Instant>, room: &mut Room) -> Flushed {
        if self.sink.as_ref().is_some_and(Sink::is_deserted) {
            self.fail(Errno::PIPE, now, room);
            return Flushed::Done;
        }
        if let Err(error) = self.ready(now, room) {
            if matches!(error, Errno::MFILE | Errno::NFILE) {
                return Flushed::NoDescriptor(error);
            }
            self.fail_to_open(error, now, room);
            return Flushed::Done;
        }
        if let Err(error) = self.end_cut_line(room) {
            self.pause(error, now, room);
            return Flushed::Done;
        }
        self.used = now;
        if self.is_idle() {
            self.recover(now, room);
        }
        let mut unsynced = Vec::new();
        let mut lines = 0;
        while !self.is_idle() {
            let Some(sink) = &self.sink else { break };
            let filled = room.stage.fill(&self.pending, self.torn.as_ref(), &room.line, &mut room.context);
            if let Err((count, reason)) = filled {
                self.report_fault(count, &reason, room);
            }
            let progress = room.stage.write(sink, &self.pending);
            if progress.bytes > 0 && sink.is_removed(&self.path) {
                // None of it counts: the next round opens what the path names now, and begins with the first line again.
                room.count_bytes(progress.bytes as u64);
                self.looked = None;
                break;
            }
            if progress.torn.is_some() || progress.lines > 0 {
                self.torn = progress.torn;
            }
            room.count_bytes(progress.bytes as u64);
            if progress.bytes > 0 {
                self.blocked = None;
            }
            // A part that fits on a full disk is no recovery: only all of it is.
            if matches!(progress.error, None | Some(Errno::AGAIN)) {
                self.recover(now, room);
            }
            self.complete(progress.lines, &mut unsynced);
            lines += progress.lines as u64;
            if !room.fsync {
                room.counters.count_delivered(std::mem::take(&mut lines));
                unsynced.clear();
            }
            if let Some(error) = progress.error {
                self.pause(error, now, room);
                break;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        if lines > 0 {
            self.sync(room);
            room.counters.count_delivered(lines);
        }
        Flushed::Done
    }

    fn report_fault(&self, count: usize, reason: &str, room: &Room) {
        let what = format!("{count} messages could not be made into lines: {reason}");
        let text =
            format!("{}: fault in the engine: {what}; they are written as MESSAGE alone", self.shown());
        room.report(Severity::Error, text);
    }

    /// Makes sure that what the path names is open.
    fn ready(&mut self, now: Instant, room: &mut Room) -> Result<(), Errno> {
        let retries = self.trouble.is_some();
        if let (Some(sink), false) = (&self.sink, retries) {
            let fresh = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK_EVERY);
            if fresh || self.standard || !sink.is_regular() {
                return Ok(());
            }
            self.looked = Some(now);
            if sink.is_at(&self.path) {
                return Ok(());
            }
        }
        if retries {
            room.count_retry();
        }
        let mut opened = self.open(room);
        if matches!(opened, Err(Errno::MFILE)) && self.torn.is_none() && self.sink.is_some() {
            // The descriptor of the file before is as good as any.
            self.close(room);
            opened = self.open(room);
        }
        let mut sink = opened?;
        // Compared while the old one is open: its number cannot have been given to another file.
        if let Some(torn) = &mut self.torn {
            let same = self.sink.as_ref().is_some_and(|old| old.is_regular() && old.is_same(&sink));
            if !same || torn.size != sink.size() {
                torn.written = 0;
            }
        }
        let goes_on = self.torn.as_ref().is_some_and(|torn| torn.written > 0);
        if !goes_on && !self.standard && room.line.ends_lines() && sink.is_inside_line(&self.path) {
            sink.write(&[IoSlice::new(b"\n")])?;
            room.count_bytes(1);
            let text = format!("the last line of {} has no end; it gets one now", self.shown());
            room.report(Severity::Warning, text);
        }
        if let Some(warning) = sink.warning.take()
            && !std::mem::replace(&mut self.warned, true)
        {
            room.report(Severity::Warning, format!("{}: {warning}", self.shown()));
        }
        self.looked = Some(now);
        self.set_sink(Some(sink), room);
        Ok(())
    }

    /// Ends a line that another one has cut in the pipe, unless it is in a line of its own there.
    fn end_cut_line(&self, room: &Room) -> Result<(), Errno> {
        let goes_on = self.torn.as_ref().is_some_and(|torn| torn.written > 0);
        if let (Some(sink), false) = (&self.sink, goes_on || !room.line.ends_lines()) {
            room.count_bytes(sink.end_cut_line()? as u64);
        }
        Ok(())
    }

    fn open(&self, room: &Room) -> Result<Sink, Errno> {
        if self.standard {
            return Sink::standard(&self.path);
        }
        let mut sink = room.opening.connect(&self.path, &room.wake)?;
        if let Some(above) = room.descriptors.above().filter(|_| room.has_macros) {
            sink.move_above(above);
        }
        Ok(sink)
    }

    /// Takes written lines off what waits; batches that are written whole go to `done`.
    fn complete(&mut self, mut lines: usize, done: &mut Vec<Chunk>) {
        self.waiting -= lines as u64;
        while lines > 0 {
            let Some(front) = self.pending.front_mut() else { return };
            let left = front.delivery.view.len() - front.next;
            if lines < left {
                front.next += lines;
                return;
            }
            lines -= left;
            done.extend(self.pending.pop_front());
        }
    }

    /// Waits after a write that was not taken whole.
    fn pause(&mut self, error: Errno, now: Instant, room: &mut Room) {
        if error == Errno::AGAIN {
            self.block(now);
        } else {
            self.fail(error, now, room);
        }
    }

    fn block(&mut self, now: Instant) {
        let wait = self.blocked.as_ref().map_or(BLOCKED_MIN, |blocked| (blocked.wait * 2).min(BLOCKED_MAX));
        self.blocked = Some(Blocked { until: now + wait, wait });
    }

    /// Asks other destinations for a descriptor, as the process has none left, and waits for a moment; after a few of them it is
    /// a failure.
    pub(super) fn wait_for_descriptor(&mut self, error: Errno, now: Instant, room: &mut Room) {
        let has_waited = self.blocked.as_ref().is_some_and(|blocked| blocked.wait >= BLOCKED_MAX);
        if room.descriptors.ask() && self.trouble.is_none() && !has_waited {
            self.block(now);
        } else {
            self.fail(error, now, room);
        }
    }

    /// Notes that the file could not be opened. Where the path can never be a file, and messages chose it, they are dropped.
    fn fail_to_open(&mut self, error: Errno, now: Instant, room: &mut Room) {
        let verdict = room.unwritable.judge(&self.path, error);
        if verdict == Verdict::Never {
            room.count_error();
            let lost = self.drop_from(0, room);
            self.close(room);
            self.trouble = None;
            let reason = room.opening.in_words(error);
            return self.tell_dropped(Told::Dropped, &reason, lost, now, room);
        }
        self.fail_for(error, verdict, now, room);
    }

    /// Drops the newest of what waits for a path that cannot be opened and that its messages chose, so that the rest takes no
    /// more than `most` of a window. Returns how much of it the rest takes.
    pub(super) fn shed(&mut self, most: u64, now: Instant, room: &mut Room) -> u64 {
        if !self.trouble.as_ref().is_some_and(|trouble| trouble.is_own) {
            return 0;
        }
        let (mut taken, mut kept) = (0, 0);
        for chunk in &self.pending {
            let queued = chunk.count() * unwritable::WINDOW / room.fifo_size.max(1);
            let held = chunk.delivery.ack.window_share(unwritable::WINDOW);
            let share = if chunk.delivery.flow_control { held } else { held.max(queued) };
            if taken + share > most {
                break;
            }
            (taken, kept) = (taken + share, kept + 1);
        }
        if kept < self.pending.len() {
            let lost = self.drop_from(kept, room);
            self.tell_dropped(Told::Waits, "too much waits for it", lost, now, room);
        }
        taken
    }

    /// Drops what waits, from the delivery at `index` on; how many messages that are.
    fn drop_from(&mut self, index: usize, room: &mut Room) -> u64 {
        if index == 0 {
            self.take_back_torn(&room.error());
        }
        let mut lost = 0;
        for chunk in self.pending.drain(index..) {
            let rows = rest(chunk.delivery.view.rows(), chunk.next);
            lost += rows.len() as u64;
            chunk.delivery.ack.drop_rows(&rows, DropReason::UnwritablePath);
        }
        self.waiting -= lost;
        room.counters.count_dropped(lost);
        lost
    }

    /// Tells once a path, and now and then by number, that messages are dropped.
    fn tell_dropped(&self, what: Told, why: &str, lost: u64, now: Instant, room: &mut Room) {
        if room.unwritable.is_news(&self.path, what, now) {
            let what = "messages chose this path, and what cannot be written to it is dropped";
            room.report(Severity::Error, format!("cannot write to {}: {why}; {what}", self.shown()));
        }
        if let Some((lately, total)) = room.unwritable.count(lost, now) {
            let text = format!(
                "{lately} more messages for paths that cannot be written were dropped, {total} in all"
            );
            room.report(Severity::Error, text);
        }
    }

    /// Notes a failure, and reports it unless it goes on from before.
    pub(super) fn fail(&mut self, error: Errno, now: Instant, room: &mut Room) {
        self.fail_for(error, Verdict::Common, now, room);
    }

    fn fail_for(&mut self, error: Errno, verdict: Verdict, now: Instant, room: &mut Room) {
        room.count_error();
        self.blocked = None;
        if error == Errno::NXIO {
            Sink::forget_cut_line_at(&self.path);
        }
        if let Some(sink) = self.sink.as_ref().filter(|sink| !sink.is_regular()) {
            // What a pipe or a device took is gone with it.
            sink.forget_cut_line();
            self.close(room);
            self.torn = None;
        }
        let is_crowded = matches!(error, Errno::MFILE | Errno::NFILE);
        let most = if is_crowded { DESCRIPTOR_RETRY } else { Duration::MAX };
        let time_reopen = room.opening.retry_after(room.time_reopen).min(most);
        let retry_at = now + time_reopen;
        let is_own = verdict == Verdict::Own;
        if let Some(trouble) = &mut self.trouble {
            (trouble.retry_at, trouble.is_own) = (retry_at, is_own);
            return;
        }
        // Where all that waited was dropped, the next message finds no trouble, and the path is told all the same.
        let is_told = !is_own || room.unwritable.is_news(&self.path, Told::Waits, now);
        self.trouble = Some(Trouble { since: now, retry_at, is_own, is_told });
        if !is_told {
            return;
        }
        let text = format!(
            "cannot write to {}: {}; its messages wait, retrying every {} s{}",
            self.shown(),
            Self::in_words(error, room),
            time_reopen.as_secs_f64(),
            if is_own { "; messages chose this path, and what is too much for it is dropped" } else { "" }
        );
        room.report(Severity::Error, text);
    }

    fn in_words(error: Errno, room: &Room) -> String {
        if error != Errno::MFILE {
            return room.opening.in_words(error);
        }
        let (limit, most) = (room.descriptors.limit(), room.descriptors.most());
        let others = "the rest is taken by sources and by what they import";
        format!(
            "no file descriptor is left of the process's {limit}; files of paths with macros have {most} at most, {others}"
        )
    }

    /// Notes that writing works.
    fn recover(&mut self, now: Instant, room: &mut Room) {
        let Some(trouble) = self.trouble.take() else { return };
        room.unwritable.forget(&self.path);
        if trouble.is_told {
            let text = format!(
                "writing to {} again after {:.1} s; {} messages waited",
                self.shown(),
                now.saturating_duration_since(trouble.since).as_secs_f64(),
                self.waiting
            );
            room.report(Severity::Notice, text);
        }
    }

    /// Waits for the disk. What was written cannot be taken back, so a failure here is said and no more:
    /// the system may have forgotten it by the next call.
    fn sync(&self, room: &Room) {
        if let Some(Err(error)) = self.sink.as_ref().map(Sink::sync) {
            room.count_error();
            room.report(Severity::Error, format!("cannot sync {} to its disk: {error}", self.shown()));
        }
    }

    /// Gives up what waits, and says how many messages it was.
    pub(super) fn abandon(&mut self, reason: DropReason, room: &mut Room) -> u64 {
        self.take_back_torn(&room.error());
        let lost = std::mem::take(&mut self.waiting);
        for chunk in self.pending.drain(..) {
            let rows = rest(chunk.delivery.view.rows(), chunk.next);
            chunk.delivery.ack.drop_rows(&rows, reason);
        }
        self.close(room);
        if lost > 0 {
            room.counters.count_dropped(lost);
            room.report(Severity::Error, format!("{lost} messages for {} were not written", self.shown()));
        }
        lost
    }

    /// Takes the part of a line that will not be finished off the end of the file; calls `report` when it cannot.
    pub(super) fn take_back_torn(&mut self, report: &dyn Fn(String)) {
        if let Err(error) = self.take_back() {
            report(format!(
                "a line is torn at the end of {}, and cannot be taken off: {error}",
                self.shown()
            ));
        }
    }

    fn take_back(&mut self) -> Result<(), Errno> {
        let (Some(torn), Some(sink)) = (self.torn.take(), &self.sink) else { return Ok(()) };
        if torn.written > 0 && !sink.is_regular() {
            sink.note_cut_line();
            return Ok(());
        }
        let whole = torn.size.and_then(|size| u64::try_from(size).ok()?.checked_sub(torn.written as u64));
        let Some(whole) = whole.filter(|_| torn.written > 0 && !self.standard) else { return Ok(()) };
        if sink.size() == torn.size { sink.cut(whole) } else { Ok(()) }
    }

    fn shown(&self) -> String {
        format!("`{}`", String::from_utf8_lossy(&self.path).escape_debug())
    }
}

/// The rows from the one at `index` on.
fn rest(rows: &Rows, index: usize) -> Rows {
    match rows {
        Rows::Range(range) => Rows::Range(range.start + index as u32..range.end),
        Rows::List(list) => Rows::List(list[index..].into()),
    }
}
