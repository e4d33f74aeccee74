//! The meaning of a value's text under its type: one set of rules for all that reads values.
//!
//! | type | text |
//! |---|---|
//! | integer | decimal, or hexadecimal after `0x`; white space and a sign in front; what is beyond 64 bits counts as the nearest number that is not |
//! | double | a decimal with a fraction and an exponent, hexadecimal after `0x`, `inf`, `nan`; white space and a sign in front |
//! | boolean | the first letter: `T`, `t` or `1`, `F`, `f` or `0` |
//! | datetime | seconds since the epoch, perhaps a fraction of up to nine digits, perhaps an offset from UTC as `+02:00` |
//!
//! Nothing may stand behind a number. Any text is a string, a list ([`list`](super::list)), a JSON document
//! or null.

/// The integer that `text` is.
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    let (digits, radix) = match digits {
        [b'0', b'x' | b'X', hex @ ..] => (hex, 16),
        _ => (digits, 10),
    };
    whole(negative, digits, radix).map(|number| number.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// The decimal integer of at most 64 bits that `text` is.
pub fn decimal(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    whole(negative, digits, 10)?.try_into().ok()
}

/// The number that `text` is; none that only infinity would stand for.
pub fn double(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', hex @ ..] => hexadecimal(hex)?,
        [b'0'..=b'9' | b'.', ..] => {
            let number: f64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
            number.is_finite().then_some(number)?
        }
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        word if word.eq_ignore_ascii_case(b"nan") => f64::NAN,
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The truth that `text` is.
pub fn boolean(text: &[u8]) -> Option<bool> {
    match text.first()? {
        b'T' | b't' | b'1' => Some(true),
        b'F' | b'f' | b'0' => Some(false),
        _ => None,
    }
}

/// A point in time, as the text of a datetime says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datetime {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// Nanoseconds since that second.
    pub nanos: u32,
    /// Seconds east of UTC, where the text says so.
    pub offset_seconds: Option<i32>,
}

/// The point in time that `text` is.
pub fn datetime(text: &[u8]) -> Option<Datetime> {
    let (negative, rest) = sign(text);
    let (whole_digits, mut rest) = digits(rest);
    let magnitude = whole(false, whole_digits, 10)?;
    let mut nanos = 0_i64;
    if let [b'.', after @ ..] = rest {
        let (fraction, after) = digits(after);
        if fraction.len() > 9 {
            return None;
        }
        let scale = 10_i64.pow(9 - fraction.len() as u32);
        nanos = fraction.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')) * scale;
        rest = after;
    }
    let offset_seconds = if rest.is_empty() { None } else { Some(offset(rest)?) };
    let total = magnitude * 1_000_000_000 + i128::from(nanos);
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
    Some(Datetime { seconds, nanos: total.rem_euclid(1_000_000_000) as u32, offset_seconds })
}

impl Datetime {
    /// Milliseconds since the epoch, rounded down.
    pub fn millis(&self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// Microseconds since the epoch, rounded down.
    pub fn micros(&self) -> i64 {
        self.seconds.saturating_mul(1_000_000).saturating_add(i64::from(self.nanos / 1000))
    }
}

/// Appends `number` with 17 digits, as `%.17g` of C writes it: what sums of templates are.
pub fn push_double(number: f64, out: &mut Vec<u8>) {
    push_scientific(number, &format!("{number:.16e}"), out);
}

/// Appends the shortest text that reads back as `number`, in the same layout: what JSON has.
pub fn push_shortest(number: f64, out: &mut Vec<u8>) {
    push_scientific(number, &format!("{number:e}"), out);
}

/// Appends the number that Rust writes as `text`, one digit before the point, in the layout of `%.17g`.
fn push_scientific(number: f64, text: &str, out: &mut Vec<u8>) {
    if !number.is_finite() {
        let text = if number.is_nan() { "nan" } else { "inf" };
        out.extend_from_slice(if number < 0.0 { b"-" } else { b"" });
        return out.extend_from_slice(text.as_bytes());
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        some => some,
    };
    if text.starts_with('-') {
        out.push(b'-');
    }
    if !(-4..17).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("{first}{point}{rest}e{sign}{:02}", exponent.abs()).as_bytes());
        return;
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        return out.extend_from_slice(digits.as_bytes());
    }
    let before = exponent as usize + 1;
    let (whole, fraction) = digits.split_at(before.min(digits.len()));
    out.extend_from_slice(whole.as_bytes());
    out.resize(out.len() + before - whole.len(), b'0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Tells whether a sign of minus stands in front, and what stands behind white space and sign.
fn sign(text: &[u8]) -> (bool, &[u8]) {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    }
}

/// The digits that `text` starts with, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

/// The number that `digits` are, all of them; far beyond 64 bits, one that is beyond them.
fn whole(negative: bool, digits: &[u8], radix: u32) -> Option<i128> {
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_i128;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        number = (number * i128::from(radix) + i128::from(digit)).min(i128::MAX >> 32);
    }
    Some(if negative { -number } else { number })
}

