//! Addresses as they are written and as they are used: [`AddressOptions`], [`Address`].
//!
//! | Option | In a source | In a destination |
//! |---|---|---|
//! | `ip`, `localip` | where it listens: 0.0.0.0 or `::` | `localip` alone: where it sends from |
//! | `port`, `localport` | where it listens | `port`, `destport`: where it sends to; `localport`: where from |
//! | `ip-protocol` | 4 or 6 | 4 or 6 |
//!
//! A port is a number, also in quotes, or the name of a service, which the system knows by the transport.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};

use super::options::Role;
use super::resolver::Resolver;
use crate::config::grammar::{Key, Kind, Parsed, Parser, Table, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Spanned};

/// The longest wait for the address of a name when a configuration is read.
const LOOKUP: Duration = Duration::from_secs(10);

/// `ip-protocol()`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum IpProtocol {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl IpProtocol {
    /// The address that stands for all of this host.
    pub(crate) fn any(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Tells whether `ip` is of this version.
    pub(crate) fn has(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == (self == Self::V4)
    }
}

/// The protocol above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Connections, with TLS or without.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// Its name, as `tcp`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// `port()`: as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Port {
    /// A number.
    Number(u16),
    /// The name of a service.
    Service(Spanned<String>),
}

impl Port {
    /// Its number for `protocol`.
    ///
    /// # Errors
    /// The system knows no service of that name.
    pub(crate) fn number(&self, protocol: Protocol, config: &Config) -> Result<u16, Diagnostic> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Service(name) => service(&name.value, protocol).ok_or_else(|| {
                let message = format!("there is no {} service `{}`", protocol.name(), name.value);
                config.error(name.span, message, Some("write the number of the port".to_owned()))
            }),
        }
    }
}

/// The port of a service, as the system knows it (`/etc/services` on most).
fn service(name: &str, protocol: Protocol) -> Option<u16> {
    let socktype = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::DGram,
    };
    let hints = AddrInfoHints { flags: 0, address: 0, socktype: socktype.into(), protocol: 0 };
    let mut found = getaddrinfo(None, Some(name), Some(hints)).ok()?;
    found.find_map(|found| found.ok().map(|info| info.sockaddr.port()))
}

/// The options of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AddressOptions {
    /// `localip()`, in a source also `ip()`.
    pub(crate) localip: Option<Spanned<String>>,
    /// `localport()`, in a source also `port()`.
    pub(crate) localport: Option<Port>,
    /// `port()` of a destination, also called `destport()`.
    pub(crate) port: Option<Port>,
    /// `ip-protocol()`
    pub(crate) ip_protocol: Option<IpProtocol>,
}

/// `localip()`
const LOCALIP: Kind<AddressOptions> =
    Kind::Other(|parser, to| parser.host("an address of this host").map(|host| to.localip = Some(host)));
/// `localport()`
const LOCALPORT: Kind<AddressOptions> =
    Kind::Other(|parser, to| parser.port().map(|port| to.localport = Some(port)));
/// `port()` of a destination.
const PORT: Kind<AddressOptions> = Kind::Other(|parser, to| parser.port().map(|port| to.port = Some(port)));
/// `ip-protocol()`
const IP_PROTOCOL: Kind<AddressOptions> = Kind::Other(|parser, to| {
    let versions = [("4", IpProtocol::V4), ("6", IpProtocol::V6)];
    parser.choice(&versions).map(|version| to.ip_protocol = Some(version))
});

/// The options of a source.
const SOURCE: Table<AddressOptions> = &[
    ("ip", LOCALIP),
    ("localip", LOCALIP),
    ("port", LOCALPORT),
    ("localport", LOCALPORT),
    ("ip-protocol", IP_PROTOCOL),
];

/// The options of a destination.
const DESTINATION: Table<AddressOptions> = &[
    ("port", PORT),
    ("destport", PORT),
    ("localip", LOCALIP),
    ("localport", LOCALPORT),
    ("ip-protocol", IP_PROTOCOL),
];

fn table(role: Role) -> Table<AddressOptions> {
    match role {
        Role::Source => SOURCE,
        Role::Destination => DESTINATION,
    }
}

impl AddressOptions {
    /// The names of the options.
    pub(crate) fn names(role: Role) -> impl Iterator<Item = &'static str> {
        names(table(role))
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(&mut self, parser: &mut Parser, key: &Key, role: Role) -> Option<Parsed<()>> {
        apply(table(role), self, parser, key)
    }

