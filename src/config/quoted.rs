//! Quoted texts.
//!
//! ```text
//! "…"   \a \n \r \t \v   control characters
//!       \xHH  \oOOO      a byte, by one or two hexadecimal, one to three octal digits
//!       \ and newline    nothing: the text goes on
//!       \ and another    that character: \\ \" \d
//! '…'   no escapes, and so no way to write an apostrophe
//! ```
//!
//! Both kinds may go over several lines. The bytes that escapes make need not be UTF-8 in a template, or the
//! name of a file.
use std::ops::Range;

use super::lexer::Lexing;
use super::span::Span;
use super::token::{Run, Text};
use crate::syslog::sanitize_utf8;

impl Lexing<'_> {
    /// The text whose opening quote is at the cursor.
    pub(super) fn text(&mut self, quote: u8) -> Text {
        let start = self.cursor();
        self.advance(1);
        self.lexer.quote = Some(quote);
        let mut value = TextBuilder::default();
        let closed = loop {
            let Some(byte) = self.peek() else { break false };
            if byte == quote {
                self.advance(1);
                break true;
            }
            if byte == b'\\' && quote == b'"' {
                self.escape(&mut value);
                continue;
            }
            let ahead = self.ahead().as_bytes();
            let end = match quote {
                b'"' => memchr::memchr2(b'"', b'\\', ahead),
                _ => memchr::memchr(quote, ahead),
            };
            let length = end.unwrap_or(ahead.len());
            self.take(&mut value, length);
        };
        self.lexer.quote = None;
        let span = self.span_from(start);
        // After an excess over a bound there is no rest.
        if !closed && !self.lexer.pragmas.unreadable {
            let open = Span { end: span.start + 1, ..span };
            let help = "a text goes on over the ends of lines: the missing quote may be that of a text before this one";
            let message = "the text that starts here has no closing quote";
            self.report.error(open, message, Some(help.to_owned()));
            self.lexer.pragmas.unreadable = true;
        }
        let (text, not_utf8) = match String::from_utf8(value.bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let mut shown = Vec::new();
                sanitize_utf8(error.as_bytes(), &mut shown);
                (String::from_utf8_lossy(&shown).into_owned(), Some(error.into_bytes()))
            }
        };
        Text { value: text, not_utf8, span, runs: value.runs }
    }

    /// Takes the next `length` bytes into `value` as they are.
    fn take(&mut self, value: &mut TextBuilder, length: usize) {
        let Some(input) = self.lexer.inputs.last_mut() else { return };
        let range = input.at..input.at + length;
        for (bytes, source, verbatim) in input.runs(range) {
            value.push(&input.text.as_bytes()[bytes], source, verbatim);
        }
        input.at += length;
    }

    /// Takes the escape sequence at the cursor into `value`.
    fn escape(&mut self, value: &mut TextBuilder) {
        let start = self.cursor();
        let after = &self.ahead().as_bytes()[1..];
        let digits = |radix: u32, most: usize| {
            after[1..].iter().take(most).take_while(|byte| (**byte as char).is_digit(radix)).count()
        };
        let number = |radix: u32, count: usize| {
            let digits = std::str::from_utf8(&after[1..=count]).unwrap_or_default();
            u32::from_str_radix(digits, radix).unwrap_or_default() as u8
        };
        let (byte, length) = match after {
            [b'\r', b'\n', ..] => return self.advance(3),
            [b'\n' | b'\r', ..] => return self.advance(2),
            [b'a', ..] => (0x07, 2),
            [b'n', ..] => (b'\n', 2),
            [b'r', ..] => (b'\r', 2),
            [b't', ..] => (b'\t', 2),
            [b'v', ..] => (0x0b, 2),
            [b'x', ..] if digits(16, 2) > 0 => (number(16, digits(16, 2)), 2 + digits(16, 2)),
            [b'o', ..] if digits(8, 3) > 0 => (number(8, digits(8, 3)), 2 + digits(8, 3)),
            // The backslash goes, what it stands before stays.
            _ => {
                self.advance(1);
                let whole = self.ahead().chars().next().map_or(0, char::len_utf8);
                return self.take(value, whole);
            }
        };
        self.advance(length);
        let source = self.span_from(start);
        value.push(&[byte], source.start as usize..source.end as usize, false);
    }
}

/// The offset of the quote that closes the text at the start of `bytes`, or of their end.
pub(super) fn length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// A text that is being read.
#[derive(Default)]
struct TextBuilder {
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

impl TextBuilder {
    fn push(&mut self, bytes: &[u8], source: Range<usize>, verbatim: bool) {
        match self.runs.last_mut() {
            Some(last) if last.verbatim && verbatim && last.source.end == source.start => {
                last.source.end = source.end;
            }
            _ => self.runs.push(Run { at: self.bytes.len(), source, verbatim }),
        }
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens_of;
    use super::super::token::TokenKind;
    use super::*;

    fn only_text(text: &str) -> Text {
        match tokens_of(text).0.remove(0).kind {
            TokenKind::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Breaks without it: an escape in a text has another meaning than in syslog-ng.
    #[test]
    fn texts_lose_their_escapes() {
        assert_eq!(only_text("\"a\\\rb\rc\"").value, "ab\rc");
        assert_eq!(only_text(r#""\a\n\r\t\v\\\"\d\é""#).value, "\x07\n\r\t\x0b\\\"dé");
        assert_eq!(only_text(r#""\x41\x4a\x9z\o101\o7\xg\o9""#).value, "AJ\tzA\x07xgo9");
        assert_eq!(only_text("\"a\\\nb\nc\"").value, "ab\nc");
        assert_eq!(only_text(r"'a\n\'").value, r"a\n\");
        assert_eq!(only_text(r#""\xc3\xa1""#).value, "á");
        let latin = only_text(r#""caf\xe9 á""#);
        assert_eq!((latin.value.as_str(), latin.bytes()), ("caf\\xe9 á", &b"caf\xe9 \xc3\xa1"[..]));
    }

    /// Breaks without it: the error in a template points beside it as soon as the text has an escape.
    #[test]
    fn offsets_in_a_text_lead_back_to_the_file() {
        let source = "@define x yes\n\"a\\tb`x`c\\\nd\"";
        let text = only_text(source);
        assert_eq!(text.value, "a\tbyescd");
        let written = |range: Range<usize>| {
            let span = text.locate(range);
            &source[span.start as usize..span.end as usize]
        };
        assert_eq!(written(0..1), "a");
        assert_eq!(written(1..2), "\\t");
        assert_eq!(written(2..3), "b");
        assert_eq!(written(0..3), "a\\tb");
        assert_eq!(written(4..5), "`x`");
        assert_eq!(written(2..7), "b`x`c");
        assert_eq!(written(7..8), "d");
        assert_eq!(written(6..8), "c\\\nd");
        assert_eq!(written(8..8), "");
        assert_eq!(text.locate(3..3).start as usize, source.rfind("`x`").unwrap());
    }
}
