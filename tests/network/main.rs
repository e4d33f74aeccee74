//! Sources of sockets, from bytes that a peer sends over the loopback to lines in a file: the command without
//! Python, started as users start it.
//!
//! Each test ends with [`Engine::finish`]: what was posted is delivered or counted as dropped.
#![cfg(not(feature = "python"))]
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

mod credit;
mod datagrams;
mod engine;
mod proxy;
mod reload;
mod streams;
mod unix;
