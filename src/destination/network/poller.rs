//! A wake-up for what happens to sockets: [`Watch`].
//!
//! The thread of a destination sleeps until it is woken, and a socket cannot wake it. One thread of the
//! process, which starts with the first connection, waits for the events of all sockets (`epoll(7)`), notes
//! each with its socket and wakes the destination of it, which looks at the socket and asks for the next
//! event. An event is told once (`EPOLLONESHOT`): a destination that is busy is not woken twice.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::destination::Wake;
use crate::flow::unshared::Unshared;

/// The sockets that are watched, and who is woken for them.
struct Poller {
    epoll: OwnedFd,
    /// No fork of the process wakes anybody.
    _unshared: Unshared,
    watched: Mutex<HashMap<u64, (Arc<AtomicBool>, Wake)>>,
    next: AtomicU64,
}

/// That of the process.
fn poller() -> Result<&'static Poller, Errno> {
    static POLLER: OnceLock<Poller> = OnceLock::new();
    static STARTS: Mutex<()> = Mutex::new(());
    if let Some(poller) = POLLER.get() {
        return Ok(poller);
    }
    let _starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(poller) = POLLER.get() {
        return Ok(poller);
    }
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let unshared = Unshared::new(&epoll);
    let poller = Poller { epoll, _unshared: unshared, watched: Mutex::default(), next: AtomicU64::new(0) };
    let poller = POLLER.get_or_init(|| poller);
    let run = || poller.run();
    thread::Builder::new().name("sockets".to_owned()).spawn(run).map_err(|_| Errno::AGAIN)?;
    Ok(poller)
}

impl Poller {
    fn watched(&self) -> MutexGuard<'_, HashMap<u64, (Arc<AtomicBool>, Wake)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for events and wakes, for as long as the process lives.
    fn run(&self) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                // The descriptor is no more: the process ends.
                Err(_) => return,
            }
            for event in &events {
                let key = event.data.u64();
                let known = self.watched().get(&key).map(|(news, wake)| (Arc::clone(news), Arc::clone(wake)));
                // It may have been let go of since.
                if let Some((news, wake)) = known {
                    news.store(true, Ordering::Release);
                    wake();
                }
            }
        }
    }
}

/// A socket that is watched until this is dropped.
pub(super) struct Watch {
    poller: &'static Poller,
    key: u64,
    news: Arc<AtomicBool>,
}

impl Watch {
    /// Watches `socket`: what it has to be read, and its end. `wake` is called, on another thread, for the
    /// first of these; see [`ask`](Self::ask).
    pub(super) fn new(socket: impl AsFd, wake: &Wake) -> Result<Self, Errno> {
        let poller = poller()?;
        let (key, news) = (poller.next.fetch_add(1, Ordering::Relaxed), Arc::<AtomicBool>::default());
        poller.watched().insert(key, (Arc::clone(&news), Arc::clone(wake)));
        // Let go of if the next call fails.
        let watch = Self { poller, key, news };
        epoll::add(&poller.epoll, socket, EventData::new_u64(key), events(false))?;
        Ok(watch)
    }

    /// Asks to be woken once more, and also for room to write where `for_room`.
    pub(super) fn ask(&self, socket: impl AsFd, for_room: bool) -> Result<(), Errno> {
        epoll::modify(&self.poller.epoll, socket, EventData::new_u64(self.key), events(for_room))
    }

    /// Has `wake` called from now on; what has happened so far is news to it.
    pub(super) fn call(&self, wake: &Wake) {
        self.poller.watched().insert(self.key, (Arc::clone(&self.news), Arc::clone(wake)));
        self.news.store(true, Ordering::Release);
    }

    /// Tells that something has happened.
    pub(super) fn has_news(&self) -> bool {
        self.news.load(Ordering::Acquire)
    }

    /// The same, once for each event.
    pub(super) fn take_news(&self) -> bool {
        self.has_news() && self.news.swap(false, Ordering::AcqRel)
    }
}

fn events(for_room: bool) -> EventFlags {
    let events = EventFlags::IN | EventFlags::RDHUP | EventFlags::ONESHOT;
    if for_room { events | EventFlags::OUT } else { events }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The system forgets the socket when it is closed.
        self.poller.watched().remove(&self.key);
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("key", &self.key).finish_non_exhaustive()
    }
}
