//! The lines of a destination that are nobody's messages, on their way to its files.

use std::time::{Duration, Instant};

use super::StreamDestination;
use super::made::Made;
use super::marks::{MARK, MARK_PRI};
use super::repeats::{Part, Repeated, divide};
use super::target::Target;
use crate::destination::Numbers;
use crate::flow::Delivery;
use crate::message::Rows;
use crate::template::this_process;

impl StreamDestination {
    /// Sends messages to the file `id`, but for those that repeat its last one.
    #[inline]
    pub(super) fn push_to(&mut self, id: usize, delivery: Delivery, first: Numbers) {
        match self.suppress {
            None => self.queue(id, delivery, first),
            Some(within) => self.push_others(id, delivery, first, within),
        }
    }

    /// Sends messages to the file `id`, but for those that repeat its last one `within` this time.
    fn push_others(&mut self, id: usize, delivery: Delivery, first: Numbers, within: Duration) {
        let Some(target) = &mut self.targets[id] else { return };
        let now = Instant::now();
        let host = this_process();
        let divided = divide(&mut target.last, &delivery.view, within, (now, &host.host));
        if let Some(until) = target.last.as_ref().and_then(|last| last.until(within)) {
            self.numbers_at = Some(self.numbers_at.map_or(until, |at| at.min(until)));
        }
        let Some((parts, held)) = divided else { return self.queue(id, delivery, first) };
        for part in parts {
            match part {
                Part::Rows(index, rows) => {
                    let Delivery { view, ack, flow_control } = &delivery;
                    let (view, ack) = (view.with_rows(Rows::from(rows)), ack.clone());
                    let part = Delivery { view, ack, flow_control: *flow_control };
                    self.queue(id, part, first.later(index));
                }
                Part::Number(repeated) => self.queue_number(id, &repeated),
            }
        }
        self.context.counters.count_suppressed(held);
    }

    /// Writes how often messages were repeated: where it is time, or everywhere.
    pub(super) fn write_numbers(&mut self, due: Option<Instant>) {
        let (Some(within), Some(at)) = (self.suppress, self.numbers_at) else { return };
        if due.is_some_and(|now| now < at) {
            return;
        }
        self.numbers_at = None;
        let host = this_process();
        for id in 0..self.targets.len() {
            let Some(last) = self.targets[id].as_mut().and_then(|target| target.last.as_mut()) else {
                continue;
            };
            let Some(until) = last.until(within) else { continue };
            if due.is_some_and(|now| now < until) {
                self.numbers_at = Some(self.numbers_at.map_or(until, |at| at.min(until)));
            } else if let Some(repeated) = last.take(&host.host) {
                self.queue_number(id, &repeated);
            }
        }
    }

    fn queue_number(&mut self, id: usize, repeated: &Repeated) {
        let pid = std::process::id().to_string();
        self.queue_made(
            id,
            &Made {
                pri: repeated.pri,
                host: &repeated.host,
                program: &repeated.program,
                pid: pid.as_bytes(),
                text: &repeated.text,
            },
        );
    }

    /// Writes a mark to whatever takes lines, if it is time for one.
    pub(super) fn write_marks(&mut self, now: Instant) {
        if !self.next_mark.as_mut().is_some_and(|mark| mark.take(now)) {
            return;
        }
        let host = this_process();
        for id in 0..self.targets.len() {
            if self.targets[id].as_ref().is_some_and(Target::takes_lines) {
                let (pri, text) = (MARK_PRI, MARK.as_bytes());
                self.queue_made(id, &Made { pri, host: host.host.as_bytes(), program: b"", pid: b"", text });
            }
        }
    }

    fn queue_made(&mut self, id: usize, made: &Made<'_>) {
        let now = self.clock.now();
        let delivery = self.maker.make(made, now, &self.context.counters);
        let first = self.next;
        self.next = first.later(1);
        self.queue(id, delivery, first);
    }
}
