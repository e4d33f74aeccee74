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
use crate::fault::panic_text;
use crate::flow::clock::WallClock;
use crate::flow::credit::Waited;
use crate::flow::exit::Exit;
use crate::flow::{Producer, Refused};
use crate::message::batch::Row;
use crate::message::{Need, Stamp};

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

    /// Waits for credit; true if there is some.
    #[cold]
    fn wait_for_credit(&mut self) -> bool {
        self.producer.before_wait();
        let credit = self.producer.lane().credit();
        credit.count_suspension();
        credit.wait_unless(None, || self.exit.is_requested()) == Waited::Credit
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

/// A source whose messages come from a thread of its own.
pub struct SourceThread {
    input: Input,
    log: Arc<dyn EngineLog>,
    exit: Arc<Exit>,
    body: Option<Body>,
    stop_timeout: Duration,
    is_done: Arc<AtomicBool>,
}

impl SourceThread {
    /// The source `input`, whose thread does `body`, and may take `stop_timeout` to end.
    pub fn new(input: &Input, log: &Arc<dyn EngineLog>, stop_timeout: Duration, body: Body) -> Self {
        let (input, log) = (input.clone(), Arc::clone(log));
        Self { input, log, exit: Arc::default(), body: Some(body), stop_timeout, is_done: Arc::default() }
    }
}

impl Source for SourceThread {
    fn name(&self) -> String {
        format!("source {}", self.input.driver.id)
    }

    fn start(&mut self, with: &Start) -> Result<(), NotStarted> {
        // Shared with a thread that may not come to be: then the body is there for another attempt.
        let body = Arc::new(std::sync::Mutex::new(self.body.take()));
        let (input, log, exit, with) =
            (self.input.clone(), Arc::clone(&self.log), Arc::clone(&self.exit), with.clone());
        let (name, is_done) = (self.name(), Arc::clone(&self.is_done));
        let own = Arc::clone(&body);
        let run = move || {
            with.gate.wait();
            let body = own.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let mut poster = Poster { producer: input.producer(), exit, clock: WallClock::new() };
            let run = AssertUnwindSafe(|| body.map(|body| body(&mut poster)));
            if let Err(panic) = catch_unwind(run) {
                let text = panic_text(&*panic);
                input.status.count_exception(&text);
                log.error(&format!("{name}: fault in the engine: {text}; it has ended"));
            }
            is_done.store(!poster.ends(), Ordering::Release);
            drop(poster);
            input.status.end();
            (with.ended)();
        };
        let started = thread::Builder::new().name(self.input.driver.id.clone()).spawn(run);
        started.map(drop).map_err(|error| {
            self.body = body.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let text = format!("{}: its thread cannot be started: {error}", self.name());
            NotStarted { summary: error.to_string(), text }
        })
    }

    fn ask_to_stop(&mut self) {
        self.input.status.ask_to_stop();
        self.exit.request();
        self.input.lane.credit().wake_waiters();
    }

    fn is_alive(&self) -> bool {
        self.input.status.is_alive()
    }

    /// Its body has come to its end, and nobody asked for that.
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
