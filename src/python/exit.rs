//! The text that Python's own streams hold back, before the process ends: [`flush_stdout`].

use pyo3::prelude::*;

/// Writes what Python's own streams hold back.
pub(crate) fn flush_stdout(py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        let stream = py.import("sys").and_then(|sys| sys.getattr(name));
        // A stream that the user's code closed has nothing to flush.
        let _ = stream.and_then(|stream| stream.call_method0("flush"));
    }
}
