//! `stdout()`: lines onto the standard output of the process.

use super::stream::{StreamSettings, WriterOptions};
use super::{DestinationOptions, DriverOptions, Planned};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place};
use crate::config::{Config, Diagnostic};

/// `stdout(…)`
#[derive(Debug, Clone, Default)]
pub struct StdoutOptions {
    /// The options of every destination that writes text.
    pub writer: WriterOptions,
}

impl DestinationOptions for StdoutOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let known = || WriterOptions::names().collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            options.writer.apply(parser, key)
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        Ok(self.writer.settings(config, StreamSettings::stdout().path, None)?.planned())
    }
}
