//! The tokens of a JSON document: [`Lexer`].
//!
//! A token is taken where it stands: a string is the place between its quotes, a number the places of its
//! parts. Nothing is copied, and there is no stack: a bit for each open container says whether it is an
//! object.
//!
//! Accepted beside RFC 8259, as the readers of old accept it:
//!
//! | | |
//! |---|---|
//! | comments | `/* … */` and `// …` to the end of the line, where white space may stand |
//! | strings | in single quotes; with control characters in them |
//! | a comma | before a closing bracket |
//! | words | in any case; `NaN`, `Infinity`, `-Infinity` |
//! | numbers | zeros in front; no digits behind the point or the `e`; `-.5` |
//!
//! The text of a document ends at its first NUL.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use crate::eight::either;
use crate::parser::Refused;

/// The most containers in each other. In the innermost there may be nothing then: a scalar counts as one, too.
const DEPTH: u32 = 32;

pub(super) const CUT_OFF: Refused = Refused("cut off");
pub(super) const SYNTAX: Refused = Refused("no JSON");
pub(super) const TOO_DEEP: Refused = Refused("too deep");

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `{`; its keys and values follow.
    Object,
    ObjectEnd,
    /// `[`; its values follow.
    Array,
    ArrayEnd,
    /// The name of a member, whose value follows.
    Key(Quoted),
    String(Quoted),
    Number(Number),
    Word(Word, Range<usize>),
}

/// A string: the place between its quotes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quoted {
    pub(super) part: Range<usize>,
    /// Tells whether it has a backslash.
    pub(super) is_escaped: bool,
}

/// A number: its place. What is in it is looked for where somebody wants to know ([`Lexer::parts`]): tokens are
/// small, since each is handed on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) part: Range<usize>,
    /// Tells whether it has neither a point nor an exponent.
    pub(super) is_integer: bool,
}

/// The places of a number's parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parts {
    /// The digits before the point, which may be none.
    pub(super) whole: Range<usize>,
    /// The digits behind the point, where there is one.
    pub(super) fraction: Option<Range<usize>>,
    /// The sign and the digits behind the `e`, where there is one.
    pub(super) exponent: Option<Range<usize>>,
}

/// A value that is a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    True,
    False,
    Null,
    NotANumber,
    Infinity,
    MinusInfinity,
}

/// The thing that may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A value: of the document, or of a key.
    Value,
    /// A key or an element, or the end of its container.
    Item,
    /// A comma, or the end of the container.
    Comma,
}

/// A place in a document, from which its tokens are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    expected: Expected,
    /// The number of open containers.
    depth: u32,
    /// A bit for each of them, the lowest for the innermost one: it is an object.
    objects: u32,
}

impl<'t> Lexer<'t> {
    /// The start of the document that begins at `at` of `text`.
    pub(super) fn new(text: &'t [u8], at: usize) -> Self {
        let text = &text[..memchr(0, text).unwrap_or(text.len())];
        Self { text, at: at.min(text.len()), expected: Expected::Value, depth: 0, objects: 0 }
    }

