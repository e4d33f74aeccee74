use super::*;
use crate::message::Head;
use crate::message::{MessageRef, Origin, Pool, Published, Selection, Writer};
use crate::syslog::Zone;
use proptest::prelude::*;
use std::sync::Arc;

/// The record as lines, `NAME=value`, MESSAGE first; with a check that `need` said neither too little nor
/// too much.
fn record(input: &[u8], options: &ParseOptions) -> (u16, Vec<String>) {
    let clock = Clock::new(1_795_338_000_000_000, Zone::utc());
    let mut filler = Filler::default();
    filler.parse(b"<1>1 - - - - - [before x=\"\\]\"] it", options, &clock);
    filler.parse(input, options, &clock);
    assert_planned_alike(&filler, input, options);
    let own = filler.need();
    let need = Need { bytes: own.bytes + input.len(), ..own };
    let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
    let mut writer = Writer::open(&origin, &pool, need);
    let mut row = writer.row(need).unwrap();
    row.payload_copy(input);
    filler.fill(Stamp { unix_micros: clock.now_micros(), offset_seconds: 0 }, &mut row);
    row.publish();
    let batch = writer.finish();
    let mut lines = shown(batch.message(0));
    assert_eq!(batch.message(0).pairs().count(), own.fields);
    assert_eq!(shown(late(input, options, &clock).row(1)), lines, "parsed after the seal");
    lines.pop();
    (batch.message(0).pri(), lines)
}

/// The twin of the short way for plain messages: the plan that all others get.
fn assert_planned_alike(filler: &Filler, input: &[u8], options: &ParseOptions) {
    #[derive(Debug, Default, PartialEq)]
    struct Seen(Vec<String>);
    impl FieldSink for Seen {
        fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
            self.0.push(format!("{stamp:?} {recvd_micros}"));
        }
        fn pri(&mut self, pri: u16) {
            self.0.push(pri.to_string());
        }
        fn message(&mut self, text: Text<'_>) {
            self.0.push(format!("{text:?}"));
        }
        fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
            self.0.push(format!("{id:?} {name:?} {value:?}"));
        }
    }
    if !filler.plain {
        return;
    }
    let mut planned = Filler { parsed: filler.parsed.clone(), ..Filler::default() };
    planned.make_plan(input, options);
    let recvd = Stamp { unix_micros: 5, offset_seconds: 60 };
    let [mut short, mut long] = [Seen::default(), Seen::default()];
    filler.fill(recvd, &mut short);
    planned.fill(recvd, &mut long);
    assert_eq!(short, long);
    let [short, long] = [filler.need(), planned.need()];
    assert_eq!((short.bytes, short.fields), (long.bytes, long.fields));
    for (id, _) in FieldName::KNOWN {
        assert_eq!(filler.value(input, *id), planned.value(input, *id), "{id:?}");
    }
}

