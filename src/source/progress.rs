//! How far a file was read and delivered: [`FileProgress`].
//!
//! A reader says how far it has read ([`FileProgress::read_up_to`]) before it posts what it read, and is told
//! when that is acknowledged ([`FileProgress::done`]). What is in the state file moves behind what is
//! acknowledged without a gap, in the order of reading:
//!
//! ```text
//!  read     ──► 100 ──► 220 ──► 300 ──► 410        a successor goes on at 410
//!               done            done
//!  stored       100                                a restart goes on at 100
//! ```
//!
//! All readers of an engine that ask for the same file get the same progress, as long as anything of it is on
//! its way: a source that a reload replaces goes on where the one before has stopped reading, and its own
//! lines count as done only behind those of the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::position::{Inode, Position, Stored};
use crate::state::{State, Store, Value};

/// The progress of every file that somebody reads, or that has something on its way.
static LIVE: Mutex<Vec<Weak<FileProgress>>> = Mutex::new(Vec::new());

/// The most files that are remembered behind one of which something is not acknowledged.
const MOST_FILES: usize = 1000;

/// The progress of one file.
#[derive(Debug)]
pub(crate) struct FileProgress {
    store: Store,
    key: Box<[u8]>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the first that is pending.
    first: u64,
    /// What was read and is not done without a gap, in the order of reading.
    pending: VecDeque<Pending>,
    /// The position that is stored.
    stored: Option<Position>,
    /// Where the file was closed for good: nothing of it is kept.
    is_forgotten: bool,
}

impl Inner {
    /// The files that were read after that of `position`, as far as they are pending.
    fn files_after(&self, position: Position) -> Vec<Inode> {
        if self.pending.back().is_none_or(|last| last.position.inode == position.inode) {
            return Vec::new();
        }
        let mut files: Vec<Inode> = self.pending.iter().map(|each| each.position.inode).collect();
        files.dedup();
        files.retain(|inode| *inode != position.inode);
        files.truncate(MOST_FILES);
        files
    }
}

#[derive(Debug)]
struct Pending {
    position: Position,
    is_done: bool,
}

impl FileProgress {
    /// That of the file `key` of the source that keeps its state under `name`.
    pub(crate) fn of(state: &Arc<State>, name: &str, key: &[u8]) -> Arc<Self> {
        let store = state.store(name);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|progress| progress.strong_count() > 0);
        let known = live.iter().filter_map(Weak::upgrade);
        let is_it = |progress: &Arc<Self>| *progress.key == *key && progress.store.is_same(&store);
        if let Some(progress) = known.into_iter().find(is_it) {
            progress.lock().is_forgotten = false;
            return progress;
        }
        let progress = Arc::new(Self { store, key: key.into(), inner: Mutex::default() });
        live.push(Arc::downgrade(&progress));
        progress
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position up to which it was read, by this process or by one before it, with the files that are to
    /// be read after that one; `None` for a file that was never read.
    ///
    /// # Errors
    /// What is stored is no position.
    pub(crate) fn position(&self) -> Result<Option<Stored>, Box<[u8]>> {
        if let Some(last) = self.lock().pending.back() {
            return Ok(Some(Stored { position: last.position, then: Vec::new() }));
        }
        match self.store.get(&self.key) {
            Ok(Some(Value::Text(text))) => {
                let stored = Stored::parse(&text).ok_or(text)?;
                self.lock().stored = Some(stored.position);
                Ok(Some(stored))
            }
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(_) => Err(Box::default()),
        }
    }

    /// Says that what is before `position` was read and is about to be posted; the number by which it is said
    /// to be done.
    pub(crate) fn read_up_to(&self, position: Position) -> u64 {
        let mut inner = self.lock();
        let before = inner.pending.back().map(|last| last.position);
        inner.pending.push_back(Pending { position, is_done: false });
        if let Some(before) = before
            && before.inode != position.inode
        {
            // The next file is begun: it is not to be forgotten when this process dies now.
            let stored = inner.stored.unwrap_or(Position { offset: 0, ..inner.pending[0].position });
            self.keep(&mut inner, stored);
        }
        inner.first + inner.pending.len() as u64 - 1
    }

    /// Says that what was read up to `position` needs no acknowledgement of its own: there is no message in
    /// it.
    pub(crate) fn passed(&self, position: Position) {
        let number = self.read_up_to(position);
        self.done(number);
    }

    /// Says that what has this number is acknowledged.
    pub(crate) fn done(&self, number: u64) {
        let mut inner = self.lock();
        let Some(index) = number.checked_sub(inner.first) else { return };
        let Some(pending) = inner.pending.get_mut(index as usize) else { return };
        pending.is_done = true;
        let mut reached = None;
        while inner.pending.front().is_some_and(|first| first.is_done) {
            reached = inner.pending.pop_front().map(|first| first.position);
            inner.first += 1;
        }
        if let Some(position) = reached {
            self.keep(&mut inner, position);
        }
    }

