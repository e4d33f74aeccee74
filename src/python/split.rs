//! One buffer into many messages: `Pieces`.
//!
//! A buffer is split by memchr, without the GIL when it is large. Plain pieces become [`Lines`], 8 bytes
//! each; pieces that are parsed become rows of ordinary batches, with the fields that the parser finds. All
//! batches of a buffer view the same owner.

use std::ptr::NonNull;
use std::sync::Arc;

use memchr::memmem::Finder;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::attachment::Attachment;
use super::release;
use super::type_name::type_name;
use crate::flow::credit::Hold;
use crate::flow::tracker::Group;
use crate::flow::{Credit, Producer};
use crate::message::batch::SharedSegment;
use crate::message::{
    EngineBuffer, Foreign, Lines, MESSAGE_MAX, Need, Owner, Published, Segment, Stamp, Writer,
};
use crate::source::ParsedRow;
use crate::syslog::Clock;
use crate::syslog::fill::Filler;
use crate::syslog::names::DEFAULT_PRI;

/// A batch of pieces is sent when it holds this many bytes, so that the byte half of the credit is
/// overdrawn by no more than this and one message.
const SEND_AT: u64 = 1 << 20;
/// Messages of credit that are taken at a time.
const TAKE: u32 = 256;

/// The way in which a buffer is split.
pub(crate) struct Split {
    delimiter: Vec<u8>,
    parse: bool,
    keep_empty: bool,
    pub(super) partial: bool,
}

impl Split {
    pub(super) fn new(
        delimiter: Option<&Bound<'_, PyAny>>,
        parse: bool,
        keep_empty: bool,
        partial: bool,
    ) -> PyResult<Self> {
        let delimiter = match delimiter {
            None => b"\n".to_vec(),
            Some(given) => {
                let Ok(bytes) = given.cast::<PyBytes>() else {
                    let text = format!("post_buffer: delimiter: expected bytes, got {}", type_name(given));
                    return Err(PyTypeError::new_err(text));
                };
                bytes.as_bytes().to_vec()
            }
        };
        if delimiter.is_empty() {
            return Err(PyValueError::new_err("post_buffer: delimiter: expected at least one byte"));
        }
        Ok(Self { delimiter, parse, keep_empty, partial })
    }
}

/// Bytes that stay where they are, with what keeps them.
pub(super) struct Source {
    start: NonNull<u8>,
    len: usize,
    owner: Keeper,
}

enum Keeper {
    Engine(Arc<EngineBuffer>),
    Object(Arc<Foreign>),
}

// SAFETY: `start` points into memory that `owner` keeps and nobody changes.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

impl Source {
    /// The first `len` bytes of a buffer that was sealed.
    pub(super) fn of_buffer(buffer: Arc<EngineBuffer>, len: usize) -> Self {
        assert!(len <= buffer.len(), "checked by the caller");
        Self { start: buffer.start(), len, owner: Keeper::Engine(buffer) }
    }

    /// `bytes`, which belong to the immutable `object`.
    pub(super) fn of_object(object: &Bound<'_, PyAny>, bytes: &[u8]) -> Self {
        let owner = Keeper::Object(Arc::new(release::keep(object)));
        Self { start: NonNull::from(bytes).cast(), len: bytes.len(), owner }
    }

    /// The number of its bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes that `owner` keeps and nobody changes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Counts what is unused of an engine's buffer as bytes on their way, for as long as somebody views it.
    ///
    /// Called after the post: counted before, a buffer larger than the whole credit would wait for itself.
    pub(super) fn hold_unused(&self, credit: &Arc<Credit>) {
        if let Keeper::Engine(buffer) = &self.owner
            && buffer.len() > self.len
        {
            buffer.keep(Box::new(Hold::new(credit, (buffer.len() - self.len) as u64)));
        }
    }

