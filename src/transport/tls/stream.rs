//! A connection with TLS that never blocks: [`TlsStream`].
//!
//! ```text
//!  handshake() ─► Ok(false): wait for the socket as wants_read() and wants_write() say, until deadline()
//!       │ Ok(true)
//!       ├─► read(buffer)              as of a socket: bytes, 0 at the end, WouldBlock
//!       ├─► write_vectored(pieces)    as of a socket: so many bytes are the kernel's
//!       └─► close()                   the other side learns that nothing is missing
//! ```
//!
//! `read` and `write_vectored` mean what those of a socket mean, so that a driver needs to know of TLS only
//! when it waits. A write that cannot be given to the kernel as a whole is encrypted by then: it gives
//! `WouldBlock`, and the same bytes, offered again, are what it takes as written when the kernel has them.
//! So what a driver counts as written is never in this process any more.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{AlertDescription, CertificateError, Connection, Error, ProtocolVersion};

use super::certificate::PeerFacts;
use super::verifier::Trust;

/// The time of a handshake: a peer that takes longer holds a place that others want.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// TLS on a socket that does not block.
pub(crate) struct TlsStream<S> {
    connection: Connection,
    socket: S,
    trust: Arc<Trust>,
    /// The end of the handshake, at the latest; none once it is done.
    deadline: Option<Instant>,
    /// Bytes that were encrypted and are not all the kernel's.
    pending: usize,
    ignores_eof: bool,
    /// The reason why it can be used no more.
    failed: Option<String>,
    /// True when the other side has sent something since the handshake was done.
    has_heard: bool,
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl<S: Read + Write> TlsStream<S> {
    pub(super) fn new(
        connection: Connection,
        socket: S,
        trust: Arc<Trust>,
        ignores_eof: bool,
        now: Instant,
    ) -> Self {
        Self {
            connection,
            socket,
            trust,
            deadline: Some(now + HANDSHAKE),
            pending: 0,
            ignores_eof,
            failed: None,
            has_heard: false,
        }
    }

    /// Goes on with the handshake; true when it is done.
    ///
    /// # Errors
    /// The other side is refused, or refuses, or is gone. It was told why, as far as TLS has words for it.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        loop {
            if !self.try_send()? {
                return Ok(false);
            }
            if !self.connection.is_handshaking() {
                self.deadline = None;
                return Ok(true);
            }
            match self.receive() {
                Ok(0) => {
                    let why = "the other side closed the connection in the handshake";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what the other side sends behind the handshake, if it has sent it: true when that shows that the
    /// handshake was good for it, too.
    ///
    /// A client of TLS 1.3 has done its handshake before the server has seen its certificate. A server that
    /// takes it mostly says something at once (tickets for later), and one that does not, refuses.
    ///
    /// # Errors
    /// The other side refuses, or is gone.
    pub(crate) fn is_accepted(&mut self) -> io::Result<bool> {
        let is_known = self.connection.protocol_version() != Some(ProtocolVersion::TLSv1_3);
        if is_known || self.has_heard {
            return Ok(true);
        }
        match self.receive() {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the other side closed the connection")),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The time at which a handshake that is not done counts as failed.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells that there may be something to do when the socket can be read.
    #[cfg(test)]
    pub(crate) fn wants_read(&self) -> bool {
        self.connection.wants_read()
    }

    /// Tells that there is something to do when the socket can be written.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Tells the other side that nothing more comes; true when it was given to the kernel, false when the
    /// socket takes nothing now.
    pub(crate) fn close(&mut self) -> bool {
        self.connection.send_close_notify();
        matches!(self.try_send(), Ok(true))
    }

    /// What is known of the other side by its certificate, once the handshake is done.
    pub(crate) fn peer(&self) -> Option<PeerFacts> {
        let certificate = self.connection.peer_certificates()?.first()?;
        Some(self.trust.facts(certificate))
    }

    /// The version and the cipher suite, as `TLSv1.3, TLS13_AES_256_GCM_SHA384`.
    pub(crate) fn cipher(&self) -> Option<String> {
        let version = self.connection.protocol_version()?;
        let suite = self.connection.negotiated_cipher_suite()?.suite();
        let version = version.as_str().unwrap_or("TLS").replace('_', ".");
        Some(format!("{version}, {}", suite.as_str().unwrap_or("unknown")))
    }

    /// The name of the host that a client has said it wants (SNI).
    #[cfg(test)]
    pub(super) fn told_name(&self) -> Option<&str> {
        match &self.connection {
            Connection::Server(server) => server.server_name(),
            Connection::Client(_) => None,
        }
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    /// Reads from the socket once, and decrypts what is whole. 0 at the end.
    fn receive(&mut self) -> io::Result<usize> {
        let read = loop {
            match self.connection.read_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.has_heard |= !self.connection.is_handshaking() && read > 0;
        if let Err(error) = self.connection.process_new_packets() {
            // The alert that says why; nobody waits for it.
            let _ = self.try_send();
            let why = in_words(&error);
            self.failed = Some(why.clone());
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        Ok(read)
    }

    /// Gives the kernel what is encrypted; true when it took all.
    fn try_send(&mut self) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    /// Reads what was decrypted; 0 when the other side has said that nothing more comes.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when there is nothing yet; [`ErrorKind::UnexpectedEof`] when the connection
    /// ended without a word, so that something may be missing.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.connection.is_handshaking() && !self.handshake()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut filled = 0;
        loop {
            match self.connection.reader().read(&mut buffer[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(read) => {
                    filled += read;
                    if filled == buffer.len() {
                        return Ok(filled);
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What came before the end comes first; the next call says what it was.
                Err(_) if filled > 0 => return Ok(filled),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.ignores_eof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    let why = "the connection ended without the end of TLS (close_notify)";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
                }
                Err(error) => return Err(error),
            }
            if filled > 0 && self.failed.is_some() {
                return Ok(filled);
            }
            if let Some(why) = &self.failed {
                return Err(io::Error::new(ErrorKind::InvalidData, why.clone()));
            }
            match self.receive() {
                // Keys that change are answered; what the socket does not take now goes with the next write.
                Ok(_) => drop(self.try_send()),
                // What came before what is wrong comes first.
                Err(_) if self.failed.is_some() => {}
                Err(_) if filled > 0 => return Ok(filled),
                Err(error) => return Err(error),
            }
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Writes the start of the pieces: so many bytes were given to the kernel.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when the kernel has not taken all of what was encrypted: the same bytes have
    /// to be offered again.
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.connection.is_handshaking() && !self.handshake()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.pending == 0 {
            // What was to be said besides goes first, and alone.
            if !self.try_send()? {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.pending = self.connection.writer().write_vectored(pieces)?;
        }
        debug_assert!(pieces.iter().map(|piece| piece.len()).sum::<usize>() >= self.pending, "other bytes");
        if !self.try_send()? {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(std::mem::take(&mut self.pending))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.try_send()? { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

/// The reason why TLS failed, for whoever runs the engine.
fn in_words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(reason) => {
            format!("the certificate of the other side is refused: {}", refusal(reason))
        }
        Error::InvalidCertRevocationList(reason) => format!("a list of crl-dir() is refused: {reason:?}"),
        Error::NoCertificatesPresented => {
            "the other side has no certificate, and peer-verify() requires one".to_owned()
        }
        Error::AlertReceived(alert) => format!("the other side refuses: {}", alert_in_words(*alert)),
        Error::PeerIncompatible(reason) => format!("there is nothing that both sides can do: {reason:?}"),
        Error::InvalidMessage(_) => "what the other side sends is not TLS".to_owned(),
        error => error.to_string(),
    }
}

fn refusal(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "no authority that is trusted here has signed it".to_owned(),
        CertificateError::BadSignature => {
            "an authority of that name is trusted here, but it has not signed it".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its time has not begun; is the clock right?".to_owned()
        }
        CertificateError::Revoked => "it was revoked".to_owned(),
        CertificateError::UnknownRevocationStatus => {
            "crl-dir() has no list of the authority that signed it".to_owned()
        }
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the list of its authority in crl-dir() has expired".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for this side of a connection (extended key usage)".to_owned()
        }
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "it is the certificate of an authority, and none that ca-file() has".to_owned()
        }
        CertificateError::Other(other) => other.to_string(),
        reason => reason.to_string(),
    }
}

fn alert_in_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "it requires a certificate".to_owned(),
        AlertDescription::UnknownCA => "it does not trust the authority of our certificate".to_owned(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "our certificate".to_owned()
        }
        AlertDescription::CertificateExpired => "our certificate has expired".to_owned(),
        AlertDescription::CertificateRevoked => "our certificate was revoked".to_owned(),
        AlertDescription::ProtocolVersion => "the version of TLS".to_owned(),
        AlertDescription::HandshakeFailure => "there is nothing that both sides can do".to_owned(),
        alert => alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned),
    }
}
