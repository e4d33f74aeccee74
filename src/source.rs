//! What the source layer does to a message.
#![forbid(unsafe_code)]
use crate::config::{GlobalOptions, LogSourceOptions};
use crate::message::{Origin, Release};
use std::sync::Arc;
/// The name of this machine.
pub fn local_host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
/// What a source's options change in its messages.
#[derive(Debug, Clone)]
pub struct SourcePolicy {
    origin: Origin,
    /// keep-timestamp
    pub keep_timestamp: bool,
}
impl SourcePolicy {
    /// The policy of a source.
    pub fn new(global: &GlobalOptions, options: &LogSourceOptions, statement: &str) -> Self {
        let host: Arc<str> = local_host_name().into();
        let mut origin = Origin::named(statement);
        origin.host_is_fixed = !options.keep_hostname.unwrap_or(global.keep_hostname);
        origin.host_from = host.clone();
        origin.host = host;
        Self { origin, keep_timestamp: options.keep_timestamp.unwrap_or(global.keep_timestamp) }
    }
    /// The origin.
    pub fn origin(&self, release: Arc<dyn Release>) -> Origin {
        Origin { release, ..self.origin.clone() }
    }
}
