//! The options that all destinations have: [`DriverOptions`].

use super::buffer::DiskBufferOptions;
use crate::config::grammar::{Key, Kind, MAX_INT, NO_LEVELS, Parsed, Parser, Table, apply, names};
use crate::config::{Config, Spanned};

/// The options of every destination.
#[derive(Debug, Clone, Default)]
pub struct DriverOptions {
    /// `log-fifo-size()`: messages that wait at most, where nothing holds their source back.
    pub log_fifo_size: Option<usize>,
    /// `throttle()`: messages a second at most.
    pub throttle: Option<u32>,
    /// `persist-name()`
    pub persist_name: Option<Spanned<String>>,
    /// `disk-buffer()`
    pub disk_buffer: Option<DiskBufferOptions>,
    /// `internal()`
    pub internal: bool,
}

const DRIVER: Table<DriverOptions> = &[
    ("log-fifo-size", Kind::Int(1, MAX_INT, |to, size| to.log_fifo_size = Some(size as usize))),
    ("throttle", Kind::Int(0, MAX_INT, |to, rate| to.throttle = (rate > 0).then_some(rate as u32))),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    (
        "disk-buffer",
        Kind::Other(|parser, to| {
            DiskBufferOptions::read(parser).map(|options| to.disk_buffer = Some(options))
        }),
    ),
    ("internal", Kind::Unused(NO_LEVELS, &Kind::YesNo(|to, yes| to.internal = yes))),
];

impl DriverOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(DRIVER)
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(DRIVER, self, parser, key)
    }

    /// Messages that may wait for the destination without the credit of their source.
    pub fn fifo_size(&self, config: &Config) -> u64 {
        self.log_fifo_size.unwrap_or(config.options.log_fifo_size) as u64
    }
}
