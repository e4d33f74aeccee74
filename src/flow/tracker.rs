//! The tracker of the batches of one source from the post to the acknowledgement: [`Tracker`].
//!
//! Only a source that asks for it has one. Each batch gets a *ticket*, a number in the order of posting, when
//! it is sent ([`Tracker::issue`]); the batch's [`Ack`](super::Ack) hands the ticket in when the last copy
//! that holds credit is done ([`Tracker::acked`]), with the rows that were *aborted*: given up at a stop, so
//! that nobody has them. The tracker decides what may be told to the source, and when its credit comes back.
//!
//! ```text
//!  tickets   3     4     5     6     7
//!          ┌─────┬─────┬─────┬─────┬─────┐   by completion: 4 and 6 were told when they came in
//!          │     │done │     │done │     │   by posting:    nothing yet; when 3 comes in, news of 3 and 4
//!          └─────┴─────┴─────┴─────┴─────┘
//! ```
//!
//! * [`Order::Completion`]: each ticket is news when it comes in, and its credit goes back then.
//! * [`Order::Posting`]: news is how far the tickets are in without a gap, and credit goes back for those
//!   alone: behind a batch that is stuck a source fills its window and waits. An aborted row ends this
//!   for good: the news goes up to the row before it, and no further, whatever is delivered after it.
//!
//! News goes to the source's own thread, which calls back and then says how many messages that was for
//! ([`Tracker::called_back`]). While that thread is more than a window behind, credit of what is acknowledged
//! stays here: so a callback that hangs holds up its own source, and memory stays bounded by two windows. A
//! source that will post again what it was not called back for wants less ([`Tracker::await_callbacks`]): its
//! credit comes back with the callbacks alone, so that this is never more than its window. Which of the two a
//! source is may show in its callbacks only, so it can be changed at any time.
//!
//! # Invariants
//! * A ticket is issued before its batch can be acknowledged, and handed in once.
//! * News is sent under the lock, so it is in the order of its making; prefixes only grow.
//! * Every message and byte of credit that is handed in goes back exactly once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::Credit;
use super::sync::{Mutex, MutexGuard};

/// In which order a source is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As batches are done.
    Completion,
    /// As they were posted, without a gap.
    Posting,
}

/// The news for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A batch is done.
    Batch {
        /// Its ticket.
        ticket: u64,
        /// The number of its messages.
        messages: u32,
        /// The rows that nobody has, in no order.
        aborted: Vec<u32>,
    },
    /// All tickets below `end` are done, and of the ticket `end` the first `rows` rows.
    Prefix {
        /// The first ticket that is not done.
        end: u64,
        /// The number of its rows that are, when one after them was aborted.
        rows: u32,
        /// The number of messages beyond those in the news before.
        messages: u32,
    },
}

/// Batches that are told of together; see [`Tracker::close_group`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group(u64);

/// Takes news. Called on the thread that acknowledges, under a lock: it must only pass it on.
pub type Tell = Box<dyn Fn(News) + Send + Sync>;

/// Follows the batches of one source; see the module.
pub struct Tracker {
    order: Order,
    credit: Arc<Credit>,
    tell: Tell,
    state: Mutex<State>,
}

struct State {
    /// The tickets that are out; with [`Order::Posting`] also those that are in behind one that is out.
    tickets: BTreeMap<u64, Slot>,
    next: u64,
    /// An aborted row was met: prefixes grow no more.
    ended: bool,
    groups: HashMap<Group, Members>,
    /// Messages that are news and were not called back yet.
    behind: u64,
    /// Credit that waits for them.
    held: Returned,
    /// The same for each news, with its messages that were not called back, where all credit does.
    awaited: Option<VecDeque<(u64, Returned)>>,
    holds: bool,
}

struct Slot {
    since: Instant,
    group: Option<Group>,
    done: Option<Done>,
}

struct Done {
    returned: Returned,
    /// The first aborted row.
    aborted: Option<u32>,
}

#[derive(Default)]
struct Members {
    out: u32,
    /// One of its rows was aborted.
    aborted: bool,
    /// The ticket that is handed in with the last member, once the group is closed.
    marker: Option<u64>,
}

