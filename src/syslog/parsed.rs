//! The result of parsing: places in the input, and marks.
use super::names::{DEFAULT_PRI, ERROR_PRI};
use super::{ParseError, Stamp};
use smallvec::SmallVec;
use std::fmt;

/// A piece of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Its first byte.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
}

impl Span {
    /// The piece of `len` bytes at `offset`; both below 4 GiB, as [`parse`](super::parse) sees to.
    #[inline]
    pub(crate) const fn new(offset: usize, len: usize) -> Self {
        Self { offset: offset as u32, len: len as u32 }
    }

    /// The piece from `start` up to `end`.
    #[inline]
    pub(crate) const fn between(start: usize, end: usize) -> Self {
        Self::new(start, end - start)
    }

    /// The bytes of `input` that it covers.
    ///
    /// # Panics
    /// When `input` is shorter than what the span was made from.
    #[inline]
    pub fn of(self, input: &[u8]) -> &[u8] {
        &input[self.range()]
    }

    /// The same as a range of indices.
    #[inline]
    pub const fn range(self) -> std::ops::Range<usize> {
        self.offset as usize..self.offset as usize + self.len as usize
    }

    /// True when it covers nothing.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One parameter of structured data (RFC 5424 §6.3.3).
///
/// An element without parameters is one of these with an empty `name` and an empty `value`, so that it is not
/// lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdataParam {
    /// The element's SD-ID, the same span for all its parameters.
    pub id: Span,
    /// The parameter's name.
    pub name: Span,
    /// The parameter's value as it stands between the quotes.
    pub value: Span,
    /// The value has backslashes in it, and needs [`unescape_param_value`](super::unescape_param_value).
    pub escaped: bool,
}

/// The grammar that a message was read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// None: the whole input is the message.
    #[default]
    Raw,
    /// RFC 3164 and what goes by its name.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}

/// The knowledge of a message's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Utf8 {
    /// Nobody looked.
    #[default]
    Unknown,
    /// A flag or a byte order mark says that it is UTF-8.
    Assumed,
    /// It is.
    Valid,
    /// It is not.
    Invalid,
}

/// A set of things to know about a parsed message.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u8);

impl Marks {
    /// The priority was in the input.
    pub const PRI_GIVEN: Self = Self(1);
    /// The message has line breaks or NULs that `no-multi-line` forbids: see
    /// [`single_line`](super::single_line).
    pub const NEEDS_SINGLE_LINE: Self = Self(1 << 1);
    /// The input is not UTF-8 and `sanitize-utf8` is set: see [`sanitize_utf8`](super::sanitize_utf8).
    pub const NEEDS_SANITIZE: Self = Self(1 << 2);
    /// The kernel's own message: its program is `kernel`, a word that the input does not have.
    pub const KERNEL: Self = Self(1 << 3);
    /// The host is the one that the message was forwarded from (AIX).
    pub const FORWARDED: Self = Self(1 << 4);
    /// A "last message repeated" note; it has no program.
    pub const REPEATED: Self = Self(1 << 5);
    /// The sender says that its clock is not set (`*` before a router's stamp).
    pub const UNSYNCHRONIZED: Self = Self(1 << 6);
    /// The sender says that its clock was set (`.` before a router's stamp).
    pub const SYNCHRONIZED: Self = Self(1 << 7);

    /// True when `mark` is set.
    #[inline]
    pub const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 == mark.0
    }

    /// Tells whether some mark of `marks` is set.
    #[inline]
    pub(crate) const fn has_any(self, marks: Self) -> bool {
        self.0 & marks.0 != 0
    }

    /// The marks of both sets.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, mark: Self) {
        self.0 |= mark.0;
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::PRI_GIVEN, "PRI_GIVEN"),
            (Self::NEEDS_SINGLE_LINE, "NEEDS_SINGLE_LINE"),
            (Self::NEEDS_SANITIZE, "NEEDS_SANITIZE"),
            (Self::KERNEL, "KERNEL"),
            (Self::FORWARDED, "FORWARDED"),
            (Self::REPEATED, "REPEATED"),
            (Self::UNSYNCHRONIZED, "UNSYNCHRONIZED"),
            (Self::SYNCHRONIZED, "SYNCHRONIZED"),
        ];
        f.debug_set().entries(names.iter().filter(|(mark, _)| self.has(*mark)).map(|(_, name)| name)).finish()
    }
}

