//! Messages that belong together: the keys that say so, and the contexts that hold them, [`ContextTable`].
//!
//! ```text
//! message ── key(), and what scope() adds ──► its context, which waits for more, until it is closed
//! ```
//!
//! A context is due at a time; a later message of it moves that. The contexts that are open, and the memory
//! that they take, have bounds: where there is no room for one more, the one that is due first is closed
//! before its time. So no sender of ever new keys takes memory without end.

pub(super) mod guarded;
pub(super) mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::config::TemplateText;
use crate::config::grammar::{DriverHead, Kind, MAX_INT, Parsed, Parser, Table};
use crate::message::{FieldName, MessageRef};

/// The most contexts that are open.
pub(super) const MOST_CONTEXTS: usize = 100_000;
/// The most memory that they take, in bytes.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// The most messages of one context.
pub(super) const MOST_MESSAGES: usize = 10_000;
/// Memory of a context beside its key and its messages.
const BESIDE: u64 = 256;

/// `scope()`: which messages of one key belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Scope {
    /// All.
    #[default]
    Global,
    /// Those of one host.
    Host,
    /// Those of one program on one host.
    Program,
    /// Those of one process.
    Process,
}

impl Scope {
    /// The words of `scope()`.
    pub(super) const WORDS: &[(&str, Self)] = &[
        ("global", Self::Global),
        ("host", Self::Host),
        ("program", Self::Program),
        ("process", Self::Process),
    ];

    /// Its word.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS[self as usize].0
    }

    /// The values that messages which belong together have in common.
    pub(super) fn fields(self) -> &'static [FieldName] {
        const ALL: [FieldName; 3] = [FieldName::Host, FieldName::Program, FieldName::Pid];
        &ALL[..self as usize]
    }

    /// Writes what it adds to the key of `message` to `key`: each value with its length.
    pub(super) fn key_of(self, message: MessageRef<'_>, key: &mut Vec<u8>) {
        key.clear();
        for field in self.fields() {
            let text = message.known(*field).unwrap_or_default();
            key.extend_from_slice(&(text.len() as u32).to_le_bytes());
            key.extend_from_slice(text);
        }
    }
}

/// Reads `inject-mode()`; whether only messages that are made go on.
pub(super) fn read_inject_mode(parser: &mut Parser) -> Parsed<bool> {
    let span = parser.peek().span;
    let modes = [("pass-through", Some(false)), ("aggregate-only", Some(true)), ("internal", None)];
    parser.choice(&modes)?.ok_or_else(|| {
        let message =
            "`internal` is not supported: a message that is made belongs to the source of its messages";
        let help = "pass-through and aggregate-only have it go on behind the parser";
        parser.report.error(span, message, Some(help.to_owned()))
    })
}

/// The options that correlating parsers have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct CorrelationOptions {
    /// `key()`
    pub(super) key: Option<TemplateText>,
    /// `scope()`
    pub(super) scope: Scope,
    /// `timeout()`, in seconds.
    pub(super) timeout: Option<u32>,
    /// `sort-key()`
    pub(super) sort_key: Option<TemplateText>,
}

pub(super) const CORRELATION: Table<CorrelationOptions> = &[
    ("key", Kind::Template(|to, text| to.key = Some(text))),
    ("scope", Kind::Other(|parser, to| parser.choice(Scope::WORDS).map(|scope| to.scope = scope))),
    ("timeout", Kind::Int(1, MAX_INT, |to, seconds| to.timeout = Some(seconds as u32))),
    ("sort-key", Kind::Template(|to, text| to.sort_key = Some(text))),
];

impl CorrelationOptions {
    /// Checks that what has to be there is.
    ///
    /// # Errors
    /// There is no `key()` or no `timeout()`.
    pub(super) fn check(&self, parser: &mut Parser, head: DriverHead) -> Parsed<()> {
        let (missing, help) = match (&self.key, self.timeout) {
            (None, _) => ("a key(): the text that messages which belong together share", "key(\"$PID\")"),
            (_, None) => ("a timeout(): the seconds after which no more messages come", "timeout(10)"),
            _ => return Ok(()),
        };
        let message = format!("{}() needs {missing}", head.word);
        Err(parser.report.error(head.span, message, Some(format!("as in {help}"))))
    }

