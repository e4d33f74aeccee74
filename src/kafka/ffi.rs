//! The producer: [`Producer`], over the functions of librdkafka that its crate leaves out.
//!
//! The crate's own producers copy each value, and call back from C. This one hands librdkafka the address of a
//! value and keeps its memory until the record is reported (`rd_kafka_produce_batch`, and `rd_kafka_produceva` for
//! records with headers); reports, errors and log lines are taken from librdkafka's queue ([`Producer::serve`]).
//!
//! # Invariants
//! * The number of a record, which librdkafka carries as its opaque pointer, grows with each record that is sent.
//! * `sent` is in the order of its numbers, and has every record that librdkafka has.
//! * A client is destroyed before the memory of its records is let go of, and before its waker.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam::channel::bounded;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::records::Records;

mod commit;
mod event;
mod record;

pub(crate) use commit::commit;
pub(crate) use event::Event;

use event::NativeEvent;
use record::{fields, native};

/// Called when a client has something to say, by a thread of librdkafka's.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// The partition of a record for which librdkafka chooses one.
const UNASSIGNED: i32 = -1;
/// Records that are handed over with one call.
const GROUP: usize = 1000;
/// Topics that the client keeps a handle of; beyond, all of them are looked up anew.
const TOPICS: usize = 4096;

/// The reason why not all records were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The client's queue is full.
    Full,
    /// The client takes none now.
    Failed(RDKafkaErrorCode),
}

/// A client that sends records.
///
/// Its parts are dropped in this order.
pub(crate) struct Producer {
    topics: HashMap<Arc<str>, Topic, RandomState>,
    client: Client,
    /// The records that librdkafka has, with the number of the first of each.
    sent: VecDeque<Sent>,
    out: u64,
    group: Vec<sys::rd_kafka_message_t>,
}

// SAFETY: librdkafka's handles may be used from any thread; `group` is empty between two calls.
unsafe impl Send for Producer {}

/// The handles of a client.
struct Client {
    handle: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// librdkafka has its address, as long as the client lives.
    _wake: Box<Wake>,
}

impl Client {
    /// The error of `event`; that of a client which cannot go on is the one that it began with.
    fn error<'a>(&self, event: &'a NativeEvent) -> Event<'a> {
        // SAFETY: the event is alive.
        let code = unsafe { sys::rd_kafka_event_error(event.0.as_ptr()) };
        // SAFETY: as above; the text lives as long as the event.
        let text = unsafe { sys::rd_kafka_event_error_string(event.0.as_ptr()) };
        let text = event.text(text);
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR__FATAL {
            return Event::Error { code: code.into(), text, is_fatal: false };
        }
        let mut reason = [0_u8; 512];
        let room = reason.as_mut_ptr().cast::<c_char>();
        // SAFETY: the client is alive, and `reason` has as many bytes.
        let code = unsafe { sys::rd_kafka_fatal_error(self.handle.as_ptr(), room, reason.len()) };
        let reason = CStr::from_bytes_until_nul(&reason).unwrap_or_default().to_string_lossy().into_owned();
        Event::Error { code: code.into(), text: Cow::Owned(reason), is_fatal: true }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: the queue is alive; afterwards nobody calls the waker.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut()) };
        // SAFETY: one reference, which is not used any more.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
        // SAFETY: the handles of its topics are gone, and nobody uses it any more.
        unsafe { sys::rd_kafka_destroy(self.handle.as_ptr()) };
    }
}

/// The handle of a topic.
struct Topic(NonNull<sys::rd_kafka_topic_t>);

struct Sent {
    first: u64,
    out: usize,
    /// None when all of them are reported.
    records: Option<Arc<Records>>,
}

/// Called by a thread of librdkafka when its queue is not empty any more.
unsafe extern "C" fn on_event(_: *mut sys::rd_kafka_t, wake: *mut c_void) {
    // SAFETY: `Producer::new` gives the address of the waker, which lives as long as the client.
    let wake = unsafe { &*wake.cast::<Wake>() };
    wake();
}

