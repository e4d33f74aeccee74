//! From the options of a configuration, with their defaults, to what runs by them.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regex::bytes::Regex;

use crate::config::{
    Config, DestinationDriver, Diagnostic, IdentifiedDestination, IdentifiedSource, LogSourceOptions,
    Ownership, PythonSourceOptions, SourceDriver, Spanned, TemplateOptions, TemplateText, WriterOptions,
};
use crate::destination::file::{Access, Opening, group_id, user_id};
use crate::destination::{FileSettings, LineFormat};
use crate::flow::inbox::NAP;
use crate::source::{HostNames, NameOptions, Outside, SourcePolicy, ThisSystem};
use crate::syslog::names::DEFAULT_PRI;
use crate::syslog::{BadHostname, Flags, Format, ParseOptions};
use crate::template::{Identity, Options, Template, Zone};

/// The window of a source whose configuration does not choose one, in messages: see `docs/decisions.md`.
pub const DEFAULT_WINDOW: u32 = 100_000;
/// The window of an `internal()` source that does not choose one.
const INTERNAL_WINDOW: u32 = 10_000;
/// The byte half of the credit of an `internal()` source.
const INTERNAL_BYTES: u64 = 16 * 1024 * 1024;

/// Who formats: this machine and this process.
static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let host = ThisSystem::new().node_name();
    let host_id = std::fs::read_to_string("/etc/machine-id")
        .ok()
        .and_then(|id| u32::from_str_radix(id.get(..8)?, 16).ok())
        .unwrap_or_default();
    Arc::new(Identity { host, host_id, run_id: now.as_secs() as u32, started_micros: now.as_micros() as i64 })
});

/// Messages and bytes that a source may have in flight.
pub fn credit(driver: &IdentifiedSource) -> (u32, u64) {
    match &driver.driver {
        SourceDriver::Python(options) => {
            let window = options.source.log_iw_size.map_or(DEFAULT_WINDOW, |size| size as u32);
            (window, options.max_inflight_bytes)
        }
        SourceDriver::Internal(options) => {
            let window = options.source.log_iw_size.or(options.log_fifo_size);
            (window.map_or(INTERNAL_WINDOW, |size| size as u32), INTERNAL_BYTES)
        }
    }
}

/// `batch-size()`: the most messages of a batch.
pub fn batch_size(driver: &IdentifiedSource) -> Option<u32> {
    match &driver.driver {
        SourceDriver::Python(options) => options.batch_size,
        SourceDriver::Internal(_) => None,
    }
}

/// `batch-timeout()`: how long at least the worker of a busy source looks away, so that a batch fills.
pub fn nap(driver: &IdentifiedSource) -> Duration {
    match &driver.driver {
        SourceDriver::Python(options) => options.batch_timeout.unwrap_or(NAP),
        SourceDriver::Internal(_) => NAP,
    }
}

/// The numbers of messages, for RCPTID and UNIQID (`use-uniqid()`): they rise, across restarts too, as
/// long as fewer than a million messages a second come and the clock does not go back.
pub fn unique_ids() -> Arc<AtomicU64> {
    static IDS: LazyLock<Arc<AtomicU64>> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(AtomicU64::new(now.as_micros() as u64))
    });
    Arc::clone(&IDS)
}

fn source_options(driver: &IdentifiedSource) -> &LogSourceOptions {
    match &driver.driver {
        SourceDriver::Python(options) => &options.source,
        SourceDriver::Internal(options) => &options.source,
    }
}

/// How a source names hosts. May ask the system's resolver for the local one.
pub fn names(config: &Config, driver: &IdentifiedSource) -> HostNames {
    HostNames::new(NameOptions::new(&config.options, source_options(driver)), Arc::new(ThisSystem::new()))
}

/// What the source layer does to the messages of a source on the host called `local`.
pub fn policy(config: &Config, statement: &str, driver: &IdentifiedSource, local: &Arc<str>) -> SourcePolicy {
    let policy = SourcePolicy::new(statement, local, &config.options, source_options(driver));
    match driver.driver {
        SourceDriver::Internal(_) => policy.for_local_messages(),
        SourceDriver::Python(_) => policy,
    }
}

/// The local clock's offset from UTC at this moment, in seconds east.
pub fn local_offset() -> i32 {
    jiff::Zoned::now().offset().seconds()
}

/// The priority that replaces a message's own, when `default-facility()` or `default-severity()` is set.
pub fn forced_pri(options: &PythonSourceOptions) -> Option<u16> {
    if options.default_facility.is_none() && options.default_severity.is_none() {
        return None;
    }
    let facility = options.default_facility.map_or(DEFAULT_PRI / 8, u16::from);
    let severity = options.default_severity.map_or(DEFAULT_PRI % 8, u16::from);
    Some(facility * 8 + severity)
}

