//! Templates over messages: every macro against a table, times against jiff, and texts that break.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use inrush::message::batch::Text;
use inrush::message::{Batch, FieldName, Need, Origin, Pool, Stamp, ValueType, Writer};
use inrush::template::{
    Context, FILE_LINE, Identity, Options, Piece, Template, TimeZoneUse, TsFormat, Zone,
    append_rfc5424_header, macro_names,
};
use proptest::prelude::*;

/// 2003-10-11T22:14:15.003999+02:00, the time of an example in RFC 5424 with two digits more.
const STAMP: Stamp = Stamp { unix_micros: 1_065_903_255_003_999, offset_seconds: 7200 };
/// Three hours later, received by a clock on UTC.
const RECEIVED: i64 = STAMP.unix_micros + 3 * 3_600_000_000;

type Pairs<'a> = &'a [(FieldName, &'a str, &'a str)];

fn batch_of(origin: Origin, text: &[u8], pairs: Pairs<'_>, stamp: Stamp) -> Batch {
    let (origin, pool) = (Arc::new(origin), Arc::new(Pool::new()));
    let mut writer = Writer::open(&origin, &pool, Need::default());
    let mut row = writer.row(Need { bytes: 4096, fields: 64, segments: 0, viewed: 0 }).unwrap();
    row.payload_copy(text);
    for (id, name, value) in pairs {
        row.field(*id, Text::Copy(name.as_bytes()), ValueType::String, Text::Copy(value.as_bytes()));
    }
    row.stamps(stamp, RECEIVED);
    row.pri(165);
    row.raw_size(99);
    row.publish();
    writer.finish()
}

fn origin() -> Origin {
    Origin {
        transport: Some("rfc5424+tls".into()),
        tags: Arc::from([Arc::from("t1"), Arc::from(".source.s_net")]),
        ids: Some(Arc::new(AtomicU64::new(31))),
        ..Origin::named("s_net")
    }
}

const PAIRS: Pairs<'_> = &[
    (FieldName::Host, "", "mymachine"),
    (FieldName::HostFrom, "", "relay"),
    (FieldName::Program, "", "evntslog"),
    (FieldName::Pid, "", "42"),
    (FieldName::MsgId, "", "ID47"),
    (FieldName::SourceIp, "", "2001:db8::1"),
    (FieldName::SourcePort, "", "5140"),
    (FieldName::RawMsg, "", "<165>1 raw"),
    (FieldName::SdId, "", "exampleSDID@32473"),
    (FieldName::SdParam, "iut", "3"),
    (FieldName::SdParam, "eventSource", "A \"p\\p\" [x]"),
    (FieldName::SdId, "", "empty@1"),
    (FieldName::Text, ".json.user", "jane"),
    (FieldName::Text, "app", "shop"),
];

fn context(options: &Options) -> Context {
    let identity = Identity {
        host: "loghost.example".to_owned(),
        host_id: 0xbeef,
        run_id: 7,
        started_micros: RECEIVED - 12_345_678,
    };
    let mut context = Context::new(options, Arc::new(identity), TimeZoneUse::Send);
    context.now = Stamp { unix_micros: RECEIVED, offset_seconds: -12_600 };
    context.sequence = 12;
    context
}

