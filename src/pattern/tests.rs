//! Patterns by type and flag, and the two engines against each other.

use proptest::prelude::*;

use super::{Flag, Flags, Matcher, Type};

/// The flags whose words stand in `words`.
fn flags(words: &str) -> Flags {
    let each = |flags: Flags, word: &str| match word {
        "ignore-case" => flags.with(Flag::IgnoreCase),
        "utf8" => flags.with(Flag::Utf8),
        "newline" => flags.with(Flag::Newline),
        "store-matches" => flags.with(Flag::StoreMatches),
        "prefix" => flags.with(Flag::Prefix),
        "substring" => flags.with(Flag::Substring),
        "disable-jit" => flags.with(Flag::DisableJit),
        "dupnames" => flags.with(Flag::DupNames),
        _ => panic!("{word}"),
    };
    words.split_whitespace().fold(Flags::default(), each)
}

fn matcher(pattern: &str, kind: Type, words: &str) -> Matcher {
    Matcher::new(pattern, kind, flags(words)).unwrap_or_else(|error| panic!("{pattern}: {error:?}"))
}

/// Breaks without it: a filter lets other messages pass than in syslog-ng, by type and flag.
#[test]
fn types_and_flags() {
    let table: &[(&str, Type, &str, &[u8], bool)] = &[
        ("b+c", Type::Pcre, "", b"abbcd", true),
        ("^b", Type::Pcre, "", b"abc", false),
        ("c$", Type::Pcre, "", b"abc\n", true),
        ("c$", Type::Pcre, "", b"abc\nd", false),
        ("c$", Type::Pcre, "", b"abc\n\n", false),
        ("c$", Type::Pcre, "", b"abc\r\n", false),
        ("c$", Type::Pcre, "newline", b"abc\r\n", true),
        ("c$", Type::Pcre, "newline", b"abc\r", true),
        ("a.c", Type::Pcre, "newline", b"a\rc", false),
        ("a.c", Type::Pcre, "", b"a\rc", true),
        ("B", Type::Pcre, "", b"abc", false),
        ("B", Type::Pcre, "ignore-case", b"abc", true),
        ("\u{c9}", Type::Pcre, "ignore-case utf8", "\u{e9}".as_bytes(), true),
        ("\u{c9}", Type::Pcre, "ignore-case", "\u{e9}".as_bytes(), false),
        ("a.c", Type::Pcre, "", b"a\xffc", true),
        ("a.c", Type::Pcre, "utf8", b"a\xc3\xa9c", true),
        ("a.c", Type::Pcre, "", b"a\xc3\xa9c", false),
        ("^.$", Type::Pcre, "utf8", "\u{e9}".as_bytes(), true),
        ("a", Type::Pcre, "utf8", b"a\xff", false),
        ("(?=a)a", Type::Pcre, "utf8", b"a\xff", false),
        (r"^\w$", Type::Pcre, "utf8", "\u{e9}".as_bytes(), false),
        (r"^\d$", Type::Pcre, "utf8", "\u{663}".as_bytes(), false),
        ("", Type::Pcre, "", b"", true),
        ("^$", Type::Pcre, "", b"", true),
        ("^$", Type::Pcre, "", b"\n", true),
        ("abc$", Type::Pcre, "", b"xabc", true),
        ("^abc$", Type::Pcre, "", b"abc\n", true),
        (r"^abc\z", Type::Pcre, "", b"abc\n", false),
        ("(?i)ABC", Type::Pcre, "", b"abc", true),
        ("(a(?i)b|c)", Type::Pcre, "", b"C", true),
        (".*foo.*", Type::Pcre, "", b"a\nfoo", true),
        (r"(a)\1", Type::Pcre, "", b"aa", true),
        ("foo(?!bar)", Type::Pcre, "", b"foobar", false),
        ("(?<!x)foo", Type::Pcre, "", b"xfoo foo", true),
        ("a++a", Type::Pcre, "", b"aaa", false),
        ("(?>a+)b", Type::Pcre, "", b"aab", true),
        (r"^\Qa.c\E$", Type::Pcre, "", b"a.c", true),
        (r"\bfoo\b", Type::Pcre, "", b"a foo.", true),
        (r"[[:alpha:]]-[^[:space:]]", Type::Pcre, "", b"1a-b", true),
        ("(?<n>a)|(?<n>b)", Type::Pcre, "dupnames", b"b", true),
        ("a+b", Type::Pcre, "disable-jit", b"aab", true),
        ("abc", Type::String, "", b"abc", true),
        ("abc", Type::String, "", b"abcd", false),
        ("a.c", Type::String, "", b"abc", false),
        ("ab", Type::String, "prefix", b"abc", true),
        ("bc", Type::String, "prefix", b"abc", false),
        ("bc", Type::String, "substring", b"abcd", true),
        ("bc", Type::String, "prefix substring", b"abcd", false),
        ("ABC", Type::String, "ignore-case", b"abc", true),
        ("ABC", Type::String, "ignore-case", b"abcd", false),
        ("AB", Type::String, "ignore-case prefix", b"abc", true),
        ("BC", Type::String, "ignore-case substring", b"abcd", true),
        ("B.", Type::String, "ignore-case substring", b"abcd", false),
        ("\u{c9}", Type::String, "ignore-case", "\u{e9}".as_bytes(), false),
        ("a*d", Type::Glob, "", b"abcd", true),
        ("a?d", Type::Glob, "", b"abcd", false),
        ("?", Type::Glob, "", b"\xc3\xa9", true),
        ("*", Type::Glob, "", b"\xff", false),
        ("A*", Type::Glob, "ignore-case", b"abc", false),
        ("a/[b]", Type::Glob, "", b"a/[b]", true),
        ("a*b", Type::Glob, "", b"a\nb", true),
    ];
    for (pattern, kind, words, text, expected) in table {
        let matches = matcher(pattern, *kind, words).is_match(text);
        assert_eq!(matches, *expected, "{pattern} as {kind:?} {words} in {}", text.escape_ascii());
    }
}

