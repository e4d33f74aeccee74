//! The progress in a journal, read and delivered: [`JournalProgress`], and the marks of a source's batches:
//! [`Marks`].
//!
//! A reader says which entry it has read ([`JournalProgress::read`]) before it posts it, and is told when
//! that is acknowledged ([`JournalProgress::done`]). The cursor in the state file is that of the last entry
//! before which, and with which, all are acknowledged:
//!
//! ```text
//!  read     ──► c1 ──► c2 ──► c3 ──► c4          a successor goes on behind c4
//!               done          done
//!  stored       c1                               a restart goes on behind c1
//! ```
//!
//! Sources of an engine that keep their position under the same name have the same progress, as long as
//! anything is on its way: one that a reload replaces is followed by its successor where it stopped reading.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::state::{State, Store, Value};

/// The progress of each journal that is read, or of which something is on its way.
static LIVE: Mutex<Vec<Weak<JournalProgress>>> = Mutex::new(Vec::new());
/// The key of the position.
const KEY: &[u8] = b"cursor";

/// The progress in one journal.
#[derive(Debug)]
pub(super) struct JournalProgress {
    store: Store,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the first that is pending.
    first: u64,
    /// The cursors of entries that were read and are not done without a gap.
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    cursor: Box<[u8]>,
    is_done: bool,
}

impl JournalProgress {
    /// That of the source which keeps its state under `name`.
    pub(super) fn of(state: &Arc<State>, name: &str) -> Arc<Self> {
        let store = state.store(name);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|progress| progress.strong_count() > 0);
        let known = live.iter().filter_map(Weak::upgrade);
        if let Some(progress) = known.into_iter().find(|progress| progress.store.is_same(&store)) {
            return progress;
        }
        let progress = Arc::new(Self { store, inner: Mutex::default() });
        live.push(Arc::downgrade(&progress));
        progress
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cursor of the last entry that was read, by this process or by one before it.
    pub(super) fn position(&self) -> Option<Box<[u8]>> {
        if let Some(last) = self.lock().pending.back() {
            return Some(last.cursor.clone());
        }
        match self.store.get(KEY) {
            Ok(Some(Value::Text(cursor))) => Some(cursor),
            _ => None,
        }
    }

    /// Says that the entry at `cursor` was read; the number by which it is said to be done.
    pub(super) fn read(&self, cursor: &[u8]) -> u64 {
        let mut inner = self.lock();
        inner.pending.push_back(Pending { cursor: cursor.into(), is_done: false });
        inner.first + inner.pending.len() as u64 - 1
    }

    /// Says that the entries with these numbers are acknowledged.
    pub(super) fn done(&self, numbers: Range<u64>) {
        let mut inner = self.lock();
        for number in numbers {
            let Some(index) = number.checked_sub(inner.first) else { continue };
            if let Some(pending) = inner.pending.get_mut(index as usize) {
                pending.is_done = true;
            }
        }
        let mut reached = None;
        while inner.pending.front().is_some_and(|first| first.is_done) {
            reached = inner.pending.pop_front().map(|first| first.cursor);
            inner.first += 1;
        }
        if let Some(cursor) = reached {
            // Refused by a state that is closed: then there is nobody to keep it.
            let _ = self.store.put_later(KEY, Value::Text(cursor));
        }
    }
}

/// The marks of a source's batches: the numbers of their entries.
#[derive(Debug)]
pub(super) struct Marks {
    progress: Arc<JournalProgress>,
    inner: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// Tickets of batches, with the numbers of their messages: consecutive, as one thread reads and posts
    /// them.
    batches: VecDeque<(u64, Range<u64>)>,
    /// All before this ticket are acknowledged, and so many rows of it.
    reached: (u64, u32),
}

