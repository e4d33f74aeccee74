//! The far end of a stream that is more than a descriptor: [`Peer`].

use std::fmt;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::{self, Errno};

use crate::destination::Wake;

/// Most pieces of one `writev`: `IOV_MAX` of Linux.
pub(crate) const PIECES_MAX: usize = 1024;

/// The far end of a [`Sink`](super::Sink) that is more than a descriptor: a program, a connection. It is let go
/// of when the sink is closed.
pub trait Peer: fmt::Debug + Send {
    /// The reason why it takes nothing any more: it reads no more, or has closed the connection.
    fn gone(&self, fd: BorrowedFd<'_>) -> Option<Errno>;

    /// The most bytes of a message, where each message is a datagram of its own.
    fn datagram(&self) -> Option<usize> {
        None
    }

    /// Writes the pieces, at least one byte of them.
    ///
    /// # Errors
    /// Those of the system; `AGAIN` where there is no room at present.
    fn write(&self, fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        write_pieces(fd, pieces)
    }

    /// Sends datagrams, at least one; how many.
    ///
    /// # Errors
    /// Those of the system for the first of them.
    fn send(&self, fd: BorrowedFd<'_>, datagrams: &[&[IoSlice<'_>]]) -> Result<usize, Errno> {
        let _ = (fd, datagrams);
        Err(Errno::OPNOTSUPP)
    }

    /// Tells that something has happened to it since it was last asked whether it has gone: it may have room
    /// again.
    fn has_news(&self) -> bool {
        false
    }

    /// Has `wake` called from now on when something happens to it: another destination has it.
    fn call(&self, wake: &Wake) {
        let _ = wake;
    }

    /// The number of bytes that it was given so far, where the arrival of bytes can be told.
    fn given(&self) -> Option<u64> {
        None
    }

    /// The number of those bytes that have arrived at the system of its far end.
    fn confirmed(&self, fd: BorrowedFd<'_>) -> u64 {
        let _ = fd;
        0
    }
}

/// Writes the pieces to `fd`, at least one byte of them.
pub(super) fn write_pieces(fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
    match pieces {
        [only] => io::write(fd, only),
        _ => io::writev(fd, &pieces[..pieces.len().min(PIECES_MAX)]),
    }
}
