//! `LogSource`: what a user's class derives from, and the way of its messages into the engine.
//!
//! An instance is attached to the engine once, after its constructor ([`LogSource::attach`]). The engine
//! keeps its own state beside the instance's attributes, never in them, so no name that a user gives to
//! an attribute or a method disturbs it.
//!
//! # The hot path
//! `post_message` is a method in CPython's fast calling convention, made by hand (`add_to`). With the
//! GIL held it takes credit, writes the draft into the open batch, publishes it, and returns. It lets go
//! of the GIL only when there is no credit.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use event_listener::{Event, Listener};
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use smallvec::SmallVec;

use super::cell::GilCell;
use super::message::{Draft, LogMessage, Payload, type_name};
use super::{buffer, clock, release};
use crate::engine::Log;
use crate::flow::credit::Waited;
use crate::flow::{Lane, Producer, Refused};
use crate::message::batch::Text;
use crate::message::{FieldName, Origin, Stamp, ValueType};
use crate::source::{HostNames, SourcePolicy};
use crate::syslog::ParseOptions;

/// How often a wait for credit that a request to exit may end looks for one.
const LOOK_FOR_EXIT: Duration = Duration::from_millis(50);

/// What the engine keeps of an attached source.
pub struct Attachment {
    /// The id of the driver, for messages.
    pub id: String,
    /// Its way into the engine.
    pub lane: Arc<Lane>,
    /// The producer of posts under the GIL.
    pub producer: GilCell<Producer>,
    /// How `parse=True` parses.
    pub parse_options: Arc<ParseOptions>,
    /// What the source layer does to messages.
    pub policy: Arc<SourcePolicy>,
    /// How senders are named.
    pub names: Arc<HostNames>,
    /// Where the source layer complains.
    pub log: Log,
    /// The priority that replaces a message's own, from `default-facility()` and `default-priority()`.
    pub pri: Option<u16>,
    /// Whether posts are taken: from the start of `run()` on.
    pub started: AtomicBool,
    /// What stop and `sleep()` look at.
    pub exit: Arc<Exit>,
    /// `suspend` of a class that has it.
    pub suspend: Option<Py<PyAny>>,
    /// Takes exceptions of callbacks.
    pub report: Reporter,
}

