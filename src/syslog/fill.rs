//! From a parsed message to the fields of a record, for every kind of record.
//!
//! [`Filler::parse`] parses one input and plans what its record gets; [`Filler::need`] is the room that this
//! takes, known before anything is written; [`Filler::fill`] writes it into a [`FieldSink`]: a row of a
//! batch, or a draft of Python's.
//!
//! ```text
//! input ──parse──► spans ──plan──► MESSAGE and fields, each of them Text::Payload   a part of the input, not copied
//!                                                               or  Text::Copy      made here, in `copies`
//! ```
//!
//! The sink's payload must be the input. Copies are made for what no part of the input can stand for, and for
//! nothing else: unescaped structured data, text made one line or made UTF-8, the note about a message that
//! does not parse, and the names that `sdata-prefix()` asks for.
//!
//! | parsed | becomes |
//! |---|---|
//! | host, program, pid, msgid, msghdr, raw, sequence | the field that [`FieldName`] has for it |
//! | the kernel's own message | PROGRAM `kernel` |
//! | structured data | [`FieldName::SdId`] and [`FieldName::SdParam`], or names with the prefix |
//! | what a router says about its clock | the parameter `isSynced` of `timeQuality`, 1 or 0 (RFC 5424 §7.1) |
//! | the grammar | MSGFORMAT: `syslog:rfc5424`, `syslog:rfc3164`, `raw`, or `syslog:error` for what does not parse |
//!
//! A record has a bound on its bytes and on its fields. A message that would pass one of them becomes a
//! record whose MESSAGE is the whole input, without fields but MSGFORMAT: nothing of it is lost.

mod plain;

use plain::{each_structured, is_plain};

use super::{
    Clock, Flags, Marks, ParseOptions, Parsed, Protocol, Span, error_note, parse, sanitize_utf8, single_line,
    unescape_param_value,
};
use crate::message::batch::Text;
use crate::message::{FieldName, MESSAGE_MAX, Need, RevisedRow, Row, Stamp};

/// The default name of structured data.
const SDATA_PREFIX: &str = ".SDATA.";

/// A receiver of the fields of a parsed message, whose payload must be the input that was parsed.
pub trait FieldSink {
    /// Sets STAMP, and when the message was received, in microseconds since the epoch.
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64);

    /// Sets facility times 8 plus severity.
    fn pri(&mut self, pri: u16);

    /// Makes `text` MESSAGE.
    fn message(&mut self, text: Text<'_>);

    /// Adds a field of type string; `name` is empty when `id` does not have its name as text.
    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>);

    /// Adds a field whose name and value are parts of the input.
    #[inline]
    fn part(&mut self, id: FieldName, name: Span, value: Span) {
        self.field(id, part(name), part(value));
    }
}

impl FieldSink for Row<'_> {
    #[inline]
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        Row::stamps(self, stamp, recvd_micros);
    }

    #[inline]
    fn pri(&mut self, pri: u16) {
        Row::pri(self, pri);
    }

    #[inline]
    fn message(&mut self, text: Text<'_>) {
        Row::message(self, text);
    }

    #[inline]
    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        Row::field(self, id, name, crate::message::ValueType::String, value);
    }
}

impl FieldSink for RevisedRow<'_> {
    #[inline]
    fn stamps(&mut self, stamp: Stamp, recvd_micros: i64) {
        RevisedRow::stamps(self, stamp, recvd_micros);
    }

    #[inline]
    fn pri(&mut self, pri: u16) {
        RevisedRow::pri(self, pri);
    }

    #[inline]
    fn message(&mut self, text: Text<'_>) {
        RevisedRow::message(self, text);
    }

    #[inline]
    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        RevisedRow::field(self, id, name, crate::message::ValueType::String, value);
    }

    #[inline]
    fn part(&mut self, id: FieldName, name: Span, value: Span) {
        RevisedRow::part(self, id, (name.offset, name.len), (value.offset, value.len));
    }
}

/// The place of a text of the plan.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Input(Span),
    Copied(Span),
    Fixed(&'static str),
}