/// Credit on its way back.
#[derive(Debug, Clone, Copy, Default)]
struct Returned {
    messages: u32,
    /// Those of them whose credit is back already.
    early: u32,
    bytes: u64,
}

impl Returned {
    fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.early += more.early;
        self.bytes += more.bytes;
    }
}

impl Tracker {
    /// A tracker of the source that has `credit`.
    pub fn new(order: Order, credit: Arc<Credit>, tell: Tell) -> Self {
        let state = State {
            tickets: BTreeMap::new(),
            next: 0,
            ended: false,
            groups: HashMap::new(),
            behind: 0,
            held: Returned::default(),
            awaited: None,
            holds: true,
        };
        Self { order, credit, tell, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ticket of a batch that is about to be sent; of `group`, where it is one of several.
    pub(crate) fn issue(&self, group: Option<Group>) -> u64 {
        let since = Instant::now();
        let mut state = self.lock();
        if let Some(group) = group {
            state.groups.entry(group).or_default().out += 1;
        }
        state.issue(Slot { since, group, done: None })
    }

    /// Takes a ticket back: its batch had `messages` messages, of whose credit so many messages and bytes are
    /// still out, and nobody has its rows `aborted`. A ticket that is not out is ignored.
    pub(crate) fn acked(&self, ticket: u64, messages: u32, (left, bytes): (u32, u64), aborted: Vec<u32>) {
        let returned = Returned { messages, early: messages - left, bytes };
        let mut state = self.lock();
        let back = match self.order {
            Order::Completion => self.complete(&mut state, ticket, returned, aborted),
            Order::Posting => self.advance(&mut state, ticket, returned, &aborted),
        };
        drop(state);
        self.give_back(back);
    }

    fn complete(&self, state: &mut State, ticket: u64, returned: Returned, aborted: Vec<u32>) -> Returned {
        let Some(slot) = state.tickets.remove(&ticket) else { return Returned::default() };
        let mut markers = None;
        if let Some(group) = slot.group
            && let Some(members) = state.groups.get_mut(&group)
        {
            members.out -= 1;
            members.aborted |= !aborted.is_empty();
            markers = members.marker.filter(|_| members.out == 0).map(|marker| (group, marker));
        }
        (self.tell)(News::Batch { ticket, messages: returned.messages, aborted });
        if let Some((group, marker)) = markers {
            self.complete_group(state, group, marker);
        }
        state.settle(returned, &self.credit)
    }

    fn complete_group(&self, state: &mut State, group: Group, marker: u64) {
        let aborted = state.groups.remove(&group).is_some_and(|members| members.aborted);
        state.tickets.remove(&marker);
        let aborted = if aborted { vec![0] } else { Vec::new() };
        (self.tell)(News::Batch { ticket: marker, messages: 0, aborted });
    }

    fn advance(&self, state: &mut State, ticket: u64, returned: Returned, aborted: &[u32]) -> Returned {
        let Some(slot) = state.tickets.get_mut(&ticket) else { return Returned::default() };
        slot.done = Some(Done { returned, aborted: aborted.iter().min().copied() });
        let mut end = None;
        let (mut told, mut untold) = (Returned::default(), Returned::default());
        while let Some(first) = state.tickets.first_entry()
            && let Some(done) = &first.get().done
        {
            if state.ended {
                untold.add(done.returned);
            } else if let Some(row) = done.aborted {
                state.ended = true;
                end = Some((*first.key(), row));
                told.add(done.returned);
            } else {
                end = Some((*first.key() + 1, 0));
                told.add(done.returned);
            }
            first.remove();
        }
        let mut back = untold;
        if let Some((end, rows)) = end {
            (self.tell)(News::Prefix { end, rows, messages: told.messages });
            back.add(state.settle(told, &self.credit));
        }
        back
    }

    /// A name for batches that are told of together.
    pub fn open_group(&self) -> Group {
        let mut state = self.lock();
        state.next += 1;
        let group = Group(state.next);
        state.groups.insert(group, Members::default());
        group
    }

    /// Says that `group` has all its batches, and gives the ticket of a batch without messages that stands
    /// for them: it is in when all of them are, and aborted when one of them has an aborted row.
    pub fn close_group(&self, group: Group) -> u64 {
        let mut state = self.lock();
        let marker = state.issue(Slot { since: Instant::now(), group: None, done: None });
        if self.order == Order::Posting {
            // Its place in the order of posting says it all.
            state.groups.remove(&group);
            drop(state);
            self.acked(marker, 0, (0, 0), Vec::new());
            return marker;
        }
        let members = state.groups.entry(group).or_default();
        if members.out == 0 {
            self.complete_group(&mut state, group, marker);
        } else {
            members.marker = Some(marker);
        }
        marker
    }

    /// Forgets `group`: nothing is told of it.
    pub(crate) fn forget_group(&self, group: Group) {
        self.lock().groups.remove(&group);
    }

    /// From now on credit comes back with the callbacks alone.
    pub(crate) fn await_callbacks(&self) {
        let mut state = self.lock();
        if state.awaited.is_none() {
            // Of what is news already, the credit that did not go back waits for all of it.
            let held = std::mem::take(&mut state.held);
            let earlier = (state.behind > 0).then_some((state.behind, held));
            state.awaited = Some(earlier.into_iter().collect());
        }
    }

    /// From now on credit comes back with the acknowledgements, while the callbacks are not more than a
    /// window behind.
    pub(crate) fn stop_awaiting(&self) {
        let back = self.lock().awaited.take().map(|mut awaited| take_first(&mut awaited, u64::MAX));
        self.give_back(back.unwrap_or_default());
    }

    /// Says that the callbacks for `messages` messages of the news are done.
    pub(crate) fn called_back(&self, messages: u32) {
        let mut state = self.lock();
        state.behind = state.behind.saturating_sub(u64::from(messages));
        let back = if let Some(awaited) = &mut state.awaited {
            take_first(awaited, u64::from(messages))
        } else if state.behind <= u64::from(self.credit.window()) {
            std::mem::take(&mut state.held)
        } else {
            Returned::default()
        };
        drop(state);
        self.give_back(back);
    }

    /// Gives back all credit at each acknowledgement from now on, however far the callbacks are behind: for a
    /// source whose callbacks wait for credit themselves, and for one that is at its end.
    pub fn stop_holding(&self) {
        let mut state = self.lock();
        state.holds = false;
        let mut back = std::mem::take(&mut state.held);
        if let Some(awaited) = &mut state.awaited {
            back.add(take_first(awaited, u64::MAX));
        }
        drop(state);
        self.give_back(back);
    }

    fn give_back(&self, back: Returned) {
        if back.messages > 0 || back.bytes > 0 {
            self.credit.give_back(back.messages - back.early, back.bytes);
        }
    }

    /// True when every ticket is in.
    pub fn is_idle(&self) -> bool {
        self.lock().tickets.is_empty()
    }

    /// The time at which the oldest batch was sent of those that are out, or behind one that is out in the
    /// order of posting.
    pub fn oldest(&self) -> Option<Instant> {
        self.lock().tickets.values().next().map(|slot| slot.since)
    }
}

impl State {
    fn issue(&mut self, slot: Slot) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.tickets.insert(ticket, slot);
        ticket
    }

    /// Counts news, and says which credit goes back at once.
    fn settle(&mut self, returned: Returned, credit: &Credit) -> Returned {
        self.behind += u64::from(returned.messages);
        if self.holds
            && let Some(awaited) = &mut self.awaited
        {
            awaited.push_back((u64::from(returned.messages), returned));
            return Returned::default();
        }
        if self.holds && self.behind > u64::from(credit.window()) {
            self.held.add(returned);
            return Returned::default();
        }
        returned
    }
}

/// The credit of the oldest news with `messages` messages together.
fn take_first(awaited: &mut VecDeque<(u64, Returned)>, messages: u64) -> Returned {
    let (mut taken, mut left) = (Returned::default(), messages);
    while let Some((waits, credit)) = awaited.front_mut() {
        if *waits > left {
            *waits -= left;
            break;
        }
        left -= *waits;
        taken.add(*credit);
        awaited.pop_front();
    }
    taken
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.stop_holding();
    }
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("order", &self.order).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_models;
#[cfg(all(test, not(loom)))]
mod tests;
