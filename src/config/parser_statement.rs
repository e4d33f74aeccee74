//! `parser NAME { … };`

use super::body::BodyItem;
use super::log_path::LogPath;
use super::span::Span;

/// `parser NAME { … };`, or a parser written inside a log path.
#[derive(Debug, Clone)]
pub struct ParserStatement {
    /// The name; of an anonymous parser, one that nobody can have written.
    pub name: String,
    /// The start of the statement.
    pub span: Span,
    /// The parsers and paths, in the order in which a message meets them.
    pub items: Vec<BodyItem>,
}

impl ParserStatement {
    /// The paths in it.
    pub fn paths(&self) -> impl Iterator<Item = &LogPath> {
        self.items.iter().filter_map(BodyItem::path)
    }
}
