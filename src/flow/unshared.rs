//! Descriptors that no fork of the process may keep: [`Unshared`].
//!
//! A child that a source forks (`os.fork`, `multiprocessing`) has a copy of every descriptor. A copy of a
//! listening socket keeps its address taken when the engine itself was killed, and the next engine does not
//! start. So such descriptors are on a list ([`all`]), which the child reads right after the fork. There no
//! lock may be taken, as its owner may be a thread that the child does not have; the list is made of atomics.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// The places of the list: all clients of the control socket and of the metrics, and more than enough for the
/// rest.
static PLACES: [AtomicI32; 256] = [const { AtomicI32::new(FREE) }; 256];
/// A place without a descriptor.
const FREE: i32 = -1;

/// A descriptor on the list; taken off when this is dropped, which is before the descriptor is closed.
#[derive(Debug)]
pub struct Unshared(Option<&'static AtomicI32>);

impl Unshared {
    /// Puts `descriptor` on the list. With a full list it stays with the forks, too.
    pub fn new(descriptor: &impl AsFd) -> Self {
        let number = descriptor.as_fd().as_raw_fd();
        let take = |place: &&AtomicI32| {
            place.compare_exchange(FREE, number, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        Self(PLACES.iter().find(take))
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(FREE, Ordering::Relaxed);
        }
    }
}

/// The descriptors on the list.
pub fn all() -> impl Iterator<Item = RawFd> {
    PLACES.iter().map(|place| place.load(Ordering::Relaxed)).filter(|number| *number != FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it: a fork closes a descriptor that means something else by now.
    #[test]
    fn a_descriptor_is_on_the_list_until_it_is_let_go() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        let unshared = Unshared::new(&file);
        assert!(all().any(|other| other == number));
        drop(unshared);
        assert!(!all().any(|other| other == number));
    }
}
