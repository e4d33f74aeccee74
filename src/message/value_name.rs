//! The names of values that steps set and unset: [`ValueName`].

use super::FieldName;

/// The name of structured data starts with it.
pub(crate) const SDATA: &[u8] = b".SDATA.";

/// The name of a value, looked up once for all messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueName {
    /// MESSAGE, the text.
    Message,
    /// A name that the engine knows.
    Known(FieldName),
    /// `.SDATA.id.param`: the whole name.
    Structured(Box<[u8]>),
    /// Any other name; the matches of a pattern are called `0` to `255`.
    Text(Box<[u8]>),
}

/// The name of a value, found in a message: a [`ValueName`] that borrows its text.
#[derive(Debug, Clone, Copy)]
pub(super) enum NameRef<'n> {
    Message,
    Known(FieldName),
    Structured(&'n [u8]),
    Text(&'n [u8]),
}

impl<'n> NameRef<'n> {
    /// The name that `name` stands for, aliases included.
    #[inline]
    pub(super) fn new(name: &'n [u8]) -> Self {
        // All names that are known start with a capital letter or a dot, and few others do.
        match name.first() {
            Some(b'A'..=b'Z' | b'.') => Self::reserved(name),
            _ => Self::Text(name),
        }
    }

    fn reserved(name: &'n [u8]) -> Self {
        if matches!(name, b"MESSAGE" | b"MSG" | b"MSGONLY") {
            return Self::Message;
        }
        match std::str::from_utf8(name).ok().and_then(FieldName::known) {
            Some(id) => Self::Known(id),
            None if name.starts_with(SDATA) => Self::Structured(name),
            None => Self::Text(name),
        }
    }
}

impl ValueName {
    /// The name that `name` stands for, aliases included: MSG and MSGONLY, FULLHOST and `FULLHOST_FROM`.
    pub fn new(name: &str) -> Self {
        match NameRef::new(name.as_bytes()) {
            NameRef::Message => Self::Message,
            NameRef::Known(id) => Self::Known(id),
            NameRef::Structured(name) => Self::Structured(name.into()),
            NameRef::Text(name) => Self::Text(name.into()),
        }
    }

    pub(super) fn borrowed(&self) -> NameRef<'_> {
        match self {
            Self::Message => NameRef::Message,
            Self::Known(id) => NameRef::Known(*id),
            Self::Structured(name) => NameRef::Structured(name),
            Self::Text(name) => NameRef::Text(name),
        }
    }
}

/// The number of a match that a value called `name` has: 0 to 255, written without a sign or a zero in front.
#[inline]
pub fn match_number(name: &[u8]) -> Option<u8> {
    match name {
        // Few patterns have more groups.
        [digit] => digit.is_ascii_digit().then(|| digit - b'0'),
        _ => long_match_number(name),
    }
}

/// The same for a name of more than one digit.
fn long_match_number(name: &[u8]) -> Option<u8> {
    let sound = match name {
        [b'1'..=b'9', rest @ ..] => rest.len() < 3 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !sound {
        return None;
    }
    let number = name.iter().fold(0_u16, |number, digit| number * 10 + u16::from(digit - b'0'));
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: an alias sets a value of its own, which no template reads.
    #[test]
    fn aliases_are_what_they_stand_for() {
        for name in ["MESSAGE", "MSG", "MSGONLY"] {
            assert_eq!(ValueName::new(name), ValueName::Message);
        }
        assert_eq!(ValueName::new("FULLHOST"), ValueName::Known(FieldName::Host));
        assert_eq!(ValueName::new(".SDATA.a.b"), ValueName::Structured((*b".SDATA.a.b").into()));
        for (_, text) in FieldName::KNOWN {
            assert!(!matches!(ValueName::new(text), ValueName::Text(_)), "{text}");
        }
        assert_eq!(ValueName::new("msg"), ValueName::Text((*b"msg").into()));
    }

    /// Breaks without it: a value with a number for its name is cleared as a match, or a match stays.
    #[test]
    fn matches_are_numbers_up_to_255() {
        let numbers = [("0", 0), ("1", 1), ("10", 10), ("99", 99), ("255", 255)];
        for (name, number) in numbers {
            assert_eq!(match_number(name.as_bytes()), Some(number));
        }
        for name in ["", "00", "01", "+1", "256", "999", "1000", "1a", "a"] {
            assert_eq!(match_number(name.as_bytes()), None, "{name}");
        }
    }
}
