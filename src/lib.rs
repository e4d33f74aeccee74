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
//! * `fault`: what is done about a panic; `nearest`: the known word that a wrong one may mean;
//! * [`printable`]: texts of others in lines that people read;
//! * [`message`]: what flows: records in batches, the memory under them, views for readers;
//! * [`flow`]: how it flows: lanes, inboxes, credit, acknowledgements;
//! * [`syslog`]: RFC 5424, RFC 3164, framing, time stamps: bytes in, spans out;
//! * [`template`]: text with macros in it;
//! * [`config`]: from the user's files to a checked tree, or diagnostics with carets;
//! * [`pattern`]: regular expressions, texts and globs that texts are compared with;
//! * [`source`]: the life of a source, and what the source layer does to its messages; one file a driver;
//! * [`destination`]: files and standard output;
//! * [`drivers`]: the drivers that a configuration may name;
//! * [`state`]: what outlives the process: values by name, in one crash-safe file;
//! * [`filter`]: which messages go on: conditions, and the functions that they are made of;
//! * [`rewrite`]: what is changed in messages on their way: rewrite functions, one behind the other;
//! * [`path`]: what happens to messages on their way: programs of steps, sends and forks;
//! * [`engine`]: from a configuration to threads: start, reload, stop, supervision, statistics, the log;
//! * `python`: the only room that knows pyo3: `LogSource`, `LogMessage`, buffers, Python as the engine's
//!   host;
//! * [`cli`]: the command line.
//!
//! Data goes one way, from source to destination; what goes back is credit and acknowledgements, through
//! [`flow`] alone. Without the feature `python` the crate is the engine alone, and its command `inrush` runs
//! configurations whose sources are the engine's own.
#![deny(missing_docs)]

pub mod cli;
pub mod config;
pub mod destination;
pub mod drivers;
pub mod engine;
mod fault;
pub mod filter;
pub mod flow;
pub mod message;
mod nearest;
pub mod path;
pub mod pattern;
pub mod printable;
#[cfg(feature = "python")]
pub mod python;
pub mod rewrite;
pub mod source;
pub mod state;
pub mod syslog;
pub mod template;
