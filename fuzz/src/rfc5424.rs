//! RFC 5424: the parser against a slow twin, and against its own writer.
//!
//! * It finds what [`twin`] finds, which goes through the message byte by byte and knows no words of eight
//!   bytes.
//! * The record has what was found.
//! * Written by `flags(syslog-protocol)` and read again, a message is the same.

use inrush::syslog::{Flags, ParseOptions, Parsed, Protocol, Reason};
use inrush::template::{Context, Options, TimeZoneUse, append_rfc5424_header};

use super::message::{check_parsed, check_record, options, parsed, record, trimmed, value_of};

/// Parses `data`: three bytes of flags, and a message.
pub fn run(data: &[u8]) {
    let Some((options, input)) = options(data) else { return };
    let out = parsed(input, &options);
    check_parsed(input, &options, &out);
    let batch = record(input, &options);
    check_record(input, &options, &out, batch.message(0));
    if options.flags == Flags::default() {
        check_twin(input, &out);
        if out.protocol == Protocol::Rfc5424 && out.error.is_none() {
            check_written(input, &out);
        }
    }
}

/// The twin's findings: the five fields after the version, structured data, and the message.
struct Found<'a> {
    pri: u16,
    fields: [&'a [u8]; 5],
    sdata: Vec<(&'a [u8], &'a [u8], Vec<u8>)>,
    message: Option<&'a [u8]>,
}

fn check_twin(input: &[u8], out: &Parsed) {
    let text = trimmed(input);
    let bare = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Some((pri, rest)) = claims(bare) else {
        assert_ne!(out.protocol, Protocol::Rfc5424, "it does not claim to be");
        return;
    };
    let Some(found) = twin(pri, rest) else {
        assert!(out.error.is_some(), "the twin refuses it: {out:?}");
        return;
    };
    if let Some(error) = out.error {
        assert_eq!(error.reason, Reason::BadTimestamp, "the twin takes it: {error}");
        return;
    }
    assert_eq!((out.protocol, out.pri), (Protocol::Rfc5424, found.pri));
    let [stamp, named @ ..] = found.fields;
    assert!(stamp != b"-" || out.stamp.is_none());
    for (span, field) in [out.host, out.program, out.pid, out.msgid].into_iter().zip(named) {
        assert_eq!(span.map(|span| span.of(input)), (field != b"-").then_some(field));
    }
    assert_eq!(out.message.map(|span| span.of(input)), found.message);
    let params =
        out.sdata.iter().map(|param| (param.id.of(input), param.name.of(input), value_of(param, input)));
    assert_eq!(params.collect::<Vec<_>>(), found.sdata);
}

/// `<pri>1 `, perhaps after an octet count, and what follows.
fn claims(text: &[u8]) -> Option<(u16, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = match text[count..].strip_prefix(b" ") {
        Some(rest) if (1..=10).contains(&count) => rest,
        _ => text,
    };
    let close = text.iter().position(|byte| *byte == b'>')?;
    let digits = text[..close].strip_prefix(b"<")?;
    let sound = (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let pri = std::str::from_utf8(digits).ok().filter(|_| sound)?.parse().ok()?;
    Some((pri, text[close + 1..].strip_prefix(b"1 ")?))
}

fn twin(pri: u16, mut rest: &[u8]) -> Option<Found<'_>> {
    let mut fields = [&b""[..]; 5];
    for field in &mut fields {
        let space = rest.iter().position(|byte| *byte == b' ').filter(|at| *at > 0)?;
        (*field, rest) = (&rest[..space], &rest[space + 1..]);
    }
    let mut sdata = Vec::new();
    if let Some(after) = rest.strip_prefix(b"-") {
        rest = after;
    } else {
        if rest.first() != Some(&b'[') {
            return None;
        }
        while let Some(after) = rest.strip_prefix(b"[") {
            rest = element(after, &mut sdata)?;
        }
    }
    let message = match rest.split_first() {
        None => None,
        Some((b' ', message)) => Some(message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message)),
        Some(_) => return None,
    };
    Some(Found { pri, fields, sdata, message })
}