    /// Says that of what has this number only what is before `position` is acknowledged, and nothing more
    /// will be.
    pub(crate) fn done_in_part(&self, number: u64, position: Position) {
        let mut inner = self.lock();
        if number == inner.first && !inner.pending.is_empty() {
            self.keep(&mut inner, position);
        }
    }

    fn keep(&self, inner: &mut Inner, position: Position) {
        inner.stored = Some(position);
        if inner.is_forgotten {
            return;
        }
        let stored = Stored { position, then: inner.files_after(position) };
        // Refused by a state that is closed: then there is nobody to keep it.
        let _ = self.store.put_later(&self.key, Value::Text(stored.to_string().into_bytes().into()));
    }

    /// Forgets the file, which is gone.
    pub(crate) fn forget(&self) {
        self.lock().is_forgotten = true;
        // A state that refuses has the position still: it will not fit another file.
        let _ = self.store.delete(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { offset, ..Position::default() }
    }

    fn up_to(offset: u64) -> Stored {
        Stored { position: at(offset), then: Vec::new() }
    }

    fn stored(state: &Arc<State>) -> Option<u64> {
        let value = state.store("file(/x)").get(b"/x").unwrap()?;
        let Value::Text(text) = value else { panic!("{value:?}") };
        Some(Stored::parse(&text).unwrap().position.offset)
    }

    /// Breaks without it: a position runs ahead of a message that is not delivered, and a crash loses it.
    #[test]
    fn what_is_stored_moves_without_a_gap() {
        let state = State::in_memory();
        let progress = FileProgress::of(&state, "file(/x)", b"/x");
        assert_eq!(progress.position(), Ok(None));
        let [first, second, third] = [10, 20, 30].map(|offset| progress.read_up_to(at(offset)));
        progress.done(second);
        assert_eq!((stored(&state), progress.position()), (None, Ok(Some(up_to(30)))));
        progress.done(first);
        assert_eq!(stored(&state), Some(20));
        progress.passed(at(40));
        assert_eq!(stored(&state), Some(20));
        progress.done_in_part(third, at(25));
        assert_eq!((stored(&state), progress.position()), (Some(25), Ok(Some(up_to(40)))));
        progress.done(third);
        assert_eq!(stored(&state), Some(40));
        progress.done(99);
        progress.forget();
        assert_eq!((stored(&state), progress.position()), (None, Ok(None)));
    }

    /// Breaks without it: after a reload lines are read twice, or lines of the source before it are skipped.
    #[test]
    fn a_successor_goes_on_where_the_one_before_stopped_reading() {
        let state = State::in_memory();
        let before = FileProgress::of(&state, "file(/x)", b"/x");
        let number = before.read_up_to(at(10));
        let after = FileProgress::of(&state, "file(/x)", b"/x");
        assert_eq!(after.position(), Ok(Some(up_to(10))));
        after.passed(at(20));
        assert_eq!(stored(&state), None, "behind what is on its way");
        before.done(number);
        assert_eq!(stored(&state), Some(20));
        drop((before, after));
        assert_eq!(FileProgress::of(&state, "file(/x)", b"/x").position(), Ok(Some(up_to(20))));
        let other = FileProgress::of(&State::in_memory(), "file(/x)", b"/x");
        assert_eq!(other.position(), Ok(None), "of another engine");
    }

    /// Breaks without it: a damaged position is taken for another one, or for none.
    #[test]
    fn a_position_that_cannot_be_read_is_told() {
        let state = State::in_memory();
        state.store("file(/x)").put(b"/x", Value::from("nonsense")).unwrap();
        let progress = FileProgress::of(&state, "file(/x)", b"/x");
        assert_eq!(progress.position(), Err(b"nonsense".as_slice().into()));
    }

    /// Breaks without it: a crash after two rotations loses the file between, of which nothing was
    /// acknowledged.
    #[test]
    fn files_that_were_begun_are_remembered_behind_what_is_stored() {
        let state = State::in_memory();
        let progress = FileProgress::of(&state, "file(/x)", b"/x");
        let of =
            |number, offset| Position { offset, inode: Inode { number, device: 1 }, ..Position::default() };
        let after = || {
            let stored = Stored::parse(match &state.store("file(/x)").get(b"/x").unwrap().unwrap() {
                Value::Text(text) => text,
                other => panic!("{other:?}"),
            });
            let Stored { position, then } = stored.unwrap();
            let then: Vec<_> = then.iter().map(|inode| inode.number).collect();
            (position.inode.number, position.offset, then)
        };
        let first = progress.read_up_to(of(1, 10));
        progress.read_up_to(of(1, 20));
        let second = progress.read_up_to(of(2, 5));
        assert_eq!(after(), (1, 0, vec![2]));
        progress.read_up_to(of(3, 7));
        assert_eq!(after(), (1, 0, vec![2, 3]));
        progress.done(first);
        assert_eq!(after(), (1, 10, vec![2, 3]));
        progress.done(first + 1);
        progress.done(second);
        assert_eq!(after(), (2, 5, vec![3]));
        progress.done(second + 1);
        assert_eq!(after(), (3, 7, vec![]));
    }
}
