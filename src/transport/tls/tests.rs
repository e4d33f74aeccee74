use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::*;
use crate::transport::sample::{error, sample};
use crate::transport::socket::Role;

mod authority;
mod facts;
mod files;
mod streams;
mod trust;

/// Whether two sides come together, and the reasons of those that refuse.
type Met = Result<Pair, Reasons>;

/// Two sides that have come together.
#[derive(Debug)]
struct Pair {
    server: TlsStream<UnixStream>,
    client: TlsStream<UnixStream>,
}

#[derive(Debug, Default)]
struct Reasons {
    server: Option<String>,
    client: Option<String>,
}

fn options(role: Role, text: &str) -> (crate::config::Config, TlsOptions) {
    let (config, sample) = sample(role, &format!("inet(tls({text}))")).unwrap_or_else(|all| panic!("{all}"));
    (config, sample.tls.expect("tls()"))
}

fn server_side(text: &str) -> ServerTls {
    let (config, options) = options(Role::Source, text);
    ServerTls::new(&options, &config).unwrap_or_else(|error| panic!("{error}")).0
}

fn client_side(text: &str) -> ClientTls {
    let (config, options) = options(Role::Destination, text);
    ClientTls::new(&options, &config).unwrap_or_else(|error| panic!("{error}")).0
}

fn sockets() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    (one, other)
}

/// Brings a server and a client together; each side has said something to the other at the end.
fn meet(server: &ServerTls, client: &ClientTls, host: &str) -> Met {
    let (one, other) = sockets();
    let now = Instant::now();
    let mut server = server.accept(one, now).unwrap();
    let mut client = client.connect(host, other, now).unwrap();
    let mut reasons = Reasons::default();
    for _ in 0..20 {
        // A side that has failed has said so, and reads no more.
        if reasons.client.is_none() {
            reasons.client = client.handshake().err().map(|error| error.to_string());
        }
        if reasons.server.is_none() {
            reasons.server = server.handshake().err().map(|error| error.to_string());
        }
    }
    // A client of TLS 1.3 is done before the server has seen its certificate.
    if reasons.client.is_none() {
        reasons.client = client.is_accepted().err().map(|error| error.to_string());
    }
    if reasons.client.is_none() {
        let mut said = [0; 3];
        if reasons.server.is_none() {
            server.write_all(b"yes").unwrap();
        }
        reasons.client = client.read(&mut said).err().map(|error| error.to_string());
    }
    if reasons.client.is_none() && reasons.server.is_none() {
        return Ok(Pair { server, client });
    }
    Err(reasons)
}

/// The same in a word: `ok`, or the reason of the side that refuses.
fn outcome(met: &Met) -> String {
    match met {
        Ok(_) => "ok".to_owned(),
        Err(Reasons { server: Some(reason), .. }) if !reason.contains("the other side refuses") => {
            format!("server: {reason}")
        }
        Err(reasons) => format!("client: {}", reasons.client.as_deref().unwrap_or("nothing")),
    }
}
