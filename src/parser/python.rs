//! The options of `python()`: [`PythonParserOptions`].
//!
//! The class is made by the host of the engine, which adds Python to it: a configuration with this parser needs
//! one. What is here knows nothing of Python.

use super::{HostedOptions, TEXT, TextOptions};
use crate::config::PythonClass;
use crate::config::grammar::{self, CLASS, DriverHead, Parsed, Place, apply, names};

/// `python(…)`
#[derive(Debug, Clone)]
pub struct PythonParserOptions {
    /// The class, with its `options()` and `loaders()`.
    pub class: PythonClass,
}

impl HostedOptions for PythonParserOptions {
    fn read(parser: &mut grammar::Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self { class: PythonClass::unnamed(head.span) };
        // The class reads what it likes of its messages: these are accepted, and have no effect.
        let mut unused = TextOptions::default();
        let errors = parser.report.errors();
        let known = || names(CLASS).chain(names(TEXT)).collect();
        parser.options_in_parentheses(head.open, Place::FunctionOption, &known, |parser, key| {
            apply(CLASS, &mut options.class, parser, key).or_else(|| apply(TEXT, &mut unused, parser, key))
        });
        options.class.require_name(parser, head.word, errors)?;
        Ok(options)
    }
}
