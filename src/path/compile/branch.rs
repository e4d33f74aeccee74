//! Branches of programs, made of log paths.

use std::fmt::Debug;
use std::sync::Arc;

use super::Compiler;
use super::MAX_ITEMS;
use super::entrances::{Consumer, destination, source};
use crate::config::{
    BodyItem, DestinationRef, Diagnostic, Driver, FilterRef, FilterStatement, IfBranch, LogItem, LogPath,
    ParserRef, ParserStatement, PathFlags, RewriteItem, RewriteRef, Span,
};
use crate::filter::Filter;
use crate::parser;
use crate::path::calling::calling;
use crate::path::{Choice, Item, SendTo, Step};
use crate::rewrite::Rewrite;

/// The messages that a branch is made for, and what it inherits.
#[derive(Clone, Copy)]
struct Way<'w> {
    /// The name of their source.
    source: &'w str,
    flow_control: bool,
}

/// The items of a path, and flags that it has from a parser's body.
#[derive(Default)]
struct Body {
    items: Vec<Item>,
    is_final: bool,
    is_fallback: bool,
}

impl<'c> Compiler<'c, '_> {
    /// The branches of the source `name`.
    pub(super) fn consumers(&mut self, name: &str, flow_control: bool) -> Vec<Choice> {
        let mut choices = Vec::new();
        for Consumer { path, is_whole, source } in self.entrances.consumers(name) {
            let mut choice = self.choice(path, Way { source: name, flow_control }, is_whole);
            if let Some(source) = source.filter(|_| self.items < MAX_ITEMS) {
                choice.items.push(Item::Fork(self.consumers(&source.name, flow_control)));
            }
            choices.push(choice);
        }
        choices
    }

    /// The branch that `path` is: all of it when messages enter at its start (`is_whole`), and otherwise what
    /// comes from the paths on in it that name their source.
    fn choice(&mut self, path: &'c LogPath, way: Way<'_>, is_whole: bool) -> Choice {
        let flow_control = path.flags.flow_control.unwrap_or(way.flow_control);
        let body = self.body(path, Way { flow_control, ..way }, is_whole);
        let PathFlags { is_final, fallback, .. } = path.flags;
        Choice {
            condition: None,
            items: body.items,
            is_final: is_final || body.is_final,
            is_fallback: fallback || body.is_fallback,
            path: Some(path.span),
        }
    }

    fn body(&mut self, path: &'c LogPath, way: Way<'_>, is_whole: bool) -> Body {
        let (mut body, mut embedded, mut is_inside) = (Body::default(), Vec::new(), is_whole);
        for item in &path.items {
            if !self.has_room(path.span) {
                break;
            }
            // Where messages enter inside only, what stands before the first path that they enter is not theirs.
            match item {
                LogItem::Log(inner) => embedded.extend(self.branch(inner, way, is_inside)),
                LogItem::Junction(_) | LogItem::If { .. } => {
                    let choices = match item {
                        LogItem::If { branches, otherwise } => {
                            self.alternatives(branches, otherwise.as_ref(), way, is_inside)
                        }
                        _ => item
                            .paths()
                            .into_iter()
                            .filter_map(|inner| self.branch(inner, way, is_inside))
                            .collect(),
                    };
                    if is_inside || !choices.is_empty() {
                        is_inside = true;
                        body.items.push(Item::Fork(choices));
                    }
                }
                _ if !is_inside => {}
                LogItem::Source(_) => {}
                LogItem::Destination(to) => self.deliver(to, way, path.span, &mut body.items),
                LogItem::Filter(filter) => body.items.extend(self.filter(filter).map(Item::Step)),
                LogItem::Rewrite(rewrite) => body.items.extend(self.rewrite(rewrite, way)),
                LogItem::Parser(parser) => self.parser(parser, way, &mut body),
            }
        }
        // The embedded paths are the branches of one fork, behind all other items.
        if !embedded.is_empty() {
            body.items.push(Item::Fork(embedded));
        }
        body
    }

    /// Counts an item; false where there are too many, which is an error.
    fn has_room(&mut self, path: Span) -> bool {
        self.items += 1;
        if self.items == MAX_ITEMS {
            let message = format!("the log paths of one source have more than {MAX_ITEMS} items");
            let help = "statements that name others several times, and these others, multiply".to_owned();
            self.errors.push(self.config.error(path, message, Some(help)));
        }
        self.items < MAX_ITEMS
    }

    /// The branch that a path in another one is, if messages come there.
    fn branch(&mut self, path: &'c LogPath, way: Way<'_>, is_inside: bool) -> Option<Choice> {
        let is_whole = is_inside || self.begins(path, way.source);
        (is_whole || self.begins_inside(path, way.source)).then(|| self.choice(path, way, is_whole))
    }

    fn begins(&self, path: &'c LogPath, name: &str) -> bool {
        let names = |item: &'c LogItem| matches!(item, LogItem::Source(from) if source(self.config, from).name == name);
        path.items.iter().any(names)
    }

    fn begins_inside(&self, path: &'c LogPath, name: &str) -> bool {
        let mut inner = path.items.iter().flat_map(LogItem::paths);
        inner.any(|inner| self.begins(inner, name) || self.begins_inside(inner, name))
    }

    /// The branches of `if`, `elif` and `else`: all are final, and what takes none of them goes on.
    fn alternatives(
        &mut self,
        branches: &'c [IfBranch],
        otherwise: Option<&'c LogPath>,
        way: Way<'_>,
        is_inside: bool,
    ) -> Vec<Choice> {
        let mut choices = Vec::new();
        for IfBranch { condition, path } in branches {
            let Some(choice) = self.branch(path, way, is_inside) else { continue };
            let condition = condition.as_ref().and_then(|filter| self.step(filter));
            choices.push(Choice { condition, is_final: true, is_fallback: false, ..choice });
        }
        let last = match otherwise {
            Some(path) => self.branch(path, way, is_inside),
            None => is_inside.then(Choice::default),
        };
        choices.extend(last.map(|last| Choice { is_final: true, is_fallback: false, ..last }));
        choices
    }

    /// Puts the ways to all drivers of `to` behind `items`; a tee where it has paths of its own.
    fn deliver(&mut self, to: &'c DestinationRef, way: Way<'_>, path: Span, items: &mut Vec<Item>) {
        let statement = destination(self.config, to);
        let Some((_, first)) = self.destinations.get(statement.name.as_str()) else { return };
        let first = *first;
        let send = |number| {
            Item::Send(SendTo {
                destination: first + number,
                flow_control: way.flow_control,
                path: Some(path),
            })
        };
        if statement.paths().next().is_none() {
            items.extend((0..statement.items.len()).map(send));
            return;
        }
        let choices = self.named(std::ptr::from_ref(to) as usize, |compiler| {
            let (mut choices, mut drivers) = (Vec::new(), 0);
            for item in &statement.items {
                choices.push(match item {
                    BodyItem::Driver(_) => {
                        drivers += 1;
                        Choice { items: vec![send(drivers - 1)], ..Choice::default() }
                    }
                    BodyItem::Path(inner) => compiler.choice(inner, way, true),
                });
            }
            choices
        });
        items.push(Item::Tee(choices));
    }

    /// Puts the steps of `parser` behind those of `body`, one after the other.
    fn parser(&mut self, parser: &'c ParserRef, way: Way<'_>, body: &mut Body) {
        let statement: &ParserStatement = match parser {
            ParserRef::Named(name, _) => &self.config.parsers[name],
            ParserRef::Inline(statement) => statement,
        };
        let inner = self.named(std::ptr::from_ref(parser) as usize, |compiler| {
            let mut all = Body::default();
            for item in &statement.items {
                match item {
                    BodyItem::Driver(driver) => {
                        all.items.extend(compiler.driver(&statement.name, driver).map(Item::Step));
                    }
                    BodyItem::Path(path) => {
                        let Choice { items, is_final, is_fallback, .. } = compiler.choice(path, way, true);
                        all.items.extend(items);
                        all.is_final |= is_final;
                        all.is_fallback |= is_fallback;
                    }
                }
            }
            all
        });
        body.items.extend(inner.items);
        body.is_final |= inner.is_final;
        body.is_fallback |= inner.is_fallback;
    }

    /// The step of `driver` in the parser called `statement`.
    fn driver(&mut self, statement: &'c str, driver: &'c Driver) -> Option<Arc<dyn Step>> {
        let (config, place) = (self.config, std::ptr::from_ref(driver) as usize);
        if let Some(name) = parser::persist_name(driver) {
            let (first, span) = *self.persist_names.entry(name.clone()).or_insert((place, driver.span));
            if first != place {
                let message = format!("two parsers keep their messages under the name `{name}`");
                let help = "give one of them a persist-name()".to_owned();
                self.errors.push(config.error_with(driver.span, message, span, "the other one", Some(help)));
                return None;
            }
        }
        let key = (self.names.clone(), place);
        let number = self.references.get(&place).copied().unwrap_or_default();
        if !self.steps.contains_key(&key) {
            self.references.insert(place, number + 1);
        }
        let reference = parser::Reference { statement, number };
        self.step_at(place, driver, |_| parser::compile(config, reference, driver))
    }

    /// Compiles the body of a statement that is named by the item at `place`.
    fn named<T>(&mut self, place: usize, body: impl FnOnce(&mut Self) -> T) -> T {
        self.names.push(place);
        let compiled = body(self);
        self.names.pop();
        compiled
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
        self.step_at(place, &statement.condition, |compiler| {
            let filter = Filter::compile(config, &statement.name, &statement.condition)?;
            if !filter.has_state() {
                return Ok(Arc::new(filter));
            }
            let key = compiler.numbered(&format!("filter {}", filter.text()));
            Ok(Arc::new(filter.with_key(key)))
        })
    }

    /// The items of a rewrite: a step for functions that follow each other, a fork for each junction.
    fn rewrite(&mut self, rewrite: &'c RewriteRef, way: Way<'_>) -> Vec<Item> {
        let config = self.config;
        let statement = match rewrite {
            RewriteRef::Named(name, _) => &config.rewrites[name],
            RewriteRef::Inline(statement) => statement,
        };
        let is_function = |item: &RewriteItem| matches!(item, RewriteItem::Function(_));
        self.named(std::ptr::from_ref(rewrite) as usize, |compiler| {
            let mut items = Vec::new();
            for group in statement.items.chunk_by(|one, two| is_function(one) && is_function(two)) {
                if let [RewriteItem::Junction(channels)] = group {
                    let choices = channels.iter().map(|channel| compiler.choice(channel, way, true));
                    items.push(Item::Fork(choices.collect()));
                    continue;
                }
                let functions = group.iter().filter_map(|item| match item {
                    RewriteItem::Function(function) => Some(function),
                    RewriteItem::Junction(_) => None,
                });
                let place = std::ptr::from_ref(&group[0]) as usize;
                let step = compiler.step_at(place, group, |compiler| {
                    let rewrite = Rewrite::compile(config, &statement.name, functions)?;
                    let Some(text) = rewrite.state_text() else { return Ok(Arc::new(rewrite)) };
                    let key = compiler.numbered(&format!("rewrite {text}"));
                    Ok(Arc::new(rewrite.with_key(key)))
                });
                items.extend(step.map(Item::Step));
            }
            items
        })
    }

    /// The identity of a step with a state whose text is `text`: those of one text are numbered in their order.
    fn numbered(&mut self, text: &str) -> String {
        let number = self.texts.entry(text.to_owned()).or_default();
        *number += 1;
        format!("{text} {number}")
    }

    /// The step of the item at `place`, which has these `options`, and which all sources that pass it share. Each
    /// place that refers to a statement has a step of its own, and so has each way of names that leads there.
    fn step_at(
        &mut self,
        place: usize,
        options: impl Debug,
        compile: impl FnOnce(&mut Self) -> Result<Arc<dyn Step>, Diagnostic>,
    ) -> Option<Arc<dyn Step>> {
        let key = (self.names.clone(), place);
        if let Some(step) = self.steps.get(&key) {
            return step.clone();
        }
        let step = compile(self).map_err(|error| self.errors.push(error)).ok();
        let step = step.map(|step| calling(self.config, &options, step));
        self.steps.insert(key, step.clone());
        step
    }
}
