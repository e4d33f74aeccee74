//! The options of `python()` and `python-fetcher()`: [`PythonSourceOptions`].

use std::sync::Arc;
use std::time::Duration;

use super::{EngineLog, Input, LogSourceOptions, Made, ParsingOptions, Planned, SourceOptions};
use crate::config::grammar::{
    CLASS, DriverHead, Kind, MAX_INT, NO_LEVELS, Parsed, Parser, Place, Reported, Table, TokenKind, apply,
    names,
};
use crate::config::{Config, Diagnostic, PythonClass, Span, Spanned};
use crate::flow::inbox::NAP;

/// The window of a source whose configuration does not choose one, in messages: see
/// `docs/decisions/default-window.md`.
pub const DEFAULT_WINDOW: u32 = 100_000;

/// `restart()`: when `run()` is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// After an exception.
    #[default]
    OnFailure,
    /// After an exception and after a return.
    Always,
    /// Not at all.
    Never,
}

/// `restart-backoff()`: how long to wait before `run()` is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first time; each next one waits twice as long.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

/// The two drivers of Python sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonDriver {
    /// `python(…)`
    Source,
    /// `python-fetcher(…)`
    Fetcher,
}

impl PythonDriver {
    /// Its spelling.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "python",
            Self::Fetcher => "python-fetcher",
        }
    }
}

/// `python(…)` and `python-fetcher(…)`
#[derive(Debug, Clone)]
pub struct PythonSourceOptions {
    /// Its driver.
    pub driver: PythonDriver,
    /// The class, with its `options()` and `loaders()`.
    pub class: PythonClass,
    /// `persist-name()`
    pub persist_name: Option<Spanned<String>>,
    /// `internal()`
    pub internal: bool,
    /// The options by which messages are parsed.
    pub parsing: ParsingOptions,
    /// The options that all sources have.
    pub source: LogSourceOptions,
    /// `restart()`
    pub restart: Restart,
    /// `restart-backoff()`
    pub restart_backoff: Backoff,
    /// `stop-timeout()`
    pub stop_timeout: Duration,
    /// `max-inflight-bytes()`
    pub max_inflight_bytes: u64,
    /// `batch-size()`: the most messages in a batch.
    pub batch_size: Option<u32>,
    /// `batch-timeout()`: the longest time that a batch stays open.
    pub batch_timeout: Option<Duration>,
    /// `fetch-no-data-delay()` of a fetcher; `None` is the global `time-reopen()`.
    pub fetch_no_data_delay: Option<Duration>,
    /// `time-reopen()` of a fetcher.
    pub time_reopen: Duration,
}

impl PythonSourceOptions {
    /// The defaults; the class has no name yet.
    fn new(driver: PythonDriver, at: Span) -> Self {
        Self {
            driver,
            class: PythonClass::unnamed(at),
            persist_name: None,
            internal: false,
            parsing: ParsingOptions::default(),
            source: LogSourceOptions::default(),
            restart: Restart::default(),
            restart_backoff: Backoff::default(),
            stop_timeout: Duration::from_secs(10),
            max_inflight_bytes: 64 << 20,
            batch_size: None,
            batch_timeout: None,
            fetch_no_data_delay: None,
            time_reopen: Duration::from_secs(1),
        }
    }
}

const PYTHON: Table<PythonSourceOptions> = &[
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    ("internal", Kind::Unused(NO_LEVELS, &Kind::YesNo(|to, yes| to.internal = yes))),
    ("restart", Kind::Other(|parser, to| restart(parser).map(|restart| to.restart = restart))),
    (
        "restart-backoff",
        Kind::Other(|parser, to| backoff(parser).map(|backoff| to.restart_backoff = backoff)),
    ),
    ("stop-timeout", Kind::Seconds(|to, time| to.stop_timeout = time)),
    ("max-inflight-bytes", Kind::Int(1, i64::MAX, |to, bytes| to.max_inflight_bytes = bytes.unsigned_abs())),
    ("batch-size", Kind::Int(1, MAX_INT, |to, size| to.batch_size = Some(size as u32))),
    ("batch-timeout", Kind::Milliseconds(|to, time| to.batch_timeout = Some(time))),
];

