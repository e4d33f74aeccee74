//! The thread that calls a destination's object: [`PythonWorker`].
//!
//! It enters Python once for a group of messages. In there `send()` is called for each of them, or `send_batch()`
//! for as many as `batch-lines()` allows. A batch ends with the first result that is not QUEUED, or with `flush()`
//! when it is full or there is no more: so a result is that of all messages since the last one. Nothing of a
//! batch is acknowledged before.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::methods::Sending;
use super::pairs::Pairs;
use super::target::{CALLED, PythonTarget};
use super::verdict::Verdict;
use crate::destination::Numbers;
use crate::destination::exchange::{AT_ONCE, Failure, Fate, Group, Outcome, Refusal, Sent, TELL, Worker};
use crate::message::{Pool, Selection};
use crate::python::message::{Lent, LogMessage, lend, take_back};
use crate::python::thread_state::ThreadState;
use crate::python::{escape, release, returned, threads};

/// The half of a destination that calls its object.
pub(super) struct PythonWorker {
    target: Arc<PythonTarget>,
    pairs: Option<Pairs>,
    /// Memory for messages that somebody keeps.
    pool: Arc<Pool>,
    is_open: bool,
    /// True when it was said that `open()` returned None.
    is_none_told: bool,
    /// The results RETRY in a row.
    retries: u32,
    /// True when something was sent since the last `flush()`.
    is_unflushed: bool,
    _thread: ThreadState,
}

/// A message as the object gets it.
enum Given<'py> {
    Message(Bound<'py, LogMessage>),
    Dict(Bound<'py, PyAny>),
}

impl<'py> Given<'py> {
    fn object(&self) -> Bound<'py, PyAny> {
        match self {
            Self::Message(message) => message.as_any().clone(),
            Self::Dict(dict) => dict.clone(),
        }
    }

    /// Ends its loan.
    fn take_back(self, pool: &Arc<Pool>) {
        if let Self::Message(message) = self {
            // It was lent for reading.
            drop(take_back(message, pool));
        }
    }
}

/// The number of messages of a request, and what became of them.
type Request = (usize, Outcome);

impl PythonWorker {
    /// That of `target`, on its own thread. It is opened at once; what fails is tried again with the first message.
    pub(super) fn new(target: Arc<PythonTarget>) -> Self {
        let thread = ThreadState::keep(&format!("destination {}", target.id()));
        target.calls.on_this_thread();
        let pairs = target.value_pairs.as_ref().map(|pairs| Pairs::new(pairs, &target.template_options));
        let mut worker = Self {
            target,
            pairs,
            pool: Arc::new(Pool::new()),
            is_open: false,
            is_none_told: false,
            retries: 0,
            is_unflushed: false,
            _thread: thread,
        };
        let _posts = threads::never_waits();
        Python::try_attach(|py| drop(worker.open(py)));
        worker
    }

