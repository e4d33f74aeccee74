//! `source { }` and the source drivers.
use std::time::Duration;

use indexmap::IndexMap;

use super::option_table::{Key, Kind, MAX_INT, NO_LEVELS, Table, apply, names};
use super::parser::{Opening, Parsed, Parser};
use super::python_options::OptionValue;
use super::report::Reported;
use super::span::{Span, Spanned};
use super::token::{TokenKind, same_word};
use super::unsupported::Place;
use crate::syslog::Flags;
use crate::syslog::names::{facility_words, parse_facility, parse_severity, severity_words};

/// `source NAME { … };`, or a source written inside a log path.
#[derive(Debug, Clone)]
pub struct SourceStatement {
    /// The name; of an anonymous source, one that nobody can have written.
    pub name: String,
    /// Where the statement starts.
    pub span: Span,
    /// The drivers, in the order in which they were written.
    pub drivers: Vec<IdentifiedSource>,
}

/// A source driver with its id.
#[derive(Debug, Clone)]
pub struct IdentifiedSource {
    /// `<name of the statement>#<index>`
    pub id: String,
    /// The driver's name, as `python`.
    pub span: Span,
    /// The driver.
    pub driver: SourceDriver,
}

/// A source driver and its options.
#[derive(Debug, Clone)]
pub enum SourceDriver {
    /// `python(…)` and `python-fetcher(…)`
    Python(Box<PythonSourceOptions>),
    /// `internal(…)`
    Internal(InternalSourceOptions),
}

/// `use-dns()`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseDns {
    /// Addresses stay addresses.
    No,
    /// Addresses become names.
    Yes,
    /// Only the names of the hosts file are used.
    PersistOnly,
}

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

/// The options that all sources have. `None` means: as in `options {}`.
#[derive(Debug, Clone)]
pub struct LogSourceOptions {
    /// `log-iw-size()`: messages in flight. `None` lets the engine choose.
    pub log_iw_size: Option<usize>,
    /// `keep-hostname()`
    pub keep_hostname: Option<bool>,
    /// `chain-hostnames()`
    pub chain_hostnames: Option<bool>,
    /// `keep-timestamp()`
    pub keep_timestamp: Option<bool>,
    /// `program-override()`
    pub program_override: Option<Spanned<String>>,
    /// `host-override()`
    pub host_override: Option<Spanned<String>>,
    /// `tags()`, of all that were written.
    pub tags: Vec<String>,
    /// `use-dns()`
    pub use_dns: Option<UseDns>,
    /// `use-fqdn()`
    pub use_fqdn: Option<bool>,
    /// `dns-cache()`
    pub dns_cache: Option<bool>,
    /// `normalize-hostnames()`
    pub normalize_hostnames: Option<bool>,
    /// `use-syslogng-pid()`
    pub use_syslogng_pid: bool,
    /// `read-old-records()`
    pub read_old_records: bool,
}

impl Default for LogSourceOptions {
    fn default() -> Self {
        Self {
            log_iw_size: None,
            keep_hostname: None,
            chain_hostnames: None,
            keep_timestamp: None,
            program_override: None,
            host_override: None,
            tags: Vec::new(),
            use_dns: None,
            use_fqdn: None,
            dns_cache: None,
            normalize_hostnames: None,
            use_syslogng_pid: false,
            read_old_records: true,
        }
    }
}

const NO_OLD_RECORDS: &str = "on the sources of this version: they have none";

