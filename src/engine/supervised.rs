//! A source with what the engine keeps beside it: [`Supervised`]; and the end of several at once,
//! [`stop_sources`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::host::{Host, unlocked};
use super::{Log, Pauses, ReloadPlan, UncontrolledRoute};
use crate::config::{Config, Diagnostic, GlobalOptions};
use crate::source::Input;
use crate::source::{NotStarted, Source, Start};

/// The time that a stuck source gets to notice that its posts are refused.
const AFTER_CLOSE: Duration = Duration::from_millis(500);
/// The time between looks whether a source has ended.
const LOOK: Duration = Duration::from_millis(2);

/// A source, with its place in the pipeline.
pub(crate) struct Supervised {
    input: Input,
    source: Box<dyn Source>,
    /// The pauses between attempts to start it, when one has failed.
    pauses: Option<Pauses>,
    /// The time of the next attempt.
    start_again: Option<Instant>,
    /// The destinations of which it was said that acknowledgements mean less on the way there.
    unheld_reported: BTreeSet<String>,
}

impl Supervised {
    /// `source`, which was made for `input`.
    pub(crate) fn new(input: &Input, source: Box<dyn Source>) -> Self {
        let input = input.clone();
        Self { input, source, pauses: None, start_again: None, unheld_reported: BTreeSet::new() }
    }

    /// The id of its driver.
    pub(crate) fn id(&self) -> &str {
        &self.input.driver.id
    }

    /// Tells it that a reload has kept it.
    pub(crate) fn reloaded(&mut self) {
        self.source.reloaded();
    }

    /// The name under which its state is kept.
    pub(crate) fn persist_name(&self) -> Option<&str> {
        self.source.persist_name()
    }

    /// The time that it may take to stop.
    pub(crate) fn stop_timeout(&self) -> Duration {
        self.source.stop_timeout()
    }

    /// Tells whether it goes on until the others have stopped.
    pub(crate) fn stops_last(&self) -> bool {
        self.source.stops_last()
    }

    /// Tells whether it runs or is done, and may go on when the global options change.
    pub(crate) fn goes_on_under(&self, before: &GlobalOptions, after: &GlobalOptions) -> bool {
        (self.source.is_alive() || self.source.is_done()) && self.source.goes_on_under(before, after)
    }

    /// Makes it ready to start.
    ///
    /// # Errors
    /// It refuses the configuration.
    pub(crate) fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        self.source.init(config)
    }

    /// Takes back what [`Supervised::init`] did, if it was called.
    pub(crate) fn abandon(&mut self) {
        self.source.close();
        self.source.deinit();
        self.source.finalize();
    }

    /// Asks it to end.
    pub(crate) fn ask_to_stop(&mut self) {
        self.source.ask_to_stop();
    }

    /// Starts it; what is to be said when that fails. Then there is another attempt after a pause, as after
    /// an exception, or it is the end of the source.
    pub(crate) fn start(&mut self, start: &Start) -> Option<String> {
        self.input.status.start();
        let NotStarted { summary, text } = self.source.start(start).err()?;
        self.input.status.end();
        self.input.status.count_exception(&format!("start: {summary}"));
        let what = format!("{}: its thread does not start", self.source.name());
        let Some(backoff) = self.source.restart() else {
            self.source.close();
            self.source.deinit();
            return Some(format!("{what}, which is its end, because of restart(never)\n{text}"));
        };
        let pause = self.pauses.get_or_insert_with(|| Pauses::new(backoff)).after(Duration::ZERO);
        self.start_again = Some(Instant::now() + pause);
        self.input.status.set_restarting(true);
        Some(format!("{what}; it is tried again in {:.1} s\n{text}", pause.as_secs_f64()))
    }

    /// Tries to start it again, when [`Supervised::start`] had failed and the pause after that is over; what
    /// is to be said when that fails, too.
    pub(crate) fn retry_start(&mut self, start: &Start) -> Option<String> {
        self.start_again.take_if(|when| *when <= Instant::now())?;
        self.input.status.set_restarting(false);
        self.input.status.count_restart();
        self.start(start)
    }

    /// Says once of each destination that an acknowledgement does not mean delivered, where that is so and
    /// the source waits for acknowledgements.
    pub(crate) fn warn_of_uncontrolled(&mut self, config: &Config, next: &ReloadPlan, log: &Log) {
        let Some(follows) = self.source.awaits_acknowledgements() else { return };
        for UncontrolledRoute { destination, path } in next.uncontrolled_routes(self.id()) {
            if !self.unheld_reported.insert(destination.clone()) {
                continue;
            }
            let own = next.inputs().find(|input| input.driver.id == self.id());
            let own = own.map_or(self.input.driver.span, |input| input.driver.span);
            let (file, line) = (config.sources_text.path(own).display(), config.sources_text.line(own));
            let what = format!(
                "{}, at {file}:{line}, has {follows}, and this log path no flags(flow-control): an acknowledgement does \
                 not mean that `{destination}` has the message",
                self.source.name()
            );
            let help = format!(
                "while `{destination}` cannot write, messages count as acknowledged as soon as they wait for it, also those \
                 that are dropped because its queue is full; add flags(flow-control) at the end of the path"
            );
            log.diagnostic(&config.warning(*path, what, Some(help)));
        }
    }
}

/// Stops `sources`, each within its bound, and lets go of them; whether all have ended.
pub(crate) fn stop_sources(sources: &mut [Supervised], log: &Log, host: &dyn Host) -> bool {
    let mut sources: Vec<&mut dyn Source> = sources.iter_mut().map(|it| &mut *it.source as _).collect();
    stop(&mut sources, log, &|pause| unlocked(host, || std::thread::sleep(pause)))
}

/// The same for sources without anything beside them. `sleep` waits without whatever lock is held.
pub(crate) fn stop(sources: &mut [&mut dyn Source], log: &Log, sleep: &dyn Fn(Duration)) -> bool {
    let await_end = |source: &dyn Source, deadline: Instant, is_there: fn(&dyn Source) -> bool| {
        while is_there(source) && Instant::now() < deadline {
            sleep(LOOK);
        }
    };
    // All are asked first, so that they end at the same time.
    let begun = Instant::now();
    for source in &mut *sources {
        source.ask_to_stop();
    }
    for source in &*sources {
        await_end(&**source, begun + source.stop_timeout(), |source| source.is_alive());
    }
    // Those that have not ended may stand in a post, which is refused now.
    let is_stuck: Vec<bool> = sources.iter().map(|source| source.is_alive()).collect();
    for (source, _) in sources.iter().zip(&is_stuck).filter(|(_, is_stuck)| **is_stuck) {
        log.error(&format!("{}: {}", source.name(), source.where_it_stands()));
    }
    for source in &mut *sources {
        source.close();
    }
    let deadline = Instant::now() + AFTER_CLOSE;
    for (source, _) in sources.iter().zip(&is_stuck).filter(|(_, is_stuck)| **is_stuck) {
        await_end(&**source, deadline, |source| source.is_alive());
    }
    for source in &*sources {
        await_end(&**source, deadline, |source| source.has_calls());
    }
    for source in sources.iter_mut().filter(|source| !source.is_alive()) {
        source.deinit();
    }
    let all_ended = sources.iter().all(|source| !source.is_alive() && !source.has_calls());
    for source in sources.iter_mut().filter(|source| !source.is_alive()) {
        source.finalize();
    }
    all_ended
}
