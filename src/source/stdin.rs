//! `stdin()`: lines from the standard input of the engine. At its end the engine stops.

use std::io;
use std::sync::Arc;

use super::file::STOP_TIMEOUT;
use super::file::trouble::Trouble;
use super::stream::{self, End, StreamOptions};
use super::{EngineLog, Input, LogSourceOptions, Made, Planned, SourceOptions};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place};
use crate::config::{Config, Diagnostic, Span};

/// `stdin(…)`
#[derive(Debug, Clone)]
pub(super) struct StdinOptions {
    at: Span,
    /// The options of all that read lines.
    stream: StreamOptions,
}

impl SourceOptions for StdinOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self { at: head.span, stream: StreamOptions::default() };
        let known = || StreamOptions::names().collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            options.stream.apply(parser, key)
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.stream.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        self.stream.plan(config, self.at)
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let settings = self.stream.resolve(config, input)?;
        let log_of_end = Arc::clone(log);
        let mut trouble = Trouble::new(log, format!("source {}", input.driver.id));
        stream::source(input, config, log, self.at, STOP_TIMEOUT, move |start, exit, wake| {
            let mut reader = settings.reader(exit, wake);
            let end = reader.read_all(io::stdin());
            let (cut, invalid) = reader.take_damage();
            trouble.note_damage(cut, invalid);
            match end {
                End::OfSource => return,
                End::OfStream => log_of_end.info("the standard input has come to its end: the engine stops"),
                End::Failed(error) => {
                    log_of_end
                        .error(&format!("the standard input cannot be read, and the engine stops: {error}"));
                }
            }
            (start.stop)();
        })
    }
}
