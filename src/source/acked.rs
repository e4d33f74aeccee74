//! The acknowledgements of a source that reads files: [`Acked`]; [`follow`] is for others, too.
//!
//! ```text
//!  read ─► mark ─► batch with its ticket ─► lane … destination ─► Ack ─► Tracker ─ news ─► marks
//!                                                                            ▲               │ position
//!                                                        credit              │               ▼
//!                                           a thread of the source ── is on the disk ──── FileProgress
//! ```
//!
//! The one thread that posts for the source marks each batch that it has sent with its place in the file: so
//! the ticket of a batch is the number of its mark. A batch may be acknowledged before it is marked. What is
//! acknowledged in the order of posting moves the position at once, on the thread that acknowledges. The
//! credit comes back when the position is on the disk, which a thread of the source waits for: what a crash
//! repeats is never more than the window. Without a state file nothing is kept, and nobody waits.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crossbeam::channel::{Receiver, unbounded};

use super::position::Position;
use super::progress::FileProgress;
use crate::flow::tracker::{News, Order};
use crate::flow::{Lane, Tracker};
use crate::state::State;

/// The marks of a source's batches.
#[derive(Debug, Default)]
pub(crate) struct Acked {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    /// The ticket of the first.
    first: u64,
    all: VecDeque<Mark>,
    /// All before this ticket are acknowledged, and so many rows of it.
    reached: (u64, u32),
}

/// The place of a batch in the file that it was read from.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The progress of the file.
    pub(crate) progress: Arc<FileProgress>,
    /// The number of the batch there.
    pub(crate) number: u64,
    /// The place at which its first message begins.
    pub(crate) begin: Position,
    /// The ends of its messages, counted from there.
    pub(crate) ends: Vec<u32>,
}

impl Mark {
    /// The position behind its first `rows` messages.
    fn behind(&self, rows: u32) -> Option<Position> {
        let end = self.ends.get((rows as usize).checked_sub(1)?)?;
        Some(self.begin.after(u64::from(*end)))
    }
}

/// Tells `reached` of the acknowledgements of what is posted into `lane` from now on, in the order of
/// posting: all batches before a ticket, and so many rows of that one. To be called once, before the first
/// post.
///
/// The credit comes back when the state, which `reached` changes, is on the disk.
///
/// # Errors
/// The system has no thread to give; then nothing was done.
pub(crate) fn follow(
    lane: &Lane,
    state: &Arc<State>,
    source: &str,
    reached: impl Fn(u64, u32) + Send + Sync + 'static,
) -> io::Result<()> {
    let (sender, receiver) = unbounded();
    let tell = Box::new(move |news| {
        if let News::Prefix { end, rows, messages } = news {
            reached(end, rows);
            // Nobody receives when there is nobody who waits for the disk.
            let _ = sender.send(messages);
        }
    });
    let tracker = Arc::new(Tracker::new(Order::Posting, Arc::clone(lane.credit()), tell));
    if state.path().is_some() {
        tracker.await_callbacks();
        let (state, weak) = (Arc::clone(state), Arc::downgrade(&tracker));
        let name = format!("acks {source}");
        std::thread::Builder::new().name(name).spawn(move || settle(&state, &weak, &receiver))?;
    } else {
        tracker.stop_holding();
    }
    lane.track(tracker);
    Ok(())
}

