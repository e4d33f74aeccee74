//! Inrush: a high-throughput zero-copy ingestion engine for server-style Python log sources.
//!
//! A user writes (or already has) a class with `run()` and `post_message()`, as for syslog-ng and
//! `AxoSyslog`. Inrush runs it unchanged and carries what it posts, without copying it again, through log
//! paths to destinations, with flow control all the way back.
//!
//! ```text
//!  Python threads (GIL)          worker threads (no GIL, ever)       destination threads (no GIL)
//!  LogMessage(...)               take whole batches                  take whole batches
//!  post_message ──► lane ═══════► route, batch by batch ════════════► format ► write ──► delivered
//!    (open batch)   lock-free                                         write, writev
//!         ▲         MPSC                                                                    │
//!         └──────────────── credit (messages and bytes), acknowledgements ◄────────────────┘
//! ```
//!
//! # The rooms
//! Each knows only those above it; `engine`, `python` and `cli` may know all.
//!
//! * `child`: programs that the engine starts; `fault`: what is done about a panic; `nearest`: the known word
//!   that a wrong one may mean;
//! * `eight`: short texts, searched and compared eight bytes at a time;
//! * `printable`: texts of others in lines that people read;
//! * [`disk`]: the store of the disk buffer: numbered bytes in segments, durable when it says so;
//! * [`message`]: what flows: records in batches, the memory under them, views for readers;
//! * [`flow`]: how it flows: lanes, inboxes, credit, acknowledgements;
//! * [`syslog`]: RFC 5424, RFC 3164, framing, time stamps: bytes in, spans out;
//! * [`template`]: text with macros in it;
//! * [`config`]: from the user's files to a checked tree, or diagnostics with carets;
//! * [`pattern`]: regular expressions, texts and globs that texts are compared with;
//! * [`transport`]: sockets and what goes over them, for sources and destinations alike;
//! * `kafka`: the client of Kafka, which sources and destinations share;
//! * [`source`]: the life of a source, and what the source layer does to its messages; one file a driver;
//! * [`destination`]: where messages go: streams of lines, and groups that a far end takes or refuses;
//! * [`drivers`]: the drivers that a configuration may name;
//! * [`state`]: what outlives the process: values by name, in one crash-safe file;
//! * [`filter`]: which messages go on: conditions, and the functions that they are made of;
//! * [`rewrite`]: what is changed in messages on their way: rewrite functions, one behind the other;
//! * [`parser`](mod@parser): from a text of a message to values; one file a parser;
//! * [`path`]: what happens to messages on their way: programs of steps, sends and forks;
//! * `error`: the one error of the crate, [`Error`];
//! * [`engine`]: from a configuration to threads: start, reload, stop, supervision, statistics, the log;
//! * `python`: the only room that knows pyo3: `LogSource`, `LogMessage`, buffers, Python as the engine's
//!   host;
//! * [`cli`]: the command line.
//!
//! # As a library
//! The names at the top of the crate are its façade: a configuration is read ([`parse`], [`load`]), and run
//! with what an embedding adds to the engine ([`run()`], [`Host`]). Everything fallible there has one error,
//! [`Error`]. The rooms that are public besides are so for the benchmarks, the fuzz targets and the tests.
//!
//! ```
//! let text = r#"log { source { example-msg-generator(num(3)); }; destination { file("/tmp/three"); }; };"#;
//! let config = inrush::parse("three.conf", text)?;
//! assert_eq!(config.logs.len(), 1);
//!
//! let refused = inrush::parse("three.conf", "sauce s { };").unwrap_err();
//! assert!(matches!(&refused, inrush::Error::Config(_)));
//! assert!(refused.to_string().contains("did you mean `source`?"));
//! # Ok::<(), inrush::Error>(())
//! ```
//!
//! Data goes one way, from source to destination; what goes back is credit and acknowledgements, through
//! [`flow`] alone. Without the feature `python` the crate is the engine alone, and its command `inrush` runs
//! configurations whose sources are the engine's own.
#![deny(missing_docs, unreachable_pub)]
#![cfg_attr(
    not(all(feature = "python", feature = "kafka")),
    allow(dead_code, reason = "the Python room, or the drivers of Kafka, alone use some of it")
)]

mod child;
pub mod cli;
pub mod config;
pub mod destination;
pub mod disk;
pub mod drivers;
mod eight;
pub mod engine;
mod error;
mod fault;
pub mod filter;
pub mod flow;
mod geoip;
#[cfg(feature = "kafka")]
mod kafka;
pub mod message;
mod nearest;
pub mod parser;
pub mod path;
pub mod pattern;
mod printable;
#[cfg(feature = "python")]
mod python;
pub mod rewrite;
pub mod source;
pub mod state;
pub mod syslog;
pub mod template;
pub mod transport;

use std::path::Path;

pub use config::{Config, Diagnostic, Diagnostics};
pub use engine::{Ended, Host, HostView, Log, LogLevel, Settings, Standalone, run};
pub use error::Error;
pub use template::Template;

/// Reads the configuration at `path`, with the drivers of this crate and the process's environment.
///
/// # Errors
/// [`Error::Config`]: everything that is wrong with it, each at its place, together with the warnings.
pub fn load(path: &Path) -> Result<Config, Error> {
    Ok(config::load(path, &drivers::VOCABULARY)?)
}

/// Reads the configuration `text`, which errors call `name`. Files are read only for `@include`.
///
/// # Errors
/// [`Error::Config`]: everything that is wrong with it, each at its place, together with the warnings.
pub fn parse(name: &str, text: &str) -> Result<Config, Error> {
    Ok(config::parse_str(name, text, &config::Environment::new(&drivers::VOCABULARY))?)
}
