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

impl ValueName {
    /// The name that `name` stands for, aliases included: MSG and MSGONLY, FULLHOST and `FULLHOST_FROM`.
    pub fn new(name: &str) -> Self {
        if matches!(name, "MESSAGE" | "MSG" | "MSGONLY") {
            return Self::Message;
        }
        match FieldName::known(name) {
            Some(id) => Self::Known(id),
            None if name.as_bytes().starts_with(SDATA) => Self::Structured(name.as_bytes().into()),
            None => Self::Text(name.as_bytes().into()),
        }
    }
}

/// The number of a match that a value called `name` has: 0 to 255, written without a sign or a zero in front.
pub fn match_number(name: &[u8]) -> Option<u8> {
    let sound = match name {
        [b'0'] => true,
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
