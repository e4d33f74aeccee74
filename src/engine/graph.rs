//! From log paths to branches: which destinations a source's messages go to.
//!
//! Until there are filters every path matches every message of its sources, so the whole graph is known
//! when the configuration is: for each source a list of [`Branch`]es. The rules are those of the language:
//!
//! * paths are met in the order in which they were written; a `final` one ends the walk;
//! * `fallback` paths are met only when no other path was;
//! * `catchall` paths have every source, also the ones that no other path names;
//! * a destination of a path gets its messages once for each path that leads there;
//! * flow control is that of the path, or of the path around it, or of `log-flow-control()`.

use indexmap::IndexMap;

use crate::config::{
    Config, DestinationRef, DestinationStatement, Driver, LogItem, LogPath, SourceRef, SourceStatement, Span,
};

/// One way out for the messages of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// The number of the destination.
    pub destination: usize,
    /// Whether its source waits for it.
    pub flow_control: bool,
    /// The log path that leads there.
    pub path: Span,
}

/// Sources, destinations, and what leads from the ones to the others.
#[derive(Debug)]
pub struct Graph<'c> {
    /// The source drivers that a log path uses, each with the name of its statement.
    pub sources: Vec<(&'c str, &'c Driver)>,
    /// The destination drivers that a log path uses.
    pub destinations: Vec<&'c Driver>,
    /// The branches of each source, in the order of `sources`.
    pub branches: Vec<Vec<Branch>>,
}

impl<'c> Graph<'c> {
    /// The graph of `config`. Statements that no log path uses are not in it.
    pub fn new(config: &'c Config) -> Self {
        let mut builder = Builder { config, sources: IndexMap::new(), destinations: IndexMap::new() };
        for path in &config.logs {
            builder.collect(path);
        }
        let branches = builder.sources.keys().map(|name| builder.branches(name)).collect::<Vec<_>>();
        let statements = builder.sources.values();
        let each_driver = statements.zip(branches).flat_map(|(statement, branches)| {
            let name = statement.name.as_str();
            statement.drivers.iter().map(move |driver| ((name, driver), branches.clone()))
        });
        let (sources, branches) = each_driver.unzip();
        let destinations = builder.destinations.values().flat_map(|(to, _)| &to.drivers).collect();
        Self { sources, destinations, branches }
    }
}

struct Builder<'c> {
    config: &'c Config,
    sources: IndexMap<&'c str, &'c SourceStatement>,
    /// Each statement with the number of its first driver.
    destinations: IndexMap<&'c str, (&'c DestinationStatement, usize)>,
}

impl<'c> Builder<'c> {
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

    /// The branches of the messages of the source `name`.
    fn branches(&self, name: &str) -> Vec<Branch> {
        let mut branches = Vec::new();
        let inherited = self.config.options.log_flow_control;
        let paths: Vec<_> = self.config.logs.iter().filter(|path| self.takes(path, name)).collect();
        for path in dispatch(&paths) {
            self.enter(path, name, inherited, &mut branches);
        }
        branches
    }

    /// Whether messages of the source `name` enter `path` from outside or inside it.
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

    fn enter(&self, path: &'c LogPath, name: &str, inherited: bool, to: &mut Vec<Branch>) {
        let flow_control = path.flags.flow_control.unwrap_or(inherited);
        let whole = path.flags.catchall || self.begins(path, name);
        self.follow(path, name, flow_control, whole, to);
    }

    /// Follows the messages of the source `name` through `path`: all of it when they entered at its
    /// start, and otherwise only the embedded paths that the source is in.
    fn follow(&self, path: &'c LogPath, name: &str, flow_control: bool, whole: bool, to: &mut Vec<Branch>) {
        let mut embedded = Vec::new();
        for item in &path.items {
            match item {
                LogItem::Destination(destination) if whole => {
                    let (statement, first) = &self.destinations[self.destination(destination).name.as_str()];
                    let drivers = *first..first + statement.drivers.len();
                    to.extend(drivers.map(|destination| Branch {
                        destination,
                        flow_control,
                        path: path.span,
                    }));
                }
                LogItem::Log(inner) if whole || self.takes(inner, name) => embedded.push(inner),
                _ => {}
            }
        }
        for inner in dispatch(&embedded) {
            let flow_control = inner.flags.flow_control.unwrap_or(flow_control);
            let whole = whole || self.begins(inner, name);
            self.follow(inner, name, flow_control, whole, to);
        }
    }
}

/// Which of `paths` a message meets, all of which match it.
fn dispatch<'p>(paths: &[&'p LogPath]) -> Vec<&'p LogPath> {
    let met = |fallback: bool| {
        let mut met = Vec::new();
        for path in paths.iter().filter(|path| path.flags.fallback == fallback) {
            met.push(*path);
            if path.flags.is_final {
                break;
            }
        }
        met
    };
    let ordinary = met(false);
    if ordinary.is_empty() { met(true) } else { ordinary }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse_str};
    use crate::drivers::VOCABULARY;

    /// For each source, its destinations, with `!` where its source waits for them.
    fn ways(logs: &str) -> Vec<String> {
        let text = format!(
            "source a {{ internal(); }}; source b {{ internal(); }};\n\
             destination x {{ file(\"x\"); }}; destination y {{ file(\"y\"); file(\"y2\"); }}; destination z {{ file(\"z\"); }};\n\
             {logs}"
        );
        let config = parse_str("test.conf", &text, &Environment::new(&VOCABULARY)).unwrap();
        let graph = Graph::new(&config);
        let name = |branch: &Branch| {
            let held = if branch.flow_control { "!" } else { "" };
            format!("{}{held}", graph.destinations[branch.destination].id)
        };
        let sources = graph.sources.iter().zip(&graph.branches);
        sources
            .map(|((source, _), branches)| {
                format!("{source}: {}", branches.iter().map(name).collect::<Vec<_>>().join(" "))
            })
            .collect()
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
