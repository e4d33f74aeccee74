//! The contexts of rules, and the messages that their actions make: [`Correlator`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::RuleClock;
use super::database::{ContextRule, Database, Rule};
use crate::flow::{Kept, Lane};
use crate::message::batch::Text;
use crate::message::{RevisedRow, Stored, ValueName, ValueType};
use crate::parser::correlation::{ContextTable, MOST_MESSAGES, Scope};
use crate::path::Correlation;
use crate::rewrite::Scratch;
use crate::template::{Moment, Zone, ZoneClock, with_context, with_element};

/// Memory of a message of a context, beside the message.
const BESIDE: u64 = 64;

/// The messages that one message has made, to be sent before it.
pub(super) struct Made<'m> {
    pub(super) lane: &'m Arc<Lane>,
    pub(super) row: u32,
    pub(super) now: Instant,
    pub(super) messages: &'m mut Vec<(u32, Stored, Vec<Kept>)>,
    /// The key of the context that the message is in.
    pub(super) context: Option<Vec<u8>>,
}

/// Takes a message that was made, of this lane, of what was kept.
pub(super) type Give<'g> = dyn FnMut(&Stored, &Arc<Lane>, Vec<Kept>) + 'g;

/// Messages that belong together.
#[derive(Debug)]
struct Context {
    database: Arc<Database>,
    /// The rule of the last message.
    rule: u32,
    id: Box<[u8]>,
    scope: Scope,
    messages: Arc<Vec<Stored>>,
    kept: Vec<Kept>,
    /// The lane of the last one.
    lane: Arc<Lane>,
}

/// The messages that an action may make yet.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Contexts, and the rates of actions.
#[derive(Debug)]
pub(super) struct Correlator {
    database: Arc<Database>,
    scratch: Scratch,
    clock: RuleClock,
    wall: ZoneClock,
    contexts: ContextTable<Context>,
    rates: ContextTable<Bucket>,
    counts: Correlation,
    key: Vec<u8>,
}

/// The state of one that another one takes over.
pub(super) struct CorrelatorState {
    clock: RuleClock,
    contexts: ContextTable<Context>,
    rates: ContextTable<Bucket>,
}

/// The messages that an action is about.
struct Subject<'s> {
    database: &'s Arc<Database>,
    rule: u32,
    id: &'s [u8],
    scope: Scope,
    messages: &'s Arc<Vec<Stored>>,
    lane: &'s Arc<Lane>,
    now: Instant,
}

impl Correlator {
    pub(super) fn new(database: Arc<Database>, scratch: Scratch) -> Self {
        Self {
            database,
            scratch,
            clock: RuleClock::new(Instant::now()),
            wall: ZoneClock::new(Zone::local()),
            contexts: ContextTable::default(),
            rates: ContextTable::default(),
            counts: Correlation::default(),
            key: Vec::new(),
        }
    }

    /// Goes on with the rules of another file. Contexts that are open have the rules that they came by.
    pub(super) fn renew(&mut self, database: Arc<Database>, scratch: Scratch) {
        (self.database, self.scratch) = (database, scratch);
    }

    /// Begins with other messages, at `now`.
    pub(super) fn begin(&mut self, now: Instant) {
        self.scratch.begin(now);
        if self.clock.micros.is_none() {
            self.clock = RuleClock::new(now);
        }
        while self.rates.take_due(now).is_some() {}
    }

    pub(super) fn counts(&self) -> Correlation {
        let (contexts, bytes) = (self.contexts.len() as u64, self.contexts.bytes());
        Correlation { contexts, bytes, oldest: self.contexts.oldest(), ..self.counts }
    }

