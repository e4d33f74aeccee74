//! From the log paths of a configuration to the programs of its sources.
//!
//! * Paths are met in the order in which they were written; what matched a `final` one meets no later one;
//! * `fallback` paths are met only by messages that no other path matched;
//! * `catchall` paths have every named source, also the ones that no other path names;
//! * flow control is that of the path, or of the path around it, or of `log-flow-control()`;
//! * a source that is named inside a path enters there.
//!
//! A step has one state for each reference to it, which all sources that pass it share: it is made once for
//! each item of a log path.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Choice, Item, Program, Way};
use crate::config::{
    Config, DestinationRef, DestinationStatement, Diagnostic, Driver, LogItem, LogPath, PathFlags, SourceRef,
    SourceStatement, Span,
};

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
    /// What happens to its messages.
    pub program: Arc<Program>,
}

/// The programs of `config`. Statements that no log path uses are not in it.
///
/// # Errors
/// What can only be checked when everything is read.
pub fn compile(config: &Config) -> Result<Compiled<'_>, Vec<Diagnostic>> {
    let mut compiler = Compiler { config, sources: IndexMap::new(), destinations: IndexMap::new() };
    for path in &config.logs {
        compiler.collect(path);
    }
    let destinations: Vec<&Driver> = compiler.destinations.values().flat_map(|(to, _)| &to.drivers).collect();
    let ids: Vec<&str> = destinations.iter().map(|driver| driver.id.as_str()).collect();
    let mut sources = Vec::new();
    for (name, statement) in &compiler.sources {
        let program = Arc::new(compiler.program(name, &ids));
        let entrance = |driver| Entrance { statement: name, driver, program: Arc::clone(&program) };
        sources.extend(statement.drivers.iter().map(entrance));
    }
    Ok(Compiled { sources, destinations })
}

struct Compiler<'c> {
    config: &'c Config,
    sources: IndexMap<&'c str, &'c SourceStatement>,
    /// Each statement with the number of its first driver.
    destinations: IndexMap<&'c str, (&'c DestinationStatement, usize)>,
}