/// Breaks without it: what PCRE2 alone understands is given to `regex`, or what users write most is not, and
/// is slow.
#[test]
fn the_rule_says_whose_a_pattern_is() {
    let regular = [
        "plain text",
        r"sshd\[\d+\]: ",
        "^(a|b)c$",
        "(?i)error|warn",
        ".*foo.*",
        "[^ ]+ [a-z0-9_-]{2,5}?",
        "a|b$",
        r"\bfoo\b",
        "(?:x(?<name>y)z)*",
        r#"{"a": 1}"#,
        "[]a]",
        r"[\w.]+@[[:alnum:]]",
        r"\x41\n",
        "Br\u{fc}cke",
        r"a\Z",
    ];
    for pattern in regular {
        assert!(matcher(pattern, Type::Pcre, "").is_regular(), "{pattern}");
    }
    let pcre = [
        "(?=a)b",
        r"(a)\1",
        "a++",
        "(?>a)",
        r"\Qa\E",
        r"\h",
        r"\p{L}",
        "(?m)^a",
        "(?x) a",
        "a$b",
        "(a$)*",
        "(*UTF)a",
        "\u{fc}+",
        "[\u{fc}]",
        r"a\Kb",
        r"\R",
        "(?#c)a",
        "[a-c-e]",
        "a{,3}",
        "(?|(a)|(b))",
        r"\x{41}",
        r"\x4",
        r"\07",
        r"(?(?=a)a|b)",
        "(?R)?a",
        r"\N",
        r"[\b]",
        "(a{50}){50}",
        "a{0}",
    ];
    for pattern in pcre {
        assert!(!matcher(pattern, Type::Pcre, "").is_regular(), "{pattern}");
    }
    assert!(!matcher("a", Type::Pcre, "newline").is_regular());
    assert!(
        !matcher("k", Type::Pcre, "utf8 ignore-case").is_regular(),
        "it has a third case: the Kelvin sign"
    );
}

/// Breaks without it: a mistake in a pattern is reported at another place, because of the limits before it.
#[test]
fn a_mistake_is_at_its_place() {
    let error = |pattern, words| Matcher::new(pattern, Type::Pcre, flags(words)).unwrap_err();
    for (pattern, words, at, reason) in [
        ("a(b", "", 3, "missing closing parenthesis"),
        ("a(b", "dupnames", 3, "missing closing parenthesis"),
        ("*a", "", 0, "quantifier does not follow a repeatable item"),
        ("[z-a]", "", 3, "range out of order in character class"),
        ("(?<n>a)(?<n>b)", "", 12, "two named subpatterns have the same name (PCRE2_DUPNAMES not set)"),
    ] {
        let found = error(pattern, words);
        assert_eq!((found.at, found.reason.as_str()), (at, reason), "{pattern}");
    }
}

