//! One configuration with the sources that run for it, and the way to the next one.
//!
//! A reload has two halves. [`Prepared::new`] makes what the new configuration needs beside what runs, up to
//! the point where something outside would be touched; if anything is wrong, nothing has happened.
//! [`Prepared::carry_out`] stops the sources that go, initialises those that come, and switches the pipeline.
//! Should an `init()` refuse, the ones that were stopped are made anew from the old configuration. Sources
//! that are the same in both notice none of it.
//!
//! A source is the same when its driver is ([`identity`](super::identity)), it still runs, and the host has
//! nothing against it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Sender, unbounded};

use super::hooks::{self, Hooks};
use super::host::{Host, unlocked};
use super::supervised::{Supervised, stop_sources};
use super::{Candidate, Changes, Event, Log, Pipeline, ReloadPlan, run};
use crate::config::{Config, Diagnostic, Diagnostics, GlobalOptions};
use crate::source::Input;
use crate::source::{self, EngineLog, Gate, Start};
use crate::state::State;

/// The surroundings in which all configurations of a process run.
pub(crate) struct Site<'s> {
    /// The engine's log.
    pub log: &'s Log,
    /// Lanes, workers, destinations.
    pub pipeline: &'s Pipeline,
    /// The list of the main thread.
    pub events: &'s Sender<Event>,
    /// The state that outlives the process.
    pub state: &'s Arc<State>,
    /// The host: what the embedding adds.
    pub host: &'s mut dyn Host,
}

/// A configuration and the sources that run for it.
pub(crate) struct Generation {
    config: Arc<Config>,
    /// In the order of the configuration.
    sources: Vec<Supervised>,
    /// The commands of its drivers.
    hooks: Hooks,
}

/// A configuration that is ready to run.
pub(crate) struct Prepared {
    config: Arc<Config>,
    next: ReloadPlan,
    /// The sources that are not kept.
    fresh: Vec<Supervised>,
}

/// The end of an attempt to run a configuration.
pub(crate) struct Outcome {
    /// The generation that runs now.
    pub generation: Option<Generation>,
    /// The changes to each driver, or why the configuration does not run.
    pub result: Result<Changes, Diagnostics>,
    /// The drivers that could not be made anew on the way back to the old configuration, or does not start.
    pub complaints: Vec<Diagnostic>,
    /// Tells whether all sources that were stopped have ended.
    pub all_ended: bool,
}

/// Does what a start does up to the first `init()`, as far as making the instances of sources. Then lets go
/// of them.
///
/// # Errors
/// Everything that a start would refuse before it calls `init()`.
pub(crate) fn check(config: Arc<Config>, log: &Log, host: &mut dyn Host) -> Result<(), Diagnostics> {
    let (events, _nobody) = unbounded();
    let pipeline = run::pipeline(log, &host.release());
    let state = State::in_memory();
    let mut site = Site { log, pipeline: &pipeline, events: &events, state: &state, host };
    let mut prepared = Prepared::new(config, None, &mut site)?;
    abandon(&mut prepared.fresh);
    Ok(())
}

impl Prepared {
    /// Makes everything that `config` needs beside what runs, up to the instances of its new sources. Nothing
    /// outside the process is touched, except by what the configuration has for the host.
    ///
    /// # Errors
    /// Everything that is wrong with it; then all is as before.
    pub(crate) fn new(
        config: Arc<Config>,
        before: Option<&Generation>,
        site: &mut Site<'_>,
    ) -> Result<Self, Diagnostics> {
        site.host.prepare(&config)?;
        let planned = plan(&config, before, site);
        if planned.is_err() {
            site.host.put_back();
        }
        let (next, fresh) = planned?;
        Ok(Self { config, next, fresh })
    }

