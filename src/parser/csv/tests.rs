//! Columns as they are found.

use std::time::Instant;

use proptest::prelude::*;

use super::split::{Column, Delimiters, Escape, Split};
use crate::parser::tests::{compiled, messages, parsed, said, values};
use crate::path::alone;

const ABC: &str = "columns(a, b, c) delimiters(\",\")";

/// Checks what is found in texts: `a=x b=y`, with texts between `‹` and `›` where they have spaces.
#[track_caller]
fn check(options: &str, cases: &[(&str, &[(&str, &str)])]) {
    for (text, expected) in cases {
        let value = |(name, value): &(&str, &str)| format!("{name}=s\"{value}\"");
        let expected: Vec<String> = expected.iter().map(value).collect();
        assert_eq!(parsed(&format!("csv-parser({options});"), text), expected.join(" "), "{text:?}");
    }
}

/// Checks which texts are refused, and which are not.
#[track_caller]
fn check_refused(options: &str, refused: &[&str], taken: &[&str]) {
    let is_refused = |text: &&&str| parsed(&format!("csv-parser({ABC} {options});"), text) == "DROP";
    assert_eq!(refused.iter().filter(is_refused).collect::<Vec<_>>(), refused.iter().collect::<Vec<_>>());
    assert_eq!(taken.iter().find(is_refused), None);
}

/// Breaks without it: a column of a real device is read otherwise than by syslog-ng.
#[test]
fn columns() {
    check(
        ABC,
        &[
            ("1,2,3,4", &[("a", "1"), ("b", "2"), ("c", "3")]),
            ("1,2", &[("a", "1"), ("b", "2")]),
            (",,", &[("a", ""), ("b", "")]),
            (",,,", &[("a", ""), ("b", ""), ("c", "")]),
            ("", &[]),
            (" 1 ,\t2 ,3 ", &[("a", "1"), ("b", "2"), ("c", "3")]),
            (" ", &[("a", "")]),
            ("1,2,3\n4", &[("a", "1"), ("b", "2"), ("c", "3\n4")]),
            ("1,2\0,3", &[("a", "1"), ("b", "2")]),
            ("é,ü", &[("a", "é"), ("b", "ü")]),
        ],
    );
    check("columns(a, b, c) delimiters(\",\") prefix(\"c.\")", &[("1,2", &[("c.a", "1"), ("c.b", "2")])]);
    check("columns(a, b)", &[("x  y", &[("a", "x"), ("b", "")]), ("x y", &[("a", "x"), ("b", "y")])]);
    check("columns(a, '', c) delimiters(',')", &[("1,2,3", &[("a", "1"), ("c", "3")])]);
    check("columns(MESSAGE, HOST) delimiters(',')", &[("m,h2", &[("HOST", "h2")])]);
}

/// Breaks without it: a quote counts where it is a character, or does not where it opens a column.
#[test]
fn quotes() {
    check(
        ABC,
        &[
            ("\"x y\",\"z,w\",3", &[("a", "x y"), ("b", "z,w"), ("c", "3")]),
            ("\"x\"\"y\",2,3", &[("a", "x\"y\""), ("b", "2"), ("c", "3")]),
            ("'x\"y',2,3", &[("a", "x\"y"), ("b", "2"), ("c", "3")]),
            ("\"open,2,3", &[("a", "open,2,3")]),
            ("\"a\"b,2,3", &[("a", "ab"), ("b", "2"), ("c", "3")]),
            ("a\"b\",2,3", &[("a", "a\"b\""), ("b", "2"), ("c", "3")]),
            (" \"x\",2,3", &[("a", "\"x\""), ("b", "2"), ("c", "3")]),
            ("\" x \",2,3", &[("a", "x"), ("b", "2"), ("c", "3")]),
            ("\"\",\"", &[("a", ""), ("b", "")]),
            ("\"x\" ,2", &[("a", "x"), ("b", "2")]),
        ],
    );
    let brackets = "columns(a, b, c) quote-pairs(\"[]{}()\")";
    check(brackets, &[("[x y] {z w} (q)", &[("a", "x y"), ("b", "z w"), ("c", "q")])]);
    check(
        "columns(a, b, c) delimiters(\",\") quote-pairs(\"\")",
        &[("x,\"y,z\"", &[("a", "x"), ("b", "\"y"), ("c", "z\"")])],
    );
    check(
        "columns(a, b) delimiters(\",\") quotes(\"|\")",
        &[("|1,2|,\"3\"", &[("a", "1,2"), ("b", "\"3\"")])],
    );
}

