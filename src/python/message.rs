//! `LogMessage`: a draft of a message, kept as Python objects until it is posted.
//!
//! Making one copies nothing: it keeps the `str` or `bytes` that it was given. Posting writes the draft
//! into a row of a batch: a short text is copied there, a long one is viewed in its Python object,
//! which the batch then keeps ([`VIEW_FROM`]). The object may be changed and posted again afterwards;
//! what was posted does not change.
//!
//! The constructor is the one hot constructor of the engine, so there are two ways into it: `call`, for the
//! type itself, and `__new__` with `__init__`, for its Python subclasses. Both end in [`Payload::of`].
//!
//! The rooms inside: `payload`, `draft` and `lazy` (what a message is before it is posted, and how it is),
//! `fields`, [`names`] and `macros` (what keys mean), `call`, `parse` and `class` (what of the class pyo3
//! does not make), `content` (comparing, showing, viewing), `pickle`, `pairs` (the name-value methods),
//! `unparsed` (drafts of `LogMessage.parse`), `lent` (messages of the engine's), `changes` (of those). Only `call`, `parse`, `class`,
//! `recycle` and `lent` know the class; the others work on drafts.
//!
//! A message is hashable, by its identity, although it compares by its content: existing sources keep
//! messages in sets and as keys, where it is the object that they mean. Two messages that are equal are still
//! two keys.

mod call;
mod changes;
mod class;
mod content;
mod draft;
mod fields;
mod lazy;
mod lent;
mod macros;
pub(crate) mod names;
mod pairs;
mod parse;
mod payload;
mod pickle;
pub(super) mod recycle;
mod unparsed;

use std::ffi::c_int;
use std::net::IpAddr;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDict, PyList, PyString, PyTuple};

pub(crate) use changes::Changes;
pub(super) use class::add_to;
pub(crate) use draft::{Draft, DraftField, Place, VIEW_FROM, view_of};
pub(crate) use fields::Full;
pub(crate) use lazy::LazyDraft;
pub(crate) use lent::Lent;
pub(super) use lent::{copy_of, lend, take_back};
pub(crate) use macros::macro_value;
pub(crate) use payload::Payload;
pub(super) use payload::exact_text;
pub(super) use unparsed::with_parsed;

use super::datetime;
use super::type_name::type_name;
use crate::message::{FieldName, MessageRef, ValueType};

/// A log message: a text, a time, a priority, and values by name.
///
/// `message` is `str` (kept as UTF-8), `bytes` or another read-only buffer (kept as it is), or None for a
/// message without text. `bookmark` is any object that tells its source where the message came from; None
/// means that there is none.
///
/// Posting takes the message as it is at that moment: changing or posting it again afterwards is allowed, and
/// does not touch what was posted.
///
/// Messages are equal when their values, their time and their priority are. Their hash is that of their
/// identity.
#[pyclass(module = "syslogng", subclass, frozen, mapping, immutable_type)]
#[derive(Debug)]
pub struct LogMessage {
    pub(super) draft: LazyDraft,
}

impl LogMessage {
    #[inline]
    fn make(py: Python<'_>, message: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let message = message.filter(|message| !message.is_none());
        let payload = message.map(Payload::of).transpose()?.unwrap_or_default();
        Ok(Self { draft: LazyDraft::new(Draft::of(py, payload)) })
    }

    /// The bookmark that the user gave it.
    pub fn bookmark(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.draft.with(py, |draft| Some(draft.extra.as_ref()?.bookmark.as_ref()?.clone_ref(py)))
    }

    /// Calls `work` with what the engine has of it, or would have after a post. `work` runs no Python code.
    pub(super) fn with_message<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(MessageRef<'_>) -> R,
    ) -> Option<R> {
        self.draft.with_head(py, |draft| match draft.lent_whole() {
            Some(lent) => Some(work(lent.message())),
            None => macros::with_posted(py, draft, work),
        })
    }

    /// Sets the bookmark, and gives back the old one, to be dropped when the draft is closed.
    fn swap_bookmark(&self, bookmark: Option<&Bound<'_, PyAny>>, py: Python<'_>) -> Option<Py<PyAny>> {
        let bookmark =
            bookmark.filter(|bookmark| !bookmark.is_none()).map(|bookmark| bookmark.clone().unbind());
        self.draft.with(py, |draft| {
            if bookmark.is_none() && draft.extra.is_none() {
                return None;
            }
            std::mem::replace(&mut draft.extra().bookmark, bookmark)
        })
    }
}