const LOG_SOURCE: Table<LogSourceOptions> = &[
    ("log-iw-size", Kind::Int(1, MAX_INT, |to, size| to.log_iw_size = Some(size as usize))),
    ("keep-hostname", Kind::YesNo(|to, yes| to.keep_hostname = Some(yes))),
    ("chain-hostnames", Kind::YesNo(|to, yes| to.chain_hostnames = Some(yes))),
    ("keep-timestamp", Kind::YesNo(|to, yes| to.keep_timestamp = Some(yes))),
    ("program-override", Kind::Text(|to, text| to.program_override = Some(text))),
    ("host-override", Kind::Text(|to, text| to.host_override = Some(text))),
    (
        "log-prefix",
        Kind::Other(|parser, to| {
            let mut prefix = parser.string("a text")?;
            let help = Some("use program-override()".to_owned());
            parser.report.warn(prefix.span, "log-prefix() is an old spelling", help);
            if let Some(colon) = prefix.value.rfind(':') {
                prefix.value.truncate(colon);
            }
            to.program_override = Some(prefix);
            Ok(())
        }),
    ),
    ("tags", Kind::Texts(|to, tag| to.tags.push(tag.value))),
    ("use-dns", Kind::Other(|parser, to| parser.use_dns().map(|dns| to.use_dns = Some(dns)))),
    ("use-fqdn", Kind::YesNo(|to, yes| to.use_fqdn = Some(yes))),
    ("dns-cache", Kind::YesNo(|to, yes| to.dns_cache = Some(yes))),
    ("normalize-hostnames", Kind::YesNo(|to, yes| to.normalize_hostnames = Some(yes))),
    ("use-syslogng-pid", Kind::YesNo(|to, yes| to.use_syslogng_pid = yes)),
    ("read-old-records", Kind::Unused(NO_OLD_RECORDS, &Kind::YesNo(|to, yes| to.read_old_records = yes))),
];

/// Which of the two drivers of Python sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonDriver {
    /// `python(…)`
    Source,
    /// `python-fetcher(…)`
    Fetcher,
}

impl PythonDriver {
    /// How it is written.
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
    /// Which of the two it is.
    pub driver: PythonDriver,
    /// `class()`
    pub class: Spanned<String>,
    /// `options()`, of all that were written; keys have `_` for `-`.
    pub options: IndexMap<String, OptionValue>,
    /// `loaders()` or `imports()`: modules to import before the class is looked up.
    pub loaders: Vec<Spanned<String>>,
    /// `persist-name()`
    pub persist_name: Option<Spanned<String>>,
    /// `internal()`
    pub internal: bool,
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
            class: Spanned::new(String::new(), at),
            options: IndexMap::new(),
            loaders: Vec::new(),
            persist_name: None,
            internal: false,
            flags: Flags::default(),
            format: None,
            time_zone: None,
            default_facility: None,
            default_severity: None,
            sdata_prefix: None,
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
    ("class", Kind::Text(|to, class| to.class = class)),
    ("options", Kind::Other(|parser, to| parser.python_options(&mut to.options))),
    ("loaders", Kind::Texts(|to, module| to.loaders.push(module))),
    (
        "imports",
        Kind::Other(|parser, to| {
            let span = parser.last_span();
            parser.report.warn(span, "imports() is an old spelling", Some("use loaders()".to_owned()));
            while !parser.sees(&TokenKind::RParen) {
                to.loaders.push(parser.string("the name of a module")?);
            }
            Ok(())
        }),
    ),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    ("internal", Kind::Unused(NO_LEVELS, &Kind::YesNo(|to, yes| to.internal = yes))),
    ("flags", Kind::Other(|parser, to| parser.parse_flags(&mut to.flags))),
    ("format", Kind::Text(|to, format| to.format = Some(format))),
    ("time-zone", Kind::Text(|to, zone| to.time_zone = Some(zone))),
    (
        "default-facility",
        Kind::Other(|parser, to| parser.facility().map(|code| to.default_facility = Some(code))),
    ),
    (
        "default-severity",
        Kind::Other(|parser, to| parser.severity().map(|code| to.default_severity = Some(code))),
    ),
    (
        "default-level",
        Kind::Other(|parser, to| parser.severity().map(|code| to.default_severity = Some(code))),
    ),
    (
        "default-priority",
        Kind::Other(|parser, to| parser.severity().map(|code| to.default_severity = Some(code))),
    ),
    ("sdata-prefix", Kind::Text(|to, prefix| to.sdata_prefix = Some(prefix))),
    (
        "restart",
        Kind::Other(|parser, to| {
            to.restart = parser.choice(&[
                ("on-failure", Restart::OnFailure),
                ("always", Restart::Always),
                ("never", Restart::Never),
            ])?;
            Ok(())
        }),
    ),
    (
        "restart-backoff",
        Kind::Other(|parser, to| parser.backoff().map(|backoff| to.restart_backoff = backoff)),
    ),
    ("stop-timeout", Kind::Seconds(|to, time| to.stop_timeout = time)),
    ("max-inflight-bytes", Kind::Int(1, i64::MAX, |to, bytes| to.max_inflight_bytes = bytes.unsigned_abs())),
    ("batch-size", Kind::Int(1, MAX_INT, |to, size| to.batch_size = Some(size as u32))),
    ("batch-timeout", Kind::Milliseconds(|to, time| to.batch_timeout = Some(time))),
];

