//! Parsers: from a text of a message to values.
//!
//! A parser is one file, and a line in [`DRIVERS`]: its words, how its options are read, and what they
//! compile to, a [`Parse`]. [`Parser`] is the [`Step`] around it: it gets the text of each message, hands it
//! over, and counts what became of it.
//!
//! ```text
//! message ─► template(), or MESSAGE ─► Parse ─► Found ─► the message's revision
//!                                        └─ Refused ─► the message as it was, which goes on no further
//! ```
//!
//! # Invariants
//! * A message goes on with all that its parser has found, or does not go on, and is what it was: branches
//!   that get it instead see nothing of the attempt.
//! * A value that stands in MESSAGE as it is, is a span of it ([`Found::part`]): no byte is copied.
//! * What a text is made of decides how long its parser takes, in proportion to its length; names of values
//!   live with their messages, and leave nothing behind.
#![forbid(unsafe_code)]

mod contextual_data;
mod csv;
mod date;
mod found;
mod geoip2;
mod json;
mod kv;
mod linux_audit;
mod map_value_pairs;
mod regexp;
mod sdata;
mod statistics;
mod step;
mod structured;
mod syslog;
mod tags;
mod xml;

use std::fmt;
use std::sync::Arc;

pub use found::{Buffers, Found};
pub use step::Parser;

use crate::config::grammar::{self, DriverHead, Kind, NO_LEVELS, Parsed, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, Driver, Options, Syntax, TemplateText};
#[cfg(doc)]
use crate::path::Step;
use crate::rewrite::Contexts;

/// The parsers.
pub const DRIVERS: &[Entry] = &[
    Entry::of::<contextual_data::ContextualDataOptions>("add-contextual-data"),
    Entry::of::<csv::CsvOptions>("csv-parser"),
    Entry::of::<date::DateOptions>("date-parser"),
    Entry::of::<geoip2::GeoOptions>("geoip2"),
    Entry::of::<json::JsonOptions>("json-parser"),
    Entry::of::<kv::KvOptions>("kv-parser"),
    Entry::of::<linux_audit::AuditOptions>("linux-audit-parser"),
    Entry::of::<map_value_pairs::MapOptions>("map-value-pairs"),
    Entry::of::<regexp::RegexpOptions>("regexp-parser"),
    Entry::of::<sdata::SdataOptions>("sdata-parser"),
    Entry::of::<syslog::SyslogOptions>("syslog-parser"),
    Entry::of::<tags::TagsOptions>("tags-parser"),
    Entry::of::<xml::XmlOptions>("windows-eventlog-xml-parser"),
    Entry::of::<xml::XmlOptions>("xml"),
];

/// Takes texts apart into values of their messages.
pub trait Parse: fmt::Debug + Send + Sync {
    /// Takes `text` apart: what is in it goes to `found`. `buffers` are kept between messages.
    ///
    /// # Errors
    /// The text is not one of this parser: the message is what it was, and does not go on.
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused>;
}

/// The reason why a parser refused a text: a few words, the same for all texts that have it, by which it is
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// A parser, or what is wrong with its options.
pub(crate) type Compiled = Result<Box<dyn Parse>, Diagnostic>;

/// The options of a parser.
pub(crate) trait ParserOptions: Options + Sized {
    /// Reads them, up to the `)` of the parser.
    fn read(parser: &mut grammar::Parser, head: DriverHead) -> Parsed<Self>;

    /// Those that all parsers have.
    fn text(&self) -> &TextOptions;

    /// Makes a parser of them; its templates are formatted as `contexts` is told.
    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled;
}

/// `template()` and `internal()`: the options that parsers have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextOptions {
    /// The text that is parsed; without it, MESSAGE.
    pub(crate) template: Option<TemplateText>,
}

const TEXT: Table<TextOptions> = &[
    ("template", Kind::Template(|to, text| to.template = Some(text))),
    ("internal", Kind::Unused(NO_LEVELS, &Kind::YesNo(|_, _| ()))),
];

/// Reads options of `table` and the common ones, up to the `)` of the parser; `text` gives the common ones.
pub(crate) fn read_options<O>(
    parser: &mut grammar::Parser,
    head: DriverHead,
    (table, options): (Table<O>, &mut O),
    text: fn(&mut O) -> &mut TextOptions,
) {
    let known = || names(table).chain(names(TEXT)).collect();
    parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
        apply(table, options, parser, key).or_else(|| apply(TEXT, text(options), parser, key))
    });
}

/// A parser of the language: its word, how its options are read, and what they compile to.
#[derive(Debug)]
pub struct Entry {
    syntax: Syntax,
    compile: fn(&Config, &str, &Driver) -> Result<Parser, Diagnostic>,
}

impl Entry {
    /// The parser called `word`, which has the options `O`.
    const fn of<O: ParserOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            compile: |config, name, driver| {
                let Some(options) = driver.options::<O>() else {
                    unreachable!("the entry of a parser has read its options")
                };
                Parser::compile(config, (name, &driver.id), driver.word, options)
            },
        }
    }

    /// The parser in the language.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }
}

/// Compiles `driver`, which stands in the parser statement called `name`.
///
/// # Errors
/// Options that can only be checked when everything is read.
pub fn compile(config: &Config, name: &str, driver: &Driver) -> Result<Parser, Diagnostic> {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == driver.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    (entry.compile)(config, name, driver)
}

#[cfg(test)]
mod tests;
