//! `grouping-by()`: a message of those that belong together.
//!
//! ```text
//! login  user=a ┐                      ┌─ trigger(), or timeout() after the last one
//! open   user=a ├─ key("${user}") ─────┴──► having() ──► aggregate(value("n" "$(context-length)"))
//! logout user=a ┘
//! ```
//!
//! The messages of a key are copied into a context, and go on, or stay in it (`inject-mode(aggregate-only)`).
//! When it is closed, the conditions and the templates see all of them; the message that is made of them
//! stands before the one that closed it, and the key begins anew.
//!
//! Contexts have bounds ([`ContextTable`]), and so have the messages of one.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::correlation::guarded::{Counting, Guarded, StepCounts};
use super::correlation::synthetic::{Inherit, Synthetic};
use super::correlation::{CORRELATION, ContextTable, CorrelationOptions, MOST_MESSAGES, Scope};
use super::step::Naming;
use super::{StepOptions, TEXT, TextOptions};
use crate::config::grammar::{
    DriverHead, Kind, Parsed, Parser, Place, Reported, Table, ValueUse, apply, names,
};
use crate::config::{Config, Diagnostic, FilterStatement, TemplateOptions, TemplateText};
use crate::filter::Filter;
use crate::flow::{Kept, Lane};
use crate::message::{MessageRef, Rows, Selection, Stored, ValueName, ValueType};
use crate::path::{Correlation, Out, Step, StepStatistics, Timed};
use crate::rewrite::{self, Scratch, Value};
use crate::template::{Moment, Zone, ZoneClock, with_context, with_element};

/// Memory of a message of a context, beside the message.
const BESIDE: u64 = 64;

/// The options of `grouping-by()`.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupingByOptions {
    correlation: CorrelationOptions,
    /// `where()`: the messages that it is for.
    whence: Option<FilterStatement>,
    /// `trigger()`: a context that meets it is closed.
    trigger: Option<FilterStatement>,
    /// `having()`: nothing is made of a context that does not meet it.
    having: Option<FilterStatement>,
    /// `aggregate()`
    aggregate: Option<Aggregate>,
    /// `inject-mode(aggregate-only)`
    is_aggregate_only: bool,
    /// `persist-name()`
    persist_name: Option<String>,
    /// `prefix()` of the names of values.
    prefix: String,
    text: TextOptions,
}

/// `aggregate()`
#[derive(Debug, Clone, Default)]
struct Aggregate {
    values: Vec<(String, TemplateText)>,
    tags: Vec<String>,
    inherit: Inherit,
}

const TABLE: Table<GroupingByOptions> = &[
    ("where", Kind::Other(|parser, to| parser.condition_option().map(|it| to.whence = Some(it)))),
    ("trigger", Kind::Other(|parser, to| parser.condition_option().map(|it| to.trigger = Some(it)))),
    ("having", Kind::Other(|parser, to| parser.condition_option().map(|it| to.having = Some(it)))),
    ("aggregate", Kind::Other(read_aggregate)),
    ("inject-mode", Kind::Other(read_inject_mode)),
    ("persist-name", Kind::Text(|to, name| to.persist_name = Some(name.value))),
    ("prefix", Kind::Text(|to, prefix| to.prefix = prefix.value)),
];

const AGGREGATE: Table<Aggregate> = &[
    (
        "value",
        Kind::Other(|parser, to| {
            let name = parser.value_name(ValueUse::Write)?;
            let text = parser.template_argument()?;
            to.values.push((name.value, text));
            Ok(())
        }),
    ),
    ("tags", Kind::Texts(|to, tag| to.tags.push(tag.value))),
    ("inherit-mode", Kind::Other(|parser, to| parser.choice(Inherit::WORDS).map(|mode| to.inherit = mode))),
];

fn read_aggregate(parser: &mut Parser, to: &mut GroupingByOptions) -> Parsed<()> {
    let mut aggregate = Aggregate::default();
    let known = || names(AGGREGATE).collect();
    parser.nested_options(Place::FunctionOption, &known, |parser, key| {
        apply(AGGREGATE, &mut aggregate, parser, key)
    })?;
    to.aggregate = Some(aggregate);
    Ok(())
}

/// Reads `inject-mode()`: messages that are made go on behind the parser.
fn read_inject_mode(parser: &mut Parser, to: &mut GroupingByOptions) -> Parsed<()> {
    to.is_aggregate_only = super::correlation::read_inject_mode(parser)?;
    Ok(())
}

