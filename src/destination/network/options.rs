//! The options of the drivers that send over a network: [`NetworkOptions`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::dial::Dial;
use super::endpoint::Endpoint;
use super::failover::Failback;
use crate::config::grammar::{
    DriverHead, Key, Kind, MAX_INT, Parsed, Parser, Place, Table, TokenKind, apply, names,
};
use crate::config::{Config, Diagnostic, MarkMode, Span, Spanned};
use crate::destination::stream::{Framing, LineFormat, StreamSettings, WriterOptions};
use crate::destination::{DestinationOptions, DriverOptions, Planned};
use crate::template::{Template, TsFormat};
use crate::transport::socket::{Address, AddressOptions, Family, IpProtocol, Protocol, Role, SocketOptions};
use crate::transport::tls::{ClientTls, Side, TlsOptions};

/// `transport()`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    /// TCP with TLS.
    Tls,
    Udp,
    /// TCP with lengths before lines, whatever the driver.
    Framed,
}

/// `failover( … )`
#[derive(Debug, Clone, Default)]
pub(super) struct FailoverOptions {
    /// `servers()`
    pub(super) servers: Vec<Spanned<String>>,
    /// `failback()`
    pub(super) failback: Option<Failback>,
}

/// `network("host" …)`, `syslog("host" …)`, `tcp("host" …)`, `udp("host" …)`, `tcp6("host" …)`,
/// `udp6("host" …)`
#[derive(Debug, Clone)]
pub struct NetworkOptions {
    /// The word of the driver.
    word: &'static str,
    /// The server.
    host: Spanned<String>,
    transport: Transport,
    /// The place of `transport()`, or of the driver.
    transport_span: Span,
    /// `tls()`
    tls: Option<TlsOptions>,
    /// `keep-alive()`: whether the connection goes on over a reload.
    keep_alive: bool,
    /// `close-on-input()`: whether data from the server ends the connection.
    close_on_input: bool,
    failover: FailoverOptions,
    address: AddressOptions,
    socket: SocketOptions,
    writer: WriterOptions,
}

const NETWORK: Table<NetworkOptions> = &[
    ("keep-alive", Kind::YesNo(|to, yes| to.keep_alive = yes)),
    ("close-on-input", Kind::YesNo(|to, yes| to.close_on_input = yes)),
    ("failover", Kind::Other(|parser, to| failover(parser, &mut to.failover))),
    (
        "failover-servers",
        Kind::Obsolete(
            "failover(servers())",
            &Kind::Other(|parser, to| hosts(parser, &mut to.failover.servers)),
        ),
    ),
    ("spoof-source", Kind::Other(|parser, _| spoof_source(parser))),
];

/// The option of the drivers whose name does not say it.
const TRANSPORT: Table<NetworkOptions> = &[("transport", Kind::Other(transport))];

/// `flush-lines()` and the like are read with the options of those who write.
fn own(word: &str) -> Table<NetworkOptions> {
    if matches!(word, "network" | "syslog") { TRANSPORT } else { &[] }
}

impl DestinationOptions for NetworkOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let host = parser.host("the name or the address of the server").inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let transport = if head.word.starts_with("udp") { Transport::Udp } else { Transport::Tcp };
        let mut options = Self {
            word: head.word,
            host,
            transport,
            transport_span: head.span,
            tls: None,
            keep_alive: true,
            close_on_input: true,
            failover: FailoverOptions::default(),
            address: AddressOptions::default(),
            socket: SocketOptions::default(),
            writer: WriterOptions::default(),
        };
        let (family, role) = (Family::Inet, Role::Destination);
        let known = || {
            let tls = has_tls(head.word).then_some("tls");
            let own = names(NETWORK).chain(names(own(head.word))).chain(tls);
            let transport = AddressOptions::names(role).chain(SocketOptions::names(family));
            own.chain(transport).chain(WriterOptions::names()).collect()
        };
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            if has_tls(head.word) && key.value == "tls" {
                let tls = options.tls.get_or_insert_with(|| TlsOptions::new(key.span));
                return Some(tls.read(parser, key, Side::Client));
            }
            apply(NETWORK, &mut options, parser, key)
                .or_else(|| apply(own(head.word), &mut options, parser, key))
                .or_else(|| options.address.apply(parser, key, role))
                .or_else(|| options.socket.apply(parser, key, family, role))
                .or_else(|| options.writer.apply(parser, key))
        });
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.writer.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let settings = self.settings(config)?;
        Ok(Planned { claim: None, ..settings.planned() })
    }
}

