//! Generations of sources that note what is done to them, made by a host for `python()`.

use std::sync::{Mutex, PoisonError};

use crossbeam::channel::Receiver;
use tempfile::TempDir;

use super::*;
use crate::config::{Driver, Environment, GlobalOptions, parse_str};
use crate::destination::HostedDestination;
use crate::drivers::VOCABULARY;
use crate::message::{Need, ReleaseNow};
use crate::path::{Hosted, Step};
use crate::source::{Backoff, NotStarted, PythonSourceOptions, Source, SourceState};

/// The calls of sources and of the host, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).join(", ")
    }
}

/// A source; its class says how it behaves.
struct Noted {
    input: Input,
    class: String,
    persist_name: Option<String>,
    notes: Notes,
    starts: u32,
}

impl Noted {
    fn note(&self, what: &str) {
        self.notes.note(&format!("{what} {}", self.class));
    }
}

impl Source for Noted {
    fn name(&self) -> String {
        format!("source {}", self.input.driver.id)
    }

    fn persist_name(&self) -> Option<&str> {
        self.persist_name.as_deref()
    }

    fn goes_on_under(&self, before: &GlobalOptions, after: &GlobalOptions) -> bool {
        self.class != "Delayed" || before.time_reopen == after.time_reopen
    }

    fn init(&mut self, config: &Config) -> Result<(), Diagnostic> {
        self.note("init");
        let refused = || config.error(self.input.driver.span, "refused".to_owned(), None);
        if self.class == "Refuses" { Err(refused()) } else { Ok(()) }
    }

    fn start(&mut self, _: &Start) -> Result<(), NotStarted> {
        self.note("start");
        self.starts += 1;
        if self.class.contains("Late") && self.starts == 1 {
            return Err(NotStarted { summary: "no thread".to_owned(), text: "no thread".to_owned() });
        }
        Ok(())
    }

    fn restart(&self) -> Option<Backoff> {
        (self.class != "LateNever").then_some(Backoff { initial: Duration::ZERO, max: Duration::ZERO })
    }

    fn ask_to_stop(&mut self) {
        self.note("stop");
        self.input.status.ask_to_stop();
        if self.class != "Stuck" {
            self.input.status.end();
        }
    }

    fn is_alive(&self) -> bool {
        self.input.status.is_alive()
    }

    fn stop_timeout(&self) -> Duration {
        Duration::ZERO
    }

    fn where_it_stands(&self) -> String {
        self.note("look at");
        "it stands".to_owned()
    }

    fn close(&mut self) {
        self.input.lane.close();
    }

    fn deinit(&mut self) {
        self.note("deinit");
    }

    fn finalize(&mut self) {
        self.note("finalize");
    }
}

struct NotedHost(Notes);

impl Host for NotedHost {
    fn prepare(&mut self, _: &Config) -> Result<(), Diagnostic> {
        self.0.note("PREPARE");
        Ok(())
    }

    fn make(&mut self, input: &Input, _: &Config) -> Result<Box<dyn Source>, Diagnostic> {
        let options: &PythonSourceOptions = input.driver.options().unwrap();
        let class = options.class.name.value.clone();
        self.0.note(&format!("make {class}"));
        let persist_name = options.persist_name.as_ref().map(|name| name.value.clone());
        Ok(Box::new(Noted { input: input.clone(), class, persist_name, notes: self.0.clone(), starts: 0 }))
    }

    fn make_destination(
        &mut self,
        driver: &Driver,
        config: &Config,
    ) -> Result<HostedDestination, Diagnostic> {
        Err(config.error(driver.span, "no destination".to_owned(), None))
    }

    fn make_step(&mut self, place: &Hosted, config: &Config) -> Result<Arc<dyn Step>, Diagnostic> {
        Err(config.error(place.driver().span, "no step".to_owned(), None))
    }

    fn put_back(&mut self) {
        self.0.note("PUT BACK");
    }

    fn install(&mut self) {
        self.0.note("INSTALL");
    }

    fn accept(&mut self) {
        self.0.note("ACCEPT");
    }

    fn go_back(&mut self, _: &Config) {
        self.0.note("GO BACK");
    }
}

struct Rig {
    dir: TempDir,
    log: Log,
    pipeline: Pipeline,
    events: (Sender<Event>, Receiver<Event>),
    state: Arc<State>,
    host: NotedHost,
    notes: Notes,
    current: Option<Generation>,
    posted: u64,
}

impl Rig {
    fn new() -> Self {
        let (log, notes) = (Log::silent(), Notes::default());
        let pipeline = run::pipeline(&log, &(Arc::new(ReleaseNow) as Arc<dyn crate::message::Release>));
        let host = NotedHost(notes.clone());
        let dir = tempfile::tempdir().unwrap();
        let (events, state) = (unbounded(), State::in_memory());
        Self { dir, log, pipeline, events, state, host, notes, current: None, posted: 0 }
    }

