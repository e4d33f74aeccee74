//! Groups as they are found.

use std::time::Instant;

use crate::parser::tests::{compiled, formatted, messages, parsed, said, values};
use crate::path::alone;

#[track_caller]
fn check(options: &str, text: impl AsRef<[u8]>, expected: &str) {
    assert_eq!(parsed(&format!("regexp-parser({options});"), text), expected, "{options}");
}

/// Breaks without it: a group has another name or another text than its pattern says.
#[test]
fn groups() {
    let words = r"patterns('(?<w>[a-z]+) (?<n>\d+)')";
    check(words, "foo 12 bar", r#"0=s"foo 12" 1=s"foo" 2=s"12" n=s"12" w=s"foo""#);
    check(
        &format!("{words} prefix('.re.')"),
        "foo 12",
        r#".re.n=s"12" .re.w=s"foo" 0=s"foo 12" 1=s"foo" 2=s"12""#,
    );
    check(words, "12 foo", "DROP");
    check("patterns()", "x", "DROP");
    check("", "x", "DROP");
    check("patterns('(?<x>a)(?<y>z)?(?<z>b)')", "ab", r#"0=s"ab" 1=s"a" 3=s"b" x=s"a" z=s"b""#);
    check("patterns('a(?<one>1)', 'b(?<two>2)', 'b(?<three>2)')", "b2", r#"0=s"b2" 1=s"2" two=s"2""#);
    check("patterns('(?<d>a)|(?<d>b)') flags(dupnames)", "xb", r#"0=s"b" 2=s"b" d=s"b""#);
    check("patterns('fo(?<x>)o')", "foo", r#"0=s"foo" 1=s"" x=s"""#);
    check("patterns('^(?<r>..)$') template('$HOST$PID')", "x", "DROP");
    check("patterns('^h(?<r>.*)$') template('$HOST$PID')", "x", r#"0=s"h42" 1=s"42" r=s"42""#);
    assert_eq!(
        formatted("regexp-parser(patterns('(?<MESSAGE>b)(?<HOST>c)'));", "abcd", "$MESSAGE $HOST $1"),
        "b c b"
    );
    check("patterns('FOO') flags(ignore-case)", "foo", r#"0=s"foo""#);
    check(
        "patterns('foo') flags(store-matches, global, prefix, substring) type(pcre)",
        "xfoo",
        r#"0=s"foo""#,
    );
}

/// Breaks without it: a newline, a zero or a byte that is no character ends the text, or does not match.
#[test]
fn bytes() {
    check("patterns('a.(?<r>b)')", "a\nb", "DROP");
    check("patterns('a.(?<r>b)')", "a\0b", "0=s\"a\0b\" 1=s\"b\" r=s\"b\"");
    check("patterns('^.(?<r>r)')", "árv", "DROP");
    check("patterns('^.(?<r>r)') flags(utf8)", "árv", r#"0=s"ár" 1=s"r" r=s"r""#);
    check("patterns('^.(?<r>r)') flags(utf8)", b"\xffr", "0=s\"\u{fffd}r\" 1=s\"r\" r=s\"r\"");
    check(
        "patterns('^\\x{100}|(?<r>r)$') flags(utf8)",
        "Ār",
        r#"0=s"Ā" 1=s"r" r=s"r""#.split(" 1").next().unwrap(),
    );
    check("patterns('^\\x{100}|(?<r>r)$') flags(utf8)", b"\xffr", "DROP");
}

/// Breaks without it: a group of a pattern before is taken for one of this.
#[test]
fn groups_of_before_are_gone() {
    let (first, _) =
        alone(&*compiled("regexp-parser(patterns('(a)(?<n>b)(c)'));"), messages(&[b"abc"]), Instant::now());
    assert_eq!(values(&first, 0).len(), 5);
    let (second, _) = alone(&*compiled("regexp-parser(patterns('(x)?(?<n>y)?c'));"), first, Instant::now());
    assert_eq!(values(&second, 0), ["0=s\"c\"", "n=s\"b\""]);
    let many = format!("regexp-parser(patterns('{}'));", "()".repeat(256));
    let (third, _) = alone(&*compiled(&many), second, Instant::now());
    assert_eq!(values(&third, 0), ["0=s\"c\"", "n=s\"b\""]);
    let most = format!("regexp-parser(patterns('{}'));", "()".repeat(255));
    assert_eq!(parsed(&most, "x").split(' ').count(), 256);
}

/// Breaks without it: a text that somebody chose keeps a worker busy, or nobody is told that one would have.
#[test]
fn a_match_has_an_end() {
    let texts = [format!("{}!", "a".repeat(28)), "a".repeat(5)];
    let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let parser = compiled("regexp-parser(patterns('^(a+)+$'));");
    let (parsed_now, lines) = alone(&*parser, messages(&texts), Instant::now());
    assert_eq!(parsed_now.rows().len(), 1);
    assert!(lines.iter().all(|line| line.contains("takes too many steps")), "{lines:?}");
    // What looks behind is for PCRE2 alone, and is given up each time.
    let parser = compiled("regexp-parser(patterns('^(?:(?<=a)a|a|aa)+$'));");
    let text = format!("{}!", "a".repeat(200));
    let (parsed_now, lines) = alone(&*parser, messages(&[text.as_bytes(), b"aaa"]), Instant::now());
    assert_eq!((parsed_now.rows().len(), lines.len()), (1, 1), "{lines:?}");
    let statistics = parser.statistics().unwrap();
    assert_eq!((statistics.processed, statistics.discarded), (2, 1));
    let _ = parsed("regexp-parser(patterns('(a+)+$', '(b*)*c'));", format!("{}b", "a".repeat(1 << 20)));
}

/// Breaks without it: a mistake in the options is found by nobody, or not at its place.
#[test]
fn options_are_checked() {
    for (options, expected) in [
        ("patterns('(')", "this is no regular expression"),
        ("patterns('a') flags(fast)", "unknown flag `fast`"),
        ("patterns('a') flags(nobackref)", "nobackref"),
        ("patterns('a') type(glob)", "the patterns of regexp-parser() are regular expressions"),
        ("patterns('a') type(string)", "the patterns of regexp-parser() are regular expressions"),
        ("patterns('a') type(posix)", "`posix` means `pcre`"),
        ("patterns(\"\\\\d\\d\")", "in double quotes loses its backslash"),
        ("prefix(x)", "without patterns() no message goes on"),
        ("pattern('a')", "did you mean `patterns`?"),
    ] {
        let found = said(&format!("regexp-parser({options});"));
        assert!(found.contains(expected), "{options}: {found}");
    }
    let long = format!("regexp-parser(patterns('(?<n>a)') prefix({}));", "p".repeat(255));
    assert!(said(&long).contains("the group `n` is not set by its name"));
    assert_eq!(parsed(&long, "a"), r#"0=s"a" 1=s"a""#);
    assert_eq!(said("regexp-parser(patterns('a') flags(nobackref));").matches("warning").count(), 1);
}