fn element<'a>(rest: &'a [u8], sdata: &mut Vec<(&'a [u8], &'a [u8], Vec<u8>)>) -> Option<&'a [u8]> {
    let (id, mut rest) = name(rest)?;
    let before = sdata.len();
    loop {
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        rest = &rest[spaces..];
        if let Some(after) = rest.strip_prefix(b"]") {
            if sdata.len() == before {
                sdata.push((id, b"", Vec::new()));
            }
            return Some(after);
        }
        if spaces == 0 {
            return None;
        }
        let (key, after) = name(rest)?;
        rest = after.strip_prefix(b"=")?;
        let Some(quoted) = rest.strip_prefix(b"\"") else {
            let len = rest.iter().position(|byte| matches!(byte, b' ' | b']'))?;
            sdata.push((id, key, rest[..len].to_vec()));
            rest = &rest[len..];
            continue;
        };
        rest = quoted;
        let mut value = Vec::new();
        loop {
            match rest {
                [b'"', after @ ..] => {
                    rest = after;
                    break;
                }
                [b'\\', byte @ (b'"' | b'\\' | b']'), after @ ..] | [byte, after @ ..] => {
                    value.push(*byte);
                    rest = after;
                }
                [] => return None,
            }
        }
        sdata.push((id, key, value));
    }
}

fn name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let ends = |byte: &u8| matches!(byte, 0..=b' ' | b'=' | b']' | b'"' | 127);
    let len = text.iter().position(ends).unwrap_or(text.len());
    (len > 0).then(|| text.split_at(len))
}

/// Checks that a message survives being written and read again, as far as the header can carry it.
fn check_written(input: &[u8], out: &Parsed) {
    let fields = [(out.host, 255), (out.program, 48), (out.pid, 128), (out.msgid, 32)];
    let fits = fields.into_iter().all(|(span, longest)| {
        let text = span.unwrap_or_default().of(input);
        text.len() <= longest && text.iter().all(u8::is_ascii_graphic)
    });
    if !fits || out.message.is_some_and(|span| span.of(input).starts_with(b"\xef\xbb\xbf")) {
        return;
    }
    let batch = record(input, &ParseOptions::default());
    let message = batch.message(0);
    let style = Options { frac_digits: 6, ..Options::default() };
    let mut line = Vec::new();
    append_rfc5424_header(
        message,
        &Context::new(&style, std::sync::Arc::default(), TimeZoneUse::Send),
        &mut line,
    );
    line.extend_from_slice(message.text());
    let again = parsed(&line, &ParseOptions::default());
    let shown = line.escape_ascii();
    assert!(again.error.is_none(), "{:?}: {shown}", again.error);
    assert_eq!(again.pri, out.pri);
    assert_eq!(again.stamp.map(|stamp| stamp.unix_micros), Some(message.stamp().unix_micros), "{shown}");
    // A record has the host of its source when the message has none.
    let host = out.host.map_or(&b"localhost"[..], |span| span.of(input));
    assert_eq!(again.host.map(|span| span.of(&line)), Some(host).filter(|host| *host != b"-"), "{shown}");
    for (then, now) in [(out.program, again.program), (out.pid, again.pid), (out.msgid, again.msgid)] {
        assert_eq!(then.map(|span| span.of(input)), now.map(|span| span.of(&line)), "{shown}");
    }
    let message = trimmed(out.message.unwrap_or_default().of(input));
    assert_eq!(again.message.unwrap_or_default().of(&line), message, "{shown}");
    let params = |out: &Parsed, input: &[u8]| -> Vec<_> {
        let owned = |param: &inrush::syslog::SdataParam| {
            (param.id.of(input).to_vec(), param.name.of(input).to_vec(), value_of(param, input))
        };
        out.sdata.iter().map(owned).collect()
    };
    assert_eq!(params(&again, &line), params(out, input), "{shown}");
}
