//! `flags()` of a source: how it parses.
use super::nearest::did_you_mean;
use super::parser::{Parsed, Parser};
use super::token::{TokenKind, same_word};

/// One of the switches of a source's parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ParseFlag {
    /// Parse at all: a message that is not parsed is its own MESSAGE.
    Parse,
    /// Replace impossible characters of HOST.
    CheckHostname,
    /// Expect RFC 5424.
    SyslogProtocol,
    /// Take the input for UTF-8 without a look.
    AssumeUtf8,
    /// Mark the input as UTF-8 if it is.
    ValidateUtf8,
    /// Make the input UTF-8.
    SanitizeUtf8,
    /// Keep newlines.
    MultiLine,
    /// Keep the legacy header as it was.
    StoreLegacyMsghdr,
    /// Keep the whole input as RAWMSG.
    StoreRawMessage,
    /// Expect a host name in the header.
    ExpectHostname,
    /// Guess the time zone from the time of arrival.
    GuessTimezone,
    /// Expect a header.
    Header,
    /// Read as RFC 3164 what is not RFC 5424.
    Rfc3164Fallback,
    /// Take a program name without a look at its characters: off by `check-program`.
    CheckProgram,
    /// Put parse errors into the message itself.
    PiggybackErrors,
}

/// The switches of a source's parser.
///
/// # Examples
/// ```
/// use inrush::config::{ParseFlag, ParseFlags};
///
/// let flags = ParseFlags::default();
/// assert!(flags.is_set(ParseFlag::Parse));
/// assert!(flags.python_items().any(|(key, value)| key == "guess-timezone" && !value));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseFlags {
    bits: u16,
}

use ParseFlag as F;

/// The key of each switch in the `flags` of a Python source, and its default. The last two have no key there.
const SWITCHES: [(ParseFlag, &str, bool); 15] = [
    (F::Parse, "parse", true),
    (F::CheckHostname, "check-hostname", false),
    (F::SyslogProtocol, "syslog-protocol", true),
    (F::AssumeUtf8, "assume-utf8", false),
    (F::ValidateUtf8, "validate-utf8", false),
    (F::SanitizeUtf8, "sanitize-utf8", false),
    (F::MultiLine, "multi-line", true),
    (F::StoreLegacyMsghdr, "store-legacy-msghdr", true),
    (F::StoreRawMessage, "store-raw-message", false),
    (F::ExpectHostname, "expect-hostname", true),
    (F::GuessTimezone, "guess-timezone", false),
    (F::Header, "header", true),
    (F::Rfc3164Fallback, "rfc3164-fallback", true),
    (F::CheckProgram, "", false),
    (F::PiggybackErrors, "", true),
];

/// The words of `flags()`.
const WORDS: &[(&str, ParseFlag, bool)] = &[
    ("no-parse", F::Parse, false),
    ("check-hostname", F::CheckHostname, true),
    ("syslog-protocol", F::SyslogProtocol, true),
    ("assume-utf8", F::AssumeUtf8, true),
    ("validate-utf8", F::ValidateUtf8, true),
    ("sanitize-utf8", F::SanitizeUtf8, true),
    ("no-multi-line", F::MultiLine, false),
    ("store-legacy-msghdr", F::StoreLegacyMsghdr, true),
    ("dont-store-legacy-msghdr", F::StoreLegacyMsghdr, false),
    ("store-raw-message", F::StoreRawMessage, true),
    ("expect-hostname", F::ExpectHostname, true),
    ("no-hostname", F::ExpectHostname, false),
    ("guess-timezone", F::GuessTimezone, true),
    ("no-header", F::Header, false),
    ("no-rfc3164-fallback", F::Rfc3164Fallback, false),
    ("check-program", F::CheckProgram, true),
    ("piggyback-errors", F::PiggybackErrors, true),
    ("no-piggyback-errors", F::PiggybackErrors, false),
];

impl Default for ParseFlags {
    fn default() -> Self {
        let mut flags = Self { bits: 0 };
        for (flag, _, on) in SWITCHES {
            flags.set(flag, on);
        }
        flags
    }
}

impl ParseFlags {
    /// Whether `flag` is on.
    pub fn is_set(self, flag: ParseFlag) -> bool {
        self.bits & (1 << flag as u8) != 0
    }

    /// Turns `flag` on or off.
    pub fn set(&mut self, flag: ParseFlag, on: bool) {
        let bit = 1 << flag as u8;
        self.bits = if on { self.bits | bit } else { self.bits & !bit };
    }

    /// The keys and values of the `flags` dictionary that a Python source sees.
    pub fn python_items(self) -> impl Iterator<Item = (&'static str, bool)> {
        let shown = SWITCHES.iter().filter(|(_, key, _)| !key.is_empty());
        shown.map(move |(flag, key, _)| (*key, self.is_set(*flag)))
    }
}

impl Parser {
    /// The words of a source's `flags()`.
    pub(super) fn parse_flags(&mut self, flags: &mut ParseFlags) -> Parsed<()> {
        while !self.sees(&TokenKind::RParen) {
            let word = self.string("a flag")?;
            if let Some((_, flag, on)) = WORDS.iter().find(|(name, ..)| same_word(name, &word.value)) {
                flags.set(*flag, *on);
            } else {
                let help = did_you_mean(&word.value, WORDS.iter().map(|(name, ..)| *name));
                self.report.error(word.span, format!("unknown flag `{}`", word.value), help);
            }
        }
        Ok(())
    }
}
