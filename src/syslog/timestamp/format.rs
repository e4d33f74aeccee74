//! Stamps as text.
//!
//! ```text
//! write_rfc3339  2026-11-22T10:00:00.123456+01:00    RFC 3339 §5.6, RFC 5424 §6.2.3; also what `ts-format(iso)` is
//! write_bsd      Nov 22 10:00:00.123                 RFC 3164 §4.1.2; the day is padded with a space
//! write_full     2026 Nov 22 10:00:00.123            the BSD form with the year
//! write_unix     1795341600.123
//! ```
//!
//! Every writer takes the number of fraction digits, 0 to 6; digits are cut, not rounded, so that a second is
//! never one that did not begin yet. Everything is appended to the caller's buffer.
use super::civil::Civil;

/// Three letters a month.
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// The English abbreviation of a month from 1 to 12; a number outside is taken for the nearest one.
#[inline]
pub fn month_abbreviation(month: u8) -> &'static [u8] {
    let at = usize::from(month.clamp(1, 12) - 1) * 3;
    &MONTHS[at..at + 3]
}

/// Appends `2026-11-22T10:00:00.123+01:00`; an offset of 0 is `+00:00`.
pub fn write_rfc3339(civil: &Civil, offset_seconds: i32, frac_digits: u8, out: &mut Vec<u8>) {
    let [month, day] = [pair(civil.month), pair(civil.day)];
    write_year(civil.year, out);
    out.extend_from_slice(&[b'-', month[0], month[1], b'-', day[0], day[1], b'T']);
    write_time(civil, frac_digits, out);
    write_offset(offset_seconds, out);
}

/// Appends `Nov 22 10:00:00.123`.
pub fn write_bsd(civil: &Civil, frac_digits: u8, out: &mut Vec<u8>) {
    let mut day = pair(civil.day);
    if day[0] == b'0' {
        day[0] = b' ';
    }
    out.extend_from_slice(month_abbreviation(civil.month));
    out.extend_from_slice(&[b' ', day[0], day[1], b' ']);
    write_time(civil, frac_digits, out);
}

/// Appends `2026 Nov 22 10:00:00.123`.
pub fn write_full(civil: &Civil, frac_digits: u8, out: &mut Vec<u8>) {
    write_year(civil.year, out);
    out.push(b' ');
    write_bsd(civil, frac_digits, out);
}

/// Appends the seconds since 1970, `1795341600.123`.
pub fn write_unix(unix_micros: i64, frac_digits: u8, out: &mut Vec<u8>) {
    // Before 1970 the number is written as a decimal fraction is: -1 µs is -0.000001.
    if unix_micros < 0 {
        out.push(b'-');
    }
    let micros = unix_micros.unsigned_abs();
    write_number(micros / 1_000_000, out);
    write_fraction((micros % 1_000_000) as u32, frac_digits, out);
}

/// Appends `+01:00`, and `-07:30:20` for the rare offset with seconds.
pub fn write_offset(offset_seconds: i32, out: &mut Vec<u8>) {
    let seconds = offset_seconds.unsigned_abs();
    let [hour, minute] = [pair((seconds / 3600 % 100) as u8), pair((seconds / 60 % 60) as u8)];
    let sign = if offset_seconds < 0 { b'-' } else { b'+' };
    out.extend_from_slice(&[sign, hour[0], hour[1], b':', minute[0], minute[1]]);
    if !seconds.is_multiple_of(60) {
        let second = pair((seconds % 60) as u8);
        out.extend_from_slice(&[b':', second[0], second[1]]);
    }
}

/// Appends `10:00:00.123`.
pub fn write_time(civil: &Civil, frac_digits: u8, out: &mut Vec<u8>) {
    let [hour, minute, second] = [pair(civil.hour), pair(civil.minute), pair(civil.second)];
    let text = [hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1]];
    out.extend_from_slice(&text);
    write_fraction(civil.micros, frac_digits, out);
}

/// Appends `.123`, or nothing for 0 digits; more than 6 digits are 6.
pub fn write_fraction(micros: u32, frac_digits: u8, out: &mut Vec<u8>) {
    if frac_digits == 0 {
        return;
    }
    let [high, middle, low] = [micros / 10_000, micros / 100, micros].map(|n| pair((n % 100) as u8));
    let text = [b'.', high[0], high[1], middle[0], middle[1], low[0], low[1]];
    out.extend_from_slice(&text[..=usize::from(frac_digits.min(6))]);
}

/// The two digits of a number below 100.
#[inline]
fn pair(n: u8) -> [u8; 2] {
    PAIRS[usize::from(n % 100)]
}

/// At least four digits, with a sign for what ISO 8601 needs one for.
fn write_year(year: i32, out: &mut Vec<u8>) {
    if let 0..=9999 = year {
        let [century, rest] = [pair((year / 100) as u8), pair((year % 100) as u8)];
        out.extend_from_slice(&[century[0], century[1], rest[0], rest[1]]);
    } else {
        out.push(if year < 0 { b'-' } else { b'+' });
        let digits = year.unsigned_abs();
        for power in [1000, 100, 10] {
            if digits < power {
                out.push(b'0');
            }
        }
        write_number(u64::from(digits), out);
    }
}

/// Decimal digits without a leading zero.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The four forms of the module's table, letter by letter.
    #[test]
    fn forms() {
        let civil = Civil::from_unix(1_795_338_000_123_456, 3600);
        assert_eq!(text(|out| write_rfc3339(&civil, 3600, 6, out)), "2026-11-22T10:00:00.123456+01:00");
        assert_eq!(text(|out| write_rfc3339(&civil, -27_000, 0, out)), "2026-11-22T10:00:00-07:30");
        assert_eq!(text(|out| write_bsd(&civil, 3, out)), "Nov 22 10:00:00.123");
        assert_eq!(text(|out| write_full(&civil, 1, out)), "2026 Nov 22 10:00:00.1");
        assert_eq!(text(|out| write_unix(1_795_341_600_123_456, 9, out)), "1795341600.123456");
        assert_eq!(text(|out| write_unix(-1, 6, out)), "-0.000001");
    }

    /// RFC 3164 pads the day with a space, RFC 3339 with a zero; years outside four digits keep their sign.
    #[test]
    fn padding() {
        let civil = Civil::from_unix(0, 0);
        assert_eq!(text(|out| write_bsd(&civil, 0, out)), "Jan  1 00:00:00");
        assert_eq!(text(|out| write_year(12_026, out)), "+12026");
        assert_eq!(text(|out| write_year(-26, out)), "-0026");
        assert_eq!(text(|out| write_offset(-1, out)), "-00:00:01");
    }
}