/// Breaks without it: an escape counts outside of quotes, or not inside of them, or ends the column.
#[test]
fn escapes() {
    let with = |escape: &str| format!("{ABC} {escape}");
    check(&with(""), &[("\"x\\\"y\",2,3", &[("a", "x\\y\""), ("b", "2"), ("c", "3")])]);
    for escape in ["flags(escape-double-char)", "dialect(escape-double-char)"] {
        check(
            &with(escape),
            &[("\"x\"\"y\",2", &[("a", "x\"y"), ("b", "2")]), ("\"\"\"\",2", &[("a", "\""), ("b", "2")])],
        );
    }
    for escape in ["flags(escape-backslash)", "dialect(escape-backslash)"] {
        check(
            &with(escape),
            &[
                ("\"x\\\"y\",2", &[("a", "x\"y"), ("b", "2")]),
                ("\"x\\ny\",2", &[("a", "xny"), ("b", "2")]),
                ("x\\,y,2", &[("a", "x\\"), ("b", "y"), ("c", "2")]),
                ("\"x\\", &[("a", "x\\")]),
                ("\"\\\"x\"y,2", &[("a", "\"xy"), ("b", "2")]),
            ],
        );
    }
    check(
        &with("dialect(escape-backslash-with-sequences)"),
        &[
            ("\"x\\n\\x41\\q\"", &[("a", "x\nAq")]),
            ("\"\\a\\r\\t\\v\\\\|\"", &[("a", "\x07\r\t\x0b\\|")]),
            ("\"\\x4\",\"\\xg1\",\"\\x", &[("a", "x4"), ("b", "xg1"), ("c", "x")]),
        ],
    );
    let brackets = "columns(a) quote-pairs(\"[]\") dialect(escape-double-char)";
    check(brackets, &[("[x]]y] z", &[("a", "x]y")])]);
}

/// Breaks without it: a delimiter of several bytes is not found, or a space that is one is left out.
#[test]
fn delimiters() {
    let with = |delimiters: &str| format!("columns(a, b, c) delimiters({delimiters})");
    check(&with("strings(\"::\")"), &[("a::b c", &[("a", "a"), ("b", "b"), ("c", "c")])]);
    check(&with("chars(\"\") strings(\"::\")"), &[("a::b,c", &[("a", "a"), ("b", "b,c")])]);
    check(&with("chars(\"=\") strings(\"=;\")"), &[("a=;b=c", &[("a", "a"), ("b", "b"), ("c", "c")])]);
    check(&with("chars(\",;\")"), &[("1;2,3", &[("a", "1"), ("b", "2"), ("c", "3")])]);
    check(&with("\",;|\""), &[("1;2|3", &[("a", "1"), ("b", "2"), ("c", "3")])]);
    check(&with("\",;|:\""), &[("1;2:3", &[("a", "1"), ("b", "2"), ("c", "3")])]);
    check(
        &with("\"\\t\""),
        &[("x\ty z", &[("a", "x"), ("b", "y z")]), ("\t\tz", &[("a", ""), ("b", ""), ("c", "z")])],
    );
    check(&with("chars(\"\")"), &[("1,2 3", &[("a", "1,2 3")])]);
}

/// Breaks without it: flags add to the default, or the last column loses what it should keep.
#[test]
fn flags() {
    let with = |flags: &str| format!("{ABC} flags({flags})");
    let ab = |c: &'static str| vec![("a", "1"), ("b", "2"), ("c", c)];
    check(&with("greedy"), &[("1,2, \"x, y\" ", &ab(" \"x, y\" ")), ("1,2", &ab("")), ("1", &[("a", "1")])]);
    check(&with("greedy strip-whitespace"), &[("1,2, \"x, y\" ", &ab("\"x, y\""))]);
    check(&with("escape-none"), &[("1 , 2", &[("a", "1 "), ("b", " 2")])]);
    check(&with("strip-whitespace"), &[("1 , 2", &[("a", "1"), ("b", "2")])]);
    check("columns(a) flags(greedy)", &[("x \"y\"", &[("a", "x \"y\"")]), ("", &[("a", "")])]);
}

/// Breaks without it: a text with the wrong number of columns goes on, or a right one does not.
#[test]
fn invalid_texts_are_refused_where_that_is_asked_for() {
    for drop in ["flags(drop-invalid)", "drop-invalid(yes)", "drop-invalid(yes) flags(strip-whitespace)"] {
        check_refused(drop, &["1,2", "1,2,3,4", "1,2,", "1,\"2", ""], &["1,2,3", "1,2,3,", "1,2,\"3"]);
    }
    check_refused("flags(drop-invalid, greedy)", &["1"], &["1,2", "1,2,", "1,2,3,4"]);
    check_refused("drop-invalid(no) flags(drop-invalid)", &[], &["1"]);
    check_refused("on-type-error(drop-message) drop-invalid(yes)", &["1"], &["1,2,3"]);
    check_refused("on-type-error(drop-message)", &[], &["1", "1,2,3,4"]);
    let parser = compiled(&format!("csv-parser({ABC} drop-invalid(yes));"));
    let _ = alone(&*parser, messages(&[b"1", b"1,2,3,4", b"1,2,3", b"2"]), Instant::now());
    let statistics = parser.statistics().unwrap();
    assert_eq!((statistics.processed, statistics.discarded), (4, 3));
}

