//! Errors of a template: [`TemplateError`].

use std::ops::Range;

/// An error or a warning in a template's text, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// The place, as byte offsets into the template's text.
    pub at: Range<usize>,
    /// The error, in one line.
    pub message: String,
    /// A better text, for example the nearest known macro.
    pub help: Option<String>,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}..{}", self.message, self.at.start, self.at.end)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for TemplateError {}
