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

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Choice, Item, Program, SendTo, Step};
use crate::config::{
    Config, DestinationRef, DestinationStatement, Diagnostic, Driver, FilterRef, FilterStatement, IfBranch,
    LogItem, LogPath, PathFlags, RewriteItem, RewriteRef, SourceRef, SourceStatement, Span,
};
use crate::filter::Filter;
use crate::rewrite::Rewrite;

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
    let mut compiler = Compiler {
        config,
        sources: IndexMap::new(),
        destinations: IndexMap::new(),
        steps: HashMap::new(),
        errors: Vec::new(),
    };
    for path in &config.logs {
        compiler.collect(path);
    }
    let destinations: Vec<&Driver> = compiler.destinations.values().flat_map(|(to, _)| &to.drivers).collect();
    let ids: Vec<&str> = destinations.iter().map(|driver| driver.id.as_str()).collect();
    let mut sources = Vec::new();
    for (name, statement) in compiler.sources.clone() {
        let program = Arc::new(compiler.program(name, &ids));
        let entrance = |driver| Entrance { statement: name, driver, program: Arc::clone(&program) };
        sources.extend(statement.drivers.iter().map(entrance));
    }
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }
    Ok(Compiled { sources, destinations })
}

struct Compiler<'c> {
    config: &'c Config,
    sources: IndexMap<&'c str, &'c SourceStatement>,
    /// Each statement with the number of its first driver.
    destinations: IndexMap<&'c str, (&'c DestinationStatement, usize)>,
    /// The step of each item, by its place in memory; `None` where it has an error.
    steps: HashMap<usize, Option<Arc<dyn Step>>>,
    errors: Vec<Diagnostic>,
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
                other => other.paths().into_iter().for_each(|inner| self.collect(inner)),
            }
        }
    }

    /// The program of the source `name`; `ids` are those of all destinations.
    fn program(&mut self, name: &str, ids: &[&str]) -> Program {
        let inherited = self.config.options.log_flow_control;
        let config = self.config;
        let mut choices = Vec::new();
        for path in &config.logs {
            if !self.takes(path, name) {
                continue;
            }
            let is_whole = path.flags.catchall || self.begins(path, name);
            choices.push(self.choice(path, name, inherited, is_whole));
        }
        Program::new(vec![Item::Fork(choices)], ids)
    }

    /// Tells whether messages of the source `name` enter `path` from outside or inside it.
    fn takes(&self, path: &'c LogPath, name: &str) -> bool {
        path.flags.catchall || self.begins(path, name) || self.begins_inside(path, name)
    }

    fn begins(&self, path: &'c LogPath, name: &str) -> bool {
        path.items.iter().any(|item| matches!(item, LogItem::Source(from) if self.source(from).name == name))
    }

    fn begins_inside(&self, path: &'c LogPath, name: &str) -> bool {
        let mut inner = path.items.iter().flat_map(LogItem::paths);
        inner.any(|inner| self.begins(inner, name) || self.begins_inside(inner, name))
    }

    /// The branch that `path` is for messages of the source `name`: all of it when they enter at its start
    /// (`is_whole`), and otherwise what comes from the paths on in it that the source is in.
    fn choice(&mut self, path: &'c LogPath, name: &str, inherited: bool, is_whole: bool) -> Choice {
        let flow_control = path.flags.flow_control.unwrap_or(inherited);
        let (mut items, mut embedded, mut is_inside) = (Vec::new(), Vec::new(), is_whole);
        for item in &path.items {
            match item {
                LogItem::Log(inner) => embedded.extend(self.branch(inner, name, flow_control, is_inside)),
                LogItem::Junction(channels) => {
                    let channels = channels.iter();
                    let channels: Vec<_> = channels
                        .filter_map(|inner| self.branch(inner, name, flow_control, is_inside))
                        .collect();
                    if is_inside || !channels.is_empty() {
                        is_inside = true;
                        items.push(Item::Fork(channels));
                    }
                }
                _ if !is_inside => {}
                LogItem::Source(_) => {}
                LogItem::Destination(to) => {
                    items.extend(self.sends(to, flow_control, path.span).map(Item::Send));
                }
                LogItem::Filter(filter) => items.extend(self.filter(filter).map(Item::Step)),
                LogItem::Rewrite(rewrite) => items.extend(self.rewrite(rewrite).map(Item::Step)),
                LogItem::If { branches, otherwise } => {
                    items.push(Item::Fork(self.alternatives(
                        branches,
                        otherwise.as_ref(),
                        name,
                        flow_control,
                    )));
                }
            }
        }
        if !embedded.is_empty() {
            items.push(Item::Fork(embedded));
        }
        let PathFlags { is_final, fallback: is_fallback, .. } = path.flags;
        Choice { condition: None, items, is_final, is_fallback }
    }

    /// The branch that a path in another one is, if messages of the source `name` come there.
    fn branch(
        &mut self,
        path: &'c LogPath,
        name: &str,
        flow_control: bool,
        is_inside: bool,
    ) -> Option<Choice> {
        let is_whole = is_inside || self.begins(path, name);
        (is_whole || self.takes(path, name)).then(|| self.choice(path, name, flow_control, is_whole))
    }

    /// The branches of `if`, `elif` and `else`: all are final, and what takes none of them goes on.
    fn alternatives(
        &mut self,
        branches: &'c [IfBranch],
        otherwise: Option<&'c LogPath>,
        name: &str,
        flow_control: bool,
    ) -> Vec<Choice> {
        let mut choices = Vec::new();
        for IfBranch { condition, path } in branches {
            let choice = self.choice(path, name, flow_control, true);
            let condition = condition.as_ref().and_then(|filter| self.step(filter));
            choices.push(Choice { condition, is_final: true, is_fallback: false, ..choice });
        }
        let last = otherwise.map(|path| self.choice(path, name, flow_control, true)).unwrap_or_default();
        choices.push(Choice { is_final: true, is_fallback: false, ..last });
        choices
    }

    fn filter(&mut self, filter: &'c FilterRef) -> Option<Arc<dyn Step>> {
        match filter {
            FilterRef::Named(name, _) => {
                // Each place that refers to it has a step of its own.
                let statement = &self.config.filters[name];
                self.filter_step(std::ptr::from_ref(filter) as usize, statement)
            }
            FilterRef::Inline(statement) => self.step(statement),
        }
    }

    fn step(&mut self, statement: &'c FilterStatement) -> Option<Arc<dyn Step>> {
        self.filter_step(std::ptr::from_ref(statement) as usize, statement)
    }

    fn filter_step(&mut self, place: usize, statement: &'c FilterStatement) -> Option<Arc<dyn Step>> {
        let config = self.config;
        self.step_at(place, || Filter::compile(config, &statement.name, &statement.condition))
    }

    fn rewrite(&mut self, rewrite: &'c RewriteRef) -> Option<Arc<dyn Step>> {
        let config = self.config;
        let statement = match rewrite {
            RewriteRef::Named(name, _) => &config.rewrites[name],
            RewriteRef::Inline(statement) => statement,
        };
        let functions = statement.items.iter().map(|RewriteItem::Function(function)| function);
        let place = std::ptr::from_ref(rewrite) as usize;
        self.step_at(place, || Rewrite::compile(config, &statement.name, functions))
    }

    /// The step of the item at `place`, which all sources that pass it share. Each place that refers to a
    /// statement has a step of its own.
    fn step_at<S: Step + 'static>(
        &mut self,
        place: usize,
        compile: impl FnOnce() -> Result<S, Diagnostic>,
    ) -> Option<Arc<dyn Step>> {
        if let Some(step) = self.steps.get(&place) {
            return step.clone();
        }
        let step = compile().map_err(|error| self.errors.push(error)).ok();
        let step = step.map(|step| Arc::new(step) as Arc<dyn Step>);
        self.steps.insert(place, step.clone());
        step
    }

    /// The sends to all drivers of `to`.
    fn sends(
        &self,
        to: &'c DestinationRef,
        flow_control: bool,
        path: Span,
    ) -> impl Iterator<Item = SendTo> + use<> {
        let (statement, first) = &self.destinations[self.destination(to).name.as_str()];
        let drivers = *first..first + statement.drivers.len();
        drivers.map(move |destination| SendTo { destination, flow_control, path: Some(path) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;

    /// For each source its destinations, with `!` where its source waits for them.
    fn sends(logs: &str) -> Vec<String> {
        let text = format!(
            "source a {{ internal(); }}; source b {{ internal(); }};\n\
             destination x {{ file(\"x\"); }}; destination y {{ file(\"y\"); file(\"y2\"); }}; destination z {{ file(\"z\"); }};\n\
             {logs}"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let compiled = compile(&config).unwrap();
        let shown = |source: &Entrance<'_>| {
            let program = &source.program;
            let name = |way: &SendTo| {
                let held = if way.flow_control { "!" } else { "" };
                format!("{}{held}", program.destinations()[way.destination])
            };
            let sends: Vec<_> = program.all_sends().iter().map(name).collect();
            format!("{}: {}", source.statement, sends.join(" "))
        };
        compiled.sources.iter().map(shown).collect()
    }
    /// Breaks without it: a destination gets messages in another order than the file has its paths.
    #[test]
    fn paths_in_order_with_all_drivers_of_a_statement() {
        let logs = "log { source(a); source(b); destination(y); destination(x); flags(flow-control); }; log { source(b); destination(x); };";
        assert_eq!(sends(logs), ["a: y#0! y#1! x#0!", "b: y#0! y#1! x#0! x#0"]);
    }

    /// Breaks without it: `flags(final)` and `flags(fallback)` are read and not followed.
    #[test]
    fn final_ends_the_walk_and_fallback_is_for_what_went_no_other_way() {
        let logs = "log { source(b); destination(z); flags(fallback); };\
                    log { source(a); destination(x); flags(final); };\
                    log { source(a); destination(y); };\
                    log { destination(z); flags(catchall, fallback); };";
        assert_eq!(sends(logs), ["b: z#0 z#0", "a: x#0"]);
    }

    /// Breaks without it: a path within a path loses messages that the one around it would hold.
    #[test]
    fn embedded_paths_inherit_flow_control_and_dispatch_by_themselves() {
        let logs = "log { source(a); destination(x);\
                      log { destination(z); flags(no-flow-control, final); };\
                      log { destination(y); };\
                    flags(flow-control); };\
                    log { source(b); log { destination(z); flags(fallback); }; log { log { destination(x); }; }; };";
        assert_eq!(sends(logs), ["a: x#0! z#0", "b: x#0"]);
    }

    /// Breaks without it: a source of an inner path also sends to the outer one's destinations.
    #[test]
    fn a_source_inside_a_path_enters_there() {
        let logs = "log { source(a); destination(x); log { source(b); destination(z); }; };";
        assert_eq!(sends(logs), ["a: x#0 z#0", "b: z#0"]);
    }

    /// Breaks without it: `flags(catchall)` is read and not followed.
    #[test]
    fn a_catchall_path_starts_all_sources() {
        assert_eq!(sends("log { destination(x); flags(catchall); };"), ["a: x#0", "b: x#0"]);
    }

    /// Breaks without it: a configuration that native accepts is refused.
    #[test]
    fn a_path_without_a_destination_is_legal() {
        assert_eq!(sends("log { source(a); };"), ["a: "]);
    }
}
