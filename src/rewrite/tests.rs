//! Rewrites as a configuration has them, on messages.

mod functions;

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::config::{Environment, LogItem, RewriteItem, RewriteRef, parse_str};
use crate::drivers::VOCABULARY;
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};
use crate::path::alone;
use crate::template::{Context, Template};

/// 2026-06-01T12:00:00+02:00
const NOON: Stamp = Stamp { unix_micros: 1_780_308_000_000_000, offset_seconds: 7200 };

/// A message of `prog[42]` on the host `h`, with this text.
fn message(text: &str) -> Selection {
    let origin = Origin { tags: [Arc::from(".source.s")].into(), ..Origin::named("s") };
    let mut writer = Writer::open(&Arc::new(origin), &Arc::new(Pool::new()), Need::default());
    let mut row = writer.row(Need { bytes: text.len() + 256, fields: 16, ..Need::default() }).unwrap();
    row.payload_copy(text.as_bytes());
    row.pri(13);
    row.stamps(NOON, NOON.unix_micros);
    let mut field = |id, name: &'static str, value: &'static str| {
        row.field(id, Text::Copy(name.as_bytes()), ValueType::String, Text::Copy(value.as_bytes()));
    };
    field(FieldName::Host, "", "h");
    field(FieldName::Program, "", "prog");
    field(FieldName::Pid, "", "42");
    field(FieldName::LegacyMsgHdr, "", "prog[42]: ");
    field(FieldName::SdId, "", "a@1");
    field(FieldName::SdParam, "x", "1");
    field(FieldName::SdParam, "y", "2");
    row.publish();
    Selection::all(Arc::new(writer.finish()))
}

/// The configuration with a path of one rewrite.
fn configuration(body: &str, others: &str) -> Config {
    let version = if others.starts_with('@') { "" } else { "@version: current\n" };
    let text = format!("{version}{others}\nlog {{ source {{ internal(); }}; rewrite {{ {body} }}; }};");
    parse_str("t.conf", &text, &Environment::new(&VOCABULARY)).unwrap()
}

fn step(config: &Config) -> Rewrite {
    let LogItem::Rewrite(RewriteRef::Inline(statement)) = &config.logs[0].items[1] else { unreachable!() };
    let functions = statement.items.iter().filter_map(|item| match item {
        RewriteItem::Function(function) => Some(function),
        RewriteItem::Junction(_) => None,
    });
    Rewrite::compile(config, &statement.name, functions).unwrap()
}

/// Does it to `selection`, of which nothing is said.
fn apply(rewrite: &Rewrite, selection: &mut Selection) {
    let (rewritten, said) = alone(rewrite, selection.clone(), Instant::now());
    assert_eq!(said, Vec::<String>::new());
    *selection = rewritten;
}

/// The text that `template` gives for a message with `text` behind `body`.
fn rewritten_with(others: &str, body: &str, text: &str, template: &str) -> String {
    let mut selection = message(text);
    apply(&step(&configuration(body, others)), &mut selection);
    let mut out = Vec::new();
    let context = Context::default();
    Template::compile(template).unwrap().format(selection.message(0), &context, &mut out);
    String::from_utf8(out).unwrap()
}

fn rewritten(body: &str, text: &str, template: &str) -> String {
    rewritten_with("", body, text, template)
}

/// The errors and warnings of a rewrite, as lines.
fn said(body: &str) -> String {
    let text = format!("log {{ source {{ internal(); }}; rewrite {{ {body} }}; }};");
    match parse_str("t.conf", &text, &Environment::new(&VOCABULARY)) {
        Ok(config) => config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(errors) => errors.to_string(),
    }
}

