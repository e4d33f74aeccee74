//! Numbers: which bare words are numbers, and which.
//!
//! ```text
//! 0x1F  0X1f          hexadecimal, no sign, no suffix
//! 0640                octal, no sign, no suffix; 0 and 089 are decimal
//! 10  -3  +7          decimal
//! 64k  64Ki  64KiB    k M G are steps of 1000, with i steps of 1024; a b at the end changes nothing
//! 1.5  -0.25          a float: digits on both sides of the point
//! ```
//!
//! The longest match wins, so a word that goes on after the number is not one: `5s`, `1.2.3` and `10.0.0.1`
//! are words.

/// The value of a bare word as a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// A whole number.
    Int(i64),
    /// A number with a decimal point.
    Float(f64),
    /// A number, but one that 64 bits do not hold.
    TooLarge,
}

/// Reads a whole word as a number; `None` when it is just a word.
pub(super) fn parse(word: &str) -> Option<Number> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        return all.then(|| i64::from_str_radix(digits, 16).map_or(Number::TooLarge, Number::Int));
    }
    let octal = |b: u8| (b'0'..=b'7').contains(&b);
    if word.len() > 1 && word.starts_with('0') && word.bytes().all(octal) {
        return Some(i64::from_str_radix(word, 8).map_or(Number::TooLarge, Number::Int));
    }
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (whole, rest) = word.split_at(word.len() - unsigned.len() + digits);
    if let Some(fraction) = rest.strip_prefix('.') {
        let all = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
        return all.then(|| word.parse().map_or(Number::TooLarge, Number::Float));
    }
    let factor = factor(rest)?;
    let value = whole.parse::<i64>().ok().and_then(|value| value.checked_mul(factor));
    Some(value.map_or(Number::TooLarge, Number::Int))
}

/// The factor that a suffix stands for.
fn factor(suffix: &str) -> Option<i64> {
    let suffix = suffix.strip_suffix(['b', 'B']).unwrap_or(suffix);
    let mut letters = suffix.chars();
    let power = match letters.next() {
        None => return Some(1),
        Some('k' | 'K') => 1,
        Some('m' | 'M') => 2,
        Some('g' | 'G') => 3,
        Some(_) => return None,
    };
    let step: i64 = match letters.next() {
        None => 1000,
        Some('i' | 'I') => 1024,
        Some(_) => return None,
    };
    letters.next().is_none().then(|| step.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: `64Ki`, `0x10` or `0640` has another value than in syslog-ng.
    #[test]
    fn reads_every_form() {
        let int = |word| match parse(word) {
            Some(Number::Int(value)) => value,
            other => panic!("{word}: {other:?}"),
        };
        for (word, value) in [
            ("0", 0),
            ("10", 10),
            ("-3", -3),
            ("+7", 7),
            ("0x1F", 31),
            ("0640", 0o640),
            ("089", 89),
            ("00", 0),
            ("5k", 5000),
            ("5K", 5000),
            ("5ki", 5120),
            ("5KiB", 5120),
            ("5Mb", 5_000_000),
            ("2Gi", 2 << 30),
            ("-1k", -1000),
            ("8b", 8),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(int(word), value, "{word}");
        }
        assert_eq!(parse("1.5"), Some(Number::Float(1.5)));
        assert_eq!(parse("-0.25"), Some(Number::Float(-0.25)));
    }

    /// Breaks without it: an address or a time is read as a number, and its rest is lost.
    #[test]
    fn longer_words_are_words() {
        for word in
            ["5s", "1.2.3", "10.0.0.1", "0x", "0xg", "1.", "-", "+", "k", "5kk", "5ib", "1e5", "1.5k", ""]
        {
            assert_eq!(parse(word), None, "{word}");
        }
    }

    /// Breaks without it: a number beyond 64 bits is a small one.
    #[test]
    fn too_large_is_said_and_not_wrapped() {
        for word in
            ["9223372036854775808", "0xffffffffffffffff", "10000000000G", "07777777777777777777777777"]
        {
            assert_eq!(parse(word), Some(Number::TooLarge), "{word}");
        }
    }
}
