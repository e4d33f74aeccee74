//! `kv-parser()`: pairs of keys and values, as in `user=bob, from="10.0.0.1"`.
//!
//! ```text
//! stray words  key = value , key="quoted \"value\""
//! └─ before the key ─┘   └ to the pair separator, or to spaces before the next `key=`
//! ```
//!
//! 1. **Key**: the bytes `A-Z a-z 0-9 _ . -` before the next separator of a value. A separator without a key is
//!    a part of what stands around it.
//! 2. **Value**: spaces in front are none of it. In quotes it goes to the closing one, which a space, a pair
//!    separator or the end follows; without quotes to the next pair separator, or to spaces that stand before
//!    one, before a key with its separator, or at the end.
//!
//! Every byte is looked at a bounded number of times.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table, ValueUse};
use crate::config::{Config, Spanned};
use crate::eight::either;
use crate::message::{ValueName, ValueType, list};
use crate::rewrite::Contexts;

/// The options of `kv-parser()`.
#[derive(Debug, Clone)]
pub(super) struct KvOptions {
    /// `prefix()` of the names.
    prefix: String,
    /// `value-separator()`
    separator: u8,
    /// `pair-separator()`
    pair_separator: String,
    /// `extract-stray-words-into()`
    stray: Option<Spanned<String>>,
    text: TextOptions,
}

const TABLE: Table<KvOptions> = &[
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
    ("value-separator", Kind::Other(value_separator)),
    ("pair-separator", Kind::Other(pair_separator)),
    (
        "extract-stray-words-into",
        Kind::Other(|parser, to| parser.value_name(ValueUse::Write).map(|name| to.stray = Some(name))),
    ),
];

fn value_separator(parser: &mut Parser, to: &mut KvOptions) -> Parsed<()> {
    let text = parser.string("the character between a key and its value")?;
    match text.value.as_bytes() {
        [separator] if !matches!(separator, b' ' | b'"' | b'\'') => to.separator = *separator,
        _ => {
            let message = format!("`{}` cannot stand between a key and its value", text.value);
            let help = "expected one byte that is no space and no quote, as in value-separator(\":\")";
            return Err(parser.report.error(text.span, message, Some(help.to_owned())));
        }
    }
    Ok(())
}

fn pair_separator(parser: &mut Parser, to: &mut KvOptions) -> Parsed<()> {
    let text = parser.string("the text between two pairs")?;
    if text.value.is_empty() {
        let help = Some("write one or more characters, as in pair-separator(\";\")".to_owned());
        return Err(parser.report.error(text.span, "the separator of pairs is not empty", help));
    }
    to.pair_separator = text.value;
    Ok(())
}

impl ParserOptions for KvOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            prefix: String::new(),
            separator: b'=',
            pair_separator: ", ".to_owned(),
            stray: None,
            text: TextOptions::default(),
        };
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(self.parser(None)))
    }
}

impl KvOptions {
    /// The parser with these options, which decodes values without quotes as `decode` does.
    pub(super) fn parser(&self, decode: Option<Decode>) -> Kv {
        Kv {
            prefix: self.prefix.as_bytes().into(),
            separator: self.separator,
            pair_separator: self.pair_separator.as_bytes().into(),
            stray: self.stray.as_ref().map(|name| ValueName::new(&name.value)),
            decode,
        }
    }
}

