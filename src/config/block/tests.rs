//! Blocks: definitions, arguments, the texts that they become, and what is said of those that are wrong.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::super::driver::{DriverHead, Options, Syntax, Vocabulary};
use super::super::filter::Condition;
use super::super::log_path::LogItem;
use super::super::parser::{Parsed, Parser};
use super::super::token::TokenKind;
use super::super::{Config, Diagnostics, Environment, parse_str};

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
    sources: crate::drivers::VOCABULARY.sources.clone(),
    destinations: crate::drivers::VOCABULARY.destinations.clone(),
    parsers: Vec::new(),
    filters: vec![Syntax { word: "message", read: text }],
    rewrites: Vec::new(),
    path_items: &["filter", "junction", "if"],
    condition: |_, _| unreachable!("no template has one"),
    names: |_, _| unreachable!("no template asks for names"),
    doubts: |_| Vec::new(),
    refused_sources: Vec::new(),
    refused_parsers: Vec::new(),
    refused_destinations: Vec::new(),
    refused_filters: Vec::new(),
    refused_rewrites: Vec::new(),
});

fn text(parser: &mut Parser, _: DriverHead) -> Parsed<Arc<dyn Options>> {
    let text = parser.string("a text")?;
    parser.expect(&TokenKind::RParen)?;
    Ok(Arc::new(text.value))
}

fn parse(text: &str) -> Result<Config, Diagnostics> {
    let variables = HashMap::from([("ENVVAR".to_owned(), "of the environment".to_owned())]);
    parse_str("test.conf", text, &Environment { variables, ..Environment::new(&VOCABULARY) })
}

fn right(text: &str) -> Config {
    let config = parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    assert!(config.warnings.is_empty(), "{text}\n{}", config.warnings[0]);
    config
}

/// The messages about a text that is wrong.
fn wrong(text: &str) -> Vec<String> {
    let errors = parse(text).expect_err(text);
    errors.iter().map(|error| error.message().to_owned()).collect()
}

/// The template that a block makes of its parameters `a` and `c`, which has the default "", in `"…"`.
fn made(uses: &str) -> String {
    let block = "block root b(a() c(\"\")) {\ntemplate t \"`a`[`c`]\";\n};";
    right(&format!("{block} {uses};")).templates["t"].text.text.clone()
}

/// The template that a block makes of the argument `x`, which stands in `text`.
fn with_argument(text: &str, argument: &str) -> String {
    let config = right(&format!("block root b(x()) {{\ntemplate t {text};\n}};\nb(x({argument}));"));
    config.templates["t"].text.text.clone()
}

/// Breaks without it: a parameter of a block keeps its name, or gets the argument of another one.
#[test]
fn arguments_come_in_the_place_of_their_names() {
    assert_eq!(made("b(a(\"1\"))"), "1[]");
    assert_eq!(made("b(a(1) c(2))"), "1[2]");
    assert_eq!(made("b(a(1) c(2) a(3) c())"), "3[]");
    assert_eq!(made("b(\n  a ( 1 ), # not c(7)\n  c(\\\n2),\n)"), " 1 [\\\n2]".replace("\\\n", ""));
}

