//! The value of a message that `value(NAME)` names: [`Value`].

use super::scratch::Scratch;
use crate::config::{Config, Diagnostic, Spanned};
use crate::message::{FieldName, MessageRef};
use crate::template::{Moment, Template, is_computed, is_macro};

/// A value by its name.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// MESSAGE
    Message,
    /// A name that the engine knows.
    Known(FieldName),
    /// A name-value pair.
    Named(Box<[u8]>),
    /// A macro.
    Macro(Template),
}

impl Value {
    /// The value called `name`.
    pub(super) fn of(config: &Config, name: &Spanned<String>) -> Result<Self, Diagnostic> {
        let text = name.value.as_str();
        Ok(match FieldName::known(text) {
            _ if matches!(text, "MESSAGE" | "MSG" | "MSGONLY") => Self::Message,
            Some(id) if !is_computed(text) => Self::Known(id),
            _ if is_macro(text) => {
                let compiled = Template::compile(&format!("${{{text}}}"));
                Self::Macro(compiled.map_err(|error| config.error(name.span, error.to_string(), None))?)
            }
            _ => Self::Named(text.as_bytes().into()),
        })
    }

    /// Calls `read` with its text in `message`, which is empty where it is unset.
    #[inline]
    pub(super) fn with<T>(
        &self,
        message: MessageRef<'_>,
        moment: Moment,
        read: impl FnOnce(&[u8]) -> T,
    ) -> T {
        match self {
            Self::Message => read(message.text()),
            Self::Known(id) => read(message.known(*id).unwrap_or_default()),
            Self::Named(name) => {
                let value = message.named(name).filter(|(kind, _)| !kind.is_binary());
                read(value.map(|(_, text)| text).unwrap_or_default())
            }
            Self::Macro(template) => Scratch::with(moment, |Scratch { context, text, .. }| {
                text.clear();
                template.format(message, context, text);
                read(text)
            }),
        }
    }
}
