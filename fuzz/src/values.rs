//! Name-value pairs: what is written to a record is what readers find, against a plain list.
//!
//! The input is taken for a program (`arbitrary`): messages with payloads and pairs, copied or parts of the
//! payload. Each is read back as it is in a full batch, and as a batch of its own, which is copied when it is
//! sealed.

use std::sync::Arc;

use arbitrary::{Arbitrary, Result, Unstructured};
use inrush::message::batch::Text;
use inrush::message::{
    Batch, FieldName, MessageRef, Need, Origin, Pool, Published, Segment, Stamp, ValueType, Writer,
};

const TYPES: [ValueType; 10] = [
    ValueType::String,
    ValueType::Json,
    ValueType::Boolean,
    ValueType::Integer,
    ValueType::Double,
    ValueType::Datetime,
    ValueType::List,
    ValueType::Null,
    ValueType::Bytes,
    ValueType::Protobuf,
];
const NAMES: [&str; 6] = ["a", "", ".SDATA.id.p", ".SDATA.id.x.p", "HOST", ".json.a"];
const IDS: [&str; 4] = ["id", "id.x", "", "other@1"];
const PARAMS: [&str; 3] = ["p", "x.p", ""];

thread_local! {
    static POOL: Arc<Pool> = Arc::default();
}

/// A pair as the model keeps it.
#[derive(Debug, Clone)]
struct Pair {
    id: FieldName,
    name: Vec<u8>,
    value_type: ValueType,
    value: Vec<u8>,
    /// The place of the value in the payload, when it is a part of it.
    part: Option<(u32, u32)>,
}

#[derive(Debug, Clone)]
struct Message {
    payload: Vec<u8>,
    viewed: bool,
    /// The part of the payload that is MESSAGE; all of it when nobody says.
    text: Option<(u32, u32)>,
    pairs: Vec<Pair>,
    stamp: Stamp,
    recvd: i64,
    pri: u16,
    raw_size: u32,
}

/// Writes and reads the messages that `data` describes.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut messages = Vec::new();
    while !input.is_empty() && messages.len() < 200 {
        let Ok(message) = message(&mut input) else { break };
        messages.push(message);
    }
    let origin = Arc::new(Origin { program: Some("common".into()), pid: None, ..Origin::named("s_fuzz") });
    let pool = POOL.with(Arc::clone);
    let mut open: Option<Writer> = None;
    let mut batches = Vec::new();
    for message in &messages {
        let need = need(message);
        if !open.as_mut().is_some_and(|writer| write(writer, message, need)) {
            batches.extend(open.take().map(Writer::finish));
            let mut writer = Writer::open(&origin, &pool, need);
            assert!(write(&mut writer, message, need), "a batch made for a message has room for it");
            open = Some(writer);
        }
        let mut alone = Writer::open(&origin, &pool, need);
        assert!(write(&mut alone, message, need));
        check(alone.finish().message(0), message);
    }
    batches.extend(open.take().map(Writer::finish));
    let read = batches.iter().flat_map(|batch: &Batch| (0..batch.rows()).map(|row| batch.message(row)));
    let mut count = 0;
    for (read, message) in read.zip(&messages) {
        check(read, message);
        count += 1;
    }
    assert_eq!(count, messages.len());
}

fn message(input: &mut Unstructured<'_>) -> Result<Message> {
    let mut payload = Vec::<u8>::arbitrary(input)?;
    // Now and then one that does not fit into a block.
    if input.ratio(1, 50)? {
        payload.resize(100_000, b'x');
    }
    let len = payload.len() as u32;
    let part = |input: &mut Unstructured<'_>| -> Result<(u32, u32)> {
        let offset = input.int_in_range(0..=len)?;
        Ok((offset, input.int_in_range(0..=len - offset)?))
    };
    let text = if input.arbitrary()? { Some(part(input)?) } else { None };
    let mut pairs = Vec::new();
    for _ in 0..input.int_in_range(0..=12)? {
        let (id, name) = match input.int_in_range(0..=3)? {
            0 => {
                let index = input.choose_index(FieldName::KNOWN.len() + 1)?;
                (FieldName::KNOWN.get(index).map_or(FieldName::ChainedHost, |(id, _)| *id), "")
            }
            1 => (FieldName::SdId, ""),
            2 => (FieldName::SdParam, *input.choose(&PARAMS)?),
            _ => (FieldName::Text, *input.choose(&NAMES)?),
        };
        let part = if input.arbitrary()? { Some(part(input)?) } else { None };
        let value = match part {
            Some((offset, len)) => payload[offset as usize..][..len as usize].to_vec(),
            None if id == FieldName::SdId => input.choose(&IDS)?.as_bytes().to_vec(),
            None => input.arbitrary()?,
        };
        let value_type = *input.choose(&TYPES)?;
        pairs.push(Pair { id, name: name.as_bytes().to_vec(), value_type, value, part });
    }
    Ok(Message {
        viewed: input.arbitrary()?,
        payload,
        text,
        pairs,
        stamp: Stamp { unix_micros: input.arbitrary()?, offset_seconds: input.arbitrary()? },
        recvd: input.arbitrary()?,
        pri: input.arbitrary()?,
        raw_size: input.arbitrary()?,
    })
}

