//! Times as senders write them, read with integer arithmetic.
//!
//! ```text
//! ISO         2026-11-22T10:00:00[.fraction][zone]      RFC 5424 §6.2.3, RFC 3339 §5.6; a space for the T as well
//! BSD         Nov 22 10:00:00[.fraction][ more]         RFC 3164 §4.1.2
//!             Nov 22 2026 10:00:00…                     firewalls
//! year first  2026 Nov 22 10:00:00…                     routers
//! more        a zone (+0100, CET, Z) and a year, each after a space, in any order, at most one of each
//! ```
//!
//! Fractions have any number of digits, of which six are kept; `,` is read as `.`. Second 60 is a leap
//! second, and becomes the first of the next minute, as Unix time has it. Offsets reach to ±23:59. A day that
//! its month does not have makes it no stamp at all.
//!
//! Each reader takes the text from where the stamp should begin, and gives the reading and its length.
use super::civil::{days_in_month, is_leap};
use super::{Stamp, Zone};

/// A stamp as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// The year, if there was one.
    pub year: Option<i32>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the month's last.
    pub day: u8,
    /// 0 to 86 400: a leap second is counted on.
    pub second_of_day: u32,
    /// 0 to 999 999.
    pub micros: u32,
    /// The offset in seconds, if there was one.
    pub offset: Option<i32>,
}

/// Reads a whole RFC 3339 stamp: date, `T` or space, time, fraction and offset.
///
/// `None` when the text is not one, or has no offset.
///
/// ```
/// use inrush::syslog::timestamp::parse_rfc3339;
/// let stamp = parse_rfc3339(b"2003-10-11T22:14:15.003-07:00").unwrap();
/// assert_eq!((stamp.unix_micros, stamp.offset_seconds), (1_065_935_655_003_000, -25_200));
/// ```
pub fn parse_rfc3339(text: &[u8]) -> Option<Stamp> {
    let (reading, len) = read_iso(text)?;
    let offset_seconds = reading.offset.filter(|_| len == text.len())?;
    let days = super::days_from_civil(reading.year?, reading.month, reading.day);
    let seconds = days * super::civil::DAY + i64::from(reading.second_of_day) - i64::from(offset_seconds);
    Some(Stamp { unix_micros: seconds * 1_000_000 + i64::from(reading.micros), offset_seconds })
}

/// Reads the ISO form; the offset is optional.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "its result is too large for registers: a call of its own costs a message a seventh"
)]
pub(crate) fn read_iso(text: &[u8]) -> Option<(Reading, usize)> {
    let (head, rest) = text.split_first_chunk::<11>()?;
    let [.., d0, d1, b'T' | b't' | b' '] = *head else { return None };
    let pairs = pairs(*text.first_chunk()?, *b"0000-00-")?;
    let year = i32::from(pairs[0]) * 100 + i32::from(pairs[2]);
    let (month, day) = (pairs[5], two(d0, d1));
    let (second_of_day, micros, time) = read_time(rest)?;
    // Most days are in every month.
    let in_any = (1..=12).contains(&month) && (1..=28).contains(&day);
    if !in_any && (day == 0 || day > days_in_month(year, month)) {
        return None;
    }
    let (offset, zone) = match read_offset(&rest[time..]) {
        Some((offset, len)) => (Some(offset), len),
        None => (None, 0),
    };
    Some((Reading { year: Some(year), month, day, second_of_day, micros, offset }, 11 + time + zone))
}

/// Reads the BSD form: the month first, the year perhaps between the day and the time or after them.
#[inline]
pub(crate) fn read_bsd(text: &[u8], zone: &Zone) -> Option<(Reading, usize)> {
    let month = month(text)?;
    if text.get(3) != Some(&b' ') {
        return None;
    }
    let (day, mut at) = read_day(text, 4)?;
    let mut year = None;
    if let Some(between) = read_year(&text[at..]) {
        year = Some(between);
        at += 5;
    }
    finish_bsd(text, at, year, month, day, zone)
}

/// Reads the BSD form with the year before it.
pub(crate) fn read_year_first(text: &[u8], zone: &Zone) -> Option<(Reading, usize)> {
    let year = read_year(text)?;
    let month = month(text.get(5..)?)?;
    if text.get(8) != Some(&b' ') {
        return None;
    }
    let (day, at) = read_day(text, 9)?;
    finish_bsd(text, at, Some(year), month, day, zone)
}

