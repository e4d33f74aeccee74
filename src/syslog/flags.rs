//! The words of `flags()`: what a source asks of the parser.
//!
//! A flag has one positive name, the one that a Python source sees as a key of `self.flags`, and one bit. A
//! configuration may write it in either sense: `multi-line` sets the bit and `no-multi-line` clears it. `-`
//! and `_` are the same, case counts for nothing. Two words are spelled in their own way: `no-hostname` is
//! `no-expect-hostname`, and `dont-store-legacy-msghdr` is `no-store-legacy-msghdr`.
//!
//! Some flags are accepted but not shown to Python ([`Flags::iter`] leaves them out): `piggyback-errors`,
//! `check-program`, and those that only readers of files and sockets have. [`Flags::apply_posted`] refuses
//! the latter: a `python()` source has none of them.
//!
//! This is the only table of these words: `flags()` in a configuration and `ParseOptions.make()` read it.
use std::fmt;

/// A set of parsing flags.
///
/// ```
/// use inrush::syslog::Flags;
/// let mut flags = Flags::default();
/// flags.apply("no-multi_line").unwrap();
/// assert!(!flags.has(Flags::MULTI_LINE));
/// assert!(flags.apply("no-such-flag").is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(u32);

/// A word of `flags()` that is not a flag of the source it was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFlag {
    /// The word as it was written.
    pub word: String,
    /// Tells whether sources that read files and sockets have it.
    pub is_readers: bool,
}

impl fmt::Display for UnknownFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_readers {
            return write!(f, "`{}` is a flag of sources that read files and sockets", self.word);
        }
        write!(f, "unknown flag `{}`", self.word)
    }
}

impl std::error::Error for UnknownFlag {}

