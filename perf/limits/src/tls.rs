//! TLS by rustls alone, over one connection of this machine: the limit of what is sent, and its far end.
//!
//! The far end makes a certificate for 127.0.0.1, which stands in its directory as `ca.pem` for those that connect.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::Outcome;
use crate::cycle::Cycle;
use crate::report::{cpu_ns, now_ns, report};

/// The bytes of one write: a few records of TLS.
const PIECE: usize = 1 << 16;
/// How a connection ends whose other side is gone.
const ENDS: [ErrorKind; 2] = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];

/// Receives one connection, and compares its bytes.
pub(crate) fn sink(block: &str, total: &str, directory: &str, fifo: &str) -> Outcome {
    let total: usize = total.parse()?;
    let mut cycle = Cycle::read(block, PIECE)?;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    fs::write(Path::new(directory).join("ca.pem"), made.cert.pem())?;
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes())?;
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    report(fifo, &format!(r#"{{"event": "ready", "port": {}}}"#, listener.local_addr()?.port()))?;
    let (mut socket, _) = listener.accept()?;
    let mut connection = ServerConnection::new(Arc::new(config))?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let (mut buffer, mut done) = (vec![0; PIECE], 0);
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            // Not every engine says goodbye; whether anything is missing, the number of bytes tells.
            Err(problem) if ENDS.contains(&problem.kind()) && done >= total => break,
            Err(problem) => return Err(problem.into()),
        };
        if cycle.take(count) != &buffer[..count] {
            return Err(format!("the {count} bytes behind byte {done} are not those that were sent").into());
        }
        let before = done;
        done += count;
        if before < total && done >= total {
            report(fifo, &format!(r#"{{"event": "received", "end": {}}}"#, now_ns()))?;
        }
    }
    report(fifo, &format!(r#"{{"event": "closed", "bytes": {done}}}"#))?;
    Ok(())
}

/// Sends to it.
pub(crate) fn send(block: &str, total: &str, directory: &str, port: &str, fifo: &str) -> Outcome {
    let mut left: usize = total.parse()?;
    let mut cycle = Cycle::read(block, PIECE)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(directory).join("ca.pem"))?)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1")?)?;
    let mut socket = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let (begin, cpu) = (now_ns(), cpu_ns());
    while left > 0 {
        let piece = left.min(PIECE);
        stream.write_all(cycle.take(piece))?;
        left -= piece;
    }
    stream.flush()?;
    let end = now_ns();
    connection.send_close_notify();
    connection.complete_io(&mut socket)?;
    socket.shutdown(Shutdown::Write)?;
    // A socket that is closed with something unread resets the connection.
    std::io::copy(&mut socket, &mut std::io::sink())?;
    report(fifo, &format!(r#"{{"event": "sent", "begin": {begin}, "end": {end}, "cpu": {cpu}}}"#))?;
    Ok(())
}
