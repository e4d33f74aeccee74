//! Messages that cannot be sent now, or ever: the health of the client, refusals, and what waits without credit.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;

use super::flight::Flight;
use super::{KafkaDestination, TAKE_BACK};
use crate::destination::drops::News;
use crate::destination::{Severity, UNHELD_BYTES};
use crate::flow::DropReason;
use crate::kafka::Producer;

/// Brokers that are away for this long are told: a broker that restarts is away for less.
const AWAY: Duration = Duration::from_secs(1);
/// Brokers that acknowledge nothing for this long are told, although they are there.
const SILENT: Duration = Duration::from_secs(10);
/// It looks at least this often while something waits.
const LOOK: Duration = Duration::from_secs(1);
/// It looks this often while it takes messages back.
const LOOK_BACK: Duration = Duration::from_millis(10);
/// Lines of librdkafka's that the log gets in a minute.
const LINES: u32 = 10;

/// The health of the client.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The reason why all that is not reported is taken back.
    broken: Option<String>,
    /// Nothing is wrong but messages that timed out.
    is_late: bool,
    /// It takes back what it has until then.
    back_until: Option<Instant>,
    /// The time of the next attempt with another client.
    retry_at: Option<Instant>,
    /// The time since when no broker is there.
    away: Option<Instant>,
    /// The last report, or the time since when there is something to report.
    heard: Option<Instant>,
    /// The last thing that was wrong with a broker.
    reason: Option<String>,
    /// The time since when it is told that messages wait.
    told: Option<Instant>,
    /// The first line of the minute, and how many there were.
    lines: Option<(Instant, u32)>,
}

impl Health {
    /// Notes what the client says of itself or of a broker.
    pub(super) fn note_error(&mut self, code: RDKafkaErrorCode, text: &str, is_fatal: bool, now: Instant) {
        if is_fatal {
            self.broken = Some(format!("{text} ({code:?})"));
            self.is_late = false;
        } else if code == RDKafkaErrorCode::AllBrokersDown {
            self.away.get_or_insert(now);
        } else {
            self.reason = Some(text.to_owned());
        }
    }

    /// Notes that a record comes back and was not written.
    pub(super) fn note_lost(&mut self, code: RDKafkaErrorCode) {
        if self.back_until.is_none() {
            let is_late = code == RDKafkaErrorCode::MessageTimedOut;
            self.is_late = is_late && (self.broken.is_none() || self.is_late);
            self.broken.get_or_insert_with(|| code.to_string());
        }
    }

    /// True while messages cannot be delivered, which is told.
    pub(super) fn is_down(&self) -> bool {
        self.told.is_some()
    }

    /// True while it takes messages back.
    pub(super) fn takes_back(&self) -> bool {
        self.back_until.is_some()
    }

    /// Tries at once what has failed.
    pub(super) fn retry_now(&mut self, now: Instant) {
        self.retry_at = self.retry_at.map(|_| now);
    }

    /// The time of the next look after one at `looked`.
    pub(super) fn next_look(&self, looked: Instant, poll: Duration) -> Instant {
        match (self.back_until, self.retry_at) {
            (Some(_), _) => looked + LOOK_BACK,
            (None, Some(at)) => at,
            (None, None) => looked + poll.min(LOOK),
        }
    }
}

