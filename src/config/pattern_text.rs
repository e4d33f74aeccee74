//! Patterns in double quotes: the backslashes that they lose before anybody reads them as patterns.

use super::parser::Parser;
use super::span::Span;
use super::token::Text;

/// The characters that mean something else in a pattern when a backslash stands before them, and that the
/// escapes of texts in double quotes say nothing about.
const ESCAPED: &str = "dDwWsSbBhHVAZzRNKGQEpP.*+?^$()[]{}|";

impl Parser {
    /// The first escape in a text in double quotes that a pattern would have a meaning for, with its place:
    /// `\d` is the letter there.
    pub(crate) fn lost_backslash(&self, text: &Text) -> Option<(Span, String)> {
        let written = self.report.map.text(text.span);
        let inside = written.strip_prefix('"')?;
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            let Some((_, next)) = (character == '\\').then(|| characters.next()).flatten() else { continue };
            if ESCAPED.contains(next) {
                let start = text.span.start + 1 + at as u32;
                return Some((Span { start, end: start + 2, ..text.span }, format!("\\{next}")));
            }
        }
        None
    }
}
