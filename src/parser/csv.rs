//! `csv-parser()`: the columns of a text, as in `10.0.0.1,"a b",,200`.
//!
//! ```text
//! "quoted, text" , plain text ,, the rest
//! └─ column 1 ──┘ └ column 2 ┘││└ the last column, with flags(greedy)
//!                              └ column 3, which is empty
//! ```
//!
//! A column goes to the next delimiter ([`split`]). Where the text ends, the columns that are left are not
//! set: one that is empty, and one that is not there, are different things.

pub(super) mod split;

use std::ops::Range;

use memchr::memchr;

use super::found::NAME_MAX;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, TokenKind};
use crate::config::{Config, Spanned};
use crate::filter::matched::{MOST, Number};
use crate::message::{ValueName, ValueType, typed};
use crate::printable;
use crate::rewrite::Contexts;
use crate::template::OnError;
use split::{Column, Delimiters, Escape, Split};

/// The options of `csv-parser()`.
#[derive(Debug, Clone)]
pub(super) struct CsvOptions {
    /// `columns()`: their names, and the types of their values.
    columns: Vec<(Spanned<String>, Option<ValueType>)>,
    /// `delimiters()`: single characters, and texts.
    delimiters: Spanned<(String, Vec<String>)>,
    /// `quotes()` or `quote-pairs()`: what opens a quoted column, and what closes it.
    quotes: Vec<(u8, u8)>,
    /// `dialect()`, or a word of `flags()`
    escape: Escape,
    /// The word `strip-whitespace` of `flags()`
    strips: bool,
    /// The word `greedy` of `flags()`
    greedy: Option<Spanned<()>>,
    /// The word `drop-invalid` of `flags()`
    flag_drop_invalid: bool,
    /// `drop-invalid()`
    drop_invalid: Option<bool>,
    /// `null()`
    null: Option<String>,
    /// `prefix()`
    prefix: String,
    /// `on-type-error()`
    on_type_error: OnError,
    text: TextOptions,
}

const TABLE: Table<CsvOptions> = &[
    ("columns", Kind::Other(read_columns)),
    ("delimiters", Kind::Other(read_delimiters)),
    ("quotes", Kind::Text(|to, text| to.quotes = text.value.bytes().map(|quote| (quote, quote)).collect())),
    (
        "quote-pairs",
        Kind::Text(|to, text| {
            to.quotes =
                text.value.as_bytes().as_chunks().0.iter().map(|[open, close]| (*open, *close)).collect();
        }),
    ),
    ("dialect", Kind::Other(|parser, to| parser.choice(Escape::WORDS).map(|escape| to.escape = escape))),
    ("flags", Kind::Other(read_flags)),
    ("drop-invalid", Kind::YesNo(|to, yes| to.drop_invalid = Some(yes))),
    ("null", Kind::Text(|to, text| to.null = Some(text.value))),
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
    (
        "on-type-error",
        Kind::Other(|parser, to| parser.choice(OnError::WORDS).map(|on_error| to.on_type_error = on_error)),
    ),
];

fn read_columns(parser: &mut Parser, to: &mut CsvOptions) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        to.columns.push(parser.hinted_name("the name of a column")?);
    }
    Ok(())
}

/// Reads `delimiters(",")` or `delimiters(chars(",") strings("::"))`.
fn read_delimiters(parser: &mut Parser, to: &mut CsvOptions) -> Parsed<()> {
    to.delimiters.span = parser.option_span();
    let (chars, strings) = &mut to.delimiters.value;
    if matches!(parser.peek().kind, TokenKind::Text(_)) {
        *chars = parser.string("characters in quotes")?.value;
        return Ok(());
    }
    strings.clear();
    parser.nested_options(Place::FunctionOption, &|| vec!["chars", "strings"], |parser, key| {
        match &*key.value {
            "chars" => Some(parser.string("characters in quotes").map(|text| *chars = text.value)),
            "strings" => Some(read_strings(parser, strings)),
            _ => None,
        }
    })
}

fn read_strings(parser: &mut Parser, strings: &mut Vec<String>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let text = parser.string("a delimiter in quotes")?;
        if text.value.is_empty() {
            let message = "an empty delimiter ends no column";
            return Err(parser.report.error(text.span, message, Some("leave it out".to_owned())));
        }
        strings.push(text.value);
    }
    Ok(())
}

/// The words of `flags()` that are no way of escaping.
#[derive(Debug, Clone, Copy)]
enum Flag {
    Strip,
    Greedy,
    DropInvalid,
    Escape(Escape),
}

