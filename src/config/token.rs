//! The words that a configuration consists of.
//!
//! Keywords are not told apart from other words here: `file` may be a driver, an option or somebody's name
//! for a source. The parser knows which words it expects; [`Token::is`] compares them with `-` and `_` alike.
//! A quoted text is never a keyword.
use std::ops::Range;

use super::number::Number;
use super::span::Span;

/// One token and its place.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

impl Token {
    /// True when this is the bare word `keyword` (written with `-`).
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(&self.kind, TokenKind::Word(word) if same_word(word, keyword))
    }
}

impl Token {
    /// True when this is `operator`.
    pub(super) fn is_operator(&self, operator: &str) -> bool {
        matches!(self.kind, TokenKind::Operator(own) if own == operator)
    }
}

/// True when two words are equal, with `-` and `_` the same letter.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    a.len() == b.len() && a.bytes().map(plain).eq(b.bytes().map(plain))
}

/// The kind of a token.
#[derive(Debug, Clone)]
pub(crate) enum TokenKind {
    /// A bare word.
    Word(String),
    /// A quoted text.
    Text(Text),
    /// A number, and how it was written.
    Number(Number, String),
    /// The raw content of a `python { }` or `block { }`.
    Code,
    LBrace,
    RBrace,
    LParen,
    RParen,
    LBracket,
    RBracket,
    Semicolon,
    Colon,
    /// `=>`
    Arrow,
    /// `..`, `...` or a comparison: nothing that this version uses.
    Operator(&'static str),
    /// The end of the last file.
    End,
}

/// Characters of a word that an error shows.
const MAX_SHOWN: usize = 80;

impl TokenKind {
    /// Its name in "expected …, found …".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => match word.char_indices().nth(MAX_SHOWN) {
                None => format!("`{word}`"),
                Some((end, _)) => format!("`{}…`", &word[..end]),
            },
            Self::Text(text) => match text.value.lines().next() {
                Some(line) if line.len() == text.value.len() && line.len() <= 40 => format!("\"{line}\""),
                _ => "a quoted text".to_owned(),
            },
            Self::Number(_, written) => format!("`{written}`"),
            Self::Code => "code".to_owned(),
            Self::LBrace => "`{`".to_owned(),
            Self::RBrace => "`}`".to_owned(),
            Self::LParen => "`(`".to_owned(),
            Self::RParen => "`)`".to_owned(),
            Self::LBracket => "`[`".to_owned(),
            Self::RBracket => "`]`".to_owned(),
            Self::Semicolon => "`;`".to_owned(),
            Self::Colon => "`:`".to_owned(),
            Self::Arrow => "`=>`".to_owned(),
            Self::Operator(operator) => format!("`{operator}`"),
            Self::End => "the end of the file".to_owned(),
        }
    }
}

/// The value of a quoted text, and which part of it was written where.
///
/// Escapes and backtick expressions make the value's offsets differ from the file's. A template is compiled
/// from the value, and an error in it must be shown in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text without its quotes and escapes. What is not UTF-8 in it is written as `\xHH`.
    pub(crate) value: String,
    /// The bytes of a text that is not UTF-8. Only templates may be that.
    pub(super) not_utf8: Option<Vec<u8>>,
    /// The whole literal, quotes included.
    pub(crate) span: Span,
    pub(super) runs: Vec<Run>,
}

/// A piece of a text's value: from offset `at` up to the next run's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) at: usize,
    /// Its place in the file.
    pub(super) source: Range<usize>,
    /// Byte for byte as written; otherwise the source as a whole made the piece.
    pub(super) verbatim: bool,
}

impl Text {
    /// A text that stands in the file as it is, such as a bare word.
    pub(crate) fn verbatim(value: String, span: Span) -> Self {
        let source = span.start as usize..span.end as usize;
        let verbatim = source.len() == value.len();
        Self { value, not_utf8: None, span, runs: vec![Run { at: 0, source, verbatim }] }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.not_utf8.as_deref().unwrap_or(self.value.as_bytes())
    }

    /// The place in a file of the bytes `range` of [`Text::bytes`].
    pub(crate) fn locate(&self, range: Range<usize>) -> Span {
        let run_of = |at: usize| {
            let after = self.runs.partition_point(|run| run.at <= at);
            self.runs.get(after.saturating_sub(1))
        };
        let start = match run_of(range.start) {
            Some(run) if run.verbatim => (run.source.start + (range.start - run.at)).min(run.source.end),
            Some(run) => run.source.start,
            None => self.span.end.saturating_sub(1) as usize,
        };
        let end = match run_of(range.end.saturating_sub(1)) {
            _ if range.is_empty() => start,
            Some(run) if run.verbatim => (run.source.start + (range.end - run.at)).min(run.source.end),
            Some(run) => run.source.end,
            None => start,
        };
        Span { start: start as u32, end: end.max(start) as u32, ..self.span }
    }
}
