//! `rate-limit(…)`, which was called `throttle`: so many messages a second.
//!
//! For each value of `key()` there is a bucket of tokens, as deep as what comes in within a second. A message
//! takes one; where there is none left, it does not meet the test.
//!
//! A bucket that nothing was taken of for a second is full, and as good as none. So there are two
//! generations, each of a second at least: a bucket that is used moves to the younger one, and the older one
//! is dropped when the younger takes its place. A key takes [`size_of`] a hash, however long it is; beyond
//! [`MOST_KEYS`] in a generation, the oldest are dropped early.

use std::any::Any;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::scratch::Scratch;
use super::{Compiled, FilterOptions, Test, keep};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place, Reported};
use crate::config::{Config, TemplateText};
use crate::message::{MessageRef, Rows, Selection};
use crate::template::Moment;

/// The most keys of a generation.
const MOST_KEYS: usize = 100_000;
/// A token, in the unit that buckets count in: what a rate of 1 brings in a nanosecond.
const TOKEN: u64 = 1_000_000_000;

/// `rate-limit(rate(n) key(template))`
#[derive(Debug, Clone)]
pub struct RateLimitOptions {
    rate: u32,
    key: Option<TemplateText>,
    /// Each thread has buckets of its own: `thread-local-rate()`.
    is_local: bool,
}

impl FilterOptions for RateLimitOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        if head.word == "throttle" {
            let help = Some("use rate-limit()".to_owned());
            parser.report.warn(head.span, "throttle() is an old spelling", help);
        }
        let (mut rate, mut key, before) = (None, None, parser.report.errors());
        let known = || vec!["rate", "key", "template", "thread-local-rate"];
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, name| match &*name
            .value
            .replace('_', "-")
        {
            "rate" => Some(parser.integer(1, i64::from(i32::MAX)).map(|n| rate = Some((n as u32, false)))),
            "thread-local-rate" => {
                Some(parser.integer(1, i64::from(i32::MAX)).map(|n| rate = Some((n as u32, true))))
            }
            word @ ("key" | "template") => {
                if word == "template" {
                    let help = Some("use key()".to_owned());
                    parser.report.warn(name.span, "template() is an old spelling", help);
                }
                Some(parser.template_argument().map(|template| key = Some(template)))
            }
            _ => None,
        });
        // One that is wrong was reported.
        if parser.report.errors() > before {
            return Err(Reported);
        }
        let Some((rate, is_local)) = rate else {
            let help = Some("as in rate-limit(rate(100) key(\"$HOST\"))".to_owned());
            let message = format!("`{}` needs a rate(): the messages a second", head.word);
            return Err(parser.report.error(head.span, message, help));
        };
        Ok(Self { rate, key, is_local })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(RateLimit {
            rate: self.rate.into(),
            key: self.key.clone(),
            is_local: self.is_local,
            buckets: Mutex::default(),
        }))
    }
}

/// The hashes of keys, the same for all, so that a bucket is found again by whoever takes it over.
static HASHES: LazyLock<[RandomState; 2]> = LazyLock::new(<[RandomState; 2]>::default);

struct RateLimit {
    rate: u64,
    key: Option<TemplateText>,
    is_local: bool,
    buckets: Mutex<Buckets>,
}

/// Its options: the text says whether one of another configuration is the same.
impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, key, is_local, buckets: _ } = self;
        f.debug_tuple("RateLimit").field(rate).field(key).field(is_local).finish()
    }
}

#[derive(Debug, Default)]
struct Buckets {
    young: HashMap<[u64; 2], Bucket, RandomState>,
    old: HashMap<[u64; 2], Bucket, RandomState>,
    /// The start of the younger generation.
    since: Option<Instant>,
}

/// The tokens that were left at a time, in the unit of [`TOKEN`].
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at: Instant,
}

impl Buckets {
    /// Takes a token for `key`, of which there are `rate` a second; false where none is left.
    fn take(&mut self, key: [u64; 2], rate: u64, now: Instant) -> bool {
        let is_over = self.since.is_none_or(|since| now.duration_since(since) > Duration::from_secs(1));
        if is_over || self.young.len() >= MOST_KEYS {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(now);
        }
        let full = Bucket { left: rate * TOKEN, at: now };
        let known = self.young.get(&key).copied().or_else(|| self.old.remove(&key));
        let bucket = known.unwrap_or(full);
        let passed = now.saturating_duration_since(bucket.at).as_nanos().min(u128::from(TOKEN)) as u64;
        let filled = bucket.left.saturating_add(passed * rate).min(full.left);
        let left = filled.checked_sub(TOKEN);
        self.young.insert(key, Bucket { left: left.unwrap_or(filled), at: now.max(bucket.at) });
        left.is_some()
    }
}

