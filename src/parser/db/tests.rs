//! `db-parser()`: rules of a file, on messages.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::parser::correlation::MOST_CONTEXTS;
use crate::parser::tests::rig::Rig;
use crate::parser::tests::{compiled, messages, said, values};
use crate::path::alone;

/// A database of rules for any program.
fn of_rules(rules: &str) -> String {
    format!("<patterndb version='6'><ruleset name='r' id='s'><rules>{rules}</rules></ruleset></patterndb>")
}

/// A rule without actions.
fn rule(id: &str, pattern: &str) -> String {
    format!("<rule id='{id}'><patterns><pattern>{pattern}</pattern></patterns></rule>")
}

/// A directory with the file.
fn file(text: &str) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("db.xml");
    fs::write(&path, text).unwrap();
    (dir, path.to_str().unwrap().to_owned())
}

fn parser(path: &str, options: &str) -> String {
    format!("db-parser(file(\"{path}\") {options});")
}

/// The values and tags that a parser of `text` gives a message; `DROP` where it does not go on.
fn classified(text: &str, options: &str, message: &str) -> String {
    let (_dir, path) = file(text);
    let (parsed, said) =
        alone(&*compiled(&parser(&path, options)), messages(&[message.as_bytes()]), Instant::now());
    assert_eq!(said, Vec::<String>::new());
    if parsed.rows().is_empty() {
        return "DROP".to_owned();
    }
    let tags: Vec<_> =
        parsed.message(0).tags().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
    format!("{} {}", values(&parsed, 0).join(" "), tags[1..].join(","))
}

/// The same of one pattern, without what classifies.
fn found(pattern: &str, message: &str) -> String {
    let all = classified(&of_rules(&rule("1", pattern)), "prefix(\"p.\")", message);
    if all.contains("unknown") {
        return "unknown".to_owned();
    }
    all.split(' ').filter(|value| value.starts_with("p.")).collect::<Vec<_>>().join(" ")
}

/// P1: values, class, tags, and what has no rule.
#[test]
fn a_message_is_classified() {
    let rules = of_rules(
        "<rule id='r1' class='system'><patterns><pattern>login @ESTRING:user: @from @IPv4:ip@ port @NUMBER:port@</pattern></patterns>\
         <values><value name='vv'>u=${user}</value><value name='n' type='integer'>${port}</value><value name='e'></value></values>\
         <tags><tag>tg1</tag></tags></rule>",
    );
    let all = |user: &str| {
        format!(
            ".classifier.class=s\"system\" .classifier.rule_id=s\"r1\" ip=s\"10.0.0.1\" n=i\"22\" port=i\"22\" \
             user=s\"{user}\" vv=s\"u={user}\" .classifier.system,tg1"
        )
    };
    for text in ["login bob from 10.0.0.1 port 22", "login bob from 10.0.0.1 port 22 tail"] {
        assert_eq!(classified(&rules, "", text), all("bob"));
    }
    assert_eq!(classified(&rules, "", "login  from 10.0.0.1 port 22"), all(""));
    let unknown = ".classifier.class=s\"unknown\" .classifier.unknown";
    assert_eq!(classified(&rules, "", "login bob from 10.0.0 port 22"), unknown);
    // P9
    assert_eq!(classified(&rules, "drop-unmatched(yes)", "x"), "DROP");
    let prefixed = classified(&rules, "prefix(\"p.\")", "login bob from 10.0.0.1 port 22");
    assert!(prefixed.contains("p.user=s\"bob\" p.vv=s\"u=\""), "{prefixed}");
    assert!(prefixed.contains(".classifier.class=s\"system\""), "{prefixed}");
}

