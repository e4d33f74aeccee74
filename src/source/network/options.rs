//! The options of `network()`, `syslog()`, `tcp()`, `udp()`, `unix-stream()` and their like:
//! [`NetworkOptions`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::driver::Driver;
use super::plan::{At, Plan};
use super::transport::{Proxied, Transport};
use crate::config::grammar::{
    DriverHead, Kind, MAX_INT, PERMISSIONS, Parsed, Parser, Place, Table, apply, names,
};
use crate::config::{Config, Diagnostic, FilePermissions, Spanned};
use crate::flow::inbox::NAP;
use crate::source::reader::ReaderOptions;
use crate::source::{DEFAULT_WINDOW, EngineLog, Input, LogSourceOptions, Made, Planned, SourceOptions};
use crate::transport::net::Nets;
use crate::transport::socket::{AddressOptions, Family, Role, SocketFile, SocketOptions};
use crate::transport::tls::{ServerTls, Side, TlsOptions};

/// `max-connections()` where it is not written; that of unix sockets.
const CONNECTIONS: u32 = 10;
const UNIX_CONNECTIONS: u32 = 256;
/// `listen-backlog()` where it is not written.
const BACKLOG: i32 = 255;
/// The most sockets of `receivers()`.
const MOST_RECEIVERS: i64 = 64;

/// The options of all these drivers.
#[derive(Debug, Clone)]
pub(in crate::source) struct NetworkOptions {
    driver: Driver,
    /// The path of a unix socket.
    path: Option<Spanned<String>>,
    /// `transport()`
    transport: Option<Spanned<String>>,
    address: AddressOptions,
    socket: SocketOptions,
    /// `max-connections()`
    max_connections: Option<u32>,
    /// `max-connections-per-ip()`
    max_connections_per_ip: Option<u32>,
    /// `listen-backlog()`
    listen_backlog: Option<i32>,
    /// `keep-alive()`
    keep_alive: bool,
    /// `idle-timeout()`
    idle_timeout: Option<Duration>,
    /// `dynamic-window-size()`
    dynamic_window_size: u32,
    /// `receivers()`
    receivers: Option<Spanned<u32>>,
    /// `proxy-from()`
    proxy_from: Option<Spanned<Nets>>,
    /// `owner()`, `group()`, `perm()` of a socket's file, and those of directories.
    permissions: FilePermissions,
    /// `create-dirs()`
    create_dirs: Option<bool>,
    /// `optional()`
    optional: bool,
    /// `tls()`
    tls: Option<TlsOptions>,
    reader: ReaderOptions,
    source: LogSourceOptions,
}

const SHARES: &str =
    "in Inrush: connections share the window that is free at any moment, without being counted in between";

/// Options of drivers that may have connections.
const STREAM: Table<NetworkOptions> = &[
    ("max-connections", Kind::Int(1, 1 << 20, |to, most| to.max_connections = Some(most as u32))),
    ("listen-backlog", Kind::Int(1, MAX_INT, |to, length| to.listen_backlog = Some(length as i32))),
    ("keep-alive", Kind::YesNo(|to, yes| to.keep_alive = yes)),
    ("idle-timeout", Kind::Other(idle_timeout)),
    ("dynamic-window-size", Kind::Int(0, MAX_INT, |to, size| to.dynamic_window_size = size as u32)),
    ("dynamic-window-stats-freq", Kind::NoEffect(SHARES)),
    ("dynamic-window-realloc-ticks", Kind::NoEffect(SHARES)),
];

/// Options of drivers that may have connections of IP.
const INET_STREAM: Table<NetworkOptions> = &[(
    "max-connections-per-ip",
    Kind::Int(1, 1 << 20, |to, most| to.max_connections_per_ip = Some(most as u32)),
)];

/// Options of drivers that may have datagrams of IP.
const DATAGRAM: Table<NetworkOptions> = &[(
    "receivers",
    Kind::Other(|parser, to| {
        let at = parser.peek().span;
        let count = parser.integer(1, MOST_RECEIVERS)?;
        to.receivers = Some(Spanned::new(count as u32, at));
        Ok(())
    }),
)];

/// Options of drivers that take `transport()`.
const TRANSPORT: Table<NetworkOptions> = &[
    ("transport", Kind::Text(|to, word| to.transport = Some(word))),
    (
        "proxy-from",
        Kind::Other(|parser, to| {
            let at = parser.peek().span;
            Nets::read(parser).map(|nets| to.proxy_from = Some(Spanned::new(nets, at)))
        }),
    ),
];

