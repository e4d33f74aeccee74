//! Sources with a thread of their own: [`SourceThread`] leads its life, [`Poster`] is its way into the
//! engine.
//!
//! A driver gives the body of the thread. It posts through the poster, which waits for credit, and ends when
//! the poster says so. A body that returns has ended for good; one that panics is told in the log, counted as
//! an exception, and ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{EngineLog, Input, NotStarted, Source, Start};
use crate::config::{Config, Diagnostic};
use crate::fault::panic_text;
use crate::flow::clock::WallClock;
use crate::flow::credit::Waited;
use crate::flow::exit::Exit;
use crate::flow::{Producer, Refused};
use crate::message::batch::Row;
use crate::message::{Need, Stamp};
use crate::template::end_host_thread;

/// Posts the messages of a source, on its thread.
pub struct Poster {
    producer: Producer,
    exit: Arc<Exit>,
    clock: WallClock,
}

/// The reason why a message was not posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPosted {
    /// The source is asked to end: the body returns.
    Ends,
    /// The message is larger than a message can be.
    TooLarge,
}

impl Poster {
    /// The poster of the source `input`, which ends when `exit` says so.
    pub(crate) fn of(input: &Input, exit: &Arc<Exit>) -> Self {
        Self { producer: input.producer(), exit: Arc::clone(exit), clock: WallClock::new() }
    }