/// P2 to P5
#[test]
fn vectors_of_parsers() {
    for (pattern, text, expected) in [
        ("@QSTRING:q:&quot;@", "\"a-b\"", "p.q=s\"a-b\""),
        ("@QSTRING:q:[]@", "[a[b]c]", "p.q=s\"a[b]c\""),
        ("@FLOAT:f@ @ANYSTRING:r@", "1.5e3 x", "p.f=d\"1.5e3\" p.r=s\"x\""),
        ("@FLOAT:f@ @ANYSTRING:r@", "1 ", "unknown"),
        (
            "at@@home @HOSTNAME:h@ @EMAIL:e:[]&lt;&gt;@",
            "at@home a.b.c <x@y.com>",
            "p.e=s\"x@y.com\" p.h=s\"a.b.c\"",
        ),
        ("at@@home @HOSTNAME:h@", "at@home a", "unknown"),
        ("@SET:s:abc@@OPTIONALSET:o:xyz@end", "abcend", "p.o=s\"\" p.s=s\"abc\""),
        ("a @NUMBER@ @STRING::.@ b", "a 1 x.y b", ""),
    ] {
        assert_eq!(found(pattern, text), expected, "{pattern} of {text}");
    }
}

/// P6 to P8: the choice of a rule, and of the rules of a program.
#[test]
fn rules_are_chosen() {
    let chosen = |text: &str, message: &str| {
        let all = classified(text, "", message);
        let id = all.split("rule_id=s\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        id.unwrap_or_else(|| "unknown".to_owned())
    };
    let numbers = of_rules(&(rule("1", "num @NUMBER@ a") + &rule("2", "num @STRING:w@ b")));
    assert_eq!(chosen(&numbers, "num 5 b"), "2");
    let prefixes = of_rules(&(rule("1", "prefix") + &rule("2", "prefix longer @NUMBER@ e")));
    assert_eq!(chosen(&prefixes, "prefix longer 5"), "1");
    let programs = |programs: &str| {
        format!(
            "<patterndb version='4'><ruleset><patterns>{programs}</patterns><rules>{}</rules></ruleset>\
             <ruleset><rules>{}</rules></ruleset></patterndb>",
            rule("own", "x"),
            rule("other", "x")
        )
    };
    assert_eq!(chosen(&programs("<pattern>prog</pattern>"), "x"), "own");
    assert_eq!(chosen(&programs("<pattern>pr</pattern>"), "x"), "own", "a beginning is enough");
    assert_eq!(chosen(&programs("<pattern>nope</pattern><pattern>pro@STRING:.pn@</pattern>"), "x"), "own");
    assert_eq!(chosen(&programs("<pattern>nope</pattern>"), "x"), "other");
    let captured = classified(&programs("<pattern>pro@STRING:.pn@</pattern>"), "", "y");
    assert!(captured.starts_with(".classifier.class=s\"unknown\" .pn=s\"g\""), "{captured}");
    let with =
        classified(&programs("<pattern>prg@NUMBER:.pn@</pattern>"), "program-template(\"prg255\")", "x");
    assert!(with.contains(".pn=i\"255\"") && with.contains("own"), "{with}");
    let with = classified(&numbers, "message-template(\"num 7 a $PID\")", "x");
    assert!(with.contains("rule_id=s\"1\""), "{with}");
}

/// Breaks without it: a value that stands in MESSAGE is copied.
#[test]
fn values_are_spans_of_the_message() {
    let (_dir, path) = file(&of_rules(&rule("1", "a @STRING:w@")));
    let (parsed, _) = alone(&*compiled(&parser(&path, "")), messages(&[b"a word"]), Instant::now());
    let message = parsed.message(0);
    let (_, value) = message.named(b"w").unwrap();
    assert!(message.text().as_ptr_range().contains(&value.as_ptr()));
}

/// The context of P10: what happens at the third message, and after the last one.
fn counting(attributes: &str, actions: &str) -> String {
    of_rules(&format!(
        "<rule id='1' context-id='${{k}}' context-timeout='10' {attributes}>\
         <patterns><pattern>k=@NUMBER:k@ n=@NUMBER:n@</pattern></patterns><actions>{actions}</actions></rule>"
    ))
}

const ACTIONS: &str = "<action condition='\"${n}\" == \"3\"'><message><values>\
    <value name='MESSAGE'>three ${n}@1 ${n}@2</value></values></message></action>\
    <action trigger='timeout'><message inherit-mode='context'><value name='MESSAGE'>end $(context-length) $CONTEXT_ID</value>\
    <tag>made</tag></message></action>";

/// P10: messages that are made stand before the one that they are made by.
#[test]
fn rules_correlate() {
    let (_dir, path) = file(&counting("", ACTIONS));
    let rig = Rig::new(&parser(&path, ""), "$MSG ${.classifier.context_id}");
    assert_eq!(
        rig.post(&["k=1 n=1", "k=1 n=2", "k=1 n=3", "k=1 n=4"]),
        ["k=1 n=1 1", "k=1 n=2 1", "three 3 2 ", "k=1 n=3 1", "k=1 n=4 1"]
    );
    assert_eq!(rig.counts().contexts, 1);
    assert!(rig.wait(9).is_empty());
    assert_eq!(rig.wait(1), ["end 5 1 1"]);
    assert_eq!((rig.counts().contexts, rig.counts().made), (0, 2));
    rig.end();
}

/// Breaks without it: messages of two hosts, programs or processes are one context, or those of one are not.
#[test]
fn a_context_has_a_scope() {
    let made = |scope: &str| {
        let (_dir, path) = file(&counting(&format!("context-scope='{scope}'"), ACTIONS));
        let body =
            format!("csv-parser(columns(\"PID\", \"MESSAGE\") delimiters(\"|\")); {}", parser(&path, ""));
        let rig = Rig::new(&body, "$MSG");
        rig.post(&["1|k=1 n=1", "2|k=1 n=1"]);
        let out = rig.finish().len();
        rig.end();
        out
    };
    assert_eq!([made("process"), made("program"), made("host"), made("global")], [2, 1, 1, 1]);
}

/// Breaks without it: what is kept back holds its source, or is acknowledged before what it became.
#[test]
fn aggregate_only_lets_what_is_made_through() {
    let (_dir, path) = file(&counting("", ACTIONS));
    let rig = Rig::new(&parser(&path, "inject-mode(aggregate-only)"), "$MSG");
    assert_eq!(rig.post(&["k=1 n=1", "other", "k=1 n=3"]), ["three 3 1"]);
    assert_eq!((rig.kept(), rig.credit_out()), (3, 0), "a batch is counted when its last message is done");
    assert_eq!(rig.wait(10), ["end 3 1"]);
    assert_eq!(rig.kept(), 0);
    rig.end();
}

/// Breaks without it: an action makes more messages than its rate allows.
#[test]
fn an_action_has_a_rate() {
    let action = "<action rate='2/10'><message><value name='MESSAGE'>made</value></message></action>";
    let (_dir, path) = file(&counting("", action));
    let rig = Rig::new(&parser(&path, ""), "$MSG");
    let count = |out: Vec<String>| out.iter().filter(|text| *text == "made").count();
    assert_eq!(count(rig.post(&["k=1 n=1", "k=1 n=1", "k=1 n=1", "k=2 n=1"])), 3, "each key has its own");
    rig.wait(5);
    assert_eq!(count(rig.post(&["k=1 n=1", "k=1 n=1"])), 1);
    rig.finish();
    rig.end();
}

/// Breaks without it: a context that an action begins has the time of its rule, or has no message.
#[test]
fn an_action_begins_a_context() {
    let actions = "<action condition='\"${n}\" == \"1\"'><create-context context-id='new' context-timeout='3' context-scope='global'>\
        <message><value name='MESSAGE'>begun</value></message></create-context></action>\
        <action trigger='timeout'><message><value name='MESSAGE'>end of $CONTEXT_ID: ${MESSAGE}@1</value></message></action>";
    let (_dir, path) = file(&counting("", actions));
    let rig = Rig::new(&parser(&path, ""), "$MSG");
    rig.post(&["k=1 n=1"]);
    assert_eq!(rig.wait(3), ["end of new: begun"]);
    assert_eq!(rig.wait(7), ["end of 1: k=1 n=1"]);
    rig.end();
}

/// Breaks without it: time goes back by an old stamp, runs away by one of the future, or does not follow them.
#[test]
fn time_goes_by_stamps_and_never_beyond_the_clock() {
    let (_dir, path) = file(&counting("", ACTIONS));
    let body = format!(
        "csv-parser(columns(\"s\", \"MESSAGE\") delimiters(\"|\")); date-parser(format(\"%s\") template(\"$s\")); {}",
        parser(&path, "")
    );
    let rig = Rig::new(&body, "$MSG");
    let at = |stamp: u64, text: &str| format!("{stamp}|{text}");
    let post = |stamp: u64, text: &str| rig.post(&[&at(stamp, text)]);
    post(1_000_000_000, "k=1 n=1");
    assert_eq!(post(1_000_000_009, "k=2 n=1"), ["k=2 n=1"]);
    assert_eq!(post(1_000_000_010, "k=2 n=1"), ["end 2 1", "k=2 n=1"]);
    assert_eq!(post(0, "k=3 n=1"), ["k=3 n=1"], "it never goes back");
    assert_eq!(post(4_102_444_800, "k=4 n=1").len(), 3, "and on to now by one of the future");
    assert_eq!(post(4_102_444_900, "k=4 n=2"), ["k=4 n=2"], "and no further");
    assert_eq!(rig.wait(11), ["end 3 4"]);
    rig.end();
}

/// Breaks without it: a random key of a sender takes memory without end.
#[test]
fn contexts_have_bounds() {
    let (_dir, path) = file(&counting("", ""));
    let rig = Rig::new(&parser(&path, ""), "");
    for thousand in 0..=MOST_CONTEXTS / 1000 {
        let texts: Vec<String> = (0..1000).map(|number| format!("k={thousand}{number:03} n=1")).collect();
        rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        rig.kept();
    }
    let counts = rig.counts();
    assert!(counts.contexts <= MOST_CONTEXTS as u64 && counts.closed_early > 0, "{counts:?}");
    rig.finish();
    rig.end();
}

/// Breaks without it: contexts are lost at a reload of the configuration.
#[test]
fn a_reload_hands_contexts_on() {
    let (_dir, path) = file(&counting("", ACTIONS));
    let made = || Rig::new(&parser(&path, ""), "$MSG");
    let (old, new) = (made(), made());
    old.post(&["k=1 n=1"]);
    new.post(&["k=1 n=2"]);
    new.take_over(&old);
    assert!(old.finish().is_empty());
    assert_eq!(new.finish(), ["end 3 1"]);
    new.kept();
    new.end();
    old.end();
}

/// Breaks without it: a new file is not seen, a broken one takes the rules away, or a context with the old
/// rules uses the memory of the new ones.
#[test]
fn the_file_is_read_again_when_it_changed() {
    let (dir, path) = file(&counting("", ACTIONS));
    let rig = Rig::new(&parser(&path, ""), "$MSG ${.classifier.rule_id}");
    assert_eq!(rig.post(&["k=1 n=1"]), ["k=1 n=1 1"]);
    let replace = |text: &str| {
        fs::write(dir.path().join("new"), text).unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
    };
    replace(&of_rules(&rule("new", "k")));
    assert_eq!(rig.post(&["k=1 n=1"]), ["k=1 n=1 1"], "it was looked at just now");
    rig.wait(6);
    assert_eq!(rig.post(&["k=1 n=1"]), ["k=1 n=1 new"]);
    assert_eq!(rig.wait(10), ["end 3 1 1"], "the context has the rules that it came by");
    replace("<patterndb version='6'>\n<nope/></patterndb>");
    rig.wait(6);
    assert_eq!(rig.post(&["k"]), ["k new"]);
    let said = rig.said();
    assert!(said.len() == 1 && said[0].contains("db.xml:2: there is no element `nope` here"), "{said:?}");
    fs::remove_file(&path).unwrap();
    rig.wait(6);
    assert_eq!(rig.post(&["k"]), ["k new"]);
    assert!(rig.said().is_empty());
    rig.end();
}

/// Breaks without it: a message is lost for a file that is not there yet, or the file is never found.
#[test]
fn a_file_may_come_later() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("db.xml");
    let body = parser(path.to_str().unwrap(), "");
    assert!(said(&body).contains("could not read"), "{}", said(&body));
    let rig = Rig::new(&body, "$MSG ${.classifier.class}");
    assert_eq!(rig.post(&["a"]), ["a unknown"]);
    assert!(rig.said()[0].contains("could not read"));
    fs::write(&path, of_rules(&rule("1", "a"))).unwrap();
    rig.wait(6);
    assert_eq!(rig.post(&["a"]), ["a system"]);
    rig.end();
}

