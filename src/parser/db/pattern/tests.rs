//! Patterns, and what their parsers take.

use super::*;

/// The value that a parser takes of `text`, and what is left behind it.
fn taken<'t>(parser: &str, text: &'t str) -> Option<(&'t str, &'t str)> {
    let taken = PatternParser::read(parser).unwrap().take(text.as_bytes())?;
    Some((&text[taken.start..taken.end], &text[taken.len..]))
}

/// Breaks without it: a parser takes more, or less, than what it is for.
#[test]
fn parsers_take_what_they_are_for() {
    for (parser, text, expected) in [
        ("STRING:n", "ab1-c d", Some(("ab1", "-c d"))),
        ("STRING:n:-", "ab1-c d", Some(("ab1-c", " d"))),
        ("STRING:n", "-", None),
        ("ESTRING:n: to", "a b to c", Some(("a b", " c"))),
        ("ESTRING:n: ", " x", Some(("", "x"))),
        ("ESTRING:n::", "a:b", Some(("a", "b"))),
        ("ESTRING:n: ", "ab", None),
        ("QSTRING:n:\"", "\"a b\"c", Some(("a b", "c"))),
        ("QSTRING:n:[]", "[a [b] c]d", Some(("a [b] c", "d"))),
        ("QSTRING:n:[]", "[a [b c]", None),
        ("QSTRING:n:\"", "a\"", None),
        ("ANYSTRING", "a b", Some(("a b", ""))),
        ("NLSTRING", "a b\nc", Some(("a b", "\nc"))),
        ("NLSTRING", "a b\r\nc", Some(("a b", "\r\nc"))),
        ("NLSTRING", "ab", Some(("ab", ""))),
        ("NUMBER:n", "-12a", Some(("-12", "a"))),
        ("NUMBER:n", "0x1Fg", Some(("0x1F", "g"))),
        ("NUMBER:n", "0xg", Some(("0", "xg"))),
        ("NUMBER:n", "+", None),
        ("NUMBER:n", "a", None),
        ("FLOAT:n", "1.5e3 x", Some(("1.5e3", " x"))),
        ("DOUBLE:n", "-.5", Some(("-.5", ""))),
        ("FLOAT:n", "1e", Some(("1", "e"))),
        ("FLOAT:n", "1.", Some(("1.", ""))),
        ("FLOAT:n", "-.", None),
        ("FLOAT:n", "", None),
        ("IPv4:n", "10.0.0.1.5", Some(("10.0.0.1", ".5"))),
        ("IPv4:n", "10.0.0.256", None),
        ("IPv4:n", "10.0.0", None),
        ("IPv4:n", "1000.0.0.1", None),
        ("IPv6:n", "2001:db8::1 x", Some(("2001:db8::1", " x"))),
        ("IPv6:n", "::ffff:1.2.3.4.", Some(("::ffff:1.2.3.4", "."))),
        ("IPv6:n", "12:34", None),
        ("IPvANY:n", "::1", Some(("::1", ""))),
        ("IPvANY:n", "1.2.3.4", Some(("1.2.3.4", ""))),
        ("MACADDR:n", "00:11:22:33:44:55:66", Some(("00:11:22:33:44:55", ":66"))),
        ("MACADDR:n", "00:11:2", Some(("00:11", ":2"))),
        ("MACADDR:n", "0", None),
        ("LLADDR:n:2", "00:11:22", Some(("00:11", ":22"))),
        ("HOSTNAME:h", "a.b-c.d x", Some(("a.b-c.d", " x"))),
        ("HOSTNAME:h", "a.b.", Some(("a.b", "."))),
        ("HOSTNAME:h", "one", None),
        ("EMAIL:e:[]<>", "<x@y.com>]z", Some(("x@y.com", "z"))),
        ("EMAIL:e", "a.b@c.de", Some(("a.b@c.de", ""))),
        ("EMAIL:e", "a.@c.de", None),
        ("EMAIL:e", "a@c", None),
        ("SET:s:abc", "cabd", Some(("cab", "d"))),
        ("SET:s:abc", "d", None),
        ("OPTIONALSET:s:abc", "d", Some(("", "d"))),
        ("PCRE:p:[0-9]+(x|y)", "12yz", Some(("12y", "z"))),
        ("PCRE:p:b|ab", "ab", Some(("ab", ""))),
        ("PCRE:p:b", "ab", None),
    ] {
        assert_eq!(taken(parser, text), expected, "@{parser}@ of {text:?}");
    }
}

/// Breaks without it: a pattern is read as another one, or one that can never match is taken.
#[test]
fn patterns_are_read_to_their_end() {
    let shown = |text: &str| {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => String::from_utf8_lossy(text).into_owned(),
            Piece::Parser(parser) => format!("<{} {}>", parser.name, parser.text),
        };
        read(text).map(|pieces| pieces.iter().map(piece).collect::<String>())
    };
    assert_eq!(shown("at@@home @ESTRING:n::@x"), Ok("at@home <n ESTRING:n::>x".to_owned()));
    assert_eq!(shown("@NUMBER@@STRING::.@"), Ok("< NUMBER>< STRING::.>".to_owned()));
    for (text, expected) in [
        ("a@b", "none that ends it"),
        ("@NUMBR:x@", "did you mean `NUMBER`?"),
        ("@ESTRING:x@", "needs a parameter"),
        ("@SET@", "needs a parameter"),
        ("@PCRE:x:(@", "@PCRE@"),
        ("@LLADDR:x:no@", "a number of bytes"),
    ] {
        let error = shown(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
