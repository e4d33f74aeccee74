//! One buffer into many messages: `Pieces`.
//!
//! A buffer is split by memchr, without the GIL when it is large, and its pieces are posted as views of it
//! ([`Views`]).

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
use crate::message::{EngineBuffer, Foreign, MESSAGE_MAX, Owner, Segment, Stamp};
use crate::source::reader::{Chunk, Ends, NotAdmitted, Parsing, Posting, Views};
use crate::syslog::names::DEFAULT_PRI;

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
}

impl Chunk for Source {
    fn bytes(&self) -> &[u8] {
        Self::bytes(self)
    }

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
    views: Views,
    source: &'a Source,
    split: &'a Split,
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
        let posting = Posting {
            parsing: if split.parse { Parsing::Here } else { Parsing::None },
            pri: attached.pri.unwrap_or(DEFAULT_PRI),
            options: Arc::clone(&attached.parse_options),
            policy: Arc::clone(&attached.policy),
            delimiter: <[u8; 1]>::try_from(split.delimiter.as_slice()).ok().map(|[byte]| byte),
        };
        let mut views = Views::new(producer, Arc::new(posting), now);
        views.begin(now);
        Self { views, source, split }
    }

    /// Has all its batches acknowledged together, as one group.
    pub(super) fn join_group(&mut self, group: Group) {
        self.views.join_group(group);
    }

    /// Posts all of them, and calls `wait` where there is no credit; the number of bytes consumed.
    pub(super) fn post_all(&mut self, wait: &dyn Fn(&Credit)) -> Result<usize, Stopped> {
        let posted = self.post_pieces(wait);
        self.views.finish();
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
        if self.views.admit().is_err() {
            self.wait_for_credit(wait)?;
        }
        self.views.post(self.source, start, end, ends);
        Ok(())
    }

    /// Takes credit; waits for it, after sending what there is, so that it can come back.
    #[cold]
    fn wait_for_credit(&mut self, wait: &dyn Fn(&Credit)) -> Result<(), Stopped> {
        loop {
            match self.views.admit() {
                Ok(()) => return Ok(()),
                Err(NotAdmitted::Closed) => return Err(Stopped::Closed),
                Err(NotAdmitted::NoCredit | NotAdmitted::ShareIsFull) => {
                    self.views.before_wait();
                    wait(self.views.credit());
                }
            }
        }
    }
}
