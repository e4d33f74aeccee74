//! The command `inrush` without Python: for configurations whose sources are the engine's own.
//!
//! The command of the Python package is the extension module's, which hosts the user's classes besides.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

use inrush::cli;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Exit codes are small.
    u8::try_from(cli::standalone::main(&arguments)).map_or(ExitCode::FAILURE, ExitCode::from)
}
