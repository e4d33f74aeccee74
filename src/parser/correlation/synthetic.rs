//! Messages that are made of the messages of a context: [`Synthetic`].

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::Scope;
use crate::message::batch::Text;
use crate::message::{FieldName, Pair, RevisedRow, Stamp, Stored, ValueName, ValueType};
use crate::rewrite::{Scratch, Value};
use crate::template::{with_context, with_element};

/// `inherit-mode()`: the values that a made message has beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::parser) enum Inherit {
    /// None.
    None,
    /// Those of the last message.
    LastMessage,
    /// The same, and values of the messages before it that it does not have, the youngest of each.
    #[default]
    Context,
}

impl Inherit {
    /// The words of `inherit-mode()`.
    pub(in crate::parser) const WORDS: &[(&str, Self)] =
        &[("none", Self::None), ("last-message", Self::LastMessage), ("context", Self::Context)];
}

/// A message that is made.
#[derive(Debug)]
pub(in crate::parser) struct Synthetic {
    pub(in crate::parser) inherit: Inherit,
    /// The values that are set, in this order.
    pub(in crate::parser) values: Vec<(ValueName, Value)>,
    pub(in crate::parser) tags: Vec<Box<[u8]>>,
}

/// The priority of a message that inherits none: user.notice.
const PRI: u16 = 13;

impl Synthetic {
    /// The message for a context of `messages`, of which there is one at least, called `id`; messages of one
    /// `scope` are in it. It is `@0` to its own templates, received at `now`.
    pub(in crate::parser) fn make(
        &self,
        messages: &Arc<Vec<Stored>>,
        (id, scope): (&[u8], Scope),
        now: Stamp,
        scratch: &mut Scratch,
    ) -> Option<Stored> {
        let last = messages.last()?;
        let mut made = match self.inherit {
            Inherit::None => Stored::empty(last.origin(), PRI, last.message().stamp(), now),
            Inherit::LastMessage | Inherit::Context => last.clone(),
        };
        let is_made = made.revise(|row| {
            match self.inherit {
                Inherit::None => row.clear(),
                Inherit::LastMessage => {}
                Inherit::Context => merge(row, &messages[..messages.len() - 1]),
            }
            for field in scope.fields() {
                let text = last.message().known(*field).unwrap_or_default();
                row.set_value(&ValueName::Known(*field), ValueType::String, Text::Copy(text));
            }
            with_context(messages, messages.len(), || {
                with_element(ValueType::String, id, || {
                    for (name, value) in &self.values {
                        let (value_type, text) = value.of(row.read(), scratch);
                        row.set_value(name, value_type, Text::Copy(text));
                    }
                });
            });
            for tag in &self.tags {
                row.tag(tag);
            }
        });
        is_made.then_some(made)
    }
}

/// The name of a value as it is set; `None` for what is no value by itself.
fn name_of(pair: &Pair<'_>) -> Option<Vec<u8>> {
    match pair.id {
        FieldName::Text => Some(pair.name.to_vec()),
        FieldName::SdId | FieldName::Tag => None,
        FieldName::SdParam => Some([b".SDATA.", pair.sd_id, b".", pair.name].concat()),
        known => known.text().map(|name| name.as_bytes().to_vec()),
    }
}

/// Sets the values and tags of `before` that `row` does not have, those of the youngest first.
fn merge(row: &mut RevisedRow<'_>, before: &[Stored]) {
    let mut known: HashSet<Vec<u8>, RandomState> =
        row.read().pairs().filter_map(|pair| name_of(&pair)).collect();
    for stored in before.iter().rev() {
        let message = stored.message();
        for pair in message.pairs() {
            if let Some(name) = name_of(&pair)
                && !known.contains(&name)
            {
                row.set_named(&name, pair.value_type, Text::Copy(pair.value));
                known.insert(name);
            }
        }
        for tag in message.tags() {
            row.tag(tag);
        }
    }
}
