//! The names of macros, and what each of them is.

use std::fmt;

use super::computed::{self, Append};
use super::time::{Clock, PARTS, Part};
use crate::message::{FieldName, Lookup, ValueType};
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
    Named(Box<Lookup>),
    /// A part of a time.
    Time(Clock, Part),
    /// A text that is computed.
    Macro(Macro),
    /// The values called `1`, `2` … up to the highest, as a list.
    Matches,
    /// The element that a template is formatted for, `$_`.
    Element,
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
            Self::Macro(computed) => computed.is_steady,
            Self::Element => false,
        }
    }

    /// Tells whether it is a macro, and no value of the message.
    pub(super) fn is_macro(&self) -> bool {
        !matches!(self, Self::Message | Self::Host | Self::Known(_) | Self::Named(_) | Self::Element)
    }

    /// The type of what is not stored with one.
    pub(super) fn static_type(&self) -> ValueType {
        match self {
            Self::Time(_, part) => part.value_type(),
            Self::Macro(computed) => computed.value_type,
            Self::Matches => ValueType::List,
            _ => ValueType::String,
        }
    }
}

/// A macro that is computed: from a message, its origin or the context.
#[derive(Clone, Copy)]
pub(super) struct Macro {
    /// The type of its value.
    value_type: ValueType,
    /// The type that Python reads it as: numbers that templates have as text are numbers there.
    read_type: ValueType,
    /// It is the same for what [`Template::is_steady`](super::Template::is_steady) names.
    is_steady: bool,
    /// A value may be kept under its name all the same.
    is_kept: bool,
    /// Appends its value.
    pub(super) append: Append,
}

impl Macro {
    const fn of(value_type: ValueType, append: Append) -> Self {
        Self { value_type, read_type: value_type, is_steady: true, is_kept: false, append }
    }
}

impl fmt::Debug for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Macro").field("value_type", &self.value_type).finish_non_exhaustive()
    }
}

impl PartialEq for Macro {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.append, other.append)
    }
}

impl Eq for Macro {}

/// A macro that is a text.
const fn text(append: Append) -> Value {
    Value::Macro(Macro::of(ValueType::String, append))
}

/// A macro that is a whole number.
const fn number(append: Append) -> Value {
    Value::Macro(Macro::of(ValueType::Integer, append))
}

/// A macro that is a text of digits.
const fn digits(append: Append) -> Value {
    Value::Macro(Macro { read_type: ValueType::Integer, ..Macro::of(ValueType::String, append) })
}

/// The same, for one that may differ between two messages that have all else in common.
const fn varying_digits(append: Append) -> Value {
    let digits = Macro { read_type: ValueType::Integer, ..Macro::of(ValueType::String, append) };
    Value::Macro(Macro { is_steady: false, ..digits })
}

/// A macro that may differ between two messages that have all else in common.
const fn varying(value_type: ValueType, append: Append) -> Value {
    Value::Macro(Macro { is_steady: false, ..Macro::of(value_type, append) })
}

/// The macros that are no times, in ASCII order.
const MACROS: &[(&str, Value)] = &[
    ("BSDTAG", text(computed::bsd_tag)),
    ("CONTEXT_ID", Value::Element),
    ("DESTIP", text(computed::dest_ip)),
    ("DESTPORT", number(computed::dest_port)),
    ("FACILITY", text(computed::facility)),
    ("FACILITY_NUM", number(computed::facility_num)),
    ("FULLHOST", Value::Known(FieldName::Host)),
    ("FULLHOST_FROM", Value::Known(FieldName::HostFrom)),
    ("HOST", Value::Host),
    ("HOSTID", text(computed::host_id)),
    ("HOST_FROM", Value::Known(FieldName::HostFrom)),
    ("IP_PROTO", number(computed::ip_proto)),
    ("LEGACY_MSGHDR", Value::Known(FieldName::LegacyMsgHdr)),
    ("LEVEL", text(computed::severity)),
    ("LEVEL_NUM", number(computed::severity_num)),
    ("LOGHOST", text(computed::log_host)),
    ("MESSAGE", Value::Message),
    ("MSG", Value::Message),
    ("MSGFORMAT", Value::Known(FieldName::MsgFormat)),
    ("MSGHDR", text(computed::message_header)),
    ("MSGID", Value::Known(FieldName::MsgId)),
    ("MSGONLY", Value::Message),
    ("PEERIP", text(computed::peer_ip)),
    ("PEERPORT", number(computed::peer_port)),
    ("PID", Value::Known(FieldName::Pid)),
    ("PRI", digits(computed::pri)),
    ("PRIORITY", text(computed::severity)),
    ("PROGRAM", Value::Known(FieldName::Program)),
    ("PROTO", number(computed::proto)),
    ("PROTO_NAME", text(computed::proto_name)),
    ("RAWMSG", Value::Known(FieldName::RawMsg)),
    ("RAWMSG_SIZE", varying(ValueType::Integer, computed::raw_size)),
    ("RCPTID", varying_digits(computed::rcpt_id)),
    ("RUNID", digits(computed::run_id)),
    ("SDATA", text(computed::sdata)),
    ("SEQNUM", varying_digits(computed::seq_num)),
    ("SEVERITY", text(computed::severity)),
    ("SEVERITY_NUM", number(computed::severity_num)),
    ("SOURCE", text(computed::source)),
    ("SOURCEIP", text(computed::source_ip)),
    ("SOURCEPORT", number(computed::source_port)),
    ("SYSUPTIME", digits(computed::sys_up_time)),
    ("TAG", text(computed::tag)),
    ("TAGS", Value::Macro(Macro::of(ValueType::List, computed::tags))),
    ("TRANSPORT", Value::Macro(Macro { is_kept: true, ..Macro::of(ValueType::String, computed::transport) })),
    ("UNIQID", varying(ValueType::String, computed::uniq_id)),
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
        return Value::Element;
    }
    match FieldName::known(name) {
        Some(id) => Value::Known(id),
        None => Value::Named(Box::new(Lookup::new(name.as_bytes()))),
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
        Ok(at) => match &MACROS[at].1 {
            Value::Macro(computed) => !computed.is_kept,
            value => *value == Value::Element,
        },
        Err(_) => PARTS.binary_search_by_key(&split(name).1, |(text, _)| text).is_ok(),
    }
}

