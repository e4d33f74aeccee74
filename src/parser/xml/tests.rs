//! `xml()` on messages.

use std::time::Instant;

use crate::parser::tests::{compiled, messages, said, values};
use crate::path::alone;

/// The values that a parser with these options finds in `text`, and whether it says something.
fn read(options: &str, text: impl AsRef<[u8]>) -> (String, bool) {
    let parser = compiled(&format!("xml({options});"));
    let (parsed, said) = alone(&*parser, messages(&[text.as_ref()]), Instant::now());
    let found = if parsed.rows().is_empty() { "DROP".to_owned() } else { values(&parsed, 0).join(" ") };
    (found, !said.is_empty())
}

fn xml(options: &str, text: impl AsRef<[u8]>) -> String {
    read(options, text).0
}

/// Breaks without it: a value is not found, or has another name or another text than its document says.
#[test]
fn values_of_documents() {
    for (text, expected) in [
        (r#"<a><b>1</b><b>2</b><c x="y">t</c></a>"#, r#".xml.a.b=L"1,2" .xml.a.c._x=s"y" .xml.a.c=s"t""#),
        ("<a><b>1</b><b>2</b><b>3,4</b></a>", ".xml.a.b=L\"1,2,\"3,4\"\""),
        ("<a>t1<b>1</b>t2</a>", r#".xml.a.b=s"1" .xml.a=s"t1t2""#),
        ("<a>1<b>2<c>3</c>4</b>5</a>", r#".xml.a.b.c=s"3" .xml.a.b=s"24" .xml.a=s"15""#),
        ("<a>&lt;x&gt;&#65;&#x42;&amp;&apos;</a>", ".xml.a=s\"\"<x>AB&'\"\""),
        ("<a>hello world</a>", ".xml.a=s\"\"hello world\"\""),
        ("<a><![CDATA[x<y]]>z</a>", r#".xml.a=s"x<yz""#),
        ("<?xml version=\"1.0\"?>\n<!-- c --><a>x<!-- c -->y<?p i?></a>\n", r#".xml.a=s"xy""#),
        ("<!DOCTYPE a><a>v</a>", r#".xml.a=s"v""#),
        ("<ns:a n:x='1'>v</ns:a >", r#".xml.ns:a._n:x=s"1" .xml.ns:a=s"v""#),
        ("<a x='&lt;' y=\"'\"/>", ".xml.a._x=s\"<\" .xml.a._y=s\"\"'\"\""),
        ("<a><b x='1'/><b x='2'/></a>", r#".xml.a.b._x=L"1,2""#),
        ("<a/><b/>", ""),
        ("<a>1</a><a>2</a>", r#".xml.a=L"1,2""#),
        ("<é>v</é>", r#".xml.é=s"v""#),
        ("<a>1</a>\0</b>", r#".xml.a=s"1""#),
        ("<a><b></b><b>x</b></a>", r#".xml.a.b=s"x""#),
    ] {
        assert_eq!(read("", text), (expected.to_owned(), false), "{text}");
    }
}

/// Breaks without it: an option has no effect.
#[test]
fn options() {
    for (options, text, expected) in [
        ("create-lists(no)", "<a><b>1</b><b>2</b><c>x y</c></a>", r#".xml.a.b=s"12" .xml.a.c=s"x y""#),
        ("prefix(\"p.\")", "<a>1</a>", r#"p.a=s"1""#),
        ("prefix(\"p..\")", "<a>1</a>", r#"p..a=s"1""#),
        ("prefix(\"\")", "<a x='2'>1</a>", r#"a._x=s"2" a=s"1""#),
        (
            "strip-whitespaces(yes)",
            "<a> <b> x &amp; y </b>\n z </a>",
            ".xml.a.b=s\"\"x & y\"\" .xml.a=s\"z\"",
        ),
        ("strip-whitespaces(no)", "<a> </a>", ".xml.a=s\"\" \"\""),
        (
            "exclude-tags(\"b*\")",
            "<a><b>1<c>2</c></b><bb/><c b='3'>4</c></a>",
            r#".xml.a.c._b=s"3" .xml.a.c=s"4""#,
        ),
        ("exclude-tags(\"x\" \"a\")", "<a><b>1</b></a>", ""),
        ("template('<h>$HOST</h>')", "", r#".xml.h=s"h""#),
    ] {
        assert_eq!(read(options, text), (expected.to_owned(), false), "{options} {text}");
    }
    assert_eq!(
        said("xml(prefix(x) exclude-tags(a b) strip-whitespaces(no) create-lists(no) drop-invalid(no));"),
        ""
    );
    assert!(said("xml(drop-invald(yes));").contains("did you mean `drop-invalid`?"));
}

/// Breaks without it: what is no document is taken for one, or is forgotten without a word.
#[test]
fn what_is_no_document() {
    let unknown = "<!DOCTYPE a [<!ENTITY e \"v\">]><a>&e;</a>";
    for text in [
        "<a>",
        "<a></b>",
        "",
        "text",
        "<a>x</a>tail",
        "<a>&nope;</a>",
        unknown,
        "<a>& b</a>",
        "<a>&#0;</a>",
        "<a x=1/>",
        "<a x/>",
        "<a x='1/>",
        "<1a/>",
        "< a/>",
        "<a></ a>",
        "<a></a></a>",
        "<a",
        "</a>",
        "<a x='&nope;'/>",
        "<a 1='x'/>",
        "<a><![CDATA[x</a>",
        "<a><!-- </a>",
        "<b",
    ] {
        assert_eq!(read("drop-invalid(yes)", text), ("DROP".to_owned(), true), "{text}");
        assert_ne!(read("", text), ("DROP".to_owned(), false), "{text}");
    }
    assert_eq!(read("drop-invalid(yes)", b"<a>\xff</a>"), ("DROP".to_owned(), true));
    assert_eq!(read("", "<a><b>1</b><c>2"), (r#".xml.a.b=s"1""#.to_owned(), true), "what was complete");
    assert_eq!(read("", b"<a><b>1</b>\xff"), (r#".xml.a.b=s"1""#.to_owned(), true));
    let parser = compiled("xml(drop-invalid(yes));");
    let _ = alone(&*parser, messages(&[b"<a/>", b"<a>"]), Instant::now());
    assert_eq!(parser.statistics().unwrap().reasons, [("no XML", 1)]);
}

/// Breaks without it: the data of an event of Windows are one list, without their names.
#[test]
fn data_of_events_have_names() {
    let event = "<Event><EventData><Data Name='User'>bob</Data><Data Name='Ip' x='1'>::1</Data><Data>z</Data></EventData></Event>";
    let parsed = crate::parser::tests::parsed("windows-eventlog-xml-parser(prefix(\".win.\"));", event);
    assert_eq!(
        parsed,
        r#".win.Event.EventData.Data.Ip=s"::1" .win.Event.EventData.Data.User=s"bob" .win.Event.EventData.Data._x=s"1" .win.Event.EventData.Data=s"z""#
    );
    let plain = xml("", "<Event><EventData><Data Name='User'>bob</Data></EventData></Event>");
    assert_eq!(plain, r#".xml.Event.EventData.Data._Name=s"User" .xml.Event.EventData.Data=s"bob""#);
    let other = crate::parser::tests::parsed(
        "windows-eventlog-xml-parser(prefix(\"\"));",
        "<Event><EventData><Data Name='User'>bob</Data></EventData></Event>",
    );
    assert_eq!(other, r#"Event.EventData.Data.User=s"bob""#);
}

/// Breaks without it: a text is copied that stands in the message.
#[test]
fn what_stands_in_the_document_is_not_copied() {
    let before = messages(&[b"<a x='attribute'>text</a>"]);
    let all = before.message(0).text().as_ptr_range();
    let (parsed, _) = alone(&*compiled("xml();"), before.clone(), Instant::now());
    for name in [".xml.a", ".xml.a._x"] {
        assert!(all.contains(&parsed.message(0).named(name.as_bytes()).unwrap().1.as_ptr()), "{name}");
    }
}

/// Breaks without it: a sender stops the engine, or makes it slow, with one text.
#[test]
fn hostile_texts() {
    let deep = format!("{}x{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let equal = format!("<r>{}</r>", "<a>x y</a>".repeat(100_000));
    let attributes = (0..10_000).map(|number| format!(" a{number}='1'")).collect::<Vec<_>>().concat();
    let same: String = " a='1'".repeat(20_000);
    assert_eq!(xml("", &deep), "");
    assert!(xml("", &equal).len() > 600_000);
    assert!(xml("create-lists(no)", &equal).len() > 300_000);
    assert!(xml("", format!("<r{attributes}/>")).contains(".xml.r._a9999=s\"1\""));
    assert!(xml("", format!("<r{same}/>")).starts_with(".xml.r._a=L\"1,1"));
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><a>&b;</a>";
    assert_eq!(xml("drop-invalid(yes)", bomb), "DROP");
    for text in [
        "<".repeat(1 << 20),
        "<a>".repeat(100_000),
        "&".repeat(1 << 20),
        format!("<a>{}", "&lt;".repeat(50_000)),
    ] {
        assert_eq!(xml("drop-invalid(yes)", text), "DROP");
    }
    let whole = "<a x='é&lt;'><!-- c --><b>é&#233;<![CDATA[x]]></b></a>";
    for end in 1..whole.len() {
        assert_eq!(xml("drop-invalid(yes)", &whole.as_bytes()[..end]), "DROP", "{end}");
    }
}
