//! What is wrong with a template: [`TemplateError`].

use std::ops::Range;

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

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}..{}", self.message, self.at.start, self.at.end)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for TemplateError {}
