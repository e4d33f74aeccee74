//! `Buffer`, what `acquire_buffer` lends, and `post_buffer`: one owner, many messages.
//!
//! The bytes stay where they are: in the engine's buffer, in a `bytes` that the engine keeps, or
//! in the one copy of anything that may still change. Each message is a view of its piece. Splitting a
//! large buffer happens without the GIL.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use memchr::memmem::Finder;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::attachment::{Attachment, too_large};
use super::cell::GilCell;
use super::message::{Payload, type_name};
use super::{clock, release};
use crate::flow::{Credit, Producer};
use crate::message::batch::{SharedSegment, Text};
use crate::message::{
    EngineBuffer, FieldName, MESSAGE_MAX, Need, Owner, Pool, Row, Segment, Stamp, ValueType, Writer,
};
use crate::syslog::Clock;
use crate::syslog::fill::{FieldSink, Filler};

/// A buffer of at least this many bytes is split without the GIL; a shorter one is done sooner than the
/// GIL is given away and taken back.
const DETACH_FROM: usize = 16 * 1024;
/// A batch of pieces is sent when it holds this many bytes, so that the byte half of the credit is
/// overdrawn by no more than this and one message.
const SEND_AT: u64 = 1 << 20;
/// Messages of credit that are taken at a time.
const TAKE: u32 = 256;

/// A writable buffer that the engine owns.
///
/// Filled through the buffer protocol and posted once; posting seals it.
#[pyclass(module = "inrush", frozen)]
pub struct Buffer {
    state: GilCell<State>,
}

struct State {
    /// `None` once it is sealed.
    memory: Option<Arc<EngineBuffer>>,
    exports: usize,
    size: usize,
    /// What a partial post did not consume.
    tail: Vec<u8>,
}

impl Buffer {
    pub(super) fn new(pool: &Arc<Pool>, size: usize) -> PyResult<Self> {
        if size == 0 || u32::try_from(size).is_err() {
            let text = format!("acquire_buffer: size is {size}, expected from 1 to {} bytes", u32::MAX);
            return Err(PyValueError::new_err(text));
        }
        let memory = Some(Arc::new(EngineBuffer::new(pool, size)));
        Ok(Self { state: GilCell::new(State { memory, exports: 0, size, tail: Vec::new() }) })
    }

    /// Seals the buffer and gives its memory away.
    fn seal(&self, py: Python<'_>) -> PyResult<Arc<EngineBuffer>> {
        self.state.with(py, |state| {
            if state.exports > 0 {
                return Err(PyBufferError::new_err(format!(
                    "post_buffer: {} views of the buffer are alive; release them before it is posted",
                    state.exports
                )));
            }
            state
                .memory
                .take()
                .ok_or_else(|| PyValueError::new_err("post_buffer: the buffer was posted before"))
        })
    }
}

#[pymethods]
impl Buffer {
    /// The size that it was acquired with.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.state.with(py, |state| state.size)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.state.with(py, |state| {
            let sealed = if state.memory.is_none() { ", posted" } else { "" };
            format!("<inrush.Buffer of {} bytes{sealed}>", state.size)
        })
    }

    /// What the last `post_buffer(..., partial=True)` did not consume.
    #[getter]
    fn tail<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let tail = self.state.with(py, |state| state.tail.clone());
        PyBytes::new(py, &tail)
    }

    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands itself over by value")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let py = slf.py();
        let (start, size) = slf.get().state.with(py, |state| {
            let Some(memory) = &state.memory else {
                return Err(PyBufferError::new_err("the buffer was posted: its bytes belong to the engine"));
            };
            state.exports += 1;
            Ok((memory.start(), memory.len()))
        })?;
        // SAFETY: `view` is the interpreter's; the memory lives until the last view is released, because
        // `seal` refuses while there is one and this object keeps it otherwise.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.as_ptr().cast(), size as isize, 0, flags)
        };
        if filled == -1 {
            slf.get().state.with(py, |state| state.exports -= 1);
            return Err(PyErr::fetch(py));
        }
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, py: Python<'_>, _view: *mut ffi::Py_buffer) {
        self.state.with(py, |state| state.exports -= 1);
    }
}

/// How a buffer is split.
pub struct Split {
    delimiter: Vec<u8>,
    parse: bool,
    keep_empty: bool,
    partial: bool,
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
struct Source {
    start: NonNull<u8>,
    len: usize,
    owner: Keeper,
}

enum Keeper {
    Engine(Arc<EngineBuffer>),
    Object(Arc<crate::message::Foreign>),
}

// SAFETY: `start` points into memory that `owner` keeps and nobody changes.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

impl Source {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes that `owner` keeps and nobody changes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
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

