//! The drivers of a plan that the host of the engine makes: [`ReloadPlan::make_hosted`].

use std::sync::Arc;

use super::ReloadPlan;
use crate::config::{Config, Diagnostic, Driver};
use crate::destination::HostedDestination;

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
}
