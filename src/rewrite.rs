//! Rewrites: what is changed in messages on their way.
//!
//! A rewrite function is one file, and a line in [`DRIVERS`]: its words, how its options are read, and what
//! they compile to, an [`Operation`]. A [`Rewrite`] puts operations one behind the other, and is a [`Step`]
//! of a path. It does all of them to a message before it comes to the next one: the first change copies the
//! message's fields behind those of the others, and the further ones are made in place.
//!
//! * [`set`], [`subst`], [`unset`], [`rename`]: values by their names;
//! * [`group`]: values by patterns of their names; [`matches`](mod@matches): what patterns have found;
//! * [`tags`], [`priority`], [`zone`]: the parts of a message that are no values;
//! * [`value`]: what is written, a template or a text that no message changes; [`pieces`]: a text of many parts.
//!
//! # Invariants
//! * An operation sees what those before it have made of the message.
//! * A message leaves a rewrite as it came or changed, and never leaves the path in it; one that would pass
//!   the bounds of a message (65,535 fields, 256 MiB) is dropped as a fault.
#![forbid(unsafe_code)]

mod group;
mod matches;
mod pieces;
mod priority;
mod rename;
mod set;
mod step;
mod subst;
mod tags;
mod unset;
mod value;
mod zone;

use std::fmt;
use std::sync::Arc;

pub use step::Rewrite;
pub use value::Scratch;
pub(crate) use value::{Contexts, Value};
pub(crate) use zone::{WHICH, Which, guess as guess_zone, zone as zone_called};

use crate::config::grammar::{DriverHead, Parsed, Parser};
use crate::config::{Config, Diagnostic, Options, RewriteFunction, Syntax};
use crate::message::RevisedRow;
#[cfg(doc)]
use crate::path::Step;

/// The rewrite functions.
pub const DRIVERS: &[Entry] = &[
    Entry::of::<tags::TagOptions>("clear-tag"),
    Entry::of::<zone::ZoneOptions>("fix-time-zone"),
    Entry::of::<group::GroupSetOptions>("groupset"),
    Entry::of::<group::GroupUnsetOptions>("groupunset"),
    Entry::of::<zone::GuessOptions>("guess-time-zone"),
    Entry::of::<rename::RenameOptions>("rename"),
    Entry::of::<set::SetOptions>("set"),
    Entry::of::<priority::PriorityOptions>("set-facility"),
    Entry::of::<matches::SetMatchesOptions>("set-matches"),
    Entry::of::<priority::PriorityOptions>("set-pri"),
    Entry::of::<priority::PriorityOptions>("set-severity"),
    Entry::of::<tags::TagOptions>("set-tag"),
    Entry::of::<zone::ZoneOptions>("set-time-zone"),
    Entry::of::<subst::SubstOptions>("subst"),
    Entry::of::<unset::UnsetOptions>("unset"),
    Entry::of::<matches::UnsetMatchesOptions>("unset-matches"),
];

/// An operation of a rewrite function.
pub trait Operation: fmt::Debug + Send + Sync {
    /// Does it to one message.
    fn apply(&self, row: &mut RevisedRow<'_>, scratch: &mut Scratch);
}

/// An operation, or what is wrong with its options.
pub(crate) type Compiled = Result<Box<dyn Operation>, Diagnostic>;

/// The options of a rewrite function.
pub(crate) trait FunctionOptions: Options + Sized {
    /// Reads them, up to the `)` of the function.
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self>;

    /// Makes an operation of them; its templates are formatted as `contexts` is told.
    fn compile(&self, config: &Config, contexts: &mut Contexts) -> Compiled;
}

/// A rewrite function: its word, how its options are read, and what they compile to.
#[derive(Debug)]
pub struct Entry {
    syntax: Syntax,
    compile: fn(&Config, &RewriteFunction, &mut Contexts) -> Compiled,
}

impl Entry {
    /// The function called `word`, which has the options `O`.
    const fn of<O: FunctionOptions>(word: &'static str) -> Self {
        Self {
            syntax: Syntax { word, read: |parser, head| Ok(Arc::new(O::read(parser, head)?)) },
            compile: |config, function, contexts| {
                let Some(options) = function.options::<O>() else {
                    unreachable!("the entry of a function has read its options")
                };
                options.compile(config, contexts)
            },
        }
    }

    /// The function in the language.
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }
}

/// Compiles one rewrite function.
fn compile(config: &Config, function: &RewriteFunction, contexts: &mut Contexts) -> Compiled {
    let found = DRIVERS.iter().find(|entry| entry.syntax.word() == function.word);
    let Some(entry) = found else { unreachable!("the words of the language are those of the entries") };
    (entry.compile)(config, function, contexts)
}

#[cfg(test)]
mod tests;
