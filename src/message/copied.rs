//! Messages in batches of their own: [`Selection::copied_out`].
//!
//! A selection of a few rows keeps the memory of its whole batch, and all that revisions of it took. Where it
//! waits with credit, that is charged to its source. Where it waits without, nothing bounds it but the number
//! of messages: so they are copied out, each with its fields as they are read now.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{MessageRef, Need, Origin, Pool, Rows, Selection, Writer};

impl Selection {
    /// Tells whether it keeps much more memory than a copy takes: it has less than half the rows of its
    /// batch. Numbered messages (`use-uniqid()`) stay, as the number comes from the row.
    pub(crate) fn is_narrow(&self) -> bool {
        self.len() * 2 < self.batch().rows() as usize && self.batch().first_id() == 0
    }

    /// Copies its messages into batches of their own, in their order, each with the rows that its messages
    /// have in this one. A message that no batch can be made of comes as it is, without.
    pub(crate) fn copied_out(&self, pool: &Arc<Pool>) -> Vec<(Self, Option<Rows>)> {
        let mut copies = Vec::new();
        let mut open: Option<(Writer, Vec<u32>)> = None;
        let end = |(writer, rows): (Writer, Vec<u32>)| {
            (!rows.is_empty()).then(|| (Self::all(Arc::new(writer.finish())), Some(Rows::from(rows))))
        };
        for row in self.rows().iter() {
            let message = self.row(row);
            let need = need(message);
            if !open.as_ref().is_some_and(|(writer, _)| writer.fits(need)) {
                copies.extend(open.take().and_then(end));
            }
            let (writer, rows) = open
                .get_or_insert_with(|| (Writer::open(self.batch().shared_origin(), pool, need), Vec::new()));
            let is_copied = writer.row(need).is_some_and(|mut copy| {
                copy.copy_of(message);
                // Nobody else has the batch.
                copy.publish();
                true
            });
            if is_copied {
                rows.push(row);
            } else {
                copies.extend(open.take().and_then(end));
                copies.push((self.with_rows(Rows::Range(row..row + 1)), None));
            }
        }
        copies.extend(open.take().and_then(end));
        copies
    }
}

impl Selection {
    /// The first of its messages in a batch of its own, with its number; as it is, where no batch can be made of
    /// it.
    pub(crate) fn alone(&self, pool: &Arc<Pool>) -> Self {
        self.message(0).alone(pool).unwrap_or_else(|| self.with_rows(self.rows().first(1)))
    }
}

impl MessageRef<'_> {
    /// The message in a batch of its own, with its number; `None` where no batch can be made of it.
    pub(crate) fn alone(self, pool: &Arc<Pool>) -> Option<Selection> {
        let origin = match self.id() {
            None => Arc::clone(self.batch().shared_origin()),
            Some(id) => {
                let ids = Some(Arc::new(AtomicU64::new(id)));
                Arc::new(Origin { ids, ..Origin::clone(self.batch().origin()) })
            }
        };
        let need = need(self);
        let mut writer = Writer::open(&origin, pool, need);
        let mut copy = writer.row(need)?;
        copy.copy_of(self);
        // Nobody else has the batch.
        copy.publish();
        Some(Selection::all(Arc::new(writer.finish())))
    }
}

/// The room that a copy of `message` needs.
pub(crate) fn need(message: MessageRef<'_>) -> Need {
    let (mut bytes, mut fields) = (message.text().len(), 0);
    for field in message.fields() {
        let name = if field.id.has_text() { field.name.len } else { 0 };
        bytes += (name + field.value.len) as usize;
        fields += 1;
    }
    Need { bytes, fields, ..Need::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::batch::Text;
    use crate::message::{FieldName, Head, Stamp, ValueType};

    /// Everything that can be read of a message.
    fn whole(message: MessageRef<'_>) -> String {
        let names = [FieldName::Host, FieldName::Program, FieldName::Pid, FieldName::MsgId];
        let known: Vec<_> = names.iter().map(|name| message.known(*name)).collect();
        let (pairs, tags): (Vec<_>, Vec<_>) = (message.pairs().collect(), message.tags().collect());
        let times = (message.stamp(), message.recvd(), message.pri(), message.raw_size());
        format!("{:?} {known:?} {pairs:?} {tags:?} {times:?} {:?}", message.text(), message.host())
    }

    /// Breaks without it: a message that is copied out loses a field, gets back a value that a step has unset,
    /// or is another one's.
    #[test]
    fn a_copy_reads_as_its_original() {
        let origin = Origin { tags: ["of.all".into()].into(), ..Origin::named("s_door") };
        let (origin, pool) =
            (Arc::new(Origin { program: Some("common".into()), ..origin }), Arc::new(Pool::new()));
        let need = Need { bytes: 400, fields: 4, ..Need::default() };
        let mut writer = Writer::open(&origin, &pool, need);
        for number in 0..100_u32 {
            let mut row = writer.row(need).unwrap();
            row.payload_copy(format!("message {number} with a part").as_bytes());
            row.head(&Head::new(Stamp { unix_micros: 5, offset_seconds: 3600 }, i64::from(number), 165));
            row.raw_size(number);
            row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, Text::Copy(b"ids@1"));
            row.field(FieldName::SdParam, Text::Copy(b"door"), ValueType::String, Text::Payload(0, 7));
            row.field(FieldName::Text, Text::Copy(b"n"), ValueType::Integer, Text::Copy(b"7"));
            row.publish();
        }
        let mut all = Selection::all(Arc::new(writer.finish()));
        all.revise(&mut Vec::new(), |row| {
            match row.row() % 3 {
                0 => row.message(Text::Copy(&vec![b'x'; 50_000])),
                1 => row.unset(FieldName::Program, b""),
                _ => return true,
            }
            row.tag(b"own");
            row.clear_tag(b"of.all");
            true
        });
        let few = all.with_rows(Rows::from((0..100).filter(|row| row % 7 == 3).collect::<Vec<u32>>()));
        assert!(few.is_narrow() && !all.is_narrow());
        let copies = few.copied_out(&pool);
        let mut rows = Vec::new();
        for (copy, of) in &copies {
            let of = of.as_ref().unwrap();
            assert_eq!(copy.len(), of.len());
            for (message, row) in copy.messages().zip(of.iter()) {
                assert_eq!(whole(message), whole(few.row(row)));
                rows.push(row);
            }
        }
        assert_eq!(rows, few.rows().iter().collect::<Vec<_>>());
        assert!(copies.len() > 1, "texts of 50,000 bytes fill more than one batch");
    }
}
