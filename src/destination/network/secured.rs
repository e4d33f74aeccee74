//! TLS on the way to a server: [`Secured`].
//!
//! The handshake is made on the thread of the attempt to connect, which may wait. What is written then is
//! written as to any socket: what counts as written has been given to the kernel.

use std::cell::RefCell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::endpoint::Failure;
use crate::flow::unshared::Unshared;
use crate::transport::tls::{ClientTls, TlsStream};

/// The time in which a server of TLS 1.3 should show that it takes the client's certificate. Those that send
/// no tickets show nothing.
const WORD: Duration = Duration::from_secs(1);

/// The reason why a connection has ended, where TLS has one.
pub(super) type Reason = Arc<Mutex<Option<String>>>;

/// A connection with TLS.
#[derive(Debug)]
pub(super) struct Secured {
    /// A fork that keeps the descriptor would keep the connection open.
    _unshared: Unshared,
    stream: RefCell<TlsStream<TcpStream>>,
    reason: Reason,
}

impl Secured {
    /// Makes the handshake with `host` on `socket`, which is connected.
    ///
    /// # Errors
    /// One side refuses the other, or the server takes too long.
    pub(super) fn shake_hands(tls: &ClientTls, host: &str, socket: &OwnedFd) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure {
            error: Errno::from_io_error(&error).unwrap_or(Errno::PROTO),
            text: format!("TLS with {host}: {error}"),
        };
        let socket = TcpStream::from(socket.try_clone().map_err(failed)?);
        let unshared = Unshared::new(&socket);
        let mut stream = tls.connect(host, socket, Instant::now()).map_err(failed)?;
        while !stream.handshake().map_err(failed)? {
            let end = stream.deadline().unwrap_or_else(Instant::now);
            if !wait(&stream, end) {
                return Err(failed(ErrorKind::TimedOut.into()));
            }
        }
        let end = Instant::now() + WORD;
        while !stream.is_accepted().map_err(failed)? && wait(&stream, end) {}
        Ok(Self { _unshared: unshared, stream: RefCell::new(stream), reason: Reason::default() })
    }

    /// The version and the cipher suite.
    pub(super) fn cipher(&self) -> Option<String> {
        self.stream.borrow().cipher()
    }

    /// The place at which the reason of its end will be.
    pub(super) fn reason(&self) -> Reason {
        Arc::clone(&self.reason)
    }

    /// Writes the start of the pieces.
    pub(super) fn write(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.stream.borrow_mut().write_vectored(pieces).map_err(|error| self.errno(&error))
    }

    /// Reads what the server has sent: 0 at the end.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.stream.borrow_mut().read(buffer).map_err(|error| self.errno(&error))
    }

    fn errno(&self, error: &std::io::Error) -> Errno {
        match error.kind() {
            ErrorKind::WouldBlock => Errno::AGAIN,
            ErrorKind::Interrupted => Errno::INTR,
            _ => Errno::from_io_error(error).unwrap_or_else(|| {
                *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                Errno::BADMSG
            }),
        }
    }
}

impl Drop for Secured {
    /// Tells the server that nothing more comes, if the socket takes it.
    fn drop(&mut self) {
        self.stream.borrow_mut().close();
    }
}

/// Waits until there is something to do for `stream`; false when `end` comes first.
fn wait(stream: &TlsStream<TcpStream>, end: Instant) -> bool {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, stream.wants_write());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(&stream.socket().as_fd(), flags)], Some(&timeout)) {
            Err(Errno::INTR) if !left.is_zero() => {}
            found => return found.is_ok_and(|ready| ready > 0),
        }
    }
}
