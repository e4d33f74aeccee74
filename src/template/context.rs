//! The knowledge of a template beside the message: [`Options`], [`Identity`], [`Context`].

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::time::{Clock, Part, Seconds, Style, TsFormat};
use super::zone::{Zone, ZoneClock};
use crate::message::Stamp;

/// The treatment of a value whose type does not fit: the option `on-error()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The message is dropped.
    #[default]
    DropMessage,
    /// The message is dropped, and nothing is logged.
    SilentlyDropMessage,
    /// The value is left out.
    DropProperty,
    /// The value is left out, and nothing is logged.
    SilentlyDropProperty,
    /// The value is taken as text.
    FallbackToString,
    /// The value is taken as text, and nothing is logged.
    SilentlyFallbackToString,
}

impl OnError {
    /// The words of `on-error()`.
    pub(crate) const WORDS: &[(&str, Self)] = &[
        ("drop-message", Self::DropMessage),
        ("silently-drop-message", Self::SilentlyDropMessage),
        ("drop-property", Self::DropProperty),
        ("silently-drop-property", Self::SilentlyDropProperty),
        ("fallback-to-string", Self::FallbackToString),
        ("silently-fallback-to-string", Self::SilentlyFallbackToString),
    ];
}

/// The options that templates share.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The form of times that STAMP writes: `ts-format()`.
    pub ts_format: TsFormat,
    /// Digits of fractions of a second, 0 to 6: `frac-digits()`.
    pub frac_digits: u8,
    /// The zone of times that are sent, or the message's own: `time-zone()`, `send-time-zone()`.
    pub send_time_zone: Option<Zone>,
    /// The zone of times in names of files, or the message's own: `local-time-zone()`.
    pub local_time_zone: Option<Zone>,
    /// The treatment of a value whose type does not fit, and whether it is reported.
    pub on_error: OnError,
    /// Quotes, backslashes and control characters of values are escaped: `template-escape()`.
    pub template_escape: bool,
}

/// One of the two zones of [`Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeZoneUse {
    /// `send-time-zone()`: what is sent.
    Send,
    /// `local-time-zone()`: names of files.
    Local,
}

/// The process and the host that format: the same for the life of the process.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// LOGHOST: the name of this machine.
    pub host: String,
    /// HOSTID: a number of this machine.
    pub host_id: u32,
    /// RUNID: a number that is larger after each start.
    pub run_id: u32,
    /// The start of the process in microseconds since the epoch; SYSUPTIME counts from here.
    pub started_micros: i64,
}

/// The time at which messages are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// That of the system, where it is known already.
    pub now: Option<Stamp>,
    /// That of the engine's clock, which tests turn, where a step has it.
    pub steady: Option<Instant>,
}

impl Moment {
    /// That of the engine's clock.
    pub fn at(steady: Instant) -> Self {
        Self { now: None, steady: Some(steady) }
    }
}

/// The options and the identity of a template, with the times it wrote last.
///
/// One thread uses it; each thread that formats has its own.
#[derive(Clone)]
pub struct Context {
    /// The current time, for `C_` and `P_`. Set once a batch, not once a message.
    pub now: Stamp,
    /// The time of the engine's clock, for conditions that go by it; `None` outside of steps.
    pub steady: Option<Instant>,
    /// SEQNUM of a message of this host; 0 is none.
    pub sequence: u64,
    identity: Arc<Identity>,
    style: Style,
    escape: bool,
    on_error: OnError,
    times: RefCell<Times>,
    /// Memory for texts that are made and looked at.
    scratch: RefCell<Vec<u8>>,
    complaint: RefCell<Complaint>,
}

/// The first thing that was wrong with the values of messages.
#[derive(Clone, Default)]
enum Complaint {
    #[default]
    None,
    ToBeTold(String),
    Told,
}

#[derive(Clone)]
struct Times {
    zone: Option<ZoneClock>,
    seconds: Seconds,
}

