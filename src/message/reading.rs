//! Reading one message: [`MessageRef`].

mod named;

pub use named::Lookup;

use super::value_name::match_number;
use super::{Batch, Field, FieldName, Head, Record, Revision, Span, Stamp, ValueName, ValueType};

impl Batch {
    /// The message in `row`.
    ///
    /// # Panics
    /// When the batch has no such row.
    #[inline]
    pub fn message(&self, row: u32) -> MessageRef<'_> {
        let record = self.record(row);
        MessageRef { batch: self, revision: None, record, text: self.text(row, record), row }
    }

    /// The message in `row` as `revision`, which was made for this batch, has it.
    ///
    /// # Panics
    /// When the batch has no such row.
    #[inline]
    pub(super) fn revised<'a>(&'a self, row: u32, revision: &'a Revision) -> MessageRef<'a> {
        match revision.find(row) {
            None => self.message(row),
            Some((revision, record)) => {
                MessageRef { batch: self, revision: Some(revision), record, text: record.text, row }
            }
        }
    }
}

/// One message of a batch, for reading.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    batch: &'a Batch,
    /// The revision that has its record, where it is not the batch's.
    revision: Option<&'a Revision>,
    record: &'a Record,
    text: Span,
    row: u32,
}

/// A name-value pair, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Its name.
    pub id: FieldName,
    /// The SD-ID, for a parameter of structured data.
    pub sd_id: &'a [u8],
    /// The name's text: PARAM-NAME for structured data, empty for a name that the engine knows.
    pub name: &'a [u8],
    /// The value's type.
    pub value_type: ValueType,
    /// The value's text.
    pub value: &'a [u8],
}

