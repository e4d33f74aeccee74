//! Functions of Python that templates call, `$(python module.function argument …)`: [`PythonFunction`]; all that there
//! are: [`Functions`].
//!
//! ```text
//!  template ─► arguments as texts ─► attach, unless the thread is ─► function(message, *arguments) ─► text and type
//! ```
//!
//! A function is called on the thread that formats: that of the host's worker for the steps of log paths, and that of a
//! destination for what it writes. The thread stays attached for the run of messages that it formats
//! ([`template::HostCalls`](crate::template::HostCalls)). The message is lent for reading, for the length of the call.
//! What a function raises, or returns that is no value, is `<error>` in the text, counted, and said in the log when it
//! begins and when it is over.

mod functions;
mod said;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

pub(super) use functions::Functions;

use self::said::Said;
use super::calls::{Calls, News};
use super::message::{Lent, LogMessage, lend, take_back};
use super::thread_state::keep_thread;
use super::{exception, returned, threads, values};
use crate::engine::{Log, LogLevel};
use crate::message::{MessageRef, Pool, ValueType};
use crate::template::{ERROR, HostFunction, HostFunctionCounts, keeps_lock};

/// The method that a thread stands in, as far as [`Calls`] knows it.
const CALLED: [&str; 1] = ["function"];

/// A function of the user's, as templates call it.
pub(crate) struct PythonFunction {
    /// Its name in the configuration.
    name: String,
    /// The number that tells it from another one of that name; 0 for one that was not found.
    number: u64,
    /// `None`: there is no such function, which was said.
    function: Option<Py<PyAny>>,
    /// The code that it was found in.
    code: u64,
    /// True when values have their types.
    is_typed: bool,
    log: Log,
    /// The calls by their outcome, those of other functions of that name included.
    counts: Arc<HostFunctionCounts>,
    said: Mutex<Said>,
    /// The calls of each thread that has been in it at a time.
    calls: Mutex<ThreadCalls>,
    /// Memory for messages that somebody keeps.
    pool: Arc<Pool>,
}

/// The calls of several threads.
#[derive(Default)]
struct ThreadCalls {
    all: Vec<Arc<Calls>>,
    idle: Vec<Arc<Calls>>,
}

/// A message that is lent; it is taken back when this is dropped.
struct Loan<'f, 'py> {
    message: Option<Bound<'py, LogMessage>>,
    pool: &'f Arc<Pool>,
}

impl Drop for Loan<'_, '_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            drop(take_back(message, self.pool));
        }
    }
}

/// Lets go of the interpreter, which [`attach`] has kept.
fn leave() {
    // SAFETY: the thread attached with this state, and stayed so.
    unsafe { ffi::PyGILState_Release(ffi::PyGILState_STATE::PyGILState_UNLOCKED) };
}

/// Attaches the calling thread for as long as it formats messages; it is not attached.
fn attach() {
    let thread = std::thread::current();
    keep_thread(thread.name().unwrap_or("templates"));
    if keeps_lock(leave) {
        // SAFETY: the interpreter is there: it ends after the threads of the engine.
        unsafe { ffi::PyGILState_Ensure() };
    }
}

impl PythonFunction {
    fn calls(&self) -> MutexGuard<'_, ThreadCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls of the calling thread.
    fn begin(&self) -> Arc<Calls> {
        let mut calls = self.calls();
        let own = calls.idle.pop().unwrap_or_else(|| {
            let own = Arc::new(Calls::of(&CALLED));
            calls.all.push(Arc::clone(&own));
            own
        });
        drop(calls);
        own.on_this_thread();
        own.begin(0);
        own
    }

