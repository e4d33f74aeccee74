//! `db-parser()`: messages classified by a pattern database, and correlated by its rules.
//!
//! ```text
//! PROGRAM ─► patterns of programs ─► MESSAGE ─► rule ─► class, values, tags ─► context ─► actions
//!                                         └─ none ─► .classifier.unknown
//! ```
//!
//! [`xml`] reads the file, [`pattern`] the patterns in it, [`radix`] finds the one of a text, [`database`] has
//! the rules. What a parser finds in MESSAGE is a span of it. [`actions`] has the contexts of rules, and the
//! messages that they make.
//!
//! The file is looked at again when a message comes, some seconds after the last look at the earliest; one that
//! cannot be read leaves the rules as they are.

mod actions;
mod clock;
mod database;
mod file;
mod pattern;
mod radix;
mod xml;

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::correlation::guarded::{Counting, Guarded, StepCounts};
use super::step::Naming;
use super::{StepOptions, TEXT, TextOptions};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Reported, Table, apply, names};
use crate::config::{Config, Diagnostic, Spanned, TemplateOptions, TemplateText};
use crate::message::batch::Text;
use crate::message::{FieldName, RevisedRow, Rows, Selection, Stored, ValueName, ValueType};
use crate::path::{Out, Step, StepStatistics, Timed};
use crate::rewrite::{self, Scratch, Value};
use actions::{Correlator, Made};
use database::{Around, Database, Patterns};
use file::DatabaseFile;
use radix::Search;

/// The tag of messages without a rule.
const UNKNOWN: &[u8] = b".classifier.unknown";

/// The options of `db-parser()`.
#[derive(Debug, Clone)]
pub(super) struct DbOptions {
    /// `file()`: its path, and how it is written.
    file: std::path::PathBuf,
    /// `drop-unmatched()`
    drops: bool,
    /// `program-template()`
    program: Option<TemplateText>,
    /// `message-template()`
    message: Option<TemplateText>,
    /// `inject-mode(aggregate-only)`
    is_aggregate_only: bool,
    /// `persist-name()`
    persist_name: Option<String>,
    prefix: String,
    has_types: bool,
    text: TextOptions,
}

/// The options while they are read.
#[derive(Debug, Default)]
struct Given {
    file: Option<Spanned<String>>,
    drops: bool,
    program: Option<TemplateText>,
    message: Option<TemplateText>,
    is_aggregate_only: bool,
    persist_name: Option<String>,
    prefix: String,
}

const TABLE: Table<Given> = &[
    ("file", Kind::Text(|to, file| to.file = Some(file))),
    ("drop-unmatched", Kind::YesNo(|to, drops| to.drops = drops)),
    ("program-template", Kind::Template(|to, text| to.program = Some(text))),
    ("message-template", Kind::Template(|to, text| to.message = Some(text))),
    (
        "inject-mode",
        Kind::Other(|parser, to| {
            to.is_aggregate_only = super::correlation::read_inject_mode(parser)?;
            Ok(())
        }),
    ),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name.value))),
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
];

impl StepOptions for DbOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (mut given, mut text) = (Given::default(), TextOptions::default());
        let before = parser.report.errors();
        let known = || names(TABLE).chain(names(TEXT)).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut given, parser, key).or_else(|| apply(TEXT, &mut text, parser, key))
        });
        // One that is wrong was reported.
        if parser.report.errors() > before {
            return Err(Reported);
        }
        let Some(file) = given.file else {
            let help = Some("as in db-parser(file(\"patterndb.xml\"))".to_owned());
            return Err(parser.report.error(head.span, "db-parser() needs a file()", help));
        };
        let options = Self {
            file: parser.path_beside(&file.value),
            drops: given.drops,
            program: given.program,
            message: given.message,
            is_aggregate_only: given.is_aggregate_only,
            persist_name: given.persist_name,
            prefix: given.prefix,
            has_types: parser.has_types(),
            text,
        };
        // A file that is wrong, or is not there, is one that may be right later.
        let around = options.around(crate::config::GlobalOptions::default());
        for warning in DatabaseFile::new(options.file.clone()).doubts(&around) {
            parser.report.warn(file.span, warning, None);
        }
        Ok(options)
    }

    fn persist_name(&self) -> Option<String> {
        self.persist_name.clone()
    }

    fn compile(&self, config: &Config, naming: Naming, key: String) -> Result<Arc<dyn Step>, Diagnostic> {
        let mut contexts = rewrite::Contexts::default();
        let mut value = |text: &Option<TemplateText>| {
            let compile = |text| Value::compile(config, text, &TemplateOptions::default(), &mut contexts);
            text.as_ref().map(compile).transpose()
        };
        let is_message = |text: &TemplateText| text.template.as_message_with_suffix() == Some((b"", b""));
        let message = self.message.clone().or_else(|| self.text.template.clone());
        let message = value(&message.filter(|text| !is_message(text)))?;
        let program = value(&self.program)?;
        let around = self.around(config.options.clone());
        let mut file = DatabaseFile::new(self.file.clone());
        let mut said = Vec::new();
        let database = match file.read(&around) {
            Ok(database) => Arc::new(database),
            Err(error) => {
                said.push(error);
                Arc::default()
            }
        };
        let rules = database.contexts.scratch();
        let state = State {
            file,
            said,
            scratch: contexts.scratch(),
            correlator: Correlator::new(Arc::clone(&database), rules),
            database,
            searches: <[Search; 2]>::default(),
            program: Vec::new(),
            copy: Vec::new(),
            processed: 0,
            discarded: 0,
        };
        Ok(Arc::new(DbParser {
            naming,
            key,
            around,
            program,
            message,
            drops: self.drops,
            is_aggregate_only: self.is_aggregate_only,
            names: Names::default(),
            state: Guarded::new(state),
        }))
    }
}

