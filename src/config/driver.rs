//! Drivers as the language sees them: [`Driver`], and the [`Vocabulary`] that says which there are.
//!
//! The language knows `word(options)` and no driver. A driver's own file has a [`Syntax`], which reads its
//! options; the tree carries what that made, and only the driver looks inside ([`Driver::options`]).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Config;
use super::diagnostic::Diagnostic;
use super::filter::Condition;
use super::hooks::HookCommands;
use super::option_table::Key;
use super::parser::{Opening, Parsed, Parser};
use super::span::Span;
use super::token::same_word;
use super::unsupported::Place;
use crate::template;

/// The options of a driver, as its own file has read them.
///
/// The debug text without places (`{:+?}`) tells whether two drivers are the same at a reload: it has every
/// option.
pub trait Options: Any + fmt::Debug + Send + Sync {}

impl<T: Any + fmt::Debug + Send + Sync> Options for T {}

/// A driver of a source or destination, or a parser, with its options.
#[derive(Debug, Clone)]
pub struct Driver {
    /// `<name of the statement>#<index>`
    pub id: String,
    /// The word that names it, as `file`.
    pub word: &'static str,
    /// The place of the word.
    pub span: Span,
    /// Its options.
    pub options: Arc<dyn Options>,
    /// `hook-commands()`; not of parsers.
    pub hooks: HookCommands,
}

impl Driver {
    /// Its options, if they are of this type.
    pub fn options<T: Options>(&self) -> Option<&T> {
        let options: &dyn Any = &*self.options;
        options.downcast_ref()
    }
}

/// The start of a driver, `word(`, for whoever reads the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriverHead {
    pub(crate) word: &'static str,
    /// The place of the word.
    pub(crate) span: Span,
    pub(crate) open: Opening,
}

/// A word of the language, and what reads the options of the driver that it names.
#[derive(Clone, Copy)]
pub struct Syntax {
    pub(crate) word: &'static str,
    pub(crate) read: fn(&mut Parser, DriverHead) -> Parsed<Arc<dyn Options>>,
}

impl Syntax {
    /// The word.
    pub fn word(&self) -> &'static str {
        self.word
    }
}

impl fmt::Debug for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

/// Compiles a condition, or says what is wrong with it.
pub type CompileCondition = fn(&Config, &Condition) -> Result<Arc<dyn template::Condition>, Diagnostic>;

/// The names of hosts for a template that asks for them by these options.
pub type FindNames = fn(&Config, template::NameOptions) -> Arc<dyn template::Names>;

/// The drivers that a configuration may name.
#[derive(Debug)]
pub struct Vocabulary {
    /// The drivers of `source { }`.
    pub sources: Vec<Syntax>,
    /// The drivers of `destination { }`.
    pub destinations: Vec<Syntax>,
    /// The parsers of `parser { }`.
    pub parsers: Vec<Syntax>,
    /// The functions of `filter { }`.
    pub filters: Vec<Syntax>,
    /// The functions of `rewrite { }`.
    pub rewrites: Vec<Syntax>,
    /// The items of log paths that there are, beside sources, destinations and paths: `filter`, `rewrite`,
    /// `parser`, `junction`, `if`, `parallelize`.
    pub path_items: &'static [&'static str],
    /// Compiles a condition that stands in a template.
    pub condition: CompileCondition,
    /// The names of hosts for a template.
    pub names: FindNames,
    /// The parts of a condition that no message can meet, with the reasons.
    pub(crate) doubts: fn(&Condition) -> Vec<(Span, String)>,
    /// The words of the language for sources that there are not, and that are refused by name.
    pub refused_sources: Vec<&'static str>,
    /// The same for destinations.
    pub refused_destinations: Vec<&'static str>,
    /// The same for parsers.
    pub refused_parsers: Vec<&'static str>,
    /// The same for functions of filters.
    pub refused_filters: Vec<&'static str>,
    /// The same for functions of rewrites.
    pub refused_rewrites: Vec<&'static str>,
}

impl Vocabulary {
    pub(super) fn syntaxes(&self, place: Place) -> &[Syntax] {
        match place {
            Place::Source => &self.sources,
            Place::Destination => &self.destinations,
            Place::Parser => &self.parsers,
            Place::Filter => &self.filters,
            Place::Rewrite => &self.rewrites,
            _ => &[],
        }
    }

    /// Tells whether log paths may have `item`.
    pub(super) fn has_path_item(&self, item: &str) -> bool {
        self.path_items.contains(&item)
    }

    /// The words of drivers that are refused at `place`.
    pub(super) fn refused(&self, place: Place) -> &[&'static str] {
        match place {
            Place::Source => &self.refused_sources,
            Place::Destination => &self.refused_destinations,
            Place::Parser => &self.refused_parsers,
            Place::Filter => &self.refused_filters,
            Place::Rewrite => &self.refused_rewrites,
            _ => &[],
        }
    }
}

impl Parser {
    /// A driver at `place`; `index` is its number in the statement called `statement`.
    pub(super) fn driver(&mut self, place: Place, statement: &str, index: usize) -> Parsed<Driver> {
        let syntaxes = self.vocabulary.syntaxes(place);
        let words: Vec<_> = syntaxes.iter().map(Syntax::word).collect();
        let (Key { value: word, span }, open) = self.driver_name(place, &words)?;
        let Some(syntax) = syntaxes.iter().find(|syntax| same_word(syntax.word, &word)) else {
            unreachable!("the name is one of the words")
        };
        self.hooks = HookCommands::default();
        let options = (syntax.read)(self, DriverHead { word: syntax.word, span, open })?;
        let hooks = std::mem::take(&mut self.hooks);
        Ok(Driver { id: format!("{statement}#{index}"), word: syntax.word, span, options, hooks })
    }
}
