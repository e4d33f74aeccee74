//! Messages that a destination makes itself: that others were repeated ([`repeats`](super::repeats)), and
//! marks ([`marks`](super::marks)).
//!
//! They belong to no source: their credit is the destination's own, which is never short, and no source
//! counts them. The destination counts them as it does all others, and as generated.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::destination::Counters;
use crate::flow::{Ack, Credit, Delivery, SourceCounters};
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Origin, Pool, Selection, Stamp, ValueType, Writer};

/// A message that is to be made.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) pri: u16,
    pub(super) host: &'a [u8],
    /// PROGRAM; nothing where it is empty.
    pub(super) program: &'a [u8],
    /// PID; nothing where it is empty.
    pub(super) pid: &'a [u8],
    pub(super) text: &'a [u8],
}

/// The maker of the messages of one destination.
#[derive(Debug)]
pub(super) struct Maker {
    origin: Arc<Origin>,
    pool: Arc<Pool>,
    credit: Arc<Credit>,
    uncounted: Arc<SourceCounters>,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self {
            origin: Arc::new(Origin { is_local: true, ..Origin::named("") }),
            pool: Arc::new(Pool::new()),
            credit: Arc::new(Credit::new(1, u64::MAX)),
            uncounted: Arc::default(),
        }
    }

    /// Makes a message of `now`, which `counters` count as one that came.
    pub(super) fn make(&self, made: &Made<'_>, now: Stamp, counters: &Counters) -> Delivery {
        let fields =
            [(FieldName::Host, made.host), (FieldName::Program, made.program), (FieldName::Pid, made.pid)];
        let bytes = made.text.len() + fields.iter().map(|(_, value)| value.len()).sum::<usize>();
        let need = Need { bytes, fields: fields.len(), ..Need::default() };
        let mut writer = Writer::open(&self.origin, &self.pool, need);
        if let Some(mut row) = writer.row(need) {
            row.payload_copy(made.text);
            for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
                row.field(name, Text::Copy(b""), ValueType::String, Text::Copy(value));
            }
            row.stamps(now, now.unix_micros);
            row.pri(made.pri);
            row.publish();
        }
        let batch = writer.finish();
        let ack = Ack::made(&self.credit, &self.uncounted, batch.rows(), batch.charge(), Vec::new());
        counters.queued.fetch_add(u64::from(batch.rows()), Ordering::Relaxed);
        counters.generated.fetch_add(u64::from(batch.rows()), Ordering::Relaxed);
        Delivery { view: Selection::all(Arc::new(batch)), ack, flow_control: true }
    }
}
