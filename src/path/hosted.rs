//! Steps that the host of the engine makes: [`Hosted`].
//!
//! The compiler of paths knows the options of such a step, and its place in each program. The step itself is
//! made by the host when the whole configuration is known to be right, once for each reference, before its
//! program runs ([`Hosted::fill`]). All programs with such a step run on one worker, which alone may wait for
//! the host; it ends the step ([`Step::retire`]) after its last batch.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::{Out, Step, StepStatistics};
use crate::config::Driver;
use crate::message::Selection;

/// The place of a step that the host makes.
#[derive(Debug)]
pub struct Hosted {
    statement: String,
    name: String,
    driver: Driver,
    made: OnceLock<Arc<dyn Step>>,
}

impl Hosted {
    /// That of `driver`, which stands in the parser statement called `statement`.
    pub fn new(statement: &str, driver: &Driver) -> Self {
        let name = format!("parser {statement}: {}()", driver.word);
        Self { statement: statement.to_owned(), name, driver: driver.clone(), made: OnceLock::new() }
    }

    /// The name of its statement.
    pub fn statement(&self) -> &str {
        &self.statement
    }

    /// Its driver.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Puts `made` there, before the first batch.
    pub fn fill(&self, made: Arc<dyn Step>) {
        // Each is made once.
        let _ = self.made.set(made);
    }

    /// The step that the host has made.
    pub fn made(&self) -> Option<&Arc<dyn Step>> {
        self.made.get()
    }

    fn step(&self) -> &dyn Step {
        let Some(made) = self.made.get() else {
            unreachable!("what a program has of the host is made before it runs")
        };
        &**made
    }
}

impl Step for Hosted {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        self.step().apply(selection, out);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn statistics(&self) -> Option<StepStatistics> {
        self.made()?.statistics()
    }

    fn hosted(&self) -> Option<&Hosted> {
        Some(self)
    }

    fn retire(&self, is_last: bool) {
        if let Some(made) = self.made() {
            made.retire(is_last);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Tells whether `one` and `two` are the same step, also where it has a place in two programs.
pub(crate) fn is_same(one: &Arc<dyn Step>, two: &Arc<dyn Step>) -> bool {
    fn made(step: &Arc<dyn Step>) -> Option<&Arc<dyn Step>> {
        step.hosted()?.made()
    }
    Arc::ptr_eq(one, two) || made(one).zip(made(two)).is_some_and(|(one, two)| Arc::ptr_eq(one, two))
}
