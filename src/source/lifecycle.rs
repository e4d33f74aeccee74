//! The life of a source, as the engine leads it: [`Source`].
//!
//! ```text
//!  made ─► init ─► start ─► (alive) ─► ask_to_stop ─► close ─► deinit ─► finalize
//!            │        └── fails: tried again after a pause
//!            └── refuses: close, deinit, finalize; the configuration is not accepted
//! ```
//!
//! The engine calls all of it on its main thread, and waits for the end of several sources at once; nothing
//! here may wait for long, but for a source's own code that is called in `init`, `ask_to_stop`, `deinit` and
//! `finalize`. A source says by its [`SourceStatus`](super::SourceStatus) how it is, and posts through the
//! lane that it was made with.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::Backoff;
use crate::config::{Config, Diagnostic, GlobalOptions};
use crate::flow::{Lane, Producer};
use crate::state::State;

/// A driver that posts messages, between its configuration and its end.
pub trait Source: Send {
    /// Its name in the log: `source ID`, with what else it is known by.
    fn name(&self) -> String;

    /// The name under which its state is kept. No two sources may have the same one.
    fn persist_name(&self) -> Option<&str> {
        None
    }

    /// The thing of it that goes by acknowledgements, which a log path without flow control gives too early.
    fn awaits_acknowledgements(&self) -> Option<&'static str> {
        None
    }

    /// Tells whether it may go on when the global options that its driver's identity leaves out change.
    fn goes_on_under(&self, before: &GlobalOptions, after: &GlobalOptions) -> bool {
        let _ = (before, after);
        true
    }

    /// Tells whether it takes nothing that its successor needs: such a source goes on until the new routes
    /// hold, and ends after all others when the engine stops.
    fn stops_last(&self) -> bool {
        false
    }

    /// Makes ready to start, before the routes of `config` hold. It may touch what is outside the process.
    ///
    /// # Errors
    /// The configuration is refused, at a place of it.
    fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let _ = config;
        Ok(())
    }

    /// Starts its threads. They post nothing before the gate of `with` is open. Its status says already that
    /// it runs.
    ///
    /// # Errors
    /// The system has none to give; the engine may try again.
    fn start(&mut self, with: &Start) -> Result<(), NotStarted>;

    /// The pauses between attempts to start it; `None`: there is one attempt.
    fn restart(&self) -> Option<Backoff> {
        Some(Backoff::default())
    }

    /// Told that a reload has kept it: what it has read of files may have changed.
    fn reloaded(&mut self) {}

    /// Asks it to end. What it posts meanwhile is taken.
    fn ask_to_stop(&mut self);

    /// Tells whether it was started and its thread has not come to its end.
    fn is_alive(&self) -> bool;

    /// Tells whether it has done all that it is for: it stays as it is until its options change.
    fn is_done(&self) -> bool {
        false
    }

    /// Tells whether something else of it has not come to its end, which nobody waits for longer than a
    /// moment.
    fn has_calls(&self) -> bool {
        false
    }

    /// The time that it may take to end when it is asked to.
    fn stop_timeout(&self) -> Duration;

    /// The end of a sentence about a source that takes longer: why, as far as that is known.
    fn where_it_stands(&self) -> String;

    /// Refuses every further post.
    fn close(&mut self);

    /// Takes back what [`Source::init`] did, if it was called; not for a source that is still alive.
    fn deinit(&mut self) {}

    /// Lets go of everything; not for a source that is still alive.
    fn finalize(&mut self) {}
}

/// The engine's log, as sources know it.
pub trait EngineLog: Send + Sync {
    /// Logs that something failed.
    fn error(&self, text: &str);

    /// Logs that something is not as it should be.
    fn warning(&self, text: &str);

    /// Logs something that one may want to know.
    fn info(&self, text: &str);

    /// Posts later messages of the log to `producer`, until its lane is closed.
    fn add_reader(&self, producer: Producer);

    /// Posts nothing any more to the source that has `lane`.
    fn remove_reader(&self, lane: &Arc<Lane>);
}

/// The reason why a source was not started.
#[derive(Debug)]
pub struct NotStarted {
    /// One line, for a table.
    pub summary: String,
    /// All of it, for the log.
    pub text: String,
}

/// The parts that a source is started with.
#[derive(Clone)]
pub struct Start {
    /// Holds its threads back until those of all sources are there.
    pub gate: Gate,
    /// Called by its thread, as the last thing that it does.
    pub ended: Arc<dyn Fn() + Send + Sync>,
    /// Asks the engine to stop.
    pub stop: Arc<dyn Fn() + Send + Sync>,
    /// The state that outlives the process.
    pub state: Arc<State>,
}

/// A gate that opens when its [`Opener`] is dropped.
#[derive(Debug, Clone)]
pub struct Gate(Receiver<Infallible>);

/// Keeps a [`Gate`] shut.
#[derive(Debug)]
pub struct Opener {
    _sender: Sender<Infallible>,
}

impl Gate {
    /// A gate that is shut, and what opens it.
    pub(crate) fn shut() -> (Opener, Self) {
        let (sender, receiver) = bounded(0);
        (Opener { _sender: sender }, Self(receiver))
    }

    /// A gate that is open, for a source that is started alone.
    pub fn open() -> Self {
        Self::shut().1
    }

    /// Waits until it is open.
    pub fn wait(&self) {
        // Nothing ever comes through it but the end.
        let _ = self.0.recv();
    }
}
