//! Values by their names, and the bounds of a row.

use super::*;

/// Breaks without it: a value is read under one of its names and not under the other, a header says what a
/// program was called before, or a repeated parameter of structured data keeps an old value.
#[test]
fn values_are_set_by_their_names() {
    let mut writer = Writer::open(&Arc::new(Origin::named("s")), &Arc::new(Pool::new()), Need::default());
    let mut row = writer.row(Need { bytes: 256, fields: 9, ..Need::default() }).unwrap();
    row.payload_copy(b"text");
    let text = |text: &'static str| Text::Copy(text.as_bytes());
    row.field(FieldName::LegacyMsgHdr, text(""), ValueType::String, text("prog: "));
    row.field(FieldName::SdId, text(""), ValueType::String, text("a.b"));
    for value in ["1", "2"] {
        row.field(FieldName::SdParam, text("x"), ValueType::String, text(value));
    }
    row.field(FieldName::SdParam, text("y"), ValueType::String, text("3"));
    row.publish();
    let mut selection = Selection::all(Arc::new(writer.finish()));
    let name = ValueName::new;
    revise(&mut selection, |row| {
        row.set_value(&name("MSGONLY"), ValueType::Integer, Text::Copy(b"5"));
        assert_eq!(row.read().value(&name("MESSAGE")), Some((ValueType::Integer, &b"5"[..])));
        row.unset_value(&name("MSG"));
        assert_eq!(row.read().value(&name("MESSAGE")), None);
        row.set_value(&name("MESSAGE"), ValueType::String, Text::Copy(b"new"));
        row.set_value(&name(".SDATA.a.b.x"), ValueType::String, Text::Copy(b"4"));
        row.unset_value(&name(".SDATA.a.b.y"));
        row.set_value(&name(".SDATA.a.b.z"), ValueType::String, Text::Copy(b"5"));
        row.set_value(&name("FULLHOST"), ValueType::String, Text::Copy(b"h"));
        assert!(row.read().known(FieldName::LegacyMsgHdr).is_some());
        row.set_value(&name("PID"), ValueType::Integer, Text::Copy(b"7"));
        assert!(row.read().known(FieldName::LegacyMsgHdr).is_none());
        true
    });
    let message = selection.message(0);
    let value = |name: &str| message.value(&ValueName::new(name)).map(|(_, text)| text);
    assert_eq!(value(".SDATA.a.b.x"), Some(&b"4"[..]));
    assert_eq!((value(".SDATA.a.b.y"), value(".SDATA.a.b.z")), (None, Some(&b"5"[..])));
    assert_eq!(
        (value("HOST"), value("PID"), message.text()),
        (Some(&b"h"[..]), Some(&b"7"[..]), &b"new"[..])
    );
    assert_eq!(message.pairs().filter(|pair| pair.id == FieldName::SdParam).count(), 2);
}

/// Breaks without it: a match of an earlier pattern stays beside those of a later one.
#[test]
fn matches_are_unset_from_a_number_on() {
    let mut selection = selection(1);
    revise(&mut selection, |row| {
        for name in ["0", "1", "2", "10", "255", "256", "01", "x"] {
            set(row, name, "v");
        }
        row.unset_matches(2);
        true
    });
    assert_eq!(shown(selection.message(0)), "text 0 PID=0 0=v 1=v 256=v 01=v x=v");
}

/// Breaks without it: the time of receipt in another zone is shown in the source's.
#[test]
fn the_time_of_receipt_has_a_zone_of_its_own() {
    let mut selection = Selection::all(batch(Origin { recvd_offset: 3600, ..Origin::named("s") }, 1));
    let recvd = Stamp { unix_micros: 5, offset_seconds: -5 * 3600 };
    revise(&mut selection, |row| {
        row.recvd(recvd);
        true
    });
    assert_eq!(selection.message(0).recvd(), recvd);
}

/// Breaks without it: a message that would be too large goes on, and breaks what comes after it.
#[test]
fn a_message_that_would_be_too_large_is_a_fault() {
    let mut selection = selection(2);
    let (mut faults, part) = (Vec::new(), vec![b'x'; 40 << 20]);
    selection.revise(&mut faults, |row| {
        let parts = if row.row() == 0 { 7 } else { 1 };
        for number in 0..parts {
            row.field(FieldName::Text, Text::Copy(&[b'a' + number]), ValueType::String, Text::Copy(&part));
        }
        true
    });
    assert_eq!(faults, [Fault { row: 0, reason: "a message has at most 256 MiB".to_owned() }]);
    assert_eq!((selection.len(), selection.message(0).pairs().count()), (1, 2));
}
