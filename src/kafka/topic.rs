//! The names that a topic may have.
#![forbid(unsafe_code)]

/// The longest name of a topic, in bytes.
const LONGEST: usize = 249;

/// Checks that `name` can be a topic: 1 to 249 letters, digits, dots, underscores and hyphens, and not `.` or
/// `..`.
///
/// # Errors
/// The rule that it breaks, as the end of a sentence.
pub(crate) fn check(name: &[u8]) -> Result<(), &'static str> {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    match name {
        b"" => Err("is empty"),
        b"." | b".." => Err("may not be `.` or `..`"),
        _ if name.len() > LONGEST => Err("has more than 249 bytes"),
        _ if !name.iter().all(is_legal) => Err("may have letters, digits, `.`, `_` and `-` alone"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a message chooses a topic that the broker refuses, and is lost instead of going to
    /// `fallback-topic()`.
    #[test]
    fn names_are_those_that_a_broker_takes() {
        let longest = "x".repeat(249);
        for name in ["a", "logs.web-1_x", "...", &longest] {
            assert_eq!(check(name.as_bytes()), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "ä", "$X", "a\0", &"x".repeat(250)] {
            assert!(check(name.as_bytes()).is_err(), "{name}");
        }
    }
}
