//! Random programs against a slow interpreter of one message at a time.
//!
//! The invariant: whatever the bounds of the batches are, each destination gets what the interpreter gives
//! it, in its order; each message has one outcome; and the credit that is out is that of the messages that
//! wait for a way that holds them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::flow::{Credit, Inbox, Kept, Lane, SourceCounters};
use crate::message::batch::Text;
use crate::message::{Batch, Need, Origin, Pool, Rows, Writer};

const DESTINATIONS: [&str; 3] = ["a", "b", "c"];
const WINDOW: u32 = 1000;
const BYTES: u64 = 1 << 30;

/// A program, as the test draws it.
#[derive(Debug, Clone)]
enum Toy {
    /// Lets texts pass of which the sum of the bytes has this rest.
    Keep(u32, u32),
    /// Writes a letter behind the text.
    Mark(char),
    /// Holds texts with an odd sum back; the next other one has a message of them made before it.
    Group,
    Send(usize, bool),
    Fork(Vec<ToyBranch>),
    Tee(Vec<ToyBranch>),
}

#[derive(Debug, Clone)]
struct ToyBranch {
    condition: Option<(u32, u32)>,
    toys: Vec<Toy>,
    is_final: bool,
    is_fallback: bool,
}

fn sum(text: &[u8]) -> u32 {
    text.iter().map(|byte| u32::from(*byte)).sum()
}

fn passes(text: &[u8], (of, rest): (u32, u32)) -> bool {
    sum(text) % of == rest
}

#[derive(Debug)]
struct Keep(u32, u32);

impl Step for Keep {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let keeps = |text: &[u8]| passes(text, (self.0, self.1));
        out.narrow(
            selection,
            |all| {
                let rows: Vec<u32> = all.messages().filter(|m| keeps(m.text())).map(|m| m.row()).collect();
                Rows::from(rows)
            },
            |message| keeps(message.text()),
        );
    }

    fn name(&self) -> &'static str {
        "a toy"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct Mark(char);

impl Step for Mark {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        out.revise(selection, |row| {
            let mut text = row.read().text().to_vec();
            text.push(self.0 as u8);
            row.message(Text::Copy(&text));
            true
        });
    }

    fn name(&self) -> &'static str {
        "a toy"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// See [`Toy::Group`].
#[derive(Debug, Default)]
struct Group {
    held: Mutex<Held>,
    key: Option<String>,
}

#[derive(Debug, Default)]
struct Held {
    texts: Vec<Vec<u8>>,
    kept: Vec<Kept>,
    due: Option<Instant>,
    trigger: Option<Trigger>,
}

impl Held {
    /// The message that it makes of all it has, and what that was.
    fn take(&mut self) -> (Vec<u8>, Vec<Kept>) {
        self.due = None;
        let texts = std::mem::take(&mut self.texts);
        ([b"(", &texts.join(&b","[..])[..], b")"].concat(), std::mem::take(&mut self.kept))
    }
}

const DUE: Duration = Duration::from_secs(60);

impl Step for Group {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let mut held = self.held.lock().unwrap();
        let mut passed = Vec::new();
        for message in selection.messages() {
            if sum(message.text()) % 2 == 1 {
                held.texts.push(message.text().to_vec());
                held.kept.push(out.keep(message.row()));
                held.due.get_or_insert(out.now() + DUE);
                held.trigger = Some(out.trigger().clone());
                continue;
            }
            passed.push(message.row());
            if !held.texts.is_empty() {
                let (text, kept) = held.take();
                let need = Need { bytes: text.len(), ..Need::default() };
                out.make(message.row(), need, kept, |row| row.payload_copy(&text));
            }
        }
        selection.set_rows(Rows::from(passed));
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    fn deadline(&self) -> Option<Instant> {
        self.held.lock().unwrap().due
    }

