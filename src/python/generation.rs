//! One configuration with everything of Python's that runs for it, and the way to the next one.
//!
//! A reload has two halves. [`Prepared::new`] reads, runs the blocks, and makes what the new configuration needs
//! beside what runs, up to the point where something outside would be touched; if anything is wrong, nothing has
//! happened. [`Prepared::carry_out`] stops the sources that go, initialises those that come, and switches the
//! pipeline. Should an `init()` refuse, the ones that were stopped are made anew from the old configuration.
//! Sources that are the same in both notice none of it.
//!
//! A source is the same when its driver is (`engine::identity`), it still runs, and its class is the old
//! one: a class of the python blocks when their text did not change, one of a module when the module was not
//! imported anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded, unbounded};
use pyo3::prelude::*;

use super::blocks::Blocks;
use super::instance::PythonSource;
use super::modules::{Taken, UserModules, module_of};
use super::process;
use super::release::UnderGil;
use crate::config::{Config, Diagnostic, Diagnostics};
use crate::engine::Event;
use crate::engine::{Changes, Input, Log, Next, Pipeline};
use crate::message::{Pool, Release};
use crate::source::PythonSourceOptions;

/// How long a stuck source gets to notice that its posts are refused.
const AFTER_CLOSE: Duration = Duration::from_millis(500);

/// What all configurations of a process run on.
pub struct Engine {
    /// What the engine has to say.
    pub log: Log,
    /// Lanes, workers, destinations.
    pub pipeline: Arc<Pipeline>,
    /// The user's modules.
    pub modules: UserModules,
    /// The list of the main thread.
    pub events: Sender<Event>,
}

/// A configuration and what of Python's runs for it.
pub struct Generation {
    config: Arc<Config>,
    /// The Python sources, in the order of the configuration.
    pub sources: Vec<PythonSource>,
    blocks: Blocks,
}

/// A configuration that is ready to run.
pub struct Prepared {
    config: Arc<Config>,
    blocks: Blocks,
    taken: Taken,
    next: Next,
    /// The sources that are not kept.
    fresh: Vec<PythonSource>,
}

/// What became of an attempt to run a configuration.
pub struct Outcome {
    /// What runs now.
    pub generation: Option<Generation>,
    /// What it did to each driver, or why the configuration does not run.
    pub result: Result<Changes, Diagnostics>,
    /// What could not be made anew on the way back to the old configuration.
    pub complaints: Vec<Diagnostic>,
    /// Whether all sources that were stopped have ended.
    pub all_ended: bool,
}

/// Writes the warnings about a configuration that was read to `log`.
pub fn report_warnings(config: &Config, log: &Log) {
    for warning in &config.warnings {
        log.diagnostic(warning);
    }
}

/// A pipeline without anything in it.
pub fn pipeline(log: &Log) -> Pipeline {
    let release: Arc<dyn Release> = Arc::new(UnderGil);
    let pool = Arc::new(Pool::new());
    pool.warm_up();
    Pipeline::new(log, &pool, &release)
}

/// Does what a start does up to the first `init()`: runs the blocks of `config`, looks its classes up, makes their instances. Then lets
/// go of them.
///
/// # Errors
/// Everything that a start would refuse before it calls `init()`.
pub fn check(py: Python<'_>, config: Arc<Config>, log: &Log) -> Result<(), Diagnostics> {
    let (events, _nobody) = unbounded();
    let modules = UserModules::new(py, log);
    let engine = Engine { log: log.clone(), pipeline: Arc::new(pipeline(log)), modules, events };
    let mut prepared = Prepared::new(py, config, None, &engine)?;
    abandon(py, &mut prepared.fresh);
    Ok(())
}

fn python_inputs(next: &Next) -> impl Iterator<Item = (&Input, &PythonSourceOptions)> {
    next.inputs().filter_map(|input| Some((input, input.driver.options()?)))
}

