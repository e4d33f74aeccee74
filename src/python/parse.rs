//! Syslog messages parsed for Python: when somebody looks (`parse_now`), by a post (`with_parsed`), or on the worker's
//! thread (`Late`), each as its source's [`ParseOptions`] say. `LogMessage.parse` itself, which only notes them, is the
//! message's.

mod late;
mod options;

use std::sync::OnceLock;

use pyo3::prelude::*;

use super::cell::GilCell;
use super::message::Draft;
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Stamp};
use crate::source::{Hosts, SourcePolicy};
use crate::syslog::fill::{FieldSink, Filler};
use crate::syslog::{Clock, Zone};
pub(super) use late::Late;
pub use options::ParseOptions;
pub(super) use options::add_to;

/// This machine's zone, as it was when it was first needed.
fn system_zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(Zone::system)
}

/// A clock in this machine's zone.
fn system_clock() -> Clock {
    Clock::new(0, system_zone().clone())
}

/// The memory of the parser, used again for each message.
static PARSER: GilCell<Option<(Filler, Clock)>> = GilCell::new(None);

/// Calls `work` with what a draft that is not parsed yet comes to, and with when it was received; `None` when there is
/// nothing to parse.
#[inline]
pub(super) fn with_parsed<R>(
    py: Python<'_>,
    draft: &Draft,
    work: impl FnOnce(&Filler, Stamp) -> R,
) -> Option<R> {
    let options = draft.unparsed.as_ref()?;
    // Whoever could have changed the stamp since would have parsed first.
    let recvd = draft.head.stamp();
    PARSER.with(py, |parser| {
        let (filler, clock) = parser.get_or_insert_with(|| (Filler::default(), system_clock()));
        clock.set_now(recvd.unix_micros);
        filler.parse(draft.payload.bytes(), &options.get().options, clock);
        Some(work(filler, recvd))
    })
}

/// A parsed message on its way into a row, as the source layer lets it have its fields.
pub(super) struct ParsedRow<'a> {
    policy: &'a SourcePolicy,
    parsed: &'a Filler,
    /// HOST, where it is neither the message's own nor its origin's.
    hosts: Hosts<'a>,
}

impl<'a> ParsedRow<'a> {
    /// What `parsed` has made of `input`.
    #[inline]
    pub(super) fn new(policy: &'a SourcePolicy, parsed: &'a Filler, input: &'a [u8]) -> Self {
        let hosts = policy.hosts(parsed.value(input, FieldName::Host), None);
        Self { policy, parsed, hosts }
    }

    /// The room that it takes beside the payload.
    #[inline]
    pub(super) fn need(&self) -> Need {
        let mut need = self.parsed.need();
        if let Some(host) = &self.hosts.host {
            need.fields += 1;
            need.bytes += host.len();
        }
        need
    }

    /// Writes it into `row`, which has the payload already.
    #[inline]
    pub(super) fn write(&self, recvd: Stamp, row: &mut impl FieldSink) {
        self.parsed.fill(recvd, &mut Taken { row, policy: self.policy, recvd });
        if let Some(host) = &self.hosts.host {
            row.field(self.hosts.host_field(), Text::Copy(b""), Text::Copy(host));
        }
    }
}

/// A row that takes the fields of a parsed message as far as the source layer leaves them alone.
struct Taken<'a, S> {
    row: &'a mut S,
    policy: &'a SourcePolicy,
    recvd: Stamp,
}

impl<S: FieldSink> FieldSink for Taken<'_, S> {
    #[inline]
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        self.row.stamps(self.policy.stamp(stamp, self.recvd), recvd_micros);
    }

    #[inline]
    fn pri(&mut self, pri: u16) {
        self.row.pri(pri);
    }

    #[inline]
    fn message(&mut self, text: Text<'_>) {
        self.row.message(text);
    }

    #[inline]
    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        if !self.policy.overwrites(id) {
            self.row.field(id, name, value);
        }
    }
}

/// Parses a draft that is not parsed yet, for a reader.
#[cold]
pub(super) fn parse_now(py: Python<'_>, draft: &mut Draft) {
    let Some(options) = draft.unparsed.take() else { return };
    let recvd = draft.head.stamp();
    PARSER.with(py, |parser| {
        let (filler, clock) = parser.get_or_insert_with(|| (Filler::default(), system_clock()));
        clock.set_now(recvd.unix_micros);
        filler.parse(draft.payload.bytes(), &options.get().options, clock);
        draft.extra().fields.reserve_exact(filler.need().fields);
        filler.fill(recvd, draft);
    });
}