/// Options of unix sockets.
const UNIX: Table<NetworkOptions> = &[("optional", Kind::YesNo(|to, yes| to.optional = yes))];

/// Options of unix sockets that are made.
const PATH: Table<NetworkOptions> = &[("create-dirs", Kind::YesNo(|to, yes| to.create_dirs = Some(yes)))];

fn idle_timeout(parser: &mut Parser, to: &mut NetworkOptions) -> Parsed<()> {
    let at = parser.peek().span;
    let time = parser.seconds()?;
    if time.is_zero() {
        return Err(parser.report.error(at, "expected a time above 0", None));
    }
    to.idle_timeout = Some(time);
    Ok(())
}

impl NetworkOptions {
    fn new(driver: Driver) -> Self {
        let mut reader = ReaderOptions::default();
        reader.parsing.flags = driver.flags();
        Self {
            driver,
            path: None,
            transport: None,
            address: AddressOptions::default(),
            socket: SocketOptions::default(),
            max_connections: None,
            max_connections_per_ip: None,
            listen_backlog: None,
            keep_alive: true,
            idle_timeout: None,
            dynamic_window_size: 0,
            receivers: None,
            proxy_from: None,
            permissions: FilePermissions::default(),
            create_dirs: None,
            optional: false,
            tls: None,
            reader,
            source: LogSourceOptions::default(),
        }
    }

    /// The tables of the driver's own options.
    fn tables(driver: Driver) -> impl Iterator<Item = Table<Self>> {
        let tables: [(bool, Table<Self>); 6] = [
            (driver.may_connect(), STREAM),
            (driver.may_connect() && driver.family() == Family::Inet, INET_STREAM),
            (driver.may_be_udp(), DATAGRAM),
            (driver.has_transport(), TRANSPORT),
            (driver.family() == Family::Unix, UNIX),
            (driver.has_path(), PATH),
        ];
        tables.into_iter().filter_map(|(has, table)| has.then_some(table))
    }

    fn apply(&mut self, parser: &mut Parser, key: &crate::config::grammar::Key) -> Option<Parsed<()>> {
        let (driver, family) = (self.driver, self.driver.family());
        for table in Self::tables(driver) {
            if let Some(read) = apply(table, self, parser, key) {
                return Some(read);
            }
        }
        if driver.has_tls() && key.value == "tls" {
            let tls = self.tls.get_or_insert_with(|| TlsOptions::new(key.span));
            return Some(tls.read(parser, key, Side::Server));
        }
        let own = match family {
            Family::Inet => self.address.apply(parser, key, Role::Source),
            Family::Unix if driver.has_path() => apply(PERMISSIONS, &mut self.permissions, parser, key),
            Family::Unix => None,
        };
        own.or_else(|| self.socket.apply(parser, key, family, Role::Source))
            .or_else(|| self.reader.apply(parser, key))
            .or_else(|| self.source.apply(parser, key))
    }

