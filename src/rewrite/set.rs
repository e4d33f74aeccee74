//! `set(…)`: gives a value a text.

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, TEMPLATE, ValueUse, apply, names};
use crate::config::{Config, Spanned, TemplateOptions, TemplateText};
use crate::message::batch::Text;
use crate::message::{RevisedRow, ValueName};

/// `set("template" value() condition())`, with the options of templates.
#[derive(Debug, Clone)]
pub(super) struct SetOptions {
    /// The template.
    pub text: TemplateText,
    /// `value()`: the name of the value; without it, MESSAGE.
    pub value: Option<Spanned<String>>,
    /// The format of the template.
    pub template: TemplateOptions,
}

impl FunctionOptions for SetOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        let mut options = Self { text, value: None, template: TemplateOptions::default() };
        let known = || std::iter::once("value").chain(names(TEMPLATE)).collect();
        parser.rewrite_options(head.open, &known, |parser, key| match &*key.value {
            "value" => Some(parser.value_name(ValueUse::Write).map(|name| options.value = Some(name))),
            _ => apply(TEMPLATE, &mut options.template, parser, key),
        });
        Ok(options)
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let value = Value::compile(config, &self.text, &self.template, contexts)?;
        let name = self.value.as_ref().map_or(ValueName::Message, |name| ValueName::new(&name.value));
        Ok(Box::new(Set { name, value }))
    }
}

#[derive(Debug)]
struct Set {
    name: ValueName,
    value: Value,
}

impl Operation for Set {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let (value_type, text) = self.value.of(row.read(), scratch);
        row.set_value(&self.name, value_type, Text::Copy(text));
    }
}
