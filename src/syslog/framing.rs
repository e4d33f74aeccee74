//! Messages out of a stream (RFC 6587).
//!
//! ```text
//! octet counting (§3.4.1)     83 <34>1 2003-…        the length in decimal, a space, that many bytes
//! trailer (§3.4.2)            <34>1 2003-…\n         up to a line feed, or a NUL
//! ```
//!
//! | framing | a message ends | taken off |
//! |---|---|---|
//! | text | at a line feed or a NUL | carriage returns, line feeds and NULs at both ends |
//! | text with NULs | at a line feed | carriage returns at both ends |
//! | NUL terminated | at a NUL | nothing |
//! | octet counting | after so many bytes | nothing |
//! | auto | as octet counting when the stream begins with up to ten digits and a space, else as text | |
//!
//! A text that is longer than the bound is given in pieces, marked `cut`, so that nothing is lost and no
//! buffer grows without end. A count above the bound ends the stream, unless long messages are to be trimmed:
//! then the first bytes are the message, and the rest is skipped.
//!
//! A [`Splitter`] is asked again and again with the bytes that are not consumed yet, as the buffer grows. It
//! keeps how far it has looked for an end, so that a long line that comes in small pieces is not searched
//! anew each time.
use std::fmt;

use super::Span;

/// The most digits of a count.
const DIGITS: usize = 10;

/// The kinds of frames that a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Framing {
    /// Lines; a NUL ends one, too.
    #[default]
    Text,
    /// Lines, with NULs in them.
    TextWithNuls,
    /// Texts with a NUL after each.
    NulTerminated,
    /// Counted.
    OctetCounted,
    /// Counted or lines, decided by the first bytes of the stream.
    Auto,
}

/// The next part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Complete {
        /// Its bytes, without the count or what ends it.
        span: Span,
        /// The bytes to drop from the buffer before the next question.
        consumed: usize,
        /// True for a part of a message that is longer than the bound: of a text the rest follows as a message,
        /// of a counted one it is skipped.
        cut: bool,
    },
    /// Bytes that belong to no message: an empty one, or the rest of one that was trimmed.
    Skipped {
        /// The bytes to drop from the buffer before the next question.
        consumed: usize,
    },
    /// Not here yet.
    Incomplete {
        /// At least so many more bytes are needed.
        needed: usize,
    },
    /// Not a frame: nobody can say where the next one begins.
    Bad(BadFrame),
}

/// The reason why a frame is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// A count was expected: up to ten digits, and a space.
    NotACount,
    /// The count is above the bound.
    TooLong {
        /// The count.
        count: u64,
    },
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACount => f.write_str("invalid frame header: expected the length in digits and a space"),
            Self::TooLong { count } => write!(f, "a frame of {count} bytes is longer than log-msg-size()"),
        }
    }
}

/// The rest of a stream that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// A text without its end: a message.
    Message(Span),
    /// A counted message that was cut off: none.
    Unfinished,
}

/// Splits a growing buffer into messages.
///
/// ```
/// use inrush::syslog::framing::{Frame, Framing, Splitter};
/// let mut splitter = Splitter::new(Framing::Text, 65_536);
/// let buffer = b"<13>a\r\n<13>b\n<1";
/// let Frame::Complete { span, consumed, .. } = splitter.next_frame(buffer) else { panic!() };
/// assert_eq!((span.of(buffer), consumed), (&b"<13>a"[..], 7));
/// let Frame::Complete { span, consumed, .. } = splitter.next_frame(&buffer[7..]) else { panic!() };
/// assert_eq!((span.of(&buffer[7..]), consumed), (&b"<13>b"[..], 6));
/// assert_eq!(splitter.next_frame(&buffer[13..]), Frame::Incomplete { needed: 1 });
/// ```
#[derive(Debug, Clone)]
pub struct Splitter {
    framing: Framing,
    max_len: usize,
    trims: bool,
    keeps_empty: bool,
    searched: usize,
    /// The bytes of a trimmed message that are still to come.
    to_skip: u64,
}

impl Splitter {
    /// A splitter whose messages are at most `max_len` bytes long, which is at least 1 and below 4 GiB.
    pub fn new(framing: Framing, max_len: usize) -> Self {
        let max_len = max_len.clamp(1, u32::MAX as usize - DIGITS - 2);
        Self { framing, max_len, trims: false, keeps_empty: false, searched: 0, to_skip: 0 }
    }

    /// Trims counted messages that are too long.
    #[must_use]
    pub fn trimming(self, trims: bool) -> Self {
        Self { trims, ..self }
    }

    /// Takes empty texts for messages.
    #[must_use]
    pub fn keeping_empty(self, keeps_empty: bool) -> Self {
        Self { keeps_empty, ..self }
    }

