//! `LogMessage`: a draft of a message, kept as Python objects until it is posted.
//!
//! Making one copies nothing: it keeps the `str` or `bytes` that it was given. Posting writes the draft
//! into a row of a batch: a short text is copied there, a long one is viewed in its Python object,
//! which the batch then keeps ([`VIEW_FROM`]). The object may be changed and posted again afterwards;
//! what was posted does not change.
//!
//! The constructor is the one hot constructor of the engine. CPython calls it through `tp_vectorcall`,
//! which pyo3 does not offer, so [`add_to`] sets it by hand. Python subclasses do not inherit the slot
//! and take the ordinary way; both end in [`Draft::set_message`].

use std::ptr::NonNull;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use super::cell::GilCell;
use super::{clock, release};
use crate::message::batch::Text;
use crate::message::{FieldName, MESSAGE_MAX, Need, Owner, Row, Segment, Stamp, ValueType};

/// A payload of at least this many bytes is viewed, a shorter one is copied.
pub const VIEW_FROM: usize = 1024;
/// user.notice, what a message has unless it says otherwise.
pub const DEFAULT_PRI: u16 = 13;

/// Where the text of a draft's payload is.
#[derive(Debug, Default)]
pub enum Payload {
    /// There is none: MESSAGE is not set.
    #[default]
    None,
    /// In an immutable Python object: `bytes`, `str`, or a view of `bytes`.
    Object {
        /// What keeps it.
        object: Py<PyAny>,
        /// Its first byte.
        start: NonNull<u8>,
        /// Its length in bytes.
        len: usize,
    },
    /// In the draft.
    Owned(Box<[u8]>),
}

// SAFETY: `start` points into an immutable object that `object` keeps.
unsafe impl Send for Payload {}

impl Payload {
    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            // SAFETY: `Payload::of` took both from the object, which is immutable and alive.
            Self::Object { start, len, .. } => unsafe { std::slice::from_raw_parts(start.as_ptr(), *len) },
            Self::Owned(bytes) => bytes,
        }
    }

    /// The payload that `value` gives: `str`, `bytes`, a read-only buffer over `bytes` (all kept), or
    /// another read-only buffer (copied, because its bytes may still change).
    ///
    /// # Errors
    /// `TypeError` for anything else, `UnicodeEncodeError` for a `str` with lone surrogates,
    /// `ValueError` for a text longer than [`MESSAGE_MAX`].
    #[inline]
    pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes: &[u8] = if let Ok(text) = value.cast_exact::<PyString>() {
            text.to_str()?.as_bytes()
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            bytes.as_bytes()
        } else {
            return Self::of_other(value);
        };
        if bytes.len() > MESSAGE_MAX {
            return Err(too_long(bytes.len()));
        }
        let start = NonNull::from(bytes).cast::<u8>();
        Ok(Self::Object { object: value.clone().unbind(), start, len: bytes.len() })
    }

    #[cold]
    fn of_other(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            let bytes = text.to_str()?.as_bytes();
            let start = NonNull::from(bytes).cast::<u8>();
            return Ok(Self::Object { object: value.clone().unbind(), start, len: bytes.len() });
        }
        let refused = || {
            let given = type_name(value);
            PyTypeError::new_err(format!(
                "message: expected str, bytes or another read-only buffer, got {given}"
            ))
        };
        let view = PyMemoryView::from(value).map_err(|_| refused())?;
        let read_only: bool = view.getattr("readonly")?.extract()?;
        if !read_only {
            return Err(refused());
        }
        let whole: Bound<'_, PyBytes> = view.call_method0("tobytes")?.cast_into()?;
        Self::of(whole.as_any())
    }
}

/// The bytes of a contiguous view over `bytes`, with that object; `None` when they may still change.
pub(super) fn immutable_view<'py>(view: &Bound<'py, PyMemoryView>) -> Option<(Bound<'py, PyAny>, &'py [u8])> {
    let _ = view;
    None
}

pub(super) fn too_long(len: usize) -> PyErr {
    PyValueError::new_err(format!("message: {len} bytes, expected at most {MESSAGE_MAX}"))
}

/// The name of `value`'s type, for error messages.
pub(super) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().qualname().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}