fn format_with(text: &str, batch: &Batch, context: &Context) -> String {
    let mut out = b"before|".to_vec();
    Template::compile(text).unwrap().format(batch.message(0), context, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before|").unwrap().to_owned()
}

fn format(text: &str) -> String {
    let batch = batch_of(origin(), b"An application event", PAIRS, STAMP);
    format_with(text, &batch, &context(&Options::default()))
}

/// Breaks without it: a macro of the documentation has another value, or none.
#[test]
fn every_macro_has_the_value_of_the_table() {
    let table = [
        ("MESSAGE", "An application event"),
        ("MSG", "An application event"),
        ("MSGONLY", "An application event"),
        ("HOST", "mymachine"),
        ("FULLHOST", "mymachine"),
        ("HOST_FROM", "relay"),
        ("FULLHOST_FROM", "relay"),
        ("PROGRAM", "evntslog"),
        ("PID", "42"),
        ("MSGID", "ID47"),
        ("RAWMSG", "<165>1 raw"),
        ("MSGFORMAT", ""),
        ("LEGACY_MSGHDR", ""),
        ("MSGHDR", "evntslog[42]: "),
        ("FACILITY", "local4"),
        ("FACILITY_NUM", "20"),
        ("SEVERITY", "notice"),
        ("LEVEL", "notice"),
        ("PRIORITY", "notice"),
        ("SEVERITY_NUM", "5"),
        ("LEVEL_NUM", "5"),
        ("PRI", "165"),
        ("TAG", "a5"),
        ("BSDTAG", "5U"),
        ("TAGS", "t1,.source.s_net"),
        ("SOURCE", "s_net"),
        ("TRANSPORT", "rfc5424+tls"),
        ("SOURCEIP", "2001:db8::1"),
        ("SOURCEPORT", "5140"),
        ("PEERIP", "2001:db8::1"),
        ("PEERPORT", "5140"),
        ("DESTIP", "127.0.0.1"),
        ("DESTPORT", "0"),
        ("IP_PROTO", "6"),
        ("PROTO", "6"),
        ("PROTO_NAME", "tcp"),
        ("RAWMSG_SIZE", "99"),
        ("SDATA", r#"[exampleSDID@32473 iut="3" eventSource="A \"p\\p\" [x\]"][empty@1]"#),
        ("SEQNUM", ""),
        ("UNIQID", "0000beef@000000000000001f"),
        ("RCPTID", "31"),
        ("RUNID", "7"),
        ("HOSTID", "0000beef"),
        ("CONTEXT_ID", ""),
        ("SYSUPTIME", "1234"),
        ("LOGHOST", "loghost.example"),
        ("DATE", "Oct 11 22:14:15"),
        ("FULLDATE", "2003 Oct 11 22:14:15"),
        ("ISODATE", "2003-10-11T22:14:15+02:00"),
        ("STAMP", "Oct 11 22:14:15"),
        ("UNIXTIME", "1065903255"),
        ("YEAR", "2003"),
        ("YEAR_DAY", "284"),
        ("MONTH", "10"),
        ("MONTH_WEEK", "1"),
        ("MONTH_ABBREV", "Oct"),
        ("MONTH_NAME", "October"),
        ("DAY", "11"),
        ("HOUR", "22"),
        ("HOUR12", "10"),
        ("MIN", "14"),
        ("SEC", "15"),
        ("MSEC", "003"),
        ("USEC", "003999"),
        ("AMPM", "PM"),
        ("WEEK_DAY", "7"),
        ("WEEKDAY", "Sat"),
        ("WEEK_DAY_ABBREV", "Sat"),
        ("WEEK_DAY_NAME", "Saturday"),
        ("WEEK", "40"),
        ("ISOWEEK", "41"),
        ("TZ", "+02:00"),
        ("TZOFFSET", "+02:00"),
    ];
    for (name, expected) in table {
        assert_eq!(format(&format!("${{{name}}}")), expected, "{name}");
        assert_eq!(format(&format!("a${name}-b")), format!("a{expected}-b"), "{name}");
    }
    let times = ["S_", "R_", "C_", "P_"];
    for name in macro_names() {
        let prefixed = times.iter().any(|prefix| name.starts_with(prefix));
        assert!(prefixed || table.iter().any(|row| row.0 == name), "{name} is missing in the table");
    }
}

/// Breaks without it: `R_`, `S_`, `C_` and `P_` all write the same time.
#[test]
fn prefixes_take_the_other_times() {
    assert_eq!(format("$S_ISODATE"), "2003-10-11T22:14:15+02:00");
    assert_eq!(format("$R_ISODATE"), "2003-10-11T23:14:15+00:00");
    assert_eq!(format("$C_ISODATE $P_TZ"), "2003-10-11T19:44:15-03:30 -03:30");
    assert_eq!(format("$R_HOUR:$S_HOUR:$R_HOUR"), "23:22:23");
}

/// Breaks without it: a sign or a brace is read as something else than the documentation has it.
#[test]
fn names_defaults_and_signs_are_read() {
    for (text, expected) in [
        ("", ""),
        ("plain @ text", "plain @ text"),
        ("$app ${.json.user}", "shop jane"),
        ("${.SDATA.exampleSDID@32473.iut}", "3"),
        ("$$HOST $ $- $", "$HOST $ $- $"),
        ("${nothing}|$nothing", "|"),
        ("${nothing:-a b}|${HOST:-no}|${nothing:-}", "a b|mymachine|"),
        ("$0$1$255${2}$*", ""),
        ("$HOST@0 $HOST@1 $HOST@@x ${HOST}@@", "mymachine@0 mymachine@1 mymachine@@x mymachine@"),
        ("$HOST@example.com ${HOST}@x ${HOST}@", "mymachine@example.com mymachine@x mymachine@"),
        ("${HOST}@0 ${HOST}@00 ${HOST}@1@1x ${HOST}@10", "mymachine mymachine @1x "),
        ("${}|${:-x}|${MSG:-a:b}", "|x|An application event"),
        ("${1:-x}", "x"),
        ("árvíz $PID tűrő", "árvíz 42 tűrő"),
        ("${SOURCEIP:-x}", "2001:db8::1"),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
}

/// Breaks without it: an argument of a function is taken as it is, and not as a template.
#[test]
fn functions_take_templates() {
    for (text, expected) in [
        ("$(echo $HOST  $PID)", "mymachine 42"),
        ("$(echo)", ""),
        ("$(echo '$HOST x' \"a  'b'\")", "mymachine x a  'b'"),
        ("$(echo ${none:-a b} c)", "a b c"),
        ("$(uppercase $(substr $HOST 2 4))", "MACH"),
        ("$(uppercase \"(\" ')' x)", "( ) X"),
        ("$(echo $(echo ')') (x))", ") (x)"),
        ("$(lowercase $MSGID)", "id47"),
        ("$(length $HOST $PID)", "9 2"),
        ("$(strip '  a b ')", "a b"),
        ("$(indent-multi-line 'a\nb')", "a\n\tb"),
        ("$(indent_multi_line 'a\nb')", "a\n\tb"),
        ("$(basename /var/log/x.log)$(dirname /var/log/x.log)", "x.log/var/log"),
        ("$(env NO_SUCH_VARIABLE A=B)", ""),
        ("x$(echo a)@@$(echo b)@1", "xa@"),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
    assert_eq!(format("$(env PATH)"), std::env::var("PATH").unwrap());
}

/// A message of text `hello world` with `pairs`, through each template.
fn check(pairs: &[(&str, &str)], table: &[(&str, &str)]) {
    let fields: Vec<_> = pairs.iter().map(|(name, value)| (FieldName::Text, *name, *value)).collect();
    let batch = batch_of(origin(), b"hello world", &fields, STAMP);
    for (text, expected) in table {
        assert_eq!(format_with(text, &batch, &Context::default()), *expected, "{text}");
    }
}

/// Names, defaults, references and quoting mean what they mean in the template language of syslog-ng.
#[test]
fn the_language_is_that_of_syslog_ng() {
    let pairs = [
        ("a", "x"),
        ("empty", ""),
        (".dot.n", "dn"),
        ("we ird", "W"),
        ("a-b", "AB"),
        ("1", "one"),
        ("2", "two"),
        ("é", "ea"),
        ("q3", "it's \"x\""),
    ];
    #[rustfmt::skip]
    let table = [
        ("$$a", "$a"), ("$$$a", "$x"), ("$$$$", "$$"), ("$ a", "$ a"), ("a$", "a$"), ("$-a", "$-a"),
        ("${empty:-def}", "def"), ("${nope:-def}", "def"), ("${a:-def}", "x"), ("${nope:-$a}", "$a"),
        ("${nope:-a:b-c}", "a:b-c"), ("${nope:-}}", "}"), ("${nope:-{x}}|", "{x}|"), ("${we ird}", "W"),
        ("$a-b", "x-b"), ("${a-b}", "AB"), ("$.dot.n", "$.dot.n"), ("${.dot.n}", "dn"),
        ("$1|$2|$3|$0", "one|two||"), ("$*", "one,two"), ("${*}|", "|"), ("$é|${é}", "$é|ea"),
        ("$a@0", "x@0"), ("${a}@0", "x"), ("${a}@1|", "|"), ("${a}@@x", "x@x"), ("${a}@x", "x@x"),
        ("$(echo a)@0", "a"), ("$(echo a)@1|", "|"), ("$(echo a)@", "a@"), ("$(echo a)@@@0", "a@@0"),
        ("${}|", "|"), ("$()|", "|"), ("abc$()|", "abc|"), ("$( )|", "|"), (r"\$a", r"\x"), ("${:-x}", "x"),
        ("$(\"echo\" a)", "a"), ("${ a}|${a }|$A|", "|||"), ("$( echo  a\tb )", "a b"),
        ("$(echo \"a b\" c)", "a b c"), ("$(echo \"a b\"c)", "a bc"), ("$(echo \"a\"\"b\")", "ab"),
        ("$(length \"\" \"\" a)", "0 0 1"), (r"$(length a\ b)", "3"), (r"$(echo a\)b)", "a)b"),
        (r"$(echo a\\b)", r"a\b"), (r#"$(echo \"a b\")"#, "\"a b\""), ("$(length (a b) c)", "5 1"),
        ("$(length a( b )c d)", "7 1"), ("$(length \"(\" c)", "1 1"), ("$(length $(echo \"a  b\"))", "4"),
        ("$(echo \"$(echo a  b)\")", "a b"), (r"$(echo $(echo a\\b))", "ab"), ("$(echo $(echo \")\"))", ")"),
        ("$(echo \"${we ird}\")", "W"), ("$(echo ${nope:-\"x y\"})", "x y"), ("$(echo \"$$a\" $$)", "$a $"),
        ("$(echo $q3)", "it's \"x\""), ("$(echo a \"\" b)", "a  b"), ("$(echo {a b})", "{a b}"),
        (r"$(echo 'a\n' \x)", r"a\n x"), ("$_|${_}|$01|", "|||"), ("$a$*$a", "xone,twox"),
    ];
    check(&pairs, &table);
    for text in ["${a:x}", "${a", "$(echo", "$(nosuch a)", r#"$(echo "a\"b")"#, "$(base64-decode YQ==)"] {
        assert!(Template::compile(text).is_err(), "{text}");
    }
}

/// Matches are values called by numbers; a list of them has those that are not set as empty ones.
#[test]
fn matches_as_a_list() {
    let pairs = [("3", "th\"ree, 3"), ("1", "one"), ("01", "no"), ("256", "no"), ("0", "all"), ("10x", "no")];
    check(&pairs, &[("$*", "one,\"\",'th\"ree, 3'"), ("$1$2$01$256$0", "onenonoall")]);
    check(&[("0", "all")], &[("$*|", "|")]);
    check(&[("255", "last"), ("255", "again")], &[("$(length $*)", "767")]);
}

/// Functions give what those of syslog-ng give.
#[test]
fn functions_are_those_of_syslog_ng() {
    let pairs = [
        ("u", "Árvíz ß"),
        ("sp", " \t\u{b} x y \n"),
        ("path", "/a/b/c.d"),
        ("ml", "l1\nl2\n\tl3\n"),
        ("sig", "Σ ΑΣ"),
    ];
    #[rustfmt::skip]
    let table = [
        ("$(substr hello 1 3)", "ell"), ("$(substr hello -3)", "llo"), ("$(substr hello -3 2)", "ll"),
        ("$(substr hello 1 -1)", "ell"), ("$(substr hello 0 -6)|", "|"), ("$(substr hello 5)|", "|"),
        ("$(substr hello 4 100)", "o"), ("$(substr hello -6)|", "|"), ("$(substr hello -1 -3)|", "|"),
        ("$(substr hello x)|", "|"), ("$(substr hello \" 1\")", "ello"), ("$(substr hello \"1 \")|", "|"),
        ("$(substr a)|$(substr a 1 2 3)|", "||"), ("$(substr hello +1)", "ello"),
        ("$(length a bb)", "1 2"), ("$(length $u)", "10"), ("$(length)|", "|"),
        ("$(lowercase ABC $u)", "abc árvíz ß"), ("$(uppercase abc $u)", "ABC ÁRVÍZ SS"),
        ("$(lowercase $sig)", "ς ας"), ("$(strip \"$sp\" \"\" \" b \")", "x y b"),
        ("$(strip \"\" a)|$(strip a \" \" b)|$(strip \" \" \"\")|", "a|a b||"),
        ("$(basename $path)", "c.d"), ("$(basename /a/b/)", "b"), ("$(basename \"\")", "."),
        ("$(basename /)", "/"), ("$(dirname $path)", "/a/b"), ("$(dirname /a/b/)", "/a/b"),
        ("$(dirname a)", "."), ("$(dirname //a)", "/"), ("$(basename a b)$(dirname a b)", "a."),
        ("$(indent-multi-line $ml)|", "l1\n\tl2\n\tl3\n\t|"),
        ("$(indent-multi-line \"a\n\n\tb\" \"c\n\")", "a\n\t\n\tb c\n\t"),
        ("x\ny$(indent-multi-line \"\n\")", "x\ny\n\t"),
        ("$(env)|$(env NO_SUCH_VARIABLE)|", "||"),
    ];
    check(&pairs, &table);
    let home = std::env::var("PATH").unwrap();
    check(
        &[],
        &[
            ("$(env PATH NO_SUCH_VARIABLE PATH)", &format!("{home} {home}")),
            ("$(env PATH NO_SUCH_VARIABLE)|", &format!("{home} |")),
            ("$(env NO_SUCH_VARIABLE PATH)|", &format!("{home}|")),
        ],
    );
}

/// Texts are bytes: in the template itself, in names, in what functions get.
#[test]
fn templates_of_any_bytes() {
    let pairs = [(FieldName::Host, "", "h")];
    let batch = batch_of(origin(), b"caf\xe9", &pairs, STAMP);
    let format = |text: &[u8]| {
        let mut out = Vec::new();
        let template = Template::compile_bytes(text).unwrap();
        template.format(batch.message(0), &Context::default(), &mut out);
        assert_eq!(template.bytes(), text);
        out
    };
    assert_eq!(
        format(b"\xe9 $HOST\xe9 $(uppercase \xe9a $MSG) ${\xff:-\xfe}"),
        b"\xe9 h\xe9 \xe9A CAF\xe9 \xfe"
    );
    assert_eq!(Template::compile_bytes(b"\xe9$MSG").unwrap().text(), "\\xe9$MSG");
    let error = Template::compile_bytes(b"\xe9\xe9${x").unwrap_err();
    assert_eq!(error.at, 2..4);
}

/// A text that is accepted and does something else than it looks like is told, at its place.
#[test]
fn doubtful_texts_have_warnings() {
    for (text, at, message) in [
        ("${HOST}@example", "@", "is a character"),
        ("$(echo a)@", "@", "is a character"),
        ("a$()", "$()", "no function name"),
        ("a${:-x}", "${:-x}", "no name"),
        ("$(echo '$(substr a)')", "$(substr a)", "number of arguments"),
        ("$(substr a b)", "$(substr a b)", "whole numbers"),
        ("$(basename a b)", "$(basename a b)", "takes the first of"),
    ] {
        let template = Template::compile(text).unwrap();
        let [warning] = template.warnings() else { panic!("{text}: {:?}", template.warnings()) };
        assert_eq!(&text[warning.at.clone()], at, "{text}: {warning}");
        assert!(warning.message.contains(message), "{text}: {warning}");
    }
    for text in ["$HOST@example.com", "${HOST}@@x", "$(substr a 1)", "$(substr a $x)", "${HOST}@0"] {
        assert!(Template::compile(text).unwrap().warnings().is_empty(), "{text}");
    }
}

/// Messages of this host are counted, others have the number that they came with.
#[test]
fn sequence_numbers() {
    let context = context(&Options::default());
    let of = |origin: Origin, pairs: Pairs<'_>| {
        format_with("$SEQNUM|$SDATA", &batch_of(origin, b"", pairs, STAMP), &context)
    };
    let local = || Origin { is_local: true, ..Origin::named("s") };
    let sdata: Pairs<'_> = &[(FieldName::SdId, "", "meta"), (FieldName::SdParam, "sequenceId", "9")];
    assert_eq!(of(local(), &[]), "12|[meta sequenceId=\"12\"]");
    assert_eq!(of(local(), sdata), "12|[meta sequenceId=\"9\"]");
    let other: Pairs<'_> = &[(FieldName::SdId, "", "meta"), (FieldName::SdParam, "language", "en")];
    assert_eq!(of(local(), other), "12|[meta language=\"en\" sequenceId=\"12\"]");
    assert_eq!(of(Origin::named("s"), &[]), "|");
    assert_eq!(of(Origin::named("s"), sdata), "9|[meta sequenceId=\"9\"]");
    for (given, expected) in
        [("29", "29"), (" 12x", "12"), ("007", "7"), ("0", ""), ("-5", ""), ("abc", ""), ("", "")]
    {
        let pairs = [(FieldName::CiscoSequence, "", given)];
        assert_eq!(of(Origin::named("s"), &pairs).split('|').next(), Some(expected), "{given}");
    }
    let mut out = Vec::new();
    let batch = batch_of(local(), b"", &[], STAMP);
    append_rfc5424_header(batch.message(0), &context, &mut out);
    assert!(String::from_utf8(out).unwrap().ends_with(" - - - [meta sequenceId=\"12\"] "));
    let uncounted = batch_of(local(), b"", &[], STAMP);
    assert_eq!(format_with("$SEQNUM|$SDATA", &uncounted, &Context::default()), "|");
}

/// HOST of a chained host is one name of it, whoever made the rest of the chain; FULLHOST is all of it.
#[test]
fn chained_hosts() {
    let context = Context::default();
    let show = |batch: &Batch| format_with("$HOST $FULLHOST", batch, &context);
    for (chain, host) in [
        ("alpha/vm", "alpha"),
        ("vm/vm", "vm"),
        ("s@vm", "vm"),
        ("src@relay/o/vm", "relay"),
        ("x@y@z/vm", "y@z"),
        ("a/b@c/d/vm", "c"),
        ("plain", "plain"),
        ("@/", ""),
    ] {
        let chained = batch_of(origin(), b"", &[(FieldName::ChainedHost, "", chain)], STAMP);
        assert_eq!(show(&chained), format!("{host} {chain}"));
        let from_origin = Origin { host: chain.into(), host_is_chained: true, ..origin() };
        assert_eq!(show(&batch_of(from_origin.clone(), b"", &[], STAMP)), format!("{host} {chain}"));
        let own = [(FieldName::Host, "", chain)];
        assert_eq!(show(&batch_of(from_origin, b"", &own, STAMP)), format!("{chain} {chain}"), "kept");
    }
    let empty = [(FieldName::Host, "", ""), (FieldName::ChainedHost, "", "vm/vm")];
    assert_eq!(show(&batch_of(origin(), b"", &empty, STAMP)), "vm vm/vm", "the last one counts");
    let chained = batch_of(origin(), b"m", &[(FieldName::ChainedHost, "", "a/b")], STAMP);
    assert_eq!(format_with(FILE_LINE, &chained, &context), "Oct 11 22:14:15 a/b m\n");
}

/// The peer is the sender, unless the source names another one.
#[test]
fn the_peer_of_a_message() {
    let of = |pairs: Pairs<'_>| {
        format_with(
            "$PEERIP $PEERPORT $SOURCEIP $SOURCEPORT",
            &batch_of(origin(), b"", pairs, STAMP),
            &Context::default(),
        )
    };
    let sender = [(FieldName::SourceIp, "", "192.0.2.7"), (FieldName::SourcePort, "", "5140")];
    let peer = [(FieldName::Text, "PEERIP", "198.51.100.1"), (FieldName::Text, "PEERPORT", "77")];
    assert_eq!(of(&[]), "127.0.0.1 0 127.0.0.1 0");
    assert_eq!(of(&sender), "192.0.2.7 5140 192.0.2.7 5140");
    assert_eq!(of(&[sender, peer].concat()), "198.51.100.1 77 192.0.2.7 5140");
}

/// A parameter that is repeated has the last value; the structured data shows all of them.
#[test]
fn repeated_parameters() {
    let pairs: Pairs<'_> = &[
        (FieldName::SdId, "", "a"),
        (FieldName::SdParam, "x", "1"),
        (FieldName::SdParam, "x", "2"),
        (FieldName::SdId, "", "a"),
        (FieldName::SdParam, "x", "3"),
        (FieldName::SdParam, "y", "4"),
    ];
    let batch = batch_of(origin(), b"", pairs, STAMP);
    let text = format_with("${.SDATA.a.x} ${.SDATA.a.y} $SDATA", &batch, &Context::default());
    assert_eq!(text, r#"3 4 [a x="1" x="2"][a x="3" y="4"]"#);
}

/// The elements of a list are quoted as lists are.
#[test]
fn tags_are_a_list() {
    let origin = Origin { tags: Arc::from([Arc::from("a b"), Arc::from("c")]), ..origin() };
    assert_eq!(format_with("$TAGS", &batch_of(origin, b"", &[], STAMP), &Context::default()), "\"a b\",c");
}

/// Dates of other ages and zones: weeks, fractions that are cut, years of five digits.
#[test]
fn dates_are_those_of_syslog_ng() {
    let text = "$ISODATE $WEEK $ISOWEEK $WEEK_DAY $YEAR_DAY $MONTH_WEEK $HOUR12 $AMPM";
    #[rustfmt::skip]
    let table = [
        (1_767_225_605_999_999, 0, "2026-01-01T00:00:05+00:00 00 01 5 001 0 12 AM"),
        (1_767_009_600_000_000, 0, "2025-12-29T12:00:00+00:00 52 01 2 363 5 12 PM"),
        (1_609_459_199_000_000, 0, "2020-12-31T23:59:59+00:00 52 53 5 366 4 11 PM"),
        (1_609_632_000_000_000, 0, "2021-01-03T00:00:00+00:00 00 53 1 003 0 12 AM"),
        (1_709_211_909_500_000, 19_800, "2024-02-29T18:35:09+05:30 09 09 5 060 4 06 PM"),
        (-2_208_988_800_000_000, 0, "1900-01-01T00:00:00+00:00 01 01 2 001 1 12 AM"),
        (4_107_542_400_000_000, 0, "2100-03-01T00:00:00+00:00 09 09 2 060 1 12 AM"),
        (2_208_988_800_000_000, 0, "2040-01-01T00:00:00+00:00 00 52 1 001 0 12 AM"),
        (253_402_300_799_000_000, 0, "9999-12-31T23:59:59+00:00 52 52 6 365 4 11 PM"),
        (1_696_136_767_123_456, 7200, "2023-10-01T07:06:07+02:00 39 39 1 274 0 07 AM"),
    ];
    let at =
        |unix_micros, offset_seconds| batch_of(origin(), b"", &[], Stamp { unix_micros, offset_seconds });
    for (micros, offset, expected) in table {
        assert_eq!(format_with(text, &at(micros, offset), &Context::default()), expected);
    }
    let of = |options: Options, text: &str, micros: i64, offset: i32| {
        let context = Context::new(&options, Arc::default(), TimeZoneUse::Send);
        format_with(text, &at(micros, offset), &context)
    };
    let budapest =
        || Options { frac_digits: 3, send_time_zone: Zone::parse("Europe/Budapest"), ..Options::default() };
    assert_eq!(
        of(budapest(), "$ISODATE $UNIXTIME", 1_767_225_605_999_999, 0),
        "2026-01-01T01:00:05.999+01:00 1767225605.999"
    );
    assert_eq!(of(budapest(), "$ISODATE", 1_696_136_767_123_456, 7200), "2023-10-01T07:06:07.123+02:00");
    assert_eq!(of(budapest(), "$ISODATE", 253_402_300_799_000_000, 0), "10000-01-01T00:59:59.000+01:00");
    assert_eq!(of(budapest(), "$UNIXTIME", -750_000, 0), "-0.750");
    let full = Options {
        frac_digits: 9,
        ts_format: TsFormat::Full,
        send_time_zone: Zone::parse("+05:30"),
        ..Options::default()
    };
    assert_eq!(of(full, "$STAMP", 1_767_225_605_999_999, 0), "2026 Jan  1 05:30:05.999999");
    let unix = Options { frac_digits: 6, ts_format: TsFormat::Unix, ..Options::default() };
    assert_eq!(of(unix, "$STAMP", 1_767_009_600_000_001, 0), "1767009600.000001");
}

/// Each value, default and function is escaped, and not the text around it nor what goes into a function.
#[test]
fn escapes_are_those_of_syslog_ng() {
    let pairs = [(FieldName::Text, "quo", "say \"hi\" it's"), (FieldName::Text, "tab", "a\tb\u{7f}")];
    let batch = batch_of(origin(), b"", &pairs, STAMP);
    let context = context(&Options { template_escape: true, ..Options::default() });
    for (text, expected) in [
        ("$quo", r#"say \"hi\" it\'s"#),
        ("lit \" $tab", "lit \" a\\011b\u{7f}"),
        ("${nope:-\"d\"}", r#"\"d\""#),
        ("$(echo $quo)", r#"say \"hi\" it\'s"#),
        ("$(length $quo)", "13"),
    ] {
        assert_eq!(format_with(text, &batch, &context), expected, "{text}");
    }
}

/// Breaks without it: an error in a template names no place, or a wrong one.
#[test]
fn errors_stand_at_their_place() {
    for (text, at, message) in [
        ("ab ${HOST", "${", "not closed"),
        ("ab $(echo x", "$(", "not closed"),
        ("ab $(echo 'x)", "'", "quote"),
        ("${HOST:x}", ":x", "`:-`"),
        ("$(format-json --scope x)", "x", "no scope is called `x`"),
        ("$(format-json a --sope x)", "--sope", "unknown option `--sope`"),
        ("$(format-json x=itn(5))", "itn(5)", "unknown type `itn`"),
        ("$(format-json --shift 2 a)", "--shift", "belongs behind a --key"),
        ("$(sha1 $HOST --length x)", "--length", "a number of digits"),
        ("$(if (facility(user)) a b)", "(facility(user))", "templates of a configuration"),
        ("$(slog 1 2)", "slog", "not supported by this version"),
        ("$(lowercas x)", "lowercas", "unknown template function"),
        ("$(substr)", "$(substr)", "takes arguments"),
        ("$(basename )", "$(basename )", "takes arguments"),
        ("$(echo \"é\\\" \"${X\")", "${", "not closed"),
        ("$(echo \"a\\\"b\")", "\"", "quote"),
    ] {
        let error = Template::compile(text).unwrap_err();
        assert_eq!(&text[error.at.clone()], at, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    let many = format!("$(echo{})", " a".repeat(65));
    assert!(Template::compile(&many).unwrap_err().message.contains("at most 64"));
    Template::compile(&many.replacen(" a", "", 1)).unwrap();
    let error = Template::compile("$(lowercas x)").unwrap_err();
    assert_eq!(error.help.as_deref(), Some("did you mean `lowercase`?"));
    assert!(Template::compile(&"$(echo ".repeat(100_000)).is_err());
}

/// Breaks without it: a file with a misspelt macro is refused, or accepted without a word.
#[test]
fn misspelt_macros_are_legal_and_pointed_out() {
    let template = Template::compile("$HOSTT $(echo '${ISODAET}') $APP $message").unwrap();
    let names = template.suspicious_names();
    let names: Vec<_> =
        names.iter().map(|(at, near)| (&template.text()[at.clone()], near.as_str())).collect();
    assert_eq!(names, [("HOSTT", "HOST"), ("ISODAET", "ISODATE")]);
}

/// Breaks without it: `frac-digits()`, a zone or `template-escape()` is read and not followed.
#[test]
fn options_change_times_and_escapes() {
    let batch = batch_of(origin(), b"it's \"a\"\\\n", PAIRS, STAMP);
    let zone = |name| Zone::parse(name);
    for (options, text, expected) in [
        (
            Options { frac_digits: 3, ..Options::default() },
            "$DATE $UNIXTIME",
            "Oct 11 22:14:15.003 1065903255.003",
        ),
        (Options { frac_digits: 9, ..Options::default() }, "$ISODATE", "2003-10-11T22:14:15.003999+02:00"),
        (Options { ts_format: TsFormat::Iso, ..Options::default() }, "$STAMP", "2003-10-11T22:14:15+02:00"),
        (Options { ts_format: TsFormat::Full, ..Options::default() }, "$STAMP", "2003 Oct 11 22:14:15"),
        (Options { ts_format: TsFormat::Unix, ..Options::default() }, "$R_STAMP", "1065914055"),
        (
            Options { send_time_zone: zone("America/New_York"), ..Options::default() },
            "$ISODATE $R_TZ",
            "2003-10-11T16:14:15-04:00 -04:00",
        ),
        (Options { local_time_zone: zone("+09:00"), ..Options::default() }, "$TZ", "+02:00"),
        (
            Options { template_escape: true, ..Options::default() },
            "'$MSG'$(echo $MSG)",
            r#"'it\'s \"a\"\\\012'it\'s \"a\"\\\012"#,
        ),
    ] {
        assert_eq!(format_with(text, &batch, &context(&options)), expected, "{text}");
    }
    let options = Options { local_time_zone: zone("+09:00"), ..Options::default() };
    let local = Context::new(&options, Arc::default(), TimeZoneUse::Local);
    assert_eq!(format_with("$HOUR$TZ", &batch, &local), "05+09:00");
}

/// Breaks without it: MSGHDR is empty for a message that was not parsed, or is made anew for one that was.
#[test]
fn a_header_is_the_received_one_or_made_of_program_and_pid() {
    let of = |pairs: Pairs<'_>| {
        let batch = batch_of(origin(), b"m", pairs, STAMP);
        format_with("$MSGHDR$MSG", &batch, &Context::default())
    };
    assert_eq!(of(&[]), "m");
    assert_eq!(of(&[(FieldName::Program, "", "cron")]), "cron: m");
    assert_eq!(of(&[(FieldName::Pid, "", "1")]), "m");
    let legacy = (FieldName::LegacyMsgHdr, "", "cron[1] ");
    assert_eq!(of(&[(FieldName::Program, "", "cron"), legacy]), "cron[1] m");
}

/// Breaks without it: a macro without a value writes something else than native does, and columns shift.
#[test]
fn what_is_not_known_has_its_documented_stand_in() {
    let batch = batch_of(Origin::named("s"), b"", &[], STAMP);
    let text = "$SOURCEIP $SOURCEPORT $IP_PROTO $PROTO|$PROTO_NAME|$TRANSPORT|$TAGS|$SDATA|$PROGRAM|$HOST";
    let context = Context::default();
    assert_eq!(format_with(text, &batch, &context), "127.0.0.1 0 0 0||||||localhost");
    assert_eq!(format_with("$SEQNUM|$RCPTID|$UNIQID|$RUNID|$HOSTID", &batch, &context), "||||00000000");
}

/// Breaks without it: parameters of one element of structured data are written as several elements.
#[test]
fn loose_parameters_join_their_element() {
    let of = |pairs: Pairs<'_>| {
        let batch = batch_of(origin(), b"", pairs, STAMP);
        format_with("$SDATA", &batch, &Context::default())
    };
    assert_eq!(
        of(&[
            (FieldName::Text, ".SDATA.a@1.y", "old"),
            (FieldName::SdId, "", "a@1"),
            (FieldName::SdParam, "x", "1"),
            (FieldName::SdId, "", "b@1"),
            (FieldName::Text, ".SDATA.a@1.y", "2"),
            (FieldName::Text, ".SDATA.a@1.x", "no"),
            (FieldName::Text, ".SDATA.c.d@2.z", "3"),
            (FieldName::Text, ".SDATA.broken", "4"),
            (FieldName::CiscoSequence, "", "77"),
        ]),
        r#"[a@1 x="1" y="2"][b@1][c.d@2 z="3"][meta sequenceId="77"]"#
    );
    let batch = batch_of(origin(), b"", &[(FieldName::CiscoSequence, "", "77")], STAMP);
    assert_eq!(format_with("${.SDATA.meta.sequenceId}", &batch, &Context::default()), "77");
}

/// Breaks without it: a file without a template has other lines than native writes.
#[test]
fn the_two_lines_without_a_template() {
    let batch = batch_of(origin(), b"An application event", PAIRS, STAMP);
    let context = Context::default();
    assert_eq!(
        format_with(FILE_LINE, &batch, &context),
        "Oct 11 22:14:15 mymachine evntslog[42]: An application event\n"
    );
    assert_eq!(Template::file_line().text(), FILE_LINE);
    let mut out = Vec::new();
    append_rfc5424_header(batch.message(0), &context, &mut out);
    let expected = r#"<165>1 2003-10-11T22:14:15+02:00 mymachine evntslog 42 ID47 [exampleSDID@32473 iut="3" eventSource="A \"p\\p\" [x\]"][empty@1] "#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let long = "p".repeat(60);
    let pairs = [
        (FieldName::Host, "", "a\nb\u{e9} c"),
        (FieldName::Program, "", long.as_str()),
        (FieldName::Pid, "", " 7"),
    ];
    let batch = batch_of(origin(), b"", &pairs, STAMP);
    let mut out = Vec::new();
    append_rfc5424_header(batch.message(0), &context, &mut out);
    let expected = format!("<165>1 2003-10-11T22:14:15+02:00 a_b__ {} - - - ", "p".repeat(48));
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

/// Breaks without it: a line that is MESSAGE and fixed text takes the slow way, or the text around it is cut
/// wrongly.
#[test]
fn message_with_fixed_text_around_is_recognised() {
    let parts = |text: &str| {
        let template = Template::compile(text).unwrap();
        template.as_message_with_suffix().map(|(a, b)| (a.to_vec(), b.to_vec()))
    };
    assert_eq!(parts("$MSG\n"), Some((b"".to_vec(), b"\n".to_vec())));
    assert_eq!(parts("<${MESSAGE}>\n"), Some((b"<".to_vec(), b">\n".to_vec())));
    assert_eq!(parts("$MSG@1"), Some((b"".to_vec(), b"@1".to_vec())));
    for text in ["$MSG $MSG", "$HOST $MSG", "${MSG:-x}", "text", "$(echo $MSG)", "${MSG}@1"] {
        assert_eq!(parts(text), None, "{text}");
    }
    assert_eq!(Template::compile("a$$b").unwrap().as_literal(), Some(&b"a$b"[..]));
    assert_eq!(Template::compile("$x").unwrap().as_literal(), None);
    let any = "${a} $$ $(b) @x@ \\n";
    assert_eq!(Template::literal(any).as_literal(), Some(any.as_bytes()));
}

/// Breaks without it: the two halves around MESSAGE, written apart, differ from the line written whole.
#[test]
fn head_and_tail_make_the_whole() {
    let batch = batch_of(origin(), b"the text", PAIRS, STAMP);
    let context = context(&Options::default());
    for text in ["$MSG\n", "$DATE $HOST $MSGHDR$MSG $(length $MSG)\n", "x$MSG"] {
        let template = Template::compile(text).unwrap();
        assert!(template.is_around_message(&context));
        let mut out = Vec::new();
        template
            .format_around(batch.message(0), &context, &mut out, |out| out.extend_from_slice(b"the text"));
        assert_eq!(String::from_utf8(out).unwrap(), format_with(text, &batch, &context));
    }
}

/// Breaks without it: the slashes of a path's own text are replaced, or those of a message's value are not.
#[test]
fn pieces_say_what_came_from_the_message() {
    let batch = batch_of(origin(), b"m", PAIRS, STAMP);
    let mut pieces = Vec::new();
    let template = Template::compile("/var/${HOST}/${none:-d}.log").unwrap();
    template.format_pieces(batch.message(0), &Context::default(), &mut Vec::new(), |piece| {
        pieces.push(match piece {
            Piece::Literal(text) => format!("L{}", String::from_utf8_lossy(text)),
            Piece::Value(text) => format!("V{}", String::from_utf8_lossy(text)),
        });
    });
    assert_eq!(pieces, ["L/var/", "Vmymachine", "L/", "Vd", "L.log"]);
}

proptest! {
    /// Breaks without it: some text panics the compiler, or has an error beyond its end.
    #[test]
    fn any_text_compiles_or_has_an_error_inside_it(text in any::<String>()) {
        check_compile(&text);
    }

    /// Breaks without it: a combination of signs that nobody thought of panics the compiler.
    #[test]
    fn texts_of_template_signs_compile_or_have_an_error_inside(
        parts in prop::collection::vec(prop::sample::select(vec![
            "$", "{", "}", "(", ")", "@", ":-", ":", "'", "\"", "\\", " ", "é", "HOST", "echo", "substr",
            "1", "-", "$(echo ", "${", ".a", "*", "\n", "length",
        ]), 0..24),
    ) {
        check_compile(&parts.concat());
    }

    /// Breaks without it: a time is written from a second that has passed.
    #[test]
    fn the_cache_of_seconds_never_shows(times in prop::collection::vec((0_i64..3_000_000, -2..2_i32), 1..30)) {
        let context = Context::default();
        for (micros, hours) in times {
            let stamp = Stamp { unix_micros: STAMP.unix_micros + micros, offset_seconds: hours * 3600 };
            let batch = batch_of(Origin::named("s"), b"", &[], stamp);
            let text = "$ISODATE $R_DATE $FULLDATE";
            let fresh = Context::default();
            prop_assert_eq!(format_with(text, &batch, &context), format_with(text, &batch, &fresh));
        }
    }
}

fn check_compile(text: &str) {
    match Template::compile(text) {
        Err(error) => {
            assert!(error.at.start <= error.at.end && error.at.end <= text.len(), "{text:?} {error:?}");
            assert!(text.get(error.at.clone()).is_some(), "{text:?} {error:?}");
        }
        Ok(template) => {
            for (at, _) in template.suspicious_names() {
                assert!(text.get(at).is_some());
            }
            let batch = batch_of(Origin::named("s"), b"text", PAIRS, STAMP);
            template.format(batch.message(0), &Context::default(), &mut Vec::new());
        }
    }
}