/// Breaks without it: `$1` or a named group holds another part of the text.
#[test]
fn groups_are_found_with_their_names() {
    let matcher = matcher("(?<w>[a-z]+) ([0-9]+)(z)?", Type::Pcre, "store-matches");
    let mut captures = matcher.captures();
    assert!(matcher.find_at(b"-- abc 12", 0, &mut captures));
    let found: Vec<_> = (0..captures.len()).map(|group| captures.get(group)).collect();
    assert_eq!(found, [Some(3..9), Some(3..6), Some(7..9), None]);
    assert_eq!(matcher.group_names(), [None, Some("w".to_owned()), None, None]);
    assert!(matcher.stores() && !matcher.find_at(b"-- abc 12", 7, &mut captures));
    // `$` before the newline at the end does not take it.
    let matcher = self::matcher("c$", Type::Pcre, "");
    let mut captures = matcher.captures();
    assert!(matcher.find_at(b"abc\n", 0, &mut captures));
    assert_eq!(captures.get(0), Some(2..3));
}

/// Breaks without it: what is replaced in a text is not what a pattern of type string stands for.
#[test]
fn strings_are_found_where_they_stand() {
    for (words, text, start, expected) in [
        ("", "foo", 0, Some(0..3)),
        ("", "foo bar", 0, None),
        ("prefix", "foo bar", 0, Some(0..3)),
        ("prefix", "foo bar", 3, None),
        ("substring", "a foo foo", 0, Some(2..5)),
        ("substring", "a foo foo", 3, Some(6..9)),
        ("substring", "a foo", 3, None),
        ("substring ignore-case", "a FOO", 0, Some(2..5)),
        ("prefix ignore-case", "FOO bar", 0, Some(0..3)),
    ] {
        let matcher = matcher("foo", Type::String, words);
        let mut captures = matcher.captures();
        let found = matcher.find_at(text.as_bytes(), start, &mut captures).then(|| captures.get(0)).flatten();
        assert_eq!(found, expected, "{words}: {text} from {start}");
    }
}

/// Breaks without it: a sender who knows a pattern holds a worker up with one message.
#[test]
fn a_match_that_takes_too_long_is_given_up() {
    let text = [b"a".repeat(200), b"!".to_vec()].concat();
    for words in ["", "disable-jit"] {
        // The group's name makes it a pattern that the other engine does not get.
        let matcher = matcher(r"^(?:a+)+\K$", Type::Pcre, words);
        assert!(!matcher.is_match(&text));
        assert_eq!(matcher.given_up(), 1, "{words}");
        assert!(matcher.is_match(b"aaa") && !matcher.is_match(b"b"));
        assert_eq!(matcher.given_up(), 1);
        assert_eq!(matcher.clone().given_up(), 0, "a copy counts for itself");
    }
    // The engine that does not go back takes it as it is.
    let regular = matcher("^(?:a+)+$", Type::Pcre, "");
    assert!(regular.is_regular() && !regular.is_match(&text) && regular.given_up() == 0);
    // A long text needs more stack than machine code has at first.
    let long = [b"ab".repeat(8000), b"c".to_vec()].concat();
    assert!(matcher(r"^(?:a|b)*\Kc", Type::Pcre, "").is_match(&long));
}

/// Breaks without it: a pattern whose groups are asked for, or with several ways to match, is taken for one of
/// characters and sets alone; or none is.
#[test]
fn plain_patterns() {
    for (pattern, words, is_plain) in [
        ("o[a-z]", "", true),
        ("abc", "", true),
        (r"\d\.", "utf8", true),
        ("(?i)ab", "", true),
        ("(o)[a-z]", "", false),
        ("(abc)", "", false),
        ("", "", false),
        ("^a", "", false),
        ("a$", "", false),
        ("a*b", "", false),
        ("a|b", "", false),
        (r"\ba", "", false),
        ("a(?=b)", "", false),
        ("a?", "", false),
    ] {
        assert_eq!(matcher(pattern, Type::Pcre, words).is_plain(), is_plain, "{pattern}");
    }
    assert!(!matcher("abc", Type::String, "substring").is_plain());
}