    /// A segment over the bytes from `offset` on.
    fn segment(&self, offset: usize) -> Segment {
        let rest = &self.bytes()[offset..];
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let owner = match &self.owner {
            Keeper::Engine(buffer) => Owner::Buffer(Arc::clone(buffer)),
            Keeper::Object(object) => Owner::Shared(Arc::clone(object)),
        };
        // SAFETY: the bytes do not change while their owner lives.
        unsafe { Segment::new(NonNull::from(rest).cast(), len, owner) }
    }
}

/// The reason why a buffer was not posted to its end.
pub(super) enum Stopped {
    Closed,
    TooLong { at: usize, len: usize },
}

/// The pieces of one buffer on their way into batches.
pub(super) struct Pieces<'a> {
    producer: Producer,
    credit: Arc<Credit>,
    source: &'a Source,
    split: &'a Split,
    attached: &'a Attachment,
    now: Stamp,
    credit_left: u32,
    parser: Option<(Filler, Clock)>,
    open: Option<Open>,
}

/// The batch that the next piece may go into, and where in the buffer its segment begins.
enum Open {
    Lines(Lines, usize),
    /// Rows over the segment, whose first byte is at `base`; with so many bytes of texts and values.
    Rows {
        writer: Writer,
        segment: SharedSegment,
        base: usize,
        bytes: u64,
    },
}

/// The end of a piece, with or without its delimiter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtDelimiter,
    AtEnd,
}

impl<'a> Pieces<'a> {
    /// The pieces of `source`, to be posted through `producer`.
    pub(super) fn new(
        attached: &'a Attachment,
        producer: Producer,
        source: &'a Source,
        split: &'a Split,
        now: Stamp,
    ) -> Self {
        let credit = Arc::clone(attached.lane.credit());
        let parser = split.parse.then(|| (Filler::default(), Clock::system()));
        Self { producer, credit, source, split, attached, now, credit_left: 0, parser, open: None }
    }

    /// Has all its batches acknowledged together, as one group.
    pub(super) fn join_group(&mut self, group: Group) {
        self.producer.join_group(group);
    }

    /// Posts all of them, and calls `wait` where there is no credit; the number of bytes consumed.
    pub(super) fn post_all(&mut self, wait: &dyn Fn(&Credit)) -> Result<usize, Stopped> {
        let posted = self.post_pieces(wait);
        self.send();
        self.credit.give_back(std::mem::take(&mut self.credit_left), 0);
        posted
    }

    fn post_pieces(&mut self, wait: &dyn Fn(&Credit)) -> Result<usize, Stopped> {
        let source = self.source;
        let bytes = source.bytes();
        let delimiter = self.split.delimiter.as_slice();
        let mut start = 0;
        if let [byte] = *delimiter {
            for end in memchr::memchr_iter(byte, bytes) {
                self.post_piece(start, end, Ends::AtDelimiter, wait)?;
                start = end + 1;
            }
        } else {
            for end in Finder::new(delimiter).find_iter(bytes) {
                self.post_piece(start, end, Ends::AtDelimiter, wait)?;
                start = end + delimiter.len();
            }
        }
        if !self.split.partial && start < bytes.len() {
            self.post_piece(start, bytes.len(), Ends::AtEnd, wait)?;
            start = bytes.len();
        }
        Ok(start)
    }

    #[inline]
    fn post_piece(
        &mut self,
        start: usize,
        end: usize,
        ends: Ends,
        wait: &dyn Fn(&Credit),
    ) -> Result<(), Stopped> {
        let len = end - start;
        if len == 0 && !self.split.keep_empty {
            return Ok(());
        }
        if len > MESSAGE_MAX {
            return Err(Stopped::TooLong { at: start, len });
        }
        if self.credit_left == 0 {
            self.take_credit(wait)?;
        }
        self.credit_left -= 1;
        if self.parser.is_some() {
            self.add_parsed(start, end);
        } else {
            self.add_line(start, end, ends);
        }
        Ok(())
    }