const NOTHING: Piece = Piece::Input(Span { offset: 0, len: 0 });

#[derive(Debug, Clone, Copy)]
struct Item {
    id: FieldName,
    name: Piece,
    value: Piece,
}

/// Parses messages and fills records with them, one after the other, in memory of its own.
///
/// ```
/// use inrush::message::{Need, Origin, Pool, Writer};
/// use inrush::syslog::{Clock, ParseOptions, fill::Filler};
/// use std::sync::Arc;
///
/// let (origin, pool) = (Arc::new(Origin::named("s")), Arc::new(Pool::new()));
/// let mut filler = Filler::default();
/// let input = b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8";
/// let clock = Clock::system();
/// filler.parse(input, &ParseOptions::default(), &clock);
/// let need = Need { bytes: filler.need().bytes + input.len(), ..filler.need() };
/// let mut writer = Writer::open(&origin, &pool, need);
/// let mut row = writer.row(need).unwrap();
/// row.payload_copy(input);
/// let recvd = inrush::message::Stamp { unix_micros: clock.now_micros(), offset_seconds: 0 };
/// filler.fill(recvd, &mut row);
/// row.publish();
/// assert_eq!(writer.finish().message(0).text(), b"'su root' failed for lonvick on /dev/pts/8");
/// ```
#[derive(Debug)]
pub struct Filler {
    parsed: Parsed,
    /// There is no plan: each span that was found is a field as it is.
    plain: bool,
    message: Piece,
    items: Vec<Item>,
    copies: Vec<u8>,
    fixed_bytes: usize,
}

impl Default for Filler {
    fn default() -> Self {
        let (items, copies) = (Vec::new(), Vec::new());
        Self { parsed: Parsed::default(), plain: false, message: NOTHING, items, copies, fixed_bytes: 0 }
    }
}

impl Filler {
    /// Parses `input` and plans its record. What was planned before is forgotten.
    pub fn parse(&mut self, input: &[u8], options: &ParseOptions, clock: &Clock) {
        parse(input, options, clock, &mut self.parsed);
        self.plain = is_plain(&self.parsed, options) && input.len() < MESSAGE_MAX / 2;
        if !self.plain {
            self.make_plan(input, options);
        }
    }

    /// Plans the record of what was parsed.
    fn make_plan(&mut self, input: &[u8], options: &ParseOptions) {
        self.items.clear();
        self.copies.clear();
        self.fixed_bytes = 0;
        self.plan(input, options);
        let size = input.len().saturating_add(self.copies.len()).saturating_add(self.fixed_bytes);
        if size > MESSAGE_MAX || self.items.len() > usize::from(u16::MAX) {
            self.items.clear();
            self.copies.clear();
            self.fixed_bytes = 0;
            self.message = Piece::Input(Span::new(0, input.len()));
            self.add_fixed(FieldName::MsgFormat, "syslog:error");
        }
    }

    /// The parser's findings.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// The room that [`Filler::fill`] takes, beside the payload's own.
    #[inline]
    pub fn need(&self) -> Need {
        if self.plain {
            let mut fields = known(&self.parsed).iter().filter(|(_, span)| span.is_some()).count() + 1;
            each_structured(&self.parsed, |_, _, _| fields += 1);
            return Need { bytes: format_of(&self.parsed).len(), fields, ..Need::default() };
        }
        let bytes = self.copies.len() + self.fixed_bytes;
        Need { bytes, fields: self.items.len(), ..Need::default() }
    }

    /// The value that the record of `input`, which was just parsed, will have under a name that the engine
    /// knows.
    #[inline]
    pub fn value<'a>(&'a self, input: &'a [u8], id: FieldName) -> Option<&'a [u8]> {
        if self.plain {
            if id == FieldName::MsgFormat {
                return Some(format_of(&self.parsed).as_bytes());
            }
            let (_, span) = known(&self.parsed).into_iter().find(|(known, _)| *known == id)?;
            return span.map(|span| span.of(input));
        }
        let item = self.items.iter().find(|item| item.id == id)?;
        Some(match item.value {
            Piece::Input(span) => span.of(input),
            Piece::Copied(span) => span.of(&self.copies),
            Piece::Fixed(text) => text.as_bytes(),
        })
    }