/// Breaks without it: quotes or parentheses of an argument are lost on the way into a block.
#[test]
fn an_argument_is_taken_as_it_is_written() {
    for (argument, expected) in [
        (" s o ", " s o "),
        (r#""a\"q""#, "a\"q"),
        (r#""a\\b""#, r"a\b"),
        (r#"'ap"os'"#, "ap\"os"),
        ("a(b)c", "a(b)c"),
        ("\"\"", ""),
    ] {
        assert_eq!(with_argument("\"[`x`]\"", argument), format!("[{expected}]"), "{argument}");
    }
    assert_eq!(with_argument("`x`", "\"$MSG!\""), "$MSG!");
    assert_eq!(with_argument("'`x`'", "\"dq\""), "dq");
    assert_eq!(with_argument("'`x`'", "a|b@c \\ {;}"), "a|b@c \\ {;}");
    // Parentheses in quoted texts and in comments close nothing.
    let argument = "internal(tags(')' \"(\\\")\")); # )\n internal()";
    let text = format!("block source b(x()) {{ `x`; }}; source s {{ b(x({argument})); }};");
    assert_eq!(right(&text).sources["s"].drivers().len(), 2);
    assert_eq!(wrong("block root b(x()) {\ntemplate t '`x`';\n};\nb(x(\"it's\"));").len(), 1);
    assert_eq!(wrong("block root b(x()) {\ntemplate t \"\\`x`\";\n};\nb(x(a));").len(), 1);
}

/// Breaks without it: a wrong use of a block is told at the block, where there is nothing to mend.
#[test]
fn wrong_uses_are_told_at_their_place() {
    let block = "block source b(a() long-name(\"\")) { internal(tags(\"`a`\")); };";
    for (used, message) in [
        ("b()", "the block `b` needs `a(…)`"),
        ("b(a())", "the block `b` needs `a(…)`"),
        ("b(a(1) z(2))", "the block `b` has no parameter `z`"),
        ("b(a(1) long-nam(2))", "the block `b` has no parameter `long-nam`"),
        ("b(\"1\")", "expected an argument, as in name(text), or `)`, found \"1\""),
        ("b(a)", "expected an argument, as in name(text), or `)`, found `a`"),
        ("b", "expected `(`, found `;`"),
        ("c(a(1))", "unknown source driver `c`"),
        ("b(a(1)); internl()", "unknown source driver `internl`"),
    ] {
        assert_eq!(wrong(&format!("{block} source s {{ {used}; }};")), [message], "{used}");
    }
    let unclosed = wrong(&format!("{block} source s {{ b(a(1); }};"));
    assert_eq!(unclosed, ["expected an argument, as in name(text), or `)`, found `;`"]);
    assert_eq!(
        wrong(&format!("{block} source s {{ b(a(1; }};")),
        ["the text that starts here has no closing parenthesis"]
    );
    let errors = parse(&format!("{block} source s {{ bb(a(1)); }};")).unwrap_err();
    assert_eq!(errors.iter().next().and_then(|error| error.help()), Some("did you mean `b`?"));
}

/// Breaks without it: a block that cannot work is accepted until it is used.
#[test]
fn wrong_definitions_are_told_at_their_place() {
    for (text, message) in [
        ("block sauce b() { };", "a block cannot be for `sauce`"),
        (
            "block \"source\" b() { };",
            "expected a context, as in block source name() { … }, found \"source\"",
        ),
        ("block source \"b\"() { };", "expected a name for the block, found \"b\""),
        ("block source b { };", "expected `(`, found `{`"),
        ("block source b(p) { };", "expected a parameter, as in name(default), or `)`, found `p`"),
        ("block source b(... p()) { };", "expected `)`: `...` is the last parameter, found `p`"),
        ("block source b() x { };", "expected `{`, found `x`"),
        ("block source b() { ", "the brace of this block is never closed"),
        ("block source b() { } source s { internal(); };", "expected `;`, found `source`"),
    ] {
        assert_eq!(wrong(text), [message], "{text}");
    }
    right(
        "block parser p(prefix(\".a.\")) { json-parser(prefix(\"`prefix`\")); }; block rewrite r() { }; block inner_src i() { };",
    );
}

/// Breaks without it: an argument that a block does not name is lost without a word.
#[test]
fn other_arguments_are_in_varargs() {
    let text = "block root v(a(1) ...) {\ntemplate t '`a`: `__VARARGS__`';\n};";
    let made = |used: &str| right(&format!("{text}\n{used};")).templates["t"].text.text.clone();
    assert_eq!(made("v()"), "1: ");
    assert_eq!(made("v(b-c(\"x\" y) a(2) b-c(z) d())"), "2: b_c(\"x\" y) b_c(z) d() ");
    let config = right(
        "block source s(...) { python(class(A) `__VARARGS__`); }; source s { s(tags(t) log-iw-size(7)); };",
    );
    let options = format!("{:?}", config.sources["s"].drivers()[0].options);
    assert!(options.contains("log_iw_size: Some(7)") && options.contains("tags: [\"t\"]"), "{options}");
}

/// Breaks without it: a parameter has the value of a `@define` of the same name.
#[test]
fn names_between_backticks_are_looked_up_from_the_inside_out() {
    let config = parse(
        "@define gdef of-the-file
@define dash-name dashed
block root b(ENVVAR(argument) p-q(1)) { template t \"a``b `ENVVAR` `p_q` `gdef` `dash_name`\"; };
block root c() { template u \"`ENVVAR` `none`\"; };
b(); c();",
    )
    .unwrap();
    assert_eq!(config.templates["t"].text.text, "a`b argument 1 of-the-file dashed");
    assert_eq!(config.templates["u"].text.text, "of the environment ");
    assert_eq!(config.warnings.len(), 1);
    // An argument is not replaced a second time, and a lone backtick in a comment is no expression.
    assert_eq!(with_argument("'`x`'", "a``x``b"), "a`x`b");
    right("block root b() { # it`s\n }; b();");
    assert_eq!(
        wrong("block root b() {\ntemplate t \"`a\";\n};\nb();"),
        ["this backtick has no partner on its line"]
    );
}

/// Breaks without it: a block is refused where its text would be good, or taken where it would not be.
#[test]
fn blocks_stand_where_their_text_may_stand() {
    let config = right(
        "@define flag final
block options o(size()) { log-fifo-size(`size`); keep-hostname(yes); };
block source src(tag()) { internal(tags(\"`tag`\")) };
block destination dst() { stdout(); stdout(); };
block inner-dest lines() { template(\"$MSG\\n\") };
block log one() { filter { message(x); }; destination(d); };
block log last() { log { destination(d); }; flags(`flag`) };
block filter f(p()) { message(\"`p`\") };
block root both(n()) { filter f_`n` { f(p(`n`)) or f(p(y)); }; source s_`n` { src(tag(`n`)); };\n};
options { o(size(7)); };
both(n(a)) both(n(b));
destination d { dst(); };
log { source(s_a); one(); last(); };
log { source { src(tag(z)); }; destination { stdout(lines() log-fifo-size(3) lines()); }; };",
    );
    assert!(config.options.log_fifo_size == 7 && config.options.keep_hostname);
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["s_a", "s_b"]);
    assert!(matches!(&config.filters["f_b"].condition, Condition::Or(parts) if parts.len() == 2));
    assert_eq!(config.destinations["d"].drivers().len(), 2);
    let path = &config.logs[0];
    assert!(matches!(
        path.items[..],
        [LogItem::Source(_), LogItem::Filter(_), LogItem::Destination(_), LogItem::Log(_)]
    ));
    assert!(path.flags.is_final);
}

/// Breaks without it: a block that native accepts is refused.
#[test]
fn an_empty_block_and_doubled_semicolons_are_fine() {
    let config =
        right("block source e() { }; block source i() { internal();; }; source s { e(); ; i(); e() };");
    assert_eq!(config.sources["s"].drivers().len(), 1);
    right("block root e() { }; e();; e() e();");
    assert_eq!(wrong("block source i() { internal() }; source s { i() i(); };"), ["expected `;`, found `i`"]);
}

/// Breaks without it: a block takes the place of a driver, or an old one that of a new one.
#[test]
fn the_last_definition_counts_and_the_language_comes_first() {
    let text = "block root b() { template t \"1\"; }; block root b() { template t \"2\"; }; b();";
    assert_eq!(right(text).templates["t"].text.text, "2");
    let text = "block source internal() { python(); }; block options keep_hostname() { x; };
                source s { internal(); }; options { keep-hostname(yes); };";
    right(text);
}

/// Breaks without it: what a block defines is not known to the lines after its use.
#[test]
fn the_lines_of_a_block_are_lines_of_the_file() {
    let text = "block root b(v()) {\n@define name `v`\nblock root inner(w()) { template t_`v` \"`w` `v` `name`\"; };\n};
b(v(one));
inner(w(x));
b(v(two)); inner(w(y)); template u \"`name`\";";
    let config = right(text);
    assert_eq!(config.templates["t_one"].text.text, "x one one");
    assert_eq!(config.templates["t_two"].text.text, "y two two");
    // The line of the last use was read before the block: as with every @define, it counts from the next line
    // on.
    assert_eq!(config.templates["u"].text.text, "one");
    // A text begins behind its brace, and not in the first column.
    let messages = wrong("block root b() {@define x y\n}; b();");
    assert_eq!(messages, ["`@` has no meaning here and is skipped", "unknown statement `define`"]);
}

/// Breaks without it: Python code in a block cannot use an argument, or loses what stands between backticks.
#[test]
fn python_in_a_block_gets_the_arguments_and_keeps_its_backticks() {
    let text = "block root b(n()) {\npython {\nNAME = \"`n`\"  # don't touch `this` or ```\nX = '`n`'\n};\n};\nb(n(\"a'b\"));";
    let config = right(text);
    let block = &config.python_blocks[0];
    assert_eq!(block.code, "\nNAME = \"a'b\"  # don't touch `this` or ```\nX = '\"a'b\"'\n");
    assert_eq!(block.line, 2);
    // On the line of the brace nothing is replaced that belongs to the code.
    let config = right("python { x = '`x`' }; block root b(p()) { template t \"`p`\"; }; b(p(1));");
    assert_eq!(config.python_blocks[0].code, "x = '`x`' ");
}

/// Breaks without it: an error in a block does not say which use of it is meant.
#[test]
fn an_error_is_shown_in_the_block_and_at_its_use() {
    let text = "block source inner(t()) {\n  internal(tgs(`t`));\n};
block source outer() {\n  inner(t(a));\n};
source s { outer(); };";
    let shown = parse(text).unwrap_err().to_string();
    let expected = "error: unknown option `tgs`
 --> test.conf:2:12
  |
2 |   internal(tgs(`t`));
  |            ^^^
...
5 |   inner(t(a));
  |   ----------- `inner` is used here
6 | };
7 | source s { outer(); };
  |            ------- `outer` is used here
  |
  = help: did you mean `tags`?";
    assert_eq!(shown, expected);
    let text = "block root b(x()) {\n  template t \"`x`\";\n};\n\n\n\nb(x(\"${\"));";
    let shown = parse(text).unwrap_err().to_string();
    assert!(shown.contains("--> test.conf:2:15") && shown.contains("`b` is used here"), "{shown}");
    assert!(shown.contains("`x` between backticks was read as: ${"), "{shown}");
}

/// Breaks without it: a block that uses itself takes all memory.
#[test]
fn recursion_and_growth_have_an_end() {
    let text = "block source a() { b(); };\nblock source b() { a(); };\nsource s { a(); };";
    let errors = parse(text).unwrap_err();
    assert_eq!(errors.error_count(), 1);
    let shown = errors.to_string();
    assert!(shown.starts_with("error: the block `a` uses itself"), "{shown}");
    assert!(shown.contains("the way is a → b → a"), "{shown}");
    let ladder: Vec<_> = (0..300).map(|n| format!("block source b{n}() {{ b{}(); }};", n + 1)).collect();
    let errors = parse(&format!("{}\nsource s {{ b0(); }};", ladder.join("\n"))).unwrap_err();
    let shown = errors.to_string();
    assert!(shown.starts_with("error: blocks use blocks more than 256 levels deep"), "{shown}");
    assert!(shown.contains("252 more uses of blocks lie between") && shown.len() < 5000, "{shown}");
    let doubled: Vec<_> =
        (0..40).map(|n| format!("block source b{n}() {{ b{0}(); b{0}(); }};", n + 1)).collect();
    let text = format!("{}\nblock source b40() {{ }};\nsource s {{ b0(); }};", doubled.join("\n"));
    assert_eq!(wrong(&text), ["the configuration uses blocks more than 100000 times"]);
}
