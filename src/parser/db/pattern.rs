//! Patterns of a pattern database: their text, and the parsers in it.
//!
//! ```text
//! pattern := ( literal | '@@' | '@' TYPE ( ':' name ( ':' parameter )? )? '@' )*
//! ```
//!
//! A parser takes the longest beginning of a text that is what it is for. It takes the same of the same text
//! each time, so that a place in a tree of patterns is come to in one way only.

use memchr::memmem::Finder;

use crate::message::ValueType;
use crate::pattern::{Flags, Matcher, Type};

/// A piece of a pattern.
#[derive(Debug)]
pub(super) enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// The part of a text that a parser takes.
    Parser(PatternParser),
}

/// A parser in a pattern.
#[derive(Debug, Clone)]
pub(super) struct PatternParser {
    /// The text between the signs: two parsers of one text are the same.
    pub(super) text: String,
    /// The name of the value; empty when it is not kept.
    pub(super) name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// ASCII letters and digits, and these bytes.
    Chars(Box<[bool; 256]>),
    /// The same, of these bytes alone; none at all too.
    OptionalSet(Box<[bool; 256]>),
    /// To this text.
    To(Box<Finder<'static>>),
    /// Between these bytes.
    Quoted(u8, u8),
    Any,
    Line,
    Number,
    Float,
    IPv4,
    IPv6,
    IpAny,
    /// So many pairs of hexadecimal digits.
    Pairs(usize),
    HostName,
    /// With these bytes around it.
    Email(Box<[u8]>),
    Pcre(Matcher),
}

/// The part of a text that a parser takes, from its start: the bytes of the value, and how many it takes in
/// all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) len: usize,
}

impl Taken {
    fn all(len: usize) -> Self {
        Self { start: 0, end: len, len }
    }
}

/// The words of the parsers, with what they need to be.
const WORDS: &[&str] = &[
    "STRING",
    "ESTRING",
    "QSTRING",
    "ANYSTRING",
    "NLSTRING",
    "NUMBER",
    "FLOAT",
    "DOUBLE",
    "IPv4",
    "IPv6",
    "IPvANY",
    "MACADDR",
    "LLADDR",
    "HOSTNAME",
    "EMAIL",
    "SET",
    "OPTIONALSET",
    "PCRE",
];

/// Reads the text of a pattern.
///
/// # Errors
/// A parser that there is not, or one without a parameter that it needs.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        literal.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let Some(end) = rest.find('@') else {
            return Err(
                "an `@` that begins a parser, and none that ends it: `@@` is the character".to_owned()
            );
        };
        let inside = &rest[..end];
        rest = &rest[end + 1..];
        if inside.is_empty() {
            literal.push(b'@');
            continue;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Parser(PatternParser::read(inside)?));
    }
    literal.extend_from_slice(rest.as_bytes());
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn set(bytes: &[u8]) -> Box<[bool; 256]> {
    let mut set = Box::new([false; 256]);
    for byte in bytes {
        set[usize::from(*byte)] = true;
    }
    set
}