impl Context {
    /// A context that writes times in the zone that `use_of` names.
    pub fn new(options: &Options, identity: Arc<Identity>, use_of: TimeZoneUse) -> Self {
        let zone = match use_of {
            TimeZoneUse::Send => &options.send_time_zone,
            TimeZoneUse::Local => &options.local_time_zone,
        };
        Self {
            now: Stamp::default(),
            steady: None,
            sequence: 0,
            identity,
            style: Style { format: options.ts_format, frac_digits: options.frac_digits.min(6) },
            escape: options.template_escape,
            on_error: options.on_error,
            times: RefCell::new(Times {
                zone: zone.clone().map(ZoneClock::new),
                seconds: Seconds::default(),
            }),
            scratch: RefCell::default(),
            complaint: RefCell::default(),
        }
    }

    /// The time of the messages that are formatted.
    pub fn moment(&self) -> Moment {
        Moment { now: Some(self.now), steady: self.steady }
    }

    /// The identity of the process.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// True when values are escaped.
    pub fn escapes(&self) -> bool {
        self.escape
    }

    /// The treatment of a value whose type does not fit.
    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    /// Remembers that something is wrong with a value, for [`take_complaint`](Self::take_complaint): the
    /// first time, and unless `on-error()` is silent.
    pub(super) fn complain(&self, text: impl FnOnce() -> String) {
        let is_silent = matches!(
            self.on_error,
            OnError::SilentlyDropMessage | OnError::SilentlyDropProperty | OnError::SilentlyFallbackToString
        );
        let mut complaint = self.complaint.borrow_mut();
        if !is_silent && matches!(*complaint, Complaint::None) {
            *complaint = Complaint::ToBeTold(text());
        }
    }

    /// The first thing that was wrong with a value of a message, once: a number that is none, for example.
    pub fn take_complaint(&mut self) -> Option<String> {
        match self.complaint.get_mut() {
            Complaint::ToBeTold(text) => {
                let text = std::mem::take(text);
                *self.complaint.get_mut() = Complaint::Told;
                Some(text)
            }
            Complaint::None | Complaint::Told => None,
        }
    }

    /// Memory for texts, empty, to be [given back](Self::give_scratch).
    pub(super) fn take_scratch(&self) -> Vec<u8> {
        let mut scratch = self.scratch.take();
        scratch.clear();
        scratch
    }

    /// Keeps memory for the next that takes it.
    pub(super) fn give_scratch(&self, scratch: Vec<u8>) {
        self.scratch.replace(scratch);
    }

    /// True when times have fractions of a second.
    pub(super) fn writes_fractions(&self) -> bool {
        self.style.frac_digits > 0
    }

    /// Appends a part of `stamp`, which is a time of `clock`.
    #[inline]
    pub(super) fn append_time(&self, clock: Clock, part: Part, stamp: Stamp, out: &mut Vec<u8>) {
        self.append_styled(clock, part, stamp, self.style, out);
    }

    /// Appends `stamp` as RFC 5424 wants it, whatever `ts-format()` says.
    pub(super) fn append_iso(&self, stamp: Stamp, out: &mut Vec<u8>) {
        self.append_styled(Clock::Stamp, Part::IsoDate, stamp, self.style, out);
    }

    #[inline]
    fn append_styled(&self, clock: Clock, part: Part, mut stamp: Stamp, style: Style, out: &mut Vec<u8>) {
        let mut times = self.times.borrow_mut();
        let Times { zone, seconds } = &mut *times;
        if let Some(zone) = zone {
            stamp.offset_seconds = zone.offset_at(stamp.unix_micros.div_euclid(1_000_000));
        }
        seconds.append(clock, part, stamp, style, out);
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new(&Options::default(), Arc::default(), TimeZoneUse::Send)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .field("sequence", &self.sequence)
            .field("identity", &self.identity)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}
