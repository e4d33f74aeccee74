//! A line in, a line out, each within a bound in time: for both ends of the control socket.
//!
//! The bound is for the whole line. A time-out of each system call would let a peer that gives or takes a
//! byte now and then hold the other end for as long as it likes.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;

/// The reason why there is no line.
#[derive(Debug)]
pub(crate) enum NoLine {
    /// It did not end in time.
    Late,
    /// It is longer than allowed.
    TooLong,
    /// The peer closed, after this many bytes of it.
    Closed(usize),
    /// The system says no.
    Failed(io::Error),
}

/// Reads up to a newline, which is not in the result: `most` bytes at most, by `deadline`.
///
/// # Errors
/// [`NoLine`].
pub(crate) fn read(stream: &UnixStream, most: usize, deadline: Instant) -> Result<Vec<u8>, NoLine> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?)).map_err(NoLine::Failed)?;
        let given = match (&*stream).read(&mut chunk) {
            Ok(0) => return Err(NoLine::Closed(line.len())),
            Ok(length) => &chunk[..length],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => continue,
                _ => return Err(NoLine::Failed(error)),
            },
        };
        let end = memchr::memchr(b'\n', given);
        line.extend_from_slice(&given[..end.unwrap_or(given.len())]);
        if line.len() > most {
            return Err(NoLine::TooLong);
        }
        if end.is_some() {
            return Ok(line);
        }
    }
}

/// Writes `text` and a newline by `deadline`.
///
/// # Errors
/// [`NoLine`]: what was not written is lost.
pub(crate) fn write(stream: &UnixStream, text: &str, deadline: Instant) -> Result<(), NoLine> {
    let line = format!("{text}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?)).map_err(NoLine::Failed)?;
        // A plain write would raise SIGPIPE, which the user's code may have set back to end the process.
        match rustix::net::send(stream, rest, SendFlags::NOSIGNAL).map_err(io::Error::from) {
            Ok(written) => rest = &rest[written..],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return Err(NoLine::Failed(error)),
            },
        }
    }
    Ok(())
}

/// The time until `deadline`: never zero, which would mean no bound to the system.
fn left(deadline: Instant) -> Result<Duration, NoLine> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_micros(1) { Err(NoLine::Late) } else { Ok(left) }
}
