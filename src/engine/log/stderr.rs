//! Standard error, which never holds anybody up: [`Stderr`].
//!
//! ```text
//! any thread ──► queue (lines, CAPACITY bytes) ──► writer thread ──► write(2)
//! ```
//!
//! Whoever reads stderr may stand still (a log driver, a pager, a stopped terminal). Then the writer thread
//! stands in its write, and nobody else does:
//!
//! * a line waits in the queue. Where the queue is full, its thread waits for room, but only while the oldest
//!   line is younger than [`BOUND`]: so a reader that is merely slower than a burst loses nothing;
//! * a line without room is dropped and counted, and so is each one after it until half of the queue is free.
//!   Then, at the place where they are missing, a line says how many they were;
//! * [`Stderr::flush`] waits at the end of the process, as long as lines are taken, and for a bounded time.
//!
//! Lines keep their order. A line of up to `PIPE_BUF` bytes is one write with whole lines, which a pipe takes
//! whole or not at all; a longer one can meet lines of other processes in its middle.
//!
//! The engine writes to a descriptor of its own, a duplicate of number 2, and only while it is still the same
//! file: code of the user's that closes descriptors must not make the log flow into whatever gets their
//! numbers. `O_NONBLOCK` is never set, because it would be set for the processes that share the stream, too.
//!
//! A fork has a copy of the queue, perhaps locked, and no writer. It writes its lines itself.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec, write};

/// The most bytes that wait in the queue.
const CAPACITY: usize = 4 * 1024 * 1024;
/// The age up to which the oldest line lets another one wait for room, and the time that a flush waits while
/// nothing is taken.
const BOUND: Duration = Duration::from_secs(1);
/// The bytes that a pipe takes whole or not at all.
const PIPE_BUF: usize = 4096;
/// The time that a stream which does not block is waited for at once.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// The bytes that take the live line away.
const ERASE: &str = "\r\x1b[K";

/// The lines that wait for one stream, and who writes them.
#[derive(Debug)]
pub(super) struct Stderr {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// Something was written, or cannot be.
    taken: Condvar,
    /// `None` where it was closed from the start.
    stream: Option<Stream>,
    /// The process with the writer.
    process: u32,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// Of all lines, those in the writer's hand included.
    bytes: usize,
    /// The time at which the oldest line in the writer's hand was logged.
    in_hand: Option<Instant>,
    /// The time at which the writer last came back from a write.
    progress: Option<Instant>,
    /// Tells whether lines are dropped until there is room again.
    is_dropping: bool,
    /// Lines that had no room, and are not told of yet.
    without_room: u64,
    /// Lines that could not be written, and are not told of yet. They were before all that wait.
    failed: u64,
    /// All lines that were lost.
    lost: u64,
    /// The line at the foot of the terminal, which every other line goes above.
    foot: String,
    shown_foot: String,
    /// A line was written in part.
    is_torn: bool,
    has_writer: bool,
}

#[derive(Debug)]
struct Line {
    logged: Instant,
    text: String,
    /// The number of lines that are lost with it: itself, or those that it tells of.
    stands_for: u64,
    tells_of_lost: bool,
}

/// The lines that the writer takes in hand.
struct Batch {
    text: String,
    /// The end of each line in `text`, and what is lost with it.
    ends: Vec<(usize, u64, bool)>,
    foot: String,
    bytes: usize,
}

