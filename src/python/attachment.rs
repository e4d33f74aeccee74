//! The engine's side of a source, and the way of its messages into the engine: [`Attachment`].
//!
//! A post takes credit, writes the draft into the open batch of the source's producer, and publishes it,
//! all with the GIL held. It lets go of the GIL only when there is no credit, or when a sender's name
//! has to be looked up. What most posts need is in `fast`; the rest, and every mistake, is here.

mod fast;

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use smallvec::SmallVec;

use super::acks::Tracking;
use super::cell::GilCell;
use super::event_loop::EventLoop;
use super::message::{Draft, LogMessage, Payload, recycle, with_parsed};
use super::type_name::type_name;
use super::{at_fork, clock, release, returned, threads};
use crate::engine::Log;
use crate::flow::clock::{thread_time, thread_time_since};
use crate::flow::credit::Waited;
use crate::flow::{Exit, Lane, LateParser, Producer, Refused};
use crate::message::batch::Text;
use crate::message::{FieldName, Need, Origin, Stamp, ValueType};
use crate::source::Input;
use crate::source::{HostNames, Late, ParsedRow, SourcePolicy, SourceStatus};
use crate::syslog::ParseOptions;
use crate::syslog::fill::Filler;

/// The engine's side of an attached source.
pub(crate) struct Attachment {
    /// The id of the driver, for messages.
    pub id: String,
    /// Its way into the engine.
    pub lane: Arc<Lane>,
    /// The producer of posts under the GIL.
    pub producer: GilCell<Producer>,
    /// The options of `parse=True`.
    pub parse_options: Arc<ParseOptions>,
    /// The policy of the source layer.
    pub policy: Arc<SourcePolicy>,
    /// The names of senders.
    pub names: Arc<HostNames>,
    /// The log of the source layer.
    pub log: Log,
    /// The priority that replaces a message's own, from `default-facility()` and `default-priority()`.
    pub pri: Option<u16>,
    /// True when posts are taken: from the start of `run()` on.
    pub started: AtomicBool,
    /// The request to exit that stop and `sleep()` look at.
    pub exit: Arc<Exit>,
    /// `suspend` of a class that has it; taken out at the end, as it refers to the instance that refers to
    /// this.
    pub suspend: Option<GilCell<Option<Py<PyAny>>>>,
    /// The tracking of its messages, where it has an ack tracker; set after `init()`.
    pub tracking: OnceLock<Arc<Tracking>>,
    /// Takes exceptions of callbacks.
    pub report: Reporter,
    /// The loop of an asynchronous `run()`.
    pub event_loop: EventLoop,
    /// Its status, for others to see.
    pub status: Arc<SourceStatus>,
    /// The number of posts to the next one that is measured, when those that are allowed at once are done.
    /// Written under the GIL.
    unmeasured: AtomicU32,
    /// Parses on the worker's thread, from the first message on that can be; `None` inside when none can.
    late: OnceLock<Option<Arc<Late>>>,
}

/// Takes an exception, with the name of the callback that raised it.
pub(crate) type Reporter = Box<dyn Fn(Python<'_>, &str, PyErr) + Send + Sync>;

/// The way in which a post is made.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    /// The method that was called, for what it raises.
    pub method: &'a str,
    pub wait: Wait,
}

/// The answer of a post that finds no credit: to wait for it, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

impl Attachment {
    /// The way into the engine of the source `input`.
    pub(crate) fn new(
        input: &Input,
        parse_options: Arc<ParseOptions>,
        pri: Option<u16>,
        log: &Log,
        suspend: Option<Py<PyAny>>,
        report: Reporter,
    ) -> Self {
        Self {
            id: input.driver.id.clone(),
            lane: Arc::clone(&input.lane),
            producer: GilCell::new(input.lane.producer(Arc::clone(&input.origin))),
            parse_options,
            policy: Arc::clone(&input.policy),
            names: Arc::clone(&input.names),
            log: log.clone(),
            pri,
            started: AtomicBool::new(false),
            exit: Arc::default(),
            suspend: suspend.map(|suspend| GilCell::new(Some(suspend))),
            tracking: OnceLock::new(),
            report,
            event_loop: EventLoop::default(),
            status: Arc::clone(&input.status),
            unmeasured: AtomicU32::new(fast::first_measured()),
            late: OnceLock::new(),
        }
    }

