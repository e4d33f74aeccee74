//! `LogMessage.parse`, and [`ParseOptions`], what a source gives to it.

mod late;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use jiff::tz::{Offset, TimeZone};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::cell::GilCell;
use super::hosting::is_offline;
use super::message::{Draft, LazyDraft, LogMessage, Payload};
use super::type_name::type_name;
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Stamp};
use crate::source::SourcePolicy;
use crate::syslog::fill::{FieldSink, Filler};
use crate::syslog::names::{parse_facility, parse_severity};
use crate::syslog::{Clock, Flags, Format, ParseOptions as Options, Zone};
pub(super) use late::Late;

/// How a source's messages are parsed: its `flags()`, `format()`, `time-zone()` and defaults.
///
/// A source finds its own in `self.parse_options`, and gives it to `LogMessage.parse()`. Outside the engine,
/// `ParseOptions.make()` makes one.
#[pyclass(module = "inrush", frozen)]
#[derive(Debug)]
pub struct ParseOptions {
    options: Arc<Options>,
}

impl ParseOptions {
    /// A handle of `options`.
    pub fn new(options: Arc<Options>) -> Self {
        Self { options }
    }

    /// The options.
    pub fn options(&self) -> &Arc<Options> {
        &self.options
    }
}

#[pymethods]
#[expect(clippy::doc_markdown, reason = "the documentation is Python's")]
impl ParseOptions {
    /// Makes options as a configuration would, for use outside the engine.
    ///
    /// `flags` has the words of flags(), such as "no-parse". `format` is "syslog" or "raw". `time_zone` is the zone of
    /// stamps without an offset: "Europe/Budapest", "+02:00", or a rule as in the variable TZ. `default_facility` and
    /// `default_priority` are the names of those of a message without a priority. `sdata_prefix` is what the names of
    /// structured data begin with, ".SDATA." when it is None.
    ///
    /// ValueError for a word that none of them knows.
    #[staticmethod]
    #[pyo3(signature = (flags=None, format="syslog", time_zone=None, default_facility=None, default_priority=None, sdata_prefix=None))]
    #[pyo3(
        text_signature = "(flags=(), format='syslog', time_zone=None, default_facility=None, default_priority=None, sdata_prefix=None)"
    )]
    fn make(
        flags: Option<Vec<String>>,
        format: &str,
        time_zone: Option<&str>,
        default_facility: Option<&str>,
        default_priority: Option<&str>,
        sdata_prefix: Option<String>,
    ) -> PyResult<Self> {
        let unknown = |option: &str, word: &str, expected: &str| {
            PyValueError::new_err(format!("{option}: expected {expected}, got '{word}'"))
        };
        let mut words = Flags::default();
        for word in flags.unwrap_or_default() {
            words.apply(&word).map_err(|error| PyValueError::new_err(format!("flags: {error}")))?;
        }
        let mut options = Options { flags: words, sdata_prefix, ..Options::default() };
        options.format =
            Format::from_word(format).ok_or_else(|| unknown("format", format, "'syslog' or 'raw'"))?;
        if let Some(word) = time_zone {
            let zone =
                zone(word).ok_or_else(|| unknown("time_zone", word, "the name of a zone or an offset"))?;
            options.time_zone = Some(Zone::new(zone));
        }
        if let Some(word) = default_facility {
            let facility =
                parse_facility(word).ok_or_else(|| unknown("default_facility", word, "a facility"))?;
            options.default_pri = u16::from(facility) * 8 + options.default_pri % 8;
        }
        if let Some(word) = default_priority {
            let severity =
                parse_severity(word).ok_or_else(|| unknown("default_priority", word, "a severity"))?;
            options.default_pri = options.default_pri / 8 * 8 + u16::from(severity);
        }
        Ok(Self::new(Arc::new(options)))
    }
}