const FLAGS: &[(&str, Flag)] = &[
    ("strip-whitespace", Flag::Strip),
    ("greedy", Flag::Greedy),
    ("drop-invalid", Flag::DropInvalid),
    ("escape-none", Flag::Escape(Escape::None)),
    ("escape-backslash", Flag::Escape(Escape::Backslash)),
    ("escape-double-char", Flag::Escape(Escape::DoubleChar)),
];

/// Reads `flags()`, which is all flags that are set: also the default is gone.
fn read_flags(parser: &mut Parser, to: &mut CsvOptions) -> Parsed<()> {
    (to.strips, to.greedy, to.flag_drop_invalid) = (false, None, false);
    let mut escape = None;
    while !parser.sees(&TokenKind::RParen) {
        let span = parser.peek().span;
        match parser.choice(FLAGS)? {
            Flag::Strip => to.strips = true,
            Flag::Greedy => to.greedy = Some(Spanned::new((), span)),
            Flag::DropInvalid => to.flag_drop_invalid = true,
            Flag::Escape(other) if escape.is_some_and(|escape| escape != other) => {
                let message = "quotes are escaped in one way, and another one is set already";
                let help = "leave one of the two flags out".to_owned();
                return Err(parser.report.error(span, message, Some(help)));
            }
            Flag::Escape(one) => escape = Some(one),
        }
    }
    to.escape = escape.unwrap_or(to.escape);
    Ok(())
}

impl CsvOptions {
    /// The options without one that is written.
    fn new(head: DriverHead) -> Self {
        Self {
            columns: Vec::new(),
            delimiters: Spanned::new((" ".to_owned(), Vec::new()), head.span),
            quotes: vec![(b'"', b'"'), (b'\'', b'\'')],
            escape: Escape::None,
            strips: true,
            greedy: None,
            flag_drop_invalid: false,
            drop_invalid: None,
            null: None,
            prefix: String::new(),
            on_type_error: OnError::DropProperty,
            text: TextOptions::default(),
        }
    }

    /// Checks what one option says of another.
    fn check(&self, parser: &mut Parser) -> Parsed<()> {
        if let Some(greedy) = self.greedy.as_ref().filter(|_| self.columns.is_empty()) {
            let help = "name them, as in columns(\"date\", \"rest\")".to_owned();
            let message = "flags(greedy) is for the last of several columns(), and there are none";
            return Err(parser.report.error(greedy.span, message, Some(help)));
        }
        for (name, _) in &self.columns {
            let len = self.prefix.len() + name.value.len();
            if len > NAME_MAX {
                let message = format!(
                    "a name has at most {NAME_MAX} bytes, and this is one of {len}: the column is not set"
                );
                parser.report.warn(name.span, message, None);
            }
        }
        let (chars, strings) = &self.delimiters.value;
        if chars.is_empty() && strings.is_empty() {
            let help = Some("name some, as in delimiters(\",\")".to_owned());
            parser.report.warn(
                self.delimiters.span,
                "without a delimiter the whole text is one column",
                help,
            );
        }
        Ok(())
    }
}

impl ParserOptions for CsvOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::new(head);
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        options.check(parser)?;
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let (chars, strings) = &self.delimiters.value;
        let named = |(name, value_type): &(Spanned<String>, Option<ValueType>)| {
            let text = format!("{}{}", self.prefix, name.value);
            let is_name = (1..=NAME_MAX).contains(&text.len());
            let name = is_name.then(|| ValueName::new(&text));
            Named { name, text, value_type: value_type.unwrap_or_default() }
        };
        Ok(Box::new(Csv {
            columns: self.columns.iter().map(named).collect(),
            split: Split {
                delimiters: Delimiters::new(chars.as_bytes(), strings),
                quotes: self.quotes.clone().into(),
                escape: self.escape,
                strips: self.strips,
            },
            is_greedy: self.greedy.is_some(),
            drops_invalid: self.drop_invalid.unwrap_or(self.flag_drop_invalid),
            null: self.null.clone().map(|null| null.into_bytes().into()),
            on_type_error: self.on_type_error,
        }))
    }
}

/// The text has fewer columns than are named.
const TOO_FEW: Refused = Refused("too few columns");
/// The text goes on behind the last column.
const TOO_MANY: Refused = Refused("too many columns");
/// A column is not of its type.
const WRONG_TYPE: Refused = Refused("wrong type");

#[derive(Debug)]
struct Csv {
    /// The columns; without them they are numbered.
    columns: Box<[Named]>,
    split: Split,
    is_greedy: bool,
    drops_invalid: bool,
    null: Option<Box<[u8]>>,
    on_type_error: OnError,
}

