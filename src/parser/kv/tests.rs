//! Pairs as they are found.

use std::time::Instant;

use crate::parser::tests::{compiled, messages, parsed, said};
use crate::path::alone;

#[track_caller]
fn check(options: &str, cases: &[(&str, &[(&str, &str)])]) {
    for (text, expected) in cases {
        let mut expected: Vec<String> =
            expected.iter().map(|(key, value)| format!("{key}=s\"{value}\"")).collect();
        expected.sort();
        assert_eq!(parsed(&format!("kv-parser({options});"), text), expected.join(" "), "{text}");
    }
}

/// Breaks without it: a pair of a real device is read otherwise than by syslog-ng.
#[test]
fn pairs() {
    check(
        "",
        &[
            ("a=b, c=d", &[("a", "b"), ("c", "d")]),
            ("a=b,c=d", &[("a", "b,c=d")]),
            ("a = b  c = d", &[("a", "b"), ("c", "d")]),
            ("foo bar a=b baz c=d tail", &[("a", "b baz"), ("c", "d tail")]),
            ("a= c=d", &[("a", ""), ("c", "d")]),
            ("a=, c=d", &[("a", ""), ("c", "d")]),
            ("a=\"\" c=d", &[("a", ""), ("c", "d")]),
            ("=x a=b", &[("a", "b")]),
            ("a==b c=d", &[("a", "=b"), ("c", "d")]),
            ("k!y=v", &[("y", "v")]),
            ("x.á=1 y=2", &[("y", "2")]),
            ("a=1 a=2", &[("a", "2")]),
            ("a=b\tc=d", &[("a", "b\tc=d")]),
            ("a=b ,c=d", &[("a", "b ,c=d")]),
            ("a=b , c=d", &[("a", "b"), ("c", "d")]),
            ("url=http://x/?q=1&r=2 z=3", &[("url", "http://x/?q=1&r=2"), ("z", "3")]),
            ("[a=b] c=d", &[("a", "b]"), ("c", "d")]),
            ("a=b\"c d\"e f=g", &[("a", "b\"c d\"e"), ("f", "g")]),
            ("a", &[]),
            ("", &[]),
            ("   ", &[]),
            ("a=b\0 c=d", &[("a", "b")]),
            ("a=b  ", &[("a", "b")]),
        ],
    );
}

/// Breaks without it: quotes end a value too early or too late, or an escape is taken for what it is not.
#[test]
fn quotes() {
    check(
        "",
        &[
            ("a=\"b c\" d=e", &[("a", "b c"), ("d", "e")]),
            ("a=\"b\\\"c\\n\\x41\\\\z\" d=e", &[("a", "b\"c\n\\x41\\z"), ("d", "e")]),
            ("a='b \"c' d=e", &[("a", "b \"c"), ("d", "e")]),
            ("a=\"b\"junk c=d", &[("a", "\"b\"junk "), ("c", "d")]),
            ("a=\"unterminated d=e", &[("a", "\"unterminated d=e")]),
            (
                "n=7 key=first data=\"/d/key=\"odd\"\" next=v",
                &[("n", "7"), ("key", "first"), ("data", "\"/d/key=\"odd\"\" "), ("next", "v")],
            ),
            ("k=\"a", &[("k", "\"a")]),
            ("k=\"a\\", &[("k", "\"a\\")]),
            ("k=\"a\\\"", &[("k", "\"a\\\"")]),
            ("a=\"b c=d\" e", &[("a", "b c=d")]),
            ("a='it''s' b=c", &[("a", "'it''s' "), ("b", "c")]),
            ("k=\"a\nb\" y=1", &[("k", "a\nb"), ("y", "1")]),
            ("a=\"b\", c=d", &[("a", "b"), ("c", "d")]),
            ("a=\"x\\ty\\'\"", &[("a", "x\ty\\'")]),
        ],
    );
}

/// Breaks without it: an option is read and not followed.
#[test]
fn separators() {
    check("pair-separator(\";\")", &[("a=b; c=d e ;f=\"g;h\"", &[("a", "b"), ("c", "d e"), ("f", "g;h")])]);
    check("pair-separator(\" \")", &[("a=b c d=e", &[("a", "b"), ("d", "e")])]);
    check("pair-separator(\"&&\")", &[("a=b&&c=d&e=f", &[("a", "b"), ("c", "d&e=f")])]);
    check(
        "value-separator(\":\")",
        &[
            ("a: b, c: d e f, g:h", &[("a", "b"), ("c", "d e f"), ("g", "h")]),
            ("t: 12:30:45, x:1", &[("t", ""), ("12", "30:45"), ("x", "1")]),
        ],
    );
    check("prefix(\"p.\")", &[("a=b", &[("p.a", "b")])]);
}

/// Breaks without it: words that belong to no pair are lost, or those of a value are taken for them.
#[test]
fn stray_words() {
    check(
        "prefix(\"p.\") extract-stray-words-into(\"s\")",
        &[
            ("foo a=b bar c=d, end", &[("p.a", "b bar"), ("p.c", "d"), ("s", "foo,end")]),
            ("one two", &[("s", "\"one two\"")]),
            ("o'ne two, three a=b x", &[("p.a", "b x"), ("s", "\"o'ne two, three\"")]),
            ("a=b", &[("p.a", "b"), ("s", "")]),
        ],
    );
}

/// Breaks without it: a sender holds a worker for minutes with one line (as this test would be held).
#[test]
fn hostile_texts_take_time_in_proportion() {
    let size = 1 << 18;
    let texts = [
        "=".repeat(size),
        format!("a={}", " ".repeat(size)),
        format!("a=x{}y", " ".repeat(size)),
        format!("a={}", "\"".repeat(size)),
        format!("a={}", "\" ".repeat(size / 2)),
        format!("a=\"{}", "\\".repeat(size)),
        format!("a={}", "x ".repeat(size / 2)),
        format!("a={}", "b=".repeat(size / 2)),
        format!("a={}", " =".repeat(size / 2)),
        " ".repeat(size),
        "k".repeat(size),
        "k ".repeat(size / 2),
        format!("{}=", "k".repeat(size)),
    ];
    for text in &texts {
        for options in ["", "pair-separator(\" \")", "extract-stray-words-into(s)"] {
            let parser = compiled(&format!("kv-parser({options});"));
            let (parsed, _) = alone(&*parser, messages(&[text.as_bytes()]), Instant::now());
            assert_eq!(parsed.rows().len(), 1);
        }
    }
}

/// Breaks without it: a separator that cannot work is accepted.
#[test]
fn separators_that_cannot_be() {
    for separator in ["", "::", " ", "\\\"", "'"] {
        let said = said(&format!("kv-parser(value-separator(\"{separator}\"));"));
        assert!(said.contains("cannot stand between a key and its value"), "{separator}: {said}");
    }
    assert!(said("kv-parser(pair-separator(\"\"));").contains("the separator of pairs is not empty"));
    assert!(said("kv-parser(extract-stray-words-into(\"DATE\"));").contains("computed from the message"));
}
