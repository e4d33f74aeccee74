//! Waiting for many sockets, and for what other threads have to say: [`Poll`] and [`Waker`].
//!
//! `epoll` without its edges: a socket that has something is named again at each wait, so a receiver may take
//! from it as much as its turn allows, and leave the rest.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crossbeam::queue::SegQueue;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// The number of the waker among the sockets of a [`Poll`].
const WAKER: u64 = u64::MAX;
/// The most events of one wait.
const EVENTS: usize = 256;

/// Something that another thread tells a receiver.
#[derive(Debug)]
pub(super) enum Notification {
    /// The connection with this number may have more messages in flight.
    ShareIsFree(u64),
    /// The name of a sender that was asked for by this number.
    Named(u64, Arc<str>),
}

/// Wakes a receiver.
#[derive(Debug)]
pub(super) struct Waker {
    event: OwnedFd,
    told: SegQueue<Notification>,
}

impl Waker {
    /// Wakes it: it looks at everything anew.
    pub(super) fn wake(&self) {
        // It fails only when the receiver has not looked after 2^64 calls.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Tells it something.
    pub(super) fn tell(&self, news: Notification) {
        self.told.push(news);
        self.wake();
    }

    /// The oldest of what it was told.
    pub(super) fn notification(&self) -> Option<Notification> {
        self.told.pop()
    }

    fn clear(&self) {
        let mut count = [0; 8];
        // Nothing in it is no error here.
        let _ = rustix::io::read(&self.event, &mut count);
    }
}

/// The sockets of a receiver.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
    waker: Arc<Waker>,
}

/// What a receiver waits for on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// That it can be read.
    Read,
    /// That it can be written, or read.
    Write,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN,
            Self::Write => EventFlags::IN | EventFlags::OUT,
        }
    }
}

impl Poll {
    /// Without a socket yet.
    ///
    /// # Errors
    /// The system has no descriptor.
    pub(super) fn new() -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &event, EventData::new_u64(WAKER), EventFlags::IN)?;
        let waker = Arc::new(Waker { event, told: SegQueue::new() });
        Ok(Self { epoll, waker })
    }

    /// Wakes whoever waits here.
    pub(super) fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    /// Adds `socket` under `number`.
    ///
    /// # Errors
    /// The system has no room for it.
    pub(super) fn add(&self, socket: &impl AsFd, number: u64, interest: Interest) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, EventData::new_u64(number), interest.flags())
    }

    /// Waits for something else on `socket`.
    pub(super) fn change(&self, socket: &impl AsFd, number: u64, interest: Interest) {
        // It is there, and a change needs no room.
        let _ = epoll::modify(&self.epoll, socket, EventData::new_u64(number), interest.flags());
    }

    /// Waits for nothing on `socket` any more.
    pub(super) fn remove(&self, socket: &impl AsFd) {
        // A socket that is not there is as good as removed.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits until a socket has something or somebody wakes it, for at most `timeout`; puts the numbers of the
    /// sockets into `ready`.
    pub(super) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) {
        ready.clear();
        let timeout = timeout.map(timespec);
        let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        // Interrupted is as good as nothing.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) else { return };
        for event in events {
            match event.data.u64() {
                WAKER => self.waker.clear(),
                number => ready.push(number),
            }
        }
    }

    /// Waits until somebody wakes it or `socket` has something, for at most `timeout`, whatever the others have;
    /// whether `socket` has.
    pub(super) fn wait_for_one(&self, socket: Option<&impl AsFd>, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(timespec);
        let waker = PollFd::new(&self.waker.event, PollFlags::IN);
        let (woken, has_some) = if let Some(socket) = socket {
            let mut both = [waker, PollFd::new(socket, PollFlags::IN)];
            let _ = poll(&mut both, timeout.as_ref());
            (!both[0].revents().is_empty(), !both[1].revents().is_empty())
        } else {
            let mut one = [waker];
            let _ = poll(&mut one, timeout.as_ref());
            (!one[0].revents().is_empty(), false)
        };
        if woken {
            self.waker.clear();
        }
        has_some
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Breaks without it: a socket is never read, or what other threads say is never heard.
    #[test]
    fn sockets_and_news() {
        let poll = Poll::new().unwrap();
        let (one, mut other) = UnixStream::pair().unwrap();
        poll.add(&one, 7, Interest::Read).unwrap();
        let mut ready = Vec::new();
        poll.wait(Some(Duration::ZERO), &mut ready);
        assert!(ready.is_empty());
        other.write_all(b"x").unwrap();
        for _ in 0..2 {
            poll.wait(None, &mut ready);
            assert_eq!(ready, [7], "as long as there is something");
        }
        poll.remove(&one);
        poll.waker().tell(Notification::ShareIsFree(3));
        poll.wait(None, &mut ready);
        assert!(ready.is_empty());
        assert!(
            matches!(poll.waker().notification(), Some(Notification::ShareIsFree(3)))
                && poll.waker().notification().is_none()
        );
        assert!(poll.wait_for_one(Some(&one), None));
        poll.waker().wake();
        assert!(!poll.wait_for_one(None::<&UnixStream>, None));
    }
}