impl NetworkOptions {
    fn is_syslog(&self) -> bool {
        self.word == "syslog"
    }

    fn framing(&self) -> Framing {
        match self.transport {
            Transport::Udp => Framing::Datagram,
            Transport::Framed => Framing::OctetCounting,
            Transport::Tcp | Transport::Tls if self.is_syslog() => Framing::OctetCounting,
            Transport::Tcp | Transport::Tls => Framing::Newline,
        }
    }

    fn protocol(&self) -> Protocol {
        if self.transport == Transport::Udp { Protocol::Udp } else { Protocol::Tcp }
    }

    /// The port where none is written: that of RFC 6587, RFC 5425 or RFC 5426, or that of BSD syslog.
    fn default_port(&self) -> u16 {
        match self.transport {
            Transport::Tcp if self.is_syslog() => 601,
            Transport::Tls if self.is_syslog() => 6514,
            _ => 514,
        }
    }

    /// TLS with the server, where `tls()` and `transport()` say so; the sentences are warnings.
    fn tls(&self, config: &Config) -> Result<Option<Arc<ClientTls>>, Diagnostic> {
        let is_of_driver = !matches!(self.word, "network" | "syslog");
        match (&self.tls, self.transport) {
            (None, Transport::Tls) => {
                let help = "add tls(ca-file(\"…\"))".to_owned();
                Err(config.error(self.transport_span, "transport(tls) needs tls()", Some(help)))
            }
            (None, _) => Ok(None),
            (Some(_), Transport::Tcp | Transport::Udp) if !is_of_driver => {
                let help = Some("write transport(tls)".to_owned());
                Err(config.error(self.transport_span, "a plain transport has no tls()", help))
            }
            (Some(options), _) => ClientTls::new(options, config).map(|(tls, _)| Some(Arc::new(tls))),
        }
    }

    fn settings(&self, config: &Config) -> Result<StreamSettings, Diagnostic> {
        let ip = if self.word.ends_with('6') { IpProtocol::V6 } else { IpProtocol::V4 };
        let (protocol, port) = (self.protocol(), self.default_port());
        let target = |host| self.address.target(host, config, protocol, port, ip);
        let primary = target(&self.host)?;
        let stand_ins = self.failover.servers.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let from = self.address.from(config, protocol, ip)?;
        let tls = self.tls(config)?;
        let endpoint = |address: Address| {
            let (options, tls) = (self.socket.clone(), tls.clone());
            Endpoint::Inet { address, protocol, from, options, tls }
        };
        let scheme = if tls.is_some() { "tls" } else { protocol.name() };
        let shown = format!("{scheme}://{primary}");
        let endpoints = std::iter::once(primary).chain(stand_ins).map(endpoint).collect();
        let dial = Dial {
            kind: kind(protocol, self.framing(), tls.is_some()),
            endpoints,
            failback: self.failover.failback,
            keep_alive: self.keep_alive,
            close_on_input: self.close_on_input,
            state: Mutex::default(),
        };
        settings(&self.writer, self.is_syslog(), config, (shown, self.framing(), dial))
    }
}

/// The kind of a connection: those of one kind and address can be handed over.
fn kind(protocol: Protocol, framing: Framing, has_tls: bool) -> &'static str {
    match (protocol, framing) {
        (Protocol::Udp, _) => "udp",
        (Protocol::Tcp, Framing::OctetCounting) if has_tls => "tls with lengths",
        (Protocol::Tcp, Framing::OctetCounting) => "tcp with lengths",
        (Protocol::Tcp, _) if has_tls => "tls",
        (Protocol::Tcp, _) => "tcp",
    }
}

