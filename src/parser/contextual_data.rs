//! `add-contextual-data()`: values of a database, by a text of the message.
//!
//! ```text
//! database: web-1,role,web           selector("$HOST") ── web-1 ──► role=web site=a
//!           web-1,site,a                               └─ other ──► those of default-selector(), or nothing
//! ```
//!
//! The database is a file of lines with three columns: selector, name, value; the value is a template. The
//! selector of a message is a text that is one of them, or one that a pattern of them fits, or each of them
//! names a filter, and the first one that the message meets counts. The file is read with the configuration.

use std::ops::Range;
use std::path::Path;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::csv::split::{Column, Delimiters, Escape, Split};
use super::found::NAME_MAX;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions};
use crate::config::grammar::{Beside, DriverHead, Kind, Parsed, Parser, Place, Table, Text, apply, names};
use crate::config::{Config, FilterStatement, Spanned, TemplateOptions, TemplateText};
use crate::filter::Filter;
use crate::message::{ValueName, ValueType};
use crate::pattern::{Flags, Matcher, Type};
use crate::rewrite::{Contexts, Value};

/// The options of `add-contextual-data()`.
#[derive(Debug, Clone, Default)]
pub(super) struct ContextualDataOptions {
    /// `database()`
    database: Option<Spanned<String>>,
    /// `selector()`
    selector: Option<Selector>,
    /// `default-selector()`
    default_selector: Option<String>,
    /// `prefix()` of the names.
    prefix: String,
    /// `ignore-case()`
    ignores_case: bool,
    /// The lines of the database.
    records: Vec<Record>,
    text: TextOptions,
}

/// The way from a message to a selector.
#[derive(Debug, Clone)]
enum Selector {
    /// It is this text.
    Text(TemplateText),
    /// It is the first pattern that fits this text.
    Glob(TemplateText),
    /// It is the name of the first filter that the message meets.
    Filters(IndexMap<String, FilterStatement>),
}

/// A line of the database.
#[derive(Debug, Clone)]
struct Record {
    selector: Spanned<String>,
    name: String,
    value: RecordValue,
}

#[derive(Debug, Clone)]
enum RecordValue {
    Constant(ValueType, String),
    Template(TemplateText),
}

const TABLE: Table<ContextualDataOptions> = &[
    ("database", Kind::Other(read_database)),
    ("selector", Kind::Other(read_selector)),
    ("default-selector", Kind::Text(|to, text| to.default_selector = Some(text.value))),
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
    ("ignore-case", Kind::YesNo(|to, yes| to.ignores_case = yes)),
];

fn read_database(parser: &mut Parser, to: &mut ContextualDataOptions) -> Parsed<()> {
    let name = parser.string("the name of a file")?;
    if Path::new(&name.value).extension().is_none_or(|extension| extension != "csv") {
        let message = format!("`{}` is no database: the name of one ends with .csv", name.value);
        return Err(parser.report.error(name.span, message, None));
    }
    to.database = Some(name);
    Ok(())
}

/// Reads `selector("…")`, `selector(glob("…"))` or `selector(filters("file"))`.
fn read_selector(parser: &mut Parser, to: &mut ContextualDataOptions) -> Parsed<()> {
    if !["glob", "filters"].iter().any(|word| parser.peek().is(word)) {
        to.selector = Some(Selector::Text(parser.template_argument()?));
        return Ok(());
    }
    let known = || vec!["glob", "filters"];
    parser.nested_options(Place::FunctionOption, &known, |parser, key| match &*key.value {
        "glob" => Some(parser.template_argument().map(|text| to.selector = Some(Selector::Glob(text)))),
        "filters" => Some(parser.string("the name of a file").and_then(|name| {
            to.selector = Some(Selector::Filters(parser.filters_beside(&name)?));
            Ok(())
        })),
        _ => None,
    })
}

