//! The part that all messages of a batch have in common, as bytes: a list of parts, each with a number, a
//! length and so many bytes. A part that the reader does not know is malformed: it would be lost.

use std::sync::Arc;

use super::read::{Input, Malformed};
use crate::message::{Endpoint, Endpoints, NamedValue, Origin};

const SOURCE: u8 = 1;
const HOST: u8 = 2;
const CHAINED: u8 = 3;
const LOCAL: u8 = 4;
const HOST_FROM: u8 = 5;
const PROGRAM: u8 = 6;
const PID: u8 = 7;
const TRANSPORT: u8 = 8;
const ENDPOINTS: u8 = 9;
const VALUE: u8 = 10;
const TAG: u8 = 11;
const RECVD_OFFSET: u8 = 12;

/// Appends `origin` to `out`.
pub(super) fn write(origin: &Origin, out: &mut Vec<u8>) {
    let mut part = |number: u8, texts: &[&[u8]]| {
        let len: usize = texts.iter().map(|text| text.len()).sum();
        out.push(number);
        out.extend_from_slice(&(len as u32).to_le_bytes());
        for text in texts {
            out.extend_from_slice(text);
        }
    };
    part(SOURCE, &[origin.source.as_bytes()]);
    part(HOST, &[origin.host.as_bytes()]);
    part(HOST_FROM, &[origin.host_from.as_bytes()]);
    part(RECVD_OFFSET, &[&origin.recvd_offset.to_le_bytes()]);
    if origin.host_is_chained {
        part(CHAINED, &[]);
    }
    if origin.is_local {
        part(LOCAL, &[]);
    }
    for (number, text) in [(PROGRAM, &origin.program), (PID, &origin.pid), (TRANSPORT, &origin.transport)] {
        if let Some(text) = text {
            part(number, &[text.as_bytes()]);
        }
    }
    if let Some(Endpoints { source, dest, peer, protocol }) = origin.endpoints.as_deref() {
        let mut texts = vec![*protocol];
        for Endpoint { ip, port } in [Some(source), Some(dest), peer.as_ref()].into_iter().flatten() {
            put_text(ip.as_bytes(), &mut texts);
            put_text(port.as_bytes(), &mut texts);
        }
        part(ENDPOINTS, &[&texts]);
    }
    for (name, value) in origin.values.iter() {
        part(VALUE, &[&(name.len() as u32).to_le_bytes(), name.as_bytes(), value]);
    }
    for tag in origin.tags.iter() {
        part(TAG, &[tag.as_bytes()]);
    }
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// The origin that `bytes` are.
pub(super) fn read(bytes: &[u8]) -> Result<Origin, Malformed> {
    let mut input = Input::new(bytes);
    let mut origin = Origin::named("");
    let (mut values, mut tags) = (Vec::<NamedValue>::new(), Vec::<Arc<str>>::new());
    while !input.is_empty() {
        let number = input.u8()?;
        let part = input.counted()?;
        match number {
            SOURCE => origin.source = text(part)?.into(),
            HOST => origin.host = text(part)?.into(),
            HOST_FROM => origin.host_from = text(part)?.into(),
            RECVD_OFFSET => origin.recvd_offset = Input::new(part).zone()?,
            CHAINED => origin.host_is_chained = true,
            LOCAL => origin.is_local = true,
            PROGRAM => origin.program = Some(text(part)?.into()),
            PID => origin.pid = Some(text(part)?.into()),
            TRANSPORT => origin.transport = Some(text(part)?.into()),
            ENDPOINTS => origin.endpoints = Some(Arc::new(endpoints(part)?)),
            VALUE => {
                let mut part = Input::new(part);
                let name = text(part.counted()?)?;
                values.push((name.into(), part.rest().into()));
            }
            TAG => tags.push(text(part)?.into()),
            _ => return Err(Malformed("a part of the origin that this version does not know")),
        }
    }
    // They are looked for by halves.
    if !values.is_sorted_by(|one, other| one.0 < other.0) {
        return Err(Malformed("values of the origin that are in no order"));
    }
    (origin.values, origin.tags) = (values.into(), tags.into());
    Ok(origin)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a text of the origin that is not UTF-8"))
}

fn endpoints(bytes: &[u8]) -> Result<Endpoints, Malformed> {
    let mut input = Input::new(bytes);
    let protocol = input.u8()?;
    let (source, dest) = (endpoint(&mut input)?, endpoint(&mut input)?);
    let peer = if input.is_empty() { None } else { Some(endpoint(&mut input)?) };
    Ok(Endpoints { source, dest, peer, protocol })
}

fn endpoint(input: &mut Input<'_>) -> Result<Endpoint, Malformed> {
    Ok(Endpoint { ip: text(input.counted()?)?.into(), port: text(input.counted()?)?.into() })
}
