//! A parsed message on its way into a row: [`ParsedRow`].

use std::sync::OnceLock;

use super::{Hosts, SourcePolicy};
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Stamp};
use crate::syslog::fill::{FieldSink, Filler};
use crate::syslog::{Clock, Zone};

/// This machine's zone, as it was when it was first needed.
fn system_zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(Zone::system)
}

/// A parser's clock in this machine's zone.
pub fn system_clock() -> Clock {
    Clock::new(0, system_zone().clone())
}

/// A parsed message on its way into a row, as the source layer lets it have its fields.
pub struct ParsedRow<'a> {
    policy: &'a SourcePolicy,
    parsed: &'a Filler,
    /// HOST, where it is neither the message's own nor its origin's.
    hosts: Hosts<'a>,
}

impl<'a> ParsedRow<'a> {
    /// The row that `parsed` has made of `input`.
    #[inline]
    pub fn new(policy: &'a SourcePolicy, parsed: &'a Filler, input: &'a [u8]) -> Self {
        let hosts = policy.hosts(parsed.value(input, FieldName::Host), None);
        Self { policy, parsed, hosts }
    }

    /// The room that it takes beside the payload.
    #[inline]
    pub fn need(&self) -> Need {
        let mut need = self.parsed.need();
        if let Some(host) = &self.hosts.host {
            need.fields += 1;
            need.bytes += host.len();
        }
        need
    }

    /// Writes it into `row`, which has the payload already.
    #[inline]
    pub fn write(&self, recvd: Stamp, row: &mut impl FieldSink) {
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
