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
    /// The ends of the connection that they came by.
    pub endpoints: Option<Arc<Endpoints>>,
    /// Names with values that they have beside these, in the order of the names.
    pub values: Arc<[NamedValue]>,
    /// The tags of every message.
    pub tags: Arc<[Arc<str>]>,
    /// Seconds east of UTC of the clock that `recvd_micros` was read from.
    pub recvd_offset: i32,
    /// The counter that numbers messages, when they are numbered: the macros RCPTID and UNIQID.
    pub ids: Option<Arc<AtomicU64>>,
    /// Takes the foreign segments of finished batches.
    pub release: Arc<dyn Release>,
}

/// A name with a value.
pub type NamedValue = (Box<str>, Box<[u8]>);

/// One end of a connection: an address and a port, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub ip: Box<str>,
    /// The port.
    pub port: Box<str>,
}

/// The ends of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The sender: SOURCEIP, SOURCEPORT.
    pub source: Endpoint,
    /// This end: DESTIP, DESTPORT.
    pub dest: Endpoint,
    /// The proxy between them, where there is one: PEERIP, PEERPORT.
    pub peer: Option<Endpoint>,
    /// The number of the protocol: PROTO.
    pub protocol: u8,
}

impl From<std::net::SocketAddr> for Endpoint {
    /// An address of IPv4 that is written as one of IPv6 is one of IPv4.
    fn from(address: std::net::SocketAddr) -> Self {
        let ip = address.ip().to_canonical().to_string().into_boxed_str();
        Self { ip, port: address.port().to_string().into_boxed_str() }
    }
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
            endpoints: None,
            values: Arc::from([]),
            tags: Arc::from([]),
            recvd_offset: 0,
            ids: None,
            release: Arc::new(ReleaseNow),
        }
    }

    /// The value that they have under `name`.
    pub(super) fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let at = self.values.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
        Some(&self.values[at].1)
    }

    /// Tells whether messages without a field `id` of their own have one in common; of tags, that called
    /// `name`.
    pub(super) fn has(&self, id: FieldName, name: &[u8]) -> bool {
        match id {
            FieldName::Host | FieldName::ChainedHost | FieldName::HostFrom => true,
            FieldName::Program => self.program.is_some(),
            FieldName::Pid => self.pid.is_some(),
            FieldName::SourceIp | FieldName::SourcePort => self.endpoints.is_some(),
            FieldName::Text => self.value(name).is_some(),
            FieldName::Tag => self.tags.iter().any(|tag| tag.as_bytes() == name),
            _ => false,
        }
    }
}
