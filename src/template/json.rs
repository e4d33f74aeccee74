//! JSON of named values: `{"a":{"b":"1"},"c":2}`.
//!
//! Values come in rising order of their names and go out in falling order. A name is split at each delimiter,
//! and its parts but the last are objects around the value; in that order everything inside of one object is
//! together. A value whose name is that of an object beside it goes into the object, under the last part of
//! its name, unless there is one already; then it is left out.
//!
//! Strings are written as RFC 8259 wants them. A byte that is not UTF-8, and NUL, becomes `\\xhh`, four
//! characters: nothing that a sender writes makes the document invalid.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;

use super::pairs::NamedValue;
use crate::message::{ValueType, list, typed};

/// The treatment of a value that is not of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The whole result is empty.
    Drop,
    /// The value is left out.
    LeaveOut,
    /// The value is a string.
    AsString,
}

/// A value is not of its type, and so there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoDocument;

/// Appends a document of `values`, whose names are split at `delimiter`. `complain` gets what is not of its
/// type.
///
/// # Errors
/// A value that is not of its type, where that is [`Mismatch::Drop`]; nothing is appended then.
pub(super) fn push_document(
    values: &[NamedValue<'_>],
    delimiter: Option<u8>,
    mismatch: Mismatch,
    complain: &dyn Fn(&NamedValue<'_>),
    out: &mut Vec<u8>,
) -> Result<(), NoDocument> {
    let start = out.len();
    let (open, inside) = (SmallVec::new(), SmallVec::new());
    let written =
        Document { values, delimiter, mismatch, complain, out: &mut *out, open, inside, is_first: true }
            .write();
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// A document that is being written.
struct Document<'a> {
    /// In rising order of their names.
    values: &'a [NamedValue<'a>],
    delimiter: Option<u8>,
    mismatch: Mismatch,
    complain: &'a dyn Fn(&NamedValue<'_>),
    out: &'a mut Vec<u8>,
    /// The open objects: the name of each, and its last part.
    open: SmallVec<[(&'a [u8], &'a [u8]); 8]>,
    /// The values that went into an object of their own name.
    inside: SmallVec<[usize; 4]>,
    /// Nothing stands in the innermost object yet.
    is_first: bool,
}

impl Document<'_> {
    fn write(&mut self) -> Result<(), NoDocument> {
        self.out.push(b'{');
        for at in (0..self.values.len()).rev() {
            let value = &self.values[at];
            // The objects that this value does not stand in end here.
            while let Some((object, _)) = self.open.last()
                && !self.is_in(value.name, object)
            {
                self.close(at + 1)?;
            }
            if self.inside.contains(&at) {
                continue;
            }
            let inside = self.open.last().map_or(0, |(object, _)| object.len() + 1);
            let Some(delimiter) = self.delimiter else {
                self.member(value.name, value)?;
                continue;
            };
            let mut start = inside;
            if start >= value.name.len() && start > 0 {
                // The name of the object, and a delimiter behind it.
                self.own(at)?;
                continue;
            }
            // Each further part but the last is an object.
            while let Some(end) = part_end(&value.name[start..], delimiter).map(|length| start + length) {
                if end + 1 == value.name.len() {
                    break;
                }
                self.begin(&value.name[start..end]);
                self.open.push((&value.name[..end], &value.name[start..end]));
                start = end + 1;
            }
            let key = &value.name[start..];
            let key = match key.split_last() {
                Some((last, rest)) if *last == delimiter && !rest.is_empty() => rest,
                _ => key,
            };
            self.member(key, value)?;
        }
        while !self.open.is_empty() {
            self.close(0)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Tells whether the value called `name` stands in `object`.
    fn is_in(&self, name: &[u8], object: &[u8]) -> bool {
        name.len() > object.len() && name.starts_with(object) && Some(name[object.len()]) == self.delimiter
    }

    /// Begins an object that is the member `key`.
    fn begin(&mut self, key: &[u8]) {
        self.comma();
        push_string(key, self.out);
        self.out.extend_from_slice(b":{");
        self.is_first = true;
    }

    fn comma(&mut self) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
    }

    /// Ends the innermost object. A value that has the name of it, which is one of the first `left` ones,
    /// goes into it before.
    fn close(&mut self, left: usize) -> Result<(), NoDocument> {
        if let Some((object, _)) = self.open.last().copied() {
            let before = self.values[..left].iter().rev().take_while(|value| value.name.starts_with(object));
            if let Some(back) = before.clone().position(|value| value.name == object)
                && !self.inside.contains(&(left - 1 - back))
            {
                self.own(left - 1 - back)?;
            }
        }
        self.open.pop();
        self.out.push(b'}');
        self.is_first = false;
        Ok(())
    }

    /// Writes the value at `at` into the innermost object, whose name it has.
    fn own(&mut self, at: usize) -> Result<(), NoDocument> {
        let Some((object, key)) = self.open.last().copied() else { return Ok(()) };
        self.inside.push(at);
        let has_key = self.values[at + 1..]
            .iter()
            .take_while(|value| value.name.starts_with(object))
            .filter(|value| self.is_in(value.name, object))
            .any(|value| {
                let rest = &value.name[object.len() + 1..];
                let after = rest.strip_prefix(key);
                rest.is_empty() || after.is_some_and(|after| after.is_empty() || self.is_delimiter(after[0]))
            });
        if has_key { Ok(()) } else { self.member(key, &self.values[at]) }
    }

    fn is_delimiter(&self, byte: u8) -> bool {
        self.delimiter == Some(byte)
    }

    /// Writes a member.
    fn member(&mut self, key: &[u8], value: &NamedValue<'_>) -> Result<(), NoDocument> {
        let (before, was_first) = (self.out.len(), self.is_first);
        self.comma();
        push_string(key, self.out);
        self.out.push(b':');
        if push_value(value.value_type, value.value, self.out).is_some() {
            return Ok(());
        }
        (self.complain)(value);
        match self.mismatch {
            Mismatch::Drop => return Err(NoDocument),
            Mismatch::AsString => push_string(value.value, self.out),
            Mismatch::LeaveOut => {
                self.out.truncate(before);
                self.is_first = was_first;
            }
        }
        Ok(())
    }
}