impl Stderr {
    /// An empty queue for what `fd` is now; later somebody may close or replace it.
    pub(super) fn over(fd: BorrowedFd<'_>) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
            stream: Stream::of(fd),
            process: std::process::id(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether this process is a fork of the one that made it.
    pub(super) fn is_fork(&self) -> bool {
        std::process::id() != self.process
    }

    /// Puts `text`, which ends with a newline, behind what waits; within [`BOUND`].
    pub(super) fn push(&'static self, text: String) {
        if self.is_fork() {
            // Nobody else writes here, and whoever forked has nobody to tell.
            let _ = self.write_all(text.as_bytes());
            return;
        }
        let mut queue = self.queue();
        while !queue.is_dropping && !queue.has_room(text.len()) {
            let left = queue.oldest().map_or(BOUND, |logged| BOUND.saturating_sub(logged.elapsed()));
            if left.is_zero() {
                queue.is_dropping = true;
                break;
            }
            queue = self.taken.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if queue.is_dropping {
            queue.without_room += 1;
            queue.lost += 1;
            return;
        }
        queue.put(text, 1, false);
        self.wake_writer(queue);
    }

    /// Shows `line` at the foot of the terminal until the next call; an empty one takes it away.
    pub(super) fn set_foot(&'static self, line: &str) {
        if self.is_fork() {
            return;
        }
        let mut queue = self.queue();
        if queue.foot != line {
            line.clone_into(&mut queue.foot);
            self.wake_writer(queue);
        }
    }

    /// The number of lines that were lost.
    pub(super) fn lost(&self) -> u64 {
        if self.is_fork() { 0 } else { self.queue().lost }
    }

    /// Waits until everything is written: for `within` at most, and only while something is taken each
    /// [`BOUND`].
    pub(super) fn flush(&self, within: Duration) {
        if self.is_fork() {
            return;
        }
        let begun = Instant::now();
        let mut queue = self.queue();
        while queue.has_writer && !queue.is_idle() {
            let progress = queue.progress.map_or(begun, |progress| progress.max(begun));
            let left = (BOUND.saturating_sub(progress.elapsed())).min(within.saturating_sub(begun.elapsed()));
            if left.is_zero() {
                return;
            }
            queue = self.taken.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sees to it that somebody writes what is in `queue`.
    fn wake_writer(&'static self, mut queue: MutexGuard<'_, Queue>) {
        if queue.has_writer {
            drop(queue);
            self.filled.notify_one();
            return;
        }
        let spawned = thread::Builder::new().name("stderr".to_owned()).spawn(|| self.write_for_ever());
        queue.has_writer = spawned.is_ok();
        // Without a thread to give, whoever logs writes what the stream takes at once.
        while !queue.has_writer && self.is_writable() {
            let Some(batch) = queue.take() else { return };
            drop(queue);
            let written = self.write_all(batch.text.as_bytes());
            queue = self.queue();
            queue.note(batch, written);
        }
    }

    fn write_for_ever(&self) {
        let mut queue = self.queue();
        loop {
            let Some(batch) = queue.take() else {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(queue);
            let written = self.write_all(batch.text.as_bytes());
            queue = self.queue();
            queue.note(batch, written);
            self.taken.notify_all();
        }
    }

    /// Writes all of `bytes`; returns how many were, if that is less.
    fn write_all(&self, bytes: &[u8]) -> Result<(), usize> {
        let mut done = 0;
        while done < bytes.len() {
            let Some(stream) = self.stream.as_ref().and_then(Stream::current) else { return Err(done) };
            let piece = &bytes[done..bytes.len().min(done + PIPE_BUF)];
            match write(stream, piece) {
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                // Somebody who shares it has set it so.
                Err(Errno::AGAIN) => {
                    let _ = poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&LOOK_AGAIN));
                }
                Err(_) => return Err(done),
            }
        }
        Ok(())
    }

    fn is_writable(&self) -> bool {
        let Some(stream) = self.stream.as_ref().and_then(Stream::current) else { return true };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&now)) != Ok(0)
    }
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes + bytes <= CAPACITY
    }

    fn oldest(&self) -> Option<Instant> {
        self.in_hand.or_else(|| self.lines.front().map(|line| line.logged))
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.in_hand.is_none() && self.foot == self.shown_foot
    }

    fn put(&mut self, text: String, stands_for: u64, tells_of_lost: bool) {
        self.bytes += text.len();
        self.lines.push_back(Line { logged: Instant::now(), text, stands_for, tells_of_lost });
    }

    /// The next lines to write; `None` when there is nothing to do.
    fn take(&mut self) -> Option<Batch> {
        let first = self.lines.front().map(|line| line.logged);
        if first.is_none() && self.foot == self.shown_foot {
            return None;
        }
        self.in_hand = Some(first.unwrap_or_else(Instant::now));
        let mut batch = Batch { text: String::new(), ends: Vec::new(), foot: self.foot.clone(), bytes: 0 };
        if std::mem::take(&mut self.is_torn) {
            batch.text.push('\n');
        }
        if !self.shown_foot.is_empty() {
            batch.text.push_str(ERASE);
        }
        if self.failed > 0 {
            let failed = std::mem::take(&mut self.failed);
            batch.text.push_str(&super::lost_line(failed));
            batch.ends.push((batch.text.len(), failed, true));
        }
        let most = PIPE_BUF.saturating_sub(batch.foot.len());
        while let Some(line) = self.lines.front()
            && (batch.bytes == 0 || batch.text.len() + line.text.len() <= most)
            && let Some(line) = self.lines.pop_front()
        {
            batch.text.push_str(&line.text);
            batch.ends.push((batch.text.len(), line.stands_for, line.tells_of_lost));
            batch.bytes += line.text.len();
        }
        batch.text.push_str(&batch.foot);
        Some(batch)
    }

    /// The outcome of a batch.
    fn note(&mut self, batch: Batch, written: Result<(), usize>) {
        self.bytes -= batch.bytes;
        self.in_hand = None;
        self.progress = Some(Instant::now());
        if let Err(done) = written {
            for (_, count, tells) in batch.ends.iter().filter(|(end, ..)| *end > done) {
                self.failed += count;
                // What a line tells of was counted when it was lost.
                self.lost += if *tells { 0 } else { *count };
            }
            self.is_torn = done > 0 && batch.ends.iter().all(|(end, ..)| *end != done);
        }
        self.shown_foot = batch.foot;
        if self.bytes <= CAPACITY / 2 {
            self.is_dropping = false;
            if self.without_room > 0 {
                let lost = std::mem::take(&mut self.without_room);
                self.put(super::lost_line(lost), lost, true);
            }
        }
    }
}

/// A duplicate of descriptor 2, and which file that is.
#[derive(Debug)]
struct Stream {
    own: OwnedFd,
    file: (u64, u64),
}

impl Stream {
    fn of(fd: BorrowedFd<'_>) -> Option<Self> {
        // Above the standard ones, which somebody may close to open them anew.
        let own = fcntl_dupfd_cloexec(fd, 3).ok()?;
        let file = identity(own.as_fd())?;
        Some(Self { own, file })
    }

    /// The stream to write to; `None` when neither the duplicate nor number 2 is the file that it was.
    fn current(&self) -> Option<BorrowedFd<'_>> {
        let is_it = |fd: &BorrowedFd<'_>| identity(*fd) == Some(self.file);
        Some(self.own.as_fd()).filter(is_it).or_else(|| Some(rustix::stdio::stderr()).filter(is_it))
    }
}

fn identity(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(fd).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests;
