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
    /// What its messages have in common.
    pub origin: Arc<Origin>,
    /// What the source layer does to them.
    pub policy: Arc<SourcePolicy>,
    /// How their hosts are named.
    pub names: Arc<HostNames>,
    /// How it is; the source says so.
    pub status: Arc<SourceStatus>,
    /// What its driver has planned.
    pub planned: Planned,
}

impl Input {
    /// A producer of the source's messages, for one thread at a time.
    pub fn producer(&self) -> Producer {
        self.lane.producer(Arc::clone(&self.origin))
    }
}
