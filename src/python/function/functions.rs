//! The functions that the templates of configurations call: [`Functions`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;

use super::{PythonFunction, ThreadCalls};
use crate::config::{Config, Spanned};
use crate::engine::Log;
use crate::message::Pool;
use crate::python::blocks::Blocks;
use crate::python::modules::{Taken, module_of};
use crate::template::HostFunctionCounts;

/// All of them, for the main thread: it is the last to let go of each.
#[derive(Default)]
pub(crate) struct Functions {
    /// Those of configurations that ran, or run.
    accepted: Vec<Arc<PythonFunction>>,
    /// Those that were found for the configuration that is prepared.
    prepared: Vec<Arc<PythonFunction>>,
    /// The counts of each name that there has been.
    counts: HashMap<String, Arc<HostFunctionCounts>>,
    /// The number of the last that was found.
    last: u64,
}

impl Functions {
    /// Finds what the templates of `config` call, with the code of `blocks` and of modules, those of `taken` anew. A
    /// function whose code is the same is the one that was called before, with what it knows.
    pub(crate) fn find(
        &mut self,
        py: Python<'_>,
        config: &Config,
        (blocks, taken): (&Blocks, &Taken),
        log: &Log,
    ) {
        let of_blocks = code(config);
        for wanted in &config.python_functions {
            let name = &wanted.name;
            let code = if module_of(&name.value).is_some() { 0 } else { of_blocks };
            let is_same = |known: &&Arc<PythonFunction>| {
                known.name == name.value
                    && known.code == code
                    && known.is_typed == config.values_have_types()
                    && known.function.is_some()
            };
            let known = self.accepted.iter().rev().find(is_same).filter(|_| !taken.concerns(&name.value));
            let function = known.cloned().unwrap_or_else(|| {
                let found = blocks.function(py, config, name);
                let found = found.map_err(|warning| py.detach(|| log.diagnostic(&warning))).ok();
                self.made(name, found.map(Bound::unbind), (code, config.values_have_types()), log)
            });
            self.prepared.push(Arc::clone(&function));
            wanted.set(function);
        }
    }

    fn made(
        &mut self,
        name: &Spanned<String>,
        function: Option<Py<PyAny>>,
        (code, is_typed): (u64, bool),
        log: &Log,
    ) -> Arc<PythonFunction> {
        let mut number = 0;
        if function.is_some() {
            self.last += 1;
            number = self.last;
        }
        let counts = self.counts.entry(name.value.clone()).or_insert_with_key(|name| {
            Arc::new(HostFunctionCounts { name: name.clone(), ..HostFunctionCounts::default() })
        });
        Arc::new(PythonFunction {
            name: name.value.clone(),
            number,
            function,
            code,
            is_typed,
            log: log.clone(),
            counts: Arc::clone(counts),
            said: Mutex::default(),
            calls: Mutex::new(ThreadCalls::default()),
            pool: Arc::new(Pool::new()),
        })
    }

    /// Lets go of those that were found for a configuration that does not run.
    pub(crate) fn put_back(&mut self) {
        self.prepared.clear();
    }

    /// Tells that the configuration runs for which they were found.
    pub(crate) fn accept(&mut self) {
        for function in std::mem::take(&mut self.prepared) {
            if !self.accepted.iter().any(|known| Arc::ptr_eq(known, &function)) {
                self.accepted.push(function);
            }
        }
    }

    /// Lets go of those that no template calls any more, and says which of the others hang.
    pub(crate) fn look(&mut self, py: Python<'_>) {
        self.accepted.retain(|function| Arc::strong_count(function) > 1);
        self.accepted.iter().for_each(|function| function.watch(py));
    }

    /// Says which have not come to their end, when the threads have had their time; whether all have.
    pub(crate) fn finish(&self, py: Python<'_>) -> bool {
        let mut have_ended = true;
        for function in self.accepted.iter().filter(|function| function.is_called()) {
            function.give_up(py);
            have_ended = false;
        }
        have_ended
    }
}

/// A number for the code of all python blocks.
fn code(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for block in &config.python_blocks {
        block.code.hash(&mut hasher);
    }
    // 0 is that of modules.
    hasher.finish().max(1)
}
