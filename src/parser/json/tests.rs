//! `json-parser()` on messages.

mod oracle;

use std::time::Instant;

use crate::message::ValueType;
use crate::parser::tests::{compiled, formatted, messages, parsed, said, values};
use crate::path::alone;

fn json(text: impl AsRef<[u8]>) -> String {
    parsed("json-parser();", text)
}

/// Breaks without it: a value has another type, another text or another name than its document says.
#[test]
fn values_of_documents() {
    for (text, expected) in [
        (
            r#"{"a":1,"b":"x","c":1.5,"d":true,"e":null,"f":false}"#,
            r#"a=i"1" b=s"x" c=d"1.500000" d=b"true" e=null"" f=b"false""#,
        ),
        (r#"{"n":{"m":{"k":"v"}},"o":1}"#, r#"n.m.k=s"v" o=i"1""#),
        ("{}", ""),
        (r#"{"a":{}}"#, ""),
        (r#"{"a":1}garbage"#, r#"a=i"1""#),
        ("{\"a\":1}\n{\"b\":2}", r#"a=i"1""#),
        (r#"{"a":1,}"#, r#"a=i"1""#),
        ("{'a':'b'}", r#"a=s"b""#),
        (r#"{"a":TRUE,"b":Null}"#, r#"a=b"true" b=null"""#),
        ("/* c */ {\"a\":1 // x\n}", r#"a=i"1""#),
        (r#"{"a":NaN,"b":-Infinity,"c":INFINITY}"#, r#"a=s"nan" b=s"-inf" c=s"inf""#),
        (r#"{"a":1,"a":2}"#, r#"a=i"2""#),
        (r#"{"a":{"b":1},"a.b":2}"#, r#"a.b=i"2""#),
        (r#"{"":"e"}"#, ""),
        (r#"{"a":"x\u0000y"}"#, "a=s\"x\0y\""),
        (
            r#"{"a":"\ud83d","b":"\ud83d\u0041","c":"\ude00x","d":"\ud83d\ud83d\uDE00\n"}"#,
            "a=s\"\u{fffd}\" b=s\"\u{fffd}A\" c=s\"\u{fffd}x\" d=s\"\u{fffd}😀\n\"",
        ),
        (r#"{"a":"\"\\\/\b\f\n\r\t\u00e9"}"#, "a=s\"\"\\/\u{8}\u{c}\n\r\té\""),
        ("{\"a\":\"x\ty\nz\"}", "a=s\"x\ty\nz\""),
        ("{\"a\":1}\0junk", r#"a=i"1""#),
        (r#"{"k\u0065y":{"\u0061":"v"}}"#, r#"key.a=s"v""#),
        (r#"{"1":"m"}"#, r#"1=s"m""#),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
    let parsed = parsed("json-parser(prefix(\"j.\"));", r#"{"":"e","a":{"":1}}"#);
    assert_eq!(parsed, r#"j.=s"e" j.a.=i"1""#);
    let bytes = alone(&*compiled("json-parser();"), messages(&[b"{\"a\":\"\xff\xfe\"}"]), Instant::now()).0;
    assert_eq!(bytes.message(0).named(b"a"), Some((ValueType::String, &b"\xff\xfe"[..])));
}

/// Breaks without it: a number is another one than the document has, or has a text that is none.
#[test]
fn numbers() {
    for (written, expected) in [
        ("0", r#"i"0""#),
        ("-0", r#"i"0""#),
        ("01", r#"i"1""#),
        ("-007", r#"i"-7""#),
        ("000", r#"i"0""#),
        ("9223372036854775807", r#"i"9223372036854775807""#),
        ("9223372036854775808", r#"s"9223372036854775808""#),
        ("-9223372036854775808", r#"i"-9223372036854775808""#),
        ("-9223372036854775809", r#"s"-9223372036854775809""#),
        ("18446744073709551616", r#"s"18446744073709551616""#),
        ("1e3", r#"d"1000.000000""#),
        ("-0.0", r#"d"-0.000000""#),
        ("5.", r#"d"5.000000""#),
        ("-.5", r#"d"-0.500000""#),
        ("0001.5", r#"d"1.500000""#),
        ("-01.123456", r#"d"-1.123456""#),
        ("0.123456", r#"d"0.123456""#),
        ("0.1", r#"d"0.100000""#),
        ("1.2345678", r#"d"1.2345678""#),
        ("1.0000000", r#"d"1.000000""#),
        ("123456789012345.6", r#"d"123456789012345.593750""#),
        ("1e-10", r#"d"1e-10""#),
        ("1e22", r#"d"10000000000000000000000.000000""#),
        ("1e", r#"d"1.000000""#),
        ("1.e+", r#"d"1.000000""#),
        ("5.e3", r#"d"5000.000000""#),
        ("1E400", r#"s"1E400""#),
    ] {
        assert_eq!(json(format!("{{\"a\":{written}}}")), format!("a={expected}"), "{written}");
    }
}

/// Breaks without it: the digits of a double that is not written anew are not those that its number would
/// have, so that a comparison or a sum differs.
#[test]
fn short_doubles_are_as_they_would_be_formatted() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut written, mut expected) = (Vec::new(), Vec::new());
    for number in 0..3000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (digits, fraction) = (random >> 32, (random >> 24) as usize % 7);
        let whole = digits % 10_u64.pow((random >> 16) as u32 % 9 + 1);
        let text = match fraction {
            0 => format!("{whole}."),
            _ => format!("{whole}.{:0fraction$}", digits % 10_u64.pow(fraction as u32)),
        };
        expected.push(format!("v{number:04}=d\"{:.6}\"", text.parse::<f64>().unwrap()));
        written.push(format!("\"v{number:04}\":{text}"));
    }
    assert_eq!(json(format!("{{{}}}", written.join(","))), expected.join(" "));
}

/// Breaks without it: an array is no list or no document afterwards, or is another one.
#[test]
fn arrays() {
    for (written, expected) in [
        (r#"["a","b c","f'g","h\"i",""]"#, r#"L"a,"b c","f'g",'h"i',"""#.to_owned() + "\""),
        (r#"["foo","foo,bar"]"#, r#"L"foo,"foo,bar""#.to_owned() + "\""),
        ("[]", r#"L"""#.to_owned()),
        (r#"["\u0061\n","\\"]"#, r#"L""a\n","\\""#.to_owned() + "\""),
        (r#"["a",1]"#, r#"J"["a",1]""#.to_owned()),
        ("[1,2,3]", r#"J"[1,2,3]""#.to_owned()),
        ("[1.234,1e6]", r#"J"[1.234,1e6]""#.to_owned()),
        ("[null,null]", r#"J"[null,null]""#.to_owned()),
        (r#"[[1,2],{"a":1}]"#, r#"J"[[1,2],{"a":1}]""#.to_owned()),
        (
            r#"[ {'b' : TRUE, "c":"d\"e\/\u00e9\u0001"},[ ],{ } , ]"#,
            r#"J"[{"b":true,"c":"d\"e/é\u0001"},[],{}]""#.to_owned(),
        ),
        ("[1.50,1E6,5.,01,-0,-.5,1e,5.e3,-00.5]", r#"J"[1.50,1E6,5.0,1,-0,-0.5,1,5.0e3,-0.5]""#.to_owned()),
        ("[NaN,-Infinity,9223372036854775808]", r#"J"["nan","-inf",9223372036854775808]""#.to_owned()),
        ("['it\"s\t\u{7f}',0]", "J\"[\"it\\\"s\\t\u{7f}\",0]\"".to_owned()),
    ] {
        assert_eq!(json(format!("{{\"l\":{written}}}")), format!("l={expected}"), "{written}");
    }
}

/// Breaks without it: what is made of an array is no JSON, or means something else.
#[test]
fn arrays_stay_what_they_are() {
    let written = r#"[ {"a b":[1,-2.5e3, "\u00e9\ud83d\ude00\\\"\n" ],"":{}} , [[], null,true]]"#;
    let stored = formatted("json-parser();", &format!("{{\"l\":{written}}}"), "$l");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&stored), read(written));
    assert!(!stored.contains(": "));
}

/// Breaks without it: elements of an array are not found, or those of an earlier match with them.
#[test]
fn an_array_at_the_top_becomes_matches() {
    assert_eq!(
        json(r#"[1,"x",null,{"a":1},[2],["b"]]"#),
        r#"1=i"1" 2=s"x" 3=null"" 4=J"{"a":1}" 5=J"[2]" 6=J"["b"]""#
    );
    let many: Vec<String> = (1..=300).map(|number| format!("[{number}]")).collect();
    let text = format!("[{}]", many.join(","));
    let (all, _) = alone(&*compiled("json-parser(prefix(p));"), messages(&[text.as_bytes()]), Instant::now());
    let message = all.message(0);
    assert_eq!(message.named(b"255"), Some((ValueType::Json, &b"[255]"[..])));
    assert_eq!((message.named(b"0"), message.named(b"256")), (None, None));
    assert_eq!(parsed("json-parser();", "[[1],[2]"), "DROP");
    // `$0` to `$9` of an earlier parser.
    let before =
        alone(&*compiled("json-parser();"), messages(&[br#"{"0":1,"2":1,"9":1}"#]), Instant::now()).0;
    let (after, _) = alone(&*compiled("json-parser(template('[5,6]'));"), before, Instant::now());
    assert_eq!(values(&after, 0), [r#"1=i"5""#, r#"2=i"6""#]);
}

/// Breaks without it: what is no document is taken for one, or leaves half of itself behind.
#[test]
fn texts_that_are_refused() {
    for text in [
        "\"str\"",
        "123",
        "null",
        "",
        "{\"a\":1",
        "{a:1}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\x41\"}",
        "\u{feff}{\"a\":1}",
        "{\"a\":tru}",
        "{\"a\":[1,2",
        "{\"a\":\"x\0y\"}",
        "{\"a\":[\"x\",tru]}",
        "{\"a\":1} /",
        "{\"a\":1-2}",
    ] {
        assert_eq!(json(text), "DROP", "{text}");
    }
    let nested = |objects: usize| format!("{}1{}", "{\"a\":".repeat(objects), "}".repeat(objects));
    assert_eq!(json(nested(31)), format!("{}=i\"1\"", vec!["a"; 31].join(".")));
    assert_eq!(json(nested(32)), "DROP");
}

/// Breaks without it: nobody can tell why texts are refused.
#[test]
fn refusals_are_counted_by_their_reason() {
    let parser = compiled("json-parser(marker(\"@cee:\"));");
    let texts: [&[u8]; 6] = [b"{}", b"@cee:{\"a\"", b"@cee:{a}", b"@cee:1", b"@cee:{}", b""];
    let (passed, _) = alone(&*parser, messages(&texts), Instant::now());
    assert_eq!(passed.rows().iter().collect::<Vec<_>>(), [4]);
    let statistics = parser.statistics().unwrap();
    assert_eq!((statistics.processed, statistics.discarded), (6, 5));
    let mut reasons = statistics.reasons;
    reasons.sort_unstable();
    assert_eq!(reasons, [("cut off", 1), ("no JSON", 1), ("no marker", 2), ("no object", 1)]);
}

/// Breaks without it: an option has no effect, or a wrong value is taken for one.
#[test]
fn options() {
    let nested = r#"{"a":{"l":[{"x":5},7]}}"#;
    for (options, text, expected) in [
        ("prefix(\"j.\")", r#"{"a":{"b":1}}"#, r#"j.a.b=i"1""#),
        ("extract-prefix(\"a.l[0]\")", nested, r#"x=i"5""#),
        ("extract-prefix(\"a.l\") prefix(p)", nested, r#"1=J"{"x":5}" 2=i"7""#),
        ("extract-prefix(\".a.l[0]\") prefix(p)", nested, r#"px=i"5""#),
        ("extract-prefix(\"\")", r#"{"a":1}"#, r#"a=i"1""#),
        ("extract-prefix(\"zz\")", nested, "DROP"),
        ("extract-prefix(\"a..b\")", nested, "DROP"),
        ("extract-prefix(\"a.l[1]\")", nested, "DROP"),
        ("extract-prefix(\"a\")", r#"{"a":{"b":1},"c":"#, "DROP"),
        ("extract-prefix(\"a\")", r#"{"a":{"b":1},"a":{"c":2}}"#, r#"c=i"2""#),
        ("extract-prefix(\"[1]\")", r#"[{"a":1},{"a":2}]"#, r#"a=i"2""#),
        ("marker(\"@cee:\")", "@cee: {\"a\":1}", r#"a=i"1""#),
        ("marker(\"@cee:\")", "@cee:{\"a\":1}", r#"a=i"1""#),
        ("marker(\"@cee:\")", " @cee: {}", "DROP"),
        ("marker(\"@cee:\")", "@cee", "DROP"),
        ("marker(\"@cee:\")", "@cee:", "DROP"),
        ("key-delimiter(\"~\") prefix(\"p.\")", r#"{"a":{"b":1}}"#, r#"p.a~b=i"1""#),
        ("template('{\"a\":\"$PROGRAM\"}')", "x", r#"a=s"prog""#),
    ] {
        assert_eq!(parsed(&format!("json-parser({options});"), text), expected, "{options} of {text}");
    }
    assert_eq!(said("json-parser(prefix(a) marker(b) extract-prefix(\"c.d[0]\") key-delimiter(_));"), "");
    assert!(said("json-parser(key-delimiter(\"::\"));").contains("`::` is not one byte"));
    assert!(said("json-parser(key-delimiter(\"\"));").contains("`` is not one byte"));
    assert!(said("json-parser(extract-prefix(\"a..b\"));").contains("`a..b` is no path in a document"));
    assert!(said("json-parser(key_delimiter(_) prefx(a));").contains("did you mean `prefix`?"));
}

/// Breaks without it: what the message itself is cannot be set by a document, or a long name is stored.
#[test]
fn names_of_the_language_are_what_they_are_elsewhere() {
    let over = r#"{"MESSAGE":"over","HOST":"h2",".SDATA.x@1.y":"z"}"#;
    assert_eq!(formatted("json-parser();", over, "$MSG $HOST $SDATA"), "over h2 [x@1 y=\"z\"]");
    let text = format!(r#"{{"{}":1,"b":2}}"#, "k".repeat(300));
    let (long, said) = alone(&*compiled("json-parser();"), messages(&[text.as_bytes()]), Instant::now());
    assert_eq!((values(&long, 0), said.len()), (vec![r#"b=i"2""#.to_owned()], 1));
}

/// Breaks without it: a string is copied for each message that has it.
#[test]
fn what_stands_in_the_document_is_not_copied() {
    let text = br#"{"s":"text","i":42,"d":1.123456,"t":true,"l":[1,2],"n":{"m":"x"}}"#;
    let (parsed, _) = alone(&*compiled("json-parser();"), messages(&[text]), Instant::now());
    let message = parsed.message(0);
    for name in ["s", "i", "d", "t", "l", "n.m"] {
        let (_, value) = message.named(name.as_bytes()).unwrap();
        assert!(message.text().as_ptr_range().contains(&value.as_ptr()), "{name}");
    }
}

/// Breaks without it: a sender stops the engine, or makes it slow, with one text.
#[test]
fn hostile_texts() {
    let keys = |count: usize| -> String {
        let members: Vec<String> = (0..count).map(|number| format!("\"k{number}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let run =
        |text: &[u8]| alone(&*compiled("json-parser(prefix(\"p.\"));"), messages(&[text]), Instant::now());
    for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "\"".repeat(100_000), "\\".repeat(100_000)] {
        assert!(run(text.as_bytes()).0.rows().is_empty());
    }
    let numbers = format!("[{}1]", "1,".repeat(300_000));
    assert_eq!(values(&run(numbers.as_bytes()).0, 0).len(), 255);
    assert_eq!(values(&run(keys(60_000).as_bytes()).0, 0).len(), 60_000);
    let same = format!("{{{}\"a\":1}}", "\"a\":\"a value of some length\",".repeat(100_000));
    assert_eq!(values(&run(same.as_bytes()).0, 0), [r#"p.a=i"1""#]);
    let long = format!("{{\"{}\":{{{}\"x\":1}},\"b\":2}}", "k".repeat(1 << 20), "\"c\":1,".repeat(10_000));
    assert_eq!(values(&run(long.as_bytes()).0, 0), [r#"p.b=i"2""#]);
    for unit in ["/**/", "//\n", " ", "\\u0041", "\\\\"] {
        let text = match unit {
            "\\u0041" | "\\\\" => format!("{{\"a\":\"{}\"}}", unit.repeat(200_000)),
            _ => format!("{}{{\"a\":1}}", unit.repeat(200_000)),
        };
        assert_eq!(values(&run(text.as_bytes()).0, 0).len(), 1, "{unit:?}");
    }
    let digits = format!("{{\"a\":{0},\"b\":{0}.{0},\"c\":1e{0},\"d\":[{0},\"x\"]}}", "7".repeat(200_000));
    assert_eq!(values(&run(digits.as_bytes()).0, 0).len(), 4);
}

/// Breaks without it: some end of a text, inside of an escape, a word or a character, is read past.
#[test]
fn every_beginning_of_a_document_is_refused() {
    let whole = "{\"ké\\u00e9\\ud83d\\ude00\":[\"a\\n\",{\"b\":-1.5e+3}],'c':tRue,/* x */\"d\":-Infinity}";
    assert_ne!(json(whole), "DROP");
    for end in 0..whole.len() {
        assert_eq!(json(&whole.as_bytes()[..end]), "DROP", "{end}");
    }
}
