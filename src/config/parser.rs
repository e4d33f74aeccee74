//! The parser's hands: looking at tokens, taking them, and going on after an error.
//!
//! The things that it reads are in modules of their own (`statement`, `source`, `destination`,
//! `log_path`, `options`). All of them follow one rule: a function that returns [`Reported`] has reported the
//! error and stands somewhere within what it was reading; the caller that knows where that ends skips to the
//! end and goes on.
//!
//! | within | the end is |
//! |---|---|
//! | `name( … )` | the matching `)`, but never beyond a `;` or the `}` around it: then a `)` is missing |
//! | an item of `{ … }` | the next `;` at this level, or the `}` around it |
//! | the file | the next `;` outside of all braces, or a line that starts a statement |
//!
//! No place in what is read is a number of a token: an opened parenthesis is an [`Opening`], all others are
//! [`Span`]s.
use std::collections::{HashMap, VecDeque};
use std::mem::discriminant;

use indexmap::IndexMap;

use super::application::Application;
use super::diagnostic::Level;
use super::driver::Vocabulary;
use super::environment::Environment;
use super::filter::{Condition, FilterStatement};
use super::hooks::HookCommands;
use super::lexer::{Lexer, Lexing};
use super::report::{Report, Reported};
use super::span::{FileId, Span, Spanned};
use super::template_options::TemplateReference;
use super::template_surroundings::Links;
use super::template_text::TemplateStatement;
use super::token::{Text, Token, TokenKind};

/// A value, or an error that was reported.
pub(crate) type Parsed<T> = Result<T, Reported>;

/// A parenthesis that was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    span: Span,
    /// The number of parentheses that are open behind it, with itself.
    depth: usize,
}

/// The place in a text to which a parser goes back after another one.
pub(super) struct OuterText {
    pub(super) lexer: Lexer,
    ahead: VecDeque<Token>,
    parentheses: Vec<Span>,
    last: Span,
    option: Span,
    recovering: bool,
}

/// Reads tokens into the syntax tree.
pub(crate) struct Parser {
    pub(super) vocabulary: &'static Vocabulary,
    pub(super) lexer: Lexer,
    /// The tokens that were looked at and not taken: few, as what a text means may depend on those before it.
    ahead: VecDeque<Token>,
    pub(crate) report: Report,
    /// The applications so far.
    pub(super) applications: Vec<Application>,
    /// The number of `application` statements so far, with those that are gone.
    pub(super) application_number: usize,
    /// The `template` statements so far.
    pub(super) templates: IndexMap<String, TemplateStatement>,
    /// The texts that may be names of templates: known only when all statements are read.
    pub(super) template_references: VecDeque<TemplateReference>,
    /// The things that templates refer to.
    pub(super) links: Links,
    /// A word was not known where a block could be meant.
    pub(super) has_unknown_word: bool,
    /// The place of the token before the current one.
    last: Span,
    /// The name of the option whose value is being read.
    pub(super) option: Span,
    /// The `condition()` of the rewrite function whose options are being read.
    pub(super) condition: Option<FilterStatement>,
    /// The conditions that are options of parsers.
    pub(super) conditions: Vec<Condition>,
    /// The `hook-commands()` of the driver whose options are being read.
    pub(super) hooks: HookCommands,
    /// The places of the parentheses that are open.
    parentheses: Vec<Span>,
    /// The names of log paths so far.
    pub(super) path_names: IndexMap<String, Span>,
    /// The number of anonymous statements of each kind so far.
    anonymous: HashMap<&'static str, usize>,
    /// A closing bracket was reported as missing and taken for read: that there is no semicolon after it goes
    /// without saying.
    pub(super) recovering: bool,
}

impl Parser {
    /// A parser of the file `main`, which is in `report`'s map already.
    pub(super) fn new(report: Report, main: FileId, environment: Environment) -> Self {
        let start = Span { file: main, start: 0, end: 0 };
        Self {
            vocabulary: environment.vocabulary,
            lexer: Lexer::new(&report, main, environment),
            ahead: VecDeque::new(),
            report,
            applications: Vec::new(),
            application_number: 0,
            templates: IndexMap::new(),
            template_references: VecDeque::new(),
            links: Links::default(),
            has_unknown_word: false,
            last: start,
            option: start,
            condition: None,
            conditions: Vec::new(),
            hooks: HookCommands::default(),
            parentheses: Vec::new(),
            path_names: IndexMap::new(),
            anonymous: HashMap::new(),
            recovering: false,
        }
    }

    /// A name for a statement that has none.
    pub(super) fn anonymous(&mut self, kind: &'static str) -> String {
        let count = self.anonymous.entry(kind).or_default();
        *count += 1;
        format!("#anon-{kind}{}", *count - 1)
    }