/// Takes an exception, with the name of the callback that raised it.
pub type Reporter = Box<dyn Fn(Python<'_>, &str, PyErr) + Send + Sync>;

/// The request to end.
#[derive(Debug, Default)]
pub struct Exit {
    requested: AtomicBool,
    event: Event,
}

impl Exit {
    /// Whether the source is asked to end.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Asks it.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Waits until the request or `deadline`; whether the time passed without one.
    pub fn wait(&self, deadline: Instant) -> bool {
        loop {
            let listener = self.event.listen();
            fence(Ordering::SeqCst);
            if self.is_requested() {
                return false;
            }
            if listener.wait_deadline(deadline).is_none() {
                return true;
            }
        }
    }
}

/// The base of server-style sources.
#[pyclass(module = "syslogng", subclass, frozen)]
pub struct LogSource {
    attached: OnceLock<Arc<Attachment>>,
    auto_close_batches: GilCell<bool>,
    persist_name: GilCell<Option<String>>,
    /// TRANSPORT, when it was set before the source was attached.
    transport: GilCell<Option<Arc<str>>>,
}

fn not_attached(method: &str) -> PyErr {
    PyRuntimeError::new_err(format!(
        "{method}: this source is not part of a running engine (in __init__ it is not yet)"
    ))
}

impl LogSource {
    /// Makes the instance a source of the engine.
    pub fn attach(&self, py: Python<'_>, attachment: Arc<Attachment>) {
        if let Some(transport) = self.transport.with(py, Option::take) {
            attachment.set_transport(py, transport);
        }
        // An instance serves one configuration; the engine makes a new one for the next.
        let _ = self.attached.set(attachment);
    }

    /// Sets `persist_name`.
    pub fn set_persist_name(&self, py: Python<'_>, name: &str) {
        self.persist_name.with(py, |kept| *kept = Some(name.to_owned()));
    }

    /// Sets `auto_close_batches` back to its default.
    pub fn reset_auto_close_batches(&self, py: Python<'_>) {
        self.auto_close_batches.with(py, |kept| *kept = true);
    }

    #[inline]
    fn attachment(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        self.attached.get().ok_or_else(|| not_attached(method))
    }

    #[inline]
    fn running(&self, method: &str) -> PyResult<&Arc<Attachment>> {
        let attached = self.attachment(method)?;
        if attached.started.load(Ordering::Relaxed) {
            return Ok(attached);
        }
        Err(PyRuntimeError::new_err(format!(
            "{method}: source {} has not started; post from run() or later",
            attached.id
        )))
    }
}

/// Whether a post may wait for credit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

impl Attachment {
    /// Posts `message`. `Ok(false)`: there is no credit, and `wait` forbids to wait for it.
    #[inline]
    fn post(&self, py: Python<'_>, message: &Bound<'_, PyAny>, wait: Wait, method: &str) -> PyResult<bool> {
        if let Some(message) = exact_message(message) {
            return self.post_log_message(py, message, wait, method);
        }
        self.post_other(py, message, wait, method)
    }

    #[cold]
    fn post_other(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        wait: Wait,
        method: &str,
    ) -> PyResult<bool> {
        if let Ok(message) = message.cast::<LogMessage>() {
            return self.post_log_message(py, message.get(), wait, method);
        }
        if message.is_instance_of::<PyString>() || message.is_instance_of::<PyBytes>() {
            let mut draft = Draft::new(py);
            draft.payload = Payload::of(message)?;
            return self.post_draft(py, &draft, wait, method);
        }
        Err(PyTypeError::new_err(format!(
            "{method}: LogMessage expected in the first parameter (or str or bytes), got {}",
            type_name(message)
        )))
    }

    #[inline]
    fn post_log_message(
        &self,
        py: Python<'_>,
        message: &LogMessage,
        wait: Wait,
        method: &str,
    ) -> PyResult<bool> {
        // First without waiting, while the draft is borrowed; a wait lets other threads at it.
        let plain = message.draft.with(py, |draft| draft.is_plain().then(|| self.try_post(py, draft, &[])));
        match plain {
            Some(Ok(())) => Ok(self.posted(py, wait)),
            Some(Err(refused)) => {
                let again = || message.draft.with(py, |draft| self.try_post(py, draft, &[]));
                self.post_again(py, &again, refused, wait, method)
            }
            None => self.post_with_fields(py, message, wait, method),
        }
    }

    /// Posts a message that has values of its own: the source layer looks at its host.
    #[inline(never)]
    fn post_with_fields(
        &self,
        py: Python<'_>,
        message: &LogMessage,
        wait: Wait,
        method: &str,
    ) -> PyResult<bool> {
        let (has_bookmark, own_host, address) = message.draft.with(py, |draft| {
            let text = |id| draft.known(id).map(<[u8]>::to_vec);
            (draft.has_bookmark(), text(FieldName::Host), text(FieldName::SourceIp))
        });
        if has_bookmark {
            return Err(bookmark_without_tracker());
        }
        let sender = address.and_then(|address| self.sender(py, &address));
        let hosts = self.policy.hosts(own_host.as_deref(), sender.as_deref());
        let mut more: SmallVec<[(FieldName, &[u8]); 2]> = SmallVec::new();
        more.extend(hosts.host.as_deref().map(|host| (FieldName::Host, host)));
        more.extend(hosts.host_from.map(|host| (FieldName::HostFrom, host)));
        let post = || message.draft.with(py, |draft| self.try_post(py, draft, &more));
        match post() {
            Ok(()) => Ok(self.posted(py, wait)),
            Err(refused) => self.post_again(py, &post, refused, wait, method),
        }
    }

    /// The name of the sender at `address`; looked up without the GIL when it is not known.
    fn sender(&self, py: Python<'_>, address: &[u8]) -> Option<Arc<str>> {
        let ip = std::str::from_utf8(address).ok()?.parse().ok()?;
        if let Some(name) = self.names.cached(ip) {
            return Some(name);
        }
        let name = py.detach(|| self.names.look_up(ip));
        if let Some(complaint) = self.names.take_complaint() {
            self.log.warning(&format!("source {}: {complaint}", self.id));
        }
        Some(name)
    }

    fn post_draft(&self, py: Python<'_>, draft: &Draft, wait: Wait, method: &str) -> PyResult<bool> {
        match self.try_post(py, draft, &[]) {
            Ok(()) => Ok(self.posted(py, wait)),
            Err(refused) => self.post_again(py, &|| self.try_post(py, draft, &[]), refused, wait, method),
        }
    }

    /// Writes `draft` into the open batch, with the fields in `more` that the source layer adds.
    #[inline]
    fn try_post(&self, py: Python<'_>, draft: &Draft, more: &[(FieldName, &[u8])]) -> Result<(), Refused> {
        let mut need = draft.need();
        for (_, value) in more {
            need.fields += 1;
            need.bytes += value.len();
        }
        self.producer.with(py, |producer| {
            producer.try_post(need, |row| {
                draft.write(py, row, |id| !self.policy.overwrites(id));
                for (id, value) in more {
                    row.field(*id, Text::Copy(b""), ValueType::String, Text::Copy(value));
                }
                if !self.policy.keeps_timestamp() {
                    let offset_seconds = clock::local_offset(py, draft.recvd_micros);
                    let stamp = Stamp { unix_micros: draft.recvd_micros, offset_seconds };
                    row.stamps(stamp, draft.recvd_micros);
                }
                if let Some(pri) = self.pri {
                    row.pri(pri);
                }
            })
        })
    }

    /// What follows a post, all of which succeeds: the suspension of a source that asked for it, and
    /// objects to let go of.
    #[inline]
    fn posted(&self, py: Python<'_>, wait: Wait) -> bool {
        if wait == Wait::Yes && self.suspend.is_some() && !self.lane.credit().is_available() {
            self.suspend(py);
        }
        release::drain_some(py);
        true
    }

    #[cold]
    fn suspend(&self, py: Python<'_>) {
        self.lane.credit().count_suspension();
        self.producer.with(py, Producer::before_wait);
        if let Some(suspend) = &self.suspend
            && let Err(error) = suspend.call0(py)
        {
            (self.report)(py, "suspend", error);
        }
        // Armed after the call: wakeup() comes after suspend(), also when there is credit again already.
        self.lane.credit().suspend();
    }

    #[cold]
    fn post_again(
        &self,
        py: Python<'_>,
        post: &dyn Fn() -> Result<(), Refused>,
        mut refused: Refused,
        wait: Wait,
        method: &str,
    ) -> PyResult<bool> {
        loop {
            match refused {
                Refused::NoCredit if wait == Wait::No => return Ok(false),
                Refused::NoCredit => self.wait_for_credit(py),
                Refused::Closed => return Err(self.closed(method, 1)),
                Refused::TooLarge => return Err(too_large(method)),
            }
            match post() {
                Ok(()) => return Ok(self.posted(py, wait)),
                Err(again) => refused = again,
            }
        }
    }

    /// Waits for credit without the GIL.
    fn wait_for_credit(&self, py: Python<'_>) {
        self.lane.credit().count_suspension();
        self.producer.with(py, Producer::before_wait);
        release::drain_some(py);
        let credit = self.lane.credit();
        py.detach(|| credit.wait(None));
    }

    /// Waits for credit, until `deadline` or a request to exit; whether there is some.
    fn wait_until_writable(&self, deadline: Option<Instant>) -> bool {
        loop {
            let look = Instant::now() + LOOK_FOR_EXIT;
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            match self.lane.credit().wait(Some(until)) {
                Waited::Credit => return true,
                Waited::Cancelled => return false,
                Waited::Timeout => {
                    if self.exit.is_requested() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
                    {
                        return self.lane.credit().is_available();
                    }
                }
            }
        }
    }

    fn set_transport(&self, py: Python<'_>, name: Arc<str>) {
        self.producer.with(py, |producer| {
            let origin = Origin { transport: Some(name), ..(**producer.origin()).clone() };
            producer.set_origin(Arc::new(origin));
        });
    }

    pub(super) fn closed(&self, method: &str, messages: u64) -> PyErr {
        self.lane.counters().count_refused(messages);
        PyRuntimeError::new_err(format!("{method}: source {} has stopped; the message is not taken", self.id))
    }
}

pub(super) fn too_large(method: &str) -> PyErr {
    let most = crate::message::MESSAGE_MAX;
    PyValueError::new_err(format!("{method}: a message may have {most} bytes and 65535 fields at most"))
}

fn bookmark_without_tracker() -> PyErr {
    PyRuntimeError::new_err(
        "Bookmarks can not be used without creating an AckTracker instance (self.ack_tracker)",
    )
}

/// `message` as a [`LogMessage`], when it is exactly that.
#[inline]
fn exact_message<'a>(message: &'a Bound<'_, PyAny>) -> Option<&'a LogMessage> {
    message.cast_exact::<LogMessage>().ok().map(Bound::get)
}

/// A time-out in seconds, as Python programs give it.
pub(super) fn deadline(method: &str, seconds: f64) -> PyResult<Instant> {
    let wait = Duration::try_from_secs_f64(seconds.max(0.0))
        .map_err(|_| PyValueError::new_err(format!("{method}: {seconds} is not a time in seconds")))?;
    // A century is as good as for ever, and an instant can hold it.
    Ok(Instant::now() + wait.min(Duration::from_secs(100 * 365 * 86_400)))
}

#[pymethods]
#[expect(clippy::unused_self, reason = "what a user's class overrides are methods in Python")]
impl LogSource {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            attached: OnceLock::new(),
            auto_close_batches: GilCell::new(true),
            persist_name: GilCell::new(None),
            transport: GilCell::new(None),
        }
    }

    #[pyo3(signature = (*_arguments, **_keywords))]
    fn __init__(&self, _arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) {}

    /// The flags of the configuration's `flags()`, as a dict of bool; set before `init()`.
    #[classattr]
    fn flags(py: Python<'_>) -> Py<PyDict> {
        PyDict::new(py).unbind()
    }

    /// The handle for `LogMessage.parse`; set after `init()`.
    #[classattr]
    fn parse_options() -> Option<Py<PyAny>> {
        None
    }

    /// Called before `run()` with the configuration's `options()`; a false result refuses the configuration.
    fn init(&self, options: &Bound<'_, PyAny>) -> bool {
        let _ = options;
        true
    }

    /// Called after `run()` has returned.
    fn deinit(&self) {}

    /// The source's own loop, on a thread of its own. Must be overridden.
    fn run(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("a LogSource must define run()"))
    }

    /// Asks `run()` to return. A class that looks at `exit_requested` need not override it.
    fn request_exit(&self) -> PyResult<()> {
        Err(PyNotImplementedError::new_err("a LogSource should define request_exit()"))
    }

    /// Ends the open batch: what was posted is handed over now.
    fn close_batch(&self, py: Python<'_>) -> PyResult<()> {
        let attached = self.running("close_batch")?;
        attached.producer.with(py, |producer| {
            producer.close_batch();
            producer.before_wait();
        });
        Ok(())
    }

    /// Posts the messages of an iterable (`LogMessage`, `str`, `bytes`) in order, and returns how many.
    fn post_messages(&self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<usize> {
        let attached = self.running("post_messages")?;
        let wrong = |index: usize, error: PyErr| {
            if error.is_instance_of::<PyTypeError>(py) {
                return PyTypeError::new_err(format!(
                    "post_messages: element {index}: LogMessage, str or bytes expected: {}",
                    error.value(py)
                ));
            }
            error
        };
        let post = |index: usize, message: &Bound<'_, PyAny>| {
            attached.post(py, message, Wait::Yes, "post_messages").map_err(|error| wrong(index, error))
        };
        if let Ok(list) = messages.cast_exact::<PyList>() {
            // Other threads may change the list while a post waits: look at its length each time.
            let mut index = 0;
            while index < list.len() {
                post(index, &list.get_item(index)?)?;
                index += 1;
            }
            return Ok(index);
        }
        let mut count = 0;
        for message in messages.try_iter()? {
            post(count, &message?)?;
            count += 1;
        }
        Ok(count)
    }

    /// Posts `message` if there is credit for it now; never waits, never calls `suspend()`.
    fn try_post_message(&self, py: Python<'_>, msg: &Bound<'_, PyAny>) -> PyResult<bool> {
        let attached = self.running("try_post_message")?;
        attached.post(py, msg, Wait::No, "try_post_message")
    }

    /// Splits `buffer` at `delimiter` and posts each piece as a message, without a copy of its own.
    /// Returns the number of bytes consumed.
    #[pyo3(signature = (buffer, delimiter=None, *, length=None, parse=false, keep_empty=false, partial=false))]
    #[pyo3(
        text_signature = "($self, buffer, delimiter=b'\\n', *, length=None, parse=False, keep_empty=False, partial=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of the Python method")]
    fn post_buffer(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        delimiter: Option<&Bound<'_, PyAny>>,
        length: Option<usize>,
        parse: bool,
        keep_empty: bool,
        partial: bool,
    ) -> PyResult<usize> {
        let attached = self.running("post_buffer")?;
        let split = buffer::Split::new(delimiter, parse, keep_empty, partial)?;
        buffer::post(py, attached, buffer, length, &split)
    }

    /// A writable buffer of `size` bytes, for `recv_into` and `readinto`, to be posted with `post_buffer`.
    fn acquire_buffer(&self, size: usize) -> PyResult<buffer::Buffer> {
        let attached = self.attachment("acquire_buffer")?;
        buffer::Buffer::new(attached.lane.pool(), size)
    }

    /// Whether a post would have to wait for credit.
    fn is_suspended(&self) -> PyResult<bool> {
        Ok(!self.attachment("is_suspended")?.lane.credit().is_available())
    }

    /// Waits until a post would find credit, at most `timeout` seconds; whether it would. A request to
    /// exit ends the wait.
    #[pyo3(signature = (timeout=None))]
    fn wait_until_writable(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let attached = self.attachment("wait_until_writable")?;
        let credit = attached.lane.credit();
        if credit.is_available() {
            return Ok(true);
        }
        let deadline = timeout.map(|seconds| deadline("wait_until_writable", seconds)).transpose()?;
        attached.producer.with(py, Producer::before_wait);
        Ok(py.detach(|| attached.wait_until_writable(deadline)))
    }

    /// Waits `seconds`, or until exit is requested; whether the whole time passed.
    fn sleep(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let deadline = deadline("sleep", seconds)?;
        if let Some(attached) = self.attached.get() {
            return Ok(py.detach(|| attached.exit.wait(deadline)));
        }
        py.detach(|| std::thread::sleep(deadline.saturating_duration_since(Instant::now())));
        Ok(true)
    }

    /// Sets TRANSPORT of every later message.
    fn set_transport_name(&self, py: Python<'_>, name: &str) {
        match self.attached.get() {
            Some(attached) => attached.set_transport(py, Arc::from(name)),
            None => self.transport.with(py, |kept| *kept = Some(Arc::from(name))),
        }
    }

    /// Whether each post ends its batch. Kept for the classes that set it: batches are handed over as
    /// soon as a worker is free, whatever it says.
    #[getter]
    fn auto_close_batches(&self, py: Python<'_>) -> bool {
        self.auto_close_batches.with(py, |kept| *kept)
    }

    #[setter]
    fn set_auto_close_batches(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(value) = value.cast_exact::<pyo3::types::PyBool>() else {
            let given = type_name(value);
            return Err(PyTypeError::new_err(format!("auto_close_batches: expected bool, got {given}")));
        };
        self.auto_close_batches.with(value.py(), |kept| *kept = value.is_true());
        Ok(())
    }

    /// The name under which the source's state is kept; `None` before it is part of an engine.
    #[getter]
    fn persist_name(&self, py: Python<'_>) -> Option<String> {
        self.persist_name.with(py, |kept| kept.clone())
    }
}