impl<'c> Compiler<'c> {
    fn source(&self, from: &'c SourceRef) -> &'c SourceStatement {
        match from {
            SourceRef::Named(name, _) => &self.config.sources[name],
            SourceRef::Inline(statement) => statement,
        }
    }

    fn destination(&self, to: &'c DestinationRef) -> &'c DestinationStatement {
        match to {
            DestinationRef::Named(name, _) => &self.config.destinations[name],
            DestinationRef::Inline(statement) => statement,
        }
    }

    /// Numbers what `path` uses, in the order in which it is met.
    fn collect(&mut self, path: &'c LogPath) {
        if path.flags.catchall {
            let all = self.config.sources.values();
            self.sources.extend(all.map(|statement| (statement.name.as_str(), statement)));
        }
        for item in &path.items {
            match item {
                LogItem::Source(from) => {
                    let statement = self.source(from);
                    self.sources.insert(&statement.name, statement);
                }
                LogItem::Destination(to) => {
                    let statement = self.destination(to);
                    let last = self.destinations.values().last();
                    let next = last.map_or(0, |(before, first)| first + before.drivers.len());
                    self.destinations.entry(&statement.name).or_insert((statement, next));
                }
                LogItem::Log(inner) => self.collect(inner),
                // Not in the vocabulary, so no configuration has them.
                LogItem::Filter(_) | LogItem::Junction(_) | LogItem::If { .. } => {}
            }
        }
    }

    /// The program of the source `name`; `ids` are those of all destinations.
    fn program(&self, name: &str, ids: &[&str]) -> Program {
        let inherited = self.config.options.log_flow_control;
        let paths = self.config.logs.iter().filter(|path| self.takes(path, name));
        let choices = paths.map(|path| {
            let is_whole = path.flags.catchall || self.begins(path, name);
            self.choice(path, name, inherited, is_whole)
        });
        Program::new(vec![Item::Fork(choices.collect())], ids)
    }

    /// Tells whether messages of the source `name` enter `path` from outside or inside it.
    fn takes(&self, path: &'c LogPath, name: &str) -> bool {
        path.flags.catchall || self.begins(path, name) || self.begins_inside(path, name)
    }

    fn begins(&self, path: &'c LogPath, name: &str) -> bool {
        path.items.iter().any(|item| matches!(item, LogItem::Source(from) if self.source(from).name == name))
    }

    fn begins_inside(&self, path: &'c LogPath, name: &str) -> bool {
        let mut inner =
            path.items.iter().filter_map(|item| if let LogItem::Log(log) = item { Some(log) } else { None });
        inner.any(|inner| self.begins(inner, name) || self.begins_inside(inner, name))
    }

    /// The branch that `path` is for messages of the source `name`: all of it when they enter at its start
    /// (`is_whole`), and otherwise only the paths in it that the source is in.
    fn choice(&self, path: &'c LogPath, name: &str, inherited: bool, is_whole: bool) -> Choice {
        let flow_control = path.flags.flow_control.unwrap_or(inherited);
        let (mut items, mut embedded) = (Vec::new(), Vec::new());
        for item in &path.items {
            match item {
                LogItem::Destination(to) if is_whole => {
                    items.extend(self.ways(to, flow_control, path.span).map(Item::Send));
                }
                LogItem::Log(inner) if is_whole || self.takes(inner, name) => {
                    let is_whole = is_whole || self.begins(inner, name);
                    embedded.push(self.choice(inner, name, flow_control, is_whole));
                }
                LogItem::Source(_) | LogItem::Destination(_) | LogItem::Log(_) => {}
                // Not in the vocabulary, so no configuration has them.
                LogItem::Filter(_) | LogItem::Junction(_) | LogItem::If { .. } => unreachable!("refused"),
            }
        }
        if !embedded.is_empty() {
            items.push(Item::Fork(embedded));
        }
        let PathFlags { is_final, fallback: is_fallback, .. } = path.flags;
        Choice { condition: None, items, is_final, is_fallback }
    }

    /// The ways to all drivers of `to`.
    fn ways(
        &self,
        to: &'c DestinationRef,
        flow_control: bool,
        path: Span,
    ) -> impl Iterator<Item = Way> + use<> {
        let (statement, first) = &self.destinations[self.destination(to).name.as_str()];
        let drivers = *first..first + statement.drivers.len();
        drivers.map(move |destination| Way { destination, flow_control, path: Some(path) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;

    /// For each source its destinations, with `!` where its source waits for them.
    fn ways(logs: &str) -> Vec<String> {
        let text = format!(
            "source a {{ internal(); }}; source b {{ internal(); }};\n\
             destination x {{ file(\"x\"); }}; destination y {{ file(\"y\"); file(\"y2\"); }}; destination z {{ file(\"z\"); }};\n\
             {logs}"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let compiled = compile(&config).unwrap();
        let shown = |source: &Entrance<'_>| {
            let program = &source.program;
            let name = |way: &Way| {
                let held = if way.flow_control { "!" } else { "" };
                format!("{}{held}", program.destinations()[way.destination])
            };
            let ways: Vec<_> = program.all_ways().iter().map(name).collect();
            format!("{}: {}", source.statement, ways.join(" "))
        };
        compiled.sources.iter().map(shown).collect()
    }
    #[test]
    fn paths_in_order_with_all_drivers_of_a_statement() {
        let logs = "log { source(a); source(b); destination(y); destination(x); flags(flow-control); }; log { source(b); destination(x); };";
        assert_eq!(ways(logs), ["a: y#0! y#1! x#0!", "b: y#0! y#1! x#0! x#0"]);
    }

    #[test]
    fn final_ends_the_walk_and_fallback_is_for_what_went_no_other_way() {
        let logs = "log { source(b); destination(z); flags(fallback); };\
                    log { source(a); destination(x); flags(final); };\
                    log { source(a); destination(y); };\
                    log { destination(z); flags(catchall, fallback); };";
        assert_eq!(ways(logs), ["b: z#0 z#0", "a: x#0"]);
    }

    #[test]
    fn embedded_paths_inherit_flow_control_and_dispatch_by_themselves() {
        let logs = "log { source(a); destination(x);\
                      log { destination(z); flags(no-flow-control, final); };\
                      log { destination(y); };\
                    flags(flow-control); };\
                    log { source(b); log { destination(z); flags(fallback); }; log { log { destination(x); }; }; };";
        assert_eq!(ways(logs), ["a: x#0! z#0", "b: x#0"]);
    }

    #[test]
    fn a_source_inside_a_path_enters_there() {
        let logs = "log { source(a); destination(x); log { source(b); destination(z); }; };";
        assert_eq!(ways(logs), ["a: x#0 z#0", "b: z#0"]);
    }

    #[test]
    fn a_catchall_path_starts_all_sources() {
        assert_eq!(ways("log { destination(x); flags(catchall); };"), ["a: x#0", "b: x#0"]);
    }

    #[test]
    fn a_path_without_a_destination_is_legal() {
        assert_eq!(ways("log { source(a); };"), ["a: "]);
    }
}