const NO_RUN: &str =
    "on a fetcher: it has no run(), and after an error its open() is called again after time-reopen()";

/// What `python-fetcher()` has and `python()` has not, or has with another meaning.
const FETCHER: Table<PythonSourceOptions> = &[
    ("fetch-no-data-delay", Kind::Seconds(|to, time| to.fetch_no_data_delay = Some(time))),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = time)),
    ("restart", Kind::NoEffect(NO_RUN)),
    ("restart-backoff", Kind::NoEffect(NO_RUN)),
];

/// What `python()` has not, with the place where it belongs.
const ELSEWHERE: Table<PythonSourceOptions> = &[
    ("fetch-no-data-delay", Kind::Other(|parser, _| Err(parser.fetchers_only("fetch-no-data-delay")))),
    ("time-reopen", Kind::Other(|parser, _| Err(parser.fetchers_only("time-reopen")))),
];

/// `internal(…)`: Inrush's own messages.
#[derive(Debug, Clone, Default)]
pub struct InternalSourceOptions {
    /// `log-fifo-size()`: how many of them wait at most.
    pub log_fifo_size: Option<usize>,
    /// The options that all sources have.
    pub source: LogSourceOptions,
}

const INTERNAL: Table<InternalSourceOptions> =
    &[("log-fifo-size", Kind::Int(1, MAX_INT, |to, size| to.log_fifo_size = Some(size as usize)))];

const DRIVERS: [&str; 3] = ["python", "python-fetcher", "internal"];

impl Parser {
    pub(super) fn use_dns(&mut self) -> Parsed<UseDns> {
        self.choice(&[
            ("yes", UseDns::Yes),
            ("no", UseDns::No),
            ("on", UseDns::Yes),
            ("off", UseDns::No),
            ("1", UseDns::Yes),
            ("0", UseDns::No),
            ("persist-only", UseDns::PersistOnly),
        ])
    }

    /// The words of a source's `flags()`.
    fn parse_flags(&mut self, flags: &mut Flags) -> Parsed<()> {
        while !self.sees(&TokenKind::RParen) {
            let word = self.string("a flag")?;
            if self.is_old_flag(&word) {
                continue;
            }
            if let Err(error) = flags.apply_posted(&word.value) {
                let words: Vec<_> = Flags::words().collect();
                let help = if error.is_readers {
                    Some("a Python source reads for itself".to_owned())
                } else {
                    self.suggestion(&word.value, words.iter().map(String::as_str))
                };
                self.report.error(word.span, error.to_string(), help);
            }
        }
        Ok(())
    }

    /// Tells whether a word of `flags()` is one of old files that means nothing any more, which is then said.
    pub(super) fn is_old_flag(&mut self, word: &Spanned<String>) -> bool {
        let is_old = same_word(&word.value, "nobackref");
        if is_old {
            let message =
                "`nobackref` has no effect: what a match finds is kept only where store-matches is set";
            self.report.warn(word.span, message, None);
        }
        is_old
    }

    /// A facility, by its name or its number (0 to 127).
    fn facility(&mut self) -> Parsed<u8> {
        self.code(127, "facility", parse_facility, facility_words)
    }

    /// A severity, by its name or its number (0 to 7).
    fn severity(&mut self) -> Parsed<u8> {
        self.code(7, "severity", parse_severity, severity_words)
    }

