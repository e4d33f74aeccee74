//! One parser as a step of a path: [`Parser`].

use std::any::Any;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::statistics::{Statistics, Tally};
use super::{Buffers, Found, Parse, ParserOptions};
use crate::config::{Config, Diagnostic, Driver, TemplateOptions};
use crate::message::{RevisedRow, Selection};
use crate::path::{Out, Step, StepStatistics};
use crate::rewrite::{Contexts, Scratch, Value};

/// The time from one line that a parser says in the log to the next.
const QUIET: Duration = Duration::from_secs(60);

/// A parser with the text that it is given, and what it counts.
#[derive(Debug)]
pub struct Parser {
    /// `<statement>#<index>`
    id: String,
    word: &'static str,
    /// The name of its statement, and its word.
    name: String,
    /// The text; `None` is MESSAGE.
    text: Option<Value>,
    parse: Box<dyn Parse>,
    contexts: Contexts,
    /// The memory of those who are not at work in it now.
    memory: Mutex<Vec<Memory>>,
    statistics: Statistics,
    said: Mutex<Said>,
}

/// The names of a parser that stands in a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    /// `<statement>#<index>`
    pub(super) id: String,
    pub(super) word: &'static str,
    /// The name of its statement, and its word.
    pub(super) name: String,
}

impl Naming {
    /// Those of `driver` in the statement called `statement`.
    pub(super) fn new(statement: &str, driver: &Driver) -> Self {
        let word = driver.word;
        Self { id: driver.id.clone(), word, name: format!("parser {statement}: {word}()") }
    }
}

/// The memory of a parser at work.
#[derive(Debug)]
struct Memory {
    scratch: Scratch,
    buffers: Buffers,
    /// A text that does not stay where it is while its message is changed.
    copy: Vec<u8>,
    tally: Tally,
}

/// The lines in the log.
#[derive(Debug, Default)]
struct Said {
    /// The time of the last one.
    last: Option<Instant>,
    /// The number of lines since then, which were not said.
    kept: u64,
}

impl Parser {
    /// Compiles the parser called `word` with `options`, which stands in the statement called `name`.
    ///
    /// # Errors
    /// Options that can only be checked when everything is read.
    pub(super) fn compile(
        config: &Config,
        (name, id): (&str, &str),
        word: &'static str,
        options: &impl ParserOptions,
    ) -> Result<Self, Diagnostic> {
        let mut contexts = Contexts::default();
        let parse = options.compile(config, &mut contexts)?;
        let text = match &options.text().template {
            Some(text) if text.template.as_message_with_suffix() != Some((b"", b"")) => {
                Some(Value::compile(config, text, &TemplateOptions::default(), &mut contexts)?)
            }
            _ => None,
        };
        Ok(Self {
            id: id.to_owned(),
            word,
            name: format!("parser {name}: {word}()"),
            text,
            parse,
            contexts,
            memory: Mutex::default(),
            statistics: Statistics::default(),
            said: Mutex::default(),
        })
    }

    /// Parses the text of one message; whether the message goes on.
    #[inline]
    fn one(&self, row: &mut RevisedRow<'_>, memory: &mut Memory) -> bool {
        let Memory { scratch, buffers, copy, tally } = memory;
        let mut is_payload = false;
        // What the batch has stays where it is; all else may move when the message is changed.
        let text = match (&self.text, row.payload()) {
            (None, Some(payload)) => {
                is_payload = true;
                payload
            }
            (None, None) => {
                is_payload = true;
                copy.clear();
                copy.extend_from_slice(row.read().text());
                copy
            }
            (Some(value), _) => {
                copy.clear();
                copy.extend_from_slice(value.of(row.read(), scratch).1);
                copy
            }
        };
        let mut found = Found { row, scratch, text, is_payload };
        match self.parse.parse(text, buffers, &mut found) {
            Ok(()) => {
                tally.parsed();
                true
            }
            Err(refused) => {
                tally.refuse(refused);
                false
            }
        }
    }

    /// Says the first of the lines that came together, if enough time has passed since the one before.
    fn report(&self, scratch: &mut Scratch, out: &mut Out<'_>) {
        let mut lines = Vec::new();
        scratch.said(|line| lines.push(line));
        let Some(first) = lines.first() else { return };
        let now = out.now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.kept += lines.len() as u64;
        if said.last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET) {
            let others = match said.kept - 1 {
                0 => String::new(),
                others => format!(" ({others} more since the last line of this parser)"),
            };
            *said = Said { last: Some(now), kept: 0 };
            out.say(format!("{}: {first}{others}", self.name));
        }
    }
}

impl Step for Parser {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let spare = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = spare().pop();
        let mut memory = kept.unwrap_or_else(|| Memory {
            scratch: self.contexts.scratch(),
            buffers: Buffers::default(),
            copy: Vec::new(),
            tally: Tally::default(),
        });
        memory.scratch.begin(out.now());
        out.revise(selection, |row| self.one(row, &mut memory));
        self.statistics.add(&mut memory.tally);
        self.report(&mut memory.scratch, out);
        memory.buffers.shrink();
        if memory.copy.capacity() > Buffers::KEPT {
            memory.copy = Vec::new();
        }
        spare().push(memory);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn statistics(&self) -> Option<StepStatistics> {
        let statistics = self.statistics.of(&self.id, self.word);
        Some(StepStatistics { probed: self.parse.probed(), ..statistics })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
