//! The thread of a source that calls back: all that is news in one hold of the GIL, list by list or bookmark
//! by bookmark as its ack tracker wants it; and its end.

use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::RecvTimeoutError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::ack_tracker::{Batched, Plan};
use super::acks::{NewsReceiver, Order, Tracking, live};
use super::attachment::Attachment;
use super::{exception, persist, release, returned, threads};
use crate::engine::Log;
use crate::flow::signals;
use crate::flow::tracker::News;

/// News that is worked on in one hold of the GIL.
const NEWS_PER_HOLD: usize = 256;
/// After this much news without a bookmark the source is taken for one that has none.
const SILENT: u32 = 64;

/// The body of the thread of `tracking`, which calls back on what it hears: for [`start`].
///
/// # Errors
/// No memory.
pub(crate) fn caller(
    py: Python<'_>,
    tracking: &Arc<Tracking>,
    heard: NewsReceiver,
    source: Py<PyAny>,
    attachment: &Arc<Attachment>,
) -> PyResult<Py<Caller>> {
    Py::new(py, Caller { heard, tracking: Arc::clone(tracking), attachment: Arc::clone(attachment), source })
}

/// Starts the thread of `caller`.
///
/// # Errors
/// When the system has no thread to give: then it can be tried again.
pub(crate) fn start(py: Python<'_>, caller: &Py<Caller>) -> PyResult<()> {
    let Caller { tracking, attachment, .. } = caller.get();
    live().push(Arc::clone(tracking));
    let started = threads::start(py, &format!("acks {}", attachment.id), caller.clone_ref(py).into_any());
    if started.is_err() {
        tracking.forget();
    }
    started
}

/// The body of the thread.
#[pyclass(frozen)]
pub struct Caller {
    heard: NewsReceiver,
    tracking: Arc<Tracking>,
    attachment: Arc<Attachment>,
    /// Keeps the source alive until its last callback.
    #[expect(dead_code, reason = "it is kept, and not looked at")]
    source: Py<PyAny>,
}

/// Ends the bookkeeping of the thread, also when it panics.
struct AtEnd<'a>(&'a Arc<Tracking>);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.tracker.stop_holding();
        self.0.forget();
    }
}

/// The work of the thread.
#[derive(Default)]
struct Work {
    collected: Vec<Py<PyAny>>,
    /// The time at which a list was last told, or there was none to tell.
    last_list: Option<Instant>,
    /// The time at which what is collected is told though it is little.
    list_at: Option<Instant>,
    is_closed: bool,
    is_finished: bool,
    /// The number of callbacks.
    callbacks: u64,
    /// One of them has saved something in a `Persist`.
    saves: bool,
    /// The number of news before the first of them.
    silent: u32,
}

#[pymethods]
impl Caller {
    fn __call__(&self, py: Python<'_>) {
        let _at_end = AtEnd(&self.tracking);
        self.tracking.thread.store(threads::ident(), Ordering::Relaxed);
        let _ = self.tracking.caller.set(std::thread::current().id());
        let mut work = Work { last_list: Some(Instant::now()), ..Work::default() };
        while !work.is_finished {
            self.hear(py, &mut work);
        }
        self.tell_collected(py, &mut work);
        // What was never acknowledged; dropped with the cell closed.
        drop(self.tracking.marks.with(py, take));
        release::drain_all(py);
    }
}

impl Caller {
    fn plan(&self) -> &Plan {
        let Some(plan) = self.heard.object.get().plan() else {
            unreachable!("`Tracking::new` looked, and it is never unset")
        };
        plan
    }

    /// Waits for news, and works on what has come.
    fn hear(&self, py: Python<'_>, work: &mut Work) {
        let list_at = self.list_at(work);
        if list_at.is_some_and(|at| at <= Instant::now()) {
            return self.tell_collected(py, work);
        }
        let receiver = &self.heard.receiver;
        let first = py.detach(|| match list_at {
            None => receiver.recv().map_err(RecvTimeoutError::from),
            Some(at) => receiver.recv_deadline(at),
        });
        let first = match first {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => return self.tell_collected(py, work),
            Err(RecvTimeoutError::Disconnected) => Order::Finish,
        };
        let more = receiver.try_iter().take(NEWS_PER_HOLD);
        let called_back = !matches!(first, Order::Close | Order::Finish);
        let mut prefix: Option<(u64, u32, u32)> = None;
        // Messages of callbacks whose values are not on the disk yet.
        let mut unsaved = 0_u32;
        for order in std::iter::once(first).chain(more) {
            match order {
                Order::News(News::Batch { ticket, messages, mut aborted }) => {
                    aborted.sort_unstable();
                    self.tell_batch(py, work, ticket, &aborted);
                    if persist::has_saved() {
                        unsaved = unsaved.saturating_add(messages);
                    } else {
                        self.tracking.tracker.called_back(messages);
                    }
                }
                Order::News(News::Prefix { end, rows, messages }) => {
                    let before = prefix.map_or(0, |(_, _, messages)| messages);
                    prefix = Some((end, rows, before.saturating_add(messages)));
                }
                Order::Close => work.is_closed = true,
                Order::Finish => {
                    work.is_finished = true;
                    break;
                }
            }
        }
        if let Some((end, rows, messages)) = prefix {
            self.tell_prefix(py, work, end, rows);
            unsaved = unsaved.saturating_add(messages);
        }
        self.settle(py, work);
        if unsaved > 0 {
            self.tracking.tracker.called_back(unsaved);
        }
        if called_back {
            // A library may have set handlers of its own; the tick of the main thread is a quarter of a
            // second away.
            signals::install();
        }
        if work.is_closed {
            self.tell_collected(py, work);
            // Nothing is issued any more, so whatever was told is on the list by now.
            work.is_finished |= self.tracking.tracker.is_idle() && receiver.is_empty();
        }
    }