    /// Stops the sources that go, initialises those that come, and switches to them.
    pub(crate) fn carry_out(self, before: Option<Generation>, site: &mut Site<'_>) -> Outcome {
        let Self { config, next, mut fresh } = self;
        let mut before = before;
        let hooks = next.hooks.clone();
        let old_hooks = before.as_ref().map(|before| before.hooks.clone());
        hand_over(old_hooks.as_ref(), &hooks, site);
        let goes = |source: &Supervised| !next.keeps(source.id()) && !source.stops_last();
        let all_ended = before.as_mut().is_none_or(|before| before.stop_those(&goes, site));
        site.host.install();
        site.pipeline.announce(&next);
        let order: Vec<String> = next.inputs().map(|input| input.driver.id.clone()).collect();
        let stays: Vec<String> = order.iter().filter(|id| next.keeps(id)).cloned().collect();
        let mut old = before.as_mut().map(|before| std::mem::take(&mut before.sources)).unwrap_or_default();
        let ready = initialise(&mut fresh, &config).and_then(|()| site.host.initialise(&config));
        let started = ready.map_err(Diagnostics::from).and_then(|()| {
            for source in old.iter_mut().chain(&mut fresh) {
                source.warn_of_uncontrolled(&config, &next, site.log);
            }
            switch(next, &mut old, &stays, &mut fresh, site)
        });
        match started {
            Ok((changes, mut complaints)) => {
                let (mut stay, mut gone): (Vec<_>, Vec<_>) =
                    old.into_iter().partition(|source| stays.iter().any(|id| id == source.id()));
                let all_ended = stop_sources(&mut gone, site.log, site.host) && all_ended;
                stay.iter_mut().for_each(Supervised::reloaded);
                // Before they start: beside busy sources each look at a file waits for the host's lock.
                site.host.accept();
                complaints.extend(start(fresh.iter_mut().filter(|source| !source.stops_last()), site));
                let mut sources: Vec<_> = stay.into_iter().chain(fresh).collect();
                sources.sort_by_key(|source| order.iter().position(|id| id == source.id()));
                let generation = Some(Generation { config, sources, hooks });
                Outcome { generation, result: Ok(changes), complaints, all_ended }
            }
            Err(errors) => {
                abandon(&mut fresh);
                site.pipeline.withdraw();
                if let Some(old) = &old_hooks {
                    hand_over(Some(&hooks), old, site);
                } else {
                    let log = site.log;
                    unlocked(site.host, || hooks.end(true, log));
                }
                site.host.put_back();
                let complaints = before.as_mut().map(|before| {
                    before.sources = old;
                    before.go_back(site)
                });
                let complaints = complaints.unwrap_or_default();
                Outcome { generation: before, result: Err(errors), complaints, all_ended }
            }
        }
    }
}

impl Generation {
    fn source(&self, id: &str) -> Option<&Supervised> {
        self.sources.iter().find(|source| source.id() == id)
    }

    /// The global options of its configuration.
    pub(crate) fn options(&self) -> &GlobalOptions {
        &self.config.options
    }

    /// The warnings of its configuration.
    pub(crate) fn warnings(&self) -> &[Diagnostic] {
        &self.config.warnings
    }

    /// The longest that one of its sources may take to stop, and the commands at the end.
    pub(crate) fn stop_timeout(&self) -> Duration {
        let sources = self.sources.iter().map(Supervised::stop_timeout).max().unwrap_or_default();
        if self.hooks.is_empty() { sources } else { sources + hooks::AT_THE_END }
    }

