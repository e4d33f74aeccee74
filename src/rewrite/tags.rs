//! `set-tag(…)`, `clear-tag(…)`: the tags of a message.

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser, TEMPLATE, apply, names};
use crate::config::{Config, TemplateOptions, TemplateText};
use crate::message::RevisedRow;

/// `set-tag("template" condition())` and `clear-tag("template" condition())`, with the options of templates.
#[derive(Debug, Clone)]
pub(super) struct TagOptions {
    /// The tag.
    pub text: TemplateText,
    /// The format of the template.
    pub template: TemplateOptions,
    /// Tells whether it is set.
    pub sets: bool,
}

impl FunctionOptions for TagOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        let mut options = Self { text, template: TemplateOptions::default(), sets: head.word == "set-tag" };
        parser.rewrite_options(head.open, &|| names(TEMPLATE).collect(), |parser, key| {
            apply(TEMPLATE, &mut options.template, parser, key)
        });
        Ok(options)
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let tag = Value::compile(config, &self.text, &self.template, contexts)?;
        Ok(Box::new(Tag { tag, sets: self.sets }))
    }
}

#[derive(Debug)]
struct Tag {
    tag: Value,
    sets: bool,
}

impl Operation for Tag {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let (_, tag) = self.tag.of(row.read(), scratch);
        match tag {
            b"" => {}
            tag if self.sets => row.tag(tag),
            tag => row.clear_tag(tag),
        }
    }
}
