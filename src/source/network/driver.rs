//! The drivers, and what each of them may have: [`Driver`].

use crate::syslog::Flags;
use crate::transport::socket::{Family, IpProtocol};

/// The drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// `network()`
    Network,
    /// `syslog()`
    Syslog,
    /// `tcp()`
    Tcp,
    /// `tcp6()`
    Tcp6,
    /// `udp()`
    Udp,
    /// `udp6()`
    Udp6,
    /// `unix-stream()`
    UnixStream,
    /// `unix-dgram()`
    UnixDgram,
    /// `systemd-syslog()`
    SystemdSyslog,
}

/// The words of the drivers.
const WORDS: &[(&str, Driver)] = &[
    ("network", Driver::Network),
    ("syslog", Driver::Syslog),
    ("tcp", Driver::Tcp),
    ("tcp6", Driver::Tcp6),
    ("udp", Driver::Udp),
    ("udp6", Driver::Udp6),
    ("unix-stream", Driver::UnixStream),
    ("unix-dgram", Driver::UnixDgram),
    ("systemd-syslog", Driver::SystemdSyslog),
];

impl Driver {
    pub(super) fn named(word: &str) -> Self {
        match WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, driver)) => *driver,
            None => unreachable!("the words of the drivers' entries"),
        }
    }

    /// The family of its sockets.
    pub(super) fn family(self) -> Family {
        match self {
            Self::UnixStream | Self::UnixDgram | Self::SystemdSyslog => Family::Unix,
            _ => Family::Inet,
        }
    }

    /// Tells whether it makes a socket with a path.
    pub(super) fn has_path(self) -> bool {
        matches!(self, Self::UnixStream | Self::UnixDgram)
    }

    /// Tells whether it may have connections.
    pub(super) fn may_connect(self) -> bool {
        !matches!(self, Self::Udp | Self::Udp6 | Self::UnixDgram | Self::SystemdSyslog)
    }

    /// Tells whether it may have datagrams of IP.
    pub(super) fn may_be_udp(self) -> bool {
        matches!(self, Self::Network | Self::Syslog | Self::Udp | Self::Udp6)
    }

    /// Tells whether it takes `tls()`.
    pub(super) fn has_tls(self) -> bool {
        matches!(self, Self::Network | Self::Syslog | Self::Tcp | Self::Tcp6)
    }

    /// Tells whether it takes `transport()`.
    pub(super) fn has_transport(self) -> bool {
        matches!(self, Self::Network | Self::Syslog)
    }

    pub(super) fn ip(self) -> IpProtocol {
        if matches!(self, Self::Tcp6 | Self::Udp6) { IpProtocol::V6 } else { IpProtocol::V4 }
    }

    /// The flags that messages are read with where `flags()` does not say otherwise.
    pub(super) fn flags(self) -> Flags {
        let flags = Flags::default().with(Flags::SYSLOG_PROTOCOL, self == Self::Syslog);
        flags.with(Flags::EXPECT_HOSTNAME, self.family() == Family::Inet)
    }
}
