//! The statistics for Prometheus: [`Metrics`] answers `GET /metrics` over HTTP.
//!
//! [`text`] makes the text from a snapshot of the board, `http` reads requests. As with the control socket,
//! one thread accepts, each client has a thread of its own (16 at most, and who keeps the others waiting is
//! sent away), and none of them touches the interpreter: it answers while sources, or the main thread, hang
//! in somebody's code.
//!
//! Every connection carries one request and one answer, and both have a bound in time and size.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Board;
use super::control::clients::Clients;
use crate::flow::unshared::Unshared;

mod http;
pub(crate) mod text;

/// The pause when the system has no descriptor for another client.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);
/// The time that clients may take to get their last answer at the end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// An open port for metrics; closed when dropped.
pub struct Metrics {
    address: SocketAddr,
    open: Mutex<Option<Open>>,
}

struct Open {
    unshared: Unshared,
    listener: Arc<TcpListener>,
    clients: Arc<Clients<TcpStream>>,
    is_closing: Arc<AtomicBool>,
    acceptor: JoinHandle<()>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The address that `text` names: `ADDRESS:PORT`, or a port alone, which is one of 127.0.0.1.
///
/// # Errors
/// A sentence that says what was expected.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let local = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if let Ok(port) = text.parse::<u16>() {
        return Ok(local(port));
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(local(port));
    }
    text.parse().map_err(|_| {
        "expected a port, which is one of 127.0.0.1, or ADDRESS:PORT, as 0.0.0.0:9099 or [::1]:9099"
            .to_owned()
    })
}

impl Metrics {
    /// Listens on `address`, and answers from there on with what is on `board`.
    ///
    /// # Errors
    /// A sentence with the address in it.
    pub fn open(address: SocketAddr, board: Arc<Board>) -> Result<Self, String> {
        let listener = TcpListener::bind(address)
            .map_err(|error| format!("cannot listen on {address} for metrics: {error}"))?;
        let address = listener.local_addr().unwrap_or(address);
        let unshared = Unshared::new(&listener);
        let listener = Arc::new(listener);
        let (clients, is_closing) = (Arc::<Clients<TcpStream>>::default(), Arc::<AtomicBool>::default());
        let accept = {
            let (listener, clients) = (Arc::clone(&listener), Arc::clone(&clients));
            let is_closing = Arc::clone(&is_closing);
            move || accept(&listener, &clients, &is_closing, &board)
        };
        let acceptor = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(accept)
            .map_err(|error| format!("no thread for metrics: {error}"))?;
        let open = Some(Open { unshared, listener, clients, is_closing, acceptor });
        Ok(Self { address, open: Mutex::new(open) })
    }

    /// The address on which it listens; the port that the system chose when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        let Some(open) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        drop(open.unshared);
        open.is_closing.store(true, Ordering::Release);
        // Ends an `accept` that waits.
        let _ = rustix::net::shutdown(&*open.listener, rustix::net::Shutdown::Both);
        open.clients.close(LAST_ANSWERS);
        // It panics never; if it did, there is nothing left to do for it.
        let _ = open.acceptor.join();
    }
}

fn accept(
    listener: &TcpListener,
    clients: &Arc<Clients<TcpStream>>,
    is_closing: &AtomicBool,
    board: &Arc<Board>,
) {
    loop {
        let accepted = listener.accept();
        if is_closing.load(Ordering::Acquire) {
            return;
        }
        match accepted {
            Ok((stream, _)) => {
                let Some(place) = clients.enter(stream) else { return };
                let board = Arc::clone(board);
                // Without a thread the client is sent away by the end of its place.
                let _ = thread::Builder::new()
                    .name("metrics client".to_owned())
                    .spawn(move || http::serve(&place, &board));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            // Out of descriptors, most likely; there will be some again.
            Err(_) => thread::sleep(NO_DESCRIPTOR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: metrics can be read from other machines though nobody said so.
    #[test]
    fn a_port_alone_is_a_local_one() {
        for text in ["9099", "127.0.0.1:9099", "localhost:9099"] {
            assert_eq!(address(text).unwrap().to_string(), "127.0.0.1:9099");
        }
        assert_eq!(address("0.0.0.0:1").unwrap().to_string(), "0.0.0.0:1");
        assert_eq!(address("[::]:1").unwrap().to_string(), "[::]:1");
        for text in ["", ":9099", "host:9099", "1.2.3.4", "65536", "-1", "[::1]"] {
            assert!(address(text).unwrap_err().contains("ADDRESS:PORT"), "{text}");
        }
    }
}
