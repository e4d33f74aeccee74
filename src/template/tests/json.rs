//! Named values as JSON, WELF and CEF.

use super::super::surroundings::Alone;
use super::types::Old;
use super::*;

/// Templates and their results.
const STRINGS: &str = r#"
$(format-json ) => {}
$(format-json a i) => {"i":"42","a":"x"}
$(format-json a,i) => {"i":"42","a":"x"}
$(format-json --key a --key i) => {"i":"42","a":"x"}
$(format-json a i=7 --exclude a) => {"i":"7"}
$(format-json --key a --exclude a) => {}
$(format-json --exclude a --key a) => {"a":"x"}
$(format-json a=1 --exclude a) => {"a":"1"}
$(format-json a=1 a=2) => {"a":"2"}
$(format-json a=1 a.b=2 a-b=3) => {"a":{"b":"2","a":"1"},"a-b":"3"}
$(format-json a.b=1 a=2 ab=3 a.c.d=4 a.c=5) => {"ab":"3","a":{"c":{"d":"4","c":"5"},"b":"1","a":"2"}}
$(format-json a..b=1) => {"a":{".b":"1"}}
$(format-json a.=1) => {"a":"1"}
$(format-json .=1) => {"_":"1"}
$(format-json ..y) => {"_":{"y":"Y"}}
$(format-json z*) => {"z":{".q":"ZQ","z":"Z"}}
$(format-json a@1.2.c=1 a@1.2=3) => {"a@1.2":{"c":"1","a@1.2":"3"}}
$(format-json a@b.c=1) => {"a@b":{"c":"1"}}
$(format-json esc) => {"esc":"q\" b\\ s/ \n\r\t\b\f\u0001⟨7f⟩é"}
$(format-json bad) => {"bad":"x\\xff\\xc3(\\xed\\xa0\\x80\\xc0\\x80"}
$(format-json empty) => {"empty":""}
$(format-json empty --omit-empty-values) => {}
$(format-json x=$nope y="") => {"y":"","x":""}
$(format-json x=a"b c"d) => {"x":"ab cd"}
$(format-json "x=$a b") => {"x":"x b"}
$(format-json --pair "x y"=5) => {"x y":"5"}
$(format-json x=-1) => {"x":"-1"}
$(format-json $a=5) => {"$a":"5"}
$(format-json x=int(5) y=literal($a) z=boolean(T))| => |
$(format-json x=bogus(5)) => ERROR
$(format-json x=int(5)y) => {"x":"int(5)y"}
$(format-json --scope sdata) => {"_SDATA":{"foo@1234.56":{"bar":"sd"}}}
$(format-json --scope bogus) => ERROR
$(format-json --scope nv-pairs --scope none) => {}
$(format-json MSG PROGRAM=q --scope rfc3164 --exclude DATE --exclude HOST) => {"PROGRAM":"q","PRIORITY":"notice","PID":"7","MSG":"hello","MESSAGE":"hello","FACILITY":"user"}
$(format-json --subkeys a.) => {"c":{"d":"acd"},"b":"ab"}
$(format-json --key a.* --shift 2) => {"c":{"d":"acd"},"b":"ab"}
$(format-json --key a.* --shift-levels 2) => {"d":"acd","a":{"b":"ab"}}
$(format-json --key a.* --shift-levels 3) => {"a":{"c":{"d":"acd"},"b":"ab"}}
$(format-json --key a.* --add-prefix p.) => {"p":{"a":{"c":{"d":"acd"},"b":"ab"}}}
$(format-json --key a.* --replace-prefix a.=B.) => {"B":{"c":{"d":"acd"},"b":"ab"}}
$(format-json --key a.* --add-prefix x. --rekey x.* --replace-prefix x.=y.) => {"y":{"a":{"c":{"d":"acd"},"b":"ab"}}}
$(format-json --rekey * --add-prefix P_ a=1) => {"P_a":"1"}
$(format-json --rekey a.* --shift 2) => {}
$(format-json --key a.*,i --shift 2) => {"i":"42","c":{"d":"acd"},"b":"ab"}
$(format-json --shift 2 --key a.*) => ERROR
$(format-json --key a.* --shift 0) => ERROR
$(format-json --pair a) => ERROR
$(format-json --unknown) => ERROR
$(format-json --key .x,..y --leave-initial-dot) => {".x":"X",".":{"y":"Y"}}
$(format-json --key-delimiter : a:b=1 a.c=2 .a=3) => {"a":{"b":"1"},"a.c":"2",".a":"3"}
$(format-json --key-delimiter ab x=1) => ERROR
$(format-json -- x=1) => {"x":"1"}
$(format-json --pair=x=5 --scope=none) => {"x":"5"}
$(format-flat-json a=1 a.b=2 a-b=3) => {"a.b":"2","a-b":"3","a":"1"}
$(format-flat-json .x) => {"_x":"X"}
$(format-flat-json ..y) => {"_.y":"Y"}
$(format-json a=1)$(format-json b=2) => {"a":"1"}{"b":"2"}
$(format-json =v) => ERROR
$(format-json a.a=1 a=2) => {"a":{"a":"1"}}
$(format-json a.b=1 a..=2 a.=3) => {"a":{"b":"1",".":"2","a":"3"}}
"#;

