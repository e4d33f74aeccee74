//! Messages out of a stream (RFC 6587).
//!
//! ```text
//! octet counting (§3.4.1)     83 <34>1 2003-…        the length in decimal, a space, that many bytes
//! trailer (§3.4.2)            <34>1 2003-…\n         up to a line feed
//! ```
//!
//! Senders of both kinds meet on one port, so the kind is decided message by message: digits without a
//! leading zero, a space, and then `<` are a count; anything else is text. That test never takes a message of
//! the second kind for one of the first unless its text begins like `12 <`.
//!
//! A line that is longer than the bound is given in parts, marked `cut`, so that nothing is lost and no
//! buffer grows without end; a count above the bound is refused with the number of bytes to skip.
//!
//! A [`Splitter`] is asked again and again with the bytes that are not consumed yet, as the buffer grows. It
//! keeps only how far it has looked for a line feed, so that a long line that comes in small pieces is not
//! searched anew each time.
use super::Span;

/// The kinds of frames that a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// Either, decided message by message.
    #[default]
    Auto,
    /// Lines.
    Newline,
    /// Counted.
    OctetCounted,
}

/// The next part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Complete {
        /// Its bytes, without the count or the line feed.
        span: Span,
        /// The bytes to drop from the buffer before the next question.
        consumed: usize,
        /// True for the first part of a line that is longer than the bound; the rest follows as a message.
        cut: bool,
    },
    /// Not here yet.
    Incomplete {
        /// At least so many more bytes are needed.
        needed: usize,
    },
    /// Not a frame.
    Bad {
        /// The reason.
        reason: BadFrame,
        /// So many bytes, perhaps more than the buffer has, lead past it; 0 when nobody can say where the
        /// next begins.
        skip: usize,
    },
}

/// The reason why a frame is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// A count was expected: digits without a leading zero, and a space.
    NotACount,
    /// The count is above the bound.
    TooLong,
}

/// Splits a growing buffer into messages.
///
/// ```
/// use inrush::syslog::framing::{Frame, Framing, Splitter};
/// let mut splitter = Splitter::new(Framing::Auto, 65_536);
/// let buffer = b"5 <13>a<13>b\n<1";
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
    searched: usize,
}

/// The meaning of the first bytes of a frame.
enum Head {
    Line,
    Count { len: usize, prefix: usize },
    Bad { reason: BadFrame, skip: usize },
    Short,
}

impl Splitter {
    /// A splitter whose messages are at most `max_len` bytes long, which is at least 1 and below 4 GiB.
    pub fn new(framing: Framing, max_len: usize) -> Self {
        Self { framing, max_len: max_len.clamp(1, u32::MAX as usize), searched: 0 }
    }

    /// The first message of `buffer`, which starts where the last answer's `consumed` ended.
    pub fn next_frame(&mut self, buffer: &[u8]) -> Frame {
        match self.head(buffer) {
            Head::Line => self.line(buffer),
            Head::Count { len, prefix } => match buffer.len().checked_sub(prefix + len) {
                Some(_) => {
                    Frame::Complete { span: Span::new(prefix, len), consumed: prefix + len, cut: false }
                }
                None => Frame::Incomplete { needed: prefix + len - buffer.len() },
            },
            Head::Bad { reason, skip } => Frame::Bad { reason, skip },
            Head::Short => Frame::Incomplete { needed: 1 },
        }
    }

    /// The rest of a stream that has ended: a line without its line feed, or a counted message that was cut
    /// off.
    pub fn last_frame(&mut self, buffer: &[u8]) -> Option<Span> {
        self.searched = 0;
        let start = match self.head(buffer) {
            Head::Count { prefix, .. } => prefix,
            _ => 0,
        };
        (start < buffer.len()).then(|| Span::between(start, buffer.len().min(start + self.max_len)))
    }

    fn line(&mut self, buffer: &[u8]) -> Frame {
        let searched = std::mem::take(&mut self.searched).min(buffer.len());
        let window = &buffer[..buffer.len().min(self.max_len + 1)];
        let unseen = window.get(searched..).unwrap_or_default();
        if let Some(at) = memchr::memchr(b'\n', unseen) {
            let len = searched + at;
            return Frame::Complete { span: Span::new(0, len), consumed: len + 1, cut: false };
        }
        if buffer.len() > self.max_len {
            return Frame::Complete { span: Span::new(0, self.max_len), consumed: self.max_len, cut: true };
        }
        self.searched = buffer.len();
        Frame::Incomplete { needed: 1 }
    }