/// Tells whether `name` is a macro, also one whose value may be kept.
pub fn is_macro(name: &str) -> bool {
    find(name).is_some()
}

/// The macros that give a value of their name where there is one, and are computed otherwise.
const SETTABLE: [&str; 4] = ["PEERIP", "PEERPORT", "SOURCE", "TRANSPORT"];

/// Tells whether steps may set a value called `name`, so that templates show it.
pub(crate) fn is_settable(name: &str) -> bool {
    !is_computed(name) || SETTABLE.contains(&name)
}

/// The type that Python reads the macro called `name` as; text, when there is none.
pub fn macro_type(name: &str) -> ValueType {
    match find(name) {
        Some(Value::Macro(computed)) => computed.read_type,
        Some(Value::Time(_, part)) => part.read_type(),
        _ => ValueType::String,
    }
}

/// The names of all macros; those of times once without and once with each prefix.
pub fn macro_names() -> impl Iterator<Item = String> {
    let plain = MACROS.iter().map(|(name, _)| *name).chain(PARTS.iter().map(|(name, _)| *name));
    let prefixed =
        PREFIXES.iter().flat_map(|(prefix, _)| PARTS.iter().map(move |(name, _)| format!("{prefix}{name}")));
    plain.map(str::to_owned).chain(prefixed)
}

/// The macros that scopes and patterns of value-pairs find, with their names: not those that are values of a
/// message, but for HOST and MSG.
pub(super) fn macro_values() -> impl Iterator<Item = (String, Value)> {
    macro_names().filter_map(|name| {
        let value = find(&name)?;
        let is_macro = match &value {
            Value::Macro(computed) => !computed.is_kept && name != "SOURCE",
            Value::Message => name == "MSG",
            Value::Known(_) | Value::Named(_) => false,
            _ => true,
        };
        is_macro.then_some((name, value))
    })
}

/// The macro that `name` looks like a misspelling of: upper case, no macro, and at most two edits
/// away from one (one edit for short names).
pub(crate) fn nearest(name: &str) -> Option<String> {
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
    }

    /// Breaks without it: Python reads a number of a message as bytes, or a text as a number; JSON has a
    /// number where syslog-ng has a text.
    #[test]
    fn macros_have_types() {
        use ValueType::{Datetime, Integer, List, String};
        for (name, read, value_type) in [
            ("PRI", Integer, String),
            ("LEVEL_NUM", Integer, Integer),
            ("SOURCEPORT", Integer, Integer),
            ("R_HOUR", Integer, String),
            ("X_HOUR", String, String),
            ("DATE", String, String),
            ("C_UNIXTIME", Datetime, Datetime),
            ("TAGS", List, List),
            ("UNIQID", String, String),
            ("RCPTID", Integer, String),
            ("SEQNUM", Integer, String),
        ] {
            assert_eq!((macro_type(name), resolve(name).static_type()), (read, value_type), "{name}");
        }
    }

    /// Breaks without it: a time has the stamp's value under a prefix that asks for another one.
    #[test]
    fn prefixes_choose_a_time() {
        assert_eq!(resolve("R_HOUR"), Value::Time(Clock::Received, Part::Hour));
        assert_eq!(resolve("P_TZ"), Value::Time(Clock::Current, Part::TzOffset));
        assert_eq!(resolve("S_HOST"), Value::Named(Box::new(Lookup::new(b"S_HOST"))));
        assert_eq!(resolve("S_S_HOUR"), Value::Named(Box::new(Lookup::new(b"S_S_HOUR"))));
    }

    /// Breaks without it: a number is read as a macro, and what a match set is not found.
    #[test]
    fn matches_are_values_like_others() {
        for name in ["0", "255", "256", "+1"] {
            assert_eq!(resolve(name), Value::Named(Box::new(Lookup::new(name.as_bytes()))));
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
