//! One destination after another: [`Turn`], [`End`].
//!
//! A destination that a reload replaced leaves what it cannot write at once to its *heir*, the destination of
//! the same name ([`End::hand`]). One that a reload removed has no heir, and goes on writing what it has.
//!
//! Another destination may be meant for the same file. So a destination says which files it may write
//! ([`Claim`](crate::destination::Claim)), and one whose claim meets that of a destination that has not ended
//! waits for its [`End`] before it opens anything: lines stay in the order in which they were sent, and no
//! line is written between the parts of another one. An heir waits for the end in any case.
//!
//! Messages that wait for a file are not taken over past another destination that waits for it: that one's
//! lines are newer.
//!
//! While it waits, it keeps what comes in, by the rules of the queue: if the one before it cannot write,
//! neither can it, and paths without flow control let go of their credit.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Orders, OutputState};
use crate::destination::{Counters, Handover};
use crate::flow::{Delivery, DropReason, Inbox, Sender};

/// The time between looks at those before it.
const LOOK: Duration = Duration::from_millis(100);

/// The end of a destination's thread.
#[derive(Debug, Default)]
pub(crate) struct End {
    state: Mutex<Ending>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Ending {
    /// The number of messages that it could not write.
    lost: Option<u64>,
    /// The destinations that wait for it.
    followers: Vec<Sender<Delivery>>,
    heir: Heir,
    /// The rest that it has left to its heir.
    left: Vec<Handover>,
    /// The ends of those that wait for it as they may write the same file.
    later: Vec<Arc<End>>,
}

/// Tells whether somebody takes over what a destination has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Heir {
    /// Nobody does, as far as is known.
    #[default]
    None,
    /// Somebody waits for it.
    Waits,
    /// Somebody did, and has ended.
    Gone,
}

impl End {
    fn state(&self) -> std::sync::MutexGuard<'_, Ending> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has ended, and could not write `lost` messages.
    pub(crate) fn set(&self, lost: u64) {
        let mut state = self.state();
        state.lost = Some(lost);
        for follower in state.followers.drain(..) {
            follower.wake();
        }
        self.ended.notify_all();
    }

    /// Somebody takes over from now on.
    pub(crate) fn expect_heir(&self) {
        self.state().heir = Heir::Waits;
    }

    /// Tells whether somebody takes over.
    pub(crate) fn has_heir(&self) -> bool {
        self.state().heir == Heir::Waits
    }

    /// Notes that the destination with the end `later` waits for it, as it may write the same file.
    pub(crate) fn precedes(&self, later: &Arc<Self>) {
        self.state().later.push(Arc::clone(later));
    }

    /// Tells whether the destination with the end `later` waits for it.
    pub(crate) fn is_before(&self, later: &Arc<Self>) -> bool {
        self.state().later.iter().any(|known| Arc::ptr_eq(known, later))
    }

    /// Leaves `left` to the heir, the oldest first.
    ///
    /// # Errors
    /// Gives it back when there is none.
    pub(crate) fn hand(&self, left: Vec<Handover>) -> Result<(), Vec<Handover>> {
        let mut state = self.state();
        if state.heir != Heir::Waits {
            return Err(left);
        }
        state.left = left;
        Ok(())
    }

    /// The rest that was left, for the heir.
    fn take(&self) -> Vec<Handover> {
        std::mem::take(&mut self.state().left)
    }

    /// The heir ends without it; returns how many messages were left, and are dropped.
    fn disown(&self) -> u64 {
        let mut state = self.state();
        state.heir = Heir::Gone;
        let left = std::mem::take(&mut state.left);
        drop(state);
        left.into_iter().map(Handover::give_up).sum()
    }

    /// The number of messages that it could not write, once it has ended.
    pub(crate) fn lost(&self) -> Option<u64> {
        self.state().lost
    }

    /// Waits for the end until `deadline`; how many messages it could not write, if it has come.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<u64> {
        let mut state = self.state();
        while state.lost.is_none() {
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lost
    }

    /// Wakes `follower` at the end.
    fn tell(&self, follower: Sender<Delivery>) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.followers.push(follower);
        } else {
            follower.wake();
        }
    }
}

/// A destination that comes first.
#[derive(Debug, Clone)]
pub(crate) struct Predecessor {
    /// Its end.
    pub end: Arc<End>,
    /// Its state.
    pub shared: Arc<OutputState>,
    /// Tells whether it leaves what it has to whoever waits.
    pub leaves: bool,
}

/// The end of waiting for the others.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It may write: first what was left to it, then what came in while it waited.
    Come(Vec<Handover>, Vec<Delivery>),
    /// It was replaced before, and leaves to its heir what was left to it, and what came in.
    Pass(Vec<Handover>, Vec<Delivery>),
    /// It was ordered to end before; so many messages of it are given up.
    Never(u64),
}

/// The state of a destination that waits.
struct Waiting<'w> {
    /// Those before it, the oldest first.
    before: Vec<Predecessor>,
    /// The rest that each of them has left to it.
    left: Vec<Vec<Handover>>,
    held: VecDeque<Delivery>,
    counters: &'w Counters,
    shared: &'w OutputState,
}