/// Templates and their results.
const TYPED: &str = r#"
$(format-json --key p.*) => {"p":{"s":"x","o":{"x":1},"n":null,"mix":[1,{"a":2}],"l":["a","b c","1"],"i":5,"b":true}}
$(format-json --cast --key p.*) => {"p":{"s":"x","o":{"x":"1"},"n":"","mix":"[1,{\"a\":2}]","l":"a,\"b c\",1","i":"5","b":"true"}}
$(format-json a=${p.i} b="${p.i}x" c=${p.n:-q} d=$nope e=$(echo ${p.i}) f=$(or ${p.i})) => {"f":"5","e":"5","d":null,"c":"q","b":"5x","a":5}
$(format-json a=$i b=int($i) c=double($i) d=boolean($T) e=list($lst) f=null(x)) => {"f":null,"e":["a","b c","d"],"d":true,"c":42,"b":42,"a":"42"}
$(format-json a=literal([1]) b=string(5) c=datetime(1.5)) => {"c":"1.5","b":"5","a":[1]}
$(format-json a=$PRI b=$FACILITY_NUM c=$TAGS d=$(list-count a,b)) => {"d":2,"c":[".source.s"],"b":1,"a":"13"}
$(format-json a=$(list-append a b) b=$(list-tail a,b) c=$(list-nth 0 a,b) d=$(explode , a,b)) => {"d":["a","b"],"c":"a","b":["b"],"a":["a","b"]}
$(format-json a=$(sum x) b=$(+ 1 2) c=$(round 1.5) d=$(+ 1 2)x) => {"d":"3x","c":2,"b":3,"a":null}
$(format-json a=$(format-json b=c)) => {"a":{"b":"c"}}
$(format-json "a=int($(+ 1 2))") => {"a":3}
$(format-json a=int(foo) b=1)| => |
$(format-json a=boolean(yes))| => |
$(format-json a=double(1e999))| => |
$(format-json a=int("$i"))| => |
$(format-json a=list($nope) b=list(x)) => {"b":["x"],"a":[]}
"#;

