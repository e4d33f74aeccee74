//! Destinations: where messages go, and how a driver keeps what it cannot write.
//!
//! A driver lives on a thread of its own. The engine takes what is in the driver's inbox, gives it each
//! [`Delivery`] with [`push`](Destination::push), and then calls [`flush`](Destination::flush) once: so a
//! driver that falls behind sees larger groups and makes fewer system calls. Between two rounds the thread
//! sleeps until something comes in, or until the driver's [`next_deadline`](Destination::next_deadline).
//!
//! A delivery holds the credit of its batch, and a driver drops it when the last of its messages is
//! written, not before. A driver that cannot write keeps its deliveries, and their source is held
//! back by that alone.
//!
//! * `exchange`: groups of messages that a far end takes or refuses whole, as HTTP requests; `reject`: where
//!   what is refused for good goes;
//! * [`stream`]: ordered bytes into files, pipes, devices, connections; [`network`]: those connections;
//! * `buffer`: messages that wait on the disk, before a destination of any kind;
//! * [`Claim`]: the files that a driver may write; [`Handover`]: what it leaves to the one that takes its
//!   place; [`Descriptors`]: what all of them together may have open; [`drops`]: what is told of messages
//!   that found no place.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, Diagnostic, Driver, Options, Spanned, Syntax};
use crate::flow::Delivery;

mod buffer;
mod claim;
pub mod descriptors;
pub mod drops;
pub(crate) mod exchange;
pub mod file;
mod handover;
pub mod http;
#[cfg(feature = "kafka")]
mod kafka;
pub mod network;
mod options;
pub mod pipe;
pub mod program;
mod python;
mod redis;
mod reject;
mod secret;
pub mod stdout;
pub mod stream;
mod throttle;
mod usertty;

pub(crate) use buffer::{BufferCounters, BufferTotals, set_directory as set_buffer_directory};
pub use claim::Claim;
pub use descriptors::{Descriptors, Wake};
pub use handover::{Handover, Leftover, Numbers};
pub use options::DriverOptions;
pub use python::{ExchangeSlot, HostedDestination, PythonDestinationOptions};
pub use reject::{RejectFn, Rejects};
pub use stream::{LineFormat, StreamDestination, StreamSettings};
pub(crate) use throttle::Throttle;

/// The destination drivers.
#[rustfmt::skip] // One on a line.
pub(crate) const DRIVERS: &[Entry] = &[
    Entry::of::<file::FileOptions>("file"),
    Entry::of::<http::HttpOptions>("http"),
    #[cfg(feature = "kafka")]
    Entry::of::<kafka::KafkaOptions>("kafka"),
    #[cfg(feature = "kafka")]
    Entry::of::<kafka::KafkaOptions>("kafka-c"),
    Entry::of::<pipe::PipeOptions>("pipe"),
    Entry::of::<network::NetworkOptions>("network"),
    Entry::of::<program::ProgramOptions>("program"),
    Entry::of::<PythonDestinationOptions>("python"),
    Entry::of::<redis::RedisOptions>("redis"),
    Entry::of::<stdout::StdoutOptions>("stdout"),
    Entry::of::<network::NetworkOptions>("syslog"),
    Entry::of::<network::NetworkOptions>("tcp"),
    Entry::of::<network::NetworkOptions>("tcp6"),
    Entry::of::<network::NetworkOptions>("udp"),
    Entry::of::<network::NetworkOptions>("udp6"),
    Entry::of::<network::UnixOptions>("unix-dgram"),
    Entry::of::<network::UnixOptions>("unix-stream"),
    Entry::of::<usertty::UserTtyOptions>("usertty"),
];

/// The options of a destination driver.
pub(crate) trait DestinationOptions: Options + Sized {
    /// Reads them, up to the `)` of the driver.
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self>;

    /// Those of them that destinations have in common, where it has them.
    fn driver(&self) -> Option<&DriverOptions>;

    /// Plans a destination with these options.
    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic>;
}