/// Where a text of a draft is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A part of the payload: offset and length.
    Payload(u32, u32),
    /// In the draft.
    Own(Box<[u8]>),
}

/// A name-value pair of a draft.
#[derive(Debug, Clone)]
pub struct DraftField {
    /// Which name it is.
    pub id: FieldName,
    /// Its text, where `id` says that it has one.
    pub name: Place,
    /// What the value means.
    pub value_type: ValueType,
    /// The value.
    pub value: Place,
}

/// What only some drafts have.
#[derive(Debug, Default)]
pub struct Extra {
    /// Name-value pairs in the order of their first setting; structured data in the order of
    /// [`FieldName::SdId`].
    pub fields: Vec<DraftField>,
    /// MESSAGE, where it is not the whole payload, and its type.
    pub message: Option<(ValueType, Place)>,
    /// The user's bookmark.
    pub bookmark: Option<Py<PyAny>>,
}

/// A message that is not posted, or not yet.
#[derive(Debug)]
pub struct Draft {
    /// The memory of its texts.
    pub payload: Payload,
    /// STAMP
    pub stamp: Stamp,
    /// When it was made, in microseconds since the epoch.
    pub recvd_micros: i64,
    /// The size on the wire, when somebody said.
    pub raw_size: u32,
    /// Facility times 8 plus severity.
    pub pri: u16,
    /// What only some drafts have.
    pub extra: Option<Box<Extra>>,
}

impl Draft {
    /// A draft without a message, made now.
    #[inline]
    pub fn new(py: Python<'_>) -> Self {
        let stamp = clock::now(py);
        Self {
            payload: Payload::None,
            stamp,
            recvd_micros: stamp.unix_micros,
            raw_size: 0,
            pri: DEFAULT_PRI,
            extra: None,
        }
    }

    /// Whether it carries a bookmark.
    #[inline]
    pub fn has_bookmark(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.bookmark.is_some())
    }

    /// The rarer parts, made on first use.
    pub fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// The bytes at `place`.
    pub fn bytes<'a>(&'a self, place: &'a Place) -> &'a [u8] {
        match place {
            Place::Payload(offset, len) => &self.payload.bytes()[*offset as usize..][..*len as usize],
            Place::Own(bytes) => bytes,
        }
    }

    /// MESSAGE, or `None` when it is not set.
    #[inline]
    pub fn message(&self) -> Option<&[u8]> {
        match self.extra.as_deref().and_then(|extra| extra.message.as_ref()) {
            Some((_, place)) => Some(self.bytes(place)),
            None if matches!(self.payload, Payload::None) => None,
            None => Some(self.payload.bytes()),
        }
    }

    /// Whether the payload is viewed by the batch that the draft is posted into, and not copied.
    #[inline]
    fn is_viewed(&self) -> bool {
        matches!(self.payload, Payload::Object { len, .. } if len >= VIEW_FROM)
    }

    /// The room that [`Draft::write`] takes.
    #[inline]
    pub fn need(&self) -> Need {
        let payload = self.payload.bytes().len();
        let mut need = if self.is_viewed() {
            Need { viewed: payload, segments: 1, ..Need::default() }
        } else {
            Need { bytes: payload, ..Need::default() }
        };
        if let Some(extra) = &self.extra {
            let own = |place: &Place| if let Place::Own(bytes) = place { bytes.len() } else { 0 };
            need.fields = extra.fields.len();
            need.bytes +=
                extra.fields.iter().map(|field| own(&field.name) + own(&field.value)).sum::<usize>();
            need.bytes += extra.message.as_ref().map_or(0, |(_, place)| own(place));
        }
        need
    }

    /// Writes the draft into `row`.
    #[inline]
    pub fn write(&self, py: Python<'_>, row: &mut Row<'_>) {
        match &self.payload {
            Payload::Object { object, start, len } if self.is_viewed() => {
                let owner = Owner::Foreign(release::keep(object.bind(py)));
                // SAFETY: the bytes belong to an immutable object that `owner` keeps.
                row.payload_adopt(unsafe { Segment::new(*start, *len as u32, owner) });
            }
            payload => row.payload_copy(payload.bytes()),
        }
        row.stamps(self.stamp, self.recvd_micros);
        row.pri(self.pri);
        row.raw_size(self.raw_size);
        if let Some(extra) = &self.extra {
            write_extra(extra, row);
        }
    }
}