    fn expire(&self, now: Instant, out: &mut Timed) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.finish(out);
        }
    }

    fn take_over(&self, old: &dyn Step) {
        let old = old.as_any().downcast_ref::<Self>().unwrap();
        let before = std::mem::take(&mut *old.held.lock().unwrap());
        let mut held = self.held.lock().unwrap();
        held.texts.splice(0..0, before.texts);
        held.kept.splice(0..0, before.kept);
        held.due = before.due.or(held.due);
        held.trigger = held.trigger.take().or(before.trigger);
    }

    fn finish(&self, out: &mut Timed) {
        let mut held = self.held.lock().unwrap();
        if let Some(trigger) = held.trigger.take().filter(|_| !held.texts.is_empty()) {
            let (text, kept) = held.take();
            let need = Need { bytes: text.len(), ..Need::default() };
            out.make(&trigger, need, kept, |row| row.payload_copy(&text));
        }
    }

    fn name(&self) -> &'static str {
        "a toy"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The program of `toys`; the steps with a state go to `groups`.
fn items(toys: &[Toy], groups: &mut Vec<Arc<Group>>) -> Vec<Item> {
    let item = |toy: &Toy| match toy {
        Toy::Keep(of, rest) => Item::Step(Arc::new(Keep(*of, *rest))),
        Toy::Mark(letter) => Item::Step(Arc::new(Mark(*letter))),
        Toy::Group => {
            groups.push(Arc::default());
            Item::Step(Arc::<Group>::clone(&groups[groups.len() - 1]))
        }
        Toy::Send(destination, flow_control) => {
            Item::Send(SendTo { destination: *destination, flow_control: *flow_control, path: None })
        }
        Toy::Fork(branches) | Toy::Tee(branches) => {
            let choice = |branch: &ToyBranch| Choice {
                condition: branch.condition.map(|(of, rest)| Arc::new(Keep(of, rest)) as Arc<dyn Step>),
                items: items(&branch.toys, groups),
                is_final: branch.is_final,
                is_fallback: branch.is_fallback,
                path: None,
            };
            let choices = branches.iter().map(choice).collect();
            if let Toy::Tee(_) = toy { Item::Tee(choices) } else { Item::Fork(choices) }
        }
    };
    toys.iter().map(item).collect()
}

/// The interpreter.
#[derive(Debug, Default)]
struct Oracle {
    /// The messages that each destination got.
    got: [Vec<Vec<u8>>; DESTINATIONS.len()],
    /// The messages that each group holds back, by the address of its toy.
    held: HashMap<usize, Vec<Vec<u8>>>,
    /// The numbers of messages of which a group held a copy back.
    ended: Vec<usize>,
    /// The number of messages, posted and made.
    messages: usize,
}

/// The messages that go on behind the toys of a branch.
type Behind<'b> = dyn FnMut(&mut Oracle, usize, Vec<u8>) + 'b;

impl Oracle {
    fn post(&mut self, toys: &[Toy], text: Vec<u8>) {
        self.messages += 1;
        self.go(toys, self.messages, text, &mut |_, _, _| ());
    }

    /// Sends the message with this number through `toys`, and what comes out of them to `next`; whether some
    /// of it matched.
    fn go(&mut self, toys: &[Toy], number: usize, text: Vec<u8>, next: &mut Behind<'_>) -> bool {
        let Some((first, rest)) = toys.split_first() else {
            next(self, number, text);
            return true;
        };
        match first {
            Toy::Keep(of, by) => passes(&text, (*of, *by)) && self.go(rest, number, text, next),
            Toy::Mark(letter) => self.go(rest, number, [&text[..], &[*letter as u8]].concat(), next),
            Toy::Send(destination, _) => {
                self.got[*destination].push(text.clone());
                self.go(rest, number, text, next)
            }
            Toy::Group => self.group(first, rest, (number, text), next),
            Toy::Fork(branches) => self.fork(branches, rest, (number, text), next),
            Toy::Tee(branches) => {
                let before = self.ended.len();
                self.fork(branches, &[], (number, text.clone()), &mut |_, _, _| ());
                self.ended.truncate(before);
                self.go(rest, number, text, next)
            }
        }
    }

    fn group(
        &mut self,
        group: &Toy,
        rest: &[Toy],
        (number, text): (usize, Vec<u8>),
        next: &mut Behind<'_>,
    ) -> bool {
        let held = self.held.entry(std::ptr::from_ref(group) as usize).or_default();
        if sum(&text) % 2 == 1 {
            held.push(text);
            self.ended.push(number);
            return true;
        }
        let texts = std::mem::take(held);
        if !texts.is_empty() {
            self.messages += 1;
            let made = [b"(", &texts.join(&b","[..])[..], b")"].concat();
            self.go(rest, self.messages, made, next);
        }
        self.go(rest, number, text, next)
    }

