//! `facility(…)`: the part of a system that a message is of.

use std::sync::Arc;

use super::names::Names;
use super::{Compiled, FilterOptions, Test};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind};
use crate::message::MessageRef;
use crate::syslog::names::{facility_words, parse_facility};
use crate::template::Moment;

const NAMES: Names =
    Names { what: "the name of a facility", parse: parse_facility, words: || facility_words().collect() };

/// `facility(…)`: names and ranges of them, or one number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FacilityOptions {
    /// Bit `n` is set for the facility `n`.
    pub set: u128,
}

impl FilterOptions for FacilityOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        if !matches!(parser.peek().kind, TokenKind::Number(..)) {
            return NAMES.read(parser, head).map(|set| Self { set });
        }
        let number = parser.integer(0, 127);
        let ended = number.and_then(|number| parser.expect(&TokenKind::RParen).map(|_| number));
        if ended.is_err() {
            parser.close_parenthesis(head.open);
        }
        ended.map(|number| Self { set: 1 << number })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Facility(self.set)))
    }
}

#[derive(Debug)]
struct Facility(u128);

impl Test for Facility {
    #[inline]
    fn matches(&self, message: MessageRef<'_>, _: Moment) -> bool {
        let facility = u32::from(message.pri()) / 8;
        facility < u128::BITS && self.0 >> facility & 1 == 1
    }
}
