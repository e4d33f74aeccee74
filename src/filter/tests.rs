//! Filter functions, each in a filter of its own, over messages in one batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Filter;
use crate::config::{Config, Environment, parse_str};
use crate::drivers::VOCABULARY;
use crate::message::batch::Text;
use crate::message::{FieldName, Head, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};
use crate::path::alone;
use crate::syslog::names::{parse_facility, parse_severity};
use crate::template::{Context, Moment, Template};

mod state;

/// A message: `key=value` with commas between, of which `host`, `program`, `pid`, `pri`, `from` and `tag` are
/// what they are called, and others are values; behind a `|` its text.
fn batch(messages: &[&str]) -> Selection {
    let mut origin = Origin::named("s_test");
    origin.tags = Arc::from([Arc::from(".source.s_test")]);
    let need = Need { bytes: 1 << 14, fields: 400, ..Need::default() };
    let mut writer = Writer::open(&Arc::new(origin), &Arc::new(Pool::new()), need);
    for message in messages {
        let (fields, text) = message.split_once('|').unwrap_or(("", message));
        let mut row = writer.row(Need { bytes: 1024, fields: 20, ..Need::default() }).expect("there is room");
        row.payload_copy(text.as_bytes());
        let mut pri = 13;
        for (key, value) in fields.split(',').filter_map(|field| field.split_once('=')) {
            let (id, name, value) = match key {
                "pri" => {
                    pri = value.parse().expect("a number");
                    continue;
                }
                "host" => (FieldName::Host, "", value),
                "program" => (FieldName::Program, "", value),
                "pid" => (FieldName::Pid, "", value),
                "from" => (FieldName::SourceIp, "", value),
                "tag" => (FieldName::Tag, value, ""),
                name => (FieldName::Text, name, value),
            };
            row.field(id, Text::Copy(name.as_bytes()), ValueType::String, Text::Copy(value.as_bytes()));
        }
        row.head(&Head::at(Stamp::default(), pri));
        row.publish();
    }
    Selection::all(Arc::new(writer.finish()))
}

fn config(text: &str) -> Config {
    parse_str("test.conf", text, &Environment::new(&VOCABULARY))
        .unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The filter `f` of `statements`.
fn filter(statements: &str) -> Filter {
    let config = config(&format!("@version: 4.27\n{statements}\nlog {{ }};"));
    Filter::compile(&config, "f", &config.filters["f"].condition).unwrap()
}

/// `template` of those of `messages` that `filter { … }` lets pass, with blanks between.
fn formatted(expression: &str, messages: &[&str], template: &str) -> String {
    let filter = filter(&format!("filter f {{ {expression} }};"));
    let (passed, said) = alone(&filter, batch(messages), Instant::now());
    assert!(said.is_empty(), "{said:?}");
    let template = Template::compile(template).unwrap();
    let format = |message| {
        let mut text = Vec::new();
        template.format(message, &Context::default(), &mut text);
        String::from_utf8(text).unwrap()
    };
    passed.messages().map(format).collect::<Vec<_>>().join(" ")
}

fn passed(expression: &str, messages: &[&str]) -> String {
    formatted(expression, messages, "$MSG")
}

/// The messages about a text that is wrong.
fn wrong(expression: &str) -> Vec<String> {
    let log = "log { source { internal(); }; destination { stdout(); }; };";
    let text = format!("filter f {{ {expression} }};\n{log}");
    let errors = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).expect_err(&text);
    errors.iter().map(|error| error.message().to_owned()).collect()
}

/// The warnings about a text that is right.
fn warned(expression: &str) -> Vec<String> {
    let log = "log { source { internal(); }; destination { stdout(); }; };";
    let config = config(&format!("filter f {{ {expression} }};\n{log}"));
    config.warnings.iter().map(|warning| warning.message().to_owned()).collect()
}

