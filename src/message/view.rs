//! Reading: [`View`], some rows of a shared batch, and [`MessageRef`], one of them.

use std::ops::Range;
use std::sync::Arc;

use super::{Batch, Field, FieldName, Record, Span, Stamp, ValueType};

/// Which rows of a batch a branch has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Rows that follow each other.
    Range(Range<u32>),
    /// Rows in rising order.
    List(Arc<[u32]>),
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        match self {
            Self::Range(range) => Self::Range(range.start..range.end.min(range.start + count as u32)),
            Self::List(list) => Self::List(Arc::from(&list[..count.min(list.len())])),
        }
    }

    /// All but the first `count` of them.
    #[must_use]
    pub fn after(&self, count: usize) -> Self {
        match self {
            Self::Range(range) => Self::Range(range.end.min(range.start + count as u32)..range.end),
            Self::List(list) => Self::List(Arc::from(&list[count.min(list.len())..])),
        }
    }

    /// The row at `index` among them.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn at(&self, index: usize) -> u32 {
        match self {
            Self::Range(range) => {
                assert!(index < range.len(), "a row of the selection");
                range.start + index as u32
            }
            Self::List(list) => list[index],
        }
    }
}

/// Some rows of a shared batch: what flows between threads.
#[derive(Debug, Clone)]
pub struct View {
    batch: Arc<Batch>,
    rows: Rows,
}

impl View {
    /// All rows of `batch`.
    pub fn all(batch: Arc<Batch>) -> Self {
        let rows = Rows::Range(0..batch.rows());
        Self { batch, rows }
    }

    /// The same batch with other rows.
    #[must_use]
    pub fn with_rows(&self, rows: Rows) -> Self {
        Self { batch: Arc::clone(&self.batch), rows }
    }

    /// Its rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The bytes of its messages from `first` on with `delimiter` after each, when they stand in memory like that.
    pub fn joined(&self, first: usize, delimiter: u8) -> Option<&[u8]> {
        match &self.rows {
            Rows::Range(rows) => self.batch.joined(rows.start + first as u32..rows.end, delimiter),
            Rows::List(_) => None,
        }
    }

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The batch that its messages are in.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// How much memory a message of its batch takes, on average: 1 byte at least.
    pub fn bytes_each(&self) -> u64 {
        (self.batch.charge() / u64::from(self.batch.rows().max(1))).max(1)
    }

    /// The message at `index`, counted among its rows.
    ///
    /// # Panics
    /// When there are not that many.
    #[inline]
    pub fn message(&self, index: usize) -> MessageRef<'_> {
        self.batch.message(self.rows.at(index))
    }

    /// Its messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = MessageRef<'_>> {
        (0..self.len()).map(|index| self.message(index))
    }
}

impl Batch {
    /// The message in `row`.
    ///
    /// # Panics
    /// When the batch has no such row.
    #[inline]
    pub fn message(&self, row: u32) -> MessageRef<'_> {
        let record = self.record(row);
        MessageRef { batch: self, record, text: self.text(row, record), row }
    }
}

/// One message of a batch, for reading.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    batch: &'a Batch,
    record: &'a Record,
    text: Span,
    row: u32,
}

