//! The Python half: the extension module `inrush._native`.
//!
//! The only room that knows pyo3. What a user sees:
//!
//! * [`message`]: `LogMessage`, a draft until it is posted;
//! * [`values`]: Python values to typed texts and back; [`datetime`]: stamps to datetimes and back;
//! * `parse_options`: `ParseOptions`, which say how a message of `LogMessage.parse` is parsed;
//! * [`source`] and [`fetcher`]: `LogSource` and `LogFetcher`, what a user's class derives from; [`hosted`]:
//!   what both have in common; [`kind`]: which of them it is; `exit_requested`; [`hosting`]: whether there is
//!   an engine or a test around them; [`attachment`]: the way of their posts;
//! * `destination`: `LogDestination`, and the thread that calls what derives from it; `parser`: `LogParser`, and
//!   the step that does; `calls`: what both are in the middle of; `thread_state`: the interpreter's part of their
//!   threads;
//! * [`buffer`]: `Buffer`, what `acquire_buffer` returns, and `post_buffer`;
//! * [`persist`]: `Persist`, what outlives the process;
//! * `template`: `LogTemplate`, templates that Python formats; `function`: functions that templates call;
//! * [`logger`]: the class `Logger`.
//!
//! What runs it:
//!
//! * `host`: what Python adds to the engine, which starts, reloads and stops; [`exit`]: its streams, and
//!   `end`: its threads at the end of a command that ran the user's code;
//! * [`instance`]: one source and its callbacks; [`options`]: what it gets of its configuration;
//!   [`callbacks`]: the definitions of what is called; [`returned`]: what a call came to; `init`: the call
//!   that may refuse a configuration;
//! * [`supervise`]: the thread of a source, one of [`threads`]; [`fetch`]: what it does for a fetcher;
//!   `coroutine`: what it does for an asynchronous `run()`, on the loop that [`event_loop`] wakes;
//!   [`wakeup`]: the thread of its `wakeup()`;
//! * [`blocks`]: `python { }`; `class`: what drivers name of it, and `refusal`: why not; `places`: where in them something is; `search_path`: where modules are looked
//!   for; `generators`: what the code makes of configuration;
//! * [`ack_tracker`]: what a source sets as its `ack_tracker`; [`acks`]: the way from what was delivered to
//!   its callbacks, and [`ack_caller`]: the thread that calls them;
//! * [`testing`]: a source without an engine around it;
//! * [`at_fork`] and [`mod@fork`]: what a fork of the process may not do, and where it ends;
//! * [`release`]: where Python objects that the engine viewed are let go, under the GIL;
//! * [`cell`]: state that the GIL guards; [`clock`]: the time that it guards; [`exception`]: tracebacks and
//!   stacks; [`escape`]: Python text in the log; [`process`]: what is put back after callbacks; `own_method`: what a class has of its own; `type_name`:
//!   how errors name what they were given; `truth`: results that are false.
//!
//! No two of these modules use each other, directly or in a circle.

pub(crate) mod ack_caller;
pub(crate) mod ack_tracker;
pub(crate) mod acks;
pub(crate) mod at_fork;
pub(crate) mod attachment;
pub(crate) mod blocks;
pub(crate) mod buffer;
pub(crate) mod callbacks;
mod calls;
pub(crate) mod cell;
mod class;
pub(crate) mod clock;
mod coroutine;
pub(crate) mod datetime;
mod destination;
mod end;
pub(crate) mod escape;
pub(crate) mod event_loop;
pub(crate) mod exception;
pub(crate) mod exit;
mod exit_requested;
pub(crate) mod fetch;
pub(crate) mod fetcher;
pub(crate) mod fork;
mod function;
mod generators;
mod host;
pub(crate) mod hosted;
pub(crate) mod hosting;
mod init;
pub(crate) mod instance;
pub(crate) mod kind;
pub(crate) mod logger;
pub(crate) mod message;
pub(crate) mod modules;
pub(crate) mod options;
mod own_method;
mod parse_options;
mod parser;
pub(crate) mod persist;
mod places;
pub(crate) mod process;
mod refusal;
pub(crate) mod release;
pub(crate) mod returned;
mod search_path;
pub(crate) mod source;
pub(crate) mod split;
pub(crate) mod supervise;
mod template;
pub(crate) mod testing;
mod thread_state;
pub(crate) mod threads;
mod truth;
mod type_name;
pub(crate) mod values;
pub(crate) mod wakeup;

use std::ffi::OsString;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::cli::{self, CheckOptions, Left, RunOptions, output};
use crate::engine::run::Ended;
use crate::engine::watch::Watch;
use crate::engine::{self, Log, LogLevel};
use crate::printable;

/// Batches, drafts and engine buffers come and go by the million; mimalloc is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the command line `argv`; its first element is the program's name. Returns the exit code.
#[pyfunction]
#[pyo3(signature = (argv, /))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 makes a list of paths from the argument, not a slice"
)]
fn main(py: Python<'_>, argv: Vec<OsString>) -> i32 {
    match py.detach(|| cli::begin(&argv)) {
        Left::Run(options) => run(py, options),
        Left::Check(options) => check(py, &options),
        Left::Nothing(code) => code,
    }
}

fn run(py: Python<'_>, options: RunOptions) -> i32 {
    let _hosting = hosting::Hosting::begin();
    let log = Log::new(options.verbosity.level());
    logger::set_log(Some(log.clone()));
    let mut host = host::PythonHost::new(py, &log);
    let Ended { code, has_stuck_thread, watch } = engine::run::run(&options.into(), &log, &mut host);
    persist::unset_engine(py);
    end::end(py, &log, &watch, has_stuck_thread, code)
}

fn check(py: Python<'_>, options: &CheckOptions) -> i32 {
    let _hosting = hosting::Hosting::begin();
    let log = Log::new(LogLevel::Warning);
    logger::set_log(Some(log.clone()));
    let checked = cli::check::check(&options.file, &log, &mut host::PythonHost::new(py, &log));
    // What the blocks printed and logged comes first, however slowly it is read: the bound is that of
    // Python's end.
    exit::flush_stdout(py);
    py.detach(engine::exit::flush_log);
    output::complain(&printable::lines(&checked.said));
    let code = output::print(&checked.output, checked.code);
    let watch = Arc::new(Watch::of_check(&log, Arc::new(host::PythonView::of_check())));
    end::end(py, &log, &watch, false, code)
}

/// The build of this module: version, profile, target, compiler, pyo3, allocator.
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

/// The extension module.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    engine::exit::at_exit();
    ack_tracker::add_to(module)?;
    message::add_to(module)?;
    source::add_to(module)?;
    module.add_class::<buffer::Buffer>()?;
    logger::add_to(module)?;
    module.add_class::<persist::Persist>()?;
    parse_options::add_to(module)?;
    fetcher::add_to(module)?;
    destination::add_to(module)?;
    parser::add_to(module)?;
    template::add_to(module)?;
    exit_requested::add_to(module)?;
    coroutine::add_to(module)?;
    generators::add_to(module)?;
    testing::add_to(module)?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(build_info, module)?)
}
