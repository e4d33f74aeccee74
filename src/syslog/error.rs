//! The reason why a message did not parse, and the note about it that takes its place.
//!
//! A malformed message is not lost and is not an exception. It comes out as `syslog.err` with one line of
//! text:
//!
//! ```text
//! Malformed syslog message, bad structured data at byte 58: <34>1 2003-10-11T22:14:15Z host su - ID47 [oops
//! ```
//!
//! With `flags(no-piggyback-errors)` its text is the input, and nothing else.
use super::text::write_escaped;
use std::fmt;

/// The thing that was expected where a message does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `<pri>1 ` was expected, and no other format is allowed.
    NotRfc5424,
    /// The header ends before all of its fields were there.
    ShortHeader,
    /// The timestamp is neither RFC 3339 nor NILVALUE.
    BadTimestamp,
    /// The structured data is neither NILVALUE nor well-formed elements.
    BadStructuredData,
    /// The input is larger than 4 GiB; `message` covers the first 4 GiB.
    TooLong,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRfc5424 => "no RFC 5424 priority and version",
            Self::ShortHeader => "the header is incomplete",
            Self::BadTimestamp => "bad timestamp",
            Self::BadStructuredData => "bad structured data",
            Self::TooLong => "too long",
        })
    }
}

/// The reason and the place of a message that does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParseError {
    /// The thing that was expected.
    pub reason: Reason,
    /// The place where it was expected, in bytes from the beginning of the input.
    pub at: u32,
}

impl ParseError {
    #[inline]
    pub(crate) const fn new(reason: Reason, at: usize) -> Self {
        Self { reason, at: at as u32 }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for ParseError {}

/// One line that names the reason and the place, and contains the input.
///
/// Line breaks and NULs of the input are written as `\x0a`, `\x0d` and `\x00`, and none of its bytes is left
/// out.
pub fn error_note(input: &[u8], error: &ParseError) -> Vec<u8> {
    let mut note = format!("Malformed syslog message, {error}: ").into_bytes();
    note.reserve(input.len());
    let mut rest = input;
    while let Some(at) = memchr::memchr3(b'\n', b'\r', 0, rest) {
        note.extend_from_slice(&rest[..at]);
        write_escaped(rest[at], &mut note);
        rest = &rest[at + 1..];
    }
    note.extend_from_slice(rest);
    note
}
