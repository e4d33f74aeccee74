//! The host of sources in this process, if there is one: [`Hosting`].
//!
//! An engine and a test do, each for as long as it runs. Without one ([`is_offline`]) a source that is made
//! by hand is for use: its posts go to a collector.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of hosts of sources in this process: an engine, a test.
static HOSTS: AtomicUsize = AtomicUsize::new(0);

/// While it lives, sources of this process are made by a host, and one that has none is not for use.
pub(crate) struct Hosting(());

impl Hosting {
    /// Another host.
    pub(crate) fn begin() -> Self {
        HOSTS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// The only host; `None` when there is one.
    pub(crate) fn alone() -> Option<Self> {
        let alone = HOSTS.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
        alone.is_ok().then(|| Self(()))
    }
}

impl Drop for Hosting {
    fn drop(&mut self) {
        HOSTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// True when this process has no host, so that sources in it are made by hand.
pub(crate) fn is_offline() -> bool {
    HOSTS.load(Ordering::Relaxed) == 0
}