    fn names(driver: Driver) -> Vec<&'static str> {
        let family = driver.family();
        let mut all: Vec<_> = Self::tables(driver).flat_map(names).collect();
        match family {
            Family::Inet => all.extend(AddressOptions::names(Role::Source)),
            Family::Unix if driver.has_path() => all.extend(names(PERMISSIONS)),
            Family::Unix => {}
        }
        all.extend(driver.has_tls().then_some("tls"));
        all.extend(SocketOptions::names(family));
        all.extend(ReaderOptions::names());
        all.extend(LogSourceOptions::names());
        all
    }

    /// The connections that it may have.
    fn max_connections(&self) -> u32 {
        let default = if self.driver.family() == Family::Unix { UNIX_CONNECTIONS } else { CONNECTIONS };
        self.max_connections.unwrap_or(default)
    }

    /// The transport.
    fn transport(&self, config: &Config) -> Result<Transport, Diagnostic> {
        match &self.transport {
            Some(word) => Transport::named(word, self.driver, config),
            None => Ok(Transport::of_driver(self.driver)),
        }
    }

    /// TLS as the transport wants it.
    fn tls(
        &self,
        config: &Config,
        transport: Transport,
        input: &Input,
        log: &dyn EngineLog,
    ) -> Result<Option<Arc<ServerTls>>, Diagnostic> {
        let word = || self.transport.as_ref().map_or(input.driver.span, |word| word.span);
        let Some(options) = &self.tls else {
            if transport.tls {
                let help = Some("add tls(key-file(\"…\") cert-file(\"…\"))".to_owned());
                return Err(config.error(word(), format!("transport({}) needs tls()", transport.word), help));
            }
            return Ok(None);
        };
        let may_have =
            transport.tls || !matches!(transport.word, "tcp" | "udp" | "proxied-tcp" | "proxied-udp");
        if !may_have && self.driver.has_transport() {
            let help = Some("write transport(tls)".to_owned());
            return Err(config.error(
                options.span,
                format!("transport({}) has no tls()", transport.word),
                help,
            ));
        }
        let (tls, warnings) = ServerTls::new(options, config)?;
        for warning in warnings {
            log.warning(&format!("source {}: {warning}", input.driver.id));
        }
        Ok(Some(Arc::new(tls)))
    }

    /// The place at which it receives.
    fn at(&self, config: &Config, transport: Transport) -> Result<At, Diagnostic> {
        if self.driver == Driver::SystemdSyslog {
            return Ok(At::Passed);
        }
        let Some(path) = &self.path else {
            let (protocol, port) = (transport.protocol(), transport.default_port(self.driver));
            let at: SocketAddr = self.address.listen(config, protocol, port, self.driver.ip())?;
            return Ok(At::Inet(at));
        };
        let file = SocketFile::new(config, &self.permissions, self.create_dirs)?;
        Ok(At::Unix(path.value.clone(), file))
    }
}

impl SourceOptions for NetworkOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let driver = Driver::named(head.word);
        let mut options = Self::new(driver);
        let mut failed = None;
        if driver.has_path() {
            let path = parser.string("the path of the socket")?;
            if path.value.is_empty() {
                failed = Some(parser.report.error(path.span, "the path of a socket is not empty", None));
            }
            options.path = Some(path);
        }
        let known = || Self::names(driver);
        parser.options_in_parentheses(head.open, Place::SourceOption, &known, |parser, key| {
            options.apply(parser, key)
        });
        failed.map_or(Ok(options), Err)
    }

    fn common(&self) -> &LogSourceOptions {
        &self.source
    }

    fn socket_file(&self) -> Option<&Spanned<String>> {
        self.path.as_ref()
    }

    fn plan(&self, config: &Config, _: &str) -> Result<Planned, Diagnostic> {
        let transport = self.transport(config)?;
        if transport.framing.is_some()
            && let Some(receivers) = &self.receivers
            && receivers.value > 1
        {
            let message = "receivers() are for datagrams: connections have one receiver";
            return Err(config.error(receivers.span, message, None));
        }
        let window = self.source.log_iw_size.map_or(DEFAULT_WINDOW, |size| size as u32);
        Ok(Planned {
            class: None,
            window: window.saturating_add(self.dynamic_window_size),
            max_bytes: self.reader.max_inflight_bytes,
            batch_size: None,
            nap: NAP,
            is_local: self.driver.family() == Family::Unix,
        })
    }

    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
        let transport = self.transport(config)?;
        if let Some(nets) = &self.proxy_from
            && transport.proxied == Proxied::No
        {
            let message = format!("no proxy speaks for others with transport({})", transport.word);
            let help = Some("write transport(proxied-tcp) or another of its kind".to_owned());
            return Err(config.error(nets.span, message, help));
        }
        let tls = self.tls(config, transport, input, &**log)?;
        let plan = Plan {
            transport,
            transport_name: Arc::from(transport.name(self.driver)),
            at: self.at(config, transport)?,
            socket: self.socket.clone(),
            max_connections: self.max_connections(),
            max_connections_per_ip: self.max_connections_per_ip,
            listen_backlog: self.listen_backlog.unwrap_or(BACKLOG),
            keep_alive: self.keep_alive,
            idle_timeout: self.idle_timeout,
            window: self.source.log_iw_size.map(|size| size as u32),
            dynamic_window: self.dynamic_window_size,
            receivers: self.receivers.as_ref().map_or(1, |receivers| receivers.value),
            proxy_from: self.proxy_from.as_ref().map(|nets| nets.value.clone()),
            optional: self.optional,
            tls,
            reading: self.reader.resolve(config, input)?,
        };
        Ok(Some(Box::new(super::NetworkSource::new(input, log, plan))))
    }
}
