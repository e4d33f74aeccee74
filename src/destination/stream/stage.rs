//! The next bytes to be written: [`Stage`].
//!
//! Lines are formatted one after the other into one buffer, which goes out with one `write`. The text of
//! a long message is left where it is: the stage remembers the place in its buffer at which the
//! text belongs, and a `writev` takes buffer and text in turns.
//!
//! ```text
//!  buffer  │ line │ line │ head │ tail │ line │ …      lines, with long texts cut out
//!                        ▲ split of the third line: its text stands here
//!  writev  [──────────────────][ text ][──────────]
//! ```
//!
//! Lines that stand in memory as they are to be written (a buffer that was split, `$MSG\n`) are not looked at
//! one by one: a stage may be made of *runs* of such lines alone, and a `writev` takes them from where they
//! are.
//!
//! Most messages of a batch differ in nothing but their text: they have no values of their own, and their
//! times lie in the same second. Then head and tail of the line before are copied ([`frame::Frame`]) instead of
//! formatted.
//!
//! Where a line is a datagram (`datagrams`) each is sent by itself, and many of them with one call.
//!
//! After a write of any length the stage says how many lines are out whole, and gives a copy of the
//! rest of the line that is not ([`Torn`]): formatted again, it might be another line.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use smallvec::SmallVec;

use super::line::{Framing, Line};
use super::peer::PIECES_MAX;
use super::sink::Sink;
use crate::destination::Numbers;
use crate::fault::panic_text;
use crate::flow::Delivery;
use crate::message::MessageRef;
use crate::template::{Context, HostCalls};

/// The buffer is written when it has this many bytes. Above 64 KiB the calls no longer show; below 256
/// KiB it stays in the second-level cache.
const BUFFER: usize = 128 * 1024;
/// A text at least this long is written from where it is. Into a file in memory, both ways cost the same
/// at 2 KiB; at 4, 8 and 16 KiB this one saves 5, 7 and 10 percent (`benches/file.rs`).
const LONG: usize = 4 * 1024;
/// Most bytes of one stage, so that a slow reader does not have the same lines formatted again and again.
const STAGE_MAX: usize = 8 * 1024 * 1024;
/// The same where the far end confirms what it has, which it does stage by stage.
const CONFIRMED_MAX: usize = BUFFER;

/// A delivery that is not written whole.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) delivery: Delivery,
    /// The number of its messages that are written.
    pub(super) next: usize,
    /// The numbers of its first message.
    pub(super) first: Numbers,
}

impl Chunk {
    /// The number of its messages that are not written.
    pub(super) fn count(&self) -> u64 {
        (self.delivery.view.len() - self.next) as u64
    }

    /// The memory that a message of it takes: 1 byte at least.
    pub(super) fn bytes_each(&self) -> u64 {
        self.delivery.view.bytes_each()
    }
}

/// A line of which a part is written.
#[derive(Debug)]
pub(super) struct Torn {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// True when the message's text stands between head and tail.
    around_text: bool,
    /// The number of bytes of the line that are written.
    pub(super) written: usize,
    /// The size that the file had then, if it is a regular one.
    pub(super) size: Option<i64>,
}

/// One line in the buffer.
#[derive(Debug, Clone, Copy)]
struct Staged {
    /// Its end in the buffer.
    end: usize,
    /// Its end in what is written.
    written_end: usize,
}

/// A text that is written from where it is.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// The line.
    line: usize,
    /// The place in the buffer before which the text belongs.
    split: usize,
    chunk: usize,
    row: usize,
}

/// Lines of one delivery, as they stand in memory.
#[derive(Debug, Clone, Copy)]
struct Run {
    chunk: usize,
    first: usize,
}

/// Lines on their way out. One stage serves all files of a destination, one after the other.
#[derive(Debug, Default)]
pub(super) struct Stage {
    buffer: Vec<u8>,
    lines: Vec<Staged>,
    cuts: Vec<Cut>,
    /// The only lines, if there are any.
    runs: Vec<Run>,
    /// Bytes at the start that are written already: those of a torn line.
    skip: usize,
    /// The lines that were longer than `pad-size()`.
    longer: Vec<usize>,
}

/// The bounds of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    lines: usize,
    bytes: usize,
}

impl Bounds {
    /// Those of a stage of `lines` at most for a far end that `confirms` what it has or not.
    pub(super) fn new(lines: usize, confirms: bool) -> Self {
        Self { lines, bytes: if confirms { CONFIRMED_MAX } else { STAGE_MAX } }
    }
}

/// The outcome of a write.
#[derive(Debug)]
pub(super) struct Progress {
    /// The number of lines that are out whole.
    pub(super) lines: usize,
    /// Bytes written by it.
    pub(super) bytes: usize,
    /// The line that is out in part.
    pub(super) torn: Option<Torn>,
    /// The number of lines that were cut: no datagram, or no record, is so long.
    pub(super) cut: usize,
    /// The reason why it is not all.
    pub(super) error: Option<Errno>,
}

