//! Regular expressions as PCRE2 runs them: [`Pcre`].
//!
//! A match has a bound of [`MATCH_LIMIT`] steps, and of memory: a sender who knows a pattern can otherwise
//! write a text that takes years. The bounds stand in front of the pattern, where PCRE2 reads them as it does
//! the pattern's own settings, such as `(*UTF)`.

use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pcre2::bytes::{CaptureLocations, Regex, RegexBuilder};

use super::options::{Flag, Flags};

/// The steps that a match may take: each costs some nanoseconds.
const MATCH_LIMIT: u32 = 1_000_000;

/// The memory that a match may take without machine code, in KiB, and the stack that it may take with it.
const HEAP_LIMIT: u32 = 20_000;
const STACK_LIMIT: usize = 1 << 20;

/// The codes of errors that say of a text that it is not UTF-8.
const NOT_UTF8: RangeInclusive<i32> = -23..=-3;

/// A mistake in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// The byte of the pattern at which it was noticed.
    pub at: usize,
    /// The reason, in the words of PCRE2.
    pub reason: String,
}

/// A match would have taken too many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GivenUp;

/// A regular expression.
#[derive(Debug)]
pub(super) struct Pcre {
    regex: Regex,
    /// The matches that were given up.
    given_up: AtomicU64,
    spare: Spare,
}

/// Captures of an expression that nobody uses now: to make one takes a stack of its own.
#[derive(Debug, Clone, Default)]
struct Spare(Arc<Mutex<Vec<CaptureLocations>>>);

impl Spare {
    /// The most that are kept.
    const MOST: usize = 16;

    fn all(&self) -> MutexGuard<'_, Vec<CaptureLocations>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of groups, which go back to their expression when they are dropped.
#[derive(Debug)]
pub(super) struct Groups {
    places: Option<CaptureLocations>,
    spare: Spare,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.places.as_ref().map_or(1, CaptureLocations::len)
    }

    #[inline]
    pub(super) fn get(&self, group: usize) -> Option<Range<usize>> {
        self.places.as_ref()?.get(group).map(|(start, end)| start..end)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let mut spare = self.spare.all();
        if spare.len() < Spare::MOST {
            spare.extend(self.places.take());
        }
    }
}

impl Clone for Pcre {
    /// The same expression, with a count of its own.
    fn clone(&self) -> Self {
        Self::of(self.regex.clone())
    }
}

impl Pcre {
    pub(super) fn new(pattern: &str, flags: Flags) -> Result<Self, PatternError> {
        let limits = format!("(*LIMIT_MATCH={MATCH_LIMIT})(*LIMIT_HEAP={HEAP_LIMIT})");
        let (settings, rest) = pattern.split_at(settings_len(pattern));
        let names = if flags.has(Flag::DupNames) { "(?J)" } else { "" };
        let built = RegexBuilder::new()
            .caseless(flags.has(Flag::IgnoreCase))
            .utf(flags.has(Flag::Utf8))
            .crlf(flags.has(Flag::Newline))
            .jit_if_available(!flags.has(Flag::DisableJit))
            .max_jit_stack_size(Some(STACK_LIMIT))
            .build(&format!("{limits}{settings}{names}{rest}"));
        let regex = built.map_err(|error| {
            let offset = error.offset().unwrap_or_default();
            let shown = error.to_string();
            let prefix = format!("PCRE2: error compiling pattern at offset {offset}: ");
            let reason = shown.strip_prefix(&prefix).unwrap_or(&shown).to_owned();
            let before = limits.len();
            let at = offset.saturating_sub(before);
            let at = if at > settings.len() { at.saturating_sub(names.len()) } else { at };
            PatternError { at, reason }
        })?;
        Ok(Self::of(regex))
    }

    fn of(regex: Regex) -> Self {
        Self { regex, given_up: AtomicU64::new(0), spare: Spare::default() }
    }

    /// Tells whether `text` matches.
    #[inline]
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.answer(self.regex.is_match(text)).unwrap_or(false)
    }

    /// Looks for a match from `start` on.
    #[inline]
    pub(super) fn find_at(&self, text: &[u8], start: usize, groups: &mut Groups) -> Result<bool, GivenUp> {
        let places = groups.places.get_or_insert_with(|| self.regex.capture_locations());
        let found = self.regex.captures_read_at(places, text, start);
        self.answer(found.map(|found| found.is_some()))
    }

    fn answer(&self, found: Result<bool, pcre2::Error>) -> Result<bool, GivenUp> {
        found.or_else(|error| {
            if NOT_UTF8.contains(&error.code()) {
                return Ok(false);
            }
            self.given_up.fetch_add(1, Ordering::Relaxed);
            Err(GivenUp)
        })
    }

    pub(super) fn captures(&self) -> Groups {
        let places = self.spare.all().pop();
        let places = places.unwrap_or_else(|| self.regex.capture_locations());
        Groups { places: Some(places), spare: self.spare.clone() }
    }

    /// The names of its groups, the whole match first.
    pub(super) fn group_names(&self) -> &[Option<String>] {
        self.regex.capture_names()
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }
}

/// The length of the settings at the start of a pattern, as `(*UTF)(*CRLF)`.
pub(super) fn settings_len(pattern: &str) -> usize {
    let mut len = 0;
    while let Some(inside) = pattern[len..].strip_prefix("(*")
        && let Some(end) = inside.find(')')
        && inside[..end]
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'='))
        && !VERBS.contains(&&inside[..end])
    {
        len += end + 3;
    }
    len
}

/// The words between `(*` and `)` that do something where they stand, and set nothing.
const VERBS: [&str; 7] = ["ACCEPT", "COMMIT", "F", "FAIL", "PRUNE", "SKIP", "THEN"];
