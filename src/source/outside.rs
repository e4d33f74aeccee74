//! The system as naming hosts needs it: [`Outside`], and the system itself, [`ThisSystem`].
//!
//! Everything here may block for as long as a name server takes to answer, except the clock.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, getaddrinfo, lookup_addr};

/// The system's own name, its resolver and its clock.
pub trait Outside: Send + Sync + fmt::Debug {
    /// The name that the local host was given; empty when it has none.
    fn node_name(&self) -> String;

    /// The canonical name of the host called `name`, as far as the resolver knows one.
    fn canonical_name(&self, name: &str) -> Option<String>;

    /// The name that the resolver finds for `ip`.
    fn name_of(&self, ip: IpAddr) -> Option<String>;

    /// The time since a fixed moment. It never goes back.
    fn now(&self) -> Duration;
}

/// The system that the engine runs on: `uname`, `getaddrinfo`, `getnameinfo` and the monotonic clock.
#[derive(Debug)]
pub struct ThisSystem {
    start: Instant,
}

impl ThisSystem {
    /// Its clock starts now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for ThisSystem {
    fn default() -> Self {
        Self::new()
    }
}

impl Outside for ThisSystem {
    fn node_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn canonical_name(&self, name: &str) -> Option<String> {
        let hints =
            AddrInfoHints { flags: libc::AI_CANONNAME, socktype: libc::SOCK_STREAM, ..Default::default() };
        // Only the first address carries the canonical name.
        getaddrinfo(Some(name), None, Some(hints)).ok()?.next()?.ok()?.canonname
    }

    fn name_of(&self, ip: IpAddr) -> Option<String> {
        lookup_addr(&ip).ok()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: messages of this host have no name, or cached names never grow old.
    #[test]
    fn this_system_has_a_name_and_a_clock() {
        let system = ThisSystem::new();
        assert!(!system.node_name().is_empty());
        let before = system.now();
        assert!(system.now() >= before);
    }
}
