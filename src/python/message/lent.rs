//! A message of the engine's that Python reads: [`Lent`].
//!
//! It is lent for the length of a call. Values are read where they are, in the batch, as the steps on the way
//! have left them; only what needs the message as a whole (`keys()`, a comparison, a post of it) makes a draft
//! of it, once. One that is lent for reading cannot be changed. The changes of another are noted
//! ([`Changes`]), and read from there; only what several values may decide (macros, the
//! message as a whole) is read from a copy with all of them. After the call nobody can change it any more, and
//! one that somebody still holds gets a copy of its own ([`take_back`]), so that nobody keeps a batch.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::names::Name;
use super::{Changes, Draft, DraftField, Full, LazyDraft, LogMessage, Payload, Place, macros, recycle};
use crate::message::{FieldName, Head, MessageRef, Pool, Selection, ValueType};

/// The names that a message may have from its origin.
const COMMON: [FieldName; 4] = [FieldName::Host, FieldName::HostFrom, FieldName::Program, FieldName::Pid];

/// A message of the engine's.
#[derive(Debug)]
pub(crate) struct Lent {
    view: View,
    /// The number of its fields, without any change.
    fields: usize,
    /// SEQNUM.
    sequence: u64,
    /// False for configurations before `@version: 4.0`: all values are bytes, and a name without one has none
    /// of them.
    is_typed: bool,
    /// True when the draft has what the message has.
    is_drafted: bool,
    access: Access,
}

/// The message.
#[derive(Debug)]
enum View {
    /// The only one of these.
    Held(Selection),
    /// One that the lender holds for as long as it is lent.
    Borrowed(MessageRef<'static>),
}

/// Tells whether a message can be changed.
#[derive(Debug)]
enum Access {
    ReadOnly,
    /// It can, and has been once there is a box.
    Writable(Option<Box<Changes>>),
}

/// Memory for the copies that changes are done to.
static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::new()));

impl Lent {
    /// The only message of `view`, whose SEQNUM is `sequence`.
    pub(in crate::python) fn new(view: Selection, sequence: u64, is_typed: bool) -> Self {
        let (fields, view) = (view.message(0).field_count(), View::Held(view));
        Self { view, fields, sequence, is_typed, is_drafted: false, access: Access::ReadOnly }
    }

    /// `message`, for reading.
    ///
    /// # Safety
    /// What it is lent as is taken back ([`take_back`]) while `message` is still there.
    pub(in crate::python) unsafe fn borrowed(message: MessageRef<'_>, sequence: u64, is_typed: bool) -> Self {
        // SAFETY: by the caller's promise nobody reads it any more when `message` is gone.
        let message = unsafe { std::mem::transmute::<MessageRef<'_>, MessageRef<'static>>(message) };
        let (fields, view) = (message.field_count(), View::Borrowed(message));
        Self { view, fields, sequence, is_typed, is_drafted: false, access: Access::ReadOnly }
    }

    /// The same, to be changed.
    pub(in crate::python) fn writable(self) -> Self {
        Self { access: Access::Writable(None), ..self }
    }

    /// The message; see [`Lent::settle`].
    pub(super) fn message(&self) -> MessageRef<'_> {
        match &self.view {
            View::Held(view) => view.message(0),
            View::Borrowed(message) => *message,
        }
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

    /// Begins a change: what was made of the message before is out of date.
    ///
    /// # Errors
    /// It cannot be changed.
    pub(super) fn begin_change(&mut self) -> Result<(), Full> {
        self.changed().map(drop)
    }

    fn changed(&mut self) -> Result<&mut Changes, Full> {
        let Access::Writable(changed) = &mut self.access else { return Err(Full::ReadOnly) };
        let changed = changed.get_or_insert_default();
        (changed.is_stale, self.is_drafted) = (true, false);
        Ok(changed)
    }

    /// Sets what `name` names. Nothing happens for a macro.
    ///
    /// # Errors
    /// It cannot be changed, or has no room for it.
    pub(super) fn set(&mut self, name: Name<'_>, value_type: ValueType, value: &[u8]) -> Result<(), Full> {
        let fields = self.fields;
        let changed = self.changed()?;
        let Some(name) = stored_name(name) else { return Ok(()) };
        changed.note(&name, Some((value_type, value)), fields)
    }

    /// Unsets what `name` names; false where it was not set.
    ///
    /// # Errors
    /// It cannot be changed.
    pub(super) fn unset(&mut self, name: Name<'_>) -> Result<bool, Full> {
        let Some(key) = stored_name(name) else { return self.changed().map(|_| false) };
        let (is_set, fields) = (self.stored(name.stored(), &key).is_some(), self.fields);
        let changed = self.changed()?;
        if is_set {
            changed.note(&key, None, fields)?;
        }
        Ok(is_set)
    }

