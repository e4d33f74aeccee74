//! From text to tokens.
//!
//! ```text
//! files ── one line at a time ──► backticks replaced ──► tokens ──► parser
//!            ▲                                             │
//!            └────────── @include pushes a file ◄──────────┘
//! ```
//!
//! Tokens are read when the parser asks for them, and lines when the lexer needs them, because what a
//! backtick stands for depends on the `@define`s before it, and whether a line starts within a quoted text
//! (where values are quoted differently) is known only when the lexer gets there. Each [`Input`] keeps a list
//! of segments that lead from the replaced text back to the file.
//!
//! The content of `python { }`, `block … { }` and `application … { }` is not replaced and not cut into tokens:
//! it is one [`TokenKind::Code`].
use std::collections::HashMap;
use std::sync::Arc;

use super::block::{Arguments, Block, Blocks};
use super::bounds::{Budget, Excess, MAX_TOKENS};
use super::environment::Environment;
use super::input::Input;
use super::preamble::{Pragmas, Version};
use super::python_code;
use super::quoted;
use super::raw::EndOf;
use super::report::Report;
use super::scl::OwnLibrary;
use super::span::{FileId, Span};
use super::token::{Token, TokenKind};
use super::word::{word, word_length};

/// The texts that tokens are still to be read from, and all that their meaning depends on.
pub(super) struct Lexer {
    pub(super) environment: Environment,
    /// The open files, the innermost last.
    pub(super) inputs: Vec<Input>,
    /// The names for backticks, written with `-`.
    pub(super) defines: HashMap<String, String>,
    /// The blocks so far.
    pub(super) blocks: Blocks,
    pub(super) own: OwnLibrary,
    pub(super) pragmas: Pragmas,
    /// The quote of the text that is being read.
    pub(super) quote: Option<u8>,
    pub(super) budget: Budget,
    /// The number of `python { }` blocks so far.
    pub(super) python_blocks: usize,
    /// The number of tokens so far.
    tokens: usize,
    /// The end of the main file.
    end: Span,
    pub(super) before: Before,
    /// The next brace has raw text in it: the current statement is a `block`, or the parser says so.
    in_raw: bool,
    /// The brace that opens a block of raw text, which is read next, and what finds its end.
    raw: Option<(Span, EndOf)>,
}

/// The token before the next one, as far as that one's meaning depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// None, or one that ends an item or a statement.
    End,
    /// The brace that opens a body.
    Opening,
    /// `source`, `destination` or `log`, which a name may follow.
    Statement,
    /// `python`, not as somebody's name.
    Python,
    /// Another one.
    Other,
}

impl Lexer {
    /// Reads the file `main`, which is in `report`'s map already, and all that it includes.
    pub(super) fn new(report: &Report, main: FileId, environment: Environment) -> Self {
        let file = report.map.file(main);
        let end = file.text.len() as u32;
        let mut budget = Budget::default();
        // The main file alone is no larger than the bound, or it would not have been read.
        let _ = budget.take_file(file.text.len());
        Self {
            defines: environment.globals(),
            blocks: Blocks::new(environment.generators.as_ref()),
            own: OwnLibrary::default(),
            environment,
            inputs: vec![Input::new(main, Arc::clone(file))],
            pragmas: Pragmas::default(),
            quote: None,
            budget,
            python_blocks: 0,
            tokens: 0,
            end: Span { file: main, start: end, end },
            before: Before::End,
            in_raw: false,
            raw: None,
        }
    }

    /// Has the text after the next brace taken as it is written.
    pub(super) fn begin_raw(&mut self) {
        self.in_raw = true;
    }

    /// The arguments of the block whose text is read now.
    pub(super) fn arguments(&self) -> Option<&Arc<Arguments>> {
        self.inputs.last().and_then(Input::arguments)
    }

    /// The blocks whose text is being read, the innermost last.
    pub(super) fn open_blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.inputs.iter().filter_map(Input::block)
    }

    /// `@define allow-config-dups 1`, or an old file: of two things with one name, the later one counts.
    pub(super) fn allows_duplicates(&self) -> bool {
        self.is_older_than(Version::NAMES_ARE_UNIQUE)
            || self.defines.get("allow-config-dups").is_some_and(|value| value != "0")
    }

    /// Tells whether the configuration is written for a version before `version`.
    pub(super) fn is_older_than(&self, version: Version) -> bool {
        self.pragmas.version.is_some_and(|own| own.value < version)
    }

    /// Tells whether a `)` without its `(` comes before the next `;` or brace of the text ahead, as it is
    /// written.
    pub(super) fn closes_ahead(&self) -> bool {
        let Some(input) = self.inputs.last() else { return false };
        let mut depth = 0_usize;
        for text in [&input.text[input.at..], input.unread()] {
            let (bytes, mut at) = (text.as_bytes(), 0);
            while at < bytes.len() {
                match bytes[at] {
                    b'(' => depth += 1,
                    b')' if depth == 0 => return true,
                    b')' => depth -= 1,
                    b';' | b'{' | b'}' => return false,
                    b'#' => at += memchr::memchr2(b'\n', b'\r', &bytes[at..]).unwrap_or(bytes.len()),
                    quote @ (b'"' | b'\'') => at += quoted::length(&bytes[at..], quote),
                    _ => {}
                }
                at += 1;
            }
        }
        false
    }
}

