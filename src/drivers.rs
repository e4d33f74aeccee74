//! The drivers that a configuration may name: [`VOCABULARY`].
//!
//! A driver is one file, and an entry in the table of its room ([`source::DRIVERS`],
//! [`destination::DRIVERS`]). Words of the language for which there is no driver are refused by name: a
//! configuration that seems to work and loses messages is worse than one that is not accepted.

use std::sync::LazyLock;

use crate::config::{Syntax, Vocabulary};
use crate::{destination, filter, rewrite, source};

/// All drivers of this crate.
pub static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let sources: Vec<_> = source::DRIVERS.iter().map(source::Entry::syntax).collect();
    let destinations: Vec<_> = destination::DRIVERS.iter().map(destination::Entry::syntax).collect();
    let filters: Vec<_> = filter::DRIVERS.iter().map(filter::Entry::syntax).collect();
    let rewrites: Vec<_> = rewrite::DRIVERS.iter().map(rewrite::Entry::syntax).collect();
    let refused_sources = without(SOURCES, &sources);
    let refused_destinations = without(DESTINATIONS, &destinations);
    let refused_filters = without(FILTERS, &filters);
    let refused_rewrites = without(REWRITES, &rewrites);
    let path_items = &["filter", "rewrite", "junction", "if"];
    Vocabulary {
        sources,
        destinations,
        filters,
        rewrites,
        path_items,
        condition: filter::compile_condition,
        refused_sources,
        refused_destinations,
        refused_filters,
        refused_rewrites,
    }
});

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
    "channel",
    "clear-tag",
    "credit-card-hash",
    "credit-card-mask",
    "fix-time-zone",
    "geoip2",
    "groupset",
    "groupunset",
    "guess-time-zone",
    "junction",
    "log",
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

/// Source drivers of the language. Those of them that have an entry are not refused.
const SOURCES: &[&str] = &[
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
];

/// Destination drivers of the language. Those of them that have an entry are not refused.
const DESTINATIONS: &[&str] = &[
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
];
