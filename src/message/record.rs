//! The fixed parts of a message: [`Span`], [`Field`], [`Head`], [`Record`].
//!
//! All of them are plain numbers without a pointer, so a batch's arrays can be copied as bytes.

use super::ValueType;

/// A place in a batch: `len` bytes at `offset` of segment `segment`.
///
/// Segment 0 is the batch's own block; the others are memory that was given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Span {
    /// The number of the segment in its batch.
    pub segment: u32,
    /// The first byte, counted from the segment's start.
    pub offset: u32,
    /// The number of bytes.
    pub len: u32,
}

impl Span {
    /// No place: the value of a name that is unset, although others of its batch have it.
    pub(super) const UNSET: Self = Self { segment: u32::MAX, offset: 0, len: 0 };

    /// Tells whether it is no place.
    #[inline]
    pub(super) fn is_unset(self) -> bool {
        self.segment == u32::MAX
    }

    /// The part of `self` that starts at `offset` and has `len` bytes; both must lie inside.
    #[must_use]
    pub fn part(self, offset: u32, len: u32) -> Self {
        debug_assert!(u64::from(offset) + u64::from(len) <= u64::from(self.len));
        Self { segment: self.segment, offset: self.offset + offset, len }
    }

    /// The same, of a payload, for a part that a caller names.
    ///
    /// # Panics
    /// When it does not lie inside.
    #[inline]
    pub(super) fn part_inside(self, offset: u32, len: u32) -> Self {
        let is_inside = u64::from(offset) + u64::from(len) <= u64::from(self.len);
        assert!(is_inside, "a part lies inside the payload");
        self.part(offset, len)
    }
}

/// A point in time with the offset from UTC that its clock had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
    pub unix_micros: i64,
    /// Seconds east of UTC.
    pub offset_seconds: i32,
}

/// The name of a [`Field`].
///
/// The names that the engine itself knows are numbers; every other name is text in the batch.
/// There is no table of all names ever seen: senders choose the names of structured data, and a
/// table that they can grow is a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FieldName {
    /// The name is the text at [`Field::name`].
    Text,
    /// A parameter of structured data; the text is PARAM-NAME alone, and the SD-ID is the value of
    /// the nearest [`FieldName::SdId`] before it (RFC 5424, section 6.3).
    SdParam,
    /// The start of an SD-ELEMENT: its value is the SD-ID, and it is no name-value pair itself.
    SdId,
    /// HOST
    Host,
    /// `HOST_FROM`
    HostFrom,
    /// PROGRAM
    Program,
    /// PID
    Pid,
    /// MSGID
    MsgId,
    /// `LEGACY_MSGHDR`, the program part of a header as it was received.
    LegacyMsgHdr,
    /// RAWMSG, the whole message as it was received.
    RawMsg,
    /// SOURCEIP, the sender's address as text.
    SourceIp,
    /// SOURCEPORT, the sender's port as text.
    SourcePort,
    /// MSGFORMAT, the format that a message was parsed as.
    MsgFormat,
    /// The sequence number that a Cisco device put in front.
    CiscoSequence,
    /// HOST as this engine chained it: `chain-hostnames()`. Of it and [`FieldName::Host`] the last one
    /// counts.
    ChainedHost,
    /// A tag: its name is the tag, and it is no name-value pair itself.
    Tag,
}

impl FieldName {
    /// Tells whether a field with it has a text for its name.
    #[inline]
    pub(crate) fn has_text(self) -> bool {
        matches!(self, Self::Text | Self::SdParam | Self::Tag)
    }

    /// The names that are numbers, with their text.
    pub const KNOWN: &'static [(Self, &'static str)] = &[
        (Self::Host, "HOST"),
        (Self::HostFrom, "HOST_FROM"),
        (Self::Program, "PROGRAM"),
        (Self::Pid, "PID"),
        (Self::MsgId, "MSGID"),
        (Self::LegacyMsgHdr, "LEGACY_MSGHDR"),
        (Self::RawMsg, "RAWMSG"),
        (Self::SourceIp, "SOURCEIP"),
        (Self::SourcePort, "SOURCEPORT"),
        (Self::MsgFormat, "MSGFORMAT"),
        (Self::CiscoSequence, ".SDATA.meta.sequenceId"),
    ];

    /// The number of a name that the engine knows, after resolving its aliases.
    pub fn known(name: &str) -> Option<Self> {
        let name = match name {
            "FULLHOST" => "HOST",
            "FULLHOST_FROM" => "HOST_FROM",
            other => other,
        };
        Self::KNOWN.iter().find(|(_, text)| *text == name).map(|(id, _)| *id)
    }

    /// The text of a name that is a number.
    pub fn text(self) -> Option<&'static str> {
        let this = if self == Self::ChainedHost { Self::Host } else { self };
        Self::KNOWN.iter().find(|(id, _)| *id == this).map(|(_, text)| *text)
    }
}

