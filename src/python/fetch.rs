//! The work of a fetcher's thread: `Fetch`.
//!
//! ```text
//!           ┌── false, exception: wait time-reopen() ──┐
//!           ▼                                          │
//!         open() ──────────────────────────────────────┘
//!           │ true
//!           ▼
//!   wait for credit ─► fetch() ─┬─ SUCCESS, TRY_AGAIN ─► at once
//!           ▲                   ├─ NO_DATA ────────────► wait fetch-no-data-delay()
//!           └───────────────────┤
//!         open() ◄──────────────┼─ NOT_CONNECTED ──────► wait time-reopen()
//!                               └─ ERROR, exception ───► close(), wait time-reopen()
//! ```
//! A result without a tuple around it (`return self.NO_DATA`) is taken as if it had one. Whatever is no
//! result is logged and is an ERROR. A request to exit ends every wait, and after it `fetch()` is not called
//! again; `close()` is called once more when the thread ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyIterator, PyList, PyString, PyTuple};

use super::attachment::{Attachment, Post, Wait};
use super::escape::{self, escaped};
use super::message::LogMessage;
use super::truth::FalseResult;
use super::type_name::type_name;
use super::{exception, fork, returned};
use crate::engine::Log;
use crate::flow::Producer;
use crate::source::SourceStatus;

/// The longest wait that a clock can hold; as good as for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A fetcher's callbacks and delays.
pub(super) struct Fetch {
    /// `fetch`
    pub call: Py<PyAny>,
    /// `open` of a class that has its own.
    pub open: Option<Py<PyAny>>,
    /// `close` of a class that has its own.
    pub close: Option<Py<PyAny>>,
    /// `fetch-no-data-delay()`
    pub no_data_delay: Duration,
    /// `time-reopen()`
    pub reopen_delay: Duration,
}

/// The context of a fetcher's thread.
pub(super) struct FetchContext<'a> {
    /// The way of its messages.
    pub attachment: &'a Arc<Attachment>,
    /// Its state.
    pub status: &'a SourceStatus,
    /// Its log.
    pub log: &'a Log,
    /// `source ID (class NAME)`
    pub who: &'a str,
}

/// The step after a call of `fetch()`.
enum ReloadPlan {
    Fetch,
    FetchAfter(Duration),
    /// Close, and open again later.
    Error,
    /// Open again later.
    NotConnected,
}

/// The numbers of `LogFetcherResult`.
const ERROR: i64 = 0;
const NOT_CONNECTED: i64 = 1;
const SUCCESS: i64 = 2;
const TRY_AGAIN: i64 = 3;
const NO_DATA: i64 = 4;

