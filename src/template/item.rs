//! Items of a compiled template: literal bytes, values, calls ([`Item`]), and how they are written.

use super::Context;
use super::append::{append, escape};
use super::function::Function;
use super::macros::Value;
use crate::message::MessageRef;

/// A piece of a compiled template.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Literal(Box<[u8]>),
    Value(Value, Option<Box<[u8]>>),
    Call(Box<Call>),
}

/// A call with its arguments, each a template.
#[derive(Debug, Clone)]
pub(super) struct Call {
    function: &'static Function,
    arguments: Box<[Box<[Item]>]>,
}

impl Call {
    /// Checks what can be checked before there is a message; with it comes what is doubtful about the call.
    ///
    /// # Errors
    /// Why there can be no such call.
    pub(super) fn new(
        function: &'static Function,
        arguments: Vec<Box<[Item]>>,
    ) -> Result<(Self, Option<String>), String> {
        let literals = arguments.iter().map(|argument| match &**argument {
            [Item::Literal(text)] => Some(&**text),
            _ => None,
        });
        let doubt = function.check(&literals.collect::<Vec<_>>())?;
        Ok((Self { function, arguments: arguments.into() }, doubt))
    }

    /// Appends the result.
    fn append(&self, message: MessageRef<'_>, context: &Context, out: &mut Vec<u8>) {
        let value = |index: usize| {
            let mut text = Vec::new();
            if let Some(items) = self.arguments.get(index) {
                format_items(items, message, context, false, &mut text);
            }
            text
        };
        self.function.append(self.arguments.len(), &value, out);
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
                out.extend_from_slice(text);
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
            Item::Call(call) => call.append(message, context, out),
        }
        if escapes {
            escape(out, before);
        }
    }
}
