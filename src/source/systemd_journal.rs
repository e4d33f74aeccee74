//! `systemd-journal()`: the entries of systemd's journal, as `journalctl` writes them.
//!
//! ```text
//!  journalctl --follow --output=export ─ pipe ─► ExportReader ─ entry ─► EntryRow ─► lane … destination
//!        ▲                                             │ cursor                            │ acknowledged
//!        └────────── --cursor ◄── JournalProgress ◄────┴──────────── Marks ◄───────────────┘
//! ```
//!
//! One thread reads what the program writes, and posts it; without credit it does not read, and the program
//! waits. The program is started again, after a pause that doubles, when it ends; it goes on behind the last
//! entry that was read. The cursor in the state file is behind what is acknowledged. (Why a program, and not
//! the library: `docs/decisions/the-journal-is-read-by-journalctl.md`.)
//!
//! * [`export`]: what the program writes; [`row`]: an entry as a message; [`journalctl`]: the program;
//!   [`progress`]: how far it was read and delivered; [`run`]: the thread.

use std::sync::Arc;
use std::time::Duration;

use super::stream::WakeFd;
use super::{
    DEFAULT_WINDOW, EngineLog, Input, LogSourceOptions, Made, ParsingOptions, Planned, SourceOptions,
    SourceThread, Start,
};
use crate::config::grammar::{
    DriverHead, Kind, MAX_INT, Parsed, Parser, Place, Table, TokenKind, apply, names,
};
use crate::config::{Config, Diagnostic, Span, Spanned, Version};
use crate::flow::inbox::NAP;
use crate::message::Origin;
use crate::syslog::Zone;

mod export;
mod journalctl;
mod progress;
mod row;
mod run;

use export::MAX_ENTRY;
pub use export::journal_entries;
use journalctl::Journalctl;
use row::EntryRow;
use run::Setup;

/// The time that its thread may take to end: that of a post, and of the program's end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The byte half of its credit, where `max-inflight-bytes()` does not say it.
const BYTES: u64 = 64 << 20;
/// The prefix of values, where `prefix()` does not say it.
const PREFIX: &str = ".journald.";
/// The longest prefix.
const MAX_PREFIX: usize = 50;
/// `max-field-size()`
const MAX_FIELD_SIZE: usize = 64 << 10;
/// The facility local0, and the level notice, of entries that do not say theirs.
const DEFAULTS: (u16, u16) = (16, 5);
/// TRANSPORT
const TRANSPORT: &str = "local+journal";
/// The file with the number of the boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The file with the number of the machine, and the field that has it in each entry.
const MACHINE_ID: &str = "/etc/machine-id";
const MACHINE: &str = "_MACHINE_ID";

/// `systemd-journal(…)`
#[derive(Debug, Clone)]
pub(super) struct JournalOptions {
    /// The place of the driver's word.
    at: Span,
    /// `prefix()`
    prefix: Option<Spanned<String>>,
    /// `max-field-size()`
    max_field_size: usize,
    /// `namespace()`
    namespace: Option<Spanned<String>>,
    /// `match-boot()`
    match_boot: bool,
    /// `matches()`: fields with their values.
    matches: Vec<(String, String)>,
    /// `read-old-records()`
    reads_old: bool,
    /// `read-old-records-on-error()`
    reads_old_on_error: bool,
    /// `persist-name()`
    persist_name: Option<Spanned<String>>,
    /// `max-inflight-bytes()`
    max_inflight_bytes: u64,
    /// `log-fetch-limit()`
    fetch_limit: Option<u32>,
    /// `default-facility()`, `default-level()` and `time-zone()`; it has no others of them.
    parsing: ParsingOptions,
    /// The options that all sources have.
    source: LogSourceOptions,
}

/// The options of parsing that it has.
const PARSING: [&str; 5] =
    ["default-facility", "default-level", "default-severity", "default-priority", "time-zone"];

const IN_TURN: &str = "in Inrush: the journal is read as it comes";

