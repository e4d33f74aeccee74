//! Names of statements: they are looked up when everything is read.
//!
//! A statement may name others, in the paths of its body: nothing may name itself, on whatever way. (Filters,
//! which are conditions, have the same rule of their own.)
use std::collections::HashMap;

use super::log_path::{DestinationRef, FilterRef, LogItem, LogPath, ParserRef, SourceRef};
use super::parser::Parser;
use super::rewrite::{RewriteRef, RewriteStatement};
use super::span::Span;
use super::statement::Statements;

/// The most levels of statements that name others. Each takes stack where they are compiled.
const MAX_LEVELS: usize = 128;

/// A statement with a body: its kind and its name.
type Node<'r> = (&'static str, &'r str);

impl Parser {
    /// Checks that are possible only when everything is read.
    pub(super) fn check(&mut self, read: &Statements) {
        for path in &read.logs {
            self.check_path(read, path);
        }
        for (kind, path) in bodies(read) {
            self.check_body(kind, path);
            self.check_path(read, path);
        }
        for filter in read.filters.values() {
            self.check_condition(&read.filters, &filter.condition);
        }
        for rewrite in read.rewrites.values() {
            self.check_rewrite(read, rewrite);
        }
        for condition in self.template_conditions() {
            self.check_condition(&read.filters, &condition);
        }
        for condition in std::mem::take(&mut self.conditions) {
            self.check_condition(&read.filters, &condition);
        }
        self.check_circles(&read.filters);
        self.check_bodies_for_circles(read);
        if self.report.failed() {
            // What a path seems to lack may be what could not be read.
            return;
        }
        for path in &read.logs {
            let with_source = path.has_source();
            if !with_source && !path.flags.catchall {
                self.report.warn(path.span, "this log path has no source, so no message takes it", None);
            } else if with_source && path.flags.catchall {
                let message = "this path gets the messages of every source with a name, whatever it names";
                self.report.warn(path.span, message, None);
            }
        }
    }

    /// Checks the names in `path`, and in the paths and bodies in it.
    fn check_path(&mut self, read: &Statements, path: &LogPath) {
        for item in &path.items {
            // The names in the item itself, and in the conditions that it has.
            match item {
                LogItem::Source(SourceRef::Named(name, span)) if !read.sources.contains_key(name) => {
                    self.unknown_name("source", name, *span, read.sources.keys());
                }
                LogItem::Destination(DestinationRef::Named(name, span))
                    if !read.destinations.contains_key(name) =>
                {
                    self.unknown_name("destination", name, *span, read.destinations.keys());
                }
                LogItem::Filter(FilterRef::Named(name, span)) if !read.filters.contains_key(name) => {
                    self.unknown_name("filter", name, *span, read.filters.keys());
                }
                LogItem::Parser(ParserRef::Named(name, span)) if !read.parsers.contains_key(name) => {
                    self.unknown_name("parser", name, *span, read.parsers.keys());
                }
                LogItem::Rewrite(RewriteRef::Named(name, span)) if !read.rewrites.contains_key(name) => {
                    self.unknown_name("rewrite", name, *span, read.rewrites.keys());
                }
                LogItem::Rewrite(RewriteRef::Inline(rewrite)) => self.check_rewrite(read, rewrite),
                LogItem::Filter(FilterRef::Inline(filter)) => {
                    self.check_condition(&read.filters, &filter.condition);
                }
                LogItem::If { branches, .. } => {
                    for condition in branches.iter().filter_map(|branch| branch.condition.as_ref()) {
                        self.check_condition(&read.filters, &condition.condition);
                    }
                }
                _ => {}
            }
            // The paths of the statement that is written in it, and its branches.
            for path in item.body_paths() {
                self.check_body(kind(item), path);
            }
            for path in item.paths().into_iter().chain(item.body_paths()) {
                self.check_path(read, path);
            }
        }
    }

    fn check_rewrite(&mut self, read: &Statements, rewrite: &RewriteStatement) {
        for condition in rewrite.conditions() {
            self.check_condition(&read.filters, &condition.condition);
        }
    }

    /// Checks a path in the body of a statement: only those of a source have sources, and the flags of those
    /// of a source or a parser act on a fork that is outside of it.
    fn check_body(&mut self, kind: &str, path: &LogPath) {
        let has_source = path.has_source();
        if kind == "source" && !has_source {
            let message = "this path has no source, so no message takes it";
            self.report.warn(path.span, message, None);
        } else if kind != "source" && has_source {
            let message = format!("a path in a {kind} gets its messages from outside, and has no source");
            self.report.error(path.span, message, None);
        }
        let flag = if path.flags.is_final { "final" } else { "fallback" };
        if path.flags.is_final || path.flags.fallback {
            let message = match kind {
                "source" => format!("`{flag}` here is for the paths that name the same source"),
                "parser" => format!("`{flag}` here is a flag of the path that the parser is used in"),
                _ => return,
            };
            self.report.warn(path.span, message, None);
        }
    }

