//! A compiled pattern: [`Matcher`], and what it found: [`Captures`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::options::{Flag, Flags, Type};
pub(crate) use super::pcre::GivenUp;
use super::pcre::{Groups, PatternError, Pcre, settings_len};
use super::regular::{End, Regular};
use super::sequence::Sequence;

/// The most memory that `regex` may take for an expression; one that needs more is PCRE2's.
const REGEX_SIZE: usize = 256 << 10;

/// A compiled pattern. A clone matches the same, and counts for itself what it gave up.
#[derive(Clone)]
pub struct Matcher {
    pattern: Arc<str>,
    kind: Type,
    flags: Flags,
    test: Test,
    /// Tells whether `test` knows the places of matches, too.
    is_plain: bool,
    pcre: Option<Pcre>,
}

/// The way to tell whether a text matches.
#[derive(Debug, Clone)]
enum Test {
    /// The text has these bytes in it, or nothing but them.
    Literal { finder: Box<Finder<'static>>, start: bool, end: End },
    /// The same, whatever the case of ASCII letters is.
    IgnoreCase { bytes: Box<[u8]>, end: End },
    /// The text has sets of bytes in it, one behind the other.
    Sequence(Sequence),
    /// The text matches.
    Regex(Regex),
    /// PCRE2 says so.
    Pcre,
}

/// The places of a match and of its groups in a text. They are made for a matcher, and used again for each
/// text.
#[derive(Debug)]
pub struct Captures(Spans);

#[derive(Debug)]
enum Spans {
    Whole(Range<usize>),
    Groups(Groups),
}

impl Captures {
    /// The number of groups, the whole match included.
    pub fn len(&self) -> usize {
        match &self.0 {
            Spans::Whole(_) => 1,
            Spans::Groups(groups) => groups.len(),
        }
    }

    /// Never: the whole match is one.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The place of the group with this number, 0 for the whole match; `None` for one that took no part.
    #[inline]
    pub fn get(&self, group: usize) -> Option<Range<usize>> {
        match &self.0 {
            Spans::Whole(whole) => (group == 0).then(|| whole.clone()),
            Spans::Groups(groups) => groups.get(group),
        }
    }
}

impl Matcher {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// A pattern that is no regular expression.
    pub fn new(pattern: &str, kind: Type, flags: Flags) -> Result<Self, PatternError> {
        let (test, is_plain, pcre) = match kind {
            Type::Pcre | Type::Posix => {
                let pcre = Pcre::new(pattern, flags)?;
                let (test, is_plain) = Test::of_regular(pattern, flags);
                (test, is_plain && pcre.group_names().len() == 1, Some(pcre))
            }
            Type::String => (Test::of_string(pattern, flags), false, None),
            Type::Glob => (Test::of_glob(pattern), false, None),
        };
        Ok(Self { pattern: pattern.into(), kind, flags, test, is_plain, pcre })
    }

    /// The text of the pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// `type()`
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// `flags()`
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Tells whether its matches are to be stored: only those of regular expressions can be.
    pub fn stores(&self) -> bool {
        self.pcre.is_some() && self.flags.has(Flag::StoreMatches)
    }

