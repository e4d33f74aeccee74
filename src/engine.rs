//! The engine: from a checked configuration to threads, and what they do.
//!
//! ```text
//!  sources ─► lanes ─► workers (route, batch by batch) ─► queues ─► destinations, a thread each
//! ```
//!
//! * [`run`](mod@run): the main thread, from start to stop; [`event`]: what wakes it; `watch`: the bound of a
//!   stop; `exit`: the log's last lines; [`host`]: what an embedding adds;
//! * `generation`: one configuration with its sources, and the way to the next one; `supervised`: a source
//!   that is started again where it failed, and the end of several; `suspended`: sources that wait for
//!   credit;
//! * [`reading`]: a configuration that is read on a thread of its own;
//! * [`plan`]: what a configuration needs beside what runs, driver by driver ([`identity`]); [`pipeline`]:
//!   what runs: lanes, workers and destinations, switched from one plan to the next, and drained; `registry`:
//!   who is here, comes and goes, so that counts add up at any moment; [`changes`]: what a switch does to
//!   each driver;
//! * [`worker`]: what a worker does with a batch; [`router`]: the programs and ways it goes by;
//!   [`queue`]: where flow control is applied; [`output`]: a destination's thread; [`succession`]: one
//!   destination after another;
//! * [`log`]: what the engine itself has to say; [`stats`]: what it counted, [`stats_file`]: where that is
//!   written at the end; [`pidfile`]: the number of the process; [`own_files`]: that each of these has a file
//!   of its own;
//! * [`live_line`]: the line at the foot of a terminal;
//! * [`backoff`]: when a source that failed is started again; [`board`]: how everything is, for whoever looks
//!   while the engine runs; [`control`]: the socket on which others ask.
//!
//! The engine knows nothing of Python, which adds its classes as a [`Host`].
#![forbid(unsafe_code)]

pub(crate) mod backoff;
pub(crate) mod board;
pub(crate) mod changes;
pub mod control;
pub(crate) mod event;
pub(crate) mod exit;
pub(crate) mod generation;
mod heartbeat;
mod hooks;
pub(crate) mod host;
pub(crate) mod identity;
pub(crate) mod live_line;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod output;
pub(crate) mod own_files;
pub(crate) mod pidfile;
pub(crate) mod pipeline;
pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod reading;
mod registry;
pub(crate) mod router;
pub(crate) mod run;
pub mod stats;
pub(crate) mod stats_file;
pub(crate) mod succession;
pub(crate) mod supervised;
mod suspended;
pub(crate) mod watch;
pub(crate) mod worker;

pub use backoff::Pauses;
pub use board::{Board, Phase};
pub use changes::Changes;
pub use control::Control;
pub use event::Event;
pub use host::{Host, HostView, Standalone};
pub use log::{Log, LogLevel};
pub use metrics::Metrics;
pub use pidfile::PidFile;
pub use pipeline::Pipeline;
pub use plan::{Candidate, ReloadPlan, UncontrolledRoute};
pub use run::{Ended, Settings, run};