    /// A number up to `most`, or the name of one.
    fn code<N: Iterator<Item = &'static str>>(
        &mut self,
        most: i64,
        noun: &str,
        find: fn(&str) -> Option<u8>,
        words: fn() -> N,
    ) -> Parsed<u8> {
        if let TokenKind::Number(..) = self.peek().kind {
            return self.integer(0, most).map(|number| number as u8);
        }
        let word = self.string(&format!("the name of a {noun}"))?;
        find(&word.value).ok_or_else(|| {
            let all = || format!("one of {}", words().collect::<Vec<_>>().join(", "));
            let help = self.suggestion(&word.value, words()).unwrap_or_else(all);
            self.report.error(word.span, format!("`{}` is not possible here", word.value), Some(help))
        })
    }

    fn fetchers_only(&mut self, option: &str) -> Reported {
        let help = Some(format!("python-fetcher() has {option}(), for classes that derive from LogFetcher"));
        let span = self.last_span();
        self.report.error(span, format!("python() has no option `{option}`"), help)
    }

    fn backoff(&mut self) -> Parsed<Backoff> {
        let at = self.peek().span;
        let initial = self.seconds()?;
        if self.sees(&TokenKind::RParen) {
            return Err(self.unexpected("two numbers of seconds, the first wait and the longest one"));
        }
        let max = self.seconds()?;
        if max < initial {
            let span = at.to(self.last_span());
            return Err(self.report.error(span, "the longest wait is shorter than the first one", None));
        }
        Ok(Backoff { initial, max })
    }

    /// A source driver; `index` is its place in the statement called `name`.
    pub(super) fn source_driver(&mut self, name: &str, index: usize) -> Parsed<IdentifiedSource> {
        let (key, open) = self.driver_name(Place::Source, &DRIVERS)?;
        let driver = if same_word(&key.value, "python") {
            SourceDriver::Python(Box::new(self.python_source(PythonDriver::Source, &key, open)?))
        } else if same_word(&key.value, "python-fetcher") {
            SourceDriver::Python(Box::new(self.python_source(PythonDriver::Fetcher, &key, open)?))
        } else {
            let mut options = InternalSourceOptions::default();
            self.source_options(open, &[INTERNAL], &mut options, |options| &mut options.source);
            SourceDriver::Internal(options)
        };
        Ok(IdentifiedSource { id: format!("{name}#{index}"), span: key.span, driver })
    }

    fn python_source(
        &mut self,
        driver: PythonDriver,
        key: &Key,
        open: Opening,
    ) -> Parsed<PythonSourceOptions> {
        let mut options = PythonSourceOptions::new(driver, key.span);
        let errors = self.report.errors();
        let tables: &[Table<PythonSourceOptions>] = match driver {
            PythonDriver::Source => &[PYTHON, ELSEWHERE],
            PythonDriver::Fetcher => &[FETCHER, PYTHON],
        };
        self.source_options(open, tables, &mut options, |options| &mut options.source);
        if options.class.value.is_empty() {
            if self.report.errors() == errors {
                let help = Some("name the class with class(\"Name\") or class(\"module.Name\")".to_owned());
                let message = format!("{}() needs the name of a class", key.value);
                self.report.error(options.class.span, message, help);
            }
            return Err(Reported);
        }
        Ok(options)
    }

    /// The options of a source driver: those of its own `tables`, the first of which wins, and those that all
    /// sources have.
    fn source_options<T>(
        &mut self,
        open: Opening,
        tables: &[Table<T>],
        options: &mut T,
        log_source: fn(&mut T) -> &mut LogSourceOptions,
    ) {
        let known = || tables.iter().flat_map(|table| names(table)).chain(names(LOG_SOURCE)).collect();
        self.options_in_parentheses(open, Place::SourceOption, &known, |parser, key| {
            tables
                .iter()
                .find_map(|table| apply(table, options, parser, key))
                .or_else(|| apply(LOG_SOURCE, log_source(options), parser, key))
        });
    }
}
