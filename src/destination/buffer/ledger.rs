//! The order of what a buffer has: [`Ledger`].
//!
//! ```text
//!   oldest                                                     newest
//!  ┌──────────────────────┬──────────────────┬───────────────────────┐
//!  │ the destination has  │ only on the disk │ waits in memory       │
//!  │ it (`given`)         │ (`stored`)       │ (`waiting`)           │
//!  └──────────────────────┴──────────────────┴───────────────────────┘
//!     done ► forgotten       read ► given       committed ► stored
//!                                               given, if nothing is stored
//! ```
//!
//! Each delivery is an entry. It is *submitted* to the committer once, in this order, and *committed* when it
//! is on the disk: then it has numbers, and its own acknowledgement goes out. An entry that the destination
//! is done with before its turn comes is never written. What waits in memory without a place on the disk has
//! the credit of its source.
//!
//! # Invariants
//! * The destination is given messages in the order in which they came, whatever is on the disk by then.
//! * Entries are committed in the order of their ids, and the numbers of messages rise with them.
//! * An entry's own acknowledgement is let go of once: when the destination is done with it or when it is
//!   committed, whichever comes first.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::disk::Progress;
use crate::flow::{Ack, Delivery, Lent, LentAccount};
use crate::message::{Rows, Selection};

/// A delivery in a buffer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Entry {
    id: u64,
    pub(super) lent: Arc<Lent>,
    rows: Rows,
    bytes: u64,
    pub(super) flow_control: bool,
    /// Its messages, until they are done or on the disk.
    view: Option<Selection>,
    state: State,
    /// The destination was given it.
    pub(super) is_given: bool,
    /// The destination has delivered it, or dropped it.
    is_done: bool,
    /// The destination has given some of it back.
    is_back: bool,
}

/// The place of an entry on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The committer does not have it.
    New,
    /// The committer has it.
    Submitted,
    /// Its messages have these numbers.
    Committed(Range<u64>),
    /// It was done before its turn came.
    Skipped,
}

/// The id of entries that were read from the disk: a row has the number that it has in their batch.
const READ: u64 = u64::MAX;

/// An entry for the committer.
#[derive(Debug)]
pub(super) struct Job {
    /// The entry's id.
    pub(super) id: u64,
    /// Its messages.
    pub(super) view: Selection,
    /// The end of it.
    pub(super) lent: Arc<Lent>,
}

/// The order of what a buffer has; see the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    given: VecDeque<Entry>,
    /// The entries that were given and forgotten.
    forgotten: u64,
    /// The places of given entries that are not committed, counted from the first that ever was.
    places: HashMap<u64, u64>,
    stored: Range<u64>,
    waiting: VecDeque<Entry>,
    next_id: u64,
    /// The number that follows all that were committed.
    next_number: u64,
    /// The first entry that was not submitted.
    next_submitted: u64,
    /// The entries whose end was seen.
    reaped: u64,
    given_bytes: u64,
    given_messages: u64,
    waiting_bytes: u64,
    waiting_messages: u64,
}

