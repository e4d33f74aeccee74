//! `rename(…)`: gives a value another name.

use super::value::Contexts;
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, ValueUse};
use crate::config::{Config, Spanned};
use crate::message::batch::Text;
use crate::message::{RevisedRow, ValueName};

/// `rename("from" "to" condition())`
#[derive(Debug, Clone)]
pub(super) struct RenameOptions {
    /// The name that it has.
    pub from: Spanned<String>,
    /// The name that it gets.
    pub to: Spanned<String>,
}

impl FunctionOptions for RenameOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut name = || parser.value_name(ValueUse::Write);
        let both = name().and_then(|from| name().map(|to| (from, to)));
        let (from, to) = both.inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        parser.rewrite_options(head.open, &Vec::new, |_, _| None);
        Ok(Self { from, to })
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(Rename { from: ValueName::new(&self.from.value), to: ValueName::new(&self.to.value) }))
    }
}

#[derive(Debug)]
struct Rename {
    from: ValueName,
    to: ValueName,
}

impl Operation for Rename {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        if self.from == self.to {
            return;
        }
        let Some((value_type, text)) = row.read().value(&self.from) else { return };
        let copy = scratch.copy(text);
        row.set_value(&self.to, value_type, Text::Copy(copy));
        row.unset_value(&self.from);
    }
}