impl Stage {
    /// Takes as many messages as fit and as the bounds allow; the first of them may be torn.
    ///
    /// # Errors
    /// The text of a panic that kept messages from being made into lines, and their number. Their MESSAGE
    /// is taken for the line.
    pub(super) fn fill(
        &mut self,
        pending: &VecDeque<Chunk>,
        torn: Option<&Torn>,
        line: &Line,
        bounds: Bounds,
        context: &mut Context,
    ) -> Result<(), (usize, String)> {
        self.buffer.clear();
        self.buffer.shrink_to(2 * BUFFER);
        self.lines.clear();
        self.cuts.clear();
        self.runs.clear();
        self.longer.clear();
        self.skip = torn.map_or(0, |torn| torn.written);
        if torn.is_none() && bounds.lines == usize::MAX && line.is_message_and_newline(context) {
            self.take_runs(pending, bounds);
            if !self.runs.is_empty() {
                return Ok(());
            }
        }
        let mut failed = Ok(());
        let _calls = HostCalls::open();
        // What a panic leaves half done is taken back.
        while let Err(panic) =
            catch_unwind(AssertUnwindSafe(|| self.append_lines(pending, torn, (line, bounds), context)))
        {
            let (count, _) = failed.err().unwrap_or_default();
            failed = Err((count + 1, panic_text(&*panic)));
            self.append_message(pending, line);
        }
        failed
    }

    /// Puts MESSAGE in the place of the next line, of which only a part could be made.
    #[cold]
    fn append_message(&mut self, pending: &VecDeque<Chunk>, line: &Line) {
        let (index, last) = (self.lines.len(), self.lines.last());
        let (end, texts) = last.map_or((0, 0), |last| (last.end, last.written_end - last.end));
        self.buffer.truncate(end);
        self.cuts.retain(|cut| cut.line < index);
        let mut rows = pending.iter().flat_map(|chunk| {
            (chunk.next..chunk.delivery.view.len()).map(|row| chunk.delivery.view.message(row))
        });
        self.buffer.extend_from_slice(rows.nth(index).map_or(&b""[..], |message| message.text()));
        self.buffer.push(b'\n');
        if line.sizes.apply(end, &mut self.buffer) {
            self.longer.push(index);
        }
        self.frame_line(line.framing, end, 0);
        let end = self.buffer.len();
        self.lines.push(Staged { end, written_end: end + texts });
    }

    /// Appends lines behind those that are there, until it is full.
    #[inline]
    fn append_lines(
        &mut self,
        pending: &VecDeque<Chunk>,
        torn: Option<&Torn>,
        (line, bounds): (&Line, Bounds),
        context: &mut Context,
    ) {
        let cuts_texts = line.is_around_message(context);
        let is_steady = line.is_steady(context);
        let mut done = self.lines.len();
        let mut torn = torn.filter(|_| done == 0);
        let mut texts = self.lines.last().map_or(0, |last| last.written_end - last.end);
        for (index, chunk) in pending.iter().enumerate() {
            let mut frame = None;
            let skipped = done.min(chunk.delivery.view.len() - chunk.next);
            done -= skipped;
            for row in chunk.next + skipped..chunk.delivery.view.len() {
                let message = chunk.delivery.view.message(row);
                context.sequence = chunk.first.later(row).sequence;
                let start = self.buffer.len();
                let is_torn = torn.is_some();
                let mut split = if let Some(torn) = torn.take() {
                    self.buffer.extend_from_slice(&torn.head);
                    let split = self.buffer.len();
                    self.buffer.extend_from_slice(&torn.tail);
                    torn.around_text.then_some(split)
                } else if is_steady {
                    self.append_framed(message, &mut frame, line, context)
                } else if cuts_texts && message.text().len() >= LONG {
                    Some(line.append_around(message, context, &mut self.buffer, |_| ()))
                } else {
                    line.append(message, context, &mut self.buffer);
                    None
                };
                if !is_torn && split.is_none() && line.sizes.apply(start, &mut self.buffer) {
                    self.longer.push(self.lines.len());
                }
                if line.framing == Framing::OctetCounting && !is_torn {
                    let inside = split.map_or(0, |_| message.text().len());
                    let added = self.frame_line(line.framing, start, inside);
                    split = split.map(|split| split + added);
                    if let Some(frame) = &mut frame {
                        frame.shift(start, added);
                    }
                }
                if let Some(split) = split {
                    self.cuts.push(Cut { line: self.lines.len(), split, chunk: index, row });
                    texts += message.text().len();
                }
                let end = self.buffer.len();
                self.lines.push(Staged { end, written_end: end + texts });
                let full =
                    end >= BUFFER || end + texts >= bounds.bytes || 2 * self.cuts.len() + 3 > PIECES_MAX;
                if full || self.lines.len() >= bounds.lines {
                    return;
                }
            }
        }
    }