    /// Waits until what the callbacks have saved in a `Persist` is on the disk, and decides from that when
    /// credit comes back.
    fn settle(&self, py: Python<'_>, work: &mut Work) {
        if persist::take_saved() {
            work.saves = true;
            self.tracking.tracker.await_callbacks();
            persist::settle(py);
        } else if !work.saves && (work.callbacks > 0 || work.silent == SILENT) {
            self.tracking.tracker.stop_awaiting();
        }
        work.silent += u32::from(work.callbacks == 0 && work.silent < SILENT);
    }

    fn tell(&self, py: Python<'_>, work: &mut Work, bookmark: Py<PyAny>) {
        work.callbacks += 1;
        let plan = self.plan();
        let told = plan.tell(py, bookmark.into_bound(py));
        if let Err(error) = returned::take(py, plan.callback_name(), told) {
            (self.attachment.report)(py, plan.callback_name(), error);
        }
    }

    /// `aborted` is sorted.
    fn tell_batch(&self, py: Python<'_>, work: &mut Work, ticket: u64, aborted: &[u32]) {
        let Some(marks) = self.tracking.marks.with(py, |marks| marks.remove(&ticket)) else { return };
        let Plan::Batched(batched) = self.plan() else {
            for (_, bookmark) in marks {
                self.tell(py, work, bookmark);
            }
            return;
        };
        for (row, bookmark) in marks {
            if aborted.binary_search(&row).is_ok() {
                continue;
            }
            work.collected.push(bookmark);
            if work.collected.len() >= batched.size {
                self.tell_collected(py, work);
            }
        }
    }

    fn tell_prefix(&self, py: Python<'_>, work: &mut Work, end: u64, rows: u32) {
        let mut done = self.tracking.marks.with(py, |marks| {
            let rest = marks.split_off(&end);
            std::mem::replace(marks, rest)
        });
        if rows > 0
            && let Some(mut part) = self.tracking.marks.with(py, |marks| marks.remove(&end))
        {
            part.retain(|(row, _)| *row < rows);
            done.insert(end, part);
        }
        let last = done.values_mut().rev().find_map(Vec::pop);
        if let Some((_, bookmark)) = last {
            self.tell(py, work, bookmark);
        }
    }

    /// The time at which the collected bookmarks are told though they are few.
    fn list_at(&self, work: &mut Work) -> Option<Instant> {
        let Plan::Batched(Batched { timeout: Some(timeout), .. }) = self.plan() else { return None };
        if work.collected.is_empty() {
            return None;
        }
        if work.list_at.is_none() {
            // The time-outs follow each other from the last list on, also while there is nothing to tell.
            let since = work.last_list?.elapsed().as_nanos();
            let left = timeout.as_nanos() - since % timeout.as_nanos();
            work.list_at =
                Some(Instant::now() + Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)));
        }
        work.list_at
    }

    fn tell_collected(&self, py: Python<'_>, work: &mut Work) {
        (work.last_list, work.list_at) = (Some(Instant::now()), None);
        let collected = take(&mut work.collected);
        let Plan::Batched(batched) = self.plan() else { return };
        if collected.is_empty() {
            return;
        }
        work.callbacks += 1;
        let told = PyList::new(py, collected).and_then(|list| batched.callback.bind(py).call1((list,)));
        let name = self.plan().callback_name();
        if let Err(error) = returned::take(py, name, told) {
            (self.attachment.report)(py, name, error);
        }
    }
}

/// Has every thread call back what it heard of, and end; waits for that at most `within`. False when one has
/// not ended: its callback hangs, and the log says where.
pub(crate) fn finish_all(py: Python<'_>, log: &Log, within: Duration) -> bool {
    for tracking in &*live() {
        // Nobody receives when the thread is just ending.
        let _ = tracking.orders.send(Order::Finish);
    }
    let deadline = Instant::now() + within;
    while !live().is_empty() && Instant::now() < deadline {
        py.detach(|| std::thread::sleep(Duration::from_millis(2)));
    }
    let stuck: Vec<_> = live().iter().map(Arc::clone).collect();
    for tracking in &stuck {
        let place = exception::stack(py, tracking.thread.load(Ordering::Relaxed));
        let place = place.unwrap_or_else(|| "(its stack is not known)".to_owned());
        let seconds = within.as_secs_f64();
        log.error(&format!(
            "{} has not returned {seconds} s after the last message; going on without it, and without what it was to be \
             told. It stands here:\n{place}",
            tracking.called
        ));
    }
    stuck.is_empty()
}
