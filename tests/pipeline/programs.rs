//! Random log paths with filters, rewrites, parsers that make messages, forks, and statements that have paths of
//! their own, against an interpreter of one message at a time.
//!
//! The invariant: whatever happens on the way (reloads, destinations that stand still, batches of any size),
//! each file has what the interpreter says, in its order; each message is delivered if it went anywhere and
//! filtered if not; and all credit is back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::rig::{PATIENCE, Rig};

const DESTINATIONS: usize = 3;

/// A log path, or a part of one.
#[derive(Debug, Clone)]
struct Path {
    items: Vec<Item>,
    is_final: bool,
    is_fallback: bool,
    flow_control: Option<bool>,
}

#[derive(Debug, Clone)]
enum Item {
    Filter(Condition),
    Rewrite(Vec<Change>),
    /// Keeps the text as a value, as a pair that a parser finds.
    Parse,
    Send(usize),
    Junction(Vec<Path>),
    /// A destination with these paths: what happens in them says nothing of the message.
    Destination(Vec<Path>),
    /// A parser with these paths, one after the other.
    Parser(Vec<Path>),
    If(Vec<(Condition, Path)>, Option<Path>),
    /// Makes a message of all since the last one that it made, when one has the letter or the level; its number
    /// among those of its configuration comes later.
    Group(Condition, u32),
}

/// A rewrite function, for the messages that meet a condition.
#[derive(Debug, Clone)]
struct Change(Edit, Option<Condition>);

#[derive(Debug, Clone)]
enum Edit {
    /// Writes a letter behind the text.
    Append(char),
    /// Writes one letter for another, wherever it is.
    Replace(char, char),
    /// Sets the level.
    Level(u8),
    /// Keeps the text as a value.
    Keep,
    /// Makes that value the text.
    Restore,
    /// Takes it away.
    Forget,
}

/// A message as the interpreter has it.
#[derive(Debug, Clone)]
struct Message {
    text: String,
    level: u8,
    kept: String,
    /// The number of the posted or made message that it is a copy of.
    origin: usize,
}

impl Change {
    /// The function as it is written.
    fn text(&self) -> String {
        let Self(edit, condition) = self;
        let condition = condition.as_ref().map(|condition| format!(" condition({})", condition.text()));
        let condition = condition.unwrap_or_default();
        match edit {
            Edit::Append(letter) => format!("set(\"${{MSG}}{letter}\"{condition});"),
            Edit::Replace(from, to) => format!("subst(\"{from}\" \"{to}\" flags(global){condition});"),
            Edit::Level(level) => format!("set-severity(\"{level}\"{condition});"),
            Edit::Keep => format!("set(\"$MSG\" value(\"kept\"){condition});"),
            Edit::Restore => format!("set(\"$kept\"{condition});"),
            Edit::Forget => format!("unset(value(\"kept\"){condition});"),
        }
    }

    fn apply(&self, message: &mut Message) {
        if self.1.as_ref().is_some_and(|condition| !condition.is_met(message)) {
            return;
        }
        match &self.0 {
            Edit::Append(letter) => message.text.push(*letter),
            Edit::Replace(from, to) => message.text = message.text.replace(*from, &to.to_string()),
            Edit::Level(level) => message.level = *level,
            Edit::Keep => message.kept.clone_from(&message.text),
            Edit::Restore => message.text.clone_from(&message.kept),
            Edit::Forget => message.kept.clear(),
        }
    }
}

