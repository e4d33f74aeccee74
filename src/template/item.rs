//! Items of a compiled template: literal bytes, values, calls ([`Item`]), and how they are written.
//!
//! Text is written by [`format_items`], and needs no types. [`Items::append_typed`] tells the type of the
//! result with it: that of its element when it is a single one and nothing else, and a string otherwise.

use std::fmt;

use super::Context;
use super::append::{append, append_typed, escape};
use super::macros::Value;
use crate::message::{MessageRef, ValueType};

/// A piece of a compiled template.
#[derive(Debug)]
pub(super) enum Item {
    Literal(Box<[u8]>),
    Value(Value, Option<Box<[u8]>>),
    Call(Box<dyn Call>),
}

/// A call of a template function, with its arguments.
pub(super) trait Call: fmt::Debug + Send + Sync {
    /// Appends the result, and tells its type.
    fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) -> ValueType;
}

/// The message that a template is formatted for, and what it knows beside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) message: MessageRef<'a>,
    pub(super) context: &'a Context,
}

/// The items of a template, or of an argument, in order.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) list: Box<[Item]>,
    /// Values keep their types; otherwise all but what has a hint is a string.
    pub(super) is_typed: bool,
}

impl Items {
    /// The whole result, when no message can change it.
    pub(super) fn as_literal(&self) -> Option<&[u8]> {
        literal(&self.list)
    }

    /// Appends the result; values are not escaped.
    pub(super) fn append(&self, scope: Scope<'_>, out: &mut Vec<u8>) {
        format_items(&self.list, scope.message, scope.context, false, out);
    }

    /// The result; values are not escaped.
    pub(super) fn text(&self, scope: Scope<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        self.append(scope, &mut text);
        text
    }

    /// Appends the result and tells its type; `hint` wins over all others.
    pub(super) fn append_typed(
        &self,
        scope: Scope<'_>,
        hint: Option<ValueType>,
        escapes: bool,
        out: &mut Vec<u8>,
    ) -> ValueType {
        let before = out.len();
        let own = match &*self.list {
            [Item::Value(value, default)] => {
                let own = append_typed(value, hint, scope, out);
                match default {
                    Some(default) if out.len() == before => {
                        out.extend_from_slice(default);
                        if value.is_macro() { own } else { ValueType::String }
                    }
                    _ => own,
                }
            }
            [Item::Call(call)] => call.append(scope, out),
            items => {
                format_items(items, scope.message, scope.context, escapes, out);
                return hint.unwrap_or_default();
            }
        };
        if escapes {
            escape(out, before);
        }
        match hint {
            Some(hint) => hint,
            None if self.is_typed && !escapes => own,
            None => ValueType::String,
        }
    }
}

/// The bytes of items that no message can change.
pub(super) fn literal(items: &[Item]) -> Option<&[u8]> {
    match items {
        [] => Some(b""),
        [Item::Literal(text)] => Some(text),
        _ => None,
    }
}

/// Appends the items; values are escaped when `escapes` says so.
#[inline]
pub(super) fn format_items(
    items: &[Item],
    message: MessageRef<'_>,
    context: &Context,
    escapes: bool,
    out: &mut Vec<u8>,
) {
    for item in items {
        let before = out.len();
        match item {
            Item::Literal(text) => {
                // Mostly it is a space, and a call would cost more.
                match **text {
                    [byte] => out.push(byte),
                    _ => out.extend_from_slice(text),
                }
                continue;
            }
            Item::Value(value, default) => {
                append(value, message, context, out);
                if let Some(default) = default
                    && out.len() == before
                {
                    out.extend_from_slice(default);
                }
            }
            Item::Call(call) => {
                call.append(Scope { message, context }, out);
            }
        }
        if escapes {
            escape(out, before);
        }
    }
}