impl Acked {
    /// Follows what is posted into `lane` from now on. To be called once, before the first post.
    ///
    /// # Errors
    /// The system has no thread to give; then nothing was done.
    pub(crate) fn follow(lane: &Lane, state: &Arc<State>, source: &str) -> io::Result<Arc<Self>> {
        let acked = Arc::new(Self::default());
        let marks = Arc::clone(&acked);
        follow(lane, state, source, move |end, rows| marks.reached(end, rows))?;
        Ok(acked)
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the batch that was sent next.
    pub(crate) fn mark(&self, mark: Mark) {
        let mut marks = self.lock();
        marks.all.push_back(mark);
        marks.settle();
    }

    /// All batches before the ticket `end` are acknowledged, and of that one so many rows.
    fn reached(&self, end: u64, rows: u32) {
        let mut marks = self.lock();
        marks.reached = (end, rows);
        marks.settle();
    }
}

impl Marks {
    /// Says of what is marked and acknowledged that it is done.
    fn settle(&mut self) {
        let (end, rows) = self.reached;
        while self.first < end {
            let Some(mark) = self.all.pop_front() else { return };
            self.first += 1;
            mark.progress.done(mark.number);
        }
        if rows > 0
            && let Some(mark) = self.all.front()
            && let Some(position) = mark.behind(rows)
        {
            mark.progress.done_in_part(mark.number, position);
        }
    }
}

/// Gives credit back for what is acknowledged, when its positions are on the disk; ends with the tracker.
fn settle(state: &State, tracker: &Weak<Tracker>, acknowledged: &Receiver<u32>) {
    while let Ok(first) = acknowledged.recv() {
        let messages = acknowledged.try_iter().fold(first, u32::saturating_add);
        state.settle();
        let Some(tracker) = tracker.upgrade() else { return };
        tracker.called_back(messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Credit, Inbox};
    use crate::message::{Need, Origin, Pool};
    use crate::source::position::Stored;

    /// Breaks without it: after a stop in the middle of a batch its lines come again, or are lost.
    #[test]
    fn a_batch_that_is_acknowledged_in_part_moves_the_position_so_far() {
        let state = State::in_memory();
        let progress = FileProgress::of(&state, "file(/x)", b"/x");
        let acked = Acked::default();
        for (begin, ends) in [(100, vec![10, 30, 35]), (135, vec![5, 9])] {
            let begin = Position { offset: begin, ..Position::default() };
            let end = begin.offset + u64::from(*ends.last().unwrap());
            let number = progress.read_up_to(Position { offset: end, ..begin });
            acked.mark(Mark { progress: Arc::clone(&progress), number, begin, ends });
        }
        let stored = || {
            let fresh = state.store("file(/x)").get(b"/x").unwrap();
            fresh.map(|value| match value {
                crate::state::Value::Text(text) => Stored::parse(&text).unwrap().position.offset,
                other => panic!("{other:?}"),
            })
        };
        acked.reached(0, 2);
        assert_eq!(stored(), Some(130));
        acked.reached(1, 0);
        assert_eq!(stored(), Some(135));
        acked.reached(1, 1);
        assert_eq!(stored(), Some(140));
        acked.reached(2, 0);
        assert_eq!(stored(), Some(144));
    }

    /// Breaks without it: a source of files stands still after its first window, because its credit waits for
    /// callbacks that nobody calls.
    #[test]
    fn credit_comes_back_with_and_without_a_state_file() {
        let dir = tempfile::tempdir().unwrap();
        let on_disk = State::open(&dir.path().join("state"), Box::new(|_, _| {})).unwrap();
        for state in [State::in_memory(), on_disk] {
            let mut inbox = Inbox::new();
            let credit = Arc::new(Credit::new(2, 1 << 20));
            let pool = Arc::new(Pool::new());
            let lane = Lane::new(0, inbox.sender(), Arc::clone(&credit), Arc::default(), pool, None);
            let acked = Acked::follow(&lane, &state, "s#0").unwrap();
            let progress = FileProgress::of(&state, "file(/y)", b"/y");
            let mut producer = lane.producer(Arc::new(Origin::named("s")));
            for round in 0..5_u64 {
                let begin = Position { offset: round, ..Position::default() };
                let number = progress.read_up_to(Position { offset: round + 1, ..begin });
                acked.mark(Mark { progress: Arc::clone(&progress), number, begin, ends: vec![1] });
                producer.try_post(Need::default(), |_| {}).unwrap();
                producer.close_batch();
                drop(inbox.try_recv().unwrap().open());
                producer.before_wait();
                credit.wait(None);
            }
            assert_eq!(progress.position().unwrap().unwrap().position.offset, 5);
        }
    }
}