/// The fields of a message, as places in the input.
///
/// A field that the message does not have, or has as NILVALUE, is `None`. One `Parsed` serves for message
/// after message; when more than eight parameters of structured data made it grow, it stays grown.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The grammar that was used.
    pub protocol: Protocol,
    /// Facility times 8 plus severity: the message's, or the default, or `syslog.err` for an error note.
    pub pri: u16,
    /// The time at which the message was sent, if it says so.
    pub stamp: Option<Stamp>,
    /// HOSTNAME.
    pub host: Option<Span>,
    /// APP-NAME, or the program of the tag.
    pub program: Option<Span>,
    /// PROCID, or what the tag has in brackets.
    pub pid: Option<Span>,
    /// MSGID.
    pub msgid: Option<Span>,
    /// The tag with all that stands before the message: `program[pid]: `. With
    /// [`Flags::STORE_LEGACY_MSGHDR`].
    ///
    /// [`Flags::STORE_LEGACY_MSGHDR`]: super::Flags::STORE_LEGACY_MSGHDR
    pub msghdr: Option<Span>,
    /// The text.
    pub message: Option<Span>,
    /// The input without the line end. With [`Flags::STORE_RAW_MESSAGE`].
    ///
    /// [`Flags::STORE_RAW_MESSAGE`]: super::Flags::STORE_RAW_MESSAGE
    pub raw: Option<Span>,
    /// The number that a router counts its messages with.
    pub sequence: Option<Span>,
    /// The structured data, parameter by parameter.
    pub sdata: SmallVec<[SdataParam; 8]>,
    /// The knowledge of its encoding.
    pub utf8: Utf8,
    /// The marks.
    pub marks: Marks,
    /// The reason why the input did not parse. Then `message` is all of it.
    pub error: Option<ParseError>,
}

impl Default for Parsed {
    fn default() -> Self {
        Self {
            protocol: Protocol::Raw,
            pri: DEFAULT_PRI,
            stamp: None,
            host: None,
            program: None,
            pid: None,
            msgid: None,
            msghdr: None,
            message: None,
            raw: None,
            sequence: None,
            sdata: SmallVec::new(),
            utf8: Utf8::Unknown,
            marks: Marks::default(),
            error: None,
        }
    }
}

impl Parsed {
    /// Forgets everything but the memory that structured data has grown to.
    #[inline]
    pub fn clear(&mut self) {
        // Field by field: `*self = …` would move the list, which is most of the size, out and in again.
        self.protocol = Protocol::Raw;
        self.pri = DEFAULT_PRI;
        self.stamp = None;
        self.host = None;
        self.program = None;
        self.pid = None;
        self.msgid = None;
        self.msghdr = None;
        self.message = None;
        self.raw = None;
        self.sequence = None;
        self.sdata.clear();
        self.utf8 = Utf8::Unknown;
        self.marks = Marks::default();
        self.error = None;
    }

    /// Turns what was found so far into a failure: nothing of it is left but the priority, and that only when
    /// the message is not to become an error note.
    #[cold]
    pub(crate) fn fail(&mut self, error: ParseError, text_len: usize, note: bool) {
        let (pri, marks, raw) = (self.pri, self.marks, self.raw);
        self.clear();
        self.pri = if note { ERROR_PRI } else { pri };
        self.marks = marks;
        self.raw = raw;
        self.message = Some(Span::new(0, text_len));
        self.error = Some(error);
    }
}