impl Fetch {
    /// A copy for another life of the thread.
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        let copy = |callback: &Option<Py<PyAny>>| callback.as_ref().map(|callback| callback.clone_ref(py));
        Self {
            call: self.call.clone_ref(py),
            open: copy(&self.open),
            close: copy(&self.close),
            no_data_delay: self.no_data_delay,
            reopen_delay: self.reopen_delay,
        }
    }

    /// Fetches until exit is requested.
    pub(super) fn run(&self, py: Python<'_>, at: &FetchContext<'_>) {
        let mut is_open = false;
        while !at.attachment.exit.is_requested() {
            if !is_open {
                is_open = self.call_open(py, at);
                if !is_open {
                    self.wait_to_reopen(py, at);
                }
                continue;
            }
            if !at.wait_for_credit(py) {
                break;
            }
            match self.fetch_once(py, at) {
                ReloadPlan::Fetch => {}
                ReloadPlan::FetchAfter(wait) => at.wait(py, wait),
                ReloadPlan::NotConnected => {
                    is_open = false;
                    self.wait_to_reopen(py, at);
                }
                ReloadPlan::Error => {
                    is_open = false;
                    self.call_close(py, at);
                    self.wait_to_reopen(py, at);
                }
            }
        }
        self.call_close(py, at);
    }

    fn call_open(&self, py: Python<'_>, at: &FetchContext<'_>) -> bool {
        let Some(open) = &self.open else { return true };
        let opened = returned::take(py, "open", open.bind(py).call0())
            .and_then(|result| FalseResult::of(open.bind(py), &result));
        match opened {
            Ok(None) => true,
            Ok(Some(result)) => {
                let what = result.described().unwrap_or_else(|| "returned False".to_owned());
                let place = result.place.map_or_else(String::new, |(file, line)| format!(" ({file}:{line})"));
                at.say_error(py, "open", &format!("{what}{place}"));
                false
            }
            Err(error) => {
                (at.attachment.report)(py, "open", error);
                false
            }
        }
    }

    fn call_close(&self, py: Python<'_>, at: &FetchContext<'_>) {
        let Some(close) = &self.close else { return };
        if let Err(error) = returned::take(py, "close", close.bind(py).call0()) {
            (at.attachment.report)(py, "close", error);
        }
    }

    fn wait_to_reopen(&self, py: Python<'_>, at: &FetchContext<'_>) {
        at.status.set_restarting(true);
        at.wait(py, self.reopen_delay);
        at.status.set_restarting(false);
    }

    fn fetch_once(&self, py: Python<'_>, at: &FetchContext<'_>) -> ReloadPlan {
        let fetched = self.call.call0(py);
        fork::leave(py, &fetched);
        match fetched {
            Ok(result) => self.act_on(py, at, result.bind(py)),
            Err(error) => {
                (at.attachment.report)(py, "fetch", error);
                ReloadPlan::Error
            }
        }
    }

    fn act_on(&self, py: Python<'_>, at: &FetchContext<'_>, result: &Bound<'_, PyAny>) -> ReloadPlan {
        let Some((code, second)) = read(result).or_else(|| Some((bare(result)?, None))) else {
            return at.malformed(py, &describe(result));
        };
        match code {
            TRY_AGAIN => ReloadPlan::Fetch,
            NO_DATA => ReloadPlan::FetchAfter(self.no_data_wait(py, at, second.as_ref())),
            NOT_CONNECTED => {
                let seconds = self.reopen_delay.as_secs_f64();
                let text = format!("{}: fetch() returned NOT_CONNECTED; open() in {seconds} s", at.who);
                py.detach(|| at.log.info(&text));
                ReloadPlan::NotConnected
            }
            ERROR => {
                // Some classes say here what is wrong.
                let why = second.as_ref().and_then(|second| second.cast::<PyString>().ok());
                let why = why.map_or_else(String::new, |why| format!(": {}", escaped(why)));
                at.say_error(py, "fetch", &format!("returned ERROR{why}"));
                ReloadPlan::Error
            }
            SUCCESS => match &second {
                Some(second) => at.post_fetched(py, second),
                None => at.malformed(py, "SUCCESS without a message"),
            },
            other => at.malformed(py, &format!("the result {other}, which is none")),
        }
    }

    /// The wait after `NO_DATA`; a number in the second place is the fetcher's own wish.
    fn no_data_wait(
        &self,
        py: Python<'_>,
        at: &FetchContext<'_>,
        wish: Option<&Bound<'_, PyAny>>,
    ) -> Duration {
        let is_number = |wish: &Bound<'_, PyAny>| {
            wish.is_instance_of::<PyFloat>() || wish.is_exact_instance_of::<PyInt>()
        };
        let Some(wish) = wish.filter(|wish| is_number(wish)) else { return self.no_data_delay };
        let seconds = wish.extract().unwrap_or(f64::NAN);
        Duration::try_from_secs_f64(seconds).unwrap_or_else(|_| {
            let text = format!(
                "{}: fetch() returned NO_DATA with {seconds}, which is no time in seconds; waiting {} s",
                at.who,
                self.no_data_delay.as_secs_f64()
            );
            py.detach(|| at.log.warning(&text));
            self.no_data_delay
        })
    }
}

/// The number and the second element of a tuple that `fetch()` returned.
fn read<'py>(result: &Bound<'py, PyAny>) -> Option<(i64, Option<Bound<'py, PyAny>>)> {
    let tuple = result.cast::<PyTuple>().ok()?;
    if !(1..=2).contains(&tuple.len()) {
        return None;
    }
    let code = tuple.get_item(0).ok()?.cast_into::<PyInt>().ok()?;
    // A number beyond 64 bits is no result either.
    Some((code.extract().unwrap_or(i64::MAX), tuple.get_item(1).ok()))
}

/// The number of a result that is not in a tuple, such as `return self.NO_DATA`.
fn bare(result: &Bound<'_, PyAny>) -> Option<i64> {
    let results = result.py().import("inrush.results").ok()?.getattr("LogFetcherResult").ok()?;
    // Any other number may be a count, and a bool the answer to another question.
    if result.is_instance(&results).ok()? { result.extract().ok() } else { None }
}

/// A result that is none, in a few words.
fn describe(result: &Bound<'_, PyAny>) -> String {
    match result.cast::<PyTuple>() {
        Ok(tuple) => match tuple.get_item(0) {
            Ok(first) if tuple.len() <= 2 => format!("a tuple that begins with {}", type_name(&first)),
            _ => format!("a tuple of {} elements", tuple.len()),
        },
        Err(_) => type_name(result),
    }
}