/// A destination that is to be.
pub struct Planned {
    /// All that it runs by, as text: a destination of the same name and text goes on at a reload.
    pub identity: String,
    /// Its end of the way, as users name it: the template of its paths.
    pub address: String,
    /// The files that it may write.
    pub claim: Option<Claim>,
    /// Messages that may wait for it without the credit of their source.
    pub fifo_size: u64,
    /// True when its sources wait for it on paths without flow control, too, while it can write (soft flow
    /// control).
    pub is_soft: bool,
    /// The name of the destination that gets what this one is refused for good.
    pub on_reject: Option<Spanned<String>>,
    /// The place for what the host of the engine makes of it, where the engine cannot make it alone.
    pub hosted: Option<ExchangeSlot>,
    /// The name of its disk buffer, if it has one: no two destinations may have one of the same name.
    pub(crate) buffer: Option<Spanned<String>>,
    /// Makes the driver, which touches nothing before its first flush.
    pub make: Box<dyn FnOnce(Site) -> Box<dyn Destination> + Send>,
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planned").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A destination driver: its word, how its options are read, and what is planned of them.
#[derive(Debug)]
pub struct Entry {
    syntax: Syntax,
    plan: fn(&Config, &Driver) -> Result<Planned, Diagnostic>,
}

impl Entry {
    /// The driver called `word`, which has the options `O`.
    const fn of<O: DestinationOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            plan: |config, driver| {
                let Some(options) = driver.options::<O>() else {
                    unreachable!("the entry of a driver has read its options")
                };
                options.plan(config)?.buffered(config, driver, options.driver())
            },
        }
    }

    /// The driver in the language.
    pub(crate) fn syntax(&self) -> Syntax {
        self.syntax
    }
}

/// Plans the destination `driver`.
///
/// # Errors
/// Options that can only be checked when everything is read: unknown time zones, users and groups.
pub fn plan(config: &Config, driver: &Driver) -> Result<Planned, Diagnostic> {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == driver.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    (entry.plan)(config, driver)
}

/// A driver that writes messages somewhere. All of its methods are called on one thread, its own, and none of
/// them waits for a peer but [`stop`](Self::stop).
pub trait Destination: Send {
    /// Takes messages. Nothing is written before the next flush.
    fn push(&mut self, delivery: Delivery);

    /// Writes all it can. Messages that are written are counted as delivered and let go of.
    fn flush(&mut self, now: Instant);

    /// The time at which [`flush`](Self::flush) has something to do although nothing was pushed.
    fn next_deadline(&self) -> Option<Instant>;

    /// Tries at the next flush what has failed before, and looks for files that were replaced: at a SIGHUP,
    /// and when a reload keeps it.
    fn reopen(&mut self);

    /// Tells that everything that was pushed is written.
    fn is_idle(&self) -> bool;

    /// Tells that a destination which takes its place has something to take over.
    fn has_something_to_leave(&self) -> bool {
        !self.is_idle()
    }

    /// Tells that it cannot write at present.
    fn is_suspended(&self) -> bool;

    /// The number of messages that wait, and about how many bytes.
    fn waiting(&self) -> (u64, u64);

    /// Lets go of the credit of what waits and cannot be written: its sources go on. On paths with flow
    /// control only if `all`. On the others no more may wait than `log-fifo-size()` and [`UNHELD_BYTES`] say:
    /// the newest beyond are dropped. Returns how many, and the name of their source.
    fn let_go_of_credit(&mut self, all: bool) -> Option<(Arc<str>, u64)>;

    /// Takes what the destination before it has left, before anything is pushed.
    fn take_over(&mut self, left: Handover);

    /// Leaves what waits to the destination that comes after it, and closes everything.
    fn hand_over(&mut self) -> Handover;

    /// Begins nothing more, as what waits goes to the one that takes its place. Gives false while something is on
    /// its way that it waits for, a bounded time; it is asked again when that has come back, or at its deadline.
    fn prepares_to_leave(&mut self, now: Instant) -> bool {
        let _ = now;
        true
    }