const NO_RUN: &str =
    "on a fetcher: it has no run(), and after an error its open() is called again after time-reopen()";

/// The options that `python-fetcher()` has and `python()` has not, or has with another meaning.
const FETCHER: Table<PythonSourceOptions> = &[
    ("fetch-no-data-delay", Kind::Seconds(|to, time| to.fetch_no_data_delay = Some(time))),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = time)),
    ("restart", Kind::NoEffect(NO_RUN)),
    ("restart-backoff", Kind::NoEffect(NO_RUN)),
];

/// The options that `python()` has not, with the place where it belongs.
const ELSEWHERE: Table<PythonSourceOptions> = &[
    ("fetch-no-data-delay", Kind::Other(|parser, _| Err(fetchers_only(parser, "fetch-no-data-delay")))),
    ("time-reopen", Kind::Other(|parser, _| Err(fetchers_only(parser, "time-reopen")))),
];

impl SourceOptions for PythonSourceOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let (driver, tables): (_, &[Table<Self>]) = if head.word == PythonDriver::Fetcher.word() {
            (PythonDriver::Fetcher, &[FETCHER, PYTHON])
        } else {
            (PythonDriver::Source, &[PYTHON, ELSEWHERE])
        };
        let mut options = Self::new(driver, head.span);
        let errors = parser.report.errors();
        let known = || {
            let own = tables.iter().flat_map(|table| names(table));
            own.chain(names(CLASS)).chain(ParsingOptions::names()).chain(LogSourceOptions::names()).collect()
        };
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            let own = tables.iter().find_map(|table| apply(table, &mut options, parser, key));
            own.or_else(|| apply(CLASS, &mut options.class, parser, key))
                .or_else(|| options.parsing.apply(parser, key))
                .or_else(|| options.source.apply(parser, key))
        });
        options.class.require_name(parser, head.word, errors)?;
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn plan(&self, _: &Config, _: &str) -> Result<Planned, Diagnostic> {
        Ok(Planned {
            class: Some(self.class.name.value.clone()),
            window: self.source.log_iw_size.map_or(DEFAULT_WINDOW, |size| size as u32),
            max_bytes: self.max_inflight_bytes,
            batch_size: self.batch_size,
            nap: self.batch_timeout.unwrap_or(NAP),
            is_local: false,
        })
    }

    fn make(&self, _: &Input, _: &Config, _: &Arc<dyn EngineLog>) -> Made {
        Ok(None)
    }
}

fn fetchers_only(parser: &mut Parser, option: &str) -> Reported {
    let help = Some(format!("python-fetcher() has {option}(), for classes that derive from LogFetcher"));
    let span = parser.last_span();
    parser.report.error(span, format!("python() has no option `{option}`"), help)
}

/// The word of `restart()`.
pub(super) fn restart(parser: &mut Parser) -> Parsed<Restart> {
    parser.choice(&[
        ("on-failure", Restart::OnFailure),
        ("always", Restart::Always),
        ("never", Restart::Never),
    ])
}

