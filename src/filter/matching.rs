//! `match(…)`: any value of a message, or its program and text.

use std::sync::Arc;

use super::scratch::Scratch;
use super::value::Value;
use super::{Compiled, FilterOptions, Test, keep, matched};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place, ValueUse};
use crate::config::{Config, Spanned, TemplateText};
use crate::message::{FieldName, MessageRef, RevisedRow, Rows, Selection};
use crate::pattern::{Matcher, PatternOptions, Type};
use crate::template::{Moment, Template};

/// `match("pattern" value() template() type() flags())`
#[derive(Debug, Clone)]
pub struct MatchOptions {
    matcher: Matcher,
    /// `value()`: the name of a value or a macro.
    value: Option<Spanned<String>>,
    /// `template()`: the name of a template, or its text.
    template: Option<TemplateText>,
}

impl FilterOptions for MatchOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut pattern = PatternOptions::read(parser, Type::Pcre).inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let (mut value, mut template, mut says_where) = (None, None, false);
        let known = || [&["value", "template"], &PatternOptions::KNOWN[..]].concat();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            says_where |= matches!(&*key.value, "value" | "template");
            match &*key.value {
                "value" => Some(parser.value_name(ValueUse::Read).map(|name| value = Some(name))),
                "template" => Some(parser.template_argument().map(|text| template = Some(text))),
                _ => pattern.apply(parser, key),
            }
        });
        if !says_where {
            let message = "`match` without value() looks at `PROGRAM[PID]: MESSAGE`";
            let help =
                "message() looks at the message alone, match(… value(\"NAME\")) at one value".to_owned();
            parser.report.warn(head.span, message, Some(help));
        }
        Ok(Self { matcher: pattern.compile(parser)?, value, template })
    }

    fn compile(&self, config: &Config) -> Compiled {
        let subject = match (&self.value, &self.template) {
            (Some(name), _) => Subject::Value(Value::of(config, name)?),
            (None, Some(text)) => Subject::Template(text.template.clone()),
            (None, None) => Subject::Header,
        };
        Ok(Arc::new(Match { matcher: self.matcher.clone(), subject }))
    }
}

#[derive(Debug)]
struct Match {
    matcher: Matcher,
    subject: Subject,
}

/// The text that is looked at.
#[derive(Debug)]
enum Subject {
    Value(Value),
    /// `PROGRAM[PID]: MESSAGE`
    Header,
    Template(Template),
}

impl Match {
    /// Calls `look` with the text of `message`; `scratch` is used where it has to be made.
    fn with<T>(&self, message: MessageRef<'_>, scratch: &mut Scratch, look: impl FnOnce(&[u8]) -> T) -> T {
        let Scratch { context, text: scratch, .. } = scratch;
        scratch.clear();
        match &self.subject {
            Subject::Value(value) => return value.with(message, context.moment(), look),
            Subject::Header => {
                scratch.extend_from_slice(message.known(FieldName::Program).unwrap_or_default());
                if let Some(pid) = message.known(FieldName::Pid).filter(|pid| !pid.is_empty()) {
                    scratch.push(b'[');
                    scratch.extend_from_slice(pid);
                    scratch.push(b']');
                }
                scratch.extend_from_slice(b": ");
                scratch.extend_from_slice(message.text());
            }
            Subject::Template(template) => template.format(message, context, scratch),
        }
        look(scratch)
    }
}

impl Test for Match {
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool {
        Scratch::with(moment, |scratch| self.with(message, scratch, |text| self.matcher.is_match(text)))
    }

    fn select(&self, selection: &Selection, rows: &Rows, moment: Moment) -> Rows {
        Scratch::with(moment, |scratch| {
            keep(rows, |row| self.with(selection.row(row), scratch, |text| self.matcher.is_match(text)))
        })
    }

    fn matcher(&self) -> Option<&Matcher> {
        Some(&self.matcher)
    }

    fn store(&self, row: &mut RevisedRow<'_>) {
        let is_message = matches!(&self.subject, Subject::Value(Value::Message));
        let copy = (!is_message).then(|| {
            Scratch::with(Moment::default(), |scratch| self.with(row.read(), scratch, <[u8]>::to_vec))
        });
        matched::store(&self.matcher, copy.as_deref(), row);
    }
}
