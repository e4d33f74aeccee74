//! The rules of a source: [`SourcePolicy`].
//!
//! In this order, to every message (`from` is the sender's name, or the local host's when no sender is
//! known):
//!
//! | field | becomes |
//! |---|---|
//! | `HOST_FROM` | `from` |
//! | HOST | its own, with `keep-hostname(yes)` and when it has one; |
//! | | else with `chain-hostnames(yes)`: `own/from` when it has one; when it has none `from/from`, |
//! | | or `source@from` for the engine's own messages; |
//! | | else `from` |
//! | PID | Inrush's own, with `use-syslogng-pid(yes)` |
//! | tags | those of `tags()`, and `.source.` with the name of the source statement |
//! | HOST | `host-override()` |
//! | PROGRAM | `program-override()` |
//! | SOURCE | the name of the source statement |
//! | STAMP | RECVD, with `keep-timestamp(no)` |
//!
//! A host that is empty is none. Of a HOST that was chained here, the macro HOST is one name: what stands
//! after the first `@`, up to the `/` after it. What holds for all messages of a source is in
//! [`SourcePolicy::origin`]; what a row needs beside it is in [`SourcePolicy::hosts`]; and what a program
//! wrote in vain is in [`SourcePolicy::overwrites`].

use std::borrow::Cow;
use std::sync::Arc;

use super::LogSourceOptions;
use crate::config::GlobalOptions;
use crate::message::{FieldName, Origin, Release, Stamp};

/// The policy of a source for all its messages.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, by the name users know")]
pub struct SourcePolicy {
    source: Arc<str>,
    local: Arc<str>,
    /// HOST of messages that have no host of their own and no sender.
    host: Arc<str>,
    host_override: bool,
    is_local: bool,
    program_override: Option<Arc<str>>,
    pid: Option<Arc<str>>,
    tags: Arc<[Arc<str>]>,
    keep_hostname: bool,
    chain_hostnames: bool,
    keep_timestamp: bool,
}

/// The hosts that a row must carry itself. `None` leaves it to the origin, or to the row's own HOST where
/// [`SourcePolicy::overwrites`] lets it have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// HOST
    pub host: Option<Cow<'a, [u8]>>,
    /// Tells whether that HOST is chained.
    pub is_chained: bool,
    /// `HOST_FROM`
    pub host_from: Option<&'a [u8]>,
}

impl Hosts<'_> {
    /// The name of the field that HOST goes into.
    #[inline]
    pub fn host_field(&self) -> FieldName {
        if self.is_chained { FieldName::ChainedHost } else { FieldName::Host }
    }
}

impl SourcePolicy {
    /// That of the source statement `source`, whose driver has its `own` options, on the host called `local`.
    /// What the driver does not say is as in `global`.
    pub fn new(source: &str, local: &Arc<str>, global: &GlobalOptions, own: &LogSourceOptions) -> Self {
        let chain_hostnames = own.chain_hostnames.unwrap_or(global.chain_hostnames);
        let host = match &own.host_override {
            Some(host) => Arc::from(host.value.as_str()),
            None if chain_hostnames => Arc::from(format!("{local}/{local}")),
            None => Arc::clone(local),
        };
        let mut tags: Vec<Arc<str>> = Vec::with_capacity(own.tags.len() + 1);
        for tag in own.tags.iter().cloned().chain([format!(".source.{source}")]) {
            if !tags.iter().any(|known| **known == *tag) {
                tags.push(Arc::from(tag));
            }
        }
        Self {
            source: Arc::from(source),
            local: Arc::clone(local),
            host,
            host_override: own.host_override.is_some(),
            is_local: false,
            program_override: own.program_override.as_ref().map(|program| Arc::from(program.value.as_str())),
            pid: own.use_syslogng_pid.then(|| Arc::from(std::process::id().to_string())),
            tags: Arc::from(tags),
            keep_hostname: own.keep_hostname.unwrap_or(global.keep_hostname),
            chain_hostnames,
            keep_timestamp: own.keep_timestamp.unwrap_or(global.keep_timestamp),
        }
    }

    /// The same for messages that the engine makes itself.
    #[must_use]
    pub(crate) fn for_local_messages(mut self) -> Self {
        if self.chain_hostnames && !self.host_override {
            self.host = Arc::from(format!("{}@{}", self.source, self.local));
        }
        self.is_local = true;
        self
    }

