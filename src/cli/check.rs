//! `inrush check`: everything that is wrong with a configuration, and what it consists of.
//!
//! Of a configuration with errors, what could be read is looked at all the same: its python blocks run, and
//! its classes are looked up, so that nobody has to mend one kind of mistake to be told of the next. Only
//! where code may be missing (a file that cannot be included, a block without its end) there is nothing to
//! look at.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config, DestinationRef, Diagnostics, Environment, Inspected, Level, LogItem};
use crate::drivers::VOCABULARY;
use crate::engine::generation;
use crate::engine::host::unlocked;
use crate::engine::{Host, Log};
use crate::path::compile;

/// The result of `inrush check`.
pub struct Checked {
    /// For stdout: what the configuration consists of; empty when it cannot be used.
    pub output: String,
    /// For stderr: all errors and warnings, and how many they are.
    pub said: String,
    /// The exit code.
    pub code: i32,
}

/// Checks the configuration at `path`, with what `host` adds to the engine.
pub fn check(path: &Path, log: &Log, host: &mut dyn Host) -> Checked {
    let environment = Environment::of_process(path, &VOCABULARY);
    let mut inspected = unlocked(host, || config::inspect(path, &environment));
    let generators = inspected.needs_generators().map(|config| host.generators(config));
    if let Some(Ok(Some(generators))) = generators
        && let Some(config) = &inspected.config
    {
        let environment = Environment { generators: Some(generators), ..environment };
        inspected = unlocked(host, || config::inspect_again(config, &environment));
    }
    let Inspected { config, mut found, is_whole, .. } = inspected;
    let config = config.map(Arc::new);
    match &config {
        Some(config) if is_whole => {
            found.extend(config.check_for_log_path().err());
            let refused = generation::check(Arc::clone(config), log, host).err();
            found.extend(refused.into_iter().flat_map(Vec::from));
            found.extend(compile::unreached(config));
        }
        Some(config) => found.extend(host.inspect(config)),
        None => {}
    }
    let found = Diagnostics::from(found);
    let mut said = String::new();
    for diagnostic in &found {
        let _ = writeln!(said, "{diagnostic}\n");
    }
    let errors = found.error_count();
    let counts = [(errors, "error"), (found.count(Level::Warning), "warning")];
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
    if !counts.is_empty() {
        let _ = writeln!(said, "{}", counts.join(", "));
    }
    match config {
        Some(config) if errors == 0 => Checked { output: summary(&config), said, code: 0 },
        _ => Checked { output: String::new(), said, code: 1 },
    }
}

/// The summary: how much there is of what.
fn summary(config: &Config) -> String {
    let paths = config.all_paths();
    let sources: usize = config.source_statements().iter().map(|statement| statement.drivers().len()).sum();
    let inline = paths.iter().flat_map(|path| &path.items).map(|item| match item {
        LogItem::Destination(DestinationRef::Inline(statement)) => statement.drivers().len(),
        _ => 0,
    });
    let named = config.destinations.values().map(|statement| statement.drivers().len());
    let destinations: usize = named.chain(inline).sum();
    let parts =
        [counted(sources, "source"), counted(destinations, "destination"), counted(paths.len(), "path")];
    format!("ok: {}\n", parts.join(", "))
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
