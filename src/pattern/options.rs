//! A pattern with `type()` and `flags()`, as it is written: [`PatternOptions`].

use super::Matcher;
use crate::config::grammar::{Key, Parsed, Parser, Text, TokenKind};

/// The words of `type()`.
const TYPES: &[(&str, Type)] =
    &[("pcre", Type::Pcre), ("posix", Type::Posix), ("string", Type::String), ("glob", Type::Glob)];

/// The words of `flags()`.
const FLAGS: &[(&str, Flag)] = &[
    ("ignore-case", Flag::IgnoreCase),
    ("icase", Flag::IgnoreCase),
    ("utf8", Flag::Utf8),
    ("unicode", Flag::Utf8),
    ("newline", Flag::Newline),
    ("store-matches", Flag::StoreMatches),
    ("global", Flag::Global),
    ("prefix", Flag::Prefix),
    ("substring", Flag::Substring),
    ("disable-jit", Flag::DisableJit),
    ("dupnames", Flag::DupNames),
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

/// A word of `flags()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Upper and lower case are the same.
    IgnoreCase,
    /// Pattern and text are UTF-8.
    Utf8,
    /// Any of CR, LF and CRLF ends a line.
    Newline,
    /// The matches of groups become values of the message.
    StoreMatches,
    /// All matches are replaced.
    Global,
    /// The text starts with the pattern.
    Prefix,
    /// The text has the pattern in it.
    Substring,
    /// The pattern is not compiled to machine code.
    DisableJit,
    /// Several groups may have one name.
    DupNames,
}

/// Words of `flags()`, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// Tells whether `flag` is one of them.
    pub fn has(self, flag: Flag) -> bool {
        self.0 >> flag as u16 & 1 == 1
    }

    /// These and `flag`.
    #[must_use]
    pub fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u16)
    }

    /// These but for `flag`.
    #[must_use]
    pub(crate) fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(1 << flag as u16))
    }
}

/// `type()` and `flags()`, for one pattern or several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PatternSettings {
    kind: Type,
    flags: Flags,
}

impl PatternSettings {
    /// Those of patterns whose type is `kind` unless `type()` says otherwise.
    pub(crate) fn new(kind: Type) -> Self {
        Self { kind, flags: Flags::default() }
    }

    /// `type()`
    pub(crate) fn kind(self) -> Type {
        self.kind
    }

    /// Reads the word of `type()`.
    pub(crate) fn read_type(&mut self, parser: &mut Parser) -> Parsed<()> {
        self.kind = parser.choice(TYPES)?;
        if self.kind == Type::Posix {
            let message = "`posix` means `pcre`: there are no other regular expressions";
            let span = parser.option_span();
            parser.report.warn(span, message, None);
        }
        Ok(())
    }

    /// Reads the words of `flags()`.
    pub(crate) fn read_flags(&mut self, parser: &mut Parser) -> Parsed<()> {
        while !parser.sees(&TokenKind::RParen) {
            let word = parser.string("a flag")?;
            if parser.is_old_flag(&word) {
                continue;
            }
            let name = word.value.replace('_', "-");
            if let Some((_, flag)) = FLAGS.iter().find(|(known, _)| *known == name) {
                self.flags = self.flags.with(*flag);
            } else {
                let help = parser.suggestion(&word.value, FLAGS.iter().map(|(word, _)| *word));
                return Err(parser.report.error(word.span, format!("unknown flag `{}`", word.value), help));
            }
        }
        Ok(())
    }

    /// Compiles `pattern`, when all options are read. What is wrong with it is reported at its place in the
    /// text.
    pub(crate) fn compile(self, parser: &mut Parser, pattern: &Text) -> Parsed<Matcher> {
        if matches!(self.kind, Type::Pcre | Type::Posix)
            && let Some((span, escape)) = parser.lost_backslash(pattern)
        {
            let message = format!("`{escape}` in double quotes loses its backslash before it is a pattern");
            let help = "write the pattern in single quotes, or the backslash twice".to_owned();
            parser.report.warn(span, message, Some(help));
        }
        Matcher::new(&pattern.value, self.kind, self.flags).map_err(|error| {
            let at = pattern.locate(error.at..(error.at + 1).min(pattern.value.len()));
            let message = format!("this is no regular expression: {}", error.reason);
            parser.report.error(at, message, None)
        })
    }
}

/// A pattern, and what is written about it.
#[derive(Debug, Clone)]
pub(crate) struct PatternOptions {
    text: Text,
    settings: PatternSettings,
}

impl PatternOptions {
    /// Reads the pattern, whose type is `kind` unless `type()` says otherwise.
    pub(crate) fn read(parser: &mut Parser, kind: Type) -> Parsed<Self> {
        let text = parser.text("a pattern in quotes")?;
        let text = parser.utf8(text)?;
        Ok(Self { text, settings: PatternSettings::new(kind) })
    }

    /// Reads `type()` or `flags()`; `None` for another option.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        match &*key.value.replace('_', "-") {
            "type" => Some(self.settings.read_type(parser)),
            "flags" => Some(self.settings.read_flags(parser)),
            _ => None,
        }
    }

    /// The words of the options that [`apply`](Self::apply) reads.
    pub(crate) const KNOWN: [&str; 2] = ["type", "flags"];

    /// Compiles it, when all of its options are read.
    pub(crate) fn compile(&self, parser: &mut Parser) -> Parsed<Matcher> {
        self.settings.compile(parser, &self.text)
    }
}
