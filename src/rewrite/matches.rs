//! `set-matches(…)`, `unset-matches()`: the matches of patterns, `$0` to `$255`.

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, TemplateOptions, TemplateText};
use crate::message::batch::Text;
use crate::message::{FieldName, RevisedRow, ValueType, list};

/// The most matches, `$0` included.
const MOST: usize = 256;

/// `set-matches("list" condition())`
#[derive(Debug, Clone)]
pub(super) struct SetMatchesOptions {
    /// The list.
    pub text: TemplateText,
}

impl FunctionOptions for SetMatchesOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        parser.rewrite_options(head.open, &Vec::new, |_, _| None);
        Ok(Self { text })
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let list = Value::compile(config, &self.text, &TemplateOptions::default(), contexts)?;
        Ok(Box::new(SetMatches(list)))
    }
}

#[derive(Debug)]
struct SetMatches(Value);

impl Operation for SetMatches {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let (_, text) = self.0.of(row.read(), scratch);
        let elements = list::decode(text);
        row.unset_matches(0);
        for (number, element) in (1..MOST).zip(&elements) {
            let name = number.to_string();
            row.set(FieldName::Text, name.as_bytes(), ValueType::String, Text::Copy(element));
        }
    }
}

/// `unset-matches(condition())`
#[derive(Debug, Clone)]
pub(super) struct UnsetMatchesOptions;

impl FunctionOptions for UnsetMatchesOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        parser.rewrite_options(head.open, &Vec::new, |_, _| None);
        Ok(Self)
    }

    fn compile(&self, _: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(UnsetMatches))
    }
}

#[derive(Debug)]
struct UnsetMatches;

impl Operation for UnsetMatches {
    fn apply(&self, row: &mut RevisedRow<'_>, _: &mut Scratch) {
        row.unset_matches(0);
    }
}
