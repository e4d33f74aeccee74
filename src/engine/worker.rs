//! The worker: it takes batches from lanes and sends them down their branches.
//!
//! A source belongs to one worker, so its batches keep their order. A worker never waits for a
//! destination: what holds a source back is its credit, and nothing else.
//!
//! [`start`] gives it a thread, [`run`] is what that does. At its end it hands its inbox over, and [`Ended`]
//! counts as dropped what comes into it after that.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender as Notify, channel};
use std::thread;
use std::time::{Duration, Instant};

mod postponed;

use self::postponed::Postponed;
use super::log::Log;
use super::router::Router;
use crate::fault;
use crate::flow::{DropReason, Inbox, Parcel, nap_precisely};
use crate::template::end_host_thread;

/// The time between looks whether the other workers have ended.
const OTHERS_END: Duration = Duration::from_millis(1);

/// The two steps of the end of all workers.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// Nothing is posted any more: they send on what is there, and end.
    pub asked: AtomicBool,
    /// They end now, and leave what waits for credit in their inboxes.
    pub due: AtomicBool,
}

impl Stop {
    /// Tells whether they end now.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }
}

/// Starts the worker called `name`, which runs until it is asked to `stop` and gives its inbox to `ended`.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn start(
    name: String,
    inbox: Inbox<Parcel>,
    router: Router,
    stop: &Arc<Stop>,
    ended: Notify<Inbox<Parcel>>,
    log: &Log,
) -> io::Result<()> {
    let (stop, log) = (Arc::clone(stop), log.clone());
    let start = thread::Builder::new().name(name.clone()).spawn(move || {
        nap_precisely();
        let run = AssertUnwindSafe(|| run(inbox, router, &stop));
        let inbox = catch_unwind(run)
            .unwrap_or_else(|panic| fault::fatal(&name, &*panic, |text| log.last_error(text)));
        end_host_thread();
        // The receiver is gone only when nobody waits any more.
        let _ = ended.send(inbox);
    });
    start.map(drop)
}

/// Takes what comes until it is asked to `stop` and the inbox is empty, and gives the inbox back: what is left
/// in it, and sent into it after that, is counted as dropped by whoever drops it.
pub(crate) fn run(mut inbox: Inbox<Parcel>, mut router: Router, stop: &Stop) -> Inbox<Parcel> {
    let mut postponed = Postponed::default();
    loop {
        let (is_due, is_asked) = (stop.is_due(), stop.asked.load(Ordering::Acquire));
        if !postponed.is_empty() {
            // What came before newer routes goes by the old ones.
            postponed.release(router.is_behind(), stop, |parcel| {
                router.send(parcel);
            });
        }
        router.follow(&mut inbox);
        let seen = pass(&mut inbox, &router, &mut postponed, (stop, is_asked));
        router.expire();
        if is_asked && !is_due && postponed.is_empty() && router.is_last_to_end() {
            inbox.wait(Some(Instant::now() + OTHERS_END));
            continue;
        }
        if is_asked && (is_due || postponed.is_empty()) {
            inbox.leave_behind(postponed.into_parcels());
            router.end();
            return inbox;
        }
        let due = || postponed.next_look().into_iter().chain(router.wait_until()).min();
        match seen {
            Some(Seen { frees: true, .. }) => inbox.spin_or_nap(due),
            Some(Seen { messages, .. }) => inbox.nap(messages, due),
            None => inbox.wait(due()),
        }
    }
}

/// The result of a look into the inbox.
struct Seen {
    messages: usize,
    /// True when a source waits for nothing but this worker.
    frees: bool,
}

/// Sends on what is in the inbox, until the stop is due; with `all` until it is empty. `None` when there was
/// nothing.
///
/// A batch that comes then is left to the next look: a batch that was just opened would be taken nearly empty.
/// So is a batch that is still open where another one was sent on: more will come, and its writer, which
/// would be disturbed, will have ended it by then. If not, it is taken then all the same. An open batch is
/// the last that its writer has sent, so nothing overtakes it.
fn pass(
    inbox: &mut Inbox<Parcel>,
    router: &Router,
    postponed: &mut Postponed,
    (stop, all): (&Stop, bool),
) -> Option<Seen> {
    let (mut due, mut left_before) = inbox.begin_look();
    let (mut seen, mut open) = (None, Vec::new());
    while (due > 0 || all)
        && !stop.is_due()
        && let Some(parcel) = inbox.try_recv()
    {
        let was_left = left_before > 0;
        (due, left_before) = (due.saturating_sub(1), left_before.saturating_sub(1));
        if seen.is_some() && !was_left && !all && parcel.is_open() {
            open.push(parcel);
            continue;
        }
        let Some(parcel) = postponed.admit(parcel) else { continue };
        let sent = router.send(parcel);
        let Seen { messages, frees } = seen.get_or_insert(Seen { messages: 0, frees: false });
        (*messages, *frees) = (*messages + sent.messages, *frees || sent.frees);
    }
    inbox.leave_behind(open);
    seen
}

/// The workers that have ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The channel on which they say so, with their inboxes.
    workers: (Notify<Inbox<Parcel>>, Receiver<Inbox<Parcel>>),
    inboxes: Vec<Inbox<Parcel>>,
    /// Messages that came into them after that.
    late: u64,
}

impl Default for Ended {
    fn default() -> Self {
        Self { workers: channel(), inboxes: Vec::new(), late: 0 }
    }
}

impl Ended {
    /// The callback that a worker gives its inbox to.
    pub(crate) fn notify(&self) -> Notify<Inbox<Parcel>> {
        self.workers.0.clone()
    }

    /// Waits until `workers` have ended, or until `deadline`; whether they have.
    pub(crate) fn wait(&mut self, workers: usize, deadline: Instant) -> bool {
        while self.inboxes.len() < workers {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(inbox) = self.workers.1.recv_timeout(left) else { return false };
            self.inboxes.push(inbox);
        }
        true
    }

    /// Counts as dropped what the workers have left, and what came after their last look, from posts that
    /// raced with the closing of their lane; how many messages that were.
    pub(crate) fn collect_late(&mut self, log: &Log) -> u64 {
        let Self { inboxes, late, .. } = self;
        for inbox in inboxes {
            while let Some(parcel) = inbox.try_recv() {
                let (view, ack) = parcel.open();
                ack.drop_rows(view.rows(), DropReason::Stopped);
                *late += view.len() as u64;
            }
        }
        if *late > 0 {
            log.error(&format!(
                "{late} messages had not been sent on when the engine stopped, and are dropped"
            ));
        }
        *late
    }
}

#[cfg(test)]
mod tests;
