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
mod correlation;
mod csv;
mod date;
mod db;
mod found;
mod geoip2;
mod group_lines;
mod grouping_by;
mod json;
mod kv;
mod linux_audit;
mod map_value_pairs;
mod metrics_probe;
mod python;
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
pub use python::PythonParserOptions;
#[cfg(feature = "python")]
pub(crate) use statistics::{Statistics, Tally};
pub use step::Parser;

use crate::config::grammar::{self, DriverHead, Kind, NO_LEVELS, Parsed, Place, Table, apply, names};
use crate::config::{Config, Diagnostic, Driver, Options, Syntax, TemplateText};
use crate::path::{Hosted, Probed, Step};
use crate::rewrite::Contexts;

/// The parsers.
pub const DRIVERS: &[Entry] = &[
    Entry::of::<contextual_data::ContextualDataOptions>("add-contextual-data"),
    Entry::of::<csv::CsvOptions>("csv-parser"),
    Entry::of::<date::DateOptions>("date-parser"),
    Entry::step::<db::DbOptions>("db-parser"),
    Entry::of::<geoip2::GeoOptions>("geoip2"),
    Entry::step::<group_lines::GroupLinesOptions>("group-lines"),
    Entry::step::<grouping_by::GroupingByOptions>("grouping-by"),
    Entry::of::<json::JsonOptions>("json-parser"),
    Entry::of::<kv::KvOptions>("kv-parser"),
    Entry::of::<linux_audit::AuditOptions>("linux-audit-parser"),
    Entry::of::<map_value_pairs::MapOptions>("map-value-pairs"),
    Entry::of::<metrics_probe::ProbeOptions>("metrics-probe"),
    Entry::hosted::<PythonParserOptions>("python"),
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

    /// The counters of the user's own, if it has some.
    fn probed(&self) -> Option<Probed> {
        None
    }
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

/// The options of a parser that the host of the engine makes.
pub(crate) trait HostedOptions: Options + Sized {
    /// Reads them, up to the `)` of the parser.
    fn read(parser: &mut grammar::Parser, head: DriverHead) -> Parsed<Self>;
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
    body: Body,
}

/// The code of a parser.
#[derive(Debug)]
enum Body {
    /// It takes texts apart.
    Parse(fn(&Config, &str, &Driver) -> Result<Parser, Diagnostic>),
    /// It is a step of its own kind, and may have a name by which its state is known.
    Step(CompileStep, fn(&Driver) -> Option<String>),
    /// The host of the engine makes it.
    Hosted,
}

type CompileStep = fn(&Config, Reference<'_>, &Driver) -> Result<Arc<dyn Step>, Diagnostic>;

/// A place that refers to a parser.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'r> {
    /// The name of its statement.
    pub statement: &'r str,
    /// The number of places before that refer to the same one.
    pub number: usize,
}

impl Reference<'_> {
    /// The first place that refers to one.
    pub const FIRST: Self = Self { statement: "p", number: 0 };
}

/// The options of a parser that is a step of its own kind.
pub(crate) trait StepOptions: Options + Sized {
    /// Reads them, up to the `)` of the parser.
    fn read(parser: &mut grammar::Parser, head: DriverHead) -> Parsed<Self>;

    /// The name by which its state is known over a restart of the configuration: no other may have it.
    fn persist_name(&self) -> Option<String>;

    /// Makes the step of them; `key` is its identity over a reload.
    fn compile(
        &self,
        config: &Config,
        naming: step::Naming,
        key: String,
    ) -> Result<Arc<dyn Step>, Diagnostic>;
}

impl Entry {
    /// The parser called `word`, which has the options `O`.
    const fn of<O: ParserOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            body: Body::Parse(|config, name, driver| {
                Parser::compile(config, (name, &driver.id), driver.word, own::<O>(driver))
            }),
        }
    }

    /// The step called `word`, which has the options `O`.
    const fn step<O: StepOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            body: Body::Step(
                |config, reference, driver| {
                    let options = own::<O>(driver);
                    let naming = step::Naming::new(reference.statement, driver);
                    let key = format!("{} {}: {options:+?}", driver.id, reference.number);
                    options.compile(config, naming, key)
                },
                |driver| own::<O>(driver).persist_name(),
            ),
        }
    }

    /// The parser called `word` that the host of the engine makes of the options `O`.
    const fn hosted<O: HostedOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            body: Body::Hosted,
        }
    }

    /// The parser in the language.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }
}

/// The options of `driver`, whose entry has read them.
fn own<O: Options>(driver: &Driver) -> &O {
    let Some(options) = driver.options::<O>() else {
        unreachable!("the entry of a parser has read its options")
    };
    options
}

/// The entry of `driver`.
fn entry(driver: &Driver) -> &'static Entry {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == driver.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    entry
}

/// Compiles `driver` for one place that refers to it.
///
/// # Errors
/// Options that can only be checked when everything is read.
pub fn compile(
    config: &Config,
    reference: Reference<'_>,
    driver: &Driver,
) -> Result<Arc<dyn Step>, Diagnostic> {
    match &entry(driver).body {
        Body::Parse(compile) => Ok(Arc::new(compile(config, reference.statement, driver)?)),
        Body::Step(compile, _) => compile(config, reference, driver),
        Body::Hosted => Ok(Arc::new(Hosted::new(reference.statement, driver))),
    }
}

/// The name by which the state of `driver` is known, if it has one.
pub(crate) fn persist_name(driver: &Driver) -> Option<String> {
    match &entry(driver).body {
        Body::Parse(_) | Body::Hosted => None,
        Body::Step(_, name) => name(driver),
    }
}

#[cfg(test)]
mod tests;
