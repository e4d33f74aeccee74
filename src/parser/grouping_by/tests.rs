//! `grouping-by()`: messages that belong together, and the templates over them.

use super::*;
use crate::parser::correlation::{MOST_BYTES, MOST_CONTEXTS};
use crate::parser::tests::rig::Rig;
use crate::parser::tests::said;

/// A rig that parses pairs, and groups by `k`.
fn rig(options: &str, shown: &str) -> Rig {
    let body = format!("kv-parser(pair-separator(\";\")); grouping-by(key(\"$k\") timeout(10) {options});");
    Rig::new(&body, shown)
}

const COUNT: &str = "aggregate(value(\"MESSAGE\" \"made $(context-length)\"))";

/// G1: the aggregate counts itself, and stands before the message that triggered it.
#[test]
fn a_trigger_closes_a_context() {
    let grouped = rig(&format!("trigger(match(\"^END\" value(\"MESSAGE\"))) {COUNT}"), "$MSG");
    assert_eq!(grouped.post(&["a 1", "a 2", "a 3", "END"]), ["a 1", "a 2", "a 3", "made 5", "END"]);
    assert_eq!(grouped.post(&["b", "END"]), ["b", "made 3", "END"], "the key begins anew");
    assert_eq!((grouped.counts().made, grouped.counts().contexts), (2, 0));
    grouped.end();
}

/// G2: one message of those that `where()` lets in; the others are dropped with them.
#[test]
fn aggregate_only_keeps_all_back() {
    let options =
        format!("where(not message(\"out\")) inject-mode(aggregate-only) trigger(message(\"END\")) {COUNT}");
    let grouped = rig(&options, "$MSG");
    assert_eq!(grouped.post(&["a", "out", "END"]), ["made 3"]);
    let statistics = grouped.statistics();
    assert_eq!((statistics.processed, statistics.discarded), (3, 1));
    assert_eq!(grouped.kept(), 0);
    grouped.post(&["a", "b"]);
    assert_eq!((grouped.kept(), grouped.credit_out()), (2, 0), "in flight, and their credit is back");
    assert_eq!(grouped.wait(10), ["made 3"]);
    grouped.end();
    let passing = rig(&format!("where(not message(\"out\")) {COUNT}"), "$MSG");
    assert_eq!(passing.post(&["a", "out"]), ["a", "out"]);
    assert_eq!(passing.finish(), ["made 2"]);
    passing.end();
}

/// Breaks without it: a context is closed by the time of its first message, or never.
#[test]
fn a_context_is_due_after_its_last_message() {
    let grouped = rig(COUNT, "$MSG");
    grouped.post(&["k=1", "k=2"]);
    assert!(grouped.wait(6).is_empty());
    grouped.post(&["k=1"]);
    assert_eq!(grouped.wait(4), ["made 2"]);
    assert_eq!(grouped.wait(6), ["made 3"]);
    grouped.end();
}

