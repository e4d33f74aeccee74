//! The compilation of calls: what a function's code gets to compile its arguments with, [`Build`].

use std::ops::Range;
use std::sync::Arc;

use super::error::TemplateError;
use super::item::Items;
use super::parse::{self, Notes};
use super::surroundings::{Condition, Later, NameOptions, Names, Surroundings};

/// Text of a template, with the place of each of its bytes in it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bytes: Vec<u8>,
    /// One more than there are bytes: the last one is the place of the end.
    pub(super) at: Vec<usize>,
}

impl Source {
    /// A whole template.
    pub(super) fn of(text: &[u8]) -> Self {
        Self { bytes: text.to_vec(), at: (0..=text.len()).collect() }
    }

    /// The place of a part of it.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.at[range.start];
        // The byte behind it may be elsewhere: a quote that was taken off stands between.
        start..if range.is_empty() { start } else { self.at[range.end - 1] + 1 }
    }

    /// The place of all of it.
    pub(super) fn place(&self) -> Range<usize> {
        self.span(0..self.bytes.len())
    }

    /// A part of it.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let mut at = self.at[range.start..=range.end].to_vec();
        if let (Some(end), false) = (at.last_mut(), range.is_empty()) {
            *end = self.at[range.end - 1] + 1;
        }
        Self { bytes: self.bytes[range].to_vec(), at }
    }

    /// Its text, to be shown or compared: what is not UTF-8 is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A call that is being compiled.
pub(super) struct Build<'p> {
    pub(super) notes: &'p mut Notes,
    pub(super) surroundings: &'p mut dyn Surroundings,
    /// The levels of calls around its arguments.
    pub(super) depth: usize,
    /// The place of the call.
    pub(super) call: Range<usize>,
}

impl Build<'_> {
    /// Compiles an argument, a template of its own.
    ///
    /// # Errors
    /// Those of a template.
    pub(super) fn items(&mut self, source: &Source) -> Result<Items, TemplateError> {
        parse::items(source, self.notes, self.surroundings, self.depth)
    }

    /// Compiles a text of the engine's own.
    ///
    /// # Errors
    /// Those of a template.
    pub(super) fn written(&mut self, text: &str) -> Result<Items, TemplateError> {
        let source = Source { bytes: text.as_bytes().to_vec(), at: vec![self.call.start; text.len() + 1] };
        parse::items(&source, &mut Notes::default(), self.surroundings, self.depth)
    }

    /// The condition that an argument is.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn condition(&mut self, source: &Source) -> Result<Later<Arc<dyn Condition>>, TemplateError> {
        let at = source.place();
        let Ok(text) = std::str::from_utf8(&source.bytes) else {
            return Err(self.error(source, "a condition has to be UTF-8", ""));
        };
        self.surroundings.condition(text, at.clone()).map_err(|message| TemplateError {
            at,
            message: message.unwrap_or_default(),
            help: None,
        })
    }

    /// The names of hosts by these options.
    ///
    /// # Errors
    /// Nobody knows any.
    pub(super) fn names(&mut self, options: NameOptions) -> Result<Later<Arc<dyn Names>>, TemplateError> {
        self.surroundings.names(options).map_err(|message| self.call_error(&message, ""))
    }

    /// An error in an argument.
    #[expect(clippy::unused_self, reason = "all errors are made by the call")]
    pub(super) fn error(&self, source: &Source, message: &str, help: &str) -> TemplateError {
        let help = (!help.is_empty()).then(|| help.to_owned());
        TemplateError { at: source.place(), message: message.to_owned(), help }
    }

    /// An error of the whole call.
    pub(super) fn call_error(&self, message: &str, help: &str) -> TemplateError {
        let help = (!help.is_empty()).then(|| help.to_owned());
        TemplateError { at: self.call.clone(), message: message.to_owned(), help }
    }

    /// Warns of the whole call.
    pub(super) fn warn(&mut self, message: &str, help: &str) {
        let warning = self.call_error(message, help);
        self.notes.warnings.push(warning);
    }
}