impl Prepared {
    /// Makes everything that `config` needs beside what runs, up to the instances of its new sources. Nothing
    /// outside the process is touched, except by the user's own blocks, modules and constructors.
    ///
    /// # Errors
    /// Everything that is wrong with it; then all is as before.
    pub fn new(
        py: Python<'_>,
        config: Arc<Config>,
        before: Option<&Generation>,
        engine: &Engine,
    ) -> Result<Self, Diagnostics> {
        let taken = engine.modules.take_out(py, &config);
        let prepared = Self::with_modules(py, config, before, engine, &taken);
        process::restore();
        match prepared {
            Ok((config, blocks, next, fresh)) => Ok(Self { config, blocks, taken, next, fresh }),
            Err(errors) => {
                engine.modules.put_back(py, &taken);
                if let Some(before) = before {
                    before.blocks.install(py);
                }
                Err(errors)
            }
        }
    }

    fn with_modules(
        py: Python<'_>,
        config: Arc<Config>,
        before: Option<&Generation>,
        engine: &Engine,
        taken: &Taken,
    ) -> Result<(Arc<Config>, Blocks, Next, Vec<PythonSource>), Diagnostics> {
        let blocks = Blocks::run(py, &config)?;
        let same_blocks = before.is_some_and(|before| before.has_blocks_of(&config));
        let keep = |input: &Input| {
            let Some(options) = input.driver.options::<PythonSourceOptions>() else { return true };
            let class = &options.class.value;
            let Some(before) = before else { return false };
            let Some(source) = before.source(&input.driver.id) else { return false };
            let same_delay = before.config.options.time_reopen == config.options.time_reopen;
            source.is_alive()
                && (module_of(class).is_some() || same_blocks)
                && !taken.concerns(class)
                && (same_delay || !source.has_global_delay())
        };
        let next = engine.pipeline.plan(&config, &keep).map_err(|mut errors| {
            // Everything that is wrong is told at once.
            errors.extend(blocks.look_up(py, &config, &engine.log));
            Diagnostics::from(errors)
        })?;
        let (mut fresh, mut errors) = (Vec::new(), Vec::new());
        for (input, options) in python_inputs(&next).filter(|(input, _)| !next.keeps(&input.driver.id)) {
            match make(py, &config, &blocks, input, options, &engine.log) {
                Ok(source) => fresh.push(source),
                Err(error) => errors.push(error),
            }
        }
        let kept = before.into_iter().flat_map(|before| &before.sources);
        let kept = kept.filter(|source| next.keeps(source.id()));
        errors.extend(clashes(&config, &next, kept.chain(&fresh)));
        if errors.is_empty() { Ok((config, blocks, next, fresh)) } else { Err(errors.into()) }
    }

    /// Stops the sources that go, initialises those that come, and switches to them.
    pub fn carry_out(self, py: Python<'_>, before: Option<Generation>, engine: &Engine) -> Outcome {
        let Self { config, blocks, taken, next, mut fresh } = self;
        let mut before = before;
        let all_ended = before.as_mut().is_none_or(|before| before.stop_those(py, &|id| !next.keeps(id)));
        blocks.install(py);
        engine.pipeline.announce(&next);
        let order: Vec<String> = next.inputs().map(|input| input.driver.id.clone()).collect();
        let started = initialise(py, &mut fresh, &config).map_err(Diagnostics::from).and_then(|()| {
            let kept = before.iter_mut().flat_map(|before| &mut before.sources);
            for source in kept.chain(&mut fresh) {
                source.warn_of_unheld(&config, &next);
            }
            py.detach(|| engine.pipeline.switch(next)).map_err(|error| {
                let text = format!("cannot start a thread: {error}");
                Diagnostics::from(Diagnostic::without_place(text))
            })
        });
        match started {
            Ok(changes) => {
                let mut sources = before.map(|before| before.sources).unwrap_or_default();
                // Before they start: beside busy sources each look at a file waits for the GIL.
                engine.modules.note(py);
                let complaints = start(py, &mut fresh, engine);
                sources.extend(fresh);
                sources.sort_by_key(|source| order.iter().position(|id| id == source.id()));
                let generation = Some(Generation { config, sources, blocks });
                Outcome { generation, result: Ok(changes), complaints, all_ended }
            }
            Err(errors) => {
                abandon(py, &mut fresh);
                engine.pipeline.withdraw();
                engine.modules.put_back(py, &taken);
                let complaints = before.as_mut().map(|before| before.go_back(py, engine));
                let complaints = complaints.unwrap_or_default();
                Outcome { generation: before, result: Err(errors), complaints, all_ended }
            }
        }
    }
}