impl Producer {
    /// A client as `config` says; `wake` is called when [`serve`](Self::serve) has something to do.
    ///
    /// # Errors
    /// librdkafka refuses the configuration: its reason.
    pub(crate) fn new(config: &ClientConfig, wake: &Wake) -> Result<Self, String> {
        let mut config = config.clone();
        config.set("log.queue", "true");
        let native = config.create_native_config().map_err(|error| error.to_string())?;
        let events = sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_LOG;
        // SAFETY: `native` is a configuration that nobody else has.
        unsafe { sys::rd_kafka_conf_set_events(native.ptr(), events) };
        let mut text = [0_u8; 512];
        let (kind, room) = (sys::rd_kafka_type_t::RD_KAFKA_PRODUCER, text.as_mut_ptr().cast::<c_char>());
        // SAFETY: the configuration is valid, and `text` has as many bytes.
        let handle = unsafe { sys::rd_kafka_new(kind, native.ptr(), room, text.len()) };
        let Some(handle) = NonNull::new(handle) else {
            let reason = CStr::from_bytes_until_nul(&text).unwrap_or_default();
            return Err(reason.to_string_lossy().into_owned());
        };
        // The client has it now.
        std::mem::forget(native);
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_get_main(handle.as_ptr()) };
        let Some(queue) = NonNull::new(queue) else { unreachable!("a client has a main queue") };
        // SAFETY: the client is alive; without another queue its lines go to the main one.
        unsafe { sys::rd_kafka_set_log_queue(handle.as_ptr(), ptr::null_mut()) };
        let wake = Box::new(Arc::clone(wake));
        let address = ptr::from_ref::<Wake>(&wake).cast_mut().cast::<c_void>();
        // SAFETY: the queue is alive, and the waker stays where it is until the client is destroyed.
        unsafe { sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(on_event), address) };
        Ok(Self {
            client: Client { handle, queue, _wake: wake },
            topics: HashMap::default(),
            sent: VecDeque::new(),
            out: 0,
            group: Vec::new(),
        })
    }

    /// The number of records that are sent and not reported.
    pub(crate) fn out(&self) -> u64 {
        self.out
    }

    /// Sends the records of `records` in `range`; the number of the one at `index` is `first + index`.
    /// Those that `is_done` gives true for are left out. One that the client does not take is gone if `refuse` gives
    /// true for the reason.
    ///
    /// Returns the index of the first that was not taken, and why, if there is one.
    pub(crate) fn send(
        &mut self,
        (records, first): (&Arc<Records>, u64),
        range: Range<usize>,
        is_done: impl Fn(usize) -> bool,
        mut refuse: impl FnMut(usize, RDKafkaErrorCode) -> bool,
    ) -> (usize, Option<Stopped>) {
        let mut next = range.start;
        while next < range.end {
            if is_done(next) {
                next += 1;
                continue;
            }
            let (end, stopped) = if records.header_names.is_empty() {
                self.send_group(records, first, next..range.end, &is_done, &mut refuse)
            } else {
                self.send_one(records, first, next, &mut refuse)
            };
            next = end;
            if stopped.is_some() {
                return (next, stopped);
            }
        }
        (next, None)
    }

    /// Sends records without headers of one topic, with one call.
    fn send_group(
        &mut self,
        records: &Arc<Records>,
        first: u64,
        range: Range<usize>,
        is_done: &impl Fn(usize) -> bool,
        refuse: &mut impl FnMut(usize, RDKafkaErrorCode) -> bool,
    ) -> (usize, Option<Stopped>) {
        let mut end = range.start;
        let topic = records.list[end].topic;
        let handle = match self.topic(&records.topics[topic]) {
            Ok(handle) => handle,
            Err(stopped) => return (end, Some(stopped)),
        };
        self.group.clear();
        for record in &records.list[range] {
            if record.topic != topic || self.group.len() == GROUP {
                break;
            }
            if !is_done(end) {
                self.group.push(native(records, record, first + end as u64));
            }
            end += 1;
        }
        let (group, count) = (self.group.as_mut_ptr(), self.group.len() as c_int);
        // SAFETY: the topic is this client's, and `group` has `count` messages. Their values stay where they are
        // until they are reported, as `note_sent` keeps the records.
        let taken = unsafe { sys::rd_kafka_produce_batch(handle, UNASSIGNED, 0, group, count) };
        self.note_sent(records, first, taken.max(0) as usize);
        let all_were_taken = taken == count;
        let mut stopped = None;
        for message in self.group.drain(..).filter(|_| !all_were_taken) {
            let Some(error) = error_of(message.err) else { continue };
            let index = (message._private as u64 - first) as usize;
            if error != RDKafkaErrorCode::QueueFull && refuse(index, error) {
                continue;
            }
            // What follows was not taken either: the reason goes for all of the topic.
            (end, stopped) = (index, Some(why(error)));
            break;
        }
        (end, stopped)
    }

    /// Sends a record with headers.
    fn send_one(
        &mut self,
        records: &Arc<Records>,
        first: u64,
        index: usize,
        refuse: &mut impl FnMut(usize, RDKafkaErrorCode) -> bool,
    ) -> (usize, Option<Stopped>) {
        let record = &records.list[index];
        let handle = match self.topic(&records.topics[record.topic]) {
            Ok(handle) => handle,
            Err(stopped) => return (index, Some(stopped)),
        };
        let fields = fields(records, record, first + index as u64, handle);
        // SAFETY: the client and the topic are alive, `fields` has as many entries, and the value stays where it
        // is until it is reported; key and headers are copied.
        let error =
            unsafe { sys::rd_kafka_produceva(self.client.handle.as_ptr(), fields.as_ptr(), fields.len()) };
        let Some(error) = NonNull::new(error) else {
            self.note_sent(records, first, 1);
            return (index + 1, None);
        };
        // SAFETY: an error that this function has to destroy.
        let code = unsafe { sys::rd_kafka_error_code(error.as_ptr()) };
        // SAFETY: as above; it is not used any more.
        unsafe { sys::rd_kafka_error_destroy(error.as_ptr()) };
        match error_of(code) {
            Some(code) if code != RDKafkaErrorCode::QueueFull && refuse(index, code) => (index + 1, None),
            code => (index, Some(code.map_or(Stopped::Full, why))),
        }
    }

    /// The handle of the topic called `name`.
    fn topic(&mut self, name: &Arc<str>) -> Result<*mut sys::rd_kafka_topic_t, Stopped> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(topic.0.as_ptr());
        }
        if self.topics.len() >= TOPICS {
            self.topics.clear();
        }
        let text = CString::new(&**name).map_err(|_| Stopped::Failed(RDKafkaErrorCode::InvalidTopic))?;
        // SAFETY: the client is alive, and the name ends with a NUL.
        let handle =
            unsafe { sys::rd_kafka_topic_new(self.client.handle.as_ptr(), text.as_ptr(), ptr::null_mut()) };
        let handle = NonNull::new(handle).ok_or(Stopped::Failed(RDKafkaErrorCode::InvalidArgument))?;
        self.topics.insert(Arc::clone(name), Topic(handle));
        Ok(handle.as_ptr())
    }

    /// Keeps the memory of `count` more of `records`.
    fn note_sent(&mut self, records: &Arc<Records>, first: u64, count: usize) {
        if count == 0 {
            return;
        }
        self.out += count as u64;
        match self.sent.back_mut().filter(|sent| sent.first == first) {
            Some(sent) => {
                sent.out += count;
                sent.records.get_or_insert_with(|| Arc::clone(records));
            }
            None => self.sent.push_back(Sent { first, out: count, records: Some(Arc::clone(records)) }),
        }
    }

    /// Lets go of the memory of a record that is reported.
    fn note_reported(&mut self, number: u64) {
        self.out -= 1;
        let at = self.sent.partition_point(|sent| sent.first <= number) - 1;
        let sent = &mut self.sent[at];
        sent.out -= 1;
        if sent.out == 0 {
            sent.records = None;
            while self.sent.front().is_some_and(|sent| sent.records.is_none()) {
                self.sent.pop_front();
            }
        }
    }

    /// Gives what the client has to say to `each`.
    pub(crate) fn serve(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        loop {
            // SAFETY: the queue is alive; it is not waited for.
            let event = unsafe { sys::rd_kafka_queue_poll(self.client.queue.as_ptr(), 0) };
            let Some(event) = NonNull::new(event).map(NativeEvent) else { return };
            match event.kind() {
                sys::RD_KAFKA_EVENT_DR => {
                    while let Some((number, code)) = event.next_report() {
                        self.note_reported(number);
                        each(Event::Report { number, error: error_of(code) });
                    }
                }
                sys::RD_KAFKA_EVENT_ERROR => each(self.client.error(&event)),
                sys::RD_KAFKA_EVENT_LOG => each(event.log()),
                _ => {}
            }
        }
    }

    /// Has the client report everything that it has: what is not written by now is not written again.
    pub(crate) fn purge(&self) {
        let all =
            sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is alive. It fails for flags that it does not know alone.
        unsafe { sys::rd_kafka_purge(self.client.handle.as_ptr(), all) };
    }

    /// Ends the client. That is done by a thread of its own, which keeps the memory of the records meanwhile, as
    /// a client may wait for a name server for long; it is waited for `within` that time.
    pub(crate) fn end(self, within: Duration) {
        self.purge();
        let (ended, end) = bounded(1);
        let drop_it = move || {
            drop(self);
            // Nobody may be there any more.
            let _ = ended.send(());
        };
        // Without a thread it is dropped here.
        if thread::Builder::new().name("kafka:end".to_owned()).spawn(drop_it).is_ok() {
            // The time is up, or it has ended.
            let _ = end.recv_timeout(within);
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: one reference, which is not used any more.
        unsafe { sys::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}

/// The error that `code` is, if it is one.
fn error_of(code: RDKafkaRespErr) -> Option<RDKafkaErrorCode> {
    (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
}

/// The reason why a record was not taken, which another time may be.
fn why(code: RDKafkaErrorCode) -> Stopped {
    if code == RDKafkaErrorCode::QueueFull { Stopped::Full } else { Stopped::Failed(code) }
}