    /// The framing, as far as it is decided.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The first message of `buffer`, which starts where the last answer's `consumed` ended.
    #[inline]
    pub fn next_frame(&mut self, buffer: &[u8]) -> Frame {
        match self.framing {
            Framing::Text | Framing::TextWithNuls | Framing::NulTerminated => self.text(buffer),
            Framing::OctetCounted => self.counted(buffer),
            Framing::Auto => match decide(buffer) {
                Some(framing) => {
                    self.framing = framing;
                    self.next_frame(buffer)
                }
                None => Frame::Incomplete { needed: 1 },
            },
        }
    }

    /// What `buffer` is at the end of the stream.
    pub fn rest(&mut self, buffer: &[u8]) -> Rest {
        self.searched = 0;
        let is_counted = self.framing == Framing::OctetCounted;
        if is_counted {
            let is_cut_off = !buffer.is_empty() || std::mem::take(&mut self.to_skip) > 0;
            return if is_cut_off { Rest::Unfinished } else { Rest::Nothing };
        }
        let span = self.stripped(&buffer[..buffer.len().min(self.max_len)]);
        if span.is_empty() { Rest::Nothing } else { Rest::Message(span) }
    }

    /// The end of the first text in `bytes`.
    #[inline]
    fn end(&self, bytes: &[u8]) -> Option<usize> {
        match self.framing {
            Framing::TextWithNuls => memchr::memchr(b'\n', bytes),
            Framing::NulTerminated => memchr::memchr(0, bytes),
            _ => memchr::memchr2(b'\n', 0, bytes),
        }
    }

    /// `text` without what is taken off.
    #[inline]
    fn stripped(&self, text: &[u8]) -> Span {
        let is_off = |byte: &u8| match self.framing {
            Framing::TextWithNuls => matches!(byte, b'\r' | b'\n'),
            Framing::NulTerminated => false,
            _ => matches!(byte, b'\r' | b'\n' | 0),
        };
        let start = text.iter().take_while(|byte| is_off(byte)).count();
        let off = text[start..].iter().rev().take_while(|byte| is_off(byte)).count();
        Span::between(start, text.len() - off)
    }

    #[inline]
    fn text(&mut self, buffer: &[u8]) -> Frame {
        let searched = std::mem::take(&mut self.searched).min(buffer.len());
        let window = &buffer[..buffer.len().min(self.max_len + 1)];
        let unseen = window.get(searched..).unwrap_or_default();
        if let Some(at) = self.end(unseen) {
            let len = searched + at;
            let (span, consumed) = (self.stripped(&buffer[..len]), len + 1);
            if span.is_empty() && !self.keeps_empty {
                return Frame::Skipped { consumed };
            }
            return Frame::Complete { span, consumed, cut: false };
        }
        if buffer.len() > self.max_len {
            return Frame::Complete { span: Span::new(0, self.max_len), consumed: self.max_len, cut: true };
        }
        self.searched = buffer.len();
        Frame::Incomplete { needed: 1 }
    }

    #[inline]
    fn counted(&mut self, buffer: &[u8]) -> Frame {
        if self.to_skip > 0 && !buffer.is_empty() {
            let consumed = usize::try_from(self.to_skip).unwrap_or(usize::MAX).min(buffer.len());
            self.to_skip -= consumed as u64;
            return Frame::Skipped { consumed };
        }
        let mut count = 0_u64;
        for (at, byte) in buffer.iter().enumerate() {
            match byte {
                b'0'..=b'9' if at < DIGITS => count = count * 10 + u64::from(byte - b'0'),
                b' ' => return self.counted_text(buffer, at + 1, count),
                _ => return Frame::Bad(BadFrame::NotACount),
            }
        }
        Frame::Incomplete { needed: 1 }
    }

    /// The message of `count` bytes that begins at `start`.
    #[inline]
    fn counted_text(&mut self, buffer: &[u8], start: usize, count: u64) -> Frame {
        if count == 0 {
            return Frame::Skipped { consumed: start };
        }
        let is_too_long = count > self.max_len as u64;
        if is_too_long && !self.trims {
            return Frame::Bad(BadFrame::TooLong { count });
        }
        let len = if is_too_long { self.max_len } else { count as usize };
        if let Some(needed @ 1..) = (start + len).checked_sub(buffer.len()) {
            return Frame::Incomplete { needed };
        }
        self.to_skip = count - len as u64;
        Frame::Complete { span: Span::new(start, len), consumed: start + len, cut: is_too_long }
    }
}