/// An unsigned number that a method was given.
fn unsigned(what: &str, value: &Bound<'_, PyAny>, max: u32) -> PyResult<u32> {
    let number: PyResult<i64> = value.extract();
    let number = number.map_err(|error| {
        if error.is_instance_of::<PyTypeError>(value.py()) {
            let given = type_name(value);
            PyTypeError::new_err(format!("{what}: expected an int, got {given}"))
        } else {
            error
        }
    })?;
    match u32::try_from(number) {
        Ok(number) if number <= max => Ok(number),
        _ => Err(PyOverflowError::new_err(format!("{what}: {number}, expected 0 to {max}"))),
    }
}

#[pymethods]
#[expect(clippy::doc_markdown, reason = "the documentation is Python's")]
impl LogMessage {
    /// A subclass may take what it likes: its own `__init__` says what becomes of it. What can be the text
    /// is taken as the text already, for a subclass that does not call the base's `__init__`.
    #[new]
    #[pyo3(signature = (*arguments, **keywords))]
    fn new(
        py: Python<'_>,
        arguments: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let named = keywords.map(|keywords| keywords.get_item("message")).transpose()?.flatten();
        let message = named.or_else(|| arguments.get_item(0).ok());
        let text = message.filter(|message| {
            message.is_exact_instance_of::<PyString>() || message.is_exact_instance_of::<PyBytes>()
        });
        Self::make(py, text.as_ref())
    }

    #[pyo3(signature = (message=None, bookmark=None))]
    fn __init__(
        &self,
        py: Python<'_>,
        message: Option<&Bound<'_, PyAny>>,
        bookmark: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let message = message.filter(|message| !message.is_none());
        let payload = message.map(Payload::of).transpose()?.unwrap_or_default();
        // The old ones are dropped here, when the draft is closed.
        let old =
            self.draft.with(py, |draft| draft.is_replaceable().map(|()| draft.replace_payload(payload)));
        let old = old.map_err(|full| full.into_error(b"MESSAGE"))?;
        drop((old, self.swap_bookmark(bookmark, py)));
        Ok(())
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        pairs::get_item(&self.draft, key)
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        pairs::set_item(&self.draft, key, value)
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        pairs::delete_item(&self.draft, key)
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        pairs::contains(&self.draft, key)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.draft.with(py, |draft| draft.value_count())
    }

    /// Always true: `if msg:` asks whether there is a message, not whether it has values.
    #[expect(clippy::unused_self, reason = "the protocol has it")]
    fn __bool__(&self) -> bool {
        true
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> bool {
        let (one, two) = (slf.get(), other.get());
        let py = slf.py();
        slf.is(other) || one.draft.with(py, |one| two.draft.with(py, |two| content::same(one, two)))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> usize {
        // Objects are aligned: the last bits of their addresses are all the same.
        slf.as_ptr() as usize >> 4
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        let class = type_name(slf.as_any());
        slf.get().draft.with(slf.py(), |draft| content::shown(&class, draft))
    }

    unsafe fn __getbuffer__(slf: &Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        // SAFETY: the interpreter gives a place for the view.
        unsafe { content::fill_buffer(&slf.get().draft, slf.py(), view, flags) }
    }

    /// Pickles as protocol 2 does, also where an older one is asked for: those cannot make the object.
    fn __reduce_ex__<'py>(slf: &Bound<'py, Self>, protocol: i32) -> PyResult<Bound<'py, PyAny>> {
        slf.py().get_type::<PyAny>().call_method1("__reduce_ex__", (slf, protocol.max(2)))
    }

