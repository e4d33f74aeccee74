//! `options { }`: what holds wherever nothing else is written.
use std::time::Duration;

use super::option_table::{Kind, MAX_INT, Table, apply, names};
use super::parser::{Parsed, Parser};
use super::permissions::{FilePermissions, Ownership, PERMISSIONS};
use super::span::Spanned;
use super::stats_options::StatsOptions;
use super::template_options::TEMPLATE;
use super::template_text::{TemplateOptions, TemplateText};
use super::token::same_word;
use super::unsupported::Place;
use crate::template::{OnError, TsFormat};

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

/// `mark-mode()`: when a mark is written into a quiet log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkMode {
    /// As in `options {}`.
    Internal,
    /// After a destination was idle.
    DstIdle,
    /// After a host was idle.
    HostIdle,
    /// Always after the same time.
    Periodical,
    /// Not at all.
    None,
    /// As the destination would on its own.
    Global,
}

/// The global options, with the default of each that was not written.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, by the name users know")]
pub struct GlobalOptions {
    /// `keep-hostname()`: no
    pub keep_hostname: bool,
    /// `chain-hostnames()`: no
    pub chain_hostnames: bool,
    /// `keep-timestamp()`: yes
    pub keep_timestamp: bool,
    /// `use-dns()`: yes
    pub use_dns: UseDns,
    /// `use-fqdn()`: no
    pub use_fqdn: bool,
    /// `dns-cache()`: yes
    pub dns_cache: bool,
    /// `dns-cache-size()`: 1007
    pub dns_cache_size: usize,
    /// `dns-cache-expire()`: an hour
    pub dns_cache_expire: Duration,
    /// `dns-cache-expire-failed()`: a minute
    pub dns_cache_expire_failed: Duration,
    /// `dns-cache-hosts()`: a file like `/etc/hosts`
    pub dns_cache_hosts: Option<Spanned<String>>,
    /// `normalize-hostnames()`: no
    pub normalize_hostnames: bool,
    /// `check-hostname()`: no
    pub check_hostname: bool,
    /// `bad-hostname()`: a regular expression
    pub bad_hostname: Option<Spanned<String>>,
    /// `custom-domain()`
    pub custom_domain: Option<Spanned<String>>,
    /// `time-reopen()`: a minute
    pub time_reopen: Duration,
    /// `time-reap()`: a minute
    pub time_reap: Duration,
    /// `log-fifo-size()`: 10000
    pub log_fifo_size: usize,
    /// `log-msg-size()`: 64 KiB
    pub log_msg_size: usize,
    /// `trim-large-messages()`: no
    pub trim_large_messages: bool,
    /// `log-flow-control()`: no
    pub log_flow_control: bool,
    /// `flush-lines()`: 100
    pub flush_lines: u32,
    /// `create-dirs()`: no
    pub create_dirs: bool,
    /// `owner()`, `group()` and `perm()` (0600)
    pub file: Ownership,
    /// `dir-owner()`, `dir-group()` and `dir-perm()` (0700)
    pub dir: Ownership,
    /// `ts-format()`: `rfc3164`
    pub ts_format: TsFormat,
    /// `frac-digits()`: 0
    pub frac_digits: u8,
    /// `recv-time-zone()`: of times that come without one; the local one
    pub recv_time_zone: Option<Spanned<String>>,
    /// `send-time-zone()`, also called `time-zone()`: of times that are written; the one they came with
    pub send_time_zone: Option<Spanned<String>>,
    /// `local-time-zone()`: what is meant by local
    pub local_time_zone: Option<Spanned<String>>,
    /// `template-escape()`: no
    pub template_escape: bool,
    /// `on-error()`: `drop-message`
    pub on_error: OnError,
    /// `file-template()`: what `file()` writes when it has no `template()`
    pub file_template: Option<TemplateText>,
    /// `proto-template()`: what `network()` and its like write when they have no `template()`
    pub proto_template: Option<TemplateText>,
    /// `use-uniqid()`: no
    pub use_uniqid: bool,
    /// `python-reload-modules()`: whether a reload imports changed modules of the user's anew.
    pub python_reload_modules: bool,
    /// `python-path()`: further directories of the user's modules, as they were written.
    pub python_path: Vec<Spanned<String>>,
    /// `suppress()`: 0
    pub suppress: Duration,
    /// `mark-freq()`: 20 minutes
    pub mark_freq: Duration,
    /// `mark-mode()`: `host-idle`
    pub mark_mode: MarkMode,
    /// `stats()`
    pub stats: StatsOptions,
}

