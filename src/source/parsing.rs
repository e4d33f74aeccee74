//! The options of sources that parse what they get: [`ParsingOptions`].

use regex::bytes::Regex;

use crate::config::grammar::{Key, Kind, Parsed, Parser, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Spanned};
use crate::syslog::names::{DEFAULT_PRI, facility_words, parse_facility, parse_severity, severity_words};
use crate::syslog::{BadHostname, Flags, Format, ParseOptions, UnknownFlag};

/// `flags()`, `format()`, and the defaults of what a message does not say.
#[derive(Debug, Clone, Default)]
pub struct ParsingOptions {
    /// `flags()`
    pub flags: Flags,
    /// `format()`
    pub format: Option<Spanned<String>>,
    /// `time-zone()`
    pub time_zone: Option<Spanned<String>>,
    /// `default-facility()`, as a number.
    pub default_facility: Option<u8>,
    /// `default-severity()`, `-level()` or `-priority()`, as a number.
    pub default_severity: Option<u8>,
    /// `sdata-prefix()`
    pub sdata_prefix: Option<Spanned<String>>,
}

const SEVERITY: Kind<ParsingOptions> =
    Kind::Other(|parser, to| severity(parser).map(|code| to.default_severity = Some(code)));

const PARSING: Table<ParsingOptions> = &[
    ("flags", Kind::Other(|parser, to| read_flags(parser, &mut to.flags, Flags::apply_posted))),
    ("format", Kind::Text(|to, format| to.format = Some(format))),
    ("time-zone", Kind::Text(|to, zone| to.time_zone = Some(zone))),
    (
        "default-facility",
        Kind::Other(|parser, to| facility(parser).map(|code| to.default_facility = Some(code))),
    ),
    ("default-severity", SEVERITY),
    ("default-level", SEVERITY),
    ("default-priority", SEVERITY),
    ("sdata-prefix", Kind::Text(|to, prefix| to.sdata_prefix = Some(prefix))),
];

impl ParsingOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(PARSING)
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(PARSING, self, parser, key)
    }

    /// The priority that replaces a message's own, when `default-facility()` or `default-severity()` is set.
    pub(crate) fn forced_pri(&self) -> Option<u16> {
        if self.default_facility.is_none() && self.default_severity.is_none() {
            return None;
        }
        let facility = self.default_facility.map_or(DEFAULT_PRI / 8, u16::from);
        let severity = self.default_severity.map_or(DEFAULT_PRI % 8, u16::from);
        Some(facility * 8 + severity)
    }

    /// The options of the parser of syslog messages, with those of `config` for what is not written here.
    ///
    /// # Errors
    /// A format or a time zone that is not known, at its place.
    pub(crate) fn parse_options(&self, config: &Config) -> Result<ParseOptions, Diagnostic> {
        let global = &config.options;
        let flags =
            if global.check_hostname { self.flags.with(Flags::CHECK_HOSTNAME, true) } else { self.flags };
        let format = match &self.format {
            None => Format::Syslog,
            Some(word) => Format::from_word(&word.value).ok_or_else(|| {
                let help = "this version knows `syslog` and `raw`".to_owned();
                config.error(word.span, format!("unknown format `{}`", word.value), Some(help))
            })?,
        };
        let zone = self.time_zone.as_ref().or(global.recv_time_zone.as_ref());
        let zone = zone.map(|zone| config.zone(zone)).transpose()?;
        let bad_hostname = global.bad_hostname.as_ref();
        Ok(ParseOptions {
            flags,
            format,
            default_pri: self.forced_pri().unwrap_or(DEFAULT_PRI),
            time_zone: zone.map(|zone| zone.to_time_zone().into()),
            sdata_prefix: self.sdata_prefix.as_ref().map(|prefix| prefix.value.clone()),
            bad_hostname: bad_hostname.map(|regex| compile(config, regex)).transpose()?,
        })
    }
}

fn compile(config: &Config, regex: &Spanned<String>) -> Result<BadHostname, Diagnostic> {
    let compiled = Regex::new(&regex.value)
        .map_err(|error| config.error(regex.span, format!("this is no regular expression: {error}"), None))?;
    Ok(BadHostname::new(move |word| compiled.is_match(word)))
}

/// Reads the words of a source's `flags()`; `apply` says which there are.
pub(super) fn read_flags(
    parser: &mut Parser,
    flags: &mut Flags,
    apply: fn(&mut Flags, &str) -> Result<(), UnknownFlag>,
) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let word = parser.string("a flag")?;
        if parser.is_old_flag(&word) {
            continue;
        }
        if let Err(error) = apply(flags, &word.value) {
            let words: Vec<_> = Flags::words().collect();
            let help = if error.is_readers {
                Some("a Python source reads for itself".to_owned())
            } else {
                parser.suggestion(&word.value, words.iter().map(String::as_str))
            };
            parser.report.error(word.span, error.to_string(), help);
        }
    }
    Ok(())
}

/// A facility, by its name or its number (0 to 127).
fn facility(parser: &mut Parser) -> Parsed<u8> {
    code(parser, 127, "facility", parse_facility, facility_words)
}

/// A severity, by its name or its number (0 to 7).
fn severity(parser: &mut Parser) -> Parsed<u8> {
    code(parser, 7, "severity", parse_severity, severity_words)
}

/// A number up to `most`, or the name of one.
fn code<N: Iterator<Item = &'static str>>(
    parser: &mut Parser,
    most: i64,
    noun: &str,
    find: fn(&str) -> Option<u8>,
    words: fn() -> N,
) -> Parsed<u8> {
    if let TokenKind::Number(..) = parser.peek().kind {
        return parser.integer(0, most).map(|number| number as u8);
    }
    let word = parser.string(&format!("the name of a {noun}"))?;
    find(&word.value).ok_or_else(|| {
        let all = || format!("one of {}", words().collect::<Vec<_>>().join(", "));
        let help = parser.suggestion(&word.value, words()).unwrap_or_else(all);
        parser.report.error(word.span, format!("`{}` is not possible here", word.value), Some(help))
    })
}