/// How a Python source's messages are parsed.
///
/// # Errors
/// A format or a time zone that is not known, at its place.
pub fn parse_options(config: &Config, options: &PythonSourceOptions) -> Result<ParseOptions, Diagnostic> {
    let mut flags = options.flags;
    if config.options.check_hostname {
        flags = flags.with(Flags::CHECK_HOSTNAME, true);
    }
    let format = match &options.format {
        None => Format::Syslog,
        Some(word) => Format::from_word(&word.value).ok_or_else(|| {
            let help = "this version knows `syslog` and `raw`".to_owned();
            config.error(word.span, format!("unknown format `{}`", word.value), Some(help))
        })?,
    };
    let zone = options.time_zone.as_ref().or(config.options.recv_time_zone.as_ref());
    let time_zone = zone.map(|zone| receiving_zone(config, zone)).transpose()?;
    Ok(ParseOptions {
        flags,
        format,
        default_pri: forced_pri(options).unwrap_or(DEFAULT_PRI),
        time_zone,
        sdata_prefix: options.sdata_prefix.as_ref().map(|prefix| prefix.value.clone()),
        bad_hostname: config
            .options
            .bad_hostname
            .as_ref()
            .map(|regex| bad_hostname(config, regex))
            .transpose()?,
    })
}

fn bad_hostname(config: &Config, regex: &Spanned<String>) -> Result<BadHostname, Diagnostic> {
    let compiled = Regex::new(&regex.value)
        .map_err(|error| config.error(regex.span, format!("this is no regular expression: {error}"), None))?;
    Ok(BadHostname::new(move |word| compiled.is_match(word)))
}

fn unknown_zone(config: &Config, zone: &Spanned<String>) -> Diagnostic {
    let help = "expected a name like Europe/Budapest, or an offset like +01:00".to_owned();
    config.error(zone.span, format!("unknown time zone `{}`", zone.value), Some(help))
}

fn receiving_zone(config: &Config, zone: &Spanned<String>) -> Result<crate::syslog::Zone, Diagnostic> {
    let found = Zone::parse(&zone.value).ok_or_else(|| unknown_zone(config, zone))?;
    Ok(found.to_time_zone().into())
}

/// Messages that may wait for a destination without the credit of their source.
pub fn fifo_size(config: &Config, to: &IdentifiedDestination) -> u64 {
    writer(to).driver.log_fifo_size.unwrap_or(config.options.log_fifo_size) as u64
}

fn writer(to: &IdentifiedDestination) -> &WriterOptions {
    match &to.driver {
        DestinationDriver::File(options) => &options.writer,
        DestinationDriver::Stdout(options) => &options.writer,
    }
}

/// What a destination is to do.
///
/// # Errors
/// Users, groups and time zones that nobody knows, at their places.
pub fn destination(config: &Config, to: &IdentifiedDestination) -> Result<FileSettings, Diagnostic> {
    let global = &config.options;
    let writer = writer(to);
    let mut settings = match &to.driver {
        DestinationDriver::Stdout(_) => FileSettings::stdout(),
        DestinationDriver::File(options) => {
            let mut settings = FileSettings::new(options.path.template.clone());
            settings.opening = Opening {
                create_dirs: options.create_dirs.unwrap_or(global.create_dirs),
                file: access(config, &options.permissions.file(&global.file))?,
                dir: access(config, &options.permissions.dir(&global.dir))?,
            };
            settings.fsync = options.fsync;
            settings.time_reap = options.time_reap.unwrap_or(global.time_reap);
            settings
        }
    };
    settings.fifo_size = fifo_size(config, to);
    settings.time_reopen = writer.time_reopen.unwrap_or(global.time_reopen).max(Duration::from_millis(1));
    settings.no_multi_line = writer.flags.no_multi_line;
    let template = writer.template.as_ref();
    settings.line = if writer.flags.syslog_protocol {
        LineFormat::SyslogProtocol(template.map(compiled))
    } else {
        let fallback = if matches!(to.driver, DestinationDriver::File(_)) {
            global.file_template.as_ref()
        } else {
            None
        };
        LineFormat::Template(template.or(fallback).map_or_else(Template::file_line, compiled))
    };
    let escape = template.and_then(|template| template.escape);
    settings.options = template_options(config, &writer.template_options, escape)?;
    settings.identity = Arc::clone(&IDENTITY);
    Ok(settings)
}

fn compiled(text: &TemplateText) -> Template {
    text.template.clone()
}

