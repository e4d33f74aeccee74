//! `internal()`: Inrush's own messages.

use super::{LogSourceOptions, Planned, SourceOptions};
use crate::config::grammar::{DriverHead, Kind, MAX_INT, Parsed, Parser, Place, Table, apply, names};
use crate::config::{Config, Diagnostic};
use crate::flow::inbox::NAP;

/// The window of a source that does not choose one.
const WINDOW: u32 = 10_000;
/// The byte half of its credit.
const BYTES: u64 = 16 * 1024 * 1024;

/// `internal(…)`: Inrush's own messages.
#[derive(Debug, Clone, Default)]
pub struct InternalSourceOptions {
    /// `log-fifo-size()`: how many of them wait at most.
    pub log_fifo_size: Option<usize>,
    /// The options that all sources have.
    pub source: LogSourceOptions,
}

const INTERNAL: Table<InternalSourceOptions> =
    &[("log-fifo-size", Kind::Int(1, MAX_INT, |to, size| to.log_fifo_size = Some(size as usize)))];

impl SourceOptions for InternalSourceOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let known = || names(INTERNAL).chain(LogSourceOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(INTERNAL, &mut options, parser, key).or_else(|| options.source.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn plan(&self, _: &Config, _: &str) -> Result<Planned, Diagnostic> {
        let window = self.source.log_iw_size.or(self.log_fifo_size);
        Ok(Planned {
            class: None,
            window: window.map_or(WINDOW, |size| size as u32),
            max_bytes: BYTES,
            batch_size: None,
            nap: NAP,
            is_local: true,
        })
    }
}
