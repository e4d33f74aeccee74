//! Transport: what sources and destinations share of the way between machines.
//!
//! * [`access`]: owner and permission bits of files, directories and sockets that are made.
#![forbid(unsafe_code)]

pub mod access;
