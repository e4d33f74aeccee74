//! The reader of encoded messages: [`Decoder`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::codes::{name_of, type_of};
use super::{FIELD, NUMBERED, START, UNSET, VERSION, origin};
use crate::message::batch::{SharedSegment, SlabTail, Text};
use crate::message::buffer::Filled;
use crate::message::{EngineBuffer, Head, MESSAGE_MAX, Need, Origin, Pool, Selection, Writer};

/// Bytes that are no encoded messages: damaged in a way that a checksum does not see, or written by another
/// version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed messages: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// Most seconds between a clock and UTC: more than any zone has, and few enough to be added to.
const FARTHEST: i32 = 1_000_000;

/// Makes batches of what [`Selection::encode`] wrote.
#[derive(Debug)]
pub(crate) struct Decoder {
    pool: Arc<Pool>,
    /// The end of the last batch's memory, for the next one.
    tail: SlabTail,
    /// The origin that was read last, and its bytes: messages of one source follow each other.
    last: Option<(Box<[u8]>, Arc<Origin>)>,
}

/// A message's place in the bytes.
struct Layout<'a> {
    head: Head,
    id: u64,
    text: u32,
    /// The bytes of its fields.
    fields: &'a [u8],
    /// The bytes of all its texts.
    texts: u64,
}

impl Decoder {
    /// One whose batches take their memory from `pool`.
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), tail: SlabTail::default(), last: None }
    }

    /// The messages that `bytes` are, in order: in one batch, most of the time.
    ///
    /// # Errors
    /// They are not what [`Selection::encode`] writes.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Vec<Selection>, Malformed> {
        let mut input = Input::new(bytes);
        if input.u8()? != VERSION {
            return Err(Malformed("a version that this one does not know"));
        }
        let numbered = match input.u8()? {
            0 => false,
            NUMBERED => true,
            _ => return Err(Malformed("flags that this version does not know")),
        };
        input.take(2)?;
        let (rows, origin, heads) = (input.u32()?, input.u32()?, input.u32()?);
        debug_assert_eq!(input.at, START);
        let origin = self.origin(input.take(origin as usize)?)?;
        let mut heads = Input::new(input.take(heads as usize)?);
        let texts = input.rest();
        if u32::try_from(texts.len()).is_err() {
            return Err(Malformed("more texts than a piece has"));
        }
        let buffer = EngineBuffer::filled(&self.pool, texts);
        let mut batches = Batches { decoder: self, origin, buffer: &buffer, done: Vec::new(), open: None };
        let mut offset = 0_u64;
        for _ in 0..rows {
            let layout = layout(&mut heads, numbered)?;
            if offset + layout.texts > texts.len() as u64 {
                return Err(Malformed("texts that end too early"));
            }
            batches.add(&layout, offset as u32, numbered)?;
            offset += layout.texts;
        }
        if !heads.is_empty() || offset != texts.len() as u64 {
            return Err(Malformed("bytes that belong to no message"));
        }
        batches.end();
        Ok(batches.done)
    }

    fn origin(&mut self, bytes: &[u8]) -> Result<Arc<Origin>, Malformed> {
        if let Some((known, origin)) = &self.last
            && **known == *bytes
        {
            return Ok(Arc::clone(origin));
        }
        let origin = Arc::new(origin::read(bytes)?);
        self.last = Some((bytes.into(), Arc::clone(&origin)));
        Ok(origin)
    }
}

/// The next head in `heads`, and the place of what it says.
fn layout<'a>(heads: &mut Input<'a>, numbered: bool) -> Result<Layout<'a>, Malformed> {
    let mut head = Head {
        stamp_micros: heads.u64()? as i64,
        recvd_micros: heads.u64()? as i64,
        stamp_offset: heads.zone()?,
        raw_size: heads.u32()?,
        pri: heads.u16()?,
        ..Head::EMPTY
    };
    let count = heads.u16()?;
    head.recvd_shift = heads.u16()? as i16;
    head.text_type = type_of(heads.u8()?).ok_or(Malformed("an unknown type of MESSAGE"))?;
    heads.take(1)?;
    let text = heads.u32()?;
    let id = if numbered { heads.u64()? } else { 0 };
    let fields = heads.take(usize::from(count) * FIELD)?;
    let mut texts = u64::from(text);
    for field in fields.chunks_exact(FIELD) {
        let (name, value) = lengths(field);
        texts += u64::from(name) + u64::from(if value == UNSET { 0 } else { value });
    }
    Ok(Layout { head, id, text, fields, texts })
}

