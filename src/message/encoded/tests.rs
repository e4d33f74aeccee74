use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::message::batch::Text;
use crate::message::{
    Endpoint, Endpoints, FieldName, Head, Need, Origin, Pool, Rows, Stamp, ValueType, Writer,
};

/// Everything that can be read of a message.
fn whole(message: MessageRef<'_>) -> String {
    let names = FieldName::KNOWN.iter().map(|(name, _)| message.known_typed(*name));
    let known: Vec<_> = names.collect();
    let (pairs, tags): (Vec<_>, Vec<_>) = (message.pairs().collect(), message.tags().collect());
    let common: Vec<_> = message.common_pairs().collect();
    let times = (message.stamp(), message.recvd(), message.pri(), message.raw_size(), message.id());
    let text = (message.text_type(), message.text());
    let Origin { source, transport, endpoints, is_local, .. } = message.batch().origin();
    let origin = (source, transport, endpoints, is_local);
    format!("{text:?} {known:?} {pairs:?} {tags:?} {common:?} {times:?} {:?} {origin:?}", message.host())
}

fn origin() -> Origin {
    let end = |ip: &str, port: &str| Endpoint { ip: ip.into(), port: port.into() };
    Origin {
        host: "gate".into(),
        host_is_chained: true,
        is_local: true,
        host_from: "proxy".into(),
        program: Some("common".into()),
        pid: Some("7".into()),
        transport: Some("rfc5425".into()),
        endpoints: Some(Arc::new(Endpoints {
            source: end("::1", "5514"),
            dest: end("127.0.0.1", "514"),
            peer: Some(end("10.0.0.1", "")),
            protocol: 6,
        })),
        values: [("a".into(), b"1".as_slice().into()), ("b".into(), b"\xff".as_slice().into())].into(),
        tags: ["of.all".into(), "too".into()].into(),
        recvd_offset: -3600,
        ..Origin::named("s_door")
    }
}

/// A hundred messages with all that a message can have, some of it in a revision.
fn messages(origin: Origin, pool: &Arc<Pool>) -> Selection {
    let need = Need { bytes: 400, fields: 5, ..Need::default() };
    let mut writer = Writer::open(&Arc::new(origin), pool, need);
    for number in 0..100_u32 {
        let mut row = writer.row(need).unwrap();
        row.payload_copy(format!("message {number} with a part").as_bytes());
        row.head(&Head::new(Stamp { unix_micros: -5, offset_seconds: 3600 }, i64::from(number), 165));
        row.raw_size(number);
        row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, Text::Copy(b"ids@1"));
        row.field(FieldName::SdParam, Text::Copy(b"door"), ValueType::String, Text::Payload(0, 7));
        row.field(FieldName::Text, Text::Copy(b"n"), ValueType::Integer, Text::Copy(b"7"));
        row.field(FieldName::Host, Text::Copy(b""), ValueType::String, Text::Copy(b"own"));
        row.field(FieldName::Text, Text::Copy(b"empty"), ValueType::Null, Text::Copy(b""));
        row.publish();
    }
    let mut all = Selection::all(Arc::new(writer.finish()));
    all.revise(&mut Vec::new(), |row| {
        match row.row() % 4 {
            0 => row.message(Text::Copy(&vec![b'x'; 5_000])),
            1 => row.unset(FieldName::Program, b""),
            2 => row.typed_message(ValueType::Json, Text::Payload(0, 0)),
            _ => return true,
        }
        row.tag(b"own");
        row.clear_tag(b"of.all");
        row.recvd(Stamp { unix_micros: 77, offset_seconds: 1800 });
        true
    });
    all
}

fn round(selection: &Selection, pool: &Arc<Pool>, most: usize) -> Vec<Selection> {
    let (mut decoder, mut first, mut all) = (Decoder::new(pool), 0, Vec::new());
    while first < selection.len() {
        let mut bytes = b"before".to_vec();
        first += selection.encode(first, most, &mut bytes);
        all.extend(decoder.decode(&bytes[6..]).unwrap());
    }
    all
}

/// Breaks without it: a message that was kept on the disk comes back without a value, a type, a time or a
/// tag, or as another one.
#[test]
fn messages_read_as_they_were_written() {
    let pool = Arc::new(Pool::new());
    let all = messages(origin(), &pool);
    let narrow = all.with_rows(Rows::from((0..100).filter(|row| row % 7 == 3).collect::<Vec<u32>>()));
    let plain = messages(Origin::named("s"), &pool);
    for (selection, most) in
        [(&all, 1 << 20), (&all, 1), (&all, 30_000), (&narrow, 1 << 20), (&plain, 1 << 20)]
    {
        let back = round(selection, &pool, most);
        let texts: Vec<_> = back.iter().flat_map(Selection::messages).map(whole).collect();
        assert_eq!(texts, selection.messages().map(whole).collect::<Vec<_>>());
    }
    assert_eq!(round(&all, &pool, 1 << 20).len(), 1, "one batch becomes one batch");
    assert_eq!(round(&all, &pool, 1).len(), 100);
}

/// Breaks without it: UNIQID of a message changes while it is on the disk, or two have the same.
#[test]
fn numbers_stay() {
    let pool = Arc::new(Pool::new());
    let all = messages(Origin { ids: Some(Arc::new(AtomicU64::new(50))), ..origin() }, &pool);
    let rows = Rows::from((0..100).filter(|row| row / 10 % 2 == 0).collect::<Vec<u32>>());
    let narrow = all.with_rows(rows);
    let back = round(&narrow, &pool, 1 << 20);
    let ids: Vec<_> = back.iter().flat_map(Selection::messages).map(|message| message.id()).collect();
    assert_eq!(ids, narrow.messages().map(|message| message.id()).collect::<Vec<_>>());
    assert_eq!((ids[0], ids[10], back.len()), (Some(50), Some(70), 5));
}

/// Breaks without it: what is not what was written ends the engine, or becomes messages.
#[test]
fn malformed_bytes_are_refused() {
    let pool = Arc::new(Pool::new());
    let all = messages(origin(), &pool);
    let few = all.with_rows(Rows::Range(0..3));
    let mut bytes = Vec::new();
    few.encode(0, 1 << 20, &mut bytes);
    let mut decoder = Decoder::new(&pool);
    for len in 0..bytes.len() {
        assert!(decoder.decode(&bytes[..len]).is_err(), "cut at {len}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(decoder.decode(&longer).unwrap_err(), Malformed("bytes that belong to no message"));
    for (at, value, error) in [
        (0, 2, "a version that this one does not know"),
        (1, 2, "flags that this version does not know"),
        (START, 99, "a part of the origin that this version does not know"),
    ] {
        let mut other = bytes.clone();
        other[at] = value;
        assert_eq!(decoder.decode(&other).unwrap_err(), Malformed(error));
    }
    // Whatever a byte becomes, it is refused or read: a checksum is somebody else's.
    for at in 0..bytes.len().min(1500) {
        for change in [1, 0x80, 0xff] {
            let mut other = bytes.clone();
            other[at] ^= change;
            if let Ok(read) = decoder.decode(&other) {
                read.iter().flat_map(Selection::messages).for_each(|message| drop(whole(message)));
            }
        }
    }
}
