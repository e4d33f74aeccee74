//! `group-lines()`: lines of several messages.

use std::time::Duration;

use super::*;
use crate::parser::correlation::MOST_CONTEXTS;
use crate::parser::tests::rig::Rig;
use crate::parser::tests::said;

fn group(options: &str) -> String {
    format!("group-lines(key(\"$PID\") timeout(10) {options});")
}

fn indented() -> Rig {
    Rig::new(&group("multi-line-mode(indented)"), "$MSG")
}

/// G3, and breaks without it: lines that belong together stay apart, or come out before they are complete.
#[test]
fn indented_lines_go_on() {
    let rig = indented();
    assert_eq!(rig.post(&["l1", " l2"]), <[&str; 0]>::default());
    assert_eq!(rig.post(&["m1"]), ["l1\n l2"]);
    assert_eq!(rig.post_each(&["\tm2", "n", "o"]), ["m1\n\tm2", "n"]);
    assert_eq!(rig.finish(), ["o"]);
    rig.end();
}

/// Breaks without it: a message is acknowledged before it is delivered, or holds its source back as long as
/// its group waits.
#[test]
fn credit_comes_back_at_once_and_the_outcome_later() {
    let rig = indented();
    rig.post(&["a", " b", " c"]);
    assert_eq!(rig.kept(), 3, "they are in flight");
    assert_eq!(rig.credit_out(), 0, "and their credit is back");
    assert_eq!(rig.wait(10), ["a\n b\n c"]);
    assert_eq!(rig.kept(), 0);
    rig.end();
}

/// Breaks without it: the last lines wait for ever, or the time is that of the first line.
#[test]
fn a_group_is_due_after_its_last_line() {
    let rig = indented();
    rig.post(&["a"]);
    assert!(rig.wait(9).is_empty());
    rig.post(&[" b"]);
    assert!(rig.wait(9).is_empty());
    assert_eq!(rig.wait(1), ["a\n b"]);
    rig.end();
}

/// Breaks without it: the lines of two keys are one message, or the scope is not part of the key.
#[test]
fn lines_of_other_keys_are_other_messages() {
    let body = "kv-parser(prefix(\".\")); group-lines(key(\"${.k}\") timeout(1) multi-line-mode(indented) scope(process));";
    let rig = Rig::new(body, "$MSG");
    rig.post(&["k=1, a", "k=2, b", " k=1, c", " k=2, d"]);
    assert_eq!(rig.wait(1), ["k=1, a\n k=1, c", "k=2, b\n k=2, d"]);
    rig.end();
    let names = ["global", "host", "program", "process"];
    for (scope, apart) in names.into_iter().zip([false, false, true, true]) {
        let body = format!(
            "csv-parser(columns(\"PROGRAM\") delimiters(\"|\") flags()); \
             group-lines(key(\"\") timeout(1) multi-line-mode(indented) scope({scope}) template(\"$MSG\"));"
        );
        let rig = Rig::new(&body, "$MSG");
        rig.post(&["a|1", " b|2"]);
        let expected = if apart { vec!["a|1", " b|2"] } else { vec!["a|1\n b|2"] };
        assert_eq!(rig.finish(), expected, "{scope}");
        rig.end();
    }
}

/// Breaks without it: what comes out is another message than that of the last line.
#[test]
fn the_message_is_that_of_the_last_line() {
    let body =
        "kv-parser(); group-lines(key(\"\") timeout(1) multi-line-mode(indented) line-separator(\" / \"));";
    let rig = Rig::new(body, "$n $o [$PROGRAM] $SOURCE <$MSG> $TAGS");
    rig.post(&["n=1 o=x", " n=2"]);
    assert_eq!(rig.finish(), ["2  [prog] s <n=1 o=x /  n=2> .source.s"]);
    rig.end();
}

/// Breaks without it: a record ends elsewhere than its patterns say.
#[test]
fn patterns_begin_and_end_records() {
    let garbage = group("multi-line-mode(regexp) multi-line-prefix(\"^>\") multi-line-garbage(\"--\")");
    let rig = Rig::new(&garbage, "$MSG");
    assert_eq!(rig.post(&[">a", "b", ">c", "d -- e", "--", "f", ">g"]), [">a\nb", ">c\nd ", "f"]);
    assert_eq!(rig.finish(), [">g"]);
    rig.end();
    let suffix = group("multi-line-mode(prefix-suffix) multi-line-prefix(\"^>\") multi-line-suffix(\"<$\")");
    let rig = Rig::new(&suffix, "$MSG");
    assert_eq!(rig.post(&[">a", "b<", ">c<", "d"]), [">a\nb<", ">c<"]);
    assert_eq!(rig.finish(), ["d"]);
    assert_eq!(rig.counts().made, 2, "one went on as it came");
    rig.end();
}

