//! `syslog-parser()`: a text as a source of syslog messages reads it.
//!
//! [`crate::syslog`] finds the fields; they replace those that the message has. What the text does not have
//! stays what it was, but for the time stamp, which then is the time of receipt.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::structured::Structured;
use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TEXT, TextOptions};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, apply, names};
use crate::message::batch::Text;
use crate::message::{FieldName, Stamp, ValueName, ValueType};
use crate::rewrite::Contexts;
use crate::source::{ParsingOptions, system_clock};
use crate::syslog::fill::{FieldSink, Filler};
use crate::syslog::{Clock, Flags, Format, ParseOptions, Reason};

/// The longest `sdata-prefix()`, and `prefix()` of `sdata-parser()`.
pub(super) const PREFIX_MAX: usize = 128;

/// The PROGRAM of a message about one that does not parse.
const PROGRAM: &[u8] = b"inrush";

/// The options of `syslog-parser()`.
#[derive(Debug, Clone)]
pub(super) struct SyslogOptions {
    /// Those that sources have, too.
    parsing: ParsingOptions,
    /// `drop-invalid()`
    drop_invalid: bool,
    text: TextOptions,
}

const TABLE: Table<SyslogOptions> = &[("drop-invalid", Kind::YesNo(|to, drops| to.drop_invalid = drops))];

impl ParserOptions for SyslogOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            parsing: ParsingOptions {
                flags: Flags::default().with(Flags::SYSLOG_PROTOCOL, false),
                ..ParsingOptions::default()
            },
            drop_invalid: false,
            text: TextOptions::default(),
        };
        let shared = || ParsingOptions::names().filter(|name| *name != "format");
        let known = || names(TABLE).chain(names(TEXT)).chain(shared()).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut options, parser, key)
                .or_else(|| apply(TEXT, &mut options.text, parser, key))
                .or_else(|| if *key.value == *"format" { None } else { options.parsing.apply(parser, key) })
        });
        if let Some(prefix) = &options.parsing.sdata_prefix {
            check_prefix(parser, prefix.span, &prefix.value);
        }
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, config: &Config, _: &mut Contexts) -> Compiled {
        let options = self.parsing.parse_options(config)?;
        let is_unparsed = options.format == Format::Raw || !options.flags.has(Flags::PARSE);
        let keeps_pri = is_unparsed && self.parsing.forced_pri().is_none();
        Ok(Box::new(Syslog { options, keeps_pri, drop_invalid: self.drop_invalid, memory: Mutex::default() }))
    }
}

/// Reports a prefix of structured data that is too long.
pub(super) fn check_prefix(parser: &mut Parser, span: crate::config::Span, prefix: &str) {
    if prefix.len() > PREFIX_MAX {
        let message = format!("a prefix of {} bytes is too long", prefix.len());
        parser.report.error(span, message, Some(format!("{PREFIX_MAX} bytes are the most")));
    }
}

struct Syslog {
    options: ParseOptions,
    /// Tells whether the priority stays what it was: nothing is said about it.
    keeps_pri: bool,
    drop_invalid: bool,
    /// The memory of those who are not at work in it now.
    memory: Mutex<Vec<(Filler, Clock)>>,
}

impl fmt::Debug for Syslog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syslog").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Parse for Syslog {
    fn parse(&self, text: &[u8], _: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let spare = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = spare().pop();
        let (mut filler, mut clock) = kept.unwrap_or_else(|| (Filler::default(), system_clock()));
        let recvd = found.row().read().recvd();
        clock.set_now(recvd.unix_micros);
        filler.parse(text, &self.options, &clock);
        let parsed = match filler.parsed().error {
            Some(error) if self.drop_invalid => Err(Refused(reason(error.reason))),
            error => {
                let pri = self.keeps_pri.then(|| found.row().read().pri());
                let is_note = error.is_some() && self.options.flags.has(Flags::PIGGYBACK_ERRORS);
                if is_note {
                    note(found);
                }
                let structured = Structured::of(found.row());
                let mut sink = Sink { found, structured };
                filler.fill(recvd, &mut sink);
                let Sink { structured, .. } = sink;
                structured.end(found.row());
                if let Some(pri) = pri {
                    found.row().pri(pri);
                }
                Ok(())
            }
        };
        spare().push((filler, clock));
        parsed
    }
}

/// Makes the message one of the engine's own, without anything that it was before: its text follows.
fn note(found: &mut Found<'_, '_>) {
    found.row().clear();
    found.known(&ValueName::Known(FieldName::Program), ValueType::String, PROGRAM);
    let pid = std::process::id().to_string();
    found.known(&ValueName::Known(FieldName::Pid), ValueType::String, pid.as_bytes());
}

/// The reason as it is counted.
fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NotRfc5424 => "no RFC 5424",
        Reason::ShortHeader => "incomplete header",
        Reason::BadTimestamp => "bad timestamp",
        Reason::BadStructuredData => "bad structured data",
        Reason::TooLong => "too long",
    }
}

/// Sets what is found, each in the place of what the message has.
struct Sink<'s, 'f, 'a> {
    found: &'s mut Found<'f, 'a>,
    structured: Structured,
}

impl<'f> Sink<'_, 'f, '_> {
    /// A part of the text that was parsed, as the row takes it, and its bytes.
    fn own<'t>(&self, text: Text<'t>) -> (Text<'t>, &'t [u8])
    where
        'f: 't,
    {
        match text {
            Text::Copy(bytes) => (text, bytes),
            Text::Payload(offset, len) => {
                let part = offset as usize..offset as usize + len as usize;
                (self.found.span(part.clone()), &self.found.text[part])
            }
        }
    }
}

impl FieldSink for Sink<'_, '_, '_> {
    fn stamps(&mut self, stamp: Stamp, _: i64) {
        self.found.row().stamp(stamp);
    }

    fn pri(&mut self, pri: u16) {
        self.found.row().pri(pri);
    }

    fn message(&mut self, text: Text<'_>) {
        let (text, _) = self.own(text);
        self.found.row().message(text);
    }

    fn field(&mut self, id: FieldName, name: Text<'_>, value: Text<'_>) {
        let ((name_text, name), (value_text, value)) = (self.own(name), self.own(value));
        let row = &mut *self.found.row;
        match id {
            FieldName::SdId => self.structured.element(row, value, value_text),
            FieldName::SdParam => self.structured.parameter(row, name, value, (name_text, value_text)),
            FieldName::Text => self.found.value(name, ValueType::String, value),
            // Of its own, also where structured data has a counter.
            FieldName::CiscoSequence => row.set(id, b"", ValueType::String, value_text),
            known => row.set_value(&ValueName::Known(known), ValueType::String, value_text),
        }
    }
}

#[cfg(test)]
mod tests;
