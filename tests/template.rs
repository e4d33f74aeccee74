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
        ("SEQNUM", "12"),
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

#[test]
fn prefixes_take_the_other_times() {
    assert_eq!(format("$S_ISODATE"), "2003-10-11T22:14:15+02:00");
    assert_eq!(format("$R_ISODATE"), "2003-10-11T23:14:15+00:00");
    assert_eq!(format("$C_ISODATE $P_TZ"), "2003-10-11T19:44:15-03:30 -03:30");
    assert_eq!(format("$R_HOUR:$S_HOUR:$R_HOUR"), "23:22:23");
}

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
        ("$HOST@0 $HOST@1 $HOST@@x ${HOST}@@", "mymachine  mymachine@x mymachine@"),
        ("${1:-x}", "x"),
        ("árvíz $PID tűrő", "árvíz 42 tűrő"),
        ("${SOURCEIP:-x}", "2001:db8::1"),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
}

#[test]
fn functions_take_templates() {
    for (text, expected) in [
        ("$(echo $HOST  $PID)", "mymachine 42"),
        ("$(echo)", ""),
        ("$(echo '$HOST x' \"a  \\\"b\\\"\")", "mymachine x a  \"b\""),
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
        ("$(env NO_SUCH_VARIABLE A=B)", " "),
        ("x$(echo a)@@$(echo b)@1", "xa@"),
    ] {
        assert_eq!(format(text), expected, "{text}");
    }
    assert_eq!(format("$(env PATH)"), std::env::var("PATH").unwrap());
}

#[test]
fn errors_stand_at_their_place() {
    for (text, at, message) in [
        ("ab ${HOST", "${", "not closed"),
        ("ab $(echo x", "$(", "not closed"),
        ("ab $(echo 'x)", "'", "quote"),
        ("${}", "${}", "no name"),
        ("${HOST:x}", ":x", "`:-`"),
        ("$HOST@example", "@", "`@@`"),
        ("$(format-json --scope x)", "format-json", "not supported by this version"),
        ("$(+ 1 2)", "+", "not supported by this version"),
        ("$(lowercas x)", "lowercas", "unknown template function"),
        ("$()", "", "no function name"),
        ("$(substr a)", "$(substr a)", "number of arguments"),
        ("$(substr a b)", "$(substr a b)", "whole numbers"),
        ("$(echo \"é\\\"\" \"${X\")", "${", "not closed"),
    ] {
        let error = Template::compile(text).unwrap_err();
        assert_eq!(&text[error.at.clone()], at, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    let error = Template::compile("$(lowercas x)").unwrap_err();
    assert_eq!(error.help.as_deref(), Some("did you mean `lowercase`?"));
    assert!(Template::compile(&"$(echo ".repeat(100_000)).is_err());
}

#[test]
fn misspelt_macros_are_legal_and_pointed_out() {
    let template = Template::compile("$HOSTT $(echo '${ISODAET}') $APP $message").unwrap();
    let names = template.suspicious_names();
    let names: Vec<_> =
        names.iter().map(|(at, near)| (&template.text()[at.clone()], near.as_str())).collect();
    assert_eq!(names, [("HOSTT", "HOST"), ("ISODAET", "ISODATE")]);
}

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

#[test]
fn what_is_not_known_has_its_documented_stand_in() {
    let batch = batch_of(Origin::named("s"), b"", &[], STAMP);
    let text = "$SOURCEIP $SOURCEPORT $IP_PROTO $PROTO|$PROTO_NAME|$TRANSPORT|$TAGS|$SDATA|$PROGRAM|$HOST";
    let context = Context::default();
    assert_eq!(format_with(text, &batch, &context), "127.0.0.1 0 0 0||||||localhost");
    assert_eq!(format_with("$SEQNUM|$RCPTID|$UNIQID|$RUNID|$HOSTID", &batch, &context), "||||00000000");
}

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
    let pairs = [(FieldName::Host, "", "a b\u{e9}"), (FieldName::Program, "", long.as_str())];
    let batch = batch_of(origin(), b"", &pairs, STAMP);
    let mut out = Vec::new();
    append_rfc5424_header(batch.message(0), &context, &mut out);
    let expected = format!("<165>1 2003-10-11T22:14:15+02:00 a_b__ {} - - - ", "p".repeat(48));
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn message_with_fixed_text_around_is_recognised() {
    let parts = |text: &str| {
        let template = Template::compile(text).unwrap();
        template.as_message_with_suffix().map(|(a, b)| (a.to_vec(), b.to_vec()))
    };
    assert_eq!(parts("$MSG\n"), Some((b"".to_vec(), b"\n".to_vec())));
    assert_eq!(parts("<${MESSAGE}>\n"), Some((b"<".to_vec(), b">\n".to_vec())));
    for text in ["$MSG $MSG", "$HOST $MSG", "${MSG:-x}", "text", "$(echo $MSG)", "$MSG@1"] {
        assert_eq!(parts(text), None, "{text}");
    }
    assert_eq!(Template::compile("a$$b").unwrap().as_literal(), Some(&b"a$b"[..]));
    assert_eq!(Template::compile("$x").unwrap().as_literal(), None);
}

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
    #[test]
    fn any_text_compiles_or_has_an_error_inside_it(text in any::<String>()) {
        check_compile(&text);
    }

    #[test]
    fn texts_of_template_signs_compile_or_have_an_error_inside(
        parts in prop::collection::vec(prop::sample::select(vec![
            "$", "{", "}", "(", ")", "@", ":-", ":", "'", "\"", "\\", " ", "é", "HOST", "echo", "substr",
            "1", "-", "$(echo ", "${", ".a", "*", "\n", "length",
        ]), 0..24),
    ) {
        check_compile(&parts.concat());
    }

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