impl ContextualDataOptions {
    /// Reads the lines of the database.
    fn read_records(&mut self, parser: &mut Parser, database: &Spanned<String>) -> Parsed<()> {
        let file = parser.open_beside(database)?;
        let split = Split {
            delimiters: Delimiters::new(b",", &[]),
            quotes: [(b'"', b'"')].into(),
            escape: Escape::DoubleChar,
            strips: true,
        };
        let mut start = 0;
        for line in file.text().split_inclusive('\n') {
            let end = start + line.trim_end_matches(['\n', '\r']).len();
            if end > start {
                let record = self.record(parser, &file, columns(&split, &file, start..end))?;
                self.records.push(record);
            }
            start += line.len();
        }
        self.check_selectors(parser);
        Ok(())
    }

    /// Warns of selectors that no message can have.
    fn check_selectors(&self, parser: &mut Parser) {
        let Some(Selector::Filters(filters)) = &self.selector else { return };
        let mut last = "";
        for Spanned { value, span } in self.records.iter().map(|record| &record.selector) {
            let is_known = filters.contains_key(value) || self.default_selector.as_ref() == Some(value);
            if !is_known && value != last {
                let message = format!("no filter is called `{value}`: these values are never set");
                let help = parser.suggestion(value, filters.keys().map(String::as_str));
                parser.report.warn(*span, message, help);
            }
            last = value;
        }
    }

    /// The line of `file` with these columns.
    fn record(
        &self,
        parser: &mut Parser,
        file: &Beside,
        columns: Result<[Text; 3], Range<usize>>,
    ) -> Parsed<Record> {
        let [selector, name, value] = match columns {
            Ok(columns) => columns,
            Err(line) => {
                let message = "expected three columns: selector, name and value";
                let help = Some("as in web-1,role,\"a, b\"".to_owned());
                return Err(parser.report.error(file.span(line), message, help));
            }
        };
        let len = self.prefix.len() + name.value.len();
        if !(1..=NAME_MAX).contains(&len) {
            let message =
                format!("the name of a value has from 1 to {NAME_MAX} bytes, and this is one of {len}");
            return Err(parser.report.error(name.span, message, None));
        }
        let (hint, value) = typed(parser, file, value)?;
        let value = if value.value.contains('$') {
            RecordValue::Template(parser.template_beside(value, hint)?)
        } else {
            RecordValue::Constant(hint.unwrap_or_default(), value.value)
        };
        Ok(Record { selector: Spanned::new(selector.value, selector.span), name: name.value, value })
    }
}

/// The columns of the line `line` of `file`; the line where there are not three.
fn columns(split: &Split, file: &Beside, line: Range<usize>) -> Result<[Text; 3], Range<usize>> {
    let (text, mut at, mut made) = (&file.text().as_bytes()[..line.end], line.start, Vec::new());
    let mut columns = Vec::with_capacity(3);
    while at < line.end && columns.len() < 3 {
        let (column, next) = split.column(text, at, &mut made);
        let (range, value) = match column {
            Column::Part(part) => (part.clone(), &text[part]),
            Column::Made => (at..next, &made[..]),
        };
        // A file is UTF-8, and is cut at characters of ASCII.
        columns.push(file.part(range, String::from_utf8_lossy(value).into_owned()));
        at = next;
    }
    if at < line.end { Err(line) } else { columns.try_into().map_err(|_| line) }
}

/// The text of `value`, and its type where it is written as `int(…)`, since the version that has types.
fn typed(parser: &mut Parser, file: &Beside, value: Text) -> Parsed<(Option<ValueType>, Text)> {
    let whole = value.value.as_str();
    let is_part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = whole.bytes().take_while(|byte| is_part_of_word(byte)).count();
    let inner = whole[len..].strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner.filter(|_| len > 0 && parser.has_types()) else { return Ok((None, value)) };
    let Some(hint) = ValueType::of_word(&whole[..len]) else {
        let message = format!("unknown type `{}`", &whole[..len]);
        let words = ValueType::WORDS.iter().map(|(word, _)| *word);
        let help =
            parser.suggestion(&whole[..len], words).unwrap_or_else(|| format!("a text is string({whole})"));
        return Err(parser.report.error(value.span, message, Some(help)));
    };
    let (start, end) = (value.span.start as usize, value.span.end as usize);
    let range = start + len + 1..start + len + 1 + inner.len();
    // What stands in quotes may have escapes before it: then the whole column is its place.
    let range = if file.text().get(range.clone()) == Some(inner) { range } else { start..end };
    Ok((Some(hint), file.part(range, inner.to_owned())))
}

