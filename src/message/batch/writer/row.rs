//! One message that is being written: [`Row`].

use std::ptr;

use super::Writer;
#[cfg(doc)]
use crate::message::batch::Need;
use crate::message::batch::seal::Counts;
use crate::message::batch::{Published, slot};
use crate::message::{Field, FieldName, Head, MessageRef, Record, Segment, Span, Stamp, ValueType};

/// A segment that several rows of one batch view.
#[derive(Debug, Clone, Copy)]
pub struct SharedSegment {
    pub(super) number: u32,
    pub(super) len: u32,
}

/// The origin of the text of a name or a value.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    /// Bytes to be copied; counted in [`Need::bytes`].
    Copy(&'a [u8]),
    /// A part of the row's payload: its offset and length.
    Payload(u32, u32),
}

/// A row being written. Dropped unpublished, it leaves no trace.
pub struct Row<'w> {
    pub(super) writer: &'w mut Writer,
    pub(super) record: Record,
    pub(super) payload: Span,
    /// The beginning of the free bytes.
    pub(super) low: u32,
    pub(super) segments: u32,
    /// The number of fields it has room for.
    pub(super) fields_most: usize,
    pub(super) charge: u64,
}

impl Row<'_> {
    /// Copies `bytes` into the slab.
    ///
    /// # Panics
    /// When there is no room for them: they were not counted in the row's [`Need`].
    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Span {
        let free = self.writer.room.high() as usize - size_of::<Record>() - self.low as usize;
        assert!(bytes.len() <= free, "counted in Need");
        let at = self.writer.room.slab().bytes(self.low as usize, bytes.len());
        // SAFETY: free bytes of the slab, which only this writer has.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
        let span = Span { segment: 0, offset: self.low, len: bytes.len() as u32 };
        self.low += bytes.len() as u32;
        span
    }

    /// Makes a copy of `bytes` the payload: what [`Text::Payload`] counts in. MESSAGE is all of it
    /// until [`Row::message`] says otherwise.
    #[inline]
    pub fn payload_copy(&mut self, bytes: &[u8]) {
        self.payload = self.copy(bytes);
        self.record.text = self.payload;
    }

    /// Makes the bytes of `segment` the payload, without a copy.
    ///
    /// # Panics
    /// When the row's [`Need`] did not count the segment.
    #[inline]
    pub fn payload_adopt(&mut self, segment: Segment) {
        assert!((self.segments as usize) < self.writer.room.slab().segments().len(), "counted in Need");
        let len = segment.bytes().len() as u32;
        let number = self.writer.store_segment(self.segments, || segment);
        self.segments += 1;
        self.payload = Span { segment: number, offset: 0, len };
        self.record.text = self.payload;
    }

    /// Makes `len` bytes at `offset` of a shared segment the payload.
    ///
    /// # Panics
    /// When they do not lie inside the segment.
    #[inline]
    pub fn payload_share(&mut self, segment: SharedSegment, offset: u32, len: u32) {
        assert!(u64::from(offset) + u64::from(len) <= u64::from(segment.len), "inside the segment");
        self.payload = Span { segment: segment.number, offset, len };
        self.record.text = self.payload;
    }

    /// Makes `text` MESSAGE.
    ///
    /// # Panics
    /// When a part of the payload does not lie inside it.
    #[inline]
    pub fn message(&mut self, text: Text<'_>) {
        self.record.text = self.place(text);
    }

    #[inline]
    fn place(&mut self, text: Text<'_>) -> Span {
        match text {
            Text::Copy(bytes) => self.copy(bytes),
            Text::Payload(offset, len) => self.payload.part_inside(offset, len),
        }
    }

    /// Adds a name-value pair; `name` is read only when `id` has its name as text.
    ///
    /// # Panics
    /// When the row's [`Need`] did not count it.
    pub fn field(&mut self, id: FieldName, name: Text<'_>, value_type: ValueType, value: Text<'_>) {
        let name = if id.has_text() { self.place(name) } else { Span::default() };
        let value = self.place(value);
        self.put_field(Field { name, value, id, value_type });
    }

    /// Adds a name-value pair whose name and value are parts of the payload, each an offset and a length; one
    /// without a value unsets its name.
    ///
    /// # Panics
    /// When a part does not lie inside the payload, or the row's [`Need`] did not count the pair.
    pub(crate) fn payload_field(
        &mut self,
        id: FieldName,
        value_type: ValueType,
        name: (u32, u32),
        value: Option<(u32, u32)>,
    ) {
        let name = if id.has_text() { self.payload.part_inside(name.0, name.1) } else { Span::default() };
        let value = value.map_or(Span::UNSET, |(offset, len)| self.payload.part_inside(offset, len));
        self.put_field(Field { name, value, id, value_type });
    }

    /// Adds a field.
    fn put_field(&mut self, field: Field) {
        let index = usize::from(self.record.head.fields_len);
        assert!(index < self.fields_most, "counted in Need");
        let all = self.writer.room.slab().fields(self.record.fields_start as usize, self.fields_most);
        let at = all.wrapping_add(index);
        // SAFETY: one of the fields that were set aside for this row, which is not published.
        unsafe { at.write(field) };
        self.record.head.fields_len += 1;
    }

    /// Makes it a copy of `message`, with all of its own fields, those included that unset a name.
    pub(crate) fn copy_of(&mut self, message: MessageRef<'_>) {
        self.payload_copy(message.text());
        self.head(message.head());
        for field in message.fields() {
            let mut copied = |span: Span| if span.is_unset() { span } else { self.copy(message.bytes(span)) };
            let name = if field.id.has_text() { copied(field.name) } else { Span::default() };
            let value = copied(field.value);
            self.put_field(Field { name, value, ..*field });
        }
    }

    /// Sets what the message has beside its text.
    #[inline]
    pub fn head(&mut self, head: &Head) {
        self.record.head = Head { fields_len: self.record.head.fields_len, unparsed: 0, ..*head };
    }

    /// Sets when the message happened, and when it was received.
    #[inline]
    pub fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.record.head.set_stamp(stamp);
        self.record.head.recvd_micros = recvd_micros;
    }

    /// Sets facility times 8 plus severity.
    #[inline]
    pub fn pri(&mut self, pri: u16) {
        self.record.head.pri = pri;
    }

    /// Sets the size that the message had on the wire.
    #[inline]
    pub fn raw_size(&mut self, bytes: u32) {
        self.record.head.raw_size = bytes;
    }

    /// Puts the row into the batch.
    #[inline]
    pub fn publish(mut self) -> Published {
        self.end_text();
        let writer = &mut *self.writer;
        let at = writer.room.slab().record(writer.room.high() as usize);
        // SAFETY: the record lies above the row's bytes and is not published, so only this writer touches it.
        unsafe { at.write(self.record) };
        let segments = self.segments - writer.room.segments();
        let counts = writer.counts + Counts::new(1, segments, self.charge);
        if !writer.core.seal.publish(counts, writer.light) {
            return Published::Sealed;
        }
        writer.counts = counts;
        writer.room.take(self.low, self.segments);
        Published::Yes
    }

    /// Puts a newline after the text, where the row is a copied text and nothing else.
    #[inline]
    fn end_text(&mut self) {
        let Span { segment, offset, len } = self.record.text;
        let has_place = (self.low as usize) < self.writer.room.high() as usize - size_of::<Record>();
        let is_plain = segment == 0 && self.record.head.fields_len == 0 && self.fields_most == 0;
        if has_place && is_plain && offset == self.writer.room.low() && offset + len == self.low {
            let at = self.writer.room.slab().bytes(self.low as usize, 1);
            // SAFETY: a free byte of the slab, which only this writer has; the record begins behind it.
            unsafe { at.write(b'\n') };
            self.low += 1;
        } else {
            self.writer.core.scatter();
        }
    }
}

impl Drop for Row<'_> {
    /// Lets go of the segments of a row that is not published, here on the writer's thread.
    fn drop(&mut self) {
        for index in self.writer.room.segments()..self.segments {
            let at = slot(self.writer.room.slab().segments(), index as usize);
            // SAFETY: written by this row, and not published: nobody else has it.
            unsafe { ptr::drop_in_place(at) };
        }
    }
}