/// The two times of `restart-backoff()`.
pub(super) fn backoff(parser: &mut Parser) -> Parsed<Backoff> {
    let at = parser.peek().span;
    let initial = parser.seconds()?;
    if parser.sees(&TokenKind::RParen) {
        return Err(parser.unexpected("two numbers of seconds, the first wait and the longest one"));
    }
    let max = parser.seconds()?;
    if max < initial {
        let span = at.to(parser.last_span());
        return Err(parser.report.error(span, "the longest wait is shorter than the first one", None));
    }
    Ok(Backoff { initial, max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;
    use crate::syslog::Flags;

    /// The configuration of one source with these options.
    fn config(global: &str, from: &str) -> Config {
        let text = format!("options {{ {global} }}; source s {{ python(class(A) {from}); }};");
        let environment = Environment::new(&VOCABULARY);
        parse_str("test.conf", &text, &environment).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn python(config: &Config) -> &PythonSourceOptions {
        config.sources["s"].drivers()[0].options().expect("python()")
    }

    /// Breaks without it: an option of a source is accepted and changes nothing.
    #[test]
    fn options_of_a_source_arrive() {
        let plan = |from| {
            let config = config("", from);
            crate::source::plan(&config, "s", config.sources["s"].drivers()[0]).unwrap()
        };
        let default = plan("");
        assert_eq!((default.nap, default.batch_size), (NAP, None));
        assert_eq!((default.window, default.max_bytes), (DEFAULT_WINDOW, 64 << 20));
        let own = plan("batch-timeout(7) batch-size(9) log-iw-size(5) max-inflight-bytes(6k)");
        assert_eq!((own.nap, own.batch_size), (Duration::from_millis(7), Some(9)));
        assert_eq!((own.window, own.max_bytes), (5, 6000));
        let pri = |from| python(&config("", from)).parsing.forced_pri();
        assert_eq!(pri(""), None);
        assert_eq!(pri("default-facility(local3)"), Some(19 * 8 + 5));
        assert_eq!(pri("default-facility(security)"), Some(13 * 8 + 5));
        assert_eq!(pri("default-severity(crit)"), Some(8 + 2));
        assert_eq!(pri("default-level(4)"), Some(8 + 4));
        assert_eq!(pri("default-priority(Debug) default-facility(100)"), Some(807));
    }

    /// Breaks without it: two words of `flags()` are one flag, or each other's.
    #[test]
    fn every_word_of_flags_arrives() {
        let flags = |global: &str, from: &str| {
            let config = config(global, from);
            python(&config).parsing.parse_options(&config).unwrap().flags
        };
        assert_eq!(flags("", ""), Flags::DEFAULT);
        for (word, flag, on) in [
            ("no-parse", Flags::PARSE, false),
            ("check-hostname", Flags::CHECK_HOSTNAME, true),
            ("no-syslog-protocol", Flags::SYSLOG_PROTOCOL, false),
            ("syslog-protocol", Flags::SYSLOG_PROTOCOL, true),
            ("assume-utf8", Flags::ASSUME_UTF8, true),
            ("validate-utf8", Flags::VALIDATE_UTF8, true),
            ("sanitize-utf8", Flags::SANITIZE_UTF8, true),
            ("no-multi-line", Flags::MULTI_LINE, false),
            ("store-legacy-msghdr", Flags::STORE_LEGACY_MSGHDR, true),
            ("dont-store-legacy-msghdr", Flags::STORE_LEGACY_MSGHDR, false),
            ("store-raw-message", Flags::STORE_RAW_MESSAGE, true),
            ("expect-hostname", Flags::EXPECT_HOSTNAME, true),
            ("no-hostname", Flags::EXPECT_HOSTNAME, false),
            ("guess-timezone", Flags::GUESS_TIMEZONE, true),
            ("no-header", Flags::HEADER, false),
            ("no-rfc3164-fallback", Flags::RFC3164_FALLBACK, false),
            ("piggyback-errors", Flags::PIGGYBACK_ERRORS, true),
            ("no-piggyback-errors", Flags::PIGGYBACK_ERRORS, false),
            ("check-program", Flags::CHECK_PROGRAM, true),
        ] {
            let expected = Flags::DEFAULT.with(flag, on);
            assert_eq!(flags("", &format!("flags({word})")), expected, "{word}");
            assert_eq!(flags("", &format!("flags({})", word.replace('-', "_"))), expected, "{word}");
        }
        assert_eq!(flags("check-hostname(yes);", ""), Flags::DEFAULT.with(Flags::CHECK_HOSTNAME, true));
    }
}