    fn site(&mut self) -> Site<'_> {
        let Self { log, pipeline, events, state, host, .. } = self;
        Site { log, pipeline, events: &events.0, state, host }
    }

    /// Goes over to these source statements, each called by a letter, which all go to one file; what becomes
    /// of it.
    fn load(&mut self, sources: &str) -> Result<Outcome, String> {
        let file = self.dir.path().join("out").display().to_string();
        let paths: Vec<_> =
            sources.matches("source ").zip('a'..).map(|(_, name)| format!("source({name});")).collect();
        let text = format!(
            "{sources} log {{ {} destination {{ file(\"{file}\" template(\"$MSG\\n\")); }}; }};",
            paths.concat()
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let before = self.current.take();
        let prepared = Prepared::new(Arc::new(config), before.as_ref(), &mut self.site());
        match prepared {
            Ok(prepared) => {
                let mut outcome = prepared.carry_out(before, &mut self.site());
                self.current = outcome.generation.take();
                Ok(outcome)
            }
            Err(errors) => {
                self.current = before;
                Err(errors.to_string())
            }
        }
    }

    fn input(&self, id: &str) -> Input {
        self.pipeline.inputs().into_iter().find(|input| input.driver.id == id).unwrap()
    }

    /// Posts through the source with this id; whether that was taken.
    fn posts(&mut self, input: &Input) -> bool {
        let mut producer = input.producer();
        let taken =
            producer.try_post(Need { bytes: 2, ..Need::default() }, |row| row.payload_copy(b"hi")).is_ok();
        self.posted += u64::from(taken);
        taken
    }

    fn retry_starts(&mut self) -> Vec<String> {
        self.current.as_mut().unwrap().retry_starts(&self.events.0, &self.state)
    }

    /// Stops everything, and looks at the sum; whether all sources have ended.
    fn finish(mut self) -> bool {
        let mut current = self.current.take().unwrap();
        let all_ended = current.stop(&mut self.site());
        self.pipeline.drain(Duration::from_secs(60));
        let stats = self.pipeline.stats();
        assert_eq!((stats.posted(), stats.delivered(), stats.in_flight()), (self.posted, self.posted, 0));
        all_ended
    }
}

/// Breaks without it: a reload stops a source that did not change, or starts the new one of a pair before the
/// old one has let go of what both need.
#[test]
fn a_source_that_is_the_same_goes_on_and_another_one_ends_before_its_successor_begins() {
    let mut rig = Rig::new();
    rig.load("source a { python(class(\"A\")); }; source b { python(class(\"B\")); };").unwrap();
    assert_eq!(
        rig.notes.take(),
        "PREPARE, make A, make B, INSTALL, init A, init B, ACCEPT, start A, start B"
    );
    let (a, b) = (rig.input("a#0"), rig.input("b#0"));
    assert!(rig.posts(&a) && rig.posts(&b));
    let outcome = rig
        .load("source a { python(class(\"A\")); }; source b { python(class(\"B\") tags(new)); };")
        .unwrap();
    assert_eq!(outcome.result.unwrap().sources.to_string(), "kept a#0; replaced b#0");
    assert!(outcome.all_ended && outcome.complaints.is_empty());
    assert_eq!(
        rig.notes.take(),
        "PREPARE, make B, stop B, deinit B, finalize B, INSTALL, init B, ACCEPT, start B"
    );
    assert!(rig.posts(&a) && !rig.posts(&b));
    let b = rig.input("b#0");
    assert!(rig.posts(&b));
    assert_eq!(a.status.state(false), SourceState::Running);
    assert!(rig.finish());
}

