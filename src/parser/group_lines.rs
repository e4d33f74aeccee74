//! `group-lines()`: one message of several that are lines of it.
//!
//! ```text
//! java.io.IOException: x      ┐
//! \tat a.B.c(B.java:1)        ├──► one message, when the next one begins, or after timeout()
//! \tat a.B.d(B.java:2)        ┘
//! next line
//! ```
//!
//! The lines of one `key()` are put together as those of a file are ([`MultiLine`]). The message that comes
//! out is that of the last line, with all lines for its text; it stands before the message that closed it. A
//! line that is a message by itself, and waits for no other, goes on as it came.
//!
//! Collected lines have a bound: a text is no longer than `log-msg-size()`, and of all of them the oldest is
//! closed where there is no room ([`ContextTable`]).

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::correlation::guarded::{Counting, Guarded, StepCounts};
use super::correlation::{CORRELATION, ContextTable, CorrelationOptions, Scope};
use super::step::Naming;
use super::{StepOptions, TEXT, TextOptions};
use crate::config::grammar::{DriverHead, Kind, Parsed, Parser, Place, Reported, Table, apply, names};
use crate::config::{Config, Diagnostic, Span, TemplateOptions, TemplateText};
use crate::flow::{Kept, Lane};
use crate::message::batch::Text;
use crate::message::{MessageRef, Rows, Selection, Stored};
use crate::path::{Correlation, Out, Step, StepStatistics, Timed};
use crate::rewrite::{self, Scratch, Value};
use crate::transport::multi_line::{MULTI_LINE, MultiLine, MultiLineMode, MultiLineOptions, Verdict};

/// Memory of a line beside its text and its message.
const LINE: u64 = 128;

/// The options of `group-lines()`.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupLinesOptions {
    correlation: CorrelationOptions,
    lines: MultiLineOptions,
    /// `line-separator()`
    separator: Option<String>,
    text: TextOptions,
    /// The place of the word.
    span: Option<Span>,
}

const TABLE: Table<GroupLinesOptions> =
    &[("line-separator", Kind::Text(|to, text| to.separator = Some(text.value)))];

impl StepOptions for GroupLinesOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self { span: Some(head.span), ..Self::default() };
        let before = parser.report.errors();
        let known =
            || names(TABLE).chain(names(CORRELATION)).chain(names(MULTI_LINE)).chain(names(TEXT)).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(TABLE, &mut options, parser, key)
                .or_else(|| apply(CORRELATION, &mut options.correlation, parser, key))
                .or_else(|| apply(MULTI_LINE, &mut options.lines, parser, key))
                .or_else(|| apply(TEXT, &mut options.text, parser, key))
        });
        // One that is wrong was reported.
        if parser.report.errors() > before {
            return Err(Reported);
        }
        options.correlation.check(parser, head)?;
        if let Some((_, span)) = options.lines.timeout {
            let help = Some("a group waits for its next line as long as timeout() says".to_owned());
            return Err(parser.report.error(span, "group-lines() has no multi-line-timeout()", help));
        }
        if options.lines.mode == MultiLineMode::None
            && options.lines.prefix.is_none()
            && options.lines.end.is_none()
        {
            let message = "group-lines() needs a multi-line-mode()";
            let help = Some("as in multi-line-mode(indented)".to_owned());
            return Err(parser.report.error(head.span, message, help));
        }
        Ok(options)
    }

    fn persist_name(&self) -> Option<String> {
        Some(self.correlation.persist_name("group-lines"))
    }

    fn compile(&self, config: &Config, naming: Naming, key: String) -> Result<Arc<dyn Step>, Diagnostic> {
        if let Some(span) = self.span {
            self.lines.check(config, span, 0, false)?;
        }
        let mut contexts = rewrite::Contexts::default();
        let mut value = |text: &Option<TemplateText>| {
            let compile = |text| Value::compile(config, text, &TemplateOptions::default(), &mut contexts);
            text.as_ref().map(compile).transpose()
        };
        let is_message = |text: &TemplateText| text.template.as_message_with_suffix() == Some((b"", b""));
        let text = self.text.template.clone().filter(|text| !is_message(text));
        let (text, key_value) = (value(&text)?, value(&self.correlation.key)?);
        let sort_key = value(&self.correlation.sort_key)?;
        let Some(lines) = self.lines.mode() else { unreachable!("the options were read with a mode") };
        let state = State {
            lines,
            scratch: contexts.scratch(),
            groups: ContextTable::default(),
            key: Vec::new(),
            line: Vec::new(),
            processed: 0,
            counts: Correlation::default(),
        };
        Ok(Arc::new(GroupLines {
            naming,
            key,
            text,
            group: key_value,
            scope: self.correlation.scope,
            sort_key,
            wait: self.correlation.wait(),
            separator: self.separator.as_deref().unwrap_or("\n").as_bytes().into(),
            most: config.options.log_msg_size,
            state: Guarded::new(state),
        }))
    }
}