impl PatternParser {
    fn read(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (word, name, parameter) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let parameter = parameter.unwrap_or_default();
        let bytes = parameter.as_bytes();
        let needed = |what: &str| {
            if bytes.is_empty() { Err(format!("@{word}@ needs a parameter: {what}")) } else { Ok(()) }
        };
        let kind = match word {
            "STRING" => {
                let mut set = set(bytes);
                (0..=255_u8).filter(u8::is_ascii_alphanumeric).for_each(|byte| set[usize::from(byte)] = true);
                Kind::Chars(set)
            }
            "ESTRING" => {
                needed("the text that ends it")?;
                Kind::To(Box::new(Finder::new(bytes).into_owned()))
            }
            "QSTRING" => {
                needed("the characters around it")?;
                Kind::Quoted(bytes[0], *bytes.get(1).unwrap_or(&bytes[0]))
            }
            "ANYSTRING" => Kind::Any,
            "NLSTRING" => Kind::Line,
            "NUMBER" => Kind::Number,
            "FLOAT" | "DOUBLE" => Kind::Float,
            "IPv4" => Kind::IPv4,
            "IPv6" => Kind::IPv6,
            "IPvANY" => Kind::IpAny,
            "MACADDR" => Kind::Pairs(6),
            "LLADDR" if bytes.is_empty() => Kind::Pairs(20),
            "LLADDR" => match parameter.parse() {
                Ok(pairs @ 1..=1000) => Kind::Pairs(pairs),
                _ => {
                    return Err(format!("@{word}@ has a number of bytes, from 1 to 1000, for its parameter"));
                }
            },
            "HOSTNAME" => Kind::HostName,
            "EMAIL" => Kind::Email(bytes.into()),
            "SET" => {
                needed("its characters")?;
                Kind::Chars(set(bytes))
            }
            "OPTIONALSET" => {
                needed("its characters")?;
                Kind::OptionalSet(set(bytes))
            }
            "PCRE" => {
                needed("a regular expression")?;
                let anchored = format!(r"\A(?:{parameter})");
                let matcher = Matcher::new(&anchored, Type::Pcre, Flags::default());
                Kind::Pcre(matcher.map_err(|error| format!("@PCRE@: {}", error.reason))?)
            }
            other => {
                let near = crate::nearest::did_you_mean(other, WORDS.iter().copied());
                let help = near.map_or(String::new(), |near| format!("; {near}"));
                return Err(format!("no parser is called `{other}`{help}"));
            }
        };
        Ok(Self { text: text.to_owned(), name: name.unwrap_or_default().to_owned(), kind })
    }

    /// The type of its values.
    pub(super) fn value_type(&self) -> ValueType {
        match self.kind {
            Kind::Number => ValueType::Integer,
            Kind::Float => ValueType::Double,
            _ => ValueType::String,
        }
    }

    /// The part that it takes of `text`.
    pub(super) fn take(&self, text: &[u8]) -> Option<Taken> {
        let some = |len: usize| (len > 0).then(|| Taken::all(len));
        match &self.kind {
            Kind::Chars(set) => some(run(text, |byte| set[usize::from(byte)])),
            Kind::OptionalSet(set) => Some(Taken::all(run(text, |byte| set[usize::from(byte)]))),
            Kind::To(end) => {
                let at = end.find(text)?;
                Some(Taken { start: 0, end: at, len: at + end.needle().len() })
            }
            Kind::Quoted(open, close) => quoted(text, *open, *close),
            Kind::Any => Some(Taken::all(text.len())),
            Kind::Line => {
                let end = memchr::memchr(b'\n', text);
                let end = end.map_or(text.len(), |end| end - usize::from(text[..end].ends_with(b"\r")));
                Some(Taken::all(end))
            }
            Kind::Number => some(number(text)),
            Kind::Float => some(float(text)),
            Kind::IPv4 => some(ipv4(text)),
            Kind::IPv6 => some(ipv6(text)),
            Kind::IpAny => some(ipv4(text)).or_else(|| some(ipv6(text))),
            Kind::Pairs(most) => some(pairs(text, *most)),
            Kind::HostName => some(host_name(text)),
            Kind::Email(around) => email(text, around),
            Kind::Pcre(matcher) => {
                let mut captures = matcher.captures();
                if !matcher.find_at(text, 0, &mut captures) {
                    return None;
                }
                captures.get(0).filter(|found| found.start == 0).map(|found| Taken::all(found.end))
            }
        }
    }
}

/// The length of the run of bytes that `is_meant` gives true for.
fn run(text: &[u8], is_meant: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !is_meant(*byte)).unwrap_or(text.len())
}

fn quoted(text: &[u8], open: u8, close: u8) -> Option<Taken> {
    if *text.first()? != open {
        return None;
    }
    let mut depth = 1_usize;
    for (at, byte) in text.iter().enumerate().skip(1) {
        if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(Taken { start: 1, end: at, len: at + 1 });
            }
        } else if *byte == open {
            depth += 1;
        }
    }
    None
}

