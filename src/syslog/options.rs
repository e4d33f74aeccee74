//! Options of the parser, made once for each source of a configuration.
use super::names::{DEFAULT_PRI, KERNEL_PRI};
use super::timestamp::Zone;
use super::{Clock, Flags};
use std::fmt;
use std::sync::Arc;

/// The words of `format()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// RFC 5424 and RFC 3164, told apart message by message; [`Flags`] narrow it.
    #[default]
    Syslog,
    /// No format: the whole input is the message.
    Raw,
}

impl Format {
    /// The format that a word of the configuration names.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "syslog" => Some(Self::Syslog),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// The test of `bad-hostname()`: true for a word that is not to be taken as a host.
///
/// The configuration makes it of a regular expression; this room needs no regular expressions for it.
#[derive(Clone)]
pub struct BadHostname(Arc<Test>);

type Test = dyn Fn(&[u8]) -> bool + Send + Sync;

impl BadHostname {
    /// Wraps a test.
    pub fn new(test: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(test))
    }

    /// True when `word` is no host.
    pub(crate) fn is_bad(&self, word: &[u8]) -> bool {
        (self.0)(word)
    }
}

impl fmt::Debug for BadHostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BadHostname(..)")
    }
}

/// The options by which the messages of one source are parsed.
#[derive(Debug, Clone)]
pub struct ParseOptions {
    /// The words of `flags()`.
    pub flags: Flags,
    /// The format that `format()` names.
    pub format: Format,
    /// The priority of a message without one: `default-facility()` times 8 plus `default-severity()`.
    pub default_pri: u16,
    /// The zone of stamps without an offset, from `time-zone()`; `None` is the zone of the [`Clock`].
    pub time_zone: Option<Zone>,
    /// The beginning of the names of structured data; `None` is `.SDATA.`. For the caller, who makes the
    /// names.
    pub sdata_prefix: Option<String>,
    /// The test of `bad-hostname()`, asked only with [`Flags::CHECK_HOSTNAME`].
    pub bad_hostname: Option<BadHostname>,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            flags: Flags::DEFAULT,
            format: Format::Syslog,
            default_pri: DEFAULT_PRI,
            time_zone: None,
            sdata_prefix: None,
            bad_hostname: None,
        }
    }
}

impl ParseOptions {
    /// The priority of a message that has none: `default_pri`, or `kern.notice` for the kernel's own messages
    /// when the configuration has not said otherwise.
    #[inline]
    pub(crate) fn pri_without(&self) -> u16 {
        if self.flags.has(Flags::KERNEL) && self.default_pri == DEFAULT_PRI {
            KERNEL_PRI
        } else {
            self.default_pri
        }
    }

    /// True when the input is the message as it is: nothing is to be parsed, looked at or kept of it.
    pub(crate) fn is_plain(&self) -> bool {
        let looks = Flags::STORE_RAW_MESSAGE.union(Flags::VALIDATE_UTF8).union(Flags::SANITIZE_UTF8);
        let is_unparsed = self.format == Format::Raw || !self.flags.has(Flags::PARSE);
        is_unparsed && !self.flags.has_any(looks) && self.flags.has(Flags::MULTI_LINE)
    }

    /// The zone of stamps without an offset.
    #[inline]
    pub(crate) fn zone<'a>(&'a self, clock: &'a Clock) -> &'a Zone {
        self.time_zone.as_ref().unwrap_or_else(|| clock.zone())
    }
}
