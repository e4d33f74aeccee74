//! `internal()`: Inrush's own messages.

use std::sync::Arc;
use std::time::Duration;

use super::{EngineLog, Input, LogSourceOptions, Made, NotStarted, Planned, Source, SourceOptions, Start};
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

    fn make(&self, input: &Input, _: &Config, log: &Arc<dyn EngineLog>) -> Made {
        Ok(Some(Box::new(Internal { input: input.clone(), log: Arc::clone(log) })))
    }
}

/// A source of what the engine logs. It has no thread: whoever logs posts.
struct Internal {
    input: Input,
    log: Arc<dyn EngineLog>,
}

impl Source for Internal {
    fn name(&self) -> String {
        format!("source {}", self.input.driver.id)
    }

    /// True: what is said of a stop or a switch is for it, too.
    fn stops_last(&self) -> bool {
        true
    }

    fn start(&mut self, _: &Start) -> Result<(), NotStarted> {
        self.log.add_reader(self.input.producer());
        Ok(())
    }

    fn ask_to_stop(&mut self) {
        self.log.remove_reader(&self.input.lane);
        self.input.status.ask_to_stop();
        self.input.status.end();
    }

    fn is_alive(&self) -> bool {
        self.input.status.is_alive()
    }

    fn stop_timeout(&self) -> Duration {
        Duration::ZERO
    }

    fn where_it_stands(&self) -> String {
        "it has not ended".to_owned()
    }

    fn close(&mut self) {
        self.input.lane.close();
    }
}
