//! Python as the host of an engine: the blocks and modules of configurations, their sources, and what is done
//! under the GIL now and then ([`PythonHost`]).
//!
//! A Python source or destination stays over a reload when its class is the old one: a class of the python blocks when their
//! text did not change, one of a module when the module was not imported anew.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use super::blocks::Blocks;
use super::destination::{Destinations, PythonTarget};
use super::exit::flush_stdout;
use super::function::Functions;
use super::instance::PythonSource;
use super::modules::{Taken, UserModules, module_of};
use super::parser::{Parsers, PythonParser};
use super::release::UnderGil;
use super::{ack_caller, at_fork, exception, generators, persist, process, release, search_path, threads};
use crate::config::{Config, Diagnostic, Driver, Generators};
use crate::destination::{HostedDestination, PythonDestinationOptions};
use crate::engine::host::HostView;
use crate::engine::{Host, Log};
use crate::error::Error;
use crate::message::Release;
use crate::path::{Hosted, Step};
use crate::source::Input;
use crate::source::{PythonSourceOptions, Source};
use crate::state::State;

/// The interpreter, for the engine's main thread, which is attached to it.
pub(super) struct PythonHost<'py> {
    py: Python<'py>,
    log: Log,
    modules: UserModules,
    /// The blocks of the configuration that runs.
    current: Option<Blocks>,
    /// The blocks of the one that is prepared, and the modules that were taken out for it.
    prepared: Option<(Blocks, Taken)>,
    /// The code of the blocks that are prepared, and where it looks for modules.
    prepared_code: Code,
    /// The destinations that were made, and have not come to their end.
    destinations: Destinations,
    /// The same for parsers.
    parsers: Parsers,
    /// The functions that templates call.
    functions: Functions,
}

impl<'py> PythonHost<'py> {
    /// The interpreter of the calling thread.
    pub(super) fn new(py: Python<'py>, log: &Log) -> Self {
        let modules = UserModules::new(py, log);
        Self {
            py,
            log: log.clone(),
            modules,
            current: None,
            prepared: None,
            prepared_code: Code::default(),
            destinations: Destinations::default(),
            parsers: Parsers::default(),
            functions: Functions::default(),
        }
    }

    /// The blocks whose classes sources are made of now.
    fn blocks(&self) -> Option<&Blocks> {
        self.prepared.as_ref().map(|(blocks, _)| blocks).or(self.current.as_ref())
    }

    /// Finds the functions that the templates of `config` call, in what is prepared.
    fn find_functions(&mut self, config: &Config) {
        self.functions.put_back();
        if let Some((blocks, taken)) = &self.prepared {
            self.functions.find(self.py, config, (blocks, taken), &self.log);
        }
    }

    fn install_current(&self) {
        if let Some(current) = &self.current {
            current.install(self.py);
        }
    }

    /// Has Python call the handlers of signals that the engine leaves to the user's code.
    fn call_handlers(&self) {
        let (py, log) = (self.py, &self.log);
        if let Err(error) = py.check_signals() {
            let text = exception::traceback(py, &error);
            py.detach(|| log.error(&format!("the handler of a signal raised an exception\n{text}")));
        }
    }
}