/// Pieces of patterns, most of which the rule gives to `regex`.
fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[abAB 1_.\n-]",
        2 => prop_oneof![
            Just("."), Just("^"), Just("$"), Just(r"\A"), Just(r"\z"), Just(r"\Z"), Just(r"\b"), Just(r"\B"),
            Just(r"\d"), Just(r"\D"), Just(r"\w"), Just(r"\W"), Just(r"\s"), Just(r"\S"), Just(r"\n"), Just(r"\."),
            Just(r"\x41"), Just(r"\-"), Just("{"), Just("]"), Just("}"), Just("\u{e9}"), Just("(?i)"), Just("(?s)"),
            Just("(?-i)"),
        ].prop_map(str::to_owned),
        2 => prop_oneof![
            Just("[ab]"), Just("[^ab]"), Just("[a-c]"), Just("[^A-Z]"), Just(r"[\w.]"), Just(r"[^\W]"), Just("[]a]"),
            Just("[^]a]"), Just("[a-]"), Just("[-a]"), Just("[[:alpha:]]"), Just("[[:^upper:]]"), Just("[[:punct:]a]"),
            Just("[[:cntrl:]]"), Just("[^[:space:]]"), Just(r"[\n\t]"), Just("[[]"), Just("[a^]"), Just("[[:lower:]]"),
            Just(r"[\D]"), Just(r"[^\s\d]"), Just("[[:print:]]"), Just("[[:graph:]]"), Just("[[:word:]]"),
        ].prop_map(str::to_owned),
    ];
    let repetition = prop_oneof![
        6 => Just(""), 1 => Just("*"), 1 => Just("+"), 1 => Just("?"), 1 => Just("*?"), 1 => Just("{2}"), 1 => Just("{1,2}"),
        1 => Just("{0,}"), 1 => Just("+?"), 1 => Just("{0}"),
    ];
    let sequence = |inner: BoxedStrategy<String>, repetition: BoxedStrategy<&'static str>| {
        prop::collection::vec((inner, repetition), 0..5)
            .prop_map(|pieces| pieces.into_iter().map(|(piece, times)| piece + times).collect::<String>())
    };
    let repetition = repetition.boxed();
    piece.prop_recursive(3, 24, 5, move |inner| {
        let sequence = sequence(inner.boxed(), repetition.clone());
        let open = prop_oneof![Just("("), Just("(?:"), Just("(?i:"), Just("(?<n>"), Just("")];
        (open, prop::collection::vec(sequence, 1..3)).prop_map(|(open, branches)| {
            let close = if open.is_empty() { "" } else { ")" };
            format!("{open}{}{close}", branches.join("|"))
        })
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[abAB1_ .\n-]".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![&b"\xc3\xa9"[..], b"\xff", b"\xa0", b"\r\n", b"[]{}^", b"zZ"])
            .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Breaks without it: the two engines differ about a pattern that the rule gives to `regex`.
    #[test]
    fn both_engines_agree(
        pattern in pattern(),
        utf8 in any::<bool>(),
        ignore_case in any::<bool>(),
        texts in prop::collection::vec(text(), 1..6),
    ) {
        let mut flags = Flags::default();
        if utf8 { flags = flags.with(Flag::Utf8); }
        if ignore_case { flags = flags.with(Flag::IgnoreCase); }
        // What is no pattern is none for both: PCRE2 alone says so.
        let Ok(matcher) = Matcher::new(&pattern, Type::Pcre, flags) else { return Ok(()) };
        let twin = matcher.without_regex();
        for text in texts {
            let expected = twin.is_match(&text);
            prop_assume!(twin.given_up() == 0);
            prop_assert_eq!(
                matcher.is_match(&text), expected, "{:?} {:?} in {}", pattern, flags, text.escape_ascii()
            );
            let mut captures = matcher.captures();
            prop_assert_eq!(matcher.find_at(&text, 0, &mut captures), expected);
            if !matcher.is_plain() { continue; }
            let (mut ours, mut theirs, mut start) = (Vec::new(), Vec::new(), 0);
            matcher.find_plain(&text, |found| {
                ours.push(found);
                true
            });
            while twin.find_at(&text, start, &mut captures)
                && let Some(found) = captures.get(0)
            {
                prop_assert!(!found.is_empty());
                start = found.end;
                theirs.push(found);
            }
            prop_assert_eq!(&ours, &theirs, "{:?} in {}", pattern, text.escape_ascii());
        }
    }
}