/// Writes the text that the value of a key stands for to the buffer; false where it stands for itself.
pub(super) type Decode = fn(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> bool;

#[derive(Debug)]
pub(super) struct Kv {
    prefix: Box<[u8]>,
    separator: u8,
    pair_separator: Box<[u8]>,
    stray: Option<ValueName>,
    decode: Option<Decode>,
}

/// A key, and the place of its separator.
type Key = (Range<usize>, usize);

/// The value of a pair, and the place behind it.
struct Value {
    part: Range<usize>,
    /// Tells whether it has escapes, and the quote that it stood in.
    escaped: Option<u8>,
    end: usize,
    /// The key behind it, where the value ends because of that.
    next: Option<Key>,
}

/// The thing in a text that ends a value before it.
enum End {
    /// The end of the text, a pair separator, or a key that is to be looked for.
    Any,
    /// This key.
    Key(Key),
}

impl Parse for Kv {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let text = &text[..memchr(0, text).unwrap_or(text.len())];
        let Buffers { name, text: decoded, .. } = buffers;
        name.clear();
        name.extend_from_slice(&self.prefix);
        let mut stray = Vec::new();
        let (mut at, mut next) = (0, None);
        while let Some((key, separator)) = next.take().or_else(|| self.key(text, at)) {
            self.stray(&text[at..key.start], &mut stray);
            let value = self.value(text, separator + 1);
            name.truncate(self.prefix.len());
            name.extend_from_slice(&text[key.clone()]);
            match value.escaped {
                None if self.decodes(text, key, &value.part, decoded) => {
                    found.value(name, ValueType::String, decoded);
                }
                None => found.part(name, ValueType::String, value.part),
                Some(quote) => {
                    decode(&text[value.part], quote, decoded);
                    found.value(name, ValueType::String, decoded);
                }
            }
            next = value.next;
            at = if next.is_some() { value.end } else { self.behind(text, value.end) };
        }
        self.stray(&text[at..], &mut stray);
        if let Some(name) = &self.stray {
            found.known(name, ValueType::String, &stray);
        }
        Ok(())
    }
}

impl Kv {
    /// Tells whether the value at `part`, without quotes, stands for another text, which is in `decoded` then.
    fn decodes(&self, text: &[u8], key: Range<usize>, part: &Range<usize>, decoded: &mut Vec<u8>) -> bool {
        let Some(decode) = self.decode else { return false };
        let is_quoted = text[..part.start].ends_with(b"\"") || text[..part.start].ends_with(b"'");
        !is_quoted && decode(&text[key], &text[part.clone()], decoded)
    }

    /// The next key of `text` from `start` on. Mostly it is what stands there first, with its separator.
    #[inline]
    fn key(&self, text: &[u8], start: usize) -> Option<Key> {
        let first = start + spaces(&text[start..]);
        let is_part = |byte: &&u8| is_key(**byte) && **byte != self.separator;
        let end = first + text[first..].iter().take_while(is_part).count();
        if end > first && text.get(end) == Some(&self.separator) {
            return Some((first..end, end));
        }
        self.far_key(text, start)
    }

    /// The next key of `text` from `start` on: the bytes before the first separator that has a key.
    fn far_key(&self, text: &[u8], start: usize) -> Option<Key> {
        let mut from = start;
        loop {
            let separator = from + memchr(self.separator, &text[from..])?;
            let spaces = |byte: &&u8| **byte == b' ';
            let before = &text[start..separator];
            let end = before.len() - before.iter().rev().take_while(spaces).count();
            let len = before[..end].iter().rev().take_while(|byte| is_key(**byte)).count();
            if len > 0 {
                return Some((start + end - len..start + end, separator));
            }
            from = separator + 1;
        }
    }

    /// The value that begins at `start`, right behind its separator.
    fn value(&self, text: &[u8], start: usize) -> Value {
        let first = start + spaces(&text[start..]);
        if first == text.len() || (first > start && self.ends_value(text, first).is_some()) {
            return Value { part: start..start, escaped: None, end: first, next: None };
        }
        let quote = text[first];
        if matches!(quote, b'"' | b'\'') {
            return self.quoted(text, first, quote);
        }
        let (end, next) = self.plain_end(text, first);
        Value { part: first..end, escaped: None, end, next }
    }

