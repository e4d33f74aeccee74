use std::sync::Arc;

use super::*;
use crate::config::GlobalOptions;
use crate::flow::{Inbox, Lane, LateParser, Parcel};
use crate::message::{Arena, FieldName, Pool};
use crate::source::{Late, LogSourceOptions};
use crate::syslog::names::DEFAULT_PRI;

/// A lane with what a source posts into it.
struct Rig {
    lane: Arc<Lane>,
    inbox: Inbox<Parcel>,
    arena: Arena,
    views: Views,
}

fn rig(window: u32, parsing: Parsing) -> Rig {
    let (inbox, pool) = (Inbox::new(), Arc::new(Pool::new()));
    let credit = Arc::new(Credit::new(window, 1 << 20));
    let lane = Lane::new(7, inbox.sender(), credit, Arc::default(), Arc::clone(&pool), None);
    let local = Arc::from("here");
    let policy =
        Arc::new(SourcePolicy::new("s", &local, &GlobalOptions::default(), &LogSourceOptions::default()));
    let options = Arc::new(ParseOptions::default());
    if let Some(parser) = Late::new(&options, &policy, None) {
        let parser: Arc<dyn LateParser> = parser;
        assert!(lane.parse_late(&parser));
    }
    let posting = Posting { parsing, pri: DEFAULT_PRI, options, policy, delimiter: Some(b'\n') };
    let producer = lane.producer(Arc::new(Origin::named("s")));
    let views = Views::new(producer, Arc::new(posting), Stamp::default());
    Rig { lane, inbox, arena: Arena::new(&pool, 4096), views }
}

impl Rig {
    fn chunk(&mut self, text: &[u8]) -> Committed {
        self.arena.spare()[..text.len()].copy_from_slice(text);
        self.arena.commit(text.len())
    }

    /// Posts the lines of `text`, as far as they are admitted; how many were.
    fn post_lines(&mut self, text: &[u8]) -> usize {
        let chunk = self.chunk(text);
        let (mut start, mut count) = (0, 0);
        for end in memchr::memchr_iter(b'\n', text) {
            if self.views.admit().is_err() {
                break;
            }
            self.views.post(&chunk, start, end, Ends::AtDelimiter);
            (start, count) = (end + 1, count + 1);
        }
        self.views.finish();
        count
    }

    /// PROGRAM and MESSAGE of what was posted.
    fn received(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(parcel) = self.inbox.try_recv() {
            let (mut selection, ack) = parcel.open();
            self.lane.parse(&mut selection, &ack, |fault| panic!("{fault}"));
            all.extend(selection.messages().map(|message| {
                let program = message.known(FieldName::Program).unwrap_or_default();
                format!("{}:{}", program.escape_ascii(), message.text().escape_ascii())
            }));
        }
        all
    }
}

/// Breaks without it: a line is copied, or is another one by the time that it is read.
#[test]
fn lines_are_views_of_what_was_read() {
    let mut rig = rig(100, Parsing::None);
    let start = rig.arena.buffer().start().as_ptr() as usize;
    assert_eq!(rig.post_lines(b"one\ntwo\n"), 2);
    let (selection, ack) = rig.inbox.try_recv().unwrap().open();
    let places: Vec<_> =
        selection.messages().map(|message| message.text().as_ptr() as usize - start).collect();
    assert_eq!(places, [0, 4]);
    assert_eq!(selection.batch().joined(0..2, b'\n'), Some(&b"one\ntwo\n"[..]));
    drop((selection, ack));
    assert_eq!(rig.lane.credit().free_messages(), 100);
    assert_eq!(rig.lane.credit().free_bytes(), 1 << 20, "all credit is back");
}

/// Breaks without it: a message is another one by the moment of its parsing, or by being copied.
#[test]
fn messages_are_the_same_whenever_they_are_parsed() {
    let lines = b"<13>Oct 11 22:14:15 h su[7]: one\n<13>two:\n";
    for parsing in [Parsing::Late, Parsing::Here] {
        let mut rig = rig(100, parsing);
        assert_eq!(rig.post_lines(lines), 2);
        let now = Stamp::default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            rig.views.admit().unwrap();
            rig.views.copy(line, now);
        }
        rig.views.finish();
        assert_eq!(rig.received(), ["su:one", "two:", "su:one", "two:"], "{parsing:?}");
        assert_eq!(rig.lane.counters().totals().delivered, 4);
        assert_eq!((rig.lane.credit().free_messages(), rig.lane.credit().free_bytes()), (100, 1 << 20));
    }
}

/// Breaks without it: more is taken than there is credit for, or than a connection's share, or it never comes
/// back.
#[test]
fn credit_and_shares_bound_what_is_posted() {
    let mut rig = rig(3, Parsing::None);
    assert_eq!(rig.post_lines(b"1\n2\n3\n4\n"), 3);
    assert_eq!(rig.views.admit(), Err(NotAdmitted::NoCredit));
    assert_eq!(rig.received().len(), 3);
    let share = Arc::new(Share::new(Box::new(|| ())));
    let (origin, posting) = (Arc::new(Origin::named("s")), Arc::clone(&rig.views.posting));
    rig.views.turn_to(&origin, &posting, Some((&share, 2)));
    assert_eq!((rig.post_lines(b"1\n2\n3\n"), share.in_flight()), (2, 2));
    assert_eq!(rig.views.admit(), Err(NotAdmitted::ShareIsFull));
    assert_eq!((rig.received().len(), share.in_flight()), (2, 0));
    rig.views.turn_to(&origin, &posting, Some((&share, 2)));
    assert_eq!(rig.views.is_admitted(), Ok(()));
    assert_eq!(rig.views.admitted(9), Ok(2));
    rig.views.finish();
    rig.lane.close();
    assert_eq!(rig.views.admit(), Err(NotAdmitted::Closed));
}