    /// The time that a context waits for more.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(1).into())
    }

    /// The name by which the state of the parser `word` is known, where it has no other.
    pub(super) fn persist_name(&self, word: &str) -> String {
        let key = self.key.as_ref().map_or("", |key| key.text.as_str());
        format!("{word}({},scope={})", key, self.scope.word())
    }
}

/// A context that is open.
#[derive(Debug)]
struct Open<C> {
    context: C,
    /// The time at which it is due, and a number that tells it from others of that time.
    due: (Instant, u64),
    /// The time at which it began, with such a number.
    begun: (Instant, u64),
    bytes: u64,
}

/// The contexts that are open, by their keys and by the times at which they are due.
#[derive(Debug)]
pub(super) struct ContextTable<C> {
    open: HashMap<Arc<[u8]>, Open<C>, RandomState>,
    due: BTreeMap<(Instant, u64), Arc<[u8]>>,
    begun: BTreeSet<(Instant, u64)>,
    bytes: u64,
    /// The number of the next.
    next: u64,
}

impl<C> Default for ContextTable<C> {
    fn default() -> Self {
        Self { open: HashMap::default(), due: BTreeMap::new(), begun: BTreeSet::new(), bytes: 0, next: 0 }
    }
}

impl<C> ContextTable<C> {
    /// The number of those that are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The time at which the oldest of them began.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.begun.first().map(|(at, _)| *at)
    }

    /// Tells whether there are more than there may be.
    pub(super) fn are_too_many(&self) -> bool {
        self.open.len() > MOST_CONTEXTS || self.bytes > MOST_BYTES
    }

    /// The context of `key`, if it is open.
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut C> {
        self.open.get_mut(key).map(|open| &mut open.context)
    }

    /// The context of `key`, which `begin` begins `now` if it is not open; it is due at `due` from now on, and
    /// takes `more` bytes more.
    pub(super) fn grow(
        &mut self,
        key: &[u8],
        (now, due): (Instant, Instant),
        more: u64,
        begin: impl FnOnce() -> C,
    ) -> &mut C {
        let (start, due) = ((now, self.next), (due, self.next));
        self.next += 1;
        self.bytes += more;
        if !self.open.contains_key(key) {
            let bytes = key.len() as u64 + BESIDE;
            self.bytes += bytes;
            let key: Arc<[u8]> = Arc::from(key);
            self.due.insert(due, Arc::clone(&key));
            self.begun.insert(start);
            self.open.insert(key, Open { context: begin(), due, begun: start, bytes });
        }
        let Some(open) = self.open.get_mut(key) else { unreachable!("it was put there") };
        open.bytes += more;
        if open.due != due {
            let key = self.due.remove(&open.due);
            self.due.extend(key.map(|key| (due, key)));
            open.due = due;
        }
        &mut open.context
    }

    /// Notes that the context of `key` takes `less` bytes less.
    pub(super) fn shrink(&mut self, key: &[u8], less: u64) {
        if let Some(open) = self.open.get_mut(key) {
            open.bytes = open.bytes.saturating_sub(less);
            self.bytes = self.bytes.saturating_sub(less);
        }
    }

    /// Takes the context of `key`.
    pub(super) fn take(&mut self, key: &[u8]) -> Option<C> {
        let open = self.open.remove(key)?;
        self.due.remove(&open.due);
        self.begun.remove(&open.begun);
        self.bytes -= open.bytes;
        Some(open.context)
    }

    /// The time at which the first is due.
    pub(super) fn first_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the one that is due first, with its key.
    pub(super) fn take_first(&mut self) -> Option<(Arc<[u8]>, C)> {
        let key = Arc::clone(self.due.first_key_value()?.1);
        let context = self.take(&key)?;
        Some((key, context))
    }

    /// Takes one that is due at `now`, with its key.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Arc<[u8]>, C)> {
        self.first_due().filter(|due| *due <= now).and_then(|_| self.take_first())
    }

    /// Takes what `old` has over: `join` puts a context of it before the one of the same key here.
    pub(super) fn take_over(&mut self, mut old: Self, mut join: impl FnMut(C, &mut C)) {
        while let Some((_, key)) = old.due.pop_first() {
            let Some(Open { context, due, begun, bytes }) = old.open.remove(&key) else { continue };
            let begun = (begun.0, self.next);
            self.begun.insert(begun);
            if let Some(open) = self.open.get_mut(&key) {
                join(context, &mut open.context);
                self.begun.remove(&std::mem::replace(&mut open.begun, begun));
                open.bytes += bytes;
                self.bytes += bytes;
            } else {
                let due = (due.0, self.next);
                self.bytes += bytes;
                self.due.insert(due, Arc::clone(&key));
                self.open.insert(key, Open { context, due, begun, bytes });
            }
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Breaks without it: a context is closed before its last message is old enough, or never; or its memory
    /// is counted for ever.
    #[test]
    fn the_one_that_is_due_first_comes_first() {
        let (mut contexts, start) = (ContextTable::default(), Instant::now());
        for (key, due) in [(b"a", 5), (b"b", 3), (b"c", 4), (b"b", 6)] {
            *contexts.grow(key, (start, after(start, due)), 10, || 0) += 1;
        }
        assert_eq!((contexts.len(), contexts.bytes()), (3, 40 + 3 * (1 + BESIDE)));
        assert!(contexts.take_due(after(start, 3)).is_none());
        let (key, count) = contexts.take_due(after(start, 9)).unwrap();
        assert_eq!((&*key, count), (&b"c"[..], 1));
        assert_eq!(contexts.first_due(), Some(after(start, 5)));
        assert_eq!(contexts.take(b"b"), Some(2));
        assert_eq!(contexts.take(b"b"), None);
        assert_eq!(contexts.take_first().map(|(_, count)| count), Some(1));
        assert_eq!((contexts.len(), contexts.bytes(), contexts.first_due()), (0, 0, None));
    }

    /// Breaks without it: a million keys of a sender take memory without bound.
    #[test]
    fn there_is_a_bound_to_the_number_and_to_the_memory() {
        let (mut contexts, start) = (ContextTable::default(), Instant::now());
        for key in 0..=MOST_CONTEXTS as u64 {
            assert!(!contexts.are_too_many());
            contexts.grow(&key.to_le_bytes(), (start, start), 0, || ());
        }
        assert!(contexts.are_too_many());
        let mut large = ContextTable::default();
        large.grow(b"a", (start, start), MOST_BYTES - 1 - BESIDE, || ());
        assert!(!large.are_too_many());
        large.grow(b"a", (start, start), 1, || ());
        assert!(large.are_too_many());
    }

    /// Breaks without it: what was open before a reload is lost, or comes behind what came after it.
    #[test]
    fn a_reload_puts_the_old_before_the_new() {
        let start = Instant::now();
        let (mut old, mut new) = (ContextTable::default(), ContextTable::default());
        old.grow(b"a", (after(start, 2), after(start, 2)), 1, || "old a".to_owned());
        old.grow(b"b", (after(start, 1), after(start, 1)), 1, || "old b".to_owned());
        new.grow(b"a", (after(start, 9), after(start, 9)), 1, || "new a".to_owned());
        new.take_over(old, |old, new| new.insert_str(0, &format!("{old}, ")));
        assert_eq!(new.bytes(), 3 + 3 + 3 * BESIDE);
        assert_eq!((new.oldest(), new.begun.len()), (Some(after(start, 1)), 2));
        assert_eq!(new.take_first().unwrap().1, "old b");
        assert_eq!(new.oldest(), Some(after(start, 2)), "that of the old one of the same key");
        assert_eq!(new.take(b"a").unwrap(), "old a, new a");
        assert_eq!(new.oldest(), None);
    }
}