    /// The place behind the last token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The number of containers that are open.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Tells whether the innermost one is an object.
    pub(super) fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// The bytes at `part`.
    pub(super) fn bytes(&self, part: Range<usize>) -> &'t [u8] {
        &self.text[part]
    }

    /// The next token of a document that has not ended.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Token, Refused> {
        let mut byte = self.blanks()?;
        let is_object = self.is_in_object();
        if self.expected == Expected::Comma && byte == b',' {
            self.at += 1;
            byte = self.blanks()?;
            self.expected = Expected::Item;
        }
        if self.expected == Expected::Value {
            return self.value(byte);
        }
        match byte {
            b'}' if is_object => Ok(self.close(Token::ObjectEnd)),
            b']' if !is_object => Ok(self.close(Token::ArrayEnd)),
            _ if self.expected == Expected::Comma => Err(SYNTAX),
            b'"' | b'\'' if is_object => self.key(byte),
            _ if is_object => Err(SYNTAX),
            _ => self.value(byte),
        }
    }

    /// Takes all up to the end of the innermost container.
    pub(super) fn skip(&mut self) -> Result<(), Refused> {
        let outer = self.depth.saturating_sub(1);
        while self.depth > outer {
            self.next()?;
        }
        Ok(())
    }

    /// Looks at what is behind the document. Anything may be there, but a comment has to be one.
    pub(super) fn finish(&mut self) -> Result<(), Refused> {
        self.skip_blanks()?;
        Ok(())
    }

    #[inline]
    fn key(&mut self, quote: u8) -> Result<Token, Refused> {
        let key = self.quoted(quote)?;
        if self.blanks()? != b':' {
            return Err(SYNTAX);
        }
        self.at += 1;
        self.expected = Expected::Value;
        Ok(Token::Key(key))
    }

    #[inline]
    fn value(&mut self, first: u8) -> Result<Token, Refused> {
        if self.depth == DEPTH {
            return Err(TOO_DEEP);
        }
        self.expected = Expected::Comma;
        match first {
            b'"' | b'\'' => self.quoted(first).map(Token::String),
            b'0'..=b'9' | b'-' => self.number(),
            b'{' => Ok(self.open(true, Token::Object)),
            b'[' => Ok(self.open(false, Token::Array)),
            _ => self.word(self.at),
        }
    }

    fn open(&mut self, is_object: bool, token: Token) -> Token {
        self.at += 1;
        self.expected = Expected::Item;
        self.depth += 1;
        self.objects = self.objects << 1 | u32::from(is_object);
        token
    }

    fn close(&mut self, token: Token) -> Token {
        self.at += 1;
        self.expected = Expected::Comma;
        self.depth -= 1;
        self.objects >>= 1;
        token
    }

    /// The string whose opening quote is at the place.
    #[inline]
    fn quoted(&mut self, quote: u8) -> Result<Quoted, Refused> {
        let start = self.at + 1;
        let at = self.special(start, quote)?;
        if self.text[at] == quote {
            self.at = at + 1;
            return Ok(Quoted { part: start..at, is_escaped: false });
        }
        self.escaped(start, at, quote)
    }

    /// The string from `start` on, whose first backslash is at `at`.
    fn escaped(&mut self, start: usize, mut at: usize, quote: u8) -> Result<Quoted, Refused> {
        while self.text[at] != quote {
            at = self.escape(at)?;
            at += memchr2(quote, b'\\', &self.text[at..]).ok_or(CUT_OFF)?;
        }
        self.at = at + 1;
        Ok(Quoted { part: start..at, is_escaped: true })
    }

    /// The place of the first `quote` or backslash from `at` on.
    #[inline]
    fn special(&self, at: usize, quote: u8) -> Result<usize, Refused> {
        either(self.text, at, quote, b'\\').ok_or(CUT_OFF)
    }

    /// The place behind the escape whose backslash is at `at`.
    fn escape(&self, at: usize) -> Result<usize, Refused> {
        match self.text.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let digits = self.text.get(at + 2..at + 6).ok_or(CUT_OFF)?;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(at + 6) } else { Err(SYNTAX) }
            }
            Some(_) => Err(SYNTAX),
            None => Err(CUT_OFF),
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Token, Refused> {
        let start = self.at;
        let byte = |at: usize| self.text.get(at).copied();
        let digits = |mut at: usize| {
            while byte(at).is_some_and(|byte| byte.is_ascii_digit()) {
                at += 1;
            }
            at
        };
        let is_negative = byte(start) == Some(b'-');
        if is_negative && matches!(byte(start + 1), Some(b'i' | b'I')) {
            return self.word(start + 1);
        }
        let from = start + usize::from(is_negative);
        let whole = digits(from);
        let mut end = whole;
        if byte(end) == Some(b'.') {
            end = digits(end + 1);
        }
        // A digit, before the point or behind it.
        if whole == from && end <= whole + 1 {
            return Err(SYNTAX);
        }
        if matches!(byte(end), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
            end = digits(end + 1 + signed);
        }
        self.at = end;
        Ok(Token::Number(Number { part: start..end, is_integer: end == whole }))
    }

    /// The parts of a number.
    pub(super) fn parts(&self, number: &Number) -> Parts {
        let Range { start, end } = number.part;
        let digits = |from: usize| {
            from..end.min(from + self.text[from..end].iter().take_while(|byte| byte.is_ascii_digit()).count())
        };
        let whole = digits(start + usize::from(self.text[start] == b'-'));
        let fraction = (self.text[..end].get(whole.end) == Some(&b'.')).then(|| digits(whole.end + 1));
        let behind = fraction.as_ref().map_or(whole.end, |fraction| fraction.end);
        let exponent = (behind < end).then(|| behind + 1..end);
        Parts { whole, fraction, exponent }
    }

    /// The word at `start`, which has a sign in front where that is not the place.
    fn word(&mut self, start: usize) -> Result<Token, Refused> {
        let is_negative = start > self.at;
        let rest = &self.text[start..];
        let words: &[(&[u8], Word)] = match rest.first().map(u8::to_ascii_lowercase) {
            Some(b't') => &[(b"true", Word::True)],
            Some(b'f') => &[(b"false", Word::False)],
            Some(b'n') => &[(b"null", Word::Null), (b"nan", Word::NotANumber)],
            Some(b'i') if is_negative => &[(b"infinity", Word::MinusInfinity)],
            Some(b'i') => &[(b"infinity", Word::Infinity)],
            _ => return Err(SYNTAX),
        };
        let is_start = |(text, _): &&(&[u8], Word)| {
            rest.get(..text.len()).is_some_and(|written| written.eq_ignore_ascii_case(text))
        };
        let Some((text, word)) = words.iter().find(is_start) else {
            let may_come =
                |text: &[u8]| rest.len() < text.len() && text[..rest.len()].eq_ignore_ascii_case(rest);
            return Err(if words.iter().any(|(text, _)| may_come(text)) { CUT_OFF } else { SYNTAX });
        };
        self.at = start + text.len();
        Ok(Token::Word(*word, start..self.at))
    }

    /// The next byte that is neither white space nor part of a comment; it is not taken.
    #[inline]
    fn blanks(&mut self) -> Result<u8, Refused> {
        match self.text.get(self.at) {
            Some(byte) if *byte > b' ' && *byte != b'/' => Ok(*byte),
            _ => self.skip_blanks()?.ok_or(CUT_OFF),
        }
    }

    fn skip_blanks(&mut self) -> Result<Option<u8>, Refused> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') => self.comment()?,
                other => return Ok(other.copied()),
            }
        }
    }

    #[cold]
    fn comment(&mut self) -> Result<(), Refused> {
        let inside = self.at + 2;
        let len = match self.text.get(self.at + 1) {
            Some(b'*') => memmem::find(&self.text[inside..], b"*/").map(|at| at + 2),
            Some(b'/') => memchr(b'\n', &self.text[inside..]).map(|at| at + 1),
            Some(_) => return Err(SYNTAX),
            None => None,
        };
        self.at = inside + len.ok_or(CUT_OFF)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