impl FetchContext<'_> {
    fn say_error(&self, py: Python<'_>, method: &str, what: &str) {
        let text = format!("{}: {method}() {what}", self.who);
        // Without the GIL: whoever reads stderr may be slow.
        py.detach(|| self.log.error(&text));
    }

    fn malformed(&self, py: Python<'_>, given: &str) -> ReloadPlan {
        let what = format!(
            "must return a tuple, such as (self.SUCCESS, message) or (self.NO_DATA,), got {given}; treated as ERROR"
        );
        self.say_error(py, "fetch", &what);
        exception::tell(py, &PyTypeError::new_err(format!("fetch() {what}")));
        ReloadPlan::Error
    }

    /// Waits, or until exit is requested.
    fn wait(&self, py: Python<'_>, time: Duration) {
        let deadline = Instant::now() + time.min(LONGEST);
        py.detach(|| self.attachment.exit.wait(deadline));
    }

    /// Waits until a post would find credit; false when exit is requested first.
    fn wait_for_credit(&self, py: Python<'_>) -> bool {
        let credit = self.attachment.lane.credit();
        if credit.is_available() {
            return true;
        }
        self.attachment.producer.with(py, Producer::before_wait);
        if credit.is_available() {
            return true;
        }
        credit.count_suspension();
        py.detach(|| self.attachment.wait_until_writable(None))
    }

    fn post_fetched(&self, py: Python<'_>, fetched: &Bound<'_, PyAny>) -> ReloadPlan {
        if fetched.is_instance_of::<LogMessage>() {
            return self.post(py, fetched, "").unwrap_or(ReloadPlan::Fetch);
        }
        if let Ok(list) = fetched.cast::<PyList>() {
            return self.post_all(py, list.len(), |index| list.get_item(index));
        }
        if let Ok(tuple) = fetched.cast::<PyTuple>() {
            return self.post_all(py, tuple.len(), |index| tuple.get_item(index));
        }
        let is_text = fetched.is_instance_of::<PyString>()
            || fetched.is_instance_of::<PyBytes>()
            || fetched.is_instance_of::<PyByteArray>()
            || fetched.is_instance_of::<PyDict>();
        match fetched.try_iter() {
            Ok(messages) if !is_text => self.post_lazily(py, &messages),
            _ => self.malformed(py, &format!("SUCCESS with {}", type_name(fetched))),
        }
    }

    /// Posts one message; what follows when it is not taken.
    fn post(&self, py: Python<'_>, message: &Bound<'_, PyAny>, which: &str) -> Option<ReloadPlan> {
        let error = self.attachment.post(py, message, Post { method: "fetch", wait: Wait::Yes }).err()?;
        let text =
            |error: &PyErr| escape::text_of(error.value(py)).unwrap_or_else(|_| escape::summary(py, error));
        if self.attachment.lane.is_closed() {
            self.say_error(
                py,
                "fetch",
                &format!("returned a message{which} after the end: {}", text(&error)),
            );
            return Some(ReloadPlan::Fetch);
        }
        self.attachment.lane.counters().count_refused(1);
        self.say_error(
            py,
            "fetch",
            &format!("returned a message{which} that is not taken; treated as ERROR: {}", text(&error)),
        );
        exception::tell(py, &error);
        Some(ReloadPlan::Error)
    }

    /// Posts a list, all of it, also after a request to exit: nobody else has these messages.
    fn post_all<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        get: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> ReloadPlan {
        for index in 0..count {
            // The list became shorter: another thread has taken messages off it.
            let Ok(message) = get(index) else { return ReloadPlan::Fetch };
            let Some(next) = self.post(py, &message, &format!(" (element {index})")) else { continue };
            let rest = (count - index - 1) as u64;
            if rest > 0 {
                self.attachment.lane.counters().count_refused(rest);
                self.say_error(
                    py,
                    "fetch",
                    &format!("returned {rest} messages after it, which are not taken"),
                );
            }
            return next;
        }
        ReloadPlan::Fetch
    }

    /// Posts what an iterator gives, asking for the next message only when there is credit for it.
    fn post_lazily<'py>(&self, py: Python<'py>, messages: &Bound<'py, PyIterator>) -> ReloadPlan {
        let mut index = 0;
        let next = loop {
            if self.attachment.exit.is_requested() || !self.wait_for_credit(py) {
                break ReloadPlan::Fetch;
            }
            match messages.clone().next() {
                None => return ReloadPlan::Fetch,
                Some(Err(error)) => {
                    (self.attachment.report)(py, "fetch", error);
                    return ReloadPlan::Error;
                }
                Some(Ok(message)) => {
                    if let Some(next) = self.post(py, &message, &format!(" (element {index})")) {
                        break next;
                    }
                    index += 1;
                }
            }
        };
        // Not asked to its end: a generator runs its `finally` now, and not when it is collected.
        if let Ok(close) = messages.getattr("close")
            && let Err(error) = close.call0()
        {
            (self.attachment.report)(py, "fetch", error);
        }
        next
    }
}
