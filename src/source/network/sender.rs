//! The part that messages of one sender have in common: [`Senders`] and [`Sender`].

use std::sync::Arc;

use super::plan::Plan;
use crate::message::{Endpoints, NamedValue, Origin};
use crate::source::Input;
use crate::source::reader::{Parsing, Posting};

/// Names with values that all messages of a sender have, in the order of the names.
pub(super) type Values = Vec<NamedValue>;

/// The senders of a source.
pub(super) struct Senders {
    input: Input,
    plan: Arc<Plan>,
}

/// What posts take of one sender.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// The part that its messages have in common.
    pub origin: Arc<Origin>,
    /// The way in which its texts become messages.
    pub posting: Arc<Posting>,
}

impl Senders {
    /// Those of the source `input`.
    pub(super) fn new(input: &Input, plan: &Arc<Plan>) -> Self {
        Self { input: input.clone(), plan: Arc::clone(plan) }
    }

    /// The sender called `name`, or this host without a name, at the other end of `endpoints`.
    pub(super) fn sender(
        &self,
        name: Option<&Arc<str>>,
        endpoints: Option<Endpoints>,
        mut values: Values,
    ) -> Sender {
        let Input { origin, policy, .. } = &self.input;
        let reading = &self.plan.reading;
        let name = name.filter(|name| ***name != **policy.local());
        let policy = name.map_or_else(|| Arc::clone(policy), |name| Arc::new(policy.of_sender(name)));
        let (endpoints, values) = if reading.has_aux_data {
            values.sort();
            (endpoints.map(Arc::new), Arc::from(values))
        } else {
            (None, Arc::from([]))
        };
        let origin = Arc::new(Origin {
            host: Arc::clone(policy.host()),
            host_from: Arc::clone(policy.local()),
            transport: Some(Arc::clone(&self.plan.transport_name)),
            endpoints,
            values,
            ..(**origin).clone()
        });
        // Only who parses here needs the rules of the sender: the worker has them by the origin.
        let posting = match (reading.posting.parsing, name) {
            (Parsing::Here, Some(_)) => Arc::new(Posting { policy, ..(*reading.posting).clone() }),
            _ => Arc::clone(&reading.posting),
        };
        Sender { origin, posting }
    }
}
