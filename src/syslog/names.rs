//! The names of facilities and severities, both ways.
//!
//! A priority is `facility * 8 + severity`. The numbers are those of RFC 5424 §6.2.1, tables 1 and 2:
//!
//! ```text
//! facility  0 kern    1 user    2 mail    3 daemon  4 auth   5 syslog  6 lpr    7 news
//!           8 uucp    9 cron   10 authpriv 11 ftp  12 ntp   13 security (log audit)
//!          14 console (log alert)  15 solaris-cron (clock daemon)  16..23 local0..local7
//! severity  0 emerg   1 alert   2 crit    3 err     4 warning 5 notice  6 info  7 debug
//! ```
//!
//! Reading is generous (any case, the aliases that syslog configurations have collected, plain numbers),
//! writing knows one name for each number.

/// `user.notice`: the priority of a message that comes without one (RFC 3164 §4.3.3).
pub const DEFAULT_PRI: u16 = 13;

/// `kern.notice`: the same for what the kernel says.
pub const KERNEL_PRI: u16 = 5;

/// `syslog.err`: the priority of an error note about a message that does not parse.
pub const ERROR_PRI: u16 = 43;

/// The name written for each facility.
pub(crate) const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// The name written for each severity.
pub(crate) const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Other words that are read as a facility.
const FACILITY_ALIASES: [(&str, u8); 8] = [
    ("kernel", 0),
    ("megasafe", 10),
    ("audit", 13),
    ("logaudit", 13),
    ("alert", 14),
    ("logalert", 14),
    ("clockd", 15),
    ("solaris_cron", 15),
];

/// Other words that are read as a severity.
const SEVERITY_ALIASES: [(&str, u8); 7] = [
    ("panic", 0),
    ("emergency", 0),
    ("critical", 2),
    ("error", 3),
    ("warn", 4),
    ("informational", 6),
    ("information", 6),
];

/// The name of a facility, or `None` above 23.
pub fn facility_name(facility: u8) -> Option<&'static str> {
    FACILITIES.get(usize::from(facility)).copied()
}

/// The name of a severity, or `None` above 7.
pub fn severity_name(severity: u8) -> Option<&'static str> {
    SEVERITIES.get(usize::from(severity)).copied()
}

/// The facility part of a priority.
pub fn facility_of(pri: u16) -> u16 {
    pri >> 3
}

/// The severity part of a priority.
pub fn severity_of(pri: u16) -> u8 {
    (pri & 7) as u8
}

/// The facility that `word` names: a name, an alias, or a number up to 127.
///
/// ```
/// use inrush::syslog::names::parse_facility;
/// assert_eq!(parse_facility("LOCAL3"), Some(19));
/// assert_eq!(parse_facility("security"), Some(13));
/// ```
pub fn parse_facility(word: &str) -> Option<u8> {
    look_up(word, &FACILITIES, &FACILITY_ALIASES, 127)
}

/// The severity that `word` names: a name, an alias, or a number up to 7.
///
/// ```
/// use inrush::syslog::names::parse_severity;
/// assert_eq!(parse_severity("warn"), Some(4));
/// assert_eq!(parse_severity("panic"), Some(0));
/// ```
pub fn parse_severity(word: &str) -> Option<u8> {
    look_up(word, &SEVERITIES, &SEVERITY_ALIASES, 7)
}

/// The words that are read as a facility: for a suggestion.
pub fn facility_words() -> impl Iterator<Item = &'static str> {
    FACILITIES.into_iter().chain(FACILITY_ALIASES.into_iter().map(|(name, _)| name))
}

/// The words that are read as a severity: for a suggestion.
pub fn severity_words() -> impl Iterator<Item = &'static str> {
    SEVERITIES.into_iter().chain(SEVERITY_ALIASES.into_iter().map(|(name, _)| name))
}

/// The set of severities between two, as a mask with bit `n` for severity `n`: what `level(info..emerg)`
/// means.
///
/// The order of the two ends does not matter.
///
/// ```
/// use inrush::syslog::names::severity_range;
/// assert_eq!(severity_range(3, 0), 0b1111);
/// ```
pub fn severity_range(from: u8, to: u8) -> u8 {
    let (low, high) = (from.min(to).min(7), from.max(to).min(7));
    (u8::MAX >> (7 - high)) & (u8::MAX << low)
}

/// One list or the other, or a number that is not above `max`.
fn look_up(word: &str, names: &[&str], aliases: &[(&str, u8)], max: u8) -> Option<u8> {
    let word = word.trim();
    let written = names.iter().position(|name| name.eq_ignore_ascii_case(word)).map(|at| at as u8);
    let alias = || aliases.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, n)| *n);
    let number = || {
        let all_digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        all_digits.then(|| word.parse::<u8>().ok()).flatten().filter(|n| *n <= max)
    };
    written.or_else(alias).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every written name is read back as its number: filters and templates agree.
    #[test]
    fn names_and_numbers_agree() {
        for n in 0..24 {
            assert_eq!(parse_facility(facility_name(n).unwrap()), Some(n));
        }
        for n in 0..8 {
            assert_eq!(parse_severity(severity_name(n).unwrap()), Some(n));
        }
        assert_eq!((facility_name(24), severity_name(8)), (None, None));
        assert!(facility_words().all(|word| parse_facility(word).is_some_and(|n| n < 24)));
        assert!(severity_words().all(|word| parse_severity(word).is_some()));
    }

    /// Without the aliases common configurations would not load; without the bounds nonsense would.
    #[test]
    fn aliases_numbers_and_bounds() {
        assert_eq!(parse_severity("Error"), Some(3));
        assert_eq!(parse_severity("informational"), Some(6));
        assert_eq!(parse_facility("24"), Some(24));
        assert_eq!(parse_facility("128"), None);
        assert_eq!(parse_severity("8"), None);
        assert_eq!(parse_severity(""), None);
        assert_eq!(parse_severity("+1"), None);
    }

    /// A range is the same from either end, and one severity is a range too.
    #[test]
    fn ranges() {
        assert_eq!(severity_range(0, 7), 0xff);
        assert_eq!(severity_range(4, 4), 1 << 4);
        assert_eq!(severity_range(2, 5), severity_range(5, 2));
        assert_eq!(severity_range(2, 5), 0b0011_1100);
    }
}