/// Breaks without it: traces that come in turns are torn apart.
#[test]
fn traces_are_put_together_for_each_key() {
    let body = "kv-parser(prefix(\".\")); group-lines(key(\"${.p}\") timeout(5) multi-line-mode(smart) template(\"${.t}\"));";
    let rig = Rig::new(body, "$MSG");
    let one = ["p=1 t='Traceback (most recent call last):'", "p=2 t='panic: x'", "p=3 t=alone"];
    assert_eq!(rig.post(&one), ["alone"]);
    let two = ["p=1 t='  File \"a\", line 1'", "p=2 t='\tb.go:1'", "p=1 t='ValueError: y'", "p=1 t=next"];
    let first = "Traceback (most recent call last):\n  File \"a\", line 1\nValueError: y";
    assert_eq!(rig.post(&two), [first, "next"]);
    assert_eq!(rig.finish(), ["panic: x\n\tb.go:1"]);
    rig.end();
}

/// Breaks without it: lines that came in another order stay in it, or texts are compared up to the shorter
/// one.
#[test]
fn lines_are_sorted_by_their_key() {
    let body = "kv-parser(prefix(\".\")); group-lines(key(\"\") timeout(1) multi-line-mode(prefix-suffix) \
                multi-line-suffix(\"end\") sort-key(\"${.s}\") template(\"${.t}\"));";
    let rig = Rig::new(body, "$MSG ${.s}");
    assert_eq!(rig.post(&["s=2 t=b", "s=1 t=a", "s=10 t=x", "s=2 t=c", "s=3 t=end"]), ["a\nx\nb\nc\nend 3"]);
    rig.end();
}

/// Breaks without it: one sender takes memory without end.
#[test]
fn what_is_collected_has_a_bound() {
    let rig = Rig::with("options { log-msg-size(10); };", &group("multi-line-mode(indented)"), "$MSG");
    assert_eq!(
        rig.post(&["aaaa", " bbbb", " cccc", " ddddddddddddddd", " e"]),
        ["aaaa\n bbbb", " cccc", " ddddddddddddddd"]
    );
    assert_eq!(rig.counts().closed_early, 3);
    rig.finish();
    rig.end();
    let rig = Rig::new(
        "kv-parser(prefix(\".\")); group-lines(key(\"$MSG\") timeout(9) multi-line-mode(indented));",
        "$MSG",
    );
    let texts: Vec<String> = (0..1000).map(|number| format!("{number:08}")).collect();
    let mut out = 0;
    for many in 0..=MOST_CONTEXTS / 1000 {
        let texts: Vec<String> = texts.iter().map(|text| format!("{many}{text}")).collect();
        out += rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>()).len();
    }
    let counts = rig.counts();
    assert!(counts.contexts <= MOST_CONTEXTS as u64 && counts.closed_early == out as u64 && out > 0);
    assert_eq!(rig.finish().len(), counts.contexts as usize);
    rig.end();
}

/// Breaks without it: lines that wait at a reload are lost, or come behind later ones.
#[test]
fn a_reload_hands_the_lines_on() {
    let (old, new) = (indented(), indented());
    old.post(&["a", " b"]);
    new.post(&[" c"]);
    new.take_over(&old);
    assert!(old.finish().is_empty());
    assert_eq!((old.statistics().processed, new.statistics().processed), (2, 1), "nothing is counted twice");
    assert_eq!((old.counts().contexts, old.counts().bytes), (0, 0));
    assert_eq!(new.post(&["d"]), ["a\n b\n c"]);
    new.finish();
    assert_eq!(old.kept(), 2, "until what they became is acknowledged");
    assert_eq!(new.kept(), 0);
    old.end();
    new.end();
    let other = Rig::new(&group("multi-line-mode(indented) scope(host)"), "$MSG");
    assert_ne!(indented().key(), other.key(), "other options are another step");
}

/// Breaks without it: a wrong option is taken, or one that is missing is found when a message comes.
#[test]
fn options() {
    for (options, expected) in [
        ("timeout(1) multi-line-mode(indented)", "needs a key()"),
        ("key(\"a\") multi-line-mode(indented)", "needs a timeout()"),
        ("key(\"a\") timeout(0) multi-line-mode(indented)", "timeout"),
        ("key(\"a\") timeout(1)", "needs a multi-line-mode()"),
        ("key(\"a\") timeout(1) multi-line-prefix(\"x\")", "a mode that has none"),
        ("key(\"a\") timeout(1) multi-line-mode(indented) multi-line-prefix(\"x\")", "a mode that has none"),
        ("key(\"a\") timeout(1) multi-line-mode(prefix-suffix)", "needs the pattern of the suffix"),
        ("key(\"a\") timeout(1) multi-line-mode(indented) multi-line-timeout(1)", "no multi-line-timeout()"),
        ("key(\"a\") timeout(1) multi-line-mode(indent)", "did you mean `indented`?"),
        ("key(\"a\") timeout(1) multi-line-mode(indented) scope(hots)", "did you mean `host`?"),
        ("kye(\"a\")", "did you mean `key`?"),
    ] {
        let text = said(&format!("group-lines({options});"));
        assert!(text.contains(expected), "{options}: {text}");
    }
    assert_eq!(said(&group("multi-line-mode(indented)")), "");
    assert_eq!(
        Duration::from_secs(10),
        CorrelationOptions { timeout: Some(10), ..Default::default() }.wait()
    );
}
