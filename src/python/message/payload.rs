//! The payload of a draft: the text that it was made of, where it is.

use std::ptr::NonNull;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyImportError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use crate::message::MESSAGE_MAX;
use crate::python::type_name::type_name;

/// The place of the text of a draft's payload.
#[derive(Debug, Default)]
pub(crate) enum Payload {
    /// There is none: MESSAGE is not set.
    #[default]
    None,
    /// In an immutable Python object: `bytes` or `str`.
    Object {
        /// Its owner.
        object: Py<PyAny>,
        /// Its first byte.
        start: NonNull<u8>,
        /// Its length in bytes.
        len: usize,
    },
}

// SAFETY: `start` points into an immutable object that `object` keeps.
unsafe impl Send for Payload {}

impl Payload {
    /// Its bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            // SAFETY: `Payload::of` took both from the object, which is immutable and alive.
            Self::Object { start, len, .. } => unsafe { std::slice::from_raw_parts(start.as_ptr(), *len) },
        }
    }

    /// The payload that `value` gives: `str`, `bytes`, a read-only buffer over `bytes` (all kept), or
    /// another read-only buffer (copied, because its bytes may still change).
    ///
    /// # Errors
    /// `TypeError` for anything else, `UnicodeEncodeError` for a `str` with lone surrogates,
    /// `ValueError` for a text longer than [`MESSAGE_MAX`].
    #[inline]
    pub(crate) fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(payload) = Self::of_exact(value) {
            return Ok(payload);
        }
        Self::of_other(value)
    }

    /// The payload that `value` gives when [`exact_text`] has its text.
    #[inline]
    pub(super) fn of_exact(value: &Bound<'_, PyAny>) -> Option<Self> {
        exact_text(value).map(|text| Self::of_text(value, text))
    }

    /// `text`, which [`exact_text`] gave for `value`.
    #[inline]
    pub(super) fn of_text(value: &Bound<'_, PyAny>, text: &[u8]) -> Self {
        Self::Object { object: value.clone().unbind(), start: NonNull::from(text).cast(), len: text.len() }
    }

    /// Lets go of its object, more cheaply than dropping it where the GIL is known to be held.
    #[inline]
    pub(super) fn let_go(self, py: Python<'_>) {
        match self {
            Self::None => {}
            Self::Object { object, .. } => object.drop_ref(py),
        }
    }

    /// `bytes`, which belong to the immutable `object`.
    #[inline]
    fn part_of(object: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<Self> {
        if bytes.len() > MESSAGE_MAX {
            return Err(too_long(bytes.len()));
        }
        let start = NonNull::from(bytes).cast::<u8>();
        Ok(Self::Object { object: object.clone().unbind(), start, len: bytes.len() })
    }

    #[cold]
    fn of_other(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = value.py();
        if let Ok(text) = value.cast::<PyString>() {
            return Self::part_of(value, text.to_str()?.as_bytes());
        }
        if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            return Self::part_of(value, bytes.as_bytes());
        }
        let refused = || {
            let given = type_name(value);
            PyTypeError::new_err(format!(
                "message: expected str, bytes or another read-only buffer, got {given}"
            ))
        };
        let view = PyMemoryView::from(value).map_err(|error| {
            // A released memoryview says what is wrong with it; what is no buffer at all is of a wrong type.
            if error.is_instance_of::<PyTypeError>(py) { refused() } else { error }
        })?;
        let read_only: bool = view.getattr(intern!(py, "readonly"))?.extract()?;
        if !read_only {
            return Err(refused());
        }
        let size: usize = view.getattr(intern!(py, "nbytes"))?.extract()?;
        if size > MESSAGE_MAX {
            return Err(too_long(size));
        }
        if let Some(kept) = Self::view_of_bytes(&view)? {
            return Ok(kept);
        }
        let whole: Bound<'_, PyBytes> = view.call_method0(intern!(py, "tobytes"))?.cast_into()?;
        Self::part_of(whole.as_any(), whole.as_bytes())
    }

    /// The part of a `bytes` object that `view` shows, when it does: a memoryview of a memoryview, to any
    /// depth, names the object under all of them.
    pub(in crate::python) fn view_of_bytes(view: &Bound<'_, PyMemoryView>) -> PyResult<Option<Self>> {
        let contiguous: bool = view.getattr(intern!(view.py(), "c_contiguous"))?.extract()?;
        let exporter = view.getattr(intern!(view.py(), "obj"))?;
        let Ok(exporter) = exporter.cast_exact::<PyBytes>() else { return Ok(None) };
        if !contiguous {
            return Ok(None);
        }
        let buffer = PyUntypedBuffer::get(view.as_any())?;
        let (start, len) = (buffer.buf_ptr() as usize, buffer.len_bytes());
        let owner = exporter.as_bytes();
        let part = start
            .checked_sub(owner.as_ptr() as usize)
            .and_then(|offset| owner.get(offset..offset.checked_add(len)?));
        part.map(|part| Self::part_of(exporter.as_any(), part)).transpose()
    }

    /// The whole of it as an object with its address, for a reader of the buffer protocol.
    pub(in crate::python) fn object(&self) -> Option<(&Py<PyAny>, NonNull<u8>, usize)> {
        match self {
            Self::Object { object, start, len } => Some((object, *start, *len)),
            Self::None => None,
        }
    }
}

