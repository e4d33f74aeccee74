//! `source NAME { … };`

use super::driver::Driver;
use super::span::Span;

/// `source NAME { … };`, or a source written inside a log path.
#[derive(Debug, Clone)]
pub struct SourceStatement {
    /// The name; of an anonymous source, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The drivers, in the order in which they were written.
    pub drivers: Vec<Driver>,
}
