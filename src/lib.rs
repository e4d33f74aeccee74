//! Inrush: a high-throughput zero-copy ingestion engine for server-style Python log sources.
#![deny(missing_docs)]

pub mod config;
pub mod flow;
pub mod message;
#[cfg(feature = "python")]
pub mod python;
pub mod source;
pub mod syslog;
pub mod template;
