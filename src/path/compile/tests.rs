//! Configurations, and the sends of their sources.
use std::fmt::Write as _;

use super::*;
use crate::config::{Environment, parse_str};
use crate::drivers::VOCABULARY;
use crate::path::SendTo;

/// For each source its destinations, with `!` where its source waits for them.
fn sends(logs: &str) -> Vec<String> {
    let text = format!(
        "source a {{ internal(); }}; source b {{ internal(); }};\n\
         destination x {{ file(\"x\"); }}; destination y {{ file(\"y\"); file(\"y2\"); }}; destination z {{ file(\"z\"); }};\n\
         {logs}"
    );
    let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    let compiled = compile(&config).unwrap();
    let shown = |source: &Entrance<'_>| {
        let program = &source.program;
        let name = |way: &SendTo| {
            let held = if way.flow_control { "!" } else { "" };
            format!("{}{held}", program.destinations()[way.destination])
        };
        let sends: Vec<_> = program.all_sends().iter().map(name).collect();
        format!("{}: {}", source.statement, sends.join(" "))
    };
    compiled.sources.iter().map(shown).collect()
}
/// Breaks without it: a destination gets messages in another order than the file has its paths.
#[test]
fn paths_in_order_with_all_drivers_of_a_statement() {
    let logs = "log { source(a); source(b); destination(y); destination(x); flags(flow-control); }; log { source(b); destination(x); };";
    assert_eq!(sends(logs), ["a: y#0! y#1! x#0!", "b: y#0! y#1! x#0! x#0"]);
}

/// Breaks without it: `flags(final)` and `flags(fallback)` are read and not followed.
#[test]
fn final_ends_the_walk_and_fallback_is_for_what_went_no_other_way() {
    let logs = "log { source(b); destination(z); flags(fallback); };\
                log { source(a); destination(x); flags(final); };\
                log { source(a); destination(y); };\
                log { destination(z); flags(catchall, fallback); };";
    assert_eq!(sends(logs), ["b: z#0 z#0", "a: x#0"]);
}

/// Breaks without it: a path within a path loses messages that the one around it would hold.
#[test]
fn embedded_paths_inherit_flow_control_and_dispatch_by_themselves() {
    let logs = "log { source(a); destination(x);\
                  log { destination(z); flags(no-flow-control, final); };\
                  log { destination(y); };\
                flags(flow-control); };\
                log { source(b); log { destination(z); flags(fallback); }; log { log { destination(x); }; }; };";
    assert_eq!(sends(logs), ["a: x#0! z#0", "b: x#0"]);
}

/// Breaks without it: a source of an inner path also sends to the outer one's destinations.
#[test]
fn a_source_inside_a_path_enters_there() {
    let logs = "log { source(a); destination(x); log { source(b); destination(z); }; };";
    assert_eq!(sends(logs), ["a: x#0 z#0", "b: z#0"]);
}

/// Breaks without it: `flags(catchall)` is read and not followed.
#[test]
fn a_catchall_path_starts_all_sources() {
    assert_eq!(sends("log { destination(x); flags(catchall); };"), ["a: x#0", "b: x#0"]);
}

/// Breaks without it: a configuration that native accepts is refused.
#[test]
fn a_path_without_a_destination_is_legal() {
    assert_eq!(sends("log { source(a); };"), ["a: "]);
}

/// Breaks without it: what a source has in its body does not lead to the paths that name it, or comes there in
/// another place than the source's own.
#[test]
fn a_path_in_a_source_is_a_branch_of_the_source_that_it_names() {
    let text = "source t { channel { source(a); }; internal(); };\n\
                log { source(t); destination(x); }; log { source(a); destination(z); }; log { source(t); destination(z); };";
    assert_eq!(sends(text), ["t: x#0 z#0", "a: x#0 z#0 z#0"]);
    let both = "log { junction { channel { source(a); destination(x); }; channel { source(b); }; }; destination(z); };";
    assert_eq!(sends(both), ["a: x#0 z#0", "b: z#0"]);
    let inside = "log { if { source(a); destination(x); } else { source(b); }; destination(z); };";
    assert_eq!(sends(inside), ["a: x#0 z#0", "b: z#0"]);
}

/// Breaks without it: the second copy is lost, or one comes although the first one was final.
#[test]
fn a_source_that_is_named_twice_enters_twice() {
    assert_eq!(sends("log { source(a); source(a); destination(x); };"), ["a: x#0 x#0"]);
    assert_eq!(sends("log { source(a); source(a); destination(x); flags(final); };"), ["a: x#0"]);
    let catchall = "log { source(a); source { internal(); }; destination(x); flags(catchall); };";
    assert_eq!(sends(catchall), ["a: x#0", "b: x#0", "#anon-source0: x#0"]);
}

