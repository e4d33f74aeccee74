//! Patterns of texts, and how they match: [`Matcher`].
//!
//! | `type()` | matches |
//! |---|---|
//! | `pcre`, the default; `posix` means the same | somewhere in the text; `$` also before a newline at the end |
//! | `string` | the whole text, or with `prefix` its start, or with `substring` a part |
//! | `glob` | the whole text: `*` is any run, `?` one character; a text that is not UTF-8 never matches |
//!
//! Regular expressions are those of the crate `regex`: what PCRE has beyond them (looking around, references
//! back) is an error where the configuration is read.

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use crate::config::grammar::{Key, Parsed, Parser, TokenKind};
use crate::config::{Config, Diagnostic, Spanned};

/// The words of `type()`.
const TYPES: &[(&str, Type)] =
    &[("pcre", Type::Pcre), ("posix", Type::Posix), ("string", Type::String), ("glob", Type::Glob)];
const FLAGS: &[&str] = &[
    "ignore-case",
    "icase",
    "utf8",
    "unicode",
    "newline",
    "store-matches",
    "global",
    "prefix",
    "substring",
    "disable-jit",
    "dupnames",
];

/// `type()`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// A regular expression.
    #[default]
    Pcre,
    /// The same, under the name of before.
    Posix,
    /// A text.
    String,
    /// A pattern of a file's name.
    Glob,
}

/// A pattern with `type()` and `flags()`.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the language")]
pub struct PatternOptions {
    /// The pattern.
    pub pattern: Spanned<String>,
    /// `type()`
    pub kind: Type,
    /// `flags(ignore-case)`
    pub ignore_case: bool,
    /// `flags(utf8)`
    pub utf8: bool,
    /// `flags(newline)`
    pub newline: bool,
    /// `flags(prefix)`
    pub prefix: bool,
    /// `flags(substring)`
    pub substring: bool,
}

impl PatternOptions {
    /// Reads the pattern.
    pub(crate) fn read(parser: &mut Parser) -> Parsed<Self> {
        let pattern = parser.string("a pattern in quotes")?;
        let (kind, ignore_case, utf8) = (Type::default(), false, false);
        Ok(Self { pattern, kind, ignore_case, utf8, newline: false, prefix: false, substring: false })
    }

