//! The counts of a source's sockets: [`SocketCounters`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The counters of the sockets of one source.
#[derive(Debug, Default)]
pub struct SocketCounters {
    connections: AtomicU32,
    max_connections: u32,
    accepted: AtomicU64,
    rejected: AtomicU64,
    bytes: AtomicU64,
    cut: AtomicU64,
    unfinished: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketTotals {
    /// Connections that are open.
    pub connections: u32,
    /// Connections that may be open; 0 of a source without any.
    pub max_connections: u32,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were closed at once: too many, or from somebody who may not connect.
    pub rejected: u64,
    /// Bytes that were received.
    pub bytes: u64,
    /// Pieces of messages that were longer than `log-msg-size()`, and datagrams that were cut there.
    pub cut: u64,
    /// Messages that were cut off by the end of their connection, and are no message.
    pub unfinished: u64,
    /// Connections that ended by an error: of the network, of TLS, of a proxy's header, of a frame.
    pub failed: u64,
    /// Datagrams that the kernel dropped because its buffer was full.
    pub dropped: u64,
}

impl SocketCounters {
    /// Those of a source that may have so many connections.
    pub(super) fn new(max_connections: u32) -> Self {
        Self { max_connections, ..Self::default() }
    }

    /// The number of open connections is now this.
    pub(super) fn set_connections(&self, connections: usize) {
        self.connections.store(u32::try_from(connections).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Counts a connection that was accepted.
    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was closed at once.
    pub(super) fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes that were received.
    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a message that was longer than it may be.
    pub(super) fn count_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message whose end did not come.
    pub(super) fn count_unfinished(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that an error ended.
    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts datagrams that the kernel dropped.
    pub(super) fn count_dropped(&self, datagrams: u32) {
        self.dropped.fetch_add(u64::from(datagrams), Ordering::Relaxed);
    }

    /// The counts now.
    pub fn totals(&self) -> SocketTotals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SocketTotals {
            connections: self.connections.load(Ordering::Relaxed),
            max_connections: self.max_connections,
            accepted: read(&self.accepted),
            rejected: read(&self.rejected),
            bytes: read(&self.bytes),
            cut: read(&self.cut),
            unfinished: read(&self.unfinished),
            failed: read(&self.failed),
            dropped: read(&self.dropped),
        }
    }
}

impl SocketTotals {
    /// Adds what an earlier life of the same source counted.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.cut += other.cut;
        self.unfinished += other.unfinished;
        self.failed += other.failed;
        self.dropped += other.dropped;
    }
}
