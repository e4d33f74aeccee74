//! Messages as bytes, for what outlives the process: [`Selection::encode`] and [`Decoder`].
//!
//! ```text
//!  u8   version        1
//!  u8   flags          1: messages are numbered
//!  u16  reserved       0
//!  u32  rows
//!  u32  bytes of the origin
//!  u32  bytes of the heads
//!  ──── origin         the parts that all messages have in common, each with a number and a length
//!  ──── heads          of each message: 32 bytes, u32 bytes of its text, u64 its number if numbered,
//!                      then of each field: u8 name, u8 type, u32 bytes of the name, u32 bytes of the value
//!  ──── texts          of each message: MESSAGE, then of each field its name and its value
//! ```
//!
//! Numbers are little-endian. Only the selected rows are written, with what they are read as by their
//! revision: a reader needs nothing of the batch that they came in. Read back, the texts are in one buffer,
//! and the rows view them there. Messages that were numbered keep their numbers; where those do not follow
//! each other, another batch begins.

mod codes;
mod origin;
mod read;

use super::{MessageRef, Selection};
use codes::{name_code, type_code};

pub(crate) use read::Decoder;
#[cfg(test)]
use read::Malformed;

/// The version of this form.
const VERSION: u8 = 1;
/// Messages are numbered.
const NUMBERED: u8 = 1;
/// The bytes before the origin.
const START: usize = 16;
/// The bytes of a head, with those of its text, and without a number.
const HEAD: usize = 36;
/// The bytes of a field beside its texts.
const FIELD: usize = 10;
/// The length of a value that unsets its name.
const UNSET: u32 = u32::MAX;

impl Selection {
    /// Appends the messages from `first` on, counted among its rows, to `out`: as many as fit in about `most`
    /// bytes of texts, and one at least. Returns how many those are.
    pub(crate) fn encode(&self, first: usize, most: usize, out: &mut Vec<u8>) -> usize {
        let (mut count, mut texts) = (0, 0);
        while first + count < self.len() && (count == 0 || texts < most) {
            texts += self.message(first + count).text_bytes();
            count += 1;
        }
        let rows = first..first + count;
        let numbered = self.batch().first_id() != 0;
        out.reserve(START + texts + count * HEAD);
        let start = out.len();
        out.extend_from_slice(&[VERSION, if numbered { NUMBERED } else { 0 }, 0, 0]);
        out.extend_from_slice(&(count as u32).to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        origin::write(self.batch().origin(), out);
        let origin = (out.len() - start - START) as u32;
        out[start + 8..start + 12].copy_from_slice(&origin.to_le_bytes());
        let heads_start = out.len();
        for index in rows.clone() {
            self.message(index).write_head(numbered, out);
        }
        let heads = (out.len() - heads_start) as u32;
        out[start + 12..start + 16].copy_from_slice(&heads.to_le_bytes());
        for index in rows {
            self.message(index).write_texts(out);
        }
        count
    }
}

impl MessageRef<'_> {
    /// The bytes of all its texts.
    fn text_bytes(&self) -> usize {
        let fields = self.fields().iter().map(|field| {
            let name = if field.id.has_text() { field.name.len as usize } else { 0 };
            name + if field.is_unset() { 0 } else { field.value.len as usize }
        });
        self.text().len() + fields.sum::<usize>()
    }

    fn write_head(&self, numbered: bool, out: &mut Vec<u8>) {
        let head = self.head();
        out.extend_from_slice(&head.stamp_micros.to_le_bytes());
        out.extend_from_slice(&head.recvd_micros.to_le_bytes());
        out.extend_from_slice(&head.stamp_offset.to_le_bytes());
        out.extend_from_slice(&head.raw_size.to_le_bytes());
        out.extend_from_slice(&head.pri.to_le_bytes());
        out.extend_from_slice(&head.fields_len.to_le_bytes());
        out.extend_from_slice(&head.recvd_shift.to_le_bytes());
        out.extend_from_slice(&[type_code(head.text_type), 0]);
        out.extend_from_slice(&(self.text().len() as u32).to_le_bytes());
        if numbered {
            out.extend_from_slice(&self.id().unwrap_or_default().to_le_bytes());
        }
        for field in self.fields() {
            let name = if field.id.has_text() { field.name.len } else { 0 };
            let value = if field.is_unset() { UNSET } else { field.value.len };
            out.extend_from_slice(&[name_code(field.id), type_code(field.value_type)]);
            out.extend_from_slice(&name.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn write_texts(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text());
        for field in self.fields() {
            if field.id.has_text() {
                out.extend_from_slice(self.bytes(field.name));
            }
            if !field.is_unset() {
                out.extend_from_slice(self.bytes(field.value));
            }
        }
    }
}

#[cfg(test)]
mod tests;