impl Host for PythonHost<'_> {
    fn without_lock(&self, work: &mut (dyn FnMut() + Send)) {
        self.py.detach(work);
    }

    fn view(&self) -> Arc<dyn HostView> {
        Arc::new(PythonView::of_run())
    }

    fn release(&self) -> Arc<dyn Release> {
        Arc::new(UnderGil)
    }

    fn open(&mut self, state: &Arc<State>) -> Result<(), Error> {
        let watched = at_fork::install(self.py).and_then(|()| persist::set_engine(self.py, state, &self.log));
        Ok(watched.map_err(|error| format!("cannot see forks: {error}"))?)
    }

    fn prepare(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let code = Code::of(config);
        if self.prepared.is_some() && self.prepared_code == code {
            // They ran for their generators, and run once.
            self.find_functions(config);
            return Ok(());
        }
        self.put_back();
        let taken = self.modules.take_out(self.py, config);
        let ran = Blocks::run(self.py, config);
        process::restore();
        match ran {
            Ok(blocks) => {
                self.prepared = Some((blocks, taken));
                self.prepared_code = code;
                self.find_functions(config);
                Ok(())
            }
            Err(error) => {
                self.modules.put_back(self.py, &taken);
                self.install_current();
                Err(error)
            }
        }
    }

    fn generators(&mut self, config: &Config) -> Result<Option<Arc<dyn Generators>>, Diagnostic> {
        self.prepare(config)?;
        let generators = generators::registered(self.py);
        if generators.is_none() {
            self.put_back();
        }
        Ok(generators)
    }

    fn look_up(&mut self, config: &Config) -> Vec<Diagnostic> {
        self.blocks().map_or_else(Vec::new, |blocks| blocks.look_up(self.py, config, &self.log))
    }

    fn inspect(&mut self, config: &Config) -> Vec<Diagnostic> {
        let py = self.py;
        if self.prepared.is_some() && self.prepared_code == Code::of(config) {
            return self.look_up(config);
        }
        let placed = search_path::set(py, config);
        let ran = placed
            .map_err(|error| Diagnostic::without_place(exception::traceback(py, &error)))
            .and_then(|()| Blocks::run(py, config));
        match ran {
            Ok(blocks) => blocks.look_up(py, config, &self.log),
            Err(error) => vec![error],
        }
    }

    fn keeps(&self, driver: &Driver, before: &Config, config: &Config) -> bool {
        let of_source = driver.options::<PythonSourceOptions>().map(|options| &options.class);
        let of_destination = || driver.options::<PythonDestinationOptions>().map(|options| &options.class);
        let Some(class) = of_source.or_else(of_destination) else { return true };
        let class = &class.name.value;
        let code = |config: &Config| -> Vec<String> {
            config.python_blocks.iter().map(|block| block.code.clone()).collect()
        };
        (module_of(class).is_some() || code(before) == code(config))
            && !self.prepared.as_ref().is_some_and(|(_, taken)| taken.concerns(class))
    }

    fn make(&mut self, input: &Input, config: &Config) -> Result<Box<dyn Source>, Diagnostic> {
        let span = input.driver.span;
        let (Some(options), Some(blocks)) = (input.driver.options(), self.blocks()) else {
            return Err(config.error(span, "this is no source of Python's".to_owned(), None));
        };
        let class = blocks.source(self.py, config, options, &self.log);
        let made =
            class.and_then(|class| PythonSource::create(self.py, config, input, options, &class, &self.log));
        process::restore();
        Ok(Box::new(made?))
    }

    fn make_destination(
        &mut self,
        driver: &Driver,
        config: &Config,
    ) -> Result<HostedDestination, Diagnostic> {
        let (py, options) = (self.py, driver.options::<PythonDestinationOptions>());
        let (Some(options), Some(blocks)) = (options, self.blocks()) else {
            return Err(config.error(driver.span, "this is no destination of Python's".to_owned(), None));
        };
        let class = blocks.destination(py, config, options, &self.log);
        let made =
            class.and_then(|class| PythonTarget::create(py, config, driver, options, &class, &self.log));
        process::restore();
        Ok(self.destinations.add(made?))
    }

    fn make_step(&mut self, place: &Hosted, config: &Config) -> Result<Arc<dyn Step>, Diagnostic> {
        let (py, driver) = (self.py, place.driver());
        let (Some(options), Some(blocks)) = (driver.options(), self.blocks()) else {
            return Err(config.error(driver.span, "this is no parser of Python's".to_owned(), None));
        };
        let class = blocks.parser(py, config, options, &self.log);
        let made =
            class.and_then(|class| PythonParser::create(py, config, place, options, &class, &self.log));
        process::restore();
        Ok(self.parsers.add(made?))
    }

    fn initialise(&mut self, config: &Config) -> Result<(), Diagnostic> {
        let ready = self.parsers.initialise(self.py, config);
        let ready = ready.and_then(|()| self.destinations.initialise(self.py, config));
        process::restore();
        ready
    }

    fn put_back(&mut self) {
        self.destinations.put_back(self.py);
        self.parsers.put_back(self.py);
        self.functions.put_back();
        if let Some((_, taken)) = self.prepared.take() {
            self.modules.put_back(self.py, &taken);
        }
        self.install_current();
    }

    fn install(&mut self) {
        if let Some((blocks, _)) = &self.prepared {
            blocks.install(self.py);
        }
    }

    fn accept(&mut self) {
        self.destinations.accept();
        self.parsers.accept();
        self.functions.accept();
        self.modules.note(self.py);
        if let Some((blocks, _)) = self.prepared.take() {
            self.current = Some(blocks);
        }
    }

    fn go_back(&mut self, config: &Config) {
        // Anew: what a class keeps for all of its instances may say that it was asked to end.
        match Blocks::run(self.py, config) {
            Ok(blocks) => self.current = Some(blocks),
            Err(_) => self.install_current(),
        }
    }

    fn tick(&mut self) {
        self.call_handlers();
        process::restore();
        self.destinations.look(self.py);
        self.parsers.look(self.py);
        self.functions.look(self.py);
        release::drain_all(self.py);
    }

    fn finish(&mut self, within: Duration) -> bool {
        let have_ended = self.functions.finish(self.py)
            & self.parsers.finish(self.py)
            & self.destinations.finish(self.py, within);
        let finished = ack_caller::finish_all(self.py, &self.log, within) && have_ended;
        release::drain_all(self.py);
        finished
    }
}

/// The text of all python blocks, and the directories of their modules.
#[derive(Default, PartialEq, Eq)]
struct Code {
    blocks: Vec<String>,
    directories: Vec<(String, &'static str)>,
}

impl Code {
    fn of(config: &Config) -> Self {
        let blocks = config.python_blocks.iter().map(|block| block.code.clone()).collect();
        Self { blocks, directories: search_path::directories(config) }
    }
}

/// Python, for the threads that watch the main thread, the one that made this.
pub(super) struct PythonView {
    main: u64,
    end_hangs: &'static str,
}

impl PythonView {
    fn new(end_hangs: &'static str) -> Self {
        Self { main: threads::ident(), end_hangs }
    }

    fn of_run() -> Self {
        Self::new(
            "the engine has stopped, and what Python does at its end (atexit, threads) takes too long and is given up",
        )
    }

    /// For the end of a check.
    pub(super) fn of_check() -> Self {
        Self::new(
            "the check is done, and what Python does at its end (atexit, __del__) takes too long and is given up",
        )
    }
}

/// None of it where the interpreter is past the point at which threads may enter.
impl HostView for PythonView {
    fn threads(&self) -> Option<String> {
        Python::try_attach(|py| format!("the threads of Python\n{}", exception::stacks(py)))
    }

    fn main_thread(&self) -> Option<String> {
        let stack = Python::try_attach(|py| exception::stack(py, self.main))??;
        Some(format!("the main thread stands here:\n{stack}"))
    }

    fn flush_output(&self) {
        Python::try_attach(flush_stdout);
    }

    fn end_hangs(&self) -> &'static str {
        self.end_hangs
    }

    fn end_is_cut_short(&self) -> &'static str {
        "the engine has stopped; ended by a third signal, in the middle of what Python does at its end"
    }
}