/// Breaks without it: a source that looks at a global option goes on with the old one.
#[test]
fn a_source_may_end_because_of_a_global_option() {
    let mut rig = Rig::new();
    let with = |seconds| {
        format!(
            "options {{ time-reopen({seconds}); }};
             source a {{ python(class(\"A\")); }}; source b {{ python(class(\"Delayed\")); }};"
        )
    };
    rig.load(&with(7)).unwrap();
    let same = rig.load(&with(7)).unwrap();
    assert_eq!(same.result.unwrap().sources.to_string(), "kept a#0, b#0");
    let other = rig.load(&with(8)).unwrap();
    assert_eq!(other.result.unwrap().sources.to_string(), "kept a#0; replaced b#0");
    rig.finish();
}

/// Breaks without it: a source that refuses its options takes the ones that ran with it, or they run on
/// beside a host that has gone over to the new configuration.
#[test]
fn a_refused_init_brings_the_old_sources_back() {
    let mut rig = Rig::new();
    let old =
        "source a { python(class(\"A\")); }; source b { internal(); }; source c { python(class(\"C\")); };";
    rig.load(old).unwrap();
    let (a, c) = (rig.input("a#0"), rig.input("c#0"));
    assert!(rig.posts(&a) && rig.posts(&c));
    rig.notes.take();
    let new = old.replace("\"C\"", "\"Refuses\"");
    let outcome = rig.load(&new).unwrap();
    assert!(outcome.result.unwrap_err().to_string().contains("refused"));
    assert!(outcome.complaints.is_empty());
    assert_eq!(
        rig.notes.take(),
        "PREPARE, make Refuses, stop C, deinit C, finalize C, INSTALL, init Refuses, deinit Refuses, finalize Refuses, \
         PUT BACK, GO BACK, make C, init C, start C"
    );
    assert!(!rig.posts(&c));
    let (a, c) = (rig.input("a#0"), rig.input("c#0"));
    assert!(rig.posts(&a) && rig.posts(&c));
    assert_eq!(rig.input("b#0").status.state(false), SourceState::Running);
    let again = rig.load(old).unwrap();
    assert_eq!(again.result.unwrap().sources.to_string(), "kept a#0, b#0, c#0");
    assert!(rig.finish());
}

/// Breaks without it: two sources overwrite each other's state, or a configuration that is refused for it
/// leaves the host with the new one.
#[test]
fn two_sources_of_one_persist_name_are_refused() {
    let mut rig = Rig::new();
    rig.load("source a { python(class(\"A\") persist-name(\"n\")); };").unwrap();
    rig.notes.take();
    let said = rig
        .load(
            "source a { python(class(\"A\") persist-name(\"n\")); };
             source b { python(class(\"B\") persist-name(\"n\")); };",
        )
        .err()
        .unwrap();
    assert!(said.contains("two sources have the persist name `n`") && said.contains("test.conf:1"), "{said}");
    assert_eq!(rig.notes.take(), "PREPARE, make B, PUT BACK");
    rig.finish();
}

/// Breaks without it: a source that got no thread is never heard of again, or one with `restart(never)` is
/// started again.
#[test]
fn a_source_without_a_thread_is_started_again_unless_it_says_never() {
    let mut rig = Rig::new();
    let outcome = rig
        .load("source a { python(class(\"Late\")); }; source b { python(class(\"LateNever\")); };")
        .unwrap();
    let said: Vec<_> = outcome.complaints.iter().map(Diagnostic::in_words).collect();
    assert!(
        said[0].starts_with("source a#0: its thread does not start; it is tried again in 0.0 s"),
        "{said:?}"
    );
    assert!(said[1].contains("because of restart(never)"), "{said:?}");
    let (a, b) = (rig.input("a#0"), rig.input("b#0"));
    assert_eq!(a.status.state(false), SourceState::Restarting);
    assert_eq!(a.status.last_error().as_deref(), Some("start: no thread"));
    assert!(!rig.posts(&b));
    rig.notes.take();
    assert!(rig.retry_starts().is_empty());
    assert!(rig.retry_starts().is_empty(), "it runs");
    assert_eq!(rig.notes.take(), "start Late");
    assert_eq!((a.status.state(false), a.status.restarts()), (SourceState::Running, 1));
    assert!(rig.posts(&a));
    rig.finish();
}

/// Breaks without it: a source that does not end keeps the engine for ever, goes on posting, or is
/// deinitialised in the middle of its work.
#[test]
fn a_source_that_does_not_end_is_given_up() {
    let mut rig = Rig::new();
    rig.load("source a { python(class(\"Stuck\")); }; source b { python(class(\"B\")); };").unwrap();
    let a = rig.input("a#0");
    assert!(rig.posts(&a));
    rig.notes.take();
    let outcome =
        rig.load("source a { python(class(\"A\")); }; source b { python(class(\"B\")); };").unwrap();
    assert!(!outcome.all_ended);
    assert_eq!(
        rig.notes.take(),
        "PREPARE, make A, stop Stuck, look at Stuck, INSTALL, init A, ACCEPT, start A"
    );
    assert!(!rig.posts(&a));
    assert!(rig.finish());
}

/// Breaks without it: what is said of other sources at a reload or at the stop is not for `internal()`.
#[test]
fn internal_ends_after_the_others_and_hears_of_them() {
    let mut rig = Rig::new();
    rig.load("source a { python(class(\"Stuck\")); }; source b { internal(); };").unwrap();
    rig.load("source a { python(class(\"Stuck\") tags(x)); }; source b { internal(tags(x)); };").unwrap();
    let (mut current, out) = (rig.current.take().unwrap(), rig.dir.path().join("out"));
    assert!(!current.stop(&mut rig.site()));
    rig.pipeline.drain(Duration::from_secs(60));
    let lines = std::fs::read_to_string(out).unwrap();
    assert_eq!(lines, "source a#0: it stands\n".repeat(2));
    let stats = rig.pipeline.stats();
    assert_eq!((stats.posted(), stats.delivered(), stats.sources[1].totals.refused), (2, 2, 0));
}

/// Breaks without it: `inrush check` leaves something behind, or calls an `init()`.
#[test]
fn a_check_makes_sources_and_lets_go_of_them() {
    let notes = Notes::default();
    let text = "log { source { python(class(\"A\")); }; destination { stdout(); }; };";
    let config = parse_str("test.conf", text, &Environment::new(&VOCABULARY)).unwrap();
    check(Arc::new(config), &Log::silent(), &mut NotedHost(notes.clone())).unwrap();
    assert_eq!(notes.take(), "PREPARE, make A, deinit A, finalize A");
}
