//! `json-parser()`: values out of a JSON document.
//!
//! ```text
//! {"user": "bob", "from": {"ip": "10.0.0.1", "ports": [22, 23]}, "via": ["a", "b c"]}
//!
//! user=bob   from.ip=10.0.0.1   from.ports=[22,23]   via=a,"b c"
//! string     string             json                 list
//! ```
//!
//! The document is read once, token by token ([`lexer`]), and each value is set as it comes: there is no tree.
//! The name of the members on the way to it stands in one buffer, which grows and shrinks with them. What a
//! document set before it turned out to be none is forgotten with its message's other changes.
//!
//! | value | type | text |
//! |---|---|---|
//! | string | string | without its escapes |
//! | integer | integer | its digits; a string beyond 64 bits |
//! | other number | double | six digits behind the point, or what is written where that would be another number |
//! | `NaN`, `Infinity` | string | `nan`, `inf`, `-inf` |
//! | array of strings | list | |
//! | other array | JSON | without white space |
//!
//! An array at the top becomes the matches `$1` to `$255`.
//!
//! With `extract-prefix()` the document is read to its end first, and what stands at the path ([`path`]) is
//! read again: a member that is repeated counts as its last one there.

mod lexer;
mod path;
mod text;

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table};
use crate::message::{ValueType, list};
use crate::rewrite::Contexts;
use lexer::{Lexer, Token, Word};
use path::Path;
use text::Stored;

/// The number of the last match.
const MATCHES: usize = 255;

/// The options of `json-parser()`.
#[derive(Debug, Clone)]
pub(super) struct JsonOptions {
    /// `prefix()`, in front of each name.
    prefix: String,
    /// `marker()`, which a text starts with.
    marker: Option<String>,
    /// `extract-prefix()`; `None` is the whole document.
    path: Option<Path>,
    /// `key-delimiter()`, between the names of members.
    delimiter: u8,
    text: TextOptions,
}

const TABLE: Table<JsonOptions> = &[
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
    ("marker", Kind::Text(|to, marker| to.marker = Some(marker.value))),
    ("extract-prefix", Kind::Other(extract_prefix)),
    ("key-delimiter", Kind::Other(key_delimiter)),
];

fn extract_prefix(parser: &mut Parser, to: &mut JsonOptions) -> Parsed<()> {
    let written = parser.string("a path")?;
    let path = Path::new(&written.value);
    if path.leads_nowhere() {
        let message = format!("`{}` is no path in a document: no message passes", written.value);
        let help = "members with dots between, and numbers of elements in brackets, as in `a.list[0].b`";
        parser.report.warn(written.span, message, Some(help.to_owned()));
    }
    to.path = Some(path);
    Ok(())
}

fn key_delimiter(parser: &mut Parser, to: &mut JsonOptions) -> Parsed<()> {
    let text = parser.string("the character between the names of members")?;
    let &[delimiter] = text.value.as_bytes() else {
        let message = format!("`{}` is not one byte", text.value);
        let help = "names of members have one byte between them, as in key-delimiter(\"~\")";
        return Err(parser.report.error(text.span, message, Some(help.to_owned())));
    };
    to.delimiter = delimiter;
    Ok(())
}

impl ParserOptions for JsonOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            prefix: String::new(),
            marker: None,
            path: None,
            delimiter: b'.',
            text: TextOptions::default(),
        };
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(Json {
            prefix: self.prefix.as_bytes().into(),
            marker: self.marker.as_ref().map(|marker| marker.as_bytes().into()),
            path: self.path.clone(),
            delimiter: self.delimiter,
        }))
    }
}

#[derive(Debug)]
struct Json {
    prefix: Box<[u8]>,
    marker: Option<Box<[u8]>>,
    path: Option<Path>,
    delimiter: u8,
}

impl Parse for Json {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let mut start = 0;
        if let Some(marker) = &self.marker {
            let rest = text.strip_prefix(&**marker).ok_or(Refused("no marker"))?;
            start = text.len() - rest.trim_ascii_start().len();
        }
        let mut lexer = Lexer::new(text, start);
        let (token, mut lexer) = match &self.path {
            None => (lexer.next()?, lexer),
            Some(path) => path.find(lexer, buffers)?.ok_or(Refused("nothing at the path"))?,
        };
        match token {
            Token::Object => self.object(&mut lexer, buffers, found)?,
            Token::Array => matches(&mut lexer, buffers, found)?,
            _ => return Err(Refused("no object")),
        }
        lexer.finish()
    }
}