    /// Tells whether `text` matches.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        if self.is_unreadable(text) {
            return false;
        }
        match &self.test {
            Test::Literal { finder, start, end } => literal(finder, *start, *end, text),
            Test::IgnoreCase { bytes, end } => {
                let starts = text.get(..bytes.len()).is_some_and(|start| start.eq_ignore_ascii_case(bytes));
                starts && (*end == End::Anywhere || text.len() == bytes.len())
            }
            Test::Sequence(sequence) => sequence.find(text, 0).is_some(),
            Test::Regex(regex) => regex.is_match(text),
            Test::Pcre => self.pcre.as_ref().is_some_and(|pcre| pcre.is_match(text)),
        }
    }

    /// Tells whether it is known in linear time that `text` does not match.
    pub(crate) fn rules_out(&self, text: &[u8]) -> bool {
        !matches!(self.test, Test::Pcre) && !self.is_match(text)
    }

    /// Room for what [`Matcher::find_at`] finds.
    pub fn captures(&self) -> Captures {
        Captures(match &self.pcre {
            None => Spans::Whole(0..0),
            Some(pcre) => Spans::Groups(pcre.captures()),
        })
    }

    /// Looks for the first match in `text` from `start` on, and puts into `captures` where it is. The text
    /// before `start` counts for `^`, and for what looks behind.
    ///
    /// # Panics
    /// When `start` is beyond the end, or `captures` are another matcher's.
    pub fn find_at(&self, text: &[u8], start: usize, captures: &mut Captures) -> bool {
        self.try_find_at(text, start, captures).unwrap_or(false)
    }

    /// The same as [`Matcher::find_at`].
    ///
    /// # Errors
    /// A match would have taken too many steps.
    ///
    /// # Panics
    /// As there.
    pub(crate) fn try_find_at(
        &self,
        text: &[u8],
        start: usize,
        captures: &mut Captures,
    ) -> Result<bool, GivenUp> {
        match (&self.pcre, &mut captures.0) {
            (Some(pcre), Spans::Groups(groups)) => pcre.find_at(text, start, groups),
            (None, Spans::Whole(whole)) => match self.find_string(text, start) {
                Some(found) => {
                    *whole = found;
                    Ok(true)
                }
                None => Ok(false),
            },
            _ => unreachable!("captures are used with the matcher that they were made for"),
        }
    }

    /// Tells whether [`Matcher::find_plain`] finds its matches: it is a regular expression of nothing but
    /// characters and sets, has no groups, and its matches are not empty.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Calls `each` with the place of each match of a plain pattern in `text`, in order, without PCRE2, until it
    /// gives false. Each begins behind the one before.
    pub(crate) fn find_plain(&self, text: &[u8], mut each: impl FnMut(Range<usize>) -> bool) {
        debug_assert!(self.is_plain, "only a plain one has one way to match");
        if self.is_unreadable(text) {
            return;
        }
        match &self.test {
            Test::Literal { finder, .. } => {
                let len = finder.needle().len();
                let _ = finder.find_iter(text).all(|at| each(at..at + len));
            }
            Test::Sequence(sequence) => {
                sequence.find_all(text, &mut |at| each(at..at + sequence.len()));
            }
            Test::Regex(regex) => {
                let _ = regex.find_iter(text).all(|found| each(found.range()));
            }
            Test::IgnoreCase { .. } | Test::Pcre => {}
        }
    }

    /// The same regular expression for matches that begin where the search does, and are not empty: behind an
    /// empty match, the next one at the same place. Its groups are those of this one. `None` where there can be
    /// none.
    pub(crate) fn not_empty(&self) -> Option<Self> {
        let (settings, rest) = self.pattern.split_at(settings_len(&self.pattern));
        // A comment at the end would go on up to the parenthesis.
        let end = if rest.contains("(?x") || rest.contains('#') { "\n" } else { "" };
        let at_once = format!("{settings}\\G(?:{rest}{end})(?!\\G)");
        Self::new(&at_once, self.kind, self.flags).ok().filter(|_| self.pcre.is_some())
    }

    /// A match of a pattern that is no regular expression.
    fn find_string(&self, text: &[u8], start: usize) -> Option<Range<usize>> {
        let rest = &text[start..];
        let len = self.pattern.len();
        let is_part = self.flags.has(Flag::Substring) && !self.flags.has(Flag::Prefix);
        match &self.test {
            Test::Literal { finder, .. } if is_part => {
                finder.find(rest).map(|at| start + at..start + at + len)
            }
            Test::Regex(regex) if is_part && self.kind == Type::String => {
                regex.find_at(text, start).map(|found| found.range())
            }
            _ if start > 0 || !self.is_match(text) => None,
            _ if self.flags.has(Flag::Prefix) && self.kind == Type::String => Some(0..len),
            _ => Some(0..text.len()),
        }
    }

    /// The names of its groups, by their number; the whole match has none.
    pub fn group_names(&self) -> &[Option<String>] {
        self.pcre.as_ref().map_or(&[None], Pcre::group_names)
    }

    /// The number of texts so far that PCRE2 gave up on, because a match would have taken too many steps.
    pub fn given_up(&self) -> u64 {
        self.pcre.as_ref().map_or(0, Pcre::given_up)
    }

    /// Tells whether `text` is to be UTF-8, and is not.
    #[inline]
    fn is_unreadable(&self, text: &[u8]) -> bool {
        let is_strict = match self.kind {
            Type::Pcre | Type::Posix => self.flags.has(Flag::Utf8) && !matches!(self.test, Test::Pcre),
            Type::String => false,
            Type::Glob => true,
        };
        is_strict && std::str::from_utf8(text).is_err()
    }

    /// The same, with PCRE2 for everything.
    #[cfg(test)]
    pub(super) fn without_regex(&self) -> Self {
        Self { test: Test::Pcre, is_plain: false, ..self.clone() }
    }

    /// Tells whether PCRE2 is asked for nothing but groups.
    #[cfg(test)]
    pub(super) fn is_regular(&self) -> bool {
        !matches!(self.test, Test::Pcre)
    }
}

