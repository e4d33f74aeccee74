//! The drivers that a configuration may name: [`VOCABULARY`].
//!
//! A driver is one file, and an entry in the table of its room ([`source::DRIVERS`],
//! [`destination::DRIVERS`]), or a block of the library in `python/inrush/scl`. Words of the language for which
//! there is neither are refused by name: a configuration that seems to work and loses messages is worse than
//! one that is not accepted.

use std::sync::LazyLock;

use crate::config::{Syntax, Vocabulary};
use crate::{destination, filter, parser, rewrite, source};

/// All drivers of this crate.
pub static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(vocabulary);

/// The drivers of this crate, for a vocabulary that has others as well.
pub(crate) fn vocabulary() -> Vocabulary {
    let sources: Vec<_> = source::DRIVERS.iter().map(source::Entry::syntax).collect();
    let destinations: Vec<_> = destination::DRIVERS.iter().map(destination::Entry::syntax).collect();
    let parsers: Vec<_> = parser::DRIVERS.iter().map(parser::Entry::syntax).collect();
    let filters: Vec<_> = filter::DRIVERS.iter().map(filter::Entry::syntax).collect();
    let rewrites: Vec<_> = rewrite::DRIVERS.iter().map(rewrite::Entry::syntax).collect();
    let refused_sources = without(SOURCES, &sources);
    let refused_destinations = without(DESTINATIONS, &destinations);
    let refused_parsers = without(PARSERS, &parsers);
    let refused_filters = without(FILTERS, &filters);
    let refused_rewrites = without(REWRITES, &rewrites);
    let path_items = &["filter", "rewrite", "parser", "junction", "if", "parallelize"];
    Vocabulary {
        sources,
        destinations,
        parsers,
        filters,
        rewrites,
        path_items,
        condition: filter::compile_condition,
        names: source::names_for_template,
        doubts: filter::doubts,
        refused_sources,
        refused_destinations,
        refused_parsers,
        refused_filters,
        refused_rewrites,
    }
}

/// Those of `words` that name no driver.
fn without(words: &[&'static str], drivers: &[Syntax]) -> Vec<&'static str> {
    let is_driver = |word: &str| drivers.iter().any(|driver| driver.word() == word);
    words.iter().copied().filter(|word| !is_driver(word)).collect()
}

/// Functions of filters of the language. Those of them that have an entry are not refused.
const FILTERS: &[&str] = &[
    "facility",
    "host",
    "in-list",
    "level",
    "match",
    "message",
    "netmask",
    "netmask6",
    "priority",
    "program",
    "rate-limit",
    "severity",
    "source",
    "tags",
    "throttle",
];

/// Functions of rewrites of the language. Those of them that have an entry are not refused.
const REWRITES: &[&str] = &[
    "clear-tag",
    "fix-time-zone",
    "geoip2",
    "groupset",
    "groupunset",
    "guess-time-zone",
    "rename",
    "set",
    "set-facility",
    "set-matches",
    "set-pri",
    "set-severity",
    "set-tag",
    "set-time-zone",
    "subst",
    "unset",
    "unset-matches",
];

/// Parsers of the language. Those of them that have an entry are not refused.
const PARSERS: &[&str] = &[
    "add-contextual-data",
    "app-parser",
    "cef-parser",
    "checkpoint-parser",
    "csv-parser",
    "date-parser",
    "db-parser",
    "geoip2",
    "group-lines",
    "grouping-by",
    "json-parser",
    "kv-parser",
    "leef-parser",
    "linux-audit-parser",
    "map-value-pairs",
    "mariadb-audit-parser",
    "metrics-probe",
    "netskope-parser",
    "opentelemetry",
    "postgresql-csvlog-parser",
    "python",
    "python-parser",
    "regexp-parser",
    "sdata-parser",
    "snmptrapd-parser",
    "syslog-parser",
    "tags-parser",
    "values-parser",
    "windows-eventlog-xml-parser",
    "xml",
    "xml-parser",
];

/// Source drivers of the language. Those of them that have an entry are not refused.
const SOURCES: &[&str] = &[
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
];

/// Destination drivers of the language. Those of them that have an entry are not refused.
const DESTINATIONS: &[&str] = &[
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
    "graphite",
    "hdfs",
    "java",
    "opentelemetry",
    "axosyslog-otlp",
    "syslog-ng-otlp",
    "bigquery",
    "google-pubsub",
    "google-pubsub-grpc",
    "s3",
    "splunk-hec",
    "sumologic-syslog",
    "collectd",
    "cef",
    "clickhouse",
    "azure-monitor",
    "azure-logs",
    "sentinel",
    "example-destination",
    "tee",
    "null",
];
