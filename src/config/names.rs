//! Names of facilities and severities.
use super::parser::{Parsed, Parser};
use super::token::TokenKind;

const FACILITIES: &[(&str, u8)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("security", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("ntp", 12),
    ("audit", 13),
    ("alert", 14),
    ("console", 14),
    ("clockd", 15),
    ("solaris-cron", 15),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

const SEVERITIES: &[(&str, u8)] = &[
    ("emerg", 0),
    ("panic", 0),
    ("emergency", 0),
    ("alert", 1),
    ("crit", 2),
    ("critical", 2),
    ("err", 3),
    ("error", 3),
    ("warning", 4),
    ("warn", 4),
    ("notice", 5),
    ("info", 6),
    ("informational", 6),
    ("debug", 7),
];

impl Parser {
    /// A facility, by its name or its number (0 to 127).
    pub(super) fn facility(&mut self) -> Parsed<u8> {
        if let TokenKind::Number(..) = self.peek().kind {
            return self.integer(0, 127).map(|number| number as u8);
        }
        self.choice(FACILITIES)
    }

    /// A severity, by its name or its number (0 to 7).
    pub(super) fn severity(&mut self) -> Parsed<u8> {
        if let TokenKind::Number(..) = self.peek().kind {
            return self.integer(0, 7).map(|number| number as u8);
        }
        self.choice(SEVERITIES)
    }
}
