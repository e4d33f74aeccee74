//! Sources: their drivers and their life, and what is done to a message between the post and the log paths.
//!
//! A driver is a file with its options, what it plans of them, and the [`Source`] that it makes
//! ([`DRIVERS`]). The engine leads its life ([`lifecycle`]); it posts through its [`Input`].
//!
//! A program posts a message; the source it posts to decides where the message is said to come from, and
//! stamps it with its own name, tags and overrides. This room holds these decisions as data, and knows
//! nothing of Python, of batches being filled, or of threads:
//!
//! ```text
//!  sender's address ──► HostNames ──► its name ─┐
//!                       cached() or             ├─► SourcePolicy::hosts() ──► the row's HOST, HOST_FROM
//!                       look_up()   own HOST ───┘
//!
//!  options {}, the source's options ──► SourcePolicy::origin() ──► what all messages of a batch share
//! ```
//!
//! * [`HostNames`] names hosts: the local one once, senders by their addresses, from a bounded cache, the
//!   hosts file and the system's resolver. Asking what is known never blocks; what must be looked up is a
//!   call of its own, so that a caller can let go of its locks before.
//! * [`SourcePolicy`] has the rules for HOST, `HOST_FROM`, PROGRAM, PID, the tags and the time stamp. Nearly
//!   all messages need nothing but the [`Origin`](crate::message::Origin) of their batch.
//! * [`Outside`] is what both ask of the system, so that a test can answer instead.
//! * [`ParsedRow`] is a parsed message as these rules let it be; [`Late`] makes it on the worker's thread.
//! * [`reader`] has what all sources share that read bytes: their options, and the way from a read to messages.
//! * [`SourceStatus`] is how a source is, for whoever looks; [`age`] has the age of its oldest message in
//!   flight.
//!
//! The order in which a post asks:
//!
//! ```
//! # use inrush::source::{HostNames, LogSourceOptions, NameOptions, SourcePolicy, ThisSystem};
//! # use inrush::config::{GlobalOptions, UseDns};
//! # use std::sync::Arc;
//! # let global = GlobalOptions { use_dns: UseDns::No, ..GlobalOptions::default() };
//! # let own = LogSourceOptions::default();
//! let names = HostNames::new(NameOptions::new(&global, &own), Arc::new(ThisSystem::new()));
//! let policy = SourcePolicy::new("s_net", names.local(), &global, &own);
//!
//! let ip = "192.0.2.7".parse().unwrap();
//! let sender = names.cached(ip).unwrap_or_else(|| names.look_up(ip));
//! let hosts = policy.hosts(Some(b"claimed"), Some(&sender));
//! assert_eq!(hosts.host.as_deref(), Some(&b"192.0.2.7"[..]));
//! assert_eq!(hosts.host_from, Some(&b"192.0.2.7"[..]));
//! ```
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, Diagnostic, Driver, Options, Spanned, Syntax};

mod acked;
pub mod age;
mod cache;
mod example_msg_generator;
mod file;
mod hosts_file;
mod input;
pub mod internal;
#[cfg(feature = "kafka")]
mod kafka;
mod late;
pub mod lifecycle;
mod names;
mod network;
mod options;
mod outside;
mod parsed_row;
mod parsing;
mod pipe;
mod policy;
mod position;
mod program;
mod progress;
pub mod python;
pub(crate) mod reader;
mod socket_files;
mod sockets;
mod status;
mod stdin;
mod stream;
mod systemd_journal;
mod template_names;
mod thread;

pub use crate::transport::multi_line::MultiLineMode;
pub use file::FileTotals;
pub use input::Input;
pub use internal::InternalSourceOptions;
pub use late::Late;
pub use lifecycle::{EngineLog, Gate, NotStarted, Source, Start};
pub use names::{HostNames, NameOptions};
pub use options::LogSourceOptions;
pub use outside::{Outside, ThisSystem};
pub use parsed_row::{ParsedRow, system_clock};
pub use parsing::ParsingOptions;
pub use policy::{Hosts, SourcePolicy};
pub use position::stored_position;
pub use python::{Backoff, DEFAULT_WINDOW, PythonDriver, PythonSourceOptions, Restart};
pub use reader::finder::messages_of;
pub(crate) use socket_files::check_socket_files;
pub use sockets::{SocketCounters, SocketTotals};
pub use status::{MAX_ERROR, SourceState, SourceStatus};
pub use systemd_journal::journal_entries;
pub(crate) use template_names::names_for_template;
pub use thread::{Body, NotPosted, Poster, SourceThread};