impl DbOptions {
    fn around(&self, options: crate::config::GlobalOptions) -> Around {
        Around { prefix: self.prefix.clone(), has_types: self.has_types, options }
    }
}

/// The names of values that classified messages have.
#[derive(Debug)]
struct Names {
    class: ValueName,
    rule: ValueName,
    context: ValueName,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            class: ValueName::new(".classifier.class"),
            rule: ValueName::new(".classifier.rule_id"),
            context: ValueName::new(".classifier.context_id"),
        }
    }
}

#[derive(Debug)]
struct DbParser {
    naming: Naming,
    /// Its identity over a reload.
    key: String,
    around: Around,
    /// `program-template()`; `None` is PROGRAM.
    program: Option<Value>,
    /// `message-template()`; `None` is MESSAGE.
    message: Option<Value>,
    drops: bool,
    is_aggregate_only: bool,
    names: Names,
    state: Guarded<State>,
}

#[derive(Debug)]
struct State {
    file: DatabaseFile,
    /// Lines that are to be said.
    said: Vec<String>,
    database: Arc<Database>,
    /// For the templates of the options.
    scratch: Scratch,
    correlator: Correlator,
    /// Of the program, and of the message.
    searches: [Search; 2],
    program: Vec<u8>,
    /// A text that does not stay where it is while its message is changed.
    copy: Vec<u8>,
    processed: u64,
    /// The messages without a rule, where they are dropped.
    discarded: u64,
}

/// A text of a message.
struct Parsable<'t> {
    text: &'t [u8],
    /// It is MESSAGE, as it was at the start.
    is_payload: bool,
}

impl Parsable<'_> {
    fn part(&self, part: Range<usize>) -> Text<'_> {
        if self.is_payload {
            Text::Payload(part.start as u32, part.len() as u32)
        } else {
            Text::Copy(&self.text[part])
        }
    }

    /// Sets the values that a search has found in it.
    fn set(&self, row: &mut RevisedRow<'_>, patterns: &Patterns, search: &Search) {
        for capture in search.found() {
            if let Some((name, value_type)) = &patterns.values[capture.parser as usize] {
                row.set_value(name, *value_type, self.part(capture.start..capture.end));
            }
        }
    }
}

impl Counting for State {
    fn counts(&self) -> StepCounts {
        let correlation = self.database.correlates().then(|| self.correlator.counts());
        StepCounts { processed: self.processed, discarded: self.discarded, correlation }
    }
}

impl DbParser {
    /// Looks for the file again, where it is time.
    fn look(&self, state: &mut State, now: Instant) {
        if let Some(read) = state.file.look(now, &self.around) {
            match read {
                Ok(database) => {
                    state.database = Arc::new(database);
                    let scratch = state.database.contexts.scratch();
                    state.correlator.renew(Arc::clone(&state.database), scratch);
                }
                Err(error) => state.said.push(error),
            }
        }
    }

