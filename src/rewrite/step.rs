//! Operations one behind the other: [`Rewrite`].

use std::any::Any;
use std::sync::{Mutex, PoisonError};

use super::value::Contexts;
use super::{Operation, Scratch};
use crate::config::{Config, Diagnostic, RewriteFunction};
use crate::filter::Filter;
use crate::message::Selection;
use crate::path::{Out, Step};

/// A run of rewrite functions.
#[derive(Debug)]
pub struct Rewrite {
    name: String,
    /// Its identity over a reload, where a condition has a state.
    key: Option<String>,
    passes: Vec<Pass>,
    contexts: Contexts,
    /// The memory of those who are not at work in it now.
    scratch: Mutex<Vec<Scratch>>,
}

/// Operations that are done to one message after the other.
#[derive(Debug)]
struct Pass {
    /// The first operation, and the messages that it is for. It begins a pass, as its condition is looked at for
    /// all messages at once, and sees what the operations before it have made of them.
    chosen: Option<(Filter, Box<dyn Operation>)>,
    operations: Vec<Box<dyn Operation>>,
}

impl Rewrite {
    /// Compiles `functions` of the rewrite called `name`.
    ///
    /// # Errors
    /// Options that can only be checked when everything is read.
    pub fn compile<'f>(
        config: &Config,
        name: &str,
        functions: impl IntoIterator<Item = &'f RewriteFunction>,
    ) -> Result<Self, Diagnostic> {
        let mut contexts = Contexts::default();
        let mut passes: Vec<Pass> = Vec::new();
        for function in functions {
            let operation = super::compile(config, function, &mut contexts)?;
            match (&function.condition, passes.last_mut()) {
                (None, Some(pass)) => pass.operations.push(operation),
                (None, None) => passes.push(Pass { chosen: None, operations: vec![operation] }),
                (Some(condition), _) => {
                    let filter = Filter::compile(config, &condition.name, &condition.condition)?;
                    passes.push(Pass { chosen: Some((filter, operation)), operations: Vec::new() });
                }
            }
        }
        Ok(Self { name: name.to_owned(), key: None, passes, contexts, scratch: Mutex::default() })
    }

    /// The conditions of its functions.
    fn conditions(&self) -> impl Iterator<Item = &Filter> {
        self.passes.iter().filter_map(|pass| pass.chosen.as_ref().map(|(filter, _)| filter))
    }

    /// The text by which one of another configuration is known to be the same, where a condition has a state.
    pub(crate) fn state_text(&self) -> Option<String> {
        self.conditions().any(Filter::has_state).then(|| format!("{:+?}", self.passes))
    }

    /// The same with `key` for its identity over a reload.
    #[must_use]
    pub(crate) fn with_key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }
}

impl Pass {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>, scratch: &mut Scratch) {
        let chosen =
            self.chosen.as_ref().map(|(filter, operation)| (filter.select(selection, out), operation));
        let mut met = chosen.as_ref().map(|(rows, _)| rows.iter().peekable());
        out.revise(selection, |row| {
            if let (Some(met), Some((_, operation))) = (&mut met, &chosen) {
                while met.next_if(|next| *next < row.row()).is_some() {}
                if met.next_if_eq(&row.row()).is_some() {
                    operation.apply(row, scratch);
                }
            }
            for operation in &self.operations {
                operation.apply(row, scratch);
            }
            true
        });
    }
}

impl Step for Rewrite {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let spare = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = spare().pop();
        let mut scratch = kept.unwrap_or_else(|| self.contexts.scratch());
        scratch.begin(out.now());
        for pass in &self.passes {
            pass.apply(selection, out, &mut scratch);
        }
        scratch.said(|text| out.say(format!("rewrite {}: {text}", self.name)));
        spare().push(scratch);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_ordered(&self) -> bool {
        self.conditions().any(Filter::is_ordered)
    }

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    fn take_over(&self, old: &dyn Step) {
        if let Some(old) = old.as_any().downcast_ref::<Self>() {
            self.conditions().zip(old.conditions()).for_each(|(own, old)| own.take_state_over(old));
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
