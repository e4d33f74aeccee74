//! A source's place in the engine: [`Input`].

use std::sync::Arc;

use super::{HostNames, Planned, SourcePolicy, SourceStatus};
use crate::config::Driver;
use crate::flow::{Lane, Producer};
use crate::message::Origin;

/// All that the engine keeps for a source.
#[derive(Debug, Clone)]
pub struct Input {
    /// The driver, with its id and options.
    pub driver: Driver,
    /// Its way into the engine.
    pub lane: Arc<Lane>,
    /// The part that its messages have in common.
    pub origin: Arc<Origin>,
    /// The policy of the source layer.
    pub policy: Arc<SourcePolicy>,
    /// The names of their hosts.
    pub names: Arc<HostNames>,
    /// Its status; the source says so.
    pub status: Arc<SourceStatus>,
    /// The plan of its driver.
    pub planned: Planned,
}

impl Input {
    /// A producer of the source's messages, for one thread at a time.
    pub fn producer(&self) -> Producer {
        self.lane.producer(Arc::clone(&self.origin))
    }
}
