//! From the acknowledgements of a source's messages to its callbacks: [`Tracking`], and the thread that calls back.
//!
//! ```text
//!  post (GIL) ── ticket, row, bookmark ──► marks ────────────────┐
//!     │ batch with its ticket                                    ▼ (GIL)
//!     └─► lane … destination ─► Ack ─► flow::Tracker ─ news ─► thread of the source ─► callback
//! ```
//!
//! * The marks are a table from a batch's ticket to the bookmarks of its rows. A post writes it right after its row is
//!   published, in the same hold of the GIL; the table is read with the GIL. So whoever hears of a row finds its
//!   bookmark, however fast it was delivered. A message without a bookmark costs nothing here.
//! * Threads of the engine only send news, and never attach to Python. The callbacks run on a thread of the
//!   source's own, all that is news in one hold of the GIL: a callback that blocks holds up nobody else,
//!   and its own source when it is a window behind ([`Tracker`]).
//! * It is a Python thread, so that it has a name there, keeps its `threading.local`, and can be shown in the log.
//!
//! # The end
//! When its source is closed the thread goes on until every batch is acknowledged, which after a reload may
//! take as long as the old destinations need. At the end of the engine, when the pipelines are drained,
//! [`finish_all`] has the threads call back what they heard of, and waits a bounded time for them. What was
//! never acknowledged is not called back.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::ack_tracker::{AckTracker, Batched, Plan, check_persisted};
use super::attachment::Attachment;
use super::cell::GilCell;
use super::type_name::type_name;
use super::{exception, fork, release, signals};
use crate::engine::Log;
use crate::flow::tracker::{Group, News};
use crate::flow::{Lane, Tracker};

/// News that is worked on in one hold of the GIL.
const NEWS_PER_HOLD: usize = 256;

/// The threads that have not come to their end.
static LIVE: Mutex<Vec<Arc<Tracking>>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<Arc<Tracking>>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Order {
    News(News),
    /// The source posts no more.
    Close,
    /// No more news will come.
    Finish,
}

/// The bookmarks of one batch, with the rows that they belong to.
type Marks = Vec<(u32, Py<PyAny>)>;

/// What is kept of a source that has an ack tracker.
pub struct Tracking {
    tracker: Arc<Tracker>,
    /// Whether its bookmarks go into a store, which does not take every object.
    persists: bool,
    marks: GilCell<BTreeMap<u64, Marks>>,
    orders: Sender<Order>,
    /// The number of the thread that calls back.
    thread: AtomicU64,
    caller: OnceLock<ThreadId>,
    /// How the callback is called in the log.
    called: String,
}

impl Tracking {
    /// Follows what is posted into `lane` from now on, for `object`. The second is what the thread reads:
    /// for [`Tracking::start`].
    ///
    /// # Errors
    /// When `object` is not an ack tracker, or its `__init__` was not called: what is wrong with it.
    pub fn new(object: &Bound<'_, PyAny>, lane: &Lane, source: &str) -> Result<(Arc<Self>, Heard), String> {
        let Ok(tracker) = object.cast::<AckTracker>() else {
            return Err(format!("needs to be an AckTracker subtype, got {}", type_name(object)));
        };
        let Some(plan) = tracker.get().plan() else {
            let class = type_name(object);
            return Err(format!("needs to be an AckTracker; `{class}` did not call its super().__init__()"));
        };
        let called = format!("{source}: {}()", plan.callback_name());
        let (orders, receiver) = unbounded();
        let news = orders.clone();
        let tell = Box::new(move |each| {
            // Nobody receives when the thread has ended: then nobody wants to know.
            let _ = news.send(Order::News(each));
        });
        let follower = Arc::new(Tracker::new(plan.order(), Arc::clone(lane.credit()), tell));
        if matches!(plan, Plan::Persisted(_)) {
            // What a crash repeats is what has no bookmark on the disk: never more than the window.
            follower.await_callbacks();
        }
        lane.track(Arc::clone(&follower));
        let tracking = Self {
            tracker: follower,
            persists: matches!(plan, Plan::Persisted(_)),
            marks: GilCell::default(),
            orders,
            thread: AtomicU64::new(0),
            caller: OnceLock::new(),
            called,
        };
        let heard = Heard { receiver, object: tracker.clone().unbind() };
        Ok((Arc::new(tracking), heard))
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        self: &Arc<Self>,
        py: Python<'_>,
        heard: Heard,
        source: Py<PyAny>,
        attachment: &Arc<Attachment>,
    ) -> PyResult<()> {
        let caller = Caller { heard, tracking: Arc::clone(self), attachment: Arc::clone(attachment), source };
        let keywords = PyDict::new(py);
        keywords.set_item("target", Py::new(py, caller)?)?;
        keywords.set_item("name", format!("acks {}", attachment.id))?;
        // A callback that does not end must not keep the process from its own end.
        keywords.set_item("daemon", true)?;
        let thread = py.import("threading")?.call_method("Thread", (), Some(&keywords))?;
        live().push(Arc::clone(self));
        let started = thread.call_method0("start");
        if started.is_err() {
            self.forget();
        }
        started.map(drop)
    }