    /// The time at which a context is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.contexts.first_due().map(|due| self.clock.moment_of(due))
    }

    /// Does what the rule `number` says to its message: the context, the values, the tags, the actions.
    pub(super) fn meet(
        &mut self,
        number: u32,
        row: &mut RevisedRow<'_>,
        name: &ValueName,
        made: &mut Made<'_>,
    ) {
        let database = Arc::clone(&self.database);
        let rule = &database.rules[number as usize];
        if rule.context.is_none() && rule.actions.is_empty() {
            self.set_values(rule, row);
            return;
        }
        let wall = self.wall.now().unix_micros;
        self.clock.see(row.read().stamp().unix_micros, wall, made.now);
        self.expire_into(made);
        let Some(context) = &rule.context else {
            self.set_values(rule, row);
            let messages = Arc::new(vec![Stored::of(row.read())]);
            let subject = Subject {
                database: &database,
                rule: number,
                id: b"",
                scope: Scope::Global,
                messages: &messages,
                lane: made.lane,
                now: made.now,
            };
            self.act(&subject, false, &mut |message, _, kept| {
                made.messages.push((made.row, message.clone(), kept));
            });
            return;
        };
        self.join(&database, number, context, row, name, made);
    }

    /// Puts the message of `row` into its context, and does what its rule says.
    fn join(
        &mut self,
        database: &Arc<Database>,
        number: u32,
        context: &ContextRule,
        row: &mut RevisedRow<'_>,
        name: &ValueName,
        made: &mut Made<'_>,
    ) {
        let rule = &database.rules[number as usize];
        let mut key = std::mem::take(&mut self.key);
        context.scope.key_of(row.read(), &mut key);
        let start = key.len();
        key.extend_from_slice(context.id.of(row.read(), &mut self.scratch).1);
        row.set_value(name, ValueType::String, Text::Copy(&key[start..]));
        if self.contexts.get_mut(&key).is_some_and(|open| open.messages.len() >= MOST_MESSAGES) {
            let full = self.contexts.take(&key);
            self.counts.closed_early += 1;
            if let Some(full) = full {
                self.close_into(full, made);
            }
        }
        // The values see the messages before.
        let before =
            self.contexts.get_mut(&key).map(|context| Arc::clone(&context.messages)).unwrap_or_default();
        with_context(&before, before.len(), || {
            with_element(ValueType::String, &key[start..], || self.set_values(rule, row));
        });
        drop(before);
        let stored = Stored::of(row.read());
        let due = self.clock.at(made.now) + context.timeout;
        let begin = || Context {
            database: Arc::clone(database),
            rule: number,
            id: key[start..].into(),
            scope: context.scope,
            messages: Arc::default(),
            kept: Vec::new(),
            lane: Arc::clone(made.lane),
        };
        let open = self.contexts.grow(&key, (made.now, due), stored.bytes() + BESIDE, begin);
        Arc::make_mut(&mut open.messages).push(stored);
        (open.database, open.rule, open.lane) = (Arc::clone(database), number, Arc::clone(made.lane));
        let messages = Arc::clone(&open.messages);
        let subject = Subject {
            database,
            rule: number,
            id: &key[start..],
            scope: context.scope,
            messages: &messages,
            lane: made.lane,
            now: made.now,
        };
        self.act(&subject, false, &mut |message, _, kept| {
            made.messages.push((made.row, message.clone(), kept));
        });
        made.context = Some(key.clone());
        self.key = key;
        while self.contexts.are_too_many() {
            let Some((_, context)) = self.contexts.take_first() else { break };
            self.counts.closed_early += 1;
            self.close_into(context, made);
        }
    }

    /// Closes `context`, by the message that `made` is of.
    fn close_into(&mut self, context: Context, made: &mut Made<'_>) {
        self.close(context, made.now, &mut |message, _, kept| {
            made.messages.push((made.row, message.clone(), kept));
        });
    }

    /// Sets the values and tags of `rule`.
    fn set_values(&mut self, rule: &Rule, row: &mut RevisedRow<'_>) {
        for (name, value) in &rule.values {
            let (value_type, text) = value.of(row.read(), &mut self.scratch);
            row.set_value(name, value_type, Text::Copy(text));
        }
        for tag in &rule.tags {
            row.tag(tag);
        }
    }

    /// Does the actions of a rule: those at a timeout, or those at a match.
    fn act(&mut self, subject: &Subject<'_>, is_timeout: bool, give: &mut Give<'_>) {
        let rule = &subject.database.rules[subject.rule as usize];
        let Some(last) = subject.messages.last() else { return };
        let moment = Moment::at(subject.now);
        for (number, action) in rule.actions.iter().enumerate() {
            if action.is_timeout != is_timeout {
                continue;
            }
            let is_met = action.condition.as_ref().is_none_or(|condition| {
                with_context(subject.messages, subject.messages.len() - 1, || {
                    with_element(ValueType::String, subject.id, || condition.matches(last.message(), moment))
                })
            });
            if !is_met || !self.has_rate(subject, number, action.rate) {
                continue;
            }
            let now = self.wall.now();
            let (id, scope) = (subject.id, subject.scope);
            let made = action.message.make(subject.messages, (id, scope), now, &mut self.scratch);
            let Some(made) = made else { continue };
            match &action.creates {
                None => {
                    self.counts.made += 1;
                    give(&made, subject.lane, Vec::new());
                }
                Some(context) => self.create(subject, context, made),
            }
        }
    }

    /// Begins a context with `message`.
    fn create(&mut self, subject: &Subject<'_>, context: &ContextRule, message: Stored) {
        let Some(last) = subject.messages.last() else { return };
        let mut key = Vec::new();
        context.scope.key_of(last.message(), &mut key);
        let start = key.len();
        let scratch = &mut self.scratch;
        with_context(subject.messages, subject.messages.len() - 1, || {
            key.extend_from_slice(context.id.of(last.message(), scratch).1);
        });
        // One that is there makes way.
        if self.contexts.take(&key).is_some() {
            self.counts.closed_by_message += 1;
        }
        let due = self.clock.at(subject.now) + context.timeout;
        let bytes = message.bytes() + BESIDE;
        self.contexts.grow(&key, (subject.now, due), bytes, || Context {
            database: Arc::clone(subject.database),
            rule: subject.rule,
            id: key[start..].into(),
            scope: context.scope,
            messages: Arc::new(vec![message]),
            kept: Vec::new(),
            lane: Arc::clone(subject.lane),
        });
    }

    /// Tells whether an action may make one more message for this key, and counts it.
    fn has_rate(&mut self, subject: &Subject<'_>, action: usize, rate: Option<(u32, u32)>) -> bool {
        let Some((number, seconds)) = rate else { return true };
        let (full, period) = (f64::from(number), f64::from(seconds));
        let rule = &subject.database.rules[subject.rule as usize];
        let mut key = Vec::new();
        if let Some(last) = subject.messages.last() {
            subject.scope.key_of(last.message(), &mut key);
        }
        for part in [&rule.id[..], subject.id] {
            key.extend_from_slice(&(part.len() as u32).to_le_bytes());
            key.extend_from_slice(part);
        }
        key.extend_from_slice(&(action as u32).to_le_bytes());
        // One that nothing was taken of for the period is full, and as good as none.
        let due = subject.now + Duration::from_secs(seconds.into());
        let bucket = self.rates.grow(&key, (subject.now, due), 0, || Bucket { left: full, at: subject.now });
        let passed = subject.now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * full / period).min(full);
        bucket.at = subject.now;
        let has_some = bucket.left >= 1.0;
        if has_some {
            bucket.left -= 1.0;
        }
        while self.rates.are_too_many() {
            self.rates.take_first();
        }
        has_some
    }

    /// Does the actions at the end of a context.
    fn close(&mut self, context: Context, now: Instant, give: &mut Give<'_>) {
        let Context { database, rule, id, scope, messages, kept, lane } = context;
        let is_own = Arc::ptr_eq(&database, &self.database);
        // The templates of another file have other memory.
        let own = (!is_own).then(|| std::mem::replace(&mut self.scratch, database.contexts.scratch()));
        if own.is_some() {
            self.scratch.begin(now);
        }
        let subject =
            Subject { database: &database, rule, id: &id, scope, messages: &messages, lane: &lane, now };
        let mut kept = Some(kept);
        self.act(&subject, true, &mut |message, lane, _| {
            give(message, lane, kept.take().unwrap_or_default());
        });
        if let Some(own) = own {
            self.scratch = own;
        }
    }

    /// Closes what is due, by the message that `made` is of.
    fn expire_into(&mut self, made: &mut Made<'_>) {
        let now = self.clock.at(made.now);
        while let Some((_, context)) = self.contexts.take_due(now) {
            self.counts.closed_by_timeout += 1;
            self.close_into(context, made);
        }
    }

    /// Closes what is due at the moment `now`.
    pub(super) fn expire(&mut self, now: Instant, give: &mut Give<'_>) {
        let time = self.clock.at(now);
        while let Some((_, context)) = self.contexts.take_due(time) {
            self.counts.closed_by_timeout += 1;
            self.close(context, now, give);
        }
    }

    /// Closes all.
    pub(super) fn finish(&mut self, give: &mut Give<'_>) {
        let now = self.clock.real;
        while let Some((_, context)) = self.contexts.take_first() {
            self.counts.closed_at_end += 1;
            self.close(context, now, give);
        }
    }

    /// Gives what was kept to the context of `key`, which acknowledges it at its end.
    pub(super) fn keep(&mut self, key: &[u8], kept: Kept) {
        if let Some(context) = self.contexts.get_mut(key) {
            context.kept.push(kept);
        }
    }

    /// Takes its state.
    pub(super) fn take_state(&mut self) -> CorrelatorState {
        CorrelatorState {
            clock: std::mem::replace(&mut self.clock, RuleClock::new(Instant::now())),
            contexts: std::mem::take(&mut self.contexts),
            rates: std::mem::take(&mut self.rates),
        }
    }

    /// Goes on with the state of one that was before it.
    pub(super) fn take_over(&mut self, old: CorrelatorState) {
        let CorrelatorState { clock, contexts, rates } = old;
        if self.clock.micros.is_none() {
            self.clock = clock;
        }
        self.contexts.take_over(contexts, |old, new| {
            Arc::make_mut(&mut new.messages).splice(0..0, old.messages.iter().cloned());
            new.kept.splice(0..0, old.kept);
        });
        self.rates.take_over(rates, |old, new| new.left = new.left.min(old.left));
    }
}