    /// The commands of its drivers.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Makes the sources anew that were stopped for a configuration that does not run; what cannot be made.
    fn go_back(&mut self, site: &mut Site<'_>) -> Vec<Diagnostic> {
        let config = Arc::clone(&self.config);
        site.host.go_back(&config);
        let keep = |running: Candidate<'_>| match running {
            Candidate::Source(input) => self.source(&input.driver.id).is_some(),
            // They have not been stopped.
            Candidate::Destination(_) => true,
        };
        let next = match site.pipeline.plan(&config, &keep) {
            Ok(next) => next,
            Err(errors) => return errors,
        };
        // Nor have the steps that the host has made.
        next.adopt_steps(&site.pipeline.hosted_steps());
        let (mut complaints, mut again) = (Vec::new(), Vec::new());
        site.pipeline.announce(&next);
        for input in next.inputs().filter(|input| !next.keeps(&input.driver.id)) {
            match make(input, &config, site).and_then(|source| initialised(source, &config)) {
                Ok(source) => again.push(source),
                Err(error) => {
                    input.status.ask_to_stop();
                    input.lane.close();
                    complaints.push(error);
                }
            }
        }
        let pipeline = site.pipeline;
        if let Err(error) = unlocked(site.host, || pipeline.switch(next, &mut || {})) {
            abandon(&mut again);
            complaints.push(Diagnostic::without_place(format!("cannot start a thread: {error}")));
            return complaints;
        }
        complaints.extend(start(again.iter_mut(), site));
        self.sources.extend(again);
        complaints
    }

    /// Starts the sources that could not be started, when it is time for it; what is to be said of it.
    pub(crate) fn retry_starts(&mut self, events: &Sender<Event>, state: &Arc<State>) -> Vec<String> {
        let start = starting(events, state, Gate::open());
        self.sources.iter_mut().filter_map(|source| source.retry_start(&start)).collect()
    }

    /// Stops the sources, each within its bound; returns whether all have ended.
    pub(crate) fn stop(&mut self, site: &mut Site<'_>) -> bool {
        let first = self.stop_those(&|source| !source.stops_last(), site);
        self.stop_those(&|_| true, site) && first
    }

    /// Stops the sources that `goes` names, each within its bound, and lets go of them; returns whether all
    /// have ended.
    fn stop_those(&mut self, goes: &dyn Fn(&Supervised) -> bool, site: &Site<'_>) -> bool {
        let (mut sources, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sources).into_iter().partition(goes);
        self.sources = kept;
        stop_sources(&mut sources, site.log, site.host)
    }
}

/// Runs the commands for the end of the drivers of `old` and for the start of those of `new`.
fn hand_over(old: Option<&Hooks>, new: &Hooks, site: &Site<'_>) {
    let log = site.log;
    unlocked(site.host, || {
        if let Some(old) = old {
            old.end(false, log);
        }
        new.begin(old.is_none(), log);
    });
}

/// Plans what `config` needs beside what runs, and makes its new sources.
fn plan(
    config: &Config,
    before: Option<&Generation>,
    site: &mut Site<'_>,
) -> Result<(ReloadPlan, Vec<Supervised>), Diagnostics> {
    let keep = |running: Candidate<'_>| {
        let Some(before) = before else { return false };
        match running {
            Candidate::Source(input) => {
                let Some(source) = before.source(&input.driver.id) else { return false };
                source.goes_on_under(&before.config.options, &config.options)
                    && site.host.keeps(&input.driver, &before.config, config)
            }
            Candidate::Destination(driver) => site.host.keeps(driver, &before.config, config),
        }
    };
    let next = site.pipeline.plan(config, &keep);
    let mut next = next.map_err(|mut errors| {
        // Everything that is wrong is told at once.
        errors.extend(site.host.look_up(config));
        Diagnostics::from(errors)
    })?;
    let mut errors = next.make_hosted(config, |driver| site.host.make_destination(driver, config));
    errors.extend(next.make_steps(|place| site.host.make_step(place, config)));
    let mut fresh = Vec::new();
    for input in next.inputs().filter(|input| !next.keeps(&input.driver.id)) {
        match make(input, config, site) {
            Ok(source) => fresh.push(source),
            Err(error) => errors.push(error),
        }
    }
    let kept = before.into_iter().flat_map(|before| &before.sources);
    let kept = kept.filter(|source| next.keeps(source.id()));
    errors.extend(clashes(config, &next, kept.chain(&fresh)));
    if errors.is_empty() { Ok((next, fresh)) } else { Err(errors.into()) }
}