/// `exit_requested`, as a descriptor without `__set__`: a user's attribute of that name wins.
#[pyclass(frozen)]
struct ExitRequested;

#[pymethods]
impl ExitRequested {
    fn __get__(
        slf: Bound<'_, Self>,
        instance: Option<&Bound<'_, PyAny>>,
        _owner: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Some(instance) = instance else { return Ok(slf.into_any().unbind()) };
        let source = instance.cast::<LogSource>()?;
        let requested = source.get().attached.get().is_some_and(|attached| attached.exit.is_requested());
        Ok(pyo3::types::PyBool::new(py, requested).to_owned().into_any().unbind())
    }
}

/// `post_message(msg, bookmark=None)`.
unsafe extern "C" fn post_message(
    instance: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let call = || -> PyResult<()> {
        // SAFETY: the descriptor of the method gives an instance that is alive during the call.
        let source = unsafe { Borrowed::from_ptr(py, instance) };
        // SAFETY: the descriptor checks that the instance is a `LogSource` before it calls.
        let source = unsafe { source.cast_unchecked::<LogSource>() };
        let source: &LogSource = source.get();
        if count == 1 && names.is_null() {
            // SAFETY: one argument is there.
            let message = unsafe { *arguments };
            // SAFETY: an argument is alive during the call.
            let message = unsafe { Borrowed::from_ptr(py, message) };
            source.running("post_message")?.post(py, &message, Wait::Yes, "post_message")?;
            return Ok(());
        }
        // SAFETY: the arguments are those that the interpreter gave, unchanged.
        let (message, bookmark) = unsafe { named_arguments(py, arguments, count as usize, names)? };
        if let Some(bookmark) = bookmark
            && !bookmark.is_none()
        {
            return Err(bookmark_without_tracker());
        }
        source.running("post_message")?.post(py, &message, Wait::Yes, "post_message")?;
        Ok(())
    };
    // A panic must not unwind into the interpreter.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(Ok(())) => py.None().into_ptr(),
        Ok(Err(error)) => {
            error.restore(py);
            std::ptr::null_mut()
        }
        Err(_) => {
            PyRuntimeError::new_err("post_message: internal error of the engine").restore(py);
            std::ptr::null_mut()
        }
    }
}