/// Breaks without it: messages of another facility or level pass.
#[test]
fn facilities_and_levels() {
    let of = |word: &str| {
        let facility = u16::from(parse_facility(word).unwrap_or_default());
        let level = u16::from(parse_severity(word).unwrap_or(5));
        format!("pri={}|{word}", facility * 8 + level)
    };
    let words = |words: &str| words.split(' ').map(of).collect::<Vec<_>>();
    let passed = |expression, all: &str| {
        let messages = words(all);
        passed(expression, &messages.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let facilities = "kern user auth authpriv local7";
    assert_eq!(passed("facility(auth..kern)", facilities), "kern user auth");
    assert_eq!(passed("facility(4)", facilities), "auth");
    assert_eq!(passed("facility(0x04)", facilities), "auth");
    assert_eq!(passed("facility(LOCAL7, User)", facilities), "user local7");
    assert_eq!(passed("facility(security authpriv)", "auth authpriv security"), "authpriv security");
    assert_eq!(passed("facility(syslog)", "syslog mail"), "syslog");
    let levels = "emerg alert crit err warning notice info debug";
    assert_eq!(passed("level(err..emerg,debug)", levels), "emerg alert crit err debug");
    assert_eq!(passed("severity(Warn .. informational)", levels), "warning notice info");
    assert_eq!(passed("priority(panic critical error)", levels), "emerg crit err");
}

/// Breaks without it: a pattern is compared with another text of the message.
#[test]
fn texts_and_patterns() {
    let programs = ["program=sshd|sshd", "program=SSHD|SSHD", "program=xsshd|xsshd", "|none"];
    for (expression, expected) in [
        (r#"program("sshd")"#, "sshd xsshd"),
        (r#"program("sshd" type(string))"#, "sshd"),
        (r#"program("sshd" type(string) flags(ignore-case))"#, "sshd SSHD"),
        (r#"program("SSH" type(string) flags(prefix ignore_case))"#, "sshd SSHD"),
        (r#"program("shd" flags("substring") type(string))"#, "sshd xsshd"),
        (r#"program("s*d" type(glob))"#, "sshd"),
        (r#"program("?sshd" type("glob"))"#, "xsshd"),
        (r#"program("^$")"#, "none"),
        (r#"program("")"#, "sshd SSHD xsshd none"),
        (r#"match('^sshd: sshd$') or match("^: none$")"#, "sshd none"),
        (r#"match("sshd-sshd" template("$PROGRAM-$MSG") type(string))"#, "sshd"),
        (r#"match("^x" value("PROGRAM"))"#, "xsshd"),
        (r#"match("^13$" value("PRI"))"#, "sshd SSHD xsshd none"),
        (r#"match("xsshd" value("${PROGRAM}") type(string))"#, "xsshd"),
        (r#"match("none" value("PROGRAM") value("MESSAGE"))"#, "none"),
        (r#"match("none" value("MESSAGE") template("$PROGRAM"))"#, "none"),
        (r#"host("^local")"#, "sshd SSHD xsshd none"),
        (r#"source("s_test") and not source("s_tes")"#, "sshd SSHD xsshd none"),
        (r#"source("^s_t" type(pcre)) and tags(".source.s_test")"#, "sshd SSHD xsshd none"),
        (r#"message("(?<!x)sshd") and not message('^s' flags(utf8))"#, ""),
    ] {
        assert_eq!(passed(expression, &programs), expected, "{expression}");
    }
    assert_eq!(passed(r#"host("web" type(string))"#, &["host=web|a", "host=web1|b"]), "a");
    assert_eq!(passed(r#"match("^p\\[7\\]: t$")"#, &["program=p,pid=7|t"]), "t");
    assert_eq!(passed("message('\\d+')", &["a1", "b"]), "a1");
    assert_eq!(passed(r#"message("\d+")"#, &["a1", "add"]), "add");
    assert_eq!(passed(r#"message("^.$" flags(utf8))"#, &["é", "e", "ee"]), "é e");
    assert_eq!(passed(r#"message("^.$")"#, &["é", "e", "ee"]), "e");
    assert_eq!(passed(r#"match("^v$" value(".a.b"))"#, &[".a.b=v|yes", "|no"]), "yes");
}

/// Breaks without it: a filter of the sender's address, of tags or of a list lets others pass.
#[test]
fn senders_tags_and_lists() {
    let messages =
        ["|here", "from=10.1.2.3|ten", "from=2001:db8::1|six", "tag=red|red", "tag=blue,tag=green|both"];
    for (expression, expected) in [
        (r#"netmask("127.0.0.0/8")"#, "here red both"),
        ("netmask(10.0.0.0/8)", "ten"),
        (r#"netmask("0.0.0.0/0")"#, "here ten red both"),
        (r#"netmask6("2001:db8::/32")"#, "six"),
        (r#"netmask6("::/0")"#, "here six red both"),
        (r#"tags("red" "green")"#, "red both"),
        ("tags(blue)", "both"),
        ("tags()", ""),
    ] {
        assert_eq!(passed(expression, &messages), expected, "{expression}");
    }
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&list, "alpha\nbeta\n\ngamma").unwrap();
    let path = list.path().display();
    for value in ["value(\"MESSAGE\")", "\"MESSAGE\""] {
        let expression = format!("in-list(\"{path}\" {value})");
        assert_eq!(passed(&expression, &["alpha", "gamma", "gamm", ""]), "alpha gamma");
    }
}

/// Breaks without it: `$1` is empty, or holds what an earlier filter or another message has found.
#[test]
fn matches_are_stored() {
    let store = |pattern: &str| format!("message('{pattern}' flags(store-matches))");
    let word = store("(?<w>[a-z]+) ([0-9]+)(z)?");
    let all = "$0,$1,$2,$3,$w";
    assert_eq!(formatted(&word, &["-abc 12"], all), "abc 12,abc,12,,abc");
    assert_eq!(formatted(&word.replace("flags(store-matches)", ""), &["abc 12"], all), ",,,,");
    // The second one unsets what the first one has found beyond its own.
    let both = format!("{word} and {}", store("a(.)"));
    assert_eq!(formatted(&both, &["abc 12", "xay 7"], "[$1][$2]"), "[b][] [y][]");
    // What does not match changes nothing, and the side of `or` that matched counts.
    let either = format!("{} or {}", store("(x)(y)"), store("(b)"));
    assert_eq!(formatted(&either, &["xy", "b", "c"], "[$0$1$2]"), "[xyxy] [bb]");
    let kept = format!("{word}; not {}", store("(nowhere)"));
    assert_eq!(formatted(&kept, &["abc 12"], "$1"), "abc");
    assert_eq!(formatted(&store("(a)(b)?(c)"), &["ac"], "[$2][$3]"), "[][c]");
    assert_eq!(formatted(&store("(?<MESSAGE>b)(?<PROGRAM>c)"), &["abc"], "$MSG $PROGRAM $1"), "b c b");
    // Later parts of an expression read what the earlier ones have stored.
    let chained = format!("{word} and match('^12$' value('2') type(string)) and not match('.' value('3'))");
    assert_eq!(formatted(&chained, &["abc 12", "abc 13"], "$1"), "");
    let chained = chained.replace("type(string)", "");
    assert_eq!(formatted(&chained, &["abc 12", "abc 13"], "$1"), "abc");
    // Groups of a text that is made for the match, and of a program.
    let header = "match('^(p)\\[(7)\\]' flags(store-matches))";
    assert_eq!(formatted(header, &["program=p,pid=7|t"], "$1$2"), "p7");
    assert_eq!(formatted("program('(.)$' flags(store-matches))", &["program=pq|t"], "$1"), "q");
    let wide = store(&"()".repeat(255));
    assert_eq!(formatted(&wide, &["a"], "[$0]"), "[]");
    let wider = store(&format!("a{}", "()".repeat(256)));
    assert_eq!(formatted(&wider, &["a"], "[$0]"), "[]", "too many to be stored");
}

/// Breaks without it: a source sends more a second than it may, or one filter counts for another.
#[test]
fn rates_are_limited() {
    let messages = ["a", "b", "a", "c", "b"];
    assert_eq!(passed("rate-limit(template(\"$MSG\") rate(1))", &messages), "a b c");
    assert_eq!(passed("rate-limit(rate(2))", &messages), "a b");
    assert_eq!(passed("not throttle(key(\"x\") rate(2))", &messages), "a c b");
    assert_eq!(passed("rate-limit(thread-local-rate(3))", &messages), "a b a");
    let text = "filter g { rate-limit(rate(1)) }; filter f { filter(g) or filter(g) };";
    let (limited, start) = (filter(text), Instant::now());
    let count =
        |seconds: u64| alone(&limited, batch(&messages), start + Duration::from_secs(seconds)).0.len();
    assert_eq!((count(0), count(0), count(1), count(60)), (2, 0, 2, 2), "each reference has its own");
    assert!(crate::path::Step::is_ordered(&limited));
}

/// Those of `comparisons` that hold for a message of the program `prog` with the number 42, in a file for
/// `version`.
fn hold(version: &str, comparisons: &[&str]) -> String {
    let holds = |expression: &&str| {
        let config = config(&format!("@version: {version}\nfilter f {{ {expression} }};\nlog {{ }};"));
        let filter = Filter::compile(&config, "f", &config.filters["f"].condition).unwrap();
        let message = batch(&["program=prog,pid=42|t"]);
        let met = filter.matches(message.message(0), Moment::default());
        assert_eq!(alone(&filter, message, Instant::now()).0.len(), usize::from(met), "{expression}");
        if met { 'T' } else { 'F' }
    };
    comparisons.iter().map(holds).collect()
}

/// Breaks without it: a comparison looks at other types than the language says, or at none.
#[test]
fn values_are_compared_by_their_types() {
    let texts = [r#""10" > "9""#, "10 > 9", r#""10" == 10"#, r#""10" == "10.0""#];
    assert_eq!(hold("4.0", &texts), "FTTF");
    let nulls = [r#""$nosuch" == """#, r#""$nosuch" == null(0)"#, r#""${PROGRAM}" != null(0)"#];
    assert_eq!(hold("4.0", &nulls), "FTT");
    let numbers = [
        r#""a" == 0"#,
        r#""" == 0"#,
        r#""abc" != 5"#,
        r#""1e3" == 1000"#,
        r#""0x10" == 16"#,
        r#""5 " == 5"#,
        r#""  5" == 5"#,
    ];
    assert_eq!(hold("4.0", &numbers), "FFTTTFT");
    let hints = [
        r#"null("") < 1"#,
        r#"boolean("yes") == 0"#,
        r#"datetime("1.5") == 1500"#,
        r#"list("a,b") == "a,b""#,
        r#""1K" == 1000"#,
        r#"null("") == 0"#,
        r#"null("") <= 0"#,
        r#"json("{}") == json("{}")"#,
        r#"json("1") == 1"#,
        "9007199254740993 > 9007199254740992",
    ];
    assert_eq!(hold("4.0", &hints), "TTTFFFTTFT");
    let types = [
        r#""$PID" === 42"#,
        r#""$PID" == 42"#,
        r#""$LEVEL_NUM" == "5""#,
        "5 === 5.0",
        r#"int("5") === int64("5")"#,
        r#""5" !== 5"#,
        r#""a" !== "b""#,
        r#""a" === a"#,
    ];
    assert_eq!(hold("4.0", &types), "FTTFTTTT");
    let words = [
        r#""$PROGRAM" eq "prog""#,
        "prog ne $PROGRAM",
        "10 lt 9",
        r#""a" le "ab""#,
        r#""b" gt "ab""#,
        r#""" ge "a""#,
    ];
    assert_eq!(hold("4.0", &words), "TFTTTF");
}

/// Breaks without it: a file for an older version means something else than it did.
#[test]
fn older_versions_compare_otherwise() {
    let comparisons =
        [r#""a" == "b""#, r#""a" < "b""#, r#""10" > "9""#, r#""$nosuch" != null(0)"#, r#""5x" == "5""#];
    assert_eq!(hold("3.38", &comparisons), "TFTTT");
    let typed = [
        r#""5x" == 5"#,
        r#""0x10" == 16"#,
        r#""$nosuch" == 0"#,
        r#""$nosuch" == """#,
        r#""$nosuch" == null()"#,
    ];
    assert_eq!((hold("3.38", &typed), hold("3.7", &typed)), ("FTFTF".into(), "FTFTF".into()));
    assert_eq!((hold("3.7", &[r#""9" < "10""#]), hold("3.38", &[r#""9" < "10""#])), ("F".into(), "T".into()));
    let config = config("@version: 3.38\nfilter f { \"$HOST\" == \"a\" };\nlog { };");
    let warning =
        config.warnings.iter().find(|one| one.message().contains("whole numbers")).expect("a warning");
    assert!(warning.to_string().contains("`eq` compares texts"), "{warning}");
}

/// Breaks without it: one message takes a worker for good, and nobody is told why it did not match.
#[test]
fn a_match_that_is_given_up_is_said_once() {
    let filter = filter(r"filter f { message('^(?:a+)+\K$') };");
    let hostile = format!("{}!", "a".repeat(100));
    let selection = batch(&[&hostile, "aaa", &hostile]);
    let (passed, said) = alone(&filter, selection.clone(), Instant::now());
    assert_eq!((passed.len(), said.len()), (1, 1), "{said:?}");
    assert!(said[0].starts_with("filter f: a match takes too many steps"), "{said:?}");
    assert!(alone(&filter, selection, Instant::now()).1.is_empty());
}

/// Breaks without it: a mistake in a filter is accepted, and lets the wrong messages pass.
#[test]
fn mistakes_are_errors() {
    for (expression, expected) in [
        ("facility(nope)", "`nope` is not the name of a facility"),
        ("level(3)", "expected the name of a level, found a number"),
        ("facility(1..3)", "expected `)`, found `..`"),
        ("message(\"a\" value(\"X\"))", "unknown option `value`"),
        ("message(\"a(\")", "this is no regular expression: missing closing parenthesis"),
        ("message(\"a\" type(regex))", "`regex` is not possible here"),
        ("message(\"a\" flags(ignorecase))", "unknown flag `ignorecase`"),
        ("match(\"a\" value(\"\"))", "the name of a value is not empty"),
        ("match(\"a\" value(\"$(echo x)\"))", "`$(echo x)` is not the name of a value"),
        ("match(\"a\" template(\"${x\"))", "this `${` is not closed"),
        ("netmask(\"10.0.0.0/33\")", "`10.0.0.0/33` is no net of IPv4"),
        ("netmask6(\"10.0.0.1\")", "`10.0.0.1` is no net of IPv6"),
        ("rate-limit()", "`rate-limit` needs a rate(): the messages a second"),
        ("rate-limit(rate(0))", "0 is out of range: expected a whole number from 1 to 2147483647"),
        (
            "in-list(\"/nowhere\" value(\"HOST\"))",
            "/nowhere cannot be read: No such file or directory (os error 2)",
        ),
        ("in-list(\"/dev/null\" \"HOST\")", "/dev/null cannot be read: it is no regular file"),
        ("in-list(\"Cargo.toml\")", "`in-list` needs a value()"),
    ] {
        assert_eq!(wrong(expression), [expected], "{expression}");
    }
    let several = "levl(err) or level(er) and message('(') or program('x' flags(bad)); netmask(x)";
    assert_eq!(wrong(several).len(), 5, "{:?}", wrong(several));
}

/// Breaks without it: a filter that does something else than it looks like is accepted in silence.
#[test]
fn doubts_are_warnings() {
    for (expression, expected) in [
        (r#"message("\d+")"#, r"`\d` in double quotes loses its backslash before it is a pattern"),
        (
            r#"message("a" flags(nobackref))"#,
            "`nobackref` has no effect: what a match finds is kept only where store-matches is set",
        ),
        (r#"message("a" type(posix))"#, "`posix` means `pcre`: there are no other regular expressions"),
        (r#"match("a")"#, "`match` without value() looks at `PROGRAM[PID]: MESSAGE`"),
        (r#"match("a" value("$PROGRAM"))"#, "the `$` of `$PROGRAM` is not part of the name"),
        ("throttle(rate(1))", "throttle() is an old spelling"),
        ("tags()", "`tags()` without a tag is never true"),
        (
            "facility(mail) and (not facility(cron) and level(err) and level(info))",
            "this filter lets no message pass: a message has one level",
        ),
        (
            "facility(mail); host(a); facility(cron, daemon)",
            "this filter lets no message pass: a message has one facility",
        ),
        (
            "program(a type(string)) and program(b type(string)) or level(err)",
            "this filter lets no message pass: `program` is \"a\" or \"b\"",
        ),
    ] {
        assert_eq!(warned(expression), [expected], "{expression}");
    }
    let possible =
        "level(err..info) and level(info) and host(a type(string)) and host(b type(string) flags(prefix))";
    for right in [possible, r#"message("\\d\t\x41\"")"#, r"message('\d')", r#"message("\." type(string))"#] {
        assert!(warned(right).is_empty(), "{right}");
    }
}