/// A condition on the letters of a text and on its level.
#[derive(Debug, Clone)]
enum Condition {
    Has(char),
    Level(u8),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Condition {
    fn text(&self) -> String {
        match self {
            Self::Has('a') => "message(a)".to_owned(),
            Self::Has('b') => "message('(?=b)')".to_owned(),
            Self::Has('c') => "message('(.?)(?<found>c)' flags(store-matches))".to_owned(),
            Self::Has('d') => "(message('(d)' flags(store-matches)) and \"$1\" eq d)".to_owned(),
            Self::Has('e') => "match('[e]' value(\"MESSAGE\"))".to_owned(),
            Self::Has(letter) => {
                format!("match(\"{letter}\" value(\"MESSAGE\") type(string) flags(substring))")
            }
            Self::Level(most) => format!("level(emerg..{})", LEVELS[usize::from(*most)]),
            Self::Not(inner) => format!("not {}", inner.text()),
            Self::And(one, two) => format!("({} and {})", one.text(), two.text()),
            Self::Or(one, two) => format!("({} or {})", one.text(), two.text()),
        }
    }

    fn is_met(&self, message: &Message) -> bool {
        match self {
            Self::Has(letter) => message.text.contains(*letter),
            Self::Level(most) => message.level <= *most,
            Self::Not(inner) => !inner.is_met(message),
            Self::And(one, two) => one.is_met(message) && two.is_met(message),
            Self::Or(one, two) => one.is_met(message) || two.is_met(message),
        }
    }
}

impl Path {
    /// Its body, with `start` before everything else.
    fn body(&self, start: &str) -> String {
        let mut body = format!("{{ {start}");
        for item in &self.items {
            match item {
                Item::Filter(condition) => write!(body, "filter {{ {} }}; ", condition.text()).unwrap(),
                Item::Rewrite(changes) => {
                    let changes = changes.iter().map(Change::text).collect::<String>();
                    write!(body, "rewrite {{ {changes} }}; ").unwrap();
                }
                Item::Parse => body += "parser { kv-parser(template(\"kept=$MSG\")); }; ",
                Item::Send(to) => write!(body, "destination(d{to}); ").unwrap(),
                Item::Junction(channels) => {
                    let channels = channels.iter().map(|channel| format!("channel {}; ", channel.body("")));
                    write!(body, "junction {{ {} }}; ", channels.collect::<String>()).unwrap();
                }
                Item::Destination(paths) => {
                    let paths = paths.iter().map(|path| format!("channel {}; ", path.body("")));
                    write!(body, "destination {{ {} }}; ", paths.collect::<String>()).unwrap();
                }
                Item::Parser(paths) => {
                    let plain = |path: &Path| Path { is_final: false, is_fallback: false, ..path.clone() };
                    let paths = paths.iter().map(|path| format!("channel {}; ", plain(path).body("")));
                    write!(body, "parser {{ {} }}; ", paths.collect::<String>()).unwrap();
                }
                Item::If(branches, otherwise) => {
                    for (index, (condition, path)) in branches.iter().enumerate() {
                        let word = if index == 0 { "if" } else { "elif" };
                        write!(body, "{word} ({}) {} ", condition.text(), path.body("")).unwrap();
                    }
                    if let Some(path) = otherwise {
                        write!(body, "else {} ", path.body("")).unwrap();
                    }
                    body += "; ";
                }
                Item::Group(trigger, number) => write!(
                    body,
                    "parser {{ grouping-by(key(\"{number}\") timeout(3600) trigger({}) \
                     aggregate(value(\"MESSAGE\" \"made$(context-length)\") inherit-mode(last-message))); }}; ",
                    trigger.text()
                )
                .unwrap(),
            }
        }
        let flags = [
            (self.is_final, "final"),
            (self.is_fallback, "fallback"),
            (self.flow_control == Some(true), "flow-control"),
            (self.flow_control == Some(false), "no-flow-control"),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word);
        write!(body, "flags({}); }}", flags.collect::<Vec<_>>().join(" ")).unwrap();
        body
    }
}

/// The interpreter: what each file has.
#[derive(Debug, Default)]
struct Oracle {
    files: [Vec<String>; DESTINATIONS],
    /// The copies of each message that were sent.
    sent: Vec<u64>,
    /// The messages that were made.
    made: u64,
    /// The open group of each place that has one: the number of its messages, and the last one.
    groups: BTreeMap<u32, (usize, Message)>,
}

type Behind<'b> = dyn FnMut(&mut Oracle, &Message) -> bool + 'b;

impl Oracle {
    fn post(&mut self, paths: &[Path], text: &str, level: u8) {
        let message = Message { text: text.to_owned(), level, kept: String::new(), origin: self.sent.len() };
        self.sent.push(0);
        self.fork(&paths.iter().collect::<Vec<_>>(), &message, &mut |_, _| true);
    }

    /// The messages that went nowhere.
    fn filtered(&self) -> u64 {
        self.sent.iter().filter(|copies| **copies == 0).count() as u64
    }

    /// The message that the open group `number` becomes.
    fn made(&mut self, number: u32) -> Option<Message> {
        let (count, last) = self.groups.remove(&number)?;
        let origin = self.sent.len();
        self.sent.push(0);
        self.made += 1;
        // The one that is made counts itself.
        Some(Message { text: format!("made{}", count + 1), origin, ..last })
    }

