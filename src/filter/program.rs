//! `program(…)`: the program that a message is of.

use std::sync::Arc;

use super::matcher::PatternOptions;
use super::{Compiled, FilterOptions, Matcher, Test};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, Place};
use crate::message::{FieldName, MessageRef};

/// `program("pattern" type() flags())`
#[derive(Debug, Clone)]
pub struct ProgramOptions {
    /// The pattern, with its options.
    pub pattern: PatternOptions,
}

impl FilterOptions for ProgramOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let pattern = PatternOptions::read(parser);
        let mut pattern = pattern.inspect_err(|_| {
            parser.close_parenthesis(head.open);
        })?;
        let known = || vec!["type", "flags"];
        parser.options_in_parentheses(head.open, Place::Filter, &known, |parser, key| {
            pattern.apply(parser, key)
        });
        Ok(Self { pattern })
    }

    fn compile(&self, config: &Config) -> Compiled {
        Ok(Arc::new(Program(self.pattern.compile(config)?)))
    }
}

#[derive(Debug)]
struct Program(Matcher);

impl Test for Program {
    fn matches(&self, message: MessageRef<'_>) -> bool {
        self.0.matches(message.known(FieldName::Program).unwrap_or_default())
    }
}
