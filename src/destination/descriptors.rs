//! The file descriptors of the process, and how destinations share them: [`Descriptors`].
//!
//! A destination whose path has macros can have any number of files, and the sender of a message chooses
//! which. The limit (`RLIMIT_NOFILE`) is the whole process's: sources need descriptors for their connections,
//! Python for its modules, and a single file one to be opened again after a rotation. So all such
//! destinations together get one half of the limit, and each the same share of it:
//!
//! ```text
//!  limit   [ half: sources, Python, sockets, single files ][ half, 4096 at most: paths with macros ]
//!                                                            share  │ share  │ share
//! ```
//!
//! A destination that wants to open one file more than its share closes the one that it did not use for
//! longest. Where the process has no descriptor left all the same, whoever finds none *asks*: each of these
//! destinations closes a part of its files.
//!
//! The soft limit is raised to `WANTED` where the hard limit allows it. Files of paths with macros get
//! numbers from `ABOVE` on then: `select()`, which many a Python module calls, knows no others than those
//! below.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is asked for.
const WANTED: u64 = 8192;
/// The first number that `select()` does not know.
const ABOVE: i32 = 1024;
/// Most files of paths with macros.
const MOST: u64 = 4096;

/// Wakes the thread of a destination.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The share of the destinations with macros in their paths.
pub struct Descriptors {
    limit: u64,
    most: usize,
    above: Option<i32>,
    /// The number of members.
    members: AtomicUsize,
    /// The number of requests.
    asked: AtomicUsize,
    wakes: Mutex<Vec<(usize, Wake)>>,
    next: AtomicUsize,
}

/// The debug text is part of what makes a destination the same after a reload, and descriptors are no part of
/// that.
impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Descriptors")
    }
}

impl Descriptors {
    /// A share of `most` files for all members together.
    pub fn new(most: usize) -> Self {
        Self::with_limit(most, 2 * most as u64, None)
    }

    fn with_limit(most: usize, limit: u64, above: Option<i32>) -> Self {
        Self {
            limit,
            most,
            above,
            members: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            wakes: Mutex::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// Those of this process, whose soft limit it raises at the first call.
    pub fn of_process() -> Arc<Self> {
        static OWN: LazyLock<Arc<Descriptors>> = LazyLock::new(|| {
            let limit = raised();
            let above = (limit >= WANTED).then_some(ABOVE);
            Arc::new(Descriptors::with_limit((limit / 2).clamp(1, MOST) as usize, limit, above))
        });
        Arc::clone(&OWN)
    }

    /// The number of descriptors that the process may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The number of them that the files of paths with macros may have, all together.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The least number of a descriptor of such a file, if low ones are kept for others.
    pub(crate) fn above(&self) -> Option<i32> {
        self.above
    }

    fn wakes(&self) -> MutexGuard<'_, Vec<(usize, Wake)>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all members to close a part of their files; whether there are any.
    pub(crate) fn ask(&self) -> bool {
        self.asked.fetch_add(1, Ordering::AcqRel);
        // Called without the lock: a wake takes others.
        let wakes: Vec<_> = self.wakes().iter().map(|(_, wake)| Arc::clone(wake)).collect();
        for wake in wakes {
            wake();
        }
        self.members.load(Ordering::Relaxed) > 0
    }
}

/// The soft limit, raised as far as is wanted and allowed.
fn raised() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (soft, hard) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    let wanted = WANTED.min(hard);
    if soft >= wanted || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_err() {
        return soft;
    }
    wanted
}

/// A destination's part in [`Descriptors`], for as long as it lives.
#[derive(Debug)]
pub(crate) struct Member {
    descriptors: Arc<Descriptors>,
    number: usize,
    /// The number of requests, as far as it has looked.
    seen: usize,
}

impl Member {
    /// One more member.
    pub(crate) fn new(descriptors: &Arc<Descriptors>) -> Self {
        descriptors.members.fetch_add(1, Ordering::Relaxed);
        let number = descriptors.next.fetch_add(1, Ordering::Relaxed);
        let seen = descriptors.asked.load(Ordering::Acquire);
        Self { descriptors: Arc::clone(descriptors), number, seen }
    }

    /// Has `wake` called when somebody asks.
    pub(crate) fn on_ask(&self, wake: Wake) {
        self.descriptors.wakes().push((self.number, wake));
    }

    /// The number of files that it may have open.
    pub(crate) fn share(&self) -> usize {
        let members = self.descriptors.members.load(Ordering::Relaxed).max(1);
        (self.descriptors.most / members).max(1)
    }

    /// Tells whether somebody has asked since the last call.
    pub(crate) fn is_asked(&mut self) -> bool {
        let asked = self.descriptors.asked.load(Ordering::Acquire);
        std::mem::replace(&mut self.seen, asked) != asked
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.descriptors.members.fetch_sub(1, Ordering::Relaxed);
        self.descriptors.wakes().retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: two destinations take more than there is, or one that has gone keeps its share.
    #[test]
    fn members_share_what_there_is() {
        let descriptors = Arc::new(Descriptors::new(100));
        let one = Member::new(&descriptors);
        assert_eq!(one.share(), 100);
        let two = Member::new(&descriptors);
        assert_eq!((one.share(), two.share()), (50, 50));
        drop(one);
        assert_eq!(two.share(), 100);
        let many: Vec<_> = (0..200).map(|_| Member::new(&descriptors)).collect();
        assert_eq!(many[0].share(), 1, "nobody is left without");
    }

    /// Breaks without it: a destination with idle files sleeps while others find no descriptor.
    #[test]
    fn who_asks_wakes_all_members_once() {
        let descriptors = Arc::new(Descriptors::new(100));
        assert!(!descriptors.ask(), "nobody is there");
        let (mut one, woken) = (Member::new(&descriptors), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&woken);
        one.on_ask(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(!one.is_asked());
        assert!(descriptors.ask());
        assert!(one.is_asked() && !one.is_asked());
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        drop(one);
        descriptors.ask();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
