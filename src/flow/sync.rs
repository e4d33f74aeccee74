//! The parts that the protocols of this room are made of: the real things, or, under `--cfg loom`, what loom
//! can run in every order that the memory model allows (`make loom`).
//!
//! loom explores its own atomics only, so whatever a protocol waits on or looks at has a stand-in here:
//!
//! * the queue is a list behind a lock whose *length* is an atomic of its own: whoever only looks whether it
//!   is empty takes no lock, as with the real one, and so gets no order of events from it that the protocol
//!   did not ask for;
//! * the parker keeps one token; a park with a time-out gives up at once;
//! * the event wakes whoever listened before the notification.

#[cfg(not(loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering, fence};

    pub(crate) use crossbeam::queue::SegQueue as Queue;
    pub(crate) use crossbeam::sync::{Parker, Unparker};
    pub(crate) use event_listener::{Event, Listener};
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

#[cfg(not(loom))]
pub(super) use real::*;
#[cfg(loom)]
pub(super) use stand_ins::*;

#[cfg(loom)]
mod stand_ins {
    use std::collections::VecDeque;
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering, fence};
    use loom::sync::{Arc, Condvar};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) struct Queue<T> {
        items: Mutex<VecDeque<T>>,
        len: AtomicUsize,
    }

    impl<T> Queue<T> {
        pub(crate) fn new() -> Self {
            Self { items: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
        }

        pub(crate) fn push(&self, item: T) {
            lock(&self.items).push_back(item);
            self.len.fetch_add(1, Ordering::Release);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            if self.is_empty() {
                return None;
            }
            self.len.fetch_sub(1, Ordering::Relaxed);
            lock(&self.items).pop_front()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(crate) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }
    }

    #[derive(Clone)]
    pub(crate) struct Unparker(Arc<(Mutex<bool>, Condvar)>);

    impl Unparker {
        pub(crate) fn unpark(&self) {
            *lock(&self.0.0) = true;
            self.0.1.notify_one();
        }
    }

    pub(crate) struct Parker(Unparker);

    impl Parker {
        pub(crate) fn new() -> Self {
            Self(Unparker(Arc::new((Mutex::new(false), Condvar::new()))))
        }

        pub(crate) fn unparker(&self) -> &Unparker {
            &self.0
        }

        pub(crate) fn park(&self) {
            let (token, condition) = &*self.0.0;
            let mut token = lock(token);
            while !*token {
                token = wait(condition, token);
            }
            *token = false;
        }

        pub(crate) fn park_timeout(&self, _: Duration) {
            *lock(&self.0.0.0) = false;
        }

        pub(crate) fn park_deadline(&self, _: Instant) {
            self.park_timeout(Duration::ZERO);
        }
    }

    /// Counts notifications; a listener waits for one that comes after it was made.
    pub(crate) struct Event(Arc<(Mutex<u32>, Condvar)>);

    pub(crate) struct EventListener {
        event: Arc<(Mutex<u32>, Condvar)>,
        since: u32,
    }

    pub(crate) trait Listener: Sized {
        fn wait(self);
        fn wait_deadline(self, deadline: Instant) -> Option<()>;
    }

    impl Event {
        pub(crate) fn new() -> Self {
            Self(Arc::new((Mutex::new(0), Condvar::new())))
        }

        pub(crate) fn listen(&self) -> EventListener {
            EventListener { since: *lock(&self.0.0), event: Arc::clone(&self.0) }
        }

        pub(crate) fn notify(&self, _all: usize) {
            *lock(&self.0.0) += 1;
            self.0.1.notify_all();
        }
    }

    impl Listener for EventListener {
        fn wait(self) {
            let mut count = lock(&self.event.0);
            while *count == self.since {
                count = wait(&self.event.1, count);
            }
        }

        fn wait_deadline(self, _: Instant) -> Option<()> {
            (*lock(&self.event.0) != self.since).then_some(())
        }
    }
}