#[derive(Debug)]
struct GroupLines {
    naming: Naming,
    /// Its identity over a reload.
    key: String,
    /// The line; `None` is MESSAGE.
    text: Option<Value>,
    /// `key()`
    group: Option<Value>,
    scope: Scope,
    sort_key: Option<Value>,
    /// The time that a group waits for its next line.
    wait: Duration,
    separator: Box<[u8]>,
    /// The longest text, in bytes.
    most: usize,
    state: Guarded<State>,
}

#[derive(Debug)]
struct State {
    /// The way in which lines are put together.
    lines: MultiLine,
    scratch: Scratch,
    groups: ContextTable<Group>,
    /// The key of the message that is looked at.
    key: Vec<u8>,
    /// Its line, where that is not MESSAGE.
    line: Vec<u8>,
    processed: u64,
    counts: Correlation,
}

/// Lines that are one message.
#[derive(Debug)]
struct Group {
    lines: Vec<Line>,
    /// The bytes of their texts, with a separator between.
    len: usize,
    kept: Vec<Kept>,
    /// The lane of the last one.
    lane: Arc<Lane>,
    /// The knowledge of the line before, where it takes some.
    stream: Option<MultiLine>,
}

#[derive(Debug)]
struct Line {
    text: Box<[u8]>,
    /// Its `sort-key()`.
    sort_key: Box<[u8]>,
    /// Its message. Where lines are not sorted, only the last one has it.
    message: Option<Stored>,
}

impl Group {
    /// The message that its lines are, with its lane and what it was made of.
    fn into_message(mut self, separator: &[u8]) -> Option<(Stored, Arc<Lane>, Vec<Kept>)> {
        self.lines.sort_by(|one, other| one.sort_key.cmp(&other.sort_key));
        let mut text = Vec::with_capacity(self.len);
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(separator);
            }
            text.extend_from_slice(&line.text);
        }
        let mut message = self.lines.into_iter().rev().find_map(|line| line.message)?;
        let is_made = message.revise(|row| row.message(Text::Copy(&text)));
        is_made.then_some((message, self.lane, self.kept))
    }

    /// Puts the lines of `before` before its own.
    fn join(&mut self, before: Self, separator: &[u8]) {
        let Self { lines, len, kept, .. } = before;
        self.lines.splice(0..0, lines);
        self.kept.splice(0..0, kept);
        self.len += len + separator.len();
    }
}

/// The part that a line has in a message.
struct Part {
    /// The bytes of it that belong to one.
    len: usize,
    /// A message that was open ends before it.
    begins: bool,
    /// The message ends in it.
    ends: bool,
}

impl Part {
    fn of(verdict: Verdict, line: &[u8]) -> Self {
        match verdict {
            Verdict::GoesOn => Self { len: line.len(), begins: false, ends: false },
            Verdict::Ends(len) => Self { len, begins: false, ends: true },
            Verdict::Begins => Self { len: line.len(), begins: true, ends: false },
            Verdict::BeginsAndEnds(len) => Self { len, begins: true, ends: true },
        }
    }
}

impl Counting for State {
    fn counts(&self) -> StepCounts {
        let (contexts, bytes) = (self.groups.len() as u64, self.groups.bytes());
        let correlation = Correlation { contexts, bytes, oldest: self.groups.oldest(), ..self.counts };
        StepCounts { processed: self.processed, discarded: 0, correlation: Some(correlation) }
    }
}

impl GroupLines {
    /// Looks at one message; whether it goes on as it came.
    fn one(&self, state: &mut State, message: MessageRef<'_>, out: &mut Out<'_>) -> bool {
        let State { lines, scratch, groups, key, line, .. } = &mut *state;
        self.scope.key_of(message, key);
        if let Some(group) = &self.group {
            key.extend_from_slice(group.of(message, scratch).1);
        }
        let text = match &self.text {
            None => message.text(),
            Some(text) => {
                line.clear();
                line.extend_from_slice(text.of(message, scratch).1);
                line
            }
        };
        // The part that the line has in a message.
        let mut open = groups.get_mut(key);
        let before = open.as_mut().map(|group| group.len);
        let mut stream = lines.for_one_stream();
        if let (Some(stream), Some(known)) = (&mut stream, open.and_then(|group| group.stream.take())) {
            *stream = known;
        }
        let part = Part::of(stream.as_mut().unwrap_or(lines).look(text), text);
        let is_whole = part.ends && part.len == text.len();
        let is_full = before.is_some_and(|len| len + self.separator.len() + part.len > self.most);
        // The message before it.
        let row = message.row();
        if before.is_some() && (part.begins || is_full) {
            state.counts.closed_early += u64::from(is_full && !part.begins);
            state.counts.closed_by_message += u64::from(part.begins);
            self.close(state, |made, _, kept| out.make_copy(row, made, kept));
        }
        let is_first = before.is_none() || part.begins || is_full;
        if is_first && is_whole && self.text.is_none() {
            return true;
        }
        self.hold(state, message, (&part, stream), out);
        false
    }