fn sign(text: &[u8]) -> usize {
    usize::from(matches!(text.first(), Some(b'+' | b'-')))
}

fn number(text: &[u8]) -> usize {
    let sign = sign(text);
    let rest = &text[sign..];
    if let [b'0', b'x' | b'X', digits @ ..] = rest {
        let hex = run(digits, |byte| byte.is_ascii_hexdigit());
        if hex > 0 {
            return sign + 2 + hex;
        }
    }
    match run(rest, |byte| byte.is_ascii_digit()) {
        0 => 0,
        digits => sign + digits,
    }
}

fn float(text: &[u8]) -> usize {
    let sign_len = sign(text);
    let rest = &text[sign_len..];
    let whole = run(rest, |byte| byte.is_ascii_digit());
    let mut end = whole;
    let mut digits = whole;
    if rest.get(whole) == Some(&b'.') {
        let fraction = run(&rest[whole + 1..], |byte| byte.is_ascii_digit());
        digits += fraction;
        end += 1 + fraction;
    }
    if digits == 0 {
        return 0;
    }
    if let Some(b'e' | b'E') = rest.get(end) {
        let after = &rest[end + 1..];
        let exponent = sign(after);
        let more = run(&after[exponent..], |byte| byte.is_ascii_digit());
        if more > 0 {
            end += 1 + exponent + more;
        }
    }
    sign_len + end
}

/// The length of an address of four numbers up to 255.
fn ipv4(text: &[u8]) -> usize {
    let mut at = 0;
    for octet in 0..4 {
        if octet > 0 {
            if text.get(at) != Some(&b'.') {
                return 0;
            }
            at += 1;
        }
        let digits = run(&text[at..text.len().min(at + 4)], |byte| byte.is_ascii_digit());
        let value = text[at..at + digits].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        if !(1..=3).contains(&digits) || value > 255 {
            return 0;
        }
        at += digits;
    }
    at
}

/// The length of the longest address of IPv6 that the text begins with.
fn ipv6(text: &[u8]) -> usize {
    const LONGEST: usize = 45;
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let mut len = run(&text[..text.len().min(LONGEST)], is_part);
    while len >= 2 {
        let candidate = std::str::from_utf8(&text[..len]).unwrap_or_default();
        if candidate.parse::<std::net::Ipv6Addr>().is_ok() {
            return len;
        }
        len -= 1;
    }
    0
}

/// The length of pairs of hexadecimal digits with colons between.
fn pairs(text: &[u8], most: usize) -> usize {
    let is_pair = |at: usize| text.get(at..at + 2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    if !is_pair(0) {
        return 0;
    }
    let mut end = 2;
    for _ in 1..most {
        if text.get(end) != Some(&b':') || !is_pair(end + 1) {
            break;
        }
        end += 3;
    }
    end
}

/// The length of two labels or more with dots between.
fn host_name(text: &[u8]) -> usize {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let (mut end, mut labels) = (0, 0);
    loop {
        let start = if labels == 0 { 0 } else { end + 1 };
        let len = run(&text[start..], is_label);
        if len == 0 {
            break;
        }
        (end, labels) = (start + len, labels + 1);
        if text.get(end) != Some(&b'.') {
            break;
        }
    }
    if labels >= 2 { end } else { 0 }
}

/// An address of mail, without the bytes `around` it, which are taken with it.
fn email(text: &[u8], around: &[u8]) -> Option<Taken> {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let start = run(text, |byte| around.contains(&byte));
    let local = run(&text[start..], |byte| is_local(byte) && !around.contains(&byte));
    let at = start + local;
    let name = &text[start..at];
    if name.is_empty() || name.starts_with(b".") || name.ends_with(b".") || text.get(at) != Some(&b'@') {
        return None;
    }
    let domain = host_name(&text[at + 1..]);
    if domain == 0 {
        return None;
    }
    let end = at + 1 + domain;
    Some(Taken { start, end, len: end + run(&text[end..], |byte| around.contains(&byte)) })
}

#[cfg(test)]
mod tests;