    /// Checks that no statement is in itself.
    fn check_bodies_for_circles(&mut self, read: &Statements) {
        let nodes: Vec<Node<'_>> = nodes(read);
        // The levels of statements below each that was looked at.
        let mut levels: HashMap<Node<'_>, usize> = HashMap::new();
        for start in nodes {
            // The way from `start`: each statement, and its references that were not followed yet.
            let mut way: Vec<(Node<'_>, Vec<(Node<'_>, Span)>)> = Vec::new();
            let mut next = Some(start);
            loop {
                if let Some(node) = next.take().filter(|node| !levels.contains_key(node)) {
                    levels.insert(node, 0);
                    way.push((node, references(read, node)));
                }
                let Some((node, left)) = way.last_mut() else { break };
                let (node, reference) = (*node, left.pop());
                let Some((to, span)) = reference else {
                    way.pop();
                    if let Some((around, _)) = way.last() {
                        levels.insert(*around, levels[around].max(levels[&node] + 1));
                    }
                    continue;
                };
                if let Some(first) = way.iter().position(|(on_way, _)| *on_way == to) {
                    let names: Vec<_> = way[first..].iter().map(|((_, name), _)| *name).collect();
                    self.in_itself(read, &names, to, span);
                    continue;
                }
                let below = levels.get(&to).map_or(1, |levels| levels + 1);
                levels.insert(node, levels[&node].max(below));
                if way.len().max(levels[&node]) > MAX_LEVELS {
                    let message = format!("statements name others more than {MAX_LEVELS} levels deep");
                    self.report.error(span, message, None);
                    return;
                }
                next = Some(to);
            }
        }
    }

    /// Reports that the reference at `span` leads back to `node`, through the statements called `names`.
    fn in_itself(&mut self, read: &Statements, names: &[&str], node: Node<'_>, span: Span) {
        let (kind, name) = node;
        let help = (names.len() > 1).then(|| format!("the way is {} → {name}", names.join(" → ")));
        let (message, there) = (format!("the {kind} `{name}` is in itself"), format!("the {kind}"));
        self.report.error_with(span, message, statement_span(read, node), &there, help);
    }
}

/// The kind of the statement that is written in `item`.
fn kind(item: &LogItem) -> &'static str {
    match item {
        LogItem::Source(_) => "source",
        LogItem::Destination(_) => "destination",
        LogItem::Rewrite(_) => "rewrite",
        _ => "parser",
    }
}

/// The paths in the bodies of statements with names.
fn bodies(read: &Statements) -> Vec<(&'static str, &LogPath)> {
    let of = |node: Node<'_>| paths(read, node).into_iter().map(move |path| (node.0, path));
    nodes(read).into_iter().flat_map(of).collect()
}

/// The statements with names that have bodies.
fn nodes(read: &Statements) -> Vec<Node<'_>> {
    let sources = read.sources.keys().map(|name| ("source", name.as_str()));
    let destinations = read.destinations.keys().map(|name| ("destination", name.as_str()));
    let parsers = read.parsers.keys().map(|name| ("parser", name.as_str()));
    let rewrites = read.rewrites.keys().map(|name| ("rewrite", name.as_str()));
    sources.chain(destinations).chain(parsers).chain(rewrites).collect()
}

/// The paths in the body of a statement.
fn paths<'r>(read: &'r Statements, (kind, name): Node<'_>) -> Vec<&'r LogPath> {
    match kind {
        "source" => read.sources.get(name).map_or_else(Vec::new, |it| it.paths().collect()),
        "destination" => read.destinations.get(name).map_or_else(Vec::new, |it| it.paths().collect()),
        "rewrite" => read.rewrites.get(name).map_or_else(Vec::new, |it| it.paths().collect()),
        _ => read.parsers.get(name).map_or_else(Vec::new, |it| it.paths().collect()),
    }
}

fn statement_span(read: &Statements, (kind, name): Node<'_>) -> Span {
    match kind {
        "source" => read.sources[name].span,
        "destination" => read.destinations[name].span,
        "rewrite" => read.rewrites[name].span,
        _ => read.parsers[name].span,
    }
}

/// The statements that the body of `node` names, in whatever depth, the last one first.
fn references<'r>(read: &'r Statements, node: Node<'_>) -> Vec<(Node<'r>, Span)> {
    let (mut found, mut left) = (Vec::new(), paths(read, node));
    while let Some(path) = left.pop() {
        for item in &path.items {
            let reference = match item {
                LogItem::Source(SourceRef::Named(name, span)) => Some(("source", name, *span)),
                LogItem::Destination(DestinationRef::Named(name, span)) => Some(("destination", name, *span)),
                LogItem::Parser(ParserRef::Named(name, span)) => Some(("parser", name, *span)),
                LogItem::Rewrite(RewriteRef::Named(name, span)) => Some(("rewrite", name, *span)),
                _ => None,
            };
            found.extend(reference.map(|(kind, name, span)| ((kind, name.as_str()), span)));
            left.extend(item.paths());
            left.extend(item.body_paths());
        }
    }
    found.retain(|(to, _)| exists(read, *to));
    found
}

/// Tells whether there is such a statement.
fn exists(read: &Statements, (kind, name): Node<'_>) -> bool {
    match kind {
        "source" => read.sources.contains_key(name),
        "destination" => read.destinations.contains_key(name),
        "rewrite" => read.rewrites.contains_key(name),
        _ => read.parsers.contains_key(name),
    }
}
