//! An entry of the journal as a message: [`EntryRow`].
//!
//! | of the message | of the entry |
//! |---|---|
//! | MESSAGE | `MESSAGE` |
//! | HOST, PID | `_HOSTNAME`, `_PID`, where the source layer lets a message have its own |
//! | PROGRAM | `SYSLOG_IDENTIFIER`, else `_COMM` |
//! | facility, level | `SYSLOG_FACILITY`, `PRIORITY`, else the defaults |
//! | STAMP | the time at which the journal received it |
//! | values | all of its fields, with the prefix |

use std::ops::Range;
use std::sync::Arc;

use super::export::{Entry, ExportField};
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Stamp, ValueName, ValueType};
use crate::source::{NotPosted, Poster, SourcePolicy};
use crate::syslog::Zone;

/// The place at which the name of structured data begins.
const SDATA: &str = ".SDATA.";

/// Makes messages of entries.
#[derive(Debug)]
pub(super) struct EntryRow {
    policy: Arc<SourcePolicy>,
    zone: Zone,
    facility: u16,
    severity: u16,
    /// The bytes of a name before that of the journal.
    prefix: usize,
    names: Names,
}

/// The kind of names that values have.
#[derive(Debug)]
enum Names {
    /// Those of the journal, some of which are taken.
    Plain,
    /// Those behind a prefix.
    Prefixed,
    /// Those of the parameters of this element of structured data.
    Structured(String),
}

/// The parts of an entry that a message has as its own.
#[derive(Debug, Default)]
struct Own {
    message: Range<usize>,
    host: Range<usize>,
    pid: Range<usize>,
    identifier: Range<usize>,
    command: Range<usize>,
    facility: Option<u16>,
    severity: Option<u16>,
}

impl EntryRow {
    /// Makes messages as `policy` lets them be, whose stamps are in `zone`, and whose values have `prefix`.
    pub(super) fn new(
        policy: &Arc<SourcePolicy>,
        zone: Zone,
        (facility, severity): (u16, u16),
        prefix: &str,
    ) -> Self {
        let element = prefix.strip_prefix(SDATA).and_then(|rest| rest.strip_suffix('.'));
        let names = match element {
            Some(element) if !element.is_empty() => Names::Structured(element.to_owned()),
            _ if prefix.is_empty() => Names::Plain,
            _ => Names::Prefixed,
        };
        Self { policy: Arc::clone(policy), zone, facility, severity, prefix: prefix.len(), names }
    }

    /// Posts `entry`; waits for credit.
    ///
    /// # Errors
    /// It was not taken.
    pub(super) fn post(&self, poster: &mut Poster, entry: &Entry) -> Result<(), NotPosted> {
        let own = self.own(entry);
        let micros = entry.realtime.unwrap_or_default();
        let offset_seconds = self.zone.offset_at(micros.div_euclid(1_000_000));
        let stamp = Stamp { unix_micros: micros, offset_seconds };
        let hosts = self.policy.hosts(Some(entry.part(&own.host)), None);
        let chained = hosts.host.as_deref().unwrap_or_default();
        let element = if let Names::Structured(element) = &self.names { element.as_bytes() } else { b"" };
        // HOST, PROGRAM, PID, and the element.
        let fields = entry.fields.len() + 4;
        let need =
            Need { bytes: entry.bytes.len() + chained.len() + element.len(), fields, ..Need::default() };
        let part = |range: &Range<usize>| Text::Payload(range.start as u32, range.len() as u32);
        poster.post(need, |row, now| {
            row.payload_copy(&entry.bytes);
            row.message(part(&own.message));
            row.stamps(self.policy.stamp(stamp, now), now.unix_micros);
            let facility = own.facility.unwrap_or(self.facility);
            row.pri(facility * 8 + own.severity.unwrap_or(self.severity));
            if hosts.host.is_some() {
                row.field(hosts.host_field(), Text::Copy(b""), ValueType::String, Text::Copy(chained));
            }
            let program = if own.identifier.is_empty() { &own.command } else { &own.identifier };
            for (id, value) in
                [(FieldName::Host, &own.host), (FieldName::Program, program), (FieldName::Pid, &own.pid)]
            {
                let is_known = id == FieldName::Host && hosts.host.is_some();
                if !value.is_empty() && !is_known && !self.policy.overwrites(id) {
                    row.field(id, Text::Copy(b""), ValueType::String, part(value));
                }
            }
            if !element.is_empty() {
                row.field(FieldName::SdId, Text::Copy(b""), ValueType::String, Text::Copy(element));
            }
            for ExportField { name, value } in &entry.fields {
                let (id, name) = match &self.names {
                    Names::Structured(_) => (FieldName::SdParam, name.start + self.prefix..name.end),
                    Names::Plain if is_taken(entry.part(name)) => continue,
                    Names::Plain | Names::Prefixed => (FieldName::Text, name.clone()),
                };
                row.field(id, part(&name), ValueType::String, part(value));
            }
        })
    }

    /// The parts of `entry` that its message has as its own.
    fn own(&self, entry: &Entry) -> Own {
        let mut own = Own::default();
        for ExportField { name, value } in &entry.fields {
            let to = match entry.part(&(name.start + self.prefix..name.end)) {
                b"MESSAGE" => &mut own.message,
                b"_HOSTNAME" => &mut own.host,
                b"_PID" => &mut own.pid,
                b"SYSLOG_IDENTIFIER" => &mut own.identifier,
                b"_COMM" => &mut own.command,
                b"SYSLOG_FACILITY" => {
                    own.facility = number(entry.part(value), 127).or(own.facility);
                    continue;
                }
                b"PRIORITY" => {
                    own.severity = number(entry.part(value), 7).or(own.severity);
                    continue;
                }
                _ => continue,
            };
            *to = value.clone();
        }
        own
    }
}

/// Tells whether a value of this name is the message's own.
fn is_taken(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !matches!(ValueName::new(name), ValueName::Text(_)))
}

/// A number from 0 to `most`.
fn number(text: &[u8], most: u16) -> Option<u16> {
    let is_number = text.len() <= 3 && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok().filter(|number| *number <= most)
}
