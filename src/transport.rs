//! Transport: what sources and destinations share of the way between machines.
//!
//! ```text
//!                     a source                                  a destination
//!  configuration      SocketOptions, AddressOptions, TlsOptions: tables of options, checked where they stand
//!  before it runs     listen()                                  resolve(), connect()      a thread of its own
//!  each connection    accepted() ─► PROXY header ─► TlsStream   TlsStream
//! ```
//!
//! * [`socket`]: the options of sockets, addresses, listening, connecting without waiting, names of hosts;
//! * [`tls`]: the options of `tls(…)`, and connections with it;
//! * [`proxy`]: the header by which a proxy says who is behind it;
//! * [`net`]: nets of addresses;
//! * [`multi_line`]: which lines of a text are one message;
//! * [`access`]: owner and permission bits of files, directories and sockets that are made.
//!
//! # Invariants
//! * No socket that comes from here blocks, and each is closed when another program is started.
//! * Nothing here waits for a peer, but for what its caller bounds.
#![forbid(unsafe_code)]

pub mod access;
pub(crate) mod multi_line;
pub(crate) mod net;
pub mod proxy;
pub(crate) mod socket;
pub(crate) mod tls;

#[cfg(test)]
mod sample;
