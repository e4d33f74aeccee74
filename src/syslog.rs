//! Syslog: bytes in, spans out.
//!
//! [`parse`] finds the fields of one message and says where they are; it copies nothing, allocates nothing,
//! and never fails. What it finds is put into a [`Parsed`] that the caller keeps and hands in again for the
//! next message.
//!
//! ```text
//! <34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 [id a="b"] text
//!  └pri  └stamp                  └host                 └program  └sdata     └message
//!                                                      (pid: NILVALUE) └msgid
//!
//! <34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed for lonvick on /dev/pts/8
//!  └pri└stamp         └host     └program └message
//!                               └───────┘ msghdr, with the space after it
//! ```
//!
//! What decides between the two grammars is `<pri>1 ` at the beginning (RFC 5424 §6.2.2: the version; an RFC
//! 3164 date never starts that way). Input that claims to be RFC 5424 and is not gives an error and a message
//! that is the whole input; everything else is some kind of RFC 3164, where every part may be missing.
//!
//! Three things need a copy, which a span cannot be; the caller makes them when told to: `\n` in a message
//! that must be one line ([`Marks::NEEDS_SINGLE_LINE`]), text that is not UTF-8 ([`Marks::NEEDS_SANITIZE`]),
//! and escapes in structured data ([`SdataParam::escaped`]).
//!
//! The rooms inside: `flags` and `options` (what is asked for), `parsed` and `error` (what comes out),
//! `rfc5424`, `sdata` and `rfc3164` (the grammars), `scan` (where words end), [`timestamp`], [`names`],
//! [`framing`], `text` (the copies just named), and [`fill`] (from spans to the fields of a record).
#![forbid(unsafe_code)]

mod error;
pub mod fill;
mod flags;
pub mod framing;
pub mod names;
mod options;
mod parsed;
mod rfc3164;
mod rfc5424;
mod scan;
mod sdata;
mod text;
pub mod timestamp;

pub use error::{ParseError, Reason, error_note};
pub use flags::{Flags, UnknownFlag};
pub use options::{BadHostname, Format, ParseOptions};
pub use parsed::{Marks, Parsed, Protocol, SdataParam, Span, Utf8};
pub use sdata::{parse_structured_data, unescape_param_value};
pub use text::{sanitize_utf8, single_line};
pub use timestamp::{Clock, Stamp, Zone};

/// The byte order mark that RFC 5424 §6.4 puts before UTF-8 text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Finds the fields of one message.
///
/// `input` is one frame; line ends and NULs at its end are not part of it. `clock` gives the year and the
/// offset that a stamp lacks. `out` is overwritten as a whole.
///
/// ```
/// use inrush::syslog::{Clock, ParseOptions, Parsed, parse};
/// let input = b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8";
/// let mut parsed = Parsed::default();
/// parse(input, &ParseOptions::default(), &Clock::system(), &mut parsed);
/// assert_eq!(parsed.pri, 34);
/// assert_eq!(parsed.program.map(|span| span.of(input)), Some(&b"su"[..]));
/// ```
pub fn parse(input: &[u8], options: &ParseOptions, clock: &Clock, out: &mut Parsed) {
    out.clear();
    out.pri = options.pri_without();
    let flags = options.flags;
    let addressable = &input[..input.len().min(u32::MAX as usize)];
    let text = trim_end(addressable);
    if flags.has(Flags::STORE_RAW_MESSAGE) {
        out.raw = Some(Span::new(0, text.len()));
    }
    let result = if addressable.len() < input.len() {
        Err(ParseError::new(Reason::TooLong, addressable.len()))
    } else if !flags.has(Flags::PARSE) || options.format == Format::Raw {
        out.message = Some(Span::new(0, text.len()));
        Ok(())
    } else {
        parse_message(text, options, clock, out)
    };
    if let Err(error) = result {
        out.fail(error, text.len(), flags.has(Flags::PIGGYBACK_ERRORS));
    }
    note_what_needs_a_copy(text, flags, out);
}

