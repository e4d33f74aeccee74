//! Messages of several lines: [`MultiLine`], and the options that choose it.
//!
//! | `multi-line-mode()` | a message ends |
//! |---|---|
//! | `indented` | before a line that begins with neither a space nor a tab |
//! | `prefix-garbage`, `regexp` | before a line with a match of `multi-line-prefix()`; before the match of |
//! | | `multi-line-garbage()` in a line, of which the rest is dropped |
//! | `prefix-suffix` | the same, and behind the match of `multi-line-suffix()` |
//! | `smart` | behind the last line of a stack trace ([`smart`]); other lines are messages by themselves |
//!
//! Each line is looked at once, when it is complete; the lines of a message stay where they are. A pattern
//! matches anywhere in its line, and has the bound on its steps that all patterns have.

use std::time::Duration;

use crate::config::grammar::{Kind, Parsed, Parser, Table};
use crate::config::{Config, Diagnostic, Span};
use crate::pattern::{Captures, Matcher, PatternOptions, Type};

mod smart;

use smart::Smart;

/// `multi-line-mode()`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultiLineMode {
    /// Each line is a message.
    #[default]
    None,
    /// Lines that begin with a space or a tab go on with the message.
    Indented,
    /// A message begins with a prefix, and ends before garbage.
    PrefixGarbage,
    /// A message begins with a prefix, and ends with a suffix.
    PrefixSuffix,
    /// Stack traces are messages.
    Smart,
}

/// `multi-line-…()`
#[derive(Debug, Clone, Default)]
pub(crate) struct MultiLineOptions {
    /// `multi-line-mode()`
    pub(crate) mode: MultiLineMode,
    /// `multi-line-prefix()`
    pub(crate) prefix: Option<(Matcher, Span)>,
    /// `multi-line-garbage()` or `multi-line-suffix()`
    pub(crate) end: Option<(Matcher, Span)>,
    /// `multi-line-timeout()`: how long a message waits for its next line.
    pub(crate) timeout: Option<(Duration, Span)>,
}

/// The options.
pub(crate) const MULTI_LINE: Table<MultiLineOptions> = &[
    (
        "multi-line-mode",
        Kind::Other(|parser, to| {
            to.mode = parser.choice(&[
                ("none", MultiLineMode::None),
                ("indented", MultiLineMode::Indented),
                ("prefix-garbage", MultiLineMode::PrefixGarbage),
                ("regexp", MultiLineMode::PrefixGarbage),
                ("prefix-suffix", MultiLineMode::PrefixSuffix),
                ("smart", MultiLineMode::Smart),
            ])?;
            Ok(())
        }),
    ),
    ("multi-line-prefix", Kind::Other(|parser, to| pattern(parser).map(|found| to.prefix = Some(found)))),
    ("multi-line-garbage", Kind::Other(|parser, to| pattern(parser).map(|found| to.end = Some(found)))),
    ("multi-line-suffix", Kind::Other(|parser, to| pattern(parser).map(|found| to.end = Some(found)))),
    (
        "multi-line-timeout",
        Kind::Other(|parser, to| {
            let span = parser.last_span();
            parser.seconds().map(|time| to.timeout = Some((time, span)))
        }),
    ),
];

fn pattern(parser: &mut Parser) -> Parsed<(Matcher, Span)> {
    let span = parser.peek().span;
    let pattern = PatternOptions::read(parser, Type::Pcre)?;
    Ok((pattern.compile(parser)?, span))
}

impl MultiLineMode {
    /// The way in which it puts lines together, with these patterns; `None` for lines that are messages.
    pub(crate) fn put_together(
        self,
        prefix: Option<Box<Pattern>>,
        end: Option<Box<Pattern>>,
    ) -> Option<MultiLine> {
        match self {
            Self::None => None,
            Self::Indented => Some(MultiLine::Indented),
            Self::PrefixGarbage => Some(MultiLine::Patterns { prefix, end, with_end: false }),
            Self::PrefixSuffix => Some(MultiLine::Patterns { prefix, end, with_end: true }),
            Self::Smart => Some(MultiLine::Smart(Smart::default())),
        }
    }
}