/// Breaks without it: an item does not see what the ones before it did, or a value has another text than the
/// language says.
#[test]
fn set_gives_values() {
    let table = [
        (r#"set("A" value("v")); set("v$v" value("v")); set("v$v" value("v"));"#, "$v", "vvA"),
        (r#"set("new $PROGRAM");"#, "$MSG", "new prog"),
        (r#"set("P" value("PROGRAM"));"#, "$MSGHDR", "P[42]: "),
        (r#"set("" value("PROGRAM"));"#, "$MSGHDR", ""),
        (r#"set("x" value("HOST"));"#, "$MSGHDR$HOST $FULLHOST", "prog[42]: x x"),
        (r#"set("x" value("FULLHOST")); set("y" value("FULLHOST_FROM"));"#, "$HOST $HOST_FROM", "x y"),
        (r#"set("x" value("MSGONLY"));"#, "$MESSAGE", "x"),
        (r#"set("7" value(PID));"#, "$MSGHDR", "prog[7]: "),
        (r#"set("s2" value("SOURCE")); set("t" value("TRANSPORT"));"#, "$SOURCE $TRANSPORT", "s2 t"),
        (r#"set("1.2.3.4" value("PEERIP")); set("5" value("PEERPORT"));"#, "$PEERIP $PEERPORT", "1.2.3.4 5"),
        (r#"set("h: " value("LEGACY_MSGHDR"));"#, "$MSGHDR", "h: "),
        (r#"set("one" value("1")); set("three" value("3"));"#, "$1 $*", r#"one one,"",three"#),
        (r#"set("x" value("a b-c_d"));"#, "${a b-c_d}", "x"),
        (r#"set("last" value("a") value("b"));"#, "[${a}] $b", "[] last"),
        (r#"set("$ISODATE" value("t") time-zone("UTC"));"#, "$t", "2026-06-01T10:00:00+00:00"),
        (r#"set(5 value("n"));"#, "$n", "5"),
    ];
    for (body, template, expected) in table {
        assert_eq!(rewritten(body, "text", template), expected, "{body}");
    }
}

/// Breaks without it: a number that was set is a text for whoever reads it, or a text that was set is a number.
#[test]
fn values_have_the_types_of_what_they_were_set_to() {
    let table = [
        ("set(5 value(v));", ValueType::Integer, "5"),
        ("set(1.5 value(v));", ValueType::Double, "1.5"),
        (r#"set("5" value(v));"#, ValueType::String, "5"),
        (r#"set(list("a,b") value(v));"#, ValueType::List, "a,b"),
        (r#"set(int("abc") value(v));"#, ValueType::Integer, "abc"),
        (r#"set("$LEVEL_NUM" value(v));"#, ValueType::Integer, "5"),
        (r#"set("$LEVEL_NUM " value(v));"#, ValueType::String, "5 "),
        (r#"set("$TAGS" value(v));"#, ValueType::List, ".source.s"),
        (r#"set("$nosuch" value(v));"#, ValueType::Null, ""),
        ("set(5 value(w)); rename(w v);", ValueType::Integer, "5"),
        ("set(5); rename(MSG v);", ValueType::Integer, "5"),
        (r#"set(5); set("$MSG" value(v));"#, ValueType::Integer, "5"),
        (r#"set(5 value(PID)); set("$PID" value(v));"#, ValueType::Integer, "5"),
        (r#"unset(); set("$MSG" value(v));"#, ValueType::Null, ""),
    ];
    for (body, value_type, text) in table {
        let mut selection = message("text");
        apply(&step(&configuration(body, "")), &mut selection);
        assert_eq!(selection.message(0).named(b"v"), Some((value_type, text.as_bytes())), "{body}");
    }
    let old = configuration("set(5 value(v));", "@version: 3.38");
    let mut selection = message("text");
    apply(&step(&old), &mut selection);
    assert_eq!(selection.message(0).named(b"v"), Some((ValueType::Integer, &b"5"[..])));
}

/// Breaks without it: a value that was taken away is still there, or one that was never there costs
/// something.
#[test]
fn unset_and_rename_take_values_away() {
    let table = [
        ("unset();", "[$MSG]", "[]"),
        (r#"unset(value("PROGRAM"));"#, "$MSGHDR[$PROGRAM]", "[]"),
        (r#"unset(value("HOST"));"#, "$MSGHDR[$HOST]", "prog[42]: []"),
        (r#"unset(value("nosuch"));"#, "$MSGHDR", "prog[42]: "),
        (r#"set("x" value("v")); unset(value("v"));"#, "[$v]", "[]"),
        (r#"rename("PROGRAM" "q");"#, "[$PROGRAM] $q [$MSGHDR]", "[] prog []"),
        (r#"rename("nosuch" "HOST");"#, "$HOST", "h"),
        (r#"rename("HOST" "HOST");"#, "$HOST", "h"),
        (r#"rename("MSG" "m");"#, "[$MSG] $m", "[] text"),
        (r#"rename("HOST" "MSG");"#, "[$HOST] $MSG", "[] h"),
        (r#"rename(".SDATA.a@1.x" ".SDATA.b@1.x");"#, "$SDATA", r#"[b@1 x="1"][a@1 y="2"]"#),
    ];
    for (body, template, expected) in table {
        assert_eq!(rewritten(body, "text", template), expected, "{body}");
    }
}

/// Breaks without it: structured data is written without what was set, or twice.
#[test]
fn structured_data_has_what_was_set() {
    let table = [
        (r#"set("9" value(".SDATA.a@1.x"));"#, r#"[a@1 x="9" y="2"] 9"#),
        (r#"set("9" value(".SDATA.a@1.w"));"#, r#"[a@1 x="1" y="2" w="9"] 1"#),
        (r#"set("9" value(".SDATA.c@1.w"));"#, r#"[c@1 w="9"][a@1 x="1" y="2"] 1"#),
        (r#"unset(value(".SDATA.a@1.x"));"#, r#"[a@1 y="2"] "#),
        (r#"unset(value(".SDATA.a@1.x")); unset(value(".SDATA.a@1.y"));"#, " "),
    ];
    for (body, expected) in table {
        assert_eq!(rewritten(body, "text", "$SDATA ${.SDATA.a@1.x}"), expected, "{body}");
    }
}

/// Breaks without it: an item is done to messages that its condition does not let in, or a message is lost
/// for it.
#[test]
fn a_condition_chooses_messages() {
    let filter = "filter p { program(\"prog\" type(string)); };";
    let table = [
        (r#"set("z" condition(message_is));"#, "foo", "z"),
        (r#"set("z" condition(message_is and not filter(p)));"#, "foo", "foo"),
        (r#"set("z" condition(filter(p);));"#, "foo", "z"),
        (r#"set("z" condition(message_is)); set("$MSG!" condition(filter(p)));"#, "bar", "bar!"),
        (r#"set("P" value("PROGRAM")); set("z" condition(filter(p)));"#, "foo", "foo"),
        ("unset(condition(not filter(p)));", "foo", "foo"),
        (r#"rename("MSG" "m" condition(not filter(p)));"#, "foo", "foo"),
    ];
    for (body, text, expected) in table {
        let body = body.replace("message_is", r#"match("foo" value("MESSAGE"))"#);
        assert_eq!(rewritten_with(filter, &body, text, "$MSG"), expected, "{body}");
    }
}

/// Breaks without it: what can never work is accepted, or refused without a word on what is meant.
#[test]
fn errors_are_at_their_place() {
    let table = [
        (r#"set("x" value("PRI"));"#, "`PRI` is computed from the message"),
        (r#"set("x" value("PRI"));"#, "set-pri() sets it"),
        (r#"unset(value("S_DATE"));"#, "`S_DATE` is computed from the message"),
        (r#"rename("TAGS" "x");"#, "set-tag() and clear-tag()"),
        (r#"set("x" value(".SDATA.foo"));"#, "`.SDATA.foo` is no parameter of structured data"),
        (r#"set("x" value(""));"#, "the name of a value is not empty"),
        (r#"rename("a" "");"#, "the name of a value is not empty"),
        (r#"set("x" values("v"));"#, "did you mean `value`?"),
        (r#"set("x" value("$v"));"#, "the `$` of `$v` is not part of the name"),
        (r#"set("x" value("${v}"));"#, "write \"v\""),
        (r#"set("x" value("$(echo x)"));"#, "`$(echo x)` is not the name of a value"),
        (r#"set("x" value("MESAGE"));"#, "did you mean `MESSAGE`?"),
        (r#"st("x");"#, "did you mean `set`?"),
        (r#"set("x")"#, "expected `;`, found `}`"),
        (r#"set("x" condition(filter(nosuch)));"#, "no filter is called `nosuch`"),
        (r#"set("x" condition());"#, "expected a filter function"),
        (r#"set("${x");"#, "t.conf"),
        (r#"set("x" flags(global));"#, "unknown option `flags`"),
        ("set();", "expected a template"),
        (r#"rename("a");"#, "expected the name of a value"),
    ];
    for (body, expected) in table {
        assert!(said(body).contains(expected), "{body}: {}", said(body));
    }
    assert_eq!(said(r#"set("x" value("v")); unset(value("v")); rename("a" "b");"#), "");
}

/// Breaks without it: a rewrite that is not there is taken for nothing, or a second one of a name for both.
#[test]
fn rewrites_have_names() {
    let read = |text: &str| {
        let text = format!("{text} log {{ source {{ internal(); }}; rewrite(name); }};");
        parse_str("t.conf", &text, &Environment::new(&VOCABULARY)).map_err(|errors| errors.to_string())
    };
    assert!(read("rewrite name { };").is_ok());
    assert!(read("rewrite nane { };").unwrap_err().contains("no rewrite is called `name`"));
    assert!(read("rewrite nane { };").unwrap_err().contains("did you mean `nane`?"));
    let twice = read("rewrite name { }; rewrite name { };").unwrap_err();
    assert!(twice.contains("there is already a rewrite called `name`"), "{twice}");
    assert!(read("filter name { level(err); };").unwrap_err().contains("there are no rewrites with a name"));
}