    /// Lets go of the instance: the source has come to its end.
    pub(crate) fn let_go(&self, py: Python<'_>) {
        let suspend = self.suspend.as_ref().and_then(|cell| cell.with(py, Option::take));
        drop(suspend);
    }

    /// The parser on the worker's thread.
    #[cold]
    fn late(&self) -> Option<Arc<Late>> {
        let late = Late::new(&self.parse_options, &self.policy, self.pri)?;
        let parser: Arc<dyn LateParser> = Arc::<Late>::clone(&late);
        self.lane.parse_late(&parser).then_some(late)
    }

    /// Posts `message`. `Ok(false)`: there is no credit, and `how` forbids to wait for it.
    #[inline(never)]
    pub(super) fn post(&self, py: Python<'_>, message: &Bound<'_, PyAny>, how: Post<'_>) -> PyResult<bool> {
        let posted = if self.begin_post(py) {
            self.post_measured(py, message, how)
        } else {
            self.post_now(py, message, how)
        };
        self.allow_fast_posts(py);
        posted
    }

    #[inline]
    fn post_now(&self, py: Python<'_>, message: &Bound<'_, PyAny>, how: Post<'_>) -> PyResult<bool> {
        if let Some(message) = recycle::exact(message) {
            return self.post_log_message(py, message, how);
        }
        self.post_other(py, message, how)
    }

    /// Measures the processor time of a post: what it waits without the GIL is none of it.
    #[cold]
    fn post_measured(&self, py: Python<'_>, message: &Bound<'_, PyAny>, how: Post<'_>) -> PyResult<bool> {
        let begun = thread_time();
        self.allow_one_fast_post(py);
        let posted = if self.post_fast(py, message) { Ok(true) } else { self.post_now(py, message, how) };
        self.status.add_post_time(thread_time_since(begun) * fast::MEASURED);
        posted
    }

    #[cold]
    fn post_other(&self, py: Python<'_>, message: &Bound<'_, PyAny>, how: Post<'_>) -> PyResult<bool> {
        if let Ok(message) = message.cast::<LogMessage>() {
            return self.post_log_message(py, message.get(), how);
        }
        let draft = text_draft(message, how.method)?;
        self.post_draft(py, &draft, how)
    }

    /// Posts `message` with `bookmark`, which a `LogMessage` keeps.
    pub(super) fn post_with_bookmark(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        bookmark: &Bound<'_, PyAny>,
        method: &str,
    ) -> PyResult<bool> {
        self.checked_tracking(bookmark, method)?;
        let how = Post { method, wait: Wait::Yes };
        if let Ok(message) = message.cast::<LogMessage>() {
            message.get().set_bookmark(bookmark);
            return self.post_log_message(py, message.get(), how);
        }
        let mut draft = text_draft(message, method)?;
        draft.extra().bookmark = Some(bookmark.clone().unbind());
        let post = || {
            self.try_post(py, &draft, &[])?;
            self.mark(py, Some(bookmark));
            Ok(())
        };
        match post() {
            Ok(()) => Ok(self.posted(py, how)),
            Err(refused) => self.post_again(py, &post, refused, how),
        }
    }

    /// The tracking that takes `bookmark`.
    pub(super) fn checked_tracking(
        &self,
        bookmark: &Bound<'_, PyAny>,
        method: &str,
    ) -> PyResult<&Arc<Tracking>> {
        let tracking = self.tracking.get().ok_or_else(bookmark_without_tracker)?;
        tracking.check(bookmark, method)?;
        Ok(tracking)
    }

    /// Keeps the bookmark of the message that was just posted, in the same hold of the GIL.
    #[inline]
    fn mark(&self, py: Python<'_>, bookmark: Option<&Bound<'_, PyAny>>) {
        if let (Some(bookmark), Some(tracking)) = (bookmark, self.tracking.get()) {
            let place = self.producer.with(py, |producer| producer.last_place());
            tracking.mark(py, place, bookmark.clone().unbind());
        }
    }

