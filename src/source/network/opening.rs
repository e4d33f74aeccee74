//! The start of a connection, before its messages: TLS, and the header of a proxy: [`Opening`].
//!
//! | transport | steps |
//! |---|---|
//! | `tls`, others with `tls()` | handshake |
//! | `proxied-tcp` | header |
//! | `proxied-tls` | handshake, header |
//! | `proxied-tls-passthrough` | header, handshake |
//!
//! A peer that takes longer than [`LIMIT`] for a step is sent away: it holds a place that others want.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poll::Interest;
use super::sender::Values;
use super::stream::Stream;
use super::transport::{Proxied, Transport};
use crate::message::{Endpoint, Endpoints};
use crate::transport::proxy::{self, Answer, Header};
use crate::transport::tls::{PeerFacts, ServerTls};

/// The time of a step.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// A stream, some bytes of which were read before.
#[derive(Debug)]
pub(super) struct Begun {
    read_before: Vec<u8>,
    at: usize,
    stream: Arc<TcpStream>,
}

impl Read for Begun {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let before = &self.read_before[self.at..];
        if before.is_empty() {
            return (&*self.stream).read(to);
        }
        let count = before.len().min(to.len());
        to[..count].copy_from_slice(&before[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Begun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

impl AsFd for Begun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Handshake,
}

/// What is left to do before the messages of a connection.
#[derive(Debug)]
pub(super) struct Opening {
    steps: &'static [Step],
    /// The bytes that came so far, in this step.
    read: Vec<u8>,
    /// The end of the step, at the latest.
    pub deadline: Instant,
}

/// How far an opening is.
#[derive(Debug)]
pub(super) enum Opened {
    /// It waits for its peer.
    Waits(Interest),
    /// It is done; these bytes of the first messages were read.
    Done(Vec<u8>),
}

impl Opening {
    /// The opening that `transport` has; `None` where messages come first.
    pub(super) fn new(transport: Transport, has_tls: bool) -> Option<Self> {
        let steps: &[Step] = match (has_tls, transport.proxied) {
            (false, Proxied::No) => return None,
            (true, Proxied::No) => &[Step::Handshake],
            (false, _) => &[Step::Header],
            (true, Proxied::Inside) => &[Step::Handshake, Step::Header],
            (true, Proxied::BeforeTls) => &[Step::Header, Step::Handshake],
        };
        Some(Self { steps, read: Vec::new(), deadline: Instant::now() + LIMIT })
    }

    /// Goes on, as far as there is something to go on with.
    ///
    /// # Errors
    /// The peer does not do its part.
    pub(super) fn go_on(
        &mut self,
        stream: &mut Stream,
        tls: Option<&ServerTls>,
        endpoints: &mut Option<Endpoints>,
    ) -> io::Result<Opened> {
        while let [step, later @ ..] = self.steps {
            let waits = match step {
                Step::Header => self.read_header(stream, endpoints)?,
                Step::Handshake => self.shake_hands(stream, tls)?,
            };
            if let Some(interest) = waits {
                return Ok(Opened::Waits(interest));
            }
            self.steps = later;
            self.deadline = Instant::now() + LIMIT;
        }
        Ok(Opened::Done(std::mem::take(&mut self.read)))
    }

    fn read_header(
        &mut self,
        stream: &mut Stream,
        endpoints: &mut Option<Endpoints>,
    ) -> io::Result<Option<Interest>> {
        loop {
            let broken = |why: &dyn std::fmt::Display| {
                io::Error::new(ErrorKind::InvalidData, format!("PROXY protocol: {why}"))
            };
            match proxy::read(&self.read).map_err(|bad| broken(&bad))? {
                Answer::Complete { header, consumed } => {
                    self.read.drain(..consumed);
                    if let (Header::Proxied { source, destination }, Some(ends)) = (header, endpoints) {
                        ends.peer = Some(std::mem::replace(&mut ends.source, Endpoint::from(source)));
                        ends.dest = Endpoint::from(destination);
                    }
                    return Ok(None);
                }
                Answer::Incomplete => {}
            }
            let before = self.read.len();
            // A header is whole by then.
            self.read.resize(proxy::MAX_LEN + 1, 0);
            let read = stream.read(&mut self.read[before..]);
            self.read.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(broken(&"closed before its header was whole")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(Interest::Read)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn shake_hands(&mut self, stream: &mut Stream, tls: Option<&ServerTls>) -> io::Result<Option<Interest>> {
        let Some(tls) = tls else { return Err(io::Error::other("there is no tls()")) };
        if let Stream::Tcp(tcp) = stream {
            let begun = Begun { read_before: std::mem::take(&mut self.read), at: 0, stream: Arc::clone(tcp) };
            *stream = Stream::Tls(Box::new(tls.accept(begun, Instant::now())?));
        }
        let Stream::Tls(tls) = stream else { return Ok(None) };
        if tls.handshake()? {
            return Ok(None);
        }
        Ok(Some(if tls.wants_write() { Interest::Write } else { Interest::Read }))
    }
}

/// The values of a certificate.
pub(super) fn values(facts: PeerFacts) -> Values {
    let PeerFacts { common_name, organization, unit, fingerprint } = facts;
    let known = [
        (".tls.x509_cn", common_name),
        (".tls.x509_o", organization),
        (".tls.x509_ou", unit),
        (".tls.x509_fp", fingerprint),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| (name.into(), value.into_bytes().into())).collect()
}