/// A lexer at work: what is reported is about the text.
pub(super) struct Lexing<'a> {
    pub(super) lexer: &'a mut Lexer,
    pub(super) report: &'a mut Report,
}

impl<'a> Lexing<'a> {
    pub(super) fn new(lexer: &'a mut Lexer, report: &'a mut Report) -> Self {
        report.in_text = true;
        Self { lexer, report }
    }
}

impl Drop for Lexing<'_> {
    fn drop(&mut self) {
        self.report.in_text = false;
    }
}

impl Lexing<'_> {
    /// The next token: [`TokenKind::End`] at the end of the main file, and ever after.
    pub(super) fn next(&mut self) -> Token {
        if let Some((open, end_of)) = self.lexer.raw.take()
            && let Some(code) = self.code(open, end_of)
        {
            return self.noted(code);
        }
        while let Some(input) = self.lexer.inputs.last() {
            let file = input.file;
            if self.lexer.tokens >= MAX_TOKENS && !self.lexer.pragmas.unreadable {
                let at = input.span(input.at..input.at);
                self.too_much(Span { file, ..at }, Excess::tokens());
            }
            match self.token() {
                Some(token) => return self.noted(token),
                None => drop(self.lexer.inputs.pop()),
            }
        }
        Token { kind: TokenKind::End, span: self.lexer.end }
    }

    /// Notes what `token` means for those after it.
    fn noted(&mut self, token: Token) -> Token {
        let before = self.lexer.before;
        self.lexer.tokens += 1;
        self.lexer.before = match &token.kind {
            TokenKind::Semicolon | TokenKind::RBrace => Before::End,
            TokenKind::LBrace => Before::Opening,
            _ if ["source", "destination", "log"].iter().any(|statement| token.is(statement)) => {
                Before::Statement
            }
            _ if before != Before::Statement && token.is("python") => Before::Python,
            _ => Before::Other,
        };
        if before == Before::End && token.is("block") {
            self.lexer.in_raw = true;
        } else if self.lexer.before == Before::End {
            self.lexer.in_raw = false;
        } else if let TokenKind::LBrace = token.kind {
            if before == Before::Python {
                self.lexer.python_blocks += 1;
                self.lexer.raw = Some((token.span, python_code::end_of_code));
            } else if std::mem::take(&mut self.lexer.in_raw) {
                self.lexer.raw = Some((token.span, python_code::end_of_raw));
            }
        }
        token
    }

    /// Reports that the text goes over a bound at `at`, and reads no further.
    pub(super) fn too_much(&mut self, at: Span, excess: Excess) {
        self.report.error(at, excess.message, Some(excess.help));
        self.lexer.pragmas.unreadable = true;
        for input in &mut self.lexer.inputs {
            input.leave();
        }
    }

    /// The byte at the cursor; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let input = self.lexer.inputs.last()?;
            if let Some(&byte) = input.text.as_bytes().get(input.at) {
                return Some(byte);
            }
            if !self.refill() {
                return None;
            }
        }
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        if let Some(input) = self.lexer.inputs.last_mut() {
            input.at += bytes;
        }
    }

    /// Goes back to `at`, which the cursor was at in the same file.
    pub(super) fn go_back(&mut self, at: usize) {
        if let Some(input) = self.lexer.inputs.last_mut() {
            input.at = at;
        }
    }

    /// The text from the cursor to the end of what was read so far: at least to the end of the line.
    pub(super) fn ahead(&self) -> &str {
        self.lexer.inputs.last().map_or("", |input| &input.text[input.at..])
    }

    pub(super) fn cursor(&self) -> usize {
        self.lexer.inputs.last().map_or(0, |input| input.at)
    }

    /// The place of the text from `start` to the cursor.
    pub(super) fn span_from(&self, start: usize) -> Span {
        let nowhere = Span { file: FileId(0), start: 0, end: 0 };
        self.lexer.inputs.last().map_or(nowhere, |input| input.span(start..input.at))
    }

    /// The next token of the innermost file; `None` at its end. The `@` lines on the way are obeyed.
    fn token(&mut self) -> Option<Token> {
        loop {
            let byte = self.peek()?;
            let start = self.cursor();
            let line_start = self.lexer.inputs.last().is_some_and(Input::is_line_start);
            match byte {
                b'@' if line_start => {
                    let tokens = self.pragma_tokens();
                    self.pragma(tokens);
                }
                b'\n' => self.advance(1),
                _ if self.skip_blank(byte) => {}
                b'i' if self.old_include() => {}
                _ => {
                    if let Some(kind) = self.plain_token(byte) {
                        return Some(Token { kind, span: self.span_from(start) });
                    }
                }
            }
        }
    }

    /// Skips what separates tokens within a line, if it is at the cursor.
    pub(super) fn skip_blank(&mut self, byte: u8) -> bool {
        let ahead = self.ahead();
        let bytes = match byte {
            b' ' | b'\t' | b'\r' | b',' => 1,
            b'#' => memchr::memchr2(b'\n', b'\r', ahead.as_bytes()).unwrap_or(ahead.len()),
            b'\\' if ahead.starts_with("\\\r\n") => 3,
            b'\\' if ahead.starts_with("\\\n") || ahead.starts_with("\\\r") => 2,
            _ => return false,
        };
        self.advance(bytes);
        true
    }

    /// The token at the cursor, which is neither a separator nor an `@` line. `None` if no token starts like
    /// this: it is then skipped, with a warning.
    pub(super) fn plain_token(&mut self, byte: u8) -> Option<TokenKind> {
        let (kind, length) = match byte {
            b'{' => (TokenKind::LBrace, 1),
            b'}' => (TokenKind::RBrace, 1),
            b'(' => (TokenKind::LParen, 1),
            b')' => (TokenKind::RParen, 1),
            b'[' => (TokenKind::LBracket, 1),
            b']' => (TokenKind::RBracket, 1),
            b';' => (TokenKind::Semicolon, 1),
            b':' => (TokenKind::Colon, 1),
            b'"' | b'\'' => return Some(TokenKind::Text(self.text(byte))),
            b'.' if self.ahead().starts_with("...") => (TokenKind::Operator("..."), 3),
            b'.' if self.ahead().starts_with("..") => (TokenKind::Operator(".."), 2),
            b'.' | b'\\' | b'|' | b'@' => {
                let start = self.cursor();
                self.advance(1);
                let span = self.span_from(start);
                let message = format!("`{}` has no meaning here and is skipped", byte as char);
                let help = (byte == b'@').then(|| "an `@` line starts in the first column".to_owned());
                self.report.warn(span, message, help);
                return None;
            }
            _ => {
                let length = word_length(self.ahead().as_bytes());
                (word(&self.ahead()[..length]), length)
            }
        };
        self.advance(length);
        Some(kind)
    }
}

