//! The thread of a source: [`Reader`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::unbounded;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message};

use super::group::{Group, Member, Posted};
use super::offsets::Partition;
use crate::flow::Tracker;
use crate::flow::tracker::Order;
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Row, ValueType};
use crate::source::{EngineLog, Input, ParsedRow, Poster, system_clock};
use crate::syslog::fill::Filler;
use crate::syslog::{Clock, ParseOptions};

/// The longest wait for a record: a request to end is seen after it.
const POLL: Duration = Duration::from_millis(100);
/// The time between two commits, while not much waits for one.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// The longest wait for credit: acknowledgements are looked after meanwhile.
const CREDIT_LOOK: Duration = Duration::from_millis(20);
/// The wait for credit before partitions are paused: they are fetched anew afterwards.
const SHORT_WAIT: Duration = Duration::from_millis(200);
/// The pause before a client is made anew that could not go on.
const BEGIN_AGAIN: Duration = Duration::from_secs(5);

/// The settings of a reader.
pub(super) struct ReaderSettings {
    pub(super) client: ClientConfig,
    pub(super) servers: String,
    pub(super) topics: Vec<String>,
    pub(super) parse: ParseOptions,
    pub(super) forced_pri: Option<u16>,
    pub(super) stop_timeout: Duration,
}

/// Reads records and posts them.
pub(super) struct Reader {
    settings: ReaderSettings,
    group: Arc<Group>,
    filler: Filler,
    clock: Clock,
    input: Input,
    partition: Option<Partition>,
    numbers: (String, String),
    last_commit: Instant,
}

impl Reader {
    pub(super) fn new(settings: ReaderSettings, input: &Input, log: &Arc<dyn EngineLog>) -> Self {
        let (tell, news) = unbounded();
        let tell = Box::new(move |each| {
            // Nobody receives when the reader has ended.
            let _ = tell.send(each);
        });
        let tracker = Arc::new(Tracker::new(Order::Completion, Arc::clone(input.lane.credit()), tell));
        // Credit comes back with the commits: a crash repeats no more than a window.
        tracker.await_callbacks();
        input.lane.track(Arc::clone(&tracker));
        let group = Arc::new(Group {
            name: input.driver.id.clone(),
            servers: settings.servers.clone(),
            log: Arc::clone(log),
            tracker,
            news,
            stop_timeout: settings.stop_timeout,
            offsets: Mutex::default(),
            commits: Mutex::default(),
            told: Mutex::default(),
        });
        Self {
            settings,
            group,
            filler: Filler::default(),
            clock: system_clock(),
            input: input.clone(),
            partition: None,
            numbers: (String::new(), String::new()),
            last_commit: Instant::now(),
        }
    }

    /// Reads until it is asked to end.
    pub(super) fn run(&mut self, poster: &mut Poster) {
        while !poster.ends() {
            match self.consumer() {
                Ok(consumer) => {
                    self.read(&consumer, poster);
                    self.leave(&consumer);
                }
                Err(error) => self.group.tell_unread(&error.to_string()),
            }
            if !poster.ends() {
                poster.sleep(BEGIN_AGAIN);
            }
        }
        self.group.tracker.stop_holding();
    }

    /// Waits for what was posted, and commits it, within `stop-timeout()`: leaving the group takes a moment, too.
    fn leave(&self, consumer: &BaseConsumer<Member>) {
        let group = &*self.group;
        let deadline = Instant::now() + self.settings.stop_timeout * 3 / 4;
        let assigned: Vec<_> = group.offsets().assigned().cloned().collect();
        group.await_delivery(&assigned, deadline);
        group.forget_commits();
        group.commit(consumer, CommitMode::Async);
        while group.is_committing() && Instant::now() < deadline {
            // A record that comes now is read again by the next member.
            drop(consumer.poll(CREDIT_LOOK));
        }
        for partition in &assigned {
            let messages = group.offsets().revoke(partition);
            group.release(messages);
        }
    }

    fn consumer(&self) -> KafkaResult<BaseConsumer<Member>> {
        let consumer: BaseConsumer<_> =
            self.settings.client.create_with_context(Member(Arc::clone(&self.group)))?;
        let topics: Vec<_> = self.settings.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(consumer)
    }