    fn fork(
        &mut self,
        branches: &[ToyBranch],
        rest: &[Toy],
        (number, text): (usize, Vec<u8>),
        next: &mut Behind<'_>,
    ) -> bool {
        let (mut is_matched, mut came_out) = (false, false);
        for pass in [false, true] {
            if pass && is_matched {
                break;
            }
            for branch in branches.iter().filter(|branch| branch.is_fallback == pass) {
                let takes = branch.condition.is_none_or(|condition| passes(&text, condition));
                let before = self.ended.len();
                let came = takes
                    && self.go(&branch.toys, number, text.clone(), &mut |oracle, other, text| {
                        // What a step made in the branch goes on, too, and says nothing of this message.
                        let matched = oracle.go(rest, other, text, next);
                        came_out |= matched && other == number;
                    });
                came_out |= self.ended[before..].contains(&number);
                let matches = if branch.condition.is_some() { takes } else { came };
                is_matched |= matches;
                if matches && branch.is_final {
                    break;
                }
            }
        }
        came_out
    }
}

type Pushes = RefCell<Vec<(usize, Selection, Option<Ack>, bool)>>;

/// Keeps what comes.
#[derive(Default)]
struct Taken {
    ids: Vec<usize>,
    pushes: Pushes,
}

impl Outputs for Taken {
    fn holds(&self, _: usize, flow_control: bool) -> bool {
        flow_control
    }

    fn push(&self, destination: usize, selection: Selection, ack: Ack, flow_control: bool) {
        assert_eq!(ack.holds_credit(), flow_control);
        assert!(!selection.is_empty(), "nothing is not pushed");
        self.pushes.borrow_mut().push((self.ids[destination], selection, Some(ack), flow_control));
    }
}

impl Taken {
    fn of(program: &Program) -> Self {
        let id = |id: &String| DESTINATIONS.iter().position(|known| known == id).unwrap();
        Self { ids: program.destinations().iter().map(id).collect(), ..Self::default() }
    }

    fn texts(&self, destination: usize) -> Vec<Vec<u8>> {
        let pushes = self.pushes.borrow();
        let own = pushes.iter().filter(|(to, ..)| *to == destination);
        own.flat_map(|(_, selection, ..)| selection.messages().map(|m| m.text().to_vec()).collect::<Vec<_>>())
            .collect()
    }

    /// The number of messages that wait for a way that holds them.
    fn waiting(&self) -> usize {
        let pushes = self.pushes.borrow();
        let held = pushes.iter().filter(|(_, _, ack, holds)| ack.is_some() && *holds);
        let rows = held.flat_map(|(_, selection, ..)| {
            let batch = Arc::as_ptr(selection.batch());
            selection.rows().iter().map(move |row| (batch, row)).collect::<Vec<_>>()
        });
        rows.collect::<HashSet<_>>().len()
    }
}

fn lane() -> Arc<Lane> {
    let inbox = Inbox::new();
    let credit = Arc::new(Credit::new(WINDOW, BYTES));
    Lane::new(0, inbox.sender(), credit, Arc::<SourceCounters>::default(), Arc::new(Pool::new()), None)
}

/// A batch of `texts`, for which credit was taken.
fn batch(lane: &Arc<Lane>, texts: &[Vec<u8>]) -> (Selection, Ack) {
    let need = Need { bytes: texts.iter().map(|text| text.len() + 64).sum(), ..Need::default() };
    let mut writer = Writer::open(&Arc::new(Origin::named("s")), lane.pool(), need);
    for text in texts {
        let mut row = writer.row(Need { bytes: text.len(), ..Need::default() }).unwrap();
        row.payload_copy(text);
        row.publish();
    }
    let batch: Batch = writer.finish();
    let (rows, charge) = (batch.rows(), batch.charge());
    lane.credit().take(rows, charge);
    lane.counters().count_posted(u64::from(rows));
    (Selection::all(Arc::new(batch)), Ack::new(lane.credit(), lane.counters(), rows, charge))
}

fn condition() -> impl Strategy<Value = (u32, u32)> {
    (1..4_u32).prop_flat_map(|of| (Just(of), 0..of))
}