/// Breaks without it: what is wrong in the file is found when messages come, or without its line.
#[test]
fn check_tells_what_is_wrong_in_the_file() {
    for (rules, expected) in [
        (
            "<rule id='1'>\n<pattern>@NUMBR@</pattern></rule>",
            "2: no parser is called `NUMBR`; did you mean `NUMBER`?",
        ),
        ("<rule id='1'>\n\n<value name='v'>$(nope)</value></rule>", "3: unknown template function `nope`"),
        ("<rule id='1'>\n<value name='v' type='nope'>1</value></rule>", "2: unknown type `nope`"),
        ("<rule id='1'><actions>\n<action condition='level(nope)'/></actions></rule>", "2: "),
        ("<rule id='1' context-id='${'/>", "1: this `${` is not closed"),
        (
            "<rule id='1'><pattern>a</pattern></rule>\n<rule id='2'><pattern>a</pattern></rule>",
            "2: this is also the pattern of rule `1`",
        ),
    ] {
        let (_dir, path) = file(&of_rules(rules));
        let text = said(&parser(&path, ""));
        assert!(text.contains("warning") && text.contains(&format!("db.xml:{expected}")), "{rules}: {text}");
    }
    let two = "<patterndb version='4'><ruleset><pattern>a</pattern><rules/></ruleset><ruleset><pattern>b</pattern>\
               <rules/></ruleset>\n<ruleset><pattern>a</pattern>\n<pattern>b</pattern><rules/></ruleset></patterndb>";
    let (_dir, path) = file(two);
    assert!(said(&parser(&path, "")).contains("db.xml:3: two sets of rules"), "{}", said(&parser(&path, "")));
    assert!(said("db-parser();").contains("needs a file()"));
    assert!(said("db-parser(file(\"x\") inject-mode(internal));").contains("is not supported"));
    assert!(said("db-parser(file(\"x\") drop-unmatchd(yes));").contains("did you mean `drop-unmatched`?"));
}

/// Breaks without it: a thousand rules take memory for each message, or find another rule than one would.
#[test]
fn a_thousand_rules() {
    let mut rules = String::new();
    for number in 0..1000 {
        write!(
            rules,
            "<rule id='r{number}'><pattern>service{number}: user @ESTRING:user: @did @STRING:what@ in @NUMBER:ms@ ms</pattern></rule>"
        )
        .unwrap();
    }
    let (_dir, path) = file(&of_rules(&rules));
    let texts: Vec<String> =
        (0..1000).map(|number| format!("service{number}: user bob did work in {number} ms")).collect();
    let rig = Rig::new(&parser(&path, ""), "${.classifier.rule_id} $user $what $ms");
    let out = rig.post(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    for (number, line) in out.iter().enumerate() {
        assert_eq!(*line, format!("r{number} bob work {number}"));
    }
    rig.end();
}
