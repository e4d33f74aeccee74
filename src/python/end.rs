//! The end of a command that ran the user's code: [`end`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::escape;
use crate::engine::Log;
use crate::engine::exit::exit_now;
use crate::engine::watch::Watch;

/// The time that threads of the user's code may take to end.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Begins the end, which `watch` bounds. Returns `code`, with which Python goes on to its own end; where
/// threads have not ended (`has_stuck_thread`, or others of the user's) that would wait for them, or end them
/// in the middle of a call: then the process ends here.
pub(super) fn end(py: Python<'_>, log: &Log, watch: &Arc<Watch>, has_stuck_thread: bool, code: i32) -> i32 {
    py.detach(|| watch.begin_end());
    if has_stuck_thread || has_other_threads(py, log) {
        let _ = py.import("atexit").and_then(|atexit| atexit.call_method0("_run_exitfuncs"));
        let flushed = || py.import("inrush.__main__")?.call_method1("flush_standard", (code,))?.extract();
        exit_now(flushed().unwrap_or(code));
    }
    code
}

/// Tells whether threads of the user's are still there, after a while in which they may end.
fn has_other_threads(py: Python<'_>, log: &Log) -> bool {
    let name = |thread: Bound<'_, PyAny>| escape::text_of(&thread.getattr("name")?);
    let others = || -> PyResult<Vec<String>> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?;
        let threads = threading.call_method0("enumerate")?.cast_into::<PyList>()?;
        let others = threads.iter().filter(|thread| !thread.is(&main));
        Ok(others.map(|thread| name(thread).unwrap_or_else(|_| "(without a name)".to_owned())).collect())
    };
    let deadline = Instant::now() + LAST_THREADS;
    loop {
        let names = others().unwrap_or_default();
        if names.is_empty() {
            return false;
        }
        if Instant::now() >= deadline {
            log.info(&format!("threads that have not ended: {}", names.join(", ")));
            return true;
        }
        py.detach(|| std::thread::sleep(Duration::from_millis(5)));
    }
}