    /// Posts a message of at most `need`, which `fill` writes; waits for credit.
    ///
    /// # Errors
    /// The message was not taken.
    pub fn post(&mut self, need: Need, mut fill: impl FnMut(&mut Row<'_>, Stamp)) -> Result<(), NotPosted> {
        let now = self.clock.now();
        loop {
            match self.producer.try_post(need, |row| {
                row.stamps(now, now.unix_micros);
                fill(row, now);
            }) {
                Ok(()) => return Ok(()),
                Err(Refused::NoCredit) if self.wait_for_credit() => {}
                Err(Refused::NoCredit | Refused::Closed) => return Err(NotPosted::Ends),
                Err(Refused::TooLarge) => return Err(NotPosted::TooLarge),
            }
        }
    }

    /// Posts a message of at most `need`, which `fill` writes with its stamps, if there is credit.
    ///
    /// # Errors
    /// The message was not taken.
    pub(crate) fn try_post(&mut self, need: Need, fill: impl FnMut(&mut Row<'_>)) -> Result<(), Refused> {
        self.producer.try_post(need, fill)
    }

    /// The ticket of the message that was posted last.
    pub(crate) fn last_ticket(&self) -> u64 {
        self.producer.last_place().0
    }

    /// Waits for credit; true if there is some.
    #[cold]
    fn wait_for_credit(&mut self) -> bool {
        self.await_credit_until(None)
    }

    /// Waits for credit until `deadline`; true if there is some.
    pub(crate) fn await_credit(&mut self, deadline: Instant) -> bool {
        self.await_credit_until(Some(deadline))
    }

    fn await_credit_until(&mut self, deadline: Option<Instant>) -> bool {
        self.producer.before_wait();
        let credit = self.producer.lane().credit();
        credit.count_suspension();
        credit.wait_unless(deadline, || self.exit.is_requested()) == Waited::Credit
    }

    /// To be called after several posts that belong together.
    pub(crate) fn end_posts(&mut self) {
        self.producer.end_posts();
    }

    /// Waits for so long; false if the source is asked to end before.
    pub fn sleep(&mut self, time: Duration) -> bool {
        self.producer.end_posts();
        self.exit.wait(Instant::now() + time)
    }

    /// Tells whether the source is asked to end.
    pub fn ends(&self) -> bool {
        self.exit.is_requested()
    }

    /// The time now, on the local clock.
    pub fn now(&mut self) -> Stamp {
        self.clock.now()
    }
}

/// The work of a source's thread.
pub type Body = Box<dyn FnOnce(&mut Poster) + Send>;

/// The work of a source's thread that posts in its own way, until it is asked to end.
pub(crate) type Work = Box<dyn FnOnce(&Start, &Arc<Exit>) + Send>;

/// Looks whether what a source needs is there, before it is started.
pub(crate) type Check = Box<dyn Fn(&Config) -> Result<(), Diagnostic> + Send>;

/// A source whose messages come from a thread of its own.
pub struct SourceThread {
    input: Input,
    log: Arc<dyn EngineLog>,
    exit: Arc<Exit>,
    work: Option<Work>,
    stop_timeout: Duration,
    is_done: Arc<AtomicBool>,
    persist_name: Option<String>,
    /// What it keeps behind what is acknowledged.
    awaits: Option<&'static str>,
    wake: Option<Box<dyn Fn() + Send>>,
    check: Option<Check>,
}

impl SourceThread {
    /// The source `input`, whose thread does `body`, and may take `stop_timeout` to end.
    pub fn new(input: &Input, log: &Arc<dyn EngineLog>, stop_timeout: Duration, body: Body) -> Self {
        let own = input.clone();
        let work: Work = Box::new(move |_, exit| {
            body(&mut Poster::of(&own, exit));
        });
        Self::working(input, log, stop_timeout, work)
    }

    /// The same with a thread that posts in its own way.
    pub(crate) fn working(
        input: &Input,
        log: &Arc<dyn EngineLog>,
        stop_timeout: Duration,
        work: Work,
    ) -> Self {
        Self {
            input: input.clone(),
            log: Arc::clone(log),
            exit: Arc::default(),
            work: Some(work),
            stop_timeout,
            is_done: Arc::default(),
            persist_name: None,
            awaits: None,
            wake: None,
            check: None,
        }
    }

    /// It keeps a state under this name, which moves behind what is acknowledged.
    #[must_use]
    pub(crate) fn keeping(mut self, persist_name: String) -> Self {
        self.persist_name = Some(persist_name);
        self.awaits = Some("positions in files");
        self
    }

    /// It has `what`, which moves behind what is acknowledged, and is kept elsewhere.
    #[must_use]
    pub(crate) fn moving(mut self, what: &'static str) -> Self {
        self.awaits = Some(what);
        self
    }

    /// Calls `wake` when it is asked to end, for a thread that waits for something else, too.
    #[must_use]
    pub(crate) fn woken_by(mut self, wake: Box<dyn Fn() + Send>) -> Self {
        self.wake = Some(wake);
        self
    }

    /// Refuses the configuration when `check` does, before it is started.
    #[must_use]
    pub(crate) fn checked_by(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
}

impl Source for SourceThread {
    fn name(&self) -> String {
        format!("source {}", self.input.driver.id)
    }

    fn persist_name(&self) -> Option<&str> {
        self.persist_name.as_deref()
    }

    fn awaits_acknowledgements(&self) -> Option<&'static str> {
        self.awaits
    }

    fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        self.check.as_ref().map_or(Ok(()), |check| check(config))
    }

    fn start(&mut self, with: &Start) -> Result<(), NotStarted> {
        // Shared with a thread that may not come to be: then the work is there for another attempt.
        let work = Arc::new(std::sync::Mutex::new(self.work.take()));
        let (input, log, exit, with) =
            (self.input.clone(), Arc::clone(&self.log), Arc::clone(&self.exit), with.clone());
        let (name, is_done) = (self.name(), Arc::clone(&self.is_done));
        let own = Arc::clone(&work);
        let run = move || {
            with.gate.wait();
            let work = own.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let run = AssertUnwindSafe(|| work.map(|work| work(&with, &exit)));
            if let Err(panic) = catch_unwind(run) {
                let text = panic_text(&*panic);
                input.status.count_exception(&text);
                log.error(&format!("{name}: fault in the engine: {text}; it has ended"));
            }
            end_host_thread();
            is_done.store(!exit.is_requested(), Ordering::Release);
            input.status.end();
            (with.ended)();
        };
        let started = thread::Builder::new().name(self.input.driver.id.clone()).spawn(run);
        started.map(drop).map_err(|error| {
            self.work = work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let text = format!("{}: its thread cannot be started: {error}", self.name());
            NotStarted { summary: error.to_string(), text }
        })
    }

    fn ask_to_stop(&mut self) {
        self.input.status.ask_to_stop();
        self.exit.request();
        self.input.lane.credit().wake_waiters();
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    fn is_alive(&self) -> bool {
        self.input.status.is_alive()
    }

    /// Its work has come to its end, and nobody asked for that.
    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    fn where_it_stands(&self) -> String {
        "it has not ended".to_owned()
    }

    fn close(&mut self) {
        self.input.lane.close();
    }
}
