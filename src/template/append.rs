//! Values as text: what each macro writes for a message.

use super::macros::{Macro, Value};
use super::number::{push_decimal, push_padded};
use super::time::Clock;
use super::{Context, sdata};
use crate::message::{FieldName, MessageRef};
use crate::syslog::names::{FACILITIES, SEVERITIES};

/// The address that stands for an unknown one.
const NO_ADDRESS: &[u8] = b"127.0.0.1";

/// Appends what `value` is for `message`.
#[inline]
pub(super) fn append(value: &Value, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    match value {
        Value::Message => out.extend_from_slice(message.text()),
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
        Value::Macro(id) => computed(*id, message, context, out),
        Value::Nothing => {}
    }
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
            for (index, tag) in message.batch().origin().tags.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(tag.as_bytes());
            }
        }
        Macro::Source => out.extend_from_slice(message.batch().origin().source.as_bytes()),
        Macro::Transport => out.extend_from_slice(transport(message)),
        Macro::SourceIp => out.extend_from_slice(or(known(message, FieldName::SourceIp), NO_ADDRESS)),
        Macro::SourcePort => out.extend_from_slice(or(known(message, FieldName::SourcePort), b"0")),
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
        Macro::Sdata => sdata::append(message, out),
        Macro::SeqNum => push_id(out, context.sequence),
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