impl Default for GlobalOptions {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            keep_hostname: false,
            chain_hostnames: false,
            keep_timestamp: true,
            use_dns: UseDns::Yes,
            use_fqdn: false,
            dns_cache: true,
            dns_cache_size: 1007,
            dns_cache_expire: Duration::from_secs(3600),
            dns_cache_expire_failed: minute,
            dns_cache_hosts: None,
            normalize_hostnames: false,
            check_hostname: false,
            bad_hostname: None,
            custom_domain: None,
            time_reopen: minute,
            time_reap: minute,
            log_fifo_size: 10_000,
            log_msg_size: 65_536,
            trim_large_messages: false,
            log_flow_control: false,
            flush_lines: 100,
            create_dirs: false,
            file: Ownership { owner: None, group: None, perm: Some(0o600) },
            dir: Ownership { owner: None, group: None, perm: Some(0o700) },
            ts_format: TsFormat::default(),
            frac_digits: 0,
            recv_time_zone: None,
            send_time_zone: None,
            local_time_zone: None,
            template_escape: false,
            on_error: OnError::default(),
            file_template: None,
            proto_template: None,
            use_uniqid: false,
            python_reload_modules: false,
            python_path: Vec::new(),
            suppress: Duration::ZERO,
            mark_freq: Duration::from_secs(1200),
            mark_mode: MarkMode::HostIdle,
            stats: StatsOptions::default(),
        }
    }
}

const IN_INRUSH: &str = "in Inrush";
const NO_STATS: &str = "in this version: `inrush ctl stats` shows the statistics at any time";
/// The reason why `flush-lines()` changes nothing.
pub(crate) const NO_WAIT: &str = "in Inrush: what is there is written, and lines never wait for others";

const GLOBAL: Table<GlobalOptions> = &[
    ("keep-hostname", Kind::YesNo(|to, yes| to.keep_hostname = yes)),
    ("chain-hostnames", Kind::YesNo(|to, yes| to.chain_hostnames = yes)),
    ("keep-timestamp", Kind::YesNo(|to, yes| to.keep_timestamp = yes)),
    ("use-dns", Kind::Other(|parser, to| parser.use_dns().map(|dns| to.use_dns = dns))),
    ("use-fqdn", Kind::YesNo(|to, yes| to.use_fqdn = yes)),
    ("dns-cache", Kind::YesNo(|to, yes| to.dns_cache = yes)),
    ("dns-cache-size", Kind::Int(1, MAX_INT, |to, size| to.dns_cache_size = size as usize)),
    ("dns-cache-expire", Kind::Seconds(|to, time| to.dns_cache_expire = time)),
    ("dns-cache-expire-failed", Kind::Seconds(|to, time| to.dns_cache_expire_failed = time)),
    ("dns-cache-hosts", Kind::Text(|to, path| to.dns_cache_hosts = Some(path))),
    ("normalize-hostnames", Kind::YesNo(|to, yes| to.normalize_hostnames = yes)),
    ("check-hostname", Kind::YesNo(|to, yes| to.check_hostname = yes)),
    ("bad-hostname", Kind::Text(|to, pattern| to.bad_hostname = Some(pattern))),
    ("custom-domain", Kind::Text(|to, domain| to.custom_domain = Some(domain))),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = time)),
    ("time-reap", Kind::Seconds(|to, time| to.time_reap = time)),
    ("log-fifo-size", Kind::Int(1, MAX_INT, |to, size| to.log_fifo_size = size as usize)),
    ("log-msg-size", Kind::Int(1, MAX_INT, |to, size| to.log_msg_size = size as usize)),
    ("trim-large-messages", Kind::YesNo(|to, yes| to.trim_large_messages = yes)),
    ("log-flow-control", Kind::YesNo(|to, yes| to.log_flow_control = yes)),
    ("flush-lines", Kind::Unused(NO_WAIT, &Kind::Int(0, MAX_INT, |to, lines| to.flush_lines = lines as u32))),
    ("create-dirs", Kind::YesNo(|to, yes| to.create_dirs = yes)),
    ("recv-time-zone", Kind::Text(|to, zone| to.recv_time_zone = Some(zone))),
    ("file-template", Kind::Template(|to, template| to.file_template = Some(template))),
    ("proto-template", Kind::Template(|to, template| to.proto_template = Some(template))),
    ("use-uniqid", Kind::YesNo(|to, yes| to.use_uniqid = yes)),
    ("python-reload-modules", Kind::YesNo(|to, yes| to.python_reload_modules = yes)),
    ("python-path", Kind::Texts(|to, directory| to.python_path.push(directory))),
    ("mark-freq", Kind::Seconds(|to, time| to.mark_freq = time)),
    ("mark-mode", Kind::Other(|parser, to| parser.mark_mode().map(|mode| to.mark_mode = mode))),
    ("stats", Kind::Unused(NO_STATS, &Kind::Other(|parser, to| parser.stats(&mut to.stats)))),
    // Old names.
    (
        "stats-freq",
        Kind::Unused(
            NO_STATS,
            &Kind::Obsolete("stats(freq())", &Kind::Seconds(|to, time| to.stats.freq = time)),
        ),
    ),
    (
        "stats-level",
        Kind::Unused(
            NO_STATS,
            &Kind::Obsolete("stats(level())", &Kind::Int(0, 255, |to, level| to.stats.level = level as u8)),
        ),
    ),
    (
        "stats-lifetime",
        Kind::Unused(
            NO_STATS,
            &Kind::Obsolete("stats(lifetime())", &Kind::Seconds(|to, time| to.stats.lifetime = time)),
        ),
    ),
    (
        "stats-max-dynamics",
        Kind::Unused(
            NO_STATS,
            &Kind::Obsolete(
                "stats(max-dynamics())",
                &Kind::Int(0, MAX_INT, |to, most| to.stats.max_dynamics = Some(most as u32)),
            ),
        ),
    ),
    ("long-hostnames", Kind::Obsolete("chain-hostnames()", &Kind::YesNo(|to, yes| to.chain_hostnames = yes))),
    ("sync", Kind::Other(|parser, to| parser.sync().map(|lines| to.flush_lines = lines))),
    ("sync-freq", Kind::Other(|parser, to| parser.sync().map(|lines| to.flush_lines = lines))),
    ("mark", Kind::Obsolete("mark-freq()", &Kind::Seconds(|to, time| to.mark_freq = time))),
    ("use-rcptid", Kind::Obsolete("use-uniqid()", &Kind::YesNo(|to, yes| to.use_uniqid = yes))),
    ("flush-timeout", Kind::NoEffect("since lines never wait for others")),
    ("time-sleep", Kind::NoEffect(IN_INRUSH)),
    ("gc-idle-threshold", Kind::NoEffect(IN_INRUSH)),
    ("gc-busy-threshold", Kind::NoEffect(IN_INRUSH)),
    // What other parts of syslog-ng need.
    ("log-iw-size", Kind::NoEffect("here: it is an option of each source")),
    ("log-fetch-limit", Kind::NoEffect("here: it is an option of each source")),
    ("log-level", Kind::NoEffect(IN_INRUSH)),
    ("check-program", Kind::NoEffect(IN_INRUSH)),
    ("default-facility", Kind::NoEffect("here: it is an option of each source")),
    ("default-severity", Kind::NoEffect("here: it is an option of each source")),
    ("default-level", Kind::NoEffect("here: it is an option of each source")),
    ("default-priority", Kind::NoEffect("here: it is an option of each source")),
    ("filterx-jit", Kind::NoEffect(IN_INRUSH)),
    ("jvm-options", Kind::NoEffect(IN_INRUSH)),
    ("min-iw-size-per-reader", Kind::NoEffect(IN_INRUSH)),
    ("pass-unix-credentials", Kind::NoEffect(IN_INRUSH)),
    ("suppress", Kind::Seconds(|to, within| to.suppress = within)),
    ("threaded", Kind::NoEffect("since Inrush always works with threads")),
    ("use-time-recvd", Kind::NoEffect(IN_INRUSH)),
];