/// Breaks without it: what stands for nothing stays a text.
#[test]
fn a_text_stands_for_nothing() {
    let with = format!("{ABC} null(\"-\")");
    check(
        &with,
        &[("-,\"-\",x - y", &[("a", ""), ("b", ""), ("c", "x - y")]), (" - ,--", &[("a", ""), ("b", "--")])],
    );
    check("delimiters(',') null('-')", &[("1,-,\"-\"", &[("1", "1"), ("2", ""), ("3", "")])]);
}

/// Breaks without it: matches of before are taken for columns.
#[test]
fn columns_without_names_are_numbered() {
    check("delimiters(\",\")", &[("1,,3,", &[("1", "1"), ("2", ""), ("3", "3")])]);
    check(
        "delimiters(\",\") prefix(x.) dialect(escape-double-char)",
        &[("\"a\"\"b\",c", &[("1", "a\"b"), ("2", "c")])],
    );
    let before = "csv-parser(template('1,2,3,4') delimiters(','));";
    let (selection, _) = alone(&*compiled(before), messages(&[b"x,y"]), Instant::now());
    let (selection, _) = alone(&*compiled("csv-parser(delimiters(','));"), selection, Instant::now());
    assert_eq!(values(&selection, 0), ["1=s\"x\"", "2=s\"y\""]);
    let found = parsed("csv-parser(delimiters(','));", ",".repeat(1000));
    assert_eq!(found.split(' ').count(), 255);
}

/// Breaks without it: a text is taken for a number, or a number for a text.
#[test]
fn columns_have_types() {
    let with = |options: &str| {
        format!("csv-parser(columns(int(\"a\"), double(\"b\"), boolean(\"c\")) delimiters(',') {options});")
    };
    assert_eq!(parsed(&with(""), "1,2.5,true"), "a=i\"1\" b=d\"2.5\" c=b\"true\"");
    assert_eq!(parsed(&with(""), " 0x1f,\"-1e3\",F"), "a=i\"0x1f\" b=d\"-1e3\" c=b\"F\"");
    assert_eq!(parsed(&with("on-type-error(silently-drop-message)"), "x,2,3"), "DROP");
    let said_of = |options: &str| {
        let (parsed, said) = alone(&*compiled(&with(options)), messages(&[b"x,2,3"]), Instant::now());
        (values(&parsed, 0).join(" "), said.join(" "))
    };
    let dropped = "b=d\"2\"".to_owned();
    let kept = "a=s\"x\" b=d\"2\" c=s\"3\"".to_owned();
    let line = "parser p: csv-parser(): column `a`: `x` is not of type integer, the column is not set (1 \
                more since the last line of this parser)";
    assert_eq!(said_of(""), (dropped.clone(), line.to_owned()));
    let (found, lines) = said_of("on-type-error(drop-message)");
    assert!(
        found.is_empty() && lines.contains("`x` is not of type integer, the message is dropped"),
        "{lines}"
    );
    assert_eq!(said_of("on-type-error(drop-property)").0, dropped);
    assert_eq!(said_of("on-type-error(silently-drop-property)"), (dropped, String::new()));
    assert_eq!(said_of("on-type-error(fallback-to-string)").0, kept);
    assert_eq!(said_of("on-type-error(silently-fallback-to-string)"), (kept, String::new()));
    let others = "csv-parser(columns(string(s), list(l), json(j), null(n), datetime(t)) delimiters(\";\"));";
    assert_eq!(
        parsed(others, "1;a,b;{};x;1.5+01:00"),
        "j=J\"{}\" l=L\"a,b\" n=null\"x\" s=s\"1\" t=dt\"1.5+01:00\""
    );
}

/// Breaks without it: a mistake in the options is found by nobody, or not at its place.
#[test]
fn options_are_checked() {
    for (options, expected) in [
        ("flags(greedy)", "flags(greedy) is for the last of several columns()"),
        ("flags(escape-none escape-backslash)", "another one is set already"),
        ("flags(gready)", "did you mean `greedy`?"),
        ("flags(escape-backslash-with-sequences)", "`escape-backslash-with-sequences` is not possible here"),
        ("dialect(backslash)", "`backslash` is not possible here"),
        ("columns(ant(\"a\"))", "unknown type `ant`"),
        ("columns(1)", "expected the name of a column, found a number"),
        ("on-type-error(drop)", "`drop` is not possible here"),
        ("delimiters(strings(\"\"))", "an empty delimiter ends no column"),
        ("delimiters(char(\"\"))", "did you mean `chars`?"),
        ("delimiters(\"\")", "without a delimiter the whole text is one column"),
        ("colums(a)", "did you mean `columns`?"),
    ] {
        let found = said(&format!("csv-parser({options});"));
        assert!(found.contains(expected), "{options}: {found}");
    }
    let long = format!("csv-parser(prefix(x) columns(\"{}\"));", "n".repeat(255));
    assert!(said(&long).contains("this is one of 256: the column is not set"));
    assert_eq!(parsed(&long, "1"), "");
    assert_eq!(said(&format!("csv-parser({ABC});")), "");
}