    /// Holds `message` back, whose key and line were looked at.
    fn hold(
        &self,
        state: &mut State,
        message: MessageRef<'_>,
        (part, stream): (&Part, Option<MultiLine>),
        out: &mut Out<'_>,
    ) {
        let State { scratch, groups, key, line, .. } = &mut *state;
        let row = message.row();
        let kept = out.keep(row);
        // A line of which nothing is left adds nothing, but that it may be the end.
        if part.len > 0 || !part.ends {
            let text = if self.text.is_some() { &line[..part.len] } else { &message.text()[..part.len] };
            let sort_key = self.sort_key.as_ref().map(|value| value.of(message, scratch).1.into());
            let stored = Stored::of(message);
            let more = text.len() as u64 + stored.bytes() + LINE;
            let lane = &out.trigger().lane;
            let begin = || Group {
                lines: Vec::new(),
                len: 0,
                kept: Vec::new(),
                lane: Arc::clone(lane),
                stream: None,
            };
            let group = groups.grow(key, (out.now(), out.now() + self.wait), more, begin);
            let mut less = 0;
            if let Some(last) = group.lines.last_mut() {
                group.len += self.separator.len();
                if self.sort_key.is_none() {
                    less = last.message.take().map_or(0, |message| message.bytes());
                }
            }
            group.len += text.len();
            let sort_key = sort_key.unwrap_or_default();
            group.lines.push(Line { text: text.into(), sort_key, message: Some(stored) });
            (group.lane, group.stream) = (Arc::clone(lane), stream);
            group.kept.push(kept);
            groups.shrink(key, less);
        } else if let Some(group) = groups.get_mut(key) {
            group.kept.push(kept);
        }
        if part.ends {
            state.counts.closed_by_message += 1;
            self.close(state, |made, _, kept| out.make_copy(row, made, kept));
        }
        while state.groups.are_too_many() {
            let Some((_, group)) = state.groups.take_first() else { break };
            state.counts.closed_early += 1;
            self.make(state, group, |made, _, kept| out.make_copy(row, made, kept));
        }
    }

    /// Closes the group of the key that was looked at, if it is open.
    fn close(&self, state: &mut State, give: impl FnOnce(&Stored, &Arc<Lane>, Vec<Kept>)) {
        if let Some(group) = state.groups.take(&state.key) {
            self.make(state, group, give);
        }
    }

    /// Gives the message of `group` to `give`.
    fn make(&self, state: &mut State, group: Group, give: impl FnOnce(&Stored, &Arc<Lane>, Vec<Kept>)) {
        if let Some((message, lane, kept)) = group.into_message(&self.separator) {
            state.counts.made += 1;
            give(&message, &lane, kept);
        }
    }
}

impl Step for GroupLines {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let state = &mut *self.state.lock();
        state.scratch.begin(out.now());
        let mut passed = Vec::new();
        for message in selection.messages() {
            state.processed += 1;
            if self.one(state, message, out) {
                passed.push(message.row());
            }
        }
        selection.set_rows(Rows::from(passed));
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
        self.state.lock().groups.first_due()
    }

    fn expire(&self, now: Instant, out: &mut Timed) {
        let state = &mut *self.state.lock();
        while let Some((_, group)) = state.groups.take_due(now) {
            state.counts.closed_by_timeout += 1;
            self.make(state, group, |made, lane, kept| out.make_copy(lane, made, kept));
        }
    }

    fn take_over(&self, old: &dyn Step) {
        let Some(old) = old.as_any().downcast_ref::<Self>() else { return };
        // Its counts stay: the engine puts those of all steps of one name together.
        let groups = std::mem::take(&mut old.state.lock().groups);
        self.state.lock().groups.take_over(groups, |old, group| group.join(old, &self.separator));
    }

    fn finish(&self, out: &mut Timed) {
        let state = &mut *self.state.lock();
        while let Some((_, group)) = state.groups.take_first() {
            state.counts.closed_at_end += 1;
            self.make(state, group, |made, lane, kept| out.make_copy(lane, made, kept));
        }
    }

    fn statistics(&self) -> Option<StepStatistics> {
        Some(self.state.counts().statistics(&self.naming, ""))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
