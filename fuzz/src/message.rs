//! Common to the targets of the syslog parsers: options from bytes, and a message on its way into a record.

use std::sync::Arc;

use inrush::message::{Batch, FieldName, MessageRef, Need, Origin, Pool, Stamp, Writer};
use inrush::syslog::fill::Filler;
use inrush::syslog::{
    Clock, Flags, Marks, ParseOptions, Parsed, SdataParam, Span, Zone, error_note, parse, sanitize_utf8,
    single_line, unescape_param_value,
};

/// 2026-11-22 12:00 UTC.
pub const NOW: i64 = 1_795_348_800_000_000;

thread_local! {
    /// The memory of a batch takes longer to make than what is done with it.
    static POOL: Arc<Pool> = Arc::default();
}

/// The clock of all targets.
pub fn clock() -> Clock {
    Clock::new(NOW, Zone::utc())
}

/// Options and the message after them: three bytes say which flags differ from the default.
pub fn options(data: &[u8]) -> Option<(ParseOptions, &[u8])> {
    let (head, input) = data.split_first_chunk::<3>()?;
    let bits = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut options = ParseOptions::default();
    for (bit, word) in Flags::words().enumerate().take(24) {
        if bits >> bit & 1 == 1 {
            options.flags.apply(&word).unwrap();
        }
    }
    Some((options, input))
}

/// The input without the line ends and NULs at its end.
pub fn trimmed(input: &[u8]) -> &[u8] {
    let end = input.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0)).map_or(0, |at| at + 1);
    &input[..end]
}

/// Parses, with a fresh [`Parsed`] and with a used one, which must find the same.
pub fn parsed(input: &[u8], options: &ParseOptions) -> Parsed {
    let (mut fresh, mut used) = (Parsed::default(), Parsed::default());
    let before = b"<999>1 2003-10-11T22:14:15.003Z h p 1 m [a b=\"\\\"\"][c] \xef\xbb\xbftext\nmore";
    parse(before, &ParseOptions::default(), &clock(), &mut used);
    parse(input, options, &clock(), &mut fresh);
    parse(input, options, &clock(), &mut used);
    assert_eq!(format!("{fresh:?}"), format!("{used:?}"), "what was parsed before shows");
    fresh
}

/// Checks what holds for every message, whatever its grammar.
pub fn check_parsed(input: &[u8], options: &ParseOptions, out: &Parsed) {
    let text = trimmed(input);
    for span in spans(out) {
        assert!(span.range().end <= text.len(), "{span:?} outside of {} bytes: {out:?}", text.len());
    }
    if let Some(error) = out.error {
        assert!(error.at as usize <= text.len());
        assert_eq!(out.message.unwrap().of(input), text, "what does not parse is there as a whole");
        assert!(out.sdata.is_empty() && out.host.is_none() && out.program.is_none() && out.stamp.is_none());
    }
    let message = out.message.unwrap_or_default().of(input);
    let breaks = message.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    let forbidden = !options.flags.has(Flags::MULTI_LINE);
    assert_eq!(out.marks.has(Marks::NEEDS_SINGLE_LINE), breaks && forbidden);
    if let Some(stamp) = out.stamp {
        let civil = stamp.civil();
        assert_eq!(civil.to_unix(stamp.offset_seconds), stamp.unix_micros, "{civil:?}");
        assert!((1..=12).contains(&civil.month) && (1..=31).contains(&civil.day) && civil.hour < 24);
        assert!(stamp.offset_seconds.unsigned_abs() < 26 * 3600, "{stamp:?}");
    }
    for param in &out.sdata {
        let quoted = param.value.range().start.checked_sub(1).is_some_and(|before| input[before] == b'"');
        assert_eq!(param.escaped, quoted && param.value.of(input).contains(&b'\\'));
    }
}

/// The value of a parameter, without the backslashes of its escapes.
pub fn value_of(param: &SdataParam, input: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    if param.escaped {
        unescape_param_value(param.value.of(input), &mut value);
    } else {
        value.extend_from_slice(param.value.of(input));
    }
    value
}

