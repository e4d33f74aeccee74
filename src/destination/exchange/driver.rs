//! The destination of an exchange: [`ExchangeDestination`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

mod keys;
mod settle;
mod unheld;

use super::group::{Chunk, Held};
use super::leftover::Rest;
use super::queue::WaitingQueue;
use super::slot::{Slot, State};
use super::worker::{Done, Job, start};
use super::{CLOSE_WITHIN, COME_BACK, ExchangeSettings, LEAVE_WITHIN, LOOK, jittered};
use crate::destination::drops::Drops;
use crate::destination::{Destination, Handover, Numbers, Report, Severity, Site, Throttle};
use crate::flow::{Delivery, DropReason};

use keys::Keys;

/// A destination whose far end takes groups of messages.
pub(crate) struct ExchangeDestination {
    settings: ExchangeSettings,
    site: Site,
    /// The numbers of the next message.
    next: Numbers,
    /// One, or one for each worker where messages have keys.
    queues: Vec<WaitingQueue>,
    slots: Vec<Slot>,
    keys: Option<Keys>,
    throttle: Option<Throttle>,
    done: (Sender<Done>, Receiver<Done>),
    next_ticket: u64,
    /// Messages that were refused, and dropped, as the log is told.
    refused: Drops,
    /// True from a failure that was told on, until the first success.
    is_told: bool,
    /// The time by which it leaves what it has to its heir.
    leaves_by: Option<Instant>,
    /// True while it stops: what fails is not tried again.
    is_stopping: bool,
    /// True until its first flush.
    is_new: bool,
}

impl ExchangeDestination {
    /// A destination that has begun nothing yet.
    pub(crate) fn new(settings: ExchangeSettings, site: Site) -> Self {
        let keys = settings.partition_key.as_ref().map(|key| Keys::new(key, &settings));
        let queues = if keys.is_some() { settings.workers } else { 1 };
        Self {
            next: Numbers::FIRST,
            queues: (0..queues).map(|_| WaitingQueue::default()).collect(),
            slots: (0..settings.workers).map(|_| Slot::new()).collect(),
            keys,
            throttle: settings.throttle.map(Throttle::new),
            done: channel(),
            next_ticket: 0,
            refused: Drops::default(),
            is_told: false,
            leaves_by: None,
            is_stopping: false,
            is_new: true,
            settings,
            site,
        }
    }

    fn report(&self, severity: Severity, text: String) {
        (self.site.report)(Report { severity, text });
    }

    fn push_numbered(&mut self, delivery: Delivery, first: Numbers) {
        if delivery.view.is_empty() {
            return;
        }
        let Some(keys) = &mut self.keys else {
            self.queues[0].push(Chunk { delivery, first, key: None });
            return;
        };
        let queues = self.queues.len() as u64;
        let faults = keys.part(&delivery, first, |hash, chunk| {
            self.queues[(hash % queues) as usize].push(chunk);
        });
        for panic in faults {
            self.site.counters.count_dropped(1);
            let what = format!("the key of a message could not be made: {panic}; it is dropped");
            self.report(Severity::Error, format!("fault in the engine: {what}"));
        }
    }

    /// Gives each worker that is free what may go at `now`.
    fn begin(&mut self, now: Instant) {
        let all = self.is_stopping;
        for slot in 0..self.slots.len() {
            match &self.slots[slot].state {
                State::Busy { .. } => {}
                State::Waits { until, .. } if *until > now => {}
                // What failed at the end of all is not tried for ever.
                State::Waits { is_failed: true, .. } if all => {}
                State::Waits { .. } => {
                    if let Some(held) = self.slots[slot].take_held() {
                        self.give(slot, held, now);
                    }
                }
                State::Idle => {
                    let queue = slot % self.queues.len();
                    let mut ready = self.queues[queue].ready(&self.settings, now, all);
                    if let Some(throttle) = &mut self.throttle {
                        ready = ready.min(throttle.allowed(now));
                        throttle.take(ready);
                    }
                    if ready > 0 {
                        let held = Held::new(self.queues[queue].take(&self.settings, ready));
                        self.give(slot, held, now);
                    }
                }
            }
        }
    }

    /// Starts the worker `slot`, unless it is there; false when the system has no thread to give.
    fn start_worker(&mut self, slot: usize) -> bool {
        if self.slots[slot].jobs.is_some() {
            return true;
        }
        match start(&self.settings.exchange, slot, &self.site, self.done.0.clone()) {
            Ok(thread) => self.slots[slot].jobs = Some(thread),
            Err(error) => self.report(Severity::Error, format!("cannot start a thread: {error}")),
        }
        self.slots[slot].jobs.is_some()
    }