    /// Reads `type()` or `flags()`; `None` for another option.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        match &*key.value.replace('_', "-") {
            "type" => Some(parser.choice(TYPES).map(|kind| {
                if kind == Type::Posix {
                    let message = "`posix` means `pcre`: there are no other regular expressions";
                    parser.report.warn(key.span, message, None);
                }
                self.kind = kind;
            })),
            "flags" => Some(self.flags(parser)),
            _ => None,
        }
    }

    fn flags(&mut self, parser: &mut Parser) -> Parsed<()> {
        while !parser.sees(&TokenKind::RParen) {
            let word = parser.string("a flag")?;
            if parser.is_old_flag(&word) {
                continue;
            }
            match &*word.value.replace('_', "-") {
                "ignore-case" | "icase" => self.ignore_case = true,
                "utf8" | "unicode" => self.utf8 = true,
                "newline" => self.newline = true,
                "prefix" => self.prefix = true,
                "substring" => self.substring = true,
                // Of no consequence where nothing is replaced or compiled to machine code, and names are not
                // kept.
                "global" | "disable-jit" | "dupnames" => {}
                "store-matches" => {
                    let message = "`store-matches` is not supported by this version of Inrush";
                    return Err(parser.report.error(word.span, message, None));
                }
                _ => {
                    let help = parser.suggestion(&word.value, FLAGS.iter().copied());
                    return Err(parser.report.error(
                        word.span,
                        format!("unknown flag `{}`", word.value),
                        help,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Compiles it.
    ///
    /// # Errors
    /// A pattern that is no regular expression.
    pub fn compile(&self, config: &Config) -> Result<Matcher, Diagnostic> {
        let text = self.pattern.value.as_str();
        let escaped = regex::escape(text);
        let (pattern, is_glob) = match self.kind {
            Type::Pcre | Type::Posix => (text.to_owned(), false),
            Type::String if self.ignore_case || self.prefix || !self.substring => {
                let start = if self.substring && !self.prefix { "" } else { r"\A" };
                let end = if self.prefix || self.substring { "" } else { r"\z" };
                (format!("{start}{escaped}{end}"), false)
            }
            Type::String => return Ok(Matcher::Part(Box::new(Finder::new(text.as_bytes()).into_owned()))),
            Type::Glob => (format!(r"(?s)\A{}\z", escaped.replace(r"\*", ".*").replace(r"\?", ".")), true),
        };
        let is_pcre = matches!(self.kind, Type::Pcre | Type::Posix);
        if is_pcre && is_literal(text) && !self.ignore_case && !self.utf8 {
            return Ok(Matcher::Part(Box::new(Finder::new(text.as_bytes()).into_owned())));
        }
        let regex = RegexBuilder::new(&pattern)
            .unicode(is_glob || self.utf8)
            .case_insensitive(self.ignore_case && !is_glob)
            .crlf(self.newline)
            .build()
            .map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                config.error(self.pattern.span, format!("this is no regular expression: {reason}"), None)
            })?;
        let ends = is_pcre && text.contains('$');
        Ok(Matcher::Regex { regex, ends, utf8: is_glob || (is_pcre && self.utf8) })
    }
}

/// Tells whether a pattern stands for itself alone.
fn is_literal(pattern: &str) -> bool {
    regex::escape(pattern) == pattern
}

/// The form that a text has to have.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// It has this part.
    Part(Box<Finder<'static>>),
    /// It matches.
    Regex {
        /// The expression.
        regex: Regex,
        /// Tells whether an end may be meant, which is also before a newline at the end.
        ends: bool,
        /// Tells whether a text that is not UTF-8 matches nothing.
        utf8: bool,
    },
}

impl Matcher {
    /// Tells whether `text` matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Part(part) => part.find(text).is_some(),
            Self::Regex { regex, ends, utf8 } => {
                if *utf8 && std::str::from_utf8(text).is_err() {
                    return false;
                }
                let shorter = || text.strip_suffix(b"\n").filter(|_| *ends);
                regex.is_match(text) || shorter().is_some_and(|text| regex.is_match(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;

    fn options(pattern: &str, kind: Type, flags: &str) -> PatternOptions {
        let config = parse_str("t", "log { };", &Environment::new(&VOCABULARY)).unwrap();
        let has = |flag| flags.split(' ').any(|word| word == flag);
        PatternOptions {
            pattern: Spanned::new(pattern.to_owned(), config.logs[0].span),
            kind,
            ignore_case: has("ignore-case"),
            utf8: has("utf8"),
            newline: has("newline"),
            prefix: has("prefix"),
            substring: has("substring"),
        }
    }

    fn matcher(pattern: &str, kind: Type, flags: &str) -> Matcher {
        let config = parse_str("t", "log { };", &Environment::new(&VOCABULARY)).unwrap();
        options(pattern, kind, flags).compile(&config).unwrap()
    }

    /// Breaks without it: a filter lets other messages pass than in syslog-ng, by type and flag.
    #[test]
    fn types_and_flags() {
        let table: &[(&str, Type, &str, &[u8], bool)] = &[
            ("b+c", Type::Pcre, "", b"abbcd", true),
            ("^b", Type::Pcre, "", b"abc", false),
            ("c$", Type::Pcre, "", b"abc\n", true),
            ("c$", Type::Pcre, "", b"abc\nd", false),
            ("B", Type::Pcre, "", b"abc", false),
            ("B", Type::Pcre, "ignore-case", b"abc", true),
            ("a.c", Type::Pcre, "", b"a\xffc", true),
            ("a.c", Type::Pcre, "utf8", b"a\xc3\xa9c", true),
            ("a.c", Type::Pcre, "", b"a\xc3\xa9c", false),
            ("a", Type::Pcre, "utf8", b"a\xff", false),
            ("", Type::Pcre, "", b"", true),
            ("^$", Type::Pcre, "", b"", true),
            ("abc", Type::String, "", b"abc", true),
            ("abc", Type::String, "", b"abcd", false),
            ("a.c", Type::String, "", b"abc", false),
            ("ab", Type::String, "prefix", b"abc", true),
            ("bc", Type::String, "prefix", b"abc", false),
            ("bc", Type::String, "substring", b"abcd", true),
            ("bc", Type::String, "prefix substring", b"abcd", false),
            ("ABC", Type::String, "ignore-case", b"abc", true),
            ("a*d", Type::Glob, "", b"abcd", true),
            ("a?d", Type::Glob, "", b"abcd", false),
            ("?", Type::Glob, "", b"\xc3\xa9", true),
            ("*", Type::Glob, "", b"\xff", false),
            ("a/[b]", Type::Glob, "", b"a/[b]", true),
        ];
        for (pattern, kind, flags, text, expected) in table {
            let matches = matcher(pattern, *kind, flags).matches(text);
            assert_eq!(matches, *expected, "{pattern} as {kind:?} {flags} in {}", text.escape_ascii());
        }
        assert!(matches!(matcher("plain text", Type::Pcre, ""), Matcher::Part(_)), "no expression is needed");
    }
}
