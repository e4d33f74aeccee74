//! Making connections: [`Dial`].
//!
//! To resolve a name and to connect may take long, and a destination's thread waits for nobody. So each
//! attempt has a thread of its own ([`Attempt`]), which ends with it; the destination is woken then, and takes
//! the connection.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::connection::{Connection, Kind};
use super::endpoint::{Connected, Endpoint, Failure};
use super::failover::{Failback, Probe, next_server};
use super::poller::Watch;
use super::secured::{Reason, Secured};
use crate::destination::stream::{Connect, Sink};
use crate::destination::{Report, Severity, Wake};

/// The far end of a network destination: how it is connected to, again and again.
pub(super) struct Dial {
    /// The transport with its framing: connections of one kind can be handed over.
    pub(super) kind: &'static str,
    /// The servers: the first one, and those that stand in for it.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) failback: Option<Failback>,
    /// `keep-alive()`
    pub(super) keep_alive: bool,
    /// `close-on-input()`
    pub(super) close_on_input: bool,
    pub(super) state: Mutex<State>,
}

/// The state of a far end.
#[derive(Default)]
pub(super) struct State {
    attempt: Option<Arc<Attempt>>,
    /// The number of the server that is connected to, or is next.
    server: usize,
    /// The reason why the last attempt failed.
    failure: Option<String>,
    /// The last connection, for the log.
    connected: Option<String>,
    /// The reason why TLS has ended, where it has one.
    broken: Reason,
}

/// The outcome of an attempt, as soon as there is one.
#[derive(Default)]
struct Attempt(Mutex<Option<Result<Connected, Failure>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has happened so far is no part of what makes a destination the same after a reload.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("kind", &self.kind)
            .field("endpoints", &self.endpoints)
            .field("failback", &self.failback)
            .field("keep_alive", &self.keep_alive)
            .field("close_on_input", &self.close_on_input)
            .finish_non_exhaustive()
    }
}

impl Dial {
    /// Begins an attempt.
    fn begin(&self, state: &mut State, wake: &Wake) -> Result<(), Errno> {
        let attempt = Arc::<Attempt>::default();
        let (endpoint, wake) = (self.endpoints[state.server].clone(), Arc::clone(wake));
        let of_thread = Arc::clone(&attempt);
        let run = move || {
            let outcome = endpoint.connect();
            *lock(&of_thread.0) = Some(outcome);
            wake();
        };
        thread::Builder::new().name("connect".to_owned()).spawn(run).map_err(|_| Errno::AGAIN)?;
        state.attempt = Some(attempt);
        Ok(())
    }

    /// Makes a far end of what was connected.
    fn sink(&self, server: usize, connected: Connected, wake: &Wake) -> Result<Sink, Errno> {
        let Connected { socket, warnings, secured, .. } = connected;
        let (watch, kind) = (Watch::new(&socket, wake)?, self.endpoints[server].kind());
        let mut connection = Connection::new(kind, watch, self.close_on_input, secured);
        if let (Some(failback), 1..) = (self.failback, server) {
            let primary = self.endpoints[0].clone();
            let connect = move || primary.connect().is_ok();
            connection.leaves = Some(Probe::start(failback, connect, wake).map_err(|_| Errno::AGAIN)?);
        }
        let sink = Sink::to_peer(socket, Box::new(connection))?;
        Ok(if warnings.is_empty() { sink } else { sink.with_warning(warnings.join("; ")) })
    }
}

impl Connect for Dial {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn connect(&self, _: &[u8], wake: &Wake) -> Result<Sink, Errno> {
        let state = &mut *lock(&self.state);
        state.failure = None;
        let Some(attempt) = &state.attempt else {
            self.begin(state, wake)?;
            return Err(Errno::INPROGRESS);
        };
        let Some(outcome) = lock(&attempt.0).take() else { return Err(Errno::INPROGRESS) };
        state.attempt = None;
        match outcome {
            Ok(connected) => {
                state.connected = Some(connected.shown.clone());
                state.broken = connected.secured.as_ref().map(Secured::reason).unwrap_or_default();
                self.sink(state.server, connected, wake)
            }
            Err(Failure { error, text }) => {
                state.failure = Some(text);
                Err(error)
            }
        }
    }

    fn in_words(&self, error: Errno) -> String {
        let state = lock(&self.state);
        let failure = state.failure.clone();
        failure.unwrap_or_else(|| match (error, self.endpoints[0].kind()) {
            (Errno::SHUTDOWN, _) => "the server has closed the connection".to_owned(),
            (Errno::PROTO, _) => {
                "the server has sent data, which ends the connection: close-on-input(no) allows it".to_owned()
            }
            (Errno::BADMSG, _) => {
                let why = lock(&state.broken).clone();
                why.unwrap_or_else(|| "what the server sends is not TLS".to_owned())
            }
            (Errno::XDEV, _) => "the primary server answers again, and is connected to next".to_owned(),
            (_, Kind::Tcp | Kind::UnixStream) => format!("the connection is broken: {error}"),
            (_, Kind::Datagram(_)) => error.to_string(),
        })
    }

    fn retry_after(&self, error: Errno, time_reopen: Duration) -> Duration {
        let state = &mut *lock(&self.state);
        state.server = match error {
            Errno::XDEV => 0,
            _ => next_server(state.server, self.endpoints.len(), self.failback),
        };
        time_reopen
    }

    fn opened_in_words(&self) -> Option<String> {
        let state = lock(&self.state);
        state.connected.as_ref().map(|connected| format!("connected to {connected}"))
    }

    fn read_again(&self) -> Vec<Report> {
        let endpoint = self.endpoints.first();
        let Some(Endpoint::Inet { tls: Some(tls), .. }) = endpoint else { return Vec::new() };
        match tls.reload() {
            Ok((is_new, warnings)) => {
                let new =
                    is_new.then(|| "certificates were read again: the next connection has them".to_owned());
                let report = |severity| move |text| Report { severity, text };
                let warnings = warnings.into_iter().map(report(Severity::Warning));
                new.into_iter().map(report(Severity::Notice)).chain(warnings).collect()
            }
            Err(why) => {
                let text = format!("{why}; what was read before stays");
                vec![Report { severity: Severity::Error, text }]
            }
        }
    }

    fn survives_reload(&self) -> bool {
        self.keep_alive
    }

    fn ends_at_reload(&self) -> bool {
        !self.keep_alive
    }

    fn may_stall(&self) -> bool {
        true
    }

    fn is_eager(&self) -> bool {
        true
    }
}