/// The settings of a destination that writes lines to a connection; `is_syslog` where they are those of
/// RFC 5424 whatever `flags()` says.
pub(super) fn settings(
    writer: &WriterOptions,
    is_syslog: bool,
    config: &Config,
    (shown, framing, dial): (String, Framing, Dial),
) -> Result<StreamSettings, Diagnostic> {
    let mut writer = writer.clone();
    writer.flags.syslog_protocol |= is_syslog;
    let kind = dial.kind;
    let template = config.options.proto_template.as_ref();
    let mut settings = writer.settings(config, Template::literal(&shown), template)?;
    if writer.template.is_none() && template.is_none() && !writer.flags.syslog_protocol {
        settings.line = LineFormat::bsd();
        settings.options.ts_format = TsFormat::Rfc3164;
        settings.options.template_escape = false;
    }
    settings.framing = framing;
    if !kind.starts_with("unix") {
        settings.marks = writer.marks(config, MarkMode::Global);
    }
    settings.opening = Arc::new(dial);
    Ok(settings)
}

/// Tells whether the driver takes `tls()`.
fn has_tls(word: &str) -> bool {
    !word.starts_with("udp")
}

fn transport(parser: &mut Parser, to: &mut NetworkOptions) -> Parsed<()> {
    let word = parser.string("a transport")?;
    to.transport_span = word.span;
    let chosen = match &*word.value.to_ascii_lowercase() {
        "tcp" => Some(Transport::Tcp),
        "tls" => Some(Transport::Tls),
        "udp" => Some(Transport::Udp),
        "framed" => Some(Transport::Framed),
        _ => None,
    };
    if let Some(transport) = chosen {
        to.transport = transport;
        return Ok(());
    }
    let help =
        Some("a destination has `tcp`, `tls`, `udp`, and `framed` for lengths before lines".to_owned());
    let message = format!("the transport `{}` is not supported by this version of Inrush", word.value);
    Err(parser.report.error(word.span, message, help))
}

/// Reads hosts.
fn hosts(parser: &mut Parser, to: &mut Vec<Spanned<String>>) -> Parsed<()> {
    while !parser.sees(&TokenKind::RParen) {
        to.push(parser.host("the name or the address of a server")?);
    }
    Ok(())
}

fn failover(parser: &mut Parser, to: &mut FailoverOptions) -> Parsed<()> {
    const FAILOVER: Table<FailoverOptions> = &[
        ("servers", Kind::Other(|parser, to| hosts(parser, &mut to.servers))),
        ("failback", Kind::Other(|parser, to| failback(parser, to.failback.get_or_insert_default()))),
    ];
    let known = || names(FAILOVER).collect();
    let read = |parser: &mut Parser, key: &Key| apply(FAILOVER, to, parser, key);
    parser.nested_options(Place::DestinationOption, &known, read)
}

fn failback(parser: &mut Parser, to: &mut Failback) -> Parsed<()> {
    const FAILBACK: Table<Failback> = &[
        ("tcp-probe-interval", Kind::Seconds(|to, time| to.interval = time.max(Duration::from_millis(1)))),
        ("successful-probes-required", Kind::Int(1, MAX_INT, |to, count| to.required = count as u32)),
    ];
    let known = || names(FAILBACK).collect();
    let read = |parser: &mut Parser, key: &Key| apply(FAILBACK, to, parser, key);
    parser.nested_options(Place::DestinationOption, &known, read)
}

fn spoof_source(parser: &mut Parser) -> Parsed<()> {
    let span = parser.peek().span;
    if parser.yes_no()? {
        let message = "the option `spoof-source` is not supported: Inrush opens no raw sockets, for which it would need to be root";
        let help = "the receiver has the sender's name in HOST: keep-hostname(yes) there".to_owned();
        return Err(parser.report.error(span, message, Some(help)));
    }
    Ok(())
}
