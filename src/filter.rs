//! Filters: which messages go on.
//!
//! A filter function is one file, and a line in [`DRIVERS`]: its words, how its options are read, and what
//! they compile to, a [`Test`]. A [`Filter`] puts tests together with `not`, `and` and `or`, and is a
//! [`Step`] of a path. It looks at a column at a time: each test gets all rows that are left, and gives those
//! that meet it.
//!
//! * [`facility`], [`level`]: a set of numbers, and a look at each record;
//! * [`program`], [`matching`]: a [`Matcher`] over one text of each message.
#![forbid(unsafe_code)]

mod condition;
pub mod facility;
pub mod level;
pub mod matcher;
pub mod matching;
mod names;
pub mod program;

use std::fmt;
use std::sync::Arc;

pub use condition::Filter;
pub use matcher::Matcher;

use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, Diagnostic, FilterTest, Options, Syntax};
use crate::message::{MessageRef, Rows, Selection};
#[cfg(doc)]
use crate::path::Step;

/// The filter functions.
pub const DRIVERS: &[Entry] = &[
    Entry::of::<facility::FacilityOptions>("facility"),
    Entry::of::<level::LevelOptions>("level"),
    Entry::of::<level::LevelOptions>("severity"),
    Entry::of::<level::LevelOptions>("priority"),
    Entry::of::<matching::MatchOptions>("match"),
    Entry::of::<program::ProgramOptions>("program"),
];

/// A test of one filter function.
pub trait Test: fmt::Debug + Send + Sync {
    /// Tells whether `message` meets it.
    fn matches(&self, message: MessageRef<'_>) -> bool;

    /// Those of `rows`, which are rows of `selection`, whose messages meet it.
    fn select(&self, selection: &Selection, rows: &Rows) -> Rows {
        Rows::from(rows.iter().filter(|row| self.matches(selection.row(*row))).collect::<Vec<_>>())
    }
}

/// A test, or what is wrong with its options.
pub(crate) type Compiled = Result<Arc<dyn Test>, Diagnostic>;

/// The options of a filter function.
pub(crate) trait FilterOptions: Options + Sized {
    /// Reads them, up to the `)` of the function.
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self>;

    /// Makes a test of them.
    fn compile(&self, config: &Config) -> Compiled;
}

/// A filter function: its word, how its options are read, and what they compile to.
#[derive(Debug)]
pub struct Entry {
    syntax: Syntax,
    compile: fn(&Config, &FilterTest) -> Compiled,
}

impl Entry {
    /// The function called `word`, which has the options `O`.
    const fn of<O: FilterOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            compile: |config, test| {
                let Some(options) = test.options::<O>() else {
                    unreachable!("the entry of a function has read its options")
                };
                options.compile(config)
            },
        }
    }

    /// The function in the language.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }
}

/// Compiles one filter function.
fn compile(config: &Config, test: &FilterTest) -> Compiled {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == test.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    (entry.compile)(config, test)
}
