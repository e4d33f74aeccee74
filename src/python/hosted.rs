//! The engine's side of an instance of either base class, `LogSource` or `LogFetcher`: [`Hosted`].
//!
//! An instance is attached to the engine once, after its constructor ([`Hosted::attach`]). The engine keeps
//! its own state beside the instance's attributes, never in them, so no name that a user gives to an
//! attribute or a method disturbs it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::at_fork;
use super::attachment::Attachment;
use super::cell::GilCell;
use super::hosting::is_offline;

/// Makes the engine's side of a source that was made by hand, in a process without an engine.
pub(super) type MakeOffline = fn() -> PyResult<Arc<Attachment>>;

static OFFLINE: OnceLock<MakeOffline> = OnceLock::new();

/// Has `make` called for the first post of each source that is made by hand.
pub(super) fn set_offline(make: MakeOffline) {
    // The module is initialised once.
    let _ = OFFLINE.set(make);
}

/// The engine's part of an instance.
#[derive(Default)]
pub(crate) struct Hosted {
    attached: OnceLock<Arc<Attachment>>,
    persist_name: GilCell<Option<String>>,
    /// TRANSPORT, when it was set before the source was attached.
    transport: GilCell<Option<Arc<str>>>,
}

fn not_attached(method: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{method}: this source is not part of a running engine (in __init__ it is not yet)"
    ))
}

impl Hosted {
    /// Makes the instance a source of the engine.
    pub(crate) fn attach(&self, py: Python<'_>, attachment: Arc<Attachment>) {
        if let Some(transport) = self.transport.with(py, Option::take) {
            attachment.set_transport(py, transport);
        }
        at_fork::close_in_forks(py, &attachment.lane);
        // An instance serves one configuration; the engine makes a new one for the next.
        let _ = self.attached.set(attachment);
    }

    /// The engine's side, once there is one.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<Attachment>> {
        self.attached.get()
    }

    /// The engine's side.
    ///
    /// # Errors
    /// `RuntimeError` when there is none, or this process is a fork of the one that has it.
    #[inline]
    pub(crate) fn attachment(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        match self.attached.get() {
            Some(attached) if attached.lane.is_forked() => Err(at_fork::refused(method)),
            Some(attached) => Ok(attached),
            None => self.attach_offline(method),
        }
    }

    /// In a process without an engine, a source that was made by hand posts to a collector.
    #[cold]
    fn attach_offline(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        if let Some(make) = OFFLINE.get().filter(|_| is_offline()) {
            let made = make()?;
            Python::attach(|py| self.attach(py, made));
        }
        self.attached.get().ok_or_else(|| not_attached(method))
    }

    /// The engine's side of a source that was told to run.
    ///
    /// # Errors
    /// `RuntimeError` when it was not.
    #[inline]
    pub(crate) fn running(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        let attached = self.attachment(method)?;
        if attached.started.load(Ordering::Relaxed) {
            return Ok(attached);
        }
        Err(PyRuntimeError::new_err(format!(
            "{method}: source {} has not started; post from run() or later",
            attached.id
        )))
    }

    /// `persist_name`
    pub(crate) fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.persist_name.with(py, |kept| kept.clone())
    }

    /// Sets `persist_name`.
    pub(crate) fn set_persist_name(&self, py: Python<'_>, name: &str) {
        self.persist_name.with(py, |kept| *kept = Some(name.to_owned()));
    }

    /// Sets TRANSPORT of every later message.
    pub(crate) fn set_transport(&self, py: Python<'_>, name: &str) {
        match self.attached.get() {
            Some(attached) => attached.set_transport(py, Arc::from(name)),
            None => self.transport.with(py, |kept| *kept = Some(Arc::from(name))),
        }
    }

    /// `sleep(seconds)`: whether the whole time passed.
    ///
    /// No time at all is slept with the GIL. Who lets go of it and takes it again at once keeps it from all
    /// others: they are woken each time, come too late, and never wait long enough in one go to make the
    /// interpreter give it to them, as it does after 5 ms.
    ///
    /// # Errors
    /// `ValueError` for what is no time.
    pub(crate) fn sleep(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let deadline = deadline("sleep", seconds)?;
        if seconds <= 0.0 {
            return Ok(self.attached.get().is_none_or(|attached| !attached.exit.is_requested()));
        }
        if let Some(attached) = self.attached.get() {
            return Ok(py.detach(|| attached.exit.wait(deadline)));
        }
        py.detach(|| std::thread::sleep(deadline.saturating_duration_since(Instant::now())));
        Ok(true)
    }
}

/// A time-out in seconds, as Python programs give it.
pub(super) fn deadline(method: &str, seconds: f64) -> PyResult<Instant> {
    let wait = Duration::try_from_secs_f64(seconds.max(0.0))
        .map_err(|_| PyValueError::new_err(format!("{method}: {seconds} is not a time in seconds")))?;
    // A century is as good as for ever, and an instant can hold it.
    Ok(Instant::now() + wait.min(Duration::from_secs(100 * 365 * 86_400)))
}
