//! A destination that keeps what arrives, and acknowledges it when it is told to: [`Collector`].
//!
//! It stands where the engine has its workers and destinations: at the end of a source's lane. Its thread
//! never attaches to Python. A message is *held* until it is acknowledged or aborted; a batch gives back its
//! credit when that is decided of each of its messages, so a lane that is to be held message by message has
//! batches of one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::Log;
use crate::flow::{Ack, DropReason, Inbox, Parcel, Sender};
use crate::message::{MessageRef, Rows, Selection};

/// The time between looks whether the source has ended.
const LOOK: Duration = Duration::from_millis(5);

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is waited for.
    Held,
    /// It is delivered.
    Acked,
    /// It was given up.
    Aborted,
}

impl Outcome {
    /// Its name in Python.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Acked => "acked",
            Self::Aborted => "aborted",
        }
    }
}

/// The acknowledgement of a batch, until all of its messages are decided.
struct Hold {
    ack: Option<Ack>,
    undecided: usize,
}

/// A message that has arrived.
#[derive(Clone)]
pub(crate) struct Arrived {
    view: Selection,
    index: usize,
    hold: Arc<Mutex<Hold>>,
    outcome: Outcome,
}

impl Arrived {
    /// The message.
    pub(crate) fn message(&self) -> MessageRef<'_> {
        self.view.message(self.index)
    }
}

struct State {
    messages: VecDeque<Arrived>,
    /// Messages that arrived before the first of `messages`, and are not kept any more.
    forgotten: usize,
    holds: bool,
    /// While the test keeps the source without credit: what is delivered, and gives its credit back later.
    withheld: Option<Vec<Ack>>,
    ending: bool,
}

struct Arrivals {
    state: Mutex<State>,
    arrived: Condvar,
    keep: usize,
    log: Log,
}

/// Keeps what arrives at the end of a lane.
pub(crate) struct Collector {
    shared: Arc<Arrivals>,
    inbox: Sender<Parcel>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collector {
    /// Starts one that keeps the newest `keep` messages, and holds them if `holds`.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(keep: usize, holds: bool, log: &Log) -> std::io::Result<Self> {
        let state = State { messages: VecDeque::new(), forgotten: 0, holds, withheld: None, ending: false };
        let shared =
            Arc::new(Arrivals { state: Mutex::new(state), arrived: Condvar::new(), keep, log: log.clone() });
        let mut inbox = Inbox::new();
        let sender = inbox.sender();
        let kept = Arc::clone(&shared);
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(move || {
            loop {
                while let Some(parcel) = inbox.try_recv() {
                    kept.take(parcel);
                }
                if lock(&kept.state).ending && inbox.is_empty() {
                    break;
                }
                inbox.wait(None);
            }
        })?;
        Ok(Self { shared, inbox: sender, thread: Mutex::new(Some(thread)) })
    }

    /// The inbox that its lane leads to.
    pub(crate) fn inbox(&self) -> Sender<Parcel> {
        self.inbox.clone()
    }

    /// The number of messages that have arrived.
    pub(crate) fn count(&self) -> usize {
        let state = lock(&self.shared.state);
        state.forgotten + state.messages.len()
    }

    /// The number of the first message that is kept.
    pub(crate) fn first(&self) -> usize {
        lock(&self.shared.state).forgotten
    }

    /// The message with this number, and what became of it.
    pub(crate) fn get(&self, number: usize) -> Option<(Arrived, Outcome)> {
        let state = lock(&self.shared.state);
        let arrived = state.messages.get(number.checked_sub(state.forgotten)?)?.clone();
        let outcome = arrived.outcome;
        Some((arrived, outcome))
    }

    /// Forgets everything that arrived; what is held stays held for ever, so nothing should be.
    pub(crate) fn clear(&self) {
        let mut state = lock(&self.shared.state);
        state.forgotten += state.messages.len();
        state.messages.clear();
    }

    /// Says whether messages are held from now on.
    pub(crate) fn set_holds(&self, holds: bool) {
        lock(&self.shared.state).holds = holds;
    }

    /// Keeps the credit of what is delivered from now on, until it is called with false.
    pub(crate) fn set_withholds(&self, withholds: bool) {
        let mut state = lock(&self.shared.state);
        let before = if withholds {
            state.withheld.get_or_insert_default();
            None
        } else {
            state.withheld.take()
        };
        drop(state);
        // Whoever is told of it may come back here.
        drop(before);
    }

    /// Decides about a message: whether it was held until now; `None` when there is none of this number.
    pub(crate) fn decide(&self, number: usize, outcome: Outcome) -> Option<bool> {
        let (hold, row) = {
            let mut state = lock(&self.shared.state);
            let index = number.checked_sub(state.forgotten)?;
            let arrived = state.messages.get_mut(index)?;
            if arrived.outcome != Outcome::Held {
                return Some(false);
            }
            arrived.outcome = outcome;
            (Arc::clone(&arrived.hold), arrived.view.rows().at(arrived.index))
        };
        let mut hold = lock(&hold);
        if outcome == Outcome::Aborted
            && let Some(ack) = &hold.ack
        {
            ack.drop_rows(&Rows::Range(row..row + 1), DropReason::Stopped);
        }
        hold.undecided -= 1;
        let ack = if hold.undecided == 0 { hold.ack.take() } else { None };
        drop(hold);
        // Whoever is told of it may come back here.
        drop(ack);
        Some(true)
    }

