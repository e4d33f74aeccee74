//! The membership of a source in its group: [`Group`].

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::offsets::{Offsets, Partition};
use crate::flow::tracker::News;
use crate::flow::{Refused, Tracker};
use crate::kafka::commit;
use crate::source::EngineLog;

/// The time after which the same trouble is told again.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// Lines of librdkafka's that the log gets in a minute.
const LINES: u32 = 10;

/// The outcome of an attempt to post a record.
pub(super) enum Posted {
    Done,
    NoCredit,
    Ends,
}

/// The part that librdkafka's calls and the reader share. All of them are made on the reader's thread, while it
/// polls, but those for the log.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) servers: String,
    pub(super) log: Arc<dyn EngineLog>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) news: Receiver<News>,
    pub(super) stop_timeout: Duration,
    pub(super) offsets: Mutex<Offsets>,
    /// The commits that are not answered yet; false for one whose answer means nothing any more.
    pub(super) commits: Mutex<VecDeque<bool>>,
    pub(super) told: Mutex<Told>,
}

/// The last things that were told.
#[derive(Default)]
pub(super) struct Told {
    trouble: Option<(String, Instant)>,
    lines: Option<(Instant, u32)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    pub(super) fn offsets(&self) -> MutexGuard<'_, Offsets> {
        lock(&self.offsets)
    }

    /// Takes what was acknowledged since the last look; waits for it until `deadline`, if there is one.
    pub(super) fn take_news(&self, deadline: Option<Instant>) {
        let first = deadline.and_then(|deadline| self.news.recv_deadline(deadline).ok());
        for news in first.into_iter().chain(self.news.try_iter()) {
            // In the order of completion there is no other.
            let News::Batch { ticket, aborted, .. } = news else { continue };
            let gone = self.offsets().note_done(ticket, !aborted.is_empty());
            self.release(gone);
        }
    }

    /// Gives back the credit of messages whose offset is committed, or is not this source's any more.
    pub(super) fn release(&self, messages: u32) {
        if messages > 0 {
            self.tracker.called_back(messages);
        }
    }

    /// Commits what is delivered; does not wait for the answer with `CommitMode::Async`.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Member>, mode: CommitMode) {
        let ready = self.offsets().begin_commit();
        if ready.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(ready.len());
        for ((topic, partition), next) in &ready {
            // It fails for offsets below 0 alone.
            let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
        }
        let result = match mode {
            CommitMode::Async => commit(consumer, &list),
            CommitMode::Sync => consumer.commit(&list, mode),
        };
        match (mode, &result) {
            (CommitMode::Async, Ok(())) => lock(&self.commits).push_back(true),
            _ => self.end_commit(result.is_ok()),
        }
        if let Err(error) = result {
            self.tell(&format!("its offsets are not committed: {error}"));
        }
    }

    fn end_commit(&self, is_committed: bool) {
        let released = self.offsets().end_commit(is_committed);
        self.release(released);
    }

    pub(super) fn is_committing(&self) -> bool {
        lock(&self.commits).iter().any(|is_current| *is_current)
    }

    /// Waits until what was posted of `partitions` is delivered, at most until `deadline`.
    pub(super) fn await_delivery(&self, partitions: &[Partition], deadline: Instant) {
        self.take_news(None);
        while !self.offsets().are_done(partitions) && Instant::now() < deadline {
            self.take_news(Some(deadline));
        }
    }

    /// Takes back the commits whose answers have not come: they are made again.
    pub(super) fn forget_commits(&self) {
        if self.is_committing() {
            lock(&self.commits).iter_mut().for_each(|is_current| *is_current = false);
            self.end_commit(false);
        }
    }

    /// Notes what became of the record at `offset`, which was posted in `batch` if it was.
    pub(super) fn note_outcome(
        &self,
        outcome: Result<(), Refused>,
        partition: &Partition,
        offset: i64,
        batch: u64,
    ) -> Posted {
        match outcome {
            Ok(()) => self.offsets().note_posted(partition, offset, batch),
            Err(Refused::NoCredit) => return Posted::NoCredit,
            Err(Refused::Closed) => return Posted::Ends,
            Err(Refused::TooLarge) => {
                self.offsets().note_skipped(partition, offset);
                let (topic, number) = partition;
                self.tell(&format!(
                    "a record is larger than a message can be, and is left out: topic `{topic}`, partition {number}, \
                     offset {offset}"
                ));
            }
        }
        Posted::Done
    }

    /// Pauses all partitions, or has them go on.
    pub(super) fn set_paused(&self, consumer: &BaseConsumer<Member>, is_paused: bool) {
        let change = |all| if is_paused { consumer.pause(&all) } else { consumer.resume(&all) };
        if let Err(error) = consumer.assignment().and_then(change) {
            self.tell_unread(&error.to_string());
        }
    }

    pub(super) fn tell_unread(&self, reason: &str) {
        self.tell(&format!("cannot read from {}: {reason}; it tries again", self.servers));
    }

    /// Tells what is wrong, unless it was told lately.
    pub(super) fn tell(&self, text: &str) {
        let mut told = lock(&self.told);
        let is_known =
            told.trouble.as_ref().is_some_and(|(known, at)| known == text && at.elapsed() < TELL_AGAIN);
        if !is_known {
            self.log.error(&format!("source {}: {text}", self.name));
            told.trouble = Some((text.to_owned(), Instant::now()));
        }
    }

    /// Tells that records come again.
    pub(super) fn tell_well(&self) {
        let told = lock(&self.told).trouble.take();
        if told.is_some() {
            self.log.info(&format!("source {}: records of {} come again", self.name, self.servers));
        }
    }
}

/// The group, as librdkafka's crate calls it.
pub(super) struct Member(pub(super) Arc<Group>);

impl Deref for Member {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.0
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        // Failures of connections are errors, too, and told as those.
        if level as i32 > RDKafkaLogLevel::Warning as i32 || matches!(facility, "FAIL" | "ERROR" | "FATAL") {
            return;
        }
        let mut told = lock(&self.told);
        let fresh = |(since, _): &(Instant, u32)| since.elapsed() < Duration::from_secs(60);
        let (since, count) = told.lines.filter(fresh).unwrap_or((Instant::now(), 0));
        told.lines = Some((since, count + 1));
        if count < LINES {
            self.log.warning(&format!("source {}: librdkafka: {text}", self.name));
        }
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::Global(RDKafkaErrorCode::AllBrokersDown)) {
            self.tell_unread(reason);
        }
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            let gone = partitions(list);
            self.await_delivery(&gone, Instant::now() + self.stop_timeout);
            self.forget_commits();
            if !gone.is_empty() && !consumer.assignment_lost() {
                self.commit(consumer, CommitMode::Sync);
            }
            for partition in &gone {
                let messages = self.offsets().revoke(partition);
                self.release(messages);
            }
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                let mut offsets = self.offsets();
                for partition in partitions(list) {
                    offsets.assign(partition);
                }
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.tell(&format!("the group cannot share its partitions: {error}")),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, list: &TopicPartitionList) {
        let is_current = lock(&self.commits).pop_front();
        if is_current != Some(true) {
            return;
        }
        let failed = list.elements().iter().find_map(|element| element.error().err());
        match result.err().or(failed) {
            None => self.end_commit(true),
            Some(error) => {
                self.end_commit(false);
                self.tell(&format!("its offsets are not committed: {error}"));
            }
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|element| (Arc::from(element.topic()), element.partition())).collect()
}
