//! The names of hosts: [`HostNames`], by [`NameOptions`].
//!
//! # Where a sender's name comes from
//!
//! | `use-dns()` | the name of an address |
//! |---|---|
//! | `no` | the address as text |
//! | `persist-only` | what the hosts file says: that of `dns-cache-hosts()`, or `/etc/hosts`; else the address as text |
//! | `yes` | what the file of `dns-cache-hosts()` says, if there is one; else what the resolver answers; else the address as text |
//!
//! A name, never an address, is made short (up to the first dot) unless `use-fqdn(yes)`, and lower case with
//! `normalize-hostnames(yes)`. An answer of the resolver that is no host's name, above all one that is an
//! address, counts as none: the sender may have written it.
//!
//! # Cached and looked up
//!
//! [`HostNames::cached`] never blocks: it reads a table under a lock whose readers do not meet each other
//! (`ShardedLock`: one lock a thread), and which is written only for as long as it takes to put one name.
//! [`HostNames::look_up`] may take as long as a name server does, and holds no lock while it waits. Two
//! threads that miss the same address at the same time both look it up.
//!
//! Answers are kept for `dns-cache-expire()`, failures for `dns-cache-expire-failed()`, and not more than
//! `dns-cache-size()`; with `dns-cache(no)`, none. Each source has its own, as names depend on its options.
//!
//! # The hosts file
//!
//! Whether it changed is looked at once a second, and only when names are asked for: the first question after
//! that second is not answered by `cached`, so that the one who asks comes to `look_up`, where reading a file
//! is allowed. A file that cannot be read leaves the names of the last one that could.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::sync::ShardedLock;
use hashbrown::HashMap;

use super::LogSourceOptions;
use super::Outside;
use super::cache::Cache;
use super::hosts_file::{HostsFile, Table, is_host_name};
use crate::config::{GlobalOptions, UseDns};

/// The hosts file of `use-dns(persist-only)` without `dns-cache-hosts()`.
const SYSTEM_HOSTS: &str = "/etc/hosts";
/// The time between looks whether the hosts file changed.
const HOSTS_CHECK: Duration = Duration::from_secs(1);
/// The name of a host that has none.
const NAMELESS: &str = "localhost";

/// The options that host names depend on, for one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOptions {
    /// `use-dns()`
    pub use_dns: UseDns,
    /// `use-fqdn()`
    pub use_fqdn: bool,
    /// `normalize-hostnames()`
    pub normalize_hostnames: bool,
    /// `custom-domain()`: the domain of the local host's full name.
    pub custom_domain: Option<String>,
    /// `dns-cache()`
    pub dns_cache: bool,
    /// `dns-cache-size()`: the most addresses with a name.
    pub dns_cache_size: usize,
    /// `dns-cache-expire()`
    pub dns_cache_expire: Duration,
    /// `dns-cache-expire-failed()`
    pub dns_cache_expire_failed: Duration,
    /// `dns-cache-hosts()`
    pub dns_cache_hosts: Option<PathBuf>,
}

impl NameOptions {
    /// Those of a source with its `own` options: what it does not say is as in `global`.
    pub fn new(global: &GlobalOptions, own: &LogSourceOptions) -> Self {
        Self {
            use_dns: own.use_dns.unwrap_or(global.use_dns),
            use_fqdn: own.use_fqdn.unwrap_or(global.use_fqdn),
            normalize_hostnames: own.normalize_hostnames.unwrap_or(global.normalize_hostnames),
            custom_domain: global.custom_domain.as_ref().map(|domain| domain.value.clone()),
            dns_cache: own.dns_cache.unwrap_or(global.dns_cache),
            dns_cache_size: global.dns_cache_size,
            dns_cache_expire: global.dns_cache_expire,
            dns_cache_expire_failed: global.dns_cache_expire_failed,
            dns_cache_hosts: global.dns_cache_hosts.as_ref().map(|path| PathBuf::from(&path.value)),
        }
    }

