//! Arguments of the uses of blocks: [`Arguments`].

use std::collections::HashMap;
use std::sync::Arc;

use super::super::raw::Argument;

/// The arguments of one use of a block, by the names of its parameters, written with `-`.
#[derive(Debug, Default)]
pub(in super::super) struct Arguments {
    pub(super) values: HashMap<String, String>,
    /// Those of the use whose text has the definition of this block.
    pub(super) outer: Option<Arc<Arguments>>,
}

impl Arguments {
    /// The text for the name between two backticks, if it is that of a parameter.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        let name = name.replace('_', "-");
        let own = self.values.get(&name).map(String::as_str);
        own.or_else(|| self.outer.as_ref().and_then(|outer| outer.get(&name)))
    }

    /// The names of all parameters.
    pub(in super::super) fn names(&self) -> Vec<&str> {
        let outer = self.outer.iter().flat_map(|outer| outer.names());
        self.values.keys().map(String::as_str).chain(outer).collect()
    }
}

/// The arguments of a use, as generators get them: the last of each name, if it has a text.
pub(super) fn arguments_of(given: Vec<Argument>) -> Vec<(String, String)> {
    let mut arguments: Vec<(String, String)> = Vec::new();
    for Argument { name, text, .. } in given {
        let name = name.replace('-', "_");
        arguments.retain(|(other, _)| *other != name);
        if !text.is_empty() {
            arguments.push((name, text));
        }
    }
    arguments
}
