//! `network()`, `syslog()`, `tcp()`, `udp()`, `tcp6()`, `udp6()`, `unix-stream()` and `unix-dgram()`: lines to
//! other hosts, and to sockets of this one.
//!
//! ```text
//!  StreamDestination ── lines ──► Sink ──► Connection ──► the peer
//!        ▲    ▲                              │   ▲
//!        │    └──── a connection ── Dial ────┘   │ input, the end, room to write
//!        └───────── wakes ◄──────── Poller ──────┘
//! ```
//!
//! * `options`, `unix`: what is written of them in a configuration;
//! * `dial`: making connections, on threads of their own; `endpoint`: to where; `failover`: to which;
//! * `secured`: TLS;
//! * `connection`: the far end as the destination writes to it; `poller`: what wakes the destination.
//!
//! The lines, their queue and what happens in trouble are those of every stream
//! ([`stream`](super::stream)). A line is a line of text, or has its length before it (`syslog()`), or is a
//! datagram.
//!
//! # Invariants
//! * The destination's thread never waits: neither for a name, nor for a connection, nor for its peer.
//! * On paths with flow control a line that TCP has not confirmed is kept, and written again after the
//!   connection has broken.

mod connection;
mod dial;
mod endpoint;
mod failover;
mod options;
mod poller;
mod secured;
mod unix;

#[cfg(test)]
mod tests;

pub use options::NetworkOptions;
pub use unix::UnixOptions;