    fn of_object(object: &Bound<'_, PyAny>, bytes: &[u8]) -> Self {
        let owner = Keeper::Object(Arc::new(release::keep(object)));
        Self { start: NonNull::from(bytes).cast(), len: bytes.len(), owner }
    }
}

/// `length` of a buffer of `size` bytes.
fn checked(length: Option<usize>, size: usize) -> PyResult<usize> {
    let length = length.unwrap_or(size);
    if length > size {
        let text = format!("post_buffer: length is {length}, and the buffer has {size} bytes");
        return Err(PyValueError::new_err(text));
    }
    Ok(length)
}

/// The bytes of `buffer`; copied when they may still change.
fn source(py: Python<'_>, buffer: &Bound<'_, PyAny>, length: Option<usize>) -> PyResult<Source> {
    if let Ok(lent) = buffer.cast::<Buffer>() {
        let size = lent.get().state.with(py, |state| state.size);
        let len = checked(length, size)?;
        let memory = lent.get().seal(py)?;
        return Ok(Source { start: memory.start(), len, owner: Keeper::Engine(memory) });
    }
    if let Ok(bytes) = buffer.cast_exact::<PyBytes>() {
        let all = bytes.as_bytes();
        return Ok(Source::of_object(buffer, &all[..checked(length, all.len())?]));
    }
    let view = PyMemoryView::from(buffer).map_err(|_| {
        let given = type_name(buffer);
        PyTypeError::new_err(format!("post_buffer: expected bytes or another buffer, got {given}"))
    })?;
    if let Some(kept) = Payload::view_of_bytes(&view)?
        && let Some((owner, _, size)) = kept.object()
    {
        return Ok(Source::of_object(owner.bind(py), &kept.bytes()[..checked(length, size)?]));
    }
    let size: usize = view.getattr("nbytes")?.extract()?;
    let len = checked(length, size)?;
    let copy: Bound<'_, PyBytes> = view.call_method0("tobytes")?.cast_into()?;
    let all = copy.as_bytes();
    Ok(Source::of_object(copy.as_any(), &all[..len]))
}

/// Why a buffer was not posted to its end.
enum Stopped {
    Closed,
    TooLong { at: usize, len: usize },
}

/// Posts the pieces of `buffer`; the number of bytes consumed.
pub(super) fn post(
    py: Python<'_>,
    attached: &Attachment,
    buffer: &Bound<'_, PyAny>,
    length: Option<usize>,
    split: &Split,
    bookmark: Option<&Bound<'_, PyAny>>,
) -> PyResult<usize> {
    if attached.lane.is_closed() {
        return Err(attached.closed("post_buffer", 1));
    }
    let mark = match bookmark {
        Some(bookmark) => Some((bookmark, attached.checked_tracking(bookmark, "post_buffer")?)),
        None => None,
    };
    attached.before_wait();
    let source = source(py, buffer, length)?;
    // What this thread posted before is in a batch that was sent before: end it, so that what it posts
    // afterwards comes after.
    let origin = attached.producer.with(py, |producer| {
        producer.close_batch();
        producer.before_wait();
        Arc::clone(producer.origin())
    });
    let mut pieces = Pieces {
        producer: attached.lane.producer(origin),
        credit: Arc::clone(attached.lane.credit()),
        source: &source,
        split,
        attached,
        now: clock::now(py),
        credit_left: 0,
        parser: split.parse.then(|| (Filler::default(), Clock::system())),
    };
    let group = mark.map(|(_, tracking)| tracking.tracker().open_group());
    if let Some(group) = group {
        pieces.producer.join_group(group);
    }
    let posted = if source.len >= DETACH_FROM {
        py.detach(|| {
            pieces.post_all(&|credit| {
                credit.wait(None);
            })
        })
    } else {
        pieces.post_all(&|credit| {
            py.detach(|| credit.wait(None));
        })
    };
    drop(pieces);
    attached.producer.with(py, Producer::close_batch);
    if let (Some((bookmark, tracking)), Some(group)) = (mark, group) {
        if posted.is_ok() {
            tracking.mark_group(py, group, bookmark.clone().unbind());
        } else {
            tracking.tracker().forget_group(group);
        }
    }
    release::drain_some(py);
    match posted {
        Ok(consumed) => {
            if let Ok(lent) = buffer.cast::<Buffer>()
                && split.partial
            {
                let tail = source.bytes()[consumed..].to_vec();
                lent.get().state.with(py, |state| state.tail = tail);
            }
            Ok(consumed)
        }
        Err(Stopped::Closed) => Err(attached.closed("post_buffer", 1)),
        Err(Stopped::TooLong { at, len }) if len > MESSAGE_MAX => Err(PyValueError::new_err(format!(
            "post_buffer: the piece at byte {at} has {len} bytes, expected at most {MESSAGE_MAX}; what is before it is posted"
        ))),
        Err(Stopped::TooLong { .. }) => Err(too_large("post_buffer")),
    }
}

/// The pieces of one buffer on their way into batches.
struct Pieces<'a> {
    producer: Producer,
    credit: Arc<Credit>,
    source: &'a Source,
    split: &'a Split,
    attached: &'a Attachment,
    now: Stamp,
    credit_left: u32,
    parser: Option<(Filler, Clock)>,
}