/// The text of `value` when it is exactly `bytes` or a `str` of ASCII alone, and not too long: without a call
/// of the interpreter.
#[inline]
pub(in crate::python) fn exact_text<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    // By asking first: an error of a cast is made of an object, and let go of again.
    let bytes = if value.is_exact_instance_of::<PyString>() {
        ascii(value.cast_exact::<PyString>().ok()?)?
    } else if value.is_exact_instance_of::<PyBytes>() {
        value.cast_exact::<PyBytes>().ok()?.as_bytes()
    } else {
        return None;
    };
    (bytes.len() <= MESSAGE_MAX).then_some(bytes)
}

/// The bits of `PyASCIIObject.state` that a compact `str` of ASCII alone has.
///
/// The platform fixes the order of bit fields, not the language C, so pyo3 has no macros for them from
/// CPython 3.14 on. On Linux the field begins with `interned` (2 bits), `kind` (3), `compact` (1) and `ascii`
/// (1), in all versions from 3.10 to 3.15. [`check_layout`] compares that with the interpreter's own answers
/// before it is relied on.
const COMPACT_ASCII: u32 = if cfg!(target_endian = "big") { 0b11 << 25 } else { 0b11 << 5 };

/// The characters of a `str` of ASCII alone, which are its UTF-8 already: without a call of the interpreter.
#[inline]
fn ascii<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    let object = text.as_ptr().cast::<ffi::PyASCIIObject>();
    // SAFETY: a `str` that is alive.
    let state = unsafe { (*object).state };
    if state & COMPACT_ASCII != COMPACT_ASCII {
        return None;
    }
    // SAFETY: as above.
    let len = unsafe { (*object).length };
    // SAFETY: the characters of a compact `str` of ASCII begin where its head ends.
    let start = unsafe { object.add(1) };
    // SAFETY: there is a byte for each character from there on; they never change.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len as usize) })
}

/// Compares what [`exact_text`] takes for the text of a `str` with what the interpreter says, for a `str` of
/// each kind.
///
/// # Errors
/// `ImportError` when they differ: the interpreter lays out `str` in a way that this module was not built
/// for.
pub(super) fn check_layout(py: Python<'_>) -> PyResult<()> {
    // Texts that exist once in the interpreter and others, with one, two and four bytes a character.
    let made = format!("a text of {} words", std::process::id());
    for text in ["", "a", "ASCII alone", &made, "\u{e9}", "caf\u{e9}", "\u{20ac}uro", "\u{1f980}"] {
        let object = PyString::new(py, text);
        if exact_text(object.as_any()) != text.is_ascii().then_some(text.as_bytes()) {
            let version = Python::version_str();
            return Err(PyImportError::new_err(format!(
                "inrush._native: CPython {version} lays out str in another way than the one that this module was built for"
            )));
        }
    }
    Ok(())
}

/// The error for a message of `len` bytes.
pub(crate) fn too_long(len: usize) -> PyErr {
    PyValueError::new_err(format!("message: {len} bytes, expected at most {MESSAGE_MAX}"))
}
