//! Values as text: what each macro writes for a message.

use super::macros::{Macro, Value};
use super::number::{push_decimal, push_padded};
use super::time::Clock;
use super::{Context, sdata};
use crate::message::{FieldName, MessageRef, list};
use crate::syslog::names::{FACILITIES, SEVERITIES};

/// The address that stands for an unknown one.
const NO_ADDRESS: &[u8] = b"127.0.0.1";

/// Appends what `value` is for `message`.
#[inline]
pub(super) fn append(value: &Value, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    match value {
        Value::Message => out.extend_from_slice(message.text()),
        Value::Host => out.extend_from_slice(host(message)),
        Value::Known(id) => out.extend_from_slice(known(message, *id)),
        Value::Named(name) => {
            if let Some((kind, text)) = message.named(name)
                && !kind.is_binary()
            {
                out.extend_from_slice(text);
            }
        }
        Value::Time(clock, part) => {
            let stamp = match clock {
                Clock::Stamp => message.stamp(),
                Clock::Received => message.recvd(),
                Clock::Current => context.now,
            };
            context.append_time(*clock, *part, stamp, out);
        }
        Value::Matches => matches(message, out),
        Value::Macro(id) => computed(*id, message, context, out),
        Value::Nothing => {}
    }
}

/// The macro HOST. Of `source@own/from`, which was chained here, it is `own`; what a sender chained stays as
/// it came.
#[inline]
fn host(message: MessageRef<'_>) -> &[u8] {
    let (host, is_chained) = message.host();
    if !is_chained {
        return host;
    }
    let name = memchr::memchr(b'@', host).map_or(host, |at| &host[at + 1..]);
    memchr::memchr(b'/', name).map_or(name, |slash| &name[..slash])
}

/// The value of a name that the engine knows; empty when it has none.
#[inline]
pub(super) fn known(message: MessageRef<'_>, id: FieldName) -> &[u8] {
    if let Some(text) = message.known(id) {
        return text;
    }
    // A sequence number is one or the other: what a Cisco device put in front, or structured data.
    if id == FieldName::CiscoSequence
        && let Some((_, text)) = message.named(b".SDATA.meta.sequenceId")
    {
        return text;
    }
    b""
}

fn computed(id: Macro, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    let pri = message.pri();
    let (facility, severity) = (pri >> 3, pri & 7);
    match id {
        Macro::MsgHdr => message_header(message, out),
        Macro::Facility => match FACILITIES.get(facility as usize) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => push_hex(out, u64::from(facility), 1),
        },
        Macro::FacilityNum => push_decimal(out, u64::from(facility)),
        Macro::Severity => out.extend_from_slice(SEVERITIES[severity as usize].as_bytes()),
        Macro::SeverityNum => push_decimal(out, u64::from(severity)),
        Macro::Pri => push_decimal(out, u64::from(pri)),
        Macro::Tag => push_hex(out, u64::from(pri), 2),
        Macro::BsdTag => {
            push_decimal(out, u64::from(severity));
            out.push(b'A' + (facility % 26) as u8);
        }
        Macro::Tags => {
            for (index, tag) in message.tags().enumerate() {
                list::push(tag, index == 0, out);
            }
        }
        Macro::Source => out.extend_from_slice(message.batch().origin().source.as_bytes()),
        Macro::Transport => out.extend_from_slice(transport(message)),
        Macro::SourceIp => out.extend_from_slice(or(known(message, FieldName::SourceIp), NO_ADDRESS)),
        Macro::SourcePort => out.extend_from_slice(or(known(message, FieldName::SourcePort), b"0")),
        Macro::PeerIp => out.extend_from_slice(peer(message, b"PEERIP", FieldName::SourceIp, NO_ADDRESS)),
        Macro::PeerPort => out.extend_from_slice(peer(message, b"PEERPORT", FieldName::SourcePort, b"0")),
        Macro::DestIp => out.extend_from_slice(NO_ADDRESS),
        Macro::DestPort => out.push(b'0'),
        Macro::IpProto => out.push(match known(message, FieldName::SourceIp) {
            b"" => b'0',
            address if address.contains(&b':') => b'6',
            _ => b'4',
        }),
        Macro::Proto => push_decimal(out, protocol(message).0),
        Macro::ProtoName => out.extend_from_slice(protocol(message).1),
        Macro::RawMsgSize => push_decimal(out, u64::from(message.raw_size())),
        Macro::Sdata => sdata::append(message, context, out),
        Macro::SeqNum => push_id(out, sequence_number(message, context)),
        Macro::RcptId => push_id(out, message.id().unwrap_or(0)),
        Macro::UniqId => {
            if let Some(id) = message.id() {
                push_hex(out, u64::from(context.identity().host_id), 8);
                out.push(b'@');
                push_hex(out, id, 16);
            }
        }
        Macro::RunId => push_id(out, u64::from(context.identity().run_id)),
        Macro::HostId => push_hex(out, u64::from(context.identity().host_id), 8),
        // Contexts belong to correlating parsers, of which there are none yet.
        Macro::ContextId => {}
        Macro::SysUpTime => {
            let micros = context.now.unix_micros.saturating_sub(context.identity().started_micros);
            push_decimal(out, micros.max(0).unsigned_abs() / 10_000);
        }
        Macro::LogHost => out.extend_from_slice(context.identity().host.as_bytes()),
    }
}