/// A column with a name.
#[derive(Debug)]
struct Named {
    /// The name, unless it cannot be one.
    name: Option<ValueName>,
    /// The name as it is written.
    text: String,
    value_type: ValueType,
}

impl Parse for Csv {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let text = &text[..memchr(0, text).unwrap_or(text.len())];
        if self.columns.is_empty() {
            self.numbered(text, &mut buffers.text, found);
            return Ok(());
        }
        let mut at = 0;
        for (number, column) in self.columns.iter().enumerate() {
            if self.is_greedy && number + 1 == self.columns.len() {
                let rest = self.split.rest(text, at);
                at = text.len();
                self.set(column, &text[rest.clone()], Some(rest), found)?;
            } else if at == text.len() {
                return if self.drops_invalid { Err(TOO_FEW) } else { Ok(()) };
            } else {
                let (value, next) = self.split.column(text, at, &mut buffers.text);
                at = next;
                match value {
                    Column::Part(part) => self.set(column, &text[part.clone()], Some(part), found)?,
                    Column::Made => self.set(column, &buffers.text, None, found)?,
                }
            }
        }
        if at < text.len() && self.drops_invalid { Err(TOO_MANY) } else { Ok(()) }
    }
}

impl Csv {
    /// Sets `column` to `value`, which stands at `part` of the text, or was made.
    #[inline]
    fn set(
        &self,
        column: &Named,
        value: &[u8],
        part: Option<Range<usize>>,
        found: &mut Found<'_, '_>,
    ) -> Result<(), Refused> {
        let Some(name) = &column.name else { return Ok(()) };
        let is_null = self.null.as_deref() == Some(value);
        let value = if is_null { b"" } else { value };
        let mut value_type = column.value_type;
        if !is_of_type(value_type, value) {
            match self.wrong_type(column, value, found)? {
                None => return Ok(()),
                Some(other) => value_type = other,
            }
        }
        match part {
            Some(part) if !is_null => found.known_part(name, value_type, part),
            _ => found.known(name, value_type, value),
        }
        Ok(())
    }

    /// The type that `column` has although `value` is not one of its own type; `None` where it is not set.
    #[cold]
    fn wrong_type(
        &self,
        column: &Named,
        value: &[u8],
        found: &mut Found<'_, '_>,
    ) -> Result<Option<ValueType>, Refused> {
        let (outcome, then) = match self.on_type_error {
            OnError::DropMessage => (Err(WRONG_TYPE), Some("the message is dropped")),
            OnError::SilentlyDropMessage => (Err(WRONG_TYPE), None),
            OnError::DropProperty => (Ok(None), Some("the column is not set")),
            OnError::SilentlyDropProperty => (Ok(None), None),
            OnError::FallbackToString => (Ok(Some(ValueType::String)), Some("it stays a text")),
            OnError::SilentlyFallbackToString => (Ok(Some(ValueType::String)), None),
        };
        if let Some(then) = then {
            let start = String::from_utf8_lossy(&value[..value.len().min(80)]);
            let shown = printable::message(&start, 40);
            let (name, word) = (&column.text, column.value_type.word());
            found.say(format!("column `{name}`: `{shown}` is not of type {word}, {then}"));
        }
        outcome
    }

    /// Sets the columns of `text` by their numbers: `$1`, `$2` and so on.
    fn numbered(&self, text: &[u8], made: &mut Vec<u8>, found: &mut Found<'_, '_>) {
        found.row().unset_matches(0);
        let (mut at, mut number) = (0, Number::default());
        for column in 1..MOST {
            if at == text.len() {
                return;
            }
            let (value, next) = self.split.column(text, at, made);
            at = next;
            let name = number.text(column);
            match value {
                Column::Part(part) if self.null.as_deref() != Some(&text[part.clone()]) => {
                    found.part(name, ValueType::String, part);
                }
                Column::Made if self.null.as_deref() != Some(made) => {
                    found.value(name, ValueType::String, made);
                }
                _ => found.value(name, ValueType::String, b""),
            }
        }
    }
}

/// Tells whether `text` is one of this type.
fn is_of_type(value_type: ValueType, text: &[u8]) -> bool {
    match value_type {
        ValueType::Integer => typed::integer(text).is_some(),
        ValueType::Double => typed::double(text).is_some(),
        ValueType::Boolean => typed::boolean(text).is_some(),
        ValueType::Datetime => typed::datetime(text).is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