impl Json {
    /// Sets the values of the object whose bracket was taken.
    fn object(
        &self,
        lexer: &mut Lexer<'_>,
        buffers: &mut Buffers,
        found: &mut Found<'_, '_>,
    ) -> Result<(), Refused> {
        // For each object around the innermost one, the length of the name in front of its keys.
        buffers.marks.clear();
        buffers.name.clear();
        buffers.name.extend_from_slice(&self.prefix);
        let mut own = self.prefix.len();
        loop {
            match lexer.next()? {
                Token::Key(key) => {
                    buffers.name.truncate(own);
                    text::push_string(lexer, &key, &mut buffers.name);
                }
                Token::Object => {
                    buffers.marks.push(own);
                    buffers.name.push(self.delimiter);
                    own = buffers.name.len();
                }
                Token::ObjectEnd => match buffers.marks.pop() {
                    Some(outer) => own = outer,
                    None => return Ok(()),
                },
                Token::Array => array(lexer, buffers, found)?,
                scalar => set(lexer, &scalar, buffers, found),
            }
        }
    }
}

/// Sets the value called as the buffer says to a scalar.
#[inline]
fn set(lexer: &Lexer<'_>, token: &Token, buffers: &mut Buffers, found: &mut Found<'_, '_>) {
    let Buffers { name, text, .. } = buffers;
    match token {
        Token::String(string) if !string.is_escaped => {
            found.part(name, ValueType::String, string.part.clone());
        }
        Token::String(string) => {
            text.clear();
            text::push_string(lexer, string, text);
            found.value(name, ValueType::String, text);
        }
        Token::Number(number) => match text::number(lexer, number, text) {
            (value_type, Stored::Part(part)) => found.part(name, value_type, part),
            (value_type, Stored::Made) => found.value(name, value_type, text),
        },
        Token::Word(Word::Null, _) => found.value(name, ValueType::Null, b""),
        Token::Word(word, part) => match text::word(*word) {
            (value_type, text) if lexer.bytes(part.clone()) == text => {
                found.part(name, value_type, part.clone());
            }
            (value_type, text) => found.value(name, value_type, text),
        },
        _ => {}
    }
}

/// Sets the value called as the buffer says to the array whose bracket was taken: a list where all its elements
/// are strings.
fn array(lexer: &mut Lexer<'_>, buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
    let start = *lexer;
    let Buffers { name, text, .. } = buffers;
    text.clear();
    let mut is_first = true;
    loop {
        match lexer.next()? {
            Token::String(string) if !string.is_escaped => {
                list::push(lexer.bytes(string.part), is_first, text);
            }
            Token::String(string) => {
                // The element is made behind the name.
                let len = name.len();
                text::push_string(lexer, &string, name);
                list::push(&name[len..], is_first, text);
                name.truncate(len);
            }
            Token::ArrayEnd => {
                found.value(name, ValueType::List, text);
                return Ok(());
            }
            _ => break,
        }
        is_first = false;
    }
    *lexer = start;
    container(lexer, b'[', buffers, found)
}

/// Sets the value called as the buffer says to the container whose bracket `open` was taken, as JSON.
fn container(
    lexer: &mut Lexer<'_>,
    open: u8,
    buffers: &mut Buffers,
    found: &mut Found<'_, '_>,
) -> Result<(), Refused> {
    let Buffers { name, text, .. } = buffers;
    let start = lexer.at() - 1;
    text.clear();
    text::push_container(lexer, open, text)?;
    let part = start..lexer.at();
    if lexer.bytes(part.clone()) == &**text {
        found.part(name, ValueType::Json, part);
    } else {
        found.value(name, ValueType::Json, text);
    }
    Ok(())
}

/// Makes matches of the elements of the array whose bracket was taken: `$1` to `$255`, and no others.
fn matches(lexer: &mut Lexer<'_>, buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
    found.row().unset_matches(0);
    let mut number = 0;
    loop {
        let token = lexer.next()?;
        number += 1;
        match &token {
            Token::ArrayEnd => return Ok(()),
            Token::Object | Token::Array if number > MATCHES => lexer.skip()?,
            _ if number > MATCHES => {}
            _ => {
                write_number(number, &mut buffers.name);
                match token {
                    Token::Object => container(lexer, b'{', buffers, found)?,
                    Token::Array => container(lexer, b'[', buffers, found)?,
                    scalar => set(lexer, &scalar, buffers, found),
                }
            }
        }
    }
}

/// Makes `out` the digits of `number`, which is at most [`MATCHES`].
fn write_number(number: usize, out: &mut Vec<u8>) {
    out.clear();
    let digits = [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8);
    let zeros = digits.iter().take(2).take_while(|digit| **digit == b'0').count();
    out.extend_from_slice(&digits[zeros..]);
}

#[cfg(test)]
mod tests;