/// V8: what templates see of a context of twelve messages and the one that is made.
#[test]
fn templates_see_all_messages_of_the_context() {
    for (template, expected) in [
        ("${a}@0|", "|"),
        ("${a}@1", "v11"),
        ("${a}@2", "v10"),
        ("${a}@12|", "v0|"),
        ("${a}@13|", "|"),
        ("${a}@99999999999999999999999|", "|"),
        ("${a}@10", "v2"),
        ("$a|", "|"),
        ("${a:-x}@13|${nope:-x}@1", "|x"),
        ("${a}@1@@x", "v11@@x"),
        ("$(echo $a)@1", "v11"),
        ("$(echo ${a}@0)@1", "v11"),
        ("$(echo ${a}@1)@1|", "|"),
        ("$(context-length)", "13"),
        ("$(context-length)@1", "1"),
        ("$(context-length)@0", "1"),
        ("$(grep (\"$n\" > \"25\") $a $n)", "v9,27,v10,30,v11,33"),
        ("$(grep -m 2 (\"$n\" > \"0\") $a)", "v1,v2"),
        ("$(grep -m 0 (\"$n\" > \"25\") $a)", "v9,v10,v11"),
        ("$(context-lookup (\"$n\" > \"29\") $q)", "'x,\"10','x,\"11'"),
        ("$(sum $n)", "198"),
        ("$(min $n)", "0"),
        ("$(max $n)", "33"),
        ("$(average $n)", "16"),
        ("$(sum $a)|", "|"),
        ("$(sum $n)@1", "33"),
        ("$(format-json a)@1", "{\"a\":\"v11\"}"),
        ("$(list-count $(context-values $q))", "13"),
        ("$CONTEXT_ID|$_", "1|1"),
        ("$(if (\"$(context-length)\" == 13) yes no)", "yes"),
        ("$(if (\"${a}@1\" eq \"v11\") yes no)", "yes"),
        ("$(length $(format-json --key a))", "124"),
    ] {
        let options = format!("aggregate(value(\"MESSAGE\" '{template}') inherit-mode(none))");
        let body = format!("json-parser(); grouping-by(key(\"$k\") timeout(10) {options});");
        let grouped = Rig::new(&body, "$MSG");
        let text = |i| format!(r#"{{"k":1,"a":"v{i}","n":{},"q":"x,\"{i}"}}"#, 3 * i);
        let texts: Vec<String> = (0..12).map(text).collect();
        grouped.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(grouped.finish(), [expected], "{template}");
        grouped.end();
    }
}

/// Breaks without it: values of several messages are written as those of one, or the message behind a context
/// still sees it.
#[test]
fn values_of_each_message_are_written() {
    let options = "aggregate(value(\"MESSAGE\" \"$(format-welf a=$a)|$(format-json a=$a)\") inherit-mode(last-message))";
    let grouped = rig(options, "$MSG $(context-length)$(format-welf a=$a)");
    grouped.post(&["k=1;a=b"]);
    assert_eq!(grouped.finish(), ["a=b a=b|{\"a\":\"b\"}{\"a\":\"b\"} 1a=b"]);
    grouped.end();
}

/// Breaks without it: `having()` counts the message that is made, or is not looked at.
#[test]
fn having_decides_whether_a_message_is_made() {
    let options = format!("having(\"$(context-length)\" >= \"2\" and \"${{a}}@1\" eq \"x\") {COUNT}");
    let grouped = rig(&options, "$MSG");
    grouped.post(&["k=1;a=x", "k=1;a=y", "k=2;a=x", "k=3;a=y", "k=3;a=y"]);
    assert_eq!(grouped.finish(), ["made 3"]);
    grouped.end();
}

/// Breaks without it: a trigger sees the last message alone.
#[test]
fn a_trigger_sees_the_context() {
    let grouped = rig(&format!("trigger(\"$(sum $n)\" > \"5\") {COUNT}"), "$MSG");
    assert_eq!(grouped.post(&["k=1;n=3", "k=2;n=3", "k=1;n=3"]), ["k=1;n=3", "k=2;n=3", "made 3", "k=1;n=3"]);
    grouped.finish();
    grouped.end();
}

/// Breaks without it: the message that is made has values of the wrong messages.
#[test]
fn values_are_inherited() {
    let texts = ["k=1;a=old;b=old;c=;e=old", "k=1;a=mid;d=mid;e=mid", "k=1;a=new"];
    for (mode, expected) in [
        ("none", "h= p= a= b= c= d= e= t=agg"),
        ("last-message", "h=h p=prog a=new b= c= d= e= t=.source.s,agg"),
        ("context", "h=h p=prog a=new b=old c= d=mid e=mid t=.source.s,agg"),
    ] {
        let options = format!("aggregate(tags(\"agg\") value(\"x\" int(\"5\")) inherit-mode({mode}))");
        let grouped = rig(&options, "h=$HOST p=$PROGRAM a=$a b=$b c=$c d=$d e=$e t=$TAGS");
        grouped.post(&texts);
        assert_eq!(grouped.finish(), [expected], "{mode}");
        grouped.end();
    }
    // What the scope has in common is the message's, too, and values see those before them.
    let options = "scope(program) prefix(\"p.\") aggregate(value(\"a\" \"1\") value(\"b\" \"<${p.a}>\") inherit-mode(none))";
    let grouped = rig(options, "$HOST $PROGRAM $PID ${p.a} ${p.b} $(format-json --scope nv-pairs)");
    grouped.post(&["k=1"]);
    assert_eq!(
        grouped.finish(),
        [
            "h prog  1 <1> {\"p\":{\"b\":\"<1>\",\"a\":\"1\"},\"SOURCE\":\"s\",\"PROGRAM\":\"prog\",\"HOST\":\"h\"}"
        ]
    );
    grouped.end();
}

/// Breaks without it: messages that came in another order stay in it.
#[test]
fn messages_are_sorted() {
    let options =
        "sort-key(\"$s\") aggregate(value(\"MESSAGE\" \"$(context-values $s)\") inherit-mode(none))";
    let grouped = rig(options, "$MSG");
    grouped.post(&["k=1;s=b", "k=1;s=a", "k=1;s=ab"]);
    assert_eq!(grouped.finish(), ["a,ab,b,\"\""]);
    grouped.end();
}

/// Breaks without it: contexts that wait at a reload are lost, or two parsers share one.
#[test]
fn a_reload_hands_contexts_on() {
    let made =
        || rig("inject-mode(aggregate-only) aggregate(value(\"MESSAGE\" \"$(context-values $s)\"))", "$MSG");
    let (old, new) = (made(), made());
    old.post(&["k=1;s=1", "k=2;s=x"]);
    new.post(&["k=1;s=2"]);
    new.take_over(&old);
    assert!(old.finish().is_empty());
    assert_eq!(new.counts().contexts, 2);
    let mut out = new.wait(10);
    out.sort();
    assert_eq!(out, ["1,2,2", "x,x"]);
    assert_eq!(old.kept(), 3, "with one that was made, until that is acknowledged");
    new.kept();
    new.end();
    old.end();
}

/// Breaks without it: messages of many connections that are due together take a slab each, which is gigabytes.
#[test]
fn messages_of_many_origins_take_what_they_need() {
    let grouped = rig(&format!("inject-mode(aggregate-only) {COUNT}"), "$MSG");
    for number in 0..2000 {
        grouped.post(&[&format!("k={number}")]);
    }
    assert_eq!(grouped.wait(10).len(), 2000);
    let memory = grouped.memory();
    assert!(memory < 8 << 20, "{memory} bytes of batches");
    grouped.end();
}

/// Breaks without it: a sender of ever new keys, or of one, takes memory without end.
#[test]
fn contexts_have_bounds() {
    let grouped = rig(&format!("inject-mode(aggregate-only) {COUNT}"), "$MSG");
    let texts: Vec<String> = (0..=MOST_CONTEXTS).map(|number| format!("k={number}")).collect();
    let mut made = 0;
    for chunk in texts.chunks(1000) {
        made += grouped.post(&chunk.iter().map(String::as_str).collect::<Vec<_>>()).len() as u64;
        grouped.kept();
    }
    let counts = grouped.counts();
    assert!(counts.contexts <= MOST_CONTEXTS as u64 && counts.bytes <= MOST_BYTES);
    assert!(made > 0 && counts.closed_early == made && counts.made == made);
    assert_eq!(grouped.finish().len() as u64, counts.contexts);
    grouped.end();
    let one = rig(&format!("inject-mode(aggregate-only) {COUNT}"), "$MSG");
    for _ in 0..MOST_MESSAGES / 1000 {
        assert!(one.post(&["k=1"; 1000]).is_empty());
    }
    assert_eq!(one.post(&["k=1"]), [format!("made {}", MOST_MESSAGES + 1)]);
    assert_eq!(one.counts().closed_early, 1);
    one.finish();
    one.end();
}

/// Breaks without it: nobody sees what closes the contexts of a parser, or how long one has been open.
#[test]
fn what_closes_contexts_is_counted() {
    let grouped = rig(&format!("trigger(message(\"END\")) {COUNT}"), "$MSG");
    grouped.post(&["k=1", "k=2 END", "k=3"]);
    let counts = grouped.counts();
    assert_eq!((counts.contexts, counts.closed_by_message, counts.closed_by_timeout), (2, 1, 0));
    let first = counts.oldest.unwrap();
    grouped.wait(9);
    grouped.post(&["k=4"]);
    assert_eq!(grouped.counts().oldest, Some(first));
    assert_eq!(grouped.wait(9).len(), 2);
    let counts = grouped.counts();
    assert_eq!((counts.contexts, counts.closed_by_timeout, counts.closed_at_end), (1, 2, 0));
    assert!(counts.oldest.unwrap() > first);
    assert_eq!(grouped.finish().len(), 1);
    let counts = grouped.counts();
    assert_eq!((counts.contexts, counts.closed_at_end, counts.made), (0, 1, 4));
    assert_eq!(counts.oldest, None);
    grouped.end();
}

/// Breaks without it: a wrong option is taken, or one that is missing is found when a message comes.
#[test]
fn options() {
    for (options, expected) in [
        ("timeout(1) aggregate()", "needs a key()"),
        ("key(\"a\") aggregate()", "needs a timeout()"),
        ("key(\"a\") timeout(1)", "needs an aggregate()"),
        ("key(\"a\") timeout(1) aggregate(value(\"PRI\" \"1\"))", "nothing can be set under it"),
        ("key(\"a\") timeout(1) aggregate(inherit-mode(all))", "inherit-mode"),
        ("key(\"a\") timeout(1) aggregate() inject-mode(internal)", "is not supported"),
        ("key(\"a\") timeout(1) aggregate() inject-mode(agregate-only)", "did you mean `aggregate-only`?"),
        ("key(\"a\") timeout(1) aggregate() where(filter(nope))", "no filter is called `nope`"),
        ("key(\"a\") timeout(1) aggregate() template(\"x\")", "`template` has no effect"),
        ("key(\"a\") timeout(1) aggregate() trigger(level(nope))", "nope"),
    ] {
        let text = said(&format!("grouping-by({options});"));
        assert!(text.contains(expected), "{options}: {text}");
    }
    let with_filter = Rig::with(
        "filter f { message(\"in\"); };",
        &format!("grouping-by(key(\"\") timeout(1) where(filter(f)) {COUNT} persist-name(\"x\"));"),
        "$MSG",
    );
    with_filter.post(&["in", "out"]);
    assert_eq!(with_filter.finish(), ["made 2"]);
    with_filter.end();
}