    /// The same for messages of one sender, which has this `name`: what holds for the local host in messages
    /// without a sender holds for it.
    #[must_use]
    pub(crate) fn of_sender(&self, name: &Arc<str>) -> Self {
        let host = if self.host_override {
            Arc::clone(&self.host)
        } else if self.chain_hostnames {
            Arc::from(format!("{name}/{name}"))
        } else {
            Arc::clone(name)
        };
        Self { local: Arc::clone(name), host, ..self.clone() }
    }

    /// The name of the host that messages without a sender come from.
    pub(crate) fn local(&self) -> &Arc<str> {
        &self.local
    }

    /// HOST of messages that have none of their own.
    pub(crate) fn host(&self) -> &Arc<str> {
        &self.host
    }

    /// The origin of all messages of a batch, unless their rows say otherwise. `recvd_offset` is that of the
    /// clock which RECVD is read from, in seconds east of UTC.
    pub fn origin(&self, recvd_offset: i32, release: Arc<dyn Release>) -> Origin {
        Origin {
            source: Arc::clone(&self.source),
            host: Arc::clone(&self.host),
            host_is_chained: self.chain_hostnames && !self.host_override,
            is_local: self.is_local,
            host_from: Arc::clone(&self.local),
            program: self.program_override.clone(),
            pid: self.pid.clone(),
            transport: None,
            endpoints: None,
            values: Arc::from([]),
            tags: Arc::clone(&self.tags),
            recvd_offset,
            ids: None,
            release,
        }
    }

    /// The hosts that a row must carry, of a message that came with `own_host` as its HOST, from a `sender`
    /// of that name. Nothing is copied unless a chained name is made.
    #[inline]
    pub fn hosts<'a>(&'a self, own_host: Option<&'a [u8]>, sender: Option<&'a str>) -> Hosts<'a> {
        let sender = sender.filter(|sender| **sender != *self.local);
        let host_from = sender.map(str::as_bytes);
        if self.host_override {
            return Hosts { host: None, is_chained: false, host_from };
        }
        let claimed = own_host.filter(|host| !host.is_empty());
        let host = match (claimed, sender) {
            (Some(_), _) if self.keep_hostname => None,
            (Some(host), _) if self.chain_hostnames => {
                let from = sender.unwrap_or(&self.local);
                Some(Cow::Owned([host, b"/", from.as_bytes()].concat()))
            }
            (_, Some(sender)) if self.chain_hostnames => {
                Some(Cow::Owned([sender.as_bytes(), b"/", sender.as_bytes()].concat()))
            }
            (_, Some(sender)) => Some(Cow::Borrowed(sender.as_bytes())),
            // A HOST that is empty would be kept as the message's own, and hide the origin's.
            (_, None) if self.keep_hostname && own_host.is_some() => {
                Some(Cow::Borrowed(self.host.as_bytes()))
            }
            (_, None) => None,
        };
        let is_chained = self.chain_hostnames && host.is_some();
        Hosts { host, is_chained, host_from }
    }

    /// The time of a message that says `own` itself and was received at `recvd`.
    #[inline]
    pub fn stamp(&self, own: Stamp, recvd: Stamp) -> Stamp {
        if self.keep_timestamp { own } else { recvd }
    }

    /// True when what a message brings as `field` is lost. A row must not carry it: what the source says
    /// instead is in [`SourcePolicy::origin`] and [`SourcePolicy::hosts`].
    ///
    /// `LEGACY_MSGHDR` has the program and the PID as they were received, and goes with either.
    #[inline]
    pub fn overwrites(&self, field: FieldName) -> bool {
        match field {
            FieldName::Host => self.host_is_fixed(),
            FieldName::HostFrom => true,
            FieldName::Program => self.program_is_fixed(),
            FieldName::Pid => self.pid_is_fixed(),
            FieldName::LegacyMsgHdr => self.program_is_fixed() || self.pid_is_fixed(),
            _ => false,
        }
    }

    /// True when a message's own HOST never stays as it is: `keep-hostname(no)`, or `host-override()`.
    pub(crate) fn host_is_fixed(&self) -> bool {
        self.host_override || !self.keep_hostname
    }

    /// True when a message's own PROGRAM is lost: `program-override()`.
    pub(crate) fn program_is_fixed(&self) -> bool {
        self.program_override.is_some()
    }

    /// True when a message's own PID is lost: `use-syslogng-pid(yes)`.
    pub(crate) fn pid_is_fixed(&self) -> bool {
        self.pid.is_some()
    }

    /// True when STAMP is the message's own: `keep-timestamp(yes)`.
    pub(crate) fn keeps_timestamp(&self) -> bool {
        self.keep_timestamp
    }
}

#[cfg(test)]
mod tests;
