//! Messages that go together: [`Held`], with their acks, and [`Group`], what a worker sees of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::outcome::Fate;
use crate::destination::Numbers;
use crate::flow::Delivery;
use crate::message::{MessageRef, Rows, Selection};

/// Messages of one batch that wait.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) delivery: Delivery,
    /// The numbers of its first message.
    pub(super) first: Numbers,
    /// The value of the partition key, where there is one.
    pub(super) key: Option<Arc<[u8]>>,
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        self.delivery.view.len()
    }

    /// About how many bytes they have.
    pub(super) fn bytes(&self) -> u64 {
        self.delivery.view.bytes_each() * self.len() as u64
    }

    /// The messages of it that have `rows`.
    fn part(&self, rows: Rows, first: Numbers) -> Self {
        let Delivery { view, ack, flow_control } = &self.delivery;
        let delivery = Delivery { view: view.with_rows(rows), ack: ack.clone(), flow_control: *flow_control };
        Self { delivery, first, key: self.key.clone() }
    }

    /// Takes the first `count` messages out of it.
    pub(super) fn split(&mut self, count: usize) -> Self {
        let rows = self.delivery.view.rows();
        let (taken, left) = (rows.first(count), rows.after(count));
        let part = self.part(taken, self.first);
        self.delivery.view.set_rows(left);
        self.first = self.first.later(count);
        part
    }
}

/// The number of messages in `chunks`.
pub(super) fn count<'c>(chunks: impl IntoIterator<Item = &'c Chunk>) -> usize {
    chunks.into_iter().map(Chunk::len).sum()
}

/// Messages that a worker was given, or that wait to be sent again, with their acks.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) chunks: VecDeque<Chunk>,
    /// The number of requests in a row that failed with an error.
    pub(super) errors: u32,
    /// The number of times that it was tried again at once.
    pub(super) at_once: u32,
}

impl Held {
    pub(super) fn new(chunks: VecDeque<Chunk>) -> Self {
        Self { chunks, errors: 0, at_once: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What its worker sees.
    pub(super) fn group(&self) -> Group {
        let parts = self.chunks.iter().map(|chunk| (chunk.delivery.view.clone(), chunk.first)).collect();
        Group::new(parts)
    }

    /// Takes the first `count` messages out of it.
    pub(super) fn take_first(&mut self, count: usize) -> Vec<Chunk> {
        take_first(&mut self.chunks, count)
    }

    /// Takes the first messages, as many as there are `fates`, out of it, and puts those back that are sent
    /// again. Returns those that have arrived, and the others, each run of equal refusals by itself.
    pub(super) fn part(&mut self, fates: &[Fate]) -> (Vec<Chunk>, Vec<(Fate, Chunk)>) {
        let (mut delivered, mut others, mut again) = (Vec::new(), Vec::new(), VecDeque::new());
        let mut fates = fates.iter();
        for chunk in self.take_first(fates.len()) {
            let (mut start, mut of_chunk) = (0, fates.by_ref().take(chunk.len()).peekable());
            while let Some(fate) = of_chunk.next() {
                let mut end = start + 1;
                while of_chunk.next_if(|next| *next == fate).is_some() {
                    end += 1;
                }
                let rows = chunk.delivery.view.rows().after(start).first(end - start);
                let part = chunk.part(rows, chunk.first.later(start));
                start = end;
                match fate {
                    Fate::Delivered => delivered.push(part),
                    Fate::Rejected(_) => others.push((fate.clone(), part)),
                    Fate::Again(_) | Fate::Untried => again.push_back(part),
                }
            }
        }
        again.append(&mut self.chunks);
        self.chunks = again;
        (delivered, others)
    }
}

/// Takes the first `count` messages out of `chunks`.
pub(super) fn take_first(chunks: &mut VecDeque<Chunk>, count: usize) -> Vec<Chunk> {
    let (mut taken, mut left) = (Vec::new(), count);
    while left > 0 {
        let Some(first) = chunks.front_mut() else { break };
        if first.len() > left {
            taken.push(first.split(left));
            break;
        }
        left -= first.len();
        taken.extend(chunks.pop_front());
    }
    taken
}

/// The messages of a group, for its worker: in order, each with its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Messages of one batch each, with the numbers of the first.
    parts: Vec<(Selection, Numbers)>,
    len: usize,
}

impl Group {
    /// The messages of `parts`.
    pub(crate) fn new(parts: Vec<(Selection, Numbers)>) -> Self {
        let len = parts.iter().map(|(view, _)| view.len()).sum();
        Self { parts, len }
    }

    /// The number of its messages: one at least.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The messages, in order, with their numbers.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (MessageRef<'_>, Numbers)> {
        self.parts.iter().flat_map(|(view, first)| {
            view.messages().enumerate().map(|(index, message)| (message, first.later(index)))
        })
    }

    /// The same, each as a selection of its own.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Selection, Numbers)> {
        self.parts.iter().flat_map(|(view, first)| {
            view.rows()
                .iter()
                .enumerate()
                .map(|(index, row)| (view.with_rows(Rows::Range(row..row + 1)), first.later(index)))
        })
    }

    /// The first `count` messages behind the first `done`.
    pub(super) fn part(&self, done: usize, count: usize) -> Self {
        let (mut skip, mut left, mut parts) = (done, count, Vec::new());
        for (view, first) in &self.parts {
            if left == 0 {
                break;
            }
            if skip >= view.len() {
                skip -= view.len();
                continue;
            }
            let rows = view.rows().after(skip).first(left);
            left -= rows.len();
            parts.push((view.with_rows(rows), first.later(skip)));
            skip = 0;
        }
        Self::new(parts)
    }
}
