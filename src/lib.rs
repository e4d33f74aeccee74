//! Inrush: a high-throughput zero-copy ingestion engine for server-style Python log sources.
#![deny(missing_docs)]

pub mod config;
pub mod destination;
pub mod flow;
pub mod message;
#[cfg(feature = "python")]
pub mod python;
pub mod syslog;
pub mod template;
