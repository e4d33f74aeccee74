//! The points at which messages of sources enter log paths: [`Entrances`].

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::config::{
    Config, DestinationRef, DestinationStatement, LogItem, LogPath, ParserRef, RewriteRef, SourceRef,
    SourceStatement,
};

/// A branch of a source: a path that names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consumer<'c> {
    /// The log path, or the path in another source.
    pub(super) path: &'c LogPath,
    /// Tells whether messages enter at its start, or only somewhere inside.
    pub(super) is_whole: bool,
    /// The source that it is in: what comes out of it goes to the consumers of that.
    pub(super) source: Option<&'c SourceStatement>,
}

/// The sources and destinations of all log paths.
#[derive(Debug)]
pub(super) struct Entrances<'c> {
    config: &'c Config,
    /// Each source that a path names, with its branches in their order.
    sources: IndexMap<&'c str, (&'c SourceStatement, Vec<Consumer<'c>>)>,
    destinations: IndexMap<&'c str, &'c DestinationStatement>,
    /// The parsers whose bodies were looked at.
    parsers: HashSet<&'c str>,
    /// The same of rewrites.
    rewrites: HashSet<&'c str>,
}

impl<'c> Entrances<'c> {
    pub(super) fn of(config: &'c Config) -> Self {
        let mut entrances = Self {
            config,
            sources: IndexMap::new(),
            destinations: IndexMap::new(),
            parsers: HashSet::new(),
            rewrites: HashSet::new(),
        };
        for path in &config.logs {
            entrances.path(path, None);
        }
        entrances
    }

    /// The sources, in the order in which they are met.
    pub(super) fn sources(&self) -> impl Iterator<Item = &'c SourceStatement> {
        self.sources.values().map(|(statement, _)| *statement)
    }

    /// The branches of the source `name`.
    pub(super) fn consumers(&self, name: &str) -> Vec<Consumer<'c>> {
        self.sources.get(name).map_or_else(Vec::new, |(_, consumers)| consumers.clone())
    }

    /// Each destination with the number of its first driver, in the order in which they are met.
    pub(super) fn destinations(&self) -> IndexMap<&'c str, (&'c DestinationStatement, usize)> {
        let mut next = 0;
        let numbered = self.destinations.iter().map(|(name, statement)| {
            let first = next;
            next += statement.drivers().len();
            (*name, (*statement, first))
        });
        numbered.collect()
    }

    /// Looks at `path`, which is in the body of the source `of`, if of one.
    fn path(&mut self, path: &'c LogPath, of: Option<&'c SourceStatement>) {
        let whole = Consumer { path, is_whole: true, source: of };
        if path.flags.catchall {
            for statement in self.config.sources.values() {
                self.enter(statement, whole);
            }
        }
        for item in &path.items {
            match item {
                LogItem::Source(SourceRef::Named(..)) if path.flags.catchall => {}
                LogItem::Source(from) => self.enter(source(self.config, from), whole),
                _ => {}
            }
        }
        for statement in self.inner_sources(path) {
            let is_there = |known: &Consumer<'_>| std::ptr::eq(known.path, path);
            if !self.consumers(&statement.name).iter().any(is_there) {
                self.enter(statement, Consumer { is_whole: false, ..whole });
            }
        }
        self.used(path);
    }

    /// Puts `consumer` behind the other branches of `statement`, whose own body comes first.
    fn enter(&mut self, statement: &'c SourceStatement, consumer: Consumer<'c>) {
        if !self.sources.contains_key(statement.name.as_str()) {
            self.sources.insert(&statement.name, (statement, Vec::new()));
            for path in statement.paths() {
                self.path(path, Some(statement));
            }
        }
        if let Some((_, consumers)) = self.sources.get_mut(statement.name.as_str()) {
            consumers.push(consumer);
        }
    }

    /// The sources that paths in `path` name.
    fn inner_sources(&self, path: &'c LogPath) -> Vec<&'c SourceStatement> {
        let mut found = Vec::new();
        for inner in path.items.iter().flat_map(LogItem::paths) {
            let own = inner.items.iter().filter_map(|item| match item {
                LogItem::Source(from) => Some(source(self.config, from)),
                _ => None,
            });
            found.extend(own);
            found.extend(self.inner_sources(inner));
        }
        found
    }

    /// Notes the destinations that `path` uses.
    fn used(&mut self, path: &'c LogPath) {
        for item in &path.items {
            match item {
                LogItem::Destination(to) => {
                    let statement = destination(self.config, to);
                    if self.destinations.insert(&statement.name, statement).is_none() {
                        statement.paths().for_each(|inner| self.used(inner));
                    }
                }
                LogItem::Parser(ParserRef::Named(name, _)) if self.parsers.insert(name) => {
                    self.config.parsers[name].paths().for_each(|inner| self.used(inner));
                }
                LogItem::Rewrite(RewriteRef::Named(name, _)) if self.rewrites.insert(name) => {
                    self.config.rewrites[name].paths().for_each(|inner| self.used(inner));
                }
                _ => {}
            }
            let is_inline = matches!(item, LogItem::Parser(_) | LogItem::Rewrite(_));
            let written = if is_inline { item.body_paths() } else { Vec::new() };
            item.paths().into_iter().chain(written).for_each(|inner| self.used(inner));
        }
    }
}

/// The statement that `from` names, or is.
pub(super) fn source<'c>(config: &'c Config, from: &'c SourceRef) -> &'c SourceStatement {
    match from {
        SourceRef::Named(name, _) => &config.sources[name],
        SourceRef::Inline(statement) => statement,
    }
}

/// The statement that `to` names, or is.
pub(super) fn destination<'c>(config: &'c Config, to: &'c DestinationRef) -> &'c DestinationStatement {
    match to {
        DestinationRef::Named(name, _) => &config.destinations[name],
        DestinationRef::Inline(statement) => statement,
    }
}
