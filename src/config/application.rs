//! `application NAME[TOPIC] { filter { … }; parser { … }; };`: what a library says of the messages of one
//! program, for `app-parser()`.
//!
//! Its text is taken as it is written: a library has many of them, and nobody minds those that are not used.
//! `transformation NAME[TOPIC] { … };` is of the same form.
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::token::TokenKind;

impl Parser {
    /// Reads what comes after `application` or `transformation`.
    pub(super) fn application_statement(&mut self) -> Parsed<()> {
        self.string("a name, as in application name[topic] { … }")?;
        self.expect(&TokenKind::LBracket)?;
        self.string("a topic, as in application name[topic] { … }")?;
        self.expect(&TokenKind::RBracket)?;
        self.expect(&TokenKind::LBrace)?;
        self.expect(&TokenKind::Code)?;
        // Without a closing brace the lexer reported that.
        if self.eat(&TokenKind::RBrace) { Ok(()) } else { Err(Reported) }
    }
}
