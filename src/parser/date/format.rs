//! Formats of dates, as `strptime` of C has them: [`Format`].
//!
//! | conversion | accepts |
//! |---|---|
//! | white space, `%n`, `%t` | any run of white space, also none |
//! | `%Y`, `%y` (up to 68 of this century), `%C` | year, of its century, century |
//! | `%m`; `%b %B %h` | month: a number, a name |
//! | `%d %e`; `%j` | day of the month, of the year |
//! | `%a %A`; `%w`; `%u` | weekday: a name, 0 to 6 from Sunday on, 1 to 7 from Monday on |
//! | `%U`, `%W` | week of the year, from Sunday or Monday on: where there is a year and no month |
//! | `%H %k`, `%I %l`; `%p` | hour of 24, of 12; `AM` or `PM` |
//! | `%M`, `%S`, `%f` | minute, second (61 at the most), digits behind the point |
//! | `%s` | seconds since the epoch |
//! | `%z`, `%Z` | offset from UTC or name of a zone: there has to be one, there may be one |
//! | `%c %D %F %R %r %T %x %X` | other conversions together |
//! | `%g %G %V` | numbers that say nothing |
//! | `%E` and `%O` before another letter | the same as without them |
//! | `%%` and all other characters | themselves |
//!
//! A number has at least one digit, and ends where one more digit would make it larger than it can be: `%m`
//! takes
//! `1` of `13`, and `12` of `123`. Names are English, whole or abbreviated, in any case.

use super::offset::read_zone;
use crate::syslog::timestamp::Zone;
use crate::template::{DAYS, MONTHS};

/// A format.
#[derive(Debug)]
pub(super) struct Format {
    items: Box<[Item]>,
    /// The places in the format's text of what is no conversion.
    pub(super) unknown: Vec<usize>,
}

/// A piece of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// White space.
    Space,
    Byte(u8),
    /// A number of at most so much, and what it is.
    Number(i32, Number),
    Name(Names),
    Fraction,
    Epoch,
    Digits,
    /// An offset; whether there has to be one.
    Zone(bool),
    /// A byte that no text has.
    Impossible,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Year,
    YearOfCentury,
    Century,
    Month,
    Day,
    DayOfYear,
    Weekday,
    WeekdayFromMonday,
    /// The week of the year, whose first day is this.
    Week(u8),
    Hour,
    HourOf12,
    Minute,
    Second,
    /// One that says nothing.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Weekdays,
    Months,
    Halves,
}

const HALVES: &[&str] = &["AM", "PM"];

/// The parts of a date that a text has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: Option<i32>,
    /// Tells whether the year was put together of its century and its number in it.
    is_split: bool,
    pub(super) month: Option<u8>,
    pub(super) day: Option<u8>,
    pub(super) day_of_year: Option<u16>,
    /// 0 is Sunday.
    pub(super) weekday: Option<u8>,
    /// The week of the year, and its first weekday.
    pub(super) week: Option<(u8, u8)>,
    pub(super) hour: u8,
    /// The half of the day: 0 before noon, 1 after it.
    half: Option<u8>,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) micros: u32,
    pub(super) epoch: Option<i64>,
    /// Seconds east of UTC.
    pub(super) offset: Option<i32>,
}

impl Format {
    /// Compiles the format `text`.
    pub(super) fn compile(text: &str) -> Self {
        let (mut items, mut unknown) = (Vec::new(), Vec::new());
        add(text, &mut items, &mut unknown);
        Self { items: items.into(), unknown }
    }

