//! A connection as the far end of a stream: [`Connection`].
//!
//! What its peer sends is read as soon as it comes: a connection of which the peer has closed its half has
//! ended, although it could be written to, and bytes from a peer that is not meant to send any end it, too
//! (`close-on-input()`), or are thrown away.

use std::cell::Cell;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{MMsgHdr, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmmsg, sendmsg};

use super::failover::Probe;
use super::poller::Watch;
use super::secured::Secured;
use crate::destination::Wake;
use crate::destination::stream::{PIECES_MAX, Peer};
use crate::flow::socket_queue::unconfirmed_bytes;

/// Most reads at a time of what a peer sends, so that one that sends for ever holds nobody up.
const READS: usize = 16;

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stream whose peer confirms what it has.
    Tcp,
    /// A stream to another process of this system.
    UnixStream,
    /// Datagrams of so many bytes at most.
    Datagram(usize),
}

/// A socket that is connected.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) kind: Kind,
    pub(super) watch: Watch,
    /// `close-on-input()`
    pub(super) close_on_input: bool,
    /// The search for the server that it stands in for.
    pub(super) leaves: Option<Probe>,
    /// TLS, where it is spoken.
    secured: Option<Secured>,
    /// The number of bytes that were written: with TLS, before they were encrypted.
    given: Cell<u64>,
    /// The reason of its end.
    gone: Cell<Option<Errno>>,
}

impl Connection {
    pub(super) fn new(kind: Kind, watch: Watch, close_on_input: bool, secured: Option<Secured>) -> Self {
        let (given, gone) = (Cell::new(0), Cell::new(None));
        Self { kind, watch, close_on_input, leaves: None, secured, given, gone }
    }

    /// Reads a part of what the peer has sent; 0 at the end.
    fn read_some(&self, fd: BorrowedFd<'_>) -> Result<usize, Errno> {
        if let Some(secured) = &self.secured {
            return secured.read(&mut [0; 4096]);
        }
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        recv(fd, &mut buffer, RecvFlags::DONTWAIT).map(|(_, bytes)| bytes)
    }

    /// Reads what the peer has sent; the reason why the connection has ended, if it has.
    fn read(&self, fd: BorrowedFd<'_>) -> Option<Errno> {
        for _ in 0..READS {
            match self.read_some(fd) {
                Ok(0) if !matches!(self.kind, Kind::Datagram(_)) => return Some(Errno::SHUTDOWN),
                Ok(_) if self.close_on_input && !matches!(self.kind, Kind::Datagram(_)) => {
                    return Some(Errno::PROTO);
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Asks for the next event after a write found no room.
    fn full(&self, fd: BorrowedFd<'_>, error: Errno) -> Errno {
        if error == Errno::AGAIN {
            // Without a wake-up it is tried again after a while all the same.
            let _ = self.watch.ask(fd, true);
        }
        error
    }
}

impl Peer for Connection {
    fn gone(&self, fd: BorrowedFd<'_>) -> Option<Errno> {
        if self.gone.get().is_none() && self.watch.take_news() {
            let gone = self.read(fd).or_else(|| self.watch.ask(fd, false).err());
            self.gone.set(gone);
        }
        if self.gone.get().is_none() && self.leaves.as_ref().is_some_and(Probe::has_succeeded) {
            self.gone.set(Some(Errno::XDEV));
        }
        self.gone.get()
    }

    fn datagram(&self) -> Option<usize> {
        if let Kind::Datagram(most) = self.kind { Some(most) } else { None }
    }

    fn write(&self, fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let pieces = &pieces[..pieces.len().min(PIECES_MAX)];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let written = match &self.secured {
            Some(secured) => secured.write(pieces),
            None => sendmsg(fd, pieces, &mut SendAncillaryBuffer::default(), flags),
        };
        match written {
            Ok(bytes) => {
                self.given.set(self.given.get() + bytes as u64);
                Ok(bytes)
            }
            Err(error) => Err(self.full(fd, error)),
        }
    }

    fn send(&self, fd: BorrowedFd<'_>, datagrams: &[&[IoSlice<'_>]]) -> Result<usize, Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = if let [only] = datagrams {
            sendmsg(fd, only, &mut SendAncillaryBuffer::default(), flags).map(|_| 1)
        } else {
            let mut controls: Vec<_> = datagrams.iter().map(|_| SendAncillaryBuffer::default()).collect();
            let headers = datagrams.iter().zip(&mut controls);
            let mut headers: Vec<_> = headers.map(|(one, control)| MMsgHdr::new(one, control)).collect();
            sendmmsg(fd, &mut headers, flags)
        };
        sent.map_err(|error| self.full(fd, error))
    }

    fn has_news(&self) -> bool {
        let leaves = || self.leaves.as_ref().is_some_and(Probe::has_succeeded);
        self.gone.get().is_some() || self.watch.has_news() || leaves()
    }

    fn call(&self, wake: &Wake) {
        self.watch.call(wake);
        if let Some(probe) = &self.leaves {
            probe.call(wake);
        }
    }

    fn given(&self) -> Option<u64> {
        (self.kind == Kind::Tcp).then(|| self.given.get())
    }

    fn confirmed(&self, fd: BorrowedFd<'_>) -> u64 {
        // Where the system does not tell, nothing has arrived. What TLS adds makes it less than has.
        unconfirmed_bytes(fd).map_or(0, |bytes| self.given.get().saturating_sub(bytes))
    }
}
