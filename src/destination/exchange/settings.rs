//! The settings of an exchange: [`ExchangeSettings`].

use std::sync::Arc;
use std::time::Duration;

use super::{Exchange, ExchangeDestination};
use crate::config::Spanned;
use crate::destination::Planned;
use crate::template::{Identity, Options, Template};

/// The settings that every exchange has.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeSettings {
    /// The driver.
    pub(crate) exchange: Arc<dyn Exchange>,
    /// Its end of the way, as users name it.
    pub(crate) address: String,
    /// `batch-lines()`: messages of one request at most; 1 at least.
    pub(crate) batch_lines: usize,
    /// `batch-bytes()`, for the time at which a group goes: the worker has the bound of a request.
    pub(crate) batch_bytes: Option<u64>,
    /// `batch-timeout()`
    pub(crate) batch_timeout: Option<Duration>,
    /// `batch-idle-timeout()`
    pub(crate) batch_idle_timeout: Option<Duration>,
    /// `workers()`: 1 at least.
    pub(crate) workers: usize,
    /// `worker-partition-key()`
    pub(crate) partition_key: Option<Template>,
    /// True when the messages of one request have one key.
    pub(crate) is_one_key_a_group: bool,
    /// `retries()`: 1 at least.
    pub(crate) retries: u32,
    /// `time-reopen()`
    pub(crate) time_reopen: Duration,
    /// `throttle()`: messages a second.
    pub(crate) throttle: Option<u32>,
    /// `log-fifo-size()`
    pub(crate) fifo_size: u64,
    /// `on-reject()`: the name of a destination.
    pub(crate) on_reject: Option<Spanned<String>>,
    /// The format of templates.
    pub(crate) options: Options,
    /// The identity that formats.
    pub(crate) identity: Arc<Identity>,
}

impl ExchangeSettings {
    /// The settings of `exchange` without an option.
    #[cfg(test)]
    pub(crate) fn new(exchange: Arc<dyn Exchange>) -> Self {
        Self {
            exchange,
            address: "test".to_owned(),
            batch_lines: 1,
            batch_bytes: None,
            batch_timeout: None,
            batch_idle_timeout: None,
            workers: 1,
            partition_key: None,
            is_one_key_a_group: false,
            retries: 3,
            time_reopen: Duration::from_secs(60),
            throttle: None,
            fifo_size: 10_000,
            on_reject: None,
            options: Options::default(),
            identity: Arc::default(),
        }
    }

    /// The destination with these settings.
    pub(crate) fn planned(self) -> Planned {
        Planned {
            identity: format!("{self:+?}"),
            address: self.address.clone(),
            claim: None,
            fifo_size: self.fifo_size,
            is_soft: false,
            on_reject: self.on_reject.clone(),
            hosted: None,
            buffer: None,
            make: Box::new(|site| Box::new(ExchangeDestination::new(self, site))),
        }
    }
}
