//! The texts of values: what a string means, numbers, and arrays as JSON again.

use std::io::Write;
use std::ops::Range;

use memchr::memchr;

use super::lexer::{Lexer, Number, Parts, Quoted, Token, Word};
use crate::message::ValueType;
use crate::parser::Refused;

/// A piece of a string between or behind backslashes.
enum Piece<'t> {
    Plain(&'t [u8]),
    Escaped(char),
}

/// The pieces of what stands between the quotes of a string, whose escapes are right.
fn pieces(raw: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let plain = match rest.first()? {
            b'\\' => 0,
            _ => memchr(b'\\', rest).unwrap_or(rest.len()),
        };
        if plain > 0 {
            let (text, behind) = rest.split_at(plain);
            rest = behind;
            return Some(Piece::Plain(text));
        }
        let (escaped, len) = escaped(rest);
        rest = rest.get(len..).unwrap_or_default();
        Some(Piece::Escaped(escaped))
    })
}

/// The character that the escape at the start of `text` means, and the length of the escape.
fn escaped(text: &[u8]) -> (char, usize) {
    let plain = match text.get(1) {
        Some(b'u') => return unicode(text),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(other) => char::from(*other),
        None => '\\',
    };
    (plain, 2)
}

/// The same for `\uXXXX`: two of them are one character where they are its surrogates (RFC 8259 §7), and one
/// that is alone means none.
fn unicode(text: &[u8]) -> (char, usize) {
    let unit = |text: &[u8]| match text {
        [b'\\', b'u', digits @ ..] => {
            std::str::from_utf8(digits.get(..4)?).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok())
        }
        _ => None,
    };
    let first = unit(text).unwrap_or_default();
    if let 0xd800..0xdc00 = first
        && let Some(second @ 0xdc00..0xe000) = text.get(6..).and_then(unit)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// Appends what `string` means.