/// The framing of a stream that begins with `buffer`; `None` while it could be either.
fn decide(buffer: &[u8]) -> Option<Framing> {
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match buffer.get(digits) {
        Some(b' ') if (1..=DIGITS).contains(&digits) => Some(Framing::OctetCounted),
        Some(_) => Some(Framing::Text),
        None if digits > DIGITS => Some(Framing::Text),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of a stream that arrives in pieces of `step` bytes, and its rest; `!` for a bad frame.
    fn split(mut splitter: Splitter, stream: &[u8], step: usize) -> Vec<String> {
        let (mut start, mut end, mut messages) = (0, 0, Vec::new());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        loop {
            let buffer = &stream[start..end];
            match splitter.next_frame(buffer) {
                Frame::Complete { span, consumed, .. } => {
                    messages.push(text(span.of(buffer)));
                    start += consumed;
                }
                Frame::Skipped { consumed } => start += consumed,
                Frame::Incomplete { needed } if end < stream.len() => {
                    assert!(needed > 0);
                    end = stream.len().min(end + step);
                }
                Frame::Incomplete { .. } => break,
                Frame::Bad(_) => {
                    messages.push("!".to_owned());
                    return messages;
                }
            }
        }
        match splitter.rest(&stream[start..]) {
            Rest::Nothing => {}
            Rest::Message(span) => messages.push(text(span.of(&stream[start..]))),
            Rest::Unfinished => messages.push("?".to_owned()),
        }
        messages
    }

    fn check(splitter: &Splitter, stream: &[u8], expected: &[&str]) {
        for step in 1..=stream.len().max(1) {
            let found = split(splitter.clone(), stream, step);
            assert_eq!(found, expected, "{} in pieces of {step}", stream.escape_ascii());
        }
    }

    /// However the network cuts the stream, lines are the same: a NUL ends one, too, blanks at the ends go,
    /// and what is left at the end is a line.
    #[test]
    fn lines() {
        let text = Splitter::new(Framing::Text, 50);
        check(&text, b"<34>one\r\n", &["<34>one"]);
        check(&text, b"two\n\n\0three\0\r\0four", &["two", "three", "four"]);
        check(&text, b"\n\0\r\n", &[]);
        check(&text.clone().keeping_empty(true), b"x\n\n\ny\n", &["x", "", "", "y"]);
        let long = [&[b'b'; 120][..], b"\nnext\n"].concat();
        let parts = ["b".repeat(50), "b".repeat(50), "b".repeat(20), "next".to_owned()];
        check(&text, &long, &parts.each_ref().map(String::as_str));
        check(&text.trimming(true), &long, &parts.each_ref().map(String::as_str));
        let whole = [&[b'b'; 50][..], b"\nc"].concat();
        check(&Splitter::new(Framing::Text, 50), &whole, &[&parts[0], "c"]);
    }

    /// A NUL is part of a line, or the only end of one.
    #[test]
    fn nuls() {
        check(&Splitter::new(Framing::TextWithNuls, 50), b"a\0b\nc\n", &["a\0b", "c"]);
        check(&Splitter::new(Framing::NulTerminated, 50), b"a\nb\0c\n", &["a\nb", "c\n"]);
    }

    /// A count is up to ten digits; nothing is one, too; what is cut off is no message.
    #[test]
    fn counts() {
        let counted = Splitter::new(Framing::OctetCounted, 200);
        check(&counted, b"003 abc2 xx", &["abc", "xx"]);
        check(&counted, b"0 5 hello 1 x", &["hello", "x"]);
        check(&counted, b"3 a\r\n", &["a\r\n"]);
        check(&counted, b"29 1234567890", &["?"]);
        check(&counted, b"29", &["?"]);
        for bad in
            [&b"x bad"[..], b"<13>newline framed\n", b"201 <13>1 aaa", b"99999999999 a", b"4294967297 a"]
        {
            check(&counted, bad, &["!"]);
        }
    }

    /// With long messages trimmed their first bytes are one, and the next frame is found.
    #[test]
    fn trimmed() {
        let trimming = Splitter::new(Framing::OctetCounted, 6).trimming(true);
        check(&trimming, b"10 12345678903 abc", &["123456", "abc"]);
        check(&trimming, b"10 123456", &["123456", "?"]);
        check(&trimming, b"9999999999 1234567", &["123456", "?"]);
    }

    /// The first bytes decide, once.
    #[test]
    fn either() {
        let auto = Splitter::new(Framing::Auto, 200);
        check(&auto, b"5 hello3 abc", &["hello", "abc"]);
        check(&auto, b"<13>x\n5 hello\n", &["<13>x", "5 hello"]);
        check(&auto, b"12345678901 \n", &["12345678901 "]);
        check(&auto, b"12:30 x\n", &["12:30 x"]);
        check(&auto, b" x\n", &[" x"]);
        check(&auto, b"123", &["123"]);
        check(&auto, b"5 hellox", &["hello", "!"]);
    }
}