    fn head(&self, buffer: &[u8]) -> Head {
        if self.framing == Framing::Newline {
            return Head::Line;
        }
        let count = self.count(buffer);
        match count {
            _ if self.framing == Framing::OctetCounted => count,
            Head::Line | Head::Short => count,
            Head::Bad { reason: BadFrame::NotACount, .. } => Head::Line,
            // A count above the bound is still a count.
            Head::Count { .. } | Head::Bad { .. } => {
                let digits = buffer.iter().take_while(|b| b.is_ascii_digit()).count();
                match buffer.get(digits + 1) {
                    Some(b'<') => count,
                    Some(_) => Head::Line,
                    None => Head::Short,
                }
            }
        }
    }

    fn count(&self, buffer: &[u8]) -> Head {
        // More digits than any bound has are no count.
        let mut len = 0_usize;
        for (at, byte) in buffer.iter().enumerate().take(11) {
            match byte {
                b'0'..=b'9' if (at, *byte) != (0, b'0') => len = len * 10 + usize::from(byte - b'0'),
                b' ' if at > 0 && len <= self.max_len => return Head::Count { len, prefix: at + 1 },
                b' ' if at > 0 => return Head::Bad { reason: BadFrame::TooLong, skip: at + 1 + len },
                _ => return Head::Bad { reason: BadFrame::NotACount, skip: 0 },
            }
        }
        if buffer.len() < 11 { Head::Short } else { Head::Bad { reason: BadFrame::NotACount, skip: 0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All messages of a stream that arrives in pieces of `step` bytes.
    fn split(framing: Framing, max_len: usize, stream: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut splitter, mut start, mut end) = (Splitter::new(framing, max_len), 0, 0);
        let mut messages = Vec::new();
        loop {
            match splitter.next_frame(&stream[start..end]) {
                Frame::Complete { span, consumed, .. } => {
                    messages.push(span.of(&stream[start..end]).to_vec());
                    start += consumed;
                }
                Frame::Incomplete { needed } if end < stream.len() => {
                    assert!(needed > 0);
                    end = stream.len().min(end + step);
                }
                Frame::Incomplete { .. } => break,
                Frame::Bad { skip, .. } => {
                    assert!(skip > 0);
                    start += skip;
                    end = end.max(start);
                }
            }
        }
        messages.extend(splitter.last_frame(&stream[start..]).map(|span| span.of(&stream[start..]).to_vec()));
        messages
    }

    /// However the network cuts the stream, the messages are the same.
    #[test]
    fn pieces_do_not_matter() {
        let stream = b"5 <13>a<13>b\n\n2026-11-22 text\n10 <13>1 - - 7 apples\n23 <13>longer than twenty!12";
        let expected = split(Framing::Auto, 20, stream, stream.len());
        let texts = [&b"<13>a"[..], b"<13>b", b"", b"2026-11-22 text", b"<13>1 - - ", b"7 apples", b"12"];
        assert_eq!(expected, texts);
        for step in 1..stream.len() {
            assert_eq!(split(Framing::Auto, 20, stream, step), expected, "{step}");
        }
    }

    /// A line longer than the bound comes in parts and loses nothing; one as long as it is whole.
    #[test]
    fn long_lines_are_cut_not_lost() {
        assert_eq!(
            split(Framing::Newline, 4, b"12345678\nabcd\ne", 1),
            [&b"1234"[..], b"5678", b"abcd", b"e"]
        );
        let frame = Splitter::new(Framing::Newline, 4).next_frame(b"12345");
        assert_eq!(frame, Frame::Complete { span: Span::new(0, 4), consumed: 4, cut: true });
    }

    /// A count above the bound says how much to skip, so that the stream can go on; a bad count does not.
    #[test]
    fn counts_are_bounded() {
        let mut splitter = Splitter::new(Framing::OctetCounted, 10);
        let too_long = Frame::Bad { reason: BadFrame::TooLong, skip: 14 };
        assert_eq!(splitter.next_frame(b"11 "), too_long);
        assert_eq!(splitter.next_frame(b"3 ab"), Frame::Incomplete { needed: 1 });
        for text in ["<13>", "0 x", " 1", "1x", "12345678901"] {
            let bad = Frame::Bad { reason: BadFrame::NotACount, skip: 0 };
            assert_eq!(splitter.next_frame(text.as_bytes()), bad, "{text}");
        }
    }
}
