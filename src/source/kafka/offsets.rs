//! How far each partition is delivered: [`Offsets`].
//!
//! ```text
//!  partition 0   │ 4..9 batch 1 ✓ │ 10..12 batch 3 ✓ │ 13..20 batch 4   │   may be committed: 13
//!  partition 1   │ 0..7 batch 2   │ 8..9 batch 3 ✓   │                      may be committed: nothing
//! ```
//!
//! A batch may have records of several partitions, and batches are done in any order. The records of a partition
//! that came in one batch are a run; a partition is delivered up to the first of its runs that is not done.
//!
//! # Invariants
//! * The runs of a partition are in the order of their offsets.
//! * What may be committed only grows, until the partition is taken away. A run of which a message was given up
//!   ends it for good: its records come again.
//! * A message is released once: when its offset is committed, or with its batch if its partition is gone by then.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A partition of a topic.
pub(super) type Partition = (Arc<str>, i32);

/// The offsets of the records that are on their way.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: HashMap<Partition, Progress>,
    /// The partitions of the batches that are out, each with the number of its messages in there.
    batches: HashMap<u64, Vec<(Partition, u64, u32)>>,
    /// Distinguishes a partition that was taken away and given again.
    assignments: u64,
}

/// How far one partition is.
#[derive(Debug, Default)]
struct Progress {
    /// The number of its assignment.
    assignment: u64,
    runs: VecDeque<Run>,
    /// The offset after the last record that is delivered without a gap, once there is one.
    ready: Option<i64>,
    /// The messages before it that are not committed.
    uncommitted: u32,
    /// The offset that is being committed, and the messages before it that this releases.
    committing: Option<i64>,
    in_commit: u32,
    /// What was committed last.
    committed: Option<i64>,
    /// True when a message was given up.
    is_broken: bool,
}

/// Records of one partition in one batch.
#[derive(Debug)]
struct Run {
    batch: u64,
    /// The offset of the last one.
    last: i64,
    messages: u32,
    done: bool,
}

impl Offsets {
    /// Begins with a partition that was assigned.
    pub(super) fn assign(&mut self, partition: Partition) {
        self.assignments += 1;
        let progress = Progress { assignment: self.assignments, ..Progress::default() };
        self.partitions.insert(partition, progress);
    }

    /// Forgets a partition. Returns the messages of it that are delivered and not committed, also behind a gap.
    pub(super) fn revoke(&mut self, partition: &Partition) -> u32 {
        let Some(progress) = self.partitions.remove(partition) else { return 0 };
        let done = progress.runs.iter().filter(|run| run.done).map(|run| run.messages);
        progress.uncommitted + progress.in_commit + done.sum::<u32>()
    }

