//! The Python half: the extension module `inrush._native`.
//!
//! The only room that knows pyo3. What a user sees:
//!
//! * [`message`]: `LogMessage`, a draft until it is posted; [`pairs`]: its name-value methods;
//! * [`values`]: Python values to typed texts and back; [`datetime`]: stamps to datetimes and back;
//! * [`parse`]: `LogMessage.parse` and `ParseOptions`;
//! * [`source`]: `LogSource`, what a user's class derives from; [`attachment`]: the way of its posts;
//! * [`buffer`]: `Buffer`, what `acquire_buffer` returns, and `post_buffer`;
//! * [`logger`]: the class `Logger`.
//!
//! What runs it:
//!
//! * [`mod@run`]: `inrush run`: start, reload, stop; [`watch`]: who asks for that, and sees to its end;
//!   [`live_line`]: the line at the foot of a terminal; [`generation`]: one configuration with all that
//!   runs for it; [`instance`]: one source, its callbacks and its thread; [`wakeup`]: the thread of its
//!   `wakeup()`; [`blocks`]: `python { }`;
//! * [`release`]: where Python objects that the engine viewed are let go, under the GIL;
//! * [`cell`]: state that the GIL guards; [`clock`]: the time; [`exception`]: tracebacks and stacks;
//!   [`signals`]: the engine's signals.

pub mod attachment;
pub mod blocks;
pub mod buffer;
pub mod cell;
pub mod clock;
pub mod datetime;
pub mod exception;
pub mod generation;
pub mod instance;
pub mod live_line;
pub mod logger;
pub mod message;
pub mod pairs;
pub mod parse;
pub mod release;
pub mod run;
pub mod signals;
pub mod source;
pub mod split;
pub mod values;
pub mod wakeup;
pub mod watch;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::cli::{self, Command};
use crate::engine::{Log, LogLevel};

/// Batches, drafts and engine buffers come and go by the million; mimalloc is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command line `argv`; its first element is the program's name. Returns the exit code.
#[pyfunction]
#[pyo3(signature = (argv, /))]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes a list of str from the argument, not a slice")]
fn main(py: Python<'_>, argv: Vec<String>) -> PyResult<i32> {
    let line = match cli::parse(&argv) {
        Ok(line) => line,
        Err(nothing) => {
            let stream = py.import("sys")?.getattr(if nothing.is_output { "stdout" } else { "stderr" })?;
            stream.call_method1("write", (nothing.text,))?;
            return Ok(nothing.code);
        }
    };
    match line.command {
        Command::Run(options) => Ok(run::run(py, &run::Settings::from(options))),
        Command::Check(options) => check(py, &options),
        Command::Ctl(options) => ctl(py, &options),
    }
}

fn ctl(py: Python<'_>, options: &cli::CtlOptions) -> PyResult<i32> {
    // Python would see to Ctrl-C only when the answer is there.
    signals::uninstall();
    let variable = std::env::var_os(cli::ctl::SOCKET_VARIABLE);
    let (stream, text, code) = match py.detach(|| cli::ctl::run(options, variable)) {
        Ok(text) => ("stdout", text, 0),
        Err(error) => ("stderr", format!("inrush ctl: {error}\n"), 1),
    };
    py.import("sys")?.getattr(stream)?.call_method1("write", (text,))?;
    Ok(code)
}

fn check(py: Python<'_>, options: &cli::CheckOptions) -> PyResult<i32> {
    let log = Log::new(LogLevel::Warning);
    logger::set_log(Some(log.clone()));
    let checked = crate::config::load(&options.file).and_then(|config| {
        let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        generation::check(py, &config, &log).map(|()| warnings)
    });
    logger::set_log(None);
    let stderr = py.import("sys")?.getattr("stderr")?;
    match checked {
        Ok(warnings) => {
            for warning in warnings {
                stderr.call_method1("write", (format!("{warning}\n"),))?;
            }
            Ok(0)
        }
        Err(errors) => {
            stderr.call_method1("write", (format!("{errors}\n"),))?;
            Ok(1)
        }
    }
}

/// How this module was built: version, profile, target, compiler, pyo3, allocator.
#[pyfunction]
fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("profile", env!("INRUSH_PROFILE"))?;
    info.set_item("target", env!("INRUSH_TARGET"))?;
    info.set_item("rustc", env!("INRUSH_RUSTC"))?;
    info.set_item("pyo3", "0.30")?;
    info.set_item("allocator", "mimalloc")?;
    Ok(info)
}

/// The base of `inrush.LogFetcher`, which comes in a later version.
#[pyclass(module = "syslogng", subclass, frozen)]
struct LogFetcher;

#[pymethods]
impl LogFetcher {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(
        _arguments: &Bound<'_, pyo3::types::PyTuple>,
        _keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Err(pyo3::exceptions::PyNotImplementedError::new_err("LogFetcher comes in a later version of Inrush"))
    }
}

/// The extension module.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    message::add_to(module)?;
    source::add_to(module)?;
    module.add_class::<buffer::Buffer>()?;
    module.add_class::<logger::Logger>()?;
    parse::add_to(module)?;
    module.add_class::<LogFetcher>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(build_info, module)?)
}
