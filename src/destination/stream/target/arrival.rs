//! Lines that are written to a connection and that may not have arrived: [`Unconfirmed`].
//!
//! A connection takes bytes into the memory of this system, and its peer's system confirms them later. When
//! the connection breaks in between, the bytes that were not confirmed may be lost. So a line on a path with
//! flow control is delivered when it is confirmed, and not when it is written:
//!
//! ```text
//!  pending ──write──► unconfirmed ──confirmed──► delivered: the credit goes back
//!     ▲                    │
//!     └──── the connection breaks: written again, as it may not have arrived
//! ```
//!
//! The unit is a write: all of its lines are confirmed together. The memory of a connection bounds what is
//! kept. Nothing tells of a confirmation: it is looked for at each flush, and after [`FIRST_LOOK`], doubling
//! to [`LAST_LOOK`], while nothing is written.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Target;
use crate::destination::Severity;
use crate::destination::stream::StreamContext;
use crate::destination::stream::sink::Sink;
use crate::destination::stream::stage::Chunk;
use crate::flow::Delivery;

/// The time from a write to the first look for its confirmation.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// One write.
#[derive(Debug)]
struct Write {
    /// The number of bytes that the connection had been given when it was over.
    end: u64,
    /// Its lines, as far as they are to be confirmed.
    chunks: Vec<Chunk>,
}

impl Write {
    fn messages(&self) -> u64 {
        self.chunks.iter().map(Chunk::count).sum()
    }
}

/// Lines that are written, and that may not have arrived.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    writes: VecDeque<Write>,
    /// The time of the next look, and the pause before it.
    look: Option<(Instant, Duration)>,
}

impl Unconfirmed {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.writes.iter().flat_map(|write| &write.chunks)
    }

    pub(super) fn chunks_mut(&mut self) -> impl Iterator<Item = &mut Chunk> {
        self.writes.iter_mut().flat_map(|write| &mut write.chunks)
    }

    /// The time of the next look.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look.map(|(at, _)| at)
    }

    /// Looks at the next flush.
    pub(super) fn look_now(&mut self, now: Instant) {
        if let Some((at, _)) = &mut self.look {
            *at = now;
        }
    }
}

impl Target {
    /// Takes `lines` written lines off what waits, and puts them into `done`: as parts of their deliveries
    /// where they are to be confirmed, or else as whole ones.
    pub(super) fn complete(&mut self, mut lines: usize, confirms: bool, done: &mut Vec<Chunk>) {
        while lines > 0 {
            let Some(front) = self.pending.front_mut() else { return };
            let left = front.delivery.view.len() - front.next;
            if lines < left {
                if confirms {
                    done.push(front.first_lines(lines));
                }
                front.next += lines;
                return;
            }
            lines -= left;
            done.extend(self.pending.pop_front());
        }
    }

    /// Keeps those of `done` that are to be confirmed; the number of messages that are.
    pub(super) fn keep_unconfirmed(&mut self, end: u64, done: &mut Vec<Chunk>, now: Instant) -> u64 {
        done.retain(Chunk::is_to_be_confirmed);
        if done.is_empty() {
            return 0;
        }
        let write = Write { end, chunks: std::mem::take(done) };
        let messages = write.messages();
        self.unconfirmed.writes.push_back(write);
        self.unconfirmed.look = Some((now + FIRST_LOOK, FIRST_LOOK));
        messages
    }

    /// Lets go of what has arrived by now.
    pub(in crate::destination::stream) fn confirm(&mut self, now: Instant, context: &StreamContext) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let confirmed = self.sink.as_ref().map_or(0, Sink::confirmed);
        let mut messages = 0;
        while let Some(write) = self.unconfirmed.writes.front().filter(|write| write.end <= confirmed) {
            messages += write.messages();
            self.unconfirmed.writes.pop_front();
        }
        let unconfirmed = &mut self.unconfirmed;
        if messages > 0 {
            self.waiting -= messages;
            context.counters.count_delivered(messages);
        }
        unconfirmed.look = match unconfirmed.look.filter(|_| !unconfirmed.writes.is_empty()) {
            Some((at, pause)) if at <= now && messages == 0 => {
                let pause = (2 * pause).min(LAST_LOOK);
                Some((now + pause, pause))
            }
            Some(_) if messages > 0 => Some((now + FIRST_LOOK, FIRST_LOOK)),
            look => look,
        };
    }

    /// Puts what may not have arrived before what waits, to be written again; how many messages that is.
    pub(super) fn take_back_unconfirmed(&mut self) -> u64 {
        let writes = std::mem::take(&mut self.unconfirmed).writes;
        let mut messages = 0;
        for chunk in writes.into_iter().flat_map(|write| write.chunks).rev() {
            messages += chunk.count();
            self.pending.push_front(chunk);
        }
        messages
    }

    /// Notes that the connection has ended: what it has not confirmed is written again.
    pub(super) fn end_unconfirmed(&mut self, now: Instant, context: &StreamContext) {
        self.confirm(now, context);
        let again = self.take_back_unconfirmed();
        if again > 0 {
            context.counters.count_repeated(again);
            let text = format!(
                "{again} messages that were written to {} may not have arrived, and are written again",
                self.shown()
            );
            context.report(Severity::Warning, text);
        }
    }
}

impl Chunk {
    /// Tells whether somebody waits for the arrival of its messages.
    fn is_to_be_confirmed(&self) -> bool {
        self.delivery.flow_control && self.delivery.ack.holds_credit()
    }

    /// Its first `lines` messages of those that are not written, by themselves.
    fn first_lines(&self, lines: usize) -> Self {
        let Delivery { view, ack, flow_control } = &self.delivery;
        let view = view.with_rows(view.rows().first(self.next + lines));
        let delivery = Delivery { view, ack: ack.clone(), flow_control: *flow_control };
        Self { delivery, next: self.next, first: self.first }
    }
}
