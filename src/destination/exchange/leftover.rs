//! What an exchange leaves to the destination that takes its place: [`Rest`].

use super::group::Chunk;
use crate::destination::{Leftover, Numbers};
use crate::flow::Delivery;

/// Messages that are not delivered, in the order in which they came.
#[derive(Debug)]
pub(super) struct Rest(Vec<Chunk>);

impl Rest {
    /// `chunks`, of several queues, each in its order.
    pub(super) fn new(mut chunks: Vec<Chunk>) -> Self {
        chunks.sort_by_key(|chunk| chunk.first.order);
        Self(chunks)
    }
}

impl Leftover for Rest {
    fn messages(&self) -> u64 {
        self.0.iter().map(|chunk| chunk.len() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(Chunk::bytes).sum()
    }

    fn for_each(&mut self, each: &mut dyn FnMut(&mut Delivery)) {
        self.0.iter_mut().map(|chunk| &mut chunk.delivery).for_each(each);
    }

    fn into_deliveries(self: Box<Self>, _: &dyn Fn(String)) -> Vec<(Delivery, Numbers)> {
        self.0.into_iter().map(|chunk| (chunk.delivery, chunk.first)).collect()
    }
}