/// A name-value pair, for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Which name it is.
    pub id: FieldName,
    /// The SD-ID, for a parameter of structured data.
    pub sd_id: &'a [u8],
    /// The name's text: PARAM-NAME for structured data, empty for a name that the engine knows.
    pub name: &'a [u8],
    /// What the value means.
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

    /// Its number, unique in this engine; `None` when messages are not numbered.
    pub fn id(&self) -> Option<u64> {
        let first = self.batch.first_id();
        (first != 0).then(|| first + u64::from(self.row))
    }

    /// MESSAGE.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        self.batch.bytes(self.text)
    }

    /// When it happened.
    pub fn stamp(&self) -> Stamp {
        self.record.head.stamp()
    }

    /// When it was received.
    pub fn recvd(&self) -> Stamp {
        Stamp { unix_micros: self.record.head.recvd_micros, offset_seconds: self.batch.origin().recvd_offset }
    }

    /// Facility times 8 plus severity.
    pub fn pri(&self) -> u16 {
        self.record.head.pri
    }

    /// The size that it had on the wire; 0 when nobody said.
    pub fn raw_size(&self) -> u32 {
        self.record.head.raw_size
    }

    /// Whether it has name-value pairs of its own.
    #[inline]
    pub fn has_pairs(&self) -> bool {
        self.record.head.fields_len > 0
    }

    /// The value of a name that the engine knows: the message's own, or its origin's.
    #[inline]
    pub fn known(&self, id: FieldName) -> Option<&'a [u8]> {
        if id == FieldName::Host {
            return Some(self.host().0);
        }
        let fields = self.batch.fields(self.record);
        if let Some(field) = fields.iter().rfind(|field| field.id == id) {
            return Some(self.batch.bytes(field.value));
        }
        let origin = self.batch.origin();
        let common = match id {
            FieldName::HostFrom => Some(&origin.host_from),
            FieldName::Program => origin.program.as_ref(),
            FieldName::Pid => origin.pid.as_ref(),
            _ => None,
        };
        common.map(|text| text.as_bytes())
    }

    /// HOST, and whether this engine chained it (`chain-hostnames()`).
    #[inline]
    pub fn host(&self) -> (&'a [u8], bool) {
        let mut fields = self.batch.fields(self.record).iter();
        let own = fields.rfind(|field| matches!(field.id, FieldName::Host | FieldName::ChainedHost));
        if let Some(field) = own {
            return (self.batch.bytes(field.value), field.id == FieldName::ChainedHost);
        }
        let origin = self.batch.origin();
        (origin.host.as_bytes(), origin.host_is_chained)
    }

    /// The type and the text of the pair called `name`, which is none of the known ones.
    /// `.SDATA.id.param` finds a parameter of structured data; of one that is repeated, the last.
    pub fn named(&self, name: &[u8]) -> Option<(ValueType, &'a [u8])> {
        if let Some(rest) = name.strip_prefix(b".SDATA.") {
            let found = self.pairs().filter(|pair| pair.id == FieldName::SdParam).filter(|pair| {
                rest.strip_prefix(pair.sd_id).and_then(|rest| rest.strip_prefix(b".")) == Some(pair.name)
            });
            if let Some(pair) = found.last() {
                return Some((pair.value_type, pair.value));
            }
        }
        let fields = self.batch.fields(self.record);
        let named = |field: &&Field| field.id == FieldName::Text && self.batch.bytes(field.name) == name;
        let field = fields.iter().rev().find(named)?;
        Some((field.value_type, self.batch.bytes(field.value)))
    }

    /// All of its own pairs, in order. [`FieldName::SdId`] entries are given as they are: they open an
    /// SD-ELEMENT, also one without parameters.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let batch = self.batch;
        let mut sd_id: &[u8] = b"";
        batch.fields(self.record).iter().map(move |field| {
            let value = batch.bytes(field.value);
            if field.id == FieldName::SdId {
                sd_id = value;
            }
            let name = batch.bytes(field.name);
            Pair { id: field.id, sd_id, name, value_type: field.value_type, value }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a message that is not in a selection is taken with it, or the last of it is lost, when more are asked
    /// for than there are.
    #[test]
    fn a_selection_is_parted_where_asked_and_not_beyond() {
        let rows = |rows: &Rows| (0..rows.len()).map(|index| rows.at(index)).collect::<Vec<_>>();
        for all in [Rows::Range(3..7), Rows::List(Arc::from([3, 4, 5, 6]))] {
            for count in 0..7 {
                let (first, after) = (all.first(count), all.after(count));
                let cut = 3 + count.min(4) as u32;
                assert_eq!(rows(&first), (3..cut).collect::<Vec<_>>(), "the first {count} of {all:?}");
                assert_eq!(rows(&after), (cut..7).collect::<Vec<_>>(), "all but {count} of {all:?}");
                assert_eq!(after.is_empty(), count >= 4);
            }
        }
    }
}
