//! The options of `kafka()`: [`KafkaOptions`].

use std::ffi::CString;
use std::time::Duration;

use super::format::{RecordFormat, TopicFormat};
use super::{KafkaDestination, KafkaSettings};
use crate::config::grammar::{
    DriverHead, Kind, MAX_INT, Parsed, Parser, Place, TEMPLATE, Table, TokenKind, apply, names,
};
use crate::config::{Config, Diagnostic, Span, Spanned, TemplateOptions, TemplateText};
use crate::destination::exchange::on_reject;
use crate::destination::{DestinationOptions, DriverOptions, Planned};
use crate::kafka::{Properties, topic};
use crate::template::Template;
use crate::template::this_process;

/// The value of a record, where `message()` does not say it.
const MESSAGE: &str = "$ISODATE $HOST $MSGHDR$MSG";

/// The client's properties, where `config()` does not say others.
const DEFAULTS: &[(&str, &str)] = &[
    // What is sent again is not there twice, and stays in its order.
    ("enable.idempotence", "true"),
    // The client gives nothing up: a source that waits for it has the rest.
    ("message.timeout.ms", "0"),
    // As other clients have it, so that a key goes to one partition whoever sends it.
    ("partitioner", "murmur2_random"),
    ("client.id", "inrush"),
];

/// `kafka(…)`
#[derive(Debug, Clone)]
pub(in crate::destination) struct KafkaOptions {
    /// The place of the driver's word.
    at: Span,
    /// `bootstrap-servers()`
    servers: Option<Spanned<String>>,
    /// `topic()`
    topic: Option<TemplateText>,
    /// `fallback-topic()`: the topic of messages whose own is none.
    fallback_topic: Option<Spanned<String>>,
    /// `key()`
    key: Option<TemplateText>,
    /// `message()`
    message: Option<TemplateText>,
    /// `headers()`: names with the templates of their values.
    headers: Vec<(Spanned<String>, TemplateText)>,
    /// `config()`
    properties: Properties,
    /// `flush-timeout-on-shutdown()`: how long a stop waits for reports.
    flush_at_stop: Duration,
    /// `flush-timeout-on-reload()`: how long a reload that replaces the destination waits for reports.
    flush_at_reload: Duration,
    /// `poll-timeout()`: how often reports are looked for that nobody told of.
    poll_timeout: Duration,
    /// `time-reopen()`
    time_reopen: Option<Duration>,
    /// `on-reject(destination(name))`
    on_reject: Option<Spanned<String>>,
    template_options: TemplateOptions,
    driver: DriverOptions,
}

const KAFKA: Table<KafkaOptions> = &[
    ("bootstrap-servers", Kind::Text(|to, servers| to.servers = Some(servers))),
    ("topic", Kind::Template(|to, topic| to.topic = Some(topic))),
    ("fallback-topic", Kind::Text(|to, topic| to.fallback_topic = Some(topic))),
    ("key", Kind::Template(|to, key| to.key = Some(key))),
    ("message", Kind::Template(|to, message| to.message = Some(message))),
    ("headers", Kind::Other(|parser, to| headers(parser, &mut to.headers))),
    ("config", Kind::Other(|parser, to| to.properties.read(parser))),
    ("sync-send", Kind::Other(|parser, _| sync_send(parser))),
    ("flush-timeout-on-shutdown", Kind::Milliseconds(|to, time| to.flush_at_stop = time)),
    ("flush-timeout-on-reload", Kind::Milliseconds(|to, time| to.flush_at_reload = time)),
    ("poll-timeout", Kind::Milliseconds(|to, time| to.poll_timeout = time)),
    ("time-reopen", Kind::Seconds(|to, time| to.time_reopen = Some(time))),
    ("workers", Kind::Other(|parser, _| workers(parser))),
    ("on-reject", Kind::Other(|parser, to| on_reject(parser).map(|name| to.on_reject = Some(name)))),
];

/// Reads `"name" => "template" …`.
fn headers(parser: &mut Parser, to: &mut Vec<(Spanned<String>, TemplateText)>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        let name = parser.string("the name of a header")?;
        if name.value.is_empty() || name.value.contains('\0') {
            parser.report.error(name.span, "the name of a header is empty or has a NUL byte", None);
        }
        parser.expect(&TokenKind::Arrow)?;
        to.push((name, parser.template_argument()?));
    }
    Ok(())
}

/// Reads the value of `sync-send()`, which may be `no`.
fn sync_send(parser: &mut Parser) -> Parsed<()> {
    let at = parser.peek().span;
    if parser.yes_no()? {
        let help = "leave it out: a message counts as delivered when the broker has acknowledged it, and what is \
                    sent again after a failure is not there twice";
        let text = "sync-send(yes) is not supported: records are sent without transactions";
        return Err(parser.report.error(at, text, Some(help.to_owned())));
    }
    Ok(())
}