    /// Goes to the start of another text; what is returned leads back.
    pub(super) fn begin_text(&mut self, lexer: Lexer) -> OuterText {
        OuterText {
            lexer: std::mem::replace(&mut self.lexer, lexer),
            ahead: std::mem::take(&mut self.ahead),
            parentheses: std::mem::take(&mut self.parentheses),
            last: self.last,
            option: self.option,
            recovering: std::mem::take(&mut self.recovering),
        }
    }

    /// Goes back to where [`begin_text`](Self::begin_text) was.
    pub(super) fn end_text(&mut self, outer: OuterText) {
        self.lexer = outer.lexer;
        self.ahead = outer.ahead;
        self.parentheses = outer.parentheses;
        (self.last, self.option, self.recovering) = (outer.last, outer.option, outer.recovering);
    }

    // Looking.

    /// The lexer at work.
    pub(super) fn lexing(&mut self) -> Lexing<'_> {
        Lexing::new(&mut self.lexer, &mut self.report)
    }

    /// Tells whether tokens were looked at and not taken.
    pub(super) fn has_looked_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The token `ahead` places after the current one; beyond the end, the end.
    pub(super) fn peek_at(&mut self, ahead: usize) -> &Token {
        while self.ahead.len() <= ahead {
            let token = self.lexing().next();
            self.ahead.push_back(token);
        }
        &self.ahead[ahead]
    }

    pub(crate) fn peek(&mut self) -> &Token {
        self.peek_at(0)
    }

    /// True when the token `ahead` places after the current one is of the same kind as `kind`.
    pub(crate) fn sees_at(&mut self, ahead: usize, kind: &TokenKind) -> bool {
        discriminant(&self.peek_at(ahead).kind) == discriminant(kind)
    }

    pub(crate) fn sees(&mut self, kind: &TokenKind) -> bool {
        self.sees_at(0, kind)
    }

    /// The place of the token before the current one.
    pub(crate) fn last_span(&self) -> Span {
        self.last
    }

    // Taking.

    pub(crate) fn next(&mut self) -> Token {
        let token = self.advance();
        match token.kind {
            TokenKind::LParen => self.parentheses.push(token.span),
            TokenKind::RParen => drop(self.parentheses.pop()),
            _ => {}
        }
        token
    }

    /// Takes the current token, and counts no parentheses.
    fn advance(&mut self) -> Token {
        let token = self.ahead.pop_front().unwrap_or_else(|| self.lexing().next());
        if !matches!(token.kind, TokenKind::End) {
            self.last = token.span;
        }
        token
    }

    /// Takes the current token if it is of this kind.
    pub(crate) fn eat(&mut self, kind: &TokenKind) -> bool {
        let found = self.sees(kind);
        if found {
            self.next();
        }
        found
    }

    /// Takes a token of this kind, or reports what is there instead.
    pub(crate) fn expect(&mut self, kind: &TokenKind) -> Parsed<Span> {
        if self.sees(kind) { Ok(self.next().span) } else { Err(self.unexpected(&kind.describe())) }
    }

    /// Takes a `(`, or reports what is there instead.
    pub(super) fn open_parenthesis(&mut self) -> Parsed<Opening> {
        let span = self.expect(&TokenKind::LParen)?;
        Ok(Opening { span, depth: self.parentheses.len() })
    }

    /// The innermost parenthesis that is open.
    pub(super) fn innermost(&self) -> Opening {
        let span = self.parentheses.last().copied().unwrap_or(self.last);
        Opening { span, depth: self.parentheses.len() }
    }

    /// Reports that the current token is not what was expected.
    pub(crate) fn unexpected(&mut self, expected: &str) -> Reported {
        let token = self.peek();
        let (span, found) = (token.span, token.kind.describe());
        self.report.error(span, format!("expected {expected}, found {found}"), None)
    }

    /// A bare word or a quoted text.
    pub(crate) fn text(&mut self, expected: &str) -> Parsed<Text> {
        match &self.peek().kind {
            TokenKind::Word(_) | TokenKind::Text(_) => {}
            TokenKind::Number(_, written) => {
                let written = written.clone();
                let span = self.peek().span;
                let help = Some(format!("put it in quotes: \"{written}\""));
                return Err(self.report.error(span, format!("expected {expected}, found a number"), help));
            }
            _ => return Err(self.unexpected(expected)),
        }
        self.text_or_number(expected)
    }

    /// A bare word, a quoted text or a number, which is taken as it was written. The text need not be UTF-8.
    pub(crate) fn text_or_number(&mut self, expected: &str) -> Parsed<Text> {
        let text = match &self.peek().kind {
            TokenKind::Text(text) => text.clone(),
            TokenKind::Word(word) | TokenKind::Number(_, word) => {
                Text::verbatim(word.clone(), self.peek().span)
            }
            _ => return Err(self.unexpected(expected)),
        };
        self.next();
        Ok(text)
    }

    /// A bare word or a quoted text, without the map of its offsets.
    pub(crate) fn string(&mut self, expected: &str) -> Parsed<Spanned<String>> {
        let text = self.text(expected)?;
        self.utf8(text).map(|text| Spanned::new(text.value, text.span))
    }

    /// `text` for an option whose value has to be UTF-8.
    pub(crate) fn utf8(&mut self, text: Text) -> Parsed<Text> {
        if text.not_utf8.is_none() {
            return Ok(text);
        }
        let message = "the escapes in this text make bytes that are not UTF-8";
        let help = "templates and the names of files may have any bytes, other texts may not".to_owned();
        Err(self.report.error(text.span, message, Some(help)))
    }

    /// The line that proposes the nearest of `known` for a wrong `word`.
    pub(crate) fn suggestion<'a>(
        &self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        self.report.suggestion(Level::Error, word, known)
    }

    // Going on.

    /// Takes the semicolons that end an item; reports it when there is none.
    pub(super) fn semicolons(&mut self) {
        let recovering = std::mem::take(&mut self.recovering);
        if !self.sees(&TokenKind::Semicolon) && !recovering {
            let found = self.peek().kind.describe();
            let span = self.last_span().after();
            self.report.error(span, format!("expected `;`, found {found}"), None);
        }
        while self.eat(&TokenKind::Semicolon) {}
    }

    /// Skips to the end of the item that could not be read: after its `;`, or to the `}` around it.
    pub(super) fn skip_item(&mut self) {
        let mut depth = 0_usize;
        self.recovering = false;
        loop {
            match self.peek().kind {
                TokenKind::End => return,
                TokenKind::Semicolon if depth == 0 => {
                    while self.eat(&TokenKind::Semicolon) {}
                    return;
                }
                TokenKind::LBrace => depth += 1,
                TokenKind::RBrace if depth == 0 => return,
                TokenKind::RBrace => depth -= 1,
                _ => {}
            }
            self.next();
        }
    }

    /// Skips to behind the `}` of the body that could not be read.
    pub(super) fn skip_body(&mut self) {
        while !self.eat(&TokenKind::RBrace) && !self.sees(&TokenKind::End) && !self.starts_statement() {
            self.skip_item();
        }
    }

    /// True when a `)` without its `(` comes between the `;` here and the next one: then the `;` is within
    /// parentheses, where it should not be, and ends nothing.
    fn closed_beyond(&self) -> bool {
        // Nobody looks further than at a semicolon.
        self.ahead.len() == 1 && self.lexer.closes_ahead()
    }

    /// Goes to the `)` that belongs to `open`. False if there is none before the `;` or `}` that ends the
    /// item around it; the parser then stands there, and `open` counts as closed.
    pub(super) fn find_closing(&mut self, open: Opening) -> bool {
        let mut braces = 0_usize;
        loop {
            let closes = braces == 0 && self.parentheses.len() <= open.depth;
            let is_inside = braces > 0 || (self.sees(&TokenKind::Semicolon) && self.closed_beyond());
            match self.peek().kind {
                TokenKind::RParen if closes => return true,
                TokenKind::Semicolon | TokenKind::RBrace if !is_inside => break,
                TokenKind::End => break,
                TokenKind::LBrace => braces += 1,
                TokenKind::RBrace => braces -= 1,
                _ => {}
            }
            // Parentheses within braces are no concern of those around them.
            if braces == 0 {
                self.next()
            } else {
                self.advance()
            };
        }
        self.give_up(open);
        false
    }

    /// Goes behind the `)` that belongs to `open`, as [`find_closing`](Self::find_closing).
    pub(crate) fn close_parenthesis(&mut self, open: Opening) -> bool {
        self.find_closing(open) && self.eat(&TokenKind::RParen)
    }

    /// Tells whether the `)` that belongs to `open` is the last token that was taken.
    pub(super) fn has_closed(&self, open: Opening) -> bool {
        self.parentheses.len() < open.depth && !self.recovering
    }

    /// Reports that the `)` for `open` is missing here.
    pub(super) fn unclosed_parenthesis(&mut self, open: Opening) {
        let found = self.peek().kind.describe();
        let at = self.last_span().after();
        self.report.error_with(at, format!("expected `)`, found {found}"), open.span, "opened here", None);
        self.give_up(open);
    }

    /// Goes on as if `open`, and what was opened in it, were closed here.
    fn give_up(&mut self, open: Opening) {
        self.parentheses.truncate(open.depth.saturating_sub(1));
        self.recovering = true;
    }
}