/// Switches the pipeline to `next`. At the moment of it, of the `old` sources those that stop last and do not
/// stay are asked to stop, and their `fresh` successors are started; what did not start.
fn switch(
    next: ReloadPlan,
    old: &mut [Supervised],
    stays: &[String],
    fresh: &mut [Supervised],
    site: &mut Site<'_>,
) -> Result<(Changes, Vec<Diagnostic>), Diagnostics> {
    let mut complaints = Vec::new();
    let (log, pipeline) = (site.log, site.pipeline);
    let begin = starting(site.events, site.state, Gate::open());
    let switched = unlocked(site.host, || {
        pipeline.switch(next, &mut || {
            let _held = log.hold_internal();
            for source in old.iter_mut().filter(|source| !stays.iter().any(|id| id == source.id())) {
                source.ask_to_stop();
            }
            for source in fresh.iter_mut().filter(|source| source.stops_last()) {
                complaints.extend(source.start(&begin).map(Diagnostic::without_place));
            }
        })
    });
    match switched {
        Ok(changes) => Ok((changes, complaints)),
        Err(error) => {
            let text = format!("cannot start a thread: {error}");
            Err(Diagnostic::without_place(text).into())
        }
    }
}

/// Makes the source `input` of `config`.
fn make(input: &Input, config: &Config, site: &mut Site<'_>) -> Result<Supervised, Diagnostic> {
    let log: Arc<dyn EngineLog> = Arc::new(site.log.clone());
    let source = match source::make(input, config, &log)? {
        Some(source) => source,
        None => site.host.make(input, config)?,
    };
    Ok(Supervised::new(input, source))
}

/// Calls `init()` of each of `sources`.
fn initialise(sources: &mut [Supervised], config: &Config) -> Result<(), Diagnostic> {
    sources.iter_mut().try_for_each(|source| source.init(config))
}

/// The same for one that is made anew.
fn initialised(source: Supervised, config: &Config) -> Result<Supervised, Diagnostic> {
    let mut source = [source];
    if let Err(error) = initialise(&mut source, config) {
        abandon(&mut source);
        return Err(error);
    }
    let [source] = source;
    Ok(source)
}

/// Takes back what [`initialise`] did before it failed.
fn abandon(sources: &mut [Supervised]) {
    for source in sources {
        source.abandon();
    }
}

fn starting(events: &Sender<Event>, state: &Arc<State>, gate: Gate) -> Start {
    // The receiver is gone when nobody waits any more.
    let tell = |event: fn() -> Event| {
        let events = events.clone();
        Arc::new(move || drop(events.send(event())))
    };
    Start { gate, ended: tell(|| Event::Ended), stop: tell(|| Event::Stop), state: Arc::clone(state) }
}

/// Starts the threads of `sources`; those that got none are complained about, and tried again
/// ([`Generation::retry_starts`]).
///
/// None of them posts before all threads are there: a Python source in a loop leaves the GIL for moments too
/// short for another thread to take it, and a thread that starts needs it several times.
fn start<'s>(sources: impl Iterator<Item = &'s mut Supervised>, site: &Site<'_>) -> Vec<Diagnostic> {
    // Dropped at the end, whatever comes.
    let (_opener, gate) = Gate::shut();
    let start = starting(site.events, site.state, gate);
    sources.filter_map(|source| source.start(&start).map(Diagnostic::without_place)).collect()
}

/// Two sources that would keep their state under the same name.
fn clashes<'s>(
    config: &Config,
    next: &ReloadPlan,
    sources: impl Iterator<Item = &'s Supervised>,
) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, &Supervised> = HashMap::new();
    let mut errors = Vec::new();
    let span_of = |source: &Supervised| {
        let driver = next.inputs().find(|input| input.driver.id == source.id());
        driver.map(|input| input.driver.span)
    };
    for source in sources {
        let Some(name) = source.persist_name() else { continue };
        let Some(first) = seen.insert(name, source) else { continue };
        let (Some(here), Some(there)) = (span_of(source), span_of(first)) else { continue };
        let message = format!("two sources have the persist name `{name}`");
        let path = config.sources_text.path(there).display().to_string();
        let line = config.sources_text.line(there);
        let help = format!("the other is at {path}:{line}; give one of them a persist-name()");
        errors.push(config.error(here, message, Some(help)));
    }
    errors
}

#[cfg(test)]
mod tests;