/// A name-value pair of a message.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Field {
    /// The name's text, where [`Field::id`] says that it has one.
    pub name: Span,
    /// The value's text.
    pub value: Span,
    /// Its name.
    pub id: FieldName,
    /// The value's type.
    pub value_type: ValueType,
}

impl Field {
    /// Tells whether it unsets its name.
    #[inline]
    pub(super) fn is_unset(&self) -> bool {
        self.value.is_unset()
    }
}

/// The part of a message beside its texts, as a record has it: 32 bytes that are copied whole.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Head {
    /// The time at which the message says it happened, in microseconds since the epoch.
    pub stamp_micros: i64,
    /// The time of its receipt, in microseconds since the epoch.
    pub recvd_micros: i64,
    /// The offset of `stamp_micros`' clock, in seconds east of UTC.
    pub stamp_offset: i32,
    /// The number of bytes it had on the wire; 0 when nobody said.
    pub raw_size: u32,
    /// Facility times 8 plus severity (RFC 5424, section 6.2.1).
    pub pri: u16,
    /// The number of its fields.
    pub(super) fields_len: u16,
    /// The minutes that the clock of `recvd_micros` is farther east of UTC than its source's.
    pub(super) recvd_shift: i16,
    /// The type of MESSAGE.
    pub(super) text_type: ValueType,
    /// Not 0 while the text is still to be parsed: see
    /// [`Selection::parse_late`](super::Selection::parse_late). Every byte of a head has a value, so that it
    /// is copied in two moves.
    pub(super) unparsed: u8,
}

impl Head {
    /// With nothing in it.
    pub(crate) const EMPTY: Self = Self {
        stamp_micros: 0,
        recvd_micros: 0,
        stamp_offset: 0,
        raw_size: 0,
        pri: 0,
        fields_len: 0,
        recvd_shift: 0,
        text_type: ValueType::String,
        unparsed: 0,
    };

    /// Of a message that happened at `stamp` and was received at `recvd_micros`.
    #[inline]
    pub fn new(stamp: Stamp, recvd_micros: i64, pri: u16) -> Self {
        let Stamp { unix_micros: stamp_micros, offset_seconds: stamp_offset } = stamp;
        Self { stamp_micros, recvd_micros, stamp_offset, pri, ..Self::EMPTY }
    }

    /// Of a message that happened when it was received.
    #[inline]
    pub fn at(stamp: Stamp, pri: u16) -> Self {
        Self::new(stamp, stamp.unix_micros, pri)
    }

    /// The time at which the message says it happened.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp { unix_micros: self.stamp_micros, offset_seconds: self.stamp_offset }
    }

    /// Changes when the message says it happened.
    #[inline]
    pub(crate) fn set_stamp(&mut self, stamp: Stamp) {
        (self.stamp_micros, self.stamp_offset) = (stamp.unix_micros, stamp.offset_seconds);
    }
}

/// One message: 48 bytes.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Record {
    /// Its head.
    pub head: Head,
    /// MESSAGE.
    pub text: Span,
    /// The first of its fields in the batch's array.
    pub fields_start: u32,
}

const _: () = assert!(size_of::<Head>() == 32 && size_of::<Record>() == 48 && size_of::<Field>() == 28);

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a name has no number, or a number another name.
    #[test]
    fn known_names_go_both_ways() {
        for (id, text) in FieldName::KNOWN {
            assert_eq!(FieldName::known(text), Some(*id));
            assert_eq!(id.text(), Some(*text));
        }
        assert_eq!(FieldName::known("FULLHOST"), Some(FieldName::Host));
        assert_eq!(FieldName::ChainedHost.text(), Some("HOST"));
        assert_eq!(FieldName::known("other"), None);
    }

    /// Breaks without it: a value that is part of the payload is read from another place.
    #[test]
    fn part_of_a_span_counts_from_its_start() {
        let whole = Span { segment: 3, offset: 10, len: 20 };
        assert_eq!(whole.part(5, 15), Span { segment: 3, offset: 15, len: 15 });
    }
}