    /// Gives `held` to the worker `slot`.
    fn give(&mut self, slot: usize, held: Held, now: Instant) {
        if !self.start_worker(slot) {
            let until = now + jittered(self.settings.time_reopen);
            self.slots[slot].state = State::Waits { held, until, is_failed: true };
            return;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let job = Job { group: held.group(), ticket, lines: self.settings.batch_lines };
        let sent = self.slots[slot].jobs.as_ref().is_some_and(|(jobs, _)| jobs.send(job).is_ok());
        debug_assert!(sent, "a worker receives for as long as it can be sent to");
        self.slots[slot].state = State::Busy { held, ticket };
    }

    /// Takes what workers have said.
    fn settle_all(&mut self, now: Instant) {
        while let Ok(done) = self.done.1.try_recv() {
            self.settle(done, now);
        }
    }

    /// Takes everything that is not delivered, whatever is done with it.
    fn take_all(&mut self) -> Vec<Chunk> {
        let held = self.slots.iter_mut().filter_map(Slot::take_held).flat_map(|held| held.chunks);
        let held: Vec<Chunk> = held.collect();
        held.into_iter().chain(self.queues.iter_mut().flat_map(WaitingQueue::drain)).collect()
    }

    /// Drops what waits; how many messages that is.
    fn abandon(&mut self, reason: DropReason) -> u64 {
        let mut lost = 0;
        for Chunk { delivery, .. } in self.take_all() {
            delivery.ack.drop_rows(delivery.view.rows(), reason);
            lost += delivery.view.len() as u64;
        }
        self.site.counters.count_dropped(lost);
        lost
    }

    /// Tells whether a group is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.slots.iter().any(Slot::is_busy)
    }

    fn chunks_mut(&mut self) -> impl Iterator<Item = &mut VecDeque<Chunk>> {
        let held = self.slots.iter_mut().filter_map(Slot::held_mut).map(|held| &mut held.chunks);
        held.chain(self.queues.iter_mut().map(WaitingQueue::chunks_mut))
    }

    /// Has what waits after a failure tried now.
    fn try_now(&mut self) {
        let now = Instant::now();
        for slot in &mut self.slots {
            if let State::Waits { until, .. } = &mut slot.state {
                *until = now;
            }
        }
    }