impl ParserOptions for ContextualDataOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let known = || names(TABLE).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut options, parser, key)
        });
        let Some(database) = options.database.clone() else {
            let help = Some("as in database(\"hosts.csv\")".to_owned());
            return Err(parser.report.error(head.span, "add-contextual-data() needs a database()", help));
        };
        if options.selector.is_none() {
            let help = Some("as in selector(\"$HOST\")".to_owned());
            return Err(parser.report.error(head.span, "add-contextual-data() needs a selector()", help));
        }
        options.read_records(parser, &database)?;
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let templates = TemplateOptions::default();
        let mut records: Records = IndexMap::default();
        for record in &self.records {
            let name = ValueName::new(&format!("{}{}", self.prefix, record.name));
            let value = match &record.value {
                RecordValue::Constant(hint, text) => Value::Constant(*hint, text.as_bytes().into()),
                RecordValue::Template(text) => Value::compile(config, text, &templates, contexts)?,
            };
            records.entry(self.key(&record.selector.value)).or_default().push((name, value));
        }
        let select = match &self.selector {
            None => unreachable!("the options were read with one"),
            Some(Selector::Text(text)) => Select::Text(Value::compile(config, text, &templates, contexts)?),
            Some(Selector::Glob(text)) => {
                let pattern = |selector: &[u8]| {
                    Matcher::new(&String::from_utf8_lossy(selector), Type::Glob, Flags::default())
                };
                let patterns: Result<Vec<_>, _> = records.keys().map(|selector| pattern(selector)).collect();
                let Ok(patterns) = patterns else { unreachable!("any text is a pattern") };
                Select::Glob(Value::compile(config, text, &templates, contexts)?, patterns)
            }
            Some(Selector::Filters(filters)) => {
                let mut compiled = Vec::new();
                for (number, selector) in records.keys().enumerate() {
                    let name = String::from_utf8_lossy(selector);
                    if let Some(filter) = filters.get(&*name) {
                        compiled.push((number, Filter::compile(config, &filter.name, &filter.condition)?));
                    }
                }
                Select::Filters(compiled)
            }
        };
        let default =
            self.default_selector.as_ref().and_then(|selector| records.get_index_of(&self.key(selector)));
        Ok(Box::new(ContextualData { select, records, default, ignores_case: self.ignores_case }))
    }
}

impl ContextualDataOptions {
    /// The selector `text` as it is looked for.
    fn key(&self, text: &str) -> Box<[u8]> {
        let is_text = matches!(self.selector, Some(Selector::Text(_)));
        let text = if self.ignores_case && is_text { text.to_ascii_lowercase() } else { text.to_owned() };
        text.into_bytes().into()
    }
}

type Records = IndexMap<Box<[u8]>, Vec<(ValueName, Value)>, RandomState>;

#[derive(Debug)]
struct ContextualData {
    select: Select,
    /// The values of each selector, in the order of the database.
    records: Records,
    /// The number of the selector of messages that have none.
    default: Option<usize>,
    ignores_case: bool,
}

/// The way from a message to the number of a selector.
#[derive(Debug)]
enum Select {
    Text(Value),
    Glob(Value, Vec<Matcher>),
    Filters(Vec<(usize, Filter)>),
}

impl Parse for ContextualData {
    fn parse(&self, _: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let selected = match &self.select {
            Select::Text(text) => {
                buffers.text.clear();
                buffers.text.extend_from_slice(found.format(text));
                if self.ignores_case {
                    buffers.text.make_ascii_lowercase();
                }
                self.records.get_index_of(&*buffers.text)
            }
            Select::Glob(text, patterns) => {
                let text = found.format(text);
                patterns.iter().position(|pattern| pattern.is_match(text))
            }
            Select::Filters(filters) => {
                let moment = found.scratch.moment();
                let message = found.row().read();
                filters.iter().find(|(_, filter)| filter.matches(message, moment)).map(|(number, _)| *number)
            }
        };
        let records = selected.or(self.default).map(|number| &self.records[number]);
        for (name, value) in records.into_iter().flatten() {
            found.write(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
