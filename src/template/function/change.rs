//! Functions that change or encode texts: `sanitize`, `replace-delimiter`, `padding`, `binary`,
//! `base64-encode`, `url-decode`, `ipv4-to-int`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::options::{self, Given, Known};
use super::{Arguments, Compiled};
use crate::message::ValueType;
use crate::template::build::{Build, Source};
use crate::template::item::{Call, Items, Scope};
use crate::template::number::push_decimal;

/// `$(sanitize)`: texts without what has no place in the name of a file.
#[derive(Debug)]
struct Sanitize {
    /// Control characters are replaced.
    controls: bool,
    /// The other bytes that are replaced.
    invalid: Vec<u8>,
    /// The byte in their place; without one they are removed.
    replacement: Option<u8>,
    texts: Vec<Items>,
}

/// Compiles `$(sanitize)`.
pub(super) fn sanitize(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    const OWN: &[Known] = &[
        Known::flag("ctrl-chars", 'c'),
        Known::flag("no-ctrl-chars", 'C'),
        Known::value("invalid-chars", 'i'),
        Known::value("replacement", 'r'),
    ];
    let mut call =
        Sanitize { controls: true, invalid: b"/".to_vec(), replacement: Some(b'_'), texts: Vec::new() };
    for given in options::read(build, sources, OWN)? {
        match given {
            Given::Argument(source) => call.texts.push(build.items(&source)?),
            Given::Option("ctrl-chars", ..) => call.controls = true,
            Given::Option("no-ctrl-chars", ..) => call.controls = false,
            Given::Option("invalid-chars", _, value) => {
                call.invalid = value.map(|value| value.bytes).unwrap_or_default();
            }
            Given::Option(_, _, value) => {
                call.replacement = value.and_then(|value| value.bytes.first().copied());
            }
        }
    }
    Ok(Box::new(call))
}

impl Call for Sanitize {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        for (index, items) in self.texts.iter().enumerate() {
            if index > 0 {
                out.push(b'/');
            }
            let replaced = |byte: u8| self.controls && byte < 0x20 || self.invalid.contains(&byte);
            let text = items.text(scope);
            out.extend(
                text.iter().filter_map(|byte| if replaced(*byte) { self.replacement } else { Some(*byte) }),
            );
        }
        ValueType::String
    }
}

/// `$(replace-delimiter)`
pub(super) fn replace_delimiter(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let (delimiters, new) = (arguments.text(0), arguments.text(1));
    let new = new.first().copied();
    let text = arguments.text(2);
    out.extend(text.iter().filter_map(|byte| if delimiters.contains(byte) { new } else { Some(*byte) }));
}

/// `$(padding text width [pad])`
#[derive(Debug)]
struct Padding {
    text: Items,
    width: usize,
    pad: Vec<u8>,
}

/// The widest that a text is padded to: more is a mistake, and would cost memory for every message.
const MAX_WIDTH: usize = 65_536;

/// Compiles `$(padding)`.
pub(super) fn padding(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let usage = "$(padding text width [pad])";
    let (text, width, pad) = match sources {
        [text, width] => (text, width, b" ".to_vec()),
        [text, width, pad] if pad.bytes.is_empty() => (text, width, b" ".to_vec()),
        [text, width, pad] => (text, width, pad.bytes.clone()),
        _ => return Err(build.call_error("`padding` takes a text and a width", usage)),
    };
    let number = width.text().parse().ok().filter(|width| *width <= MAX_WIDTH);
    let Some(number) = number else {
        return Err(build.error(width, "the width is a number of bytes, 65536 at most", usage));
    };
    Ok(Box::new(Padding { text: build.items(text)?, width: number, pad }))
}

impl Call for Padding {
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        let text = self.text.text(scope);
        out.extend(self.pad.iter().cycle().take(self.width.saturating_sub(text.len())));
        out.extend_from_slice(&text);
        ValueType::String
    }
}

/// `$(binary)`: the bytes of numbers.
#[derive(Debug)]
struct Binary(Vec<u8>);

/// Compiles `$(binary)`.
pub(super) fn binary(build: &mut Build<'_>, sources: &[Source]) -> Compiled {
    let usage = "$(binary 65 0x42 0103)";
    if sources.is_empty() {
        return Err(build.call_error("`binary` takes numbers", usage));
    }
    let number = |source: &Source| {
        let text = source.text();
        let octal = text.strip_prefix('0').filter(|rest| !rest.is_empty());
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        match (hexadecimal, octal) {
            (Some(digits), _) => u8::from_str_radix(digits, 16),
            (None, Some(digits)) => u8::from_str_radix(digits, 8),
            (None, None) => text.parse(),
        }
        .map_err(|_| build.error(source, "this is no number from 0 to 255", usage))
    };
    Ok(Box::new(Binary(sources.iter().map(number).collect::<Result<_, _>>()?)))
}

impl Call for Binary {
    fn append(&self, _: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        out.extend_from_slice(&self.0);
        ValueType::String
    }
}

/// `$(base64-encode)`, of all texts one after the other.
pub(super) fn base64_encode(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    let text: Vec<u8> = arguments.texts().flatten().collect();
    out.extend_from_slice(STANDARD.encode(text).as_bytes());
}

/// `$(url-decode)`: an argument that is not encoded rightly is left out.
pub(super) fn url_decode(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    arguments.texts().filter_map(|text| decoded(&text)).for_each(|text| out.extend_from_slice(&text));
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let byte = digit(*high)? << 4 | digit(*low)?;
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
        rest = after;
    }
    Some(decoded)
}

/// `$(ipv4-to-int)`: in the forms that the C library takes, as `10.1` for `10.0.0.1`.
pub(super) fn ipv4_to_int(arguments: &Arguments<'_>, out: &mut Vec<u8>) {
    for (index, text) in arguments.texts().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(address) = address(&text) {
            push_decimal(out, u64::from(address));
        }
    }
}

fn address(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let part = |part: &str| -> Option<u32> {
        let (digits, radix) = match part.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&part[2..], 16),
            [b'0', _, ..] => (&part[1..], 8),
            _ => (part, 10),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    let parts = text.split('.').map(part).collect::<Option<Vec<_>>>()?;
    let (last, heads) = parts.split_last()?;
    if heads.len() > 3 || heads.iter().any(|head| *head > 255) {
        return None;
    }
    // The last part fills what the others leave.
    let bits = 8 * (4 - heads.len() as u32);
    if bits < 32 && *last >> bits != 0 {
        return None;
    }
    let start = heads.iter().zip([24, 16, 8]).map(|(head, shift)| head << shift).sum::<u32>();
    Some(start | last)
}
