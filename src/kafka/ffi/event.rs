//! The news of a client: [`Event`].

use std::borrow::Cow;
use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// The client's news.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A record is done with.
    Report {
        /// Its number.
        number: u64,
        /// The reason why it was not written.
        error: Option<RDKafkaErrorCode>,
    },
    /// Something is wrong with the client or a broker.
    Error {
        /// What.
        code: RDKafkaErrorCode,
        /// In words.
        text: Cow<'a, str>,
        /// True when the client cannot go on.
        is_fatal: bool,
    },
    /// A line for the log.
    Log {
        /// The severity, as syslog has it.
        level: i32,
        /// The part of the client that says it.
        facility: Cow<'a, str>,
        /// The line.
        text: Cow<'a, str>,
    },
}

/// An event of librdkafka's queue.
pub(super) struct NativeEvent(pub(super) NonNull<sys::rd_kafka_event_t>);

impl NativeEvent {
    pub(super) fn kind(&self) -> i32 {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.0.as_ptr()) }
    }

    /// The number and the outcome of the next record that it reports.
    pub(super) fn next_report(&self) -> Option<(u64, RDKafkaRespErr)> {
        // SAFETY: the event is alive, and has reports.
        let message = unsafe { sys::rd_kafka_event_message_next(self.0.as_ptr()) };
        // SAFETY: null, or a message that lives as long as the event.
        let message = unsafe { message.as_ref() }?;
        Some((message._private as u64, message.err))
    }

    pub(super) fn log(&self) -> Event<'_> {
        let (mut facility, mut text, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is alive, and writes the places that it is given.
        unsafe { sys::rd_kafka_event_log(self.0.as_ptr(), &raw mut facility, &raw mut text, &raw mut level) };
        Event::Log { level, facility: self.text(facility), text: self.text(text) }
    }

    /// A text of the event.
    #[expect(clippy::unused_self, reason = "the text lives as long as the event")]
    pub(super) fn text(&self, text: *const c_char) -> Cow<'_, str> {
        if text.is_null() {
            return Cow::Borrowed("");
        }
        // SAFETY: a text with a NUL at its end, which lives as long as the event.
        unsafe { CStr::from_ptr(text) }.to_string_lossy()
    }
}

impl Drop for NativeEvent {
    fn drop(&mut self) {
        // SAFETY: it is not used any more.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}
