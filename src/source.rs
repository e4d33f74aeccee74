//! What a source does to a message between the post and the log paths.
//!
//! A program posts a message; the source it posts to decides where the message is said to come from, and stamps it
//! with its own name, tags and overrides. This room holds these decisions as data, and knows nothing of Python, of
//! batches being filled, or of threads:
//!
//! ```text
//!  sender's address ──► HostNames ──► its name ─┐
//!                       cached() or             ├─► SourcePolicy::hosts() ──► the row's HOST, HOST_FROM
//!                       look_up()   own HOST ───┘
//!
//!  options {}, the source's options ──► SourcePolicy::origin() ──► what all messages of a batch share
//! ```
//!
//! * [`HostNames`] names hosts: the local one once, senders by their addresses, from a bounded cache, the hosts file and
//!   the system's resolver. Asking what is known never blocks; what must be looked up is a call of its own, so that a
//!   caller can let go of its locks before.
//! * [`SourcePolicy`] has the rules for HOST, `HOST_FROM`, PROGRAM, PID, the tags and the time stamp. Nearly all messages
//!   need nothing but the [`Origin`](crate::message::Origin) of their batch.
//! * [`Outside`] is what both ask of the system, so that a test can answer instead.
//! * [`SourceStatus`] is how a source is, for whoever looks; [`age`] has the age of its oldest message in flight.
//!
//! The order in which a post asks:
//!
//! ```
//! # use inrush::source::{HostNames, NameOptions, SourcePolicy, ThisSystem};
//! # use inrush::config::{GlobalOptions, LogSourceOptions, UseDns};
//! # use std::sync::Arc;
//! # let global = GlobalOptions { use_dns: UseDns::No, ..GlobalOptions::default() };
//! # let own = LogSourceOptions::default();
//! let names = HostNames::new(NameOptions::new(&global, &own), Arc::new(ThisSystem::new()));
//! let policy = SourcePolicy::new("s_net", names.local(), &global, &own);
//!
//! let ip = "192.0.2.7".parse().unwrap();
//! let sender = names.cached(ip).unwrap_or_else(|| names.look_up(ip));
//! let hosts = policy.hosts(Some(b"claimed"), Some(&sender));
//! assert_eq!(hosts.host.as_deref(), Some(&b"192.0.2.7"[..]));
//! assert_eq!(hosts.host_from, Some(&b"192.0.2.7"[..]));
//! ```
#![forbid(unsafe_code)]

pub mod age;
mod cache;
mod hosts_file;
mod names;
mod outside;
mod policy;
mod status;

pub use names::{HostNames, NameOptions};
pub use outside::{Outside, ThisSystem};
pub use policy::{Hosts, SourcePolicy};
pub use status::{MAX_ERROR, SourceState, SourceStatus};
