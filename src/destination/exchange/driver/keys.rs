//! `worker-partition-key()`: which worker has a message: [`Keys`].

use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use crate::destination::Numbers;
use crate::destination::exchange::ExchangeSettings;
use crate::destination::exchange::group::Chunk;
use crate::fault::panic_text;
use crate::flow::{Delivery, DropReason};
use crate::message::Rows;
use crate::template::{Context, HostCalls, Template, TimeZoneUse, Zone, ZoneClock};

/// Parts messages by their key.
pub(super) struct Keys {
    key: Template,
    context: Context,
    clock: ZoneClock,
}

impl Keys {
    pub(super) fn new(key: &Template, settings: &ExchangeSettings) -> Self {
        let context = Context::new(&settings.options, Arc::clone(&settings.identity), TimeZoneUse::Send);
        Self { key: key.clone(), context, clock: ZoneClock::new(Zone::local()) }
    }

    /// Calls `each` with the messages of each key of `delivery`, in their order, and the key's hash. Returns
    /// the panics of messages whose key could not be made; they are dropped, and to be counted.
    pub(super) fn part(
        &mut self,
        delivery: &Delivery,
        first: Numbers,
        mut each: impl FnMut(u64, Chunk),
    ) -> Vec<String> {
        self.context.now = self.clock.now();
        let mut rows: IndexMap<Arc<[u8]>, (Numbers, Vec<u32>)> = IndexMap::new();
        let (mut faults, mut text) = (Vec::new(), Vec::new());
        let calls = HostCalls::open();
        for index in 0..delivery.view.len() {
            let row = delivery.view.rows().at(index);
            text.clear();
            self.context.sequence = first.later(index).sequence;
            let made = catch_unwind(AssertUnwindSafe(|| {
                self.key.format(delivery.view.message(index), &self.context, &mut text);
            }));
            if let Err(panic) = made {
                delivery.ack.drop_rows(&Rows::Range(row..row + 1), DropReason::Fault);
                faults.push(panic_text(&*panic));
                continue;
            }
            if let Some((_, rows)) = rows.get_mut(&text[..]) {
                rows.push(row);
            } else {
                rows.insert(text[..].into(), (first.later(index), vec![row]));
            }
        }
        drop(calls);
        for (key, (first, rows)) in rows {
            let hash = FixedState::default().hash_one(&key);
            let view = delivery.view.with_rows(Rows::from(rows));
            let (ack, flow_control) = (delivery.ack.clone(), delivery.flow_control);
            each(hash, Chunk { delivery: Delivery { view, ack, flow_control }, first, key: Some(key) });
        }
        faults
    }
}