proptest! {
    /// Breaks without it: a plain message gets another record by the short way, or one that is not plain
    /// takes it.
    #[test]
    fn plain_messages(
        header in prop::sample::select(vec![
            "", "<34>", "<34>1 - - - - - - ", "<34>1 2026-10-11T22:14:15.003Z h p 1 ID - ",
            "<34>1 2026-10-11T22:14:15Z h p 1 ID [a b=\"c\"] ", "<34>1 - - - - - [a b=\"c\" d=\"\"][e][a b=\"\\n\"] ",
            "<34>1 - - - - - [a b=\"c\" d=\"e\"][f][g][a b=\"h\"] ", "<34>Oct 11 22:14:15 h p[1]: ",
            "<189>29: *Jan 12 12:00:00: ", "<6>kernel ", "<34>1 oops ",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..40),
        words in prop::sample::subsequence(
            vec!["no-multi-line", "sanitize-utf8", "store-raw-message", "kernel", "no-parse", "no-header",
                 "no-piggyback-errors", "dont-store-legacy-msghdr"],
            0..4,
        ),
    ) {
        record(&[header.as_bytes(), &rest].concat(), &with(&words));
    }
}

/// A batch with `input` in row 1, between two others, all parsed after the seal.
fn late(input: &[u8], options: &ParseOptions, clock: &Clock) -> Selection {
    let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
    let room = Need { bytes: input.len() + 400, ..Need::default() };
    let mut writer = Writer::open(&origin, &pool, room);
    let stamp = Stamp { unix_micros: clock.now_micros(), offset_seconds: 0 };
    let head = Head::at(stamp, 0);
    let other = b"<1>1 - - - - - [before x=\"\\]\"] it";
    for text in [other, input, other] {
        assert_eq!(writer.publish_unparsed(&head, text), Some(Published::Yes));
    }
    let mut filler = Filler::default();
    let mut batch = Selection::all(Arc::new(writer.finish()));
    let parsed = batch.parse_late(|text, recvd, row| {
        filler.parse(text, options, clock);
        filler.fill(recvd, row);
    });
    assert!(parsed.faults.is_empty());
    batch
}

fn shown(message: MessageRef<'_>) -> Vec<String> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut lines = vec![text(message.text())];
    for pair in message.pairs() {
        let name = pair.id.text().map_or_else(|| text(pair.name), str::to_owned);
        let sd_id = if pair.id == FieldName::SdParam { text(pair.sd_id) + "/" } else { String::new() };
        lines.push(format!("{sd_id}{name}={}", text(pair.value)));
    }
    let Stamp { unix_micros, offset_seconds } = message.stamp();
    lines.push(format!("{unix_micros} {offset_seconds} {}", message.recvd().unix_micros));
    lines
}

fn with(words: &[&str]) -> ParseOptions {
    let mut options = ParseOptions::default();
    for word in words {
        options.flags.apply(word).unwrap();
    }
    options
}

/// Each field goes where the table of the module says.
#[test]
fn fields_of_both_grammars() {
    let options = with(&["store-raw-message"]);
    let input = br#"<34>1 - h su 42 ID [a b="\"" c="1"][d] text"#;
    let expected = [
        "text",
        "HOST=h",
        "PROGRAM=su",
        "PID=42",
        "MSGID=ID",
        "=a",
        r#"a/b=\""#,
        "a/c=1",
        "=d",
        r#"RAWMSG=<34>1 - h su 42 ID [a b=\"\\\"\" c=\"1\"][d] text"#,
        "MSGFORMAT=syslog:rfc5424",
    ];
    assert_eq!(record(input, &options), (34, expected.map(str::to_owned).to_vec()));
    let lines = record(b"<34>Oct 11 22:14:15 h su[42]: text\n", &ParseOptions::default()).1;
    let expected =
        ["text", "HOST=h", "PROGRAM=su", "PID=42", "LEGACY_MSGHDR=su[42]: ", "MSGFORMAT=syslog:rfc3164"];
    assert_eq!(lines, expected);
    assert_eq!(record(b"<34>x: y", &with(&["no-parse"])).1, ["<34>x: y", "MSGFORMAT=raw"]);
    assert_eq!(record(b"<4>x y", &with(&["kernel"])).1[1], "PROGRAM=kernel");
}

/// A router's marks are structured data, with its counter beside them.
#[test]
fn clocks_of_routers() {
    let lines = |input: &[u8]| record(input, &ParseOptions::default()).1;
    let expected =
        ["text", "PROGRAM=%S", "LEGACY_MSGHDR=%S: ", "=meta", "meta/sequenceId=29", "=timeQuality"];
    for (mark, is_synced) in [("*", "0"), (".", "1")] {
        let lines = lines(format!("<189>29: {mark}Oct 11 22:14:15: %S: text").as_bytes());
        assert_eq!(lines[..6], expected);
        assert_eq!(lines[6..], [&format!("timeQuality/isSynced={is_synced}"), "MSGFORMAT=syslog:rfc3164"]);
    }
    let alone = lines(b"<189>*Oct 11 22:14:15: %S: text");
    assert_eq!(alone[3..5], ["=timeQuality", "timeQuality/isSynced=0"]);
    let neither = lines(b"<189>29: Oct 11 22:14:15: %S: text");
    assert_eq!(neither[3..], [".SDATA.meta.sequenceId=29", "MSGFORMAT=syslog:rfc3164"]);
}

/// `sdata-prefix()` makes ordinary names, and loses neither parameters nor empty elements.
#[test]
fn names_with_a_prefix() {
    let options = ParseOptions { sdata_prefix: Some("sd.".into()), ..ParseOptions::default() };
    let lines = record(br#"<34>1 - - - - - [a b="1"][d]"#, &options).1;
    assert_eq!(lines, ["", "sd.a.b=1", "sd.d=", "MSGFORMAT=syslog:rfc5424"]);
}

/// A message that does not parse is a note with the input in it, or the input.
#[test]
fn what_does_not_parse() {
    let (pri, lines) = record(b"<34>1 oops", &ParseOptions::default());
    assert_eq!(pri, 43);
    assert!(lines[0].starts_with("Malformed") && lines[0].ends_with("<34>1 oops"), "{}", lines[0]);
    assert_eq!(lines[1..], ["MSGFORMAT=syslog:error"]);
    let lines = record(b"<34>1 oops", &with(&["no-piggyback-errors"])).1;
    assert_eq!(lines, ["<34>1 oops", "MSGFORMAT=syslog:error"]);
}

/// The copies that flags ask for, in fields and in the message.
#[test]
fn text_made_one_line_and_utf8() {
    let options = with(&["no-multi-line", "sanitize-utf8", "store-raw-message"]);
    let lines = record(b"<34>1 - h\xff p - - [a b=\"\xfe\\]\"] one\ntwo\xfd", &options).1;
    assert_eq!(lines[0], r"one two\\xfd");
    assert_eq!(lines[1], r"HOST=h\\xff");
    assert!(lines.contains(&r"a/b=\\xfe]".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("RAWMSG=") && line.ends_with(r"one\ntwo\xfd")));
}

/// More parameters than a record can count would wrap its number of fields.
#[test]
fn more_fields_than_a_record_has() {
    let mut input = b"<34>1 - - - - - [a".to_vec();
    (0..70_000).for_each(|_| input.extend_from_slice(b" b=\"\""));
    input.extend_from_slice(b"] text");
    let lines = record(&input, &ParseOptions::default()).1;
    assert_eq!(lines[0].len(), String::from_utf8(input.escape_ascii().collect()).unwrap().len());
    assert_eq!(lines[1..], ["MSGFORMAT=syslog:error"]);
}
