//! The part of a parser's object in a path: what of [`PythonParser`] is a [`Step`].
//!
//! ```text
//!  batch ─► attach ─► lend, call, take back …, or all of them in one call ─► detach ─► changes into a revision
//! ```
//!
//! The GIL is taken once a batch. A message is lent for the length of its call; what the call has changed is noted
//! ([`Changes`]), and becomes the message's when the interpreter is left. The worker waits for nothing else in
//! there: a post of the object is taken or refused at once.

use std::any::Any;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::instance::{CALLED, PARSE, PARSE_BATCH, Parsing, PythonParser};
use crate::message::{Rows, Selection};
use crate::parser::{Refused, Tally};
use crate::path::{Out, Step, StepStatistics};
use crate::python::message::{Changes, Lent, LogMessage, lend, take_back};
use crate::python::thread_state::{end_thread, keep_thread};
use crate::python::type_name::type_name;
use crate::python::{fork, release, returned, threads};

/// The time from one exception that is said in the log to the next.
const QUIET: Duration = Duration::from_secs(60);

/// The reasons for which messages do not go on.
const FALSE: Refused = Refused("false result");
const RAISED: Refused = Refused("exception");
const ENDED: Refused = Refused("no parser");

/// The name of the worker, as Python sees it.
const THREAD: &str = "parsers";

/// The exceptions in the log.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The time of the last one.
    last: Option<Instant>,
    /// The number of messages since then whose exceptions were not said.
    kept: u64,
}

/// The outcome of one message.
enum Verdict {
    Passes(Option<Box<Changes>>),
    Dropped(Refused),
}

impl Verdict {
    /// That of a call whose result is as true as `is_true`, with what it has changed.
    fn new(is_true: bool, changes: Option<Box<Changes>>) -> Self {
        if is_true { Self::Passes(changes) } else { Self::Dropped(FALSE) }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Passes(None))
    }
}

/// The first exception of a batch, with the number of messages that exceptions have cost.
#[derive(Default)]
struct Raised {
    first: Option<String>,
    messages: u64,
}

impl PythonParser {
    /// Calls the object with each message of `selection`.
    fn parse_each(
        &self,
        py: Python<'_>,
        parse: &Py<PyAny>,
        selection: &Selection,
        raised: &mut Raised,
    ) -> Vec<Verdict> {
        let parse = parse.bind(py);
        let one = |row| -> Verdict {
            let mut changes = None;
            let mut call = || -> PyResult<bool> {
                let message = self.lent(py, selection, row)?;
                self.calls.begin(PARSE);
                let result = parse.call1((&message,));
                let is_true = returned::take(py, CALLED[PARSE], result).and_then(|result| result.is_truthy());
                self.calls.end();
                changes = take_back(message, &self.pool);
                is_true
            };
            match call() {
                Ok(is_true) => Verdict::new(is_true, changes),
                Err(error) => {
                    self.note(py, raised, (CALLED[PARSE], 1), &error);
                    Verdict::Dropped(RAISED)
                }
            }
        };
        selection.rows().iter().map(one).collect()
    }

    /// Calls the object with a list of all messages of `selection`.
    fn parse_batch(
        &self,
        py: Python<'_>,
        parse: &Py<PyAny>,
        selection: &Selection,
        raised: &mut Raised,
    ) -> Vec<Verdict> {
        let lent: PyResult<Vec<_>> =
            selection.rows().iter().map(|row| self.lent(py, selection, row)).collect();
        let (called, lent) = match lent {
            Ok(lent) => {
                self.calls.begin(PARSE_BATCH);
                let list = PyList::new(py, &lent);
                let result = list.and_then(|list| parse.bind(py).call1((list,)));
                fork::leave(py, &result);
                let results = result.and_then(|result| self.results(&result, lent.len()));
                self.calls.end();
                (results, lent)
            }
            Err(error) => (Err(error), Vec::new()),
        };
        let changes = lent.into_iter().map(|message| take_back(message, &self.pool));
        match called {
            Ok(None) => changes.map(|changes| Verdict::new(true, changes)).collect(),
            Ok(Some(results)) => results
                .into_iter()
                .zip(changes)
                .map(|(is_true, changes)| Verdict::new(is_true, changes))
                .collect(),
            Err(error) => {
                changes.for_each(drop);
                self.note(py, raised, (CALLED[PARSE_BATCH], selection.len() as u64), &error);
                (0..selection.len()).map(|_| Verdict::Dropped(RAISED)).collect()
            }
        }
    }

