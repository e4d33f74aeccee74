//! One configuration with everything that runs for it: its blocks, its pipeline, its Python sources.
//!
//! A reload makes a new generation beside the running one, up to the point where something outside would
//! be touched; only then the old one is stopped, and what it has on its way goes on being delivered.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use pyo3::prelude::*;

use super::blocks::Blocks;
use super::instance::PythonSource;
use super::release::UnderGil;
use super::run::Event;
use super::{exception, signals};
use crate::config::{self, Config, Diagnostic, Diagnostics, SourceDriver};
use crate::engine::{Log, Pipeline};
use crate::message::{Pool, Release};

/// How long a stuck source gets to notice that its posts are refused.
const AFTER_CLOSE: Duration = Duration::from_millis(500);

/// A configuration and what runs for it.
pub struct Generation {
    /// The configuration.
    pub config: Arc<Config>,
    /// Lanes, workers, destinations.
    pub pipeline: Arc<Pipeline>,
    /// The Python sources, in the order of the configuration.
    pub sources: Vec<PythonSource>,
    blocks: Blocks,
}

/// Reads the configuration at `path`; warnings go to `log`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, log: &Log) -> Result<Config, Diagnostics> {
    let config = config::load(path)?;
    for warning in &config.warnings {
        log.warning(&format!("configuration\n{warning}"));
    }
    Ok(config)
}

/// Runs the blocks of `config` and looks its classes up, without making an instance.
///
/// # Errors
/// All classes that cannot be used, or the block that failed.
pub fn check(py: Python<'_>, config: &Config, log: &Log) -> Result<(), Diagnostics> {
    let blocks = Blocks::run(py, config)?;
    let mut errors = Vec::new();
    let release: Arc<dyn Release> = Arc::new(UnderGil);
    match Pipeline::build(config, log, &Arc::new(Pool::new()), &release) {
        Err(wrong) => errors.extend(wrong),
        Ok(pipeline) => {
            for input in pipeline.inputs() {
                if let SourceDriver::Python(options) = &input.driver.driver {
                    errors.extend(blocks.class(py, config, options, log).err());
                    errors.extend(crate::engine::settings::parse_options(config, options).err());
                }
            }
        }
    }
    signals::install();
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

impl Generation {
    /// Makes everything that `config` describes, up to the instances of its sources. Nothing outside the
    /// process is touched, except by the user's own blocks and constructors.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn create(
        py: Python<'_>,
        config: Arc<Config>,
        log: &Log,
        pool: &Arc<Pool>,
    ) -> Result<Self, Diagnostics> {
        let blocks = Blocks::run(py, &config)?;
        let release: Arc<dyn Release> = Arc::new(UnderGil);
        let pipeline = Arc::new(Pipeline::build(&config, log, pool, &release)?);
        let mut errors = Vec::new();
        let mut sources = Vec::new();
        for input in pipeline.inputs() {
            let SourceDriver::Python(options) = &input.driver.driver else { continue };
            let made = blocks
                .class(py, &config, options, log)
                .and_then(|class| PythonSource::create(py, &config, input, options, &class, log));
            signals::install();
            match made {
                Ok(source) => sources.push(source),
                Err(error) => errors.push(error),
            }
        }
        errors.extend(clashes(&config, &pipeline, &sources));
        if !errors.is_empty() {
            return Err(errors.into());
        }
        Ok(Self { config, pipeline, sources, blocks })
    }

    /// Calls `init()` of every source, then starts everything.
    ///
    /// # Errors
    /// The source that refused; those before it were `deinit`ed again.
    pub fn start(&mut self, py: Python<'_>, events: &Sender<Event>) -> Result<(), Diagnostics> {
        self.blocks.install(py);
        for index in 0..self.sources.len() {
            let init = self.sources[index].init(py, &self.config);
            signals::install();
            if let Err(error) = init {
                self.abandon(py);
                return Err(error.into());
            }
        }
        self.pipeline
            .start()
            .map_err(|error| Diagnostic::without_place(format!("cannot start a thread: {error}")))?;
        for source in &mut self.sources {
            let id = source.id().to_owned();
            source.start(py, events.clone()).map_err(|error| {
                let text = exception::traceback(py, &error);
                Diagnostic::without_place(format!("cannot start a thread for source {id}")).with_note(text)
            })?;
        }
        Ok(())
    }

    /// Takes back what [`Generation::start`] did before it failed.
    fn abandon(&mut self, py: Python<'_>) {
        for source in &mut self.sources {
            source.close(py);
            source.deinit(py);
            source.finalize(py);
        }
        self.pipeline.drain(Duration::ZERO);
    }

    /// Stops the Python sources, each within its `stop-timeout()`; returns whether all ended.
    pub fn stop_sources(&mut self, py: Python<'_>) -> bool {
        for source in &self.sources {
            source.request_exit(py);
            signals::install();
        }
        let begun = Instant::now();
        for source in &self.sources {
            await_end(py, begun + source.stop_timeout(), || source.is_alive());
        }
        let stuck: Vec<_> = self.sources.iter().filter(|source| source.is_alive()).collect();
        for source in &stuck {
            source.report_stuck(py);
        }
        for source in &self.sources {
            source.close(py);
        }
        let deadline = Instant::now() + AFTER_CLOSE;
        for source in &stuck {
            await_end(py, deadline, || source.is_alive());
        }
        for source in &self.sources {
            await_end(py, deadline, || source.is_in_wakeup());
        }
        for source in &mut self.sources {
            source.deinit(py);
            signals::install();
        }
        let all_ended = self.sources.iter().all(|source| !source.is_alive() && !source.is_in_wakeup());
        for source in &self.sources {
            source.finalize(py);
        }
        all_ended
    }

    /// Makes the blocks of this configuration `_syslogng_main` again.
    pub fn install_blocks(&self, py: Python<'_>) {
        self.blocks.install(py);
    }

    /// Lets the pipeline deliver what is on its way, without a bound in time, and gives it back.
    pub fn retire(self) -> Arc<Pipeline> {
        self.pipeline.retire();
        self.pipeline
    }
}

/// Waits without the GIL until a thread has ended, or until `deadline`.
fn await_end(py: Python<'_>, deadline: Instant, is_alive: impl Fn() -> bool) {
    while is_alive() && Instant::now() < deadline {
        py.detach(|| std::thread::sleep(Duration::from_millis(2)));
    }
}

/// Two sources that would keep their state under the same name.
fn clashes(config: &Config, pipeline: &Pipeline, sources: &[PythonSource]) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, &PythonSource> = HashMap::new();
    let mut errors = Vec::new();
    let span_of = |source: &PythonSource| {
        let driver = pipeline.inputs().iter().find(|input| input.driver.id == source.id());
        driver.map(|input| input.driver.span)
    };
    for source in sources {
        let Some(first) = seen.insert(source.persist_name(), source) else { continue };
        let (Some(here), Some(there)) = (span_of(source), span_of(first)) else { continue };
        let message = format!("two sources have the persist name `{}`", source.persist_name());
        let path = config.sources_text.path(there).display().to_string();
        let line = config.sources_text.line(there);
        let help = format!("the other is at {path}:{line}; give one of them a persist-name()");
        errors.push(config.error(here, message, Some(help)));
    }
    errors
}
