//! Messages to records: [`RecordFormat`].

use std::ffi::CString;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::destination::Numbers;
use crate::kafka::records::Value;
use crate::kafka::{Record, Records, topic};
use crate::message::{MessageRef, Selection};
use crate::template::{Context, HostCalls, Template};

/// The topic of each message.
#[derive(Debug, Clone)]
pub(super) enum TopicFormat {
    /// One for all.
    Literal(Arc<str>),
    /// The message's own, and the one of those whose own is none.
    Template(Template, Arc<str>),
}

/// The format of records.
#[derive(Debug, Clone)]
pub(super) struct RecordFormat {
    pub(super) topic: TopicFormat,
    pub(super) key: Option<Template>,
    pub(super) message: Template,
    pub(super) headers: Vec<(CString, Template)>,
}

impl RecordFormat {
    /// The topic, as users name it.
    pub(super) fn address(&self) -> &str {
        match &self.topic {
            TopicFormat::Literal(name) => name,
            TopicFormat::Template(template, _) => template.text(),
        }
    }

    /// True when each message chooses its topic.
    pub(super) fn is_chosen(&self) -> bool {
        matches!(self.topic, TopicFormat::Template(..))
    }

    /// The records of `view`, the first of which has the numbers `first`. The templates take them and the time
    /// from `context`.
    pub(super) fn records(&self, view: &Selection, first: Numbers, context: &mut Context) -> Records {
        let plain = !context.escapes() && self.message.as_message_with_suffix() == Some((b"", b""));
        let mut made = Records {
            view: view.clone(),
            text: Vec::new(),
            topics: Vec::new(),
            header_names: self.headers.iter().map(|(name, _)| name.clone()).collect(),
            list: Vec::with_capacity(view.len()),
        };
        if let TopicFormat::Literal(name) = &self.topic {
            made.topics.push(Arc::clone(name));
        }
        let mut scratch = Vec::new();
        let _calls = HostCalls::open();
        for row in 0..view.len() {
            let message = view.message(row);
            context.sequence = first.later(row).sequence;
            let start = made.text.len();
            let record = catch_unwind(AssertUnwindSafe(|| {
                self.record(row, message, plain, context, &mut made.text, &mut made.topics, &mut scratch)
            }));
            let record = record.unwrap_or_else(|_| {
                // A template has failed: the message goes on as it is.
                made.text.truncate(start);
                let headers = self.headers.iter().map(|_| start..start).collect();
                Record {
                    row,
                    topic: self.fallback(&mut made.topics),
                    key: None,
                    value: Value::Message,
                    headers,
                }
            });
            made.list.push(record);
        }
        made
    }

    #[expect(clippy::too_many_arguments, reason = "they are parts of what is being made")]
    fn record(
        &self,
        row: usize,
        message: MessageRef<'_>,
        plain: bool,
        context: &Context,
        text: &mut Vec<u8>,
        topics: &mut Vec<Arc<str>>,
        scratch: &mut Vec<u8>,
    ) -> Record {
        let mut formatted = |template: &Template| -> Range<usize> {
            let start = text.len();
            template.format(message, context, text);
            start..text.len()
        };
        let key = self.key.as_ref().map(&mut formatted).filter(|key| !key.is_empty());
        let value = if plain { Value::Message } else { Value::Text(formatted(&self.message)) };
        let headers = self.headers.iter().map(|(_, value)| formatted(value)).collect();
        Record { row, topic: self.topic(message, context, topics, scratch), key, value, headers }
    }

    /// The number of the topic of `message` in `topics`, to which it is added.
    fn topic(
        &self,
        message: MessageRef<'_>,
        context: &Context,
        topics: &mut Vec<Arc<str>>,
        scratch: &mut Vec<u8>,
    ) -> usize {
        let TopicFormat::Template(template, _) = &self.topic else { return 0 };
        scratch.clear();
        template.format(message, context, scratch);
        // Messages of one topic often come together.
        if topics.last().is_some_and(|last| last.as_bytes() == scratch.as_slice()) {
            return topics.len() - 1;
        }
        match str::from_utf8(scratch) {
            Ok(name) if topic::check(scratch).is_ok() => number_of(name, topics),
            _ => self.fallback(topics),
        }
    }

    /// The number of the topic of messages that have no other.
    fn fallback(&self, topics: &mut Vec<Arc<str>>) -> usize {
        match &self.topic {
            TopicFormat::Literal(_) => 0,
            TopicFormat::Template(_, fallback) => number_of(fallback, topics),
        }
    }
}

/// The number of `name` in `topics`, to which it is added where it is not near the end.
fn number_of(name: &str, topics: &mut Vec<Arc<str>>) -> usize {
    const NEAR: usize = 16;
    let near = topics.len().saturating_sub(NEAR);
    if let Some(at) = topics[near..].iter().position(|known| **known == *name) {
        return near + at;
    }
    topics.push(name.into());
    topics.len() - 1
}
