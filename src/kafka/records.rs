//! Messages as the broker gets them: [`Records`].
//!
//! ```text
//!  batch   │ MESSAGE │ MESSAGE │ …          a value that is MESSAGE as it stands is sent from here
//!  text    │ key │ value │ header │ key │ value │ …     everything else was formatted
//! ```
//!
//! Neither moves while the records live, and the records live until the last of them is reported.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::ops::Range;
use std::sync::Arc;

use crate::message::Selection;

/// The value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// MESSAGE of the row.
    Message,
    /// A part of the text.
    Text(Range<usize>),
}

/// One message for the broker.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its number among the rows of the selection.
    pub(crate) row: usize,
    /// Its topic, by its number in [`Records::topics`].
    pub(crate) topic: usize,
    /// Its key, a part of the text.
    pub(crate) key: Option<Range<usize>>,
    /// Its value.
    pub(crate) value: Value,
    /// The values of its headers, parts of the text.
    pub(crate) headers: Vec<Range<usize>>,
}

/// The messages of one selection, a record each, in their order.
#[derive(Debug)]
pub(crate) struct Records {
    /// The messages.
    pub(crate) view: Selection,
    /// Keys, values and headers.
    pub(crate) text: Vec<u8>,
    /// The topics, none of them with a NUL.
    pub(crate) topics: Vec<Arc<str>>,
    /// The names of the headers, which all records have.
    pub(crate) header_names: Arc<[CString]>,
    /// The records: one for each message.
    pub(crate) list: Vec<Record>,
}

impl Records {
    /// The value of `record`.
    pub(crate) fn value(&self, record: &Record) -> &[u8] {
        match &record.value {
            Value::Message => self.view.message(record.row).text(),
            Value::Text(at) => &self.text[at.clone()],
        }
    }

    /// The key of `record`.
    pub(crate) fn key(&self, record: &Record) -> Option<&[u8]> {
        record.key.clone().map(|at| &self.text[at])
    }

    /// The headers of `record`.
    pub(crate) fn headers<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (&'a CString, &'a [u8])> {
        self.header_names.iter().zip(record.headers.iter().map(|at| &self.text[at.clone()]))
    }
}
