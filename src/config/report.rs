//! The errors and warnings that were found so far.
use super::diagnostic::{Diagnostic, Level};
use super::source_map::SourceMap;
use super::span::Span;

/// Errors and warnings beyond this many are counted, not kept: nobody reads them, and each is drawn with its line.
const MAX_KEPT: usize = 100;

/// An error was reported; what was being read has no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// The files, and what was found to be wrong in them.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) map: SourceMap,
    /// The first of each level.
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Report {
    /// Reports an error at `span`.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Reported {
        let diagnostic = self.map.error(span, message, help);
        self.push(diagnostic)
    }

    /// Reports a warning at `span`.
    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        // Checked first, since a file of noise would make a million of them.
        if self.warnings < MAX_KEPT {
            let diagnostic = self.map.warning(span, message, help);
            self.push(diagnostic);
        } else {
            self.warnings += 1;
        }
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
        let count = match diagnostic.level() {
            Level::Error => &mut self.errors,
            Level::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MAX_KEPT {
            self.kept.push(diagnostic);
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

    /// The files, and all that was reported.
    pub(super) fn into_parts(self) -> (SourceMap, Vec<Diagnostic>) {
        let Self { map, mut kept, errors, warnings } = self;
        for (level, count, noun) in [(Level::Warning, warnings, "warnings"), (Level::Error, errors, "errors")]
        {
            if count > MAX_KEPT {
                let message = format!("there are {} more {noun}", count - MAX_KEPT);
                kept.push(Diagnostic { level, ..Diagnostic::without_place(message) });
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
        let errors = parse_str("x", &"| x;\n".repeat(150), &Environment::default()).unwrap_err();
        assert_eq!(errors.iter().count(), 202);
        let shown = errors.to_string();
        assert!(shown.contains("there are 50 more errors") && shown.contains("there are 50 more warnings"));
    }
}
