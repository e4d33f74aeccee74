//! The part of a certificate that rustls does not tell: [`Certificate`], [`PeerFacts`].
//!
//! ```text
//! Certificate    = { TBSCertificate, algorithm, signature }                        RFC 5280 §4.1
//! TBSCertificate = { [0] version, serial, algorithm, issuer, { not before, not after }, subject, key,
//!                    [1] …, [2] …, [3] extensions }
//! Name           = { { { attribute's identifier, value } } }                       the most general first
//! ```
//!
//! The bytes are DER of a peer that may be anybody: every length is checked against what is there, nothing is
//! read twice, and what is not understood is no certificate. Whether it is to be trusted is not decided here.

use std::fmt::Write;

use rustls::pki_types::UnixTime;

/// What is known of the other side by its certificate, trusted or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PeerFacts {
    /// `.tls.x509_cn`: the common name.
    pub(crate) common_name: Option<String>,
    /// `.tls.x509_o`: the organization.
    pub(crate) organization: Option<String>,
    /// `.tls.x509_ou`: the unit of the organization.
    pub(crate) unit: Option<String>,
    /// `.tls.x509_fp`: the fingerprint in the configuration that is this certificate's.
    pub(crate) fingerprint: Option<String>,
}

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    subject: Vec<Attribute<'a>>,
    /// Seconds since the epoch.
    pub(super) not_before: i64,
    /// Seconds since the epoch.
    pub(super) not_after: i64,
    /// The identifiers of what it may be used for; `None` for anything.
    purposes: Option<Vec<&'a [u8]>>,
    /// True when it names hosts.
    pub(super) names_hosts: bool,
}

#[derive(Debug)]
struct Attribute<'a> {
    /// The identifier, as DER has it.
    kind: &'a [u8],
    value: String,
    /// True when it belongs to the one before it.
    continues: bool,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const UNIT: &[u8] = &[0x55, 4, 11];

/// The short names of attributes.
const NAMES: &[(&[u8], &str)] = &[
    (COMMON_NAME, "CN"),
    (UNIT, "OU"),
    (ORGANIZATION, "O"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 42], "GN"),
    (&[0x55, 4, 12], "title"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The extension with the purposes, and the purposes of the two sides.
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 29, 37];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
/// The extension with other names, and the marks of names and addresses of hosts in it.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 29, 17];
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

impl<'a> Certificate<'a> {
    /// Reads `der`; `None` when it is no certificate.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut signed = Reader(Reader(der).take(SEQUENCE)?);
        let mut body = Reader(signed.take(SEQUENCE)?);
        if body.sees(0xa0) {
            body.next()?;
        }
        // The serial number, the algorithm and the issuer.
        for _ in 0..3 {
            body.next()?;
        }
        let mut validity = Reader(body.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = attributes(body.take(SEQUENCE)?)?;
        body.take(SEQUENCE)?;
        let mut certificate = Self { subject, not_before, not_after, purposes: None, names_hosts: false };
        while let Some((tag, value)) = body.next() {
            if tag == 0xa3 {
                certificate.extensions(Reader(value).take(SEQUENCE)?)?;
            }
        }
        Some(certificate)
    }

    fn extensions(&mut self, list: &'a [u8]) -> Option<()> {
        let mut list = Reader(list);
        while !list.0.is_empty() {
            let mut extension = Reader(list.take(SEQUENCE)?);
            let kind = extension.take(IDENTIFIER)?;
            if extension.sees(BOOLEAN) {
                extension.next()?;
            }
            let mut value = Reader(extension.take(OCTETS)?);
            if kind == EXTENDED_KEY_USAGE {
                let mut purposes = Reader(value.take(SEQUENCE)?);
                let all = self.purposes.get_or_insert_default();
                while !purposes.0.is_empty() {
                    all.push(purposes.take(IDENTIFIER)?);
                }
            } else if kind == SUBJECT_ALT_NAME {
                let mut names = Reader(value.take(SEQUENCE)?);
                while !names.0.is_empty() {
                    self.names_hosts |= matches!(names.next()?, (DNS_NAME | IP_ADDRESS, _));
                }
            }
        }
        Some(())
    }

    /// Tells whether it may be used by a server (or else by a client).
    pub(super) fn is_for(&self, server: bool) -> bool {
        let purpose = if server { SERVER_AUTH } else { CLIENT_AUTH };
        self.purposes.as_ref().is_none_or(|purposes| purposes.contains(&purpose))
    }

    /// Tells whether `now` is in its time.
    pub(super) fn is_begun(&self, now: UnixTime) -> bool {
        now.as_secs().try_into().is_ok_and(|now: i64| self.not_before <= now)
    }