/// Breaks without it: a text that somebody chose keeps a worker busy, or ends it.
#[test]
fn hostile_texts() {
    let mib = 1 << 20;
    for dialect in ["escape-none", "escape-backslash-with-sequences", "escape-double-char"] {
        let body = format!("csv-parser({ABC} dialect({dialect}) drop-invalid(yes));");
        for text in [",", "\"", "\\", "\",", " ", "\"\\", "a\"", "\t,"] {
            let _ = parsed(&body, text.repeat(mib / text.len()));
            let _ = parsed(&body, format!("\"{}", text.repeat(mib / text.len())));
        }
    }
    let numbered = "csv-parser(delimiters(chars(' ') strings('aab' 'ab' 'aaab')));";
    let _ = parsed(numbered, "a".repeat(mib));
}

fn delimiters_and_quotes() -> impl Strategy<Value = (Split, &'static str, Vec<String>)> {
    let chars = prop::sample::select(vec![",", ", ", ",;|", ",;|\t", ""]);
    let texts = prop::sample::select(vec![vec![], vec!["::"], vec![" -", ":"], vec![",,", ","]]);
    let escapes = prop::sample::select(Escape::WORDS.iter().map(|(_, escape)| *escape).collect::<Vec<_>>());
    (chars, texts, escapes, any::<bool>()).prop_map(|(chars, texts, escape, strips)| {
        let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        let delimiters = Delimiters::new(chars.as_bytes(), &texts);
        let quotes = [(b'"', b'"'), (b'[', b']')].into();
        (Split { delimiters, quotes, escape, strips }, chars, texts)
    })
}

/// The twin of [`Split::column`]: byte by byte.
fn column_slowly(
    split: &Split,
    (chars, texts): (&str, &[String]),
    text: &[u8],
    start: usize,
) -> (Vec<u8>, usize) {
    let is_blank = |byte: u8| byte == b' ' || byte == b'\t';
    let mut quote = split.quotes.iter().find(|(open, _)| *open == text[start]).map(|(_, close)| *close);
    let mut at = start + usize::from(quote.is_some());
    let mut value = Vec::new();
    while split.strips && at < text.len() && is_blank(text[at]) {
        if quote.is_none() && chars.as_bytes().contains(&text[at]) {
            break;
        }
        at += 1;
    }
    let mut next = text.len();
    while at < text.len() {
        let byte = text[at];
        match quote {
            None => {
                let found = texts.iter().find(|found| text[at..].starts_with(found.as_bytes()));
                if let Some(found) = found {
                    next = at + found.len();
                    break;
                }
                if chars.as_bytes().contains(&byte) {
                    next = at + 1;
                    break;
                }
                value.push(byte);
            }
            Some(_) if byte == b'\\' && matches!(split.escape, Escape::Backslash | Escape::Sequences) => {
                at += 1;
                value.push(match text.get(at) {
                    Some(b'a') if split.escape == Escape::Sequences => 0x07,
                    Some(b'n') if split.escape == Escape::Sequences => b'\n',
                    other => other.copied().unwrap_or(b'\\'),
                });
            }
            Some(close) if byte == close => {
                if split.escape == Escape::DoubleChar && text.get(at + 1) == Some(&close) {
                    value.push(close);
                    at += 1;
                } else {
                    quote = None;
                }
            }
            Some(_) => value.push(byte),
        }
        at += 1;
    }
    while split.strips && value.last().is_some_and(|byte| is_blank(*byte)) {
        value.pop();
    }
    (value, next)
}

proptest! {
    /// Breaks without it: a value is cut off, or has bytes of its neighbour, in a text that no vector has.
    #[test]
    fn columns_are_as_they_are_byte_by_byte(
        (split, chars, texts) in delimiters_and_quotes(),
        text in "[ab,;| \t:\"\\[\\]\\\\n-]{0,24}",
    ) {
        let (mut at, mut made) = (0, Vec::new());
        while at < text.len() {
            let (column, next) = split.column(text.as_bytes(), at, &mut made);
            let value = match column {
                Column::Part(part) => text.as_bytes()[part].to_vec(),
                Column::Made => made.clone(),
            };
            prop_assert_eq!((value, next), column_slowly(&split, (chars, &texts), text.as_bytes(), at));
            prop_assert!(next > at);
            at = next;
        }
    }
}