    /// Makes messages of the groups that are open, in the order of their places in `paths`, which go.
    fn finish(&mut self, paths: &[Path]) {
        let mut from = 0;
        // What one has made may open one behind it.
        while let Some(number) = self.groups.range(from..).next().map(|(number, _)| *number) {
            from = number + 1;
            let Some(made) = self.made(number) else { continue };
            let is_there = paths.iter().any(|path| self.resume(&path.items, number, &made, &mut |_, _| true));
            assert!(is_there, "group {number}");
        }
    }

    /// Sends what the group `number` has made on from behind its place in `items`; false where that is not there.
    fn resume(&mut self, items: &[Item], number: u32, made: &Message, next: &mut Behind<'_>) -> bool {
        for (index, item) in items.iter().enumerate() {
            let rest = &items[index + 1..];
            let is_found = match item {
                Item::Group(_, own) if *own == number => {
                    self.go(rest, made, next);
                    true
                }
                Item::Junction(paths) => self.resume_in(paths.iter(), number, made, rest, next),
                Item::If(branches, otherwise) => {
                    let paths = branches.iter().map(|(_, path)| path).chain(otherwise);
                    self.resume_in(paths, number, made, rest, next)
                }
                Item::Destination(paths) => {
                    paths.iter().any(|path| self.resume(&path.items, number, made, &mut |_, _| true))
                }
                Item::Parser(paths) => (0..paths.len()).any(|at| {
                    let others = [Item::Parser(paths[at + 1..].to_vec())];
                    self.resume(&paths[at].items, number, made, &mut |oracle, message| {
                        oracle.go(&others, message, &mut |oracle, message| oracle.go(rest, message, next))
                    })
                }),
                Item::Group(..) | Item::Filter(_) | Item::Rewrite(_) | Item::Parse | Item::Send(_) => false,
            };
            if is_found {
                return true;
            }
        }
        false
    }

    fn resume_in<'p>(
        &mut self,
        mut paths: impl Iterator<Item = &'p Path>,
        number: u32,
        made: &Message,
        rest: &[Item],
        next: &mut Behind<'_>,
    ) -> bool {
        paths.any(|path| {
            let on = &mut |oracle: &mut Self, message: &Message| oracle.go(rest, message, next);
            self.resume(&path.items, number, made, on)
        })
    }

    /// Sends a message through `items` and on to `next`; whether it matched.
    fn go(&mut self, items: &[Item], message: &Message, next: &mut Behind<'_>) -> bool {
        let Some((first, rest)) = items.split_first() else { return next(self, message) };
        match first {
            Item::Filter(condition) => condition.is_met(message) && self.go(rest, message, next),
            Item::Rewrite(changes) => {
                let mut message = message.clone();
                for change in changes {
                    change.apply(&mut message);
                }
                self.go(rest, &message, next)
            }
            Item::Parse => {
                let message = Message { kept: message.text.clone(), ..message.clone() };
                self.go(rest, &message, next)
            }
            Item::Send(to) => {
                self.files[*to].push(message.text.clone());
                self.sent[message.origin] += 1;
                self.go(rest, message, next)
            }
            Item::Group(trigger, number) => {
                let group = self.groups.entry(*number).or_insert((0, message.clone()));
                *group = (group.0 + 1, message.clone());
                if trigger.is_met(message)
                    && let Some(made) = self.made(*number)
                {
                    // It stands before the message that it was made by, and says nothing of that one's way.
                    self.go(rest, &made, next);
                }
                self.go(rest, message, next)
            }
            Item::Junction(channels) => {
                let channels: Vec<&Path> = channels.iter().collect();
                self.fork(&channels, message, &mut |oracle, message| oracle.go(rest, message, next))
            }
            Item::Destination(paths) => {
                self.fork(&paths.iter().collect::<Vec<_>>(), message, &mut |_, _| true);
                self.go(rest, message, next)
            }
            Item::Parser(paths) => match paths.split_first() {
                Some((path, others)) => {
                    let others = [Item::Parser(others.to_vec())];
                    self.go(&path.items, message, &mut |oracle, message| {
                        oracle.go(&others, message, &mut |oracle, message| oracle.go(rest, message, next))
                    })
                }
                None => self.go(rest, message, next),
            },
            Item::If(branches, otherwise) => {
                let taken = branches.iter().find(|(condition, _)| condition.is_met(message));
                let taken = taken.map(|(_, path)| path).or(otherwise.as_ref());
                let items = taken.map_or(&[][..], |path| &path.items);
                self.go(items, message, &mut |oracle, message| oracle.go(rest, message, next))
            }
        }
    }