/// A flag's bit, its name, and whether Python is shown it.
type Row = (Flags, &'static str, bool);

/// All flags; the shown ones in the order of the dictionary that Python gets.
const ROWS: [Row; 20] = [
    (Flags::PARSE, "parse", true),
    (Flags::CHECK_HOSTNAME, "check-hostname", true),
    (Flags::SYSLOG_PROTOCOL, "syslog-protocol", true),
    (Flags::ASSUME_UTF8, "assume-utf8", true),
    (Flags::VALIDATE_UTF8, "validate-utf8", true),
    (Flags::SANITIZE_UTF8, "sanitize-utf8", true),
    (Flags::MULTI_LINE, "multi-line", true),
    (Flags::STORE_LEGACY_MSGHDR, "store-legacy-msghdr", true),
    (Flags::STORE_RAW_MESSAGE, "store-raw-message", true),
    (Flags::EXPECT_HOSTNAME, "expect-hostname", true),
    (Flags::GUESS_TIMEZONE, "guess-timezone", true),
    (Flags::HEADER, "header", true),
    (Flags::RFC3164_FALLBACK, "rfc3164-fallback", true),
    (Flags::PIGGYBACK_ERRORS, "piggyback-errors", false),
    (Flags::CHECK_PROGRAM, "check-program", false),
    (Flags::KERNEL, "kernel", false),
    (Flags::EMPTY_LINES, "empty-lines", false),
    (Flags::THREADED, "threaded", false),
    (Flags::IGNORE_AUX_DATA, "ignore-aux-data", false),
    (Flags::EXIT_ON_EOF, "exit-on-eof", false),
];

impl Flags {
    /// Parse at all; without it the whole input is the message.
    pub const PARSE: Self = Self(1);
    /// A host name with characters that no host name has is not taken as one.
    pub(crate) const CHECK_HOSTNAME: Self = Self(1 << 1);
    /// A message that starts with `<pri>1 ` is RFC 5424.
    pub(crate) const SYSLOG_PROTOCOL: Self = Self(1 << 2);
    /// The text is UTF-8, unseen.
    pub const ASSUME_UTF8: Self = Self(1 << 3);
    /// Look whether the text is UTF-8.
    pub(crate) const VALIDATE_UTF8: Self = Self(1 << 4);
    /// Text that is not UTF-8 is to be made so.
    pub(crate) const SANITIZE_UTF8: Self = Self(1 << 5);
    /// A message may keep its line breaks.
    pub const MULTI_LINE: Self = Self(1 << 6);
    /// Keep the text `program[pid]: ` as it came.
    pub(crate) const STORE_LEGACY_MSGHDR: Self = Self(1 << 7);
    /// Keep the whole input.
    pub(crate) const STORE_RAW_MESSAGE: Self = Self(1 << 8);
    /// The first word after an RFC 3164 stamp can be a host.
    pub const EXPECT_HOSTNAME: Self = Self(1 << 9);
    /// Guess the offset of a stamp without one from its distance to now.
    pub(crate) const GUESS_TIMEZONE: Self = Self(1 << 10);
    /// Parse the header; without it only the priority is taken off.
    pub(crate) const HEADER: Self = Self(1 << 11);
    /// Reads as RFC 3164 what is not RFC 5424; without it, that is an error.
    pub(crate) const RFC3164_FALLBACK: Self = Self(1 << 12);
    /// A message that does not parse becomes a note about it.
    pub const PIGGYBACK_ERRORS: Self = Self(1 << 13);
    /// A program name with characters that no program name has is part of the message.
    pub(crate) const CHECK_PROGRAM: Self = Self(1 << 14);
    /// The messages are the kernel's own.
    pub const KERNEL: Self = Self(1 << 15);
    /// Readers: empty lines are messages.
    pub(crate) const EMPTY_LINES: Self = Self(1 << 16);
    /// Readers: may run on a thread of their own.
    pub(crate) const THREADED: Self = Self(1 << 17);
    /// Readers: no fields about the transport.
    pub(crate) const IGNORE_AUX_DATA: Self = Self(1 << 18);
    /// Readers: the end of the input ends the process.
    pub(crate) const EXIT_ON_EOF: Self = Self(1 << 19);

    /// The flags that only readers of files and sockets have.
    const READERS: Self = Self(
        Self::KERNEL.0
            | Self::EMPTY_LINES.0
            | Self::THREADED.0
            | Self::IGNORE_AUX_DATA.0
            | Self::EXIT_ON_EOF.0,
    );

    /// The flags that a `python()` source starts with.
    pub(crate) const DEFAULT: Self = Self(
        Self::PARSE.0
            | Self::SYSLOG_PROTOCOL.0
            | Self::MULTI_LINE.0
            | Self::STORE_LEGACY_MSGHDR.0
            | Self::EXPECT_HOSTNAME.0
            | Self::HEADER.0
            | Self::RFC3164_FALLBACK.0
            | Self::PIGGYBACK_ERRORS.0,
    );

    /// True when every flag of `other` is set.
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when some flag of `other` is set.
    #[inline]
    pub(crate) const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The flags of both sets.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set with `other` set or cleared.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { Self(self.0 & !other.0) }
    }

    /// Sets or clears `other`.
    pub fn set(&mut self, other: Self, on: bool) {
        *self = self.with(other, on);
    }

    /// Applies one word of `flags()`, in either sense.
    ///
    /// # Errors
    /// The word when it is not a flag; [`Flags::words`] has those that are, for a suggestion.
    pub fn apply(&mut self, word: &str) -> Result<(), UnknownFlag> {
        let (flag, on) = Self::read(word)?;
        self.set(flag, on);
        Ok(())
    }

    /// Applies one word of the `flags()` of a source whose messages are posted, in either sense.
    ///
    /// # Errors
    /// The word when it is not a flag, or one that only readers of files and sockets have.
    pub(crate) fn apply_posted(&mut self, word: &str) -> Result<(), UnknownFlag> {
        let (flag, on) = Self::read(word)?;
        if Self::READERS.has(flag) {
            return Err(UnknownFlag { word: word.to_owned(), is_readers: true });
        }
        self.set(flag, on);
        Ok(())
    }

    /// The flag that a word names, and whether it sets or clears it.
    fn read(word: &str) -> Result<(Self, bool), UnknownFlag> {
        let plain = word.trim().to_ascii_lowercase().replace('_', "-");
        let (name, on) = match plain.as_str() {
            "no-hostname" => ("expect-hostname", false),
            "dont-store-legacy-msghdr" => ("store-legacy-msghdr", false),
            other => other.strip_prefix("no-").map_or((other, true), |name| (name, false)),
        };
        let row = ROWS.iter().find(|row| row.1 == name);
        let unknown = || UnknownFlag { word: word.to_owned(), is_readers: false };
        row.map(|row| (row.0, on)).ok_or_else(unknown)
    }

    /// The flags that Python is shown, with their values, in the order of the dictionary.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, bool)> {
        ROWS.iter().filter(|row| row.2).map(move |row| (row.1, self.has(row.0)))
    }

    /// The words that the user of a source whose messages are posted is most likely to have meant: every flag
    /// in the sense that changes its default.
    pub fn words() -> impl Iterator<Item = String> {
        ROWS.iter().filter(|row| !Self::READERS.has(row.0)).map(|row| match row.1 {
            "expect-hostname" => "no-hostname".to_owned(),
            "store-legacy-msghdr" => "dont-store-legacy-msghdr".to_owned(),
            name if Self::DEFAULT.has(row.0) => format!("no-{name}"),
            name => name.to_owned(),
        })
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(ROWS.iter().filter(|row| self.has(row.0)).map(|row| row.1)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dictionary of a source without `flags()`: Python code reads these keys by name.
    #[test]
    fn defaults_are_those_of_a_python_source() {
        let on: Vec<_> = Flags::default().iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        let expected = [
            "parse",
            "syslog-protocol",
            "multi-line",
            "store-legacy-msghdr",
            "expect-hostname",
            "header",
            "rfc3164-fallback",
        ];
        assert_eq!(on, expected);
        assert_eq!(Flags::default().iter().count(), 13);
    }

    /// Each documented word does what it says; a word without effect would be a silent misconfiguration.
    #[test]
    fn words_change_what_they_name() {
        for word in Flags::words() {
            let mut flags = Flags::default();
            flags.apply(&word).unwrap();
            assert_ne!(flags, Flags::default(), "{word}");
        }
        let mut flags = Flags::default();
        for word in ["NO_PARSE", "no-header", "check-hostname", "no_piggyback_errors", "no-hostname"] {
            flags.apply(word).unwrap();
        }
        let off = [Flags::PARSE, Flags::HEADER, Flags::PIGGYBACK_ERRORS, Flags::EXPECT_HOSTNAME];
        assert!(off.into_iter().all(|flag| !flags.has(flag)));
        assert!(flags.has(Flags::CHECK_HOSTNAME));
    }

    /// Unknown words are errors that carry the word as written.
    #[test]
    fn unknown_words_are_errors() {
        for word in ["", "no-", "utf8", "no-no-parse"] {
            let error = Flags::default().apply(word).unwrap_err();
            assert_eq!(error, UnknownFlag { word: word.to_owned(), is_readers: false });
            assert_eq!(Flags::default().apply_posted(word), Err(error));
        }
        for word in ["kernel", "empty_lines", "threaded", "no-ignore-aux-data", "exit-on-eof"] {
            assert!(Flags::default().apply(word).is_ok());
            assert!(Flags::default().apply_posted(word).unwrap_err().is_readers);
        }
    }
}
