//! The parts of a plan that the host of the engine makes: [`ReloadPlan::make_hosted`], [`ReloadPlan::make_steps`].

use std::sync::Arc;

use super::{ReloadPlan, Source};
use crate::config::{Config, Diagnostic, Driver};
use crate::destination::HostedDestination;
use crate::path::{Hosted, Step};

impl ReloadPlan {
    /// Has `make` make the destinations that the engine cannot make alone; what is wrong with them.
    pub(in crate::engine) fn make_hosted(
        &mut self,
        config: &Config,
        mut make: impl FnMut(&Driver) -> Result<HostedDestination, Diagnostic>,
    ) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for fresh in &mut self.fresh_outputs {
            let Some((driver, slot)) = fresh.hosted.take() else { continue };
            match make(&driver) {
                Err(error) => errors.push(error),
                Ok(hosted) => {
                    let name = hosted.persist_name.clone();
                    slot.fill(hosted);
                    let mut others = self.outputs.iter().filter(|other| !Arc::ptr_eq(other, &fresh.output));
                    if let Some(other) = others.find(|other| other.hosted_name() == Some(name.as_str())) {
                        let message = format!("two destinations have the persist name `{name}`");
                        let help = format!("the other is `{}`; give one of them a persist-name()", other.id);
                        errors.push(config.error(driver.span, message, Some(help)));
                    }
                    if let Some(place) = &fresh.output.hosted_name {
                        // It is made once.
                        let _ = place.set(name);
                    }
                }
            }
        }
        errors
    }

    /// Has `make` make the steps that the engine cannot make alone, each once, in the order of the
    /// configuration's sources; what is wrong with them.
    pub(in crate::engine) fn make_steps(
        &self,
        mut make: impl FnMut(&Hosted) -> Result<Arc<dyn Step>, Diagnostic>,
    ) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for step in hosted_steps(&self.sources) {
            let Some(place) = step.hosted() else { continue };
            match make(place) {
                Err(error) => errors.push(error),
                Ok(step) => place.fill(step),
            }
        }
        errors
    }

    /// Takes the steps that the host has made for `running`, the places of the same configuration: they go on.
    pub(in crate::engine) fn adopt_steps(&self, running: &[Arc<dyn Step>]) {
        for (step, before) in hosted_steps(&self.sources).iter().zip(running) {
            let (Some(place), Some(before)) = (step.hosted(), before.hosted()) else { continue };
            if let Some(made) = before.made() {
                place.fill(Arc::clone(made));
            }
        }
    }
}

/// The places of steps that the host makes in the programs of `sources`, each once.
pub(in crate::engine) fn hosted_steps(sources: &[Source]) -> Vec<Arc<dyn Step>> {
    let mut steps: Vec<Arc<dyn Step>> = Vec::new();
    for step in sources.iter().flat_map(|source| source.program.steps()) {
        if step.hosted().is_some() && !steps.iter().any(|known| Arc::ptr_eq(known, step)) {
            steps.push(Arc::clone(step));
        }
    }
    steps
}