    fn fork(&mut self, branches: &[&Path], message: &Message, next: &mut Behind<'_>) -> bool {
        let (mut is_matched, mut came_out) = (false, false);
        for pass in [false, true] {
            if pass && is_matched {
                break;
            }
            for branch in branches.iter().filter(|branch| branch.is_fallback == pass) {
                let mut matches = false;
                self.go(&branch.items, message, &mut |oracle, out| {
                    let went_on = next(oracle, out);
                    // What a step made in there has matched nothing.
                    if out.origin == message.origin {
                        matches = true;
                        came_out |= went_on;
                    }
                    went_on
                });
                is_matched |= matches;
                if matches && branch.is_final {
                    break;
                }
            }
        }
        came_out
    }
}

/// Numbers the groups of `paths` in the order in which messages meet them: fallbacks come last.
fn number(paths: &mut [Path], next: &mut u32) {
    for pass in [false, true] {
        for path in paths.iter_mut().filter(|path| path.is_fallback == pass) {
            number_items(&mut path.items, next);
        }
    }
}

fn number_items(items: &mut [Item], next: &mut u32) {
    for item in items {
        match item {
            Item::Group(_, number) => {
                *number = *next;
                *next += 1;
            }
            Item::Junction(paths) | Item::Destination(paths) => number(paths, next),
            Item::Parser(paths) => paths.iter_mut().for_each(|path| number_items(&mut path.items, next)),
            Item::If(branches, otherwise) => {
                let paths = branches.iter_mut().map(|(_, path)| path).chain(otherwise);
                paths.for_each(|path| number_items(&mut path.items, next));
            }
            Item::Filter(_) | Item::Rewrite(_) | Item::Parse | Item::Send(_) => {}
        }
    }
}

/// A group that a message closes which has a letter, or a level.
fn group() -> impl Strategy<Value = Item> {
    let trigger = prop_oneof![
        prop::sample::select(vec!['a', 'b', 'e', 'f']).prop_map(Condition::Has),
        (0..8_u8).prop_map(Condition::Level)
    ];
    trigger.prop_map(|trigger| Item::Group(trigger, 0))
}

fn change() -> impl Strategy<Value = Change> {
    let letter = || prop::char::range('a', 'f');
    let edit = prop_oneof![
        letter().prop_map(Edit::Append),
        (letter(), letter()).prop_map(|(from, to)| Edit::Replace(from, to)),
        (0..8_u8).prop_map(Edit::Level),
        Just(Edit::Keep),
        Just(Edit::Restore),
        Just(Edit::Forget),
    ];
    (edit, prop::option::of(condition())).prop_map(|(edit, condition)| Change(edit, condition))
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        prop::char::range('a', 'f').prop_map(Condition::Has),
        (0..8_u8).prop_map(Condition::Level)
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(Box::new(one))),
            (inner.clone(), inner.clone())
                .prop_map(|(one, two)| Condition::And(Box::new(one), Box::new(two))),
            (inner.clone(), inner).prop_map(|(one, two)| Condition::Or(Box::new(one), Box::new(two))),
        ]
    })
}

fn path() -> impl Strategy<Value = Path> {
    let path = |item: BoxedStrategy<Item>| {
        (prop::collection::vec(item, 0..4), any::<bool>(), any::<bool>(), any::<Option<bool>>()).prop_map(
            |(items, is_final, is_fallback, flow_control)| Path {
                items,
                is_final,
                is_fallback,
                flow_control,
            },
        )
    };
    let leaf = prop_oneof![
        condition().prop_map(Item::Filter),
        prop::collection::vec(change(), 0..4).prop_map(Item::Rewrite),
        Just(Item::Parse),
        group(),
        (0..DESTINATIONS).prop_map(Item::Send)
    ]
    .boxed();
    let item = leaf.prop_recursive(2, 12, 3, move |inner| {
        let inner = inner.boxed();
        prop_oneof![
            2 => condition().prop_map(Item::Filter),
            2 => prop::collection::vec(change(), 0..4).prop_map(Item::Rewrite),
            1 => Just(Item::Parse),
            1 => group(),
            4 => (0..DESTINATIONS).prop_map(Item::Send),
            1 => prop::collection::vec(path(inner.clone()), 0..4).prop_map(Item::Junction),
            1 => prop::collection::vec(path(inner.clone()), 0..3).prop_map(Item::Destination),
            1 => prop::collection::vec(path(inner.clone()), 0..3).prop_map(Item::Parser),
            1 => (prop::collection::vec((condition(), path(inner.clone())), 1..3), prop::option::of(path(inner)))
                .prop_map(|(branches, otherwise)| Item::If(branches, otherwise)),
        ]
    });
    path(item.boxed())
}