/// Breaks without it: messages come back from a destination, or flow control does not reach into it.
#[test]
fn a_destination_has_paths_of_its_own() {
    let text = "destination v { channel { destination(x); flags(no-flow-control); }; file(\"v\"); channel { destination(z); }; };\n\
                log { source(a); destination(v); destination(z); flags(flow-control); };";
    assert_eq!(sends(text), ["a: x#0 v#1! z#0! z#0!"]);
    let last = "destination v { channel { destination(x); flags(final); }; file(\"v\"); };\n\
                log { source(a); destination(v); destination(z); };";
    assert_eq!(sends(last), ["a: x#0 z#0"]);
}

/// Breaks without it: a parser's paths are branches instead of steps, or their flags are lost.
#[test]
fn the_paths_of_a_parser_follow_each_other() {
    let text = "parser p { channel { destination(x); flags(final); }; log { destination(z); }; };\n\
                log { source(a); parser(p); destination(x); }; log { source(a); destination(y); };";
    assert_eq!(sends(text), ["a: x#0 z#0 x#0"]);
}

/// Breaks without it: two places that name a parser share the state of its filters, or two sources do not.
#[test]
fn a_step_has_one_state_for_each_way_of_names() {
    let text = "source a { internal(); }; source b { internal(); }; destination x { file(\"x\"); };\n\
                parser p { channel { filter { level(err); }; }; };\n\
                log { source(a); source(b); parser(p); parser(p); destination(x); };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    let compiled = compile(&config).unwrap();
    let steps: Vec<Vec<_>> = compiled.sources.iter().map(|source| source.program.steps()).collect();
    let [[first, second], [same, other]] = [&steps[0][..], &steps[1][..]] else { panic!("{steps:?}") };
    assert!(!Arc::ptr_eq(first, second));
    assert!(Arc::ptr_eq(first, same) && Arc::ptr_eq(second, other));
}

/// Breaks without it: statements that double others take all memory before anybody is told.
#[test]
fn names_do_not_multiply_without_bound() {
    let mut text =
        "source a { internal(); }; parser p0 { channel { filter { level(err); }; }; };\n".to_owned();
    for number in 1..40 {
        let inner = number - 1;
        writeln!(text, "parser p{number} {{ channel {{ parser(p{inner}); parser(p{inner}); }}; }};").unwrap();
    }
    text += "log { source(a); parser(p39); };";
    let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
    let errors = compile(&config).unwrap_err();
    assert!(errors[0].to_string().contains("have more than 100000 items"), "{}", errors[0]);
}

/// Breaks without it: nobody is told of a path that gets nothing, or of one that gets something.
#[test]
fn paths_that_nothing_reaches() {
    let found = |logs: &str| {
        let text = format!(
            "source a {{ internal(); }}; source b {{ internal(); }}; destination x {{ file(\"x\"); }};\n{logs}"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        unreached(&config).iter().map(|warning| warning.place().unwrap().1).collect::<Vec<_>>()
    };
    let behind = "log { source(a); destination(x); flags(final); };\nlog { source(a); destination(x); };\n\
                  log { source(a); source(b); destination(x); };";
    assert_eq!(found(behind), [3]);
    let fallback = "log { source(a); };\nlog { source(a); destination(x); flags(fallback); };\n\
                    log { source(b); log { destination(x); flags(final); };\nlog { destination(x); }; };";
    assert_eq!(found(fallback), [3, 5]);
    assert!(
        found("log { source(a); filter { level(err); }; flags(final); };\nlog { source(a); };").is_empty()
    );
}

/// Breaks without it: two parsers keep their messages under one name, and a reload mixes them; or one that is
/// used in two places is refused.
#[test]
fn a_name_under_which_messages_are_kept_is_that_of_one_parser() {
    let parser = |options: &str| format!("grouping-by(key(\"k\") timeout(1) aggregate() {options});");
    let errors = |one: &str, two: &str| {
        let text = format!(
            "log {{ source {{ internal(); }}; parser {{ {} }}; parser {{ {} }}; }};",
            parser(one),
            parser(two)
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        compile(&config).map(|_| ()).map_err(|errors| errors[0].to_string())
    };
    for (one, two) in [("", ""), ("persist-name(a)", "persist-name(a) scope(host)")] {
        let error = errors(one, two).unwrap_err();
        assert!(error.contains("two parsers keep their messages under the name"), "{error}");
    }
    assert_eq!(errors("", "scope(host)"), Ok(()));
    assert_eq!(errors("persist-name(a)", "persist-name(b)"), Ok(()));
    let twice =
        format!("parser p {{ {} }}; log {{ source {{ internal(); }}; parser(p); parser(p); }};", parser(""));
    let config = parse_str("test.conf", &twice, &Environment::new(&VOCABULARY)).unwrap();
    let compiled = compile(&config).unwrap();
    let keys: Vec<_> =
        compiled.sources[0].program.steps().iter().map(|step| step.key().unwrap().to_owned()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}
