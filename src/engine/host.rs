//! The part of the engine that an embedding adds: [`Host`].
//!
//! The engine reads configurations, plans, starts, reloads and stops by itself. Whoever embeds it may bring
//! sources that the engine cannot make (classes of Python), whatever a configuration has for them (blocks of
//! code, modules), and a lock that the main thread holds while it calls them (the GIL). [`Standalone`] adds
//! nothing.
//!
//! # A configuration, as the host sees it
//! ```text
//!  generators    of one with words that are not known, which is then read again
//!     │
//!  prepare ─► keeps, make … ─► install ─► initialise ─► accept   it runs
//!     │            │              └──────────┴──► put_back, go_back   it does not start; the one before runs again
//!     └────────────┴──► put_back                                      it is refused; the one before has run on
//! ```
//! All of it is called on the main thread. [`HostView`] is for the other threads.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Diagnostic, Driver, Generators, Span};
use crate::destination::HostedDestination;
use crate::error::Error;
use crate::message::{Release, ReleaseNow};
use crate::path::{Hosted, Step};
use crate::source::Input;
use crate::source::Source;
use crate::state::State;

/// An embedding of the engine.
pub trait Host {
    /// Calls `work`, which may wait, without the lock that the main thread holds.
    fn without_lock(&self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    /// The part of the host that other threads use.
    fn view(&self) -> Arc<dyn HostView> {
        Arc::new(Standalone)
    }

    /// Takes the foreign memory that sources have posted.
    fn release(&self) -> Arc<dyn Release> {
        Arc::new(ReleaseNow)
    }

    /// Begins, before the first configuration is read. What sources save goes to `state`.
    ///
    /// # Errors
    /// A sentence: the engine does not start.
    fn open(&mut self, state: &Arc<State>) -> Result<(), Error> {
        let _ = state;
        Ok(())
    }

    /// Gets ready to make the sources of `config`, beside what runs.
    ///
    /// # Errors
    /// The configuration is refused; the host is as it was.
    fn prepare(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let _ = config;
        Ok(())
    }

    /// The generators of the host's code in `config`, a configuration that was read in part: there is a word in
    /// it that is not known. What was made ready for it is put back, unless there are some.
    ///
    /// # Errors
    /// The code is wrong.
    fn generators(&mut self, config: &Config) -> Result<Option<Arc<dyn Generators>>, Diagnostic> {
        let _ = config;
        Ok(None)
    }

    /// Everything that is wrong with the host's sources of `config`, which is prepared and will not run.
    fn look_up(&mut self, config: &Config) -> Vec<Diagnostic> {
        let _ = config;
        Vec::new()
    }

    /// The same for a configuration with errors, which cannot be prepared.
    fn inspect(&mut self, config: &Config) -> Vec<Diagnostic> {
        let _ = config;
        Vec::new()
    }

    /// Tells whether `driver`, of a running source or destination, is the same with what was prepared for
    /// `config` as it was with `before`.
    fn keeps(&self, driver: &Driver, before: &Config, config: &Config) -> bool {
        let _ = (driver, before, config);
        true
    }

    /// Makes the source `input`, which the engine cannot make.
    ///
    /// # Errors
    /// It is refused, at its place in `config`.
    fn make(&mut self, input: &Input, config: &Config) -> Result<Box<dyn Source>, Diagnostic>;

    /// Makes the destination `driver`, which the engine cannot make.
    ///
    /// # Errors
    /// It is refused, at its place in `config`.
    fn make_destination(&mut self, driver: &Driver, config: &Config)
    -> Result<HostedDestination, Diagnostic>;

    /// Makes the step at `place`, which the engine cannot make. It is retired by the worker that calls it.
    ///
    /// # Errors
    /// It is refused, at its place in `config`.
    fn make_step(&mut self, place: &Hosted, config: &Config) -> Result<Arc<dyn Step>, Diagnostic>;

    /// Makes the steps and destinations ready that were made for `config`: their messages come next. The sources
    /// are ready by now.
    ///
    /// # Errors
    /// One refuses the configuration.
    fn initialise(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let _ = config;
        Ok(())
    }

    /// Lets go of what was prepared: it will not run.
    fn put_back(&mut self) {}

    /// Puts what was prepared in the place of what ran: its sources are initialised now.
    fn install(&mut self) {}

    /// Tells that what was prepared runs; its sources are started next.
    fn accept(&mut self) {}

    /// Gets ready to make sources of `config` anew, which ran before, and runs again.
    fn go_back(&mut self, config: &Config) {
        let _ = config;
    }

    /// Looks after things. Called several times a second, and after each event.
    fn tick(&mut self) {}

    /// Ends what is told of acknowledgements, `within` a bound, when everything is delivered; false if it has
    /// not ended.
    fn finish(&mut self, within: Duration) -> bool {
        let _ = within;
        true
    }
}

/// The part of a host that threads other than the main one use, whatever that one does.
pub trait HostView: Send + Sync {
    /// The stack of each thread of the host, with a heading.
    fn threads(&self) -> Option<String> {
        None
    }

    /// The stack of the main thread, with a heading. It may wait for the host's lock for ever.
    fn main_thread(&self) -> Option<String> {
        None
    }

    /// Writes what the host's own output streams hold back.
    fn flush_output(&self) {}

    /// The reason why the process is ended when its end takes too long.
    fn end_hangs(&self) -> &'static str {
        "the engine has stopped, and the end of the process takes too long and is given up"
    }

    /// The reason why the process is ended when somebody does not want to wait for its end.
    fn end_is_cut_short(&self) -> &'static str {
        "the engine has stopped; ended by a third signal, before the process has come to its end"
    }
}

/// The engine alone: without an embedding.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standalone;

impl HostView for Standalone {}

impl Standalone {
    /// Refuses what needs Python, at its place.
    fn refused(config: &Config, span: Span) -> Diagnostic {
        let help = "run the configuration with the command of the Python package `inrush`".to_owned();
        config.error(span, "this build has no Python".to_owned(), Some(help))
    }
}

impl Host for Standalone {
    fn prepare(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let block = config.python_blocks.first().map(|block| block.span);
        let function = || config.python_functions.first().map(|function| function.name.span);
        block.or_else(function).map_or(Ok(()), |span| Err(Self::refused(config, span)))
    }

    fn inspect(&mut self, config: &Config) -> Vec<Diagnostic> {
        self.prepare(config).err().into_iter().collect()
    }

    fn make(&mut self, input: &Input, config: &Config) -> Result<Box<dyn Source>, Diagnostic> {
        Err(Self::refused(config, input.driver.span))
    }

    fn make_destination(
        &mut self,
        driver: &Driver,
        config: &Config,
    ) -> Result<HostedDestination, Diagnostic> {
        Err(Self::refused(config, driver.span))
    }

    fn make_step(&mut self, place: &Hosted, config: &Config) -> Result<Arc<dyn Step>, Diagnostic> {
        Err(Self::refused(config, place.driver().span))
    }
}

/// The result of `work`, which may wait, and is called without the lock of `host`.
pub(crate) fn unlocked<R: Send>(host: &dyn Host, work: impl FnOnce() -> R + Send) -> R {
    let (mut work, mut result) = (Some(work), None);
    host.without_lock(&mut || result = work.take().map(|work| work()));
    match result {
        Some(result) => result,
        None => unreachable!("a host calls the work once"),
    }
}
