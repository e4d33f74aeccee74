//! `Buffer`, what `acquire_buffer` lends, and `post_buffer`: one owner, many messages.
//!
//! The bytes stay where they are: in the engine's buffer, in a `bytes` that the engine keeps, or
//! in the one copy of anything that may still change. Each message is a view of its piece. Splitting a
//! large buffer happens without the GIL (`split`).

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::attachment::{Attachment, too_large};
use super::cell::GilCell;
use super::message::Payload;
use super::split::{Pieces, Source, Split, Stopped};
use super::type_name::type_name;
use super::{clock, release};
use crate::flow::Producer;
use crate::message::{EngineBuffer, MESSAGE_MAX, Pool};

/// A buffer of at least this many bytes is split without the GIL; a shorter one is done sooner than the
/// GIL is given away and taken back.
const DETACH_FROM: usize = 16 * 1024;

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
    /// The rest that a partial post did not consume.
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

    /// The bytes that the last `post_buffer(..., partial=True)` did not consume.
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
        return Ok(Source::of_buffer(memory, len));
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
    let mut pieces = Pieces::new(attached, attached.lane.producer(origin), &source, split, clock::now(py));
    let group = mark.map(|(_, tracking)| tracking.tracker().open_group());
    if let Some(group) = group {
        pieces.join_group(group);
    }
    let posted = if source.len() >= DETACH_FROM {
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
    source.hold_unused(attached.lane.credit());
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