    /// The results of `parse_batch()` for so many messages; `None` where all go on.
    fn results(&self, result: &Bound<'_, PyAny>, count: usize) -> PyResult<Option<Vec<bool>>> {
        if result.is_none() {
            return Ok(None);
        }
        let expected = || format!("expected None or a list of {count} results");
        let method = || format!("{}() of class `{}`", CALLED[PARSE_BATCH], self.class);
        let is_text = result.is_instance_of::<PyString>() || result.is_instance_of::<PyBytes>();
        let Some(iterator) = (!is_text).then(|| result.try_iter().ok()).flatten() else {
            let given = type_name(result);
            returned::refuse_unfinished(result, CALLED[PARSE_BATCH])?;
            return Err(PyTypeError::new_err(format!("{} returned {given}, {}", method(), expected())));
        };
        let mut results = Vec::with_capacity(count);
        for one in iterator {
            if results.len() == count {
                let error = format!("{} returned more than {count} results, {}", method(), expected());
                return Err(PyValueError::new_err(error));
            }
            results.push(one?.is_truthy()?);
        }
        if results.len() < count {
            let given = results.len();
            return Err(PyValueError::new_err(format!(
                "{} returned {given} results, {}",
                method(),
                expected()
            )));
        }
        Ok(Some(results))
    }

    /// The message in `row`, for Python to read and change.
    fn lent<'py>(
        &self,
        py: Python<'py>,
        selection: &Selection,
        row: u32,
    ) -> PyResult<Bound<'py, LogMessage>> {
        let view = selection.with_rows(Rows::Range(row..row + 1));
        lend(py, Lent::new(view, 0, self.is_typed).writable())
    }

    /// Notes that `method` raised `error`, which costs so many messages.
    fn note(&self, py: Python<'_>, raised: &mut Raised, (method, messages): (&str, u64), error: &PyErr) {
        raised.messages += messages;
        if raised.first.is_none() {
            raised.first = Some(self.raised(py, method, error));
        }
    }

    /// Says the first exception of a batch, if enough time has passed since the one before.
    fn report(&self, raised: Raised, out: &mut Out<'_>) {
        let Some(first) = raised.first else { return };
        let now = out.now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.kept += raised.messages;
        if said.last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET) {
            let messages = match said.kept {
                1 => "1 message does not go on".to_owned(),
                kept => format!("{kept} messages since the last such line do not go on"),
            };
            *said = Said { last: Some(now), kept: 0 };
            out.say(format!("{}; {messages}", first.trim_end()));
        }
    }

    /// Counts the messages by what becomes of them, and makes it so.
    fn carry_out(&self, verdicts: Vec<Verdict>, selection: &mut Selection, out: &mut Out<'_>) {
        let mut tally = Tally::default();
        for verdict in &verdicts {
            match verdict {
                Verdict::Passes(_) => tally.parsed(),
                Verdict::Dropped(reason) => tally.refuse(*reason),
            }
        }
        self.statistics.add(&mut tally);
        if verdicts.iter().all(Verdict::is_plain) {
            return;
        }
        let mut verdicts = verdicts.into_iter();
        // Each message is asked for once, in order.
        out.revise(selection, |row| match verdicts.next() {
            Some(Verdict::Passes(changes)) => {
                if let Some(changes) = changes {
                    changes.apply(row);
                }
                true
            }
            Some(Verdict::Dropped(_)) | None => false,
        });
    }
}

impl Step for PythonParser {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let mut raised = Raised::default();
        let called = if self.has_ended() {
            None
        } else {
            let _posts = threads::never_waits();
            keep_thread(THREAD);
            self.calls.on_this_thread();
            Python::try_attach(|py| {
                let verdicts = match &self.parsing {
                    Parsing::Each(parse) => self.parse_each(py, parse, selection, &mut raised),
                    Parsing::Batch(parse) => self.parse_batch(py, parse, selection, &mut raised),
                };
                release::drain_some(py);
                verdicts
            })
        };
        let without = || (0..selection.len()).map(|_| Verdict::Dropped(ENDED)).collect();
        let verdicts = called.unwrap_or_else(without);
        self.carry_out(verdicts, selection, out);
        self.report(raised, out);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn statistics(&self) -> Option<StepStatistics> {
        Some(self.statistics.of(&self.id, "python"))
    }

    fn retire(&self, is_last: bool) {
        let _posts = threads::never_waits();
        keep_thread(THREAD);
        Python::try_attach(|py| self.deinitialise(py));
        if is_last {
            end_thread();
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
