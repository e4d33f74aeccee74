//! Lines of JSON into the harness's FIFO, and its clocks.

use std::fs::OpenOptions;
use std::io::{self, Write};

use rustix::time::{ClockId, clock_gettime};

/// Writes a line at once.
pub(crate) fn report(fifo: &str, line: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(fifo)?.write_all(format!("{line}\n").as_bytes())
}

/// The nanoseconds of a clock that other processes read, too.
pub(crate) fn now_ns() -> i64 {
    clock_ns(ClockId::Monotonic)
}

/// The processor time of this process.
pub(crate) fn cpu_ns() -> i64 {
    clock_ns(ClockId::ProcessCPUTime)
}

fn clock_ns(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
