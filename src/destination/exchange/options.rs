//! The options of every exchange: [`ExchangeOptions`].

use std::sync::Arc;
use std::time::Duration;

use super::{Exchange, ExchangeSettings};
use crate::config::grammar::{Key, Kind, MAX_INT, Parsed, Parser, TEMPLATE, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Spanned, TemplateOptions, TemplateText};
use crate::destination::DriverOptions;
use crate::template::this_process;

/// The options of every exchange. `None` means: the driver's own, or as in `options {}`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExchangeOptions {
    /// `batch-lines()`
    pub(crate) batch_lines: Option<u32>,
    /// `batch-bytes()`
    pub(crate) batch_bytes: Option<u64>,
    /// `batch-timeout()`; zero is none.
    pub(crate) batch_timeout: Duration,
    /// `batch-idle-timeout()`; zero is none.
    pub(crate) batch_idle_timeout: Duration,
    /// `workers()`
    pub(crate) workers: Option<u32>,
    /// `worker-partition-key()`
    pub(crate) worker_partition_key: Option<TemplateText>,
    /// `retries()`
    pub(crate) retries: Option<u32>,
    /// `time-reopen()`
    pub(crate) time_reopen: Option<Duration>,
    /// `on-reject(destination(name))`
    pub(crate) on_reject: Option<Spanned<String>>,
    /// The format of templates.
    pub(crate) template_options: TemplateOptions,
    /// The options of every destination.
    pub(crate) driver: DriverOptions,
}

/// Negative times are none, as 0 is.
fn milliseconds(time: i64) -> Duration {
    Duration::from_millis(time.max(0).unsigned_abs())
}

const EXCHANGE: Table<ExchangeOptions> = &[
    ("batch-lines", Kind::Int(0, MAX_INT, |to, lines| to.batch_lines = Some(lines as u32))),
    ("batch-bytes", Kind::Int(0, MAX_INT, |to, bytes| to.batch_bytes = Some(bytes.unsigned_abs()))),
    ("batch-timeout", Kind::Int(-1, MAX_INT, |to, time| to.batch_timeout = milliseconds(time))),
    ("batch-idle-timeout", Kind::Int(-1, MAX_INT, |to, time| to.batch_idle_timeout = milliseconds(time))),
    ("workers", Kind::Int(1, 256, |to, workers| to.workers = Some(workers as u32))),
    ("worker-partition-key", Kind::Template(|to, key| to.worker_partition_key = Some(key))),
    ("retries", Kind::Int(1, MAX_INT, |to, retries| to.retries = Some(retries as u32))),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = Some(time))),
    ("on-reject", Kind::Other(|parser, to| on_reject(parser).map(|name| to.on_reject = Some(name)))),
];

/// The value of `on-reject()`: `destination(name)`.
pub(in crate::destination) fn on_reject(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let expected = "`destination(name)`";
    let word = parser.string(expected)?;
    if word.value != "destination" {
        let help = Some("write on-reject(destination(name))".to_owned());
        return Err(parser.report.error(
            word.span,
            format!("expected {expected}, found `{}`", word.value),
            help,
        ));
    }
    parser.expect(&TokenKind::LParen)?;
    let name = parser.string("the name of a destination")?;
    parser.expect(&TokenKind::RParen)?;
    Ok(name)
}

impl ExchangeOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(EXCHANGE).chain(DriverOptions::names()).chain(names(TEMPLATE))
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(EXCHANGE, self, parser, key)
            .or_else(|| self.driver.apply(parser, key))
            .or_else(|| apply(TEMPLATE, &mut self.template_options, parser, key))
    }

    /// Tells whether a request may have more than one message.
    pub(crate) fn is_batched(&self) -> bool {
        self.batch_lines.is_some_and(|lines| lines > 1) || self.batch_bytes.is_some_and(|bytes| bytes > 0)
    }

    /// The settings of `exchange`, whose end is `address`.
    ///
    /// # Errors
    /// A partition key that is the same for all messages; time zones that nobody knows.
    pub(crate) fn settings(
        &self,
        config: &Config,
        exchange: Arc<dyn Exchange>,
        address: String,
    ) -> Result<ExchangeSettings, Diagnostic> {
        if let Some(key) =
            self.worker_partition_key.as_ref().filter(|key| key.template.as_literal().is_some())
        {
            let message = "the partition key is the same for all messages";
            let help = Some("write a template with a macro, as \"$HOST\"".to_owned());
            return Err(config.error(key.span, message, help));
        }
        let time = |time: Duration| (!time.is_zero()).then_some(time);
        let lines = self.batch_lines.filter(|lines| *lines > 0);
        let bytes = self.batch_bytes.filter(|bytes| *bytes > 0);
        // With a bound of bytes alone, that is the only one.
        let lines = lines.unwrap_or(if bytes.is_some() { MOST_LINES } else { 1 });
        let time_reopen = self.time_reopen.unwrap_or(config.options.time_reopen);
        Ok(ExchangeSettings {
            exchange,
            address,
            batch_lines: lines.min(MOST_LINES) as usize,
            batch_bytes: bytes,
            batch_timeout: time(self.batch_timeout),
            batch_idle_timeout: time(self.batch_idle_timeout),
            workers: self.workers.unwrap_or(1) as usize,
            partition_key: self.worker_partition_key.as_ref().map(|key| key.template.clone()),
            is_one_key_a_group: false,
            retries: self.retries.unwrap_or(3),
            time_reopen: time_reopen.max(Duration::from_millis(1)),
            throttle: self.driver.throttle,
            fifo_size: self.driver.fifo_size(config),
            on_reject: self.on_reject.clone(),
            options: self.template_options.resolve(config, None)?,
            identity: this_process(),
        })
    }
}

/// The most messages of one request: what a worker is given is bounded.
const MOST_LINES: u32 = 100_000;
