//! Where the posts of a source go that was made by hand, in a process without an engine: `attach`.
//!
//! Its first post gives it a lane into a collector of its own, which acknowledges at once, so that no post waits for
//! long, and keeps the newest `KEPT` messages.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::collector::Collector;
use super::{make_input, python_options, refused, to_python};
use crate::engine::{Log, LogLevel, settings};
use crate::python::attachment::Attachment;
use crate::python::hosted::Hosted;
use crate::python::message::LogMessage;
use crate::python::type_name::type_name;

/// How many messages are kept.
const KEPT: usize = 100_000;
/// How long what was posted may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Where the posts of sources made by hand go, by the address of their attachment.
type Offline = Mutex<Vec<(Weak<Attachment>, Arc<Collector>)>>;
static OFFLINE: OnceLock<Offline> = OnceLock::new();

/// Makes a source that was made by hand, in a process without an engine, one that posts to a collector.
///
/// # Errors
/// `OSError` when the system has no thread to give.
pub(in crate::python) fn attach(py: Python<'_>, hosted: &Hosted) -> PyResult<()> {
    let log = Log::new(LogLevel::Warning);
    let collector = Collector::start(KEPT, false, &log)
        .map_err(|error| PyOSError::new_err(format!("no thread to collect messages: {error}")))?;
    let text =
        "@version: current\nsource s_offline { python(class(\"Offline\")); }; log { source(s_offline); };\n";
    let (config, input) = make_input(text, &collector, &log, |_| Ok(()))?;
    let options = python_options(&input)?;
    let parse_options = settings::parse_options(&config, options).map_err(|error| refused(&error))?;
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
    hosted.attach(py, attachment);
    Ok(())
}

/// The messages that a source made by hand has posted, and how many there were before the first of them.
#[pyfunction]
pub(super) fn _posted(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    clear: bool,
) -> PyResult<(usize, Vec<LogMessage>)> {
    let Some(hosted) = Hosted::of(source) else {
        return Err(PyTypeError::new_err(format!("posted: LogSource expected, got {}", type_name(source))));
    };
    let Some(attachment) = hosted.get() else { return Ok((0, Vec::new())) };
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
    let messages = kept.map(|(arrived, _)| to_python(py, &arrived)).collect::<PyResult<_>>()?;
    if clear {
        collector.clear();
    }
    Ok((first, messages))
}