impl KafkaDestination {
    /// Tells whether there is a client that messages may be given to, and makes one where there is none.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        let health = &mut self.health;
        if health.back_until.is_some() || health.broken.is_some() {
            return false;
        }
        if health.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        if health.retry_at.take().is_some() {
            self.counters.retries.fetch_add(1, Relaxed);
        }
        if self.producer.is_none() {
            match Producer::new(&self.settings.client_config(), &self.wake) {
                Ok(producer) => self.producer = Some(producer),
                Err(reason) => {
                    self.fail(&reason, now);
                    return false;
                }
            }
        }
        self.health.heard.get_or_insert(now);
        true
    }

    /// Notes that a broker has acknowledged something.
    pub(super) fn note_progress(&mut self, now: Instant) {
        let health = &mut self.health;
        health.heard = (self.waiting > 0).then_some(now);
        (health.away, health.reason) = (None, None);
        if let Some(since) = health.told.take() {
            let time = now.saturating_duration_since(since).as_secs_f64();
            let text = format!("delivering to {} again after {time:.1} s", self.shown());
            self.report(Severity::Notice, text);
        }
    }

    /// Takes back what a client could not deliver, and tells of brokers that do not answer.
    pub(super) fn look_after_trouble(&mut self, now: Instant) {
        if self.health.broken.is_some() && self.health.back_until.is_none() {
            // Its reports say what is written; the rest is sent again.
            if let Some(producer) = &self.producer {
                producer.purge();
            }
            self.health.back_until = Some(now + TAKE_BACK);
            self.serve(now);
        }
        if let Some(until) = self.health.back_until {
            let is_back = self.producer.as_ref().is_none_or(|producer| producer.out() == 0);
            if is_back || now >= until {
                self.begin_again(is_back && self.health.is_late, now);
            }
            return;
        }
        let is_out = self.producer.as_ref().is_some_and(|producer| producer.out() > 0);
        if !is_out || self.health.told.is_some() {
            return;
        }
        let for_long = |since: Option<Instant>, long| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= long)
        };
        let health = &self.health;
        if for_long(health.away, AWAY) && for_long(health.heard, AWAY) {
            let reason = health.reason.clone().unwrap_or_else(|| "no broker is there".to_owned());
            self.tell_down(&format!("{reason}; its messages wait"), now);
        } else if for_long(health.heard, SILENT) {
            let reason =
                health.reason.clone().unwrap_or_else(|| "the brokers acknowledge nothing".to_owned());
            self.tell_down(&format!("{reason}; its messages wait"), now);
        }
    }

    /// Sends what is not reported again after a pause. Where it was only late, by the same client: a new one
    /// would have to find its brokers before the next message times out.
    fn begin_again(&mut self, keeps_client: bool, now: Instant) {
        if !keeps_client && let Some(producer) = self.producer.take() {
            producer.end(Duration::ZERO);
        }
        self.forget_finished();
        self.unsent = 0;
        for flight in &mut self.flights {
            flight.sent = 0;
        }
        self.health.back_until = None;
        let reason = self.health.broken.take().unwrap_or_default();
        self.fail(&reason, now);
    }

    /// Notes a failure, after which it tries again with another client.
    fn fail(&mut self, reason: &str, now: Instant) {
        self.counters.errors.fetch_add(1, Relaxed);
        let pause = self.settings.time_reopen;
        self.health.retry_at = Some(now + pause);
        (self.health.heard, self.health.away) = (None, None);
        if self.health.told.is_none() {
            let text = format!("{reason}; its messages wait, retrying every {} s", pause.as_secs_f64());
            self.tell_down(&text, now);
        }
    }

    fn tell_down(&mut self, text: &str, now: Instant) {
        self.health.told = Some(now);
        self.report(Severity::Error, format!("cannot deliver to {}: {text}", self.shown()));
    }

    /// Tells now and then that messages are refused.
    pub(super) fn tell_refused(&self, code: RDKafkaErrorCode, now: Instant) {
        let then = if self.rejects.is_some() { "they go to on-reject()" } else { "they are dropped" };
        let text = match self.refused.note(1, now) {
            None => return,
            Some(News::Began) => {
                format!("messages for {} are refused for good, the first: {code}; {then}", self.shown())
            }
            Some(News::GoesOn { lately, total }) => {
                format!("messages are still refused: {lately} more, {total} in all, the last: {code}; {then}")
            }
        };
        self.report(Severity::Error, text);
    }

    /// Tells how many messages were refused.
    pub(super) fn tell_end_of_refusals(&self) {
        if let Some((total, _)) = self.refused.end(Instant::now()) {
            let text = format!("{total} messages for {} were refused for good in all", self.shown());
            self.report(Severity::Error, text);
        }
    }

    /// Takes a line of librdkafka's into the log, unless there are too many.
    pub(super) fn note_log(&mut self, (level, facility): (i32, &str), text: &str, now: Instant) {
        const MINUTE: Duration = Duration::from_secs(60);
        const WARNING: i32 = 4;
        // Failures of connections are errors, too, and told as those.
        if level > WARNING || matches!(facility, "FAIL" | "ERROR" | "FATAL") {
            return;
        }
        let fresh = |(since, _): &(Instant, u32)| now.saturating_duration_since(*since) < MINUTE;
        let (since, count) = self.health.lines.filter(fresh).unwrap_or((now, 0));
        self.health.lines = Some((since, count + 1));
        if count < LINES {
            self.report(Severity::Warning, format!("kafka() to {}: librdkafka: {text}", self.shown()));
        }
    }

    /// Lets go of the credit of what waits: on paths without flow control, or on `all`, where nobody takes it for
    /// an acknowledgement. Without flow control the newest beyond `log-fifo-size()` that the client does not have
    /// are dropped; how many, and the source of the first.
    pub(super) fn let_go(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        let (mut messages, mut bytes) = (self.settings.fifo_size, UNHELD_BYTES);
        let mut take = |count: u64, each: u64| {
            let taken = count.min(messages).min(bytes / each);
            messages -= taken;
            bytes -= taken * each;
            taken
        };
        let unheld =
            |flight: &&Flight| flight.delivery.as_ref().is_some_and(|delivery| !delivery.ack.holds_credit());
        for flight in self.flights.iter().filter(unheld) {
            take(flight.left() as u64, flight.bytes_each());
        }
        let mut lost: Option<(Arc<str>, u64)> = None;
        for flight in &mut self.flights {
            let (left, each) = (flight.left() as u64, flight.bytes_each());
            let is_begun = flight.sent > 0 || left < flight.len() as u64;
            let Some(delivery) = &mut flight.delivery else { continue };
            if delivery.flow_control {
                if all && !delivery.ack.is_tracked() {
                    delivery.ack.let_go_of_credit();
                }
                continue;
            }
            if !delivery.ack.holds_credit() {
                continue;
            }
            let kept = take(left, each);
            if kept < left && !is_begun {
                let view = &delivery.view;
                delivery.ack.drop_rows(&view.rows().after(kept as usize), DropReason::QueueFull);
                lost.get_or_insert_with(|| (Arc::clone(&view.batch().origin().source), 0)).1 += left - kept;
            }
            delivery.ack.let_go_of_credit();
            if kept < left && !is_begun {
                flight.cut(kept as usize);
            }
        }
        let (_, count) = lost.as_ref()?;
        self.waiting -= count;
        self.counters.count_dropped(*count);
        self.forget_finished();
        lost
    }
}

/// Tells whether a broker, or the client, will never take the record: where a message has chosen its topic, that
/// goes for a topic that is not there.
pub(super) fn is_refusal(code: RDKafkaErrorCode, topic_is_chosen: bool) -> bool {
    use RDKafkaErrorCode as Code;
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::InvalidTimestamp
        | Code::UnsupportedForMessageFormat
        | Code::PolicyViolation
        | Code::InvalidRecord => true,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => topic_is_chosen,
        _ => false,
    }
}
