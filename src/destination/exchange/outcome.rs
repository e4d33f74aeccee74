//! What became of messages that were sent: [`Outcome`].

use std::fmt;
use std::time::Duration;

/// The result of one request, or of several.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The number of messages of the group, from its first on, that requests before the last one had, and that
    /// have arrived.
    pub(crate) delivered: usize,
    /// The number of messages behind them that the last request had.
    pub(crate) taken: usize,
    /// The bytes that were sent.
    pub(crate) bytes: u64,
    /// The outcome of the last request.
    pub(crate) outcome: Outcome,
}

impl Sent {
    /// One request of `taken` messages and `bytes` bytes.
    pub(crate) fn one(taken: usize, bytes: u64, outcome: Outcome) -> Self {
        Self { delivered: 0, taken, bytes, outcome }
    }
}

/// What became of the messages of one request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of them have arrived.
    Delivered,
    /// The far end did not take them. It is tried again after a pause; the `retries()`-th time in a row they
    /// are refused.
    Error(Failure),
    /// The far end is not there. It is tried for ever, after a pause.
    NotConnected(Failure),
    /// As `NotConnected`, but tried at once, three times.
    #[cfg_attr(not(feature = "python"), allow(dead_code, reason = "a class of Python says so"))]
    Retry(Failure),
    /// All of them are refused for good.
    Rejected(Refusal),
    /// Each of them has its own: as many as were taken.
    Rows(Vec<Fate>),
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has arrived.
    Delivered,
    /// It is refused for good.
    Rejected(Refusal),
    /// It is sent again after a pause, as after an [`Outcome::Error`].
    Again(Failure),
    /// Nobody looked at it, as another one of the request was refused: it is sent again at once.
    Untried,
}

/// A failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Failure {
    /// What happened, for the log.
    pub(crate) text: String,
    /// The status that the far end gave, where it gave one: a number of HTTP, a name of an error.
    pub(crate) status: String,
    /// The pause that the far end asked for, in the place of `time-reopen()`.
    pub(crate) pause: Option<Duration>,
}

impl Failure {
    /// A failure without a status.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// The reason for which messages are refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Refusal {
    /// `.reject.reason`
    pub(crate) reason: String,
    /// `.reject.status`: a number of HTTP, a name of an error, or empty.
    pub(crate) status: String,
    /// Tells whether the driver was told to drop them, which is no error.
    pub(crate) is_asked_for: bool,
}

impl From<Failure> for Refusal {
    /// That of messages whose last attempt failed.
    fn from(failure: Failure) -> Self {
        Self { reason: failure.text, status: failure.status, is_asked_for: false }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
