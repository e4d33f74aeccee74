//! The calls of an object on a thread of the engine's, for those who watch it: [`Calls`].

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::{exception, threads};

/// The time after which a call is said to hang.
const HANGS: Duration = Duration::from_secs(5);

/// The calls of an object's thread.
pub(super) struct Calls {
    /// The methods that it may stand in.
    methods: &'static [&'static str],
    /// Odd while one is under way.
    number: AtomicU64,
    /// The index of the method.
    method: AtomicU8,
    /// The number of the thread.
    ident: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// A call that was seen under way.
struct Seen {
    number: u64,
    since: Instant,
    is_told: bool,
}

/// The news of a call.
pub(super) enum News {
    /// It hangs.
    Hangs(String),
    /// One that was said to hang has returned.
    Returned,
}

impl Calls {
    /// Those of one of `methods`.
    pub(super) fn of(methods: &'static [&'static str]) -> Self {
        Self {
            methods,
            number: AtomicU64::default(),
            method: AtomicU8::default(),
            ident: AtomicU64::default(),
            seen: Mutex::default(),
        }
    }

    /// Says that it is the calling thread that calls.
    pub(super) fn on_this_thread(&self) {
        self.ident.store(threads::ident(), Ordering::Relaxed);
    }

    /// Says that the method with the number `method` is called.
    #[inline]
    pub(super) fn begin(&self, method: usize) {
        self.method.store(method as u8, Ordering::Relaxed);
        self.number.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that it has returned.
    #[inline]
    pub(super) fn end(&self) {
        self.number.fetch_add(1, Ordering::Relaxed);
    }

    /// The method that was called last.
    pub(super) fn method(&self) -> &'static str {
        self.methods[usize::from(self.method.load(Ordering::Relaxed)) % self.methods.len()]
    }

    /// Tells whether a call is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.number.load(Ordering::Relaxed) % 2 == 1
    }

    /// The place at which its thread stands.
    pub(super) fn stack(&self, py: Python<'_>) -> String {
        let stack = exception::stack(py, self.ident.load(Ordering::Relaxed));
        stack.unwrap_or_else(|| "(its stack is not known)".to_owned())
    }

    /// Says once of a call that it hangs, and that it has come back; `called` names the call of a method. Called now
    /// and then.
    pub(super) fn watch(&self, py: Python<'_>, called: impl FnOnce(&str) -> String) -> Option<News> {
        let (number, now) = (self.number.load(Ordering::Relaxed), Instant::now());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_calling = number % 2 == 1;
        match &mut *seen {
            Some(known) if is_calling && known.number == number => {
                if known.is_told || now - known.since < HANGS {
                    return None;
                }
                known.is_told = true;
                let (stack, seconds) = (self.stack(py), HANGS.as_secs());
                let what = format!("{} has not returned for {seconds} s", called(self.method()));
                Some(News::Hangs(format!("{what}. It stands here:\n{stack}")))
            }
            known => {
                let has_returned = known.as_ref().is_some_and(|known| known.is_told);
                *known = is_calling.then_some(Seen { number, since: now, is_told: false });
                has_returned.then_some(News::Returned)
            }
        }
    }
}
