//! The errors and warnings that were found so far.
use super::diagnostic::{Diagnostic, Level};
use super::source_map::{SourceMap, Span};

/// Errors beyond this many are counted, not kept: nobody reads them, and each is drawn with its line.
const MAX_ERRORS: usize = 50;

/// An error was reported; what was being read has no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// The files, and what was found to be wrong in them.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) map: SourceMap,
    list: Vec<Diagnostic>,
    errors: usize,
}

impl Report {
    /// Reports an error at `span`.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Reported {
        let diagnostic = self.map.error(span, message, help);
        self.push(diagnostic)
    }

    /// Reports a warning at `span`.
    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let diagnostic = self.map.warning(span, message, help);
        self.push(diagnostic);
    }

    /// Reports `message` at `span`, and shows with it another place, `other`, labelled `there`.
    pub(super) fn error_with(
        &mut self,
        span: Span,
        message: impl Into<String>,
        other: Span,
        there: &str,
        help: Option<String>,
    ) -> Reported {
        let diagnostic = self.map.error(span, message, help).with_label(self.map.label(other, there));
        self.push(diagnostic)
    }

    /// Adds a finished diagnostic.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) -> Reported {
        if diagnostic.level() == Level::Error {
            self.errors += 1;
        }
        if self.list.len() < MAX_ERRORS {
            self.list.push(diagnostic);
        }
        Reported
    }

    /// Whether any error was reported.
    pub(super) fn failed(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were reported.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// The files, all that was reported, and how many errors there were.
    pub(super) fn into_parts(self) -> (SourceMap, Vec<Diagnostic>) {
        let Self { map, mut list, errors } = self;
        let kept = list.iter().filter(|diagnostic| diagnostic.level() == Level::Error).count();
        if kept < errors {
            list.push(Diagnostic::without_place(format!("{} more errors", errors - kept)));
        }
        (map, list)
    }
}
