//! What belongs to the language but not to this version of Inrush.
//!
//! It is refused where it is written, by its name: a configuration that seems to work and drops a filter is worse than
//! one that is not accepted.
use super::token::same_word;

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the top of a file.
    Statement,
    /// In `options { }`.
    Global,
    /// In `source { }`.
    Source,
    /// In `destination { }`.
    Destination,
    /// In `log { }`.
    LogPath,
    /// In the parentheses of a source driver.
    SourceOption,
    /// In the parentheses of a destination driver.
    DestinationOption,
}

impl Place {
    /// What a word is called there.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Global | Self::SourceOption | Self::DestinationOption => "option",
            Self::Source => "source driver",
            Self::Destination => "destination driver",
            Self::LogPath => "item of a log path",
        }
    }
}

/// The words of the language that are refused, by place.
const UNSUPPORTED: &[(Place, &[&str])] = &[
    (
        Place::Statement,
        &[
            "block",
            "filter",
            "filterx",
            "include",
            "parser",
            "rewrite",
            "template-function",
            "junction",
            "channel",
        ],
    ),
    (
        Place::LogPath,
        &[
            "filter",
            "filterx",
            "parser",
            "rewrite",
            "junction",
            "channel",
            "if",
            "elif",
            "else",
            "parallelize",
        ],
    ),
    (
        Place::Source,
        &[
            "channel",
            "log",
            "file",
            "wildcard-file",
            "pipe",
            "stdin",
            "network",
            "syslog",
            "tcp",
            "tcp6",
            "udp",
            "udp6",
            "unix-stream",
            "unix-dgram",
            "systemd-syslog",
            "systemd-journal",
            "system",
            "program",
            "pseudofile",
            "sun-streams",
            "openbsd",
            "default-network-drivers",
            "example-msg-generator",
            "example-diskq-source",
            "snmptrap",
            "nodejs",
            "osquery",
            "mbox",
            "kubernetes",
            "linux-audit",
            "opentelemetry",
            "axosyslog-otlp",
            "syslog-ng-otlp",
            "s3",
            "mqtt",
            "hypr-app-audit-trail",
            "kafka",
            "darwinoslog",
            "ebpf",
            "webhook",
            "webhook-json",
            "http",
            "tail",
            "jellyfin",
            "pihole-ftl",
            "qbittorrent",
            "arr",
            "sonarr",
            "radarr",
            "lidarr",
            "prowlarr",
            "whisparr",
            "readarr",
            "proxmox",
            "windows-eventlog",
            "google-pubsub",
            "macos",
            "loggen",
            "amqp",
            "java",
            "nanomsg",
            "zmq",
        ],
    ),
    (
        Place::Destination,
        &[
            "channel",
            "log",
            "pipe",
            "network",
            "syslog",
            "tcp",
            "tcp6",
            "udp",
            "udp6",
            "unix-stream",
            "unix-dgram",
            "program",
            "usertty",
            "getvirtconsole",
            "pseudofile",
            "python",
            "http",
            "kafka",
            "kafka-c",
            "amqp",
            "mongodb",
            "redis",
            "riemann",
            "smtp",
            "snmp",
            "sql",
            "stomp",
            "mqtt",
            "elasticsearch-http",
            "elasticsearch-datastream",
            "opensearch",
            "graphite",
            "graylog2",
            "hdfs",
            "java",
            "loggly",
            "logmatic",
            "loki",
            "opentelemetry",
            "axosyslog-otlp",
            "syslog-ng-otlp",
            "bigquery",
            "google-pubsub",
            "google-pubsub-grpc",
            "s3",
            "slack",
            "splunk-hec",
            "splunk-hec-raw",
            "splunk-hec-event",
            "sumologic-http",
            "sumologic-syslog",
            "telegram",
            "discord",
            "collectd",
            "cef",
            "clickhouse",
            "logscale",
            "falcon-logscale",
            "openobserve-log",
            "azure-monitor",
            "azure-logs",
            "sentinel",
            "example-destination",
            "tee",
            "null",
        ],
    ),
    (Place::SourceOption, &["hook-commands"]),
    (
        Place::DestinationOption,
        &[
            "throttle",
            "disk-buffer",
            "hook-commands",
            "suppress",
            "pad-size",
            "truncate-size",
            "mark-freq",
            "mark-mode",
            "overwrite-if-older",
            "symlink-as",
        ],
    ),
];

/// The refused words of a place.
pub(super) fn supported_later(place: Place) -> impl Iterator<Item = &'static str> {
    let of_place = UNSUPPORTED.iter().filter(move |(at, _)| *at == place);
    of_place.flat_map(|(_, words)| words.iter().copied())
}

/// The error for `word` if it is known but refused at `place`.
pub(super) fn refusal(place: Place, word: &str) -> Option<String> {
    let known = supported_later(place).any(|known| same_word(known, word));
    let noun = match place {
        Place::SourceOption | Place::DestinationOption => "the option ",
        Place::Source => "the source ",
        Place::Destination => "the destination ",
        _ => "",
    };
    known.then(|| format!("{noun}`{word}` is not supported by this version of Inrush"))
}
