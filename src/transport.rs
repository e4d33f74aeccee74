//! Transport: what sources and destinations share of the way between machines.
//!
//! ```text
//!                     a source                                  a destination
//!  configuration      SocketOptions, AddressOptions: tables of options, checked where they stand
//!  before it runs     listen()                                  resolve(), connect()      a thread of its own
//!  each connection    accepted() ─► PROXY header
//! ```
//!
//! * [`socket`]: the options of sockets, addresses, listening, connecting without waiting, names of hosts;
//! * [`proxy`]: the header by which a proxy says who is behind it;
//! * [`net`]: nets of addresses;
//! * [`access`]: owner and permission bits of files, directories and sockets that are made.
//!
//! # Invariants
//! * No socket that comes from here blocks, and each is closed when another program is started.
//! * Nothing here waits for a peer, but for what its caller bounds.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports, reason = "the drivers take it up one after the other")]

pub mod access;
pub(crate) mod net;
pub mod proxy;
pub(crate) mod socket;

#[cfg(test)]
mod sample;
