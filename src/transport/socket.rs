//! Sockets: their options, their addresses, and how they are opened.
//!
//! ```text
//!  SocketOptions ┐                  ┌ listen_tcp(), receive_udp()         sources
//!  AddressOptions┴► SocketAddr ────►┤
//!                       ▲           └ connect_tcp(), send_udp()           destinations
//!                  Resolver           (their TCP connections are begun, not waited for)
//!
//!  FilePermissions ──► SocketFile ──► listen_stream(), receive_datagrams() unix sockets of sources
//!                                     connect_stream(), send_datagrams()   and of destinations
//! ```
//!
//! * `options`: the options that all socket drivers have, and which of them do something where;
//! * `address`: hosts, ports and versions of IP, as they are written and as they are used;
//! * `resolver`: names to addresses, on threads of their own, so that a dead resolver holds up nobody;
//! * `inet`: TCP and UDP; `local`: unix sockets and their files.
//!
//! # Invariants
//! * Every socket is non-blocking and close-on-exec from its first moment.
//! * A UDP receiver never has `SO_REUSEADDR`: a second engine on its port is an error there, and takes nothing.
//! * The file of a unix socket never has wider permissions than asked for, and is listened on when it has them.

mod address;
mod inet;
mod local;
mod options;
mod resolver;
#[cfg(test)]
mod tests;

pub(crate) use address::{Address, AddressOptions, IpProtocol, Protocol};
pub(crate) use inet::{accepted, connect_tcp, finish_connect, listen_tcp, receive_udp, send_udp};
pub(crate) use local::{
    SocketFile, connect_stream, listen_stream, passed_datagrams, receive_datagrams, send_datagrams,
};
pub(crate) use options::{Family, Role, SocketOptions};
pub(crate) use resolver::Resolver;

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::flow::unshared::Unshared;

/// A socket that was opened, and what is not as it was asked for.
#[derive(Debug)]
pub(crate) struct Opened<S> {
    /// The socket.
    pub(crate) socket: S,
    /// Sentences about options that the system did not follow wholly.
    pub(crate) warnings: Vec<String>,
    /// Keeps it from the forks of the process; lives as long as the socket.
    _unshared: Unshared,
}

impl<S: AsFd> Opened<S> {
    fn new(socket: S, warnings: Vec<String>) -> Self {
        let unshared = Unshared::new(&socket);
        Self { socket, warnings, _unshared: unshared }
    }
}

/// The error of opening a socket: the step that failed, and why.
#[derive(Debug)]
pub(crate) struct SocketError {
    /// The step, as `so-rcvbuf(65536)`.
    doing: String,
    /// The reason.
    pub(crate) error: io::Error,
}

impl SocketError {
    fn new(doing: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self { doing: doing.into(), error: error.into() }
    }

    /// The error of the system, where it is one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.error)
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.error)
    }
}

/// Adds what was done to an error.
trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SocketError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SocketError> {
        self.map_err(|error| SocketError::new(what(), error))
    }
}
