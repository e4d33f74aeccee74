//! The stream of a connection, of whatever kind: [`Stream`].

use std::io::{self, ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::opening::Begun;
use crate::transport::tls::TlsStream;

/// The stream of a connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// TCP.
    Tcp(Arc<TcpStream>),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<Begun>>),
}

impl Stream {
    /// Reads once.
    ///
    /// # Errors
    /// Those of the network; [`ErrorKind::WouldBlock`] when nothing is there now.
    pub(super) fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&**stream).read(to),
            Self::Unix(stream) => stream.read(to),
            Self::Tls(stream) => stream.read(to),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.socket().as_fd(),
        }
    }
}

/// Reads once; `None` when nothing is there now.
pub(super) fn read_some(stream: &mut Stream, to: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(to) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}
