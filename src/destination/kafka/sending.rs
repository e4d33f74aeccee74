//! Messages to the client, and its reports back.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::types::RDKafkaErrorCode;

use super::KafkaDestination;
use super::trouble::is_refusal;
use crate::destination::Severity;
use crate::flow::{Delivery, DropReason};
use crate::kafka::{Event, Producer, Stopped};

impl KafkaDestination {
    /// Takes what the client reports.
    pub(super) fn serve(&mut self, now: Instant) {
        let Some(mut producer) = self.producer.take() else { return };
        let mut delivered = 0;
        producer.serve(&mut |event| match event {
            Event::Report { number, error: None } => {
                delivered += u64::from(self.finish(number).is_some());
            }
            Event::Report { number, error: Some(code) } => self.note_failed(number, code, now),
            Event::Error { code, text, is_fatal } => self.health.note_error(code, &text, is_fatal, now),
            Event::Log { level, facility, text } => self.note_log((level, &facility), &text, now),
        });
        self.producer = Some(producer);
        if delivered > 0 {
            self.counters.count_delivered(delivered);
            self.note_progress(now);
        }
        self.forget_finished();
    }

    /// Notes that a record is done with: the flight and the index of its message.
    fn finish(&mut self, number: u64) -> Option<(usize, usize)> {
        let at = self.flights.partition_point(|flight| flight.base <= number).checked_sub(1)?;
        let flight = &mut self.flights[at];
        let index = (number - flight.base) as usize;
        flight.finish(index);
        self.waiting -= 1;
        Some((at, index))
    }

    /// Notes that a record was not written.
    fn note_failed(&mut self, number: u64, code: RDKafkaErrorCode, now: Instant) {
        if is_refusal(code, self.settings.format.is_chosen()) {
            self.refuse(number, code, now);
        } else {
            // It is sent again with all that is not reported.
            self.health.note_lost(code);
        }
    }

    /// Sends a message that the broker does not take to `on-reject()`, or drops it.
    fn refuse(&mut self, number: u64, code: RDKafkaErrorCode, now: Instant) {
        let Some(at) = self.flights.partition_point(|flight| flight.base <= number).checked_sub(1) else {
            return;
        };
        let flight = &self.flights[at];
        if let Some(delivery) = &flight.delivery {
            let row = flight.row((number - flight.base) as usize);
            let Delivery { view, ack, flow_control } = delivery;
            let own = Delivery { view: view.with_rows(row), ack: ack.clone(), flow_control: *flow_control };
            let status = format!("{code:?}");
            match self.rejects.send(own, &code.to_string(), &status) {
                Ok(()) => self.counters.count_rejected(1),
                Err(own) => {
                    own.ack.drop_rows(own.view.rows(), DropReason::Refused);
                    self.counters.count_dropped(1);
                }
            }
        }
        self.finish(number);
        self.tell_refused(code, now);
    }

    /// Lets go of flights that are done with.
    pub(super) fn forget_finished(&mut self) {
        while self.flights.front().is_some_and(|flight| flight.delivery.is_none()) {
            self.flights.pop_front();
            self.unsent = self.unsent.saturating_sub(1);
        }
    }

    /// Gives the client what it takes.
    pub(super) fn send(&mut self, now: Instant) {
        if self.unsent >= self.flights.len() || !self.may_send(now) {
            return;
        }
        let Some(mut producer) = self.producer.take() else { return };
        self.context.now = self.clock.now();
        while self.unsent < self.flights.len() {
            let stopped = self.send_flight(&mut producer, now);
            match stopped {
                None => self.unsent += 1,
                // The next report goes on.
                Some(Stopped::Full) => break,
                Some(Stopped::Failed(code)) => {
                    self.health.note_lost(code);
                    break;
                }
            }
        }
        self.producer = Some(producer);
        self.forget_finished();
        if let Some(text) = self.context.take_complaint() {
            let text = format!("{text}; it is the first of this destination, and no other will be reported");
            self.report(Severity::Error, text);
        }
    }

    /// Gives the client the first flight that it does not have whole.
    fn send_flight(&mut self, producer: &mut Producer, now: Instant) -> Option<Stopped> {
        let flight = &mut self.flights[self.unsent];
        let delivery = flight.delivery.as_ref()?;
        let format = &self.settings.format;
        let context = &mut self.context;
        let first = flight.first;
        let records =
            flight.records.get_or_insert_with(|| Arc::new(format.records(&delivery.view, first, context)));
        let records = Arc::clone(records);
        let (base, sent, done) = (flight.base, flight.sent, flight.done());
        let (is_chosen, mut refused) = (format.is_chosen(), Vec::new());
        let refuse = |index: usize, code| {
            let is_final = is_refusal(code, is_chosen);
            refused.extend(is_final.then_some((index, code)));
            is_final
        };
        let (len, throttle) = (flight.len(), &mut self.throttle);
        let most = throttle.as_mut().map_or(len, |throttle| len.min(sent + throttle.allowed(now)));
        let (end, mut stopped) = producer.send((&records, base), sent..most, |index| done.has(index), refuse);
        if let Some(throttle) = throttle {
            throttle.take(end - sent);
        }
        if end < len {
            // The rest is sent when the client, or throttle(), takes more.
            stopped = stopped.or(Some(Stopped::Full));
        }
        self.flights[self.unsent].sent = end;
        for (index, code) in refused {
            self.refuse(base + index as u64, code, now);
        }
        stopped
    }
}
