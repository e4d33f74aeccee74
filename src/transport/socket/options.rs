//! The options of sockets: [`SocketOptions`].
//!
//! | Option | Default | Set on |
//! |---|---|---|
//! | `so-rcvbuf`, `so-sndbuf` | 0: the kernel's | receivers; senders |
//! | `so-keepalive` | yes; unix sockets no | TCP connections |
//! | `tcp-keepalive-time`, `-intvl`, `-probes` | 60, 10, 6; 0: the kernel's | TCP connections with keep-alive |
//! | `so-reuseport` | no | receivers |
//! | `so-broadcast`, `ip-ttl`, `ip-tos` | off | senders |
//! | `ip-freebind` | no | receivers |
//! | `interface` | any | both |
//! | `so-passcred` | yes | receivers on unix sockets |
//!
//! An option that is accepted and does nothing where it stands is warned about.

use std::time::Duration;

use crate::config::Spanned;
use crate::config::grammar::{Key, Kind, MAX_INT, Parsed, Parser, Table, apply, names};

/// The families of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// Sockets with a path.
    Unix,
}

/// The side on which a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A source: it receives.
    Source,
    /// A destination: it sends.
    Destination,
}

/// The options of the sockets of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, by the name users know")]
pub(crate) struct SocketOptions {
    /// `so-rcvbuf()`: bytes of the receive buffer; 0 leaves the kernel's.
    pub(crate) so_rcvbuf: usize,
    /// `so-sndbuf()`: bytes of the send buffer; 0 leaves the kernel's.
    pub(crate) so_sndbuf: usize,
    /// `so-broadcast()`
    pub(crate) so_broadcast: bool,
    /// `so-keepalive()`: yes for TCP when it is not written.
    pub(crate) so_keepalive: Option<bool>,
    /// `tcp-keepalive-time()`: seconds of silence before the first probe; 0 leaves the kernel's.
    pub(crate) tcp_keepalive_time: u32,
    /// `tcp-keepalive-intvl()`: seconds between probes; 0 leaves the kernel's.
    pub(crate) tcp_keepalive_intvl: u32,
    /// `tcp-keepalive-probes()`: probes without an answer until the connection ends; 0 leaves the kernel's.
    pub(crate) tcp_keepalive_probes: u32,
    /// `so-reuseport()`
    pub(crate) so_reuseport: bool,
    /// `ip-ttl()`: 0 leaves the kernel's.
    pub(crate) ip_ttl: u8,
    /// `ip-tos()`: 0 leaves the kernel's.
    pub(crate) ip_tos: u8,
    /// `ip-freebind()`
    pub(crate) ip_freebind: bool,
    /// `interface()`: the network device that alone is used.
    pub(crate) interface: Option<Spanned<String>>,
    /// `so-passcred()`: whether the kernel tells who sent a message.
    pub(crate) so_passcred: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            so_rcvbuf: 0,
            so_sndbuf: 0,
            so_broadcast: false,
            so_keepalive: None,
            tcp_keepalive_time: 60,
            tcp_keepalive_intvl: 10,
            tcp_keepalive_probes: 6,
            so_reuseport: false,
            ip_ttl: 0,
            ip_tos: 0,
            ip_freebind: false,
            interface: None,
            so_passcred: true,
        }
    }
}

/// The longest times and the most probes that Linux takes.
const MAX_KEEPALIVE: i64 = 32_767;
const MAX_PROBES: i64 = 127;
/// The longest name of a network device: `IFNAMSIZ` of Linux, less the NUL.
const MAX_INTERFACE: usize = 15;

/// The options of all families.
const SOCKET: Table<SocketOptions> = &[
    ("so-rcvbuf", Kind::Int(0, MAX_INT, |to, size| to.so_rcvbuf = size as usize)),
    ("so-sndbuf", Kind::Int(0, MAX_INT, |to, size| to.so_sndbuf = size as usize)),
    ("so-broadcast", Kind::YesNo(|to, yes| to.so_broadcast = yes)),
    ("so-keepalive", Kind::YesNo(|to, yes| to.so_keepalive = Some(yes))),
    ("so-reuseport", Kind::YesNo(|to, yes| to.so_reuseport = yes)),
];

