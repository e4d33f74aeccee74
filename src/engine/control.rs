//! The control socket: a Unix stream socket on which others ask the running engine.
//!
//! # Protocol
//! A client connects, sends one line, and gets one line, a JSON object; then the connection is closed.
//!
//! | Request | Answer |
//! |---|---|
//! | `stats` | what [`Board::to_json`] gives: `version`, `pid`, `phase`, `uptime_seconds`; `posted`, `delivered`, `dropped` and `in_flight` of all sources together; `sources`, `destinations` |
//! | `sources` | `{"sources": […]}`, as in `stats` |
//! | `reload` | what SIGHUP does, and how it went: `{"accepted": true, "diagnostics": ["…"], "changes": …}`, where `changes` has the ids of `sources` and `destinations` that were `kept`, `replaced`, `started` and `stopped`, or is null |
//! | `stop` | what SIGTERM does: `{"stopping": true, "pid": 4711}`, at once |
//! | `log-level` | `{"log_level": "notice"}` |
//! | `log-level LEVEL` | `{"log_level": "debug", "before": "notice"}` |
//! | anything else | `{"error": "…"}` |
//!
//! A line has at most [`MAX_REQUEST`] bytes, and ends with a newline within [`REQUEST_WITHIN`]. The answer to
//! a `reload` that takes longer than 30 s, or that comes while another goes on, is an error; the reload
//! itself goes on.
//!
//! # Who may ask
//! The file has mode 0600, and the peer's user (`SO_PEERCRED`) must be the engine's own, or root.
//!
//! # When the engine is in trouble
//! One thread accepts, each client has a thread of its own, and none of them touches the interpreter: what
//! they say is on the [`Board`]. So they answer while a source, or the main thread, hangs in somebody's code.
//! Work for the main thread (`reload`, `stop`) is asked of the [`Requests`], which must not
//! wait.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Board, Log};
use crate::error::Error;
use crate::flow::unshared::Unshared;

mod answer;
pub(in crate::engine) mod clients;
pub(crate) mod line;
pub(crate) mod socket;

use answer::Desk;
pub(crate) use answer::RELOAD_WAIT;
pub use answer::{Reloaded, Reply};
use clients::{Clients, Place};
use line::NoLine;
use socket::SocketFile;

/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 4096;
/// The time that a request may take to come, and an answer to be taken.
pub(crate) const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// The time that clients may take to get their last answer when the socket is closed.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// The pause when the system has no descriptor for another client.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);
/// The rest that a client which is sent away may still have been sending.
const REST: usize = 64 * 1024;

/// The host that does what the engine is asked to. Called on threads of the socket; must not wait.
pub trait Requests: Send + Sync {
    /// Reads the configuration again, some time soon, and says in `reply` how it went.
    fn reload(&self, reply: Reply);

    /// Stops the engine, some time soon.
    fn stop(&self);
}

/// An open control socket; closed when dropped.
pub struct Control {
    open: Mutex<Option<Open>>,
}

struct Open {
    unshared: Unshared,
    listener: Arc<UnixListener>,
    file: SocketFile,
    clients: Arc<Clients<UnixStream>>,
    is_closing: Arc<AtomicBool>,
    acceptor: JoinHandle<()>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    /// Opens the socket at `path`, and answers from there on.
    ///
    /// # Errors
    /// A sentence: another engine listens there, the file there is no socket of ours, or the system says no.
    pub fn open(
        path: &Path,
        board: Arc<Board>,
        log: &Log,
        requests: Box<dyn Requests>,
    ) -> Result<Self, Error> {
        let (listener, file) = socket::listen(path)?;
        let unshared = Unshared::new(&listener);
        let listener = Arc::new(listener);
        let (clients, is_closing) = (Arc::<Clients<UnixStream>>::default(), Arc::<AtomicBool>::default());
        let desk = Arc::new(Desk { board, log: log.clone(), requests, is_reloading: Arc::default() });
        let acceptor = Acceptor {
            listener: Arc::clone(&listener),
            clients: Arc::clone(&clients),
            is_closing: Arc::clone(&is_closing),
            desk,
        };
        let acceptor = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || acceptor.run())
            .map_err(|error| format!("no thread for the control socket: {error}"))?;
        Ok(Self { open: Mutex::new(Some(Open { unshared, listener, file, clients, is_closing, acceptor })) })
    }

    /// Accepts nobody any more, lets answers that are being given arrive, and removes the file.
    pub fn close(&self) {
        let Some(open) = self.open.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // First the file: whoever connects from now on finds no engine, and not one that says nothing.
        drop(open.file);
        drop(open.unshared);
        open.is_closing.store(true, Ordering::Release);
        // Ends an `accept` that waits.
        let _ = rustix::net::shutdown(&*open.listener, rustix::net::Shutdown::Both);
        open.clients.close(LAST_ANSWERS);
        // It panics never; if it did, there is nothing left to do for it.
        let _ = open.acceptor.join();
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.close();
    }
}

/// The thread that accepts.
struct Acceptor {
    listener: Arc<UnixListener>,
    clients: Arc<Clients<UnixStream>>,
    is_closing: Arc<AtomicBool>,
    desk: Arc<Desk>,
}

impl Acceptor {
    fn run(&self) {
        loop {
            let accepted = self.listener.accept();
            if self.is_closing.load(Ordering::Acquire) {
                return;
            }
            match accepted {
                Ok((stream, _)) => self.serve(stream),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Out of descriptors, most likely; there will be some again.
                Err(_) => thread::sleep(NO_DESCRIPTOR),
            }
        }
    }

    fn serve(&self, stream: UnixStream) {
        let is_ours = socket::is_ours(&stream);
        let Some(place) = self.clients.enter(stream) else { return };
        let desk = Arc::clone(&self.desk);
        // Without a thread the client is sent away by the end of its place.
        let _ = thread::Builder::new().name("control client".to_owned()).spawn(move || {
            serve(place, &desk, is_ours);
        });
    }
}

/// One client, from its request to its end.
fn serve(place: Place<UnixStream>, desk: &Desk, is_ours: bool) {
    let refusal = |why: &str| (json!({ "error": why }), None);
    let request = if is_ours {
        line::read(place.stream(), MAX_REQUEST, Instant::now() + REQUEST_WITHIN)
    } else {
        Ok(Vec::new())
    };
    place.set_waits(false);
    let (answer, said) = match &request {
        _ if !is_ours => refusal("only the engine's own user and root may ask"),
        Ok(request) => match std::str::from_utf8(request) {
            Ok(request) => desk.answer(request),
            Err(_) => refusal("the request is not UTF-8"),
        },
        Err(NoLine::Late) => refusal(&format!("no request within {} s", REQUEST_WITHIN.as_secs())),
        Err(NoLine::TooLong) => refusal(&format!("the request is longer than {MAX_REQUEST} bytes")),
        Err(NoLine::Closed(0) | NoLine::Failed(_)) => return,
        Err(NoLine::Closed(_)) => refusal("the request does not end with a newline"),
    };
    place.set_waits(true);
    // A client that is gone, or does not read, does without.
    let _ = line::write(place.stream(), &answer.to_string(), Instant::now() + REQUEST_WITHIN);
    if matches!(request, Err(NoLine::TooLong)) {
        // So that a client in the middle of its request comes to read the answer; what it says is dropped.
        let _ = place.stream().shutdown(std::net::Shutdown::Write);
        let _ = line::read(place.stream(), REST, Instant::now() + NO_DESCRIPTOR);
    }
    // The log may be slow, and somebody may wait for the place.
    drop(place);
    if let Some(said) = said {
        desk.log.notice(&said);
    }
}
