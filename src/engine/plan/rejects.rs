//! `on-reject(destination(…))`: who gets what a destination is refused for good.
//!
//! The drivers of a destination that is named there run although no log path leads to them ([`plan_all`]). A
//! destination that goes on over a reload sends to those that are there then ([`RejectRoute::lead_to`]).
//! Destinations must not send to each other in a circle: so there is an order in which they can end, each
//! before those that it sends to.

use std::sync::{Arc, Mutex, PoisonError};

use super::Output;
use crate::config::{Config, Diagnostic, Driver, Spanned};
use crate::destination::{self, Planned, Rejects};
use crate::flow::{Delivery, DropReason};
use crate::nearest::did_you_mean;

/// The way of what one destination is refused.
#[derive(Debug)]
pub(in crate::engine) struct RejectRoute {
    /// The name of the destination that gets it.
    name: String,
    /// Its drivers.
    to: Mutex<Vec<Arc<Output>>>,
}

impl RejectRoute {
    /// The way to the destination called `name`, which leads nowhere yet.
    pub(super) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), to: Mutex::default() })
    }

    /// What the destination `from` sends on this way.
    pub(super) fn rejects(self: &Arc<Self>, from: &str) -> Rejects {
        let route = Arc::clone(self);
        Rejects::new(from, Arc::new(move |delivery| route.take(delivery)))
    }

    /// Leads to the drivers of its destination among `outputs`, if there are any.
    pub(in crate::engine) fn lead_to(&self, outputs: &[Arc<Output>]) {
        let is_meant = |output: &&Arc<Output>| statement_of(&output.id) == self.name;
        let found: Vec<_> = outputs.iter().filter(is_meant).cloned().collect();
        if !found.is_empty() {
            *self.to.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    /// Tells whether it leads to `output`.
    pub(in crate::engine) fn leads_to(&self, output: &Arc<Output>) -> bool {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.iter().any(|one| Arc::ptr_eq(one, output))
    }

    fn take(&self, delivery: Delivery) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((last, others)) = to.split_last() else {
            return delivery.ack.drop_rows(delivery.view.rows(), DropReason::Refused);
        };
        for output in others {
            let (view, ack) = (delivery.view.clone(), delivery.ack.clone());
            output.queue.push_refused(Delivery { view, ack, ..delivery });
        }
        last.queue.push_refused(delivery);
    }
}

/// The name of the statement that the driver `id` is in.
fn statement_of(id: &str) -> &str {
    id.rsplit_once('#').map_or(id, |(name, _)| name)
}

/// Plans `drivers`, and those that get what others are refused.
///
/// # Errors
/// What is wrong with their options, and names of destinations that do not exist or lead in a circle.
pub(super) fn plan_all<'c>(
    config: &'c Config,
    drivers: &[&'c Driver],
) -> Result<Vec<(&'c Driver, Planned)>, Vec<Diagnostic>> {
    let (mut planned, mut errors) = (Vec::<(&Driver, Planned)>::new(), Vec::new());
    let mut to_plan = drivers.to_vec();
    while let Some(driver) = to_plan.first().copied() {
        to_plan.remove(0);
        match destination::plan(config, driver) {
            Err(error) => errors.push(error),
            Ok(plan) => {
                if let Some(name) = &plan.on_reject {
                    match target(config, name) {
                        Err(error) => errors.push(error),
                        Ok(drivers) => {
                            let known: Vec<_> = planned.iter().map(|(known, _)| *known).collect();
                            let is_known = |new: &&Driver| {
                                let mut all = known.iter().chain(&to_plan).copied().chain([driver]);
                                all.any(|one| one.id == new.id)
                            };
                            let new: Vec<_> = drivers.into_iter().filter(|new| !is_known(new)).collect();
                            to_plan.extend(new);
                        }
                    }
                }
                planned.push((driver, plan));
            }
        }
    }
    errors.extend(circles(config, &planned));
    errors.extend(shared_buffers(config, &planned));
    if errors.is_empty() { Ok(planned) } else { Err(errors) }
}

/// An error for each destination whose disk buffer is another one's, too.
fn shared_buffers(config: &Config, planned: &[(&Driver, Planned)]) -> Vec<Diagnostic> {
    let named = |planned: &'_ Planned| planned.buffer.clone();
    let mut errors = Vec::new();
    for (at, (driver, plan)) in planned.iter().enumerate() {
        let Some(buffer) = named(plan) else { continue };
        let is_it =
            |(_, other): &&(&Driver, Planned)| named(other).is_some_and(|other| other.value == buffer.value);
        if let Some((other, _)) = planned[..at].iter().find(is_it) {
            let message = format!(
                "the disk buffer of `{}` is that of `{}`, too: {}",
                driver.id, other.id, buffer.value
            );
            let help = Some("give each a persist-name() of its own".to_owned());
            errors.push(config.error(buffer.span, message, help));
        }
    }
    errors
}

/// The drivers of the destination called `name`.
fn target<'c>(config: &'c Config, name: &Spanned<String>) -> Result<Vec<&'c Driver>, Diagnostic> {
    let Some(statement) = config.destinations.get(&name.value) else {
        let message = format!("there is no destination called `{}`", name.value);
        let help = did_you_mean(&name.value, config.destinations.keys().map(String::as_str));
        return Err(config.error(name.span, message, help));
    };
    if statement.paths().next().is_some() {
        let message = format!("`{}` has log paths, which what is refused does not take", name.value);
        let help = Some("name a destination that has drivers alone".to_owned());
        return Err(config.error(name.span, message, help));
    }
    Ok(statement.drivers())
}

/// An error for each destination whose refused messages would come back to it.
fn circles(config: &Config, planned: &[(&Driver, Planned)]) -> Vec<Diagnostic> {
    let leads_to = |from: &str| {
        let of = planned.iter().filter(|(driver, _)| statement_of(&driver.id) == from).collect::<Vec<_>>();
        of.into_iter().filter_map(|(_, plan)| plan.on_reject.as_ref()).map(|name| name.value.as_str())
    };
    let mut errors = Vec::new();
    for (driver, plan) in planned {
        let (own, Some(first)) = (statement_of(&driver.id), &plan.on_reject) else { continue };
        let mut reached = vec![first.value.as_str()];
        let mut next = 0;
        while let Some(name) = reached.get(next).copied() {
            next += 1;
            let more: Vec<_> = leads_to(name).filter(|name| !reached.contains(name)).collect();
            reached.extend(more);
        }
        if reached.contains(&own) {
            let message = format!("what `{own}` is refused would come back to it");
            let help = Some("on-reject() of destinations must not lead in a circle".to_owned());
            errors.push(config.error(first.span, message, help));
        }
    }
    errors
}
