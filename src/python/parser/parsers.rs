//! The parsers that the host of an engine has made: [`Parsers`].

use std::sync::Arc;

use pyo3::prelude::*;

use super::PythonParser;
use crate::config::{Config, Diagnostic};
use crate::path::Step;

/// The objects, for the main thread: it is the last to let go of each.
#[derive(Default)]
pub(crate) struct Parsers {
    /// Those of configurations that ran, or run.
    accepted: Vec<Arc<PythonParser>>,
    /// Those of the configuration that is prepared.
    prepared: Vec<Arc<PythonParser>>,
}

impl Parsers {
    /// Adds one that was made for the configuration that is prepared.
    pub(crate) fn add(&mut self, parser: PythonParser) -> Arc<dyn Step> {
        let parser = Arc::new(parser);
        self.prepared.push(Arc::clone(&parser));
        parser
    }

    /// Calls `init()` of those that were made for `config`.
    ///
    /// # Errors
    /// One refuses it.
    pub(crate) fn initialise(&self, py: Python<'_>, config: &Config) -> Result<(), Diagnostic> {
        self.prepared.iter().try_for_each(|parser| parser.initialise(py, config))
    }

    /// Lets go of those that were made for a configuration that does not run.
    pub(crate) fn put_back(&mut self, py: Python<'_>) {
        for parser in std::mem::take(&mut self.prepared) {
            parser.deinitialise(py);
        }
    }

    /// Tells that those that were made run.
    pub(crate) fn accept(&mut self) {
        self.accepted.append(&mut self.prepared);
    }

    /// Lets go of those that no path has any more, and says which of the others hang.
    pub(crate) fn look(&mut self, py: Python<'_>) {
        let (ended, live): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.accepted).into_iter().partition(|parser| Arc::strong_count(parser) == 1);
        self.accepted = live;
        for parser in ended {
            // The worker has done it, unless it never came to see the paths with this one.
            parser.deinitialise(py);
        }
        self.accepted.iter().for_each(|parser| parser.watch(py));
    }

    /// Lets go of all of them, when the workers have had their time; whether all have ended.
    pub(crate) fn finish(&mut self, py: Python<'_>) -> bool {
        let stuck: Vec<_> = self.accepted.iter().filter(|parser| parser.is_called()).collect();
        if !stuck.is_empty() {
            for parser in stuck {
                parser.give_up(py);
            }
            return false;
        }
        for parser in std::mem::take(&mut self.accepted) {
            parser.deinitialise(py);
        }
        true
    }
}