/// A row that takes the fields of a parsed message as far as the source layer leaves them alone.
struct Taken<'a, 'w> {
    row: &'a mut Row<'w>,
    attached: &'a Attachment,
    now: Stamp,
}

impl FieldSink for Taken<'_, '_> {
    #[inline]
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.row.stamps(self.attached.policy.stamp(stamp, self.now), recvd_micros);
    }

    #[inline]
    fn pri(&mut self, pri: u16) {
        self.row.pri(pri);
    }

    #[inline]
    fn message(&mut self, text: Text<'_>) {
        self.row.message(text);
    }

    #[inline]
    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        if !self.attached.policy.overwrites(id) {
            self.row.field(id, name, ValueType::String, value);
        }
    }
}

/// A batch over the buffer, which starts at `base` in it.
struct Open {
    writer: Writer,
    segment: SharedSegment,
    base: usize,
}

impl Pieces<'_> {
    fn post_all(&mut self, wait: &dyn Fn(&Credit)) -> Result<usize, Stopped> {
        let mut open = None;
        let posted = self.post_pieces(&mut open, wait);
        self.send(&mut open);
        self.credit.give_back(std::mem::take(&mut self.credit_left), 0);
        posted
    }

    fn post_pieces(&mut self, open: &mut Option<Open>, wait: &dyn Fn(&Credit)) -> Result<usize, Stopped> {
        let source = self.source;
        let bytes = source.bytes();
        let delimiter = self.split.delimiter.as_slice();
        let mut start = 0;
        if let [byte] = *delimiter {
            for end in memchr::memchr_iter(byte, bytes) {
                self.post_piece(open, start, end, wait)?;
                start = end + 1;
            }
        } else {
            for end in Finder::new(delimiter).find_iter(bytes) {
                self.post_piece(open, start, end, wait)?;
                start = end + delimiter.len();
            }
        }
        if !self.split.partial && start < bytes.len() {
            self.post_piece(open, start, bytes.len(), wait)?;
            start = bytes.len();
        }
        Ok(start)
    }

    #[inline]
    fn post_piece(
        &mut self,
        open: &mut Option<Open>,
        start: usize,
        end: usize,
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
            self.take_credit(open, wait)?;
        }
        let mut need = Need { viewed: len, ..Need::default() };
        let mut host = None;
        if let Some((filler, clock)) = &mut self.parser {
            let piece = &self.source.bytes()[start..end];
            filler.parse(piece, &self.attached.parse_options, clock);
            let own = filler.need();
            (need.bytes, need.fields) = (own.bytes, own.fields);
            let own_host = filler.parsed().host.map(|host| host.of(piece));
            host = self.attached.policy.hosts(own_host, None).host;
            if let Some(host) = &host {
                need.fields += 1;
                need.bytes += host.len();
            }
        }
        loop {
            if let Some(batch) = open
                && u32::try_from(end - batch.base).is_ok()
                && self.write(batch, start, len, need, host.as_deref())
            {
                self.credit_left -= 1;
                if batch.writer.charge() >= SEND_AT {
                    self.send(open);
                }
                return Ok(());
            }
            self.send(open);
            *open = Some(self.open_at(start, need));
        }
    }

    /// Writes the piece of `len` bytes at `start` into `batch`; false when the batch is too full for it.
    #[inline]
    fn write(&self, batch: &mut Open, start: usize, len: usize, need: Need, host: Option<&[u8]>) -> bool {
        let Some(mut row) = batch.writer.row(need) else { return false };
        row.payload_share(batch.segment, (start - batch.base) as u32, len as u32);
        match &self.parser {
            None => {
                row.stamps(self.now, self.now.unix_micros);
                row.pri(self.attached.pri.unwrap_or(super::message::DEFAULT_PRI));
            }
            Some((filler, _)) => {
                filler.fill(self.now, &mut Taken { row: &mut row, attached: self.attached, now: self.now });
                if let Some(host) = host {
                    row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(host));
                }
            }
        }
        row.publish();
        true
    }

    fn open_at(&mut self, base: usize, need: Need) -> Open {
        let mut writer = self.producer.open_private(need);
        let Ok(segment) = writer.adopt_shared(self.source.segment(base)) else {
            unreachable!("an empty batch has room for a segment")
        };
        Open { writer, segment, base }
    }

    fn send(&mut self, open: &mut Option<Open>) {
        if let Some(batch) = open.take() {
            self.credit.take_bytes(batch.writer.charge());
            self.producer.send_private(batch.writer);
        }
    }

    /// Takes messages of credit; waits for them, after sending what there is, so that it can come back.
    #[cold]
    fn take_credit(&mut self, open: &mut Option<Open>, wait: &dyn Fn(&Credit)) -> Result<(), Stopped> {
        loop {
            if self.producer.lane().is_closed() {
                return Err(Stopped::Closed);
            }
            self.credit_left = self.credit.try_take(TAKE, 0);
            if self.credit_left > 0 {
                return Ok(());
            }
            self.send(open);
            self.credit.count_suspension();
            self.producer.before_wait();
            wait(&self.credit);
        }
    }
}