    fn forget(self: &Arc<Self>) {
        live().retain(|other| !Arc::ptr_eq(self, other));
    }

    /// Who follows the batches.
    pub fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Refuses a bookmark that the ack tracker cannot take.
    ///
    /// # Errors
    /// `TypeError`, with the name of `method`.
    pub fn check(&self, bookmark: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        if self.persists { check_persisted(bookmark, method) } else { Ok(()) }
    }

    /// Keeps the bookmark of a row that was published in this hold of the GIL.
    #[inline]
    pub fn mark(&self, py: Python<'_>, (ticket, row): (u64, u32), bookmark: Py<PyAny>) {
        self.marks.with(py, |marks| marks.entry(ticket).or_default().push((row, bookmark)));
    }

    /// Keeps the bookmark that is told when every batch of `group` is done, of which there are no more.
    pub fn mark_group(&self, py: Python<'_>, group: Group, bookmark: Py<PyAny>) {
        let ticket = self.tracker.close_group(group);
        self.mark(py, (ticket, 0), bookmark);
    }

    /// Says that no more is posted.
    pub fn close(&self) {
        // Nobody receives when the thread has ended.
        let _ = self.orders.send(Order::Close);
    }

    /// Called by a thread that may wait for credit. If it is the one that calls back, the credit must not
    /// wait for its callbacks.
    pub fn before_wait(&self) {
        if self.caller.get().is_some_and(|caller| *caller == std::thread::current().id()) {
            self.tracker.stop_holding();
        }
    }
}

/// What the thread reads, and the ack tracker. Not part of [`Tracking`], which the source holds: the ack tracker holds
/// the source, so the two would keep each other for ever.
pub struct Heard {
    receiver: Receiver<Order>,
    object: Py<AckTracker>,
}

/// The body of the thread.
#[pyclass(frozen)]
struct Caller {
    heard: Heard,
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

/// What the thread works on.
#[derive(Default)]
struct Work {
    collected: Vec<Py<PyAny>>,
    /// When a list was last told, or there was none to tell.
    last_list: Option<Instant>,
    /// When what is collected is told though it is little.
    list_at: Option<Instant>,
    is_closed: bool,
    is_finished: bool,
}

#[pymethods]
impl Caller {
    fn __call__(&self, py: Python<'_>) {
        let _at_end = AtEnd(&self.tracking);
        self.tracking.thread.store(ident(py), Ordering::Relaxed);
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

/// The number of the calling thread, as Python has it.
fn ident(py: Python<'_>) -> u64 {
    let ident = py.import("threading").and_then(|threading| threading.call_method0("get_ident"));
    ident.and_then(|ident| ident.extract()).unwrap_or(0)
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
        for order in std::iter::once(first).chain(more) {
            match order {
                Order::News(News::Batch { ticket, messages, mut aborted }) => {
                    aborted.sort_unstable();
                    self.tell_batch(py, work, ticket, &aborted);
                    self.tracking.tracker.called_back(messages);
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
            self.tell_prefix(py, end, rows);
            self.plan().settle(py);
            self.tracking.tracker.called_back(messages);
        }
        if called_back {
            // A library may have set handlers of its own; the tick of the main thread is a quarter of a second away.
            signals::install();
        }
        if work.is_closed {
            self.tell_collected(py, work);
            // Nothing is issued any more, so whatever was told is on the list by now.
            work.is_finished |= self.tracking.tracker.is_idle() && receiver.is_empty();
        }
    }

    fn tell(&self, py: Python<'_>, bookmark: Py<PyAny>) {
        let plan = self.plan();
        let told = plan.tell(py, bookmark.into_bound(py));
        fork::leave(py, &told);
        if let Err(error) = told {
            (self.attachment.report)(py, plan.callback_name(), error);
        }
    }

    /// `aborted` is sorted.
    fn tell_batch(&self, py: Python<'_>, work: &mut Work, ticket: u64, aborted: &[u32]) {
        let Some(marks) = self.tracking.marks.with(py, |marks| marks.remove(&ticket)) else { return };
        let Plan::Batched(batched) = self.plan() else {
            for (_, bookmark) in marks {
                self.tell(py, bookmark);
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

    fn tell_prefix(&self, py: Python<'_>, end: u64, rows: u32) {
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
            self.tell(py, bookmark);
        }
    }

    /// When the bookmarks that are collected are told though they are few.
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
        let told = PyList::new(py, collected).and_then(|list| batched.callback.bind(py).call1((list,)));
        fork::leave(py, &told);
        if let Err(error) = told {
            (self.attachment.report)(py, self.plan().callback_name(), error);
        }
    }
}

/// Has every thread call back what it heard of, and end; waits for that at most `within`. False when one has not ended:
/// its callback hangs, and the log says where.
pub fn finish_all(py: Python<'_>, log: &Log, within: Duration) -> bool {
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