    /// The hosts file to read, if any.
    fn hosts_path(&self) -> Option<PathBuf> {
        match self.use_dns {
            UseDns::No => None,
            UseDns::Yes => self.dns_cache_hosts.clone(),
            UseDns::PersistOnly => {
                Some(self.dns_cache_hosts.clone().unwrap_or_else(|| PathBuf::from(SYSTEM_HOSTS)))
            }
        }
    }

    /// `name`, a host's name, as it is to be shown.
    fn shown(&self, name: &str) -> Arc<str> {
        let whole = name.strip_suffix('.').unwrap_or(name);
        let shown = if self.use_fqdn { whole } else { first_label(whole) };
        if self.normalize_hostnames { Arc::from(shown.to_lowercase()) } else { Arc::from(shown) }
    }

    /// The local host's name as it is to be shown.
    fn local(&self, outside: &dyn Outside) -> Arc<str> {
        let mut name = outside.node_name();
        // What Linux calls a host that was given no name.
        if name.is_empty() || name == "(none)" {
            NAMELESS.clone_into(&mut name);
        }
        if self.use_fqdn {
            if let Some(domain) = &self.custom_domain {
                name = format!("{}.{}", first_label(&name), domain.trim_matches('.'));
            } else if !name.contains('.') {
                let full = outside.canonical_name(&name);
                name = full.filter(|full| full.contains('.') && is_host_name(full)).unwrap_or(name);
            }
        }
        self.shown(&name)
    }
}

/// `name` up to its first dot; all of it when nothing stands before the dot, or when it is an address.
fn first_label(name: &str) -> &str {
    match name.split_once('.') {
        Some((label, _)) if !label.is_empty() && name.parse::<IpAddr>().is_err() => label,
        _ => name,
    }
}

/// The local host's name, and the names of senders.
#[derive(Debug)]
pub struct HostNames {
    options: NameOptions,
    local: Arc<str>,
    outside: Arc<dyn Outside>,
    /// Written for moments only, never while somebody waits for an answer.
    known: ShardedLock<Known>,
    hosts: Option<Mutex<Watched>>,
    /// From when on it must be looked at whether the hosts file changed, in nanoseconds of the outside's
    /// clock. It guards nothing: whoever sees it too late asks once more than needed, or a moment later.
    check_at: AtomicU64,
}

/// The names that need no looking up.
#[derive(Debug)]
struct Known {
    /// The hosts file's names, as they are shown.
    hosts: HashMap<IpAddr, Arc<str>>,
    cache: Cache,
}

/// The hosts file, and what is wrong with it.
#[derive(Debug)]
struct Watched {
    file: HostsFile,
    /// The last complaint, so that it is made once.
    said: Option<String>,
    unsaid: Option<String>,
}

impl HostNames {
    /// The names that `outside` knows, by `options`.
    ///
    /// Finds the local host's name, which may take a question to a name server with `use-fqdn(yes)`, and
    /// reads the hosts file if there is one to read.
    pub fn new(options: NameOptions, outside: Arc<dyn Outside>) -> Self {
        let local = options.local(&*outside);
        let watched = |path| Mutex::new(Watched { file: HostsFile::new(path), said: None, unsaid: None });
        let hosts = options.hosts_path().map(watched);
        let known = Known { hosts: HashMap::new(), cache: Cache::new(options.dns_cache_size) };
        let known = ShardedLock::new(known);
        let names = Self { options, local, outside, known, hosts, check_at: AtomicU64::new(0) };
        names.check_hosts(names.outside.now());
        names
    }

    /// The local host's name: HOST and `HOST_FROM` of what has no sender's address. It is found once.
    pub fn local(&self) -> &Arc<str> {
        &self.local
    }

    /// The name of the host at `ip`, when it is known without asking anybody: it does not block. Otherwise
    /// [`HostNames::look_up`] has it.
    pub fn cached(&self, ip: IpAddr) -> Option<Arc<str>> {
        if self.options.use_dns == UseDns::No {
            return Some(as_text(ip));
        }
        let now = self.outside.now();
        if self.hosts.is_some() && nanos(now) >= self.check_at.load(Ordering::Relaxed) {
            return None;
        }
        self.known(ip, now)
    }