    /// Drops what it is in the middle of, after a panic, and begins anew; `panic` is what it said.
    fn start_anew(&mut self, panic: &str);

    /// Drops what waits for good, as a reload removed the destination and others wait in its place; returns
    /// how many messages that is.
    fn give_up(&mut self) -> u64;

    /// Reports something that is well.
    fn notice(&self, text: String);

    /// Writes what it can until `deadline`, closes everything, and returns the number of messages that
    /// it could not write. What has failed before is tried once more, and not waited for.
    fn stop(&mut self, deadline: Instant) -> u64;
}

/// The engine's side of a destination, for its driver.
#[derive(Clone)]
pub struct Site {
    /// Its counters.
    pub counters: Arc<Counters>,
    /// Takes its reports.
    pub report: ReportFn,
    /// Takes what it is refused for good.
    pub rejects: Rejects,
    /// Brings its thread to call [`flush`](Destination::flush). May be called by any thread.
    pub wake: Wake,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("counters", &self.counters).finish_non_exhaustive()
    }
}

/// Most bytes that wait for one destination without the credit of a source: what the byte half of the
/// credit is for the others.
pub(crate) const UNHELD_BYTES: u64 = 64 * 1024 * 1024;

/// The severity of a [`Report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something is not done.
    Error,
    /// Something is done in another way than asked for.
    Warning,
    /// Something that was reported as an error is well again.
    Notice,
}

/// A driver's message to the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its severity.
    pub severity: Severity,
    /// The event, with the thing's name and what happens next.
    pub text: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The receiver of a driver's reports; called on the driver's thread.
pub type ReportFn = Arc<dyn Fn(Report) + Send + Sync>;

/// The counters of one destination. `queued + delivered + dropped + rejected` is what came for it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that it was given and has not written: raised before a push, lowered by the driver.
    pub queued: AtomicU64,
    /// Messages written.
    pub delivered: AtomicU64,
    /// Messages that it was given, or was to be given, and that will not be written.
    pub dropped: AtomicU64,
    /// Messages that its far end refused for good, and that went to `on-reject()`.
    pub rejected: AtomicU64,
    /// Bytes written, those of lines that are not complete yet included.
    pub bytes: AtomicU64,
    /// Attempts to write again after a failure.
    pub retries: AtomicU64,
    /// Failures to open or to write.
    pub errors: AtomicU64,
    /// Files and connections that are open.
    pub open_files: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Messages that were written once more, as they may not have arrived the first time.
    pub repeated: AtomicU64,
    /// Delivered messages that were counted instead of written, as they repeated the last one.
    pub suppressed: AtomicU64,
    /// Messages that it made itself: marks, and numbers of repetitions.
    pub generated: AtomicU64,
    /// Messages that were cut, as no datagram is so long.
    pub truncated: AtomicU64,
    /// Those of its disk buffer; its capacity is 0 where there is none.
    pub(crate) buffer: Arc<BufferCounters>,
}

impl Counters {
    fn count_delivered(&self, messages: u64) {
        self.delivered.fetch_add(messages, Ordering::Relaxed);
        self.queued.fetch_sub(messages, Ordering::Relaxed);
    }

    /// Counts messages that repeat another one.
    fn count_suppressed(&self, messages: u64) {
        self.suppressed.fetch_add(messages, Ordering::Relaxed);
        self.count_delivered(messages);
    }

    /// Counts messages that may arrive twice.
    fn count_repeated(&self, messages: u64) {
        self.repeated.fetch_add(messages, Ordering::Relaxed);
    }

    /// Counts messages that went to `on-reject()`.
    fn count_rejected(&self, messages: u64) {
        self.rejected.fetch_add(messages, Ordering::Relaxed);
        self.queued.fetch_sub(messages, Ordering::Relaxed);
    }

    /// Counts messages for which its queue has no place, and that it is not given.
    pub(crate) fn count_refused(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
        self.queued.fetch_sub(messages, Ordering::Relaxed);
    }
}