    /// Calls `CALLED[method]`, which is `call`.
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: usize,
        call: &Py<PyAny>,
        argument: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.target.calls.begin(method);
        let call = call.bind(py);
        let result = match argument {
            Some(argument) => call.call1((argument,)),
            None => call.call0(),
        };
        let result = returned::take(py, CALLED[method], result);
        self.target.calls.end();
        result
    }

    /// The text for the log and `.reject.reason`: `send() of class `D` returned ERROR`.
    fn said(&self, method: usize, what: &str) -> String {
        format!("{}() of class `{}` {what}", CALLED[method], self.target.class())
    }

    /// The failure after `method` raised `error`, which is logged.
    fn raised(&self, py: Python<'_>, method: usize, error: &PyErr) -> Failure {
        self.target.raised(py, CALLED[method], error);
        Failure::new(self.said(method, &format!("raised {}", escape::summary(py, error))))
    }

    /// Opens it, unless it is open.
    fn ready(&mut self, py: Python<'_>) -> Result<(), Failure> {
        if self.is_open && !self.is_opened(py)? {
            self.is_open = false;
        }
        if self.is_open { Ok(()) } else { self.open(py) }
    }

    /// The answer of `is_opened()`.
    fn is_opened(&mut self, py: Python<'_>) -> Result<bool, Failure> {
        let Some(is_opened) = &self.target.methods.is_opened else { return Ok(true) };
        let result = self.call(py, IS_OPENED, is_opened, None).and_then(|result| result.is_truthy());
        result.map_err(|error| self.raised(py, IS_OPENED, &error))
    }

    fn open(&mut self, py: Python<'_>) -> Result<(), Failure> {
        if let Some(open) = &self.target.methods.open {
            let result = self.call(py, OPEN, open, None);
            let is_none = result.as_ref().is_ok_and(PyAnyMethods::is_none);
            let is_true = result.and_then(|result| Ok(is_none || result.is_truthy()?));
            if !is_true.map_err(|error| self.raised(py, OPEN, &error))? {
                return Err(Failure::new(self.said(OPEN, "returned a false result")));
            }
            if is_none && !std::mem::replace(&mut self.is_none_told, true) {
                let text = self.said(OPEN, "returned None, which counts as True: end it with `return True`");
                py.detach(|| self.target.warn(text));
            }
        }
        if !self.is_opened(py)? {
            return Err(Failure::new(self.said(IS_OPENED, "returned a false result after open()")));
        }
        self.is_open = true;
        Ok(())
    }

    /// Closes it, if it is open.
    fn disconnect(&mut self, py: Python<'_>) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        self.is_unflushed = false;
        let Ok(close) = self.target.instance.bind(py).getattr("close") else { return };
        if let Err(error) = self.call(py, CLOSE, &close.unbind(), None) {
            self.target.raised(py, CALLED[CLOSE], &error);
        }
    }

    /// The messages of `group`, as far as they arrive or time allows.
    fn send_all(&mut self, py: Python<'_>, group: &Group) -> Sent {
        let begun = Instant::now();
        if let Some(pairs) = &mut self.pairs {
            pairs.begin(py);
        }
        let mut messages = group.each().peekable();
        let lines = self.target.batch_lines();
        let is_batch = matches!(self.target.methods.send, Sending::Batch(_));
        let mut delivered = 0;
        let (delivered, taken, outcome) = loop {
            let (taken, outcome) = match self.ready(py) {
                Err(failure) => (1, Outcome::NotConnected(failure)),
                Ok(()) if is_batch => self.send_batch(py, &mut messages, lines),
                Ok(()) => self.send_each(py, &mut messages, lines),
            };
            if !matches!(outcome, Outcome::Delivered) {
                break (delivered, taken, outcome);
            }
            self.retries = 0;
            delivered += taken;
            if messages.peek().is_none() {
                self.flush_rest(py);
                break (0, delivered, outcome);
            }
            if begun.elapsed() >= TELL {
                break (0, delivered, outcome);
            }
        };
        let bytes = self.target.counts.take_written();
        if let Some(complaint) = self.pairs.as_mut().and_then(Pairs::take_complaint) {
            py.detach(|| self.target.warn(complaint));
        }
        Sent { delivered, taken, bytes, outcome }
    }

    /// One message as the object gets it.
    ///
    /// # Errors
    /// Its fate instead.
    fn given<'py>(
        &mut self,
        py: Python<'py>,
        view: &Selection,
        numbers: Numbers,
    ) -> Result<Given<'py>, Outcome> {
        let made = match &mut self.pairs {
            None => lend(py, Lent::new(view.clone(), numbers.sequence, self.target.is_typed))
                .map(|message| Ok(Given::Message(message))),
            Some(pairs) => pairs
                .dict(py, view.message(0), numbers.sequence)
                .map(|dict| dict.map(|dict| Given::Dict(dict.into_any()))),
        };
        match made {
            Ok(Ok(given)) => Ok(given),
            Ok(Err(reason)) => {
                Err(Outcome::Rejected(Refusal { reason, is_asked_for: true, ..Refusal::default() }))
            }
            Err(error) => Err(Outcome::Error(self.raised(py, SEND, &error))),
        }
    }

    /// Calls `send()` for messages up to the first result, or up to `lines` of them that are queued.
    fn send_each(
        &mut self,
        py: Python<'_>,
        messages: &mut Peekable<impl Iterator<Item = (Selection, Numbers)>>,
        lines: usize,
    ) -> Request {
        let target = Arc::clone(&self.target);
        let Sending::Each(send) = &target.methods.send else { unreachable!("it has send()") };
        let mut queued = 0;
        while queued < lines {
            let Some((view, numbers)) = messages.peek() else { break };
            let given = match self.given(py, view, *numbers) {
                Ok(given) => given,
                // Those before it have their own end.
                Err(_) if queued > 0 => break,
                Err(outcome) => return (1, outcome),
            };
            if queued > 0 {
                match self.is_opened(py) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.is_open = false;
                        let failure = Failure::new(self.said(IS_OPENED, "returned a false result"));
                        return (queued, Outcome::NotConnected(failure));
                    }
                    Err(failure) => return (queued, Outcome::NotConnected(failure)),
                }
            }
            target.counts.set_sequence(sequence_of(view, *numbers));
            messages.next();
            let result = self.call(py, SEND, send, Some(given.object()));
            given.take_back(&self.pool);
            let verdict = match result {
                Ok(result) => Verdict::of(&result),
                Err(error) => {
                    let failure = self.raised(py, SEND, &error);
                    self.disconnect(py);
                    return (queued + 1, Outcome::Error(failure));
                }
            };
            self.is_unflushed = true;
            queued += 1;
            if verdict != Verdict::Queued {
                return (queued, self.outcome(py, SEND, verdict));
            }
        }
        (queued, self.flush(py))
    }

    /// Calls `send_batch()` with up to `lines` messages.
    fn send_batch(
        &mut self,
        py: Python<'_>,
        messages: &mut Peekable<impl Iterator<Item = (Selection, Numbers)>>,
        lines: usize,
    ) -> Request {
        let target = Arc::clone(&self.target);
        let Sending::Batch(send) = &target.methods.send else { unreachable!("it has send_batch()") };
        let mut given = Vec::new();
        while given.len() < lines {
            let Some((view, numbers)) = messages.peek() else { break };
            match self.given(py, view, *numbers) {
                Ok(message) => given.push(message),
                Err(_) if !given.is_empty() => break,
                Err(outcome) => return (1, outcome),
            }
            if given.len() == 1 {
                target.counts.set_sequence(sequence_of(view, *numbers));
            }
            messages.next();
        }
        let count = given.len();
        let list = PyList::new(py, given.iter().map(Given::object));
        let result = list.and_then(|list| self.call(py, SEND_BATCH, send, Some(list.into_any())));
        for message in given {
            message.take_back(&self.pool);
        }
        self.is_unflushed = true;
        let verdicts = match result {
            Ok(result) => Verdict::of_batch(&result, count),
            Err(error) => {
                let failure = self.raised(py, SEND_BATCH, &error);
                self.disconnect(py);
                return (count, Outcome::Error(failure));
            }
        };
        match verdicts {
            Err(Verdict::Queued) => (count, self.flush(py)),
            Err(verdict) => (count, self.outcome(py, SEND_BATCH, verdict)),
            Ok(verdicts) if verdicts.iter().all(|verdict| *verdict == Verdict::Success) => {
                (count, Outcome::Delivered)
            }
            Ok(verdicts) => {
                let fates = verdicts.into_iter().map(|verdict| match verdict {
                    Verdict::Success => Fate::Delivered,
                    Verdict::Drop => Fate::Rejected(self.refusal(SEND_BATCH)),
                    _ => Fate::Again(Failure::new(self.said(SEND_BATCH, "returned ERROR for a message"))),
                });
                (count, Outcome::Rows(fates.collect()))
            }
        }
    }

    /// The answer of `flush()` about the messages that are queued.
    fn flush(&mut self, py: Python<'_>) -> Outcome {
        self.is_unflushed = false;
        let target = Arc::clone(&self.target);
        let Some(flush) = &target.methods.flush else { return Outcome::Delivered };
        match self.call(py, FLUSH, flush, None) {
            Ok(result) => self.outcome(py, FLUSH, Verdict::of(&result)),
            Err(error) => {
                let failure = self.raised(py, FLUSH, &error);
                self.disconnect(py);
                Outcome::Error(failure)
            }
        }
    }

    /// Calls `flush()` after messages that are delivered: what it says of them comes too late, but it is closed
    /// after a failure.
    fn flush_rest(&mut self, py: Python<'_>) {
        if self.is_unflushed && self.target.methods.flush.is_some() {
            self.flush(py);
        }
    }

    /// What `method` said with `verdict`; the object is closed where that says so.
    fn outcome(&mut self, py: Python<'_>, method: usize, verdict: Verdict) -> Outcome {
        let retries = std::mem::take(&mut self.retries);
        let returned = |what: &str| Failure::new(self.said(method, &format!("returned {what}")));
        let outcome = match verdict {
            Verdict::Success => return Outcome::Delivered,
            Verdict::Retry if retries < AT_ONCE => {
                let failure = returned("RETRY");
                self.retries = retries + 1;
                return Outcome::Retry(failure);
            }
            Verdict::Retry => Outcome::NotConnected(returned("RETRY again and again")),
            Verdict::NotConnected => Outcome::NotConnected(returned("NOT_CONNECTED")),
            Verdict::Drop => Outcome::Rejected(self.refusal(method)),
            Verdict::Error(None) => Outcome::Error(returned("ERROR")),
            Verdict::Error(Some(what)) => Outcome::Error(returned(&what)),
            Verdict::Queued => Outcome::Error(returned("QUEUED, although it is to send what is queued")),
        };
        self.disconnect(py);
        outcome
    }

    /// The refusal of messages that `method` drops.
    fn refusal(&self, method: usize) -> Refusal {
        Refusal { reason: self.said(method, "returned DROP"), is_asked_for: true, ..Refusal::default() }
    }
}

impl Worker for PythonWorker {
    fn send(&mut self, group: &Group) -> Sent {
        let _posts = threads::never_waits();
        let sent = Python::try_attach(|py| {
            let sent = self.send_all(py, group);
            release::drain_some(py);
            sent
        });
        let gone = || Outcome::NotConnected(Failure::new("the interpreter has come to its end"));
        sent.unwrap_or_else(|| Sent::one(1, 0, gone()))
    }

    fn close(&mut self) {
        let _posts = threads::never_waits();
        Python::try_attach(|py| {
            if self.is_open && self.target.methods.flush.is_some() {
                self.flush(py);
            }
            self.disconnect(py);
        });
    }
}

/// SEQNUM of the message of `view`; 0 for one that is not this host's own.
fn sequence_of(view: &Selection, numbers: Numbers) -> u64 {
    if view.batch().origin().is_local { numbers.sequence } else { 0 }
}

/// Indices of [`CALLED`].
const SEND: usize = 0;
const SEND_BATCH: usize = 1;
const FLUSH: usize = 2;
const OPEN: usize = 3;
const IS_OPENED: usize = 4;
const CLOSE: usize = 5;
