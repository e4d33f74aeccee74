//! A message in memory of its own: [`Stored`].
//!
//! A step that keeps messages for a while copies each into a batch of exactly its size. It keeps nothing of
//! the batch that the message came in, and what it takes is known: [`Stored::bytes`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::batch::Need;
use super::copied::need;
use super::{Batch, Fault, Head, MessageRef, Origin, RevisedRow, Selection, Stamp, ValueType, Writer};

/// Memory of a stored message beside its texts and fields: its batch, and what shares it.
const BESIDE: u64 = 512;

/// A message that is kept.
#[derive(Debug, Clone)]
pub struct Stored {
    selection: Selection,
    /// The part that it had in common with the others of its batch.
    origin: Arc<Origin>,
    bytes: u64,
}

impl Stored {
    /// A copy of `message`.
    pub fn of(message: MessageRef<'_>) -> Self {
        let origin = Arc::clone(message.batch().shared_origin());
        let numbered = message.id().map(|id| {
            let ids = Some(Arc::new(AtomicU64::new(id)));
            Arc::new(Origin { ids, ..Origin::clone(&origin) })
        });
        let need = need(message);
        let mut writer = Writer::open_exact(numbered.as_ref().unwrap_or(&origin), need);
        if let Some(mut row) = writer.row(need) {
            row.copy_of(message);
            // Nobody else has the batch.
            row.publish();
        }
        Self::new(writer.finish(), origin, need)
    }

    /// A message of `origin` whose text is unset, of `pri`, that happened at `stamp` and is received at `recvd`.
    pub fn empty(origin: &Arc<Origin>, pri: u16, stamp: Stamp, recvd: Stamp) -> Self {
        let (own, need) = (Arc::new(Origin { ids: None, ..Origin::clone(origin) }), Need::default());
        let mut writer = Writer::open_exact(&own, need);
        if let Some(mut row) = writer.row(need) {
            row.payload_copy(b"");
            row.head(&Head { text_type: ValueType::Null, ..Head::new(stamp, recvd.unix_micros, pri) });
            // Nobody else has the batch.
            row.publish();
        }
        Self::new(writer.finish(), Arc::clone(origin), need)
    }

    fn new(batch: Batch, origin: Arc<Origin>, need: Need) -> Self {
        Self { selection: Selection::all(Arc::new(batch)), origin, bytes: need.charge() + BESIDE }
    }

    /// The message.
    ///
    /// # Panics
    /// When a change of it was none.
    #[inline]
    pub fn message(&self) -> MessageRef<'_> {
        self.selection.message(0)
    }

    /// The part that it had in common with the others of its batch.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The memory that it takes, as it was stored.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Has `change` change it; false where that failed, or would pass the bounds of a message, and it is no
    /// more to be read.
    #[must_use]
    pub fn revise(&mut self, mut change: impl FnMut(&mut RevisedRow<'_>)) -> bool {
        let mut faults: Vec<Fault> = Vec::new();
        self.selection.revise(&mut faults, |row| {
            change(row);
            true
        });
        faults.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::batch::Text;
    use crate::message::{FieldName, Pool};

    /// Breaks without it: a kept message loses a field, or gets back a value that a step has unset; or it
    /// keeps the memory of the batch that it came in.
    #[test]
    fn a_stored_message_reads_as_it_did() {
        let origin = Arc::new(Origin { program: Some("common".into()), ..Origin::named("s") });
        let need = Need { bytes: 60, fields: 2, ..Need::default() };
        let pool = Arc::new(Pool::new());
        let mut writer = Writer::open(&origin, &pool, need);
        for text in [&b"first"[..], b"second one", b""] {
            let mut row = writer.row(need).unwrap();
            row.payload_copy(text);
            row.head(&Head::new(Stamp { unix_micros: 7, offset_seconds: 3600 }, 9, 165));
            row.field(FieldName::Text, Text::Copy(b"name"), ValueType::Integer, Text::Copy(b"7"));
            row.publish();
        }
        let mut all = Selection::all(Arc::new(writer.finish()));
        all.revise(&mut Vec::new(), |row| {
            row.unset(FieldName::Program, b"");
            row.tag(b"t");
            true
        });
        let stored: Vec<Stored> = all.messages().map(Stored::of).collect();
        for (kept, message) in stored.iter().zip(all.messages()) {
            let read = kept.message();
            assert_eq!(read.text(), message.text());
            assert_eq!(read.pairs().collect::<Vec<_>>(), message.pairs().collect::<Vec<_>>());
            assert_eq!(read.tags().collect::<Vec<_>>(), [b"t"]);
            assert_eq!((read.stamp(), read.recvd(), read.pri()), (message.stamp(), message.recvd(), 165));
            assert_eq!(read.known(FieldName::Program), None);
            assert!(kept.bytes() < 1024 && Arc::ptr_eq(kept.origin(), &origin));
        }
        let batch = Arc::downgrade(all.batch());
        drop(all);
        assert!(batch.upgrade().is_none());
    }

    /// Breaks without it: a change of a kept message is lost, or changes its copies.
    #[test]
    fn a_stored_message_is_changed_by_itself() {
        let stamp = Stamp { unix_micros: 5, offset_seconds: 0 };
        let first = Stored::empty(&Arc::new(Origin::named("s")), 46, stamp, stamp);
        let mut second = first.clone();
        assert!(second.revise(|row| row.message(Text::Copy(b"text"))));
        assert_eq!((first.message().text(), second.message().text()), (&b""[..], &b"text"[..]));
        assert_eq!((second.message().pri(), second.message().stamp()), (46, stamp));
    }
}