impl StepOptions for GroupingByOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        let before = parser.report.errors();
        let known = || names(TABLE).chain(names(CORRELATION)).chain(names(TEXT)).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut options, parser, key)
                .or_else(|| apply(CORRELATION, &mut options.correlation, parser, key))
                .or_else(|| apply(TEXT, &mut options.text, parser, key))
        });
        // One that is wrong was reported.
        if parser.report.errors() > before {
            return Err(Reported);
        }
        options.correlation.check(parser, head)?;
        if options.aggregate.is_none() {
            let message = "grouping-by() needs an aggregate(): the message that is made";
            let help = Some("as in aggregate(value(\"MESSAGE\" \"$(context-length) messages\"))".to_owned());
            return Err(parser.report.error(head.span, message, help));
        }
        if let Some(template) = &options.text.template {
            parser.report.warn(
                template.span,
                "`template` has no effect: key() is the text that counts",
                None,
            );
        }
        Ok(options)
    }

    fn persist_name(&self) -> Option<String> {
        let own = self.persist_name.clone();
        Some(own.unwrap_or_else(|| self.correlation.persist_name("grouping-by")))
    }

    fn compile(&self, config: &Config, naming: Naming, key: String) -> Result<Arc<dyn Step>, Diagnostic> {
        let filter = |statement: &Option<FilterStatement>| {
            let compile = |it: &FilterStatement| Filter::compile(config, &it.name, &it.condition);
            statement.as_ref().map(compile).transpose()
        };
        let mut contexts = rewrite::Contexts::default();
        let mut value =
            |text: &TemplateText| Value::compile(config, text, &TemplateOptions::default(), &mut contexts);
        let correlation = &self.correlation;
        let group = correlation.key.as_ref().map(&mut value).transpose()?;
        let sort_key = correlation.sort_key.as_ref().map(&mut value).transpose()?;
        let aggregate = self.aggregate.clone().unwrap_or_default();
        let mut values = Vec::new();
        for (name, text) in &aggregate.values {
            values.push((ValueName::new(&format!("{}{name}", self.prefix)), value(text)?));
        }
        let tags = aggregate.tags.iter().map(|tag| tag.as_bytes().into()).collect();
        let state = State {
            scratch: contexts.scratch(),
            clock: ZoneClock::new(Zone::local()),
            contexts: ContextTable::default(),
            key: Vec::new(),
            processed: 0,
            discarded: 0,
            counts: Correlation::default(),
        };
        Ok(Arc::new(GroupingBy {
            naming,
            key,
            group,
            scope: correlation.scope,
            sort_key,
            wait: correlation.wait(),
            whence: filter(&self.whence)?,
            trigger: filter(&self.trigger)?,
            having: filter(&self.having)?,
            aggregate: Synthetic { inherit: aggregate.inherit, values, tags },
            is_aggregate_only: self.is_aggregate_only,
            state: Guarded::new(state),
        }))
    }
}

#[derive(Debug)]
struct GroupingBy {
    naming: Naming,
    /// Its identity over a reload.
    key: String,
    /// `key()`
    group: Option<Value>,
    scope: Scope,
    sort_key: Option<Value>,
    /// The time that a context waits for its next message.
    wait: Duration,
    whence: Option<Filter>,
    trigger: Option<Filter>,
    having: Option<Filter>,
    aggregate: Synthetic,
    is_aggregate_only: bool,
    state: Guarded<State>,
}

#[derive(Debug)]
struct State {
    scratch: Scratch,
    clock: ZoneClock,
    contexts: ContextTable<Context>,
    /// The key of the message that is looked at.
    key: Vec<u8>,
    processed: u64,
    discarded: u64,
    counts: Correlation,
}

/// Messages that belong together.
#[derive(Debug)]
struct Context {
    /// The text of `key()`.
    id: Box<[u8]>,
    messages: Arc<Vec<Stored>>,
    kept: Vec<Kept>,
    /// The lane of the last one.
    lane: Arc<Lane>,
}

impl Context {
    /// Tells whether `condition` is met by its last message, with the others before it.
    fn meets(&self, condition: &Filter, moment: Moment) -> bool {
        let Some(last) = self.messages.last() else { return false };
        with_context(&self.messages, self.messages.len() - 1, || {
            with_element(ValueType::String, &self.id, || condition.matches(last.message(), moment))
        })
    }
}

impl Counting for State {
    fn counts(&self) -> StepCounts {
        let (contexts, bytes) = (self.contexts.len() as u64, self.contexts.bytes());
        let correlation = Correlation { contexts, bytes, oldest: self.contexts.oldest(), ..self.counts };
        let Self { processed, discarded, .. } = *self;
        StepCounts { processed, discarded, correlation: Some(correlation) }
    }
}

