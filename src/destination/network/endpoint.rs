//! Where connections lead to: [`Endpoint`].

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::connection::Kind;
use super::secured::Secured;
use crate::transport::socket::{
    Address, Opened, Protocol, Resolver, SocketError, SocketOptions, connect_stream, connect_tcp,
    finish_connect, send_datagrams, send_udp,
};
use crate::transport::tls::ClientTls;

/// The bound of a look-up, and of an attempt to connect to one address.
const WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of a UDP datagram over IPv4, and over IPv6, too.
const UDP_MAX: usize = 65_507;

/// The far end of connections, and how their sockets are made.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    /// A server of a network.
    Inet {
        address: Address,
        protocol: Protocol,
        /// `localip()` and `localport()`
        from: Option<SocketAddr>,
        options: SocketOptions,
        /// `tls()`
        tls: Option<Arc<ClientTls>>,
    },
    /// A socket of this system.
    Unix { path: String, is_stream: bool, options: SocketOptions },
}

/// A connection that was made.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) socket: OwnedFd,
    /// Its addresses, for the log.
    pub(super) shown: String,
    /// Options that the system did not follow wholly.
    pub(super) warnings: Vec<String>,
    /// TLS, where the server is spoken to with it.
    pub(super) secured: Option<Secured>,
}

/// The reason why there is no connection.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Errno,
    pub(super) text: String,
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        Self { error: error.errno().unwrap_or(Errno::IO), text: error.to_string() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { address, .. } => address.fmt(f),
            Self::Unix { path, .. } => path.escape_debug().fmt(f),
        }
    }
}

impl Endpoint {
    /// The kind of its sockets.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Inet { protocol: Protocol::Tcp, .. } => Kind::Tcp,
            Self::Inet { protocol: Protocol::Udp, .. } => Kind::Datagram(UDP_MAX),
            Self::Unix { is_stream: true, .. } => Kind::UnixStream,
            // As long as its socket takes.
            Self::Unix { is_stream: false, .. } => Kind::Datagram(usize::MAX),
        }
    }

    /// Connects to it, which may take its time.
    ///
    /// # Errors
    /// Those of the last address that was tried.
    pub(super) fn connect(&self) -> Result<Connected, Failure> {
        match self {
            Self::Unix { path, is_stream, options } => {
                let shown = format!("socket `{self}`");
                Ok(if *is_stream {
                    connected(connect_stream(path.as_bytes(), options)?, shown)
                } else {
                    connected(send_datagrams(path.as_bytes(), options)?, shown)
                })
            }
            Self::Inet { address, .. } => {
                let found = Resolver::of_system().resolve_within(address, WITHIN);
                let found = found.map_err(|text| Failure { error: Errno::ADDRNOTAVAIL, text })?;
                let mut failure = None;
                for to in found {
                    match self.connect_to(to) {
                        Ok(connected) => return Ok(connected),
                        Err(other) => failure = Some(other),
                    }
                }
                let none = || Failure { error: Errno::ADDRNOTAVAIL, text: "there is no address".to_owned() };
                Err(failure.unwrap_or_else(none))
            }
        }
    }

    /// Connects to one address of a server.
    fn connect_to(&self, to: SocketAddr) -> Result<Connected, Failure> {
        let Self::Inet { address, protocol, from, options, tls } = self else {
            return Err(Failure { error: Errno::AFNOSUPPORT, text: "it is no server".to_owned() });
        };
        let shown = |from: std::io::Result<SocketAddr>| {
            let at = if address.to_string() == to.to_string() { String::new() } else { format!(" at {to}") };
            let from = from.map_or(String::new(), |from| format!(", local address {from}"));
            format!("server {address}{at}{from}")
        };
        if *protocol == Protocol::Udp {
            let opened = send_udp(to, *from, options)?;
            let shown = shown(opened.socket.local_addr());
            return Ok(connected(opened, shown));
        }
        let opened = connect_tcp(to, *from, options)?;
        let end = Instant::now() + WITHIN;
        let failed = |error: std::io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Failure { error: errno, text: format!("connecting to {to}: {error}") }
        };
        await_room(&opened.socket, end).map_err(|error| failed(error.into()))?;
        if !finish_connect(&opened.socket).map_err(failed)? {
            return Err(failed(Errno::NOTCONN.into()));
        }
        let shown = shown(opened.socket.local_addr());
        let mut connected = connected(opened, shown);
        if let Some(tls) = tls {
            let secured = Secured::shake_hands(tls, &address.host, &connected.socket)?;
            connected.shown.extend(secured.cipher().map(|cipher| format!(", {cipher}")));
            connected.warnings.extend(tls.warnings());
            connected.secured = Some(secured);
        }
        Ok(connected)
    }
}

fn connected<S: Into<OwnedFd>>(opened: Opened<S>, shown: String) -> Connected {
    Connected { socket: opened.socket.into(), shown, warnings: opened.warnings, secured: None }
}

/// Waits until `socket` can be written, or its connection has failed.
fn await_room(socket: impl AsFd, end: Instant) -> Result<(), Errno> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&timeout)) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
