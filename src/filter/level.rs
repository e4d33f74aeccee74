//! `level(…)`, also `severity` and `priority`: how bad it is.

use std::sync::Arc;

use super::names::Names;
use super::{Compiled, FilterOptions, Test};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::message::MessageRef;
use crate::syslog::names::{parse_severity, severity_words};
use crate::template::Moment;

const NAMES: Names =
    Names { what: "the name of a level", parse: parse_severity, words: || severity_words().collect() };

/// `level(…)`: names and ranges of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LevelOptions {
    /// Bit `n` is set for the severity `n`.
    pub set: u128,
}

impl FilterOptions for LevelOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        NAMES.read(parser, head).map(|set| Self { set })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Level(self.set as u8)))
    }
}

#[derive(Debug)]
struct Level(u8);

impl Test for Level {
    #[inline]
    fn matches(&self, message: MessageRef<'_>, _: Moment) -> bool {
        self.0 >> (message.pri() % 8) & 1 == 1
    }
}