impl Marks {
    /// Those of a source with this progress.
    pub(super) fn new(progress: &Arc<JournalProgress>) -> Self {
        Self { progress: Arc::clone(progress), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry with this number was posted in the batch that has this ticket.
    pub(super) fn posted(&self, number: u64, ticket: u64) {
        let mut inner = self.lock();
        match inner.batches.back_mut() {
            Some((last, numbers)) if *last == ticket => numbers.end = number + 1,
            _ => inner.batches.push_back((ticket, number..number + 1)),
        }
        // A batch may be acknowledged before its last message is marked.
        self.settle(&mut inner);
    }

    /// All batches before the ticket `end` are acknowledged, and of that one so many rows.
    pub(super) fn reached(&self, end: u64, rows: u32) {
        let mut inner = self.lock();
        inner.reached = (end, rows);
        self.settle(&mut inner);
    }

    fn settle(&self, inner: &mut Inside) {
        let (end, rows) = inner.reached;
        while let Some((ticket, numbers)) =
            inner.batches.front().cloned().filter(|(ticket, _)| *ticket <= end)
        {
            if ticket < end {
                self.progress.done(numbers);
                inner.batches.pop_front();
                continue;
            }
            // Those behind come again, after a restart.
            let until = numbers.end.min(numbers.start + u64::from(rows));
            self.progress.done(numbers.start..until);
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(state: &Arc<State>) -> Option<String> {
        let value = state.store("systemd-journal(*)").get(KEY).unwrap()?;
        let Value::Text(text) = value else { panic!("{value:?}") };
        Some(String::from_utf8(text.into()).unwrap())
    }

    /// Breaks without it: a cursor runs ahead of an entry that is not delivered, and a crash loses it.
    #[test]
    fn what_is_stored_moves_without_a_gap() {
        let state = State::in_memory();
        let progress = JournalProgress::of(&state, "systemd-journal(*)");
        assert_eq!(progress.position(), None);
        let numbers: Vec<u64> =
            ["a", "b", "c", "d"].iter().map(|cursor| progress.read(cursor.as_bytes())).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        progress.done(1..3);
        assert_eq!((stored(&state), progress.position()), (None, Some(b"d".as_slice().into())));
        progress.done(0..1);
        assert_eq!(stored(&state).as_deref(), Some("c"));
        progress.done(0..9);
        assert_eq!(
            (stored(&state).as_deref(), progress.position()),
            (Some("d"), Some(b"d".as_slice().into()))
        );
    }

    /// Breaks without it: after a reload entries are read twice, or those of the source before are skipped.
    #[test]
    fn a_successor_goes_on_where_the_one_before_stopped_reading() {
        let state = State::in_memory();
        let before = JournalProgress::of(&state, "systemd-journal(*)");
        let number = before.read(b"a");
        let after = JournalProgress::of(&state, "systemd-journal(*)");
        assert_eq!(after.position().as_deref(), Some(&b"a"[..]));
        let later = after.read(b"b");
        after.done(later..later + 1);
        assert_eq!(stored(&state), None, "behind what is on its way");
        before.done(number..number + 1);
        assert_eq!(stored(&state).as_deref(), Some("b"));
        let other = JournalProgress::of(&state, "systemd-journal(x)");
        assert_eq!(other.position(), None);
    }

    /// Breaks without it: a batch that is acknowledged before its last message is marked, or in part, is
    /// forgotten or taken for all of it.
    #[test]
    fn batches_are_done_with_their_messages() {
        let state = State::in_memory();
        let progress = JournalProgress::of(&state, "systemd-journal(*)");
        let marks = Marks::new(&progress);
        let post = |cursor: &str, ticket| marks.posted(progress.read(cursor.as_bytes()), ticket);
        post("a", 0);
        marks.reached(1, 0);
        assert_eq!(stored(&state).as_deref(), Some("a"));
        post("b", 0);
        assert_eq!(stored(&state).as_deref(), Some("b"), "acknowledged with its batch");
        for cursor in ["c", "d", "e"] {
            post(cursor, 1);
        }
        post("f", 2);
        assert_eq!(stored(&state).as_deref(), Some("b"));
        marks.reached(1, 2);
        assert_eq!(stored(&state).as_deref(), Some("d"), "given up behind its second row");
        marks.reached(2, 0);
        assert_eq!(stored(&state).as_deref(), Some("e"));
        marks.reached(3, 0);
        assert_eq!(stored(&state).as_deref(), Some("f"));
    }
}