fn access(config: &Config, owner: &Ownership) -> Result<Access, Diagnostic> {
    let number = |name: &Option<Spanned<String>>, find: fn(&str) -> Result<u32, String>| {
        let found =
            name.as_ref().map(|name| find(&name.value).map_err(|text| config.error(name.span, text, None)));
        found.transpose()
    };
    Ok(Access {
        owner: number(&owner.owner, user_id)?,
        group: number(&owner.group, group_id)?,
        perm: owner.perm,
    })
}

fn template_options(
    config: &Config,
    own: &TemplateOptions,
    escape: Option<bool>,
) -> Result<Options, Diagnostic> {
    let global = &config.options;
    let zone = |own: &Option<Spanned<String>>, global: &Option<Spanned<String>>| {
        let named = own.as_ref().or(global.as_ref());
        named.map(|zone| Zone::parse(&zone.value).ok_or_else(|| unknown_zone(config, zone))).transpose()
    };
    Ok(Options {
        ts_format: own.ts_format.unwrap_or(global.ts_format),
        frac_digits: own.frac_digits.unwrap_or(global.frac_digits),
        send_time_zone: zone(&own.send_time_zone, &global.send_time_zone)?,
        local_time_zone: zone(&own.local_time_zone, &global.local_time_zone)?,
        on_error: own.on_error.unwrap_or(global.on_error),
        template_escape: own.template_escape.or(escape).unwrap_or(global.template_escape),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};

    /// The configuration of one source and one file, with these options.
    fn config(global: &str, from: &str, to: &str) -> Config {
        let text = format!(
            "options {{ {global} }}; source s {{ python(class(A) {from}); }};
             destination d {{ file(\"/x\" {to}); }}; log {{ source(s); destination(d); }};"
        );
        parse_str("test.conf", &text, &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn of_source<T>(from: &str, read: impl Fn(&IdentifiedSource) -> T) -> T {
        read(&config("", from, "").sources["s"].drivers[0])
    }

    fn python(config: &Config) -> &PythonSourceOptions {
        match &config.sources["s"].drivers[0].driver {
            SourceDriver::Python(options) => options,
            SourceDriver::Internal(_) => panic!("python()"),
        }
    }

    fn of_file(global: &str, to: &str) -> FileSettings {
        let config = config(global, "", to);
        destination(&config, &config.destinations["d"].drivers[0]).unwrap()
    }

    /// Breaks without it: an option of a source is accepted and changes nothing.
    #[test]
    fn options_of_a_source_arrive() {
        assert_eq!(of_source("", nap), NAP);
        assert_eq!(of_source("batch-timeout(7)", nap), Duration::from_millis(7));
        assert_eq!((of_source("", batch_size), of_source("batch-size(9)", batch_size)), (None, Some(9)));
        assert_eq!(of_source("", credit), (DEFAULT_WINDOW, 64 << 20));
        assert_eq!(of_source("log-iw-size(5) max-inflight-bytes(6k)", credit), (5, 6000));
        let pri = |from| forced_pri(python(&config("", from, "")));
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
            let config = config(global, from, "");
            parse_options(&config, python(&config)).unwrap().flags
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

    /// Breaks without it: an option of a file is accepted and changes nothing, or the global one wins.
    #[test]
    fn options_of_a_file_arrive() {
        let seconds = Duration::from_secs;
        let plain = of_file("", "");
        assert_eq!((plain.time_reopen, plain.time_reap, plain.fsync), (seconds(60), seconds(60), false));
        assert!(!plain.no_multi_line && !plain.opening.create_dirs);
        assert_eq!((plain.opening.file.perm, plain.opening.dir.perm), (Some(0o600), Some(0o700)));
        let all = "time-reopen(2); time-reap(3); create-dirs(yes); perm(0640); dir-perm(0750);";
        let global = of_file(all, "");
        assert_eq!((global.time_reopen, global.time_reap), (seconds(2), seconds(3)));
        assert!(global.opening.create_dirs);
        assert_eq!((global.opening.file.perm, global.opening.dir.perm), (Some(0o640), Some(0o750)));
        let own = of_file(
            all,
            "time-reopen(0) time-reap(5) create-dirs(no) perm(0604) dir-perm(0705) fsync(yes) flags(no-multi-line)",
        );
        assert_eq!((own.time_reopen, own.time_reap), (Duration::from_millis(1), seconds(5)));
        assert!(own.fsync && own.no_multi_line && !own.opening.create_dirs);
        assert_eq!((own.opening.file.perm, own.opening.dir.perm), (Some(0o604), Some(0o705)));
        let fifo = |global, to| {
            let config = config(global, "", to);
            fifo_size(&config, &config.destinations["d"].drivers[0])
        };
        assert_eq!((fifo("", ""), fifo("log-fifo-size(7);", "")), (10_000, 7));
        assert_eq!(fifo("log-fifo-size(7);", "log-fifo-size(8)"), 8);
    }
}
