//! The checked options of a source of sockets: [`Plan`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::transport::Transport;
use crate::source::DEFAULT_WINDOW;
use crate::source::reader::Reading;
use crate::transport::net::Nets;
use crate::transport::socket::{SocketFile, SocketOptions};
use crate::transport::tls::ServerTls;

/// The share of the window that each connection has at least, where the window is not written.
const LEAST_SHARE: u32 = 1000;

/// The place at which a source receives.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// An address and a port.
    Inet(SocketAddr),
    /// The file of a unix socket.
    Unix(String, SocketFile),
    /// A socket that the manager of services has passed.
    Passed,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(path, _) => write!(f, "{path}"),
            Self::Passed => write!(f, "the socket that was passed"),
        }
    }
}

/// What a source of sockets is to do.
#[derive(Clone)]
pub(super) struct Plan {
    pub transport: Transport,
    /// The macro TRANSPORT.
    pub transport_name: Arc<str>,
    pub at: At,
    pub socket: SocketOptions,
    pub max_connections: u32,
    /// The most connections of one address.
    pub max_connections_per_ip: Option<u32>,
    pub listen_backlog: i32,
    /// Tells whether connections outlive a reload.
    pub keep_alive: bool,
    pub idle_timeout: Option<Duration>,
    /// `log-iw-size()`, where it is written.
    pub window: Option<u32>,
    /// `dynamic-window-size()`
    pub dynamic_window: u32,
    /// The number of sockets for datagrams.
    pub receivers: u32,
    /// The proxies that may speak for others; `None`: all.
    pub proxy_from: Option<Nets>,
    pub optional: bool,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<ServerTls>>,
    pub reading: Reading,
}

impl Plan {
    /// The messages that a connection may have in flight, of `open` connections.
    pub(super) fn share(&self, open: usize) -> u32 {
        let fixed = match self.window {
            Some(window) => window / self.max_connections,
            None => (DEFAULT_WINDOW / self.max_connections).max(LEAST_SHARE),
        };
        let open = u32::try_from(open).unwrap_or(u32::MAX).max(1);
        fixed.max(1).saturating_add(self.dynamic_window / open)
    }
}