/// The time and what may follow it.
#[inline]
fn finish_bsd(
    text: &[u8],
    at: usize,
    mut year: Option<i32>,
    month: u8,
    day: u8,
    zone: &Zone,
) -> Option<(Reading, usize)> {
    let (second_of_day, micros, len) = read_time(text.get(at..)?)?;
    let mut at = at + len;
    let mut offset = None;
    if let Some((read, len)) = read_offset(&text[at..]) {
        (offset, at) = (Some(read), at + len);
    }
    for _ in 0..2 {
        let Some((b' ', more)) = text[at..].split_first() else { break };
        // Most often what follows is a host in small letters; one look ends it.
        if !matches!(more.first(), Some(b'A'..=b'Z' | b'+' | b'-' | b'1' | b'2')) {
            break;
        }
        if let (None, Some(after)) = (year, read_year(more).filter(|_| ends_year(&more[4..]))) {
            (year, at) = (Some(after), at + 5);
        } else if let (None, Some((read, len))) = (offset, read_zone(more, zone)) {
            (offset, at) = (Some(read), at + 1 + len);
        } else {
            break;
        }
    }
    // Without a year 29 February is possible; which year has one is found later.
    if day > days_in_month(year.unwrap_or(2000), month) || !ends_word(&text[at..]) {
        return None;
    }
    debug_assert!(year.is_none_or(is_leap) || (month, day) != (2, 29));
    Some((Reading { year, month, day, second_of_day, micros, offset }, at))
}

/// True when what follows a year lets it be one: in `2001:db8::7` it is part of an address.
#[inline]
fn ends_year(rest: &[u8]) -> bool {
    matches!(rest, [b' ', ..] | [b':', b' ', ..])
}

/// True when a stamp can end here: the next byte is none that belongs to the same word.
#[inline]
fn ends_word(rest: &[u8]) -> bool {
    !rest.first().is_some_and(u8::is_ascii_alphanumeric)
}

/// A day of one digit or two, with the spaces around it; gives where what follows begins.
#[inline]
fn read_day(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let (day, end) = match *text.get(at..at + 3)? {
        [b' ', d, b' '] => (two(b'0', d), at + 3),
        [d0, d1, b' '] => (two(d0, d1), at + 3),
        [d, b' ', _] => (two(b'0', d), at + 2),
        _ => return None,
    };
    (day != 0 && day != NO_NUMBER).then_some((day, end))
}

/// A year of this era and the space or colon after it; the length is 5 with the latter.
#[inline]
fn read_year(text: &[u8]) -> Option<i32> {
    let [y0 @ (b'1' | b'2'), y1, y2, y3, b' ' | b':'] = *text.first_chunk::<5>()? else { return None };
    let year = four([y0, y1, y2, y3])?;
    (1970..2200).contains(&year).then_some(year)
}

/// `hh:mm:ss` and a fraction: seconds of the day, microseconds, length.
#[inline]
fn read_time(text: &[u8]) -> Option<(u32, u32, usize)> {
    let (time, rest) = text.split_first_chunk::<8>()?;
    let [hour, _, _, minute, _, _, second, _] = pairs(*time, *b"00:00:00")?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
    let (micros, len) = read_fraction(rest);
    Some((seconds, micros, 8 + len))
}

/// A point and its digits, or nothing.
#[inline]
fn read_fraction(text: &[u8]) -> (u32, usize) {
    let Some((b'.' | b',', digits)) = text.split_first() else { return (0, 0) };
    let Some(first) = digits.first_chunk::<8>() else { return read_short_fraction(digits) };
    let values = u64::from_le_bytes(*first) ^ ZEROS;
    // A byte that is no digit may disturb those above it, and the lowest one is all that counts.
    let others = (values | values.wrapping_add(SIXES)) & UPPER;
    let len = others.trailing_zeros() / 8;
    if len == 0 {
        return (0, 0);
    }
    let micros = eight(values & (!0 >> (64 - 8 * len))) / 100;
    (micros, 1 + if others == 0 { 8 + count_digits(&digits[8..]) } else { len as usize })
}

/// The twin of [`read_fraction`], for the digits after a point that fewer than eight bytes follow: one by
/// one.
#[cold]
fn read_short_fraction(digits: &[u8]) -> (u32, usize) {
    let len = count_digits(digits);
    let micros =
        (0..6).fold(0, |micros, at| micros * 10 + if at < len { u32::from(digits[at] - b'0') } else { 0 });
    (micros, if len == 0 { 0 } else { len + 1 })
}

