//! `match(…)`: any value of a message, or its program and text.

use std::sync::Arc;

use super::matcher::PatternOptions;
use super::{Compiled, FilterOptions, Matcher, Test};
use crate::config::grammar::{DriverHead, Parsed, Parser, Place};
use crate::config::{Config, Spanned};
use crate::message::{FieldName, MessageRef, Rows, Selection};
use crate::template::{Context, Template};

/// `match("pattern" value() template() type() flags())`
#[derive(Debug, Clone)]
pub struct MatchOptions {
    /// The pattern, with its options.
    pub pattern: PatternOptions,
    /// `value()`: the name of a value or a macro.
    pub value: Option<Spanned<String>>,
    /// `template()`: the name of a template, or its text.
    pub template: Option<Spanned<String>>,
}

impl FilterOptions for MatchOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let pattern = PatternOptions::read(parser).inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let mut options = Self { pattern, value: None, template: None };
        let known = || vec!["value", "template", "type", "flags"];
        parser.options_in_parentheses(head.open, Place::Filter, &known, |parser, key| match &*key.value {
            "value" => Some(name(parser).map(|name| options.value = Some(name))),
            "template" => Some(parser.string("a template").map(|text| options.template = Some(text))),
            _ => options.pattern.apply(parser, key),
        });
        if options.value.is_none() && options.template.is_none() {
            let message = "`match` without value() looks at `PROGRAM[PID]: MESSAGE`";
            let help =
                "message() looks at the message alone, match(… value(\"NAME\")) at one value".to_owned();
            parser.report.warn(head.span, message, Some(help));
        }
        Ok(options)
    }

    fn compile(&self, config: &Config) -> Compiled {
        let compiled = |spanned: &Spanned<String>, text: &str| {
            Template::compile(text).map_err(|error| config.error(spanned.span, error.to_string(), None))
        };
        let subject = match (&self.value, &self.template) {
            (Some(name), _) => match FieldName::known(&name.value) {
                _ if matches!(&*name.value, "MESSAGE" | "MSG" | "MSGONLY") => Subject::Message,
                Some(FieldName::Program) => Subject::Program,
                _ => Subject::Template(compiled(name, &format!("${{{}}}", name.value))?),
            },
            (None, Some(text)) => match config.templates.get(&text.value) {
                Some(named) => Subject::Template(named.text.template.clone()),
                None => Subject::Template(compiled(text, &text.value)?),
            },
            (None, None) => Subject::Header,
        };
        Ok(Arc::new(Match { matcher: self.pattern.compile(config)?, subject }))
    }
}

/// The value of `value()`: `$` in front and braces around it are none of the name.
fn name(parser: &mut Parser) -> Parsed<Spanned<String>> {
    let Spanned { value: written, span } = parser.string("the name of a value")?;
    let Some(name) = written.strip_prefix('$') else {
        return Ok(Spanned::new(written, span));
    };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    if name.contains(['$', '(', '{']) {
        let message = format!("`{written}` is not the name of a value");
        return Err(parser.report.error(span, message, Some("template() takes a template".to_owned())));
    }
    let message = format!("the `$` of `{written}` is not part of the name");
    parser.report.warn(span, message, Some(format!("write value(\"{name}\")")));
    Ok(Spanned::new(name.to_owned(), span))
}

#[derive(Debug)]
struct Match {
    matcher: Matcher,
    subject: Subject,
}

/// The text that is looked at.
#[derive(Debug)]
enum Subject {
    Message,
    Program,
    /// `PROGRAM[PID]: MESSAGE`
    Header,
    Template(Template),
}

impl Match {
    fn look(&self, message: MessageRef<'_>, context: &Context, text: &mut Vec<u8>) -> bool {
        match &self.subject {
            Subject::Message => self.matcher.matches(message.text()),
            Subject::Program => self.matcher.matches(message.known(FieldName::Program).unwrap_or_default()),
            Subject::Header => {
                text.clear();
                text.extend_from_slice(message.known(FieldName::Program).unwrap_or_default());
                if let Some(pid) = message.known(FieldName::Pid).filter(|pid| !pid.is_empty()) {
                    text.extend_from_slice(&[b"[", pid, b"]"].concat());
                }
                text.extend_from_slice(b": ");
                text.extend_from_slice(message.text());
                self.matcher.matches(text)
            }
            Subject::Template(template) => {
                text.clear();
                template.format(message, context, text);
                self.matcher.matches(text)
            }
        }
    }
}

impl Test for Match {
    fn matches(&self, message: MessageRef<'_>) -> bool {
        self.look(message, &Context::default(), &mut Vec::new())
    }

    fn select(&self, selection: &Selection, rows: &Rows) -> Rows {
        let (context, mut text) = (Context::default(), Vec::new());
        let matches = rows.iter().filter(|row| self.look(selection.row(*row), &context, &mut text));
        Rows::from(matches.collect::<Vec<_>>())
    }
}
