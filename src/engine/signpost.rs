//! Which way the batches of each source go, and how that changes while they come: [`Signpost`].
//!
//! A worker holds the [`Routes`] that it goes by, and looks at one number for each batch to see whether
//! there are newer ones. What was in its inbox when they came still goes by the old ones; then it takes
//! the new ones up and says so:
//!
//! ```text
//!  main thread                        worker
//!  routes = new; version += 1         version changed?
//!  wake the worker                    send as many batches as the inbox has, by the old routes
//!  seen == version? ◄──────────────── routes = new; seen = version
//! ```
//! From then on nothing goes by the old routes any more: a destination that is in none of the new ones
//! has all that it will ever get, and a source that was stopped before has all of its batches sent on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::log::Log;
use super::queue::Queue;
use crate::fault::panic_text;
use crate::flow::{Ack, DropReason, Inbox, Parcel};
use crate::message::Selection;

/// One way out for the batches of a source.
#[derive(Debug, Clone)]
pub struct Way {
    /// The queue of the destination.
    pub queue: Queue,
    /// Whether the source waits for it.
    pub flow_control: bool,
}

/// Where the messages of each source go.
#[derive(Debug, Default)]
pub struct Routes {
    /// The ways of each source, by the number of its lane.
    pub ways: HashMap<usize, Vec<Way>, RandomState>,
    /// How long each worker looks away while batches come.
    pub naps: Vec<Duration>,
}

impl Routes {
    /// Sends one batch on; false when its source has no entry. With an entry and without a way it is
    /// counted as delivered: it has nowhere to go.
    ///
    /// An urgent batch wakes its destinations from their naps: its source waits for nothing but them, or soon will.
    fn send(&self, source: usize, view: &Selection, ack: &Ack, urgent: bool) -> bool {
        let Some(ways) = self.ways.get(&source) else { return false };
        for way in ways {
            way.queue.push(view.clone(), ack, way.flow_control);
            if urgent {
                way.queue.wake();
            }
        }
        true
    }
}

/// The routes, for all workers.
#[derive(Debug, Default)]
pub struct Signpost {
    /// Raised after `routes` was set.
    version: AtomicU64,
    routes: Mutex<Arc<Routes>>,
    /// Messages of sources that had no way any more.
    late: AtomicU64,
}

impl Signpost {
    /// Sends every later batch by `routes`; returns the number that workers show when they do.
    pub fn set(&self, routes: Routes) -> u64 {
        let mut current = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(routes);
        self.version.fetch_add(1, Ordering::Release) + 1
    }

    /// Messages that came too late, when their source had no way any more. They are counted as dropped.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// How many messages it had.
    pub messages: usize,
    /// Whether its source was about to stand still, and is not any more: it waits for nothing but its worker.
    pub frees: bool,
}

/// One worker's look at a [`Signpost`].
#[derive(Debug)]
pub struct Guide {
    signpost: Arc<Signpost>,
    worker: usize,
    version: u64,
    routes: Arc<Routes>,
    seen: Arc<AtomicU64>,
    log: Log,
}

impl Guide {
    /// The guide of the worker with this number, which shows in `seen` which version it goes by.
    pub fn new(signpost: &Arc<Signpost>, worker: usize, seen: Arc<AtomicU64>, log: &Log) -> Self {
        Self {
            signpost: Arc::clone(signpost),
            worker,
            version: 0,
            routes: Arc::default(),
            seen,
            log: log.clone(),
        }
    }

    /// Takes up newer routes, if there are some, after what is in `inbox` now was sent by the old ones.
    #[inline]
    pub fn follow(&mut self, inbox: &mut Inbox<Parcel>) {
        if self.signpost.version.load(Ordering::Acquire) != self.version {
            self.take_up(inbox);
        }
    }

    #[cold]
    fn take_up(&mut self, inbox: &mut Inbox<Parcel>) {
        for _ in 0..inbox.len() {
            let Some(parcel) = inbox.try_recv() else { break };
            self.send(parcel);
        }
        {
            let routes = self.signpost.routes.lock().unwrap_or_else(PoisonError::into_inner);
            self.version = self.signpost.version.load(Ordering::Acquire);
            self.routes = Arc::clone(&routes);
        }
        if let Some(nap) = self.routes.naps.get(self.worker) {
            inbox.set_nap(*nap);
        }
        self.seen.store(self.version, Ordering::Release);
    }

    /// Sends one batch on.
    #[inline]
    pub fn send(&self, parcel: Parcel) -> Sent {
        let (source, urgent) = (parcel.source(), parcel.is_urgent());
        let lane = Arc::clone(parcel.lane());
        let (mut view, ack) = parcel.open();
        lane.parse(&mut view, &ack, |fault: &str| self.log.error(fault));
        let messages = view.len();
        match catch_unwind(AssertUnwindSafe(|| self.routes.send(source, &view, &ack, urgent))) {
            Ok(true) => {}
            Ok(false) => {
                ack.drop_rows(view.rows(), DropReason::Stopped);
                self.signpost.late.fetch_add(view.len() as u64, Ordering::Relaxed);
            }
            Err(panic) => self.give_up(&view, &ack, &*panic),
        }
        drop(ack);
        // Where it has no way, this is the end of the batch: its memory goes to whoever releases it.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(view))) {
            let reason = panic_text(&*panic);
            self.log.error(&format!(
                "fault in the engine: the memory of a batch could not be released: {reason}"
            ));
        }
        Sent { messages, frees: urgent && !lane.is_half_used() }
    }

    /// Drops a batch that the routes panicked at. Some of its ways may have it.
    #[cold]
    fn give_up(&self, view: &Selection, ack: &Ack, panic: &(dyn Any + Send)) {
        ack.drop_rows(view.rows(), DropReason::Fault);
        let (messages, source, reason) = (view.len(), &view.batch().origin().source, panic_text(panic));
        let what = "fault in the engine: a batch could not be sent on";
        self.log.error(&format!("source {source}: {what}: {reason}; its {messages} messages are dropped"));
    }
}