    #[inline]
    fn post_log_message(&self, py: Python<'_>, message: &LogMessage, how: Post<'_>) -> PyResult<bool> {
        // First without waiting, while the draft is borrowed; a wait lets other threads at it.
        let plain =
            message.draft.with_unparsed(py, |draft| draft.is_plain().then(|| self.try_post(py, draft, &[])));
        match plain {
            Some(Ok(())) => Ok(self.posted(py, how)),
            Some(Err(refused)) => {
                let again = || message.draft.with(py, |draft| self.try_post(py, draft, &[]));
                self.post_again(py, &again, refused, how)
            }
            None => self.post_with_fields(py, message, how),
        }
    }

    /// Posts a message that has values of its own: the source layer looks at its host.
    #[inline(never)]
    fn post_with_fields(&self, py: Python<'_>, message: &LogMessage, how: Post<'_>) -> PyResult<bool> {
        if let Some(result) = self.post_unparsed(py, message, how) {
            return result;
        }
        let (bookmark, own_host, address) = message.draft.with(py, |draft| {
            let text = |id| draft.known(id).map(<[u8]>::to_vec);
            let bookmark = draft.bookmark().map(|bookmark| bookmark.bind(py).clone());
            (bookmark, text(FieldName::Host), text(FieldName::SourceIp))
        });
        if let Some(bookmark) = &bookmark {
            self.checked_tracking(bookmark, how.method)?;
        }
        let sender = address.and_then(|address| self.sender(py, &address));
        let hosts = self.policy.hosts(own_host.as_deref(), sender.as_deref());
        let mut more: SmallVec<[(FieldName, &[u8]); 2]> = SmallVec::new();
        more.extend(hosts.host.as_deref().map(|host| (hosts.host_field(), host)));
        more.extend(hosts.host_from.map(|host| (FieldName::HostFrom, host)));
        let post = || {
            message.draft.with(py, |draft| self.try_post(py, draft, &more))?;
            self.mark(py, bookmark.as_ref());
            Ok(())
        };
        match post() {
            Ok(()) => Ok(self.posted(py, how)),
            Err(refused) => self.post_again(py, &post, refused, how),
        }
    }

    /// Posts a message of `LogMessage.parse` that nobody has looked at: it is parsed into its row. `None`
    /// when it is another message, or became one while this waited.
    fn post_unparsed(&self, py: Python<'_>, message: &LogMessage, how: Post<'_>) -> Option<PyResult<bool>> {
        loop {
            let posted = message.draft.with_unparsed(py, |draft| {
                if draft.short_unparsed().is_some() {
                    self.late.get_or_init(|| self.late());
                }
                with_parsed(py, draft, |parsed, recvd| self.try_post_parsed(py, draft, parsed, recvd))
            });
            match posted? {
                Ok(()) => return Some(Ok(self.posted(py, how))),
                Err(refused) => match self.after_refusal(py, refused, how) {
                    Ok(true) => {}
                    given_up => return Some(given_up),
                },
            }
        }
    }