fn toy() -> impl Strategy<Value = Toy> {
    let leaf = prop_oneof![
        3 => condition().prop_map(|(of, rest)| Toy::Keep(of, rest)),
        3 => prop::char::range('p', 'z').prop_map(Toy::Mark),
        2 => Just(Toy::Group),
        4 => (0..DESTINATIONS.len(), any::<bool>()).prop_map(|(to, held)| Toy::Send(to, held)),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let branch =
            (prop::option::of(condition()), prop::collection::vec(inner, 0..4), any::<bool>(), any::<bool>());
        let branch = branch.prop_map(|(condition, toys, is_final, is_fallback)| ToyBranch {
            condition,
            toys,
            is_final,
            is_fallback,
        });
        (prop::collection::vec(branch, 0..4), prop::bool::weighted(0.3))
            .prop_map(|(branches, is_tee)| if is_tee { Toy::Tee(branches) } else { Toy::Fork(branches) })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Breaks without it: a destination gets other messages than the log paths say, or in another order, a
    /// message has two outcomes or none, or credit does not come back, or too early.
    #[test]
    fn a_program_does_with_batches_what_it_does_with_messages(
        toys in prop::collection::vec(toy(), 1..5),
        batches in prop::collection::vec(prop::collection::vec("[a-d]{1,2}", 1..12), 1..5),
        done in prop::collection::vec(any::<u16>(), 0..40),
    ) {
        let mut groups = Vec::new();
        let program = Program::new(items(&toys, &mut groups), &DESTINATIONS);
        let (lane, taken, mut oracle) = (lane(), Taken::of(&program), Oracle::default());
        let clock = SteadyClock::by_hand();
        let report = |text: &str| panic!("{text}");
        let around = Surrounding { clock: &clock, report: &report };
        let mut posted = 0;
        for texts in &batches {
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
            posted += texts.len() as u64;
            program.run(batch(&lane, &texts), &lane, &taken, around);
            for text in texts {
                oracle.post(&toys, text);
            }
            let waits = i64::from(WINDOW) - lane.credit().free_messages();
            prop_assert_eq!(waits, taken.waiting() as i64);
        }
        for (number, expected) in oracle.got.iter().enumerate() {
            prop_assert_eq!(&taken.texts(number), expected, "destination {}", number);
        }
        // They are done in any order.
        for index in done {
            let mut pushes = taken.pushes.borrow_mut();
            let len = pushes.len().max(1);
            if let Some((.., ack, _)) = pushes.get_mut(usize::from(index) % len) {
                drop(ack.take());
            }
            drop(pushes);
            let waits = i64::from(WINDOW) - lane.credit().free_messages();
            prop_assert_eq!(waits, taken.waiting() as i64);
        }
        taken.pushes.borrow_mut().clear();
        prop_assert_eq!(lane.credit().free_messages(), i64::from(WINDOW));
        prop_assert_eq!(lane.credit().free_bytes(), BYTES as i64);
        let held: usize = groups.iter().map(|group| group.held.lock().unwrap().texts.len()).sum();
        let totals = lane.counters().totals();
        prop_assert_eq!((totals.posted, totals.dropped_total()), (posted, 0));
        prop_assert!(totals.in_flight >= u64::from(held > 0) && totals.in_flight == 0 || held > 0);
        drop((program, groups));
        let totals = lane.counters().totals();
        prop_assert_eq!(totals.in_flight, 0);
        prop_assert_eq!(totals.posted + totals.generated, totals.delivered + totals.filtered);
    }
}

/// Breaks without it: what a step holds back waits for a message that never comes, is lost at a reload or a
/// stop, or gives its credit back late.
#[test]
fn a_step_makes_what_is_due_and_hands_its_state_on() {
    let group = |key: &str| Arc::new(Group { key: Some(key.to_owned()), ..Group::default() });
    let (old, new) = (group("g"), group("g"));
    let program = |group: &Arc<Group>| {
        let step = Arc::<Group>::clone(group) as Arc<dyn Step>;
        let mark = Item::Fork(vec![Choice { items: vec![Item::Step(step)], ..Choice::default() }]);
        let way = SendTo { destination: 1, flow_control: true, path: None };
        Program::new(vec![mark, Item::Step(Arc::new(Mark('p'))), Item::Send(way)], &DESTINATIONS)
    };
    let (before, after) = (program(&old), program(&new));
    let (lane, taken, clock) = (lane(), Taken::of(&before), SteadyClock::by_hand());
    let report = |text: &str| panic!("{text}");
    let around = Surrounding { clock: &clock, report: &report };
    before.run(batch(&lane, &[b"a".to_vec(), b"c".to_vec()]), &lane, &taken, around);
    let totals = || lane.counters().totals();
    assert_eq!((totals().in_flight, lane.credit().free_messages()), (2, i64::from(WINDOW)), "held back");
    assert_eq!(lane.credit().free_bytes(), BYTES as i64);
    new.take_over(&*old);
    assert!(old.deadline().is_none());
    clock.turn(DUE);
    assert!(new.deadline().unwrap() <= clock.now());
    let mut timed = Timed::default();
    new.expire(clock.now(), &mut timed);
    let step = Arc::<Group>::clone(&new) as Arc<dyn Step>;
    assert!(after.has(&step) && !before.has(&step));
    for made in timed.into_made() {
        after.resume(&step, made, &taken, around);
    }
    assert_eq!(taken.texts(1), [b"(a,c)p".to_vec()]);
    assert_eq!((totals().generated, totals().in_flight), (1, 3), "until what they became is done");
    taken.pushes.borrow_mut().clear();
    assert_eq!((totals().delivered, totals().in_flight), (3, 0));
    assert_eq!(lane.credit().free_bytes(), BYTES as i64);
}

/// Breaks without it: a destination that holds a copy back makes its path match, so that no fallback gets the
/// message.
#[test]
fn what_becomes_of_a_copy_says_nothing_of_the_message() {
    let way = Item::Send(SendTo { destination: 0, flow_control: true, path: None });
    let holding = Choice { items: vec![Item::Step(Arc::new(Group::default()))], ..Choice::default() };
    let rejecting = vec![Item::Tee(vec![holding]), Item::Step(Arc::new(Keep(2, 0)))];
    let path = Choice { items: rejecting, ..Choice::default() };
    let fallback = Choice { items: vec![way], is_fallback: true, ..Choice::default() };
    let program = Program::new(vec![Item::Fork(vec![path, fallback])], &DESTINATIONS);
    let (lane, taken, clock) = (lane(), Taken::of(&program), SteadyClock::by_hand());
    let report = |text: &str| panic!("{text}");
    let around = Surrounding { clock: &clock, report: &report };
    program.run(batch(&lane, &[b"a".to_vec(), b"b".to_vec()]), &lane, &taken, around);
    assert_eq!(taken.texts(0), [b"a".to_vec()], "b comes out of the path");
}

/// Fails at texts with a `b`.
#[derive(Debug)]
struct Faulty;

impl Step for Faulty {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        out.retain(selection, |message| {
            assert!(!message.text().contains(&b'b'), "there is a b");
            true
        });
    }

    fn name(&self) -> &'static str {
        "faulty"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Breaks without it: a step that panics costs more than the message it was at, or that message goes on to a
/// fallback.
#[test]
fn a_panic_in_a_step_costs_the_message_it_was_at() {
    let way = |destination| Item::Send(SendTo { destination, flow_control: true, path: None });
    let first = Choice { items: vec![Item::Step(Arc::new(Faulty)), way(0)], ..Choice::default() };
    let other = Choice { items: vec![way(1)], is_fallback: true, ..Choice::default() };
    let program = Program::new(vec![Item::Fork(vec![first, other])], &DESTINATIONS);
    let (lane, taken, said) = (lane(), Taken::of(&program), RefCell::new(Vec::new()));
    let report = |text: &str| said.borrow_mut().push(text.to_owned());
    let around = Surrounding { clock: &SteadyClock::of_machine(), report: &report };
    let texts = [&b"a"[..], b"ab", b"c", b"b"].map(<[u8]>::to_vec);
    program.run(batch(&lane, &texts), &lane, &taken, around);
    assert_eq!((taken.texts(0), taken.texts(1)), (vec![b"a".to_vec(), b"c".to_vec()], vec![]));
    assert_eq!(
        said.borrow()[0],
        "source s: fault in the engine: faulty failed at message 2 of 4 in a batch: there is a b; it is dropped"
    );
    taken.pushes.borrow_mut().clear();
    let totals = lane.counters().totals();
    assert_eq!((totals.delivered, totals.dropped_total(), totals.filtered, totals.in_flight), (2, 2, 0, 0));
}
