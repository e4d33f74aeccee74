//! Parsers as a configuration has them, on messages.

pub(super) mod rig;

use std::sync::Arc;
use std::time::Instant;

use super::Reference;
use crate::config::{Environment, LogItem, ParserRef, parse_str};
use crate::drivers::VOCABULARY;
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};
use crate::path::{Step, alone};
use crate::template::{Context, Template};

/// 2026-06-01T12:00:00+02:00
pub(super) const NOON: Stamp = Stamp { unix_micros: 1_780_308_000_000_000, offset_seconds: 7200 };

/// Messages of `prog[42]` on the host `h` with these texts.
pub(super) fn messages(texts: &[&[u8]]) -> Selection {
    let origin = Arc::new(Origin { tags: [Arc::from(".source.s")].into(), ..Origin::named("s") });
    let need = |texts: &[&[u8]]| Need {
        bytes: texts.concat().len() + 256 * texts.len(),
        fields: 4 * texts.len(),
        ..Need::default()
    };
    let mut writer = Writer::open(&origin, &Arc::new(Pool::new()), need(texts));
    for text in texts {
        let mut row = writer.row(need(&[text])).unwrap();
        row.payload_copy(text);
        row.pri(13);
        row.stamps(NOON, NOON.unix_micros);
        let mut field = |id, value: &str| {
            row.field(id, Text::Copy(b""), ValueType::String, Text::Copy(value.as_bytes()));
        };
        field(FieldName::Host, "h");
        field(FieldName::Program, "prog");
        field(FieldName::Pid, "42");
        row.publish();
    }
    Selection::all(Arc::new(writer.finish()))
}

/// The one parser of a path with this body, with its warnings.
fn compile_with(body: &str) -> (Arc<dyn Step>, Vec<String>) {
    let text = format!("@version: current\nlog {{ source {{ internal(); }}; parser {{ {body} }}; }};");
    let config = parse_str("t.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    let LogItem::Parser(ParserRef::Inline(statement)) = &config.logs[0].items[1] else { unreachable!() };
    let driver = statement.items[0].driver().unwrap();
    let warnings = config.warnings.iter().map(ToString::to_string).collect();
    (super::compile(&config, Reference::FIRST, driver).unwrap(), warnings)
}

/// The one parser of a path with this body.
pub(super) fn compiled(body: &str) -> Arc<dyn Step> {
    compile_with(body).0
}

/// The errors and warnings of a path with this parser, as lines.
pub(super) fn said(body: &str) -> String {
    let text = format!("@version: current\nlog {{ source {{ internal(); }}; parser {{ {body} }}; }};");
    match parse_str("t.conf", &text, &Environment::new(&VOCABULARY)) {
        Ok(config) => {
            let LogItem::Parser(ParserRef::Inline(statement)) = &config.logs[0].items[1] else {
                unreachable!()
            };
            let compiled = super::compile(&config, Reference::FIRST, statement.items[0].driver().unwrap());
            let errors = compiled.err().map(|error| error.to_string());
            config.warnings.iter().map(ToString::to_string).chain(errors).collect()
        }
        Err(errors) => errors.to_string(),
    }
}

/// The type of a value, in a letter.
fn letter(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "s",
        ValueType::Json => "J",
        ValueType::Boolean => "b",
        ValueType::Integer => "i",
        ValueType::Double => "d",
        ValueType::Datetime => "dt",
        ValueType::List => "L",
        ValueType::Null => "null",
        ValueType::Bytes => "bytes",
        ValueType::Protobuf => "protobuf",
    }
}

/// The values that a message has beside those of [`messages`], in the order of their names, as `name=i"5"`.
pub(super) fn values(selection: &Selection, row: u32) -> Vec<String> {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    selection.clone().revise(&mut faults, |revised| {
        let mut names = Vec::new();
        let slots = revised.slots(|name| {
            names.push(String::from_utf8_lossy(name).into_owned());
            true
        });
        for (name, slot) in names.iter().zip(slots).filter(|_| revised.row() == row) {
            let Some((value_type, value)) = revised.slot(&slot) else { continue };
            let value = String::from_utf8_lossy(value);
            let is_own = matches!(
                (&**name, &*value),
                ("HOST", "h") | ("PROGRAM", "prog") | ("PID", "42") | ("HOST_FROM" | "MESSAGE", _)
            );
            if !is_own {
                values.push(format!("{name}={}\"{value}\"", letter(value_type)));
            }
        }
        true
    });
    values.sort();
    values
}