    /// Reads until it is asked to end, or the client cannot go on.
    ///
    /// A record that finds no credit is held, and partitions are paused while one is: the reader goes on taking
    /// part in the group. What is held of a partition that is taken away is not posted.
    fn read(&mut self, consumer: &BaseConsumer<Member>, poster: &mut Poster) {
        let mut held: VecDeque<BorrowedMessage<'_>> = VecDeque::new();
        let (mut held_since, mut is_paused) = (None, false);
        while !poster.ends() {
            self.look_after_offsets(consumer);
            // What is held comes first.
            while let Some(record) = held.front() {
                match self.post(record, poster) {
                    Posted::Done => held.pop_front(),
                    Posted::NoCredit => break,
                    Posted::Ends => return,
                };
            }
            let wait = if held.is_empty() {
                if std::mem::take(&mut is_paused) {
                    self.group.set_paused(consumer, false);
                }
                held_since = None;
                POLL
            } else {
                let now = Instant::now();
                is_paused |= now.saturating_duration_since(*held_since.get_or_insert(now)) >= SHORT_WAIT;
                if is_paused {
                    // Also partitions that came since.
                    self.group.set_paused(consumer, true);
                }
                poster.await_credit(now + CREDIT_LOOK);
                // Answers to commits, which credit comes back with, are among what is polled.
                Duration::ZERO
            };
            match consumer.poll(wait) {
                None => poster.end_posts(),
                Some(Ok(record)) => {
                    self.group.tell_well();
                    held.push_back(record);
                }
                Some(Err(KafkaError::MessageConsumptionFatal(error))) => {
                    self.group.tell(&format!("the client cannot go on: {error}; another one begins"));
                    return;
                }
                Some(Err(error)) => self.group.tell_unread(&error.to_string()),
            }
        }
    }

    /// Takes acknowledgements, and commits what is delivered now and then.
    fn look_after_offsets(&mut self, consumer: &BaseConsumer<Member>) {
        self.group.take_news(None);
        if self.group.is_committing() {
            return;
        }
        let is_due = self.last_commit.elapsed() >= COMMIT_EVERY
            || self.group.offsets().uncommitted() >= self.input.planned.window / 4;
        if is_due {
            self.last_commit = Instant::now();
            self.group.commit(consumer, CommitMode::Async);
        }
    }

    /// Posts `record`, if there is credit.
    fn post(&mut self, record: &BorrowedMessage<'_>, poster: &mut Poster) -> Posted {
        let (partition, offset) = (self.partition_of(record), record.offset());
        if !self.group.offsets().is_assigned(&partition) {
            // It was taken away with its records.
            return Posted::Done;
        }
        let Some(value) = record.payload() else {
            // A tombstone: a key without a value.
            self.group.offsets().note_skipped(&partition, offset);
            return Posted::Done;
        };
        let Self { filler, settings, input, numbers, clock, group, .. } = self;

        // A value that says no time has that of its record.
        let now = poster.now();
        let time = record.timestamp().to_millis().filter(|millis| *millis > 0);
        clock.set_now(time.map_or(now.unix_micros, |millis| millis * 1000));
        filler.parse(value, &settings.parse, clock);
        let parsed = ParsedRow::new(&input.policy, filler, value);

        // The record's place and its key are values of the message.
        write_number(&mut numbers.0, i64::from(record.partition()));
        write_number(&mut numbers.1, offset);
        let fields = [
            (".kafka.topic", partition.0.as_bytes(), ValueType::String),
            (".kafka.partition", numbers.0.as_bytes(), ValueType::Integer),
            (".kafka.offset", numbers.1.as_bytes(), ValueType::Integer),
            (".kafka.key", record.key().unwrap_or_default(), ValueType::String),
        ];
        let fields = if record.key().is_some() { &fields[..] } else { &fields[..3] };
        let mut need: Need = parsed.need();
        need.bytes += value.len();
        need.bytes += fields.iter().map(|(name, value, _)| name.len() + value.len()).sum::<usize>();
        need.fields += fields.len();
        let outcome = poster.try_post(need, |row: &mut Row<'_>| {
            row.payload_copy(value);
            parsed.write(now, row);
            if let Some(pri) = settings.forced_pri {
                row.pri(pri);
            }
            for (name, value, kind) in fields {
                row.field(FieldName::Text, Text::Copy(name.as_bytes()), *kind, Text::Copy(value));
            }
        });
        group.note_outcome(outcome, &partition, offset, poster.last_ticket())
    }

    /// The partition of `record`; records of one come together.
    fn partition_of(&mut self, record: &BorrowedMessage<'_>) -> Partition {
        match &self.partition {
            Some(last) if last.1 == record.partition() && *last.0 == *record.topic() => last.clone(),
            _ => {
                let partition: Partition = (Arc::from(record.topic()), record.partition());
                self.partition = Some(partition.clone());
                partition
            }
        }
    }
}

fn write_number(to: &mut String, number: i64) {
    use std::fmt::Write as _;
    to.clear();
    // Writing to a String cannot fail.
    let _ = write!(to, "{number}");
}
