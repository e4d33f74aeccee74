//! `groupset(…)`, `groupunset(…)`: all values whose names are like a pattern.

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Key, Parsed, Parser, TEMPLATE, TokenKind, apply, names};
use crate::config::{Config, Diagnostic, Spanned, TemplateOptions, TemplateText};
use crate::message::RevisedRow;
use crate::message::batch::Text;
use crate::pattern::{Flags, Matcher, Type};
use crate::template::with_element;

/// `groupset("template" values("pattern" …) condition())`, with the options of templates.
#[derive(Debug, Clone)]
pub(super) struct GroupSetOptions {
    /// The template, in which `$_` is the value as it was.
    pub text: TemplateText,
    /// `values()`
    pub values: Vec<Spanned<String>>,
    /// The format of the template.
    pub template: TemplateOptions,
}

/// `groupunset(values("pattern" …) condition())`
#[derive(Debug, Clone)]
pub(super) struct GroupUnsetOptions {
    /// `values()`
    pub values: Vec<Spanned<String>>,
}

/// Reads `values()`, if `key` is that.
fn read_values(parser: &mut Parser, key: &Key, values: &mut Vec<Spanned<String>>) -> Option<Parsed<()>> {
    (key.value == "values").then(|| {
        while !parser.sees(&TokenKind::RParen) {
            values.push(parser.string("a pattern of names")?);
        }
        Ok(())
    })
}

/// Warns of a function without patterns.
fn check_values(parser: &mut Parser, head: DriverHead, values: &[Spanned<String>]) {
    if values.is_empty() {
        let message = format!("{}() without values() does nothing", head.word);
        let help = "name some, as in values(\".prefix.*\")".to_owned();
        parser.report.warn(head.span, message, Some(help));
    }
}

fn compile_values(config: &Config, values: &[Spanned<String>]) -> Result<Vec<Matcher>, Diagnostic> {
    let matcher = |pattern: &Spanned<String>| {
        Matcher::new(&pattern.value, Type::Glob, Flags::default())
            .map_err(|error| config.error(pattern.span, error.reason, None))
    };
    values.iter().map(matcher).collect()
}

impl FunctionOptions for GroupSetOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        let mut options = Self { text, values: Vec::new(), template: TemplateOptions::default() };
        let known = || std::iter::once("values").chain(names(TEMPLATE)).collect();
        parser.rewrite_options(head.open, &known, |parser, key| {
            read_values(parser, key, &mut options.values)
                .or_else(|| apply(TEMPLATE, &mut options.template, parser, key))
        });
        check_values(parser, head, &options.values);
        Ok(options)
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let value = Value::compile(config, &self.text, &self.template, contexts)?;
        Ok(Box::new(GroupSet { names: compile_values(config, &self.values)?, value }))
    }
}

impl FunctionOptions for GroupUnsetOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self { values: Vec::new() };
        parser.rewrite_options(head.open, &|| vec!["values"], |parser, key| {
            read_values(parser, key, &mut options.values)
        });
        check_values(parser, head, &options.values);
        Ok(options)
    }

    fn compile(&self, config: &Config, _: &mut Contexts) -> Compiled {
        Ok(Box::new(GroupUnset(compile_values(config, &self.values)?)))
    }
}

#[derive(Debug)]
struct GroupSet {
    names: Vec<Matcher>,
    value: Value,
}

impl Operation for GroupSet {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        for slot in row.slots(|name| self.names.iter().any(|pattern| pattern.is_match(name))) {
            let Some((value_type, text)) = row.slot(&slot) else { continue };
            let (value_type, text) = with_element(value_type, text, || self.value.of(row.read(), scratch));
            row.set_slot(&slot, value_type, Text::Copy(text));
        }
    }
}

#[derive(Debug)]
struct GroupUnset(Vec<Matcher>);

impl Operation for GroupUnset {
    fn apply(&self, row: &mut RevisedRow<'_>, _: &mut Scratch) {
        for slot in row.slots(|name| self.0.iter().any(|pattern| pattern.is_match(name))) {
            row.unset_slot(&slot);
        }
    }
}
