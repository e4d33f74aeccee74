//! Templates: text with `$MACRO`, `${NAME:-default}` and `$(function …)` in it.
//!
//! A template is compiled once, when the configuration is read, into a list of items: literal bytes,
//! values, calls. A name that is no macro is a name-value pair, looked up in each message; the names
//! that the engine knows are numbers by then. What a macro needs beside the message (the current time,
//! the sequence number, the zone) comes from a [`Context`], which also remembers how the last second
//! was written.
//!
//! Most bytes that pass through a template are MESSAGE, and nothing happens to them. A template that has
//! MESSAGE once, at the top, can be written in three pieces without copying the middle one:
//!
//! ```text
//!  "$DATE $HOST $MSGHDR$MSG\n"
//!   └── head ──────────┘ └─ the batch's own memory ─┘ └ tail
//! ```
//!
//! [`Template::format_around`] makes the head and the tail, and a destination hands the three to
//! `writev`. Where head and tail are the same for every message, [`Template::as_message_with_suffix`]
//! gives them without a message.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::sync::Arc;

use crate::message::{MessageRef, ValueType};
use crate::syslog::sanitize_utf8;

mod append;
mod build;
mod civil;
mod computed;
mod context;
mod correlated;
mod element;
mod error;
mod function;
mod glob;
mod host;
mod item;
mod json;
mod line;
mod macros;
mod number;
mod pairs;
mod parse;
mod process;
mod sdata;
mod surroundings;
mod time;
mod zone;

#[cfg(test)]
mod tests;

pub(crate) use civil::{DAYS, MONTHS};
pub use context::{Context, Identity, Moment, OnError, Options, TimeZoneUse};
pub use correlated::with_context;
pub use element::with_element;
pub use error::TemplateError;
pub(crate) use glob::Glob;
pub use host::{
    ERROR, HostCalls, HostFunction, HostFunctionCounts, at_thread_end, calls_host, end_host_thread,
    keeps_lock,
};
pub(crate) use line::BSD_LINE;
pub use line::{FILE_LINE, append_rfc5424_header};
pub use macros::{is_computed, is_macro, macro_names, macro_type};
pub(crate) use macros::{is_settable, nearest as nearest_macro};
pub(crate) use pairs::{Builder as PairsBuilder, Change, ValuePairs};
pub use process::this_process;
pub use surroundings::{Condition, Later, NameOptions, NamedTemplate, NamedTemplates, Names, Surroundings};
pub use time::TsFormat;
pub use zone::{Zone, ZoneClock};

use item::{Item, Items, Scope, format_items, literal};
use macros::Value;
use parse::Notes;
use surroundings::Alone;

/// A compiled template. Copies share the compiled form.
#[derive(Debug, Clone)]
pub struct Template {
    compiled: Arc<Compiled>,
    /// The type that the result is said to have, whatever is in it: `int("…")`.
    hint: Option<ValueType>,
}

#[derive(Debug)]
struct Compiled {
    bytes: Box<[u8]>,
    /// The same to be shown: bytes that are not UTF-8 are written as `\xHH`.
    text: String,
    items: Items,
    /// The one item that is MESSAGE and nothing else, when there is exactly one.
    message_at: Option<usize>,
    notes: Notes,
}

