//! `syslog-parser()` on messages.

use std::time::Instant;

use crate::message::{FieldName, Selection};
use crate::parser::tests::{NOON, compiled, formatted, messages, parsed, said};
use crate::path::alone;
use crate::template::{Context, Template};

/// The fields that a source of syslog messages fills, in a line.
const ALL: &str = "$HOST|$PROGRAM|$PID|$MSGID|$PRI|$MSG|$SDATA|$MSGHDR|$MSGFORMAT|$RAWMSG|$TAGS";

const PROTOCOL: &str = "syslog-parser(flags(syslog-protocol));";

fn shown(selection: &Selection, template: &str) -> String {
    let mut out = Vec::new();
    let template = Template::compile(template).unwrap();
    template.format(selection.message(0), &Context::default(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Breaks without it: a text gives other fields than it would give to a source, or what it does not have is lost.
#[test]
fn fields_that_are_found_replace_those_of_the_message() {
    for (body, text, expected) in [
        (
            "syslog-parser();",
            "<34>Oct 11 22:14:15 mymachine su[12]: failed",
            "mymachine|su|12||34|failed||su[12]: |syslog:rfc3164||.source.s",
        ),
        ("syslog-parser();", "just text", "h|just|42||13|text||just |syslog:rfc3164||.source.s"),
        ("syslog-parser();", "<34>1 - - - - - - x", "h|1|42||34|- - - - - - x||1 |syslog:rfc3164||.source.s"),
        (
            PROTOCOL,
            r#"<34>1 2003-10-11T22:14:15.003Z host app 123 ID47 [ex@1 a="b" c="d\"e\]f\\g"][z@2] msg"#,
            r#"host|app|123|ID47|34|msg|[ex@1 a="b" c="d\"e\]f\\g"][z@2]|app[123]: |syslog:rfc5424||.source.s"#,
        ),
        (
            PROTOCOL,
            "<34>1 - - - - - - \u{feff}msg",
            "h|prog|42||34|msg||prog[42]: |syslog:rfc5424||.source.s",
        ),
        (
            PROTOCOL,
            "<34>Oct 11 22:14:15 mymachine su[12]: failed",
            "mymachine|su|12||34|failed||su[12]: |syslog:rfc3164||.source.s",
        ),
        (
            "syslog-parser(flags(no-parse));",
            "<34>Oct 11 text\n",
            "h|prog|42||13|<34>Oct 11 text||prog[42]: |raw||.source.s",
        ),
        (
            "syslog-parser(flags(no-parse) default-level(err));",
            "text",
            "h|prog|42||11|text||prog[42]: |raw||.source.s",
        ),
        (
            "syslog-parser(default-facility(local0) default-severity(err));",
            "su: text",
            "h|su|42||131|text||su: |syslog:rfc3164||.source.s",
        ),
        (
            "syslog-parser(flags(store-raw-message, no-multi-line, no-hostname));",
            "<34>Oct 11 22:14:15 su: a\nb\n",
            "h|su|42||34|a b||su: |syslog:rfc3164|<34>Oct 11 22:14:15 su: a\nb|.source.s",
        ),
        (
            "syslog-parser(template('<14>x[7]: $PROGRAM'));",
            "before",
            "h|x|7||14|prog||x[7]: |syslog:rfc3164||.source.s",
        ),
    ] {
        assert_eq!(formatted(body, text, ALL), expected, "{body} {text}");
    }
}

/// Breaks without it: a message happened at another time than its text says.
#[test]
fn the_time_is_that_of_the_text_or_of_the_receipt() {
    let stamp = |body: &str, text: &str| {
        let parsed = alone(&*compiled(body), messages(&[text.as_bytes()]), Instant::now()).0;
        let message = parsed.message(0);
        assert_eq!(message.recvd().unix_micros, NOON.unix_micros);
        (message.stamp().unix_micros, message.stamp().offset_seconds)
    };
    assert_eq!(stamp("syslog-parser();", "text").0, NOON.unix_micros);
    let utc = "<34>1 2003-10-11T22:14:15.003Z - - - - - x";
    assert_eq!(stamp(PROTOCOL, utc), (1_065_910_455_003_000, 0));
    // The year is that of the receipt.
    let zone = "syslog-parser(time-zone(\"+02:00\"));";
    assert_eq!(stamp(zone, "<34>Jun  1 12:00:00 h x: y"), (NOON.unix_micros, 7200));
}

/// Breaks without it: structured data that a message had is lost, or goes to names that nobody asked for.
#[test]
fn structured_data() {
    let text = r#"<34>1 - - - - - [a x="1" y="\]"][b] msg"#;
    assert_eq!(
        parsed("syslog-parser(flags(syslog-protocol) sdata-prefix(\"s.\"));", text),
        r#"MSGFORMAT=s"syslog:rfc5424" s.a.x=s"1" s.a.y=s"]" s.b=s"""#
    );
    let before = alone(&*compiled(PROTOCOL), messages(&[text.as_bytes()]), Instant::now()).0;
    let again =
        "syslog-parser(flags(syslog-protocol) template('<34>1 - - - - - [c][a x=\"2\" z=\"3\"] $MSG'));";
    let (both, _) = alone(&*compiled(again), before, Instant::now());
    assert_eq!(shown(&both, "$SDATA $MSG"), r#"[a x="2" y="\]" z="3"][b][c] msg"#);
    let long = format!("syslog-parser(sdata-prefix({}));", "p".repeat(129));
    assert!(said(&long).contains("a prefix of 129 bytes is too long"));
}

/// Breaks without it: what does not parse looks like a message of its sender, or is lost.
#[test]
fn what_does_not_parse() {
    let broken = "<34>1 2003-10-11T22:14:15Z host app";
    let pid = std::process::id();
    let note = format!("Malformed syslog message, the header is incomplete at byte 35: {broken}");
    assert_eq!(
        formatted(PROTOCOL, broken, ALL),
        format!("|inrush|{pid}||43|{note}||inrush[{pid}]: |syslog:error||")
    );
    let before = "syslog-parser(flags(syslog-protocol) template('<34>1 - - - - - [a b=\"c\"] x'));";
    let first = alone(&*compiled(before), messages(&[b"x"]), Instant::now()).0;
    let broken_template = format!("syslog-parser(flags(syslog-protocol) template('{broken}'));");
    let (wiped, _) = alone(&*compiled(&broken_template), first, Instant::now());
    assert_eq!(shown(&wiped, "$SDATA$HOST$HOST_FROM$TAGS"), "");
    assert_eq!(wiped.message(0).known(FieldName::Program), Some(&b"inrush"[..]));
    let kept = "syslog-parser(flags(syslog-protocol, no-piggyback-errors));";
    assert_eq!(
        formatted(kept, broken, ALL),
        format!("h|prog|42||34|{broken}||prog[42]: |syslog:error||.source.s")
    );
    let strict = "syslog-parser(flags(syslog-protocol, no-rfc3164-fallback) drop-invalid(yes));";
    let parser = compiled(strict);
    let texts = [
        "<34>Oct 11 22:14:15 h su: x",
        broken,
        "<34>1 x - - - - - ",
        "<34>1 - - - - - [ x",
        "<34>1 - - - - - - x",
    ];
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let (passed, _) = alone(&*parser, messages(&texts), Instant::now());
    assert_eq!(passed.rows().iter().collect::<Vec<_>>(), [4]);
    let mut reasons = parser.statistics().unwrap().reasons;
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [("bad structured data", 1), ("bad timestamp", 1), ("incomplete header", 1), ("no RFC 5424", 1)]
    );
    assert_ne!(parsed("syslog-parser(flags(syslog-protocol) drop-invalid(yes));", "<34>Oct 11 x"), "DROP");
}

/// Breaks without it: an option of sources is unknown, or one of readers is taken and does nothing.
#[test]
fn options() {
    let all =
        "flags(check-hostname no-header assume-utf8) time-zone(UTC) default-priority(info) drop-invalid(no)";
    assert_eq!(said(&format!("syslog-parser({all});")), "");
    assert!(said("syslog-parser(flags(kernel));").contains("`kernel` is a flag of sources that read"));
    assert!(said("syslog-parser(flags(nonsense));").contains("unknown flag `nonsense`"));
    assert!(said("syslog-parser(time-zone(nowhere));").contains("nowhere"));
    assert!(said("syslog-parser(format(raw));").contains("unknown option `format`"));
    assert!(said("syslog-parser(drop_invald(yes));").contains("did you mean `drop-invalid`?"));
}

/// Breaks without it: a value that stands in the text is copied.
#[test]
fn what_stands_in_the_text_is_not_copied() {
    let text: &[u8] = b"<34>1 2003-10-11T22:14:15Z host app 123 ID47 [a b=\"c\"] msg";
    let before = messages(&[text]);
    let all = before.message(0).text().as_ptr_range();
    let (parsed, _) = alone(&*compiled(PROTOCOL), before.clone(), Instant::now());
    let message = parsed.message(0);
    for id in [FieldName::Host, FieldName::Program, FieldName::Pid, FieldName::MsgId] {
        assert!(all.contains(&message.known(id).unwrap().as_ptr()), "{id:?}");
    }
    assert!(all.contains(&message.text().as_ptr()));
    assert!(all.contains(&message.named(b".SDATA.a.b").unwrap().1.as_ptr()));
}

/// Breaks without it: a text of one sender stops or slows the engine.
#[test]
fn hostile_texts() {
    let elements = (0..20_000).map(|number| format!("[e{number} a=\"\\\"\"]")).collect::<Vec<_>>().concat();
    for text in [
        format!("<34>1 - - - - - {elements} x"),
        "<".repeat(1 << 20),
        " ".repeat(1 << 20),
        format!("<34>1 - - - - - [{}", "a=\"\\".repeat(200_000)),
        format!("<34>{}", "[".repeat(1 << 20)),
    ] {
        let (parsed, _) = alone(&*compiled(PROTOCOL), messages(&[text.as_bytes()]), Instant::now());
        assert_eq!(parsed.len(), 1);
    }
    let whole = r#"<34>1 2003-10-11T22:14:15.003Z host app 123 ID47 [ex@1 a="é\"e\]"] text"#;
    for end in 0..whole.len() {
        let _ = alone(&*compiled(PROTOCOL), messages(&[&whole.as_bytes()[..end]]), Instant::now());
    }
}