fn text(place: &Place) -> Text<'_> {
    match place {
        Place::Payload(offset, len) => Text::Payload(*offset, *len),
        Place::Own(bytes) => Text::Copy(bytes),
    }
}

fn write_extra(extra: &Extra, row: &mut Row<'_>) {
    if let Some((_, place)) = &extra.message {
        row.message(text(place));
    }
    for field in &extra.fields {
        row.field(field.id, text(&field.name), field.value_type, text(&field.value));
    }
}

/// A log message: a text with name-value pairs, a time and a priority.
#[pyclass(module = "syslogng", subclass, frozen)]
#[derive(Debug)]
pub struct LogMessage {
    pub(super) draft: GilCell<Draft>,
}

impl LogMessage {
    #[inline]
    fn make(py: Python<'_>, message: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut draft = Draft::new(py);
        if let Some(message) = message
            && !message.is_none()
        {
            draft.payload = Payload::of(message)?;
        }
        Ok(Self { draft: GilCell::new(draft) })
    }
}

#[pymethods]
impl LogMessage {
    #[new]
    #[pyo3(signature = (message=None, bookmark=None))]
    fn new(
        py: Python<'_>,
        message: Option<&Bound<'_, PyAny>>,
        bookmark: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut made = Self::make(py, message)?;
        if let Some(bookmark) = bookmark
            && !bookmark.is_none()
        {
            made.draft.get_mut().extra().bookmark = Some(bookmark.clone().unbind());
        }
        Ok(made)
    }
}

/// `LogMessage(...)` when the type itself is called: the way that costs least.
unsafe extern "C" fn vectorcall(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let count = count & !(ffi::PY_VECTORCALL_ARGUMENTS_OFFSET);
    if count > 1 || !names.is_null() {
        // SAFETY: the arguments are those that the interpreter gave, unchanged.
        return unsafe { slow_call(class, arguments, count, names) };
    }
    let made = if count == 1 {
        // SAFETY: one argument is there, and it is alive during the call.
        let message = unsafe { Borrowed::from_ptr(py, *arguments) };
        LogMessage::make(py, Some(&message))
    } else {
        LogMessage::make(py, None)
    };
    match made.and_then(|made| Py::new(py, made)) {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Calls `tp_new` as `type.__call__` would: for keywords and more than one argument.
unsafe fn slow_call(
    class: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let call = || -> PyResult<Py<PyAny>> {
        // SAFETY: `count` positional arguments are there, alive during the call.
        let given =
            (0..count).map(|index| unsafe { Borrowed::from_ptr(py, *arguments.add(index)) }.to_owned());
        let positional = pyo3::types::PyTuple::new(py, given.collect::<Vec<_>>())?;
        let keywords = pyo3::types::PyDict::new(py);
        if !names.is_null() {
            // SAFETY: the interpreter gives a tuple of str, or null.
            let names = unsafe { Borrowed::from_ptr(py, names) };
            for (index, name) in names.try_iter()?.enumerate() {
                // SAFETY: one value follows the positional arguments for each name.
                let value = unsafe { Borrowed::from_ptr(py, *arguments.add(count + index)) };
                keywords.set_item(name?, &*value)?;
            }
        }
        // SAFETY: `class` is the type that was called, and pyo3 fills this slot.
        let class = class.cast::<ffi::PyTypeObject>();
        // SAFETY: reading a slot of a ready type.
        let Some(new) = (unsafe { (*class).tp_new }) else {
            return Err(PyTypeError::new_err("cannot create LogMessage instances"));
        };
        // SAFETY: a call of `tp_new` with a tuple and a dict, as the interpreter does it.
        let made = unsafe { new(class, positional.as_ptr(), keywords.as_ptr()) };
        // SAFETY: a new reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, made) }.map(Bound::unbind)
    };
    match call() {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// Adds the class to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogMessage>()?;
    let class = module.py().get_type::<LogMessage>();
    // SAFETY: the type is alive, and this thread holds the GIL: nobody calls it meanwhile.
    unsafe { (*class.as_type_ptr()).tp_vectorcall = Some(vectorcall) };
    Ok(())
}