/// Those of IPv4 and IPv6.
const INET: Table<SocketOptions> = &[
    ("tcp-keepalive-time", Kind::Int(0, MAX_KEEPALIVE, |to, time| to.tcp_keepalive_time = time as u32)),
    ("tcp-keepalive-intvl", Kind::Int(0, MAX_KEEPALIVE, |to, time| to.tcp_keepalive_intvl = time as u32)),
    ("tcp-keepalive-probes", Kind::Int(0, MAX_PROBES, |to, count| to.tcp_keepalive_probes = count as u32)),
    ("ip-ttl", Kind::Int(0, 255, |to, hops| to.ip_ttl = hops as u8)),
    ("ip-tos", Kind::Int(0, 255, |to, bits| to.ip_tos = bits as u8)),
    ("ip-freebind", Kind::YesNo(|to, yes| to.ip_freebind = yes)),
    ("interface", Kind::Other(|parser, to| interface(parser).map(|name| to.interface = Some(name)))),
];

/// Those of unix sockets.
const UNIX: Table<SocketOptions> = &[
    ("so-passcred", Kind::YesNo(|to, yes| to.so_passcred = yes)),
    ("pass-unix-credentials", Kind::Obsolete("so-passcred()", &Kind::YesNo(|to, yes| to.so_passcred = yes))),
];

/// Options that are accepted everywhere and do something on one side alone.
const SENDERS_ONLY: &[&str] = &["so-sndbuf", "so-broadcast", "ip-ttl", "ip-tos"];
const RECEIVERS_ONLY: &[&str] =
    &["so-rcvbuf", "so-reuseport", "ip-freebind", "so-passcred", "pass-unix-credentials"];
/// Options of all families that do nothing on unix sockets.
const INET_ONLY: &[&str] = &["so-broadcast", "so-keepalive", "so-reuseport"];

impl SocketOptions {
    /// The names of the options.
    pub(crate) fn names(family: Family) -> impl Iterator<Item = &'static str> {
        names(SOCKET).chain(names(own(family)))
    }

    /// Reads the value of the option `key`, if it is one of these.
    pub(crate) fn apply(
        &mut self,
        parser: &mut Parser,
        key: &Key,
        family: Family,
        role: Role,
    ) -> Option<Parsed<()>> {
        let read = apply(SOCKET, self, parser, key).or_else(|| apply(own(family), self, parser, key))?;
        let name = key.value.replace('_', "-");
        let why = match role {
            _ if family == Family::Unix && INET_ONLY.contains(&&*name) => Some("on unix sockets"),
            Role::Source if SENDERS_ONLY.contains(&&*name) => Some("in a source: it is for what is sent"),
            Role::Destination if RECEIVERS_ONLY.contains(&&*name) => {
                Some("in a destination: it is for what is received")
            }
            _ => None,
        };
        if let Some(why) = why {
            parser.report.warn(key.span, format!("`{}` has no effect {why}", key.value), None);
        }
        Some(read)
    }

    /// Tells whether TCP connections are probed when they are silent.
    pub(crate) fn keepalive(&self) -> bool {
        self.so_keepalive.unwrap_or(true)
    }

    /// The parameters of the probes.
    pub(super) fn probes(&self) -> socket2::TcpKeepalive {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let mut probes = socket2::TcpKeepalive::new();
        if self.tcp_keepalive_time > 0 {
            probes = probes.with_time(seconds(self.tcp_keepalive_time));
        }
        if self.tcp_keepalive_intvl > 0 {
            probes = probes.with_interval(seconds(self.tcp_keepalive_intvl));
        }
        if self.tcp_keepalive_probes > 0 {
            probes = probes.with_retries(self.tcp_keepalive_probes);
        }
        probes
    }
}

fn own(family: Family) -> Table<SocketOptions> {
    match family {
        Family::Inet => INET,
        Family::Unix => UNIX,
    }
}

/// The name of a network device.
fn interface(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let name = parser.string("the name of a network device, such as \"eth0\"")?;
    let is_name = |name: &str| {
        (1..=MAX_INTERFACE).contains(&name.len())
            && !name.bytes().any(|byte| byte == b'/' || byte == 0 || byte.is_ascii_whitespace())
    };
    if is_name(&name.value) {
        return Ok(name);
    }
    let message = format!("`{}` is no name of a network device", name.value.escape_debug());
    let help = format!("it has 1 to {MAX_INTERFACE} bytes, without blanks and slashes");
    Err(parser.report.error(name.span, message, Some(help)))
}
