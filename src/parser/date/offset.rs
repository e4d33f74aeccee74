//! Offsets from UTC, as texts say them: `+01:00`, `EST`, `CEST`, `Z`.

use super::format::digits;
use crate::syslog::timestamp::Zone;

/// The offsets of names of zones that are the same everywhere, in hours; their letters may be small ones.
const ZONES: &[(&str, i32)] =
    &[("EST", -5), ("EDT", -4), ("CST", -6), ("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8), ("PDT", -7)];

/// The offset from UTC that `text` begins with, in seconds, and the rest.
pub(super) fn read_zone<'t>(text: &'t [u8], local: &Zone) -> Option<(i32, &'t [u8])> {
    if let [sign @ (b'+' | b'-'), rest @ ..] = text {
        let (offset, rest) = read_offset(rest)?;
        return Some((if *sign == b'-' { -offset } else { offset }, rest));
    }
    // A name that is cut off, or goes on, is none.
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (name, rest) = text.split_at(letters);
    if matches!(name, b"Z" | b"UT" | b"UTC" | b"GMT") {
        return Some((0, rest));
    }
    if let Some((_, hours)) = ZONES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)) {
        return Some((hours * 3600, rest));
    }
    if (1..=6).contains(&letters)
        && let Some(offset) = local.offset_of_name(&name.to_ascii_uppercase())
    {
        return Some((offset, rest));
    }
    let [letter] = name else { return None };
    let hours = match letter {
        b'A'..=b'I' => -(i32::from(letter - b'A') + 1),
        b'K'..=b'M' => -i32::from(letter - b'A'),
        b'N'..=b'Y' => i32::from(letter - b'N') + 1,
        _ => return None,
    };
    Some((hours * 3600, rest))
}

/// `HH`, `HH:`, `HHMM`, `HH:MM` or `H:MM` in seconds, and the rest.
fn read_offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let number = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    let (hours, minutes, rest) = match (digits(text), text) {
        (2, [h1, h2, b':', m1, m2, rest @ ..]) if m1.is_ascii_digit() && m2.is_ascii_digit() => {
            (number(&[*h1, *h2]), number(&[*m1, *m2]), rest)
        }
        (1, [h, b':', m1, m2, rest @ ..]) if m1.is_ascii_digit() && m2.is_ascii_digit() => {
            (number(&[*h]), number(&[*m1, *m2]), rest)
        }
        (2, [_, _, b':', rest @ ..]) if digits(rest) == 0 => (number(&text[..2]), 0, rest),
        (2, [_, _, b':', ..]) => return None,
        (2, _) => (number(&text[..2]), 0, &text[2..]),
        (4, _) => (number(&text[..2]), number(&text[2..4]), &text[4..]),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some((hours * 3600 + minutes * 60, rest))
}
