//! What becomes of messages that were sent.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::ExchangeDestination;
use crate::destination::Severity;
use crate::destination::drops::News;
use crate::destination::exchange::group::{Chunk, Held, count};
use crate::destination::exchange::slot::State;
use crate::destination::exchange::worker::Done;
use crate::destination::exchange::{AT_ONCE, Failure, Fate, Outcome, Refusal, jittered};
use crate::flow::DropReason;

/// The longest pause that a far end may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl ExchangeDestination {
    /// Takes what a worker says of its job.
    pub(super) fn settle(&mut self, done: Done, now: Instant) {
        let Done { slot, ticket, delivered, bytes, taken, outcome } = done;
        if !matches!(&self.slots[slot].state, State::Busy { ticket: known, .. } if *known == ticket) {
            // It was given up meanwhile.
            return;
        }
        let Some(mut held) = self.slots[slot].take_held() else { return };
        self.site.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        if delivered > 0 {
            (held.errors, held.at_once) = (0, 0);
            let chunks = held.take_first(delivered);
            self.deliver(chunks);
        }
        match outcome {
            Err(panic) => {
                let text = format!(
                    "fault in the engine: a worker has failed: {panic}; {taken} messages are dropped"
                );
                self.report(Severity::Error, text);
                let chunks = held.take_first(taken);
                self.drop_chunks(&chunks, DropReason::Fault);
                self.go_on(slot, held, now);
            }
            Ok(Outcome::Delivered) => {
                let chunks = held.take_first(taken);
                self.deliver(chunks);
                self.note_success(slot);
                self.go_on(slot, held, now);
            }
            Ok(Outcome::Rejected(refusal)) => {
                self.slots[slot].is_failing = false;
                let chunks = held.take_first(taken);
                self.refuse(chunks, &refusal, now);
                self.go_on(slot, held, now);
            }
            Ok(Outcome::Rows(fates)) => self.settle_rows(slot, held, &fates, now),
            Ok(Outcome::Error(failure)) => self.fail(slot, held, taken, failure, now),
            Ok(Outcome::NotConnected(failure)) => self.pause(slot, held, &failure, now),
            Ok(Outcome::Retry(failure)) => {
                held.at_once += 1;
                if held.at_once <= AT_ONCE && !self.is_stopping {
                    self.site.counters.retries.fetch_add(1, Ordering::Relaxed);
                    self.slots[slot].state = State::Waits { held, until: now, is_failed: false };
                } else {
                    held.at_once = 0;
                    self.pause(slot, held, &failure, now);
                }
            }
        }
    }

    /// Goes on with what is left of a group, without a pause.
    fn go_on(&mut self, slot: usize, held: Held, now: Instant) {
        if !held.is_empty() {
            let held = Held::new(held.chunks);
            self.slots[slot].state = State::Waits { held, until: now, is_failed: false };
        }
    }

    /// Each message of a request has an outcome of its own.
    fn settle_rows(&mut self, slot: usize, mut held: Held, fates: &[Fate], now: Instant) {
        let comes_back = |fate: &&Fate| matches!(fate, Fate::Again(_) | Fate::Untried);
        let again = fates.iter().filter(comes_back).count();
        let mut failure = fates.iter().find_map(|fate| match fate {
            Fate::Again(failure) => Some(failure.clone()),
            _ => None,
        });
        if again < fates.len() {
            held.errors = 0;
        } else if failure.is_none() {
            failure = Some(Failure::new("no message of the request was taken"));
        }
        let (delivered, refused) = held.part(fates);
        if !delivered.is_empty() {
            self.deliver(delivered);
        }
        for (fate, chunk) in refused {
            if let Fate::Rejected(refusal) = fate {
                self.refuse(vec![chunk], &refusal, now);
            }
        }
        if let Some(failure) = failure {
            self.fail(slot, held, again, failure, now);
        } else {
            self.note_success(slot);
            self.go_on(slot, held, now);
        }
    }

    /// A request of the first `taken` messages failed: it is tried again, or they are refused.
    fn fail(&mut self, slot: usize, mut held: Held, taken: usize, failure: Failure, now: Instant) {
        held.errors += 1;
        if held.errors < self.settings.retries {
            self.pause(slot, held, &failure, now);
            return;
        }
        self.slots[slot].is_failing = false;
        self.site.counters.errors.fetch_add(1, Ordering::Relaxed);
        let mut refusal = Refusal::from(failure);
        refusal.reason = format!("{} (retries({}))", refusal.reason, self.settings.retries);
        let chunks = held.take_first(taken);
        self.refuse(chunks, &refusal, now);
        self.go_on(slot, held, now);
    }

    /// Waits before the next attempt.
    fn pause(&mut self, slot: usize, held: Held, failure: &Failure, now: Instant) {
        self.slots[slot].is_failing = true;
        let counters = &self.site.counters;
        counters.errors.fetch_add(1, Ordering::Relaxed);
        counters.retries.fetch_add(1, Ordering::Relaxed);
        let asked = failure.pause.map(|pause| pause.min(LONGEST_PAUSE));
        let pause = asked.unwrap_or_else(|| jittered(self.settings.time_reopen));
        if !std::mem::replace(&mut self.is_told, true) && !self.is_stopping {
            let text = format!("{}; it is tried again in {:.1} s", failure.text, pause.as_secs_f64());
            self.report(Severity::Error, text);
        }
        self.slots[slot].state = State::Waits { held, until: now + pause, is_failed: true };
    }

    /// Notes that the far end takes what the worker of `slot` sends. It is said when that holds for all of
    /// them: one that goes on failing beside others is no news each time.
    fn note_success(&mut self, slot: usize) {
        self.slots[slot].is_failing = false;
        if self.is_told && !self.slots.iter().any(|slot| slot.is_failing) {
            self.is_told = false;
            self.report(Severity::Notice, format!("`{}` takes messages again", self.settings.address));
        }
    }

    /// Counts messages as delivered, and acknowledges them.
    fn deliver(&self, chunks: Vec<Chunk>) {
        self.site.counters.count_delivered(count(&chunks) as u64);
        drop(chunks);
    }

    fn drop_chunks(&mut self, chunks: &[Chunk], reason: DropReason) {
        for Chunk { delivery, .. } in chunks {
            delivery.ack.drop_rows(delivery.view.rows(), reason);
        }
        self.site.counters.count_dropped(count(chunks) as u64);
    }

    /// Sends messages to `on-reject()`, or drops them.
    fn refuse(&mut self, chunks: Vec<Chunk>, refusal: &Refusal, now: Instant) {
        let messages = count(&chunks) as u64;
        if self.site.rejects.is_some() {
            self.tell_refusal(messages, refusal, "they go to on-reject()", now);
            self.site.counters.count_rejected(messages);
            for Chunk { delivery, .. } in chunks {
                if let Err(delivery) = self.site.rejects.send(delivery, &refusal.reason, &refusal.status) {
                    delivery.ack.drop_rows(delivery.view.rows(), DropReason::Refused);
                }
            }
        } else {
            self.tell_refusal(messages, refusal, "they are dropped", now);
            self.drop_chunks(&chunks, DropReason::Refused);
        }
    }

    fn tell_refusal(&self, messages: u64, refusal: &Refusal, then: &str, now: Instant) {
        let text = match self.refused.note(messages, now) {
            None => return,
            Some(News::Began) => format!("{messages} messages are refused: {refusal}; {then}"),
            Some(News::GoesOn { lately, total }) => {
                format!(
                    "messages are still refused: {lately} more, {total} in all, the last: {refusal}; {then}"
                )
            }
        };
        let severity = if refusal.is_asked_for { Severity::Warning } else { Severity::Error };
        self.report(severity, text);
    }

    /// Tells how many were refused, at the end.
    pub(super) fn tell_refused(&self) {
        if let Some((total, time)) = self.refused.end(Instant::now()) {
            let text = format!("{total} messages were refused in {:.1} s", time.as_secs_f64());
            self.report(Severity::Notice, text);
        }
    }
}