impl Waiting<'_> {
    /// Takes what was left to it; whether somebody has yet to leave something.
    fn inherit(&mut self) -> bool {
        let mut is_to_come = false;
        for (one, left) in self.before.iter().zip(&mut self.left).filter(|(one, _)| one.leaves) {
            if one.end.lost().is_some() {
                left.extend(one.end.take());
            } else {
                is_to_come |= one.end.has_heir();
            }
        }
        is_to_come
    }

    /// All that was left, the oldest first, and what came in.
    fn all(self) -> (Vec<Handover>, Vec<Delivery>) {
        (self.left.into_iter().flatten().collect(), self.held.into())
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.left.iter().all(Vec::is_empty)
    }

    /// Says how it is. While those before it cannot write, nobody waits for what it has.
    fn tell(&mut self, is_retiring: bool) {
        let stuck =
            |one: &Predecessor| one.end.lost().is_none() && one.shared.suspended.load(Ordering::Relaxed);
        let suspended = self.before.iter().any(stuck);
        self.shared.suspended.store(suspended, Ordering::Relaxed);
        if is_retiring {
            let held = self.held.iter().map(|each| (each.view.len() as u64, each.view.bytes_each()));
            let held = held.map(|(messages, bytes_each)| (messages, messages * bytes_each));
            let (messages, bytes) = held
                .chain(self.left.iter().flatten().map(|left| (left.messages(), left.bytes())))
                .fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
            self.shared.set_waiting(messages, bytes);
        }
        if suspended {
            let_go_of_credit(&mut self.held, is_retiring);
            if is_retiring {
                self.left.iter_mut().flatten().for_each(Handover::let_go_of_credit);
            }
        }
    }

    /// Drops what it has, and what it would have been left; returns how many messages that is.
    fn give_up(self, reason: DropReason) -> u64 {
        let to_come = self.before.iter().filter(|one| one.leaves).map(|one| one.end.disown());
        let left = self.left.into_iter().flatten().map(Handover::give_up);
        to_come.chain(left).sum::<u64>() + give_up(self.held, self.counters, reason)
    }
}

/// Waits until all of `before` have ended, or until an order to end makes that useless. `end` is its own end.
///
/// It only waits for who is older than itself. One that was replaced waits for those alone that leave
/// something to it, and they leave it without waiting for anybody else: so nobody waits for ever for one that
/// could write.
pub(crate) fn await_turn(
    before: Vec<Predecessor>,
    inbox: &mut Inbox<Delivery>,
    counters: &Counters,
    (shared, orders, end): (&OutputState, &Orders, &End),
) -> Turn {
    for predecessor in &before {
        predecessor.end.tell(inbox.sender());
    }
    let left = before.iter().map(|_| Vec::new()).collect();
    let mut waiting = Waiting { before, left, held: VecDeque::new(), counters, shared };
    let mut give_up_at = None;
    loop {
        let is_retiring = orders.retire.load(Ordering::Acquire);
        if give_up_at.is_none() && orders.stop.load(Ordering::Acquire) {
            let within = Duration::from_millis(orders.stop_within_ms.load(Ordering::Relaxed));
            give_up_at = Some(Instant::now() + within);
        }
        waiting.held.extend(std::iter::from_fn(|| inbox.try_recv()));
        let is_to_come = waiting.inherit();
        if waiting.before.iter().all(|one| one.end.lost().is_some()) {
            // Somebody may have ended, and left something, since that was looked at.
            waiting.inherit();
            shared.suspended.store(false, Ordering::Relaxed);
            let (left, held) = waiting.all();
            return Turn::Come(left, held);
        }
        if is_retiring && give_up_at.is_none() && !is_to_come && end.has_heir() {
            let (left, held) = waiting.all();
            return Turn::Pass(left, held);
        }
        let reason = if give_up_at.is_some_and(|at| Instant::now() >= at) {
            Some(DropReason::Stopped)
        } else {
            orders.give_up.load(Ordering::Acquire).then_some(DropReason::Removed)
        };
        let is_useless = (is_retiring || give_up_at.is_some()) && waiting.is_empty() && !is_to_come;
        if is_useless || reason.is_some() {
            return Turn::Never(waiting.give_up(reason.unwrap_or(DropReason::Stopped)));
        }
        waiting.tell(is_retiring);
        let look = Instant::now() + LOOK;
        inbox.wait(Some(give_up_at.map_or(look, |at| at.min(look))));
    }
}

/// Lets the sources go on that wait for nothing but those before it; `all` of them when it retires.
fn let_go_of_credit(held: &mut VecDeque<Delivery>, all: bool) {
    for delivery in held {
        if !delivery.flow_control || (all && !delivery.ack.is_tracked()) {
            delivery.ack.let_go_of_credit();
        }
    }
}

fn give_up(held: VecDeque<Delivery>, counters: &Counters, reason: DropReason) -> u64 {
    let mut lost = 0;
    for delivery in held {
        delivery.ack.drop_rows(delivery.view.rows(), reason);
        lost += delivery.view.len() as u64;
    }
    counters.count_dropped(lost);
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a destination begins to write a file while the one before it still does.
    #[test]
    fn an_end_is_waited_for() {
        let end = Arc::new(End::default());
        assert_eq!(end.wait(Instant::now()), None);
        let other = Arc::clone(&end);
        let waiter = std::thread::spawn(move || other.wait(Instant::now() + Duration::from_secs(60)));
        end.set(3);
        assert_eq!((waiter.join().unwrap(), end.lost()), (Some(3), Some(3)));
    }
}
