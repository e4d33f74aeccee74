//! Exchanges: destinations whose far end takes or refuses a group of messages whole.
//!
//! ```text
//!  push ─► queue ─► group ══► worker: format, send, wait ══► outcome
//!            ▲        │ the destination's thread keeps the group's acks; the worker only reads its messages
//!            └────────┴─ delivered: acknowledged · error, not connected: sent again after a pause
//!                        rejected: to on-reject(), or dropped and counted
//! ```
//!
//! The destination's thread never waits for a peer. It makes groups of what waits and gives each to a thread
//! of a [`Worker`], which formats it, sends it and waits for the answer. Nothing of a group is acknowledged
//! before that: a group succeeds, is sent again, or is refused, whole or row by row ([`Outcome`]).
//!
//! * **Batches**: a group goes when it has `batch-lines()`, or `batch-timeout()` after its first message, or
//!   `batch-idle-timeout()` after its last. Without the times it goes as soon as a worker is free, with what
//!   there is by then (natural batching). `batch-bytes()` is the worker's own: it takes as many messages of
//!   the group as one request may have ([`Sent::taken`]), and gets the rest again.
//! * **Order**: a queue's groups begin in its order, and a group that failed is sent again before all that came
//!   after it to the same worker. With one worker, or under one `worker-partition-key()`, that is the order of
//!   posting.
//! * **Trouble**: an [`Outcome::Error`] is counted by `retries()`; the last one refuses what was sent. Not
//!   connected is not counted. Both wait `time-reopen()`, longer or shorter by chance, or as long as the far
//!   end says.
//! * **Reload**: the destination begins nothing more, waits for the groups that are on their way (a bounded
//!   time), and leaves all that is not delivered to its heir. **Stop**: everything is tried once within the
//!   bound; what could not be sent is dropped, by number.
//! * **A panic** of a worker costs the first request's messages (reason `fault`), and the worker begins anew.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod driver;
mod group;
mod leftover;
mod options;
mod outcome;
mod queue;
mod settings;
mod slot;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use driver::ExchangeDestination;
pub(crate) use group::Group;
pub(crate) use options::ExchangeOptions;
#[cfg(feature = "kafka")]
pub(super) use options::on_reject;
pub(crate) use outcome::{Failure, Fate, Outcome, Refusal, Sent};
pub(crate) use settings::ExchangeSettings;
#[cfg(feature = "python")]
pub(crate) use worker::TELL;

use super::Site;

/// The driver of an exchange: what its workers share.
///
/// The debug text is part of what makes a destination the same after a reload: it has every option.
pub(crate) trait Exchange: fmt::Debug + Send + Sync {
    /// The kind of far end, as `http`.
    fn kind(&self) -> &'static str;

    /// Tells whether its workers are started before there are messages.
    fn starts_early(&self) -> bool {
        false
    }

    /// Makes the worker with this number. Called on the worker's own thread, at the start and after a panic.
    fn worker(self: Arc<Self>, number: usize, site: &Site) -> Box<dyn Worker>;

    /// Reads again what is in files, such as certificates: at a SIGHUP, and when a reload keeps the destination.
    fn reload(&self, site: &Site) {
        let _ = site;
    }

    /// Ends what its workers wait for, now and from now on: the destination's time is over.
    fn interrupt(&self) {}
}

/// The half of an exchange that waits for its peer; each has a thread of its own.
pub(crate) trait Worker {
    /// Sends the first messages of `group`, as many as one request takes and one at least, and waits for what
    /// becomes of them: a bounded time. It may go on with further requests, for [`worker::TELL`], while all
    /// arrive.
    fn send(&mut self, group: &Group) -> Sent;

    /// Closes what it has open, as its destination ends.
    fn close(&mut self) {}
}

/// The longest that a destination waits for its workers before it leaves what it has to its heir, or goes on
/// without them.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a destination waits for its workers to close what they have open, before its heir begins.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// The time between looks whether they have.
const LOOK: Duration = Duration::from_millis(1);
/// The part of a stop's time that is kept for requests to come back that were interrupted.
const COME_BACK: Duration = Duration::from_millis(200);
/// The number of times that [`Outcome::Retry`] is followed at once.
pub(crate) const AT_ONCE: u32 = 3;

/// `time` that is a quarter longer or shorter, by chance: destinations that failed together do not come back
/// together.
fn jittered(time: Duration) -> Duration {
    use std::hash::BuildHasher;
    let random = foldhash::quality::RandomState::default().hash_one(Instant::now());
    time.mul_f64(0.75 + (random % 1024) as f64 / 2048.0)
}