impl Parser {
    pub(crate) fn use_dns(&mut self) -> Parsed<UseDns> {
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

    /// The value of `sync()`, the old spelling of `flush-lines()`, with the warnings of both.
    pub(crate) fn sync(&mut self) -> Parsed<u32> {
        let span = self.option;
        let text = format!(
            "{}() is an old spelling of flush-lines(), which has no effect {NO_WAIT}",
            self.report.map.text(span)
        );
        self.report.warn(span, text, Some("leave it out".to_owned()));
        self.integer(0, MAX_INT).map(|lines| lines as u32)
    }

    /// Tells whether a word of `flags()` is one of old files that means nothing any more, which is then said.
    pub(crate) fn is_old_flag(&mut self, word: &Spanned<String>) -> bool {
        let is_old = same_word(&word.value, "nobackref");
        if is_old {
            let message =
                "`nobackref` has no effect: what a match finds is kept only where store-matches is set";
            self.report.warn(word.span, message, None);
        }
        is_old
    }

    /// `mark-mode()`
    pub(crate) fn mark_mode(&mut self) -> Parsed<MarkMode> {
        self.choice(&[
            ("internal", MarkMode::Internal),
            ("dst-idle", MarkMode::DstIdle),
            ("host-idle", MarkMode::HostIdle),
            ("periodical", MarkMode::Periodical),
            ("none", MarkMode::None),
            ("global", MarkMode::Global),
        ])
    }

    /// The content of `options { }`, with its `}`.
    pub(super) fn global_options(&mut self, options: &mut GlobalOptions) {
        let mut permissions = FilePermissions::default();
        let mut template = TemplateOptions::default();
        let known = || names(GLOBAL).chain(names(PERMISSIONS)).chain(names(TEMPLATE)).collect();
        self.options_in_braces(Place::Global, &known, |parser, key| {
            apply(GLOBAL, options, parser, key)
                .or_else(|| apply(PERMISSIONS, &mut permissions, parser, key))
                .or_else(|| apply(TEMPLATE, &mut template, parser, key))
        });
        options.file = permissions.file(&options.file);
        options.dir = permissions.dir(&options.dir);
        let TemplateOptions {
            ts_format,
            frac_digits,
            send_time_zone,
            local_time_zone,
            template_escape,
            on_error,
        } = template;
        options.ts_format = ts_format.unwrap_or(options.ts_format);
        options.frac_digits = frac_digits.unwrap_or(options.frac_digits);
        options.send_time_zone = send_time_zone.or(options.send_time_zone.take());
        options.local_time_zone = local_time_zone.or(options.local_time_zone.take());
        options.template_escape = template_escape.unwrap_or(options.template_escape);
        options.on_error = on_error.unwrap_or(options.on_error);
    }
}
