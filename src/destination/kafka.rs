//! `kafka()`: messages to topics of Kafka.
//!
//! ```text
//!  push ─► flights ─► format ─► Producer (librdkafka) ─► brokers
//!            │ a delivery each       │ its queue is full: the next report goes on
//!            └── a message is done ◄─┴─ report
//! ```
//!
//! A message counts as delivered when the broker has acknowledged it, and a delivery holds its credit until all of
//! its messages are reported: so a broker that falls behind, or is away, holds the sources back. The producer is
//! idempotent, and librdkafka tries again by itself, for as long as it takes, without another order and without
//! doubles.
//!
//! # Failures
//! * The broker refuses a message for good (too large, not authorised, a topic that cannot be): it goes to
//!   `on-reject()` or is dropped, counted and told.
//! * The client gives up (a fatal error, a message that timed out because `config()` says so): what is not reported
//!   is taken back, which its reports say, and is sent again after `time-reopen()`, in its order: by the same client
//!   where all that happened is that messages timed out, else by a new one. What the broker has and could not
//!   acknowledge is there twice then.
//!
//! # Invariants
//! * `flights` is in the order of its numbers; before `unsent` all is given to the client.
//! * A message is counted once, when it is done with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::drops::Drops;
use super::{
    Counters, Destination, Handover, Numbers, Rejects, Report, ReportFn, Severity, Site, Throttle, Wake,
};
use crate::flow::{Delivery, DropReason};
use crate::kafka::{Producer, Properties};
use crate::template::{Context, Identity, Options, TimeZoneUse, Zone, ZoneClock};

mod flight;
mod format;
mod options;
mod sending;
#[cfg(test)]
mod tests;
mod trouble;

pub(super) use options::KafkaOptions;

use flight::{Flight, Flights};
use format::RecordFormat;
use trouble::Health;

/// While it stops, it looks for reports this often.
const STOP_POLL: Duration = Duration::from_millis(5);
/// The time that a client gets to end; one that takes longer, as it waits for a name server, ends later.
const END: Duration = Duration::from_secs(1);
/// The time that reports of what is taken back may take.
const TAKE_BACK: Duration = Duration::from_millis(500);

/// The settings of a destination.
#[derive(Debug, Clone)]
struct KafkaSettings {
    servers: String,
    format: RecordFormat,
    properties: Properties,
    flush_at_stop: Duration,
    flush_at_reload: Duration,
    poll_timeout: Duration,
    time_reopen: Duration,
    fifo_size: u64,
    throttle: Option<u32>,
    options: Options,
    identity: Arc<Identity>,
}

/// The driver of `kafka()`.
struct KafkaDestination {
    settings: KafkaSettings,
    context: Context,
    clock: ZoneClock,
    producer: Option<Producer>,
    flights: VecDeque<Flight>,
    /// The index of the first flight of which something is to be given to the client.
    unsent: usize,
    /// The number of the next record.
    next_number: u64,
    /// The numbers of the next message.
    next: Numbers,
    /// Messages that are not done with.
    waiting: u64,
    health: Health,
    throttle: Option<Throttle>,
    refused: Drops,
    rejects: Rejects,
    looked: Option<Instant>,
    counters: Arc<Counters>,
    log: ReportFn,
    wake: Wake,
}

impl KafkaDestination {
    /// A driver that has connected to nothing yet.
    fn new(settings: KafkaSettings, site: Site) -> Self {
        let Site { counters, report: log, rejects, wake } = site;
        Self {
            context: Context::new(&settings.options, Arc::clone(&settings.identity), TimeZoneUse::Send),
            clock: ZoneClock::new(Zone::local()),
            producer: None,
            flights: VecDeque::new(),
            unsent: 0,
            next_number: 0,
            next: Numbers::FIRST,
            waiting: 0,
            health: Health::default(),
            throttle: settings.throttle.map(Throttle::new),
            settings,
            refused: Drops::default(),
            rejects,
            looked: None,
            counters,
            log,
            wake,
        }
    }

    fn report(&self, severity: Severity, text: String) {
        (self.log)(Report { severity, text });
    }

    fn push_numbered(&mut self, delivery: Delivery, first: Numbers) {
        let count = delivery.view.len() as u64;
        if count > 0 {
            self.flights.push_back(Flight::new(self.next_number, delivery, first));
            self.next_number += count;
            self.waiting += count;
        }
    }

    /// Drops all that waits; returns how many messages it was.
    fn abandon(&mut self, reason: DropReason) -> u64 {
        let lost = std::mem::take(&mut self.waiting);
        for flight in self.flights.drain(..) {
            if let Some(delivery) = &flight.delivery {
                delivery.ack.drop_rows(&flight.rows_left(0), reason);
            }
        }
        self.unsent = 0;
        if let Some(producer) = self.producer.take() {
            producer.end(END);
        }
        if lost > 0 {
            self.counters.count_dropped(lost);
            self.report(Severity::Error, format!("{lost} messages for {} were not delivered", self.shown()));
        }
        lost
    }

