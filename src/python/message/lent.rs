//! A message of the engine's that Python reads: [`Lent`].
//!
//! It is lent for the length of a call. Values are read where they are, in the batch, as the steps on the way
//! have left them; only what needs the message as a whole (`keys()`, a comparison, a post of it) makes a draft
//! of it, once. It cannot be changed. After the call, one that somebody still holds gets a copy of its own
//! ([`take_back`]), so that nobody keeps a batch.

use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::names::Name;
use super::{Draft, DraftField, LazyDraft, LogMessage, Payload, Place, macros, recycle};
use crate::message::{FieldName, Head, MessageRef, Pool, Selection, ValueType};

/// The names that a message may have from its origin.
const COMMON: [FieldName; 4] = [FieldName::Host, FieldName::HostFrom, FieldName::Program, FieldName::Pid];

/// A message of the engine's.
#[derive(Debug)]
pub(crate) struct Lent {
    /// The message alone.
    view: Selection,
    /// SEQNUM.
    sequence: u64,
    /// False for configurations before `@version: 4.0`: all values are bytes, and a name without one has none
    /// of them.
    is_typed: bool,
    /// True when the draft has what the message has.
    is_drafted: bool,
}

impl Lent {
    /// The only message of `view`, whose SEQNUM is `sequence`.
    pub(in crate::python) fn new(view: Selection, sequence: u64, is_typed: bool) -> Self {
        Self { view, sequence, is_typed, is_drafted: false }
    }

    fn message(&self) -> MessageRef<'_> {
        self.view.message(0)
    }

    /// True when values have their types, and one that is not set is none.
    pub(super) fn is_typed(&self) -> bool {
        self.is_typed
    }

    /// True when its draft is still to be made.
    #[inline]
    pub(super) fn is_undrafted(&self) -> bool {
        !self.is_drafted
    }

    /// Calls `work` with the type and the text of what `key`, whose meaning is `name`, names. Runs no Python code.
    pub(super) fn with_value<R>(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        key: &[u8],
        work: impl FnOnce(ValueType, &[u8]) -> R,
    ) -> Option<R> {
        let message = self.message();
        let found = match name {
            Name::Macro(name) => {
                let (value_type, text) = macros::of_message(py, message, self.sequence, name)?;
                return Some(work(value_type, &text));
            }
            Name::Message => {
                (message.text_type() != ValueType::Null).then(|| (message.text_type(), message.text()))
            }
            Name::Known(id) => message.known_typed(id),
            Name::Sdata(rest) => message.named(key).or_else(|| {
                (rest == b"meta.sequenceId").then(|| message.known_typed(FieldName::CiscoSequence))?
            }),
            Name::Text(b"TRANSPORT") => message.named(key).or_else(|| {
                let transport = message.batch().origin().transport.as_ref()?;
                Some((ValueType::String, transport.as_bytes()))
            }),
            Name::Text(_) => message.named(key),
        };
        let (value_type, text) = found.filter(|(value_type, _)| !value_type.is_binary())?;
        Some(work(value_type, text))
    }
}

/// Lends `lent` to Python.
///
/// # Errors
/// `MemoryError`.
pub(in crate::python) fn lend(py: Python<'_>, lent: Lent) -> PyResult<Bound<'_, LogMessage>> {
    let mut draft = Draft::with(head_of(lent.message()), Payload::None);
    draft.extra().lent = Some(Box::new(lent));
    let object = recycle::object_of(py, LogMessage { draft: LazyDraft::new(draft) })?;
    // SAFETY: a new reference.
    let object = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: it is of the class.
    Ok(unsafe { object.cast_into_unchecked() })
}

/// Ends the loan of `message`: where somebody else holds it, it gets a copy of its own, with memory of `pool`.
pub(in crate::python) fn take_back(message: Bound<'_, LogMessage>, pool: &Arc<Pool>) {
    // SAFETY: an object that is alive, with the GIL held.
    if unsafe { ffi::Py_REFCNT(message.as_ptr()) } > 1 {
        message.get().draft.with_unparsed(message.py(), |draft| {
            if let Some(lent) = draft.extra.as_deref_mut().and_then(|extra| extra.lent.as_mut()) {
                lent.view = lent.view.alone(pool);
            }
        });
    }
    drop(message);
}

/// Makes what `draft` lacks of the message that it was lent.
#[cold]
pub(super) fn draft_now(py: Python<'_>, draft: &mut Draft) {
    let Some(mut lent) = draft.extra.as_deref_mut().and_then(|extra| extra.lent.take()) else { return };
    fill(py, draft, lent.message());
    lent.is_drafted = true;
    draft.extra().lent = Some(lent);
}

/// The draft of a copy of `message`.
pub(in crate::python) fn copy_of(py: Python<'_>, message: MessageRef<'_>) -> Draft {
    let mut draft = Draft::with(head_of(message), Payload::None);
    fill(py, &mut draft, message);
    draft
}

fn head_of(message: MessageRef<'_>) -> Head {
    let mut head = Head::new(message.stamp(), message.recvd().unix_micros, message.pri());
    head.raw_size = message.raw_size();
    head
}

/// Puts the values of `message` into `draft`, which has none: those of its origin come before its own.
fn fill(py: Python<'_>, draft: &mut Draft, message: MessageRef<'_>) {
    let text_type = message.text_type();
    if text_type != ValueType::Null {
        let text = PyBytes::new(py, message.text());
        draft.payload = Payload::of_text(text.as_any(), text.as_bytes());
        if text_type != ValueType::String {
            draft.extra().message = Some((text_type, Place::Payload(0, message.text().len() as u32)));
        }
    }
    let own = |bytes: &[u8]| Place::Own(bytes.into());
    let fields = &mut draft.extra().fields;
    let mut add = |id, name: &[u8], value_type, value: &[u8]| {
        fields.push(DraftField { id, name: own(name), value_type, value: own(value) });
    };
    for id in COMMON {
        if let Some((value_type, value)) = message.known_typed(id) {
            add(id, b"", value_type, value);
        }
    }
    if let Some(transport) = &message.batch().origin().transport {
        add(FieldName::Text, b"TRANSPORT", ValueType::String, transport.as_bytes());
    }
    for (name, value) in message.common_pairs() {
        add(FieldName::Text, name.as_bytes(), ValueType::String, value);
    }
    for pair in message.pairs() {
        if !COMMON.contains(&pair.id) && pair.id != FieldName::ChainedHost {
            add(pair.id, pair.name, pair.value_type, pair.value);
        }
    }
}
