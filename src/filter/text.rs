//! `program(…)`, `host(…)`, `message(…)` and `source(…)`: one text of a message against a pattern.

use std::sync::Arc;

use super::{Compiled, FilterOptions, Test, matched};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, Place};
use crate::message::{FieldName, MessageRef, RevisedRow};
use crate::pattern::{Flags, Matcher, PatternOptions, Type};
use crate::template::Moment;

/// The text that a function looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// PROGRAM
    Program,
    /// HOST
    Host,
    /// MESSAGE
    Message,
    /// The name of the source statement.
    Source,
}

/// `program("pattern" type() flags())`, and the same of another text.
#[derive(Debug, Clone)]
pub struct TextOptions {
    subject: Subject,
    matcher: Matcher,
}

impl TextOptions {
    /// The text of the pattern.
    pub(super) fn pattern(&self) -> &str {
        self.matcher.pattern()
    }

    /// Tells whether no text meets both this and `other`: both have to be the whole of one text, and differ.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let is_whole = |options: &Self| {
            options.matcher.kind() == Type::String && options.matcher.flags() == Flags::default()
        };
        self.subject == other.subject
            && is_whole(self)
            && is_whole(other)
            && self.pattern() != other.pattern()
    }
}

impl FilterOptions for TextOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let subject = match head.word {
            "program" => Subject::Program,
            "host" => Subject::Host,
            "message" => Subject::Message,
            _ => Subject::Source,
        };
        let kind = if subject == Subject::Source { Type::String } else { Type::Pcre };
        let pattern = PatternOptions::read(parser, kind);
        let mut pattern = pattern.inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let known = || PatternOptions::KNOWN.to_vec();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            pattern.apply(parser, key)
        });
        Ok(Self { subject, matcher: pattern.compile(parser)? })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Text { subject: self.subject, matcher: self.matcher.clone() }))
    }
}

#[derive(Debug)]
struct Text {
    subject: Subject,
    matcher: Matcher,
}

impl Text {
    #[inline]
    fn of<'m>(&self, message: MessageRef<'m>) -> &'m [u8] {
        match self.subject {
            Subject::Program => message.known(FieldName::Program).unwrap_or_default(),
            Subject::Host => message.host().0,
            Subject::Message => message.text(),
            Subject::Source => message.batch().origin().source.as_bytes(),
        }
    }
}

impl Test for Text {
    #[inline]
    fn matches(&self, message: MessageRef<'_>, _: Moment) -> bool {
        self.matcher.is_match(self.of(message))
    }

    fn matcher(&self) -> Option<&Matcher> {
        Some(&self.matcher)
    }

    fn store(&self, row: &mut RevisedRow<'_>) {
        let copy = (self.subject != Subject::Message).then(|| self.of(row.read()).to_vec());
        matched::store(&self.matcher, copy.as_deref(), row);
    }
}
