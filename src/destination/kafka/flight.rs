//! A delivery on its way to the broker: [`Flight`].

use std::sync::Arc;

use crate::destination::{Leftover, Numbers};
use crate::flow::Delivery;
use crate::kafka::Records;
use crate::message::Rows;

/// A delivery, and what became of each of its messages so far.
#[derive(Debug)]
pub(super) struct Flight {
    /// The number of its first record.
    pub(super) base: u64,
    /// The messages; none when all of them are done with.
    pub(super) delivery: Option<Delivery>,
    /// The numbers of the first message.
    pub(super) first: Numbers,
    /// What the broker gets, once it was formatted.
    pub(super) records: Option<Arc<Records>>,
    /// Messages before this one were given to the client.
    pub(super) sent: usize,
    len: usize,
    done: Done,
}

/// The messages that are done with, a bit each.
#[derive(Debug)]
pub(super) struct Done {
    bits: Vec<u64>,
    count: usize,
}

impl Done {
    /// Tells whether the message at `index` is.
    pub(super) fn has(&self, index: usize) -> bool {
        self.bits[index / 64] & (1 << (index % 64)) != 0
    }
}

impl Flight {
    /// A delivery of which nothing is sent.
    pub(super) fn new(base: u64, delivery: Delivery, first: Numbers) -> Self {
        let len = delivery.view.len();
        let done = Done { bits: vec![0; len.div_ceil(64)], count: 0 };
        Self { base, delivery: Some(delivery), first, records: None, sent: 0, len, done }
    }

    /// The number of its messages.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The messages that are done with.
    pub(super) fn done(&self) -> &Done {
        &self.done
    }

    /// The number of its messages that are not done with.
    pub(super) fn left(&self) -> usize {
        self.len - self.done.count
    }

    /// The memory that a message of it takes.
    pub(super) fn bytes_each(&self) -> u64 {
        self.delivery.as_ref().map_or(1, |delivery| delivery.view.bytes_each())
    }

    /// Notes that the message at `index` is done with. With the last one it lets go of the delivery.
    pub(super) fn finish(&mut self, index: usize) {
        debug_assert!(!self.done.has(index), "a message is done with once");
        self.done.bits[index / 64] |= 1 << (index % 64);
        self.done.count += 1;
        if self.left() == 0 {
            self.records = None;
            self.delivery = None;
        }
    }

    /// The row of the message at `index`, as its batch counts.
    pub(super) fn row(&self, index: usize) -> Rows {
        let row = self.delivery.as_ref().map_or(0, |delivery| delivery.view.rows().at(index));
        Rows::Range(row..row + 1)
    }

    /// The rows of the messages from `from` on that are not done with.
    pub(super) fn rows_left(&self, from: usize) -> Rows {
        let Some(delivery) = &self.delivery else { return Rows::Range(0..0) };
        let rows = delivery.view.rows();
        let left = (from..self.len).filter(|index| !self.done.has(*index)).map(|index| rows.at(index));
        Rows::from(left.collect::<Vec<_>>())
    }

    /// Takes the messages from `from` on off its end; none of them was given to the client.
    pub(super) fn cut(&mut self, from: usize) {
        debug_assert!(from >= self.sent && self.sent < self.len, "what is sent cannot be taken back");
        if let Some(delivery) = &mut self.delivery {
            let view = &delivery.view;
            delivery.view = view.with_rows(view.rows().first(from));
        }
        (self.len, self.records) = (from, None);
        if self.left() == 0 {
            self.delivery = None;
        }
    }

    /// What is not done with, in runs, each with the numbers of its first message.
    fn into_rest(self) -> Vec<(Delivery, Numbers)> {
        let Self { delivery: Some(delivery), first, len, done, .. } = self else { return Vec::new() };
        let mut rest = Vec::new();
        let mut index = 0;
        while index < len {
            let start = index;
            while index < len && !done.has(index) {
                index += 1;
            }
            if index > start {
                let rows = delivery.view.rows().after(start).first(index - start);
                let (view, ack) = (delivery.view.with_rows(rows), delivery.ack.clone());
                let run = Delivery { view, ack, flow_control: delivery.flow_control };
                rest.push((run, first.later(start)));
            }
            index += 1;
        }
        rest
    }
}

/// What a destination has not had reported, for the one that comes after it.
#[derive(Debug)]
pub(super) struct Flights(pub(super) Vec<Flight>);

impl Leftover for Flights {
    fn messages(&self) -> u64 {
        self.0.iter().map(|flight| flight.left() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|flight| flight.left() as u64 * flight.bytes_each()).sum()
    }

    fn for_each(&mut self, each: &mut dyn FnMut(&mut Delivery)) {
        self.0.iter_mut().filter_map(|flight| flight.delivery.as_mut()).for_each(each);
    }

    fn into_deliveries(self: Box<Self>, _: &dyn Fn(String)) -> Vec<(Delivery, Numbers)> {
        self.0.into_iter().flat_map(Flight::into_rest).collect()
    }
}
