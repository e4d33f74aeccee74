//! From the acknowledgements of a source's messages to its callbacks: [`Tracking`], which a thread of its own
//! carries ([`ack_caller`](super::ack_caller)).
//!
//! ```text
//!  post (GIL) ── ticket, row, bookmark ──► marks ────────────────┐
//!     │ batch with its ticket                                    ▼ (GIL)
//!     └─► lane … destination ─► Ack ─► flow::Tracker ─ news ─► thread of the source ─► callback
//! ```
//!
//! * The marks are a table from a batch's ticket to the bookmarks of its rows. A post writes it right after
//!   its row is published, in the same hold of the GIL; the table is read with the GIL. So whoever hears of a
//!   row finds its bookmark, however fast it was delivered. A message without a bookmark costs nothing here.
//! * Threads of the engine only send news, and never attach to Python. The callbacks run on a thread of the
//!   source's own, all that is news in one hold of the GIL: a callback that blocks holds up nobody else,
//!   and its own source when it is a window behind ([`Tracker`]).
//! * It is a Python thread, so that it has a name there, keeps its `threading.local`, and can be shown in the
//!   log.
//!
//! # The end
//! When its source is closed the thread goes on until every batch is acknowledged, which after a reload may
//! take as long as the old destinations need. At the end of the engine, when the pipelines are drained,
//! [`finish_all`](super::ack_caller::finish_all) has the threads call back what they heard of, and waits a
//! bounded time for them. What was never acknowledged is not called back.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use crossbeam::channel::{Receiver, Sender, unbounded};
use pyo3::prelude::*;

use super::ack_tracker::{AckTracker, Plan, check_persisted};
use super::cell::GilCell;
use super::type_name::type_name;
use crate::flow::tracker::{Group, News};
use crate::flow::{Lane, Tracker};

/// The threads that have not come to their end.
static LIVE: Mutex<Vec<Arc<Tracking>>> = Mutex::new(Vec::new());

pub(super) fn live() -> MutexGuard<'static, Vec<Arc<Tracking>>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) enum Order {
    News(News),
    /// The source posts no more.
    Close,
    /// No more news will come.
    Finish,
}

/// The bookmarks of one batch, with the rows that they belong to.
pub(super) type Marks = Vec<(u32, Py<PyAny>)>;

/// The state of a source that has an ack tracker.
pub(crate) struct Tracking {
    pub(super) tracker: Arc<Tracker>,
    /// True when its bookmarks go into a store, which does not take every object.
    pub(super) persists: bool,
    pub(super) marks: GilCell<BTreeMap<u64, Marks>>,
    pub(super) orders: Sender<Order>,
    /// The number of the thread that calls back.
    pub(super) thread: AtomicU64,
    pub(super) caller: OnceLock<ThreadId>,
    /// The name of the callback in the log.
    pub(super) called: String,
}

impl Tracking {
    /// Follows what is posted into `lane` from now on, for `object`. The second is what the thread reads:
    /// for [`start`](super::ack_caller::start).
    ///
    /// # Errors
    /// When `object` is not an ack tracker, or its `__init__` was not called: what is wrong with it.
    pub(crate) fn new(
        object: &Bound<'_, PyAny>,
        lane: &Lane,
        source: &str,
    ) -> Result<(Arc<Self>, NewsReceiver), String> {
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
        // What a crash repeats is what has no bookmark on the disk: never more than the window. Whether the
        // callbacks save theirs shows in the first of them (`ack_caller`).
        follower.await_callbacks();
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
        let heard = NewsReceiver { receiver, object: tracker.clone().unbind() };
        Ok((Arc::new(tracking), heard))
    }

    pub(super) fn forget(self: &Arc<Self>) {
        live().retain(|other| !Arc::ptr_eq(self, other));
    }

    /// The tracker of the batches.
    pub(crate) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// Refuses a bookmark that the ack tracker cannot take.
    ///
    /// # Errors
    /// `TypeError`, with the name of `method`.
    pub(crate) fn check(&self, bookmark: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        if self.persists { check_persisted(bookmark, method) } else { Ok(()) }
    }

    /// Keeps the bookmark of a row that was published in this hold of the GIL.
    #[inline]
    pub(crate) fn mark(&self, py: Python<'_>, (ticket, row): (u64, u32), bookmark: Py<PyAny>) {
        self.marks.with(py, |marks| marks.entry(ticket).or_default().push((row, bookmark)));
    }

    /// Keeps the bookmark that is told when every batch of `group` is done, of which there are no more.
    pub(crate) fn mark_group(&self, py: Python<'_>, group: Group, bookmark: Py<PyAny>) {
        let ticket = self.tracker.close_group(group);
        self.mark(py, (ticket, 0), bookmark);
    }

    /// Says that no more is posted.
    pub(crate) fn close(&self) {
        // Nobody receives when the thread has ended.
        let _ = self.orders.send(Order::Close);
    }

    /// Called by a thread that may wait for credit. If it is the one that calls back, the credit must not
    /// wait for its callbacks.
    pub(crate) fn before_wait(&self) {
        if self.caller.get().is_some_and(|caller| *caller == std::thread::current().id()) {
            self.tracker.stop_holding();
        }
    }
}

/// The receiver of news that the thread reads, and the ack tracker. Not part of [`Tracking`], which the
/// source holds: the ack tracker holds the source, so the two would keep each other for ever.
pub(crate) struct NewsReceiver {
    pub(super) receiver: Receiver<Order>,
    pub(super) object: Py<AckTracker>,
}
