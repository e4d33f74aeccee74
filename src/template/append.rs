//! Values as text: what each macro writes for a message.

use super::Context;
use super::element;
use super::item::Scope;
use super::macros::Value;
use super::number::push_padded;
use super::time::Clock;
use crate::message::{FieldName, MessageRef, ValueType, list};

/// Appends what `value` is for `message`.
#[inline]
pub(super) fn append(value: &Value, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    match value {
        Value::Message => out.extend_from_slice(message.text()),
        Value::Host => out.extend_from_slice(host(message)),
        Value::Known(id) => out.extend_from_slice(known(message, *id)),
        Value::Named(name) => {
            if let Some((kind, text)) = message.look_up(name)
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
        Value::Element => {
            element::append(out);
        }
        Value::Macro(computed) => (computed.append)(message, context, out),
        Value::Nothing => {}
    }
}

/// Appends what `value` is, and tells its type. Bytes are written only where `hint` asks for them.
pub(super) fn append_typed(
    value: &Value,
    hint: Option<ValueType>,
    scope: Scope<'_>,
    out: &mut Vec<u8>,
) -> ValueType {
    let Scope { message, context } = scope;
    let found = match value {
        Value::Message => Some((message.text_type(), message.text())),
        Value::Host => {
            message.known_typed(FieldName::Host).map(|(value_type, _)| (value_type, host(message)))
        }
        Value::Known(id) => known_typed(message, *id),
        Value::Named(name) => message.look_up(name),
        Value::Element => return element::append(out),
        other => {
            append(other, message, context, out);
            return other.static_type();
        }
    };
    match found {
        Some((value_type, text)) if !value_type.is_binary() || hint == Some(value_type) => {
            out.extend_from_slice(text);
            value_type
        }
        _ => ValueType::Null,
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

/// The type and the value of a name that the engine knows.
pub(super) fn known_typed(message: MessageRef<'_>, id: FieldName) -> Option<(ValueType, &[u8])> {
    let sequence = || message.named(b".SDATA.meta.sequenceId");
    message.known_typed(id).or_else(|| (id == FieldName::CiscoSequence).then(sequence).flatten())
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