const JOURNAL: Table<JournalOptions> = &[
    ("prefix", Kind::Other(|parser, to| prefix(parser).map(|prefix| to.prefix = Some(prefix)))),
    ("max-field-size", Kind::Int(1, (MAX_ENTRY / 2) as i64, |to, size| to.max_field_size = size as usize)),
    ("namespace", Kind::Other(|parser, to| namespace(parser).map(|name| to.namespace = Some(name)))),
    ("match-boot", Kind::YesNo(|to, yes| to.match_boot = yes)),
    ("matches", Kind::Other(|parser, to| matches(parser, &mut to.matches))),
    ("read-old-records", Kind::YesNo(|to, yes| to.reads_old = yes)),
    ("read-old-records-on-error", Kind::YesNo(|to, yes| to.reads_old_on_error = yes)),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name))),
    ("max-inflight-bytes", Kind::Int(1, i64::MAX, |to, most| to.max_inflight_bytes = most.unsigned_abs())),
    (
        "log-fetch-limit",
        Kind::Unused(IN_TURN, &Kind::Int(1, MAX_INT, |to, limit| to.fetch_limit = Some(limit as u32))),
    ),
];

/// Reads a prefix.
fn prefix(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let prefix = parser.string("a prefix")?;
    if prefix.value.len() > MAX_PREFIX || !prefix.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let help =
            format!("at most {MAX_PREFIX} letters, digits and signs of ASCII, as in prefix(\"{PREFIX}\")");
        return Err(parser.report.error(prefix.span, "this is no prefix for names", Some(help)));
    }
    Ok(prefix)
}

/// Reads the name of a namespace, `+` and a name, or `*`.
fn namespace(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let name = parser.string("the name of a namespace")?;
    let bare = name.value.strip_prefix('+').unwrap_or(&name.value);
    let is_name =
        !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if !is_name && name.value != "*" {
        let help = "a name, \"+name\" for it and the default one, or \"*\" for all".to_owned();
        return Err(parser.report.error(name.span, "this is no namespace of the journal", Some(help)));
    }
    Ok(name)
}

/// Reads `"FIELD" => "value" …`.
fn matches(parser: &mut Parser, to: &mut Vec<(String, String)>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let field = parser.string("the name of a field")?;
        let is_sign = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let is_field = (1..=64).contains(&field.value.len())
            && field.value.bytes().all(is_sign)
            && !field.value.starts_with(|first: char| first.is_ascii_digit())
            && !field.value.starts_with("__");
        if !is_field {
            let message = format!("`{}` is no field of the journal", field.value);
            let help =
                "fields have large letters, digits and `_`: matches(\"_SYSTEMD_UNIT\" => \"cron.service\")";
            return Err(parser.report.error(field.span, message, Some(help.to_owned())));
        }
        parser.expect(&TokenKind::Arrow)?;
        let value = parser.text_or_number("the value of the field")?;
        let value = parser.utf8(value)?;
        if value.value.contains('\0') {
            return Err(parser.report.error(value.span, "a value cannot have a NUL", None));
        }
        to.push((field.value, value.value));
    }
    Ok(())
}

