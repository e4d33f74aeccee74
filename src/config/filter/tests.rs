//! The grammar of filters and of what may stand in a log path beside sources and destinations, with a
//! function `m("text")`, which is met by texts with that text in them.

use std::sync::{Arc, LazyLock};

use super::super::driver::{DriverHead, Options, Syntax, Vocabulary};
use super::super::log_path::{FilterRef, LogItem, LogPath};
use super::super::parser::{Parsed, Parser};
use super::super::token::TokenKind;
use super::super::{Config, Diagnostics, Environment, parse_str};
use super::Condition;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
    sources: crate::drivers::VOCABULARY.sources.clone(),
    destinations: crate::drivers::VOCABULARY.destinations.clone(),
    parsers: Vec::new(),
    filters: vec![Syntax { word: "m", read: contains }, Syntax { word: "level", read: contains }],
    rewrites: Vec::new(),
    path_items: &["filter", "junction", "if"],
    condition: |_, _| unreachable!("no template has one"),
    names: |_, _| unreachable!("no template asks for names"),
    doubts: |_| Vec::new(),
    refused_sources: Vec::new(),
    refused_parsers: Vec::new(),
    refused_destinations: Vec::new(),
    refused_filters: vec!["rate-limit"],
    refused_rewrites: Vec::new(),
});

#[derive(Debug)]
struct Contains(String);

fn contains(parser: &mut Parser, _: DriverHead) -> Parsed<Arc<dyn Options>> {
    let text = parser.string("a text")?;
    parser.expect(&TokenKind::RParen)?;
    Ok(Arc::new(Contains(text.value)))
}

fn parse(text: &str) -> Result<Config, Diagnostics> {
    parse_str("test.conf", text, &Environment::new(&VOCABULARY))
}