    /// Tells whether its time is over.
    pub(super) fn has_ended(&self, now: UnixTime) -> bool {
        now.as_secs().try_into().is_ok_and(|now: i64| self.not_after < now)
    }

    /// The common name.
    pub(super) fn common_name(&self) -> Option<&str> {
        self.first(COMMON_NAME)
    }

    /// What is known by it.
    pub(super) fn facts(&self) -> PeerFacts {
        let of = |kind| self.first(kind).map(str::to_owned);
        PeerFacts {
            common_name: of(COMMON_NAME),
            organization: of(ORGANIZATION),
            unit: of(UNIT),
            fingerprint: None,
        }
    }

    fn first(&self, kind: &[u8]) -> Option<&str> {
        let found = self.subject.iter().find(|attribute| attribute.kind == kind);
        found.map(|attribute| attribute.value.as_str())
    }

    /// The subject, the most specific part first: `CN=client1, OU=Unit, O=Org`. Signs that part it are
    /// escaped in values (RFC 4514 §2.4), so that no value looks like two.
    pub(super) fn subject(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for attribute in &self.subject {
            let mut text = name_of(attribute.kind);
            text.push('=');
            escape(&attribute.value, &mut text);
            match parts.last_mut() {
                Some(last) if attribute.continues => {
                    last.push('+');
                    last.push_str(&text);
                }
                _ => parts.push(text),
            }
        }
        parts.reverse();
        parts.join(", ")
    }
}

fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut out = Vec::new();
    let mut name = Reader(name);
    while !name.0.is_empty() {
        let mut set = Reader(name.take(SET)?);
        let mut continues = false;
        while !set.0.is_empty() {
            let mut pair = Reader(set.take(SEQUENCE)?);
            let kind = pair.take(IDENTIFIER)?;
            let (tag, value) = pair.next()?;
            out.push(Attribute { kind, value: text(tag, value), continues });
            continues = true;
        }
    }
    Some(out)
}

/// The text of a value.
fn text(tag: u8, value: &[u8]) -> String {
    match tag {
        // Latin 1, as it is used.
        0x14 => value.iter().map(|byte| char::from(*byte)).collect(),
        0x1e => {
            let units: Vec<u16> = value
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
                .collect();
            String::from_utf16_lossy(&units)
        }
        0x1c => value
            .chunks(4)
            .map(|four| four.iter().fold(0, |unit, byte| unit << 8 | u32::from(*byte)))
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

/// The short name of an attribute, or its identifier with dots.
fn name_of(kind: &[u8]) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == kind) {
        return (*name).to_owned();
    }
    let mut dotted = String::new();
    let mut part: u64 = 0;
    for byte in kind {
        part = part << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            // The first part has two numbers in it. Writing into a text does not fail.
            let _ = match (dotted.is_empty(), part) {
                (true, 0..80) => write!(dotted, "{}.{}", part / 40, part % 40),
                (true, _) => write!(dotted, "2.{}", part - 80),
                (false, _) => write!(dotted, ".{part}"),
            };
            part = 0;
        }
    }
    dotted
}

fn escape(value: &str, to: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (at, sign) in value.chars().enumerate() {
        let is_end = at == 0 || at == last;
        match sign {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => hex(sign, to),
            ' ' if is_end => hex(sign, to),
            '#' if at == 0 => hex(sign, to),
            sign if sign.is_control() => hex(sign, to),
            sign => to.push(sign),
        }
    }
}

/// Writes the bytes of `sign` as two digits each: so a pattern with a comma never matches one in a value.
fn hex(sign: char, to: &mut String) {
    for byte in sign.encode_utf8(&mut [0; 4]).bytes() {
        // Writing into a text does not fail.
        let _ = write!(to, "\\{byte:02X}");
    }
}

/// Reads values of DER, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn sees(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The tag and the content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        // Tags of more than one byte are in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, value))
    }

    /// The content of the next value, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        if !self.sees(tag) {
            return None;
        }
        self.next().map(|(_, value)| value)
    }

    /// The next value as seconds since the epoch: `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
    fn time(&mut self) -> Option<i64> {
        let (tag, value) = self.next()?;
        let digits = value.strip_suffix(b"Z")?;
        let (year, rest) = match (tag, digits.len()) {
            (0x17, 12) => {
                let year = number(&digits[..2])?;
                (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
            }
            (0x18, 14) => (number(&digits[..4])?, &digits[4..]),
            _ => return None,
        };
        let part = |at: usize| number(&rest[at..at + 2]).map(|part| part as i8);
        let time =
            jiff::civil::DateTime::new(year as i16, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0);
        let zoned = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(zoned.ok()?.timestamp().as_second())
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}