/// A piece of a formatted template, for those who trust its own text more than what messages say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// From the template's own text.
    Literal(&'a [u8]),
    /// From a message, a macro or a function.
    Value(&'a [u8]),
}

impl Default for Template {
    /// The empty template.
    fn default() -> Self {
        let compiled = Compiled {
            bytes: Box::default(),
            text: String::new(),
            items: Items::default(),
            message_at: None,
            notes: Notes::default(),
        };
        Self { compiled: Arc::new(compiled), hint: None }
    }
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Unknown functions, unbalanced braces, parentheses or quotes, each with its place.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        Self::compile_bytes(text.as_bytes())
    }

    /// A template whose result is `text`, whatever is in it.
    ///
    /// # Panics
    /// Never: nothing is left in it that could be wrong.
    pub fn literal(text: &str) -> Self {
        match Self::compile(&text.replace('$', "$$")) {
            Ok(template) => template,
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Compiles a text that need not be UTF-8.
    ///
    /// # Errors
    /// Those of [`Template::compile`].
    pub fn compile_bytes(bytes: &[u8]) -> Result<Self, TemplateError> {
        Self::compile_in(bytes, &mut Alone)
    }

    /// Compiles a text that stands in a configuration: it may refer to what `surroundings` has.
    ///
    /// # Errors
    /// Those of [`Template::compile`], and conditions, templates and functions that are none. An error that
    /// `surroundings` has reported has no message.
    pub fn compile_in(bytes: &[u8], surroundings: &mut dyn Surroundings) -> Result<Self, TemplateError> {
        let parsed = parse::parse(bytes, surroundings)?;
        let list = &parsed.items.list;
        let messages = |item: &Item| matches!(item, Item::Value(Value::Message, _));
        let message_at = match list.iter().filter(|item| messages(item)).count() {
            1 => list.iter().position(|item| matches!(item, Item::Value(Value::Message, None))),
            _ => None,
        };
        let items = parsed.items;
        let mut shown = Vec::new();
        sanitize_utf8(bytes, &mut shown);
        let text = String::from_utf8_lossy(&shown).into_owned();
        let compiled = Compiled { bytes: bytes.into(), text, items, message_at, notes: parsed.notes };
        Ok(Self { compiled: Arc::new(compiled), hint: None })
    }

    /// The same template, whose result is said to be of type `hint`.
    #[must_use]
    pub fn with_type(self, hint: ValueType) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The type that its result is said to have.
    pub fn hint(&self) -> Option<ValueType> {
        self.hint
    }

    /// The line that `file()` writes when no template is given, [`FILE_LINE`].
    ///
    /// # Panics
    /// Never: a test compiles it.
    pub fn file_line() -> Self {
        match Self::compile(FILE_LINE) {
            Ok(template) => template,
            Err(error) => unreachable!("{error}"),
        }
    }

    /// The text that the template was compiled from, to be shown: what is not UTF-8 in it is written as
    /// `\xHH`.
    pub fn text(&self) -> &str {
        &self.compiled.text
    }

    /// The text that the template was compiled from.
    pub fn bytes(&self) -> &[u8] {
        &self.compiled.bytes
    }

    /// The whole result, when no message can change it.
    pub fn as_literal(&self) -> Option<&[u8]> {
        literal(&self.compiled.items.list)
    }

    /// The texts before and after MESSAGE, when they are the same for every message.
    ///
    /// It holds for contexts that do not escape ([`Context::escapes`]).
    pub fn as_message_with_suffix(&self) -> Option<(&[u8], &[u8])> {
        let items = &*self.compiled.items.list;
        let at = self.compiled.message_at?;
        Some((literal(&items[..at])?, literal(&items[at + 1..])?))
    }

    /// Names that look like a misspelt macro, with their place and the macro that is nearest.
    ///
    /// They are legal: a name that is no macro is a name-value pair, empty when it is not set.
    pub fn suspicious_names(&self) -> Vec<(Range<usize>, String)> {
        let names = self.compiled.notes.names.iter();
        names.filter_map(|(at, name)| Some((at.clone(), macros::nearest(name)?))).collect()
    }

    /// Its warnings: what is legal and does something else than it looks like, each with its place.
    pub fn warnings(&self) -> &[TemplateError] {
        &self.compiled.notes.warnings
    }

    /// Tells whether its own text calls a function of the host's; see [`calls_host`].
    fn calls_host(&self) -> bool {
        self.compiled.notes.calls_host
    }

    /// Appends what the template is for `message`.
    #[inline]
    pub fn format(&self, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
        if self.hint.is_some_and(ValueType::is_binary) {
            self.format_typed(message, context, out);
            return;
        }
        format_items(&self.compiled.items.list, message, context, context.escapes(), out);
    }

    /// Appends what the template is for `message`, and tells the type of it.
    ///
    /// The type is that of the hint. Without one it is that of the single value, macro or function which the
    /// template consists of, null for a value that is not set. It is a string where the default of a value is
    /// taken, for several of them, for any other text, for what is escaped, and in configurations for a
    /// version before 4.0.
    pub fn format_typed(&self, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) -> ValueType {
        let scope = Scope { message, context };
        self.compiled.items.append_typed(scope, self.hint, context.escapes(), out)
    }

    /// Appends what the template is for a message, without escapes, and tells the type of it.
    fn append_typed(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType {
        self.compiled.items.append_typed(scope, self.hint, false, out)
    }

    /// True when [`Template::format_around`] can leave MESSAGE out.
    pub fn is_around_message(&self, context: &Context) -> bool {
        self.compiled.message_at.is_some() && !context.escapes()
    }

    /// True when nothing but MESSAGE differs between two messages of one batch that have no pairs of their
    /// own, one priority, and stamps in the same second of the same offset, while `context` stays as it is.
    pub(crate) fn is_steady(&self, context: &Context) -> bool {
        self.is_around_message(context)
            && self.compiled.items.list.iter().all(|item| match item {
                Item::Literal(_) => true,
                Item::Value(value, _) => value.is_steady(context.writes_fractions()),
                Item::Call(_) => false,
            })
    }

    /// Appends the part before MESSAGE, calls `between`, and appends the part after it; what `format`
    /// gives is both parts with MESSAGE in their middle.
    ///
    /// # Panics
    /// When [`Template::is_around_message`] says no.
    #[inline]
    pub fn format_around(
        &self,
        message: MessageRef<'_>,
        context: &Context,
        out: &mut Vec<u8>,
        between: impl FnOnce(&mut Vec<u8>),
    ) {
        assert!(self.is_around_message(context), "MESSAGE stands once in the template, as it is");
        let items = &*self.compiled.items.list;
        let at = self.compiled.message_at.unwrap_or_default();
        format_items(&items[..at], message, context, false, out);
        between(out);
        format_items(&items[at + 1..], message, context, false, out);
    }

    /// Calls `piece` with each piece of the result, in order; `scratch` is used for values.
    pub fn format_pieces(
        &self,
        message: MessageRef<'_>,
        context: &Context,
        scratch: &mut Vec<u8>,
        mut piece: impl FnMut(Piece<'_>),
    ) {
        for item in &self.compiled.items.list {
            if let Item::Literal(text) = item {
                piece(Piece::Literal(text));
            } else {
                scratch.clear();
                format_items(std::slice::from_ref(item), message, context, context.escapes(), scratch);
                piece(Piece::Value(scratch));
            }
        }
    }
}
