//! The command line of an engine without a host: [`main`].

use std::ffi::OsString;
use std::sync::Arc;

use super::check::{self, Checked};
use super::{CheckOptions, Left, RunOptions, begin, output};
use crate::engine::run::Ended;
use crate::engine::watch::Watch;
use crate::engine::{self, Log, LogLevel, Standalone};
use crate::printable;

/// Does what `arguments` say; the first one is the program's name. Returns the exit code of the process,
/// which ends next.
pub fn main(arguments: &[OsString]) -> i32 {
    engine::exit::at_exit();
    match begin(arguments) {
        Left::Run(options) => run(options),
        Left::Check(options) => check(&options),
        Left::Nothing(code) => code,
    }
}

fn run(options: RunOptions) -> i32 {
    let log = Log::new(options.verbosity.level());
    let Ended { code, watch, .. } = engine::run::run(&options.into(), &log, &mut Standalone);
    watch.begin_end();
    code
}

fn check(options: &CheckOptions) -> i32 {
    let log = Log::new(LogLevel::Warning);
    let Checked { output, said, code } = check::check(&options.file, &log, &mut Standalone);
    engine::exit::flush_log();
    output::complain(&printable::lines(&said));
    let code = output::print(&output, code);
    Arc::new(Watch::of_check(&log, Arc::new(Standalone))).begin_end();
    code
}
