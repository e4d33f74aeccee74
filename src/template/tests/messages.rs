//! Functions of whole messages, escapes and errors.

use super::super::surroundings::Alone;
use super::*;
use crate::template::OnError;

/// Breaks without it: Graylog, Splunk or another syslog-ng gets another document than from syslog-ng.
#[test]
fn documents_for_others_are_those_of_syslog_ng() {
    let pairs = [
        ("PROGRAM", "prog"),
        ("PID", "77"),
        (".classifier.class", "cls"),
        ("_u", "U"),
        (".cim.app.x", "C"),
        ("a.b", "AB"),
        (".SDATA.x@1.2.q", "sd"),
    ];
    let rows = r#"
$(format-gelf) => {"version":"1.1","timestamp":1767225605,"short_message":"hello","level":5,"host":"vm","_u":"U","_program":"prog","_pid":77,"_facility":"user","_classifier":{"class":"cls"},"_class":"cls","_cim":{"app":{"x":"C"}},"_SDATA":{"x@1.2":{"q":"sd"}}}⟨00⟩
$(format-cim) => {"app":{"x":"C"},"a":{"b":"AB"},"_u":"U","_classifier":{"class":"cls"},"_SDATA":{"x@1.2":{"q":"sd"}},"@timestamp":"2026-01-01T00:00:05+00:00","@message":"hello"}⟨0a⟩
$(format-ewmm) => <13>1 2026-01-01T00:00:05+00:00  @syslog-ng - - [x@1.2 q="sd"] {"a":{"b":"AB"},"_u":"U","PROGRAM":"prog","PID":"77","MESSAGE":"hello","HOST_FROM":"vm","HOST":"vm",".classifier":{"class":"cls"},".cim":{"app":{"x":"C"}},"._TAGS":[".source.s"]}⟨0a⟩
$(format-gelf x) => ERROR
"#;
    check_rows(rows, &message(&pairs), &Options::default(), &mut Alone);
}

/// Breaks without it: a function of a context or of tags gives something else for the context that is one
/// message.
#[test]
fn a_context_is_one_message() {
    let pairs = [("a", "x"), ("n", "3"), ("l", "a,b")];
    let rows = r#"
$(context-length) => 1
$(context-length)@1| => |
$(context-values $a $l) => x,"a,b"
$(sum $n) => 3
$(min $n) $(max $n) $(average $n) => 3 3 3
$(sum $a)| => |
${a}@0 => x
${a}@12| => |
$(echo ${a}@1)| => |
$(tag .source.s) => 1
$(tag narancs) => 0
$(tag .source.s yes no) => yes
$(tag) => ERROR
$(format-json a=$(tag .source.s)) => {"a":true}
$(tags-head narancs .source.s) => .source.s
$(format-json a=$(tags-head narancs)) => {"a":null}
$(format-date --time-zone PST8PDT %Y-%m-%dT%H:%M:%S 1700000000) => 2023-11-14T14:13:20
$(format-date %Y-%m-%dT%H:%M:%S 1700000000.25+05:00) => 2023-11-15T03:13:20
$(format-date %z 1700000000+05:00) => +0500
$(format-date %FT%T) => 2026-01-01T00:00:05
$(format-date -Z Nowhere/Land %F) => ERROR
$(format-date) => ERROR
$(graphite-output --timestamp 123 x=y) => x y 123⟨0a⟩
$(iterate $(+ 1 $_) 7) => 7
$(template x) => ERROR
$(if (1) a b) => ERROR
$(getent passwd root) => 0
$(python x) => ERROR
$(python) => ERROR
$(slog) => ERROR
"#;
    check_rows(rows, &message(&pairs), &Options::default(), &mut Alone);
}

