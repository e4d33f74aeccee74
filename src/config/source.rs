//! `source NAME { … };`

use super::body::BodyItem;
use super::driver::Driver;
use super::log_path::LogPath;
use super::span::Span;

/// `source NAME { … };`, or a source written inside a log path.
#[derive(Debug, Clone)]
pub struct SourceStatement {
    /// The name; of an anonymous source, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The drivers, and the paths with sources of their own, in the order in which they were written.
    pub items: Vec<BodyItem>,
}

impl SourceStatement {
    /// Its own drivers.
    pub fn drivers(&self) -> Vec<&Driver> {
        self.items.iter().filter_map(BodyItem::driver).collect()
    }

    /// Its own drivers, to be changed.
    pub fn drivers_mut(&mut self) -> impl Iterator<Item = &mut Driver> {
        self.items.iter_mut().filter_map(|item| match item {
            BodyItem::Driver(driver) => Some(driver),
            BodyItem::Path(_) => None,
        })
    }

    /// The paths in it.
    pub fn paths(&self) -> impl Iterator<Item = &LogPath> {
        self.items.iter().filter_map(BodyItem::path)
    }
}
