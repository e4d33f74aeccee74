//! Trees of patterns, beside a slow twin that looks at one pattern after the other.

use proptest::prelude::*;

use super::*;
use crate::parser::db::pattern::read;

/// The search, slow and obvious: all patterns, one after the other, by their pieces.
///
/// The order of the tree is that of the texts: literal before parsers, parsers as they first came. So the
/// patterns are put into that order by the way on which each comes first.
fn twin(patterns: &[&str], text: &str) -> Option<usize> {
    let ends = |pattern: &str| {
        let (mut at, mut is_behind_parser) = (0, false);
        for piece in read(pattern).unwrap() {
            match piece {
                Piece::Literal(literal) => {
                    at += matched(&literal, &text.as_bytes()[at..])?;
                    is_behind_parser = false;
                }
                Piece::Parser(parser) => {
                    if at == text.len() && !is_behind_parser {
                        return None;
                    }
                    at += parser.take(&text.as_bytes()[at..])?.len;
                    is_behind_parser = true;
                }
            }
        }
        Some(at)
    };
    let found: Vec<(usize, usize)> =
        patterns.iter().enumerate().filter_map(|(number, pattern)| Some((number, ends(pattern)?))).collect();
    let longest = found.iter().map(|(_, at)| *at).max()?;
    let mut best: Vec<usize> =
        found.iter().filter(|(_, at)| *at == longest).map(|(number, _)| *number).collect();
    best.sort_by_key(|number| way(patterns, patterns[*number]));
    Some(best[0])
}

/// A pattern as the choices on its way: at each byte of literal text 0, at a parser one more than the number
/// of the parsers that came before at this place.
fn way(patterns: &[&str], pattern: &str) -> Vec<usize> {
    let symbols = |pattern: &str| -> Vec<String> {
        let symbols = |piece: Piece| match piece {
            Piece::Literal(text) => text.iter().map(|byte| format!("'{byte}")).collect(),
            Piece::Parser(parser) => vec![parser.text],
        };
        read(pattern).unwrap().into_iter().flat_map(symbols).collect()
    };
    let (own, all) = (symbols(pattern), patterns.iter().map(|pattern| symbols(pattern)));
    let all: Vec<Vec<String>> = all.collect();
    let choice = |at: usize| {
        if own[at].starts_with('\'') {
            return 0;
        }
        let mut seen: Vec<&String> = Vec::new();
        for other in all.iter().filter(|other| other.len() > at && other[..at] == own[..at]) {
            if !other[at].starts_with('\'') && !seen.contains(&&other[at]) {
                seen.push(&other[at]);
            }
        }
        1 + seen.iter().position(|text| **text == own[at]).unwrap()
    };
    (0..own.len()).map(choice).collect()
}

fn found(patterns: &[&str], text: &str) -> Option<usize> {
    let mut tree = Tree::default();
    for (number, pattern) in patterns.iter().enumerate() {
        let _ = tree.insert(read(pattern).unwrap(), number as u32);
    }
    tree.find(text.as_bytes(), &mut Search::default()).map(|number| number as usize)
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "ab",
        " ",
        "1",
        "\n",
        "@NUMBER@",
        "@STRING@",
        "@STRING:x@",
        "@ESTRING:: @",
        "@ANYSTRING@",
        "@OPTIONALSET::ab@",
        "@SET::b1@",
        "@NLSTRING@",
        "@QSTRING::ab@",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Breaks without it: a tree finds another pattern than a look at each of them.
    #[test]
    fn a_tree_finds_what_a_look_at_each_pattern_finds(
        patterns in prop::collection::vec(prop::collection::vec(piece(), 0..5), 1..12),
        text in "[ab1 \r\n]{0,8}",
    ) {
        let mut patterns: Vec<String> = patterns.iter().map(|pieces| pieces.concat()).collect();
        let mut seen = std::collections::HashSet::new();
        patterns.retain(|pattern| seen.insert(pattern.clone()));
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        prop_assert_eq!(found(&patterns, &text), twin(&patterns, &text), "{:?}", patterns);
    }
}

/// P6, P7, and breaks without it: a rule is chosen by another order than that of the language.
#[test]
fn literal_text_comes_before_parsers_and_the_whole_text_before_a_part() {
    for (patterns, text, expected) in [
        (&["num @NUMBER@ a", "num @STRING:w@ b"][..], "num 5 b", Some(1)),
        (&["prefix", "prefix longer @NUMBER@ e"], "prefix longer 5", Some(0)),
        (&["prefix", "prefix longer @NUMBER@ e"], "prefixtail", Some(0)),
        (&["prefix", "prefix longer @NUMBER@ e"], "prefi", None),
        (&["@STRING:x@ b", "a b"], "a b", Some(1)),
        (&["a", "@STRING:x@"], "ab", Some(1)),
        (&["@NUMBER:x@", "@STRING:y@"], "5", Some(0)),
        (&["a @ANYSTRING:r@"], "a ", None),
        (&["a@NUMBER@@ANYSTRING:r@"], "a5", Some(0)),
        (&["a\nb"], "a\r\nb", Some(0)),
        (&["a\r\nb", "a\nb"], "a\r\nb", Some(0)),
        (&["a@@b"], "a@b", Some(0)),
        (&[""], "any", Some(0)),
        (&["a"], "", None),
    ] {
        assert_eq!(found(patterns, text), expected, "{patterns:?} of {text:?}");
    }
}

/// Breaks without it: values of a way that led nowhere stay.
#[test]
fn values_are_those_of_the_way_that_was_found() {
    let mut tree = Tree::default();
    tree.insert(read("@NUMBER:n@ @NUMBER:m@ x").unwrap(), 0).unwrap();
    tree.insert(read("@STRING:s@ @STRING:t@").unwrap(), 1).unwrap();
    assert_eq!(tree.insert(read("@STRING:s@ @STRING:t@").unwrap(), 2), Err(1));
    let mut search = Search::default();
    assert_eq!(tree.find(b"1 2 y", &mut search), Some(1));
    let values: Vec<_> = search
        .found()
        .iter()
        .map(|capture| (&*tree.parsers[capture.parser as usize].name, capture.start, capture.end))
        .collect();
    assert_eq!(values, [("s", 0, 1), ("t", 2, 3)]);
}

/// Breaks without it: a long text, or many patterns with one beginning, take their square, or the stack.
#[test]
fn hostile_texts_and_patterns() {
    let mut tree = Tree::default();
    for number in 0..500_u32 {
        tree.insert(read(&format!("@ESTRING:a{number}:x@@QSTRING:b{number}:[]@!")).unwrap(), number).unwrap();
    }
    tree.insert(read(&"@OPTIONALSET:o:a@@STRING:s@ ".repeat(10_000)).unwrap(), 999).unwrap();
    let mut search = Search::default();
    for text in ["[".repeat(1 << 20), "x".repeat(1 << 20), "a ".repeat(1 << 19), "\"".repeat(1 << 20)] {
        tree.find(text.as_bytes(), &mut search);
    }
}