    /// The value in quotes that begins at `open`.
    fn quoted(&self, text: &[u8], open: usize, quote: u8) -> Value {
        let (mut at, mut escaped) = (open + 1, None);
        let close = loop {
            match either(text, at, quote, b'\\') {
                Some(close) if text[close] == quote => break close,
                Some(backslash) if backslash + 1 < text.len() => {
                    escaped = Some(quote);
                    at = backslash + 2;
                }
                // Without an end it is all the rest, as it stands there.
                _ => return Value { part: open..text.len(), escaped: None, end: text.len(), next: None },
            }
        };
        let end = close + 1;
        if end == text.len() || text[end] == b' ' || self.separates(text, end) {
            return Value { part: open + 1..close, escaped, end, next: None };
        }
        // Something else follows: the quotes are a part of the value, and so is what ends it.
        let mut at = end;
        let end = loop {
            match memchr2(b' ', self.pair_separator[0], &text[at..]).map(|found| at + found) {
                Some(end) if self.separates(text, end) => break end + self.pair_separator.len(),
                Some(end) if text[end] == b' ' => break end + 1,
                Some(other) => at = other + 1,
                None => break text.len(),
            }
        };
        Value { part: open..end, escaped: None, end, next: None }
    }

    /// The end of the value without quotes that begins at `start`, and the key behind it, where that ends it.
    fn plain_end(&self, text: &[u8], start: usize) -> (usize, Option<Key>) {
        let first = self.pair_separator[0];
        let mut at = start;
        while let Some(found) = either(text, at, b' ', first) {
            at = found;
            if self.separates(text, at) {
                return (at, None);
            }
            let run = if first == b' ' { 0 } else { spaces(&text[at..]) };
            match (run > 0).then(|| self.ends_value(text, at + run)).flatten() {
                Some(End::Any) => return (at, None),
                Some(End::Key(key)) => return (at, Some(key)),
                None => at += run.max(1),
            }
        }
        (text.len(), None)
    }

    /// The thing at `at`, behind spaces, that ends a value: the end, a pair separator, or a key with its
    /// separator.
    fn ends_value(&self, text: &[u8], at: usize) -> Option<End> {
        let rest = &text[at..];
        if rest.is_empty() || self.separates(text, at) {
            return Some(End::Any);
        }
        let len = rest.iter().take_while(|byte| is_key(**byte)).count();
        let separator = len + spaces(&rest[len..]);
        if len == 0 || rest.get(separator) != Some(&self.separator) {
            return None;
        }
        // A separator that can be a part of a key may stand in what was taken for one.
        if is_key(self.separator) {
            return Some(End::Any);
        }
        Some(End::Key((at..at + len, at + separator)))
    }

    /// Tells whether a pair separator stands at `at`.
    #[inline]
    fn separates(&self, text: &[u8], at: usize) -> bool {
        text.get(at) == Some(&self.pair_separator[0]) && text[at..].starts_with(&self.pair_separator)
    }

    /// The place behind the separator of pairs that may follow a value, which ends at `end`.
    fn behind(&self, text: &[u8], end: usize) -> usize {
        let at = if self.pair_separator[0] == b' ' { end } else { end + spaces(&text[end..]) };
        if self.separates(text, at) { at + self.pair_separator.len() } else { end }
    }

    /// Adds `words`, which belong to no pair, to the list of those, if it is asked for.
    #[inline]
    fn stray(&self, words: &[u8], list: &mut Vec<u8>) {
        if self.stray.is_some() {
            add_stray(words, list);
        }
    }
}

/// Adds `words` without the spaces around them to `list`.
fn add_stray(words: &[u8], list: &mut Vec<u8>) {
    let start = spaces(words);
    let end = words.len() - words[start..].iter().rev().take_while(|byte| **byte == b' ').count();
    if start < end {
        let is_first = list.is_empty();
        list::push(&words[start..end], is_first, list);
    }
}

/// The number of spaces that `text` begins with.
#[inline]
fn spaces(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b' ').count()
}

#[inline]
fn is_key(byte: u8) -> bool {
    KEY[usize::from(byte)]
}

/// The bytes that keys have.
static KEY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Writes `text`, which stood in `quote`s, without its escapes to `out`. Those that mean nothing stay.
fn decode(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let decoded = match escape.get(1) {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(other) if *other == b'\\' || *other == quote => *other,
            _ => {
                let len = escape.len().min(2);
                out.extend_from_slice(&escape[..len]);
                rest = &escape[len..];
                continue;
            }
        };
        out.push(decoded);
        rest = &escape[2..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests;
