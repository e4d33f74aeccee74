//! `destination NAME { … };`

use super::body::BodyItem;
use super::driver::Driver;
use super::log_path::LogPath;
use super::span::Span;

/// `destination NAME { … };`, or a destination written inside a log path.
#[derive(Debug, Clone)]
pub struct DestinationStatement {
    /// The name; of an anonymous destination, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The drivers and paths, in the order in which they were written. Each gets every message.
    pub items: Vec<BodyItem>,
}

impl DestinationStatement {
    /// Its own drivers.
    pub fn drivers(&self) -> Vec<&Driver> {
        self.items.iter().filter_map(BodyItem::driver).collect()
    }

    /// The paths in it.
    pub fn paths(&self) -> impl Iterator<Item = &LogPath> {
        self.items.iter().filter_map(BodyItem::path)
    }
}