/// The values that a parser with this body finds in `text`, between spaces; `DROP` where it refuses it.
pub(super) fn parsed(body: &str, text: impl AsRef<[u8]>) -> String {
    let parser = compiled(body);
    let (parsed, said) = alone(&*parser, messages(&[text.as_ref()]), Instant::now());
    assert_eq!(said, Vec::<String>::new());
    if parsed.rows().is_empty() { "DROP".to_owned() } else { values(&parsed, 0).join(" ") }
}

/// The text that `template` gives behind a parser with this body.
pub(super) fn formatted(body: &str, text: &str, template: &str) -> String {
    let (parsed, _) = alone(&*compiled(body), messages(&[text.as_bytes()]), Instant::now());
    let mut out = Vec::new();
    let template = Template::compile(template).unwrap();
    template.format(parsed.message(0), &Context::default(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Breaks without it: what stands in MESSAGE is copied, or a text that is made anew is read where it was.
#[test]
fn a_value_that_stands_in_the_message_is_a_span_of_it() {
    let (parsed, _) = alone(&*compiled("kv-parser();"), messages(&[b"key=value"]), Instant::now());
    let message = parsed.message(0);
    let (_, value) = message.named(b"key").unwrap();
    assert!(message.text().as_ptr_range().contains(&value.as_ptr()));
    // The same text, written by a step before.
    let (changed, _) =
        alone(&*compiled("kv-parser(template(\"$MESSAGE x=$HOST\"));"), parsed, Instant::now());
    assert_eq!(values(&changed, 0), ["key=s\"value\"", "x=s\"h\""]);
}

/// Breaks without it: a parser reads a text that moves while the message is changed.
#[test]
fn a_message_that_was_changed_before_is_parsed_as_it_is_now() {
    let over = "kv-parser(template(\"MESSAGE='a=1 MESSAGE=2 b=${PROGRAM}${PROGRAM}${PROGRAM}'\"));";
    let (changed, _) = alone(&*compiled(over), messages(&[b"old"]), Instant::now());
    assert_eq!(changed.message(0).text(), b"a=1 MESSAGE=2 b=progprogprog");
    let (parsed, _) = alone(&*compiled("kv-parser();"), changed, Instant::now());
    assert_eq!(values(&parsed, 0), ["a=s\"1\"", "b=s\"progprogprog\""]);
    assert_eq!(parsed.message(0).text(), b"2");
}

/// Breaks without it: a name without bound is stored with each message, or is left out without a word.
#[test]
fn a_name_that_is_too_long_is_not_stored_and_said_once_in_a_while() {
    let parser = compiled("kv-parser();");
    let text = format!("{}=1 b=2 {}=3", "k".repeat(256), "k".repeat(255));
    let now = Instant::now();
    let (parsed, said) = alone(&*parser, messages(&[text.as_bytes(), text.as_bytes()]), now);
    assert_eq!(values(&parsed, 1), ["b=s\"2\"".to_owned(), format!("{}=s\"3\"", "k".repeat(255))]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("parser p: kv-parser(): a name of 256 bytes is not stored"), "{said:?}");
    assert!(said[0].ends_with("(1 more since the last line of this parser)"), "{said:?}");
    let (_, said) = alone(&*parser, messages(&[text.as_bytes()]), now + std::time::Duration::from_secs(59));
    assert_eq!(said, Vec::<String>::new());
    let (_, said) = alone(&*parser, messages(&[text.as_bytes()]), now + std::time::Duration::from_secs(60));
    assert!(said[0].ends_with("(1 more since the last line of this parser)"), "{said:?}");
}

/// Breaks without it: nobody can tell what a parser did.
#[test]
fn texts_are_counted() {
    let parser = compiled("kv-parser();");
    let _ = alone(&*parser, messages(&[b"a=1", b"b"]), Instant::now());
    let statistics = parser.statistics().unwrap();
    assert_eq!((statistics.word, statistics.processed, statistics.discarded), ("kv-parser", 2, 0));
}

/// Breaks without it: an option of all parsers is unknown to one, or a wrong one is taken.
#[test]
fn options() {
    assert!(said("kv-parser(internal(yes));").contains("`internal` has no effect"));
    assert!(said("kv-parser(prefx(x));").contains("did you mean `prefix`?"));
    assert_eq!(parsed("kv-parser(template(\"a=$HOST\"));", "b=1"), "a=s\"h\"");
    assert_eq!(formatted("kv-parser(prefix(\".kv.\"));", "a=1", "${.kv.a}"), "1");
}
