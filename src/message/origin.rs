//! The part that all messages of a batch have in common: [`Origin`].
//!
//! A source stamps every message with the same host, tags and names. These are kept once a batch and
//! read through it; a record stores only what differs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{FieldName, Release, ReleaseNow};

/// The origin of the messages of a batch, and what they have unless their record says otherwise.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The name of the source statement: the macro SOURCE.
    pub source: Arc<str>,
    /// HOST of messages that have none of their own.
    pub host: Arc<str>,
    /// Tells whether that HOST is chained: `chain-hostnames()`.
    pub host_is_chained: bool,
    /// Tells whether the messages come from this host itself, without a connection or a program of the user's
    /// between: they are the ones that SEQNUM counts.
    pub is_local: bool,
    /// `HOST_FROM` of messages without a sender's address.
    pub host_from: Arc<str>,
    /// PROGRAM of messages that have none of their own.
    pub program: Option<Arc<str>>,
    /// PID of messages that have none of their own.
    pub pid: Option<Arc<str>>,
    /// TRANSPORT, as set by the source.
    pub transport: Option<Arc<str>>,
    /// The tags of every message.
    pub tags: Arc<[Arc<str>]>,
    /// Seconds east of UTC of the clock that `recvd_micros` was read from.
    pub recvd_offset: i32,
    /// The counter that numbers messages, when they are numbered: the macros RCPTID and UNIQID.
    pub ids: Option<Arc<AtomicU64>>,
    /// Takes the foreign segments of finished batches.
    pub release: Arc<dyn Release>,
}

impl Origin {
    /// An origin that has only a name; its foreign memory may be dropped on any thread.
    pub fn named(source: &str) -> Self {
        let local: Arc<str> = Arc::from("localhost");
        Self {
            source: Arc::from(source),
            host: Arc::clone(&local),
            host_is_chained: false,
            is_local: false,
            host_from: local,
            program: None,
            pid: None,
            transport: None,
            tags: Arc::from([]),
            recvd_offset: 0,
            ids: None,
            release: Arc::new(ReleaseNow),
        }
    }

    /// Tells whether messages without a field `id` of their own have one in common; of tags, that called
    /// `name`.
    pub(super) fn has(&self, id: FieldName, name: &[u8]) -> bool {
        match id {
            FieldName::Host | FieldName::ChainedHost | FieldName::HostFrom => true,
            FieldName::Program => self.program.is_some(),
            FieldName::Pid => self.pid.is_some(),
            FieldName::Tag => self.tags.iter().any(|tag| tag.as_bytes() == name),
            _ => false,
        }
    }
}
