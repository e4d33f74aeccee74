//! From the log paths of a configuration to the programs of its sources.
//!
//! * Paths are met in the order in which they were written; what matched a `final` one meets no later one;
//! * `fallback` paths are met only by messages that no other path matched;
//! * `catchall` paths have every named source, also the ones that no other path names;
//! * flow control is that of the path, or of the path around it, or of `log-flow-control()`;
//! * a source that is named inside a path enters there; one that is named twice enters twice;
//! * a path in a source is a branch of the sources that it names, and leads to the paths that name it;
//! * paths in a destination get copies (a tee), paths in a parser follow each other.
//!
//! A step has one state for each reference to it, which all sources that pass it share: it is made once for
//! each item of a log path, and each way of names that leads there. `entrances` finds where the messages of a
//! source enter, `branch` makes the branches.

mod branch;
mod entrances;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Item, Program, Step};
use crate::config::{Config, DestinationStatement, Diagnostic, Driver, Span};
use entrances::Entrances;

/// Sources, destinations, and what leads from the ones to the others.
#[derive(Debug)]
pub struct Compiled<'c> {
    /// The source drivers that a log path uses.
    pub sources: Vec<Entrance<'c>>,
    /// The destination drivers that a log path uses.
    pub destinations: Vec<&'c Driver>,
}

/// A source driver, and what happens to its messages.
#[derive(Debug)]
pub struct Entrance<'c> {
    /// The name of its statement.
    pub statement: &'c str,
    /// The driver.
    pub driver: &'c Driver,
    /// The program of its messages.
    pub program: Arc<Program>,
}

/// The programs of `config`. Statements that no log path uses are not in it.
///
/// # Errors
/// Options and conditions that can only be checked when everything is read.
pub fn compile(config: &Config) -> Result<Compiled<'_>, Vec<Diagnostic>> {
    let entrances = Entrances::of(config);
    let mut compiler = Compiler {
        config,
        entrances: &entrances,
        destinations: entrances.destinations(),
        steps: HashMap::new(),
        references: HashMap::new(),
        texts: HashMap::new(),
        persist_names: HashMap::new(),
        names: Vec::new(),
        items: 0,
        errors: Vec::new(),
    };
    let destinations: Vec<&Driver> =
        compiler.destinations.values().flat_map(|(to, _)| to.drivers()).collect();
    let ids: Vec<&str> = destinations.iter().map(|driver| driver.id.as_str()).collect();
    let mut sources = Vec::new();
    for statement in entrances.sources().filter(|statement| !statement.drivers().is_empty()) {
        compiler.items = 0;
        let fork = Item::Fork(compiler.consumers(&statement.name, config.options.log_flow_control));
        let program = Arc::new(Program::new(vec![fork], &ids));
        let entrance =
            |driver| Entrance { statement: &statement.name, driver, program: Arc::clone(&program) };
        sources.extend(statement.drivers().into_iter().map(entrance));
        if !compiler.errors.is_empty() {
            return Err(compiler.errors);
        }
    }
    Ok(Compiled { sources, destinations })
}

/// Warnings of paths that no message of any source meets.
pub fn unreached(config: &Config) -> Vec<Diagnostic> {
    let Ok(compiled) = compile(config) else { return Vec::new() };
    let programs = || compiled.sources.iter().map(|source| &source.program);
    let reached: HashSet<Span> = programs().flat_map(|program| program.reached()).collect();
    let unreached: IndexMap<Span, Option<Span>> =
        programs().flat_map(|program| program.unreached()).map(|path| (path.path, path.taken_by)).collect();
    let warning = |(path, taken_by): (Span, Option<Span>)| {
        let taken_by = taken_by.map(|by| (by, "this one takes all before"));
        config.warning_with(path, "no message gets to this path", taken_by)
    };
    unreached.into_iter().filter(|(path, _)| !reached.contains(path)).map(warning).collect()
}

/// The most items that one source's program may have: names of statements that have others in them can grow
/// without bound.
const MAX_ITEMS: usize = 100_000;

/// A step's place: the names that lead to the item, and the item, by their places in memory.
type StepKey = (Vec<usize>, usize);

struct Compiler<'c, 'e> {
    config: &'c Config,
    entrances: &'e Entrances<'c>,
    /// Each statement with the number of its first driver.
    destinations: IndexMap<&'c str, (&'c DestinationStatement, usize)>,
    /// The step of each item; `None` where it has an error.
    steps: HashMap<StepKey, Option<Arc<dyn Step>>>,
    /// The number of steps of each parser, by its place in memory.
    references: HashMap<usize, usize>,
    /// The number of steps of each text that have a state and no name.
    texts: HashMap<String, usize>,
    /// The parsers that keep messages, by the names under which they do.
    persist_names: HashMap<String, (usize, Span)>,
    /// The names that lead to what is compiled.
    names: Vec<usize>,
    /// The number of items so far.
    items: usize,
    errors: Vec<Diagnostic>,
}

#[cfg(test)]
mod tests;