pub(super) fn push_string(lexer: &Lexer<'_>, string: &Quoted, out: &mut Vec<u8>) {
    let raw = lexer.bytes(string.part.clone());
    if !string.is_escaped {
        return out.extend_from_slice(raw);
    }
    for piece in pieces(raw) {
        match piece {
            Piece::Plain(text) => out.extend_from_slice(text),
            Piece::Escaped(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The text of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It stands in the document.
    Part(Range<usize>),
    /// It was written into the buffer.
    Made,
}

/// The digits of 64 bits: the largest number, and without its sign the smallest.
const LARGEST: [&[u8]; 2] = [b"9223372036854775807", b"9223372036854775808"];

/// The most digits of a decimal that every double keeps.
const DIGITS: usize = 15;

/// The digits behind the point of a double's text.
const FRACTION: usize = 6;

/// The type and the text of `number`; one that is made replaces what is in `out`.
///
/// An integer has no zeros in front, and is a string where 64 bits do not hold it. A double has six digits
/// behind its point where it is the same number then, and is otherwise what is written; it is a string where
/// no double is that large.
pub(super) fn number(lexer: &Lexer<'_>, number: &Number, out: &mut Vec<u8>) -> (ValueType, Stored) {
    if number.is_integer {
        return integer(lexer, &number.part, out);
    }
    let parts = lexer.parts(number);
    let Parts { whole, fraction, exponent } = &parts;
    let zeros = leading_zeros(lexer.bytes(whole.clone()));
    let digits = whole.len() - zeros + fraction.as_ref().map_or(0, Range::len);
    out.clear();
    match (fraction, exponent) {
        (Some(fraction), None) if digits <= DIGITS && fraction.len() <= FRACTION => {
            short_double(lexer, (&number.part, whole, fraction), zeros, out)
        }
        _ => double(lexer, complete(lexer, number, &parts), out),
    }
}

/// The number of zeros in front of `digits`.
fn leading_zeros(digits: &[u8]) -> usize {
    digits.iter().take_while(|digit| **digit == b'0').count()
}

/// An integer.
#[inline]
fn integer(lexer: &Lexer<'_>, part: &Range<usize>, out: &mut Vec<u8>) -> (ValueType, Stored) {
    let is_negative = lexer.bytes(part.clone()).starts_with(b"-");
    let first = part.start + usize::from(is_negative);
    // One digit is left.
    let zeros = leading_zeros(lexer.bytes(first..part.end)).min(part.end - first - 1);
    let digits = first + zeros..part.end;
    let text = lexer.bytes(digits.clone());
    let largest = LARGEST[usize::from(is_negative)];
    let is_large = text.len() > largest.len() || text.len() == largest.len() && text > largest;
    let value_type = if is_large { ValueType::String } else { ValueType::Integer };
    if !is_negative || text == b"0" {
        return (value_type, Stored::Part(digits));
    }
    if zeros == 0 {
        return (value_type, Stored::Part(part.clone()));
    }
    out.clear();
    out.push(b'-');
    out.extend_from_slice(text);
    (value_type, Stored::Made)
}

/// A double of so few digits that six of them behind the point are the same number: they only need zeros.
fn short_double(
    lexer: &Lexer<'_>,
    (part, whole, fraction): (&Range<usize>, &Range<usize>, &Range<usize>),
    zeros: usize,
    out: &mut Vec<u8>,
) -> (ValueType, Stored) {
    if fraction.len() == FRACTION && !whole.is_empty() && (zeros == 0 || whole.len() == 1) {
        return (ValueType::Double, Stored::Part(part.clone()));
    }
    if whole.start > part.start {
        out.push(b'-');
    }
    let digits = lexer.bytes(whole.start + zeros..whole.end);
    out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
    out.push(b'.');
    out.extend_from_slice(lexer.bytes(fraction.clone()));
    out.extend_from_slice(&b"000000"[fraction.len()..]);
    (ValueType::Double, Stored::Made)
}

/// Any other double.
fn double(lexer: &Lexer<'_>, written: Range<usize>, out: &mut Vec<u8>) -> (ValueType, Stored) {
    let text = lexer.bytes(written.clone());
    let read = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    let Some(value) = read(text).filter(|value| value.is_finite()) else {
        return (ValueType::String, Stored::Part(written));
    };
    // Writing to memory does not fail.
    let _ = write!(out, "{value:.FRACTION$}");
    if read(out).map(f64::to_bits) == Some(value.to_bits()) {
        return (ValueType::Double, Stored::Made);
    }
    (ValueType::Double, Stored::Part(written))
}

/// The place of a number up to an `e` that no digits follow.
fn complete(lexer: &Lexer<'_>, Number { part, .. }: &Number, parts: &Parts) -> Range<usize> {
    match &parts.exponent {
        Some(exponent) if !lexer.bytes(exponent.clone()).iter().any(u8::is_ascii_digit) => {
            part.start..exponent.start - 1
        }
        _ => part.clone(),
    }
}

/// The type and the text of a word.
pub(super) fn word(word: Word) -> (ValueType, &'static [u8]) {
    match word {
        Word::True => (ValueType::Boolean, b"true"),
        Word::False => (ValueType::Boolean, b"false"),
        Word::Null => (ValueType::Null, b""),
        Word::NotANumber => (ValueType::String, b"nan"),
        Word::Infinity => (ValueType::String, b"inf"),
        Word::MinusInfinity => (ValueType::String, b"-inf"),
    }
}

/// Appends the container whose opening bracket `open` was taken, as compact JSON: without white space, every
/// string and number as RFC 8259 has it. What is so already stays as it is written.
pub(super) fn push_container(lexer: &mut Lexer<'_>, open: u8, out: &mut Vec<u8>) -> Result<(), Refused> {
    let outer = lexer.depth() - 1;
    out.push(open);
    while lexer.depth() > outer {
        let token = lexer.next()?;
        let is_end = matches!(token, Token::ObjectEnd | Token::ArrayEnd);
        // No string ends with one of these: a quote is behind it.
        if !is_end && !matches!(out.last(), Some(b'[' | b'{' | b':')) {
            out.push(b',');
        }
        match &token {
            Token::Object => out.push(b'{'),
            Token::ObjectEnd => out.push(b'}'),
            Token::Array => out.push(b'['),
            Token::ArrayEnd => out.push(b']'),
            Token::Key(string) | Token::String(string) => push_quoted(lexer, string, out),
            Token::Number(number) => push_number(lexer, number, out),
            Token::Word(word, _) => out.extend_from_slice(match word {
                Word::True => b"true",
                Word::False => b"false",
                Word::Null => b"null",
                Word::NotANumber => b"\"nan\"",
                Word::Infinity => b"\"inf\"",
                Word::MinusInfinity => b"\"-inf\"",
            }),
        }
        if let Token::Key(_) = token {
            out.push(b':');
        }
    }
    Ok(())
}

/// Appends a string in double quotes.
fn push_quoted(lexer: &Lexer<'_>, string: &Quoted, out: &mut Vec<u8>) {
    let raw = lexer.bytes(string.part.clone());
    out.push(b'"');
    for piece in pieces(raw) {
        match piece {
            Piece::Plain(text) => push_escaped(text, out),
            Piece::Escaped(char) => push_escaped(char.encode_utf8(&mut [0; 4]).as_bytes(), out),
        }
    }
    out.push(b'"');
}

/// Appends `text`, with escapes where it has what may not stand in a string.
fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    let mut rest = text;
    while let Some(at) = rest.iter().position(is_special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // Writing to memory does not fail.
            byte => drop(write!(out, "\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a number with the digits that it is written with.
fn push_number(lexer: &Lexer<'_>, number: &Number, out: &mut Vec<u8>) {
    let parts = lexer.parts(number);
    let (part, Parts { whole, fraction, .. }) = (&number.part, &parts);
    let digits = lexer.bytes(whole.clone());
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count().min(digits.len().saturating_sub(1));
    out.extend_from_slice(lexer.bytes(part.start..whole.start));
    out.extend_from_slice(if digits.is_empty() { b"0" } else { &digits[zeros..] });
    let end = complete(lexer, number, &parts).end;
    let behind = match fraction {
        Some(fraction) if fraction.is_empty() => {
            out.extend_from_slice(b".0");
            fraction.end
        }
        _ => whole.end,
    };
    out.extend_from_slice(lexer.bytes(behind..end));
}
