//! A message that is not posted, or not yet: [`Draft`].

use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::names::Name;
use super::{Full, Lent, Payload};
use crate::message::batch::Text;
use crate::message::{FieldName, Head, Need, Owner, Row, Segment, Stamp, ValueType};
use crate::python::parse_options::ParseOptions;
use crate::python::{clock, release};
use crate::syslog::fill::FieldSink;

/// A payload of at least this many bytes is viewed, a shorter one is copied: where the two cost the same,
/// see `docs/decisions/views-from-768-bytes.md`.
pub(crate) const VIEW_FROM: usize = 768;

/// The place of a text of a draft.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A part of the payload: offset and length.
    Payload(u32, u32),
    /// In the draft.
    Own(Box<[u8]>),
}

impl Place {
    /// Nowhere: no text at all.
    pub(crate) const EMPTY: Self = Self::Payload(0, 0);
}

impl From<Text<'_>> for Place {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Copy(bytes) => Self::Own(bytes.into()),
            Text::Payload(offset, len) => Self::Payload(offset, len),
        }
    }
}

/// A name-value pair of a draft.
#[derive(Debug, Clone)]
pub(crate) struct DraftField {
    /// Its name.
    pub id: FieldName,
    /// Its text, where `id` says that it has one.
    pub name: Place,
    /// The value's type.
    pub value_type: ValueType,
    /// The value.
    pub value: Place,
}

/// The parts that only some drafts have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Name-value pairs in the order of their first setting; structured data in the order of
    /// [`FieldName::SdId`].
    pub fields: Vec<DraftField>,
    /// MESSAGE, where it is not the whole payload, and its type.
    pub message: Option<(ValueType, Place)>,
    /// The user's bookmark.
    pub bookmark: Option<Py<PyAny>>,
    /// The message of the engine's that it is: then its changes are kept there.
    pub lent: Option<Box<Lent>>,
}

/// A message that is not posted, or not yet.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The memory of its texts.
    pub payload: Payload,
    /// Its head: STAMP, when it was made, its priority.
    pub head: Head,
    /// The parts that only some drafts have.
    pub extra: Option<Box<Extra>>,
    /// The options by which the payload is to be parsed, until somebody looks; then it has no `extra`. See
    /// [`LazyDraft`](super::LazyDraft).
    pub unparsed: Option<Py<ParseOptions>>,
}