    /// The message, and what a subclass's object has beside it, for pickle.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        pickle::state(slf.as_any(), &slf.get().draft)
    }

    /// Becomes the message that `__getstate__` was asked of. ValueError for anything else.
    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        pickle::restore(slf.as_any(), &slf.get().draft, state)
    }

    /// The names of the values that are set, in order, then the names of all macros; all of them bytes.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs::keys(&self.draft, py)
    }

    /// The names and values that are set, in order; macros are not among them.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs::items(&self.draft, py)
    }

    /// The value of `key`, typed as in `msg[key]`, or `default`.
    ///
    /// TypeError when `key` is neither str nor bytes.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        pairs::get(&self.draft, key, default)
    }

    /// The text of `key` whatever its type, decoded, or `default`.
    ///
    /// UnicodeDecodeError when the text is not of that encoding; TypeError when `default` is used and is
    /// neither str nor None. `repr` is accepted and has no effect.
    #[pyo3(signature = (key, default=None, encoding="utf-8", errors="strict", repr="internal"))]
    fn get_as_str<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        encoding: &str,
        errors: &str,
        repr: &str,
    ) -> PyResult<Option<Bound<'py, PyString>>> {
        let _ = repr;
        pairs::get_as_str(&self.draft, key, default, encoding, errors)
    }

    /// Sets the priority: facility * 8 + severity.
    ///
    /// TypeError for anything but an int, OverflowError outside 0 to 65535.
    fn set_pri(&self, pri: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = unsigned("pri", pri, u16::MAX.into())? as u16;
        let set = self.draft.with_head(pri.py(), |draft| draft.head_mut().map(|head| head.pri = number));
        set.map_err(|full| full.into_error(b"PRI"))
    }

    /// The priority: facility * 8 + severity; 13 (user.notice) in a new message.
    fn get_pri(&self, py: Python<'_>) -> u16 {
        self.draft.with_head(py, |draft| draft.head.pri)
    }

    /// Sets the time of the message, exact to the microsecond. A naive datetime is local time.
    ///
    /// ValueError for anything but a datetime.
    fn set_timestamp(&self, timestamp: &Bound<'_, PyAny>) -> PyResult<()> {
        let stamp = datetime::of_any(timestamp)?;
        let py = timestamp.py();
        let set = self.draft.with_head(py, |draft| draft.head_mut().map(|head| head.set_stamp(stamp)));
        set.map_err(|full| full.into_error(b"STAMP"))
    }

    /// The time of the message: a naive datetime, the wall clock in the message's own offset from UTC.
    fn get_timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        datetime::wall(py, self.draft.with_head(py, |draft| draft.head.stamp()))
    }

    /// Sets where the message came from, any object; None unsets it.
    pub(crate) fn set_bookmark(&self, bookmark: &Bound<'_, PyAny>) {
        drop(self.swap_bookmark(Some(bookmark), bookmark.py()));
    }

    /// Sets the sender's address (SOURCEIP, SOURCEPORT) from the text of an IPv4 or IPv6 address.
    ///
    /// False, and nothing changes, when `ip` is no such text, or None. TypeError for other types,
    /// OverflowError for a port outside 0 to 65535.
    #[pyo3(signature = (ip, port=None))]
    #[pyo3(text_signature = "($self, ip, port=0)")]
    fn set_source_ipaddress(&self, ip: &Bound<'_, PyAny>, port: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let port = port.map_or(Ok(0), |port| unsigned("port", port, u16::MAX.into()))?;
        let text = if let Ok(text) = ip.cast::<PyString>() {
            text.to_str()?
        } else if let Ok(bytes) = ip.cast::<PyBytes>() {
            std::str::from_utf8(bytes.as_bytes()).unwrap_or_default()
        } else if ip.is_none() {
            ""
        } else {
            let given = type_name(ip);
            return Err(PyTypeError::new_err(format!("ip: expected str, bytes or None, got {given}")));
        };
        let Ok(address) = text.parse::<IpAddr>() else { return Ok(false) };
        let address = address.to_string();
        let port = if port == 0 { String::new() } else { port.to_string() };
        let set = self.draft.with_head(ip.py(), |draft| {
            let ip = names::Name::Known(FieldName::SourceIp);
            draft.set(ip, ValueType::String, address.as_bytes())?;
            let ip_port = names::Name::Known(FieldName::SourcePort);
            if port.is_empty() {
                return draft.unset(ip_port).map(drop);
            }
            draft.set(ip_port, ValueType::Integer, port.as_bytes()).map(drop)
        });
        set.map(|()| true).map_err(|full: Full| full.into_error(b"SOURCEIP"))
    }

    /// Sets the size that the message had on its way in, in bytes (RAWMSG_SIZE).
    ///
    /// TypeError for anything but an int, OverflowError outside 0 to 4294967295.
    fn set_recvd_rawmsg_size(&self, rawmsg_size: &Bound<'_, PyAny>) -> PyResult<()> {
        let size = unsigned("rawmsg_size", rawmsg_size, u32::MAX)?;
        let py = rawmsg_size.py();
        let set = self.draft.with_head(py, |draft| draft.head_mut().map(|head| head.raw_size = size));
        set.map_err(|full| full.into_error(b"RAWMSG_SIZE"))
    }
}