    /// The name of the host at `ip`. It may take as long as name servers take, up to many seconds when they
    /// do not answer; no lock is held while it waits.
    pub fn look_up(&self, ip: IpAddr) -> Arc<str> {
        if self.options.use_dns == UseDns::No {
            return as_text(ip);
        }
        let now = self.outside.now();
        self.check_hosts(now);
        if let Some(name) = self.known(ip, now) {
            return name;
        }
        let found = self.outside.name_of(ip.to_canonical()).filter(|name| is_host_name(name));
        let (name, lifetime) = match found {
            Some(name) => (self.options.shown(&name), self.options.dns_cache_expire),
            None => (as_text(ip), self.options.dns_cache_expire_failed),
        };
        if self.options.dns_cache {
            let until = self.outside.now().saturating_add(lifetime);
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.cache.put(ip, Arc::clone(&name), until);
        }
        name
    }

    /// The complaint about the hosts file, for the log: that it cannot be read, or which lines. Each
    /// complaint is given once; new ones can come from [`HostNames::new`] and [`HostNames::look_up`].
    pub(crate) fn take_complaint(&self) -> Option<String> {
        lock(self.hosts.as_ref()?).unsaid.take()
    }

    fn known(&self, ip: IpAddr, now: Duration) -> Option<Arc<str>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let name = known.hosts.get(&ip.to_canonical()).or_else(|| known.cache.get(&ip, now)).cloned();
        drop(known);
        match self.options.use_dns {
            // There is nobody else to ask.
            UseDns::PersistOnly => name.or_else(|| Some(as_text(ip))),
            UseDns::Yes | UseDns::No => name,
        }
    }

    /// Takes over a hosts file that changed, when it is time to look at it.
    fn check_hosts(&self, now: Duration) {
        let Some(hosts) = &self.hosts else { return };
        let mut watched = lock(hosts);
        if nanos(now) < self.check_at.load(Ordering::Relaxed) {
            return;
        }
        if let Some(table) = watched.read() {
            let shown = |(ip, name): (IpAddr, String)| (ip, self.options.shown(&name));
            let names = table.names.into_iter().map(shown).collect();
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // The old names are dropped after the lock.
            let before = std::mem::replace(&mut known.hosts, names);
            drop(known);
            drop(before);
        }
        self.check_at.store(nanos(now.saturating_add(HOSTS_CHECK)), Ordering::Relaxed);
    }
}

impl Watched {
    /// The names in the file, when they are new.
    fn read(&mut self) -> Option<Table> {
        let path = self.file.path().display().to_string();
        match self.file.read_if_changed() {
            Ok(None) => {
                // It can be read, again or still: the next time that it cannot is worth saying.
                self.said = None;
                None
            }
            Ok(Some(table)) => {
                self.complain(bad_lines(&path, &table.bad_lines));
                Some(table)
            }
            Err(error) => {
                self.complain(Some(format!("the hosts file {path} cannot be read: {error}")));
                None
            }
        }
    }

    fn complain(&mut self, complaint: Option<String>) {
        if complaint != self.said {
            self.said.clone_from(&complaint);
            self.unsaid = complaint;
        }
    }
}

/// The complaint about the lines of `numbers`, if there are any.
fn bad_lines(path: &str, numbers: &[usize]) -> Option<String> {
    const NAMED: usize = 5;
    if numbers.is_empty() {
        return None;
    }
    let named: Vec<String> = numbers.iter().take(NAMED).map(ToString::to_string).collect();
    let more = numbers.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let named = named.join(", ");
    Some(format!(
        "the hosts file {path} has lines without an address and a name, which are ignored: {named}{more}"
    ))
}

fn lock(hosts: &Mutex<Watched>) -> std::sync::MutexGuard<'_, Watched> {
    hosts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn as_text(ip: IpAddr) -> Arc<str> {
    Arc::from(ip.to_string())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
