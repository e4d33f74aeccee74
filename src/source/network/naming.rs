//! Names of senders, looked up without holding up the receiver: [`Naming`].
//!
//! A name server may take half a minute not to answer. So names that are not known are looked up on threads of
//! their own, a few of them, which end when there is nothing to look up; the receiver is told the name.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::poll::{Notification, Waker};
use crate::source::HostNames;

/// The most threads.
const THREADS: usize = 8;
/// A thread without anything to look up ends after this time.
const LINGER: Duration = Duration::from_secs(5);

/// The number under which a name is told, and the address that has it.
type Question = (u64, IpAddr);

/// Looks up the names of senders.
#[derive(Debug)]
pub(super) struct Naming {
    names: Arc<HostNames>,
    waker: Arc<Waker>,
    questions: (Sender<Question>, Receiver<Question>),
    threads: Arc<AtomicUsize>,
}

impl Naming {
    /// Asks `names`, and tells `waker` the answers.
    pub(super) fn new(names: &Arc<HostNames>, waker: &Arc<Waker>) -> Self {
        Self {
            names: Arc::clone(names),
            waker: Arc::clone(waker),
            questions: unbounded(),
            threads: Arc::default(),
        }
    }

    /// The name of the host at `ip`, if it is known; otherwise it is told later, under `number`.
    pub(super) fn ask(&self, number: u64, ip: IpAddr) -> Option<Arc<str>> {
        if let Some(name) = self.names.cached(ip) {
            return Some(name);
        }
        // A receiver of them is here.
        let _ = self.questions.0.send((number, ip));
        self.start_thread();
        None
    }

    fn start_thread(&self) {
        if self.threads.fetch_add(1, Ordering::AcqRel) >= THREADS {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let (names, waker, questions, threads) = (
            Arc::clone(&self.names),
            Arc::clone(&self.waker),
            self.questions.1.clone(),
            Arc::clone(&self.threads),
        );
        let look_up = move || {
            loop {
                while let Ok((number, ip)) = questions.recv_timeout(LINGER) {
                    waker.tell(Notification::Named(number, names.look_up(ip)));
                }
                threads.fetch_sub(1, Ordering::AcqRel);
                // Whoever asked before that may have counted on this thread.
                if questions.is_empty() {
                    return;
                }
                threads.fetch_add(1, Ordering::AcqRel);
            }
        };
        if thread::Builder::new().name("names".to_owned()).spawn(look_up).is_err() {
            let running = self.threads.fetch_sub(1, Ordering::AcqRel) - 1;
            // Nobody else will: the receiver waits, rather than the sender for ever.
            if running == 0 {
                while let Ok((number, ip)) = self.questions.1.try_recv() {
                    self.waker.tell(Notification::Named(number, self.names.look_up(ip)));
                }
            }
        }
    }
}