    /// Calls it with `message`, and appends its result.
    ///
    /// # Errors
    /// What it raised, or that its result is no value.
    fn run(
        &self,
        py: Python<'_>,
        function: &Py<PyAny>,
        (message, sequence): (MessageRef<'_>, u64),
        arguments: &[Vec<u8>],
        out: &mut Vec<u8>,
    ) -> PyResult<ValueType> {
        // SAFETY: the loan ends in here, and the message stays until then.
        let lent = unsafe { Lent::borrowed(message, sequence, self.is_typed) };
        let loan = Loan { message: Some(lend(py, lent)?), pool: &self.pool };
        let Some(message) = &loan.message else { unreachable!("it was just lent") };
        let arguments = arguments.iter().map(|argument| PyBytes::new(py, argument).into_any());
        let given: Vec<_> = std::iter::once(message.as_any().clone()).chain(arguments).collect();
        let given = PyTuple::new(py, given)?;
        let calls = self.begin();
        let result = function.bind(py).call1(&given);
        calls.end();
        self.calls().idle.push(calls);
        drop(given);
        let result = returned::take(py, &self.name, result);
        drop(loan);
        let result = result?;
        let (value_type, text) = values::write(format!("$(python {})", self.name).as_bytes(), &result)?;
        out.extend_from_slice(text.bytes());
        Ok(value_type)
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that raised `error`, and says so where it is the first.
    fn failed(&self, py: Python<'_>, error: &PyErr) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        // Its lock is not held while Python runs.
        let is_news = self.said().fails(Instant::now());
        if is_news {
            let text = exception::traceback(py, error);
            let what = "a call has failed, its text is `<error>`; others that do are counted";
            py.detach(|| self.log.error(&format!("$(python {}): {what}\n{text}", self.name)));
        }
    }

    /// Says that it works again, where it was said that it does not.
    fn worked(&self, py: Python<'_>) {
        let news = self.said().works(Instant::now());
        if let Some(failed) = news {
            let calls = if failed == 1 { "1 call has".to_owned() } else { format!("{failed} calls have") };
            let text = format!("$(python {}): it works again; {calls} failed", self.name);
            py.detach(|| self.log.notice(&text));
        }
    }

    /// Tells whether a call of it is under way.
    fn is_called(&self) -> bool {
        self.calls().all.iter().any(|calls| calls.is_under_way())
    }

    /// Says once of a call that it hangs, and that it has come back. For the main thread.
    fn watch(&self, py: Python<'_>) {
        let all = self.calls().all.clone();
        for news in all.iter().filter_map(|calls| calls.watch(py, |_| "a call".to_owned())) {
            let (level, text) = match news {
                News::Hangs(text) => (LogLevel::Error, text),
                News::Returned => (LogLevel::Notice, "a call has returned".to_owned()),
            };
            // Without the GIL: whoever reads stderr may be slow.
            py.detach(|| self.log.log(level, &format!("$(python {}): {text}", self.name)));
        }
    }

    /// Says of calls that did not end where they stand.
    fn give_up(&self, py: Python<'_>) {
        let all = self.calls().all.clone();
        for calls in all.iter().filter(|calls| calls.is_under_way()) {
            let stack = calls.stack(py);
            let what = format!("a call has not returned; going on without it. It stands here:\n{stack}");
            py.detach(|| self.log.error(&format!("$(python {}): {what}", self.name)));
        }
    }
}

impl HostFunction for PythonFunction {
    fn call(
        &self,
        message: MessageRef<'_>,
        sequence: u64,
        arguments: &[Vec<u8>],
        out: &mut Vec<u8>,
    ) -> ValueType {
        self.counts.called.fetch_add(1, Ordering::Relaxed);
        let start = out.len();
        let given = (message, sequence);
        let outcome = self.function.as_ref().and_then(|function| {
            let _posts = threads::never_waits();
            // SAFETY: it can be called on any thread.
            if unsafe { ffi::PyGILState_Check() } == 0 {
                attach();
            }
            Python::try_attach(|py| match self.run(py, function, given, arguments, out) {
                Ok(value_type) => {
                    self.worked(py);
                    Some(value_type)
                }
                Err(error) => {
                    self.failed(py, &error);
                    None
                }
            })
        });
        match outcome {
            Some(Some(value_type)) => return value_type,
            Some(None) => {}
            // What was not found was said before, and the end of the interpreter is nobody's news.
            None => drop(self.counts.failed.fetch_add(1, Ordering::Relaxed)),
        }
        out.truncate(start);
        out.extend_from_slice(ERROR);
        ValueType::String
    }

    fn counts(&self) -> &Arc<HostFunctionCounts> {
        &self.counts
    }
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PythonFunction").field(&self.number).finish()
    }
}
