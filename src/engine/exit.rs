//! The last lines of the log at the end of the process: [`exit_now`], [`flush_log`], [`at_exit`].

use std::time::Duration;

use super::log;
use crate::flow::{process, signals};

/// The time that the last lines of the log may take, where stderr takes them, in an orderly end.
const LAST_LINES: Duration = Duration::from_secs(3);
/// The same in an end that is overdue.
const LAST_LINES_NOW: Duration = Duration::from_secs(1);

/// Ends the process at once, without what its host does at the end: a thread that does not end would block
/// that.
pub(crate) fn exit_now(code: i32) -> ! {
    // A fork of the engine's has a log without a writer, which holds nothing back.
    if !signals::is_fork() {
        log::flush(LAST_LINES_NOW);
    }
    process::exit_now(code)
}

/// Waits until the log is written, within a bound.
pub(crate) fn flush_log() {
    log::flush(LAST_LINES);
}

/// Lets the last lines of the log out whenever the process ends with `exit`, also after the interpreter of a
/// host.
pub(crate) fn at_exit() {
    extern "C" fn flush() {
        flush_log();
    }
    process::at_exit(flush);
}