/// The priority, and then the grammar that it announces.
#[inline]
fn parse_message(
    text: &[u8],
    options: &ParseOptions,
    clock: &Clock,
    out: &mut Parsed,
) -> Result<(), ParseError> {
    let flags = options.flags;
    let mut at = 0;
    if text.starts_with(BOM) {
        at = BOM.len();
        out.utf8 = Utf8::Assumed;
    }
    let pri = read_pri(&text[at..]).or_else(|| counted_pri(&text[at..]));
    if let Some((pri, len)) = pri {
        out.pri = pri;
        out.marks.insert(Marks::PRI_GIVEN);
        at += len;
    }
    if flags.has(Flags::SYSLOG_PROTOCOL) {
        if flags.has(Flags::HEADER) && pri.is_some() && text[at..].starts_with(b"1 ") {
            return rfc5424::parse(text, at + 2, options, clock, out);
        }
        if !flags.has(Flags::RFC3164_FALLBACK) {
            return Err(ParseError::new(Reason::NotRfc5424, at));
        }
    }
    out.protocol = Protocol::Rfc3164;
    if flags.has(Flags::HEADER) {
        rfc3164::parse(text, at, options, clock, out);
    } else {
        out.message = Some(Span::between(at, text.len()));
    }
    Ok(())
}

/// `<` one to three digits `>`: the number and the length.
///
/// RFC 5424 §6.2.1 ends at 191. Larger numbers come from devices with facilities of their own, and are kept.
#[inline]
fn read_pri(text: &[u8]) -> Option<(u16, usize)> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    match *text {
        [b'<', a, b'>', ..] => Some((digit(a)?, 3)),
        [b'<', a, b, b'>', ..] => Some((digit(a)? * 10 + digit(b)?, 4)),
        [b'<', a, b, c, b'>', ..] => Some((digit(a)? * 100 + digit(b)? * 10 + digit(c)?, 5)),
        _ => None,
    }
}

/// A priority after the octet count that framing left in front of it (RFC 6587 §3.4.1): the number, and the
/// length of both.
#[cold]
fn counted_pri(text: &[u8]) -> Option<(u16, usize)> {
    let digits = text.iter().take(11).position(|byte| !byte.is_ascii_digit()).filter(|digits| *digits > 0)?;
    let (pri, len) = read_pri(text[digits..].strip_prefix(b" ")?)?;
    Some((pri, digits + 1 + len))
}

/// The text without the line ends and NULs that framing may leave at its end (RFC 6587 §3.4.2).
#[inline]
fn trim_end(input: &[u8]) -> &[u8] {
    let mut text = input;
    while let [rest @ .., b'\n' | b'\r' | 0] = text {
        text = rest;
    }
    text
}

/// Looks at the bytes of the text where a flag asks for it.
#[inline]
fn note_what_needs_a_copy(text: &[u8], flags: Flags, out: &mut Parsed) {
    if flags.has_any(Flags::VALIDATE_UTF8.union(Flags::SANITIZE_UTF8)) {
        out.utf8 = if std::str::from_utf8(text).is_ok() { Utf8::Valid } else { Utf8::Invalid };
        if out.utf8 == Utf8::Invalid && flags.has(Flags::SANITIZE_UTF8) {
            out.marks.insert(Marks::NEEDS_SANITIZE);
        }
    } else if flags.has(Flags::ASSUME_UTF8) {
        out.utf8 = Utf8::Assumed;
    }
    if !flags.has(Flags::MULTI_LINE) {
        let message = out.message.map_or(&[][..], |span| span.of(text));
        if memchr::memchr3(b'\n', b'\r', 0, message).is_some() {
            out.marks.insert(Marks::NEEDS_SINGLE_LINE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A priority has digits and both brackets; anything else is text.
    #[test]
    fn priorities() {
        assert_eq!(read_pri(b"<0>"), Some((0, 3)));
        assert_eq!(read_pri(b"<191>x"), Some((191, 5)));
        assert_eq!(read_pri(b"<999>"), Some((999, 5)));
        for text in ["", "<", "<>", "<1", "<1x>", "<1234>", "13>", "<-1>"] {
            assert_eq!(read_pri(text.as_bytes()), None, "{text}");
        }
    }
}
