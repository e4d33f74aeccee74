//! Filters: which messages go on.
//!
//! A filter function is one file, and a line in [`DRIVERS`]: its words, how its options are read, and what
//! they compile to, a [`Test`]. A [`Filter`] puts tests together with `not`, `and` and `or`, and is a
//! [`Step`] of a path. It looks at a column at a time: each test gets all rows that are left, and gives those
//! that meet it.
//!
//! * [`facility`], [`level`]: a set of numbers, and a look at each record;
//! * [`text`], [`matching`]: a [`Matcher`] over one text of each message;
//! * [`netmask`], [`tags`], [`in_list`]: the sender's address, the tags, a value that is in a file;
//! * [`rate_limit`]: so many messages a second;
//! * `comparison`: two templates; `scratch`: the memory of tests whose texts are made.
//!
//! A test whose pattern has `store-matches` also changes the messages that meet it (`matched`): they get a
//! revision when the test is done, so that the tests behind it read what it has stored.
//!
//! # Invariants
//! * The result is that of a look at one message after the other, from left to right and no further than it
//!   takes, whatever the rows are.
#![forbid(unsafe_code)]

mod comparison;
mod condition;
mod doubts;
pub mod facility;
pub mod in_list;
pub mod level;
pub(crate) mod matched;
pub mod matching;
mod names;
pub mod netmask;
pub mod rate_limit;
mod scratch;
pub mod tags;
pub mod text;
mod value;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub use condition::Filter;
pub(crate) use doubts::doubts;

use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{self, Config, Diagnostic, FilterTest, Options, Syntax};
use crate::message::{MessageRef, RevisedRow, Rows, Selection};
#[cfg(doc)]
use crate::path::Step;
use crate::pattern::Matcher;
use crate::template::{self, Moment};

/// The filter functions.
pub const DRIVERS: &[Entry] = &[
    Entry::of::<facility::FacilityOptions>("facility"),
    Entry::of::<level::LevelOptions>("level"),
    Entry::of::<level::LevelOptions>("severity"),
    Entry::of::<level::LevelOptions>("priority"),
    Entry::of::<text::TextOptions>("program"),
    Entry::of::<text::TextOptions>("host"),
    Entry::of::<text::TextOptions>("message"),
    Entry::of::<text::TextOptions>("source"),
    Entry::of::<matching::MatchOptions>("match"),
    Entry::of::<netmask::NetmaskOptions>("netmask"),
    Entry::of::<netmask::NetmaskOptions>("netmask6"),
    Entry::of::<tags::TagsOptions>("tags"),
    Entry::of::<in_list::InListOptions>("in-list"),
    Entry::of::<rate_limit::RateLimitOptions>("rate-limit"),
    Entry::of::<rate_limit::RateLimitOptions>("throttle"),
];

/// A test of one filter function.
pub trait Test: fmt::Debug + Send + Sync {
    /// Tells whether `message` meets it in `moment`.
    fn matches(&self, message: MessageRef<'_>, moment: Moment) -> bool;

    /// Those of `rows`, which are rows of `selection`, whose messages meet it in `moment`.
    fn select(&self, selection: &Selection, rows: &Rows, moment: Moment) -> Rows {
        keep(rows, |row| self.matches(selection.row(row), moment))
    }

    /// Its pattern, if it has one.
    fn matcher(&self) -> Option<&Matcher> {
        None
    }

    /// Tells whether its answer depends on the messages before: it has to see them in their order.
    fn has_state(&self) -> bool {
        false
    }

    /// Takes over what `old`, the same test of the configuration before, knows of the messages before.
    fn take_over(&self, _old: &dyn Test) {}

    /// Itself, for [`Test::take_over`] to find its own kind, where it has a state.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Stores what its pattern finds in the message of `row`, which meets it.
    fn store(&self, _row: &mut RevisedRow<'_>) {}
}

/// Those of `rows` that `meets` gives true for.
#[inline]
fn keep(rows: &Rows, mut meets: impl FnMut(u32) -> bool) -> Rows {
    // One place more, where the last row that is not kept is written.
    let mut kept = vec![0; rows.len() + 1];
    let mut len = 0;
    let mut look = |row| {
        kept[len] = row;
        len += usize::from(meets(row));
    };
    match rows {
        Rows::Range(range) => range.clone().for_each(&mut look),
        Rows::List(list) => list.iter().copied().for_each(&mut look),
    }
    if len == rows.len() {
        return rows.clone();
    }
    kept.truncate(len);
    Rows::from(kept)
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

/// Compiles a condition that stands in a template.
///
/// # Errors
/// Options that can only be checked when everything is read.
pub fn compile_condition(
    config: &Config,
    condition: &config::Condition,
) -> Result<Arc<dyn template::Condition>, Diagnostic> {
    Ok(Arc::new(Filter::compile(config, "", condition)?))
}

/// Compiles one filter function.
fn compile(config: &Config, test: &FilterTest) -> Compiled {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == test.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    (entry.compile)(config, test)
}

#[cfg(test)]
mod tests;