/// `h`, `h.h`, `h.hp±d`, of C's hexadecimal numbers.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
    let power: i32 = match &text[end..] {
        [] => 0,
        [_, power @ ..] => std::str::from_utf8(power).ok()?.parse().ok()?,
    };
    let (mut number, mut scale, mut seen, mut point) = (0.0_f64, 0_i32, false, false);
    for byte in &text[..end] {
        if *byte == b'.' && !point {
            point = true;
            continue;
        }
        number = number * 16.0 + f64::from(char::from(*byte).to_digit(16)?);
        scale -= if point { 4 } else { 0 };
        seen = true;
    }
    let number = number * f64::from(scale.saturating_add(power)).exp2();
    (seen && number.is_finite()).then_some(number)
}

/// `±hh:mm`, less than a day, in seconds.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, [h1, h2, b':', m1, m2]) = text.split_first()? else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (hours, minutes) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Breaks without it: JSON and comparisons read a number that C would not, or another one.
    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("42", Some(42)),
            (" \t+00014", Some(14)),
            ("-0x14", Some(-20)),
            ("0XfF", Some(255)),
            ("014", Some(14)),
            ("9223372036854775808", Some(i64::MAX)),
            ("-99999999999999999999999999999999999999999999", Some(i64::MIN)),
            ("", None),
            (" ", None),
            ("5 ", None),
            ("5x", None),
            ("0x", None),
            ("1.5", None),
            ("--5", None),
        ] {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(
            (decimal(b"9223372036854775808"), decimal(b"0x10"), decimal(b" -7")),
            (None, None, Some(-7))
        );
        for (text, expected) in [
            ("1.5", Some(1.5)),
            (".25", Some(0.25)),
            ("5.", Some(5.0)),
            (" -1e3", Some(-1000.0)),
            ("0x10", Some(16.0)),
            ("0x1.8p1", Some(3.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("1e", None),
            ("", None),
            ("1k", None),
            ("e5", None),
            ("0x", None),
        ] {
            assert_eq!(double(text.as_bytes()), expected, "{text}");
        }
        assert!(double(b"nan").is_some_and(f64::is_nan));
        let truths =
            [("true", Some(true)), ("1x", Some(true)), ("False", Some(false)), ("yes", None), ("", None)];
        for (text, expected) in truths {
            assert_eq!(boolean(text.as_bytes()), expected, "{text}");
        }
    }

    /// Breaks without it: a time is off by its zone or its fraction.
    #[test]
    fn datetimes_have_a_fraction_and_an_offset() {
        let read = |text: &str| {
            datetime(text.as_bytes()).map(|read| (read.seconds, read.nanos, read.offset_seconds))
        };
        assert_eq!(read("1700000000"), Some((1_700_000_000, 0, None)));
        assert_eq!(read("1700000000.25+05:00"), Some((1_700_000_000, 250_000_000, Some(18_000))));
        assert_eq!(read("-0.75"), Some((-1, 250_000_000, None)));
        assert_eq!(read("5.-00:30"), Some((5, 0, Some(-1800))));
        for bad in ["", "x", "5x", "1.1234567890", "5+5:00", "5+24:00", "5+05:60", "5 "] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(datetime(b"-0.0005").unwrap().millis(), -1);
    }

    /// Breaks without it: a sum or a member of JSON has another text than C's `%.17g` or the shortest.
    #[test]
    fn doubles_are_written_as_c_writes_them() {
        let text = |push: fn(f64, &mut Vec<u8>), number: f64| {
            let mut out = Vec::new();
            push(number, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (number, seventeen, shortest) in [
            (0.1, "0.10000000000000001", "0.1"),
            (1.5, "1.5", "1.5"),
            (1e17, "1e+17", "1e+17"),
            (1e16, "10000000000000000", "10000000000000000"),
            (1e20, "1e+20", "1e+20"),
            (-0.0, "-0", "-0"),
            (0.0001, "0.0001", "0.0001"),
            (1.5e-5, "1.5e-05", "1.5e-05"),
            (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
            (f64::NEG_INFINITY, "-inf", "-inf"),
            (f64::NAN, "nan", "nan"),
        ] {
            assert_eq!(text(push_double, number), seventeen);
            assert_eq!(text(push_shortest, number), shortest);
        }
    }

    proptest! {
        /// Breaks without it: a number is not the same one after it was written and read.
        #[test]
        fn doubles_come_back(number: f64) {
            for push in [push_double, push_shortest] {
                let mut out = Vec::new();
                push(number, &mut out);
                let back = double(&out).unwrap();
                prop_assert!(back.to_bits() == number.to_bits() || number.is_nan() && back.is_nan());
            }
        }

        /// Breaks without it: some text panics.
        #[test]
        fn any_text_is_read_or_refused(text: Vec<u8>) {
            let _ = (integer(&text), decimal(&text), double(&text), boolean(&text), datetime(&text));
        }
    }
}
