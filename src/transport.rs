//! Transport: what sources and destinations share of the way between machines.
//!
//! * [`socket`]: the options of sockets, addresses, listening, connecting without waiting, names of hosts;
//! * [`access`]: owner and permission bits of files, directories and sockets that are made.
//!
//! # Invariants
//! * No socket that comes from here blocks, and each is closed when another program is started.
//! * Nothing here waits for a peer, but for what its caller bounds.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports, reason = "the drivers take it up one after the other")]

pub mod access;
pub(crate) mod socket;

#[cfg(test)]
mod sample;