#[derive(Debug, Clone)]
enum Event {
    /// Posts texts, each with its level.
    Post(Vec<(String, u8)>),
    CloseBatch,
    /// Goes on with the other log paths.
    Reload,
    /// The files cannot be opened.
    Stall,
    Unstall,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::collection::vec(("[a-f]{1,4}", 0..8_u8), 1..20).prop_map(Event::Post),
        2 => Just(Event::CloseBatch),
        1 => Just(Event::Reload),
        1 => Just(Event::Stall),
        1 => Just(Event::Unstall),
    ]
}

fn configuration(paths: &[Path]) -> String {
    let mut text = "options { time-reopen(3600); create-dirs(no); };\nsource s { python(class(\"A\") log-iw-size(5000)); };\n".to_owned();
    for to in 0..DESTINATIONS {
        writeln!(
            text,
            "destination d{to} {{ file(\"DIR/live/{to}\" template(\"$MSG\\n\") log-fifo-size(100000)); }};"
        )
        .unwrap();
    }
    for path in paths {
        writeln!(text, "log {};", path.body("source(s); ")).unwrap();
    }
    text
}

fn run(paths: &[Vec<Path>; 2], events: &[Event]) {
    let mut rig = Rig::new(&configuration(&paths[0]));
    rig.mkdir("live");
    let (mut oracle, mut current, mut stalled) = (Oracle::default(), 0, false);
    let mut poster = rig.poster(0);
    for event in events {
        match event {
            Event::Post(texts) => {
                for (text, level) in texts {
                    let need = inrush::message::Need { bytes: text.len(), ..Default::default() };
                    let result = poster.try_post_with(need, |row| {
                        row.payload_copy(text.as_bytes());
                        row.pri(8 + u16::from(*level));
                    });
                    assert_eq!(result, Ok(()), "the window has room");
                    oracle.post(&paths[current], text, *level);
                }
            }
            Event::CloseBatch => poster.producer.close_batch(),
            Event::Reload => {
                oracle.finish(&paths[current]);
                current = 1 - current;
                rig.reload(&configuration(&paths[current]));
            }
            Event::Stall if !stalled => {
                rig.rename("live", "away");
                stalled = true;
            }
            Event::Unstall if stalled => {
                rig.rename("away", "live");
                stalled = false;
            }
            Event::Stall | Event::Unstall => {}
        }
    }
    if stalled {
        rig.rename("away", "live");
    }
    let taken = poster.taken;
    drop(poster);
    rig.wait_idle();
    for (to, expected) in oracle.files.iter().enumerate() {
        assert_eq!(rig.lines(&format!("live/{to}")), *expected, "file {to}");
    }
    let sources = rig.pipeline.stats().sources.len();
    if sources == 0 {
        rig.pipeline.drain(PATIENCE);
        return;
    }
    let (totals, lost) = rig.finish(&[taken]);
    // What is still open is made into messages at the end.
    oracle.finish(&paths[current]);
    assert_eq!((totals[0].filtered, totals[0].generated, lost), (oracle.filtered(), oracle.made, 0));
    assert_eq!(totals[0].delivered, taken + oracle.made - oracle.filtered());
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(64) })]

    /// Breaks without it: a message takes another way than the language says, or files get messages in
    /// another order after a filter, a rewrite or a fork; a branch has what another one has changed; a message has two outcomes;
    /// credit is lost.
    #[test]
    fn log_paths_do_what_the_interpreter_does(
        first in prop::collection::vec(path(), 1..4),
        second in prop::collection::vec(path(), 1..4),
        events in prop::collection::vec(event(), 1..10),
    ) {
        let (mut paths, mut next) = ([first, second], 0);
        for paths in &mut paths {
            number(paths, &mut next);
        }
        run(&paths, &events);
    }
}
