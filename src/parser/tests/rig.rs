//! Parsers that correlate messages, as a program of a source has them, with a clock that the test turns.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::{VOCABULARY, messages};
use crate::config::{Environment, LogItem, ParserRef, parse_str};
use crate::flow::{Ack, Credit, Inbox, Lane, SourceCounters, SteadyClock};
use crate::message::{Pool, Selection};
use crate::parser::{Reference, compile};
use crate::path::{Correlation, Item, Outputs, Program, SendTo, Step, StepStatistics, Surrounding, Timed};
use crate::template::{Context, Template};

const WINDOW: u32 = 100_000;
const BYTES: u64 = 1 << 40;

/// The messages that came out, as a template shows them.
struct Out {
    shown: Template,
    texts: RefCell<Vec<String>>,
    acks: RefCell<Vec<Ack>>,
    /// The memory of the batches that came out.
    memory: RefCell<usize>,
}

impl Outputs for Out {
    fn holds(&self, _: usize, flow_control: bool) -> bool {
        flow_control
    }

    fn push(&self, _: usize, selection: Selection, ack: Ack, _: bool) {
        for message in selection.messages() {
            let mut text = Vec::new();
            self.shown.format(message, &Context::default(), &mut text);
            self.texts.borrow_mut().push(String::from_utf8_lossy(&text).into_owned());
        }
        *self.memory.borrow_mut() += selection.batch().memory();
        self.acks.borrow_mut().push(ack);
    }
}

/// A path of parsers, the last of which keeps messages.
pub(in crate::parser) struct Rig {
    step: Arc<dyn Step>,
    program: Program,
    lane: Arc<Lane>,
    clock: SteadyClock,
    out: Out,
    said: RefCell<Vec<String>>,
}

impl Rig {
    /// The parsers of `body`; `statements` stand before. What comes out is shown as `shown` formats it.
    pub(in crate::parser) fn with(statements: &str, body: &str, shown: &str) -> Self {
        let text = format!(
            "@version: current\n{statements}\nlog {{ source {{ internal(); }}; parser {{ {body} }}; }};"
        );
        let config =
            parse_str("t.conf", &text, &Environment::new(&VOCABULARY)).unwrap_or_else(|e| panic!("{e}"));
        let LogItem::Parser(ParserRef::Inline(statement)) = &config.logs[0].items[1] else { unreachable!() };
        let compiled = |driver| compile(&config, Reference::FIRST, driver).unwrap_or_else(|e| panic!("{e}"));
        let steps: Vec<_> = statement.items.iter().filter_map(|item| item.driver()).map(compiled).collect();
        let mut items: Vec<_> = steps.iter().cloned().map(Item::Step).collect();
        items.push(Item::Send(SendTo { destination: 0, flow_control: true, path: None }));
        let credit = Arc::new(Credit::new(WINDOW, BYTES));
        let (counters, pool) = (Arc::<SourceCounters>::default(), Arc::new(Pool::new()));
        Self {
            step: Arc::clone(&steps[steps.len() - 1]),
            program: Program::new(items, &["d"]),
            lane: Lane::new(0, Inbox::new().sender(), credit, counters, pool, None),
            clock: SteadyClock::by_hand(),
            out: Out {
                shown: Template::compile(shown).unwrap(),
                texts: RefCell::default(),
                acks: RefCell::default(),
                memory: RefCell::default(),
            },
            said: RefCell::default(),
        }
    }

    pub(in crate::parser) fn new(body: &str, shown: &str) -> Self {
        Self::with("", body, shown)
    }

    fn around<R>(&self, work: impl FnOnce(Surrounding<'_>) -> R) -> R {
        let report = |text: &str| self.said.borrow_mut().push(text.to_owned());
        work(Surrounding { clock: &self.clock, report: &report })
    }

    /// Sends messages with these texts in one batch; what came out, and what was said.
    pub(in crate::parser) fn post(&self, texts: &[&str]) -> Vec<String> {
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        self.post_selection(messages(&texts))
    }

    /// Sends each text in a batch of its own.
    pub(in crate::parser) fn post_each(&self, texts: &[&str]) -> Vec<String> {
        texts.iter().flat_map(|text| self.post(&[text])).collect()
    }

    pub(in crate::parser) fn post_selection(&self, selection: Selection) -> Vec<String> {
        let (rows, charge) = (selection.batch().rows(), selection.batch().charge());
        self.lane.credit().take(rows, charge);
        self.lane.counters().count_posted(u64::from(rows));
        let ack = Ack::new(self.lane.credit(), self.lane.counters(), rows, charge);
        self.around(|around| self.program.run((selection, ack), &self.lane, &self.out, around));
        self.take()
    }

    fn take(&self) -> Vec<String> {
        self.out.texts.take()
    }

    fn resume(&self, timed: Timed) -> Vec<String> {
        for made in timed.into_made() {
            self.around(|around| self.program.resume(&self.step, made, &self.out, around));
        }
        self.take()
    }

    /// Turns the clock; what came out.
    pub(in crate::parser) fn wait(&self, seconds: u64) -> Vec<String> {
        self.clock.turn(Duration::from_secs(seconds));
        let mut timed = Timed::default();
        let now = self.clock.now();
        if self.step.deadline().is_some_and(|due| due <= now) {
            self.step.expire(now, &mut timed);
        }
        self.resume(timed)
    }

    /// Ends the step; what came out.
    pub(in crate::parser) fn finish(&self) -> Vec<String> {
        let mut timed = Timed::default();
        self.step.finish(&mut timed);
        self.resume(timed)
    }

    /// Has it take over from `old`, which was before it.
    pub(in crate::parser) fn take_over(&self, old: &Self) {
        assert_eq!(self.step.key(), old.step.key(), "the same step");
        self.step.take_over(&*old.step);
    }

    /// The identity of the step.
    pub(in crate::parser) fn key(&self) -> String {
        self.step.key().unwrap().to_owned()
    }

    /// Its counts.
    pub(in crate::parser) fn counts(&self) -> Correlation {
        self.step.statistics().unwrap().correlation.unwrap()
    }

    /// The messages that it was given, by what became of them.
    pub(in crate::parser) fn statistics(&self) -> StepStatistics {
        self.step.statistics().unwrap()
    }

    /// The lines that were said.
    pub(in crate::parser) fn said(&self) -> Vec<String> {
        self.said.take()
    }

    /// Acknowledges what came out, and ends the step: each message has one outcome.
    pub(in crate::parser) fn end(self) {
        let Self { step, program, lane, out, .. } = self;
        assert_eq!(lane.counters().totals().dropped_total(), 0);
        drop((step, program, out));
        let totals = lane.counters().totals();
        assert_eq!(totals.in_flight, 0, "{totals:?}");
        assert_eq!(totals.posted + totals.generated, totals.delivered + totals.filtered);
        assert_eq!(lane.credit().free_messages(), i64::from(WINDOW));
        assert_eq!(lane.credit().free_bytes(), BYTES as i64);
    }

    /// The memory of the batches that came out since the last look.
    pub(in crate::parser) fn memory(&self) -> usize {
        self.out.memory.take()
    }

    /// The messages of credit that are out.
    pub(in crate::parser) fn credit_out(&self) -> i64 {
        i64::from(WINDOW) - self.lane.credit().free_messages()
    }

    /// The messages that are in flight after what came out is acknowledged.
    pub(in crate::parser) fn kept(&self) -> u64 {
        self.out.acks.take();
        self.lane.counters().totals().in_flight
    }
}
