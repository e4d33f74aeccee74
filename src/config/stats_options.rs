//! `stats()` in `options { }`: read and checked, and without effect here.

use std::time::Duration;

use super::option_table::{Key, Kind, MAX_INT, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::unsupported::Place;

/// `stats( … )`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsOptions {
    /// `level()`
    pub level: u8,
    /// `freq()`: how often the statistics are logged; zero for never.
    pub freq: Duration,
    /// `lifetime()`: how long the counters of what is gone are kept.
    pub lifetime: Duration,
    /// `max-dynamics()`
    pub max_dynamics: Option<u32>,
    /// `syslog-stats()`; `None` for `auto`.
    pub syslog_stats: Option<bool>,
    /// `healthcheck-freq()`; zero for never.
    pub healthcheck_freq: Duration,
}

impl Default for StatsOptions {
    fn default() -> Self {
        Self {
            level: 0,
            freq: Duration::ZERO,
            lifetime: Duration::from_secs(600),
            max_dynamics: None,
            syslog_stats: None,
            healthcheck_freq: Duration::ZERO,
        }
    }
}

const STATS: Table<StatsOptions> = &[
    ("level", Kind::Int(0, 255, |to, level| to.level = level as u8)),
    ("freq", Kind::Seconds(|to, time| to.freq = time)),
    ("lifetime", Kind::Seconds(|to, time| to.lifetime = time)),
    ("max-dynamics", Kind::Int(0, MAX_INT, |to, most| to.max_dynamics = Some(most as u32))),
    (
        "syslog-stats",
        Kind::Other(|parser, to| {
            to.syslog_stats = parser.choice(&[
                ("auto", None),
                ("yes", Some(true)),
                ("no", Some(false)),
                ("on", Some(true)),
                ("off", Some(false)),
                ("1", Some(true)),
                ("0", Some(false)),
            ])?;
            Ok(())
        }),
    ),
    ("healthcheck-freq", Kind::Seconds(|to, time| to.healthcheck_freq = time)),
];

impl Parser {
    /// The options of `stats()`.
    pub(super) fn stats(&mut self, stats: &mut StatsOptions) -> Parsed<()> {
        let known = || names(STATS).collect();
        let read = |parser: &mut Parser, key: &Key| apply(STATS, stats, parser, key);
        self.nested_options(Place::Global, &known, read)
    }
}