/// All places in the input that a parsed message has.
pub fn spans(out: &Parsed) -> Vec<Span> {
    let known = [out.host, out.program, out.pid, out.msgid, out.msghdr, out.message, out.raw, out.sequence];
    let params = out.sdata.iter().flat_map(|param| [param.id, param.name, param.value]);
    known.into_iter().flatten().chain(params).collect()
}

/// The message as a record of a batch, made as a source makes it.
pub fn record(input: &[u8], options: &ParseOptions) -> Batch {
    let mut filler = Filler::default();
    filler.parse(b"<1>1 - - - - - [before x=\"\\]\"] it", options, &clock());
    filler.parse(input, options, &clock());
    let own = filler.need();
    let need = Need { bytes: own.bytes + input.len(), ..own };
    let origin = Arc::new(Origin::named("s"));
    let mut writer = POOL.with(|pool| Writer::open(&origin, pool, need));
    let mut row = writer.row(need).unwrap();
    row.payload_copy(input);
    filler.fill(Stamp { unix_micros: NOW, offset_seconds: 0 }, &mut row);
    row.publish();
    writer.finish()
}

/// Checks that the record of a message has what the parser found, with the copies that its flags ask for.
pub fn check_record(input: &[u8], options: &ParseOptions, out: &Parsed, message: MessageRef<'_>) {
    let sanitize = out.marks.has(Marks::NEEDS_SANITIZE);
    let clean = |text: &[u8]| {
        let mut clean = Vec::new();
        if sanitize {
            sanitize_utf8(text, &mut clean);
        } else {
            clean.extend_from_slice(text);
        }
        clean
    };
    let mut text = out.message.unwrap_or_default().of(input).to_vec();
    match &out.error {
        Some(error) if options.flags.has(Flags::PIGGYBACK_ERRORS) => text = error_note(&text, error),
        _ if out.marks.has(Marks::NEEDS_SINGLE_LINE) => {
            let mut line = Vec::new();
            single_line(&text, &mut line);
            text = line;
        }
        _ => {}
    }
    assert_eq!(message.text(), clean(&text));
    let is_synced = [(Marks::UNSYNCHRONIZED, b"0"), (Marks::SYNCHRONIZED, b"1")]
        .into_iter()
        .find_map(|(mark, value)| out.marks.has(mark).then_some(value));
    let known = [
        (FieldName::Program, out.program),
        (FieldName::Pid, out.pid),
        (FieldName::MsgId, out.msgid),
        (FieldName::LegacyMsgHdr, out.msghdr),
        (FieldName::CiscoSequence, out.sequence.filter(|_| is_synced.is_none())),
    ];
    for (id, span) in known {
        let mut expected = span.map(|span| clean(span.of(input)));
        if id == FieldName::Program && out.marks.has(Marks::KERNEL) {
            expected = Some(b"kernel".to_vec());
        }
        assert_eq!(message.known(id), expected.as_deref(), "{id:?}");
    }
    let host = out.host.map_or(b"localhost".to_vec(), |span| clean(span.of(input)));
    assert_eq!(message.known(FieldName::Host), Some(&*host));
    assert_eq!(message.known(FieldName::RawMsg), out.raw.map(|span| span.of(input)));
    let params = message.pairs().filter(|pair| pair.id == FieldName::SdParam);
    let found = params.map(|pair| (pair.sd_id.to_vec(), pair.name.to_vec(), pair.value.to_vec()));
    let param = |id: &[u8], name: &[u8], value: &[u8]| (id.to_vec(), name.to_vec(), value.to_vec());
    let counter = out.sequence.filter(|_| is_synced.is_some());
    let counter = counter.map(|span| param(b"meta", b"sequenceId", span.of(input)));
    let clock = is_synced.map(|value| param(b"timeQuality", b"isSynced", value));
    let received = out.sdata.iter().filter(|param| !param.name.is_empty()).map(|param| {
        (clean(param.id.of(input)), clean(param.name.of(input)), clean(&value_of(param, input)))
    });
    assert!(found.eq(counter.into_iter().chain(clock).chain(received)), "structured data: {out:?}");
    assert_eq!(message.pri(), out.pri);
}