impl<'a> MessageRef<'a> {
    /// Its row in the batch.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// The batch that it is in.
    pub fn batch(&self) -> &'a Batch {
        self.batch
    }

    /// The message in `row` with a record that `revision` is being changed by.
    #[inline]
    pub(super) fn of_revision(
        batch: &'a Batch,
        revision: &'a Revision,
        record: &'a Record,
        row: u32,
    ) -> Self {
        Self { batch, revision: Some(revision), record, text: record.text, row }
    }

    /// The revision that has its record, its record, and its text.
    #[inline]
    pub(super) fn parts(&self) -> (Option<&'a Revision>, &'a Record, Span) {
        (self.revision, self.record, self.text)
    }

    /// The bytes of a span of its record.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as with those of the batch")]
    pub(super) fn bytes(&self, span: Span) -> &'a [u8] {
        match self.revision {
            None => self.batch.bytes(span),
            Some(revision) => revision.bytes(self.batch, span),
        }
    }

    /// Its own fields.
    #[inline]
    pub(super) fn fields(&self) -> &'a [Field] {
        match self.revision {
            None => self.batch.fields(self.record),
            Some(revision) => revision.fields(self.record),
        }
    }

    /// Its head.
    pub(super) fn head(&self) -> &'a Head {
        &self.record.head
    }

    /// Tells whether its text is still to be parsed.
    #[inline]
    pub(super) fn is_unparsed(&self) -> bool {
        self.record.head.unparsed != 0
    }

    /// Its number, unique in this engine; `None` when messages are not numbered.
    pub fn id(&self) -> Option<u64> {
        let first = self.batch.first_id();
        (first != 0).then(|| first + u64::from(self.row))
    }

    /// MESSAGE.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        self.bytes(self.text)
    }

    /// The type of MESSAGE; it is null when it was unset.
    pub fn text_type(&self) -> ValueType {
        self.record.head.text_type
    }

    /// The time at which it happened.
    pub fn stamp(&self) -> Stamp {
        self.record.head.stamp()
    }

    /// The time of its receipt.
    pub fn recvd(&self) -> Stamp {
        let Head { recvd_micros: unix_micros, recvd_shift, .. } = self.record.head;
        let offset_seconds = self.batch.origin().recvd_offset + 60 * i32::from(recvd_shift);
        Stamp { unix_micros, offset_seconds }
    }

    /// Facility times 8 plus severity.
    pub fn pri(&self) -> u16 {
        self.record.head.pri
    }

    /// The size that it had on the wire; 0 when nobody said.
    pub fn raw_size(&self) -> u32 {
        self.record.head.raw_size
    }

    /// The number of its fields.
    #[cfg(feature = "python")]
    pub(crate) fn field_count(&self) -> usize {
        usize::from(self.record.head.fields_len)
    }

    /// True when it has name-value pairs of its own.
    #[inline]
    pub(crate) fn has_pairs(&self) -> bool {
        self.record.head.fields_len > 0
    }

    /// The value of a name that the engine knows: the message's own, or its origin's.
    #[inline]
    pub fn known(&self, id: FieldName) -> Option<&'a [u8]> {
        if id == FieldName::Host {
            return Some(self.host().0);
        }
        if let Some(field) = self.fields().iter().rfind(|field| field.id == id) {
            return (!field.is_unset()).then(|| self.bytes(field.value));
        }
        self.common(id)
    }

    /// The value of `id` that all messages of its batch have in common.
    #[inline]
    fn common(&self, id: FieldName) -> Option<&'a [u8]> {
        let origin = self.batch.origin();
        let common = match id {
            FieldName::Host => Some(&origin.host),
            FieldName::HostFrom => Some(&origin.host_from),
            FieldName::Program => origin.program.as_ref(),
            FieldName::Pid => origin.pid.as_ref(),
            FieldName::SourceIp => return Some(origin.endpoints.as_ref()?.source.ip.as_bytes()),
            FieldName::SourcePort => return Some(origin.endpoints.as_ref()?.source.port.as_bytes()),
            _ => None,
        };
        common.map(|text| text.as_bytes())
    }

    /// The type and the text of the value called `name`.
    pub fn value(&self, name: &ValueName) -> Option<(ValueType, &'a [u8])> {
        match name {
            ValueName::Message => {
                let value_type = self.text_type();
                (value_type != ValueType::Null).then(|| (value_type, self.text()))
            }
            ValueName::Known(id) => self.known_typed(*id),
            ValueName::Structured(name) | ValueName::Text(name) => self.named(name),
        }
    }

    /// The type and the value of a name that the engine knows, as [`known`](Self::known) gives it.
    pub fn known_typed(&self, id: FieldName) -> Option<(ValueType, &'a [u8])> {
        let is_it = |field: &&Field| match id {
            FieldName::Host => matches!(field.id, FieldName::Host | FieldName::ChainedHost),
            _ => field.id == id,
        };
        match self.fields().iter().rfind(is_it) {
            Some(field) if field.is_unset() => None,
            Some(field) => Some((field.value_type, self.bytes(field.value))),
            None if id == FieldName::CiscoSequence => self.named(b".SDATA.meta.sequenceId"),
            None => self.common(id).map(|text| (ValueType::String, text)),
        }
    }

    /// Tells whether a field has `id` and, where that has a text, `name`; tombstones count.
    pub(super) fn has_field(&self, id: FieldName, name: &[u8]) -> bool {
        let is_host = |id| matches!(id, FieldName::Host | FieldName::ChainedHost);
        self.fields().iter().any(|field| {
            let is_id = field.id == id || (is_host(id) && is_host(field.id));
            is_id && (!id.has_text() || self.is_called(field, name))
        })
    }

    /// Tells whether it has a match of a pattern with the number `first`, or a later one.
    pub(super) fn has_matches(&self, first: u8) -> bool {
        self.fields().iter().any(|field| {
            let is_number = field.id == FieldName::Text && !field.is_unset() && field.name.len <= 3;
            is_number && match_number(self.bytes(field.name)).is_some_and(|number| number >= first)
        })
    }

    /// Tells whether it has the tag.
    pub fn has_tag(&self, tag: &[u8]) -> bool {
        let is_it = |field: &&Field| field.id == FieldName::Tag && self.is_called(field, tag);
        match self.fields().iter().rfind(is_it) {
            Some(field) => !field.is_unset(),
            None => self.batch.origin().tags.iter().any(|known| known.as_bytes() == tag),
        }
    }

    /// HOST, and whether this engine chained it (`chain-hostnames()`).
    #[inline]
    pub fn host(&self) -> (&'a [u8], bool) {
        let mut fields = self.fields().iter();
        let own = fields.rfind(|field| matches!(field.id, FieldName::Host | FieldName::ChainedHost));
        if let Some(field) = own {
            let host = if field.is_unset() { b"" } else { self.bytes(field.value) };
            return (host, field.id == FieldName::ChainedHost);
        }
        let origin = self.batch.origin();
        (origin.host.as_bytes(), origin.host_is_chained)
    }

    /// Its tags: those of its origin that it did not clear, and its own.
    pub fn tags(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let this = *self;
        let own = this.fields().iter().filter(|field| field.id == FieldName::Tag);
        let has_own = self.fields().iter().any(|field| field.id == FieldName::Tag);
        let common = this.batch.origin().tags.iter().map(|tag| tag.as_bytes());
        let own_says = move |tag: &[u8]| {
            has_own
                && this
                    .fields()
                    .iter()
                    .any(|field| field.id == FieldName::Tag && this.bytes(field.name) == tag)
        };
        let common = common.filter(move |tag| !own_says(tag));
        common.chain(own.filter(|field| !field.is_unset()).map(move |field| this.bytes(field.name)))
    }

    /// The names and values that all messages of its batch have, of those that the engine does not know, but
    /// the ones that this one says itself.
    pub(crate) fn common_pairs(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let this = *self;
        let values = this.batch.origin().values.iter();
        let own = move |name: &str| this.has_field(FieldName::Text, name.as_bytes());
        values.filter(move |(name, _)| !own(name)).map(|(name, value)| (&**name, &**value))
    }

    /// All of its own pairs, in order. [`FieldName::SdId`] entries are given as they are: they open an
    /// SD-ELEMENT, also one without parameters.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let this = *self;
        let mut sd_id: &[u8] = b"";
        let pairs = this.fields().iter().filter(|field| field.id != FieldName::Tag && !field.is_unset());
        pairs.map(move |field| {
            let value = this.bytes(field.value);
            if field.id == FieldName::SdId {
                sd_id = value;
            }
            let name = this.bytes(field.name);
            Pair { id: field.id, sd_id, name, value_type: field.value_type, value }
        })
    }
}