/// The source drivers.
#[rustfmt::skip] // One on a line.
pub(crate) const DRIVERS: &[Entry] = &[
    Entry::of::<PythonSourceOptions>("python"),
    Entry::of::<PythonSourceOptions>("python-fetcher"),
    Entry::of::<InternalSourceOptions>("internal"),
    Entry::of::<example_msg_generator::GeneratorOptions>("example-msg-generator"),
    Entry::of::<network::NetworkOptions>("network"),
    Entry::of::<network::NetworkOptions>("syslog"),
    Entry::of::<network::NetworkOptions>("tcp"),
    Entry::of::<network::NetworkOptions>("tcp6"),
    Entry::of::<network::NetworkOptions>("udp"),
    Entry::of::<network::NetworkOptions>("udp6"),
    Entry::of::<network::NetworkOptions>("unix-stream"),
    Entry::of::<network::NetworkOptions>("systemd-syslog"),
    Entry::of::<network::NetworkOptions>("unix-dgram"),
    Entry::of::<file::FileOptions>("file"),
    Entry::of::<file::WildcardOptions>("wildcard-file"),
    Entry::of::<pipe::PipeOptions>("pipe"),
    Entry::of::<stdin::StdinOptions>("stdin"),
    Entry::of::<program::ProgramOptions>("program"),
    Entry::of::<systemd_journal::JournalOptions>("systemd-journal"),
    #[cfg(feature = "kafka")]
    Entry::of::<kafka::KafkaOptions>("kafka"),
];

/// The options of a source driver.
pub(crate) trait SourceOptions: Options + Sized {
    /// Reads them, up to the `)` of the driver.
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self>;

    /// Those of them that all sources have.
    fn common(&self) -> &LogSourceOptions;

    /// The path of the unix socket that it makes: no other source may make it.
    fn socket_file(&self) -> Option<&Spanned<String>> {
        None
    }

    /// Plans a source with these options in the statement called `statement`.
    fn plan(&self, config: &Config, statement: &str) -> Result<Planned, Diagnostic>;

    /// Makes the source `input` with these options. It touches nothing before its `init`.
    ///
    /// # Errors
    /// Options that can only be checked here.
    fn make(&self, input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made;
}

/// A source that its driver has made; `None`: the host of the engine has to make it.
pub type Made = Result<Option<Box<dyn Source>>, Diagnostic>;

/// A source that is to be: what the engine makes of it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// `class()`, where the driver has it.
    pub class: Option<String>,
    /// Messages that it may have in flight.
    pub window: u32,
    /// Bytes that it may have in flight.
    pub max_bytes: u64,
    /// `batch-size()`: the most messages of a batch.
    pub batch_size: Option<u32>,
    /// `batch-timeout()`: how long at least the worker of a busy source looks away, so that a batch fills.
    pub nap: Duration,
    /// True when its messages are this host's own.
    pub is_local: bool,
}

/// A source driver: its word, how its options are read, and what is planned of them.
#[derive(Debug)]
pub struct Entry {
    syntax: Syntax,
    common: fn(&Driver) -> &LogSourceOptions,
    socket_file: fn(&Driver) -> Option<&Spanned<String>>,
    plan: fn(&Config, &str, &Driver) -> Result<Planned, Diagnostic>,
    make: fn(&Input, &Config, &Arc<dyn EngineLog>) -> Made,
}

impl Entry {
    /// The driver called `word`, which has the options `O`.
    const fn of<O: SourceOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            common: |driver| own::<O>(driver).common(),
            socket_file: |driver| own::<O>(driver).socket_file(),
            plan: |config, statement, driver| own::<O>(driver).plan(config, statement),
            make: |input, config, log| own::<O>(&input.driver).make(input, config, log),
        }
    }

    /// The driver in the language.
    pub(crate) fn syntax(&self) -> Syntax {
        self.syntax
    }
}

fn own<O: Options>(driver: &Driver) -> &O {
    let Some(options) = driver.options() else { unreachable!("the entry of a driver has read its options") };
    options
}

fn entry(driver: &Driver) -> &'static Entry {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == driver.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    entry
}

/// Plans the source `driver` of the statement called `statement`.
///
/// # Errors
/// Options that can only be checked when everything is read.
pub fn plan(config: &Config, statement: &str, driver: &Driver) -> Result<Planned, Diagnostic> {
    (entry(driver).plan)(config, statement, driver)
}

/// Makes the source `input` of `config`, which tells `log` what it has to say.
///
/// # Errors
/// Options that can only be checked here.
pub fn make(input: &Input, config: &Config, log: &Arc<dyn EngineLog>) -> Made {
    (entry(&input.driver).make)(input, config, log)
}

/// The unix socket that `driver` makes, by its path.
fn socket_file(driver: &Driver) -> Option<&Spanned<String>> {
    (entry(driver).socket_file)(driver)
}

/// The options of `driver` that all sources have.
pub(crate) fn common_options(driver: &Driver) -> &LogSourceOptions {
    (entry(driver).common)(driver)
}