fn right(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The messages about a text that is wrong.
fn wrong(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err(text);
    errors.iter().map(|error| error.message().to_owned()).collect()
}

fn meets(config: &Config, condition: &Condition, text: &str) -> bool {
    match condition {
        Condition::Not(inner) => !meets(config, inner, text),
        Condition::And(parts) => parts.iter().all(|part| meets(config, part, text)),
        Condition::Or(parts) => parts.iter().any(|part| meets(config, part, text)),
        Condition::Reference(name) => meets(config, &config.filters[&name.value].condition, text),
        Condition::Comparison(_) => panic!("compared elsewhere"),
        Condition::Test(function) => text.contains(&function.options::<Contains>().expect("made here").0),
    }
}

/// Those of `texts` that `filter { … }` lets pass.
fn passed(expression: &str, texts: &str) -> String {
    let config = right(&format!("filter f {{ {expression} }};"));
    let condition = &config.filters["f"].condition;
    let passed: Vec<_> = texts.split(' ').filter(|text| meets(&config, condition, text)).collect();
    passed.join(" ")
}

/// Breaks without it: `;`, `and`, `or` and `not` bind otherwise than in the language, and other messages
/// pass.
#[test]
fn conditions_bind_as_in_the_language() {
    for (expression, texts, expected) in [
        (r#"m("b") or m("c") and m("d")"#, "b c cd d", "b cd"),
        (r#"not m("a") and m("b")"#, "b ab a c", "b"),
        (r#"m("a"); or m("b");"#, "a b c", "a b"),
        (r#"m("a") or m("b"); m("c") or m("d");"#, "a d ad bc cd", "ad bc"),
        (r#"m("a");; m("b");;;"#, "a b ab", "ab"),
        (r#"m("a"); and m("b");"#, "a b ab", "ab"),
        (r#"not not m("a")"#, "a b", "a"),
        (r#"not (m("a") or m("b"))"#, "a b c", "c"),
        (r#"not (m("a"); or m("b");)"#, "a b c", "c"),
        // (a or b) and c; a and (b or c); (a and b) or c
        (r#"m("a") or m("b"); m("c")"#, "a ac bc c", "ac bc"),
        (r#"m("a"); m("b") or m("c")"#, "a ab ac c", "ab ac"),
        (r#"m("a"); m("b"); or m("c")"#, "a ab ac c", "ab ac c"),
        (r#"m("a"); and m("b") or m("c")"#, "a ab c", "ab c"),
    ] {
        assert_eq!(passed(expression, texts), expected, "{expression}");
    }
}

/// Breaks without it: a filter has to stand before its use, which native does not ask for.
#[test]
fn a_filter_may_name_one_that_comes_later() {
    let config = right("filter f { filter(g) and not filter(h) }; filter g { m(x) }; filter 'h' { m(y); };");
    let condition = &config.filters["f"].condition;
    let names: Vec<_> = condition.references().into_iter().map(|name| name.value.as_str()).collect();
    assert_eq!(names, ["g", "h"]);
    assert!(meets(&config, condition, "x") && !meets(&config, condition, "xy"));
}

/// Breaks without it: the engine looks for the end of a circle for ever.
#[test]
fn a_circle_is_shown_with_both_places() {
    let text = "filter a { filter(b) };\nfilter b { not filter(c) or filter(a) };\nfilter c { m(x) };";
    let errors = parse(text).unwrap_err();
    assert_eq!(errors.error_count(), 1);
    let shown = errors.to_string();
    assert!(shown.starts_with("error: the filter `a` refers to itself\n --> test.conf:2:36"), "{shown}");
    assert!(shown.contains("1 | filter a { filter(b) };"), "{shown}");
    assert!(shown.contains("the way is a → b → a"), "{shown}");
    assert_eq!(wrong("filter a { filter(a) };"), ["the filter `a` refers to itself"]);
    assert_eq!(wrong("filter a { filter(b) }; filter b { filter(b) };"), ["the filter `b` refers to itself"]);
    // Two ways to one filter are no circle, and many of them cost little.
    let ladder: Vec<_> = (0..200)
        .map(|step| format!("filter f{step} {{ filter(f{0}) and filter(f{0}) }};", step + 1))
        .chain(["filter f200 { m(x) };".to_owned()])
        .collect();
    right(&ladder.join("\n"));
}

/// Breaks without it: one missing sign in a condition gives a page of errors.
#[test]
fn one_mistake_in_a_filter_is_one_error() {
    for (text, message) in [
        ("filter f { };", "expected a filter function, as in level(err), found `}`"),
        ("filter f { ; };", "expected a filter function, as in level(err), found `;`"),
        ("filter f { m(a) or };", "expected a filter function, as in level(err), found `}`"),
        ("filter f { m(a) AND m(b) };", "expected `}`, found `AND`"),
        ("filter f { (m(a) m(b)) };", "expected `and`, `or`, `;` or `)`, found `m`"),
        ("filter f { m };", "expected a filter function, as in level(err), found `m`"),
        ("filter f { levl(err) };", "unknown filter function `levl`"),
        (
            "filter f { rate-limit(rate(1)) };",
            "the filter function `rate-limit` is not supported by this version of Inrush",
        ),
        ("filter f { \"$A\" = \"b\" };", "expected a comparison, as in \"$HOST\" eq \"web\", found `=`"),
        ("filter f { '$1' ne or m(a); m(b) };", "expected `}`, found `m`"),
        ("filter f { '$1' ne };", "expected a template, as in \"$HOST\", found `}`"),
        ("filter f { itn(\"5\") == 5 };", "unknown filter function `itn`"),
        ("filter f { filter(g) };", "no filter is called `g`"),
        ("log { filter { bad(x); m(y) }; destination { stdout(); }; };", "unknown filter function `bad`"),
        ("log { if (m(x) and) { }; };", "expected a filter function, as in level(err), found `)`"),
        ("log { if () { }; };", "expected a filter function, as in level(err), found `)`"),
        ("log { if m(x) { }; };", "expected `(` and a condition, or `{`, found `m`"),
        ("log { if (m(x)) { } else { } elif (m(y)) { }; };", "nothing can come after `else { … }` but a `;`"),
        ("log { if (m(x)) { } };", "expected `;`, found `}`"),
        ("log { else { }; };", "`else` is not supported by this version of Inrush"),
        ("log { filter(g); };", "no filter is called `g`"),
        ("log { if (filter(g)) { }; };", "no filter is called `g`"),
        ("log { junction { filter(g); }; };", "expected a channel, as in channel { … };, found `filter`"),
        (
            "log { filter { m(x) }; source { internal(); }; };",
            "source has to come before what happens to its messages",
        ),
        ("log { log { }; filter { m(x) }; };", "filter has to come before the embedded paths"),
        (
            "log { junction { channel { source { internal(); }; }; channel { }; }; };",
            "some channels of this junction have a source, and this one has none",
        ),
        ("filter f { m(x) }; filter f { m(y) };", "there is already a filter called `f`"),
    ] {
        assert_eq!(wrong(text), [message], "{text}");
    }
    let deep = format!("filter f {{ {}m(x){} }};", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(wrong(&deep), ["conditions are nested more than 64 levels deep"]);
    assert_eq!(wrong(&format!("filter f {{ {} m(x) }};", "not ".repeat(10_000))).len(), 1);
}

/// Breaks without it: what is behind a mistake in a filter is not read, and its mistakes show only
/// afterwards.
#[test]
fn what_follows_a_wrong_filter_is_read() {
    let text = "filter f { bad(x); (m(y) };\nlog { filter { m(a) m(b); }; flags(fina); };\nfilter g { m(x) oder m(y); };";
    let messages = wrong(text);
    assert_eq!(messages.len(), 5, "{messages:?}");
}

/// Breaks without it: a branch of a path is read and belongs to another one.
#[test]
fn junctions_and_ifs_are_in_the_tree() {
    let config = right(
        "filter f { m(x) };
         log {
             source { internal(); };
             filter(f);
             filter { m(y); };
             junction { channel { filter(f); flags(final); }; log { }; };
             if (m(a) or m(b)) { destination { stdout(); }; } elif { filter(f); } else { flags(final); };
             channel { destination { stdout(); }; flags(fallback); };
             flags(flow-control);
         };",
    );
    let path = &config.logs[0];
    let [
        _,
        LogItem::Filter(named),
        LogItem::Filter(inline),
        LogItem::Junction(channels),
        LogItem::If { branches, otherwise },
        LogItem::Log(embedded),
    ] = path.items.as_slice()
    else {
        panic!("{:?}", path.items)
    };
    assert!(matches!(named, FilterRef::Named(name, _) if name == "f"));
    assert!(matches!(inline, FilterRef::Inline(filter) if filter.name == "#anon-filter0"));
    assert!(channels[0].flags.is_final && channels[1].items.is_empty());
    assert!(branches[0].condition.is_some() && branches[1].condition.is_none());
    assert!(otherwise.as_ref().is_some_and(|path| path.flags.is_final));
    assert!(embedded.flags.fallback && path.flags.flow_control == Some(true));
    assert_eq!(config.all_paths().len(), 7);
    assert!(path.has_source() && !channels.iter().any(LogPath::has_source));
}