/// Room that a destination has for what it is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Ledger {
    /// Begins with a buffer that has the messages `stored` on the disk; they are older than all that came.
    pub(super) fn begin(&mut self, stored: Range<u64>) {
        debug_assert!(self.given.is_empty(), "nothing is given before the buffer is open");
        self.next_number = stored.end;
        self.stored = stored;
    }

    /// Takes a delivery as the newest; `lent` has its ack.
    pub(super) fn push(&mut self, view: Selection, lent: Arc<Lent>, flow_control: bool) {
        let (rows, bytes) = (view.rows().clone(), view.len() as u64 * view.bytes_each());
        self.waiting_bytes += bytes;
        self.waiting_messages += rows.len() as u64;
        let (id, view) = (self.next_id, Some(view));
        self.next_id += 1;
        self.waiting.push_back(Entry {
            id,
            lent,
            rows,
            bytes,
            flow_control,
            view,
            state: State::New,
            is_given: false,
            is_done: false,
            is_back: false,
        });
    }

    /// Tells whether the destination has no room for more.
    pub(super) fn is_front_full(&self, front: Front) -> bool {
        !self.given.is_empty() && (self.given_bytes >= front.bytes || self.given_messages >= front.messages)
    }

    /// The number of the message that is to be read from the disk before anything else is given.
    pub(super) fn to_read(&self) -> Option<u64> {
        (!self.stored.is_empty()).then_some(self.stored.start)
    }

    /// The number behind those of the messages that are only on the disk.
    pub(super) fn stored_end(&self) -> u64 {
        self.stored.end
    }

    /// Notes that the destination is given `view`, some rows of a batch that was read from the disk, all of
    /// whose messages have the numbers `numbers`.
    pub(super) fn give_read(&mut self, numbers: Range<u64>, view: &Selection, lent: Arc<Lent>) {
        let (rows, bytes) = (view.rows().clone(), view.len() as u64 * view.bytes_each());
        self.stored.start = numbers.end;
        self.given_bytes += bytes;
        self.given_messages += rows.len() as u64;
        let (id, state) = (READ, State::Committed(numbers));
        let (view, flow_control) = (None, true);
        let (is_given, is_done, is_back) = (true, false, false);
        self.given.push_back(Entry {
            id,
            lent,
            rows,
            bytes,
            flow_control,
            view,
            state,
            is_given,
            is_done,
            is_back,
        });
    }

    /// Goes on behind the messages below `number`, which cannot be read; returns how many those are.
    pub(super) fn skip_to(&mut self, number: u64) -> u64 {
        let lost = number.min(self.stored.end).saturating_sub(self.stored.start);
        self.stored.start += lost;
        lost
    }

    /// Gives the oldest entry that waits in memory, when nothing older is on the disk.
    pub(super) fn give_waiting(&mut self) -> Option<(Selection, Arc<Lent>)> {
        if !self.stored.is_empty() {
            return None;
        }
        let mut entry = self.waiting.pop_front()?;
        self.waiting_bytes -= entry.bytes;
        self.waiting_messages -= entry.rows.len() as u64;
        self.given_bytes += entry.bytes;
        self.given_messages += entry.rows.len() as u64;
        let Some(view) = entry.view.clone() else { unreachable!("an entry that waits has its messages") };
        entry.is_given = true;
        let lent = Arc::clone(&entry.lent);
        self.places.insert(entry.id, self.forgotten + self.given.len() as u64);
        self.given.push_back(entry);
        Some((view, lent))
    }

    /// Forgets what the destination is done with, of which `ended` entries were told, and lets go of their
    /// acknowledgements.
    pub(super) fn reap(&mut self, ended: u64) {
        let mut at = 0;
        while self.reaped < ended && at < self.given.len() {
            let entry = &mut self.given[at];
            at += 1;
            if entry.is_done || entry.is_back || !entry.lent.is_done() {
                continue;
            }
            self.reaped += 1;
            // What was given back is on the disk, or is written now: it is not done.
            entry.is_back = !entry.lent.is_over();
            if entry.is_back {
                continue;
            }
            entry.is_done = true;
            drop(entry.lent.take_original());
            entry.view = None;
            if entry.state == State::New {
                entry.state = State::Skipped;
                self.places.remove(&entry.id);
            }
            self.given_bytes -= entry.bytes;
            self.given_messages -= entry.rows.len() as u64;
        }
        while self.given.front().is_some_and(|entry| entry.is_done && entry.state != State::Submitted) {
            self.given.pop_front();
            self.forgotten += 1;
        }
    }

    /// Notes that the entry `id` is written, and acknowledged with that.
    pub(super) fn written(&mut self, id: u64) {
        if let Some(entry) = self.find(id) {
            drop(entry.lent.take_original());
        }
    }

    /// The entry `id`, which is not committed.
    fn find(&mut self, id: u64) -> Option<&mut Entry> {
        if let Some(place) = self.places.get(&id) {
            return self.given.get_mut((place - self.forgotten) as usize);
        }
        // Those that wait have ids that follow each other.
        let oldest = self.waiting.front()?.id;
        self.waiting.get_mut(id.checked_sub(oldest)? as usize)
    }

    /// The entries that the committer does not have, in order.
    pub(super) fn submit(&mut self) -> Vec<Job> {
        let first = std::mem::replace(&mut self.next_submitted, self.next_id);
        let mut jobs = Vec::new();
        for id in first..self.next_id {
            let Some(entry) = self.find(id).filter(|entry| entry.state == State::New) else { continue };
            entry.state = State::Submitted;
            jobs.extend(entry.view.clone().map(|view| Job { id, view, lent: Arc::clone(&entry.lent) }));
        }
        jobs
    }

    /// Notes that the committer has written the entry `id`: its messages have the numbers `numbers`, or it
    /// was done before.
    pub(super) fn committed(&mut self, id: u64, numbers: Option<Range<u64>>) {
        let state = numbers.clone().map_or(State::Skipped, State::Committed);
        if let Some(numbers) = &numbers {
            debug_assert!(numbers.start >= self.next_number, "numbers rise");
            self.next_number = numbers.end;
        }
        if let Some(place) = self.places.remove(&id) {
            let entry = &mut self.given[(place - self.forgotten) as usize];
            drop(entry.lent.take_original());
            (entry.state, entry.view) = (state, None);
            return;
        }
        let is_oldest = self.waiting.front().is_some_and(|entry| entry.id == id);
        let Some(entry) = is_oldest.then(|| self.waiting.pop_front()).flatten() else {
            debug_assert!(false, "entries are committed in their order");
            return;
        };
        self.waiting_bytes -= entry.bytes;
        self.waiting_messages -= entry.rows.len() as u64;
        drop(entry.lent.take_original());
        if let Some(numbers) = numbers {
            if self.stored.is_empty() {
                self.stored.start = numbers.start;
            }
            self.stored.end = numbers.end;
        }
    }

    /// The messages that the destination is done with, of all that were committed.
    pub(super) fn done(&self) -> Progress {
        let end = if self.stored.is_empty() { self.next_number } else { self.stored.start };
        let open = self.given.iter().filter(|entry| !entry.is_done);
        let first = open.filter_map(Entry::numbers).map(|numbers| numbers.start).min();
        let mut done = Progress::new(first.unwrap_or(end).min(end));
        for (entry, numbers) in self.given.iter().filter_map(|entry| Some((entry, entry.numbers()?))) {
            if entry.is_done {
                done.add(numbers.clone());
            } else if entry.is_back {
                // Some of its rows were given back, and no others.
                let returned = entry.lent.returned();
                for (number, _) in entry.numbered().filter(|(_, row)| returned.binary_search(row).is_err()) {
                    done.add(number..number + 1);
                }
            }
        }
        done
    }

    /// Tells whether a message has a number.
    pub(super) fn has_numbers(&self) -> bool {
        self.next_number > 0
    }

    /// The entries that the destination has.
    pub(super) fn given(&self) -> usize {
        self.given.len()
    }

    /// Entries that are neither done nor on the disk.
    pub(super) fn unsafe_entries(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.given
            .iter_mut()
            .chain(&mut self.waiting)
            .filter(|entry| !entry.is_done && !matches!(entry.state, State::Committed(_)))
    }

    /// Takes what is neither done nor on the disk, with its own acks, the oldest first.
    pub(super) fn take_unsafe(&mut self) -> Vec<Delivery> {
        let mut left = Vec::new();
        for entry in self.unsafe_entries() {
            let rows = entry.left();
            if let (Some(mut view), Some(ack)) = (entry.view.take(), entry.lent.take_original()) {
                view.set_rows(rows);
                left.push(Delivery { view, ack, flow_control: entry.flow_control });
            }
        }
        self.clear_unsafe();
        left
    }

    /// Forgets what is neither done nor on the disk.
    pub(super) fn clear_unsafe(&mut self) {
        self.waiting.clear();
        self.given.retain(|entry| matches!(entry.state, State::Committed(_)));
        self.places.clear();
        (self.waiting_bytes, self.waiting_messages) = (0, 0);
    }

    /// Messages on the disk that the destination was given, and has given back.
    pub(super) fn given_back(&self) -> u64 {
        let committed = self.given.iter().filter(|entry| matches!(entry.state, State::Committed(_)));
        committed.filter(|entry| entry.is_back).map(|entry| entry.lent.returned().len() as u64).sum()
    }

    /// Tells whether all that it has is done or on the disk.
    pub(super) fn is_safe(&self) -> bool {
        let is_safe = |entry: &Entry| entry.is_done || matches!(entry.state, State::Committed(_));
        self.waiting.is_empty() && self.given.iter().all(is_safe)
    }

    /// Tells whether the destination is done with everything.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.stored.is_empty() && self.given.iter().all(|entry| entry.is_done)
    }

    /// Messages that are only on the disk.
    pub(super) fn stored(&self) -> u64 {
        self.stored.end - self.stored.start
    }

    /// Messages that the destination is not done with, and the bytes of those in memory.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.given_messages + self.waiting_messages + self.stored(), self.given_bytes + self.waiting_bytes)
    }
}

impl Entry {
    /// The numbers of its messages, once it is on the disk.
    fn numbers(&self) -> Option<&Range<u64>> {
        match &self.state {
            State::Committed(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// The numbers of its rows, with the rows.
    fn numbered(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let first = self.numbers().map_or(0, |numbers| numbers.start);
        let is_read = self.id == READ;
        let number =
            move |index: usize, row: u32| first + if is_read { u64::from(row) } else { index as u64 };
        self.rows.iter().enumerate().map(move |(index, row)| (number(index, row), row))
    }

    /// Its rows that nobody has: all of them, or those that the destination has given back.
    pub(super) fn left(&self) -> Rows {
        if self.is_back { Rows::from(self.lent.returned()) } else { self.rows.clone() }
    }
}

/// A delivery for the destination behind the buffer.
pub(super) fn delivery(view: Selection, lent: &Arc<Lent>, account: &LentAccount) -> Delivery {
    let ack = Ack::of_lent(lent, view.batch().rows(), account);
    Delivery { view, ack, flow_control: true }
}
