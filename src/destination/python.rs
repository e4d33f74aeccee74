//! The options of `python()`: [`PythonDestinationOptions`].
//!
//! The class is made by the host of the engine, which adds Python to it ([`HostedDestination`]): a configuration
//! with this driver needs one. What is here knows nothing of Python: the options, and the place for what the
//! host makes ([`ExchangeSlot`]).

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::exchange::{Exchange, ExchangeOptions, ExchangeSettings, Worker};
use super::{DestinationOptions, DriverOptions, Planned, Site};
use crate::config::grammar::{
    CLASS, DriverHead, Kind, Parsed, Parser, Place, Table, ValuePairsOptions, apply, names,
};
use crate::config::{Config, Diagnostic, PythonClass};

/// The most messages that a worker is given at once where `batch-lines()` does not say it.
const RUN: u32 = 1000;

/// `python(…)`
#[derive(Debug, Clone)]
pub struct PythonDestinationOptions {
    /// The class, with its `options()` and `loaders()`.
    pub class: PythonClass,
    /// `value-pairs()`: messages are dicts of these.
    pub(crate) value_pairs: Option<ValuePairsOptions>,
    /// The options of batches, and those of every destination.
    pub(crate) exchange: ExchangeOptions,
}

const PYTHON: Table<PythonDestinationOptions> =
    &[("value-pairs", Kind::Other(|parser, to| to.value_pairs.get_or_insert_default().read(parser)))];

/// The options of an exchange that `python()` has not: it has one worker, and what a message is in bytes is the
/// class's own affair.
const NOT_HERE: [&str; 3] = ["workers", "worker-partition-key", "batch-bytes"];

impl DestinationOptions for PythonDestinationOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut options = Self {
            class: PythonClass::unnamed(head.span),
            value_pairs: None,
            exchange: ExchangeOptions::default(),
        };
        let errors = parser.report.errors();
        let exchange = || ExchangeOptions::names().filter(|name| !NOT_HERE.contains(name));
        let known = || names(CLASS).chain(names(PYTHON)).chain(exchange()).collect();
        parser.options_in_parentheses(head.open, Place::DestinationOption, &known, |parser, key| {
            if NOT_HERE.contains(&&*key.value.replace('_', "-")) {
                return None;
            }
            apply(CLASS, &mut options.class, parser, key)
                .or_else(|| apply(PYTHON, &mut options, parser, key))
                .or_else(|| options.exchange.apply(parser, key))
        });
        options.class.require_name(parser, head.word, errors)?;
        Ok(options)
    }

    fn driver(&self) -> Option<&DriverOptions> {
        Some(&self.exchange.driver)
    }

    fn plan(&self, config: &Config) -> Result<Planned, Diagnostic> {
        let slot = ExchangeSlot::default();
        let hosted = Hosted { options: self.clone(), slot: slot.clone() };
        let address = format!("python {}", self.class.name.value);
        let settings = self.exchange.settings(config, Arc::new(hosted), address)?;
        Ok(Planned { hosted: Some(slot), ..self.in_runs(settings).planned() })
    }
}

impl PythonDestinationOptions {
    /// The messages of one batch: `None` where the class takes all there are, or one.
    pub(crate) fn batch_lines(&self) -> Option<usize> {
        self.exchange.batch_lines.filter(|lines| *lines > 0).map(|lines| lines as usize)
    }

    /// Without batches, or with batches of one message, a worker is given what there is: it enters Python once for
    /// all of it.
    fn in_runs(&self, settings: ExchangeSettings) -> ExchangeSettings {
        if self.batch_lines().is_some_and(|lines| lines > 1) {
            return settings;
        }
        let batch_lines = RUN as usize;
        ExchangeSettings { batch_lines, batch_timeout: None, batch_idle_timeout: None, ..settings }
    }
}

/// A destination that the host of the engine has made.
#[derive(Clone)]
pub struct HostedDestination {
    pub(crate) exchange: Arc<dyn Exchange>,
    /// The name under which its state is kept.
    pub(crate) persist_name: String,
}

impl fmt::Debug for HostedDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedDestination").field("persist_name", &self.persist_name).finish_non_exhaustive()
    }
}

/// The place for what the host makes of a destination that is planned.
#[derive(Debug, Clone, Default)]
pub struct ExchangeSlot(Arc<OnceLock<HostedDestination>>);

impl ExchangeSlot {
    /// Puts `made` there, before the destination's first flush.
    pub(crate) fn fill(&self, made: HostedDestination) {
        // Each destination is made once.
        let _ = self.0.set(made);
    }

    fn exchange(&self) -> &Arc<dyn Exchange> {
        let Some(made) = self.0.get() else { unreachable!("what is planned is made before it is started") };
        &made.exchange
    }
}

/// `python()` as its destination sees it. Its debug text has every option.
struct Hosted {
    options: PythonDestinationOptions,
    slot: ExchangeSlot,
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.options, f)
    }
}

impl Exchange for Hosted {
    fn kind(&self) -> &'static str {
        "python"
    }

    fn starts_early(&self) -> bool {
        true
    }

    fn worker(self: Arc<Self>, number: usize, site: &Site) -> Box<dyn Worker> {
        Arc::clone(self.slot.exchange()).worker(number, site)
    }

    fn reload(&self, site: &Site) {
        self.slot.exchange().reload(site);
    }

    fn interrupt(&self) {
        self.slot.exchange().interrupt();
    }
}