/// Breaks without it: a macro that was excluded goes out, or one that was asked for is missing.
#[test]
fn patterns_and_scopes_choose_macros() {
    let rows = r#"
$(names --key HOST --exclude HOST)| => |
$(names --exclude HOST --key HOST) => HOST
$(names --scope rfc3164 --exclude PRI* --key PRI*) => DATE,FACILITY,HOST,MESSAGE,PID,PRI,PRIORITY,PROGRAM
$(names --key HOST --key x --exclude *)| => |
$(names --key FULLHOST)|$(names --key HOST_FROM) => |HOST_FROM
$(names --key M* --exclude MO*) => MESSAGE,MIN,MSEC,MSG,MSGHDR
$(names --key T*) => TAG,TAGS,TZ,TZOFFSET
$(format-json --key x --replace-prefix x=d --key .d --shift 1) => {"d":"2"}
$(names --key L* --key R* --exclude R_* --exclude RAW*) => LEVEL,LEVEL_NUM
$(format-json a.b=1 --rekey a.b --add-prefix q. --rekey q.* --shift-levels 1 --add-prefix .z) => {"_za":{"b":"1"}}
$(format-json --scope nv-pairs --scope dot-nv-pairs --exclude HOST*) => {"x":"1","_d":"2","_SDATA":{"a@1":{"b":"c"}},"SOURCE":"s","PROGRAM":"prog","PID":"42","MESSAGE":"hello"}
"#;
    let pairs = [("PROGRAM", "prog"), ("PID", "42"), ("x", "1"), (".d", "2"), (".SDATA.a@1.b", "c")];
    check_rows(rows, &message(&pairs), &Options::default(), &mut Alone);
}

/// Breaks without it: values get lost and nobody is told, or the log is flooded with it.
#[test]
fn a_wrong_type_is_told_once() {
    let batch = message(&[("a", "x")]);
    for (on_error, template, expected) in [
        (
            OnError::DropProperty,
            "$(format-json n=int($a))",
            Some("the value `n` is `x`, which is no integer"),
        ),
        (OnError::DropMessage, "$(format-cef-extension a.b=1)", Some("`a.b` is no name for CEF")),
        (OnError::SilentlyDropMessage, "$(format-json n=int($a))", None),
        (OnError::DropMessage, "$(format-json n=int(5))", None),
    ] {
        let options = Options { on_error, ..Options::default() };
        let mut context = Context::new(&options, Arc::default(), TimeZoneUse::Send);
        for round in 0..2 {
            Template::compile(template).unwrap().format(batch.message(0), &context, &mut Vec::new());
            let told = context.take_complaint();
            assert_eq!(told.is_some(), expected.is_some() && round == 0, "{template}");
            assert!(told.is_none_or(|told| told.contains(expected.unwrap())), "{template}");
        }
    }
}

/// Breaks without it: a value in quotes ends them.
#[test]
fn values_are_escaped_and_texts_are_not() {
    let pairs = [("quo", "say \"hi\" it's"), ("tab", "a⟨09⟩b")];
    let rows = r#"
$quo => say \"hi\" it\'s
lit " $tab => lit " a\011b
${nope:-"d"} => \"d\"
$(echo $quo) => say \"hi\" it\'s
"#;
    let options = Options { template_escape: true, ..Options::default() };
    check_rows(rows, &message(&pairs), &options, &mut Alone);
}

/// Breaks without it: one value of a wrong type costs the document, although it was to be left out.
#[test]
fn a_wrong_type_leaves_out_the_value() {
    let pairs = [("a", "x")];
    let rows = r#"
$(format-json a=int(foo) b=1) => {"b":"1"}
$(format-json a.b=int(foo)) => {"a":{}}
$(format-json b=1 c=int(foo)) => {"b":"1"}
$(format-json x=literal(y) b=1) => {"b":"1"}
$(format-json x=double(inf) b=1) => {"b":"1"}
"#;
    let options = Options { on_error: OnError::DropProperty, ..Options::default() };
    check_rows(rows, &message(&pairs), &options, &mut Alone);
}

/// Breaks without it: one value of a wrong type costs the document, although it was to be a string.
#[test]
fn a_wrong_type_falls_back_to_a_string() {
    let pairs = [("a", "x")];
    let rows = r#"
$(format-json a=int(foo) b=1) => {"b":"1","a":"foo"}
"#;
    let options = Options { on_error: OnError::SilentlyFallbackToString, ..Options::default() };
    check_rows(rows, &message(&pairs), &options, &mut Alone);
}

/// Breaks without it: a document that is wrong goes out.
#[test]
fn a_wrong_type_costs_the_document() {
    let pairs = [("a", "x")];
    let rows = r#"
$(format-json a=int(foo) b=1)| => |
$(format-json a=int(5) b=1) => {"b":"1","a":5}
"#;
    let options = Options { on_error: OnError::SilentlyDropMessage, ..Options::default() };
    check_rows(rows, &message(&pairs), &options, &mut Alone);
}
