//! A message as a whole: compared, shown, viewed as a buffer.

use std::ffi::{c_int, c_void};
use std::fmt::Write as _;
use std::ptr::NonNull;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Draft, LazyDraft};
use crate::message::FieldName;
use crate::syslog::timestamp::write_rfc3339;

/// The length of a text that `repr()` shows, in characters.
const SHOWN: usize = 200;

/// True when both have the same values with the same types, the same time and the same priority. The order of
/// values, the bookmark, the size on the wire and the time of receipt do not count.
pub(super) fn same(one: &Draft, other: &Draft) -> bool {
    one.head.pri == other.head.pri
        && one.head.stamp() == other.head.stamp()
        && one.message() == other.message()
        && one.message_type() == other.message_type()
        && one.fields().len() == other.fields().len()
        && values(one) == values(other)
}

/// The name's number, the SD-ID, the name's text, the type's number, the value.
type Content<'a> = (u8, &'a [u8], &'a [u8], u8, &'a [u8]);

/// The fields in an order of their own.
fn values(draft: &Draft) -> Vec<Content<'_>> {
    let mut id: &[u8] = b"";
    let mut values: Vec<_> = draft
        .fields()
        .iter()
        .map(|field| {
            let value = draft.bytes(&field.value);
            if field.id == FieldName::SdId {
                id = value;
            }
            let element = if field.id == FieldName::SdParam { id } else { b"" };
            (field.id as u8, element, draft.bytes(&field.name), field.value_type as u8, value)
        })
        .collect();
    values.sort_unstable();
    values
}

/// `<LogMessage 'text' pri=13 time=2026-11-22T10:00:00.000000+01:00 HOST='h'>`
pub(super) fn shown(class: &str, draft: &Draft) -> String {
    let mut out = format!("<{class} ");
    match draft.message() {
        Some(text) => show(text, &mut out),
        None => out.push_str("without text"),
    }
    let mut time = Vec::new();
    let stamp = draft.head.stamp();
    write_rfc3339(&stamp.civil(), stamp.offset_seconds, 6, &mut time);
    // Writing to a String cannot fail.
    let _ = write!(out, " pri={} time={}", draft.head.pri, String::from_utf8_lossy(&time));
    draft.each_pair(|name, field| {
        let _ = write!(out, " {}=", String::from_utf8_lossy(name).escape_debug());
        show(draft.bytes(&field.value), &mut out);
    });
    out.push('>');
    out
}

fn show(text: &[u8], out: &mut String) {
    let text = String::from_utf8_lossy(text);
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(at, _)| at);
    let more = if end < text.len() { "…" } else { "" };
    let _ = write!(out, "'{}{more}'", text[..end].escape_debug());
}

/// Fills `view` with the text of `message`, read-only. The exporter that it names is not the message but the
/// `str` or `bytes` that the text is in: those never change, so the view is good for as long as it lives,
/// whatever becomes of the message.
///
/// # Safety
/// `view` is null, or points to a `Py_buffer` to be filled.
pub(super) unsafe fn fill_buffer(
    message: &LazyDraft,
    py: Python<'_>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("no place for the view"));
    }
    let (owner, start, len) = message.with(py, |draft| text_object(py, draft));
    // SAFETY: `view` is to be filled (this function's contract); the bytes belong to `owner`, an immutable
    // object of which the view takes a reference, or are static.
    let filled = unsafe {
        let start = start.as_ptr().cast::<c_void>();
        ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start, len as ffi::Py_ssize_t, 1, flags)
    };
    if filled < 0 { Err(PyErr::fetch(py)) } else { Ok(()) }
}

/// An object with MESSAGE in it, and where: the payload's own object, or a copy.
fn text_object(py: Python<'_>, draft: &Draft) -> (Py<PyAny>, NonNull<u8>, usize) {
    let text = draft.message().unwrap_or_default();
    if let Some((object, start, len)) = draft.payload.object() {
        let payload = start.as_ptr() as usize..start.as_ptr() as usize + len;
        let at = text.as_ptr() as usize;
        if payload.contains(&at) && at + text.len() <= payload.end {
            return (object.clone_ref(py), NonNull::from(text).cast(), text.len());
        }
    }
    let copy = PyBytes::new(py, text);
    let (start, len) = (NonNull::from(copy.as_bytes()).cast(), copy.as_bytes().len());
    (copy.into_any().unbind(), start, len)
}