/// The length of the first part of `name`, when a delimiter is behind it. A delimiter in front belongs to the
/// part. Behind an `@`, digits and dots that are followed by digits stay together: they are the number of an
/// enterprise in an SD-ID.
fn part_end(name: &[u8], delimiter: u8) -> Option<usize> {
    let mut at = 1;
    if name.first() == Some(&b'@') {
        at = number_end(name, 1, delimiter);
    }
    while at < name.len() {
        match name[at] {
            byte if byte == delimiter => return Some(at),
            b'@' => at = number_end(name, at + 1, delimiter),
            _ => at += 1,
        }
    }
    None
}

/// The end of the digits, and of the dots before digits, that start at `at`.
fn number_end(name: &[u8], mut at: usize, delimiter: u8) -> usize {
    loop {
        match name.get(at) {
            Some(byte) if byte.is_ascii_digit() => at += 1,
            Some(b'.') if delimiter == b'.' && name.get(at + 1).is_some_and(u8::is_ascii_digit) => at += 1,
            _ => return at,
        }
    }
}

/// Appends a value of a type; `None` and nothing when `text` is none of that type.
fn push_value(value_type: ValueType, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match value_type {
        ValueType::String | ValueType::Datetime => push_string(text, out),
        ValueType::Integer => match text {
            [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit) => {
                out.extend_from_slice(text);
            }
            _ => out.extend_from_slice(typed::integer(text)?.to_string().as_bytes()),
        },
        ValueType::Double => {
            typed::push_shortest(typed::double(text).filter(|number| number.is_finite())?, out);
        }
        ValueType::Boolean => out.extend_from_slice(if typed::boolean(text)? { b"true" } else { b"false" }),
        ValueType::Null => out.extend_from_slice(b"null"),
        ValueType::List => {
            out.push(b'[');
            for (index, element) in list::decode(text).iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_string(element, out);
            }
            out.push(b']');
        }
        ValueType::Json => {
            serde_json::from_slice::<serde_json::Value>(text).ok()?;
            out.extend_from_slice(text);
        }
        ValueType::Bytes | ValueType::Protobuf => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(text).as_bytes());
            out.push(b'"');
        }
    }
    Some(())
}

/// Appends `text` as a string.
pub(super) fn push_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    // One look without a branch for each byte, which the compiler makes of vectors.
    let is_plain = !text.iter().fold(false, |any, byte| any | is_special(*byte));
    if is_plain {
        out.extend_from_slice(text);
    } else if let Ok(valid) = std::str::from_utf8(text) {
        push_escaped(valid.as_bytes(), out);
    } else {
        for chunk in text.utf8_chunks() {
            push_escaped(chunk.valid().as_bytes(), out);
            chunk.invalid().iter().for_each(|byte| push_byte(*byte, out));
        }
    }
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    !(0x20..0x80).contains(&byte) || byte == b'"' || byte == b'\\'
}

/// Appends UTF-8 with the escapes of a string.
fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0 => push_byte(0, out),
            byte => {
                out.extend_from_slice(b"\\u00");
                push_hex(byte, out);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a byte that is no text.
fn push_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\\x");
    push_hex(byte, out);
}

/// Appends two hexadecimal digits.
pub(super) fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}