impl MultiLineOptions {
    /// Checks them, for the driver at `at`, whose input has records of `pad_size` bytes if that is not 0, and an
    /// encoding of two bytes a character if it `is_wide`.
    ///
    /// # Errors
    /// Patterns of another mode, a mode without those that it needs, or options that do not go together.
    pub(crate) fn check(
        &self,
        config: &Config,
        at: Span,
        pad_size: usize,
        is_wide: bool,
    ) -> Result<(), Diagnostic> {
        let error = |message: &str, help: &str| Err(config.error(at, message, Some(help.to_owned())));
        if self.mode != MultiLineMode::None && pad_size > 0 {
            return error(
                "pad-size() and multi-line-mode() do not go together",
                "a record of a fixed size is a message: leave one of them out",
            );
        }
        if self.mode != MultiLineMode::None && is_wide {
            return error(
                "multi-line-mode() and an encoding() of two bytes a character do not go together",
                "lines of UTF-16 are messages by themselves",
            );
        }
        let has_patterns = matches!(self.mode, MultiLineMode::PrefixGarbage | MultiLineMode::PrefixSuffix);
        if let (false, Some((_, span))) = (has_patterns, self.prefix.as_ref().or(self.end.as_ref())) {
            let message = "a pattern of messages of several lines, and a mode that has none";
            let help = "multi-line-mode(prefix-garbage) and multi-line-mode(prefix-suffix) have patterns";
            return Err(config.error(*span, message, Some(help.to_owned())));
        }
        let (has_prefix, has_end) = (self.prefix.is_some(), self.end.is_some());
        let (missing, help) = match self.mode {
            MultiLineMode::PrefixGarbage if !has_prefix && !has_end => (
                "multi-line-mode(prefix-garbage) needs a pattern",
                "multi-line-prefix() or multi-line-garbage()",
            ),
            MultiLineMode::PrefixSuffix if !has_end => {
                ("multi-line-mode(prefix-suffix) needs the pattern of the suffix", "multi-line-suffix()")
            }
            _ => return Ok(()),
        };
        error(missing, &format!("add {help}"))
    }

    /// The way in which the lines of one input are put together; `None` when each is a message.
    pub(crate) fn mode(&self) -> Option<MultiLine> {
        let compiled =
            |pattern: &Option<(Matcher, Span)>| pattern.as_ref().map(|(matcher, _)| Pattern::of(matcher));
        self.mode.put_together(compiled(&self.prefix), compiled(&self.end))
    }

    /// `multi-line-timeout()`, where it is not 0.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout.map(|(timeout, _)| timeout).filter(|timeout| !timeout.is_zero())
    }
}

/// A pattern with the places of its matches.
#[derive(Debug)]
pub(crate) struct Pattern {
    matcher: Matcher,
    captures: Captures,
}

impl Pattern {
    /// That of `matcher`.
    pub(crate) fn of(matcher: &Matcher) -> Box<Self> {
        Box::new(Self { captures: matcher.captures(), matcher: matcher.clone() })
    }

    /// Its first match in `line`.
    fn find(&mut self, line: &[u8]) -> Option<std::ops::Range<usize>> {
        let found = self.matcher.find_at(line, 0, &mut self.captures);
        if found { self.captures.get(0) } else { None }
    }
}

/// The part that a line has in a message. A number counts the bytes of the line that belong to it; the rest
/// is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on with the message, or begins one where there is none.
    GoesOn,
    /// The same, and the message ends in it.
    Ends(usize),
    /// It begins a message; one that was open ends before it.
    Begins,
    /// The same, and the message ends in it.
    BeginsAndEnds(usize),
}

/// The way in which lines are put together.
#[derive(Debug)]
pub(crate) enum MultiLine {
    /// `indented`
    Indented,
    /// `prefix-garbage`, or `prefix-suffix`, where the match of the end is part of the message.
    Patterns {
        /// `multi-line-prefix()`
        prefix: Option<Box<Pattern>>,
        /// `multi-line-garbage()` or `multi-line-suffix()`
        end: Option<Box<Pattern>>,
        /// Tells whether the match of the end is part of the message.
        with_end: bool,
    },
    /// `smart`
    Smart(Smart),
}

impl MultiLine {
    /// Looks at `line`, the next one.
    pub(crate) fn look(&mut self, line: &[u8]) -> Verdict {
        match self {
            Self::Indented if matches!(line.first(), Some(b' ' | b'\t')) => Verdict::GoesOn,
            Self::Indented => Verdict::Begins,
            Self::Smart(smart) => smart.look(line),
            Self::Patterns { prefix, end, with_end } => {
                let begins = prefix.as_mut().is_some_and(|prefix| prefix.find(line).is_some());
                let ended = end.as_mut().and_then(|end| end.find(line));
                let ended = ended.map(|found| if *with_end { found.end } else { found.start });
                match ended {
                    Some(text) if begins => Verdict::BeginsAndEnds(text),
                    Some(text) => Verdict::Ends(text),
                    None if begins => Verdict::Begins,
                    None => Verdict::GoesOn,
                }
            }
        }
    }

    /// The same for another stream, of which it knows nothing yet; `None` where it knows nothing of the lines
    /// before, and serves all streams.
    pub(crate) fn for_one_stream(&self) -> Option<Self> {
        matches!(self, Self::Smart(_)).then(|| Self::Smart(Smart::default()))
    }

    /// Forgets what came before: the next line is of another stream.
    pub(crate) fn forget(&mut self) {
        if let Self::Smart(smart) = self {
            *smart = Smart::default();
        }
    }
}