/// Templates and their results.
const NUMBERS: &str = r#"
$(format-json a=int(+00014)) => {"a":14}
$(format-json a=int(-0x14)) => {"a":-20}
$(format-json a=int(014)) => {"a":14}
$(format-json a=int(9223372036854775808)) => {"a":9223372036854775807}
$(format-json a=double(1.50)) => {"a":1.5}
$(format-json a=double(1e20)) => {"a":1e+20}
$(format-json a=integer(5)) => {"a":5}
$(format-json .@program.123=x) => {"_@program":{"123":"x"}}
$(format-json .program.n@me=x) => {"_program":{"n@me":"x"}}
$(format-json null=null()) => {"null":null}
$(format-json sdata.box@4711.2.color="red" sdata.box@4711.2.size="9") => {"sdata":{"box@4711.2":{"size":"9","color":"red"}}}
"#;

/// Templates and their results.
const WELF_AND_CEF: &str = r#"
$(format-welf a id) => id=fw a="x y"
$(format-welf eq) => eq=a=b\\c|d\ne\rf\tg\x01
$(format-welf quo) => quo="say \"hi\" it's"
$(format-welf bad .x e=) => .x=X bad=x\xffy e=
$(format-cef-extension a id) => a=x y id=fw
$(format-cef-extension eq) => eq=a\=b\\c|d\ne\rf\u0009g\u0001
$(format-cef-extension quo bad) => bad=x\xffy quo=say "hi" it's
$(format-cef-extension a .x)| => |
"#;

/// Breaks without it: a configuration for a version before 4.0 gets other JSON than from syslog-ng.
#[test]
fn json_of_strings_is_that_of_syslog_ng() {
    let pairs = [
        ("a", "x"),
        ("a.b", "ab"),
        ("a.c.d", "acd"),
        (".x", "X"),
        ("..y", "Y"),
        ("z.", "Z"),
        ("z..q", "ZQ"),
        ("i", "42"),
        ("empty", ""),
        ("esc", "q\" b\\ s/ ⟨0a⟩⟨0d⟩⟨09⟩⟨08⟩⟨0c⟩⟨01⟩⟨7f⟩é"),
        ("bad", "x⟨ff⟩⟨c3⟩(⟨ed⟩⟨a0⟩⟨80⟩⟨c0⟩⟨80⟩"),
        ("PROGRAM", "p"),
        ("PID", "7"),
        (".SDATA.foo@1234.56.bar", "sd"),
    ];
    let mut old = Old { has_backslashes: false };
    check_rows(STRINGS, &message(&pairs), &Options::default(), &mut old);
}

/// Breaks without it: a number is a string in JSON, or the other way round.
#[test]
fn json_of_typed_values_is_that_of_syslog_ng() {
    let pairs = [
        ("i", ValueType::String, "42"),
        ("T", ValueType::String, "T"),
        ("lst", ValueType::String, "a,\"b c\",d"),
        ("p.i", ValueType::Integer, "5"),
        ("p.b", ValueType::Boolean, "true"),
        ("p.n", ValueType::Null, ""),
        ("p.s", ValueType::String, "x"),
        ("p.l", ValueType::List, "a,\"b c\",1"),
        ("p.o.x", ValueType::Integer, "1"),
        ("p.mix", ValueType::Json, "[1,{\"a\":2}]"),
    ];
    check_rows(TYPED, &typed_message(&pairs), &Options::default(), &mut Alone);
}

/// Breaks without it: a number that C reads is refused, or is written in a form that is no JSON.
#[test]
fn numbers_of_json_are_canonical() {
    let pairs = [("id", "fw")];
    check_rows(NUMBERS, &message(&pairs), &Options::default(), &mut Alone);
}

/// Breaks without it: a reader of WELF or CEF takes a part of a value for a name.
#[test]
fn welf_and_cef_are_those_of_syslog_ng() {
    let pairs = [
        ("id", "fw"),
        ("a", "x y"),
        ("eq", "a=b\\c|d⟨0a⟩e⟨0d⟩f⟨09⟩g⟨01⟩"),
        ("quo", "say \"hi\" it's"),
        ("bad", "x⟨ff⟩y"),
        (".x", "X"),
    ];
    check_rows(WELF_AND_CEF, &message(&pairs), &Options::default(), &mut Alone);
}
