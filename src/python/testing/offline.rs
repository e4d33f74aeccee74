//! The posts of a source that was made by hand, in a process without an engine: `attachment`.
//!
//! Its first post gives it a lane into a collector of its own, which acknowledges at once, so that no post
//! waits for long, and keeps the newest `KEPT` messages.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use super::collector::Collector;
use super::input::{make_input, python_options, refused, to_python};
use crate::engine::{Log, LogLevel};
use crate::python::attachment::Attachment;
use crate::python::message::LogMessage;

/// The number of messages that are kept.
const KEPT: usize = 100_000;
/// The time that what was posted may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The collectors of sources made by hand, by the address of their attachment.
type Offline = Mutex<Vec<(Weak<Attachment>, Arc<Collector>)>>;
static OFFLINE: OnceLock<Offline> = OnceLock::new();

/// The engine's side of a source that was made by hand, in a process without an engine: it posts to a
/// collector.
///
/// # Errors
/// `OSError` when the system has no thread to give.
pub(in crate::python) fn attachment() -> PyResult<Arc<Attachment>> {
    let log = Log::new(LogLevel::Warning);
    let collector = Collector::start(KEPT, false, &log)
        .map_err(|error| PyOSError::new_err(format!("no thread to collect messages: {error}")))?;
    let text =
        "@version: current\nsource s_offline { python(class(\"Offline\")); }; log { source(s_offline); };\n";
    let (config, input) = make_input(text, &collector, &log, |_| Ok(()))?;
    let options = python_options(&input)?;
    let parse_options = options.parsing.parse_options(&config).map_err(|error| refused(&error))?;
    let report = Box::new(|py: Python<'_>, _: &str, error: PyErr| error.write_unraisable(py, None));
    let attachment = Attachment::new(&input, Arc::new(parse_options), None, &log, None, report);
    attachment.started.store(true, Ordering::Relaxed);
    let attachment = Arc::new(attachment);
    let mut all = OFFLINE.get_or_init(Offline::default).lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(attachment, collector)| {
        let is_alive = attachment.strong_count() > 0;
        if !is_alive {
            collector.end();
        }
        is_alive
    });
    all.push((Arc::downgrade(&attachment), Arc::new(collector)));
    drop(all);
    Ok(attachment)
}

/// The messages that the source of `attachment` has posted, and how many there were before the first of them.
///
/// # Errors
/// `ValueError` when the source was not made by hand.
pub(super) fn posted(
    py: Python<'_>,
    attachment: &Arc<Attachment>,
    clear: bool,
) -> PyResult<(usize, Vec<LogMessage>)> {
    let all = OFFLINE.get_or_init(Offline::default).lock().unwrap_or_else(PoisonError::into_inner);
    let found =
        all.iter().find(|(weak, _)| weak.upgrade().is_some_and(|this| Arc::ptr_eq(&this, attachment)));
    let collector = found.map(|(_, collector)| Arc::clone(collector)).ok_or_else(|| {
        PyValueError::new_err("posted: this source is part of an engine or of a test, which has its messages")
    })?;
    drop(all);
    let count = usize::try_from(attachment.lane.counters().totals().posted).unwrap_or(usize::MAX);
    py.detach(|| collector.wait(count, Instant::now() + ARRIVAL, || false));
    let (first, last) = (collector.first(), collector.count());
    let kept = (first..last).filter_map(|number| collector.get(number));
    let messages = kept.map(|(arrived, _)| to_python(py, &arrived)).collect();
    if clear {
        collector.clear();
    }
    Ok((first, messages))
}