impl GroupingBy {
    /// Takes a copy of `message` into its context.
    fn one(&self, state: &mut State, message: MessageRef<'_>, out: &mut Out<'_>) {
        let State { scratch, contexts, key, counts, .. } = &mut *state;
        self.scope.key_of(message, key);
        let start = key.len();
        if let Some(group) = &self.group {
            key.extend_from_slice(group.of(message, scratch).1);
        }
        let row = message.row();
        let kept = self.is_aggregate_only.then(|| out.keep(row));
        let is_full = contexts.get_mut(key).is_some_and(|context| context.messages.len() >= MOST_MESSAGES);
        if is_full {
            counts.closed_early += 1;
            self.close(state, |made, _, kept| out.make_copy(row, made, kept));
        }
        let moment = state.scratch.moment();
        let State { contexts, key, .. } = &mut *state;
        let (stored, lane) = (Stored::of(message), &out.trigger().lane);
        let begin = || Context {
            id: key[start..].into(),
            messages: Arc::default(),
            kept: Vec::new(),
            lane: Arc::clone(lane),
        };
        let context = contexts.grow(key, (out.now(), out.now() + self.wait), stored.bytes() + BESIDE, begin);
        Arc::make_mut(&mut context.messages).push(stored);
        context.kept.extend(kept);
        context.lane = Arc::clone(lane);
        if self.trigger.as_ref().is_some_and(|trigger| context.meets(trigger, moment)) {
            state.counts.closed_by_message += 1;
            self.close(state, |made, _, kept| out.make_copy(row, made, kept));
        }
        while state.contexts.are_too_many() {
            let Some((_, context)) = state.contexts.take_first() else { break };
            state.counts.closed_early += 1;
            self.make(state, context, |made, _, kept| out.make_copy(row, made, kept));
        }
    }

    /// Closes the context of the key that was looked at.
    fn close(&self, state: &mut State, give: impl FnOnce(&Stored, &Arc<Lane>, Vec<Kept>)) {
        if let Some(context) = state.contexts.take(&state.key) {
            self.make(state, context, give);
        }
    }

    /// Gives the message that is made of `context` to `give`.
    fn make(
        &self,
        state: &mut State,
        mut context: Context,
        give: impl FnOnce(&Stored, &Arc<Lane>, Vec<Kept>),
    ) {
        if let Some(sort_key) = &self.sort_key {
            let scratch = &mut state.scratch;
            Arc::make_mut(&mut context.messages)
                .sort_by_cached_key(|stored| sort_key.of(stored.message(), scratch).1.to_vec());
        }
        let moment = state.scratch.moment();
        if self.having.as_ref().is_some_and(|having| !context.meets(having, moment)) {
            return;
        }
        let now = state.clock.now();
        let Context { id, messages, kept, lane } = context;
        let made = self.aggregate.make(&messages, (&id, self.scope), now, &mut state.scratch);
        if let Some(made) = made {
            state.counts.made += 1;
            give(&made, &lane, kept);
        }
    }
}

impl Step for GroupingBy {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let all = selection.rows().clone();
        let met = self.whence.as_ref().map_or(all.clone(), |filter| filter.select(selection, out));
        let state = &mut *self.state.lock();
        state.scratch.begin(out.now());
        state.processed += all.len() as u64;
        for row in met.iter() {
            self.one(state, selection.row(row), out);
        }
        if self.is_aggregate_only {
            // What is not collected ends here, too.
            let others = all.without(&met);
            state.discarded += others.len() as u64;
            others.iter().for_each(|row| drop(out.keep(row)));
            selection.set_rows(Rows::NONE);
        }
    }

    fn name(&self) -> &str {
        &self.naming.name
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }

    fn deadline(&self) -> Option<Instant> {
        self.state.lock().contexts.first_due()
    }

    fn expire(&self, now: Instant, out: &mut Timed) {
        let state = &mut *self.state.lock();
        state.scratch.begin(now);
        while let Some((_, context)) = state.contexts.take_due(now) {
            state.counts.closed_by_timeout += 1;
            self.make(state, context, |made, lane, kept| out.make_copy(lane, made, kept));
        }
    }

    fn take_over(&self, old: &dyn Step) {
        let Some(old) = old.as_any().downcast_ref::<Self>() else { return };
        // Its counts stay: the engine puts those of all steps of one name together.
        let contexts = std::mem::take(&mut old.state.lock().contexts);
        self.state.lock().contexts.take_over(contexts, |old, new| {
            Arc::make_mut(&mut new.messages).splice(0..0, old.messages.iter().cloned());
            new.kept.splice(0..0, old.kept);
        });
        let conditions =
            [(&self.whence, &old.whence), (&self.trigger, &old.trigger), (&self.having, &old.having)];
        for (own, old) in conditions {
            own.iter().zip(old).for_each(|(own, old)| own.take_state_over(old));
        }
    }

    fn finish(&self, out: &mut Timed) {
        let state = &mut *self.state.lock();
        while let Some((_, context)) = state.contexts.take_first() {
            state.counts.closed_at_end += 1;
            self.make(state, context, |made, lane, kept| out.make_copy(lane, made, kept));
        }
    }

    fn statistics(&self) -> Option<StepStatistics> {
        Some(self.state.counts().statistics(&self.naming, "where()"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