impl Buckets {
    /// Takes over what `old` has left for each key, which came before what was taken here meanwhile.
    fn take_over(&mut self, old: Self, rate: u64) {
        let most = rate * TOKEN;
        for (key, before) in old.old.into_iter().chain(old.young) {
            let bucket = self.young.entry(key).or_insert(Bucket { left: most, at: before.at });
            let passed = bucket.at.saturating_duration_since(before.at).as_nanos().min(u128::from(TOKEN));
            let filled = before.left.saturating_add(passed as u64 * rate).min(most);
            bucket.left = filled.saturating_sub(most - bucket.left);
        }
        self.since = self.since.into_iter().chain(old.since).min();
    }
}

impl RateLimit {
    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, message: MessageRef<'_>, Scratch { context, text, .. }: &mut Scratch) -> [u64; 2] {
        text.clear();
        if let Some(key) = &self.key {
            key.template.format(message, context, text);
        }
        let thread = self.is_local.then(|| std::thread::current().id());
        HASHES.each_ref().map(|hash| hash.hash_one((&text, thread)))
    }
}

impl Test for RateLimit {
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        let key = Scratch::with(moment, |scratch| self.key(message, scratch));
        self.buckets().take(key, self.rate, moment.steady.unwrap_or_else(Instant::now))
    }

    fn select(&self, selection: &Selection, rows: &Rows, moment: Moment) -> Rows {
        let now = moment.steady.unwrap_or_else(Instant::now);
        // Its lock is not held while a template is formatted: that may call Python.
        let key = |scratch: &mut Scratch, row| self.key(selection.row(row), scratch);
        let keys: Vec<_> =
            Scratch::with(moment, |scratch| rows.iter().map(|row| key(scratch, row)).collect());
        let (mut buckets, mut keys) = (self.buckets(), keys.into_iter());
        keep(rows, |_| keys.next().is_some_and(|key| buckets.take(key, self.rate, now)))
    }

    fn take_over(&self, old: &dyn Test) {
        if let Some(old) = old.as_any().and_then(<dyn Any>::downcast_ref::<Self>) {
            let before = std::mem::take(&mut *old.buckets());
            self.buckets().take_over(before, self.rate);
        }
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn has_state(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(buckets: &mut Buckets, key: u64, rate: u64, now: Instant) -> bool {
        buckets.take([key, 0], rate, now)
    }

    /// Breaks without it: more or fewer messages a second pass than `rate()` says, or those of one key are
    /// counted for another.
    #[test]
    fn a_key_has_so_many_a_second() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let passed = |buckets: &mut Buckets, key, count, now| {
            (0..count).filter(|_| take(buckets, key, 3, now)).count()
        };
        assert_eq!(passed(&mut buckets, 1, 5, at(0)), 3);
        assert_eq!(passed(&mut buckets, 2, 5, at(0)), 3, "the other key has its own");
        assert_eq!(passed(&mut buckets, 1, 5, at(300)), 0);
        assert_eq!(passed(&mut buckets, 1, 5, at(350)), 1, "a third of a second brings one");
        assert_eq!(passed(&mut buckets, 1, 5, at(1000)), 2, "and what is not a whole one is kept");
        assert_eq!(passed(&mut buckets, 1, 9, at(60_000)), 3, "and never more than a second brings");
        assert_eq!(passed(&mut buckets, 3, 1, at(60_000)), 1);
        assert_eq!(passed(&mut buckets, 3, 9, at(61_000)), 3, "also where some were left");
        // A clock that goes back brings nothing.
        assert_eq!(passed(&mut buckets, 1, 9, at(59_000)), 0);
        let most = u64::from(u32::MAX >> 1);
        assert!(take(&mut buckets, 9, most, at(60_000)) && take(&mut buckets, 9, most, at(90_000)));
    }

    /// Breaks without it: a reload lets as many pass again, or takes what was never there.
    #[test]
    fn what_is_left_outlives_a_reload() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let passed = |buckets: &mut Buckets, key, count, now| {
            (0..count).filter(|_| take(buckets, key, 3, now)).count()
        };
        let (mut old, mut new) = (Buckets::default(), Buckets::default());
        assert_eq!((passed(&mut old, 1, 2, at(0)), passed(&mut old, 2, 3, at(0))), (2, 3));
        // Meanwhile one has come to the new one.
        assert_eq!(passed(&mut new, 2, 1, at(700)), 1);
        new.take_over(old, 3);
        assert_eq!(passed(&mut new, 1, 9, at(0)), 1);
        assert_eq!(passed(&mut new, 2, 9, at(700)), 1, "2.1 have come back, and one is taken");
        assert_eq!(passed(&mut new, 3, 9, at(700)), 3);
        assert_eq!(passed(&mut new, 2, 9, at(9_000)), 3);
    }

    /// Breaks without it: each sender of a new key takes memory for ever.
    #[test]
    fn keys_that_are_not_used_take_no_memory() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        for key in 0..1000 {
            take(&mut buckets, key, 1, start + Duration::from_millis(10 * key));
            assert!(buckets.young.len() + buckets.old.len() <= 203);
        }
        for key in 0..3 * MOST_KEYS as u64 {
            take(&mut buckets, key, 1, start);
        }
        assert!(buckets.young.len() + buckets.old.len() <= 2 * MOST_KEYS);
    }
}
