//! The names of macros, and what each of them is.

use super::time::{Clock, PARTS, Part};
use crate::message::FieldName;
use crate::nearest::nearest_within;

/// The meaning of a name in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The message's text.
    Message,
    /// HOST; of one that was chained here, a part.
    Host,
    /// A name-value pair that the engine knows.
    Known(FieldName),
    /// Any other name-value pair.
    Named(Box<[u8]>),
    /// A part of a time.
    Time(Clock, Part),
    /// A text that is computed.
    Macro(Macro),
    /// The values called `1`, `2` … up to the highest, as a list.
    Matches,
    /// Always empty: a message of a correlation that is not there.
    Nothing,
}

impl Value {
    /// True when it is the same for what [`Template::is_steady`](super::Template::is_steady) names, or
    /// MESSAGE.
    pub(super) fn is_steady(&self, fractions: bool) -> bool {
        match self {
            Self::Message | Self::Host | Self::Known(_) | Self::Named(_) | Self::Matches | Self::Nothing => {
                true
            }
            Self::Time(clock, part) => match clock {
                Clock::Stamp => !fractions && !matches!(part, Part::Msec | Part::Usec),
                Clock::Received => false,
                Clock::Current => true,
            },
            Self::Macro(id) => {
                !matches!(id, Macro::SeqNum | Macro::UniqId | Macro::RcptId | Macro::RawMsgSize)
            }
        }
    }
}

/// Macros that are computed from a message, its origin, or the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    MsgHdr,
    Facility,
    FacilityNum,
    Severity,
    SeverityNum,
    Pri,
    Tag,
    BsdTag,
    Tags,
    Source,
    Transport,
    SourceIp,
    SourcePort,
    PeerIp,
    PeerPort,
    DestIp,
    DestPort,
    IpProto,
    Proto,
    ProtoName,
    RawMsgSize,
    Sdata,
    SeqNum,
    UniqId,
    RcptId,
    RunId,
    HostId,
    ContextId,
    SysUpTime,
    LogHost,
}

/// The macros that are no times, in ASCII order.
const MACROS: &[(&str, Value)] = &[
    ("BSDTAG", Value::Macro(Macro::BsdTag)),
    ("CONTEXT_ID", Value::Macro(Macro::ContextId)),
    ("DESTIP", Value::Macro(Macro::DestIp)),
    ("DESTPORT", Value::Macro(Macro::DestPort)),
    ("FACILITY", Value::Macro(Macro::Facility)),
    ("FACILITY_NUM", Value::Macro(Macro::FacilityNum)),
    ("FULLHOST", Value::Known(FieldName::Host)),
    ("FULLHOST_FROM", Value::Known(FieldName::HostFrom)),
    ("HOST", Value::Host),
    ("HOSTID", Value::Macro(Macro::HostId)),
    ("HOST_FROM", Value::Known(FieldName::HostFrom)),
    ("IP_PROTO", Value::Macro(Macro::IpProto)),
    ("LEGACY_MSGHDR", Value::Known(FieldName::LegacyMsgHdr)),
    ("LEVEL", Value::Macro(Macro::Severity)),
    ("LEVEL_NUM", Value::Macro(Macro::SeverityNum)),
    ("LOGHOST", Value::Macro(Macro::LogHost)),
    ("MESSAGE", Value::Message),
    ("MSG", Value::Message),
    ("MSGFORMAT", Value::Known(FieldName::MsgFormat)),
    ("MSGHDR", Value::Macro(Macro::MsgHdr)),
    ("MSGID", Value::Known(FieldName::MsgId)),
    ("MSGONLY", Value::Message),
    ("PEERIP", Value::Macro(Macro::PeerIp)),
    ("PEERPORT", Value::Macro(Macro::PeerPort)),
    ("PID", Value::Known(FieldName::Pid)),
    ("PRI", Value::Macro(Macro::Pri)),
    ("PRIORITY", Value::Macro(Macro::Severity)),
    ("PROGRAM", Value::Known(FieldName::Program)),
    ("PROTO", Value::Macro(Macro::Proto)),
    ("PROTO_NAME", Value::Macro(Macro::ProtoName)),
    ("RAWMSG", Value::Known(FieldName::RawMsg)),
    ("RAWMSG_SIZE", Value::Macro(Macro::RawMsgSize)),
    ("RCPTID", Value::Macro(Macro::RcptId)),
    ("RUNID", Value::Macro(Macro::RunId)),
    ("SDATA", Value::Macro(Macro::Sdata)),
    ("SEQNUM", Value::Macro(Macro::SeqNum)),
    ("SEVERITY", Value::Macro(Macro::Severity)),
    ("SEVERITY_NUM", Value::Macro(Macro::SeverityNum)),
    ("SOURCE", Value::Macro(Macro::Source)),
    ("SOURCEIP", Value::Macro(Macro::SourceIp)),
    ("SOURCEPORT", Value::Macro(Macro::SourcePort)),
    ("SYSUPTIME", Value::Macro(Macro::SysUpTime)),
    ("TAG", Value::Macro(Macro::Tag)),
    ("TAGS", Value::Macro(Macro::Tags)),
    ("TRANSPORT", Value::Macro(Macro::Transport)),
    ("UNIQID", Value::Macro(Macro::UniqId)),
];

/// The prefixes that choose a time. The time of processing is the time of formatting here.
const PREFIXES: &[(&str, Clock)] =
    &[("S_", Clock::Stamp), ("R_", Clock::Received), ("C_", Clock::Current), ("P_", Clock::Current)];

