//! Macros that are computed from a message, its origin or the context: a function each, in the order of the
//! message's parts. Their names and types are in the table of [`macros`](super::macros).

use super::Context;
use super::append::known;
use super::number::push_decimal;
use crate::message::{Endpoint, FieldName, MessageRef, list};
use crate::syslog::names::{FACILITIES, SEVERITIES};

/// The address that stands for an unknown one.
const NO_ADDRESS: &[u8] = b"127.0.0.1";

/// Appends the value of a macro.
pub(super) type Append = fn(MessageRef<'_>, &Context, &mut Vec<u8>);

pub(super) fn pri(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, u64::from(message.pri()));
}

pub(super) fn facility(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    let facility = message.pri() >> 3;
    match FACILITIES.get(facility as usize) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => push_hex(out, u64::from(facility), 1),
    }
}

pub(super) fn facility_num(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, u64::from(message.pri() >> 3));
}

pub(super) fn severity(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(SEVERITIES[(message.pri() & 7) as usize].as_bytes());
}

pub(super) fn severity_num(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, u64::from(message.pri() & 7));
}

/// PRI in hexadecimal.
pub(super) fn tag(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_hex(out, u64::from(message.pri()), 2);
}

/// The severity, and a letter for the facility.
pub(super) fn bsd_tag(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, u64::from(message.pri() & 7));
    out.push(b'A' + ((message.pri() >> 3) % 26) as u8);
}

/// The program part of a BSD header: as it was received, or `PROGRAM[PID]: `.
pub(super) fn message_header(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
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

pub(super) fn tags(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    for (index, tag) in message.tags().enumerate() {
        list::push(tag, index == 0, out);
    }
}

pub(super) fn sdata(message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    super::sdata::append(message, context, out);
}

pub(super) fn raw_size(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, u64::from(message.raw_size()));
}

pub(super) fn source(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(or(named(message, b"SOURCE"), message.batch().origin().source.as_bytes()));
}

pub(super) fn transport(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(transport_of(message));
}

pub(super) fn source_ip(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(or(known(message, FieldName::SourceIp), NO_ADDRESS));
}

pub(super) fn source_port(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(or(known(message, FieldName::SourcePort), b"0"));
}

pub(super) fn peer_ip(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    let proxy = proxy(message).map(|proxy| proxy.ip.as_bytes());
    out.extend_from_slice(peer(
        message,
        b"PEERIP",
        proxy,
        or(known(message, FieldName::SourceIp), NO_ADDRESS),
    ));
}

pub(super) fn peer_port(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    let proxy = proxy(message).map(|proxy| proxy.port.as_bytes());
    out.extend_from_slice(peer(message, b"PEERPORT", proxy, or(known(message, FieldName::SourcePort), b"0")));
}

pub(super) fn dest_ip(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    let ends = message.batch().origin().endpoints.as_deref();
    out.extend_from_slice(ends.map_or(NO_ADDRESS, |ends| ends.dest.ip.as_bytes()));
}

pub(super) fn dest_port(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    let ends = message.batch().origin().endpoints.as_deref();
    out.extend_from_slice(ends.map_or(b"0", |ends| ends.dest.port.as_bytes()));
}

pub(super) fn ip_proto(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.push(match known(message, FieldName::SourceIp) {
        b"" => b'0',
        address if address.contains(&b':') => b'6',
        _ => b'4',
    });
}

pub(super) fn proto(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_decimal(out, protocol(message).0);
}

pub(super) fn proto_name(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(protocol(message).1);
}

pub(super) fn seq_num(message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    push_id(out, sequence_number(message, context));
}

pub(super) fn rcpt_id(message: MessageRef<'_>, _: &Context, out: &mut Vec<u8>) {
    push_id(out, message.id().unwrap_or(0));
}

pub(super) fn uniq_id(message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    if let Some(id) = message.id() {
        push_hex(out, u64::from(context.identity().host_id), 8);
        out.push(b'@');
        push_hex(out, id, 16);
    }
}

pub(super) fn run_id(_: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    push_id(out, u64::from(context.identity().run_id));
}

pub(super) fn host_id(_: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    push_hex(out, u64::from(context.identity().host_id), 8);
}

pub(super) fn sys_up_time(_: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    let micros = context.now.unix_micros.saturating_sub(context.identity().started_micros);
    push_decimal(out, micros.max(0).unsigned_abs() / 10_000);
}

pub(super) fn log_host(_: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    out.extend_from_slice(context.identity().host.as_bytes());
}

/// A value of the peer: the one that the source has set, since a proxy is a peer and the sender another one;
/// else that of the sender.
fn peer<'m>(message: MessageRef<'m>, set: &[u8], proxy: Option<&'m [u8]>, sender: &'m [u8]) -> &'m [u8] {
    or(named(message, set), proxy.unwrap_or(sender))
}

/// The proxy that the message came by.
fn proxy(message: MessageRef<'_>) -> Option<&Endpoint> {
    message.batch().origin().endpoints.as_ref()?.peer.as_ref()
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

/// The transport by which a message came, as it says itself, or its source.
fn transport_of(message: MessageRef<'_>) -> &[u8] {
    let common = message.batch().origin().transport.as_deref().unwrap_or_default();
    or(named(message, b"TRANSPORT"), common.as_bytes())
}

/// The number and the name of the protocol that the transport is named after.
fn protocol(message: MessageRef<'_>) -> (u64, &[u8]) {
    match message.batch().origin().endpoints.as_ref().map(|ends| ends.protocol) {
        Some(17) => return (17, b"udp"),
        Some(6) => return (6, b"tcp"),
        _ => {}
    }
    let name = transport_of(message);
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
