//! Structured data as text (RFC 5424, section 6.3): the macro SDATA.
//!
//! A received message has its elements as runs of fields, an SD-ID and then its parameters, and they
//! are written in that order. A pair called `.SDATA.id.param` that was set one by one goes into the
//! element `id` when there is one, and otherwise into a new element after the others; its name is cut
//! at the last dot. A parameter that is there already is not written twice.
//!
//! A message of this host that has no `sequenceId` (RFC 5424, section 7.3.1) gets SEQNUM for one.

use smallvec::SmallVec;

use super::Context;
use super::number::push_decimal;
use crate::message::{FieldName, MessageRef};

/// A parameter that stands outside the runs.
struct Loose<'a> {
    sd_id: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
    written: bool,
}

/// Appends the structured data of `message`; nothing when it has none.
pub(super) fn append(message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
    let mut number = Vec::new();
    let mut loose = loose_parameters(message);
    if message.batch().origin().is_local && context.sequence != 0 {
        push_decimal(&mut number, context.sequence);
        add_loose(&mut loose, (b"meta", b"sequenceId"), &number, false);
    }
    let mut open: Option<&[u8]> = None;
    for pair in message.pairs() {
        match pair.id {
            FieldName::SdId => {
                close(open, &mut loose, out);
                out.push(b'[');
                out.extend_from_slice(pair.value);
                open = Some(pair.value);
            }
            FieldName::SdParam if open.is_some() => {
                if let Some(same) =
                    loose.iter_mut().find(|other| other.sd_id == pair.sd_id && other.name == pair.name)
                {
                    same.written = true;
                }
                parameter(pair.name, pair.value, out);
            }
            _ => {}
        }
    }
    close(open, &mut loose, out);
    while let Some(sd_id) = loose.iter().find(|other| !other.written).map(|other| other.sd_id) {
        out.push(b'[');
        out.extend_from_slice(sd_id);
        close(Some(sd_id), &mut loose, out);
    }
}

fn loose_parameters(message: MessageRef<'_>) -> SmallVec<[Loose<'_>; 4]> {
    let mut loose: SmallVec<[Loose<'_>; 4]> = SmallVec::new();
    for pair in message.pairs() {
        let (sd_id, name) = match pair.id {
            FieldName::CiscoSequence => (&b"meta"[..], &b"sequenceId"[..]),
            FieldName::Text => {
                let Some(rest) = pair.name.strip_prefix(b".SDATA.") else { continue };
                let Some(dot) = rest.iter().rposition(|b| *b == b'.') else { continue };
                (&rest[..dot], &rest[dot + 1..])
            }
            _ => continue,
        };
        if sd_id.is_empty() || name.is_empty() {
            continue;
        }
        // Set again: the last value counts.
        add_loose(&mut loose, (sd_id, name), pair.value, true);
    }
    loose
}

/// Adds a parameter; one that is there already gets the value only when `replaces`.
fn add_loose<'a>(
    loose: &mut SmallVec<[Loose<'a>; 4]>,
    (sd_id, name): (&'a [u8], &'a [u8]),
    value: &'a [u8],
    replaces: bool,
) {
    match loose.iter_mut().find(|other| other.sd_id == sd_id && other.name == name) {
        Some(same) if replaces => same.value = value,
        Some(_) => {}
        None => loose.push(Loose { sd_id, name, value, written: false }),
    }
}

/// Ends the open element, with the loose parameters that belong into it.
fn close(open: Option<&[u8]>, loose: &mut [Loose<'_>], out: &mut Vec<u8>) {
    let Some(sd_id) = open else { return };
    for other in loose.iter_mut().filter(|other| other.sd_id == sd_id && !other.written) {
        parameter(other.name, other.value, out);
        other.written = true;
    }
    out.push(b']');
}

fn parameter(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name);
    out.extend_from_slice(b"=\"");
    let mut rest = value;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | b']')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
