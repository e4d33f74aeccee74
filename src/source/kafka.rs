//! `kafka()`: records of topics, as a member of a consumer group.
//!
//! ```text
//!  broker ─► librdkafka ─► reader ─ post ─► lane … destination
//!     ▲                      │ ▲                       │
//!     └── commit ── Offsets ◄┘ └─── acknowledgements ◄─┘
//! ```
//!
//! The offset of a partition is committed behind what was delivered without a gap: a crash repeats what was
//! delivered and not committed, at most a window, and loses nothing. A source without credit pauses its partitions
//! and goes on taking part in the group. A partition that is taken away is waited for until what was posted of it
//! is delivered, at most `stop-timeout()`; what is not comes again, from whoever gets the partition.

use std::sync::Arc;
use std::time::Duration;

use super::{
    EngineLog, Input, LogSourceOptions, Made, ParsingOptions, Planned, Poster, SourceOptions, SourceThread,
};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Span, Spanned};
use crate::flow::inbox::NAP;
use crate::kafka::{Properties, topic};
use crate::syslog::Format;

mod group;
mod offsets;
mod reader;
#[cfg(test)]
mod tests;

use reader::{Reader, ReaderSettings};

/// The window of a source that does not choose one, in messages.
const WINDOW: u32 = 100_000;
/// The byte half of its credit.
const BYTES: u64 = 64 << 20;
/// The client's properties, where `config()` does not say others.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "inrush"),
    // A stop waits for a commit: a broker that does not answer must not hold it up for a minute.
    ("socket.timeout.ms", "10000"),
];

/// `kafka(…)`
#[derive(Debug, Clone)]
pub(super) struct KafkaOptions {
    /// The place of the driver's word.
    at: Span,
    /// `bootstrap-servers()`
    servers: Option<Spanned<String>>,
    /// `topic()`: names, and patterns that begin with `^`.
    topics: Vec<Spanned<String>>,
    /// `group-id()`
    group: Option<Spanned<String>>,
    /// `config()`
    properties: Properties,
    /// `value-format()`
    format: Format,
    /// `read-old-records()`: whether a group without offsets begins at the oldest record.
    read_old_records: bool,
    /// `stop-timeout()`: how long a stop, or a partition that is taken away, waits for what was posted.
    stop_timeout: Duration,
    /// How values are parsed.
    parsing: ParsingOptions,
    /// The options that all sources have.
    source: LogSourceOptions,
}

const KAFKA: Table<KafkaOptions> = &[
    ("bootstrap-servers", Kind::Text(|to, servers| to.servers = Some(servers))),
    ("topic", Kind::Texts(|to, topic| to.topics.push(topic))),
    ("group-id", Kind::Text(|to, group| to.group = Some(group))),
    ("config", Kind::Other(|parser, to| to.properties.read(parser))),
    ("value-format", Kind::Other(|parser, to| value_format(parser).map(|format| to.format = format))),
    ("format", Kind::Other(|parser, to| value_format(parser).map(|format| to.format = format))),
    ("read-old-records", Kind::YesNo(|to, yes| to.read_old_records = yes)),
    ("stop-timeout", Kind::Seconds(|to, time| to.stop_timeout = time)),
];

/// Reads the value of `value-format()`.
fn value_format(parser: &mut Parser) -> Parsed<Format> {
    if let TokenKind::Word(word) = &parser.peek().kind
        && word == "json"
    {
        let at = parser.peek().span;
        let help = Some("use value-format(raw): MESSAGE is the record's value as it is".to_owned());
        return Err(parser.report.error(at, "value-format(json) is not supported in this version", help));
    }
    parser.choice(&[("raw", Format::Raw), ("syslog", Format::Syslog)])
}

impl SourceOptions for KafkaOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            at: head.span,
            servers: None,
            topics: Vec::new(),
            group: None,
            properties: Properties::default(),
            format: Format::Raw,
            read_old_records: true,
            stop_timeout: Duration::from_secs(10),
            parsing: ParsingOptions::default(),
            source: LogSourceOptions::default(),
        };
        let known = || names(KAFKA).chain(ParsingOptions::names()).chain(LogSourceOptions::names()).collect();
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            apply(KAFKA, &mut options, parser, key)
                .or_else(|| options.parsing.apply(parser, key))
                .or_else(|| options.source.apply(parser, key))
        });
        Ok(options)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        self.check(config)?;
        Ok(Planned {
            class: None,
            window: self.source.log_iw_size.map_or(WINDOW, |size| size as u32),
            max_bytes: BYTES,
            batch_size: None,
            nap: NAP,
            is_local: false,
        })
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let mut parse = self.parsing.parse_options(config)?;
        parse.format = self.format;
        let mut client = self.properties.client_config(DEFAULTS);
        if self.properties.get("auto.offset.reset").is_none() {
            client.set("auto.offset.reset", if self.read_old_records { "earliest" } else { "latest" });
        }
        let text = |text: &Option<Spanned<String>>| text.as_ref().map_or("", |text| &text.value).to_owned();
        let servers = text(&self.servers);
        client.set("bootstrap.servers", &servers).set("group.id", text(&self.group));
        client.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        let settings = ReaderSettings {
            client,
            servers,
            topics: self.topics.iter().map(|topic| topic.value.clone()).collect(),
            parse,
            forced_pri: self.parsing.forced_pri(),
            stop_timeout: self.stop_timeout,
        };
        let mut reader = Reader::new(settings, input, log);
        let body = Box::new(move |poster: &mut Poster| reader.run(poster));
        Ok(Some(Box::new(
            SourceThread::new(input, log, self.stop_timeout, body).moving("offsets of its group"),
        )))
    }
}

impl KafkaOptions {
    /// Checks that all is there that it cannot do without.
    fn check(&self, config: &Config) -> Result<(), Diagnostic> {
        let is_there =
            |text: &Option<Spanned<String>>| text.as_ref().is_some_and(|text| !text.value.trim().is_empty());
        for (is_there, name, help) in [
            (is_there(&self.servers), "bootstrap-servers()", "add bootstrap-servers(\"host:9092\")"),
            (
                !self.topics.is_empty(),
                "topic()",
                "add topic(\"name\"): names, or patterns that begin with `^`",
            ),
            (is_there(&self.group), "group-id()", "add group-id(\"name\"): its members share the partitions"),
        ] {
            if !is_there {
                return Err(config.error(self.at, format!("kafka() needs {name}"), Some(help.to_owned())));
            }
        }
        for Spanned { value, span } in &self.topics {
            if let Some(pattern) = value.strip_prefix('^') {
                regex::Regex::new(pattern).map_err(|error| {
                    config.error(*span, format!("this is no regular expression: {error}"), None)
                })?;
            } else if let Err(rule) = topic::check(value.as_bytes()) {
                return Err(config.error(
                    *span,
                    format!("`{value}` cannot be a topic: the name {rule}"),
                    None,
                ));
            }
        }
        Ok(())
    }
}