impl SourceOptions for JournalOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            at: head.span,
            prefix: None,
            max_field_size: MAX_FIELD_SIZE,
            namespace: None,
            match_boot: false,
            matches: Vec::new(),
            reads_old: true,
            reads_old_on_error: true,
            persist_name: None,
            max_inflight_bytes: BYTES,
            fetch_limit: None,
            parsing: ParsingOptions::default(),
            source: LogSourceOptions::default(),
        };
        let known = || names(JOURNAL).chain(PARSING).chain(LogSourceOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            let is_of_parsing = PARSING.contains(&&*key.value.replace('_', "-"));
            apply(JOURNAL, &mut options, parser, key)
                .or_else(|| if is_of_parsing { options.parsing.apply(parser, key) } else { None })
                .or_else(|| options.source.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn plan(&self, _: &Config, _: &str) -> Result<Planned, Diagnostic> {
        Ok(Planned {
            class: None,
            window: self.source.log_iw_size.map_or(DEFAULT_WINDOW, |size| size as u32),
            max_bytes: self.max_inflight_bytes,
            batch_size: None,
            nap: NAP,
            is_local: true,
        })
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let zone = self.parsing.time_zone.as_ref().or(config.options.recv_time_zone.as_ref());
        let zone = match zone {
            Some(zone) => config.zone(zone)?.to_time_zone().into(),
            None => Zone::system(),
        };
        let wake = WakeFd::new()
            .map_err(|error| config.error(self.at, format!("the source cannot be made: {error}"), None))?;
        let input = with_transport(input);
        let prefix = self.prefix(config);
        let boot = self.match_boot.then(boot_id).transpose().map_err(|error| {
            config.error(
                self.at,
                format!("match-boot() needs {BOOT_ID}, which cannot be read: {error}"),
                None,
            )
        })?;
        let namespace = self.namespace.as_ref().map_or("*", |name| &name.value);
        let persist_name = self.persist_name.as_ref().map_or(namespace, |name| &name.value);
        let persist_name = format!("systemd-journal({persist_name})");
        let own = self.matches.iter().map(|(field, value)| format!("{field}={value}"));
        let boots = boot.iter().map(|boot| format!("_BOOT_ID={boot}"));
        let machines = self.machine().map(|machine| format!("{MACHINE}={machine}"));
        let matches = own.chain(boots).chain(machines).collect();
        let journalctl = Arc::new(Journalctl::new(namespace, self.namespace.is_some(), matches));
        let setup = Setup {
            row: EntryRow::new(&input.policy, zone, self.defaults(), &prefix),
            input: input.clone(),
            log: Arc::clone(log),
            journalctl: Arc::clone(&journalctl),
            persist_name: persist_name.clone(),
            prefix,
            max_field_size: self.max_field_size,
            reads_old: self.reads_old,
            reads_old_on_error: self.reads_old_on_error,
            boot,
        };
        let (at, waker) = (self.at, wake.clone());
        let work = Box::new(move |start: &Start, exit: &_| setup.run(start, exit, &wake));
        let check = move |config: &Config| {
            journalctl.check().map_err(|(message, help)| config.error(at, message, Some(help)))
        };
        let source = SourceThread::working(&input, log, STOP_TIMEOUT, work)
            .keeping(persist_name)
            .moving("a place in the journal")
            .woken_by(Box::new(move || waker.wake()))
            .checked_by(Box::new(check));
        Ok(Some(Box::new(source)))
    }
}

impl JournalOptions {
    /// The prefix of values: none in old configurations.
    fn prefix(&self, config: &Config) -> String {
        match &self.prefix {
            Some(prefix) => prefix.value.clone(),
            None if config.version < Version::JOURNAL_HAS_A_PREFIX => String::new(),
            None => PREFIX.to_owned(),
        }
    }

    /// The number of this machine, unless entries of a machine are asked for. One without a number takes them
    /// all.
    fn machine(&self) -> Option<String> {
        let is_asked_for = self.matches.iter().any(|(field, _)| field == MACHINE);
        let id = std::fs::read_to_string(MACHINE_ID).ok().filter(|_| !is_asked_for)?;
        Some(id.trim().to_owned())
            .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// The facility and the level of entries that do not say theirs.
    fn defaults(&self) -> (u16, u16) {
        let facility = self.parsing.default_facility.map_or(DEFAULTS.0, u16::from);
        (facility, self.parsing.default_severity.map_or(DEFAULTS.1, u16::from))
    }
}

/// The source `input` with the origin that its messages have in common.
fn with_transport(input: &Input) -> Input {
    let origin = Origin { transport: Some(Arc::from(TRANSPORT)), ..(*input.origin).clone() };
    Input { origin: Arc::new(origin), ..input.clone() }
}

/// The number of this boot, as the journal writes it.
fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string(BOOT_ID)?.trim().replace('-', ""))
}

#[cfg(test)]
mod tests;
