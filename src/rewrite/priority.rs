//! `set-pri(…)`, `set-severity(…)`, `set-facility(…)`: the priority of a message.

use std::sync::atomic::{AtomicBool, Ordering};

use super::value::{Contexts, Value};
use super::{Compiled, FunctionOptions, Operation, Scratch};
use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, TemplateOptions, TemplateText};
use crate::message::RevisedRow;
use crate::printable;
use crate::syslog::names::{parse_facility, parse_severity};

/// The part of a priority that a function sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it, as a number up to 1023.
    Whole,
    /// The severity: a name, or a number up to 7.
    Severity,
    /// The facility: a name, or a number up to 127.
    Facility,
}

impl Part {
    /// The priority that `pri` becomes with `text`; `None` where `text` means nothing.
    fn set(self, pri: u16, text: &[u8]) -> Option<u16> {
        let text = std::str::from_utf8(text).ok()?;
        let number = |most: u16| {
            let digits = text.trim_ascii_start();
            let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|number| sound && *number <= most)
        };
        match self {
            Self::Whole => number(1023),
            Self::Severity => {
                let named =
                    || parse_severity(text).filter(|_| !text.starts_with(|c: char| c.is_ascii_digit()));
                Some(pri & !7 | number(7).or_else(|| named().map(u16::from))?)
            }
            Self::Facility => {
                let named =
                    || parse_facility(text).filter(|_| !text.starts_with(|c: char| c.is_ascii_digit()));
                Some(pri & 7 | number(127).or_else(|| named().map(u16::from))? << 3)
            }
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Whole => "a number from 0 to 1023",
            Self::Severity => "the name of a severity, or a number from 0 to 7",
            Self::Facility => "the name of a facility, or a number from 0 to 127",
        }
    }
}

/// `set-pri("template" condition())`, `set-severity(…)`, `set-facility(…)`
#[derive(Debug, Clone)]
pub(super) struct PriorityOptions {
    /// The template.
    pub text: TemplateText,
    word: &'static str,
    part: Part,
}

impl FunctionOptions for PriorityOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let text = parser.rewrite_template(head)?;
        parser.rewrite_options(head.open, &Vec::new, |_, _| None);
        let part = match head.word {
            "set-pri" => Part::Whole,
            "set-facility" => Part::Facility,
            _ => Part::Severity,
        };
        if let Some(literal) = text.template.as_literal().filter(|text| part.set(0, text).is_none()) {
            let message = format!("{}() ignores `{}`", head.word, shown(literal));
            parser.report.warn(text.span, message, Some(format!("expected {}", part.expected())));
        }
        Ok(Self { text, word: head.word, part })
    }

    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled {
        let value = Value::compile(config, &self.text, &TemplateOptions::default(), contexts)?;
        let Self { word, part, .. } = *self;
        Ok(Box::new(Priority { value, word, part, is_said: AtomicBool::new(false) }))
    }
}

#[derive(Debug)]
struct Priority {
    value: Value,
    word: &'static str,
    part: Part,
    /// Tells whether it was said that a value is ignored.
    is_said: AtomicBool,
}

impl Operation for Priority {
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch) {
        let (_, text) = self.value.of(row.read(), scratch);
        match self.part.set(row.head().pri, text) {
            Some(pri) if pri == row.head().pri => {}
            Some(pri) => row.pri(pri),
            None if self.is_said.swap(true, Ordering::Relaxed) => {}
            None => {
                let said = format!(
                    "{}() ignores `{}`, which is not {}; it is the first, and no other will be reported",
                    self.word,
                    shown(text),
                    self.part.expected()
                );
                scratch.say(said);
            }
        }
    }
}

/// A value as it is shown in the log.
fn shown(text: &[u8]) -> String {
    printable::message(&String::from_utf8_lossy(text), 100).into_owned()
}
