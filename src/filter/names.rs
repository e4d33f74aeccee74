//! Lists of names and ranges, as `facility(mail, local0..local7)` has them.

use crate::config::Spanned;
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind};

/// The names that stand for numbers.
pub(super) struct Names {
    /// The noun for one of them in an error.
    pub(super) what: &'static str,
    /// The number of a name.
    pub(super) parse: fn(&str) -> Option<u8>,
    /// All names, for a suggestion.
    pub(super) words: fn() -> Vec<&'static str>,
}

impl Names {
    /// Reads names and ranges up to the `)` of `head`: bit `n` of the set is set for the number `n`.
    pub(super) fn read(&self, parser: &mut Parser, head: DriverHead) -> Parsed<u128> {
        let read = self.list(parser);
        if read.is_err() {
            parser.close_parenthesis(head.open);
        }
        read
    }

    fn list(&self, parser: &mut Parser) -> Parsed<u128> {
        let mut set = 0;
        loop {
            let first = self.name(parser)?;
            let last = if parser.eat(&TokenKind::Operator("..")) { self.name(parser)? } else { first };
            for number in first.min(last)..=first.max(last) {
                set |= 1 << number;
            }
            if parser.eat(&TokenKind::RParen) {
                return Ok(set);
            }
        }
    }

    fn name(&self, parser: &mut Parser) -> Parsed<u8> {
        let Spanned { value: word, span } = parser.string(self.what)?;
        let is_number = word.trim().parse::<u64>().is_ok();
        if let Some(number) = (self.parse)(&word).filter(|_| !is_number) {
            return Ok(number);
        }
        let help = parser.suggestion(&word, (self.words)());
        Err(parser.report.error(span, format!("`{word}` is not {}", self.what), help))
    }
}
