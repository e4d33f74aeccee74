//! Steps whose templates call functions of the host: [`calling`].

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use super::{Out, Step, StepStatistics, Timed};
use crate::config::Config;
use crate::message::Selection;
use crate::template::{HostCalls, calls_host};

/// A step like any other, but that it calls the host: it runs on the worker that may wait for it, which takes the
/// host's lock once for all messages that it is given.
#[derive(Debug)]
struct Calling(Arc<dyn Step>);

/// `step`, which is made of `options`, as one that calls the host, if it does.
pub(super) fn calling(config: &Config, options: &dyn Debug, step: Arc<dyn Step>) -> Arc<dyn Step> {
    // Most configurations have none of it, and a text is not made for nothing.
    let may_call = !config.python_functions.is_empty() && !step.is_hosted();
    if may_call && calls_host(&(options, &step)) { Arc::new(Calling(step)) } else { step }
}

impl Step for Calling {
    fn apply(&self, selection: &mut Selection, out: &mut Out<'_>) {
        let _calls = HostCalls::open();
        self.0.apply(selection, out);
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn is_ordered(&self) -> bool {
        self.0.is_ordered()
    }

    fn key(&self) -> Option<&str> {
        self.0.key()
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn expire(&self, now: Instant, out: &mut Timed) {
        let _calls = HostCalls::open();
        self.0.expire(now, out);
    }

    fn take_over(&self, old: &dyn Step) {
        self.0.take_over(old);
    }

    fn finish(&self, out: &mut Timed) {
        let _calls = HostCalls::open();
        self.0.finish(out);
    }

    fn statistics(&self) -> Option<StepStatistics> {
        self.0.statistics()
    }

    fn is_hosted(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }
}