    /// The address at which a source receives. `port` and `ip` are the driver's own where nothing is written.
    ///
    /// # Errors
    /// A name without an address, an address of the other version of IP, an unknown service.
    pub(crate) fn listen(
        &self,
        config: &Config,
        protocol: Protocol,
        port: u16,
        ip: IpProtocol,
    ) -> Result<SocketAddr, Diagnostic> {
        let port = self.localport.as_ref().map_or(Ok(port), |port| port.number(protocol, config))?;
        self.local(config, self.ip_protocol.unwrap_or(ip), port)
    }

    /// The address from which a destination sends, if one is written.
    ///
    /// # Errors
    /// As of [`listen`](Self::listen).
    pub(crate) fn from(
        &self,
        config: &Config,
        protocol: Protocol,
        ip: IpProtocol,
    ) -> Result<Option<SocketAddr>, Diagnostic> {
        if self.localip.is_none() && self.localport.is_none() {
            return Ok(None);
        }
        let port = self.localport.as_ref().map_or(Ok(0), |port| port.number(protocol, config))?;
        self.local(config, self.ip_protocol.unwrap_or(ip), port).map(Some)
    }

    /// The address to which a destination sends. `port` and `ip` are the driver's own where nothing is
    /// written.
    ///
    /// # Errors
    /// An address of the other version of IP, an unknown service, port 0.
    pub(crate) fn target(
        &self,
        host: &Spanned<String>,
        config: &Config,
        protocol: Protocol,
        port: u16,
        ip: IpProtocol,
    ) -> Result<Address, Diagnostic> {
        let port = self.port.as_ref().map_or(Ok(port), |port| port.number(protocol, config))?;
        if port == 0 {
            return Err(config.error(host.span, "nothing can be sent to port 0", None));
        }
        let ip = self.ip_protocol.unwrap_or(ip);
        check_version(host, config, ip)?;
        Ok(Address { host: host.value.clone(), port, ip })
    }

    fn local(&self, config: &Config, ip: IpProtocol, port: u16) -> Result<SocketAddr, Diagnostic> {
        let Some(host) = &self.localip else { return Ok(SocketAddr::new(ip.any(), port)) };
        check_version(host, config, ip)?;
        let address = Address { host: host.value.clone(), port, ip };
        let found = Resolver::of_system().resolve_within(&address, LOOKUP);
        let first = found.map(|found| found[0]);
        first.map_err(|why| config.error(host.span, why, None))
    }
}

/// Checks that `host`, where it is an address, is one of this version of IP.
fn check_version(host: &Spanned<String>, config: &Config, ip: IpProtocol) -> Result<(), Diagnostic> {
    let Ok(written) = host.value.parse::<IpAddr>() else { return Ok(()) };
    if ip.has(written) {
        return Ok(());
    }
    let (is, option) = if written.is_ipv4() { ("IPv4", 4) } else { ("IPv6", 6) };
    let message = format!("`{}` is an address of {is}, which is not the driver's ip-protocol()", host.value);
    Err(config.error(host.span, message, Some(format!("write ip-protocol({option})"))))
}

/// A host and a port to which something is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    /// The name or the address of the host.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The version of IP.
    pub(crate) ip: IpProtocol,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Parser {
    /// The name or the address of a host, perhaps in brackets as in `[::1]`.
    pub(crate) fn host(&mut self, expected: &str) -> Parsed<Spanned<String>> {
        let mut host = self.string(expected)?;
        let inside = host.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inside) = inside {
            host.value = inside.to_owned();
        }
        let is_host = |host: &str| {
            !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/')
        };
        if is_host(&host.value) {
            return Ok(host);
        }
        let message = format!("`{}` is neither an address nor the name of a host", host.value.escape_debug());
        Err(self.report.error(host.span, message, None))
    }

    /// A port: a number, also in quotes, or the name of a service.
    pub(crate) fn port(&mut self) -> Parsed<Port> {
        if matches!(self.peek().kind, TokenKind::Number(..)) {
            return self.integer(0, u16::MAX.into()).map(|number| Port::Number(number as u16));
        }
        let name = self.string("a port from 0 to 65535, or the name of a service")?;
        if !name.value.is_empty() && name.value.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = name.value.parse().map(Port::Number);
            return number.map_err(|_| {
                let message = format!("\"{}\" is out of range: expected a port from 0 to 65535", name.value);
                self.report.error(name.span, message, None)
            });
        }
        let is_service = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if is_service(&name.value) {
            return Ok(Port::Service(name));
        }
        let message = format!("`{}` is neither a port nor the name of a service", name.value.escape_debug());
        Err(self.report.error(name.span, message, None))
    }
}