    /// Tells whether a partition is assigned.
    pub(super) fn is_assigned(&self, partition: &Partition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// The partitions that are assigned.
    pub(super) fn assigned(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.keys()
    }

    /// Notes that the record at `offset` was posted in `batch`.
    pub(super) fn note_posted(&mut self, partition: &Partition, offset: i64, batch: u64) {
        let Some(progress) = self.partitions.get_mut(partition) else { return };
        let of_batch = self.batches.entry(batch).or_default();
        let mine = of_batch
            .iter_mut()
            .find(|(known, assignment, _)| *assignment == progress.assignment && known == partition);
        match mine {
            Some((_, _, messages)) => *messages += 1,
            None => of_batch.push((partition.clone(), progress.assignment, 1)),
        }
        match progress.runs.back_mut().filter(|run| run.batch == batch && !run.done) {
            Some(run) => (run.last, run.messages) = (offset, run.messages + 1),
            None => progress.runs.push_back(Run { batch, last: offset, messages: 1, done: false }),
        }
    }

    /// Notes that the record at `offset` is done with, although it was not posted.
    pub(super) fn note_skipped(&mut self, partition: &Partition, offset: i64) {
        let Some(progress) = self.partitions.get_mut(partition) else { return };
        progress.runs.push_back(Run { batch: u64::MAX, last: offset, messages: 0, done: true });
        progress.advance();
    }

    /// Notes that `batch` is done; nobody has some of its messages if it `is_aborted`. Returns the messages of
    /// partitions that are gone: their offsets are not this source's to commit any more.
    pub(super) fn note_done(&mut self, batch: u64, is_aborted: bool) -> u32 {
        let mut gone = 0;
        for (partition, assignment, messages) in self.batches.remove(&batch).unwrap_or_default() {
            let progress = self.partitions.get_mut(&partition);
            let Some(progress) = progress.filter(|progress| progress.assignment == assignment) else {
                gone += messages;
                continue;
            };
            progress.is_broken |= is_aborted;
            for run in progress.runs.iter_mut().filter(|run| run.batch == batch) {
                run.done = true;
            }
            progress.advance();
        }
        gone
    }

    /// The offsets that may be committed and are not: of each partition, that of its next record. They are being
    /// committed until [`end_commit`](Self::end_commit).
    pub(super) fn begin_commit(&mut self) -> Vec<(Partition, i64)> {
        let ready = self.partitions.iter_mut().filter_map(|(partition, progress)| {
            let next = progress.ready.filter(|next| progress.committed != Some(*next))?;
            progress.committing = Some(next);
            progress.in_commit += std::mem::take(&mut progress.uncommitted);
            Some((partition.clone(), next))
        });
        ready.collect()
    }

    /// Notes that what was being committed is, if it `is_committed`, or is to be committed again. Returns the
    /// messages that this released.
    pub(super) fn end_commit(&mut self, is_committed: bool) -> u32 {
        let mut released = 0;
        for progress in self.partitions.values_mut() {
            let (next, messages) = (progress.committing.take(), std::mem::take(&mut progress.in_commit));
            if is_committed {
                progress.committed = next.or(progress.committed);
                released += messages;
            } else {
                progress.uncommitted += messages;
            }
        }
        released
    }

    /// Messages that are delivered and not committed.
    pub(super) fn uncommitted(&self) -> u32 {
        self.partitions.values().map(|progress| progress.uncommitted).sum()
    }

    /// Tells whether all records of these partitions are delivered that were posted.
    pub(super) fn are_done(&self, partitions: &[Partition]) -> bool {
        let mut all = partitions.iter().filter_map(|partition| self.partitions.get(partition));
        all.all(|progress| progress.runs.is_empty() || progress.is_broken)
    }
}

impl Progress {
    /// Takes the runs off the front that are done.
    fn advance(&mut self) {
        while !self.is_broken
            && let Some(run) = self.runs.front().filter(|run| run.done)
        {
            self.ready = Some(run.last + 1);
            self.uncommitted += run.messages;
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partition(number: i32) -> Partition {
        (Arc::from("t"), number)
    }

    /// What would be committed now.
    fn ready(offsets: &mut Offsets) -> Vec<(i32, i64)> {
        let ready = offsets.begin_commit().into_iter().map(|((_, number), next)| (number, next));
        let mut ready: Vec<_> = ready.collect();
        ready.sort_unstable();
        assert_eq!(offsets.end_commit(false), 0);
        ready
    }

    /// Breaks without it: a record that is not delivered is committed, and a crash loses it.
    #[test]
    fn a_partition_is_committed_up_to_its_first_gap() {
        let mut offsets = Offsets::default();
        offsets.assign(partition(0));
        offsets.assign(partition(1));
        for (number, offset, batch) in [(0, 4, 1), (0, 5, 1), (1, 0, 2), (0, 6, 3), (1, 1, 3), (0, 7, 4)] {
            offsets.note_posted(&partition(number), offset, batch);
        }
        assert_eq!(offsets.note_done(3, false), 0);
        assert!(ready(&mut offsets).is_empty());
        offsets.note_done(1, false);
        assert_eq!((ready(&mut offsets), offsets.uncommitted()), (vec![(0, 7)], 3));
        offsets.note_done(2, false);
        assert_eq!((ready(&mut offsets), offsets.uncommitted()), (vec![(0, 7), (1, 2)], 5));
        offsets.begin_commit();
        // What is delivered meanwhile waits for the next commit.
        offsets.note_posted(&partition(1), 2, 6);
        offsets.note_done(6, false);
        assert_eq!(offsets.end_commit(true), 5);
        assert_eq!((ready(&mut offsets), offsets.uncommitted()), (vec![(1, 3)], 1));
        assert!(!offsets.are_done(&[partition(0)]) && offsets.are_done(&[partition(1)]));
        // What was given up at a stop comes again, and so does all behind it.
        offsets.note_posted(&partition(0), 8, 5);
        offsets.note_done(4, true);
        offsets.note_done(5, false);
        assert_eq!(ready(&mut offsets), [(1, 3)]);
    }

    /// Breaks without it: what a partition had before it went and came back is taken for what it has now.
    #[test]
    fn a_partition_that_comes_back_begins_anew() {
        let mut offsets = Offsets::default();
        offsets.assign(partition(0));
        offsets.note_posted(&partition(0), 4, 1);
        offsets.note_posted(&partition(0), 5, 2);
        offsets.note_done(1, false);
        assert_eq!(offsets.revoke(&partition(0)), 1);
        offsets.assign(partition(0));
        offsets.note_posted(&partition(0), 4, 3);
        assert_eq!(offsets.note_done(2, false), 1, "its messages are released all the same");
        assert!(ready(&mut offsets).is_empty());
        offsets.note_skipped(&partition(0), 5);
        offsets.note_done(3, false);
        assert_eq!(ready(&mut offsets), [(0, 6)]);
    }

    proptest! {
        /// Breaks without it: a message is released twice, or its credit never comes back.
        #[test]
        fn every_message_is_released_once(
            posts in prop::collection::vec((0..3_i32, 0..6_u64), 1..80),
            order in prop::collection::vec(any::<prop::sample::Index>(), 20),
        ) {
            let mut offsets = Offsets::default();
            (0..3).for_each(|number| offsets.assign(partition(number)));
            let mut next = [0_i64; 3];
            // A batch is closed for good when the next one begins.
            let mut batches: Vec<u64> = Vec::new();
            for (step, (number, new)) in posts.iter().enumerate() {
                if batches.is_empty() || *new == 0 {
                    batches.push(step as u64);
                }
                offsets.note_posted(&partition(*number), next[*number as usize], batches[batches.len() - 1]);
                next[*number as usize] += 1;
            }
            let (mut released, mut revoked) = (0, false);
            for index in order {
                if batches.is_empty() { break; }
                let batch = batches.swap_remove(index.index(batches.len()));
                released += offsets.note_done(batch, false);
                if !revoked && batch % 2 == 1 {
                    revoked = true;
                    released += offsets.revoke(&partition(1));
                }
                offsets.begin_commit();
                released += offsets.end_commit(!batch.is_multiple_of(3));
            }
            for batch in batches {
                released += offsets.note_done(batch, false);
            }
            offsets.begin_commit();
            released += offsets.end_commit(true);
            prop_assert_eq!(released as usize, posts.len());
            prop_assert!(offsets.batches.is_empty());
        }
    }
}
