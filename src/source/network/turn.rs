//! A connection's turn: what it works with, and how it ends.

use std::fmt;
use std::io;

use super::room::ReadRoom;
use crate::message::Stamp;
use crate::source::SocketCounters;
use crate::source::reader::{NotAdmitted, Views};
use crate::syslog::framing::BadFrame;

/// Something to say about what a connection sends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice {
    /// A message is longer than it may be.
    Cut,
    /// Bytes are no character of its encoding.
    Invalid,
}

/// What a connection's turn works with.
pub(super) struct Tools<'t> {
    pub views: &'t mut Views,
    pub room: &'t mut ReadRoom,
    pub counters: &'t SocketCounters,
    /// The time of receipt.
    pub now: Stamp,
    /// Is told what is to be said, each once a connection.
    pub say: &'t mut dyn FnMut(Notice),
}

/// The end of a connection's turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// It goes on when there is something to read.
    Goes,
    /// It goes on at once: there is more, of which its socket does not tell.
    HasMore,
    /// It goes on when there is credit.
    Waits(NotAdmitted),
    /// Its peer has ended it, perhaps in the middle of a frame of which so many bytes had come.
    Ended { cut_off: usize },
    /// It cannot go on.
    Failed(Failure),
}

/// The reason why a connection cannot go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// The network.
    Io(io::Error),
    /// What came is no frame.
    Frame(BadFrame),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
        }
    }
}