/// The lengths of the name and of the value of a field.
fn lengths(field: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_le_bytes([field[at], field[at + 1], field[at + 2], field[at + 3]]);
    (number(2), number(6))
}

/// The batches that the messages of one piece become.
struct Batches<'d> {
    decoder: &'d mut Decoder,
    origin: Arc<Origin>,
    buffer: &'d Filled,
    done: Vec<Selection>,
    open: Option<Open>,
}

struct Open {
    writer: Writer,
    segment: SharedSegment,
    /// The number that the next message has to have.
    next: u64,
}

impl Batches<'_> {
    /// Adds a message whose texts begin at `offset`.
    fn add(&mut self, layout: &Layout<'_>, offset: u32, numbered: bool) -> Result<(), Malformed> {
        let fields = layout.fields.len() / FIELD;
        let need = Need { bytes: 0, fields, segments: 0, viewed: layout.texts as usize };
        if need.size() > MESSAGE_MAX {
            return Err(Malformed("a message that is longer than messages are"));
        }
        let goes_on = self.open.as_ref().is_some_and(|open| {
            open.writer.fits(need) && (!numbered || (open.next == layout.id && layout.id != 0))
        });
        if !goes_on {
            self.end();
            self.begin(need, layout.id)?;
        }
        let Some(open) = &mut self.open else { unreachable!("just begun") };
        let Some(mut row) = open.writer.row(need) else { return Err(Malformed("a message without a place")) };
        row.payload_share(open.segment, offset, layout.texts as u32);
        row.message(Text::Payload(0, layout.text));
        row.head(&layout.head);
        let mut at = layout.text;
        for field in layout.fields.chunks_exact(FIELD) {
            let id = name_of(field[0]).ok_or(Malformed("an unknown name"))?;
            let value_type = type_of(field[1]).ok_or(Malformed("an unknown type"))?;
            let (name, value) = lengths(field);
            let value_len = if value == UNSET { 0 } else { value };
            let place = (value != UNSET).then_some((at + name, value));
            row.payload_field(id, value_type, (at, name), place);
            at += name + value_len;
        }
        // Nobody else has the batch.
        row.publish();
        open.next = layout.id + 1;
        Ok(())
    }

    /// Begins a batch with room for a message of `need`, with the number `id` unless that is 0.
    fn begin(&mut self, need: Need, id: u64) -> Result<(), Malformed> {
        let origin = if id == 0 {
            Arc::clone(&self.origin)
        } else {
            let ids = Some(Arc::new(AtomicU64::new(id)));
            Arc::new(Origin { ids, ..Origin::clone(&self.origin) })
        };
        let need = Need { segments: 1, ..need };
        let Decoder { pool, tail, .. } = &mut *self.decoder;
        let mut writer = Writer::open_after(tail, &origin, pool, need);
        let segment =
            writer.adopt_shared(self.buffer.segment()).map_err(|_| Malformed("texts without a place"))?;
        self.open = Some(Open { writer, segment, next: id });
        Ok(())
    }

    /// Ends the batch that is open.
    fn end(&mut self) {
        if let Some(Open { writer, .. }) = self.open.take() {
            self.done.push(Selection::all(Arc::new(writer.finish_before(&mut self.decoder.tail))));
        }
    }
}

/// Bytes that are being read.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.rest().get(..len).ok_or(Malformed("an early end"))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.rest().first_chunk::<N>().ok_or(Malformed("an early end"))?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// Seconds east of UTC.
    pub(super) fn zone(&mut self) -> Result<i32, Malformed> {
        let offset = self.u32()? as i32;
        let is_zone = (-FARTHEST..=FARTHEST).contains(&offset);
        is_zone.then_some(offset).ok_or(Malformed("a time zone that is none"))
    }

    /// So many bytes as the next number says.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}