    /// Writes `draft`, which `parsed` is made of, into the open batch.
    fn try_post_parsed(
        &self,
        py: Python<'_>,
        draft: &Draft,
        parsed: &Filler,
        recvd: Stamp,
    ) -> Result<(), Refused> {
        let parsed = ParsedRow::new(&self.policy, parsed, draft.payload.bytes());
        let (payload, own) = (draft.need(), parsed.need());
        let need = Need { bytes: payload.bytes + own.bytes, fields: own.fields, ..payload };
        self.producer.with(py, |producer| {
            producer.try_post(need, |row| {
                draft.write_payload(py, row);
                parsed.write(recvd, row);
                if let Some(pri) = self.pri {
                    row.pri(pri);
                }
            })
        })
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

    fn post_draft(&self, py: Python<'_>, draft: &Draft, how: Post<'_>) -> PyResult<bool> {
        match self.try_post(py, draft, &[]) {
            Ok(()) => Ok(self.posted(py, how)),
            Err(refused) => self.post_again(py, &|| self.try_post(py, draft, &[]), refused, how),
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
                    let offset_seconds = clock::local_offset(py, draft.head.recvd_micros);
                    let stamp = Stamp { unix_micros: draft.head.recvd_micros, offset_seconds };
                    row.stamps(stamp, draft.head.recvd_micros);
                }
                if let Some(pri) = self.pri {
                    row.pri(pri);
                }
            })
        })
    }

    /// Does what follows a post, all of which succeeds: the suspension of a source that asked for it, and
    /// objects to let go of.
    #[inline]
    fn posted(&self, py: Python<'_>, how: Post<'_>) -> bool {
        if how.wait == Wait::Yes && self.suspend.is_some() && !self.lane.credit().is_available() {
            self.suspend(py);
        }
        release::drain_some(py);
        true
    }

    #[cold]
    fn suspend(&self, py: Python<'_>) {
        self.lane.credit().count_suspension();
        self.producer.with(py, Producer::before_wait);
        let suspend = self.suspend.as_ref();
        let suspend = suspend.and_then(|cell| cell.with(py, |kept| kept.as_ref().map(|it| it.clone_ref(py))));
        if let Some(suspend) = suspend {
            let suspended = suspend.bind(py).call0();
            if let Err(error) = returned::take(py, "suspend", suspended) {
                (self.report)(py, "suspend", error);
            }
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
        how: Post<'_>,
    ) -> PyResult<bool> {
        while self.after_refusal(py, refused, how)? {
            match post() {
                Ok(()) => return Ok(self.posted(py, how)),
                Err(again) => refused = again,
            }
        }
        Ok(false)
    }

    /// True to try again, after a wait.
    fn after_refusal(&self, py: Python<'_>, refused: Refused, how: Post<'_>) -> PyResult<bool> {
        match refused {
            Refused::NoCredit if how.wait == Wait::No => return Ok(false),
            Refused::NoCredit if !threads::may_wait() => return Err(self.without_credit(how.method)),
            Refused::NoCredit => self.wait_for_credit(py),
            Refused::Closed => return Err(self.closed(how.method, 1)),
            Refused::TooLarge => return Err(too_large(how.method)),
        }
        Ok(true)
    }

    /// Says that the calling thread may wait for credit.
    pub(super) fn before_wait(&self) {
        if let Some(tracking) = self.tracking.get() {
            tracking.before_wait();
        }
    }

    /// Waits for credit without the GIL.
    fn wait_for_credit(&self, py: Python<'_>) {
        self.lane.credit().count_suspension();
        self.producer.with(py, Producer::before_wait);
        release::drain_some(py);
        self.before_wait();
        let credit = self.lane.credit();
        py.detach(|| credit.wait(None));
    }

    /// Asks the source to end: ends every wait but that of a post.
    pub(crate) fn request_exit(&self) {
        self.exit.request();
        self.lane.credit().wake_waiters();
    }

    /// Waits for credit, until `deadline` or a request to exit; whether there is some.
    pub(super) fn wait_until_writable(&self, deadline: Option<Instant>) -> bool {
        if !threads::may_wait() {
            return self.lane.credit().is_available();
        }
        self.before_wait();
        match self.lane.credit().wait_unless(deadline, || self.exit.is_requested()) {
            Waited::Credit => true,
            Waited::Cancelled => false,
            Waited::Timeout | Waited::GivenUp => self.lane.credit().is_available(),
        }
    }

    pub(super) fn set_transport(&self, py: Python<'_>, name: Arc<str>) {
        self.producer.with(py, |producer| {
            let origin = Origin { transport: Some(name), ..(**producer.origin()).clone() };
            producer.set_origin(Arc::new(origin));
        });
    }

    /// The error of a post by a thread that does not wait.
    fn without_credit(&self, method: &str) -> PyErr {
        self.lane.counters().count_refused(1);
        PyRuntimeError::new_err(format!(
            "{method}: source {} is out of credit, and a thread that delivers messages does not wait for it; the \
             message is not taken",
            self.id
        ))
    }

    pub(super) fn closed(&self, method: &str, messages: u64) -> PyErr {
        if self.lane.is_forked() {
            return at_fork::refused(method);
        }
        self.lane.counters().count_refused(messages);
        PyRuntimeError::new_err(format!("{method}: source {} has stopped; the message is not taken", self.id))
    }
}

/// A draft of a `str` or `bytes`.
fn text_draft(message: &Bound<'_, PyAny>, method: &str) -> PyResult<Draft> {
    if message.is_instance_of::<PyString>() || message.is_instance_of::<PyBytes>() {
        let mut draft = Draft::new(message.py());
        draft.payload = Payload::of(message)?;
        return Ok(draft);
    }
    Err(PyTypeError::new_err(format!(
        "{method}: LogMessage expected in the first parameter (or str or bytes), got {}",
        type_name(message)
    )))
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