    /// Waits until `count` messages have arrived, until `is_over`, or until `deadline`; whether they have.
    pub(crate) fn wait(&self, count: usize, deadline: Instant, is_over: impl Fn() -> bool) -> bool {
        loop {
            // Looked at before the count, and without the lock: what it looks at may be in here.
            let is_over = Instant::now() >= deadline || is_over();
            let state = lock(&self.shared.state);
            if state.forgotten + state.messages.len() >= count {
                return true;
            }
            if is_over {
                return false;
            }
            drop(self.shared.arrived.wait_timeout(state, LOOK));
        }
    }

    /// Ends the thread when it has taken all that is on its way.
    pub(crate) fn end(&self) {
        lock(&self.shared.state).ending = true;
        self.inbox.wake();
        if let Some(thread) = lock(&self.thread).take() {
            // It panics nowhere; if it did, what arrived is still there.
            let _ = thread.join();
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.end();
    }
}

impl Arrivals {
    fn take(&self, parcel: Parcel) {
        let lane = Arc::clone(parcel.lane());
        let (mut view, ack) = parcel.open();
        lane.parse(&mut view, &ack, |fault: &str| self.log.error(fault));
        let mut done = None;
        let mut state = lock(&self.state);
        let outcome = if state.holds { Outcome::Held } else { Outcome::Acked };
        let hold = Hold { ack: Some(ack), undecided: view.len() };
        let hold = Arc::new(Mutex::new(hold));
        if outcome == Outcome::Acked || view.is_empty() {
            done = lock(&hold).ack.take();
        }
        if let Some(withheld) = &mut state.withheld {
            withheld.extend(done.take());
        }
        for index in 0..view.len() {
            let arrived = Arrived { view: view.clone(), index, hold: Arc::clone(&hold), outcome };
            state.messages.push_back(arrived);
        }
        let surplus = state.messages.len().saturating_sub(self.keep);
        state.messages.drain(..surplus);
        state.forgotten += surplus;
        drop(state);
        drop(done);
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Credit, Lane};
    use crate::message::{Need, Origin, Pool};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Breaks without it: a test of a source with a small window waits for ever.
    #[test]
    fn credit_comes_back_message_by_message() {
        let collector = Collector::start(usize::MAX, true, &Log::silent()).unwrap();
        let credit = Arc::new(Credit::new(3, 1 << 20));
        let lane = Lane::new(0, collector.inbox(), credit, Arc::default(), Arc::new(Pool::new()), Some(1));
        let mut producer = lane.producer(Arc::new(Origin::named("s")));
        let mut post = |text: &[u8]| {
            let need = Need { bytes: text.len(), ..Need::default() };
            producer.try_post(need, |row| row.payload_copy(text))
        };
        for text in [b"a", b"b", b"c"] {
            post(text).unwrap();
        }
        assert!(post(b"d").is_err());
        assert!(collector.wait(3, soon(), || false));
        assert_eq!(collector.decide(1, Outcome::Acked), Some(true));
        assert_eq!(collector.decide(1, Outcome::Aborted), Some(false), "decided already");
        assert_eq!(collector.decide(9, Outcome::Acked), None);
        assert_eq!(collector.decide(2, Outcome::Aborted), Some(true));
        assert_eq!(lane.credit().free_messages(), 2);
        post(b"d").unwrap();
        collector.set_holds(false);
        collector.end();
        assert_eq!((collector.count(), collector.get(0).unwrap().1), (4, Outcome::Held));
        assert_eq!(collector.get(3).unwrap().0.message().text(), b"d");
        assert_eq!(collector.decide(0, Outcome::Acked), Some(true));
        let totals = lane.counters().totals();
        assert_eq!((totals.posted, totals.dropped_total()), (4, 1));
        assert!(!collector.wait(5, Instant::now(), || false));
    }

    /// Breaks without it: a test cannot see what a source does without credit.
    #[test]
    fn withheld_credit_comes_back_at_once() {
        let collector = Collector::start(usize::MAX, false, &Log::silent()).unwrap();
        let credit = Arc::new(Credit::new(3, 1 << 20));
        let lane = Lane::new(0, collector.inbox(), credit, Arc::default(), Arc::new(Pool::new()), Some(1));
        let mut producer = lane.producer(Arc::new(Origin::named("s")));
        collector.set_withholds(true);
        for text in [b"a", b"b"] {
            producer.try_post(Need { bytes: 1, ..Need::default() }, |row| row.payload_copy(text)).unwrap();
        }
        assert!(collector.wait(2, soon(), || false));
        assert_eq!((lane.credit().free_messages(), collector.get(0).unwrap().1), (1, Outcome::Acked));
        collector.set_withholds(false);
        assert_eq!(lane.credit().free_messages(), 3);
    }

    /// Breaks without it: a script that runs for days fills the memory.
    #[test]
    fn the_newest_are_kept() {
        let collector = Collector::start(2, false, &Log::silent()).unwrap();
        let credit = Arc::new(Credit::new(10, 1 << 20));
        let lane = Lane::new(0, collector.inbox(), credit, Arc::default(), Arc::new(Pool::new()), None);
        let mut producer = lane.producer(Arc::new(Origin::named("s")));
        for text in [b"a", b"b", b"c"] {
            producer.try_post(Need { bytes: 1, ..Need::default() }, |row| row.payload_copy(text)).unwrap();
        }
        collector.end();
        assert_eq!((collector.count(), collector.first()), (3, 1));
        assert!(collector.get(0).is_none());
        assert_eq!(collector.get(2).unwrap().0.message().text(), b"c");
        assert_eq!(lane.credit().free_messages(), 10);
    }
}
