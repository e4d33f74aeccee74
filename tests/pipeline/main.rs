//! The engine without Python: from producers through lanes, workers and destinations into files.
//!
//! Each test drives the lanes of a configuration as a source would, and ends with [`Rig::finish`]: what was
//! posted is in the files or counted as dropped, nothing is in flight, and all credit is back.
#![allow(clippy::unwrap_used, reason = "clippy knows tests, not the functions that they share")]

mod acks;
mod faults;
mod flow_control;
mod foreign;
mod http;
mod model;
mod order;
mod programs;
mod reload;
mod rig;
mod server;
mod stop;