impl Generation {
    fn source(&self, id: &str) -> Option<&PythonSource> {
        self.sources.iter().find(|source| source.id() == id)
    }

    fn has_blocks_of(&self, config: &Config) -> bool {
        let (old, new) = (&self.config.python_blocks, &config.python_blocks);
        old.iter().map(|block| &block.code).eq(new.iter().map(|block| &block.code))
    }

    /// What is not wrong with its configuration, but perhaps not meant.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.config.warnings
    }

    /// Makes the sources anew that were stopped for a configuration that does not run; what cannot be made.
    fn go_back(&mut self, py: Python<'_>, engine: &Engine) -> Vec<Diagnostic> {
        // Anew too: what a class keeps for all of its instances may say that it was asked to end.
        match Blocks::run(py, &self.config) {
            Ok(blocks) => self.blocks = blocks,
            Err(_) => self.blocks.install(py),
        }
        let keep = |input: &Input| input.is_own() || self.source(&input.driver.id).is_some();
        let next = match engine.pipeline.plan(&self.config, &keep) {
            Ok(next) => next,
            Err(errors) => return errors,
        };
        let (mut complaints, mut again) = (Vec::new(), Vec::new());
        engine.pipeline.announce(&next);
        for (input, options) in python_inputs(&next).filter(|(input, _)| !next.keeps(&input.driver.id)) {
            let made = make(py, &self.config, &self.blocks, input, options, &engine.log).and_then(|source| {
                let mut source = [source];
                match initialise(py, &mut source, &self.config) {
                    Ok(()) => Ok(source),
                    Err(error) => {
                        abandon(py, &mut source);
                        Err(error)
                    }
                }
            });
            match made {
                Ok(source) => again.extend(source),
                Err(error) => {
                    input.status.ask_to_stop();
                    input.lane.close();
                    complaints.push(error);
                }
            }
        }
        if let Err(error) = py.detach(|| engine.pipeline.switch(next)) {
            abandon(py, &mut again);
            complaints.push(Diagnostic::without_place(format!("cannot start a thread: {error}")));
            return complaints;
        }
        complaints.extend(start(py, &mut again, engine));
        self.sources.extend(again);
        complaints
    }

    /// Starts the sources whose threads could not be started, when it is time for it; what is to be said of it.
    pub fn retry_starts(&mut self, py: Python<'_>, engine: &Engine) -> Vec<String> {
        self.sources.iter_mut().filter_map(|source| source.retry_start(py, &engine.events)).collect()
    }

    /// Stops the Python sources, each within its `stop-timeout()`; returns whether all ended.
    pub fn stop_sources(&mut self, py: Python<'_>) -> bool {
        self.stop_those(py, &|_| true)
    }

    /// Stops the Python sources whose id `goes`, each within its `stop-timeout()`, and lets go of them; returns
    /// whether all ended.
    fn stop_those(&mut self, py: Python<'_>, goes: &dyn Fn(&str) -> bool) -> bool {
        let (mut sources, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sources).into_iter().partition(|source| goes(source.id()));
        self.sources = kept;
        stop_sources(py, &mut sources)
    }
}