    /// Writes the record into `sink`. `recvd` is when the message came, and its STAMP when it has none
    /// itself.
    #[inline]
    pub fn fill(&self, recvd: Stamp, sink: &mut impl FieldSink) {
        sink.stamps(self.parsed.stamp.unwrap_or(recvd), recvd.unix_micros);
        sink.pri(self.parsed.pri);
        if self.plain {
            let message = self.parsed.message.unwrap_or_default();
            sink.message(part(message));
            for (id, span) in known(&self.parsed) {
                if let Some(span) = span {
                    sink.part(id, Span::default(), span);
                }
            }
            each_structured(&self.parsed, |id, name, value| sink.part(id, name, value));
            sink.field(
                FieldName::MsgFormat,
                Text::Payload(0, 0),
                Text::Copy(format_of(&self.parsed).as_bytes()),
            );
            return;
        }
        sink.message(self.text(self.message));
        for item in &self.items {
            sink.field(item.id, self.text(item.name), self.text(item.value));
        }
    }

    #[inline]
    fn text(&self, piece: Piece) -> Text<'_> {
        match piece {
            Piece::Input(span) => part(span),
            Piece::Copied(span) => Text::Copy(span.of(&self.copies)),
            Piece::Fixed(text) => Text::Copy(text.as_bytes()),
        }
    }

    fn plan(&mut self, input: &[u8], options: &ParseOptions) {
        let parsed = &self.parsed;
        let sanitize = parsed.marks.has(Marks::NEEDS_SANITIZE);
        let known = known(parsed);
        let (raw, kernel, error) = (parsed.raw, parsed.marks.has(Marks::KERNEL), parsed.error);
        let (sequence, is_synced) = (parsed.sequence, is_synced(parsed));
        let message = parsed.message.unwrap_or_default();
        for (id, span) in known {
            // Beside other structured data the counter is a parameter like them.
            let elsewhere = id == FieldName::CiscoSequence && is_synced.is_some();
            if let Some(span) = span.filter(|_| !elsewhere) {
                let value = self.clean(input, span, sanitize);
                self.items.push(Item { id, name: NOTHING, value });
            }
        }
        if kernel {
            self.add_fixed(FieldName::Program, "kernel");
        }
        if let Some(is_synced) = is_synced {
            self.plan_clock(sequence, is_synced);
        }
        self.plan_sdata(input, options, sanitize);
        if let Some(raw) = raw {
            // As it was received: never made UTF-8.
            self.items.push(Item { id: FieldName::RawMsg, name: NOTHING, value: Piece::Input(raw) });
        }
        self.add_fixed(FieldName::MsgFormat, format_of(&self.parsed));
        self.message = match error {
            Some(error) if options.flags.has(Flags::PIGGYBACK_ERRORS) => {
                let note = error_note(message.of(input), &error);
                self.copied(
                    |out| if sanitize { sanitize_utf8(&note, out) } else { out.extend_from_slice(&note) },
                )
            }
            _ => self.plan_message(input, message, sanitize),
        };
    }

    fn plan_message(&mut self, input: &[u8], span: Span, sanitize: bool) -> Piece {
        if !self.parsed.marks.has(Marks::NEEDS_SINGLE_LINE) {
            return self.clean(input, span, sanitize);
        }
        let mut line = Vec::new();
        single_line(span.of(input), &mut line);
        self.copied(|out| if sanitize { sanitize_utf8(&line, out) } else { out.extend_from_slice(&line) })
    }

    fn plan_sdata(&mut self, input: &[u8], options: &ParseOptions, sanitize: bool) {
        let prefix = options.sdata_prefix.as_deref().filter(|prefix| *prefix != SDATA_PREFIX);
        let mut element = None;
        for index in 0..self.parsed.sdata.len() {
            let param = self.parsed.sdata[index];
            let value =
                if param.escaped {
                    let mut plain = Vec::new();
                    unescape_param_value(param.value.of(input), &mut plain);
                    self.copied(|out| {
                        if sanitize { sanitize_utf8(&plain, out) } else { out.extend_from_slice(&plain) }
                    })
                } else {
                    self.clean(input, param.value, sanitize)
                };
            if let Some(prefix) = prefix {
                let name = self.copied(|out| {
                    out.extend_from_slice(prefix.as_bytes());
                    out.extend_from_slice(param.id.of(input));
                    if !param.name.is_empty() {
                        out.push(b'.');
                        out.extend_from_slice(param.name.of(input));
                    }
                });
                self.items.push(Item { id: FieldName::Text, name, value });
                continue;
            }
            if element != Some(param.id) {
                element = Some(param.id);
                let value = self.clean(input, param.id, sanitize);
                self.items.push(Item { id: FieldName::SdId, name: NOTHING, value });
            }
            if !param.name.is_empty() {
                let name = self.clean(input, param.name, sanitize);
                self.items.push(Item { id: FieldName::SdParam, name, value });
            }
        }
    }

    /// Structured data of a router: its counter, and whether its clock is set.
    fn plan_clock(&mut self, sequence: Option<Span>, is_synced: &'static str) {
        let mut add = |element: &'static str, name: &'static str, value: Piece| {
            self.add_fixed(FieldName::SdId, element);
            self.fixed_bytes += name.len();
            self.items.push(Item { id: FieldName::SdParam, name: Piece::Fixed(name), value });
        };
        if let Some(sequence) = sequence {
            add("meta", "sequenceId", Piece::Input(sequence));
        }
        add("timeQuality", "isSynced", Piece::Fixed(is_synced));
        self.fixed_bytes += is_synced.len();
    }

    fn add_fixed(&mut self, id: FieldName, value: &'static str) {
        self.fixed_bytes += value.len();
        self.items.push(Item { id, name: NOTHING, value: Piece::Fixed(value) });
    }

    /// A part of the input; a copy made UTF-8 where that is asked for and needed.
    #[inline]
    fn clean(&mut self, input: &[u8], span: Span, sanitize: bool) -> Piece {
        if sanitize && std::str::from_utf8(span.of(input)).is_err() {
            self.copied(|out| sanitize_utf8(span.of(input), out))
        } else {
            Piece::Input(span)
        }
    }

    fn copied(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Piece {
        let start = self.copies.len();
        write(&mut self.copies);
        Piece::Copied(Span::between(start, self.copies.len()))
    }
}

