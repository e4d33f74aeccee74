//! The bytes of a connection that are on their way: [`unconfirmed_bytes`].

use std::ffi::c_int;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ` of `tcp(7)`, which has the number of `TIOCOUTQ`.
const OUTQ: Opcode = libc::TIOCOUTQ as Opcode;

/// The number of bytes that were written to the TCP socket `socket` and that the system of its peer has not
/// confirmed; also after the connection has ended.
///
/// # Errors
/// Those of the system: `INVAL` for a socket that listens.
pub(crate) fn unconfirmed_bytes(socket: impl AsFd) -> Result<u64, Errno> {
    // SAFETY: SIOCOUTQ writes one int to where its argument points, and reads nothing from there.
    let request = unsafe { Getter::<OUTQ, c_int>::new() };
    // SAFETY: the request has the place for that int; of a descriptor that knows no such request the system
    // gives an error and writes nothing, or it is a terminal, whose TIOCOUTQ writes one int, too.
    let bytes = unsafe { ioctl(socket, request) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Breaks without it: bytes that nobody has received count as arrived, or those of a broken connection
    /// are forgotten.
    #[test]
    fn bytes_wait_until_the_peer_has_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        sender.write_all(b"hello").unwrap();
        receiver.read_exact(&mut [0; 5]).unwrap();
        let confirmed = || unconfirmed_bytes(&sender).unwrap() == 0;
        while !confirmed() {
            std::thread::yield_now();
        }
        sender.set_nonblocking(true).unwrap();
        let mut written = 0;
        let block = vec![b'x'; 1 << 16];
        while let Ok(bytes) = (&sender).write(&block) {
            written += bytes as u64;
        }
        // Closed with unread bytes: the connection is reset.
        drop(receiver);
        let ended = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while sender.take_error().unwrap().is_none() {
            assert!(std::time::Instant::now() < ended, "no reset");
        }
        let left = unconfirmed_bytes(&sender).unwrap();
        assert!(0 < left && left <= written, "{left} of {written}");
        assert!(unconfirmed_bytes(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
