//! Messages that wait for a worker: [`WaitingQueue`].

use std::collections::VecDeque;
use std::time::Instant;

use super::ExchangeSettings;
use super::group::{Chunk, take_first};

/// The most messages that a worker is given for several requests, where one request has few.
const RUN: usize = 64;

/// Messages that wait, in order, with the times at which they came.
#[derive(Debug, Default)]
pub(super) struct WaitingQueue {
    chunks: VecDeque<Chunk>,
    /// The time at which each chunk came; the last ones have none before the next flush.
    arrived: VecDeque<Instant>,
    messages: usize,
    bytes: u64,
}

impl WaitingQueue {
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.messages += chunk.len();
        self.bytes += chunk.bytes();
        self.chunks.push_back(chunk);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.messages
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn chunks_mut(&mut self) -> &mut VecDeque<Chunk> {
        &mut self.chunks
    }

    /// Counts anew what was changed through [`WaitingQueue::chunks_mut`].
    pub(super) fn recount(&mut self) {
        self.messages = self.chunks.iter().map(Chunk::len).sum();
        self.bytes = self.chunks.iter().map(Chunk::bytes).sum();
        self.arrived.truncate(self.chunks.len());
    }

    /// Takes all that waits.
    pub(super) fn drain(&mut self) -> VecDeque<Chunk> {
        let all = std::mem::take(self);
        all.chunks
    }

    /// Notes that what came since the last call came at `now`.
    pub(super) fn stamp(&mut self, now: Instant) {
        self.arrived.resize(self.chunks.len(), now);
    }

    /// The number of messages that may go at `now`, as one group or a run of full ones; `all` for those of
    /// which no more will come.
    pub(super) fn ready(&self, settings: &ExchangeSettings, now: Instant, all: bool) -> usize {
        let lines = settings.batch_lines;
        let run = if settings.workers == 1 { lines * (RUN / lines).max(1) } else { lines };
        let available = self.available(settings, run);
        let is_due = all || self.is_full(settings) || self.is_due(settings, now);
        if is_due { available.min(run) } else { (available / lines * lines).min(run) }
    }

    /// The number of messages that one group may have, up to about `most`: all, or those with the key of the
    /// first.
    fn available(&self, settings: &ExchangeSettings, most: usize) -> usize {
        if !settings.is_one_key_a_group {
            return self.messages;
        }
        let Some(first) = self.chunks.front() else { return 0 };
        let mut available = 0;
        for chunk in self.chunks.iter().filter(|chunk| chunk.key == first.key) {
            available += chunk.len();
            if available >= most {
                break;
            }
        }
        available
    }

    /// Tells whether it has about the bytes of a request.
    fn is_full(&self, settings: &ExchangeSettings) -> bool {
        settings.batch_bytes.is_some_and(|bytes| self.bytes >= bytes)
    }

    /// Tells whether its first messages have waited long enough for others.
    fn is_due(&self, settings: &ExchangeSettings, now: Instant) -> bool {
        let waits = settings.batch_timeout.is_some() || settings.batch_idle_timeout.is_some();
        !waits || self.deadline(settings).is_some_and(|deadline| deadline <= now)
    }

    /// The time at which what waits goes although it is no whole batch.
    pub(super) fn deadline(&self, settings: &ExchangeSettings) -> Option<Instant> {
        let first = self.arrived.front().zip(settings.batch_timeout).map(|(at, time)| *at + time);
        let last = self.arrived.back().zip(settings.batch_idle_timeout).map(|(at, time)| *at + time);
        first.into_iter().chain(last).min()
    }

    /// Takes the first `count` messages that one group may have: as many are available.
    pub(super) fn take(&mut self, settings: &ExchangeSettings, count: usize) -> VecDeque<Chunk> {
        let taken: VecDeque<Chunk> = if settings.is_one_key_a_group {
            self.take_of_key(count)
        } else {
            let before = self.chunks.len();
            let taken = take_first(&mut self.chunks, count);
            let gone = (before - self.chunks.len()).min(self.arrived.len());
            self.arrived.drain(..gone);
            taken.into()
        };
        self.messages -= taken.iter().map(Chunk::len).sum::<usize>();
        let bytes = taken.iter().map(Chunk::bytes).sum();
        self.bytes = if self.chunks.is_empty() { 0 } else { self.bytes.saturating_sub(bytes) };
        taken
    }

    /// Takes the first `count` messages that have the key of the first; the others stay in their order.
    fn take_of_key(&mut self, count: usize) -> VecDeque<Chunk> {
        let key = self.chunks.front().and_then(|chunk| chunk.key.clone());
        let (mut taken, mut left) = (VecDeque::new(), count);
        let (mut others, mut arrived) = (VecDeque::new(), VecDeque::new());
        let mut times = std::mem::take(&mut self.arrived).into_iter();
        for mut chunk in std::mem::take(&mut self.chunks) {
            let time = times.next();
            if chunk.key == key && left > 0 {
                if chunk.len() <= left {
                    left -= chunk.len();
                    taken.push_back(chunk);
                    continue;
                }
                taken.push_back(chunk.split(left));
                left = 0;
            }
            others.push_back(chunk);
            arrived.extend(time);
        }
        (self.chunks, self.arrived) = (others, arrived);
        taken
    }
}
