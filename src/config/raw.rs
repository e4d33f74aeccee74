//! Raw text: what the language takes as it is written.
//!
//! ```text
//! python { … }            code, up to the brace that is not part of it
//! block … { … }           the text of a block, up to its brace by the shell-like rules
//! name( … )               an argument or a default, up to the parenthesis that closes it; quoted texts and
//!                         comments are skipped in the search
//! ```
use super::bounds::Excess;
use super::diagnostic::Level;
use super::lexer::Lexing;
use super::parser::{Parsed, Parser};
use super::python_code;
use super::report::Reported;
use super::span::Span;
use super::token::{Token, TokenKind};
use super::word::word_length;

/// Finds the closing brace of a block of raw text that starts at an offset.
pub(super) type EndOf = fn(&str, usize) -> Option<usize>;

/// `name(text)`
#[derive(Debug)]
pub(super) struct Argument {
    /// The name, written with `-`.
    pub(super) name: String,
    /// The place of the name.
    pub(super) span: Span,
    /// The text between the parentheses.
    pub(super) text: String,
}

impl Lexing<'_> {
    /// Takes the raw text after an opening brace, which is at `open`, as one token.
    pub(super) fn code(&mut self, open: Span, end_of: EndOf) -> Option<Token> {
        let input = self.lexer.inputs.last_mut()?;
        input.forget_ahead();
        let start = open.end as usize;
        let text = input.whole();
        let found = end_of(text, start);
        let end = found.unwrap_or_else(|| python_code::likely_end(text, start));
        input.skip_to(end);
        let span = Span { start: start as u32, end: end as u32, ..open };
        if found.is_none() {
            self.unclosed(open);
        }
        Some(Token { kind: TokenKind::Code, span })
    }

    /// Reports that the block of raw text whose brace is at `open` has no end.
    fn unclosed(&mut self, open: Span) {
        self.lexer.pragmas.incomplete = true;
        // Each such block makes the scanner go over the rest of the file.
        if self.report.is_full(Level::Error) {
            return self.too_much(open, Excess::unclosed());
        }
        let text = &self.report.map.file(open.file).text;
        let Some(at) = python_code::trouble(text, open.end as usize) else {
            self.report.error(open, "the brace of this block is never closed", None);
            return;
        };
        let place = Span { start: at as u32, end: at as u32 + 1, ..open };
        let message = match &text[at..=at] {
            opener @ ("(" | "[" | "{") => format!("`{opener}` was never closed"),
            "\"" | "'" => "the end of this text is missing".to_owned(),
            other => format!("`{other}` closes nothing"),
        };
        self.report.error_with(place, message, open, "so this block has no end", None);
    }

    /// The arguments here, `name(text)` each, up to something else.
    fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        let mut arguments = Vec::new();
        loop {
            self.skip_blanks();
            let start = self.cursor();
            let length = word_length(self.ahead().as_bytes());
            let name = self.ahead()[..length].replace('_', "-");
            self.advance(length);
            let span = self.span_from(start);
            self.skip_blanks();
            if length == 0 || self.peek() != Some(b'(') {
                self.go_back(start);
                return Ok(arguments);
            }
            arguments.push(Argument { name, span, text: self.raw_argument()? });
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'\n' {
                self.advance(1);
            } else if !self.skip_blank(byte) {
                return;
            }
        }
    }

    /// The text of the parentheses whose `(` is at the cursor, which goes behind them.
    fn raw_argument(&mut self) -> Parsed<String> {
        let open = self.cursor();
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            let length = match byte {
                // A comment ends before the end of its line, or of the file.
                b'#' => memchr::memchr2(b'\n', b'\r', self.ahead().as_bytes()).unwrap_or(self.ahead().len()),
                b'"' | b'\'' => {
                    self.skip_text(byte);
                    0
                }
                _ => 1,
            };
            self.advance(length);
            match byte {
                b'(' => depth += 1,
                b')' if depth == 1 => {
                    let input = self.lexer.inputs.last().ok_or(Reported)?;
                    return Ok(input.text[open + 1..input.at - 1].to_owned());
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        let end = self.cursor();
        self.go_back(open + 1);
        let place = self.span_from(open);
        self.go_back(end);
        self.lexer.pragmas.unreadable = true;
        Err(self.report.error(place, "the text that starts here has no closing parenthesis", None))
    }

    /// Skips the quoted text at the cursor.
    fn skip_text(&mut self, quote: u8) {
        self.lexer.quote = Some(quote);
        self.advance(1);
        while let Some(byte) = self.peek() {
            let escapes = byte == b'\\' && quote == b'"';
            self.advance(1);
            if byte == quote {
                break;
            }
            if escapes && self.peek().is_some() {
                self.advance(1);
            }
        }
        self.lexer.quote = None;
    }
}

impl Parser {
    /// The arguments after a `(` that was just taken, up to something else.
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        debug_assert!(!self.has_looked_ahead(), "what was looked at is no raw text any more");
        self.lexing().arguments()
    }
}