/// The number of digits that `text` begins with.
fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// `Z`, `+hh:mm`, `+hhmm` or `+hh`: seconds east of UTC, and the length.
#[inline]
fn read_offset(text: &[u8]) -> Option<(i32, usize)> {
    let (sign, rest) = match text.split_first()? {
        (b'Z' | b'z', rest) => return ends_word(rest).then_some((0, 1)),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let hour = two(*rest.first()?, *rest.get(1)?);
    let (minute, len) = match rest.get(2..) {
        Some([b':', m0, m1, ..]) => (two(*m0, *m1), 6),
        Some([m0 @ b'0'..=b'9', m1, ..]) => (two(*m0, *m1), 5),
        _ => (0, 3),
    };
    let valid = hour < 24 && minute < 60 && ends_word(&text[len..]);
    valid.then_some((sign * (i32::from(hour) * 3600 + i32::from(minute) * 60), len))
}

/// A zone as a word of its own: an offset, or a name followed by a space or a colon.
///
/// The receiver's own names come first: `IST` is Indian in India and Irish in Ireland.
fn read_zone(text: &[u8], zone: &Zone) -> Option<(i32, usize)> {
    if let Some((offset, len)) = read_offset(text) {
        return matches!(text.get(len), Some(b' ' | b':')).then_some((offset, len));
    }
    let len = text.iter().take(6).position(|b| !b.is_ascii_uppercase())?;
    if !matches!(text[len], b' ' | b':') {
        return None;
    }
    let name = &text[..len];
    let known = || ZONES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, minutes)| minutes * 60);
    zone.offset_of_name(name).or_else(known).map(|offset| (offset, len))
}

/// Names of zones that mean one thing to nearly everybody who logs them, in minutes east of UTC.
const ZONES: [(&str, i32); 32] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("MET", 60),
    ("MEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("SAST", 120),
    ("MSK", 180),
    ("IST", 330),
    ("SGT", 480),
    ("HKT", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("HST", -600),
];

/// The month that the first three letters name, in any case.
#[inline]
fn month(text: &[u8]) -> Option<u8> {
    let [a, b, c] = *text.first_chunk::<3>()?;
    Some(match [a | 0x20, b | 0x20, c | 0x20] {
        [b'j', b'a', b'n'] => 1,
        [b'f', b'e', b'b'] => 2,
        [b'm', b'a', b'r'] => 3,
        [b'a', b'p', b'r'] => 4,
        [b'm', b'a', b'y'] => 5,
        [b'j', b'u', b'n'] => 6,
        [b'j', b'u', b'l'] => 7,
        [b'a', b'u', b'g'] => 8,
        [b's', b'e', b'p'] => 9,
        [b'o', b'c', b't'] => 10,
        [b'n', b'o', b'v'] => 11,
        [b'd', b'e', b'c'] => 12,
        _ => return None,
    })
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const SIXES: u64 = u64::from_le_bytes([6; 8]);
const UPPER: u64 = u64::from_le_bytes([0xf0; 8]);

/// The numbers that pairs of digits make, each at the place of its first digit; `form` has `0` for each
/// digit, and the other characters as they must be. What is at other places of the result means nothing.
///
/// All eight at once (after D. Lemire, "Quickly parsing eight digits"): exclusive-or'ed with the form, a
/// digit is its value and another character is 0; a byte above 9 shows in its upper half when 6 is added; and
/// ten times a digit with the next one is below 256, so that nothing runs over into the next byte.
#[inline]
fn pairs(text: [u8; 8], form: [u8; 8]) -> Option<[u8; 8]> {
    let form = u64::from_le_bytes(form);
    let digits = u64::from_le_bytes(text) ^ form;
    // The digit 0 has bit 4, `-` and `:` have bit 3: all bits of the bytes that are none.
    let fixed = ((form & u64::from_le_bytes([8; 8])) >> 3) * 0xff;
    if (digits | digits.wrapping_add(SIXES)) & UPPER | digits & fixed != 0 {
        return None;
    }
    Some((digits.wrapping_mul(10).wrapping_add(digits >> 8)).to_le_bytes())
}

/// The number whose eight digits have the values in `values`, the first one lowest: pairs, then fours, then
/// all (D. Lemire, as above).
#[inline]
const fn eight(values: u64) -> u32 {
    let pairs = values * 10 + (values >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    (low.wrapping_add(high) >> 32) as u32
}

/// The number that two digits make, or [`NO_NUMBER`], which no range that is checked later has: one branch a
/// field.
#[inline]
fn two(tens: u8, ones: u8) -> u8 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens < 10 && ones < 10 { tens * 10 + ones } else { NO_NUMBER }
}

/// The number that four digits make.
#[inline]
fn four([a, b, c, d]: [u8; 4]) -> Option<i32> {
    let (century, rest) = (two(a, b), two(c, d));
    (century < 100 && rest < 100).then(|| i32::from(century) * 100 + i32::from(rest))
}

/// The result of [`two`] for what is no number.
const NO_NUMBER: u8 = 255;

#[cfg(test)]
mod tests;
