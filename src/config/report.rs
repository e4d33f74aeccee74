//! The errors and warnings that were found so far.
use super::diagnostic::{Diagnostic, Level};
use super::source_map::SourceMap;
use super::span::Span;
use crate::nearest::did_you_mean;

/// Errors, and warnings, that are shown; the others are counted. Nobody reads more, and each is drawn with its line.
pub(super) const MAX_SHOWN: usize = 20;
/// Further places of a word that are listed with the first one.
const MAX_PLACES: usize = 30;

/// An error was reported; what was being read has no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;

/// The files, and what was found to be wrong in them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) map: SourceMap,
    /// The first of each level.
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Errors that are listed with an earlier one.
    listed: usize,
}

impl Report {
    /// Reports an error at `span`.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Reported {
        // Looked at first, here and below: a file of noise would make a million of them.
        if self.is_full(Level::Error) {
            self.errors += 1;
            return Reported;
        }
        let diagnostic = self.map.error(span, message, help);
        self.push(diagnostic)
    }

    /// Reports a warning at `span`.
    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if self.is_full(Level::Warning) {
            self.warnings += 1;
            return;
        }
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
        if self.is_full(Level::Error) {
            self.errors += 1;
            return Reported;
        }
        let diagnostic = self.map.error(span, message, help).with_label(self.map.label(other, there));
        self.push(diagnostic)
    }

    /// Reports that the word at `span` is refused, which `message` says of the word wherever it stands: the first
    /// place is shown, and the others are listed with it.
    pub(super) fn refuse(&mut self, span: Span, message: &str, help: Option<String>) -> Reported {
        let same = |one: &&mut Diagnostic| one.level == Level::Error && one.message == message;
        let Some(first) = self.kept.iter_mut().find(same) else { return self.error(span, message, help) };
        let place = self.map.place(span);
        first.add_place(place, MAX_PLACES);
        self.listed += 1;
        Reported
    }

    /// The line that proposes the nearest of `known`, unless nobody would see it.
    pub(super) fn suggestion<'a>(
        &self,
        level: Level,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        if self.is_full(level) { None } else { did_you_mean(word, known) }
    }

    /// Tells whether another diagnostic of this level would be counted only.
    pub(super) fn is_full(&self, level: Level) -> bool {
        let count = if level == Level::Error { self.errors } else { self.warnings };
        count >= MAX_SHOWN
    }

    /// Adds a finished diagnostic.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) -> Reported {
        let is_full = self.is_full(diagnostic.level());
        match diagnostic.level() {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        if !is_full {
            self.kept.push(diagnostic);
        }
        Reported
    }

    /// Whether any error was reported.
    pub(super) fn failed(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were reported.
    pub(crate) fn errors(&self) -> usize {
        self.errors + self.listed
    }

    /// The files, and all that was reported.
    pub(super) fn into_parts(self) -> (SourceMap, Vec<Diagnostic>) {
        let Self { map, mut kept, errors, warnings, .. } = self;
        for (level, count) in [(Level::Warning, warnings), (Level::Error, errors)] {
            if count > MAX_SHOWN {
                kept.push(Diagnostic::further(level, count - MAX_SHOWN));
            }
        }
        (map, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, parse_str};

    #[test]
    fn what_is_too_much_is_counted() {
        let errors = parse_str("x", &"| x;\n".repeat(150), &Environment::new(&crate::drivers::VOCABULARY))
            .unwrap_err();
        assert_eq!(errors.iter().count(), 42);
        assert_eq!(errors.error_count(), 150);
        let shown = errors.to_string();
        assert!(shown.contains("there are 130 more errors") && shown.contains("there are 130 more warnings"));
    }

    #[test]
    fn a_word_that_is_refused_often_is_said_once() {
        let text = "filter f { level(err); };\n".repeat(40);
        let errors = parse_str("x", &text, &Environment::new(&crate::drivers::VOCABULARY)).unwrap_err();
        assert_eq!(errors.iter().count(), 1);
        let shown = errors.to_string();
        assert!(shown.contains("x:1:1"), "{shown}");
        assert!(shown.contains("also at lines 2, 3, 4, ") && shown.contains(", 31, and 9 more"), "{shown}");
    }
}