impl Test {
    /// The test of a regular expression, and whether it knows the places of matches.
    fn of_regular(pattern: &str, flags: Flags) -> (Self, bool) {
        match Regular::of(pattern, flags) {
            None => (Self::Pcre, false),
            Some((Regular::Literal { bytes, start, end }, is_plain)) => {
                (Self::literal(&bytes, start, end), is_plain)
            }
            Some((Regular::Sets(sets), is_plain)) => Sequence::new(&sets)
                .map_or((Self::Pcre, false), |sequence| (Self::Sequence(sequence), is_plain)),
            Some((Regular::Expression(expression), is_plain)) => {
                let built = RegexBuilder::new(&expression)
                    .unicode(flags.has(Flag::Utf8))
                    .size_limit(REGEX_SIZE)
                    .build();
                built.map_or((Self::Pcre, false), |regex| (Self::Regex(regex), is_plain))
            }
        }
    }

    fn of_string(pattern: &str, flags: Flags) -> Self {
        let (is_start, is_part) = (flags.has(Flag::Prefix), flags.has(Flag::Substring));
        let end = if is_start || is_part { End::Anywhere } else { End::Text };
        match (flags.has(Flag::IgnoreCase), is_part && !is_start) {
            (false, is_part) => Self::literal(pattern.as_bytes(), !is_part, end),
            (true, false) => Self::IgnoreCase { bytes: pattern.as_bytes().into(), end },
            (true, true) => Self::escaped(&regex::escape(pattern), false, true),
        }
    }

    fn of_glob(pattern: &str) -> Self {
        let escaped = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
        Self::escaped(&format!(r"(?s)\A{escaped}\z"), true, false)
    }

    /// The expression `text`, whose only unescaped parts are ours.
    fn escaped(text: &str, unicode: bool, ignore_case: bool) -> Self {
        let built = RegexBuilder::new(text)
            .unicode(unicode)
            .case_insensitive(ignore_case)
            .size_limit(usize::MAX)
            .build();
        match built {
            Ok(regex) => Self::Regex(regex),
            Err(error) => unreachable!("everything in it is escaped: {error}"),
        }
    }

    fn literal(bytes: &[u8], start: bool, end: End) -> Self {
        Self::Literal { finder: Box::new(Finder::new(bytes).into_owned()), start, end }
    }
}

#[inline]
fn literal(finder: &Finder<'_>, start: bool, end: End, text: &[u8]) -> bool {
    let needle = finder.needle();
    let line = text.strip_suffix(b"\n");
    match (start, end) {
        (false, End::Anywhere) => finder.find(text).is_some(),
        (true, End::Anywhere) => text.starts_with(needle),
        (false, End::Text) => text.ends_with(needle),
        (true, End::Text) => text == needle,
        (false, End::Line) => text.ends_with(needle) || line.is_some_and(|line| line.ends_with(needle)),
        (true, End::Line) => text == needle || line == Some(needle),
    }
}

impl fmt::Debug for Matcher {
    /// The pattern as it was written: two with the same text match the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matcher").field(&self.pattern).field(&self.kind).field(&self.flags).finish()
    }
}