    #[inline]
    fn add_line(&mut self, start: usize, end: usize, ends: Ends) {
        let fits = matches!(&self.open, Some(Open::Lines(_, base)) if u32::try_from(end - base).is_ok());
        // The last line has a batch of its own, so that the others stay joined.
        if !fits || ends == Ends::AtEnd {
            self.open_lines(start);
        }
        let Some(Open::Lines(lines, base)) = &mut self.open else { unreachable!("opened above") };
        let (offset, len) = ((start - *base) as u32, (end - start) as u32);
        match ends {
            Ends::AtDelimiter => lines.push(offset, len),
            Ends::AtEnd => lines.push_last(offset, len),
        }
        if lines.charge() >= SEND_AT {
            self.send();
        }
    }

    #[cold]
    fn open_lines(&mut self, base: usize) {
        self.send();
        let delimiter = <[u8; 1]>::try_from(self.split.delimiter.as_slice()).ok().map(|[byte]| byte);
        let pri = self.attached.pri.unwrap_or(DEFAULT_PRI);
        let (origin, segment) = (self.producer.origin(), self.source.segment(base));
        self.open = Some(Open::Lines(Lines::new(origin, segment, self.now, pri, delimiter), base));
    }

    fn add_parsed(&mut self, start: usize, end: usize) {
        let Some((filler, clock)) = &mut self.parser else { return };
        let piece = &self.source.bytes()[start..end];
        filler.parse(piece, &self.attached.parse_options, clock);
        let parsed = ParsedRow::new(&self.attached.policy, filler, piece);
        let need = Need { viewed: piece.len(), ..parsed.need() };
        let now = self.now;
        let write = |open: &mut Option<Open>| {
            let Some(Open::Rows { writer, segment, base, bytes }) = open else { return false };
            if u32::try_from(end - *base).is_err() {
                return false;
            }
            let Some(mut row) = writer.row(need) else { return false };
            row.payload_share(*segment, (start - *base) as u32, piece.len() as u32);
            parsed.write(now, &mut row);
            *bytes += need.size() as u64;
            // Nobody else has the batch, so it is not sealed.
            row.publish() == Published::Yes
        };
        while !write(&mut self.open) {
            send(&mut self.open, &mut self.producer, &self.credit);
            let mut writer = self.producer.open_private(Need { segments: 1, ..need });
            let Ok(segment) = writer.adopt_shared(self.source.segment(start)) else {
                unreachable!("an empty batch has room for a segment")
            };
            self.open = Some(Open::Rows { writer, segment, base: start, bytes: 0 });
        }
        if matches!(&self.open, Some(Open::Rows { writer, .. }) if writer.charge() >= SEND_AT) {
            send(&mut self.open, &mut self.producer, &self.credit);
        }
    }

    fn send(&mut self) {
        send(&mut self.open, &mut self.producer, &self.credit);
    }

    /// Takes messages of credit; waits for them, after sending what there is, so that it can come back.
    #[cold]
    fn take_credit(&mut self, wait: &dyn Fn(&Credit)) -> Result<(), Stopped> {
        loop {
            if self.producer.lane().is_closed() {
                return Err(Stopped::Closed);
            }
            self.credit_left = self.credit.try_take(TAKE, 0);
            if self.credit_left > 0 {
                return Ok(());
            }
            self.send();
            self.credit.count_suspension();
            self.producer.before_wait();
            wait(&self.credit);
        }
    }
}

/// Sends the open batch, if there is one.
fn send(open: &mut Option<Open>, producer: &mut Producer, credit: &Credit) {
    match open.take() {
        None => {}
        Some(Open::Lines(lines, _)) => {
            credit.take_bytes(lines.charge());
            producer.send_lines(lines);
        }
        Some(Open::Rows { writer, bytes, .. }) => {
            credit.take_bytes(writer.charge());
            producer.send_private(writer, bytes);
        }
    }
}