/// A value of the peer: the one that the source has set, since a proxy is a peer and the sender another one; else
/// that of the sender.
fn peer<'m>(message: MessageRef<'m>, set: &[u8], sender: FieldName, none: &'m [u8]) -> &'m [u8] {
    or(named(message, set), or(known(message, sender), none))
}

/// The matches of a filter, `1` to `255`, as a list up to the highest; those between that are not set are
/// empty.
fn matches(message: MessageRef<'_>, out: &mut Vec<u8>) {
    let mut matches: Vec<&[u8]> = Vec::new();
    for pair in message.pairs().filter(|pair| pair.id == FieldName::Text && !pair.value_type.is_binary()) {
        let sound = matches!(pair.name, [b'1'..=b'9', ..]) && pair.name.len() <= 3;
        let number =
            std::str::from_utf8(pair.name).ok().filter(|_| sound).and_then(|name| name.parse::<u8>().ok());
        let Some(number) = number.map(usize::from) else { continue };
        matches.resize(matches.len().max(number), b"");
        matches[number - 1] = pair.value;
    }
    for (index, text) in matches.into_iter().enumerate() {
        list::push(text, index == 0, out);
    }
}

/// SEQNUM: a counter for the messages of this host, the number that it came with for any other; 0 is none.
fn sequence_number(message: MessageRef<'_>, context: &Context) -> u64 {
    if message.batch().origin().is_local {
        return context.sequence;
    }
    let text = known(message, FieldName::CiscoSequence).trim_ascii_start();
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(&text[..digits]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The text of a name that the engine does not know; empty when it is not set.
fn named<'a>(message: MessageRef<'a>, name: &[u8]) -> &'a [u8] {
    message.named(name).map_or(b"", |(_, text)| text)
}

/// The program part of a BSD header: as it was received, or `PROGRAM[PID]: `.
fn message_header(message: MessageRef<'_>, out: &mut Vec<u8>) {
    let received = known(message, FieldName::LegacyMsgHdr);
    if !received.is_empty() {
        out.extend_from_slice(received);
        return;
    }
    let program = known(message, FieldName::Program);
    if program.is_empty() {
        return;
    }
    out.extend_from_slice(program);
    let pid = known(message, FieldName::Pid);
    if !pid.is_empty() {
        out.push(b'[');
        out.extend_from_slice(pid);
        out.push(b']');
    }
    out.extend_from_slice(b": ");
}

fn transport(message: MessageRef<'_>) -> &[u8] {
    match &message.batch().origin().transport {
        Some(name) => name.as_bytes(),
        None => message.named(b"TRANSPORT").map_or(b"", |(_, text)| text),
    }
}

/// The number and the name of the protocol that the transport is named after.
fn protocol(message: MessageRef<'_>) -> (u64, &[u8]) {
    let name = transport(message);
    let has = |part: &[u8]| memchr::memmem::find(name, part).is_some();
    if has(b"udp") {
        (17, b"udp")
    } else if has(b"tcp") || has(b"tls") {
        (6, b"tcp")
    } else {
        (0, b"")
    }
}

fn or<'a>(text: &'a [u8], other: &'a [u8]) -> &'a [u8] {
    if text.is_empty() { other } else { text }
}

fn push_id(out: &mut Vec<u8>, id: u64) {
    if id != 0 {
        push_decimal(out, id);
    }
}

fn push_hex(out: &mut Vec<u8>, number: u64, width: usize) {
    let digits = (16 - number.leading_zeros() as usize / 4).max(width).min(16);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * digit)) as usize & 15]);
    }
}

/// Puts a backslash before each quote and backslash that was appended after `from`, and writes control
/// characters in octal.
pub(super) fn escape(out: &mut Vec<u8>, from: usize) {
    if !out[from..].iter().any(|b| matches!(b, b'"' | b'\'' | b'\\' | 0..=31)) {
        return;
    }
    for byte in out.split_off(from) {
        match byte {
            b'"' | b'\'' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=31 => {
                out.push(b'\\');
                push_padded(out, u64::from(byte >> 3) * 10 + u64::from(byte & 7), 3);
            }
            _ => out.push(byte),
        }
    }
}