/// Reads the value of `workers()`, which may be 1.
fn workers(parser: &mut Parser) -> Parsed<()> {
    let at = parser.peek().span;
    if parser.integer(1, MAX_INT)? > 1 {
        let help =
            "leave it out: one client sends to all brokers at the same time, and keeps the order".to_owned();
        return Err(parser.report.error(at, "kafka() has one worker", Some(help)));
    }
    Ok(())
}

impl DestinationOptions for KafkaOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            at: head.span,
            servers: None,
            topic: None,
            fallback_topic: None,
            key: None,
            message: None,
            headers: Vec::new(),
            properties: Properties::default(),
            flush_at_stop: Duration::from_secs(60),
            flush_at_reload: Duration::from_secs(1),
            poll_timeout: Duration::from_secs(1),
            time_reopen: None,
            on_reject: None,
            template_options: TemplateOptions::default(),
            driver: DriverOptions::default(),
        };
        let known = || names(KAFKA).chain(DriverOptions::names()).chain(names(TEMPLATE)).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            apply(KAFKA, &mut options, parser, key)
                .or_else(|| options.driver.apply(parser, key))
                .or_else(|| apply(TEMPLATE, &mut options.template_options, parser, key))
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let settings = self.settings(config)?;
        Ok(Planned {
            identity: format!("{settings:+?}"),
            address: format!("{} at {}", settings.format.address(), settings.servers),
            claim: None,
            fifo_size: settings.fifo_size,
            is_soft: true,
            on_reject: self.on_reject.clone(),
            hosted: None,
            buffer: None,
            make: Box::new(|site| Box::new(KafkaDestination::new(settings, site))),
        })
    }
}

impl KafkaOptions {
    fn settings(&self, config: &Config) -> Result<KafkaSettings, Diagnostic> {
        let Some(servers) = self.servers.as_ref().filter(|servers| !servers.value.trim().is_empty()) else {
            let help = "add bootstrap-servers(\"host:9092\"): one broker or more, with commas between them"
                .to_owned();
            return Err(config.error(self.at, "kafka() needs bootstrap-servers()", Some(help)));
        };
        let time_reopen = self.time_reopen.unwrap_or(config.options.time_reopen);
        let compiled = |text: &TemplateText| text.template.clone();
        let message = self.message.as_ref().map_or_else(|| Ok(default_message()), |own| Ok(compiled(own)))?;
        let escape = self.message.as_ref().and_then(|message| message.escape);
        let name = |(name, value): &(Spanned<String>, TemplateText)| {
            CString::new(name.value.as_str()).ok().map(|name| (name, compiled(value)))
        };
        Ok(KafkaSettings {
            servers: servers.value.clone(),
            format: RecordFormat {
                topic: self.topic_format(config)?,
                key: self.key.as_ref().map(compiled),
                message,
                headers: self.headers.iter().filter_map(name).collect(),
            },
            properties: self.properties.clone(),
            flush_at_stop: self.flush_at_stop,
            flush_at_reload: self.flush_at_reload,
            poll_timeout: self.poll_timeout.max(Duration::from_millis(1)),
            time_reopen: time_reopen.max(Duration::from_millis(1)),
            fifo_size: self.driver.fifo_size(config),
            throttle: self.driver.throttle,
            options: self.template_options.resolve(config, escape)?,
            identity: this_process(),
        })
    }

    /// The topic of the messages.
    ///
    /// # Errors
    /// There is none, or none for messages whose own cannot be one.
    fn topic_format(&self, config: &Config) -> Result<TopicFormat, Diagnostic> {
        let Some(topic) = &self.topic else {
            let help = Some("add topic(\"name\")".to_owned());
            return Err(config.error(self.at, "kafka() needs topic()", help));
        };
        if let Some(name) = topic.template.as_literal() {
            check(config, topic.span, name)?;
            return Ok(TopicFormat::Literal(String::from_utf8_lossy(name).into()));
        }
        let Some(fallback) = &self.fallback_topic else {
            let text = "a topic with macros needs fallback-topic(): a message may choose a name that no topic can have";
            return Err(config.error(topic.span, text, Some("add fallback-topic(\"name\")".to_owned())));
        };
        check(config, fallback.span, fallback.value.as_bytes())?;
        Ok(TopicFormat::Template(topic.template.clone(), fallback.value.as_str().into()))
    }
}

/// Checks that `name`, which is written at `span`, can be a topic.
fn check(config: &Config, span: Span, name: &[u8]) -> Result<(), Diagnostic> {
    topic::check(name).map_err(|rule| {
        let text = format!("`{}` cannot be a topic: the name {rule}", String::from_utf8_lossy(name));
        config.error(span, text, None)
    })
}

fn default_message() -> Template {
    match Template::compile(MESSAGE) {
        Ok(template) => template,
        Err(error) => unreachable!("{error}"),
    }
}

impl KafkaSettings {
    /// The configuration of the client.
    pub(super) fn client_config(&self) -> rdkafka::ClientConfig {
        let mut config = self.properties.client_config(DEFAULTS);
        config.set("bootstrap.servers", &self.servers);
        config
    }
}
