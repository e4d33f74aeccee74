//! `date-parser()`: the time that a text says, as the time of its message.
//!
//! ```text
//! "Nov 22 10:00:00" ── the first format that fits ([format]) ──► Parts{November, 22, 10:00:00}
//!                   ── the day of receipt for what is missing, the zone's offset ([place]) ──► Stamp
//! ```
//!
//! Formats are compiled when the configuration is read. A text has to be used up by its format.

mod format;
mod offset;
mod place;

use std::io::Write as _;

use memchr::memchr;

use super::{Buffers, Compiled, Found, Parse, ParserOptions, Refused, TextOptions, read_options};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Table, Text, TokenKind, ValueUse};
use crate::config::{Config, Spanned};
use crate::message::{Stamp, ValueName, ValueType};
use crate::rewrite::{Contexts, WHICH, Which, guess_zone, zone_called};
use crate::syslog::timestamp::Zone;
use format::{Format, Parts};
use place::{Receipt, place};

/// The format of a date parser that names none.
const DEFAULT: &str = "%FT%T%z";

/// The options of `date-parser()`.
#[derive(Debug, Clone, Default)]
pub(super) struct DateOptions {
    /// `format()`
    formats: Vec<Text>,
    /// `time-zone()` of texts that say none.
    time_zone: Option<Spanned<String>>,
    /// `time-stamp()`: the time that is set.
    which: Which,
    /// `value()`: the name of the value that is set instead.
    value: Option<Spanned<String>>,
    /// The word `guess-timezone` of `flags()`
    guesses: bool,
    text: TextOptions,
}

const TABLE: Table<DateOptions> = &[
    ("format", Kind::Other(read_formats)),
    ("time-zone", Kind::Text(|to, zone| to.time_zone = Some(zone))),
    ("time-stamp", Kind::Other(|parser, to| parser.choice(WHICH).map(|which| to.which = which))),
    ("value", Kind::Other(|parser, to| parser.value_name(ValueUse::Write).map(|name| to.value = Some(name)))),
    (
        "flags",
        Kind::Other(|parser, to| {
            while !parser.sees(&TokenKind::RParen) {
                parser.choice(&[("guess-timezone", ())])?;
                to.guesses = true;
            }
            Ok(())
        }),
    ),
];

/// Reads formats; a conversion that is none fits no text.
fn read_formats(parser: &mut Parser, to: &mut DateOptions) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let text = parser.text("a format, as in \"%Y-%m-%d\"")?;
        let text = parser.utf8(text)?;
        for at in Format::compile(&text.value).unknown {
            let end = text.value[at..].char_indices().nth(2).map_or(text.value.len(), |(len, _)| at + len);
            let message = format!("`{}` is no conversion: no text has this format", &text.value[at..end]);
            let help = "write `%%` for a `%`".to_owned();
            parser.report.warn(text.locate(at..end), message, Some(help));
        }
        to.formats.push(text);
    }
    Ok(())
}

impl ParserOptions for DateOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        read_options(parser, head, (TABLE, &mut options), |options| &mut options.text);
        if let Some(zone) =
            options.time_zone.as_ref().filter(|zone| zone_called(zone.value.as_bytes()).is_none())
        {
            let message = format!("unknown time zone `{}`: the local one is used", zone.value);
            let help = "expected a name like Europe/Budapest, or an offset like +01:00".to_owned();
            parser.report.warn(zone.span, message, Some(help));
        }
        Ok(options)
    }

    fn text(&self) -> &TextOptions {
        &self.text
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let written = self.formats.iter().map(|format| format.value.as_str());
        let formats = if self.formats.is_empty() { vec![DEFAULT] } else { written.collect() };
        let zone = self.time_zone.as_ref().and_then(|zone| zone_called(zone.value.as_bytes()));
        Ok(Box::new(Date {
            formats: formats.into_iter().map(Format::compile).collect(),
            local: Zone::system(),
            zone: zone.map(|zone| Zone::new(zone.to_time_zone())),
            which: self.which,
            value: self.value.as_ref().map(|name| ValueName::new(&name.value)),
            guesses: self.guesses,
        }))
    }
}

/// No format fits.
const NO_DATE: Refused = Refused("no format fits");

#[derive(Debug)]
struct Date {
    formats: Box<[Format]>,
    /// The zone of this machine.
    local: Zone,
    /// The zone of texts that say none, if it is another.
    zone: Option<Zone>,
    which: Which,
    value: Option<ValueName>,
    guesses: bool,
}

impl Date {
    /// The time that `text` says, in a message that was received at `recvd`.
    fn read(&self, text: &[u8], recvd: Stamp) -> Option<Stamp> {
        let parts = |format: &Format| {
            let mut parts = Parts::default();
            format.read(text, &self.local, &mut parts).then_some(parts)
        };
        let parts = self.formats.iter().find_map(parts)?;
        let stamp = place(&parts, &Receipt::new(recvd, &self.local), self.zone.as_ref());
        let guessed = if self.guesses { guess_zone(stamp, recvd.unix_micros) } else { None };
        Some(guessed.unwrap_or(stamp))
    }
}

impl Parse for Date {
    fn parse(&self, text: &[u8], buffers: &mut Buffers, found: &mut Found<'_, '_>) -> Result<(), Refused> {
        let text = &text[..memchr(0, text).unwrap_or(text.len())];
        let recvd = found.row().read().recvd();
        let stamp = self.read(text, recvd).ok_or(NO_DATE)?;
        match (&self.value, self.which) {
            (Some(name), _) => {
                buffers.text.clear();
                let (sign, micros) =
                    (if stamp.unix_micros < 0 { "-" } else { "" }, stamp.unix_micros.unsigned_abs());
                let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
                // A buffer takes all that is written to it.
                let _ = write!(buffers.text, "{sign}{seconds}.{micros:06}");
                found.known(name, ValueType::Datetime, &buffers.text);
            }
            (None, Which::Stamp) => found.row().stamp(stamp),
            (None, Which::Received) => found.row().recvd(stamp),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