    /// Takes deliveries from the front as long as their lines stand in memory as they are to be written.
    fn take_runs(&mut self, pending: &VecDeque<Chunk>, bounds: Bounds) {
        let mut bytes = 0;
        for (index, chunk) in pending.iter().enumerate().take(PIECES_MAX) {
            let Some(run) = chunk.delivery.view.joined(chunk.next, b'\n') else { return };
            self.runs.push(Run { chunk: index, first: chunk.next });
            bytes += run.len();
            if bytes >= bounds.bytes {
                return;
            }
        }
    }

    /// Writes all of it, or until the sink takes no more.
    pub(super) fn write(&self, sink: &Sink, pending: &VecDeque<Chunk>) -> Progress {
        if let Some(most) = sink.datagram() {
            return self.send(sink, most, pending);
        }
        let mut pieces: SmallVec<[IoSlice<'_>; 8]> = SmallVec::new();
        let mut push = |bytes| {
            if !<[u8]>::is_empty(bytes) {
                pieces.push(IoSlice::new(bytes));
            }
        };
        for run in &self.runs {
            push(joined(pending, run));
        }
        let mut from = 0;
        for cut in &self.cuts {
            push(&self.buffer[from..cut.split]);
            push(text(pending, cut).text());
            from = cut.split;
        }
        push(&self.buffer[from..]);
        let mut rest = &mut pieces[..];
        IoSlice::advance_slices(&mut rest, self.skip);
        let (mut written, mut error) = (self.skip, None);
        while !rest.is_empty() {
            match sink.write(rest) {
                // A file that takes nothing and says nothing: as if the device was full.
                Ok(0) => error = Some(Errno::NOSPC),
                Ok(count) => {
                    written += count;
                    IoSlice::advance_slices(&mut rest, count);
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(other) => error = Some(other),
            }
            break;
        }
        if !self.runs.is_empty() {
            let (lines, torn) = self.written_of_runs(written, sink, pending);
            return Progress { lines, bytes: written, torn, cut: 0, error };
        }
        let lines = self.lines.partition_point(|line| line.written_end <= written);
        let start = lines.checked_sub(1).map_or(0, |last| self.lines[last].written_end);
        let torn = (written > start).then(|| self.torn(lines, written - start, sink));
        let cut = self.longer.partition_point(|line| *line < lines);
        Progress { lines, bytes: written - self.skip, torn, cut, error }
    }

    /// A copy of a line, `written` bytes of which are out.
    fn torn(&self, line: usize, written: usize, sink: &Sink) -> Torn {
        let start = line.checked_sub(1).map_or(0, |last| self.lines[last].end);
        let cut = self.cuts.iter().find(|cut| cut.line == line);
        let (head, tail) =
            self.buffer[start..self.lines[line].end].split_at(cut.map_or(0, |cut| cut.split - start));
        let (head, tail) = (head.to_vec(), tail.to_vec());
        Torn { head, tail, around_text: cut.is_some(), written, size: regular_size(sink) }
    }

    /// The number of lines of the runs in their first `written` bytes, and the line that is there in part.
    fn written_of_runs(
        &self,
        mut written: usize,
        sink: &Sink,
        pending: &VecDeque<Chunk>,
    ) -> (usize, Option<Torn>) {
        let mut lines = 0;
        for run in &self.runs {
            let view = &pending[run.chunk].delivery.view;
            let len = joined(pending, run).len();
            if written >= len {
                (lines, written) = (lines + view.len() - run.first, written - len);
                continue;
            }
            for index in run.first..view.len() {
                let text = view.message(index).text();
                if written > text.len() {
                    (lines, written) = (lines + 1, written - text.len() - 1);
                    continue;
                }
                let torn = (written > 0).then(|| {
                    let (head, tail) = ([text, b"\n"].concat(), Vec::new());
                    Torn { head, tail, around_text: false, written, size: regular_size(sink) }
                });
                return (lines, torn);
            }
        }
        (lines, None)
    }
}

fn regular_size(sink: &Sink) -> Option<i64> {
    if sink.is_regular() { sink.size() } else { None }
}

fn joined<'a>(pending: &'a VecDeque<Chunk>, run: &Run) -> &'a [u8] {
    pending[run.chunk].delivery.view.joined(run.first, b'\n').unwrap_or_default()
}

fn text<'a>(pending: &'a VecDeque<Chunk>, cut: &Cut) -> MessageRef<'a> {
    pending[cut.chunk].delivery.view.message(cut.row)
}

mod datagrams;
mod frame;

#[cfg(test)]
mod tests;