    /// Reads `text` into `parts`: whether it has this format. `local` is the zone whose names are known.
    pub(super) fn read(&self, text: &[u8], local: &Zone, parts: &mut Parts) -> bool {
        let mut rest = text;
        for item in &self.items {
            match item.read(rest, local, parts) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// Adds the items of the format `text`.
fn add(text: &str, items: &mut Vec<Item>, unknown: &mut Vec<usize>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let is_space = is_space(byte) || (byte == b'%' && matches!(bytes.get(at + 1), Some(b'n' | b't')));
        let conversion = match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'E' | b'O'), Some(conversion)) => Some((conversion, 3)),
            (Some(conversion), _) => Some((conversion, 2)),
            (None, _) => None,
        };
        let len = conversion.filter(|_| byte == b'%').map_or(1, |(_, len)| len);
        match (byte, conversion.map(|(conversion, _)| conversion)) {
            _ if is_space && items.last() == Some(&Item::Space) => {}
            _ if is_space => items.push(Item::Space),
            (b'%', Some(conversion)) => match (composed(*conversion), item(*conversion)) {
                (Some(format), _) => add(format, items, unknown),
                (None, Some(item)) => items.push(item),
                (None, None) => {
                    unknown.push(at);
                    items.push(Item::Impossible);
                }
            },
            (b'%', None) => {
                unknown.push(at);
                items.push(Item::Impossible);
            }
            _ => items.push(Item::Byte(byte)),
        }
        at += len;
    }
}

/// The format that a conversion is short for.
fn composed(conversion: u8) -> Option<&'static str> {
    Some(match conversion {
        b'c' => "%a %b %e %H:%M:%S %Y",
        b'D' | b'x' => "%m/%d/%y",
        b'F' => "%Y-%m-%d",
        b'R' => "%H:%M",
        b'r' => "%I:%M:%S %p",
        b'T' | b'X' => "%H:%M:%S",
        _ => return None,
    })
}

fn item(conversion: u8) -> Option<Item> {
    Some(match conversion {
        b'%' => Item::Byte(b'%'),
        b'Y' => Item::Number(9999, Number::Year),
        b'y' => Item::Number(99, Number::YearOfCentury),
        b'C' => Item::Number(99, Number::Century),
        b'm' => Item::Number(12, Number::Month),
        b'd' | b'e' => Item::Number(31, Number::Day),
        b'j' => Item::Number(366, Number::DayOfYear),
        b'w' => Item::Number(6, Number::Weekday),
        b'u' => Item::Number(7, Number::WeekdayFromMonday),
        b'U' => Item::Number(53, Number::Week(0)),
        b'W' => Item::Number(53, Number::Week(1)),
        b'H' | b'k' => Item::Number(23, Number::Hour),
        b'I' | b'l' => Item::Number(12, Number::HourOf12),
        b'M' => Item::Number(59, Number::Minute),
        b'S' => Item::Number(61, Number::Second),
        b'a' | b'A' => Item::Name(Names::Weekdays),
        b'b' | b'B' | b'h' => Item::Name(Names::Months),
        b'p' => Item::Name(Names::Halves),
        b'f' => Item::Fraction,
        b's' => Item::Epoch,
        b'g' => Item::Number(99, Number::Nothing),
        b'G' => Item::Digits,
        b'V' => Item::Number(53, Number::Nothing),
        b'z' => Item::Zone(true),
        b'Z' => Item::Zone(false),
        _ => return None,
    })
}

impl Item {
    /// Reads it from the start of `text`; gives the rest.
    #[inline]
    fn read<'t>(self, text: &'t [u8], local: &Zone, parts: &mut Parts) -> Option<&'t [u8]> {
        match self {
            Self::Space => Some(skip_space(text)),
            Self::Byte(byte) => text.split_first().filter(|(first, _)| **first == byte).map(|(_, rest)| rest),
            Self::Number(most, number) => {
                let (value, rest) = read_number(text, most)?;
                number.set(value, parts).then_some(rest)
            }
            Self::Name(names) => names.read(text, parts),
            Self::Fraction => Some(read_fraction(text, parts)),
            Self::Epoch => read_epoch(text, parts),
            Self::Digits => {
                let len = digits(text);
                (len > 0).then(|| &text[len..])
            }
            Self::Zone(is_needed) => match read_zone(skip_space(text), local) {
                Some((offset, rest)) => {
                    parts.offset = Some(offset);
                    Some(rest)
                }
                None => (!is_needed).then_some(text),
            },
            Self::Impossible => None,
        }
    }
}