type Arguments<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// The arguments of `post_message` when they are not one positional alone.
#[cold]
unsafe fn named_arguments(
    py: Python<'_>,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> PyResult<Arguments<'_>> {
    let value = |index: usize| {
        // SAFETY: the caller's promise: `count` values, then one for each name.
        let place = unsafe { arguments.add(index) };
        // SAFETY: as above.
        let value = unsafe { *place };
        // SAFETY: an argument is alive during the call.
        unsafe { Borrowed::from_ptr(py, value) }.to_owned()
    };
    let mut given = [(count > 0).then(|| value(0)), (count > 1).then(|| value(1))];
    if count > 2 {
        let text = format!("post_message() takes at most 2 arguments ({count} given)");
        return Err(PyTypeError::new_err(text));
    }
    if !names.is_null() {
        // SAFETY: the interpreter gives a tuple of str.
        let names = unsafe { Borrowed::from_ptr(py, names) };
        for (index, name) in names.try_iter()?.enumerate() {
            let name = name?;
            let place = match name.extract::<String>()?.as_str() {
                "msg" => 0,
                "bookmark" => 1,
                other => {
                    let text = format!("post_message() got an unexpected keyword argument '{other}'");
                    return Err(PyTypeError::new_err(text));
                }
            };
            if given[place].replace(value(count + index)).is_some() {
                let text = format!("post_message() got multiple values for argument '{name}'");
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    let [message, bookmark] = given;
    let missing = || PyTypeError::new_err("post_message() missing 1 required argument: 'msg'");
    Ok((message.ok_or_else(missing)?, bookmark))
}

const POST_MESSAGE_DOC: &CStr = c"post_message($self, msg, bookmark=None)\n--\n\n\
Posts a message (LogMessage, str or bytes). Waits for credit without the GIL.\n\n\
Raises TypeError for anything else, RuntimeError before the start and after the stop.";

/// Adds the class to `module`.
pub(super) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<LogSource>()?;
    let class = py.get_type::<LogSource>();
    class.setattr("exit_requested", Py::new(py, ExitRequested)?)?;
    let method = ffi::PyMethodDef {
        ml_name: c"post_message".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: post_message },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: POST_MESSAGE_DOC.as_ptr(),
    };
    // The descriptor keeps a pointer to the definition: it lives as long as the process.
    let method = Box::leak(Box::new(method));
    // SAFETY: the type is alive and the definition is never freed.
    let descriptor = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), method) };
    // SAFETY: a new reference, or null with an exception set.
    let descriptor = unsafe { Bound::from_owned_ptr_or_err(py, descriptor)? };
    class.setattr("post_message", descriptor)
}
