//! Names of hosts to addresses: [`Resolver`].
//!
//! The system's resolver cannot be interrupted: with servers that do not answer, a look-up takes half a minute.
//! So each look-up has a thread of its own, which ends with it, and whoever asked waits for a bounded time
//! ([`Lookup::wait`]), or is woken. At most [`MOST`] run at a time in the process; what is asked beyond gets
//! an error at once, to be tried again as any failure is. Addresses are not looked up.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;

/// Look-ups that may run at a time.
const MOST: usize = 16;

/// The addresses of a host, at least one; or a sentence that says why there is none.
pub(crate) type Answer = Result<Vec<SocketAddr>, String>;

/// Asks for the addresses of a name, and waits for them.
type Ask = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Turns names of hosts into addresses.
#[derive(Clone)]
pub(crate) struct Resolver {
    ask: Arc<Ask>,
    running: Arc<AtomicUsize>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("running", &self.running).finish_non_exhaustive()
    }
}

/// A look-up: begun, and at some time answered.
#[derive(Debug)]
pub(crate) struct Lookup(Arc<Mail>);

/// The place at which an answer is left.
#[derive(Debug, Default)]
struct Mail {
    answer: Mutex<Option<Answer>>,
    is_there: Condvar,
}

impl Mail {
    fn leave(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.is_there.notify_all();
    }
}

impl Lookup {
    fn answered(answer: Answer) -> Self {
        let mail = Mail::default();
        mail.leave(answer);
        Self(Arc::new(mail))
    }

    /// The answer, if it is there.
    #[cfg(test)]
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer, waited for at most `within`.
    fn wait(&self, within: Duration) -> Option<Answer> {
        let deadline = Instant::now() + within;
        let mut answer = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner);
        while answer.is_none() {
            let left = deadline.checked_duration_since(Instant::now())?;
            let woken = self.0.is_there.wait_timeout(answer, left);
            answer = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        answer.clone()
    }
}

impl Resolver {
    /// The system's.
    pub(crate) fn of_system() -> &'static Self {
        static SYSTEM: LazyLock<Resolver> =
            LazyLock::new(|| Resolver::new(|host, port| Ok((host, port).to_socket_addrs()?.collect())));
        &SYSTEM
    }

    /// One that asks `ask`.
    pub(super) fn new(
        ask: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { ask: Arc::new(ask), running: Arc::default() }
    }

    /// Begins to look for the addresses of `address`; `wake` is called when the answer is there, unless it is
    /// there at once.
    pub(crate) fn resolve(&self, address: &Address, wake: impl FnOnce() + Send + 'static) -> Lookup {
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Lookup::answered(Ok(vec![SocketAddr::new(ip, address.port)]));
        }
        let host = &address.host;
        let Some(turn) = Turn::take(&self.running) else {
            let why = format!("`{host}` cannot be looked up: {MOST} other names wait for the resolver");
            return Lookup::answered(Err(why));
        };
        let mail = Arc::new(Mail::default());
        let (ask, address, to) = (self.ask.clone(), address.clone(), mail.clone());
        let look_up = move || {
            let found = catch_unwind(AssertUnwindSafe(|| ask(&address.host, address.port)));
            to.leave(
                found
                    .unwrap_or_else(|_| Err(io::Error::other("fault")))
                    .map_err(|error| in_words(&address, &error))
                    .and_then(|found| fitting(&address, found)),
            );
            drop(turn);
            wake();
        };
        match thread::Builder::new().name("resolver".to_owned()).spawn(look_up) {
            Ok(_) => Lookup(mail),
            Err(error) => Lookup::answered(Err(format!("`{host}` cannot be looked up: no thread: {error}"))),
        }
    }

    /// The addresses of `address`, waited for at most `within`.
    ///
    /// # Errors
    /// There is none, or no answer comes.
    pub(crate) fn resolve_within(&self, address: &Address, within: Duration) -> Answer {
        let answer = self.resolve(address, || {}).wait(within);
        let late = || {
            format!(
                "the resolver gives no address for `{}` within {} seconds",
                address.host,
                within.as_secs()
            )
        };
        answer.unwrap_or_else(|| Err(late()))
    }
}

/// One of the look-ups that may run at a time.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |running| (running < MOST).then_some(running + 1);
        running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(running.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Those of `found` that are of the version of IP that is asked for, each once.
fn fitting(address: &Address, found: Vec<SocketAddr>) -> Answer {
    let mut fitting: Vec<SocketAddr> = Vec::new();
    for found in found {
        if address.ip.has(found.ip()) && !fitting.contains(&found) {
            fitting.push(found);
        }
    }
    if fitting.is_empty() {
        let version = if address.ip == super::IpProtocol::V4 { 4 } else { 6 };
        return Err(format!("`{}` has no address of IPv{version}", address.host));
    }
    Ok(fitting)
}

fn in_words(address: &Address, error: &io::Error) -> String {
    format!("`{}` has no address: {error}", address.host)
}