    /// Classifies one message; whether there is a rule for it. What its rule makes goes to `made`.
    fn one(&self, state: &mut State, row: &mut RevisedRow<'_>, made: &mut Made<'_>) -> bool {
        let State { database, scratch, searches, program, copy, correlator, .. } = state;
        let [of_program, of_message] = searches;
        // The rules for its program.
        program.clear();
        match &self.program {
            Some(value) => program.extend_from_slice(value.of(row.read(), scratch).1),
            None => program.extend_from_slice(row.read().known(FieldName::Program).unwrap_or_default()),
        }
        let set = database.programs().tree.find(program, of_program);
        // What the batch has stays where it is; all else may move when the message is changed.
        let parsable = match (&self.message, row.payload()) {
            (None, Some(text)) => Parsable { text, is_payload: true },
            (None, None) => {
                copy.clear();
                copy.extend_from_slice(row.read().text());
                Parsable { text: copy, is_payload: true }
            }
            (Some(value), _) => {
                copy.clear();
                copy.extend_from_slice(value.of(row.read(), scratch).1);
                Parsable { text: copy, is_payload: false }
            }
        };
        if set.is_some() {
            Parsable { text: program, is_payload: false }.set(row, database.programs(), of_program);
        }
        let patterns = database.set(set);
        let found = patterns.and_then(|patterns| patterns.tree.find(parsable.text, of_message));
        let (Some(patterns), Some(number)) = (patterns, found) else {
            row.set_value(&self.names.class, ValueType::String, Text::Copy(b"unknown"));
            row.tag(UNKNOWN);
            return false;
        };
        // The rule.
        let rule = &database.rules[number as usize];
        parsable.set(row, patterns, of_message);
        row.set_value(&self.names.class, ValueType::String, Text::Copy(&rule.class));
        row.set_value(&self.names.rule, ValueType::String, Text::Copy(&rule.id));
        row.clear_tag(UNKNOWN);
        row.tag(&rule.tag);
        correlator.meet(number, row, &self.names.context, made);
        true
    }
}

impl Step for DbParser {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let state = &mut *self.state.lock();
        let (now, lane) = (out.now(), Arc::clone(&out.trigger().lane));
        self.look(state, now);
        state.scratch.begin(now);
        state.correlator.begin(now);
        let (mut messages, mut joined, mut processed, mut unmatched) = (Vec::new(), Vec::new(), 0, 0);
        out.revise(selection, |row| {
            processed += 1;
            let number = row.row();
            let mut made = Made { lane: &lane, row: number, now, messages: &mut messages, context: None };
            let is_found = self.one(state, row, &mut made);
            unmatched += u64::from(!is_found);
            joined.extend(made.context.map(|key| (number, key)));
            is_found || !self.drops
        });
        state.processed += processed;
        state.discarded += if self.drops { unmatched } else { 0 };
        for (row, message, kept) in messages {
            out.make_copy(row, &message, kept);
        }
        if self.is_aggregate_only {
            // What went through is kept by its context, or ends here.
            let mut joined = joined.into_iter().peekable();
            for row in selection.rows().iter() {
                let kept = out.keep(row);
                if let Some((_, key)) = joined.next_if(|(joined, _)| *joined == row) {
                    state.correlator.keep(&key, kept);
                }
            }
            selection.set_rows(Rows::NONE);
        }
        state.said.drain(..).for_each(|text| out.say(format!("{}: {text}", self.naming.name)));
        if state.copy.capacity() > super::Buffers::KEPT {
            state.copy = Vec::new();
        }
    }

    fn name(&self) -> &str {
        &self.naming.name
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }

    fn deadline(&self) -> Option<Instant> {
        self.state.lock().correlator.deadline()
    }

    fn expire(&self, now: Instant, out: &mut Timed) {
        let state = &mut *self.state.lock();
        state.correlator.begin(now);
        let mut give = |message: &Stored, lane: &Arc<_>, kept| out.make_copy(lane, message, kept);
        state.correlator.expire(now, &mut give);
    }

    fn take_over(&self, old: &dyn Step) {
        let Some(old) = old.as_any().downcast_ref::<Self>() else { return };
        // Its counts stay: the engine puts those of all steps of one name together.
        let correlator = old.state.lock().correlator.take_state();
        self.state.lock().correlator.take_over(correlator);
    }

    fn finish(&self, out: &mut Timed) {
        let mut give = |message: &Stored, lane: &Arc<_>, kept| out.make_copy(lane, message, kept);
        self.state.lock().correlator.finish(&mut give);
    }

    fn statistics(&self) -> Option<StepStatistics> {
        Some(self.state.counts().statistics(&self.naming, "no rule"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
