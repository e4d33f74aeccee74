//! The options that all sources have: [`LogSourceOptions`].

use crate::config::Spanned;
use crate::config::UseDns;
use crate::config::grammar::{Key, Kind, MAX_INT, Parsed, Parser, Table, apply, names};

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

impl LogSourceOptions {
    /// The names of the options.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names(LOG_SOURCE)
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key) -> Option<Parsed<()>> {
        apply(LOG_SOURCE, self, parser, key)
    }
}