impl Number {
    /// Sets the part that it is; false where that cannot be `value`.
    #[inline]
    fn set(self, value: i32, parts: &mut Parts) -> bool {
        let byte = value as u8;
        match self {
            Self::Year => parts.year = Some(value),
            Self::YearOfCentury => {
                let century = match parts.year {
                    Some(year) if parts.is_split => year / 100 * 100,
                    _ if value <= 68 => 2000,
                    _ => 1900,
                };
                (parts.year, parts.is_split) = (Some(century + value), true);
            }
            Self::Century => {
                let rest = if parts.is_split { parts.year.unwrap_or_default() % 100 } else { 0 };
                (parts.year, parts.is_split) = (Some(value * 100 + rest), true);
            }
            Self::Month | Self::Day | Self::DayOfYear | Self::WeekdayFromMonday | Self::HourOf12
                if value == 0 =>
            {
                return false;
            }
            Self::Month => parts.month = Some(byte),
            Self::Day => parts.day = Some(byte),
            Self::DayOfYear => parts.day_of_year = Some(value as u16),
            Self::Weekday => parts.weekday = Some(byte),
            Self::WeekdayFromMonday => parts.weekday = Some(byte % 7),
            Self::Week(first) => parts.week = Some((byte, first)),
            Self::Hour => parts.hour = byte,
            Self::HourOf12 => parts.hour = byte % 12 + 12 * parts.half.unwrap_or_default(),
            Self::Minute => parts.minute = byte,
            Self::Second => parts.second = byte,
            Self::Nothing => {}
        }
        true
    }
}

impl Names {
    fn read<'t>(self, text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
        let names: &[&str] = match self {
            Self::Weekdays => &DAYS,
            Self::Months => &MONTHS,
            Self::Halves => HALVES,
        };
        let (number, len) = names.iter().enumerate().find_map(|(number, name)| {
            let starts =
                |len: usize| text.get(..len)?.eq_ignore_ascii_case(&name.as_bytes()[..len]).then_some(len);
            Some((number as u8, starts(name.len()).or_else(|| starts(name.len().min(3)))?))
        })?;
        match self {
            Self::Weekdays => parts.weekday = Some(number),
            Self::Months => parts.month = Some(number + 1),
            Self::Halves if parts.hour > 11 => return None,
            Self::Halves => {
                parts.hour += 12 * number;
                parts.half = Some(number);
            }
        }
        Some(&text[len..])
    }
}

/// A number of at most `most`, and the rest.
#[inline]
fn read_number(text: &[u8], most: i32) -> Option<(i32, &[u8])> {
    let (mut value, mut len, mut left) = (0, 0, most);
    // No more digits than `most` has.
    while left > 0
        && value * 10 <= most
        && let Some(digit) = text.get(len).filter(|byte| byte.is_ascii_digit())
    {
        value = value * 10 + i32::from(digit - b'0');
        (len, left) = (len + 1, left / 10);
    }
    (len > 0 && value <= most).then(|| (value, &text[len..]))
}

/// The digits behind a point, which may stand there or not; further ones than six are left out.
fn read_fraction<'t>(text: &'t [u8], parts: &mut Parts) -> &'t [u8] {
    let text = text.strip_prefix(b".").unwrap_or(text);
    let len = digits(text);
    let kept = &text[..len.min(6)];
    let value = kept.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    parts.micros = value * 10_u32.pow(6 - kept.len() as u32);
    &text[len..]
}

/// Seconds since the epoch, up to the year 9999.
fn read_epoch<'t>(text: &'t [u8], parts: &mut Parts) -> Option<&'t [u8]> {
    const END: i64 = 253_402_300_800;
    let len = digits(text);
    let mut value = (len > 0).then_some(0_i64)?;
    for digit in &text[..len] {
        value = Some(value * 10 + i64::from(digit - b'0')).filter(|value| *value < END)?;
    }
    parts.epoch = Some(value);
    Some(&text[len..])
}

/// The number of digits that `text` begins with.
pub(super) fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn skip_space(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_space(**byte)).count()..]
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}