fn make(
    py: Python<'_>,
    config: &Config,
    blocks: &Blocks,
    input: &Input,
    options: &PythonSourceOptions,
    log: &Log,
) -> Result<PythonSource, Diagnostic> {
    let class = blocks.class(py, config, options, log);
    let made = class.and_then(|class| PythonSource::create(py, config, input, options, &class, log));
    process::restore();
    made
}

/// Calls `init()` of each of `sources`.
fn initialise(py: Python<'_>, sources: &mut [PythonSource], config: &Config) -> Result<(), Diagnostic> {
    for source in sources {
        let init = source.init(py, config);
        process::restore();
        init?;
    }
    Ok(())
}

/// Takes back what [`initialise`] did before it failed.
fn abandon(py: Python<'_>, sources: &mut [PythonSource]) {
    for source in sources {
        source.close(py);
        source.deinit(py);
        source.finalize(py);
    }
}

/// Starts the threads of `sources`; those that got none are complained about, and tried again ([`Generation::retry_starts`]).
///
/// No `run()` is called before all threads are there: a source in a loop leaves the GIL for moments too short for another thread to
/// take it, and a thread that starts needs it several times.
fn start(py: Python<'_>, sources: &mut [PythonSource], engine: &Engine) -> Vec<Diagnostic> {
    let mut complaints = Vec::new();
    // Dropped at the end, whatever comes.
    let (_opens, gate) = bounded(0);
    for source in sources {
        if let Err(error) = source.start(py, engine.events.clone(), &gate) {
            complaints.push(Diagnostic::without_place(source.start_failed(py, &error)));
        }
    }
    complaints
}

/// Stops `sources`, each within its `stop-timeout()`; whether all have ended.
pub(super) fn stop_sources(py: Python<'_>, sources: &mut [PythonSource]) -> bool {
    for source in &*sources {
        source.request_exit(py);
        process::restore();
    }
    let begun = Instant::now();
    for source in &*sources {
        await_end(py, begun + source.stop_timeout(), || source.is_alive());
    }
    let stuck: Vec<_> = sources.iter().filter(|source| source.is_alive()).collect();
    for source in &stuck {
        source.report_stuck(py);
    }
    for source in &*sources {
        source.close(py);
    }
    let deadline = Instant::now() + AFTER_CLOSE;
    for source in &stuck {
        await_end(py, deadline, || source.is_alive());
    }
    for source in &*sources {
        await_end(py, deadline, || source.is_in_wakeup());
    }
    for source in &mut *sources {
        source.deinit(py);
        process::restore();
    }
    let all_ended = sources.iter().all(|source| !source.is_alive() && !source.is_in_wakeup());
    for source in &*sources {
        source.finalize(py);
    }
    all_ended
}

/// Waits without the GIL until a thread has ended, or until `deadline`.
fn await_end(py: Python<'_>, deadline: Instant, is_alive: impl Fn() -> bool) {
    while is_alive() && Instant::now() < deadline {
        py.detach(|| std::thread::sleep(Duration::from_millis(2)));
    }
}

/// Two sources that would keep their state under the same name.
fn clashes<'s>(
    config: &Config,
    next: &Next,
    sources: impl Iterator<Item = &'s PythonSource>,
) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, &PythonSource> = HashMap::new();
    let mut errors = Vec::new();
    let span_of = |source: &PythonSource| {
        let driver = next.inputs().find(|input| input.driver.id == source.id());
        driver.map(|input| input.driver.span)
    };
    for source in sources {
        let Some(first) = seen.insert(source.persist_name(), source) else { continue };
        let (Some(here), Some(there)) = (span_of(source), span_of(first)) else { continue };
        let message = format!("two sources have the persist name `{}`", source.persist_name());
        let path = config.sources_text.path(there).display().to_string();
        let line = config.sources_text.line(there);
        let help = format!("the other is at {path}:{line}; give one of them a persist-name()");
        errors.push(config.error(here, message, Some(help)));
    }
    errors
}