/// A part of the input.
#[inline]
fn part(span: Span) -> Text<'static> {
    Text::Payload(span.offset, span.len)
}

/// The state of a router's clock as it says it: the value of `isSynced` (RFC 5424 §7.1.2).
fn is_synced(parsed: &Parsed) -> Option<&'static str> {
    if parsed.marks.has(Marks::UNSYNCHRONIZED) {
        Some("0")
    } else {
        parsed.marks.has(Marks::SYNCHRONIZED).then_some("1")
    }
}

/// The fields that are spans, in the order of a record.
#[inline]
fn known(parsed: &Parsed) -> [(FieldName, Option<Span>); 6] {
    [
        (FieldName::Host, parsed.host),
        (FieldName::Program, parsed.program),
        (FieldName::Pid, parsed.pid),
        (FieldName::MsgId, parsed.msgid),
        (FieldName::LegacyMsgHdr, parsed.msghdr),
        (FieldName::CiscoSequence, parsed.sequence),
    ]
}

/// MSGFORMAT
#[inline]
fn format_of(parsed: &Parsed) -> &'static str {
    match (parsed.error, parsed.protocol) {
        (Some(_), _) => "syslog:error",
        (None, Protocol::Raw) => "raw",
        (None, Protocol::Rfc3164) => "syslog:rfc3164",
        (None, Protocol::Rfc5424) => "syslog:rfc5424",
    }
}

#[cfg(test)]
mod tests;