    /// Ends its threads, once they have nothing to do; waits for those that have nothing, until `deadline`.
    fn end_workers(&mut self, deadline: Instant) {
        let ends = |slot: &mut Slot| slot.jobs.take().map(|(_, thread)| (thread, slot.is_busy()));
        let threads: Vec<_> = self.slots.iter_mut().filter_map(ends).collect();
        for (thread, _) in threads.iter().filter(|(_, is_busy)| !is_busy) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Waits for one worker until `deadline`.
    fn await_worker(&mut self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.done.1.recv_timeout(left) {
            Ok(done) => self.settle(done, Instant::now()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

impl Destination for ExchangeDestination {
    fn push(&mut self, delivery: Delivery) {
        let (first, count) = (self.next, delivery.view.len());
        let later = first.later(count);
        // Of messages that come from elsewhere, SEQNUM is what they came with.
        let is_local = delivery.view.batch().origin().is_local;
        self.next = if is_local { later } else { Numbers { order: later.order, ..first } };
        self.push_numbered(delivery, first);
    }

    fn flush(&mut self, now: Instant) {
        self.settle_all(now);
        self.queues.iter_mut().for_each(|queue| queue.stamp(now));
        if std::mem::take(&mut self.is_new) && self.settings.exchange.starts_early() {
            for slot in 0..self.slots.len() {
                self.start_worker(slot);
            }
        }
        if self.leaves_by.is_none() {
            self.begin(now);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if let Some(by) = self.leaves_by {
            return Some(by);
        }
        let paused = self.slots.iter().filter_map(Slot::deadline);
        let is_free = |queue: usize| {
            let mut slots = self.slots.iter().skip(queue).step_by(self.queues.len());
            slots.any(|slot| matches!(slot.state, State::Idle))
        };
        let waits =
            self.queues.iter().enumerate().filter(|(queue, waits)| !waits.is_empty() && is_free(*queue));
        let token = self.throttle.as_ref().and_then(Throttle::next);
        let due = waits.filter_map(|(_, queue)| queue.deadline(&self.settings).max(token));
        paused.chain(due).min()
    }

    fn reopen(&mut self) {
        self.settings.exchange.reload(&self.site);
        self.try_now();
    }

    fn is_idle(&self) -> bool {
        self.queues.iter().all(WaitingQueue::is_empty) && self.slots.iter().all(|slot| slot.held().is_none())
    }

    fn prepares_to_leave(&mut self, now: Instant) -> bool {
        let by = *self.leaves_by.get_or_insert_with(|| now + LEAVE_WITHIN);
        self.settle_all(now);
        if self.is_busy() && now >= by {
            self.settings.exchange.interrupt();
            // What comes back by then is known; the rest is sent again by the heir.
            let end = Instant::now() + COME_BACK;
            while self.is_busy() && Instant::now() < end {
                self.await_worker(end);
            }
            return true;
        }
        !self.is_busy()
    }

    fn is_suspended(&self) -> bool {
        self.slots.iter().all(Slot::is_failed)
    }

    fn waiting(&self) -> (u64, u64) {
        let held = self.slots.iter().filter_map(Slot::held).flat_map(|held| &held.chunks);
        let (messages, bytes) =
            held.fold((0, 0), |sum, chunk| (sum.0 + chunk.len() as u64, sum.1 + chunk.bytes()));
        self.queues
            .iter()
            .fold((messages, bytes), |sum, queue| (sum.0 + queue.len() as u64, sum.1 + queue.bytes()))
    }

    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)> {
        // Without flow control nothing has credit here, but for what another driver left: that has its place.
        for chunk in self.chunks_mut().flatten() {
            let delivery = &mut chunk.delivery;
            if !delivery.flow_control || (all && !delivery.ack.is_tracked()) {
                delivery.ack.let_go_of_credit();
            }
        }
        self.drop_unheld()
    }

    fn take_over(&mut self, left: Handover) {
        let Numbers { order, sequence } = self.next;
        self.next = Numbers { order: order.max(left.next.order), sequence: sequence.max(left.next.sequence) };
        if let Some(leftover) = left.leftover {
            let site = self.site.clone();
            let report = |text| (site.report)(Report { severity: Severity::Error, text });
            for (delivery, first) in leftover.into_deliveries(&report) {
                self.push_numbered(delivery, first);
            }
        }
        for delivery in left.deliveries {
            self.push(delivery);
        }
    }

    fn hand_over(&mut self) -> Handover {
        self.tell_refused();
        self.end_workers(Instant::now() + CLOSE_WITHIN);
        let rest = Rest::new(self.take_all());
        Handover::new(Box::new(rest), self.next, &self.site.counters)
    }

    fn start_anew(&mut self, panic: &str) {
        let text =
            format!("fault in the engine: `{}` has failed: {panic}; it begins anew", self.settings.address);
        self.report(Severity::Error, text);
        self.abandon(DropReason::Fault);
    }

    fn give_up(&mut self) -> u64 {
        let text = format!(
            "`{}` was removed by a reload and takes nothing, and there is no place any more for what waits for it",
            self.settings.address
        );
        self.report(Severity::Error, text);
        self.settings.exchange.interrupt();
        self.end_workers(Instant::now());
        self.abandon(DropReason::Removed)
    }

    fn notice(&self, text: String) {
        self.report(Severity::Notice, text);
    }

    fn stop(&mut self, deadline: Instant) -> u64 {
        self.is_stopping = true;
        self.try_now();
        for slot in &mut self.slots {
            if let State::Waits { is_failed, .. } = &mut slot.state {
                *is_failed = false;
            }
        }
        let due = deadline.checked_sub(COME_BACK).unwrap_or(deadline);
        loop {
            self.flush(Instant::now());
            let now = Instant::now();
            let paced = self.throttle.is_some() && !self.queues.iter().all(WaitingQueue::is_empty);
            let is_stuck = self.slots.iter().all(Slot::is_failed);
            if now >= due || (!self.is_busy() && (!paced || is_stuck)) {
                break;
            }
            let look = self.next_deadline().filter(|at| *at > now).map_or(due, |at| at.min(due));
            self.await_worker(look);
        }
        if self.is_busy() {
            self.settings.exchange.interrupt();
            while self.is_busy() && Instant::now() < deadline {
                self.await_worker(deadline);
            }
        }
        self.tell_refused();
        self.end_workers(deadline.max(Instant::now() + CLOSE_WITHIN));
        let lost = self.abandon(DropReason::Stopped);
        if lost > 0 {
            let text = format!("{lost} messages could not be sent before the stop, and are dropped");
            self.report(Severity::Error, text);
        }
        lost
    }
}

impl std::fmt::Debug for ExchangeDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExchangeDestination")
            .field("address", &self.settings.address)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