    /// Has the view show all changes, and `head`.
    pub(super) fn settle(&mut self, head: &Head) {
        let Access::Writable(Some(changed)) = &mut self.access else { return };
        if !std::mem::take(&mut changed.is_stale) {
            return;
        }
        let View::Held(view) = &mut self.view else { unreachable!("what is borrowed is for reading") };
        if !std::mem::replace(&mut changed.is_copied, true) {
            *view = view.alone(&POOL);
        }
        let rows = view.rows().clone();
        let mut faults = Vec::new();
        view.revise(&mut faults, |row| {
            changed.apply_new(row, head);
            true
        });
        // What would pass a bound has been refused before.
        debug_assert!(faults.is_empty(), "{faults:?}");
        view.set_rows(rows);
    }

    /// Ends its loan: nobody changes it any more. Where somebody `keeps` it, it gets memory of its own, of `pool`.
    /// False with the changes where there is no such memory, and it is not to be read any more.
    fn end(&mut self, head: Head, keeps: bool, pool: &Arc<Pool>) -> (Option<Box<Changes>>, bool) {
        if keeps {
            self.settle(&head);
        }
        let changes = match std::mem::replace(&mut self.access, Access::ReadOnly) {
            Access::Writable(Some(mut changes)) => {
                changes.end(head);
                Some(changes)
            }
            Access::Writable(None) | Access::ReadOnly => None,
        };
        let is_copied = changes.as_ref().is_some_and(|changes| changes.is_copied);
        let own = match &self.view {
            View::Held(view) => (keeps && !is_copied).then(|| view.alone(pool)),
            View::Borrowed(message) if keeps => message.alone(pool),
            View::Borrowed(_) => None,
        };
        if let Some(own) = own {
            self.view = View::Held(own);
        }
        (changes, matches!(self.view, View::Held(_)))
    }

    /// The type and the text of what `key`, whose meaning is `name`, names; macros have none here.
    fn stored<'l>(&'l self, name: Name<'_>, key: &[u8]) -> Option<(ValueType, &'l [u8])> {
        if let Access::Writable(Some(changed)) = &self.access
            && let Some(change) = stored_name(name).and_then(|name| changed.of(&name))
        {
            return change.filter(|(value_type, _)| !value_type.is_binary());
        }
        let message = self.message();
        let found = match name {
            Name::Macro(_) => None,
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
        found.filter(|(value_type, _)| !value_type.is_binary())
    }

    /// Calls `work` with the type and the text of what `key`, whose meaning is `name`, names. Runs no Python code.
    pub(super) fn with_value<R>(
        &self,
        py: Python<'_>,
        name: Name<'_>,
        key: &[u8],
        work: impl FnOnce(ValueType, &[u8]) -> R,
    ) -> Option<R> {
        if let Name::Macro(name) = name {
            let (value_type, text) = macros::of_message(py, self.message(), self.sequence, name)?;
            return Some(work(value_type, &text));
        }
        let (value_type, text) = self.stored(name, key)?;
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

/// The name that a change of what `name` names is noted by; `None` for a macro.
fn stored_name(name: Name<'_>) -> Option<Cow<'_, [u8]>> {
    Some(match name.stored() {
        Name::Message => Cow::Borrowed(b"MESSAGE"),
        Name::Known(id) => Cow::Borrowed(id.text()?.as_bytes()),
        Name::Sdata(rest) => Cow::Owned([b".SDATA.", rest].concat()),
        Name::Text(text) => Cow::Borrowed(text),
        Name::Macro(_) => return None,
    })
}

/// Ends the loan of `message`, and gives what was changed in it: where somebody else holds it, it gets a copy of its
/// own, with memory of `pool`.
pub(in crate::python) fn take_back(message: Bound<'_, LogMessage>, pool: &Arc<Pool>) -> Option<Box<Changes>> {
    // SAFETY: an object that is alive, with the GIL held.
    let keeps = unsafe { ffi::Py_REFCNT(message.as_ptr()) } > 1;
    let changes = message.get().draft.with_unparsed(message.py(), |draft| {
        let head = draft.head;
        let (changes, is_readable) = draft.lent_mut()?.end(head, keeps, pool);
        if !is_readable {
            draft.extra().lent = None;
        }
        changes
    });
    drop(message);
    changes
}

/// Makes what `draft` lacks of the message that it was lent.
#[cold]
pub(super) fn draft_now(py: Python<'_>, draft: &mut Draft) {
    let Some(mut lent) = draft.extra.as_deref_mut().and_then(|extra| extra.lent.take()) else { return };
    lent.settle(&draft.head);
    // One that was made before a change has the old values.
    draft.payload = Payload::None;
    let extra = draft.extra();
    (extra.message, extra.fields) = (None, Vec::new());
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