/// The tokens of `text` without the end, and what is said about it.
#[cfg(test)]
pub(super) fn tokens_of(text: &str) -> (Vec<Token>, Report) {
    let mut report = Report::default();
    let main = report.map.add("test.conf".into(), text.to_owned(), None);
    let mut lexer = Lexer::new(&report, main, Environment::new(&crate::drivers::VOCABULARY));
    let next = || Some(Lexing::new(&mut lexer, &mut report).next());
    let tokens = std::iter::from_fn(next).take_while(|token| !matches!(token.kind, TokenKind::End)).collect();
    (tokens, report)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the tokens of `text`, without the end.
    fn described(text: &str) -> Vec<String> {
        let (tokens, report) = tokens_of(text);
        let (_, found) = report.into_parts(true);
        assert!(found.is_empty(), "{text}: {}", found[0]);
        tokens.iter().map(|token| token.kind.describe()).collect()
    }

    /// Breaks without it: an address, a path or a pattern without quotes falls apart into several words.
    #[test]
    fn words_end_where_they_should() {
        assert_eq!(
            described("/dev/stdout 10.0.0.1 *.log a/b-c_d"),
            ["`/dev/stdout`", "`10.0.0.1`", "`*.log`", "`a/b-c_d`"]
        );
        assert_eq!(described("a..b ..."), ["`a`", "`..`", "`b`", "`...`"]);
        assert_eq!(described("k=>v k => v"), ["`k=>v`", "`k`", "`=>`", "`v`"]);
        assert_eq!(described("a,b,,c # , comment\nd"), ["`a`", "`b`", "`c`", "`d`"]);
        assert_eq!(described("a \\\n b\\\r\nc"), ["`a`", "`b`", "`c`"]);
        assert_eq!(described("\u{feff}a"), ["`a`"]);
        assert_eq!(described("a # b\rc \\\r d\re"), ["`a`", "`c`", "`d`", "`e`"]);
    }

    /// Breaks without it: a backtick or a brace in Python code is taken for the configuration's.
    #[test]
    fn code_is_left_alone() {
        let (tokens, report) =
            tokens_of("python { a = '`x`' }; block source b() { `c` '}' };\nsource python { d };");
        let code = |token: &&Token| matches!(token.kind, TokenKind::Code);
        let code: Vec<_> = tokens.iter().filter(code).map(|token| report.map.text(token.span)).collect();
        assert_eq!(code, [" a = '`x`' ", " `c` '}' "]);
    }
}
