//! The errors and warnings that were found so far.
use super::diagnostic::{Diagnostic, Level};
use super::source_map::SourceMap;
use super::span::Span;
use crate::nearest::did_you_mean;

/// Errors, and warnings, that are shown; the others are counted. Nobody reads more, and each is drawn with
/// its line.
pub(super) const MAX_SHOWN: usize = 20;
/// Further places of a word that are listed with the first one.
const MAX_PLACES: usize = 30;

/// An error was reported; what was being read has no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;

/// The files, and what was found to be wrong in them.
///
/// Errors of the text (quotes, backticks, `@` lines) are kept apart from those of its grammar: of a text that
/// cannot be read to its end, the grammar says nothing that helps.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(super) map: SourceMap,
    /// The lexer is at work: what is reported now is about the text.
    pub(super) in_text: bool,
    text: Found,
    grammar: Found,
}

/// Errors and warnings.
#[derive(Debug, Default)]
struct Found {
    /// The first of each level.
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Errors that are listed with an earlier one.
    listed: usize,
}

impl Found {
    fn is_full(&self, level: Level) -> bool {
        let count = if level == Level::Error { self.errors } else { self.warnings };
        count >= MAX_SHOWN
    }

    fn count(&mut self, level: Level) {
        match level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
    }
}

impl Report {
    fn found(&mut self) -> &mut Found {
        if self.in_text { &mut self.text } else { &mut self.grammar }
    }

    /// Reports an error at `span`.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Reported {
        // Looked at first, here and below: a file of noise would make a million of them.
        if self.is_full(Level::Error) {
            self.found().count(Level::Error);
            return Reported;
        }
        let diagnostic = self.map.error(span, message, help);
        self.push(diagnostic)
    }

    /// Reports a warning at `span`.
    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        if self.is_full(Level::Warning) {
            self.found().count(Level::Warning);
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
            self.found().count(Level::Error);
            return Reported;
        }
        let diagnostic = self.map.error(span, message, help).with_label(self.map.label(other, there));
        self.push(diagnostic)
    }

    /// Reports that the word at `span` is refused, which `message` says of the word wherever it stands: the
    /// first place is shown, and the others are listed with it.
    pub(super) fn refuse(&mut self, span: Span, message: &str, help: Option<String>) -> Reported {
        let same = |one: &&mut Diagnostic| one.level == Level::Error && one.message == message;
        let place = self.map.place(span);
        let found = self.found();
        let Some(first) = found.kept.iter_mut().find(same) else { return self.error(span, message, help) };
        first.add_place(place, MAX_PLACES);
        found.listed += 1;
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
        if self.in_text { self.text.is_full(level) } else { self.grammar.is_full(level) }
    }

    /// Adds a finished diagnostic.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) -> Reported {
        let found = self.found();
        let is_full = found.is_full(diagnostic.level());
        found.count(diagnostic.level());
        if !is_full {
            found.kept.push(diagnostic);
        }
        Reported
    }

    /// True when any error was reported.
    pub(super) fn failed(&self) -> bool {
        self.text.errors + self.grammar.errors > 0
    }

    /// The number of errors that were reported.
    pub(crate) fn errors(&self) -> usize {
        [&self.text, &self.grammar].iter().map(|found| found.errors + found.listed).sum()
    }

    /// The files, and what was reported: about the text, and with the grammar if that `is_readable`.
    pub(super) fn into_parts(self, is_readable: bool) -> (SourceMap, Vec<Diagnostic>) {
        let Self { map, text, mut grammar, .. } = self;
        if !is_readable {
            grammar = Found::default();
        }
        let mut kept = text.kept;
        kept.append(&mut grammar.kept);
        let counts = [
            (Level::Warning, text.warnings + grammar.warnings),
            (Level::Error, text.errors + grammar.errors),
        ];
        for (level, count) in counts {
            let mut left = MAX_SHOWN;
            kept.retain(|one| one.level() != level || left.checked_sub(1).map(|less| left = less).is_some());
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

    /// Breaks without it: a file with a thousand errors floods the terminal, or the rest is not even counted.
    #[test]
    fn what_is_too_much_is_counted() {
        let errors = parse_str("x", &"| x;\n".repeat(150), &Environment::new(&crate::drivers::VOCABULARY))
            .unwrap_err();
        assert_eq!(errors.iter().count(), 42);
        assert_eq!(errors.error_count(), 150);
        let shown = errors.to_string();
        assert!(shown.contains("there are 130 more errors") && shown.contains("there are 130 more warnings"));
    }

    /// Breaks without it: one word that is not supported hides all other errors.
    #[test]
    fn a_word_that_is_refused_often_is_said_once() {
        let text = "filterx r { unset(); };\n".repeat(40);
        let errors = parse_str("x", &text, &Environment::new(&crate::drivers::VOCABULARY)).unwrap_err();
        assert_eq!(errors.iter().count(), 1);
        let shown = errors.to_string();
        assert!(shown.contains("x:1:1"), "{shown}");
        assert!(shown.contains("also at lines 2, 3, 4, ") && shown.contains(", 31, and 9 more"), "{shown}");
    }
}