/// The meaning of `name`.
pub(super) fn resolve(name: &str) -> Value {
    if let Some(value) = find(name) {
        return value;
    }
    if name == "_" {
        return Value::Macro(Macro::ContextId);
    }
    match FieldName::known(name) {
        Some(id) => Value::Known(id),
        None => Value::Named(name.as_bytes().into()),
    }
}

fn find(name: &str) -> Option<Value> {
    if let Ok(at) = MACROS.binary_search_by_key(&name, |(text, _)| text) {
        return Some(MACROS[at].1.clone());
    }
    let (clock, part) = split(name);
    let at = PARTS.binary_search_by_key(&part, |(text, _)| text).ok()?;
    Some(Value::Time(clock, PARTS[at].1))
}

/// The clock that a prefix of `name` chooses, and the rest.
fn split(name: &str) -> (Clock, &str) {
    let prefixed = PREFIXES.iter().find_map(|(prefix, clock)| Some((*clock, name.strip_prefix(prefix)?)));
    prefixed.unwrap_or((Clock::Stamp, name))
}

/// Tells whether `name` is computed from a message, so that nothing can be kept under it: a macro, or a part
/// of a time. HOST, RAWMSG and the like are kept, and so is TRANSPORT.
pub fn is_computed(name: &str) -> bool {
    match MACROS.binary_search_by_key(&name, |(text, _)| text) {
        Ok(at) => matches!(MACROS[at].1, Value::Macro(id) if id != Macro::Transport),
        Err(_) => PARTS.binary_search_by_key(&split(name).1, |(text, _)| text).is_ok(),
    }
}

/// `name` without the prefix that chooses a clock: `R_HOUR` is the HOUR of the receipt.
pub fn without_clock(name: &str) -> &str {
    split(name).1
}

/// The names of all macros; those of times once without and once with each prefix.
pub fn macro_names() -> impl Iterator<Item = String> {
    let plain = MACROS.iter().map(|(name, _)| *name).chain(PARTS.iter().map(|(name, _)| *name));
    let prefixed =
        PREFIXES.iter().flat_map(|(prefix, _)| PARTS.iter().map(move |(name, _)| format!("{prefix}{name}")));
    plain.map(str::to_owned).chain(prefixed)
}

/// The macro that `name` looks like a misspelling of: upper case, no macro, and at most two edits
/// away from one (one edit for short names).
pub(super) fn nearest(name: &str) -> Option<String> {
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let known = find(name).is_some() || FieldName::known(name).is_some();
    if known || name.len() < 3 || name.bytes().all(|b| b.is_ascii_digit()) || !name.bytes().all(upper) {
        return None;
    }
    let bound = if name.len() <= 5 { 1 } else { 2 };
    let names: Vec<String> = macro_names().collect();
    nearest_within(bound, name, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a new macro is put where the search by halves does not find it.
    #[test]
    fn every_name_is_found_and_none_is_written_twice() {
        // They are searched by halves.
        assert!(MACROS.is_sorted_by_key(|row| row.0) && PARTS.is_sorted_by_key(|row| row.0));
        let names: Vec<String> = macro_names().collect();
        for (index, name) in names.iter().enumerate() {
            assert!(find(name).is_some(), "{name}");
            assert!(!names[..index].contains(name), "{name}");
        }
    }

    /// Breaks without it: a source sets a value under the name of a macro, and no template ever writes it.
    #[test]
    fn what_is_computed_cannot_be_kept() {
        assert!(["PRI", "LEVEL", "SOURCEIP", "DATE", "S_DATE", "P_TZ", "TAGS"].into_iter().all(is_computed));
        let kept = ["MSG", "HOST", "FULLHOST_FROM", "RAWMSG", "TRANSPORT", "S_PRI", "S_S_DATE", "pri", ""];
        assert!(!kept.into_iter().any(is_computed));
        assert_eq!(["R_HOUR", "HOUR", "X_HOUR"].map(without_clock), ["HOUR", "HOUR", "X_HOUR"]);
    }

    /// Breaks without it: a time has the stamp's value under a prefix that asks for another one.
    #[test]
    fn prefixes_choose_a_time() {
        assert_eq!(resolve("R_HOUR"), Value::Time(Clock::Received, Part::Hour));
        assert_eq!(resolve("P_TZ"), Value::Time(Clock::Current, Part::TzOffset));
        assert_eq!(resolve("S_HOST"), Value::Named((*b"S_HOST").into()));
        assert_eq!(resolve("S_S_HOUR"), Value::Named((*b"S_S_HOUR").into()));
    }

    /// Breaks without it: a number is read as a macro, and what a match set is not found.
    #[test]
    fn matches_are_values_like_others() {
        for name in ["0", "255", "256", "+1"] {
            assert_eq!(resolve(name), Value::Named(name.as_bytes().into()));
        }
    }

    /// Breaks without it: a misspelt macro writes nothing for ever and nobody is told, or each value of a
    /// source's own is.
    #[test]
    fn misspelt_macros_have_a_neighbour_and_ordinary_names_have_none() {
        assert_eq!(nearest("MESAGE").as_deref(), Some("MESSAGE"));
        assert_eq!(nearest("R_ISODTAE").as_deref(), Some("R_ISODATE"));
        assert_eq!(nearest("PROGRAMM").as_deref(), Some("PROGRAM"));
        for name in ["MESSAGE", "message", "APPLICATION", "X", "12", ".a.b", "HOST", ""] {
            assert_eq!(nearest(name), None, "{name}");
        }
    }
}