impl Draft {
    /// A draft without a message, made now.
    #[inline]
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self::of(py, Payload::None)
    }

    /// A draft of `payload`, made now.
    #[inline]
    pub(crate) fn of(py: Python<'_>, payload: Payload) -> Self {
        Self::with(clock::head_of_message(py), payload)
    }

    /// A draft of `payload` with `head`.
    #[inline]
    pub(crate) fn with(head: Head, payload: Payload) -> Self {
        Self { payload, head, extra: None, unparsed: None }
    }

    /// True when it has a text, a time and a priority, and nothing else.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.extra.is_none() && self.unparsed.is_none()
    }

    /// The bookmark that it carries.
    #[inline]
    pub(crate) fn bookmark(&self) -> Option<&Py<PyAny>> {
        self.extra.as_ref()?.bookmark.as_ref()
    }

    /// The object that keeps its text, when there is nothing else that would have to be let go.
    #[inline]
    pub(crate) fn only_object(&self) -> Option<*mut ffi::PyObject> {
        match &self.payload {
            Payload::Object { object, .. } if self.is_plain() => Some(object.as_ptr()),
            _ => None,
        }
    }

    /// Its text, when that is a `str` or `bytes` to be copied and there is nothing but the text and the head.
    #[inline]
    pub(crate) fn short_text(&self) -> Option<&[u8]> {
        match &self.payload {
            Payload::Object { len, .. } if *len < VIEW_FROM && self.is_plain() => Some(self.payload.bytes()),
            _ => None,
        }
    }

    /// The object with its text, where that begins and how long it is, when it is to be viewed and there is
    /// nothing but the text and the head.
    #[inline]
    pub(crate) fn long_text(&self) -> Option<(&Py<PyAny>, NonNull<u8>, u32)> {
        match &self.payload {
            Payload::Object { object, start, len } if *len >= VIEW_FROM && self.is_plain() => {
                Some((object, *start, *len as u32))
            }
            _ => None,
        }
    }

    /// Its text and how it is to be parsed, when it is not parsed yet and the text is to be copied.
    #[inline]
    pub(crate) fn short_unparsed(&self) -> Option<(&[u8], &Py<ParseOptions>)> {
        let options = self.unparsed.as_ref()?;
        (self.extra.is_none() && !self.is_viewed()).then(|| (self.payload.bytes(), options))
    }

    /// Lets go of its objects, more cheaply than dropping it where the GIL is known to be held.
    #[inline]
    pub(crate) fn let_go(self, py: Python<'_>) {
        /// Apart, for those that have none of it.
        #[inline(never)]
        fn drop_rest(py: Python<'_>, extra: Option<Box<Extra>>, unparsed: Option<Py<ParseOptions>>) {
            if let Some(options) = unparsed {
                options.drop_ref(py);
            }
            drop(extra);
        }
        let Self { payload, extra, unparsed, .. } = self;
        payload.let_go(py);
        if extra.is_some() || unparsed.is_some() {
            drop_rest(py, extra, unparsed);
        } else {
            // Nothing in them: the compiler is told so.
            std::mem::forget((extra, unparsed));
        }
    }

    /// The message of the engine's that it is.
    #[inline]
    pub(crate) fn lent(&self) -> Option<&Lent> {
        self.extra.as_deref()?.lent.as_deref()
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn lent_mut(&mut self) -> Option<&mut Lent> {
        self.extra.as_deref_mut()?.lent.as_deref_mut()
    }

    /// The message of the engine's that it is, for a reader of `name`: with all changes where that may matter.
    pub(super) fn lent_for(&mut self, name: Name<'_>) -> Option<&Lent> {
        let head = self.head;
        let lent = self.lent_mut()?;
        if matches!(name, Name::Macro(_)) {
            lent.settle(&head);
        }
        Some(lent)
    }

    /// The message of the engine's that it is, with all changes.
    pub(super) fn lent_whole(&mut self) -> Option<&Lent> {
        let head = self.head;
        let lent = self.lent_mut()?;
        lent.settle(&head);
        Some(lent)
    }

    /// Its head, to be changed.
    ///
    /// # Errors
    /// It cannot be changed.
    pub(crate) fn head_mut(&mut self) -> Result<&mut Head, Full> {
        if let Some(lent) = self.lent_mut() {
            lent.begin_change()?;
        }
        Ok(&mut self.head)
    }

    /// Checks that all of it can be replaced.
    ///
    /// # Errors
    /// It is a message of the engine's.
    pub(super) fn is_replaceable(&self) -> Result<(), Full> {
        if self.lent().is_some() { Err(Full::ReadOnly) } else { Ok(()) }
    }

    /// The rarer parts, made on first use.
    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Its name-value pairs, structured data headers included.
    #[inline]
    pub(crate) fn fields(&self) -> &[DraftField] {
        self.extra.as_deref().map_or(&[], |extra| &extra.fields)
    }

    /// The bytes at `place`.
    pub(crate) fn bytes<'a>(&'a self, place: &'a Place) -> &'a [u8] {
        match place {
            Place::Payload(offset, len) => &self.payload.bytes()[*offset as usize..][..*len as usize],
            Place::Own(bytes) => bytes,
        }
    }

    /// MESSAGE, or `None` when it is not set.
    #[inline]
    pub(crate) fn message(&self) -> Option<&[u8]> {
        match self.extra.as_deref().and_then(|extra| extra.message.as_ref()) {
            Some((_, place)) => Some(self.bytes(place)),
            None if matches!(self.payload, Payload::None) => None,
            None => Some(self.payload.bytes()),
        }
    }

    /// The type of MESSAGE, when it is set.
    #[inline]
    pub(crate) fn message_type(&self) -> ValueType {
        let message = self.extra.as_deref().and_then(|extra| extra.message.as_ref());
        message.map_or(ValueType::String, |(value_type, _)| *value_type)
    }

    /// The value of a name that the engine knows.
    pub(crate) fn known(&self, id: FieldName) -> Option<&[u8]> {
        let field = self.fields().iter().rfind(|field| field.id == id)?;
        Some(self.bytes(&field.value))
    }

    /// True when the payload is viewed by the batch that the draft is posted into, and not copied.
    #[inline]
    fn is_viewed(&self) -> bool {
        matches!(self.payload, Payload::Object { len, .. } if len >= VIEW_FROM)
    }

    /// The room that [`Draft::write`] takes.
    #[inline]
    pub(crate) fn need(&self) -> Need {
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

    /// Writes the payload into `row`, copied or viewed.
    #[inline]
    pub(crate) fn write_payload(&self, py: Python<'_>, row: &mut Row<'_>) {
        match &self.payload {
            Payload::Object { object, start, len } if self.is_viewed() => {
                // SAFETY: the bytes belong to the object, which is immutable.
                row.payload_adopt(unsafe { view_of(object.bind(py), *start, *len as u32) });
            }
            payload => row.payload_copy(payload.bytes()),
        }
    }

    /// Writes the draft into `row`, with those of its fields that `keep` is true for.
    #[inline]
    pub(crate) fn write(&self, py: Python<'_>, row: &mut Row<'_>, keep: impl Fn(FieldName) -> bool) {
        self.write_payload(py, row);
        row.head(&self.head);
        if let Some(extra) = &self.extra {
            write_extra(extra, row, keep);
        }
    }
}

/// A segment of `len` bytes at `start`, which belong to `object`.
///
/// # Safety
/// They do, and never change.
#[inline]
pub(crate) unsafe fn view_of(object: &Bound<'_, PyAny>, start: NonNull<u8>, len: u32) -> Segment {
    let owner = Owner::Foreign(release::keep(object));
    // SAFETY: the caller's promise; `owner` keeps the object.
    unsafe { Segment::new(start, len, owner) }
}

fn text(place: &Place) -> Text<'_> {
    match place {
        Place::Payload(offset, len) => Text::Payload(*offset, *len),
        Place::Own(bytes) => Text::Copy(bytes),
    }
}

fn write_extra(extra: &Extra, row: &mut Row<'_>, keep: impl Fn(FieldName) -> bool) {
    if let Some((_, place)) = &extra.message {
        row.message(text(place));
    }
    for field in extra.fields.iter().filter(|field| keep(field.id)) {
        row.field(field.id, text(&field.name), field.value_type, text(&field.value));
    }
}

impl FieldSink for Draft {
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.head.set_stamp(stamp);
        self.head.recvd_micros = recvd_micros;
    }

    fn pri(&mut self, pri: u16) {
        self.head.pri = pri;
    }

    fn message(&mut self, text: Text<'_>) {
        let place = Place::from(text);
        let whole = matches!(place, Place::Payload(0, len) if len as usize == self.payload.bytes().len());
        self.extra().message = (!whole).then_some((ValueType::String, place));
    }

    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        let field = DraftField { id, name: name.into(), value_type: ValueType::String, value: value.into() };
        self.extra().fields.push(field);
    }
}