    /// Its end of the way in messages.
    fn shown(&self) -> String {
        format!("topic `{}` at {}", self.settings.format.address().escape_debug(), self.settings.servers)
    }

    /// Takes reports until all is reported or `deadline`.
    fn await_reports(&mut self, deadline: Instant) {
        loop {
            let now = Instant::now();
            self.serve(now);
            let is_out = self.producer.as_ref().is_some_and(|producer| producer.out() > 0);
            if !is_out || now >= deadline {
                return;
            }
            std::thread::sleep(STOP_POLL.min(deadline - now));
        }
    }

    /// Takes everything back from the client, and ends it: what it reports meanwhile counts.
    fn take_back(&mut self) {
        if let Some(producer) = &self.producer {
            producer.purge();
        }
        self.await_reports(Instant::now() + TAKE_BACK);
        if let Some(producer) = self.producer.take() {
            producer.end(END);
        }
    }
}

impl Destination for KafkaDestination {
    fn push(&mut self, delivery: Delivery) {
        let (first, count) = (self.next, delivery.view.len());
        let later = first.later(count);
        // Of messages that come from elsewhere, SEQNUM is what they came with.
        let is_local = delivery.view.batch().origin().is_local;
        self.next = if is_local { later } else { Numbers { order: later.order, ..first } };
        self.push_numbered(delivery, first);
    }

    fn flush(&mut self, now: Instant) {
        self.looked = Some(now);
        self.serve(now);
        self.look_after_trouble(now);
        self.send(now);
        self.look_after_trouble(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.waiting == 0 && !self.health.takes_back() {
            return None;
        }
        let look = self.health.next_look(self.looked?, self.settings.poll_timeout);
        let has_more = self.unsent < self.flights.len();
        let token = self.throttle.as_ref().filter(|_| has_more).and_then(Throttle::next);
        Some(token.map_or(look, |token| token.min(look)))
    }

    fn reopen(&mut self) {
        self.health.retry_now(Instant::now());
    }

    fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    fn is_suspended(&self) -> bool {
        self.health.is_down()
    }

    fn waiting(&self) -> (u64, u64) {
        let bytes = self.flights.iter().map(|flight| flight.left() as u64 * flight.bytes_each());
        (self.waiting, bytes.sum())
    }

    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        self.let_go(all)
    }

    fn take_over(&mut self, left: Handover) {
        let Numbers { order, sequence } = self.next;
        self.next = Numbers { order: order.max(left.next.order), sequence: sequence.max(left.next.sequence) };
        if let Some(leftover) = left.leftover {
            let log = Arc::clone(&self.log);
            let report = move |text| log(Report { severity: Severity::Error, text });
            for (delivery, first) in leftover.into_deliveries(&report) {
                self.push_numbered(delivery, first);
            }
        }
        for delivery in left.deliveries {
            self.push(delivery);
        }
    }

    fn hand_over(&mut self) -> Handover {
        if !self.health.is_down() {
            self.await_reports(Instant::now() + self.settings.flush_at_reload);
        }
        self.take_back();
        self.tell_end_of_refusals();
        (self.unsent, self.waiting) = (0, 0);
        let left = self.flights.drain(..).filter(|flight| flight.delivery.is_some()).collect();
        Handover::new(Box::new(Flights(left)), self.next, &self.counters)
    }

    fn start_anew(&mut self, panic: &str) {
        let text = format!("fault in the engine: {} has failed: {panic}; it begins anew", self.shown());
        self.report(Severity::Error, text);
        self.abandon(DropReason::Fault);
        self.health = Health::default();
    }

    fn give_up(&mut self) -> u64 {
        let text = format!(
            "{} was removed by a reload and cannot be reached, and there is no place any more for what waits for it",
            self.shown()
        );
        self.report(Severity::Error, text);
        self.abandon(DropReason::Removed)
    }

    fn notice(&self, text: String) {
        self.report(Severity::Notice, text);
    }

    fn stop(&mut self, deadline: Instant) -> u64 {
        let now = Instant::now();
        // What is taken back at the end needs a moment of its own.
        let until = deadline.checked_sub(TAKE_BACK).unwrap_or(now).min(now + self.settings.flush_at_stop);
        self.health.retry_now(now);
        loop {
            let now = Instant::now();
            self.flush(now);
            if self.waiting == 0 || now >= until || self.health.is_down() {
                break;
            }
            std::thread::sleep(STOP_POLL.min(until - now));
        }
        self.take_back();
        self.tell_end_of_refusals();
        self.abandon(DropReason::Stopped)
    }
}

impl std::fmt::Debug for KafkaDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaDestination")
            .field("topic", &self.settings.format.address())
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
