//! `destination NAME { … };`

use super::driver::Driver;
use super::span::Span;

/// `destination NAME { … };`, or a destination written inside a log path.
#[derive(Debug, Clone)]
pub struct DestinationStatement {
    /// The name; of an anonymous destination, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The drivers, in the order in which they were written. Each gets every message.
    pub drivers: Vec<Driver>,
}
