//! `unset(…)`: takes a value away.

use super::value::Contexts;
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, ValueUse};
use crate::config::{Config, Spanned};
use crate::message::{RevisedRow, ValueName};

/// `unset(value() condition())`
#[derive(Debug, Clone, Default)]
pub(super) struct UnsetOptions {
    /// `value()`: the name of the value; without it, MESSAGE.
    pub value: Option<Spanned<String>>,
}

impl FunctionOptions for UnsetOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self::default();
        parser.rewrite_options(head.open, &|| vec!["value"], |parser, key| match &*key.value {
            "value" => Some(parser.value_name(ValueUse::Write).map(|name| options.value = Some(name))),
            _ => None,
        });
        Ok(options)
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        let name = self.value.as_ref().map_or(ValueName::Message, |name| ValueName::new(&name.value));
        Ok(Box::new(Unset(name)))
    }
}

#[derive(Debug)]
struct Unset(ValueName);

impl Operation for Unset {
    fn apply(&self, row: &mut RevisedRow<'_>, _: &mut Scratch) {
        row.unset_value(&self.0);
    }
}