fn need(message: &Message) -> Need {
    let copied = |pair: &Pair| pair.name.len() + if pair.part.is_some() { 0 } else { pair.value.len() };
    let own: usize = message.pairs.iter().map(copied).sum();
    let (bytes, segments, viewed) =
        if message.viewed { (own, 1, message.payload.len()) } else { (own + message.payload.len(), 0, 0) };
    Need { bytes, fields: message.pairs.len(), segments, viewed }
}

/// Writes `message` into the batch of `writer`; false when it is too full.
fn write(writer: &mut Writer, message: &Message, need: Need) -> bool {
    let Some(mut row) = writer.row(need) else { return false };
    if message.viewed {
        row.payload_adopt(Segment::heap(message.payload.clone().into_boxed_slice()));
    } else {
        row.payload_copy(&message.payload);
    }
    if let Some((offset, len)) = message.text {
        row.message(Text::Payload(offset, len));
    }
    for pair in &message.pairs {
        let value = match pair.part {
            Some((offset, len)) => Text::Payload(offset, len),
            None => Text::Copy(&pair.value),
        };
        row.field(pair.id, Text::Copy(&pair.name), pair.value_type, value);
    }
    row.stamps(message.stamp, message.recvd);
    row.pri(message.pri);
    row.raw_size(message.raw_size);
    assert_eq!(row.publish(), Published::Yes);
    true
}

fn check(read: MessageRef<'_>, message: &Message) {
    let text = match message.text {
        Some((offset, len)) => &message.payload[offset as usize..][..len as usize],
        None => &message.payload,
    };
    assert_eq!(read.text(), text);
    assert_eq!((read.stamp(), read.recvd().unix_micros), (message.stamp, message.recvd));
    assert_eq!((read.pri(), read.raw_size()), (message.pri, message.raw_size));
    let mut sd_id: &[u8] = b"";
    let mut params = Vec::new();
    let mut seen = 0;
    for (pair, wanted) in read.pairs().zip(&message.pairs) {
        if wanted.id == FieldName::SdId {
            sd_id = &wanted.value;
        }
        let name =
            if matches!(wanted.id, FieldName::Text | FieldName::SdParam) { &*wanted.name } else { b"" };
        assert_eq!((pair.id, pair.name, pair.value_type), (wanted.id, name, wanted.value_type));
        assert_eq!((pair.value, pair.sd_id), (&*wanted.value, sd_id));
        if wanted.id == FieldName::SdParam {
            let full = [b".SDATA.", sd_id, b".", name].concat();
            params.push((full, wanted.value_type, wanted.value.clone()));
        }
        seen += 1;
    }
    assert_eq!(seen, message.pairs.len());
    for (id, _) in FieldName::KNOWN {
        let is = |pair: &&Pair| pair.id == *id || pair.id == FieldName::ChainedHost && *id == FieldName::Host;
        let last = message.pairs.iter().rfind(is);
        let own = last.map(|pair| &*pair.value);
        if *id == FieldName::Host {
            assert_eq!(read.host().1, last.is_some_and(|pair| pair.id == FieldName::ChainedHost));
        }
        let common: Option<&[u8]> = match id {
            FieldName::Host | FieldName::HostFrom => Some(b"localhost"),
            FieldName::Program => Some(b"common"),
            _ => None,
        };
        assert_eq!(read.known(*id), own.or(common), "{id:?}");
    }
    let texts = message.pairs.iter().filter(|pair| pair.id == FieldName::Text).map(|pair| pair.name.clone());
    let names: Vec<_> = texts.chain(params.iter().map(|param| param.0.clone())).collect();
    for name in names {
        // The last parameter of that name; otherwise the pair that was set last.
        let param = params.iter().rfind(|param| param.0 == name).map(|param| (param.1, &*param.2));
        let set = message.pairs.iter().rev().find(|pair| pair.id == FieldName::Text && pair.name == name);
        let wanted = param.or(set.map(|pair| (pair.value_type, &*pair.value)));
        assert_eq!(read.named(&name), wanted, "{}", name.escape_ascii());
    }
    assert_eq!(read.named(b"no such name"), None);
}
