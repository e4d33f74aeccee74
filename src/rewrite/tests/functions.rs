//! The rewrite functions one by one.

use super::*;

/// Breaks without it: a match is replaced by something else than syslog-ng writes, or too few or too many are.
#[test]
fn subst_replaces_matches() {
    let foo = "foo bar foo";
    let table = [
        (foo, r#""foo" "X""#, "X bar foo"),
        (foo, r#""foo" "X" flags(global)"#, "X bar X"),
        (foo, r#""foo" "X" type(string)"#, "foo bar foo"),
        (foo, r#""foo bar foo" "X" type(string)"#, "X"),
        (foo, r#""foo" "X" type(string) flags(prefix)"#, "X bar foo"),
        (foo, r#""foo" "X" type(string) flags(substring global)"#, "X bar X"),
        (foo, r#""FOO" "X" type(string) flags(substring global ignore-case)"#, "X bar X"),
        (foo, r#""(f)(o)" "$2$1""#, "ofo bar foo"),
        (foo, r#""(?<w>bar)" "${w}${w}""#, "foo barbar foo"),
        (foo, r#""nosuch" "X" flags(global)"#, foo),
        (foo, r#""bar" 5"#, "foo 5 foo"),
        (foo, r#""o" "<$0 $PROGRAM>" flags(global)"#, "f<o prog><o prog> bar f<o prog><o prog>"),
        (foo, r"'(\w)(\w*)' '$2$1' flags(global)", "oof arb oof"),
        ("moo", r##""o*" "#" flags(global)"##, "#m#"),
        ("moom", r##""o*" "#" flags(global)"##, "#m##m"),
        ("moom", r##""x*" "#" flags(global)"##, "#m#o#o#m"),
        ("moom", r##""m?" "#" flags(global)"##, "##o#o#"),
        ("ab m", r##""(a|b)*" "#" flags(global)"##, "## #m"),
        ("ab m", r##"'\b' "#" flags(global)"##, "#ab# #m"),
        ("ab", r##"'$|a' "#" flags(global)"##, "#b#"),
        ("ab", r##"'|a' "#" flags(global)"##, "###b"),
        ("ab", r##"'(?x) a* # a comment' "#" flags(global)"##, "##b"),
        ("mooom", r##""(?=m)" "#" flags(global)"##, "#mooo#m"),
        ("aéb", r##""" "#" flags(global utf8)"##, "#a#é#b"),
        ("aéb", r#""." "<$0>" flags(global utf8)"#, "<a><é><b>"),
        ("mmm", r##""m" "#" type(string) flags(prefix global)"##, "###"),
        ("mmm", r##""mm" "#" type(string) flags(substring global)"##, "#m"),
        ("moom", r##""" "#" type(string) flags(global substring)"##, "#m#o#o#m#"),
        ("moom", r##""" "#" type(string) flags(substring)"##, "#moom"),
        ("", r#""x*" "-""#, "-"),
    ];
    for (text, arguments, expected) in table {
        assert_eq!(
            rewritten(&format!("subst({arguments});"), text, "$MSG"),
            expected,
            "{arguments} on {text}"
        );
    }
    let own = |body: &str, template| rewritten(body, foo, template);
    assert_eq!(own(r#"subst("x*" "-" value("unset"));"#, "$unset"), "-");
    assert_eq!(own(r#"subst("(?<w>b)(a)" "X" flags(global));"#, "$w,$0,$1,$2,$3"), "b,ba,b,a,");
    assert_eq!(own(r#"subst("o" "X" flags(global)); subst("f(X)" "$1");"#, "$0 $1 $MSG"), "fX X XX bar fXX");
    assert_eq!(own(r#"subst("f(o)" ""); subst("o[o ]" "" flags(global));"#, "$0,$1,$MSG"), "oo,,bar f");
    assert_eq!(own(r#"subst("o[o ]" "-");"#, "$0,$MSG"), "oo,f- bar foo");
    assert_eq!(own(r#"subst("[af]" "(x)" flags(global));"#, "$0,$MSG"), "f,(x)oo b(x)r (x)oo");
    assert_eq!(own(r#"subst("prog" "p" value("PROGRAM"));"#, "$MSGHDR"), "p[42]: ");
    assert_eq!(own(r#"set(5 value(v)); subst("5" "6" value(v));"#, "$v"), "6");
}

/// Breaks without it: another priority than the one that was written, or none.
#[test]
fn priorities_are_numbers_and_names() {
    let table = [
        (r#"set-severity("error")"#, "11"),
        (r#"set-severity("2")"#, "10"),
        (r#"set-severity("9")"#, "13"),
        (r#"set-severity("Warning")"#, "12"),
        (r#"set-severity("7 ")"#, "13"),
        (r#"set-severity("")"#, "13"),
        (r#"set-facility("local3")"#, "157"),
        (r#"set-facility("5")"#, "45"),
        (r#"set-facility("100")"#, "805"),
        (r#"set-facility("127")"#, "1021"),
        (r#"set-facility("128")"#, "13"),
        (r#"set-facility("nope")"#, "13"),
        (r#"set-pri("165")"#, "165"),
        (r#"set-pri(" 16")"#, "16"),
        (r#"set-pri("1024")"#, "13"),
        (r#"set-pri("abc")"#, "13"),
        (r#"set("165" value(v)); set-pri("$v")"#, "165"),
    ];
    for (body, expected) in table {
        let config = configuration(&format!("{body};"), "");
        let (selection, said) = alone(&step(&config), message("text"), Instant::now());
        assert_eq!(selection.message(0).pri().to_string(), expected, "{body}");
        assert_eq!(said.is_empty(), expected != "13", "{body}: {said:?}");
    }
    let step = step(&configuration(r#"set-pri("$MSG");"#, ""));
    let said = |text: &str| alone(&step, message(text), Instant::now()).1;
    assert_eq!(
        said("\u{1b}x"),
        [
            "rewrite #anon-rewrite0: set-pri() ignores `\\u{1b}x`, which is not a number from 0 to 1023; it is the \
          first, and no other will be reported"
        ]
    );
    assert_eq!(said("x"), Vec::<String>::new(), "it is said once");
}

/// Breaks without it: a tag that a message has is set twice, or one of its source cannot be cleared.
#[test]
fn tags_are_set_and_cleared() {
    let table = [
        (r#"set-tag("a"); set-tag("b-$PROGRAM"); clear-tag("a");"#, ".source.s,b-prog"),
        (r#"set-tag(".source.s"); set-tag("a"); set-tag("a");"#, ".source.s,a"),
        (r#"clear-tag(".source.s"); set-tag("a");"#, "a"),
        (r#"clear-tag(".source.s"); set-tag(".source.s");"#, ".source.s"),
        (r#"clear-tag("nosuch"); set-tag("");"#, ".source.s"),
        (
            r#"set-tag("a" condition(tags("nosuch"))); set-tag("b" condition(tags(".source.s")));"#,
            ".source.s,b",
        ),
    ];
    for (body, expected) in table {
        assert_eq!(rewritten(body, "text", "$TAGS"), expected, "{body}");
    }
}

/// Breaks without it: values with other names are changed, or `$_` is not what a value was.
#[test]
fn groups_of_values_are_changed() {
    let set = r#"set("a" value(".x.a")); set("b" value(".x.b")); set("c" value("xx")); "#;
    let table = [
        (r#"groupset("$(uppercase $_)" values(".x.*"));"#, "A B c text"),
        (r#"groupunset(values(".x.*"));"#, "  c text"),
        (r#"groupset("<$_>" values(".x.a" "?x"));"#, "<a> b <c> text"),
        (r#"groupset("$_!" values("M*"));"#, "a b c text!"),
        ("groupunset(values('*'));", "   "),
    ];
    for (body, expected) in table {
        let body = format!("{set}{body}");
        assert_eq!(rewritten(&body, "text", "${.x.a} ${.x.b} $xx $MSG"), expected, "{body}");
    }
    let own = |body: &str, template| rewritten(body, "text", template);
    assert_eq!(own("groupset('x' values('?OST' 'P*'));", "$HOST $MSGHDR"), "x x[x]: ");
    assert_eq!(own("groupunset(values('PROG*' 'HOST*'));", "[$HOST][$HOST_FROM][$MSGHDR]"), "[][][]");
    assert_eq!(own("groupset('$_!' values('.SDATA.*'));", "$SDATA"), r#"[a@1 x="1!" y="2!"]"#);
    assert_eq!(own("groupunset(values('.SDATA.a*'));", "[$SDATA] $HOST"), "[] h");
    let mut selection = message("text");
    apply(&step(&configuration("set(5 value(v)); groupset('$_' values('v'));", "")), &mut selection);
    assert_eq!(selection.message(0).named(b"v"), Some((ValueType::Integer, &b"5"[..])));
}

/// Breaks without it: a match of before stays beside those of a list.
#[test]
fn matches_are_set_from_a_list() {
    let table = [
        (r#"set-matches("a,b,\"c d\"");"#, "a,b,c d,[]"),
        (r#"set("x" value("0")); set("y" value("5")); set-matches("a,b,,d");"#, "a,b,d,[]"),
        (r#"set-matches("a,b"); unset-matches();"#, ",,,[]"),
        (r#"set-matches("$PROGRAM,$PID"); set("$2" value("3"));"#, "prog,42,42,[]"),
    ];
    for (body, expected) in table {
        assert_eq!(rewritten(body, "text", "$1,$2,$3,[$0$5]"), expected, "{body}");
    }
}

/// Breaks without it: a time is shown in another zone than the one that was asked for, or is another one.
#[test]
fn times_are_moved_between_zones() {
    let time = "$S_ISODATE $S_UNIXTIME";
    let table = [
        (r#"set-time-zone("America/New_York");"#, "2026-06-01T06:00:00-04:00 1780308000"),
        (r#"fix-time-zone("America/New_York");"#, "2026-06-01T12:00:00-04:00 1780329600"),
        (r#"set-time-zone("+03:00");"#, "2026-06-01T13:00:00+03:00 1780308000"),
        (r#"fix-time-zone("+03:00");"#, "2026-06-01T12:00:00+03:00 1780304400"),
        (r#"set-time-zone("UTC" time-stamp(stamp));"#, "2026-06-01T10:00:00+00:00 1780308000"),
        (r#"set("Asia/Tokyo" value(z)); set-time-zone("$z");"#, "2026-06-01T19:00:00+09:00 1780308000"),
        ("guess-time-zone();", "2026-06-01T12:00:00+02:00 1780308000"),
        (r#"fix-time-zone("-04:00"); guess-time-zone();"#, "2026-06-01T12:00:00+02:00 1780308000"),
    ];
    for (body, expected) in table {
        assert_eq!(rewritten(body, "text", time), expected, "{body}");
    }
    let received = r#"set-time-zone("Asia/Tokyo" time-stamp(recvd));"#;
    assert_eq!(rewritten(received, "text", "$R_ISODATE $S_TZ"), "2026-06-01T19:00:00+09:00 +02:00");
    let step = step(&configuration(r#"set-time-zone("$MSG");"#, ""));
    for text in ["Nowhere/No", "+0300"] {
        let (selection, said) = alone(&step, message(text), Instant::now());
        assert_eq!(selection.message(0).stamp(), NOON);
        assert_eq!(said.len(), usize::from(text == "Nowhere/No"), "{said:?}");
    }
}

/// Breaks without it: an hour that is not there, or is there twice, becomes another time than in syslog-ng.
#[test]
fn times_at_the_change_of_clocks() {
    let table = [
        ("2026-03-29T02:30:00+05:00", "2026-03-29T03:30:00+02:00"),
        ("2026-10-25T02:30:00+05:00", "2026-10-25T02:30:00+02:00"),
    ];
    let rewrite = step(&configuration(r#"fix-time-zone("Europe/Budapest");"#, ""));
    for (before, after) in table {
        let mut selection = message("text");
        let at: jiff::Timestamp = before.parse().unwrap();
        let stamp = Stamp { unix_micros: at.as_microsecond(), offset_seconds: 5 * 3600 };
        selection.revise(&mut Vec::new(), |row| {
            row.stamp(stamp);
            true
        });
        apply(&rewrite, &mut selection);
        let mut out = Vec::new();
        Template::compile("$S_ISODATE").unwrap().format(selection.message(0), &Context::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), after);
    }
}

/// Breaks without it: what a filter finds is not there for the function whose condition it is.
#[test]
fn a_condition_stores_what_it_finds() {
    let filter = r#"filter f { match("^([a-z]+)-" value("MESSAGE") flags("store-matches")); };"#;
    let body = r#"set("$1" value("PROGRAM") condition(filter(f)));"#;
    assert_eq!(rewritten_with(filter, body, "abc-1", "$PROGRAM $1"), "abc abc");
    assert_eq!(rewritten_with(filter, body, "1", "$PROGRAM $1"), "prog ");
}

/// Breaks without it: what these functions cannot do is accepted without a word.
#[test]
fn errors_of_functions_are_at_their_place() {
    let table = [
        (r#"subst("x" "y" type(glob));"#, "subst() has no patterns of type(glob)"),
        (r#"subst("x" "y" type("glob"));"#, "subst() has no patterns of type(glob)"),
        (r#"subst("x(" "y");"#, "this is no regular expression"),
        (r#"subst("x" "y" flags(globl));"#, "did you mean `global`?"),
        (r#"subst("x" "y" value("PRI"));"#, "`PRI` is computed"),
        (r#"groupset("x" value("a*"));"#, "did you mean `values`?"),
        (r#"groupset("x");"#, "groupset() without values() does nothing"),
        (r#"set-tag("x" value("v"));"#, "unknown option `value`"),
        (r#"set-pri("abc");"#, "set-pri() ignores `abc`"),
        (r#"set-time-zone("Nowhere/No");"#, "unknown time zone `Nowhere/No`"),
        (r#"set-time-zone("+0530");"#, "unknown time zone `+0530`"),
        (r#"set-timezone("UTC");"#, "did you mean `set-time-zone`?"),
        (r#"set-time-zone("UTC" time-stamp(now));"#, "now"),
        (r#"mask("x");"#, "unknown rewrite function `mask`"),
    ];
    for (body, expected) in table {
        assert!(said(body).contains(expected), "{body}: {}", said(body));
    }
}