/// The zone called `word`: an offset such as `+02:00`, an entry of the database, or a rule as in the variable TZ.
fn zone(word: &str) -> Option<TimeZone> {
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok())?.map(i32::from);
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let seconds = hours * 3600 + minutes * 60;
        let seconds = if word.starts_with('-') { -seconds } else { seconds };
        return (minutes < 60).then(|| Offset::from_seconds(seconds).ok())?.map(TimeZone::fixed);
    }
    TimeZone::get(word).or_else(|_| TimeZone::posix(word)).ok()
}

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

/// A message made of the syslog message in `raw`, which it keeps: its values are parts of it. It is parsed when
/// somebody looks, or by its post (see [`LazyDraft`]).
///
/// # Errors
/// `TypeError` when `raw` is neither `str` nor `bytes`, or `options` is no [`ParseOptions`]; `ValueError` when it is too
/// long. What does not parse is no error: it becomes a message that says so.
pub(super) fn parse(raw: &Bound<'_, PyAny>, options: &Bound<'_, PyAny>) -> PyResult<LogMessage> {
    let py = raw.py();
    let defaults;
    let options = match options.cast::<ParseOptions>() {
        Ok(options) => options,
        // A source that was made by hand has the class's own None.
        Err(_) if options.is_none() && is_offline() => {
            defaults = Bound::new(py, ParseOptions::new(Arc::default()))?;
            &defaults
        }
        Err(_) => {
            let given = type_name(options);
            return Err(PyTypeError::new_err(format!(
                "parse_options: expected the parse_options of a source, got {given}"
            )));
        }
    };
    if !raw.is_instance_of::<PyString>() && !raw.is_instance_of::<PyBytes>() {
        let given = type_name(raw);
        return Err(PyTypeError::new_err(format!("raw_msg: expected str or bytes, got {given}")));
    }
    let mut draft = Draft::new(py);
    draft.payload = Payload::of(raw)?;
    draft.unparsed = Some(options.clone().unbind());
    Ok(LogMessage { draft: LazyDraft::new(draft) })
}

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
    let recvd = draft.stamp;
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
    host: Option<Cow<'a, [u8]>>,
}

impl<'a> ParsedRow<'a> {
    /// What `parsed` has made of `input`.
    #[inline]
    pub(super) fn new(policy: &'a SourcePolicy, parsed: &'a Filler, input: &'a [u8]) -> Self {
        let host = policy.hosts(parsed.value(input, FieldName::Host), None).host;
        Self { policy, parsed, host }
    }

    /// The room that it takes beside the payload.
    #[inline]
    pub(super) fn need(&self) -> Need {
        let mut need = self.parsed.need();
        if let Some(host) = &self.host {
            need.fields += 1;
            need.bytes += host.len();
        }
        need
    }

    /// Writes it into `row`, which has the payload already.
    #[inline]
    pub(super) fn write(&self, recvd: Stamp, row: &mut impl FieldSink) {
        self.parsed.fill(recvd, &mut Taken { row, policy: self.policy, recvd });
        if let Some(host) = &self.host {
            row.field(FieldName::Host, Text::Copy(b""), Text::Copy(host));
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
    let recvd = draft.stamp;
    PARSER.with(py, |parser| {
        let (filler, clock) = parser.get_or_insert_with(|| (Filler::default(), system_clock()));
        clock.set_now(recvd.unix_micros);
        filler.parse(draft.payload.bytes(), &options.get().options, clock);
        draft.extra().fields.reserve_exact(filler.need().fields);
        filler.fill(recvd, draft);
    });
}

/// Adds the class to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ParseOptions>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        let offset =
            |word: &str| zone(word).map(|zone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds());
        assert_eq!(offset("+02:00"), Some(7200));
        assert_eq!(offset("-0330"), Some(-12_600));
        assert_eq!(offset("EST5EDT,M3.2.0,M11.1.0"), Some(-18_000));
        for wrong in ["", "+", "+2", "+02:60", "-0a:00", "+\u{e9}0", "Middle/Earth"] {
            assert_eq!(offset(wrong), None, "{wrong}");
        }
    }
}
