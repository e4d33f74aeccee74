//! The options by which a source's messages are parsed, as Python has them: [`ParseOptions`].

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::syslog::names::{parse_facility, parse_severity};
use crate::syslog::{Flags, Format, ParseOptions as Options};
use crate::template::Zone;

/// The options by which a source's messages are parsed: its `flags()`, `format()`, `time-zone()` and
/// defaults.
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
    /// `flags` has the words of flags(), such as "no-parse". `format` is "syslog" or "raw". `time_zone` is
    /// the zone of stamps without an offset: "Europe/Budapest", "+02:00", or a rule as in the variable TZ.
    /// `default_facility` and `default_priority` are the names of those of a message without a priority.
    /// `sdata_prefix` is what the names of structured data begin with, ".SDATA." when it is None.
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
            words.apply_posted(&word).map_err(|error| PyValueError::new_err(format!("flags: {error}")))?;
        }
        let mut options = Options { flags: words, sdata_prefix, ..Options::default() };
        options.format =
            Format::from_word(format).ok_or_else(|| unknown("format", format, "'syslog' or 'raw'"))?;
        if let Some(word) = time_zone {
            let zone = Zone::parse(word)
                .ok_or_else(|| unknown("time_zone", word, "the name of a zone or an offset"))?;
            options.time_zone = Some(zone.to_time_zone().into());
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

/// Adds the class to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ParseOptions>()
}
