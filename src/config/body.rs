//! Bodies: items and options between braces.
//!
//! An item that could not be read is skipped to its end; where another statement starts, a `}` is missing and
//! taken for read.
use super::driver::Driver;
use super::log_path::LogPath;
use super::option_table::{Ending, Key};
use super::parser::{Parsed, Parser};
use super::report::Reported;
use super::span::Span;
use super::token::{Token, TokenKind};
use super::unsupported::Place;

/// An item of the body of a source, a destination or a parser.
#[derive(Debug, Clone)]
pub enum BodyItem {
    /// `name(options)`
    Driver(Driver),
    /// `channel { … }` or `log { … }`
    Path(LogPath),
}

impl BodyItem {
    /// The driver that it is.
    pub fn driver(&self) -> Option<&Driver> {
        match self {
            Self::Driver(driver) => Some(driver),
            Self::Path(_) => None,
        }
    }

    /// The path that it is.
    pub fn path(&self) -> Option<&LogPath> {
        match self {
            Self::Driver(_) => None,
            Self::Path(path) => Some(path),
        }
    }
}

impl Parser {
    /// `{ drivers and paths }` at `place`, of the statement called `name`; `depth` is how many paths are
    /// around it.
    pub(super) fn body_items(&mut self, place: Place, name: &str, depth: usize) -> Parsed<Vec<BodyItem>> {
        let open = self.expect(&TokenKind::LBrace)?;
        Ok(self.body(open, Some(place), |parser, index| {
            if !parser.peek().is("channel") && !parser.peek().is("log") {
                return parser.driver(place, name, index).map(BodyItem::Driver);
            }
            let span = parser.next().span;
            parser.log_path(span, depth + 1).map(BodyItem::Path)
        }))
    }

    /// The items of `{ … }`, whose brace at `open` was read; `read` gets the number of items before. Blocks
    /// for `place` may be used among them.
    pub(super) fn body<T>(
        &mut self,
        open: Span,
        place: Option<Place>,
        mut read: impl FnMut(&mut Parser, usize) -> Parsed<T>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        while !self.closes_body(open) {
            match place.map_or(Ok(false), |place| self.opens_block(place)) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(Reported) => {
                    self.skip_item();
                    continue;
                }
            }
            match read(self, items.len()) {
                Ok(item) => {
                    items.push(item);
                    self.semicolons();
                }
                Err(Reported) => self.skip_item(),
            }
        }
        items
    }

    /// `name(value);` items up to and with the `}`.
    pub(super) fn options_in_braces(
        &mut self,
        place: Place,
        known: &dyn Fn() -> Vec<&'static str>,
        mut read: impl FnMut(&mut Parser, &Key) -> Option<Parsed<()>>,
    ) {
        let open = self.last_span();
        while !self.closes_body(open) {
            if !matches!(self.peek().kind, TokenKind::Word(_)) {
                self.unexpected("an option, as in name(value);");
                self.skip_item();
            } else if !self.sees_at(1, &TokenKind::LParen) {
                self.next();
                self.unexpected("`(`");
                self.skip_item();
            } else {
                match self.option(place, known, &mut read) {
                    Ending::Closed => {}
                    Ending::Expanded => continue,
                    Ending::Missing => self.unclosed_parenthesis(self.innermost()),
                    Ending::Reported => self.skip_item(),
                }
                self.semicolons();
            }
        }
    }

    /// Takes the `}` of a body whose `{` is at `open`, if it is there. Where the file ends or another
    /// statement starts, the brace is missing: that is reported and taken for the brace.
    fn closes_body(&mut self, open: Span) -> bool {
        while self.eat(&TokenKind::Semicolon) {}
        if self.eat(&TokenKind::RBrace) {
            return true;
        }
        if !matches!(self.peek().kind, TokenKind::End) && !self.starts_statement() {
            return false;
        }
        let found = self.peek().kind.describe();
        let at = self.last_span().after();
        self.report.error_with(at, format!("expected `}}`, found {found}"), open, "opened here", None);
        self.recovering = true;
        true
    }

    /// True when the tokens here can only be the start of a statement at the top of a file.
    pub(super) fn starts_statement(&mut self) -> bool {
        let is_name = |token: &Token| matches!(token.kind, TokenKind::Word(_) | TokenKind::Text(_));
        let word_is = |token: &Token, words: &[&str]| words.iter().any(|word| token.is(word));
        if word_is(self.peek(), &["options", "python"]) {
            return self.sees_at(1, &TokenKind::LBrace);
        }
        if word_is(self.peek(), &["template"]) {
            return is_name(self.peek_at(1));
        }
        word_is(self.peek(), &["source", "destination", "filter", "parser", "rewrite", "block"])
            && is_name(self.peek_at(1))
            && (self.sees_at(2, &TokenKind::LBrace) || is_name(self.peek_at(2)))
    }
}
