//! The events of the engine's main thread: [`Event`].
//!
//! Signals, the control socket and the threads of sources put events on one list, from which `run` takes
//! them.

use super::control::Reply;

/// An event of the main thread.
#[derive(Debug)]
pub enum Event {
    /// SIGINT, SIGTERM, or a request.
    Stop,
    /// SIGHUP, or a request that waits for a reply.
    Reload(Option<Reply>),
    /// The thread of a source has ended.
    Ended,
}
